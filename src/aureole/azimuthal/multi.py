"""One pattern of frames that were taken at several positions of the detector."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce

import numpy as np

from aureole.axis import Axis
from aureole.azimuthal.batches import FramesLike, Monitor, Reading, in_order
from aureole.azimuthal.corrections import masked_pixels
from aureole.azimuthal.plan import Plan
from aureole.azimuthal.result import NOT_MERGED, Bins, Cake, Pattern, Sums
from aureole.azimuthal.spec import ErrorModel, IntegrationSpec
from aureole.azimuthal.table import extent
from aureole.errors import FrameError, SpecError
from aureole.geometry import Geometry
from aureole.threads import checked_threads

_SHARED = ("split", "error_model", "solid_angle", "chi_discontinuity")


@dataclass(frozen=True, eq=False)
class MultiSpec:
    """What to integrate at each of several positions, along axes that all of them share.

    A pixel that is farther away, or smaller, sees less of the sample: where the specs correct for the solid
    angle, their norms are scaled by it, so that intensities are on the scale of the first position.

    Parameters
    ----------
    specs : sequence of IntegrationSpec
        One for each position. Geometry, detector, mask, dark, flat and what they correct for may differ;
        axes, splitting, error model and discontinuity are the same. An axis without a range gets that of all
        positions together.

    Raises
    ------
    SpecError
        No spec, specs that differ in what they must share, or robust ones: their results do not merge.
    """

    specs: tuple[IntegrationSpec, ...]

    def __post_init__(self) -> None:
        specs = tuple(self.specs)
        if not specs:
            raise SpecError("no position is given: at least one spec is needed")
        first = specs[0]
        for number, spec in enumerate(specs):
            if spec.robust is not None:
                raise SpecError(NOT_MERGED)
            if spec.shape is None:
                raise SpecError(f"position {number}: the shape of a frame is not known")
            for name in ("radial", "azimuthal", *_SHARED):
                if getattr(spec, name) != getattr(first, name):
                    raise SpecError(
                        f"position {number}: its {name} is {getattr(spec, name)}, that of the first "
                        f"{getattr(first, name)}"
                    )
        object.__setattr__(self, "specs", specs)

    @classmethod
    def of(cls, spec: IntegrationSpec, geometries: Sequence[Geometry]) -> MultiSpec:
        """Return what a spec asks for, at the positions of several geometries in the place of its own."""
        return cls(tuple(replace(spec, geometry=geometry) for geometry in geometries))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MultiSpec) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the digests of the specs, in hexadecimal."""
        return hashlib.sha256(" ".join(spec.digest for spec in self.specs).encode()).hexdigest()

    @property
    def radial(self) -> Axis | None:
        """The radial axis that all share."""
        return self.specs[0].radial

    @property
    def azimuthal(self) -> Axis | None:
        """The azimuthal axis that all share."""
        return self.specs[0].azimuthal

    @property
    def error_model(self) -> ErrorModel | None:
        """The error model that all share."""
        return self.specs[0].error_model

    @property
    def robust(self) -> None:
        """Nothing: all pixels count."""
        return None

    def ranged(self, threads: int | None = None) -> MultiSpec:
        """Return the same with ranges: from the first to the last valid pixel of all positions."""
        axes = [axis for axis in (self.radial, self.azimuthal) if axis is not None]
        if all(axis.range is not None for axis in axes):
            return self
        reach = np.array(list(in_order(_extent, self.specs, checked_threads(threads))))
        low, high = reach.min(axis=0), reach.max(axis=0)
        known = {}
        for name, at in (("radial", 0), ("azimuthal", 2)):
            axis = getattr(self, name)
            if axis is not None and axis.range is None:
                known[name] = replace(axis, range=_given(axis, low[at], high[at + 1]))
        return MultiSpec(tuple(replace(spec, **known) for spec in self.specs))

    def accumulate(
        self,
        frames: FramesLike,
        *,
        variance: FramesLike | None = None,
        monitor: Monitor | None = None,
        threads: int | None = None,
        failures: dict[int, FrameError] | None = None,
    ) -> Pattern | Cake:
        """Integrate one frame of each position and pool them.

        The look-up table of a position is made when its frame is at hand and given up after it, so that
        memory is bounded by the number of threads, not by that of positions.

        Parameters
        ----------
        frames : FramesLike
            As many as there are specs, in their order.
        variance : FramesLike, optional
            As many images of the variance of each pixel, for the error model ``"variance"``.
        monitor : array of shape (positions,) or callable, optional
            What the frames are divided by, above zero; or a function that finds it in an `EncodedFrame`.
        threads : int, optional
            All available cores without it. The result does not depend on it.
        failures : dict of int to FrameError, optional
            Gets the frames that cannot be used, which are then left out; without it the first one is raised.

        Raises
        ------
        SpecError
            There are not as many frames, variances or monitor values as positions.
        FrameError
            A frame cannot be used, and there is no `failures`; or none can.
        """
        if self.error_model == "variance" and variance is None:
            raise SpecError("the error model 'variance' needs a variance with the frames")
        whole = self.ranged(threads)
        reading = Reading(frames, variance, monitor, whole.specs[0].shape or (0, 0))
        if len(reading) != len(whole.specs):
            raise SpecError(f"there are {len(reading)} frames for {len(whole.specs)} positions")
        scales = [_solid_angle(spec) / _solid_angle(whole.specs[0]) for spec in whole.specs]

        def one(index: int) -> Pattern | Cake | FrameError:
            spec = whole.specs[index]
            try:
                item = reading.item(index, spec.shape)
                factor = item.monitor * scales[index]
                # a table for one frame: it would not be worth its way to a device
                plan = Plan(spec, backend="cpu", threads=1)
                return plan.integrate(item.frame, variance=item.variance, monitor=[factor], threads=1)
            except FrameError as error:
                return error

        found: list[tuple[Sums, Bins]] = []
        for index, result in enumerate(in_order(one, range(len(whole.specs)), checked_threads(threads))):
            if not isinstance(result, FrameError):
                found = [reduce(_pooled, [*found, (result.sums, result.bins)])]
                continue
            if failures is None:
                raise result
            failures[index] = result
            if len(failures) == len(whole.specs):
                raise result
        sums, bins = found[0]
        return (Pattern if len(bins.shape) == 1 else Cake)(whole, sums, bins)


