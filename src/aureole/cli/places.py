"""Which places of a map or a volume, and which bins, as users write them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from aureole.cli.parser import NUMBER
from aureole.errors import SpecError

if TYPE_CHECKING:
    from aureole.io.scan_results import StoredPatterns, StoredScan
    from aureole.io.stored import StoredAxis

_WINDOW = re.compile(rf"({NUMBER}),({NUMBER})", re.ASCII)
_PLACE = re.compile(r"\d{1,9}(?:,\d{1,9})*", re.ASCII)
_RANGES = re.compile(r"\d{0,9}:\d{0,9}(?:,\d{0,9}:\d{0,9})*", re.ASCII)
_CONDITION = re.compile(rf"([^<>]+?)\s*([<>])\s*({NUMBER})", re.ASCII)


def read_window(text: str, radial: StoredAxis) -> tuple[float, float]:
    """Return the radial range that "LOW,HIGH" means.

    Raises
    ------
    SpecError
        It is none, or has no bins.
    """
    found = _WINDOW.fullmatch(text)
    if not found or not float(found[1]) < float(found[2]):
        raise SpecError(f"--q {text}: wanted are two rising numbers with a comma between them")
    low, high = float(found[1]), float(found[2])
    if not np.any((radial.centres >= low) & (radial.centres <= high)):
        first, last = float(radial.centres.min()), float(radial.centres.max())
        raise SpecError(f"--q {text}: no bin is there, they go from {first:g} to {last:g} ({radial.unit})")
    return low, high


def read_place(text: str, patterns: StoredPatterns, layer: int | None) -> tuple[int, ...]:
    """Return the place that "Z,Y,X", "Y,X" or "N" means; without Z it is in the layer given.

    Raises
    ------
    SpecError
        It is none, or not in the file; or Z is missing and no layer given.
    """
    shape = patterns.shape
    names = ",".join(axis.name.upper() for axis in patterns.axes)
    if not _PLACE.fullmatch(text):
        raise SpecError(f"--voxel {text}: wanted is {names}, counted from 0")
    place = tuple(map(int, text.split(",")))
    if layer is not None and len(place) == len(shape) - 1:
        place = (layer, *place)
    if len(place) != len(shape):
        raise SpecError(f"--voxel {text}: wanted is {names}, of {_sizes(shape)} places")
    if any(index >= size for index, size in zip(place, shape, strict=True)):
        raise SpecError(f"--voxel {text}: there are {_sizes(shape)} places ({names}), counted from 0")
    return place


def read_region(text: str, patterns: StoredPatterns, layer: int | None) -> NDArray[np.bool_]:
    """Return the places that "Y0:Y1,X0:X1" means, ends excluded; "Z0:Z1," stands in front for layers.

    Raises
    ------
    SpecError
        It is no region, or has no places.
    """
    shape = patterns.shape
    names = ",".join(f"{axis.name.upper()}0:{axis.name.upper()}1" for axis in patterns.axes)
    wanted = f"--region {text}: wanted is {names}, of {_sizes(shape)} places"
    if not _RANGES.fullmatch(text):
        raise SpecError(wanted)
    ends = [part.split(":") for part in text.split(",")]
    parts = [slice(*(int(end) if end else None for end in pair)) for pair in ends]
    if layer is not None and len(parts) == len(shape) - 1:
        parts.insert(0, slice(layer, layer + 1))
    if len(parts) != len(shape):
        raise SpecError(wanted)
    if any((part.stop or 0) > size for part, size in zip(parts, shape, strict=True)):
        raise SpecError(wanted)
    inside = np.zeros(shape, bool)
    inside[tuple(parts)] = True
    if not inside.any():
        raise SpecError(f"--region {text}: no place is in there")
    return inside


def read_condition(text: str, scan: StoredScan) -> NDArray[np.bool_]:
    """Return the places where an image is above or below a value: "Ni>3.5", "LaB6/fwhm<0.1".

    Raises
    ------
    SpecError
        It is no condition, there is no such image, or no place fulfils it.
    FormatError
        The image cannot be read.
    """
    found = _CONDITION.fullmatch(text.strip())
    if not found:
        raise SpecError(f"--region-from {text}: wanted is 'IMAGE>VALUE' or 'IMAGE<VALUE', in quotes")
    name, _, quantity = found[1].partition("/")
    group = scan.images.get(name)
    if group is None:
        known = ", ".join(scan.images) or "none"
        raise SpecError(f"--region-from {text}: there is no image {name}, but {known}")
    quantity = quantity or group.quantities[0]
    if quantity not in group.quantities:
        raise SpecError(f"--region-from {text}: {name} has {', '.join(group.quantities)}, no {quantity}")
    values, _ = group.read(quantity)
    limit = float(found[3])
    inside: NDArray[np.bool_] = values > limit if found[2] == ">" else values < limit
    if not inside.any():
        reach = values[np.isfinite(values)]
        ends = f"it goes from {reach.min():g} to {reach.max():g}" if reach.size else "it has no values"
        raise SpecError(f"--region-from {text}: no place is like that, {ends}")
    return inside


def place_text(place: tuple[int, ...]) -> str:
    """Return how a place is called: "voxel 0,12,15", "point 3,4"."""
    return f"{'voxel' if len(place) == 3 else 'point'} {','.join(map(str, place))}"


def position_text(scan: StoredScan, place: tuple[int, ...]) -> str:
    """Return where that is, in brackets; empty where positions have no unit."""
    if scan.points is not None:
        y, x = scan.points[place[0]]
        return f"  (y {y:.4g}, x {x:.4g})"
    known = [
        f"{axis.name} {axis.values[index]:.4g} {axis.units}"
        for axis, index in zip(scan.patterns.axes, place, strict=True)
        if axis.units
    ]
    return f"  ({', '.join(known)})" if known else ""


def _sizes(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
