"""The calibrants that are known by name, or from a file."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from math import radians
from os import PathLike, fspath, sep
from typing import Any

import numpy as np

from aureole.calibration.calibrant import Calibrant, Reflection
from aureole.calibration.calibrant_file import ENDING, read_calibrant
from aureole.calibration.lattice import SAME, Cell, metric
from aureole.errors import InputError

_ANGSTROM = 1e-10


def calibrant(name: str | PathLike[str]) -> Calibrant:
    """Return a calibrant by its name, such as ``"CeO2"`` (case does not matter), or from a file of spacings.

    Parameters
    ----------
    name : str or path
        What ends in ``.D``, or has a folder in front, is a file; see `read_calibrant`.

    Raises
    ------
    InputError
        No such calibrant (near names are listed), or no such file.
    FormatError
        The file holds no spacings.
    """
    if not isinstance(name, str):
        return read_calibrant(name)
    wanted = name.strip().casefold()
    known = _names()
    if wanted in known:
        return _made(known[wanted])
    if wanted.endswith(ENDING.casefold()) or sep in fspath(name):
        return read_calibrant(name)
    near = dict.fromkeys(known[key] for key in get_close_matches(wanted, known, n=3))
    hint = f"did you mean {', '.join(near)}?" if near else f"known: {', '.join(calibrant_names())}"
    raise InputError(f"unknown calibrant {name!r}: {hint}; or give a file of spacings, NAME.D")


def calibrant_names() -> list[str]:
    """Return the names of all calibrants."""
    return sorted(_facts())


def calibrant_aliases(name: str) -> tuple[str, ...]:
    """Return the other names of a calibrant."""
    return tuple(_facts()[name].get("aliases", ()))


@cache
def _facts() -> dict[str, dict[str, Any]]:
    text = files("aureole.calibration").joinpath("calibrants.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@cache
def _names() -> dict[str, str]:
    """From every name and alias in small letters to the name."""
    return {
        alias.casefold(): name
        for name, facts in _facts().items()
        for alias in (name, *facts.get("aliases", ()))
    }


@cache
def _made(name: str) -> Calibrant:
    facts = _facts()[name]
    title, reference = facts["title"], facts["reference"]
    if "d" in facts:
        table = tuple(Reflection(d * _ANGSTROM) for d in facts["d"])
        return Calibrant(name, None, (), title, reference, table)
    a, b, c, alpha, beta, gamma = facts["lattice"]
    cell = (a * _ANGSTROM, b * _ANGSTROM, c * _ANGSTROM, radians(alpha), radians(beta), radians(gamma))
    crystal = Calibrant(name, cell, tuple(facts["conditions"]), title, reference)
    if "strong" not in facts:
        return crystal
    table = _strong(crystal, cell, facts["strong"])
    return Calibrant(name, cell, crystal.conditions, title, reference, table)


def _strong(crystal: Calibrant, cell: Cell, rows: Iterable[Sequence[float]]) -> tuple[Reflection, ...]:
    """Return the rings of a crystal that a list of (h, k, l, intensity) names."""
    reciprocal = np.linalg.inv(metric(cell))
    intensity = {}
    for *hkl, height in rows:
        intensity[1.0 / np.sqrt(np.array(hkl) @ reciprocal @ np.array(hkl))] = height
    rings = crystal.reflections(min(intensity))
    spacings = np.array([ring.d for ring in rings])
    found = []
    for d in sorted(intensity, reverse=True):
        ring = rings[int(np.abs(spacings - d).argmin())]
        assert abs(ring.d - d) < 2.0 * SAME * d, f"{crystal.name}: {d} is forbidden"
        found.append(ring._replace(intensity=intensity[d]))
    return tuple(found)
