"""Results: sums by bin that add up, and the intensities and errors that follow from them.

With ``c`` the fraction of a pixel in a bin, ``n`` the norm of the pixel, ``m`` the monitor of the frame and
``u`` the variance of the raw value: intensity = Σc(raw - dark) / Σcnm; sem = √(Σc²u) / Σcnm; std = √(Σc²u /
Σ(cnm)²).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import reduce
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np
from numpy.typing import NDArray

from aureole.axis import Axis
from aureole.azimuthal.spec import IntegrationSpec
from aureole.errors import SpecError

if TYPE_CHECKING:
    from aureole.azimuthal.multi import MultiSpec

F64 = NDArray[np.float64]
Index = int | slice | NDArray[Any]

NOT_MERGED = (
    "robust results (trimmed, clipped) do not merge, since each frame keeps other pixels: average their "
    "intensities, or integrate the sum of the frames"
)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """What adds up, for one frame or for several (leading axis); the last axes are those of the bins.

    Attributes
    ----------
    signal : ndarray
        Σ c·(raw - dark).
    normalization, normalization2 : ndarray
        Σ cnm and Σ (cnm)².
    count : ndarray of int64
        Number of pixels that have a share in the bin.
    variance : ndarray or None
        Σ c²u without the dark's; with the azimuthal error model Σ ω²(v - v̄)² with ω = cnm and
        v = (raw - dark)/(nm). Trimmed: of all pixels, values beyond the percentiles moved to them.
    dark_deviation : ndarray or None
        √(Σ c²·variance of the dark). All frames share one dark, and so its error: this is what adds up when
        frames are pooled, and the square of that is what the dark adds to the variance.
    weighted : ndarray or None
        Σ ω²v, with the azimuthal error model alone.
    """

    signal: F64
    normalization: F64
    normalization2: F64
    count: NDArray[np.int64]
    variance: F64 | None = None
    dark_deviation: F64 | None = None
    weighted: F64 | None = None

    def apply(self, function: Callable[..., Any], *others: Sums) -> Sums:
        """Return the sums of `function(part, *parts of the others)`; parts that are not there stay so."""
        parts: list[Any] = []
        for field in fields(self):
            mine = getattr(self, field.name)
            theirs = [getattr(other, field.name) for other in others]
            parts.append(None if mine is None else function(mine, *theirs))
        return Sums(*parts)

    def split(self) -> list[Sums]:
        """Return the sums of each frame, along the leading axis."""
        return [self.apply(lambda part, i=i: part[i]) for i in range(len(self.signal))]

    def with_monitor(self, values: F64) -> Sums:
        """Return the sums of the same frames had they a monitor; `values` has one for each."""
        monitor = values.reshape(-1, *[1] * (self.signal.ndim - 1))
        # Variances Σω²(v - v̄)² stay: ω grows as v falls.
        return replace(
            self,
            normalization=self.normalization * monitor,
            normalization2=self.normalization2 * np.square(monitor),
            weighted=None if self.weighted is None else self.weighted * monitor,
        )

    def merged(self, other: Sums) -> Sums:
        """Return the sums of both together; exact, variances about the mean of a bin included.

        With a the mean of one side and b that of both, Σω²(v-b)² = Σω²(v-a)² + (a-b)²Σω² + 2(a-b)(Σω²v -
        aΣω²).
        """
        both = self.apply(np.add, other)
        if both.weighted is None:
            return both
        mean = mean_of(both)
        return replace(both, variance=self._variance_about(mean) + other._variance_about(mean))

    def _variance_about(self, mean: F64) -> F64:
        assert self.variance is not None
        assert self.weighted is not None
        own = mean_of(self)
        shift = own - mean
        square = shift * (shift * self.normalization2 + 2.0 * (self.weighted - own * self.normalization2))
        # A sum of squares; rounding alone could take it below zero.
        return np.maximum(self.variance + square, 0.0)


def mean_of(sums: Sums) -> F64:
    """Return signal / normalization, 0 in empty bins."""
    return np.divide(sums.signal, sums.normalization, out=np.zeros(sums.signal.shape), where=sums.count > 0)


def concatenate(parts: list[Sums]) -> Sums:
    """Join sums along their leading axis; one row that all parts repeat stays that, and takes no memory."""
    return parts[0].apply(_join, *parts[1:])


def _join(*arrays: NDArray[Any]) -> NDArray[Any]:
    arrays = tuple(one for one in arrays if len(one)) or arrays[:1]
    first = arrays[0]
    if len(arrays) == 1:
        return first
    if all(one.strides[0] == 0 and one.ctypes.data == first.ctypes.data for one in arrays):
        return np.broadcast_to(first[0], (sum(map(len, arrays)), *first.shape[1:]))
    return np.concatenate(arrays)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Bins:
    """What all results of one plan share.

    Attributes
    ----------
    radial, azimuthal : ndarray or None
        Centres of the bins in the units of the spec's axes; None for an axis without bins.
    radial_range, azimuthal_range : tuple of float, or None
        Lower edge of the first bin and upper edge of the last; None without an axis.
    one_count : ndarray or None
        With Poisson errors, Σc²/Σc of each bin: the variance that one count in it would have.
    backend : str
        What computed the sums: a backend, with the devices that it has.
    """

    radial: F64 | None
    azimuthal: F64 | None
    radial_range: tuple[float, float] | None = None
    azimuthal_range: tuple[float, float] | None = None
    one_count: F64 | None = None
    backend: str = "cpu"

    @classmethod
    def of(
        cls,
        spec: IntegrationSpec,
        radial: tuple[float, float] | None,
        azimuthal: tuple[float, float] | None,
        **others: Any,
    ) -> Bins:
        """Return the bins of a spec whose axes have these ranges."""
        return cls(
            _centres(spec.radial, radial), _centres(spec.azimuthal, azimuthal), radial, azimuthal, **others
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of bins: azimuthal before radial."""
        return tuple(axis.size for axis in (self.azimuthal, self.radial) if axis is not None)


