"""Substances whose rings are known: where the rings are."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, pi, sin
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aureole.calibration.lattice import CONDITIONS, SAME, Cell, metric, rings
from aureole.errors import SpecError

FloatArray = NDArray[np.float64]

_MOST_INDICES = 4_000_000
"""How many (h, k, l) are looked at, at most."""


class Reflection(NamedTuple):
    """One ring; what is not known of it is None.

    Attributes
    ----------
    d : float
        Spacing in metres.
    hkl : tuple of int or None
        One of its (h, k, l).
    multiplicity : int or None
        How many (h, k, l) share the spacing.
    intensity : float or None
        Of the whole ring, on a scale of the calibrant's own.
    """

    d: float
    hkl: tuple[int, int, int] | None = None
    multiplicity: int | None = None
    intensity: float | None = None


@dataclass(frozen=True, slots=True)
class Calibrant:
    """A substance of known rings: computed from its lattice, or from a table.

    Attributes
    ----------
    name : str
        Short name.
    lattice : tuple of float or None
        a, b, c in metres, alpha, beta, gamma in radians.
    conditions : tuple of str
        Which reflections exist: names in `CONDITIONS`, all of which must hold.
    title, reference : str
        What it is, and where the lattice or the table is from.
    table : tuple of Reflection
        The rings, where they are not all those of the lattice: the largest spacing first.

    Raises
    ------
    SpecError
        A lattice that cannot be, an unknown condition, a table that is not in order, or neither.
    """

    name: str
    lattice: Cell | None
    conditions: tuple[str, ...] = ()
    title: str = ""
    reference: str = ""
    table: tuple[Reflection, ...] = ()

    def __post_init__(self) -> None:
        if self.lattice is not None:
            if len(self.lattice) != 6 or not all(isfinite(x) and x > 0.0 for x in self.lattice):
                raise SpecError(
                    f"calibrant {self.name}: the lattice needs six positive numbers, not {self.lattice}"
                )
            if np.linalg.det(metric(self.lattice)) <= 0.0:
                raise SpecError(f"calibrant {self.name}: no cell has the angles of {self.lattice}")
        elif not self.table:
            raise SpecError(f"calibrant {self.name}: a lattice is needed, or a table of rings")
        for condition in self.conditions:
            if condition not in CONDITIONS:
                known = ", ".join(CONDITIONS)
                raise SpecError(f"calibrant {self.name}: unknown condition {condition!r}, known: {known}")
        spacings = [ring.d for ring in self.table]
        if not all(isfinite(d) and d > 0.0 for d in spacings) or spacings != sorted(spacings, reverse=True):
            raise SpecError(f"calibrant {self.name}: the table needs positive spacings, the largest first")

    @property
    def finest(self) -> float:
        """Smallest spacing (m) down to which `reflections` looks: below it there are millions of them.

        Zero for a table.
        """
        if self.table or self.lattice is None:
            return 0.0
        return 2.0 * float(np.cbrt(np.prod(self.lattice[:3]) / _MOST_INDICES))

    def reflections(self, d_min: float) -> list[Reflection]:
        """Return all rings with spacings of at least `d_min` (m), the largest spacing first.

        Raises
        ------
        SpecError
            `d_min` is not a positive length, or smaller than `finest`.
        """
        if not (isfinite(d_min) and d_min > 0.0):
            raise SpecError(f"calibrant {self.name}: the smallest spacing must be positive, not {d_min} m")
        if self.table or self.lattice is None:
            return [ring for ring in self.table if ring.d >= d_min * (1.0 - SAME)]
        if d_min < self.finest:
            raise SpecError(
                f"calibrant {self.name}: millions of rings have spacings down to {d_min:.3g} m; give "
                f"at least {self.finest:.3g} m"
            )
        return [Reflection(*ring) for ring in rings(self.lattice, self.conditions, d_min)]

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
