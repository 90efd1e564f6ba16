"""Statistics of each pixel over many images: running sums, and order statistics of a stack.

The sums of squares are taken about a first image, K: with d = x - K, the variance Σd² - (Σd)²/n loses no
digits where K is as near to the mean as any frame is (Chan, Golub & LeVeque, Am. Stat. 37 (1983) 242).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aureole.kernels.robust import Clip, Trim
from aureole.kernels.sums import is_invalid

F64 = NDArray[np.float64]

_BLOCK = 1 << 15
"""Pixels worked on at a time: what is between the steps stays in the cache."""


class Correction(NamedTuple):
    """What is done to raw values, (raw - dark)·scale, and which of them count.

    Attributes
    ----------
    invalid : ndarray, shape (K, 2)
        Closed intervals of raw values that mean "no value".
    dark : ndarray, shape (n_pixels,), or None
    scale : float
        One over the monitor.
    """

    invalid: F64
    dark: F64 | None = None
    scale: float = 1.0

    def apply(self, raw: NDArray[np.generic], pixels: slice) -> tuple[F64, NDArray[np.bool_] | None]:
        """Return the values of some pixels, and which are invalid; None where all are valid."""
        values = raw.astype(np.float64)
        bad = None
        if raw.dtype.kind == "f" or len(self.invalid):
            bad = is_invalid(values, self.invalid)
            bad = bad if bad.any() else None
        if self.dark is not None:
            values -= self.dark[pixels]
        if self.scale != 1.0:
            values *= self.scale
        return values, bad


class Moments:
    """Running count, sum, sum of squares, lowest and highest of each pixel.

    Those of several threads add up by `merge`, in the order of the frames, so that the result has the same
    bits however many work on it.

    Parameters
    ----------
    origin : ndarray, shape (n_pixels,)
        What sums are taken about, near to the mean: a first image. The same for all that are merged.
    squares, extremes : bool
        Whether squares are summed, and whether the lowest and the highest are looked for.
    """

    def __init__(self, origin: F64, *, squares: bool = True, extremes: bool = False) -> None:
        size = origin.size
        self.origin = origin
        self.count = np.zeros(size, np.int32)
        self.total = np.zeros(size)
        self.square = np.zeros(size) if squares else None
        self.lowest = np.full(size, np.inf) if extremes else None
        self.highest = np.full(size, -np.inf) if extremes else None

    def add(self, image: NDArray[np.generic], correction: Correction) -> None:
        """Add an image, shape (n_pixels,) of any type."""
        for start in range(0, self.total.size, _BLOCK):
            part = slice(start, start + _BLOCK)
            values, bad = correction.apply(image[part], part)
            if self.lowest is not None and self.highest is not None:
                for found, extreme, worst in (
                    (self.lowest, np.minimum, np.inf),
                    (self.highest, np.maximum, -np.inf),
                ):
                    extreme(
                        found[part], values if bad is None else np.where(bad, worst, values), out=found[part]
                    )
            values -= self.origin[part]
            if bad is None:
                self.count[part] += 1
            else:
                self.count[part] += ~bad
                values[bad] = 0.0
            self.total[part] += values
            if self.square is not None:
                values *= values
                self.square[part] += values

    def merge(self, other: Moments) -> None:
        """Add what another has summed about the same origin."""
        self.count += other.count
        self.total += other.total
        if self.square is not None and other.square is not None:
            self.square += other.square
        if self.lowest is not None and other.lowest is not None:
            np.minimum(self.lowest, other.lowest, out=self.lowest)
        if self.highest is not None and other.highest is not None:
            np.maximum(self.highest, other.highest, out=self.highest)

    def mean(self) -> F64:
        """Return the mean; NaN where nothing was counted."""
        return _per(self.total, self.count) + self.origin

    def sum(self) -> F64:
        """Return the sum; NaN where nothing was counted."""
        total = self.total + self.count * self.origin
        total[self.count < 1] = np.nan
        return total

    def scatter(self) -> F64:
        """Return the variance of a value, Σ(x - mean)²/(n - 1); NaN where n is below 2."""
        assert self.square is not None, "squares were not asked for"
        about = np.maximum(self.square - self.total * _per(self.total, self.count), 0.0)
        about[self.count < 1] = 0.0
        return _per(about, self.count - 1)

    def extreme(self, *, highest: bool) -> F64:
        """Return the lowest or the highest value; NaN where nothing was counted."""
        found = self.highest if highest else self.lowest
        assert found is not None, "extremes were not asked for"
        return np.where(self.count > 0, found, np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class Reduced:
    """What a stack was reduced to; each of shape (n_pixels,).

    Attributes
    ----------
    value : ndarray
        NaN where nothing was counted.
    variance : ndarray or None
        Of the value, by the scatter of what it was made of; NaN where that is less than two.
    count : ndarray of int32
        How many values there were, or how many are left by clipping.
    """

    value: F64
    variance: F64 | None
    count: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Median:
    """The median of each pixel; of an even number of values the mean of the two in the middle."""


def reduce_stack(values: F64, rule: Median | Trim | Clip, *, quantum: float = 0.0) -> Reduced:
    """Reduce a stack of images to one.

    Parameters
    ----------
    values : ndarray, shape (frames, n_pixels)
        NaN where there is no value.
    rule : Median, Trim or Clip
        `Trim` is the mean of what lies between two percentiles, of which values at the border keep their
        fraction; where both percentiles are one, it is that percentile, interpolated.

        `Clip` is the mean of what is not too far from it. A value is taken out if, were it one of a normal
        distribution, it would be as improbable as one `Clip.sigma` standard deviations off: the cut-off
        follows Student's distribution of the number of frames, since few frames know their own scatter
        badly and no value of n can be more than (n - 1)/√n standard deviations from their mean (F. E. Grubbs,
        Technometrics 11 (1969) 1).
    quantum : float
        Least difference of two values: the standard deviation for clipping is not believed to be lower, lest
        single counts in dark pixels be outliers.

    Returns
    -------
    Reduced
        The variance of a trimmed mean is that of the winsorised values (J. W. Tukey & D. H. McLaughlin,
        Sankhya A 25 (1963) 331), NaN where less than two of them are left; of the median and of a single
        percentile none is known.
    """
    if isinstance(rule, Clip):
        return _clipped(values, rule, quantum)
    # one pixel's values side by side, those that are NaN last
    ordered = np.ascontiguousarray(values.T)
    ordered.sort(axis=1)
    count = np.isfinite(ordered).sum(axis=1, dtype=np.int32)
    if isinstance(rule, Median):
        return Reduced(_percentile(ordered, count, 0.5), None, count)
    low, high = rule.low / 100.0, rule.high / 100.0
    if low == high:
        return Reduced(_percentile(ordered, count, low), None, count)
    return _trimmed(ordered, count, low, high)


def _percentile(ordered: F64, count: NDArray[np.int32], fraction: float) -> F64:
    place = fraction * np.maximum(count - 1, 0)
    below = np.floor(place).astype(np.intp)
    above = np.minimum(below + 1, np.maximum(count - 1, 0))
    low, high = (np.take_along_axis(ordered, at[:, None], axis=1)[:, 0] for at in (below, above))
    found: F64 = low + (place - below) * (high - low)
    return found


def _trimmed(ordered: F64, count: NDArray[np.int32], low: float, high: float) -> Reduced:
    mean, variance = np.full(count.size, np.nan), np.full(count.size, np.nan)
    for number in np.unique(count[count > 0]):
        rows = np.flatnonzero(count == number)
        sorted_ = ordered[rows, :number] if rows.size < count.size else ordered[:, :number]
        place = np.arange(number)
        # how much of the value at each place lies between the percentiles
        share = np.minimum(place + 1, high * number) - np.maximum(place, low * number)
        share = np.maximum(share, 0.0)
        mean[rows] = np.einsum("ij,j->i", sorted_, share) / share.sum()
        if (high - low) * number >= 2.0:
            ends = (_between(sorted_, low * number), _between(sorted_, (1.0 - high) * number, last=True))
            about = np.clip(sorted_, *ends)
            about -= about.mean(axis=1)[:, None]
            scatter = np.einsum("ij,ij->i", about, about) / (number - 1.0)
            variance[rows] = scatter / ((high - low) ** 2 * number)
    return Reduced(mean, variance, count)


def _between(ordered: F64, taken: float, *, last: bool = False) -> F64:
    """Return where values end of which a number are taken off, be it a broken one, shape (rows, 1)."""
    whole = int(taken)
    at, beside = (-1 - whole, -2 - whole) if last else (whole, whole + 1)
    outer, inner = ordered[:, at, None], ordered[:, beside, None]
    return np.asarray(outer + (taken - whole) * (inner - outer))


def _clipped(values: F64, rule: Clip, quantum: float) -> Reduced:
    cut_offs = _cut_offs(len(values), rule)
    total = len(values)
    mean = values.mean(axis=0)
    about = values - mean
    square = np.einsum("ij,ij->j", about, about)
    count = np.full(mean.size, total, np.int32)
    if total > 2:
        largest = np.maximum(about.max(axis=0), -about.min(axis=0))
        limit = cut_offs[total] * np.maximum(np.sqrt(square / (total - 1.0)), quantum)
        # also where there is no value, since nothing can be said of NaN
        again = np.flatnonzero(~(largest <= limit))
    else:
        again = np.flatnonzero(np.isnan(mean))
    if again.size:
        mean[again], square[again], count[again] = _clipped_again(values[:, again], rule, quantum, cut_offs)
    return Reduced(mean, _per(_per(square, count - 1), count), count)


def _clipped_again(
    values: F64, rule: Clip, quantum: float, cut_offs: F64
) -> tuple[F64, F64, NDArray[np.int32]]:
    """Return mean, sum of squares about it and number of the values that are kept."""
    kept = np.isfinite(values)
    plain = np.where(kept, values, 0.0)
    for step in range(rule.iterations + 1):
        count = kept.sum(axis=0, dtype=np.int32)
        mean = _per(np.where(kept, plain, 0.0).sum(axis=0), count)
        about = np.where(kept, plain - mean, 0.0)
        square = np.einsum("ij,ij->j", about, about)
        if step == rule.iterations:
            break
        deviation = np.maximum(np.sqrt(_per(square, count - 1)), quantum)
        inside = kept & ~(np.abs(about) > cut_offs[count] * deviation)
        if np.array_equal(inside, kept):
            break
        kept = inside
    return mean, square, count


def _cut_offs(most: int, rule: Clip) -> F64:
    """Return by how many standard deviations a value may be off, for 0 to `most` values."""
    from scipy.special import log_ndtr, stdtrit

    number = np.arange(most + 1, dtype=np.float64)
    sigma = np.full(most + 1, rule.sigma)
    if rule.chauvenet:
        chance = np.log(np.maximum(number, 3.0) / np.sqrt(2.0 * np.pi))
        sigma = np.maximum(sigma, np.sqrt(2.0 * chance))
    found = np.full(most + 1, np.inf)
    some = number > 2.0
    free = number[some] - 2.0
    student = -stdtrit(free, np.exp(log_ndtr(-sigma[some])))
    # of a value among those that its mean and deviation were made of
    found[some] = (free + 1.0) / np.sqrt(free + 2.0) / np.sqrt(1.0 + free / student**2)
    return found


def _per(sums: F64, number: F64 | NDArray[np.int32]) -> F64:
    """Divide; NaN where the number is not above zero."""
    quotient: F64 = np.divide(sums, number, out=np.full(sums.shape, np.nan), where=number > 0)
    return quotient
