"""What the name of a detector says of it, with its pixel size, its shape or its radius."""

from __future__ import annotations

from typing import NamedTuple

from aureole.errors import GeometryError
from aureole.geometry.catalogue import GENERIC, choose_mode, find_model
from aureole.geometry.layout import Layout, Pair, checked_shape
from aureole.geometry.surface import Cylinder, Surface


class Named(NamedTuple):
    """What follows from a name; fields as those of `Detector`."""

    name: str
    pixel1: float
    pixel2: float
    shape: Pair | None
    layout: Layout = Layout()
    binning: Pair = (1, 1)
    invalid: tuple[int, ...] = ()
    surface: Surface | None = None


def named(
    name: str,
    *,
    pixel1: float | None = None,
    pixel2: float | None = None,
    shape: Pair | None = None,
    radius: float | None = None,
) -> Named:
    """Return what a name says; parameters and errors are those of `aureole.geometry.detector`."""
    if name.strip().casefold() == GENERIC.casefold():
        if pixel1 is None or pixel2 is None:
            raise GeometryError("a generic detector needs its pixel size: give pixel1 and pixel2 in metres")
        return Named(GENERIC, pixel1, pixel2, shape, surface=_bent(GENERIC, None, radius))
    model = find_model(name)
    wanted = None if shape is None else checked_shape(name, shape)
    (size1, count1, binning1), (size2, count2, binning2) = (
        choose_mode(model, axis, given, wanted) for axis, given in enumerate((pixel1, pixel2))
    )
    full = None if count1 is None or count2 is None else (count1, count2)
    return Named(
        model.name,
        size1,
        size2,
        wanted or full,
        model.layout,
        (binning1, binning2),
        model.invalid,
        _bent(model.name, model.surface, radius),
    )


def _bent(name: str, surface: Surface | None, radius: float | None) -> Surface | None:
    if radius is None:
        return surface
    if not isinstance(surface, Cylinder):
        raise GeometryError(f"detector {name} is not bent to a radius")
    return Cylinder(float(radius))
