"""Many small peaks fitted at once: a Gaussian on a line in each of many short profiles."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_ROUNDS = 14
_FEWEST = 7
"""Places of a profile that need to have a value, for five unknowns."""


class Bumps(NamedTuple):
    """Fitted peaks, each array of shape (M,).

    `place` and `width` (standard deviation) are in the unit of x, `sigma` is the standard error of the place,
    `height` over `height_sigma` tells how clear a peak is. Where `good` is False nothing was found.
    """

    place: FloatArray
    sigma: FloatArray
    width: FloatArray
    height: FloatArray
    height_sigma: FloatArray
    background: FloatArray
    good: BoolArray


def fit_bumps(x: FloatArray, y: FloatArray, weight: FloatArray, reach: FloatArray) -> Bumps:
    """Fit one Gaussian on a straight line to each of many profiles by least squares.

    The errors come from the scatter about the fit.

    Parameters
    ----------
    x, y, weight : ndarray, shape (M, B)
        Places relative to where the peak is expected, values, and weights that go with 1 / variance; zero
        where there is no value.
    reach : ndarray, shape (M,)
        A peak is farther than this from zero only by mistake.
    """
    used = weight > 0.0
    enough = used.sum(1) >= _FEWEST
    weight = weight / np.maximum(weight.max(1, keepdims=True), 1e-300)
    numbers = _first_guess(x, y, weight, reach)
    steps = np.abs(np.diff(x[enough], axis=1))
    steps = steps[steps > 0.0]  # beyond the last bin there are none
    narrowest, damping = 0.45 * (float(np.median(steps)) if steps.size else 1.0), np.full(len(x), 1e-2)
    rest, slopes = _model(numbers, x, y)
    cost = np.einsum("mb,mb->m", weight, rest * rest)
    normal = np.zeros((len(x), 5, 5))
    for _ in range(_ROUNDS):
        normal = np.einsum("mb,mbi,mbj->mij", weight, slopes, slopes, optimize=True)
        right = np.einsum("mb,mbi,mb->mi", weight, slopes, rest, optimize=True)
        diagonal = np.einsum("mii->mi", normal)
        ridge = damping[:, None] * diagonal + 1e-12 * diagonal.max(1, keepdims=True) + 1e-300
        damped = normal + ridge[:, :, None] * np.eye(5)
        tried = numbers + np.linalg.solve(damped, right[:, :, None])[:, :, 0]
        tried[:, 3] = np.clip(tried[:, 3], -1.5 * reach, 1.5 * reach)
        tried[:, 4] = np.clip(tried[:, 4], narrowest, 2.0 * reach)
        new_rest, new_slopes = _model(tried, x, y)
        new_cost = np.einsum("mb,mb->m", weight, new_rest * new_rest)
        better = new_cost <= cost
        numbers[better], rest[better], slopes[better] = tried[better], new_rest[better], new_slopes[better]
        cost = np.where(better, new_cost, cost)
        damping = np.clip(np.where(better, damping * 0.2, damping * 10.0), 1e-9, 1e6)
    freedom = np.maximum(used.sum(1) - 5, 1)
    errors = _errors(normal, cost / freedom)
    place, width, height = numbers[:, 3], numbers[:, 4], numbers[:, 2]
    good = enough & np.isfinite(errors).all(1) & (np.abs(place) < reach) & (height > 0.0)
    good &= (width > 1.01 * narrowest) & (width < 1.9 * reach) & _seen_both_sides(x, used, place)
    return Bumps(place, errors[:, 3], width, height, errors[:, 2], numbers[:, 0], good)


def _first_guess(x: FloatArray, y: FloatArray, weight: FloatArray, reach: FloatArray) -> FloatArray:
    filled = np.where(weight > 0.0, y, np.nan)
    empty = ~np.isfinite(filled).any(1)
    filled[empty] = 0.0
    low = np.nanquantile(filled, 0.25, axis=1)
    above = np.where(weight > 0.0, np.maximum(y - low[:, None], 0.0), 0.0) * weight
    above *= np.abs(x) <= reach[:, None]
    top = np.argmax(above, axis=1)
    rows = np.arange(len(x))
    place = x[rows, top]
    height = np.maximum(above[rows, top] / np.maximum(weight[rows, top], 1e-300), 1e-12)
    near = above * (np.abs(x - place[:, None]) < 0.5 * reach[:, None])
    width = np.maximum(near.sum(1) / height / 2.5, 0.15 * reach)
    return np.stack((low, np.zeros(len(x)), height, place, np.minimum(width, reach)), axis=1)


def _model(numbers: FloatArray, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    level, slope, height, place, width = (numbers[:, i, None] for i in range(5))
    off = (x - place) / width
    bell = np.exp(-0.5 * off * off)
    rest = y - (level + slope * x + height * bell)
    by_place = height * bell * off / width
    slopes = np.stack((np.ones_like(x), x, bell, by_place, by_place * off), axis=-1)
    return rest, slopes


def _errors(normal: FloatArray, variance: FloatArray) -> FloatArray:
    diagonal = np.sqrt(np.maximum(np.einsum("mii->mi", normal), 1e-100))
    scaled = normal / (diagonal[:, :, None] * diagonal[:, None, :])
    inverse = np.linalg.inv(scaled + 1e-10 * np.eye(5))
    spread = np.einsum("mii->mi", inverse) / np.square(diagonal)
    return np.asarray(np.sqrt(np.maximum(spread, 0.0) * variance[:, None]))


def _seen_both_sides(x: FloatArray, used: BoolArray, place: FloatArray) -> BoolArray:
    """Return which peaks have values on both sides: one at the edge of a gap is a guess."""
    below = (used & (x < place[:, None])).sum(1) >= 2
    above = (used & (x > place[:, None])).sum(1) >= 2
    return np.asarray(below & above)
