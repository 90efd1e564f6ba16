"""Sparse frames: the background of each radius, and the pixels that stand out above it."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from functools import partial
from math import nan

import numpy as np
from numpy.typing import DTypeLike, NDArray

from aureole.axis import Axis
from aureole.azimuthal.batches import FramesLike, Item, Reading, in_order
from aureole.azimuthal.corrections import invalid_in_frames, invalid_values, pixels, shaped
from aureole.azimuthal.footprint import check_memory
from aureole.azimuthal.plan import ROBUST_BATCH
from aureole.azimuthal.robust import variance_of_pixels
from aureole.azimuthal.spec import IntegrationSpec
from aureole.azimuthal.table import build_entries
from aureole.errors import FrameCorrupt, FrameError, SpecError
from aureole.frames import EncodedFrame
from aureole.kernels import decode
from aureole.kernels.pick import Picked, PickedFrames, Picking, PixelPlaces
from aureole.kernels.registry import backend as find_backend
from aureole.kernels.registry import resolve
from aureole.kernels.robust import Clip, PixelRows
from aureole.kernels.sparse import SparseFrame, SparseLayout
from aureole.threads import checked_threads, share_of_memory


@dataclass(frozen=True, slots=True, eq=False)
class SparseBatch:
    """Some consecutive frames, made sparse.

    Attributes
    ----------
    frames : range
        Which frames these are.
    done : dict of int to SparseFrame
        Those of them that could be used.
    failures : dict of int to FrameError
        Why the others could not be used.
    """

    frames: range
    done: dict[int, SparseFrame]
    failures: dict[int, FrameError]


class SparsePlan:
    """A spec made ready to keep the pixels that stand out, and the background by radius.

    The background is the mean of each radial bin after sigma clipping. Pixels that stand out keep their raw
    values; so do those that are invalid in a frame, such as saturated ones. Immutable: any number of threads
    may use it at once; pickle takes its spec, to make it again. Source: see `Picking`.

    Parameters
    ----------
    spec : IntegrationSpec
        With a radial axis, ``split="no"``, ``robust=Clip(...)``, an error model and no dark. Where a pixel
        has less than about ten counts, ``"poisson_floor"`` is the error model to take: by the deviation of
        ``"poisson"`` a background of 0.05 counts is clipped to its zeros.
    picking : Picking, optional
        What stands out.
    backend : str
        ``"auto"``, ``"cpu"``, or ``"reference"``; there is none for graphics cards.
    threads : int, optional
        How many make the table; all available cores without it.

    Attributes
    ----------
    spec : IntegrationSpec
    picking : Picking
    shape : tuple of int
        Of a frame.
    mask : ndarray of bool, shape (n1, n2)
        True where no frame has a value: in masked pixels, and outside of the range of the axis.

    Raises
    ------
    SpecError
        A spec of another kind, a shape that is not known, no valid pixel in the range.
    """

    def __init__(
        self,
        spec: IntegrationSpec,
        picking: Picking | None = None,
        *,
        backend: str = "auto",
        threads: int | None = None,
    ) -> None:
        clip, radial = _checked(spec)
        geometry = shaped(spec)
        threads = checked_threads(threads)
        self.spec, self.picking, self.shape = spec, picking or Picking(), geometry.shape
        self.backend = resolve(backend, operations=("pick",))
        self._clip = clip
        self._detector = geometry.detector
        known = pixels(spec, geometry, threads=threads)
        check_memory(replace(spec, split="no"), geometry, known.mask, threads=threads)
        table = build_entries(
            geometry,
            radial,
            spec.azimuthal,
            split="no",
            mask=known.mask,
            chi_discontinuity=spec.chi_discontinuity,
            sample=spec.sample,
            threads=threads,
        )
        if table.entries.bins.size == 0 or table.radial is None:
            raise SpecError(f"no valid pixel lies in the range: {radial.unit} {radial.range or 'everywhere'}")
        self.mask = (np.diff(table.entries.pixel_ptr) == 0).reshape(self.shape)
        self.mask.flags.writeable = False
        radius = geometry.center_array(radial.unit, sample=spec.sample, threads=threads)
        self._centres = radial.centres(*table.radial)
        self._radius = np.where(self.mask, nan, radius).astype(np.float32)
        self._normalization = known.norm.astype(np.float32)
        norm = known.norm.reshape(-1)
        with np.errstate(divide="ignore"):
            inverse = np.where(norm > 0.0, 1.0 / norm, nan)
        place = PixelPlaces(_places(radius, self._centres), inverse, self._centres.size, self.shape[1])
        self._rings = find_backend("rings", self.backend)(table.entries, PixelRows(norm))
        self._places = find_backend("places", self.backend)(place)
        self._pick = find_backend("pick", self.backend)

    def layout(self, dtype: DTypeLike) -> SparseLayout:
        """Return what sparse frames of this plan share, for frames of a type.

        What stands in masked pixels is the dummy of the spec, else the first value by which the detector
        marks invalid pixels, else 0, or NaN for floats.
        """
        dtype = np.dtype(dtype)
        marks = invalid_values(self.spec, self._detector, dtype)
        marks = marks[np.isfinite(marks).all(1)]
        dummy = float(marks[0, 0]) if len(marks) else (nan if dtype.kind == "f" else 0.0)
        if self.spec.dummy is not None:
            dummy = self.spec.dummy
        return SparseLayout(
            self._radius,
            self._centres.astype(np.float32),
            self._normalization,
            unit=_checked(self.spec)[1].unit,
            dummy=dummy,
            dtype=dtype,
            picking=self.picking,
        )

    def sparsify(
        self, frames: FramesLike, *, variance: FramesLike | None = None, threads: int | None = None
    ) -> list[SparseFrame]:
        """Make frames sparse, in their order.

        Parameters
        ----------
        frames : FramesLike
            One image of shape (n1, n2) or encoded frame; or several: an array (F, n1, n2) or a sequence.
        variance : FramesLike, optional
            The variance of each pixel, for the error model ``"variance"``.
        threads : int, optional
            All available cores without it. The result does not depend on it.

        Raises
        ------
        SpecError
            These are no frames, or not as many variances.
        FrameError
            A frame is missing, corrupt or of another shape.
        """
        done: list[SparseFrame] = []
        for batch in self.stream(frames, variance=variance, threads=threads):
            for failure in batch.failures.values():
                raise failure
            done += batch.done.values()
        return done

    def stream(
        self, frames: FramesLike, *, variance: FramesLike | None = None, threads: int | None = None
    ) -> Generator[SparseBatch, None, None]:
        """Make frames sparse and yield them in batches, in order, as they are done; a bad one stops nothing.

        Parameters and errors are those of `sparsify`; frames that cannot be used are among the failures.
        """
        if (variance is None) == (self.spec.error_model == "variance"):
            raise SpecError("a variance comes with the frames if, and only if, the error model is 'variance'")
        reading = Reading(frames, variance, None, self.shape)
        threads = checked_threads(threads)
        images = 1 if variance is None else 2
        needed = images * 8 * ROBUST_BATCH * self.mask.size
        threads = max(1, min(threads, share_of_memory() // needed))
        size = max(1, min(ROBUST_BATCH, -(-len(reading) // threads)))
        spans = [range(i, min(i + size, len(reading))) for i in range(0, len(reading), size)]
        return in_order(partial(self._batch, reading), spans, threads)

    def __reduce__(self) -> tuple[partial[SparsePlan], tuple[IntegrationSpec, Picking]]:
        return partial(SparsePlan, backend=self.backend), (self.spec, self.picking)

    def _batch(self, reading: Reading, span: range) -> SparseBatch:
        failures: dict[int, FrameError] = {}
        kinds: dict[tuple[object, ...], list[Item]] = {}
        for index in span:
            try:
                item = reading.item(index)
            except FrameError as error:
                failures[index] = error
            else:
                kinds.setdefault(item.kind, []).append(item)
        done: dict[int, SparseFrame] = {}
        for items in kinds.values():
            found: PickedFrames = self._pick(
                self._rings,
                [item.frame for item in items],
                places=self._places,
                rule=(self._clip, self.picking),
                invalid=invalid_in_frames(self.spec, self._detector, items[0].frame.dtype),
                variance=variance_of_pixels(self.spec),
                variance_frames=[item.variance for item in items if item.variance is not None],
            )
            for item, failure, picked in zip(items, *found, strict=True):
                try:
                    if failure is not None:
                        raise failure
                    assert picked is not None
                    done[item.index] = _with_invalid(picked, item.frame)
                except FrameError as error:
                    failures[item.index] = error
        return SparseBatch(span, dict(sorted(done.items())), dict(sorted(failures.items())))


def _checked(spec: IntegrationSpec) -> tuple[Clip, Axis]:
    """Return how a spec clips, and its radial axis; raises `SpecError` where it has no use here."""
    if not isinstance(spec.robust, Clip) or spec.error_model is None:
        raise SpecError("sparse frames need robust=Clip(...) and an error model")
    if spec.radial is None or not spec.radial.bins or (spec.azimuthal is not None and spec.azimuthal.bins):
        raise SpecError("sparse frames need bins along a radial axis alone")
    if spec.split != "no":
        raise SpecError(f"sparse frames need split='no', not {spec.split!r}: a pixel has one background")
    if spec.dark is not None:
        raise SpecError("sparse frames keep raw values: subtract the dark before, or leave it out")
    return spec.robust, spec.radial


def _places(radius: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.float32]:
    width = (centres[-1] - centres[0]) / max(centres.size - 1, 1) or 1.0
    place: NDArray[np.float64] = np.nan_to_num((radius.reshape(-1) - centres[0]) / width)
    return np.clip(place, 0.0, centres.size - 1).astype(np.float32)


def _with_invalid(picked: Picked, frame: EncodedFrame) -> SparseFrame:
    """Put the pixels that are invalid in this frame to those that stand out: they must stay what they are."""
    at, values = picked.pixels, picked.values
    if picked.invalid.size:
        at = np.concatenate([at, picked.invalid])
        values = np.concatenate([values, decode(frame).reshape(-1)[picked.invalid]])
        order = np.argsort(at)
        at, values = at[order], values[order]
    with np.errstate(over="ignore"):
        mean, deviation = picked.mean.astype(np.float32), picked.deviation.astype(np.float32)
    if np.isinf(mean).any() or np.isinf(deviation).any():
        raise FrameCorrupt(frame.name, "its background is beyond what float32 holds")
    return SparseFrame(at, values, mean, deviation, picked.peaks)
