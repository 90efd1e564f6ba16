"""PONI files: the text format in which pyFAI keeps a geometry (versions 1, 2, 2.1 and 3)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from difflib import get_close_matches
from math import isfinite
from typing import Any, NoReturn

from aureole.errors import GeometryError
from aureole.geometry.catalogue import GENERIC, SAME_PIXEL, find_model, usual_sensor
from aureole.geometry.detector import Detector, detector
from aureole.geometry.distortion import Distortion
from aureole.geometry.pose import Geometry
from aureole.geometry.sensor import Sensor
from aureole.geometry.surface import Cylinder

Opener = Callable[[str], Detector]
"""What reads a detector from a file of this name."""

_Pixels = tuple[float | None, float | None]

_VERSIONS = (1.0, 2.0, 2.1, 3.0)
_NUMBERS = {
    "distance": "dist",
    "poni1": "poni1",
    "poni2": "poni2",
    "rot1": "rot1",
    "rot2": "rot2",
    "rot3": "rot3",
}
_KEYS = {
    "poni_version": "poni_version",
    "detector": "Detector",
    "detector_config": "Detector_config",
    "pixelsize1": "PixelSize1",
    "pixelsize2": "PixelSize2",
    "splinefile": "SplineFile",
    "binning": "Binning",
    "distance": "Distance",
    "poni1": "Poni1",
    "poni2": "Poni2",
    "rot1": "Rot1",
    "rot2": "Rot2",
    "rot3": "Rot3",
    "wavelength": "Wavelength",
    "parallax": "Parallax",
}
_PLAIN = re.compile(
    r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?:nan|inf(?:inity)?)", re.ASCII | re.IGNORECASE
)
_FILES = ("x_offset_file", "y_offset_file")
_CONFIG_KEYS = {
    "pixel1",
    "pixel2",
    "max_shape",
    "orientation",
    "sensor",
    "module_size",
    "binning",
    "radius",
    "splinefile",
    *_FILES,
}
_FILE_KEYS = {"pixel1", "pixel2", "max_shape", "orientation", "sensor", "filename"}
_IN_FILE = "NexusDetector"
"""What stands in the place of the name of a detector that a file describes."""
_MOST_BINNING = 1024
_OFFSETS = (
    "distortion by the file {!r} is not corrected here: undistort the images first and remove the entry"
)
_DISTORTED = "FReLoN"
"""Detector of which only the region counts that its spline file calls valid."""


def parse_poni(text: str, *, open_detector: Opener | None = None) -> Geometry:
    """Read the text of a PONI file.

    Several blocks may follow each other, as they do where calibrations were appended: the last value of each
    key counts. Keys that mean nothing here are passed over, unless they look like a misspelt one.

    Parameters
    ----------
    text : str
        The whole file.
    open_detector : callable, optional
        Reads a detector from a NeXus or a spline file, by its name; `aureole.io.load` gives one that does.

    Returns
    -------
    Geometry
        Its detector has no shape where the file does not tell: see `Geometry.with_shape`.

    Raises
    ------
    GeometryError
        A line or value that cannot be understood, a missing key, an unknown detector, one that a file
        describes where there is nothing to read it with, or a correction that Aureole does not make (offset
        files).
    """
    entries = _entries(text)
    version = _version(entries)
    numbers = {name: _required(entries, key) for key, name in _NUMBERS.items()}
    wavelength = _number(entries.get("wavelength"))
    parallax = _parallax(entries, version)
    if _is_in_file(entries):
        found = _recorded_detector(entries, open_detector)
    elif version < 2.0 or "detector_config" not in entries:
        found = _old_detector(entries, open_detector)
    else:
        found = _configured_detector(entries, open_detector)
    try:
        return Geometry(found, **numbers, wavelength=wavelength, parallax=parallax)
    except GeometryError as error:
        raise GeometryError(f"PONI: {error}") from None


def format_poni(geometry: Geometry, *, version: float | None = None) -> str:
    """Return the text of a PONI file.

    Parameters
    ----------
    geometry : Geometry
        What to write. Numbers are written with all their digits.
    version : float, optional
        1, 2, 2.1 or 3. Versions 1 and 2 have no orientation; version 1 has no shape and leaves that of a
        generic detector to the image; only version 3 has parallax, and the sensor. Without it 3 where there
        is parallax or another sensor than detectors of this name have, 2.1 elsewhere.

    Raises
    ------
    GeometryError
        An unknown version, or a geometry that this version cannot hold.
    """
    pixels = geometry.detector
    if version is None:
        own_sensor = pixels.sensor not in (None, usual_sensor(pixels.name))
        version = 3.0 if geometry.parallax or own_sensor else 2.1
    if float(version) not in _VERSIONS:
        raise GeometryError(f"PONI version {version} is not one of 1, 2, 2.1 and 3")
    distorted = isinstance(pixels.surface, Distortion)
    if pixels.recorded is None and not distorted and not pixels.is_named():
        raise GeometryError(
            f"PONI: detector {pixels.name} is not in the catalogue, so its layout would be lost: write it to "
            "a file with aureole.io.save_detector, and take the one that load_detector reads from there"
        )
    if version < 2 and pixels.recorded is not None:
        raise GeometryError("PONI version 1 knows no detectors in files: use 2.1")
    if version < 3 and geometry.parallax:
        raise GeometryError(f"PONI version {version:g} has no parallax: use 3")
    if version < 2.1 and pixels.orientation != 3:
        raise GeometryError(
            f"PONI version {version} has no orientation, and this is {pixels.orientation}: use 2.1"
        )
    lines = ["# Nota: C-Order, 1 refers to the Y axis, 2 to the X axis"]
    if version >= 2:
        name = pixels.name if pixels.recorded is None else _IN_FILE
        lines += [f"poni_version: {version:g}", f"Detector: {name}"]
        lines.append(f"Detector_config: {json.dumps(_config(pixels, float(version)))}")
    else:
        if pixels.name != GENERIC and not distorted and pixels.shape != _usual_shape(pixels):
            raise GeometryError(
                f"PONI version 1 has no shape, and {pixels.name} has {pixels.shape} here: use 2.1"
            )
        lines += [
            f"Detector: {pixels.name}",
            f"PixelSize1: {pixels.pixel1!r}",
            f"PixelSize2: {pixels.pixel2!r}",
        ]
        if isinstance(pixels.surface, Distortion):
            lines.append(f"SplineFile: {pixels.surface.file}")
    lines += [f"{_KEYS[key]}: {getattr(geometry, name)!r}" for key, name in _NUMBERS.items()]
    if geometry.wavelength is not None:
        lines.append(f"Wavelength: {geometry.wavelength!r}")
    if version >= 3:
        lines.append(f"Parallax: {geometry.parallax}")
    return "\n".join([*lines, ""])


def _usual_shape(pixels: Detector) -> tuple[int, int] | None:
    return detector(pixels.name, pixel1=pixels.pixel1, pixel2=pixels.pixel2).shape


def _config(pixels: Detector, version: float) -> dict[str, Any]:
    config: dict[str, Any] = {"pixel1": pixels.pixel1, "pixel2": pixels.pixel2}
    if pixels.recorded is not None:
        config = {"filename": pixels.recorded.file}
    elif isinstance(pixels.surface, Distortion):
        config["splineFile"] = pixels.surface.file
    elif pixels.name == GENERIC or pixels.shape != _usual_shape(pixels):
        config["max_shape"] = None if pixels.shape is None else list(pixels.shape)
    if isinstance(pixels.surface, Cylinder):
        config["radius"] = pixels.surface.radius
    if version >= 2.1:
        config["orientation"] = pixels.orientation
    if version >= 3 and pixels.sensor is not None:
        config["sensor"] = asdict(pixels.sensor)
    return config


@dataclass(frozen=True, slots=True)
class _Entry:
    key: str
    value: str
    line: int

    def wrong(self, what: str) -> GeometryError:
        return GeometryError(f"PONI line {self.line}: {self.key} {what}, not {_short(self.value)!r}")

    @property
    def is_none(self) -> bool:
        return self.value.casefold() in ("", "none", "null")


def _entries(text: str) -> dict[str, _Entry]:
    entries: dict[str, _Entry] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip().lstrip("\ufeff")
        if not stripped or stripped.startswith("#"):
            continue
        word, colon, value = stripped.partition(":")
        if not colon:
            raise GeometryError(f"PONI line {number}: expected 'key: value', not {_short(stripped)!r}")
        key = word.strip().casefold()
        key = "distance" if key == "dist" else key
        if key in _KEYS:
            entries[key] = _Entry(_KEYS[key], value.strip(), number)
        elif near := get_close_matches(key, _KEYS, n=1, cutoff=0.8):
            raise GeometryError(f"PONI line {number}: unknown key {word!r}: did you mean {_KEYS[near[0]]}?")
    if not entries:
        raise GeometryError("PONI: there is no 'key: value' line: this is not a PONI file")
    return entries


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."


def _version(entries: dict[str, _Entry]) -> float:
    entry = entries.get("poni_version")
    if entry is None:
        return 2.0 if "detector_config" in entries else 1.0
    version = _number(entry)
    if version not in _VERSIONS:
        raise entry.wrong("must be one of 1, 2, 2.1 and 3")
    return version


def _number(entry: _Entry | None) -> float | None:
    if entry is None or entry.is_none:
        return None
    # Python would also read "1_0" and digits of other scripts.
    if not _PLAIN.fullmatch(entry.value):
        raise entry.wrong("must be a number")
    value = float(entry.value)
    if not isfinite(value):
        raise entry.wrong("must be a finite number")
    return value


def _required(entries: dict[str, _Entry], key: str) -> float:
    value = _number(entries.get(key))
    if value is None:
        raise GeometryError(f"PONI: {_KEYS[key]} is missing")
    return value


def _parallax(entries: dict[str, _Entry], version: float) -> bool:
    """Return whether parallax is corrected for."""
    entry = entries.get("parallax")
    if entry is None or entry.value.casefold() in ("false", "none", ""):
        return False
    if entry.value.casefold() != "true":
        raise entry.wrong("must be True or False")
    if version < 3:
        raise GeometryError(
            f"PONI line {entry.line}: Parallax is a key of version 3, and this is {version:g}: write "
            "poni_version: 3 if the geometry was refined with it, or Parallax: False"
        )
    return True


def _detector_name(entries: dict[str, _Entry]) -> str:
    entry = entries.get("detector")
    if entry is None or entry.is_none:
        return GENERIC
    return entry.value


def _is_in_file(entries: dict[str, _Entry]) -> bool:
    entry = entries.get("detector")
    lowered = "" if entry is None else entry.value.casefold()
    return lowered == _IN_FILE.casefold() or lowered.endswith((".h5", ".hdf5", ".nxs"))


def _recorded_detector(entries: dict[str, _Entry], open_detector: Opener | None) -> Detector:
    """Return the detector that a file describes, with what the PONI file says otherwise."""
    entry = entries["detector"]
    config = _config_of(entries, _FILE_KEYS)
    file = config.get("filename", None if entry.value.casefold() == _IN_FILE.casefold() else entry.value)
    if file is None:
        raise entry.wrong("in a file needs its 'filename' in the Detector_config")
    found = _opened(entry, open_detector, file)
    orientation, sensor = config.get("orientation"), _sensor(entry, config.get("sensor"))
    try:
        return replace(found, orientation=orientation or found.orientation, sensor=sensor or found.sensor)
    except GeometryError as error:
        raise GeometryError(f"PONI line {entry.line}: {error}") from None


def _build(entries: dict[str, _Entry], name: str, **facts: Any) -> Detector:
    try:
        return detector(name, **facts)
    except GeometryError as error:
        lines = [entries[key].line for key in ("detector", "detector_config") if key in entries]
        where = f"PONI line {lines[0]}" if lines else "PONI"
        raise GeometryError(f"{where}: {error}") from None


def _old_detector(entries: dict[str, _Entry], open_detector: Opener | None) -> Detector:
    pixel1, pixel2 = _number(entries.get("pixelsize1")), _number(entries.get("pixelsize2"))
    name = _detector_name(entries)
    if "binning" in entries and not entries["binning"].is_none:
        binning = _json(entries["binning"])
        pixel1, pixel2 = _binned(entries["binning"], name, (pixel1, pixel2), binning)
    spline = entries.get("splinefile")
    if spline is not None and not spline.is_none:
        return _distorted(spline, open_detector, spline.value, name=name, pixels=(pixel1, pixel2))
    return _build(entries, name, pixel1=pixel1, pixel2=pixel2)


def _distorted(
    entry: _Entry, open_detector: Opener | None, file: Any, *, name: str, pixels: _Pixels
) -> Detector:
    """Return the detector of a spline file, under its name; the pixel sizes (m) must be those of the file."""
    found = _opened(entry, open_detector, file)
    if not isinstance(found.surface, Distortion):
        raise GeometryError(f"PONI line {entry.line}: {_short(file)!r} is no spline file")
    for told, size in zip(pixels, (found.pixel1, found.pixel2), strict=True):
        if told is not None and abs(told / size - 1.0) > SAME_PIXEL:
            raise GeometryError(
                f"PONI line {entry.line}: the pixels of {_short(file)!r} have {size * 1e6:g} µm, not "
                f"{told * 1e6:g} µm: binned images need a spline file of their own"
            )
    known = GENERIC if name.casefold() == GENERIC.casefold() else find_model(name).name
    return replace(found, name=known, surface=replace(found.surface, masks=known == _DISTORTED))


def _opened(entry: _Entry, open_detector: Opener | None, file: Any) -> Detector:
    if not isinstance(file, str):
        raise GeometryError(f"PONI line {entry.line}: {_shown(file)} is no name of a file")
    if open_detector is None:
        raise GeometryError(
            f"PONI line {entry.line}: the detector is described in the file {_short(file)!r}: "
            "read the PONI file with aureole.load"
        )
    return open_detector(file)


def _json(entry: _Entry) -> Any:
    try:
        return json.loads(entry.value, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise entry.wrong("must be JSON") from None


def _no_number(name: str) -> NoReturn:
    """Refuse Infinity and NaN, which JSON does not have."""
    raise ValueError(name)


def _config_of(entries: dict[str, _Entry], known: set[str]) -> dict[str, Any]:
    entry = entries.get("detector_config")
    loaded = {} if entry is None or entry.is_none else _json(entry)
    if entry is None or loaded == {}:
        return {}
    if not isinstance(loaded, dict):
        raise entry.wrong("must be a JSON object")
    config = {key.casefold(): value for key, value in loaded.items() if value is not None}
    if unknown := sorted(config.keys() - known):
        raise GeometryError(f"PONI line {entry.line}: Detector_config has the unknown key {unknown[0]!r}")
    return config


def _configured_detector(entries: dict[str, _Entry], open_detector: Opener | None) -> Detector:
    entry = entries["detector_config"]
    config = _config_of(entries, _CONFIG_KEYS)
    for key in _FILES:
        if config.get(key):
            raise GeometryError(f"PONI line {entry.line}: {_OFFSETS.format(config[key])}")
    name = _detector_name(entries)
    pixels = (_length(entry, config, "pixel1"), _length(entry, config, "pixel2"))
    if "binning" in config:
        pixels = _binned(entry, name, pixels, config["binning"])
    if config.get("splinefile"):
        found = _distorted(entry, open_detector, config["splinefile"], name=name, pixels=pixels)
        orientation = config.get("orientation") or 3
        return replace(found, orientation=orientation, sensor=_sensor(entry, config.get("sensor")))
    found = _build(
        entries,
        name,
        pixel1=pixels[0],
        pixel2=pixels[1],
        shape=config.get("max_shape"),
        orientation=config.get("orientation") or 3,
        sensor=_sensor(entry, config.get("sensor")),
        radius=_length(entry, config, "radius"),
    )
    module = config.get("module_size")
    if module is not None and module != list(found.layout.module or ()):
        raise GeometryError(
            f"PONI line {entry.line}: modules of {_short(str(module))} pixels are not those of {found.name} "
            f"({found.layout.module}): call it 'Detector' and give a mask"
        )
    return found


def _length(entry: _Entry, config: dict[str, Any], key: str) -> float | None:
    value = config.get(key)
    if value is None:
        return None
    length = _float(value)
    if length is None:
        raise GeometryError(f"PONI line {entry.line}: {key} must be a length in metres, not {_shown(value)}")
    return length


def _float(value: Any) -> float | None:
    """Return a finite number of a JSON text; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if isfinite(number) else None


