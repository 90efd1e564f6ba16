"""Substances whose rings are known: where the rings are."""

# ruff: noqa: E741 (h, k, l are what everybody calls them)

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from math import cos, isfinite, pi, radians, sin, sqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aureole.errors import InputError, SpecError

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]

_ANGSTROM = 1e-10
_SAME = 1e-9
"""Relative difference up to which two spacings are one ring."""
_MOST_INDICES = 4_000_000
"""How many (h, k, l) are looked at, at most."""


def _glide_c(h: IntArray, k: IntArray, l: IntArray) -> BoolArray:
    special = (h == 0) | (k == 0) | (h + k == 0)
    allowed: BoolArray = np.logical_or(~special, l % 2 == 0)
    return allowed


CONDITIONS: dict[str, Callable[[IntArray, IntArray, IntArray], BoolArray]] = {
    "F": lambda h, k, l: ((h + k) % 2 == 0) & ((k + l) % 2 == 0),
    "I": lambda h, k, l: (h + k + l) % 2 == 0,
    "C": lambda h, k, l: (h + k) % 2 == 0,
    "R": lambda h, k, l: (-h + k + l) % 3 == 0,
    "diamond": lambda h, k, l: (h % 2 != 0) | (k % 2 != 0) | (l % 2 != 0) | ((h + k + l) % 4 == 0),
    "c along hh0l": _glide_c,
    "00l": lambda h, k, l: (h == 0) & (k == 0),
}
"""Reflection conditions by name (International Tables for Crystallography A).

``F``, ``I``, ``C`` and ``R`` (obverse, hexagonal axes) are centrings; ``diamond`` is the special position 8a
of Fd-3m; ``c along hh0l`` the glide plane of R-3c (l even where h, k or h + k is zero); ``00l`` a stack of
layers.
"""


class Reflection(NamedTuple):
    """One ring: spacing in metres, one of its (h, k, l), and how many there are in all."""

    d: float
    hkl: tuple[int, int, int]
    multiplicity: int


@dataclass(frozen=True, slots=True)
class Calibrant:
    """A substance with a known lattice.

    Attributes
    ----------
    name : str
        Short name.
    lattice : tuple of float
        a, b, c in metres, alpha, beta, gamma in radians.
    conditions : tuple of str
        Which reflections exist: names in `CONDITIONS`, all of which must hold.
    title, reference : str
        What it is, and where the lattice is from.

    Raises
    ------
    SpecError
        A lattice that cannot be, or an unknown condition.
    """

    name: str
    lattice: tuple[float, float, float, float, float, float]
    conditions: tuple[str, ...] = ()
    title: str = ""
    reference: str = ""

    def __post_init__(self) -> None:
        if len(self.lattice) != 6 or not all(isfinite(x) and x > 0.0 for x in self.lattice):
            raise SpecError(
                f"calibrant {self.name}: the lattice needs six positive numbers, not {self.lattice}"
            )
        if np.linalg.det(self._metric()) <= 0.0:
            raise SpecError(f"calibrant {self.name}: no cell has the angles of {self.lattice}")
        for condition in self.conditions:
            if condition not in CONDITIONS:
                known = ", ".join(CONDITIONS)
                raise SpecError(f"calibrant {self.name}: unknown condition {condition!r}, known: {known}")

    def _metric(self) -> FloatArray:
        a, b, c, alpha, beta, gamma = self.lattice
        return np.array(
            [
                [a * a, a * b * cos(gamma), a * c * cos(beta)],
                [a * b * cos(gamma), b * b, b * c * cos(alpha)],
                [a * c * cos(beta), b * c * cos(alpha), c * c],
            ]
        )

    @property
    def finest(self) -> float:
        """Smallest spacing (m) down to which `reflections` looks: below it there are millions of them."""
        return 2.0 * float(np.cbrt(np.prod(self.lattice[:3]) / _MOST_INDICES))

    def reflections(self, d_min: float) -> list[Reflection]:
        """Return all rings with spacings of at least `d_min` (m), the largest spacing first.

        Spacings come from the reciprocal metric tensor, 1/d² = h·G*·h; reflections of equal spacing are one
        ring.

        Raises
        ------
        SpecError
            `d_min` is not a positive length, or smaller than `finest`.
        """
        if not (isfinite(d_min) and d_min > 0.0):
            raise SpecError(f"calibrant {self.name}: the smallest spacing must be positive, not {d_min} m")
        if d_min < self.finest:
            raise SpecError(
                f"calibrant {self.name}: millions of rings have spacings down to {d_min:.3g} m; give "
                f"at least {self.finest:.3g} m"
            )
        limits = [int(edge / d_min * (1.0 + _SAME)) for edge in self.lattice[:3]]
        k, l = np.mgrid[-limits[1] : limits[1] + 1, -limits[2] : limits[2] + 1].astype(np.int64)
        metric = np.linalg.inv(self._metric())
        squares, indices = [], []
        for first in range(-limits[0], limits[0] + 1):
            h = np.full_like(k, first)
            hkl = np.stack((h, k, l), axis=-1)
            square = np.einsum("...i,ij,...j->...", hkl, metric, hkl)
            wanted = (square * d_min**2 <= 1.0 + _SAME) & ((h != 0) | (k != 0) | (l != 0))
            for condition in self.conditions:
                wanted &= CONDITIONS[condition](h, k, l)
            squares.append(square[wanted])
            indices.append(hkl[wanted])
        return _rings(np.concatenate(squares), np.concatenate(indices))

    def d_spacings(self, d_min: float) -> FloatArray:
        """Return the spacings (m) of all rings down to `d_min`, the largest first."""
        return np.array([ring.d for ring in self.reflections(d_min)])

    def two_theta(self, wavelength: float, largest: float = pi) -> FloatArray:
        """Return where the rings are, 2θ in radians, rising.

        Parameters
        ----------
        wavelength : float
            In metres.
        largest : float
            Rings up to this 2θ (rad).

        Raises
        ------
        SpecError
            A wavelength that is not positive, or a limit outside of 0 to π.
        """
        if not (isfinite(wavelength) and wavelength > 0.0):
            raise SpecError(f"the wavelength must be positive, not {wavelength} m")
        if not 0.0 < largest <= pi:
            raise SpecError(f"the largest 2theta must be between 0 and pi, not {largest}")
        sines = wavelength / (2.0 * self.d_spacings(wavelength / (2.0 * sin(0.5 * largest))))
        return np.asarray(2.0 * np.arcsin(np.minimum(sines, 1.0)), dtype=np.float64)


