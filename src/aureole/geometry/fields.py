"""Coordinates of all pixels at once: float64, in blocks of rows that stay in cache, on several threads.

The pixels of a flat detector form a grid, so a position in space is a sum of one term a row and one a
column::

    t = (first column of R) p1 + (second column) p2 + (third column) dist      and      |t|² = p1² + p2² +
    dist²

Each corner belongs to four pixels: coordinates of corners are computed on the (n1 + 1) x (n2 + 1) grid of
vertices. Without trigonometry and without loss of digits near the beam, with r² = t1² + t2² and R = |t|::

    sin²θ = (1 - cos 2θ) / 2 = r² / (2 R (R + t3))         (forward; (R - t3) / (2 R) backward)

Results do not depend on how rows are divided into blocks or on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import pi

import numpy as np
from numpy.typing import NDArray

from aureole.threads import checked_threads
from aureole.units import Unit

FloatArray = NDArray[np.float64]

_BLOCK = 1 << 14
"""Pixels a block: half a dozen temporaries of it fit the second-level cache of a core."""


_HALF_ROOT: float = float(np.sqrt(0.5))


@dataclass(frozen=True, slots=True)
class Plane:
    """The plane of a detector in space.

    Attributes
    ----------
    rotation : ndarray, shape (3, 3)
        From the axes of the detector (slow, fast, away from the sample) to those of the laboratory.
    dist : float
        From the sample to the plane, in metres.
    wavelength : float or None
        In metres.
    turn_at_zero : bool
        Whether χ jumps at 0 and not at π.
    """

    rotation: FloatArray
    dist: float
    wavelength: float | None = None
    turn_at_zero: bool = False


class _Block:
    """Positions of a block of rows, and scratch space that its thread uses again for the next block."""

    def __init__(self, plane: Plane, columns: FloatArray, rows: int) -> None:
        self._plane = plane
        self._columns = columns[None, :]
        self._columns_squared = self._columns**2
        self._room = [np.empty((rows, columns.size)) for _ in range(4)]

    def _space(self, index: int) -> FloatArray:
        return self._room[index][: self._rows.shape[0]]

    def move_to(self, rows: FloatArray) -> None:
        self._rows = rows[:, None]

    def position(self, axis: int, out: FloatArray) -> FloatArray:
        """Laboratory coordinate 0 (t1), 1 (t2) or 2 (t3)."""
        along_rows, along_columns, away = self._plane.rotation[axis]
        of_rows = along_rows * self._rows + away * self._plane.dist
        np.add(of_rows, along_columns * self._columns, out=out)
        return out

    def squared_distance(self, out: FloatArray) -> FloatArray:
        return np.add(self._rows**2 + self._plane.dist**2, self._columns_squared, out=out)

    def squared_radius(self, out: FloatArray, spare: FloatArray) -> FloatArray:
        """t1² + t2²: the squared distance from the beam."""
        self.position(0, out)
        np.multiply(out, out, out=out)
        self.position(1, spare)
        np.multiply(spare, spare, out=spare)
        return np.add(out, spare, out=out)

    def _sine_of_half(self, squared: FloatArray, length: FloatArray, along: FloatArray) -> FloatArray:
        """√2 sin(½ angle), in place of the squared offset, from that, length and component along the beam."""
        corners = along[[0, 0, -1, -1], [0, -1, 0, -1]]  # the component is affine: its extremes are there
        if corners.min() >= 0.0:
            np.add(along, length, out=along)
            np.multiply(along, length, out=along)
            np.divide(squared, along, out=squared)
        else:
            forward = squared / (length * (length + np.abs(along)))
            np.copyto(squared, np.where(along >= 0.0, forward, (length - along) / length))
        return np.sqrt(squared, out=squared)

    def base(self, name: str, out: FloatArray) -> float:
        """Write a base of `aureole.units` to `out`; return the constant to multiply it with."""
        a, b, c = self._space(0), self._space(1), self._space(2)
        if name == "chi":
            np.arctan2(self.position(0, a), self.position(1, b), out=out)
            if self._plane.turn_at_zero:
                np.add(out, 2.0 * pi, out=out, where=out < 0.0)
            return 1.0
        if name in ("qx", "qy"):
            offset = self.position(1 if name == "qx" else 0, c)
            along = self.position(2, a)
            np.multiply(offset, offset, out=out)
            length = np.sqrt(out + along * along, out=b)
            self._sine_of_half(out, length, along)
            np.copysign(out, offset, out=out)
            return _HALF_ROOT
        self.squared_radius(out, a)
        if name == "r":
            np.sqrt(out, out=out)
        elif name == "2theta":
            np.arctan2(np.sqrt(out, out=out), self.position(2, a), out=out)
        else:
            length = np.sqrt(self.squared_distance(b), out=b)
            self._sine_of_half(out, length, self.position(2, a))
            return _HALF_ROOT
        return 1.0

    def coordinate(self, unit: Unit, out: FloatArray) -> FloatArray:
        """Write a coordinate in its unit to `out`."""
        scale = self.base(unit.base, out) * unit.scale(self._plane.wavelength)
        if scale != 1.0:
            np.multiply(out, scale, out=out)
        return unit.apply(out)


def positions(
    plane: Plane, rows: FloatArray, columns: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return t1, t2, t3 (m) at all rows and columns (m from the PONI), each of shape (rows, columns)."""
    block = _Block(plane, columns, 0)
    block.move_to(rows)
    shape = (rows.size, columns.size)
    return (
        block.position(0, np.empty(shape)),
        block.position(1, np.empty(shape)),
        block.position(2, np.empty(shape)),
    )


