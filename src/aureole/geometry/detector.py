"""The detector: pixels, gaps, orientation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from aureole.errors import GeometryError
from aureole.geometry.catalogue import GENERIC, Mode, Model, find_model
from aureole.geometry.layout import BoolArray, FloatArray, Layout, Pair, checked_seams
from aureole.geometry.sensor import Sensor, usual_sensor

_LONGEST_SIDE, _MOST_PIXELS = 1 << 20, 1 << 28
"""More than any detector has; a mask of more would fill the memory."""

_SAME_PIXEL = 0.02
"""Relative difference up to which a refined pixel size still means the catalogue's."""
_PIXELS = 1e-9, 1.0
"""Sizes of pixels (m) that are believed."""


@dataclass(frozen=True, slots=True)
class Detector:
    """A flat detector with rectangular pixels that touch each other.

    Use `detector` to get one by its name.

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
        if self.shape is not None:
            object.__setattr__(self, "shape", _checked_shape(self.name, self.shape))
        if self.orientation not in (1, 2, 3, 4):
            raise GeometryError(
                f"detector {self.name}: orientation must be 1, 2, 3 or 4, not {str(self.orientation)[:60]}"
            )
        object.__setattr__(self, "orientation", int(self.orientation))

    @property
    def mask(self) -> BoolArray:
        """Pixels that never have a value, shape (n1, n2), True where invalid, as stored; read-only."""
        return self.layout.mask(self.known_shape, self.binning)

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
        wanted = _checked_shape(self.name, shape)
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

    def edges(self, axis: int) -> FloatArray:
        """Return the borders of the pixels along an axis in metres, in stored order, (n + 1,)."""
        count, binning = self.known_shape[axis], self.binning[axis]
        pixel = (self.pixel1, self.pixel2)[axis]
        borders = self.layout.edges(axis, count, pixel)
        if binning != 1 and self.layout.wide != 1.0:
            borders = self.layout.edges(axis, count * binning, pixel / binning)[::binning]
        return borders[::-1] if self._reversed(axis) else borders

    def centres(self, axis: int) -> FloatArray:
        """Return the middles of the pixels along an axis in metres, in stored order, (n,)."""
        if self.layout.wide == 1.0:
            pixel = (self.pixel1, self.pixel2)[axis]
            centres: FloatArray = (np.arange(self.known_shape[axis], dtype=np.float64) + 0.5) * pixel
            return centres[::-1] if self._reversed(axis) else centres
        borders = self.edges(axis)
        middles: FloatArray = np.multiply(borders[:-1] + borders[1:], 0.5)
        return middles

    def pixel_at(self, axis: int, position: float) -> float:
        """Return on which stored pixel a position (m) falls; i + 0.5 is the middle of pixel i."""
        pixel = (self.pixel1, self.pixel2)[axis]
        if self.layout.wide == 1.0:
            index = position / pixel
        else:
            borders = np.sort(self.edges(axis))
            inside = float(np.interp(position, borders, np.arange(borders.size)))
            index = inside + (position - min(max(position, borders[0]), borders[-1])) / pixel
        return self.known_shape[axis] - index if self._reversed(axis) else index

    def _reversed(self, axis: int) -> bool:
        return self.orientation in ((1, 2), (1, 4))[axis]

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
        known: dict[str, Any] = {
            "name": self.name,
            "pixel1": self.pixel1,
            "pixel2": self.pixel2,
            "shape": None if self.shape is None else list(self.shape),
            "orientation": self.orientation,
        }
        if self.sensor is not None:
            known["sensor"] = asdict(self.sensor)
        if not self.is_named():
            known["layout"] = asdict(self.layout)
            known["binning"] = list(self.binning)
            known["invalid"] = list(self.invalid)
        return known

    def is_named(self) -> bool:
        """Return whether name, pixel size and shape say all that there is to say."""
        try:
            return self == _by_name(self)
        except GeometryError:
            return False

    @staticmethod
    def from_dict(known: Mapping[str, Any]) -> Detector:
        """Return the detector that `to_dict` wrote down.

        Raises
        ------
        GeometryError
            Something is missing or cannot be.
        """
        try:
            sensor = Sensor(**known["sensor"]) if known.get("sensor") else None
            shape = None if known["shape"] is None else _pair(known["shape"])
            if "layout" not in known:
                return detector(
                    known["name"],
                    pixel1=known["pixel1"],
                    pixel2=known["pixel2"],
                    shape=shape,
                    orientation=known["orientation"],
                    sensor=sensor,
                )
            stored = dict(known["layout"])
            layout = Layout(
                module=None if stored["module"] is None else _pair(stored["module"]),
                gap=_pair(stored["gap"]),
                seams=checked_seams(stored["seams"]),
                circle=bool(stored["circle"]),
                tiles=tuple(_pair(tile) for tile in stored["tiles"]),
                wide=float(stored["wide"]),
            )
            return Detector(
                known["name"],
                known["pixel1"],
                known["pixel2"],
                shape,
                known["orientation"],
                sensor,
                layout,
                _pair(known["binning"]),
                tuple(int(value) for value in known["invalid"]),
            )
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

    Raises
    ------
    GeometryError
        Unknown name (near ones are listed), no pixel size, or one that the detector does not have.
    """
    if name.strip().casefold() == GENERIC.casefold():
        if pixel1 is None or pixel2 is None:
            raise GeometryError("a generic detector needs its pixel size: give pixel1 and pixel2 in metres")
        return Detector(GENERIC, pixel1, pixel2, shape, orientation, sensor)
    model = find_model(name)
    wanted = None if shape is None else _checked_shape(name, shape)
    axes = [_mode(model, axis, (pixel1, pixel2)[axis], wanted) for axis in (0, 1)]
    full = None if None in (axes[0][1], axes[1][1]) else (axes[0][1] or 0, axes[1][1] or 0)
    return Detector(
        model.name,
        axes[0][0],
        axes[1][0],
        wanted or full,
        orientation,
        sensor,
        model.layout,
        (axes[0][2], axes[1][2]),
        model.invalid,
    )