def _pooled(first: tuple[Sums, Bins], second: tuple[Sums, Bins]) -> tuple[Sums, Bins]:
    """Return the sums of two positions together, and the bins with the larger variance of one count."""
    sums = first[0].merged(second[0])
    mine, theirs = first[0].dark_deviation, second[0].dark_deviation
    if mine is not None and theirs is not None:  # of other pixels, and so independent
        sums = replace(sums, dark_deviation=np.hypot(mine, theirs))
    bins = first[1]
    if bins.one_count is not None and second[1].one_count is not None:
        bins = replace(bins, one_count=np.maximum(bins.one_count, second[1].one_count))
    return sums, bins


def _extent(spec: IntegrationSpec) -> tuple[float, ...]:
    assert spec.shape is not None
    fitted = replace(spec, geometry=spec.geometry.with_shape(spec.shape))
    return extent(fitted, masked_pixels(fitted, fitted.geometry.detector))


def _given(axis: Axis, low: float, high: float) -> tuple[float, float]:
    """Return the range that an axis gets, which may not reach below where its unit begins."""
    return axis.resolve(low, high)[0], high


def _solid_angle(spec: IntegrationSpec) -> float:
    """Return the solid angle of a pixel at the PONI in steradian; one where nothing is corrected for it."""
    if not spec.solid_angle:
        return 1.0
    detector = spec.geometry.detector
    return detector.pixel1 * detector.pixel2 / spec.geometry.dist**2
