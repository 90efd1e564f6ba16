"""Geometries from the numbers of a PONI file in a mapping, as pyFAI's JSON files hold them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aureole.geometry import Geometry as Pose
from aureole.geometry import parse_poni
from aureole.io import load_detector

_KEYS = {
    "detector": "Detector",
    "pixelsize1": "PixelSize1",
    "pixelsize2": "PixelSize2",
    "pixel1": "PixelSize1",
    "pixel2": "PixelSize2",
    "splinefile": "SplineFile",
    "poni1": "Poni1",
    "poni2": "Poni2",
    "rot1": "Rot1",
    "rot2": "Rot2",
    "rot3": "Rot3",
    "wavelength": "Wavelength",
    "parallax": "Parallax",
}
_ROTATIONS = ("rot1", "rot2", "rot3")


def pose_from(given: Mapping[str, Any]) -> Pose:
    """Return the geometry that a mapping describes.

    Parameters
    ----------
    given : mapping
        Entries of a PONI file by their names, in any case; or a mapping that has them as its ``poni``.
        Rotations may be missing.

    Raises
    ------
    GeometryError
        A number is missing, or something that cannot be.
    """
    if isinstance(given.get("poni"), Mapping):
        given = given["poni"]
    found = {key.casefold(): value for key, value in given.items() if value is not None}
    lines = [f"Distance: {found[key]!r}" for key in ("dist", "distance") if key in found][:1]
    lines += [f"{_KEYS[key]}: {_text(found[key])}" for key in _KEYS if key in found]
    lines += [f"{_KEYS[key]}: 0.0" for key in _ROTATIONS if key not in found]
    if "detector_config" in found:
        config = found["detector_config"]
        config = json.loads(config) if isinstance(config, str) else dict(config)
        version = 2.1 if "orientation" in config else 2
        lines += [f"Detector_config: {json.dumps(config)}"]
    else:
        version = 1
    version = 3 if "parallax" in found and version > 1 else version
    text = "\n".join([f"poni_version: {version}", *lines, ""])
    return parse_poni(text, open_detector=load_detector)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)
