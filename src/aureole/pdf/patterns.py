"""Patterns as they come: from text or results, in any unit of angle or q, on one grid or another."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aureole.errors import GeometryError, InputError, SpecError
from aureole.io.read_text import read_text
from aureole.io.results import is_result, read_result
from aureole.io.status import FrameStatus
from aureole.units import unit

F64 = NDArray[np.float64]

UNITS = ("q_A^-1", "q_nm^-1", "2th_deg", "2th_rad")
"""Units of positions that are read."""


class Pattern(NamedTuple):
    """I(q) and, where they are known, variances, each of shape (n,); q in 1/Å."""

    q: F64
    intensity: F64
    variance: F64 | None

    def on(self, q: F64) -> Pattern:
        """Return the pattern at other points, on straight lines between its own; NaN beyond its ends."""
        if len(q) == len(self.q) and np.allclose(q, self.q, rtol=1e-9, atol=0.0):
            return Pattern(q, self.intensity, self.variance)
        beyond = (q < self.q[0]) | (q > self.q[-1])
        after = np.clip(np.searchsorted(self.q, q), 1, len(self.q) - 1)
        share = (q - self.q[after - 1]) / (self.q[after] - self.q[after - 1])
        intensity = (1.0 - share) * self.intensity[after - 1] + share * self.intensity[after]
        variance = self.variance
        if variance is not None:
            variance = (1.0 - share) ** 2 * variance[after - 1] + share**2 * variance[after]
            variance = np.where(beyond, np.nan, variance)
        return Pattern(q, np.where(beyond, np.nan, intensity), variance)


def momentum(positions: F64, name: str, wavelength: float | None) -> F64:
    """Return q in 1/Å.

    Parameters
    ----------
    positions : ndarray
    name : str
        Their unit, one of `UNITS`.
    wavelength : float or None
        In metres; needed for angles.

    Raises
    ------
    SpecError
        It is another unit.
    GeometryError
        Angles without a wavelength.
    """
    if name not in UNITS:
        raise SpecError(f"positions in {name}, where one of {', '.join(UNITS)} is needed")
    given = unit(name)
    if given.base == "sin_theta":
        return np.asarray(positions * (4e-10 * np.pi / given.factor))
    if wavelength is None:
        raise GeometryError(f"positions in {name} need a wavelength: give --wavelength or --energy")
    return np.asarray(4e-10 * np.pi / wavelength * np.sin(0.5 * positions / given.factor))


def read_pattern(path: str | Path, name: str | None, wavelength: float | None) -> Pattern:
    """Read one pattern.

    Parameters
    ----------
    path : path
        Text (.xy, .xye, .dat, .chi), or a result of `aureole integrate` with one frame.
    name : str or None
        Unit of the positions; without it what the file says.
    wavelength : float or None
        In metres; where it is not given, that of the file.

    Raises
    ------
    InputError
        It cannot be read, or says nothing of the unit.
    """
    if is_result(path):
        return _of_result(path, wavelength)
    text = read_text(path)
    found = name or text.unit
    if found is None:
        raise InputError(
            f"{path}: does not say what its positions are; give --unit, one of {', '.join(UNITS)}"
        )
    q = momentum(text.radial, found, wavelength)
    return whole(path, Pattern(q, text.intensity, None if text.sigma is None else np.square(text.sigma)))


def _of_result(path: str | Path, wavelength: float | None) -> Pattern:
    with read_result(path) as result:
        if result.is_cake or result.radial is None:
            raise InputError(f"{path}: holds cakes, where patterns are needed")
        done = np.flatnonzero(result.status == FrameStatus.DONE)
        if len(done) != 1:
            raise InputError(
                f"{path}: has {len(done)} patterns, where one is needed; choose with aureole export"
            )
        intensity, sigma = result.read(int(done[0]))
        q = momentum(result.radial.centres, result.radial.unit, wavelength or result.wavelength)
    return whole(path, Pattern(q, intensity, None if sigma is None else np.square(sigma)))


def whole(path: str | Path, pattern: Pattern) -> Pattern:
    """Return a pattern without the bins at its two ends that have no value, and those of q = 0.

    Raises
    ------
    InputError
        Nothing is left.
    """
    good = np.flatnonzero(np.isfinite(pattern.intensity) & (pattern.q > 0.0))
    if not good.size:
        raise InputError(f"{path}: has no values")
    part = slice(good[0], good[-1] + 1)
    variance = pattern.variance
    return Pattern(pattern.q[part], pattern.intensity[part], None if variance is None else variance[part])
