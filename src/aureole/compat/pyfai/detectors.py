"""Detectors by pyFAI's names for things."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aureole.errors import GeometryError
from aureole.geometry import Detector as Known
from aureole.geometry import detector


def detector_factory(name: str, config: Mapping[str, Any] | None = None) -> Known:
    """Return a detector by its name.

    Parameters
    ----------
    name : str
        Any name that Aureole knows, pyFAI's among them.
    config : mapping, optional
        ``pixel1``, ``pixel2`` (m), ``max_shape`` and ``orientation``.

    Raises
    ------
    GeometryError
        No such detector, or a configuration that means nothing here.
    """
    given = dict(config or {})
    shape = given.pop("max_shape", given.pop("shape", None))
    orientation = int(given.pop("orientation", 0) or 3)
    pixels = {key: given.pop(key, None) for key in ("pixel1", "pixel2")}
    if unknown := {key: value for key, value in given.items() if value is not None}:
        raise GeometryError(f"detector {name}: {', '.join(unknown)} of its configuration means nothing here")
    return detector(name, shape=None if shape is None else tuple(shape), orientation=orientation, **pixels)


def Detector(
    pixel1: float | None = None,
    pixel2: float | None = None,
    max_shape: tuple[int, int] | None = None,
    orientation: int = 3,
) -> Known:
    """Return a detector of which the size of the pixels (m) is known, and perhaps the shape."""
    return detector(pixel1=pixel1, pixel2=pixel2, shape=max_shape, orientation=orientation or 3)


def detector_of(given: object, pixel1: float | None, pixel2: float | None, orientation: int) -> Known | None:
    """Return the detector of an integrator: given as it is, by its name, or by the size of its pixels.

    Objects of pyFAI are taken by their name and configuration. None where nothing is known yet.
    """
    if isinstance(given, Known):
        return given
    if given is None:
        known = pixel1 is not None and pixel2 is not None
        return Detector(pixel1, pixel2, orientation=orientation) if known else None
    if isinstance(given, str):
        return detector_factory(given, {"orientation": orientation})
    name, shape = type(given).__name__, getattr(given, "shape", None)
    config = {key: getattr(given, key, None) for key in ("pixel1", "pixel2", "orientation")}
    return detector_factory(name, config | {"max_shape": shape})
