"""Images of a region of interest: how much is there, and where its centre of mass is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aureole.errors import SpecError
from aureole.mapping.patterns import F64, Estimate, Window, chunks, in_window

Background = Literal["none", "linear"]
_SIGNIFICANT = 3.0
_CHUNK_VALUES = 1 << 16


@dataclass(frozen=True, slots=True)
class RegionMaps:
    """A region of many patterns; all arrays have the shape of what the patterns are arranged in.

    Attributes
    ----------
    total, mean : Estimate
        Sum and mean of the bins' intensities, less the background.
    centre : Estimate
        Centre of mass in the unit of the radial axis; NaN where the total is less than three times its
        uncertainty. The uncertainty is of first order.
    bins : ndarray of int
        How many bins had values.
    """

    total: Estimate
    mean: Estimate
    centre: Estimate
    bins: NDArray[np.intp]


def region(
    radial: ArrayLike,
    intensity: ArrayLike,
    sigma: ArrayLike | None,
    *,
    window: Window,
    background: Background = "none",
    border: int = 3,
) -> RegionMaps:
    """Sum patterns over a radial range.

    All results are linear in the intensities, or ratios of such, and their uncertainties follow from those of
    independent bins, the background's included.

    Parameters
    ----------
    radial : array_like, shape (bins,)
        Rising.
    intensity : array_like, shape (..., bins)
        Bins that are NaN are left out; the total is over those that are there.
    sigma : array_like, shape (..., bins) or (bins,), or None
        Standard uncertainties. A bin whose sigma is zero or NaN is left out. Without sigmas there are no
        uncertainties, and a centre wherever the total is positive.
    window : (float, float)
        First and last radial position to be used.
    background : {"none", "linear"}
        What to subtract: nothing, or the line through the means of the border bins on either side.
    border : int
        How many bins the background takes on either side.

    Returns
    -------
    RegionMaps

    Raises
    ------
    SpecError
        Shapes of arrays that do not fit, a window outside the patterns or with too few bins for the borders,
        an unknown background, sigmas that are negative or nowhere positive.
    """
    if background not in ("none", "linear"):
        raise SpecError(f"unknown background {background!r}: known are none, linear")
    if border < 1:
        raise SpecError(f"a background from {border} bins on either side")
    linear = background == "linear"
    what = f"a background of {border} bins on either side" if linear else "a sum"
    least = 2 * border + 1 if linear else 1
    patterns = in_window(radial, intensity, sigma, window, least=least, what=what)
    count = len(patterns.intensity)
    found, bins = np.full((count, 6), np.nan), np.zeros(count, np.intp)
    middle = patterns.radial.mean()
    x = patterns.radial - middle
    for part in chunks(count, max(1, _CHUNK_VALUES // len(x))):
        y, errors, there = patterns.rows(part)
        found[part] = _sums(x, y, errors, there, border if linear else 0, patterns.sigma is not None)
        bins[part] = there.sum(axis=1)
    found[:, 4] += middle
    values = [found[:, k].reshape(patterns.shape) for k in range(6)]
    return RegionMaps(
        Estimate(*values[:2]), Estimate(*values[2:4]), Estimate(*values[4:]), bins.reshape(patterns.shape)
    )


def _sums(
    x: F64, y: F64, errors: F64, there: NDArray[np.bool_], border: int, with_sigma: bool
) -> NDArray[np.float64]:
    """Return total, mean and centre, each with sigma, in six columns."""
    of_total, of_moment = _coefficients(x, there, border)
    bins = there.sum(axis=1)
    missing = np.isnan(of_total[:, 0]) | (bins == 0)
    total, moment = np.sum(of_total * y, axis=1), np.sum(of_moment * y, axis=1)
    sigma = np.sqrt(np.sum(np.square(of_total * errors), axis=1))
    clear = total > (_SIGNIFICANT * sigma if with_sigma else 0.0)
    centre = np.where(clear, moment / np.where(clear, total, 1.0), np.nan)
    by_bin = (of_moment - centre[:, None] * of_total) / total[:, None].clip(np.finfo(float).tiny)
    off = np.sqrt(np.sum(np.square(by_bin * errors), axis=1))
    some = np.maximum(bins, 1)
    columns = np.stack([total, sigma, total / some, sigma / some, centre, off], axis=1)
    columns[missing] = np.nan
    if not with_sigma:
        columns[:, 1::2] = np.nan
    return columns


def _coefficients(x: F64, there: NDArray[np.bool_], border: int) -> tuple[F64, F64]:
    """Return what each bin adds to the total and to the first moment, (n, bins) each.

    NaN where one of the borders of a background has no bins.
    """
    of_total, of_moment = there.astype(np.float64), there * x
    if not border:
        return of_total, of_moment
    ends = []
    for side in (slice(None, border), slice(-border, None)):
        end = np.zeros(there.shape)
        end[:, side] = there[:, side]
        with np.errstate(invalid="ignore"):
            ends.append(end / end.sum(axis=1, keepdims=True))
    left, right = (np.einsum("ij,j->i", end, x) for end in ends)
    rise = (x - left[:, None]) / (right - left)[:, None]
    for shares, end in zip((1.0 - rise, rise), ends, strict=True):
        total, moment = (np.sum(part * there * shares, axis=1, keepdims=True) for part in (1.0, x))
        of_total = of_total - total * end
        of_moment = of_moment - moment * end
    return of_total, of_moment
