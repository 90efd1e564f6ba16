"""Panels of a detector as CrystFEL's geometry files (``.geom``) list them.

Format: T. A. White et al., J. Appl. Cryst. 45 (2012) 335, and the manual page ``crystfel_geometry``.
"""

from __future__ import annotations

import re
from math import isfinite

import numpy as np

from aureole.errors import GeometryError
from aureole.geometry.fields import four_corners
from aureole.geometry.layout import MOST_PIXELS, FloatArray

_LINE = re.compile(r"\s*(?:(?P<panel>[^/=;\s]+)/)?(?P<key>\w+)\s*=\s*(?P<value>[^;]*)")
_TERM = re.compile(r"(?P<factor>[-+]?\s*(?:\d+\.?\d*|\.\d+)?(?:[eE][-+]?\d+)?)\s*\*?\s*(?P<axis>[xyz])")
_NOT_PANELS = ("bad", "rigid_group", "group")
_NEEDED = ("min_fs", "max_fs", "min_ss", "max_ss", "corner_x", "corner_y", "fs", "ss", "res")
_LEAST_SINE = 0.1


def is_panels_file(text: str) -> bool:
    """Whether a text has lines of a panel."""
    found = {match["key"] for line in text.splitlines() if (match := _LINE.match(line)) and match["panel"]}
    return {"min_fs", "min_ss", "corner_x"} <= found


def parse_panels(text: str) -> tuple[FloatArray, float]:
    """Read where the pixels of all panels are.

    Parameters
    ----------
    text : str
        The whole file: ``panel/key = value``, or ``key = value`` for all panels after it.

    Returns
    -------
    ndarray of float64, shape (n1, n2, 4, 3)
        Corners in metres along y, x and the beam, with the beam at the origin; NaN where no panel is.
    float
        Size of a pixel in metres.

    Raises
    ------
    GeometryError
        Something is missing or cannot be, or the panels are of images with more than two axes.
    """
    panels = _panels(text)
    sizes = {1.0 / float(facts["res"]) for facts in panels.values()}
    if len(sizes) > 1:
        raise GeometryError("panels with pixels of several sizes are not read")
    size = sizes.pop()
    spans = {name: _span(name, facts) for name, facts in panels.items()}
    shape = max(span[1] for span in spans.values()), max(span[3] for span in spans.values())
    if shape[0] * shape[1] > MOST_PIXELS:
        raise GeometryError(f"no detector has {shape[0]} x {shape[1]} pixels")
    corners = np.full((*shape, 4, 3), np.nan)
    for name, (first1, last1, first2, last2) in spans.items():
        facts = panels[name]
        slow, fast = _direction(name, facts, "ss"), _direction(name, facts, "fs")
        if np.linalg.norm(np.cross(slow, fast)) < _LEAST_SINE:
            raise GeometryError(f"panel {name}: fs and ss have the same direction")
        if np.isfinite(corners[first1:last1, first2:last2, 0, 0]).any():
            raise GeometryError(f"panel {name} has pixels of the image that another panel has too")
        begin = np.array([float(facts["corner_y"]), float(facts["corner_x"]), 0.0]) * size
        begin[2] = float(facts.get("coffset", 0.0))
        at1, at2 = np.arange(last1 - first1 + 1.0), np.arange(last2 - first2 + 1.0)
        at = begin + size * (at1[:, None, None] * slow + at2[:, None] * fast)
        corners[first1:last1, first2:last2] = four_corners(at)
    return corners, size


def _panels(text: str) -> dict[str, dict[str, str]]:
    common: dict[str, str] = {}
    panels: dict[str, dict[str, str]] = {}
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        name, key, value = match["panel"], match["key"], match["value"].strip()
        if name is None:
            common[key] = value
        elif not name.startswith(_NOT_PANELS):
            panels.setdefault(name, dict(common))[key] = value
    if not panels:
        raise GeometryError("this is no geometry file of CrystFEL: there is no panel")
    for name, facts in panels.items():
        if missing := next((key for key in _NEEDED if key not in facts), None):
            raise GeometryError(f"panel {name} has no {missing}")
        if stacked := next((k for k, v in facts.items() if re.fullmatch(r"dim\d+", k) and v.isdigit()), None):
            raise GeometryError(f"panel {name} is in an image of more than two axes ({stacked})")
        for key in ("corner_x", "corner_y", "res", "coffset"):
            if key in facts and not _is_number(facts[key]):
                raise GeometryError(f"panel {name}: {key} must be a number, not {facts[key][:40]!r}")
        if float(facts["res"]) <= 0.0:
            raise GeometryError(f"panel {name}: res must be above zero, in pixels a metre")
    return panels


def _is_number(text: str) -> bool:
    try:
        return isfinite(float(text))
    except ValueError:
        return False


def _span(name: str, facts: dict[str, str]) -> tuple[int, int, int, int]:
    """Return first and behind the last of the rows, and of the columns."""
    try:
        first1, last1, first2, last2 = (int(facts[key]) for key in ("min_ss", "max_ss", "min_fs", "max_fs"))
    except ValueError:
        raise GeometryError(f"panel {name}: its first and last pixels are no whole numbers") from None
    if not (0 <= first1 <= last1 and 0 <= first2 <= last2):
        raise GeometryError(f"panel {name}: its first and last pixels cannot be")
    return first1, last1 + 1, first2, last2 + 1


def _direction(name: str, facts: dict[str, str], key: str) -> FloatArray:
    """Return the step from a pixel to the next along y, x and the beam, in pixels."""
    step = np.zeros(3)
    for match in _TERM.finditer(facts[key]):
        factor = match["factor"].replace(" ", "")
        step["yxz".index(match["axis"])] += float(factor + "1" if factor in ("", "+", "-") else factor)
    if _TERM.sub("", facts[key]).strip() or not 0.5 < np.linalg.norm(step) < 2.0:
        raise GeometryError(
            f"panel {name}: {key} must be a direction such as '1.0x +0.01y', not {facts[key][:40]!r}"
        )
    return step
