"""The detector: pixels, gaps, orientation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from aureole.arrays import NamedArray
from aureole.errors import GeometryError
from aureole.geometry.catalogue import GENERIC, usual_sensor
from aureole.geometry.described import describe, fields_of, is_named
from aureole.geometry.distortion import Distortion
from aureole.geometry.layout import BoolArray, FloatArray, Layout, Pair, checked_shape
from aureole.geometry.named import named
from aureole.geometry.recorded import Recorded
from aureole.geometry.sensor import Sensor
from aureole.geometry.surface import Cylinder, Panels, Parts, Pixels, Regular, Surface, grid_parts

_PIXELS = 1e-9, 1.0
"""Sizes of pixels (m) that are believed."""


@dataclass(frozen=True, slots=True)
class Detector:
    """Pixels, and where they are with respect to each other.

    Most are flat grids of rectangles that touch each other; `surface` and `recorded` make other ones. Use
    `detector` to get one by its name, `aureole.io.load_detector` to get one from a file.

    Attributes
    ----------
    name : str
        As PONI files have it; ``"Detector"`` for one of which only the pixel size is known.
    pixel1, pixel2 : float
        Pixel size in metres along the slow and the fast axis.
    shape : tuple of int or None
        Number of pixels (slow, fast); None where only the image will tell.
    orientation : int
        1 to 4 as in EXIF: where the first pixel stands. 3 (default): as stored; 1: both axes reversed; 2: the
        slow one; 4: the fast one. It re-indexes positions; frames and masks stay as they are stored.
    sensor : Sensor or None
        As it was given; see `known_sensor`.
    layout : Layout
        Modules and gaps at full resolution.
    binning : tuple of int
        How many pixels of the layout one pixel holds.
    invalid : tuple of int
        Raw values that mean "no value", see `invalid_values`.
    surface : Surface or None
        Where the pixels are that form no flat grid: hexagons, a bent plate, turned panels, or pixels behind a
        taper.
    recorded : Recorded or None
        What a file says of each pixel: corners, mask, flat, dark.

    Raises
    ------
    GeometryError
        A size, shape or orientation that cannot be.
    """

    name: str
    pixel1: float
    pixel2: float
    shape: Pair | None = None
    orientation: int = 3
    sensor: Sensor | None = None
    layout: Layout = field(default=Layout(), repr=False)
    binning: Pair = (1, 1)
    invalid: tuple[int, ...] = ()
    surface: Surface | None = None
    recorded: Recorded | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for key in ("pixel1", "pixel2"):
            size = getattr(self, key)
            if not isinstance(size, float | int | np.number) or not (isfinite(size) and size > 0):
                raise GeometryError(
                    f"detector {self.name}: {key} must be a positive length in metres, not {size!r}"
                )
            if not _PIXELS[0] <= size <= _PIXELS[1]:
                raise GeometryError(f"detector {self.name}: {key} {size:g} is in metres, such as 1e-4")
            object.__setattr__(self, key, float(size))
        if self.shape is None and self.recorded is not None:
            object.__setattr__(self, "shape", self.recorded.shape)
        if self.shape is not None:
            object.__setattr__(self, "shape", checked_shape(self.name, self.shape))
        if self.recorded is not None and self.recorded.shape not in (None, self.shape):
            raise GeometryError(
                f"detector {self.name} has {self.shape} pixels, "
                f"and the arrays of {self.recorded.file} have {self.recorded.shape}"
            )
        if self.orientation not in (1, 2, 3, 4):
            raise GeometryError(
                f"detector {self.name}: orientation must be 1, 2, 3 or 4, not {str(self.orientation)[:60]}"
            )
        object.__setattr__(self, "orientation", int(self.orientation))

    @property
    def mask(self) -> BoolArray:
        """Pixels that never have a value, shape (n1, n2), True where invalid, as stored; read-only."""
        mask = self.layout.mask(self.known_shape, self.binning)
        if self.recorded is not None and self.recorded.mask is not None:
            mask = mask | self.recorded.mask.array
        if self.recorded is not None and self.recorded.corners is not None:
            mask = mask | self.as_stored(_nowhere(self.recorded.corners))
        if isinstance(self.surface, Distortion) and self.surface.masks:
            mask = mask | self.as_stored(self.surface.outside(self.known_shape))
        mask.setflags(write=False)
        return mask

    @property
    def known_shape(self) -> Pair:
        """The shape; raises `GeometryError` where it is not known."""
        if self.shape is None:
            raise GeometryError(
                f"detector {self.name} has no shape: give max_shape, or the shape of an image"
            )
        return self.shape

    @property
    def known_sensor(self) -> Sensor | None:
        """The sensor that was given, or else the one that detectors of this name have; None if unknown."""
        return self.sensor or usual_sensor(self.name)

    def with_shape(self, shape: tuple[int, ...]) -> Detector:
        """Return the detector for images of this shape.

        Raises
        ------
        GeometryError
            The detector has another shape.
        """
        wanted = checked_shape(self.name, shape)
        if self.shape is None:
            return replace(self, shape=wanted)
        if wanted != self.shape:
            raise GeometryError(
                f"an image of {wanted[0]} x {wanted[1]} pixels is not from detector {self.name} with "
                f"{self.shape[0]} x {self.shape[1]}{self._why(wanted)}"
            )
        return self

    def _why(self, wanted: Pair) -> str:
        assert self.shape is not None
        if wanted == self.shape[::-1]:
            return ": its axes are swapped"
        ratio1, rest1 = divmod(self.shape[0], wanted[0])
        ratio2, rest2 = divmod(self.shape[1], wanted[1])
        if ratio1 and ratio2 and not (rest1 or rest2):
            return (
                f": if it is binned {ratio1} x {ratio2}, give pixel1 = {self.pixel1 * ratio1:g} "
                f"and pixel2 = {self.pixel2 * ratio2:g}"
            )
        return ""

    @property
    def is_grid(self) -> bool:
        """Whether the pixels form a flat grid, so that they have `centres` and `edges` along both axes."""
        return self.surface is None and not self.is_listed

    @property
    def is_flat(self) -> bool:
        """Whether all corners of pixels are on one plane, the one that `Geometry.dist` speaks of."""
        if self.recorded is not None and self.recorded.corners is not None:
            return _is_flat(self.recorded.corners)
        return not (
            isinstance(self.surface, Cylinder) or (isinstance(self.surface, Panels) and self.surface.turn)
        )

    def corners(self, rows: slice = slice(None)) -> FloatArray:
        """Return where the corners of the pixels are.

        Parameters
        ----------
        rows : slice
            Of which rows; of all without it.

        Returns
        -------
        ndarray, shape (n1, n2, K, 3)
            Metres along the slow axis, the fast one and away from the sample; K is 4 or, for hexagons, 6. The
            order of rectangles is (i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1).

        Raises
        ------
        GeometryError
            The shape is not known.
        """
        if not self.is_listed:
            parts = self.parts()
            return parts.rows[rows, None] + parts.columns
        return self.as_stored(self.listed())[rows].astype(np.float64)

    def positions(self, rows: slice = slice(None)) -> tuple[FloatArray, FloatArray, FloatArray | None]:
        """Return where the middles of the pixels are, the means of their corners.

        Parameters
        ----------
        rows : slice
            Of which rows; of all without it.

        Returns
        -------
        p1, p2 : ndarray, shape (n1, n2)
            Metres along the slow and the fast axis.
        p3 : ndarray, shape (n1, n2), or None
            Metres away from the sample; None where the detector is flat.
        """
        if self.is_grid:
            p1, p2 = np.meshgrid(self.centres(0)[rows], self.centres(1), indexing="ij")
            return p1, p2, None
        if not self.is_listed:
            parts = self.parts()
            middles = parts.rows.mean(axis=1)[rows, None] + parts.columns.mean(axis=1)
        else:
            middles = self.as_stored(self.listed())[rows].mean(axis=2, dtype=np.float64)
        return middles[..., 0], middles[..., 1], None if self.is_flat else middles[..., 2]

    def parts(self) -> Parts:
        """Return the corners as sums of what their rows and what their columns say, in stored order.

        Raises
        ------
        GeometryError
            They are known one by one.
        """
        if self.is_listed or isinstance(self.surface, Distortion):
            raise GeometryError(f"detector {self.name}: the corners of its pixels are known one by one")
        if self.surface is None:
            return grid_parts(self.edges(0), self.edges(1))
        found = _parts(self.surface, Pixels(self.known_shape, (self.pixel1, self.pixel2), self.layout))
        rows, columns = (
            np.ascontiguousarray(part[::-1]) if self.flipped[axis] else part
            for axis, part in enumerate((found.rows, found.columns))
        )
        return Parts(rows, columns)

    @property
    def is_listed(self) -> bool:
        """Whether the corners are known one by one, and not as sums of what rows and columns say."""
        return isinstance(self.surface, Distortion) or not (
            self.recorded is None or self.recorded.corners is None
        )

    def listed(self) -> NDArray[Any]:
        """Return the corners of a detector of which `is_listed`, as of orientation 3: (n1, n2, K, 3)."""
        if self.recorded is not None and self.recorded.corners is not None:
            return self.recorded.corners.array
        assert isinstance(self.surface, Distortion)
        return self.surface.corners(self.known_shape, (self.pixel1, self.pixel2))

    @property
    def flipped(self) -> tuple[bool, bool]:
        """Whether pixels are stored in reverse along the slow and the fast axis, as the orientation says."""
        return self.orientation in (1, 2), self.orientation in (1, 4)

    def as_stored(self, image: NDArray[Any]) -> NDArray[Any]:
        """Return an array (n1, n2, ...) of orientation 3 in the order in which the pixels are stored."""
        slow, fast = (slice(None, None, -1 if flip else 1) for flip in self.flipped)
        return image[slow, fast]

    def _need_grid(self) -> None:
        if not self.is_grid:
            raise GeometryError(
                f"the pixels of detector {self.name} form no flat grid: ask for its positions and corners"
            )

    def edges(self, axis: int) -> FloatArray:
        """Return the borders of the pixels of a grid along an axis in metres, in stored order, (n + 1,).

        Raises
        ------
        GeometryError
            The pixels form no grid.
        """
        self._need_grid()
        count, binning = self.known_shape[axis], self.binning[axis]
        pixel = (self.pixel1, self.pixel2)[axis]
        borders = self.layout.edges(axis, count, pixel)
        if binning != 1 and self.layout.wide != 1.0:
            borders = self.layout.edges(axis, count * binning, pixel / binning)[::binning]
        return borders[::-1] if self.flipped[axis] else borders

    def centres(self, axis: int) -> FloatArray:
        """Return the middles of the pixels of a grid along an axis in metres, in stored order, (n,).

        Raises
        ------
        GeometryError
            The pixels form no grid.
        """
        self._need_grid()
        if self.layout.wide == 1.0:
            pixel = (self.pixel1, self.pixel2)[axis]
            centres: FloatArray = (np.arange(self.known_shape[axis], dtype=np.float64) + 0.5) * pixel
            return centres[::-1] if self.flipped[axis] else centres
        borders = self.edges(axis)
        middles: FloatArray = np.multiply(borders[:-1] + borders[1:], 0.5)
        return middles

    def pixel_at(self, axis: int, position: float) -> float:
        """Return on which stored pixel of a grid a position (m) falls; i + 0.5 is the middle of pixel i.

        Raises
        ------
        GeometryError
            The pixels form no grid.
        """
        self._need_grid()
        pixel = (self.pixel1, self.pixel2)[axis]
        if self.layout.wide == 1.0:
            index = position / pixel
        else:
            borders = np.sort(self.edges(axis))
            inside = float(np.interp(position, borders, np.arange(borders.size)))
            index = inside + (position - min(max(position, borders[0]), borders[-1])) / pixel
        return self.known_shape[axis] - index if self.flipped[axis] else index

    def invalid_values(self, dtype: DTypeLike) -> list[tuple[float, float]]:
        """Return the raw values that mean "no value" in frames of a type, as closed intervals (low, high).

        In signed integers and floats these are the values themselves. In unsigned integers ``-1`` is all bits
        set; floats have that of 32 bits also, rounded or not. ``-2`` and below are looked for in unsigned
        frames of 32 bits or more only: in smaller ones they would be plausible counts.
        """
        kind = np.dtype(dtype)
        intervals: list[tuple[float, float]] = []
        for value in self.invalid:
            if kind.kind == "u":
                if value == -1 or kind.itemsize >= 4:
                    wrapped = 2 ** (8 * kind.itemsize) + value
                    intervals.append((wrapped, wrapped))
                continue
            intervals.append((value, value))
            if kind.kind == "f" and value == -1:
                intervals.append((2.0**32 - 1.0, 2.0**32))
        return intervals

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold and `from_dict` understands."""
        return describe(self)

    def is_named(self) -> bool:
        """Return whether name, pixel size and shape say all that there is to say."""
        return is_named(self)

    @staticmethod
    def from_dict(known: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]] | None = None) -> Detector:
        """Return the detector that `to_dict` wrote down.

        Parameters
        ----------
        known : mapping
        arrays : mapping of str to ndarray, optional
            What a file recorded, by SHA-256.

        Raises
        ------
        GeometryError
            Something is missing or cannot be.
        SpecError
            A recorded array was not given.
        """
        try:
            return Detector(**fields_of(known, arrays or {}))
        except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
            raise GeometryError(f"the description of a detector is not usable: {error!r}") from error


