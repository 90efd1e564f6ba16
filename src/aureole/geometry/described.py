"""Detectors as JSON: by their names, where these say all, else with all that there is to say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from aureole.errors import GeometryError
from aureole.geometry.layout import Layout, pair
from aureole.geometry.named import Named, named
from aureole.geometry.recorded import Recorded
from aureole.geometry.sensor import Sensor
from aureole.geometry.surface import Cylinder, surface_from_dict, surface_to_dict

if TYPE_CHECKING:
    from aureole.geometry.detector import Detector


def is_named(detector: Detector) -> bool:
    """Return whether name, pixel size and shape say all that there is to say."""
    if detector.recorded is not None:
        return False
    try:
        known = named(
            detector.name,
            pixel1=detector.pixel1,
            pixel2=detector.pixel2,
            shape=detector.shape,
            radius=detector.surface.radius if isinstance(detector.surface, Cylinder) else None,
        )
    except GeometryError:
        return False
    return known == tuple(getattr(detector, field) for field in Named._fields)


def describe(detector: Detector) -> dict[str, Any]:
    """Return what JSON can hold and `fields_of` understands."""
    known: dict[str, Any] = {
        "name": detector.name,
        "pixel1": detector.pixel1,
        "pixel2": detector.pixel2,
        "shape": None if detector.shape is None else list(detector.shape),
        "orientation": detector.orientation,
    }
    if detector.sensor is not None:
        known["sensor"] = detector.sensor.to_dict()
    if isinstance(detector.surface, Cylinder):
        known["radius"] = detector.surface.radius
    if not is_named(detector):
        known["layout"] = asdict(detector.layout)
        known["binning"] = list(detector.binning)
        known["invalid"] = list(detector.invalid)
        if detector.surface is not None:
            known["surface"] = surface_to_dict(detector.surface)
    if detector.recorded is not None:
        known["recorded"] = detector.recorded.to_dict()
    return known


def fields_of(known: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Return the fields of the detector that `describe` described; arrays by their SHA-256.

    Raises
    ------
    GeometryError
        The name is unknown, or says something else.
    SpecError
        A recorded array was not given.
    KeyError, TypeError, ValueError
        Something is missing or of the wrong kind.
    """
    shape = None if known["shape"] is None else pair(known["shape"])
    common = {
        "orientation": known["orientation"],
        "sensor": Sensor(**known["sensor"]) if known.get("sensor") else None,
    }
    if "layout" not in known:
        found = named(
            known["name"],
            pixel1=known["pixel1"],
            pixel2=known["pixel2"],
            shape=shape,
            radius=known.get("radius"),
        )
        return found._asdict() | common
    surface, recorded = known.get("surface"), known.get("recorded")
    return common | {
        "name": known["name"],
        "pixel1": known["pixel1"],
        "pixel2": known["pixel2"],
        "shape": shape,
        "layout": Layout.from_dict(known["layout"]),
        "binning": pair(known["binning"]),
        "invalid": tuple(int(value) for value in known["invalid"]),
        "surface": None if surface is None else surface_from_dict(surface),
        "recorded": None if recorded is None else Recorded.from_dict(recorded, arrays),
    }
