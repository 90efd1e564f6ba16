"""Values for pixels that have none, from those at the same radius and near in azimuth."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, Unpack

import numpy as np
from numpy.typing import NDArray

from aureole.axis import Axis
from aureole.azimuthal.corrections import invalid_in_frames, shaped
from aureole.azimuthal.project import Counting, over_both, turn_of, whole_range
from aureole.azimuthal.result import Cake
from aureole.azimuthal.shortcuts import Options
from aureole.azimuthal.spec import IntegrationSpec
from aureole.errors import FrameCorrupt, SpecError
from aureole.frames import EncodedFrame
from aureole.geometry import Geometry
from aureole.kernels import decode
from aureole.kernels.sparse import as_pixels, drawn_counts
from aureole.kernels.sums import is_invalid

F64 = NDArray[np.float64]

Noise = Literal["poisson"]


class Inpainter:
    """Fills the invalid pixels of frames from cakes.

    In the cake of a frame, what is empty is interpolated along the azimuth; rings without any pixel are
    interpolated between those inside and outside of them. Then each invalid pixel gets what it would have
    counted there.

    Parameters
    ----------
    spec : IntegrationSpec
        With bins along both axes and without ranges. Fewer azimuthal bins give a smoother filling.
    threads : int, optional
        How many make the table; all available cores without it.

    Raises
    ------
    SpecError
        A spec of another kind.
    """

    def __init__(self, spec: IntegrationSpec, *, threads: int | None = None) -> None:
        axes = (spec.radial, spec.azimuthal)
        if any(axis is None or not axis.bins or axis.range is not None for axis in axes):
            raise SpecError("inpainting needs bins along both axes, without ranges")
        assert spec.radial is not None
        assert spec.azimuthal is not None
        if spec.azimuthal.definition.base != "chi" or spec.sample is not None:
            raise SpecError(
                "inpainting goes along rings: its azimuthal axis is chi, its radial one of no sample"
            )
        self._turn = turn_of(spec.azimuthal.unit)
        start = 0.0 if spec.chi_discontinuity == "zero" else -0.5 * self._turn
        geometry = shaped(spec)
        self._spec = replace(
            spec,
            radial=replace(spec.radial, range=whole_range(geometry, spec.radial)),
            azimuthal=replace(spec.azimuthal, range=(start, start + self._turn)),
        )
        self._plan = self._spec.plan(threads=threads)
        self._detector = geometry.detector
        self._place = geometry.center_array(spec.radial.unit, threads=threads)
        self._chi = geometry.center_array(
            spec.azimuthal.unit, chi_discontinuity=spec.chi_discontinuity, threads=threads
        )
        self._norm, self._dark = _unmasked(spec)

    def __call__(
        self,
        image: NDArray[Any] | EncodedFrame,
        *,
        noise: Noise | None = None,
        seed: int | tuple[int, ...] = 0,
    ) -> NDArray[Any]:
        """Return a frame with all pixels valid, of its own type; what has no place stays as it is.

        Parameters
        ----------
        image : ndarray of shape (n1, n2), or EncodedFrame
        noise : {"poisson"}, optional
            Draw the counts at random about what they are expected to be.
        seed : int or tuple of int
            Of the random numbers.

        Raises
        ------
        SpecError
            An unknown kind of noise.
        FrameError
            An image that cannot be used, or without a single valid pixel.
        """
        if noise not in (None, "poisson"):
            raise SpecError(f"noise {noise!r} is not known: there is poisson")
        cake = self._plan.integrate(image, threads=1)
        assert isinstance(cake, Cake)
        assert cake.radial is not None
        assert cake.azimuthal is not None
        filled = filled_cake(cake.intensity, cake.azimuthal, self._turn)
        if filled is None:
            name = image.name if isinstance(image, EncodedFrame) else "image"
            raise FrameCorrupt(name, "not one of its pixels is valid")
        raw = decode(image) if isinstance(image, EncodedFrame) else np.asarray(image)
        invalid = invalid_in_frames(self._spec, self._detector, raw.dtype)
        wanted = self._plan.mask | is_invalid(raw.astype(np.float64), invalid)
        wanted &= np.isfinite(self._place)
        points = (cake.radial, cake.azimuthal, filled)
        place = np.clip(self._place[wanted], cake.radial[0], cake.radial[-1])
        counts = over_both(place, self._chi[wanted], points, turn=self._turn) * self._norm[wanted]
        if self._dark is not None:
            counts += self._dark[wanted]
        if noise is not None:
            counts = drawn_counts(np.random.default_rng(seed), counts)
        out = np.array(raw)
        out[wanted] = as_pixels(counts, out.dtype)
        return out


def _unmasked(spec: IntegrationSpec) -> tuple[F64, F64 | None]:
    """Return norm and dark of all pixels, masked or not; those without a valid flat or dark get none."""
    known = Counting.of(replace(spec, mask=None, detector_mask=False))
    if not known.mask.any():
        return known.norm, known.dark
    detector = spec.geometry.detector
    if detector.recorded is not None:  # it would bring its flat and dark back
        recorded = replace(detector.recorded, flat=None, dark=None)
        detector = replace(detector, recorded=recorded)
    plain = replace(
        spec,
        geometry=replace(spec.geometry, detector=detector.with_shape(known.mask.shape)),
        mask=None,
        detector_mask=False,
        dark=None,
        dark_variance=None,
        flat=None,
        absorption=None,
    )
    return np.where(known.mask, Counting.of(plain).norm, known.norm), known.dark


def filled_cake(cake: F64, azimuthal: F64, turn: float) -> F64 | None:
    """Return a cake without empty bins: along the azimuth first, then along the radius; None if all are."""
    known = np.isfinite(cake)
    rings = known.any(0)
    if not rings.any():
        return None
    filled = cake.copy()
    for ring in np.flatnonzero(rings & ~known.all(0)):
        there = known[:, ring]
        filled[:, ring] = np.interp(azimuthal, azimuthal[there], cake[there, ring], period=turn)
    at, wanted = np.flatnonzero(rings), np.arange(cake.shape[1])
    for row in filled if not rings.all() else ():
        row[:] = np.interp(wanted, at, row[at])
    return filled


def inpaint(
    image: NDArray[Any] | EncodedFrame,
    geometry: Geometry,
    *,
    npt_radial: int = 1000,
    npt_azimuthal: int = 90,
    unit: str = "2th_deg",
    noise: Noise | None = None,
    seed: int = 0,
    **options: Unpack[Options],
) -> NDArray[Any]:
    """Fill the invalid pixels of a frame, those of gaps and of ``mask`` too; see `Inpainter` for many frames.

    Parameters
    ----------
    image : ndarray of shape (n1, n2), or EncodedFrame
    geometry : Geometry
        A detector without a shape gets that of the image.
    npt_radial, npt_azimuthal : int
        Number of bins of the cake. With one azimuthal bin pixels get the mean of their ring.
    unit : str
        Of the radial axis.
    noise, seed
        As of `Inpainter`.
    **options
        Fields of `IntegrationSpec`, ``mask`` above all.

    Returns
    -------
    ndarray, shape (n1, n2), of the type of the image

    Raises
    ------
    SpecError, FrameError
        As `Inpainter`.
    """
    if geometry.detector.shape is None:
        geometry = geometry.with_shape(image.shape)
    fields: dict[str, Any] = {"split": "no", **options}
    spec = IntegrationSpec(
        geometry, radial=Axis(unit, npt_radial), azimuthal=Axis("chi_deg", npt_azimuthal), **fields
    )
    return Inpainter(spec)(image, noise=noise, seed=seed)