def _shown(value: Any) -> str:
    """Return a value of a JSON text for a message."""
    return _short(json.dumps(value))


def _sensor(entry: _Entry, given: Any) -> Sensor | None:
    if not given:
        return None
    if isinstance(given, dict) and isinstance(given.get("material"), str):
        thickness = given.get("thickness")
        number = _float(thickness)
        if thickness is None or number is not None:
            return Sensor(given["material"], number or None)
    raise GeometryError(
        f"PONI line {entry.line}: sensor must have a material and a thickness, not {_shown(given)}"
    )


def _binned(
    entry: _Entry, name: str, pixels: tuple[float | None, float | None], binning: Any
) -> tuple[float | None, float | None]:
    """Return the pixel size, or what the binning makes of the detector's own where none is given."""
    factors = [binning, binning] if isinstance(binning, int) else binning
    if not (
        isinstance(factors, list)
        and len(factors) == 2
        and all(isinstance(factor, int) and 0 < factor <= _MOST_BINNING for factor in factors)
    ):
        raise GeometryError(
            f"PONI line {entry.line}: binning must be two whole numbers up to {_MOST_BINNING}, "
            f"not {_shown(binning)}"
        )
    if None not in pixels:
        return pixels
    if name.casefold() == GENERIC.casefold():
        return pixels
    smallest = min((mode.pixel for mode in find_model(name).modes), default=(0.0, 0.0))
    return pixels[0] or smallest[0] * factors[0], pixels[1] or smallest[1] * factors[1]
