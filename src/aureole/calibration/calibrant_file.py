"""Own calibrants: text files of spacings, as pyFAI reads and writes them (``.D``)."""

from __future__ import annotations

import re
from math import isfinite
from os import PathLike
from pathlib import Path

from aureole.calibration.calibrant import Calibrant, Reflection
from aureole.calibration.lattice import SAME
from aureole.errors import FormatError
from aureole.io.lines import read_lines

ENDING = ".D"

_ANGSTROM = 1e-10
_SPACINGS = 0.01, 1e7
"""Spacings (Å) that are believed."""
_FIELD = re.compile(r"#\s*(calibrant|ref)\s*:\s*(.*)", re.IGNORECASE)
_NOTES = re.compile(
    r"\(\s*(-?\d+)[\s,]+(-?\d+)[\s,]+(?:-?\d+[\s,]+)??(-?\d+)\s*\)(?:\s+(\d+)(?:\s+(\S+))?)?", re.ASCII
)
"""What stands behind a spacing: (h k l) or (h k i l), multiplicity, intensity."""
_NUMBER = re.compile(r"\d+\.?\d*(?:[eE][-+]?\d+)?", re.ASCII)


def read_calibrant(path: str | PathLike[str]) -> Calibrant:
    """Read a calibrant from a text file of spacings.

    Parameters
    ----------
    path : path
        One spacing a line or several, in Å; lines that begin with "#" are comments, and of these
        ``# Calibrant:`` and ``# Ref:`` give title and reference. Behind a spacing, ``# (h k l)``, the
        multiplicity and the intensity may follow. Rows of the same spacing are one ring.

    Raises
    ------
    InputError
        The file cannot be read.
    FormatError
        A line holds something else than spacings in Å, or there are none; the line is named.
    """
    known = {"calibrant": "", "ref": ""}
    found: list[Reflection] = []
    for number, line in enumerate(read_lines(path, "a list of spacings"), 1):
        if field := _FIELD.match(line):
            known[field[1].lower()] = field[2].strip()
            continue
        numbers, _, notes = line.partition("#")
        spacings = [_spacing(f"{path}, line {number}", word) for word in numbers.split()]
        if len(spacings) == 1:
            found.append(_noted(spacings[0], notes))
        else:
            found += map(Reflection, spacings)
    if not found:
        raise FormatError(f"{path}: there are no spacings; wanted is one a line, in Å")
    title, reference = known["calibrant"], known["ref"]
    return Calibrant(Path(path).stem, None, (), title, reference, tuple(_merged(found)))


def _spacing(where: str, word: str) -> float:
    try:
        d = float(word)
    except ValueError:
        raise FormatError(f"{where}: {word[:40]!r} is no spacing; comments begin with '#'") from None
    if not (isfinite(d) and _SPACINGS[0] <= d <= _SPACINGS[1]):
        raise FormatError(f"{where}: {word[:40]} is no spacing in Å")
    return d * _ANGSTROM


def _noted(d: float, notes: str) -> Reflection:
    match = _NOTES.search(notes)
    if match is None:
        return Reflection(d)
    h, k, l, multiplicity, intensity = match.groups()  # noqa: E741
    height = None
    if intensity is not None and _NUMBER.fullmatch(intensity):
        height = float(intensity)
    elif intensity is not None and "weak" in intensity.lower():
        height = 0.0
    many = int(multiplicity) if multiplicity else 0
    return Reflection(d, (int(h), int(k), int(l)), many or None, height)


def _merged(found: list[Reflection]) -> list[Reflection]:
    """Sort, and make one ring of rows of the same spacing."""
    rings: list[Reflection] = []
    for ring in sorted(found, key=lambda ring: -ring.d):
        if not rings or ring.d < rings[-1].d * (1.0 - SAME):
            rings.append(ring)
            continue
        last = rings[-1]
        many = last.multiplicity and ring.multiplicity and last.multiplicity + ring.multiplicity
        height = None
        if last.intensity is not None and ring.intensity is not None:
            height = last.intensity + ring.intensity
        rings[-1] = Reflection(last.d, last.hkl or ring.hkl, many, height)
    return rings