def _centres(axis: Axis | None, ends: tuple[float, float] | None) -> F64 | None:
    return None if axis is None or axis.bins is None or ends is None else axis.centres(*ends)


class Result(ABC):
    """Base of `Pattern` and `Cake`: sums by bin, with the spec that they were made for.

    Results of equal specs merge with ``a + b``, frame by frame where they have several; they are never joined
    end to end. Robust results (trimmed, clipped) do not merge. Empty bins (count 0) have NaN for intensity
    and errors.

    Parameters
    ----------
    spec : IntegrationSpec or MultiSpec
    sums : Sums
        With the shape of the bins, after a leading axis of frames or without one.
    bins : Bins

    Raises
    ------
    SpecError
        Sums of another shape than the bins.
    """

    def __init__(self, spec: IntegrationSpec | MultiSpec, sums: Sums, bins: Bins) -> None:
        if len(bins.shape) != self._n_axes() or sums.signal.shape[-self._n_axes() :] != bins.shape:
            raise SpecError(f"sums of shape {sums.signal.shape} do not belong to bins of shape {bins.shape}")
        self.spec = spec
        self.sums = sums
        self.bins = bins

    @staticmethod
    @abstractmethod
    def _n_axes() -> int:
        """Return how many axes the bins have."""

    @property
    def radial(self) -> F64 | None:
        """Centres of the radial bins, in the unit of ``spec.radial``; None where that has no bins."""
        return self.bins.radial

    @property
    def azimuthal(self) -> F64 | None:
        """Centres of the azimuthal bins, in the unit of ``spec.azimuthal``; None where that has no bins."""
        return self.bins.azimuthal

    @property
    def intensity(self) -> F64:
        """Σc(raw - dark) / Σcnm."""
        return self._over(self.sums.signal, self.sums.normalization)

    @property
    def sigma(self) -> F64 | None:
        """Standard error of the intensity, √(Σc²u) / Σcnm; None without an error model."""
        return self._root_over(self.sums.normalization)

    @property
    def std(self) -> F64 | None:
        """Standard deviation of a pixel's intensity, √(Σc²u / Σ(cnm)²); None without an error model."""
        with np.errstate(invalid="ignore"):
            return self._root_over(np.sqrt(self.sums.normalization2))

    @property
    def sum_signal(self) -> F64:
        """Σc(raw - dark)."""
        return self.sums.signal

    @property
    def sum_normalization(self) -> F64:
        """Σcnm."""
        return self.sums.normalization

    @property
    def sum_normalization2(self) -> F64:
        """Σ(cnm)²."""
        return self.sums.normalization2

    @property
    def count(self) -> NDArray[np.int64]:
        """Number of pixels that have a share in each bin."""
        return self.sums.count

    @property
    def sum_variance(self) -> F64 | None:
        """Σc²u; None without an error model.

        With Poisson errors, a bin that is not empty and whose counts sum to zero has the variance of one
        count. It is put in here and not into the sums, which so stay exact when they are merged.
        """
        variance = self.sums.variance
        if variance is None:
            return None
        if self.bins.one_count is not None:
            variance = np.where((variance == 0.0) & (self.count > 0), self.bins.one_count, variance)
        if self.sums.dark_deviation is not None:
            return np.add(variance, np.square(self.sums.dark_deviation))
        return variance

    def _root_over(self, denominator: F64) -> F64 | None:
        variance = self.sum_variance
        if variance is None:
            return None
        # Negative counts make negative variances, for which there is no error to give: NaN.
        with np.errstate(invalid="ignore"):
            return self._over(np.sqrt(variance), denominator)

    def _over(self, numerator: F64, denominator: F64) -> F64:
        out = np.full(numerator.shape, np.nan)
        np.divide(numerator, denominator, out=out, where=self.count > 0)
        return out

    @property
    def _has_frames(self) -> bool:
        return self.sums.signal.ndim > self._n_axes()

    def __len__(self) -> int:
        """Number of frames."""
        if not self._has_frames:
            raise TypeError(f"this {type(self).__name__} is of one frame and has no length")
        return len(self.sums.signal)

    def __getitem__(self, index: Index) -> Self:
        """Return the result of some frames: by an integer, a slice or an array of integers or booleans."""
        if not self._has_frames:
            raise TypeError(f"this {type(self).__name__} is of one frame and cannot be indexed")
        return type(self)(self.spec, self.sums.apply(lambda part: part[index]), self.bins)

    def pooled(self) -> Self:
        """Return the result of all frames together, added in their order; `SpecError` for robust ones."""
        if not self._has_frames:
            return self
        self._check_merging()
        nothing = self.sums.apply(lambda part: np.zeros(self.bins.shape, part.dtype))
        return type(self)(self.spec, reduce(Sums.merged, self.sums.split(), nothing), self.bins)

    def __add__(self, other: Self) -> Self:
        """Return what both frames, or both rows of frames, give together."""
        if not isinstance(other, type(self)):
            return NotImplemented
        self._check_merging()
        if self.spec != other.spec:
            raise SpecError("results of different specs cannot be added: see subtract for a background")
        if self.sums.signal.shape != other.sums.signal.shape:
            raise SpecError(
                f"results of shape {self.sums.signal.shape} and {other.sums.signal.shape} cannot be added: "
                "pool their frames first"
            )
        backend = ", ".join(sorted({*self.bins.backend.split(", "), *other.bins.backend.split(", ")}))
        return type(self)(self.spec, self.sums.merged(other.sums), replace(self.bins, backend=backend))

    def _check_merging(self) -> None:
        if self.spec.robust is not None:
            raise SpecError(NOT_MERGED)

    def __repr__(self) -> str:
        units = " × ".join(
            f"{axis.bins} {axis.unit}"
            for axis in (self.spec.radial, self.spec.azimuthal)
            if axis and axis.bins
        )
        return f"<{type(self).__name__} of {units}{f', {len(self)} frames' if self._has_frames else ''}>"


