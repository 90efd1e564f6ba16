"""Which way round was the detector read out? The rings of a powder tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from aureole.geometry import Geometry

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]

_WIDE = 31
"""Width of the smooth background in radial bins of about one and a half pixels."""
_LEAST = 0.01
"""Share of the fluctuations that rings must explain to be seen at all."""
_BETTER = 1.1
"""How much more another orientation must explain to be told."""
_ENOUGH = 4_000_000
_FLIPS: dict[int, tuple[int, ...]] = {1: (0, 1), 2: (0,), 3: (), 4: (1,)}
"""Axes along which each orientation reverses the pixels."""


def orientation_fits(image: NDArray[np.generic], valid: BoolArray, geometry: Geometry) -> dict[int, float]:
    """Return how well the rings of an image fit each orientation of the detector.

    The smooth radial background is taken away from the square roots of the counts, outliers are clipped, and
    the measure is the share of what is left that depends on 2θ alone: near 1 for sharp rings that go with the
    geometry, near 0 for rings that do not, or for no rings.

    Parameters
    ----------
    image : ndarray, shape (n1, n2)
    valid : ndarray of bool, shape (n1, n2)
    geometry : Geometry
        Its own orientation plays no part.

    Returns
    -------
    dict of int to float
        From orientation (1 to 4) to a number from 0 to 1.
    """
    plain = replace(geometry, detector=replace(geometry.detector, orientation=3))
    step = 1 + (image.size > _ENOUGH)
    two_theta = plain.center_array("2th_rad")
    chosen = valid[::step, ::step]
    values = np.sqrt(np.maximum(image[::step, ::step][chosen].astype(np.float64), 0.0))
    return {
        orientation: _explained(values, np.flip(two_theta, axes)[::step, ::step][chosen], max(image.shape))
        for orientation, axes in _FLIPS.items()
    }


def better_orientation(fits: dict[int, float], current: int) -> int | None:
    """Return the orientation that fits clearly better than the current one; None where there is none."""
    best = max(fits, key=lambda orientation: fits[orientation])
    if fits[best] < _LEAST or fits[best] < _BETTER * fits[current]:
        return None
    return best


def _explained(values: FloatArray, two_theta: FloatArray, size: int) -> float:
    """Return the share of the variance about a smooth background that a fine radial profile explains."""
    if values.size == 0:
        return 0.0
    count = max(4, int(0.75 * size))
    low, high = float(two_theta.min()), float(two_theta.max())
    place = np.minimum(((two_theta - low) * (count / (high - low or 1.0))).astype(np.intp), count - 1)
    pixels = np.bincount(place, minlength=count)
    kernel = np.ones(min(_WIDE, count))
    near = np.maximum(np.convolve(pixels, kernel, "same"), 1)

    def sums(of: FloatArray) -> FloatArray:
        return np.bincount(place, of, minlength=count).astype(np.float64)

    for _ in range(2):
        background = (np.convolve(sums(values), kernel, "same") / near)[place]
        rest = values - background
        limit = 3.0 * (np.convolve(sums(np.abs(rest)), kernel, "same") / near)[place]
        values = background + np.clip(rest, -limit, limit)
    rest = values - (np.convolve(sums(values), kernel, "same") / near)[place]
    whole = float(np.sum(np.square(rest)))
    fine = float(np.sum(np.square(sums(rest)) / np.maximum(pixels, 1)))
    return fine / whole if whole > 0.0 else 0.0
