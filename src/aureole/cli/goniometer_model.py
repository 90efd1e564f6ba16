"""How a detector moves, as ``--model``, ``--start`` and the options beside them say."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from math import isfinite
from typing import TYPE_CHECKING

from aureole.cli import inputs
from aureole.errors import InputError, SpecError

if TYPE_CHECKING:
    from aureole.calibration.goniometer import Goniometer
    from aureole.geometry import Detector, Geometry

_CONSTANT = {
    "dist": "dist",
    "poni1": "poni1",
    "poni2": "poni2",
    "rot1": "rot1",
    "rot2": "rot2",
    "rot3": "0.0",
}


def first_model(args: argparse.Namespace, motors: tuple[str, ...]) -> Goniometer:
    """Return the goniometer to begin with."""
    from aureole.calibration.goniometer import Goniometer
    from aureole.calibration.transformation import Formulas
    from aureole.geometry import Geometry

    old = None if args.poni is None else inputs.read_geometry(args)
    start = {name: _number("--start", name, text) for name, text in _pairs("--start", args.start)}
    if len(args.model) == 1 and "=" not in args.model[0]:
        model = Goniometer.load(args.model[0])
        pixels = _detector(args, old) or model.detector
        known_to_it = Geometry(pixels, 1.0, wavelength=model.wavelength)
        wavelength = inputs.with_wavelength(known_to_it, args).wavelength
        return replace(model, detector=pixels, wavelength=wavelength).with_values(start)
    formulas = dict(_pairs("--model", args.model))
    rule = Formulas({**_CONSTANT, **formulas}, motors)
    known = {} if old is None else {name: getattr(old, name) for name in rule.parameters if name in _CONSTANT}
    values = known | start
    if missing := [name for name in rule.parameters if name not in values]:
        raise SpecError(
            f"{', '.join(missing)}: where to begin? give --start {missing[0]}=VALUE"
            + (", or a --poni with them" if old is None and missing[0] in _CONSTANT else "")
        )
    detector = _detector(args, old)
    if detector is None:
        raise InputError("which detector? give --detector, or --pixel, or a --poni to begin with")
    geometry = inputs.with_wavelength(Geometry(detector, 1.0), args) if old is None else old
    if geometry.wavelength is None and "wavelength" not in formulas:
        raise InputError("rings need the photon energy: give --energy (keV) or --wavelength (m)")
    return Goniometer(detector, rule, values, geometry.wavelength)


def free_of(fixed: str, goniometer: Goniometer) -> tuple[str, ...]:
    """Return which parameters are refined."""
    names = {name.strip() for name in fixed.split(",") if name.strip()}
    if unknown := sorted(names - set(goniometer.values)):
        raise SpecError(f"--fix: {unknown[0]!r} is none of {', '.join(goniometer.values)}")
    return tuple(name for name in goniometer.values if name not in names)


def bounds_of(given: Sequence[str]) -> dict[str, tuple[float | None, float | None]]:
    """Return between what parameters have to stay."""
    bounds = {}
    for name, text in _pairs("--bounds", given):
        low, colon, high = text.partition(":")
        if not colon:
            raise SpecError(f"--bounds {name}={text}: wanted is NAME=LOW:HIGH; either may be left out")
        ends = (_number("--bounds", name, end) if end.strip() else None for end in (low, high))
        bounds[name] = (next(ends), next(ends))
    return bounds


def _detector(args: argparse.Namespace, old: Geometry | None) -> Detector | None:
    from aureole.geometry import detector as named

    if args.detector is not None:
        return named(args.detector, pixel1=args.pixel, pixel2=args.pixel, orientation=args.orientation or 3)
    if args.pixel is not None:
        return named(pixel1=args.pixel, pixel2=args.pixel, orientation=args.orientation or 3)
    if old is not None and args.orientation is not None:
        return replace(old.detector, orientation=args.orientation)
    return None if old is None else old.detector


def _pairs(option: str, given: Sequence[str]) -> list[tuple[str, str]]:
    pairs = []
    for text in given:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (equals and name and value):
            what = "a goniometer file alone, or NAME=FORMULA" if option == "--model" else "NAME=VALUE"
            raise SpecError(f"{option} {text!r}: wanted is {what}")
        pairs.append((name, value))
    if twice := [name for name, _ in pairs if [other for other, _ in pairs].count(name) > 1]:
        raise SpecError(f"{option}: {twice[0]} is given twice")
    return pairs


def _number(option: str, name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        raise SpecError(f"{option} {name}: {text!r} is no finite number")
    return value
