"""Distortion by a taper of glass fibres: two bicubic splines, as Fit2D writes them (``.spline`` files)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from aureole.errors import GeometryError
from aureole.geometry.fields import four_corners
from aureole.geometry.layout import BoolArray, FloatArray, Pair

_WIDTH = 14
"""Characters of a number in a file."""
_MOST_NUMBERS = 1 << 16
_NUMBER = re.compile(r"\s*[-+]?\d+\.?\d*(?:[EeDd][-+]?\d+)?\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Spline:
    """A bicubic spline of two coordinates: knots along both, and coefficients.

    Raises
    ------
    GeometryError
        Too few knots, knots that fall, or another number of coefficients than they need.
    """

    fast_knots: tuple[float, ...]
    slow_knots: tuple[float, ...]
    coefficients: tuple[float, ...]

    def __post_init__(self) -> None:
        for knots in (self.fast_knots, self.slow_knots):
            if len(knots) < 8 or any(after < before for before, after in pairwise(knots)):
                raise GeometryError(
                    "a bicubic spline needs at least 8 knots along both axes, and they must rise"
                )
        wanted = (len(self.fast_knots) - 4) * (len(self.slow_knots) - 4)
        if len(self.coefficients) != wanted:
            raise GeometryError(
                f"a spline has {len(self.coefficients)} coefficients where {wanted} are needed"
            )

    def at(self, slow: FloatArray, fast: FloatArray) -> FloatArray:
        """Return the values at all slow and all fast coordinates, which rise, shape (slow, fast)."""
        from scipy.interpolate import bisplev

        known = np.array(self.fast_knots), np.array(self.slow_knots), np.array(self.coefficients), 3, 3
        found: FloatArray = np.ascontiguousarray(
            np.atleast_2d(bisplev(fast, slow, known)).reshape(fast.size, -1).T
        )
        return found


@dataclass(frozen=True, slots=True)
class Distortion:
    """Where the pixels of a distorted detector are: (slow, fast) is seen at (slow + s, fast + f), in pixels.

    Attributes
    ----------
    file : str
        Where it comes from.
    region : tuple of float
        Where it is known: first slow, first fast, last slow, last fast, in pixels.
    slow, fast : Spline
        The displacements s and f at positions on the detector, in pixels.
    masks : bool
        Whether pixels that belong outside of the region are invalid.
    """

    file: str
    region: tuple[float, float, float, float]
    slow: Spline
    fast: Spline
    masks: bool = False

    def vertices(self, shape: Pair, size: tuple[float, float]) -> FloatArray:
        """Return where the points between the pixels are in metres, (n1 + 1, n2 + 1, 2)."""
        at1, at2 = (np.arange(count + 1.0) for count in shape)
        slow = (self.slow.at(at1, at2) + at1[:, None]) * size[0]
        fast = (self.fast.at(at1, at2) + at2) * size[1]
        return np.stack([slow, fast], axis=-1)

    def corners(self, shape: Pair, size: tuple[float, float]) -> FloatArray:
        """Return where the corners of the pixels are in metres, (n1, n2, 4, 3); read-only."""
        return _corners(self, shape, size)

    def areas(self, shape: Pair) -> FloatArray:
        """Return the areas of the pixels over that of one without distortion, (n1, n2)."""
        edges = [np.arange(count + 1.0) for count in shape]
        middles = [at[:-1] + 0.5 for at in edges]
        slow = np.diff(self.slow.at(edges[0], middles[1]), axis=0)
        fast = np.diff(self.fast.at(middles[0], edges[1]), axis=1)
        found: FloatArray = (1.0 + slow) * (1.0 + fast)
        return found

    def outside(self, shape: Pair) -> BoolArray:
        """Return which pixels belong outside of the region, (n1, n2)."""
        at1, at2 = (np.arange(count, dtype=np.float64) + 0.5 for count in shape)
        slow = self.slow.at(at1, at2) + at1[:, None]
        fast = self.fast.at(at1, at2) + at2
        first1, first2, last1, last2 = self.region
        outside: BoolArray = (slow < first1) | (slow > last1) | (fast < first2) | (fast > last2)
        return outside

    @staticmethod
    def from_dict(known: Mapping[str, Any]) -> Distortion:
        """Return what `dataclasses.asdict` made of it; `KeyError` or `TypeError` where it did not."""
        slow, fast = (
            Spline(**{key: tuple(float(value) for value in values) for key, values in known[axis].items()})
            for axis in ("slow", "fast")
        )
        first1, first2, last1, last2 = (float(value) for value in known["region"])
        return Distortion(known["file"], (first1, first2, last1, last2), slow, fast, bool(known["masks"]))


@lru_cache(maxsize=2)
def _corners(distortion: Distortion, shape: Pair, size: tuple[float, float]) -> FloatArray:
    at = distortion.vertices(shape, size)
    corners = np.zeros((*shape, 4, 3))
    corners[..., :2] = four_corners(at)
    corners.setflags(write=False)
    return corners


def parse_spline(text: str, file: str) -> tuple[Distortion, Pair, tuple[float, float]]:
    """Read the text of a spline file of Fit2D.

    Numbers stand in fields of 14 characters. Below ``VALID REGION`` are first and last pixel (fast, slow),
    below ``GRID SPACING, X-PIXEL SIZE, Y-PIXEL SIZE`` three lengths (the sizes in µm, fast and slow), below
    ``X-DISTORTION`` and ``Y-DISTORTION`` the numbers of knots and then, up to an empty line, the knots along
    the fast axis, those along the slow one, and the coefficients.

    Parameters
    ----------
    text : str
        The whole file.
    file : str
        Its name, for the record.

    Returns
    -------
    Distortion
    tuple of int
        Number of pixels (slow, fast).
    tuple of float
        Pixel size in metres (slow, fast).

    Raises
    ------
    GeometryError
        It is no such text.
    """
    blocks: dict[str, list[str]] = {}
    lines = [line.rstrip() for line in text.splitlines()]
    titles = ("VALID REGION", "GRID SPACING, X-PIXEL SIZE, Y-PIXEL SIZE", "X-DISTORTION", "Y-DISTORTION")
    for number, line in enumerate(lines):
        if line.strip().upper() in titles:
            rest = lines[number + 1 :]
            blocks[line.strip().upper()] = rest[: rest.index("")] if "" in rest else rest
    missing = [title for title in titles if not blocks.get(title)]
    if missing:
        raise GeometryError(f"this is no spline file of Fit2D: there is no {missing[0]!r}")
    first2, first1, last2, last1 = _numbers(blocks[titles[0]][:1], 4)
    _, size2, size1 = _numbers(blocks[titles[1]][:1], 3)
    fast, slow = (_spline(blocks[title]) for title in titles[2:])
    shape = int(last1 - first1), int(last2 - first2)
    return Distortion(file, (first1, first2, last1, last2), slow, fast), shape, (size1 * 1e-6, size2 * 1e-6)


def _numbers(lines: list[str], wanted: int | None = None) -> list[float]:
    fields = [line[at : at + _WIDTH] for line in lines for at in range(0, len(line), _WIDTH)]
    wrong = next((field for field in fields if not _NUMBER.fullmatch(field)), None)
    if wrong is not None or len(fields) > _MOST_NUMBERS or len(fields) != (wanted or len(fields)):
        told = (
            f"{wrong!r} is no number of {_WIDTH} characters"
            if wrong is not None
            else f"{len(fields)} numbers"
        )
        raise GeometryError(f"cannot be read as a spline file of Fit2D: {told}")
    return [float(field.upper().replace("D", "E")) for field in fields]


def _spline(lines: list[str]) -> Spline:
    try:
        count2, count1 = (int(word) for word in lines[0].split())
    except ValueError:
        raise GeometryError(f"{lines[0].strip()[:40]!r} are not the two numbers of knots") from None
    values = _numbers(lines[1:])
    knots2, knots1 = tuple(values[:count2]), tuple(values[count2 : count2 + count1])
    return Spline(knots2, knots1, tuple(values[count2 + count1 :]))
