"""Poisson counts of millions of pixels, drawn by inversion from tables: the noise is what takes time."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]

_STEP = 0.125
"""From one tabulated mean to the next; a power of two, so that nothing is rounded."""
_ROWS = 2048
_BITS = 12
"""Of a random number that look up the guide."""
_BLOCK = 1 << 17
"""Pixels at a time, so that what lies between stays in the cache."""


class _Tables(NamedTuple):
    """Distributions of tabulated means.

    `cdf` (rows, values) is P(X <= value); `guide` (rows * 2^bits,) is the value in each of 2^bits equal parts
    of the probability, or -1 minus the first one where a part holds several.
    """

    cdf: NDArray[np.float64]
    guide: NDArray[np.int16]


@cache
def tables() -> _Tables:
    """Return the tables, made on the first call (a second)."""
    from scipy.special import pdtr

    means = np.arange(_ROWS) * _STEP
    values = np.arange(int(means[-1] + 10.0 * np.sqrt(means[-1]) + 30.0))
    cdf = pdtr(values, means[:, None])
    cdf[:, -1] = 1.0
    edges = np.arange((1 << _BITS) + 1) / (1 << _BITS)
    guide = np.empty((_ROWS, 1 << _BITS), np.int16)
    for row, one in zip(guide, cdf, strict=True):
        first = np.searchsorted(one, edges[:-1], "right")
        row[:] = np.where(np.searchsorted(one, edges[1:], "left") > first, -1 - first, first)
    return _Tables(cdf, guide.reshape(-1))


def poisson(rng: np.random.Generator, mean: F32) -> NDArray[np.int32]:
    """Return independent Poisson numbers, as exact as float64 makes them.

    A mean is a tabulated one plus a rest, and so is the number. The first is drawn by inversion with a guide
    table (H.-C. Chen and Y. Asau, AIIE Transactions 6 (1974) 163). The rest, below an eighth, comes from
    events that fall on all pixels alike, of which a share is kept (thinning). Means beyond the table are
    left to NumPy.

    Parameters
    ----------
    rng : Generator
    mean : ndarray of float32
        Not negative; any shape.

    Returns
    -------
    ndarray of int32
        Of the same shape.
    """
    flat = mean.reshape(-1)
    out = np.empty(flat.size, np.int32)
    for first in range(0, flat.size, _BLOCK):
        _draw(rng, flat[first : first + _BLOCK], out[first : first + _BLOCK])
    return out.reshape(mean.shape)


def _draw(rng: np.random.Generator, mean: F32, out: NDArray[np.int32]) -> None:
    cdf, guide = tables()
    row = (np.minimum(mean, (_ROWS - 1) * _STEP) * np.float32(1.0 / _STEP)).astype(np.int32)
    raw = rng.integers(0, 1 << 64, (mean.size + 3) // 4, dtype=np.uint64)
    part = raw.view(np.uint16)[: mean.size] >> (16 - _BITS)
    at = row << _BITS
    at += part
    out[:] = guide[at]
    several = np.flatnonzero(out < 0)
    rows, value = row[several], -1 - out[several]
    probability = (part[several] + rng.random(several.size)) / (1 << _BITS)
    searching = np.arange(several.size)
    while searching.size:
        searching = searching[cdf[rows[searching], value[searching]] <= probability[searching]]
        value[searching] += 1
    out[several] = value
    hit = rng.integers(0, mean.size, rng.poisson(mean.size * _STEP))
    kept = hit[rng.random(hit.size) * _STEP < mean[hit] - row[hit] * np.float32(_STEP)]
    np.add.at(out, kept, 1)
    beyond = np.flatnonzero(mean >= _ROWS * _STEP)
    out[beyond] = rng.poisson(mean[beyond])