def detector(
    name: str = GENERIC,
    *,
    pixel1: float | None = None,
    pixel2: float | None = None,
    shape: Pair | None = None,
    orientation: int = 3,
    sensor: Sensor | None = None,
    radius: float | None = None,
) -> Detector:
    """Return a detector by its name, or a generic one by its pixel size.

    Parameters
    ----------
    name : str
        Such as ``"Pilatus 2M CdTe"``, ``"Eiger2_9M"`` or ``"MAR 165"``: case, spaces, dashes and underscores
        do not matter. ``"Detector"`` is the generic one.
    pixel1, pixel2 : float, optional
        Pixel size in metres (slow, fast); the generic detector needs them. For a named one they choose the
        binning.
    shape : tuple of int, optional
        Number of pixels (slow, fast). For a named detector it chooses the binning where the pixel size does
        not, and otherwise replaces the shape: the grid of modules then starts at the first pixel all the
        same.
    orientation : int
        1 to 4, see `Detector`.
    sensor : Sensor, optional
        In the place of that which detectors of this name have.
    radius : float, optional
        To which a bent detector is bent, in metres, where it is not that of the catalogue.

    Raises
    ------
    GeometryError
        A radius for a flat detector, an unknown name (near ones are listed), no pixel size, or one that the
        detector does not have.
    """
    known = named(name, pixel1=pixel1, pixel2=pixel2, shape=shape, radius=radius)
    return Detector(**known._asdict(), orientation=orientation, sensor=sensor)


@lru_cache(maxsize=4)
def _parts(surface: Regular, pixels: Pixels) -> Parts:
    found = surface.parts(pixels)
    for part in (found.rows, found.columns):
        part.setflags(write=False)
    return found


@lru_cache(maxsize=8)
def _nowhere(corners: NamedArray) -> BoolArray:
    """Return which pixels have no place, (n1, n2)."""
    found: BoolArray = ~np.isfinite(corners.array).all(axis=(2, 3))
    return found


@lru_cache(maxsize=8)
def _is_flat(corners: NamedArray) -> bool:
    return not np.any(np.nan_to_num(corners.array[..., 2]))
