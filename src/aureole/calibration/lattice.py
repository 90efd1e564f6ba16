"""Where a crystal scatters: spacings from the reciprocal metric, reflections that its symmetry leaves."""

# ruff: noqa: E741 (h, k, l are what everybody calls them)

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import cos, sqrt

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]
Cell = tuple[float, float, float, float, float, float]
"""a, b, c in metres, alpha, beta, gamma in radians."""
Ring = tuple[float, tuple[int, int, int], int]
"""Spacing (m), one of its (h, k, l), how many reflections."""

SAME = 1e-9
"""Relative difference up to which two spacings are one ring."""

CONDITIONS: dict[str, Callable[[IntArray, IntArray, IntArray], BoolArray]] = {
    "F": lambda h, k, l: ((h + k) % 2 == 0) & ((k + l) % 2 == 0),
    "I": lambda h, k, l: (h + k + l) % 2 == 0,
    "C": lambda h, k, l: (h + k) % 2 == 0,
    "R": lambda h, k, l: (-h + k + l) % 3 == 0,
    "diamond": lambda h, k, l: (h % 2 != 0) | (k % 2 != 0) | (l % 2 != 0) | ((h + k + l) % 4 == 0),
    "cuprite": lambda h, k, l: ((h + k + l) % 2 == 0) | (((h + k) % 2 == 0) & ((k + l) % 2 == 0)),
    "close packed": lambda h, k, l: ((h - k) % 3 != 0) | (l % 2 == 0),
    "c along hh0l": lambda h, k, l: ((h != 0) & (k != 0) & (h + k != 0)) | (l % 2 == 0),
    "a along h0l": lambda h, k, l: (k != 0) | (h % 2 == 0),
    "n along 0kl, h0l": lambda h, k, l: ((h != 0) & (k != 0)) | ((h + k + l) % 2 == 0),
    "2 along h00, 0k0": lambda h, k, l: (l != 0) | ((h != 0) & (k != 0)) | ((h + k) % 2 == 0),
    "2 along 0k0": lambda h, k, l: (h != 0) | (l != 0) | (k % 2 == 0),
    "2 along 00l": lambda h, k, l: (h != 0) | (k != 0) | (l % 2 == 0),
    "3 along 00l": lambda h, k, l: (h != 0) | (k != 0) | (l % 3 == 0),
    "4 along 00l": lambda h, k, l: (h != 0) | (k != 0) | (l % 4 == 0),
    "00l": lambda h, k, l: (h == 0) & (k == 0),
}
"""Reflection conditions by name (International Tables for Crystallography A).

``F``, ``I``, ``C`` and ``R`` (obverse, hexagonal axes) are centrings. Special positions: ``diamond`` is 8a
of Fd-3m, ``cuprite`` 2a and 4b of Pn-3m, ``close packed`` 2a and 2b of P6₃mc. Glide planes: ``c along hh0l``
is that of R-3c (l even where h, k or h + k is zero), ``a along h0l`` of P2₁/a, ``n along 0kl, h0l`` of
P4₂/mnm. Screw axes: ``N along 00l`` leaves multiples of N. ``00l`` is a stack of layers.
"""


def metric(cell: Cell) -> FloatArray:
    """Return the metric tensor of a cell (m²), shape (3, 3)."""
    a, b, c, alpha, beta, gamma = cell
    return np.array(
        [
            [a * a, a * b * cos(gamma), a * c * cos(beta)],
            [a * b * cos(gamma), b * b, b * c * cos(alpha)],
            [a * c * cos(beta), b * c * cos(alpha), c * c],
        ]
    )


def rings(cell: Cell, conditions: Iterable[str], d_min: float) -> list[Ring]:
    """Return all rings with spacings of at least `d_min` (m), the largest spacing first.

    Spacings come from the reciprocal metric tensor, 1/d² = h·G*·h; reflections of equal spacing are one ring.
    """
    limits = [int(edge / d_min * (1.0 + SAME)) for edge in cell[:3]]
    k, l = np.mgrid[-limits[1] : limits[1] + 1, -limits[2] : limits[2] + 1].astype(np.int64)
    reciprocal = np.linalg.inv(metric(cell))
    squares, indices = [], []
    for first in range(-limits[0], limits[0] + 1):
        h = np.full_like(k, first)
        hkl = np.stack((h, k, l), axis=-1)
        square = np.einsum("...i,ij,...j->...", hkl, reciprocal, hkl)
        wanted = (square * d_min**2 <= 1.0 + SAME) & ((h != 0) | (k != 0) | (l != 0))
        for condition in conditions:
            wanted &= CONDITIONS[condition](h, k, l)
        squares.append(square[wanted])
        indices.append(hkl[wanted])
    return _gathered(np.concatenate(squares), np.concatenate(indices))


def _gathered(squares: FloatArray, indices: IntArray) -> list[Ring]:
    """Gather reflections (1/d² and hkl) of equal spacing."""
    if squares.size == 0:
        return []
    order = np.argsort(squares, kind="stable")
    squares, indices = squares[order], indices[order]
    starts = np.flatnonzero(np.concatenate(([True], np.diff(squares) > 2.0 * SAME * squares[1:])))
    found: list[Ring] = []
    for start, stop in zip(starts, np.append(starts[1:], squares.size), strict=True):
        # the indices without minus signs name the ring, the largest first one before others
        h, k, l = max(indices[start:stop].tolist(), key=lambda hkl: (-sum(i < 0 for i in hkl), hkl))
        found.append((1.0 / sqrt(squares[start]), (h, k, l), int(stop - start)))
    return found