def _mode(model: Model, axis: int, pixel: float | None, shape: Pair | None) -> tuple[float, int | None, int]:
    """Choose the readout along one axis: pixel size, number of pixels, binning of the layout."""
    first = model.modes[0]
    if model.free_binning:
        factor = 1 if pixel is None else max(1, round(pixel / first.pixel[axis]))
        if pixel is None and shape is not None and first.shape is not None:
            factor = _binning_of(first.shape, shape)
        expected = factor * first.pixel[axis]
        count = None if first.shape is None else first.shape[axis] // factor
        if pixel is not None and abs(pixel / expected - 1.0) > _SAME_PIXEL:
            raise GeometryError(_wrong_pixel(model, axis, pixel))
        return pixel or expected, count, factor
    fitting = [m for m in model.modes if pixel is None or abs(pixel / m.pixel[axis] - 1.0) < _SAME_PIXEL]
    if not fitting:
        assert pixel is not None
        raise GeometryError(_wrong_pixel(model, axis, pixel))
    chosen: Mode = next((m for m in fitting if shape is not None and m.shape == shape), fitting[0])
    count = None if chosen.shape is None else chosen.shape[axis]
    return pixel or chosen.pixel[axis], count, 1


def _binning_of(full: Pair, shape: Pair) -> int:
    """Return the binning that gives images of a shape; 1 where no plain binning does."""
    factor = max(1, full[0] // shape[0])
    return factor if (full[0] // factor, full[1] // factor) == shape else 1


def _wrong_pixel(model: Model, axis: int, pixel: float) -> str:
    sizes = ", ".join(f"{mode.pixel[axis] * 1e6:g}" for mode in model.modes)
    more = " or a multiple" if model.free_binning else ""
    return (
        f"detector {model.name} has pixels of {sizes} µm{more}, not of {pixel * 1e6:g} µm: "
        "correct pixel1 and pixel2, or call it 'Detector'"
    )


def _by_name(given: Detector) -> Detector:
    return detector(
        given.name,
        pixel1=given.pixel1,
        pixel2=given.pixel2,
        shape=given.shape,
        orientation=given.orientation,
        sensor=given.sensor,
    )


def _pair(value: Any) -> Pair:
    first, second = value
    return int(first), int(second)


def _checked_shape(name: str, shape: Any) -> Pair:
    try:
        first, second = shape
        pair = int(first), int(second)
        exact = pair == (first, second)
    except (TypeError, ValueError, OverflowError):
        exact = False
        pair = (0, 0)
    if not exact or min(pair) < 1:
        raise GeometryError(
            f"detector {name}: the shape must be two numbers of pixels (slow, fast), not {str(shape)[:60]}"
        )
    if max(pair) > _LONGEST_SIDE or pair[0] * pair[1] > _MOST_PIXELS:
        raise GeometryError(f"detector {name}: no detector has a shape of {str(pair)[:60]} pixels")
    return pair


__all__ = ["Detector", "Sensor", "detector"]
