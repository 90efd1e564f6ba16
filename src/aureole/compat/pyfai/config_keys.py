"""Keys of pyFAI's JSON files: those of older versions become those of the newest.

Versions, by what they keep where: 1 (or none) has the geometry among the other keys, or names a PONI file,
and files as text with commas; 2 has detector and detector_config; 3 has methods of three words; 4 gathers
the geometry under poni; 5 renames integrator_name and polarization_factor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from aureole.compat.pyfai.ponis import pose_from
from aureole.errors import SpecError
from aureole.geometry import Geometry as Pose
from aureole.io import load

_NEWEST = 5
_GEOMETRY = (
    "dist",
    "poni1",
    "poni2",
    "rot1",
    "rot2",
    "rot3",
    "wavelength",
    "detector",
    "detector_config",
    "poni_version",
    "parallax",
)
_PIXELS = ("pixel1", "pixel2", "splineFile", "splinefile")
_RENAMED = {
    "integrator_name": "integrator_method",
    "do_solid_angle": "correct_solid_angle",
    "azimuthal_range_min": "azimuth_range_min",
    "azimuthal_range_max": "azimuth_range_max",
    "azimuthal_range": "azimuth_range",
    "do_azimuth_range": "do_azimuthal_range",
    "flat_field_image": "flat_field",
    "dark_current_image": "dark_current",
    "mask_image": "mask_file",
    "dummy": "val_dummy",
}
_SWITCHES = {
    "do_mask": ("mask_file",),
    "do_flat": ("flat_field",),
    "do_dark": ("dark_current",),
    "do_polarization": ("polarization_description", "polarization_factor", "polarization_offset"),
    "do_dummy": ("val_dummy", "delta_dummy"),
    "do_radial_range": ("radial_range_min", "radial_range_max", "radial_range"),
    "do_azimuthal_range": ("azimuth_range_min", "azimuth_range_max", "azimuth_range"),
    "do_2D": ("nbpt_azim",),
}


def current(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries by the keys of the newest version; raises `SpecError` for a newer one."""
    entries = dict(given)
    version = entries.get("version", 1)
    if not isinstance(version, int | float) or version > _NEWEST:
        raise SpecError(f"the configuration has version {version}: versions up to {_NEWEST} are known")
    if entries.get("application", "worker") not in ("pyfai-integrate", "worker", "poni"):
        raise SpecError(f"is a file of {entries['application']}, not of pyFAI-integrate")
    for old, new in _RENAMED.items():
        if old in entries:
            value = entries.pop(old)
            entries.setdefault(new, value)
    for switch, keys in _SWITCHES.items():
        if switch in entries and not entries.pop(switch):
            for key in keys:
                entries.pop(key, None)
    for key in ("dark_current", "flat_field"):
        if isinstance(entries.get(key), str):
            entries[key] = [name.strip() for name in entries[key].split(",") if name.strip()]
    factor, offset = entries.pop("polarization_factor", None), entries.pop("polarization_offset", None)
    if factor is not None:
        pair = factor if isinstance(factor, list | tuple) else (factor, offset or 0.0)
        entries.setdefault("polarization_description", pair)
    return entries


def geometry_of(entries: dict[str, Any], folder: Path) -> Pose:
    """Take the geometry out of the entries.

    Raises
    ------
    SpecError
        There is none.
    GeometryError
        It cannot be understood.
    FormatError
        A PONI file that cannot be read.
    """
    poni = entries.pop("poni", None)
    single = {key: entries.pop(key) for key in (*_GEOMETRY, *_PIXELS) if key in entries}
    single = {key: value for key, value in single.items() if value is not None}
    if isinstance(poni, Mapping) and poni:
        return pose_from(poni)
    if isinstance(poni, str) and poni:
        path = Path(poni) if Path(poni).exists() else folder / poni
        numbers = {key: value for key, value in single.items() if key in (*_GEOMETRY[:6], "wavelength")}
        found = load(path)
        if "detector" in single:
            found = replace(pose_from(_whole(found, single, entries)), wavelength=found.wavelength)
        return replace(found, **numbers)
    if "dist" not in single:
        raise SpecError("there is no geometry: neither poni nor dist, poni1, poni2, ...")
    return pose_from(_detector_whole(single, entries))


def _whole(found: Pose, single: dict[str, Any], entries: dict[str, Any]) -> dict[str, Any]:
    numbers = {key: getattr(found, key) for key in _GEOMETRY[:6]}
    return _detector_whole(numbers | single, entries)


def _detector_whole(single: dict[str, Any], entries: dict[str, Any]) -> dict[str, Any]:
    """Return entries with a configuration of the detector, made of the size of its pixels where need be."""
    if "detector_config" in single:
        return single
    plain = {key: value for key, value in single.items() if key not in _PIXELS}
    named = str(single.get("detector") or "Detector")
    pixels = {key: single[key] for key in ("pixel1", "pixel2") if key in single}
    spline = single.get("splineFile") or single.get("splinefile")
    if spline:
        config = {"splinefile": spline}
        named = "Detector"
    elif named.casefold() == "detector":
        config = pixels | {"max_shape": entries.get("shape")}
    else:
        config = {}
    return plain | {"poni_version": 2, "detector": named, "detector_config": config}
