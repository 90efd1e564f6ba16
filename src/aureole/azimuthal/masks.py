"""Masks made of shapes and of what pixels measure; True where a pixel is invalid.

Places are (row, column) in pixels as they are stored; i + 0.5 is the middle of pixel i.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aureole.errors import SpecError
from aureole.geometry import Geometry

F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]
Shape = tuple[int, int]

_FEWEST_PEERS = 10
_BESIDE = 2
"""Rings on either side of a pixel's own that count as its own."""
_NORMAL = 1.4826
"""Standard deviations of a normal distribution in its median absolute deviation."""
_SIDES = 0.945
"""Standard deviations between the third highest and the third lowest of eight normal values."""
_AROUND = 7
"""Pixels a side over which the spread of neighbours is averaged."""


def disc(shape: Shape, centre: tuple[float, float], radius: float) -> Mask:
    """Return which pixels have their middle in a disc (row, column, radius in pixels).

    Raises
    ------
    SpecError
        A negative radius.
    """
    if radius < 0.0:
        raise SpecError(f"a disc has a radius from 0 on, not {radius:g}")
    rows, columns = (np.arange(count) + 0.5 - at for count, at in zip(shape, centre, strict=True))
    return np.asarray(np.add.outer(rows**2, columns**2) <= radius**2)


def rectangle(shape: Shape, first: tuple[float, float], last: tuple[float, float]) -> Mask:
    """Return which pixels have their middle between two corners (row, column), whichever they are."""
    inside = [
        (np.arange(count) + 0.5 >= min(pair)) & (np.arange(count) + 0.5 < max(pair))
        for count, pair in zip(shape, zip(first, last, strict=True), strict=True)
    ]
    return np.asarray(np.logical_and.outer(*inside))


def polygon(shape: Shape, corners: Sequence[tuple[float, float]]) -> Mask:
    """Return which pixels have their middle in a polygon of (row, column); where it overlaps itself, a hole.

    Raises
    ------
    SpecError
        Fewer than three corners.
    """
    if len(corners) < 3:
        raise SpecError(f"a polygon has at least three corners, not {len(corners)}")
    middles = np.arange(shape[0]) + 0.5
    crossed = np.zeros((shape[0], shape[1] + 1), np.int32)
    for (row, column), (row_after, column_after) in zip(corners, [*corners[1:], corners[0]], strict=True):
        over = np.flatnonzero((row <= middles) != (row_after <= middles))
        if over.size:
            at = column + (middles[over] - row) * ((column_after - column) / (row_after - row))
            # the first column whose middle is right of the crossing
            first = np.clip(np.ceil(at - 0.5), 0, shape[1]).astype(np.intp)
            np.add.at(crossed, (over, first), 1)
    return (np.cumsum(crossed, axis=1)[:, :-1] & 1).astype(bool)


def grow(mask: Mask, pixels: int) -> Mask:
    """Return a mask and all pixels that are so near to it, diagonally too; shrunk where negative."""
    from scipy.ndimage import distance_transform_cdt

    if pixels == 0 or not mask.any() or mask.all():
        return mask.copy()
    if pixels < 0:
        return np.asarray(distance_transform_cdt(mask, "chessboard") > -pixels)
    return np.asarray(distance_transform_cdt(~mask, "chessboard") <= pixels)


def ring_numbers(geometry: Geometry) -> NDArray[np.intp]:
    """Return on which ring of equal 2θ each pixel is, shape (n1, n2); rings are about a pixel wide.

    Pixels without a place are on the first one.
    """
    two_theta = geometry.center_array("2th_rad")
    known = np.isfinite(two_theta)
    steps = [np.diff(two_theta, axis=axis)[:: _AROUND * 2, :: _AROUND * 2].ravel() for axis in (0, 1)]
    apart = np.abs(np.concatenate(steps))
    apart = apart[np.isfinite(apart)]
    if min(map(len, steps)) == 0 or not apart.size:
        return np.zeros(two_theta.shape, np.intp)
    width = max(float(np.percentile(apart, 95)), 1e-9)
    from_first = np.where(known, two_theta - two_theta[known].min(), 0.0)
    return np.asarray(from_first / width).astype(np.intp)


@dataclass(frozen=True, slots=True, eq=False)
class Peers:
    """What the peers of each pixel, its ring or its neighbours, make one expect; NaN where they are too few.

    Attributes
    ----------
    low, high : ndarray, shape (n1, n2)
        Between these the value is as those of its peers.
    spread : ndarray, shape (n1, n2)
        Standard deviation of a value.
    """

    low: F64
    high: F64
    spread: F64

    def above(self, values: F64, sigma: float) -> Mask:
        """Return which values are more than `sigma` standard deviations above."""
        with np.errstate(invalid="ignore"):
            return np.asarray(values > self.high + sigma * self.spread)

    def below(self, values: F64, sigma: float) -> Mask:
        """Return which values are more than `sigma` standard deviations below."""
        with np.errstate(invalid="ignore"):
            return np.asarray(values < self.low - sigma * self.spread)


