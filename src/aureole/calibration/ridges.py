"""Where an image has ridges, as rings are: points on their crests, and which way across them is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_SMOOTH = 1.3
"""Standard deviation of the smoothing, in binned pixels."""
_CLEAR = 5.0
"""How far a ridge stands out of the fluctuations of the curvature."""
_ELONGATED = 2.0
"""How much more a ridge bends across than along."""
_LEAST_PIXELS = 24
"""Binned pixels a side that an image keeps at least."""


@dataclass(frozen=True, slots=True)
class Ridges:
    """Points on ridges of an image.

    Attributes
    ----------
    places : ndarray, shape (N, 2)
        Row and column; 0.5 is the middle of the first pixel.
    across : ndarray, shape (N, 2)
        Unit vectors across the ridge (row, column); the sign has no meaning.
    clearness : ndarray, shape (N,)
        Curvature across the ridge over that of the noise.
    binning : int
        Pixels a side that were pooled.
    """

    places: FloatArray
    across: FloatArray
    clearness: FloatArray
    binning: int

    def __len__(self) -> int:
        return len(self.places)

    def some(self, most: int, seed: int = 0) -> Ridges:
        """Return at most so many of the points, evenly drawn."""
        if len(self) <= most:
            return self
        chosen = np.sort(np.random.default_rng(seed).choice(len(self), most, replace=False))
        return Ridges(self.places[chosen], self.across[chosen], self.clearness[chosen], self.binning)


def find_ridges(image: NDArray[np.generic], valid: BoolArray, binning: int) -> Ridges:
    """Find the ridges of an image, pooled to larger pixels first.

    A ridge is where the second derivative across has its most negative value and the first one vanishes
    within a pixel (C. Steger, IEEE Trans. Pattern Anal. 20 (1998) 113); derivatives are those of the square
    root of the mean counts, smoothed with a Gaussian over what is valid, so that noise is the same all over.

    Parameters
    ----------
    image : ndarray, shape (n1, n2)
    valid : ndarray of bool, shape (n1, n2)
    binning : int
        Pixels a side to pool.
    """
    values, share = _pooled(image, valid, binning)
    if min(values.shape) < _LEAST_PIXELS or not share.any():
        return _none(binning)
    usable = share > 0.5
    weight = ndimage.gaussian_filter(usable.astype(np.float64), _SMOOTH, mode="constant")
    smooth = ndimage.gaussian_filter(np.where(usable, values, 0.0), _SMOOTH, mode="constant")
    smooth /= np.maximum(weight, 1e-3)
    # near gaps the smoothing is one-sided: what is found there would be the gap's edge
    inside = ndimage.minimum_filter(usable.astype(np.uint8), 7, mode="constant") > 0
    return _crests(smooth, inside, binning)


def _pooled(image: NDArray[np.generic], valid: BoolArray, binning: int) -> tuple[FloatArray, FloatArray]:
    """Return the square root of the mean of the valid pixels of each block, and their share of it."""
    rows, columns = (count // binning for count in image.shape)
    cut = (slice(0, rows * binning), slice(0, columns * binning))
    blocks = (rows, binning, columns, binning)
    good = valid[cut]
    counts = np.where(good, image[cut], 0).astype(np.float64).reshape(blocks).sum((1, 3))
    pixels = good.reshape(blocks).sum((1, 3))
    means = np.maximum(counts, 0.0) / np.maximum(pixels, 1)
    # the square root of so few counts would not be even noise: 3/8 of a count mends that (Anscombe)
    return np.sqrt(means + 0.375 / binning**2), pixels / binning**2


def _crests(smooth: FloatArray, inside: BoolArray, binning: int) -> Ridges:
    slope1, slope2 = _slope(smooth, 0), _slope(smooth, 1)
    bend11, bend12, bend22 = _slope(slope1, 0), _slope(slope1, 1), _slope(slope2, 1)
    middle = 0.5 * (bend11 + bend22)
    half = np.hypot(0.5 * (bend11 - bend22), bend12)
    lowest, highest = middle - half, middle + half
    seen = lowest[inside]
    if seen.size == 0:
        return _none(binning)
    noise = 1.4826 * float(np.median(np.abs(middle[inside] - np.median(middle[inside])))) + 1e-12
    ridge = inside & (lowest < -_CLEAR * noise) & (-lowest > _ELONGATED * np.abs(highest))
    at = np.nonzero(ridge)
    # eigenvector of the most negative curvature
    first, second = bend12[at], lowest[at] - bend11[at]
    other = np.abs(second) < np.abs(lowest[at] - bend22[at])
    first, second = np.where(other, lowest[at] - bend22[at], first), np.where(other, bend12[at], second)
    length = np.maximum(np.hypot(first, second), 1e-300)
    first, second = first / length, second / length
    off = -(slope1[at] * first + slope2[at] * second) / lowest[at]
    near = (np.abs(off * first) <= 0.6) & (np.abs(off * second) <= 0.6)
    places = np.stack((at[0] + off * first, at[1] + off * second), axis=1)[near] + 0.5
    across = np.stack((first, second), axis=1)[near]
    return Ridges(places * binning, across, -lowest[at][near] / noise, binning)


def _slope(values: FloatArray, axis: int) -> FloatArray:
    """Return the derivative along an axis; simpler differences would turn normals towards the diagonals."""
    found: FloatArray = ndimage.correlate1d(values, np.array([1.0, -8.0, 0.0, 8.0, -1.0]) / 12.0, axis)
    return found


def _none(binning: int) -> Ridges:
    return Ridges(np.empty((0, 2)), np.empty((0, 2)), np.empty(0), binning)