def coordinate(
    plane: Plane, unit: Unit, rows: FloatArray, columns: FloatArray, *, threads: int | None = None
) -> FloatArray:
    """Return a coordinate at all rows and columns (m from the PONI), shape (rows, columns)."""
    result = np.empty((rows.size, columns.size))

    def work(block: _Block, first: int, last: int) -> None:
        block.move_to(rows[first:last])
        block.coordinate(unit, result[first:last])

    _by_blocks(work, plane, columns, rows.size, threads)
    return result


def four_corners(vertices: FloatArray, *, threads: int | None = None) -> FloatArray:
    """Return values at the corners of each pixel, (n1, n2, 4), from those at vertices, (n1 + 1, n2 + 1).

    The order is (row, column), (row + 1, column), (row + 1, column + 1), (row, column + 1).
    """
    rows, columns = vertices.shape[0] - 1, vertices.shape[1] - 1
    result = np.empty((rows, columns, 4))

    def work(parts: Iterator[tuple[int, int]]) -> None:
        for first, last in parts:
            part, out = vertices[first : last + 1], result[first:last]
            out[..., 0] = part[:-1, :-1]
            out[..., 1] = part[1:, :-1]
            out[..., 2] = part[1:, 1:]
            out[..., 3] = part[:-1, 1:]

    _on_threads(work, _parts(rows, _height(4 * columns)), threads)
    return result


@dataclass(frozen=True, slots=True)
class Grid:
    """Centres and borders of the pixels along both axes, in metres from the PONI, in stored order."""

    rows: FloatArray
    columns: FloatArray
    row_edges: FloatArray
    column_edges: FloatArray


def cosine_cubed(
    plane: Plane, rows: FloatArray, columns: FloatArray, *, threads: int | None = None
) -> FloatArray:
    """Return cos³ of the angle of incidence, (rows, columns)."""
    result = np.empty((rows.size, columns.size))

    def work(block: _Block, first: int, last: int) -> None:
        out = result[first:last]
        block.move_to(rows[first:last])
        np.sqrt(block.squared_distance(out), out=out)
        np.divide(plane.dist, out, out=out)
        np.multiply(out, out * out, out=out)

    _by_blocks(work, plane, columns, rows.size, threads)
    return result


def polarization(
    plane: Plane,
    rows: FloatArray,
    columns: FloatArray,
    *,
    factor: float,
    offset: float,
    threads: int | None = None,
) -> FloatArray:
    """Return ½ [1 + cos²2θ - f cos 2(χ + offset) sin²2θ], (rows, columns).

    With sin²2θ cos 2χ = (t2² - t1²) / R² and sin²2θ sin 2χ = 2 t1 t2 / R² it needs no angle and has no pole.
    """
    result = np.empty((rows.size, columns.size))
    cosine, sine = np.cos(2.0 * offset), np.sin(2.0 * offset)

    def work(block: _Block, first: int, last: int) -> None:
        block.move_to(rows[first:last])
        out = result[first:last]
        t1, t2, t3 = (block.position(axis, np.empty_like(out)) for axis in range(3))
        squared = block.squared_distance(np.empty_like(out))
        polarised = cosine * (t2 * t2 - t1 * t1) - sine * 2.0 * t1 * t2
        np.multiply(0.5, 1.0 + (t3 * t3 - factor * polarised) / squared, out=out)

    _by_blocks(work, plane, columns, rows.size, threads)
    return result


def _by_blocks(
    work: Callable[[_Block, int, int], None],
    plane: Plane,
    columns: FloatArray,
    rows: int,
    threads: int | None,
) -> None:
    height = _height(columns.size)

    def run(parts: Iterator[tuple[int, int]]) -> None:
        block = _Block(plane, columns, height)
        with np.errstate(divide="ignore"):
            for first, last in parts:
                work(block, first, last)

    _on_threads(run, _parts(rows, height), threads)


def _height(columns: int) -> int:
    return max(1, _BLOCK // columns)


def _parts(rows: int, height: int) -> list[tuple[int, int]]:
    return [(first, min(first + height, rows)) for first in range(0, rows, height)]


def _on_threads(
    work: Callable[[Iterator[tuple[int, int]]], object],
    parts: list[tuple[int, int]],
    threads: int | None,
) -> None:
    """Let threads take parts from one list until none is left."""
    remaining = iter(parts)
    threads = min(checked_threads(threads), len(parts) // 4)
    if threads < 2:
        work(remaining)
        return
    with ThreadPoolExecutor(threads) as pool:
        for future in [pool.submit(work, remaining) for _ in range(threads)]:
            future.result()