def peers_on_rings(values: F64, rings: NDArray[np.intp], noise: F64 | float = 0.0) -> Peers:
    """Return what pixels of the same ring make one expect: from the lowest to the highest median of rings.

    These are the ring itself and two on either side: on the flanks of a sharp ring a small error of the
    geometry, or of its width, is a large one of the intensity. The standard deviation is 1.4826 times the
    median of absolute deviations from the median, but at least the median of the noise, the highest of these.

    Parameters
    ----------
    values : ndarray, shape (n1, n2)
        NaN where invalid.
    rings : ndarray of int, shape (n1, n2)
        See `ring_numbers`.
    noise : ndarray, shape (n1, n2), or float
        Variance of the values, as far as it is known.
    """
    valid = np.isfinite(values)
    ring = rings[valid]
    middle = _medians(values[valid], ring)
    off = _medians(np.abs(values[valid] - middle[ring]), ring)
    known = np.broadcast_to(np.asarray(noise, np.float64), values.shape)[valid]
    spread = np.maximum(_NORMAL * off, np.sqrt(_medians(known, ring)))
    low, high, wide = (
        _extreme_beside(values, int(rings.max()) + 1, sign)[rings]
        for values, sign in ((middle, -1.0), (middle, 1.0), (spread, 1.0))
    )
    return Peers(low, high, wide)


def _extreme_beside(values: F64, size: int, sign: float) -> F64:
    """Return the highest (lowest) of each ring and those beside it that have a value."""
    found = np.full(size + 2 * _BESIDE, -np.inf)
    found[_BESIDE : _BESIDE + values.size] = np.where(np.isfinite(values), sign * values, -np.inf)
    best = np.max([found[shift : shift + size] for shift in range(2 * _BESIDE + 1)], axis=0)
    return np.where(np.isfinite(best), sign * best, np.nan)


def _medians(values: F64, groups: NDArray[np.intp]) -> F64:
    """Return the median of each group, by its number; NaN where there are few values."""
    size = np.bincount(groups)
    start = np.cumsum(size) - size
    ordered = values[np.lexsort((values, groups))]
    found = np.full(size.size, np.nan)
    many = size >= _FEWEST_PEERS
    at, number = start[many], size[many]
    found[many] = 0.5 * (ordered[at + (number - 1) // 2] + ordered[at + number // 2])
    return found


def peers_beside(values: F64, noise: F64 | float = 0.0) -> Peers:
    """Return what the eight neighbours make one expect: values from the third lowest to the third highest.

    So a sharp ring or an edge through a pixel is seen in its neighbours as well. The standard deviation is
    taken from the distance of the two, averaged over the pixels around, but is at least that of the noise.

    Parameters
    ----------
    values, noise
        As for `peers_on_rings`.
    """
    from scipy.ndimage import rank_filter, uniform_filter

    around = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], bool)
    valid = np.isfinite(values)
    high = rank_filter(np.where(valid, values, -np.inf), -3, footprint=around, mode="mirror")
    low = rank_filter(np.where(valid, values, np.inf), 2, footprint=around, mode="mirror")
    known = np.isfinite(high) & np.isfinite(low)
    high, low = np.where(known, high, np.nan), np.where(known, low, np.nan)
    apart = np.where(known, np.maximum(high - low, 0.0), 0.0)
    weight = uniform_filter(known.astype(np.float64), _AROUND)
    mean = uniform_filter(apart, _AROUND) / np.maximum(weight, 1e-9)
    variance = np.where(valid, np.broadcast_to(np.asarray(noise, np.float64), values.shape), -np.inf)
    usual = rank_filter(variance, -4, footprint=around, mode="mirror")
    return Peers(low, high, np.maximum(mean / _SIDES, np.sqrt(np.maximum(usual, 0.0))))


def dead_pixels(highest: F64, peers: Peers, frames: int, sigma: float, *, counts: bool = True) -> Mask:
    """Return which pixels are zero in all frames where their peers are not.

    Parameters
    ----------
    highest : ndarray, shape (n1, n2)
        Of non-negative values, the highest over the frames.
    peers : Peers
        What mean they make one expect.
    frames : int
        How many.
    sigma : float
        Counts have to be expected in such a number, over all frames, that none is as improbable as so many
        standard deviations are: more than sigma². Of other values, zero has to be so far off.
    counts : bool
        Whether values are counts.
    """
    dark = highest == 0.0
    if not counts:
        return np.asarray(dark & peers.below(highest, sigma))
    with np.errstate(invalid="ignore"):
        return np.asarray(dark & (peers.low * frames > sigma**2))


def flickering(scatter: F64, peers: Peers, frames: int, sigma: float) -> Mask:
    """Return which pixels scatter more from frame to frame than their peers do.

    Parameters
    ----------
    scatter : ndarray, shape (n1, n2)
        Variance of each pixel over the frames.
    peers : Peers
        What scatter they make one expect.
    frames : int
        How many.
    sigma : float
        A pixel flickers whose variance is as improbable as so many standard deviations are: by the
        χ²-distribution, and by how much the variances of its peers differ.
    """
    from scipy.special import chdtri, log_ndtr

    if frames < 3:
        raise SpecError(f"flickering pixels are looked for in at least 3 frames, not {frames}")
    cut_off = float(chdtri(frames - 1, np.exp(log_ndtr(-sigma)))) / (frames - 1)
    with np.errstate(invalid="ignore"):
        return np.asarray(peers.above(scatter, sigma) & (scatter > cut_off * peers.high))
