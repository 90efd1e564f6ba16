"""Coordinates and corrections of all pixels at once: float64, computed by the native kernel.

The pixels of a flat detector form a grid, so a position in space is a sum of one term a row and one a
column::

    t = (first column of R) p1 + (second column) p2 + (third column) dist      and      |t|² = p1² + p2² +
    dist²

Each corner belongs to four pixels: coordinates of corners are computed on the (n1 + 1) x (n2 + 1) grid of
vertices. Pixels that form no grid have a place in space for each of their corners. Without trigonometry and
without loss of digits near the beam, with r² = t1² + t2² and R = |t|::

    sin²θ = (1 - cos 2θ) / 2 = r² / (2 R (R + t3))         (forward; (R - t3) / (2 R) backward)

The bits do not depend on threads or instruction set.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import cos, sin

import numpy as np
from numpy.typing import NDArray

from aureole._core import Field, field, field_at
from aureole._core import Grid as KernelGrid
from aureole._core import Places as KernelPlaces
from aureole.errors import SpecError
from aureole.geometry.sample import Sample
from aureole.threads import checked_threads
from aureole.units import Unit

FloatArray = NDArray[np.float64]

_BASES = {
    **{"r": 0, "2theta": 1, "sin_theta": 2, "qx": 3, "qy": 4, "chi": 5},
    **{"out_of_plane": 8, "across": 9, "along": 10, "in_plane": 11, "polar": 12},
    **{"exit_vert": 13, "exit_horz": 14, "ray_vert": 13, "ray_horz": 14, "slow": 15, "fast": 16},
}
_SOLID_ANGLE, _POLARIZATION = 6, 7
_FUNCTIONS = {
    name: code
    for code, name in enumerate(["identity", "reciprocal", "square", "log", "log10", "log1p", "arcsinh"])
}


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
    sample : Sample or None
        How the sample stands in the beam.
    factors : ndarray or None
        Where there is parallax, by what distances from the point of normal incidence shrink.
    """

    rotation: FloatArray
    dist: float
    wavelength: float | None = None
    turn_at_zero: bool = False
    sample: Sample | None = None
    factors: FloatArray | None = None

    def coordinate(self, unit: Unit) -> Field:
        """Return what the kernel computes a coordinate from; `SpecError` where the sample is not known."""
        base, function, scale = _BASES[unit.base], _FUNCTIONS[unit.function], unit.scale(self.wavelength)
        if unit.base in ("slow", "fast"):
            return replace(self, rotation=np.eye(3), factors=None)._field(base, function, scale)
        if not unit.needs_sample:
            return self._field(base, function, scale)
        if self.sample is None:
            raise SpecError(
                f"{unit.name} needs to know how the sample stands in the beam: give its angle of incidence"
            )
        upright = unit.base in ("ray_vert", "ray_horz")
        turned = Sample(orientation=self.sample.orientation) if upright else self.sample
        to_sample = turned.matrix()
        beam = float(to_sample[0, 2]), float(to_sample[1, 2]), float(to_sample[2, 2])
        plane = replace(self, rotation=to_sample @ self.rotation)
        return plane._field(base, function, scale, constants=beam)

    def solid_angle(self) -> Field:
        """Return the same for cos³ of the angle of incidence."""
        return replace(self, factors=None)._field(_SOLID_ANGLE)

    def polarization(self, factor: float, offset: float) -> Field:
        """Return the same for ½ [1 + cos²2θ - f cos 2(χ + offset) sin²2θ].

        With sin²2θ cos 2χ = (t2² - t1²) / R² and sin²2θ sin 2χ = 2 t1 t2 / R² it needs no angle and has no
        pole.
        """
        of_cosine, of_sine = factor * cos(2.0 * offset), factor * sin(2.0 * offset)
        return self._field(_POLARIZATION, constants=(of_cosine, of_sine, 0.0))

    def _field(
        self,
        base: int,
        function: int = 0,
        scale: float = 1.0,
        *,
        constants: tuple[float, float, float] = (0.0, 0.0, 0.0),
    ) -> Field:
        parts = [float(part) for part in self.rotation.ravel()]
        return Field(parts, self.dist, base, function, scale, self.turn_at_zero, constants, self.factors)


@dataclass(frozen=True, slots=True)
class Grid:
    """Centres and borders of the pixels along both axes, in metres from the PONI, in stored order."""

    rows: FloatArray
    columns: FloatArray
    row_edges: FloatArray
    column_edges: FloatArray

    def at_centres(self, what: Field, threads: int | None = None) -> FloatArray:
        """Return what a `Plane` describes at the middles of the pixels, (n1, n2)."""
        return values(what, self.rows, self.columns, threads=threads)

    def at_corners(self, what: Field, threads: int | None = None) -> FloatArray:
        """Return the same at the corners of each pixel, (n1, n2, 4)."""
        return four_corners(values(what, self.row_edges, self.column_edges, threads=threads))

    def for_kernels(self) -> dict[str, KernelGrid]:
        """Return what the kernels take."""
        return {"grid": KernelGrid(self.rows, self.columns, self.row_edges, self.column_edges)}


@dataclass(frozen=True, slots=True)
class Places:
    """Corners of pixels that form no grid, as the kernels take them, and how many each pixel has."""

    corners: KernelPlaces
    count: int

    def at_centres(self, what: Field, threads: int | None = None) -> FloatArray:
        """Return what a `Plane` describes at the middles of the pixels, (n1, n2)."""
        found: FloatArray = field_at(what, self.corners, None, checked_threads(threads))
        return found

    def at_corners(self, what: Field, threads: int | None = None) -> FloatArray:
        """Return the same at the corners of each pixel, (n1, n2, count)."""
        at = [field_at(what, self.corners, k, checked_threads(threads)) for k in range(self.count)]
        return np.stack(at, axis=-1)

    def for_kernels(self) -> dict[str, KernelPlaces]:
        """Return what the kernels take."""
        return {"places": self.corners}


def values(what: Field, rows: FloatArray, columns: FloatArray, *, threads: int | None = None) -> FloatArray:
    """Return what a `Plane` describes at all rows and columns (m from the PONI), shape (rows, columns)."""
    found: FloatArray = field(what, rows, columns, checked_threads(threads))
    return found


def positions(
    plane: Plane, rows: FloatArray, columns: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return t1, t2, t3 (m) at all rows and columns (m from the PONI), each of shape (rows, columns)."""
    t1, t2, t3 = (
        (slow * rows + away * plane.dist)[:, None] + fast * columns for slow, fast, away in plane.rotation
    )
    return t1, t2, t3


def four_corners(vertices: FloatArray) -> FloatArray:
    """Return what is at the corners of each pixel, (n1, n2, 4, ...), from vertices, (n1 + 1, n2 + 1, ...).

    The order is (row, column), (row + 1, column), (row + 1, column + 1), (row, column + 1).
    """
    corners = vertices[:-1, :-1], vertices[1:, :-1], vertices[1:, 1:], vertices[:-1, 1:]
    return np.stack(corners, axis=2)
