"""Goniometer files: the JSON in which pyFAI keeps how a detector moves (versions 1.1 and 2)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from math import isfinite
from typing import Any, NoReturn

from aureole.calibration.scattering import PARAMETERS
from aureole.calibration.transformation import CONSTANTS, Formulas, Transformation
from aureole.errors import FormatError, GeometryError, SpecError
from aureole.geometry import Detector, Geometry, format_poni, parse_poni

_OLD, _NEW = "Goniometer calibration v1.1", "Goniometer calibration v2"
_GEOMETRIES = ("GeometryTransformation", "GeometryTranslation")
_KINDS = (*_GEOMETRIES, "ExtendedTransformation")
_OLD_KEYS = ("pixel1", "pixel2", "max_shape", "orientation")

Parts = tuple[Detector, Formulas, dict[str, float], float | None]


def format_goniometer(
    detector: Detector,
    transformation: Transformation,
    values: Mapping[str, float],
    wavelength: float | None,
) -> str:
    """Return the text of a file; for the errors see `Goniometer.to_json`."""
    if not isinstance(transformation, Formulas):
        raise SpecError("a function cannot be written to a file: give formulas in its place")
    # a detector is described there as in a PONI file
    lines = dict(
        line.split(": ", 1) for line in format_poni(Geometry(detector, 1.0)).splitlines() if ": " in line
    )
    formulas = dict(transformation.formulas)
    constants = dict(transformation.constants)
    content = _KINDS[2] if "wavelength" in formulas else _KINDS[0]
    if content != _KINDS[2]:  # which knows but π
        used = {name for text in formulas.values() for name in re.findall(r"\w+", text)}
        constants = {
            name: value
            for name, value in constants.items()
            if name == "pi" or name in used or name not in CONSTANTS
        }
    names = {"param_names": transformation.parameters, "pos_names": transformation.motors}
    whole = {
        "content": _NEW,
        "detector": lines["Detector"],
        "detector_config": json.loads(lines["Detector_config"]),
        "wavelength": wavelength,
        "param": [values[name] for name in transformation.parameters],
        **names,
        "trans_function": {
            "content": content,
            **names,
            **{f"{name}_expr": text for name, text in formulas.items()},
            "constants": constants,
        },
    }
    if wavelength is None:
        del whole["wavelength"]
    return json.dumps(whole, indent=2) + "\n"


def parse_goniometer(text: str) -> Parts:
    """Return detector, transformation, values and wavelength; for the errors see `Goniometer.from_json`."""
    try:
        whole = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise FormatError("is no JSON text: goniometer files are") from None
    if not isinstance(whole, dict) or whole.get("content") not in (_OLD, _NEW):
        raise FormatError(f"is no goniometer file: its content would be {_NEW!r}")
    rule = whole.get("trans_function")
    if not isinstance(rule, dict):
        raise FormatError("there is no trans_function, which says how the detector moves")
    if rule.get("content", _KINDS[0]) not in _KINDS:
        raise FormatError(f"trans_function is of the kind {rule['content']!r}: known are {', '.join(_KINDS)}")
    formulas = {}
    for name in PARAMETERS:
        formula = rule.get(f"{name}_expr")
        if isinstance(formula, str):
            formulas[name] = formula
        elif formula is not None:
            raise FormatError(f"{name}_expr must be a formula as text, not {formula!r}")
    # what a file leaves out is zero there
    formulas = {name: "0.0" for name in ("poni1", "poni2") if name not in formulas} | formulas
    constants = rule.get("constants") or {}
    if not isinstance(constants, dict):
        raise FormatError("constants must be numbers by name")
    parameters, motors = _names(rule, "param_names"), _names(rule, "pos_names") or ("pos",)
    transformation = Formulas(
        formulas, motors, parameters, {name: _number(name, value) for name, value in constants.items()}
    )
    param = whole.get("param")
    if not isinstance(param, list) or len(param) != len(transformation.parameters):
        raise FormatError(
            f"param must be {len(transformation.parameters)} numbers, one for each of param_names"
        )
    values = {
        name: _number(name, value) for name, value in zip(transformation.parameters, param, strict=True)
    }
    wavelength = whole.get("wavelength")
    known = None if wavelength is None else _number("wavelength", wavelength)
    return _detector(whole), transformation, values, known


def _refuse(name: str) -> NoReturn:
    """Refuse Infinity and NaN, which JSON does not have."""
    raise ValueError(name)


def _names(rule: dict[str, Any], key: str) -> tuple[str, ...]:
    names = rule.get(key) or ()
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise FormatError(f"{key} must be a list of names, not {names!r}")
    return tuple(names)


def _number(name: str, value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value):
        return float(value)
    raise FormatError(f"{name} must be a finite number, not {value!r}")


def _detector(whole: dict[str, Any]) -> Detector:
    name = whole.get("detector")
    config = whole.get("detector_config")
    if whole["content"] == _OLD:
        config = {key: whole[key] for key in _OLD_KEYS if key in whole}
    lines = [
        "poni_version: 2.1",
        f"Detector: {name}",
        f"Detector_config: {json.dumps(config or {})}",
        "Distance: 1",
        *(f"{key}: 0" for key in ("Poni1", "Poni2", "Rot1", "Rot2", "Rot3")),
    ]
    try:
        return parse_poni("\n".join(lines)).detector
    except GeometryError as error:
        raise GeometryError(re.sub(r"^PONI( line \d+)?", "its detector", str(error))) from None
