"""Single patterns from text: ``.xy``, ``.xye``, ``.dat`` and Fit2D's ``.chi``, whoever wrote them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aureole.errors import FormatError
from aureole.io.lines import read_lines
from aureole.units import UNITS

_COMMENT = ("#", "!", "%", ";", "'", "/*", "//")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?:nan|inf)", re.ASCII | re.IGNORECASE)
_LIKE_A_NUMBER = re.compile(r"[-+.]*\d|[-+]?(?:nan|inf)\b", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"\d,\d+(?:[eE][-+]?\d+)?(?=[\s;]|$)")
_CHI_HEADER = 4
_FIT2D_UNITS = {"2-theta angle (degrees)": "2th_deg", "2-theta angle (radians)": "2th_rad"}


class TextPattern(NamedTuple):
    """One pattern as a text file has it.

    Attributes
    ----------
    radial : ndarray of float64, shape (n,)
        It never falls; positions that were rounded may be equal.
    intensity : ndarray of float64, shape (n,)
    sigma : ndarray of float64, shape (n,), or None
        The third column, if there is one.
    unit : str or None
        Name of the radial unit, if the lines above the columns name one.
    header : tuple of str
        Those lines, without the marks of comments.
    """

    radial: NDArray[np.float64]
    intensity: NDArray[np.float64]
    sigma: NDArray[np.float64] | None
    unit: str | None
    header: tuple[str, ...]


def read_text(path: str | Path) -> TextPattern:
    """Read one pattern: two or three columns of numbers, below or between comments.

    Columns stand apart by blanks, tabs, semicolons or commas; the decimal mark is a point.

    Parameters
    ----------
    path : path
        A ``.chi`` file with four lines above the columns, or text whose other lines begin with a mark of
        comments ("#", "!", "%", ";", "'", "/*", "//") or, above the columns, not with a number.

    Raises
    ------
    InputError
        The file cannot be read.
    FormatError
        It is not text, has no such columns, decimal commas, or radial positions that fall; the line is named.
    """
    lines = read_lines(path, "a pattern as text")
    chi = Path(path).suffix.lower() == ".chi" and not any(line.startswith(_COMMENT) for line in lines[:4])
    header = lines[:_CHI_HEADER] if chi else []
    rows: list[list[float]] = []
    for number, line in enumerate(lines[len(header) :], len(header) + 1):
        if not line:
            continue
        if line.startswith(_COMMENT) or not (rows or _LIKE_A_NUMBER.match(line)):
            if not rows:
                header.append(line.lstrip("#!%;'/* \t").strip())
            continue
        rows.append(_row(f"{path}, line {number}", line, len(rows[0]) if rows else None))
    if not rows:
        raise FormatError(f"{path}: there are no columns of numbers")
    columns = np.array(rows, np.float64).T
    if not np.isfinite(columns[0]).all():
        raise FormatError(f"{path}: a radial position is not finite")
    falling = np.flatnonzero(np.diff(columns[0]) < 0)
    if falling.size:
        first, second = columns[0][falling[0] : falling[0] + 2]
        raise FormatError(f"{path}: radial positions fall from {first:g} to {second:g}; sort them")
    sigma = columns[2] if len(columns) == 3 else None
    return TextPattern(columns[0], columns[1], sigma, _unit(header), tuple(header))


def _row(where: str, line: str, width: int | None) -> list[float]:
    mark = next((mark for mark in ("\t", ";") if mark in line), None)
    if _DECIMAL_COMMA.search(line) and (mark or len(line.split()) > 1):
        raise FormatError(f"{where}: {line[:60]!r} has decimal commas; the decimal mark is a point")
    cells = line.replace(";", " ").replace(",", " ").split()
    wrong = next((cell for cell in cells if not _NUMBER.fullmatch(cell)), None)
    if wrong is not None:
        raise FormatError(f"{where}: {wrong[:40]!r} is no number")
    if len(cells) not in (2, 3) or width not in (None, len(cells)):
        wanted = "two or three" if width is None else f"{width}, as above,"
        raise FormatError(f"{where}: {len(cells)} columns, wanted are {wanted}")
    return [float(cell) for cell in cells]


def _unit(header: list[str]) -> str | None:
    """Return the unit that the lines name, the last first."""
    for line in reversed(header):
        if line.lower() in _FIT2D_UNITS:
            return _FIT2D_UNITS[line.lower()]
        for word in re.split(r"[\s,;]+", line):
            if word in UNITS:
                return word
    return None