def _rings(squares: FloatArray, indices: IntArray) -> list[Reflection]:
    """Gather reflections (1/d² and hkl) of equal spacing."""
    if squares.size == 0:
        return []
    order = np.argsort(squares, kind="stable")
    squares, indices = squares[order], indices[order]
    starts = np.flatnonzero(np.concatenate(([True], np.diff(squares) > 2.0 * _SAME * squares[1:])))
    rings = []
    for start, stop in zip(starts, np.append(starts[1:], squares.size), strict=True):
        # the indices without minus signs name the ring, the largest first one before others
        h, k, l = max(indices[start:stop].tolist(), key=lambda hkl: (-sum(i < 0 for i in hkl), hkl))
        rings.append(Reflection(1.0 / sqrt(squares[start]), (h, k, l), int(stop - start)))
    return rings


def calibrant(name: str) -> Calibrant:
    """Return a calibrant by its name, such as ``"CeO2"``; case does not matter.

    Raises
    ------
    InputError
        No such calibrant; near names are listed.
    """
    catalogue = _catalogue()
    found = catalogue.get(name.strip().casefold())
    if found is None:
        near = dict.fromkeys(
            catalogue[key].name for key in get_close_matches(name.casefold(), catalogue, n=3)
        )
        hint = f"did you mean {', '.join(near)}?" if near else f"known: {', '.join(calibrant_names())}"
        raise InputError(f"unknown calibrant {name!r}: {hint}")
    return found


def calibrant_names() -> list[str]:
    """Return the names of all calibrants."""
    return sorted({entry.name for entry in _catalogue().values()})


def _from_facts(name: str, facts: Mapping[str, Any]) -> Calibrant:
    a, b, c, alpha, beta, gamma = facts["lattice"]
    lattice = (a * _ANGSTROM, b * _ANGSTROM, c * _ANGSTROM, radians(alpha), radians(beta), radians(gamma))
    return Calibrant(name, lattice, tuple(facts["conditions"]), facts["title"], facts["reference"])


@cache
def _catalogue() -> dict[str, Calibrant]:
    text = files("aureole.calibration").joinpath("calibrants.toml").read_text(encoding="utf-8")
    catalogue: dict[str, Calibrant] = {}
    for name, facts in tomllib.loads(text).items():
        entry = _from_facts(name, facts)
        for alias in (name, *facts.get("aliases", ())):
            catalogue[alias.casefold()] = entry
    return catalogue