@final
class Pattern(Result):
    """Intensity against one axis: arrays of shape (bins,), or (frames, bins).

    The binned axis is the radial one, or the azimuthal one where that alone has bins.
    """

    @staticmethod
    def _n_axes() -> int:
        return 1


@final
class Cake(Result):
    """Intensity against both axes: arrays of shape (azimuthal, radial), or (frames, azimuthal, radial)."""

    @staticmethod
    def _n_axes() -> int:
        return 2


@final
@dataclass(frozen=True, slots=True, eq=False)
class Difference:
    """What is left of one result after another was subtracted; it has no sums and does not merge.

    Attributes
    ----------
    radial, azimuthal : ndarray or None
        Centres of the bins.
    intensity : ndarray
        a - scale·b; NaN where either is.
    sigma : ndarray or None
        √(σ_a² + scale²·σ_b²); None unless both have errors.
    minuend, subtrahend : IntegrationSpec or MultiSpec
        Of a and of b.
    scale : float
    """

    radial: F64 | None
    azimuthal: F64 | None
    intensity: F64
    sigma: F64 | None
    minuend: IntegrationSpec | MultiSpec
    subtrahend: IntegrationSpec | MultiSpec
    scale: float


def subtract(a: Result, b: Result, scale: float = 1.0) -> Difference:
    """Subtract a background: a - scale·b, taken as independent measurements.

    Parameters
    ----------
    a, b : Pattern or Cake
        Of the same bins. One `b` is subtracted from each frame of `a`, or as many as `a` has.
    scale : float

    Returns
    -------
    Difference

    Raises
    ------
    SpecError
        These are no results, the bins differ, or the numbers of frames, or the scale is no finite number.
    """
    for given in (a, b):
        if not isinstance(given, Result):
            raise SpecError(f"results are subtracted from each other, not {type(given).__name__}")
    if not isinstance(scale, int | float | np.number) or not np.isfinite(scale):
        raise SpecError(f"the scale of a background must be a finite number, not {scale!r}")
    _check_same_bins(a, b)
    if b._has_frames and a.sums.signal.shape != b.sums.signal.shape:
        raise SpecError(
            f"a background of shape {b.sums.signal.shape} does not fit the shape {a.sums.signal.shape}"
        )
    mine, theirs = a.sigma, b.sigma
    sigma = None if mine is None or theirs is None else np.hypot(mine, scale * theirs)
    intensity = a.intensity - scale * b.intensity
    return Difference(a.radial, a.azimuthal, intensity, sigma, a.spec, b.spec, float(scale))


def _check_same_bins(a: Result, b: Result) -> None:
    for name in ("radial", "azimuthal"):
        mine, theirs = getattr(a, name), getattr(b, name)
        if mine is None and theirs is None:
            continue
        if mine is None or theirs is None:
            raise SpecError(f"only one of the two results has {name} bins: they cannot be subtracted")
        units = getattr(a.spec, name).unit, getattr(b.spec, name).unit
        if units[0] != units[1]:
            raise SpecError(f"the {name} axes are in {units[0]} and {units[1]}: they cannot be subtracted")
        if not np.array_equal(mine, theirs):
            raise SpecError(
                f"the {name} bins of the two results differ: give both axes the same bins and range"
            )
