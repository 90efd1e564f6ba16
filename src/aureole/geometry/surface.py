"""Where the pixels of a detector are that form no flat grid: hexagons, bent plates, turned panels, tapers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import cos, isfinite, sin
from typing import Any

import numpy as np

from aureole.errors import GeometryError
from aureole.geometry.distortion import Distortion
from aureole.geometry.layout import FloatArray, Layout, Pair

_ROW_SIDE, _COLUMN_SIDE = [0, 1, 1, 0], [0, 0, 1, 1]
"""Which edge of its row and of its column each corner of a rectangle stands on."""

_MOST_CURVED = 1e4
"""Radii (m) of more than this are flat."""


@dataclass(frozen=True, slots=True)
class Pixels:
    """A grid of rectangular pixels on a plane: number along both axes, size in metres, modules."""

    shape: Pair
    size: tuple[float, float]
    layout: Layout

    def edges(self, axis: int, count: int) -> FloatArray:
        """Return the borders of the first `count` pixels along an axis in metres."""
        return self.layout.edges(axis, count, self.size[axis])


@dataclass(frozen=True, slots=True)
class Parts:
    """Corners of pixels as sums of what their row and what their column says.

    Attributes
    ----------
    rows, columns : ndarray, shapes (n1, K, 3) and (n2, K, 3)
        K corners, each along the slow axis, the fast one and away from the sample, in metres.
    """

    rows: FloatArray
    columns: FloatArray


@dataclass(frozen=True, slots=True)
class Hexagons:
    """Rows of hexagons that stand on a corner; odd rows are shifted by half a pixel along the fast axis.

    The pixel size is the distance between rows and between the pixels of a row.
    """

    def parts(self, pixels: Pixels) -> Parts:
        """Return the corners of all pixels, counter-clockwise from the first along the slow axis."""
        rows, columns = (np.zeros((count, 6, 3)) for count in pixels.shape)
        slow = np.array([0.0, 1.0, 3.0, 4.0, 3.0, 1.0]) / 3.0
        fast = np.array([0.5, 1.0, 1.0, 0.5, 0.0, 0.0])
        at1, at2 = (np.arange(count, dtype=np.float64)[:, None] for count in pixels.shape)
        rows[:, :, 0] = (at1 + slow) * pixels.size[0]
        rows[1::2, :, 1] = 0.5 * pixels.size[1]
        columns[:, :, 1] = (at2 + fast) * pixels.size[1]
        return Parts(rows, columns)


@dataclass(frozen=True, slots=True)
class Cylinder:
    """A plate that is bent about the slow axis towards the sample; pixel sizes are those along the plate.

    The first column touches the plane at the distance of the detector.

    Attributes
    ----------
    radius : float
        In metres.

    Raises
    ------
    GeometryError
        A radius that is not positive, or beyond belief.
    """

    radius: float

    def __post_init__(self) -> None:
        if not (isfinite(self.radius) and 0.0 < self.radius < _MOST_CURVED):
            raise GeometryError(f"a bent detector needs a radius in metres, such as 0.3, not {self.radius!r}")

    def parts(self, pixels: Pixels) -> Parts:
        """Return the corners of all pixels; each stands on the cylinder."""
        rows, columns = (np.zeros((count, 4, 3)) for count in pixels.shape)
        slow = pixels.edges(0, pixels.shape[0])
        turned = pixels.edges(1, pixels.shape[1]) / self.radius
        rows[:, :, 0] = _sides(slow)[:, _ROW_SIDE]
        columns[:, :, 1] = _sides(self.radius * np.sin(turned))[:, _COLUMN_SIDE]
        columns[:, :, 2] = _sides(-2.0 * self.radius * np.sin(0.5 * turned) ** 2)[:, _COLUMN_SIDE]
        return Parts(rows, columns)


@dataclass(frozen=True, slots=True)
class Panels:
    """Flat panels along the slow axis, each turned about the fast axis against the one before.

    Attributes
    ----------
    rows : int
        Of a panel.
    pitch : float
        From the first row of a panel, along the panel, to the first row of the next one, in metres.
    turn : float
        Angle between a panel and the next one, away from the sample, in radians.

    Raises
    ------
    GeometryError
        Numbers that cannot be.
    """

    rows: int
    pitch: float
    turn: float = 0.0

    def __post_init__(self) -> None:
        if not (self.rows >= 1 and isfinite(self.pitch) and self.pitch > 0.0 and isfinite(self.turn)):
            raise GeometryError(
                f"panels of {self.rows} rows, {self.pitch} m apart and turned by {self.turn}, cannot be"
            )

    def parts(self, pixels: Pixels) -> Parts:
        """Return the corners of all pixels."""
        rows, columns = (np.zeros((count, 4, 3)) for count in pixels.shape)
        along = _sides(pixels.edges(0, self.rows))[:, _ROW_SIDE]
        columns[:, :, 1] = _sides(pixels.edges(1, pixels.shape[1]))[:, _COLUMN_SIDE]
        begin = np.zeros(2)
        for number, first in enumerate(range(0, len(rows), self.rows)):
            direction = np.array([cos(number * self.turn), sin(number * self.turn)])
            panel = rows[first : first + self.rows]
            panel[:, :, [0, 2]] = begin + along[: len(panel), :, None] * direction
            begin += self.pitch * direction
        return Parts(rows, columns)


Regular = Hexagons | Cylinder | Panels
Surface = Regular | Distortion

_KINDS: dict[str, type[Surface]] = {
    "hexagons": Hexagons,
    "cylinder": Cylinder,
    "panels": Panels,
    "distortion": Distortion,
}


def surface_to_dict(surface: Surface) -> dict[str, Any]:
    """Return what JSON can hold and `surface_from_dict` understands."""
    kind = next(name for name, known in _KINDS.items() if isinstance(surface, known))
    return {"kind": kind, **asdict(surface)}


def surface_from_dict(known: Mapping[str, Any]) -> Surface:
    """Return the surface that `surface_to_dict` wrote down; `KeyError` or `TypeError` where it did not."""
    facts = dict(known)
    kind = _KINDS[facts.pop("kind")]
    return Distortion.from_dict(facts) if kind is Distortion else kind(**facts)


def grid_parts(edges1: FloatArray, edges2: FloatArray) -> Parts:
    """Return the corners of the pixels of a flat grid from their borders (m) along both axes."""
    rows, columns = (np.zeros((edges.size - 1, 4, 3)) for edges in (edges1, edges2))
    rows[:, :, 0] = _sides(edges1)[:, _ROW_SIDE]
    columns[:, :, 1] = _sides(edges2)[:, _COLUMN_SIDE]
    return Parts(rows, columns)


def _sides(edges: FloatArray) -> FloatArray:
    """Return first and last border of each pixel, (n, 2)."""
    return np.stack([edges[:-1], edges[1:]], axis=1)
