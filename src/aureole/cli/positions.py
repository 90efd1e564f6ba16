"""Positions of bins in another unit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aureole.errors import SpecError
from aureole.units import Unit, unit

F64 = NDArray[np.float64]


def converted(positions: F64, stored: str, wanted: str, wavelength: float | None) -> F64:
    """Convert radial positions between units of q and of 2theta.

    Parameters
    ----------
    positions : ndarray
    stored, wanted : str
        Names of units.
    wavelength : float or None
        In metres.

    Raises
    ------
    SpecError
        One of them is neither q nor 2theta, or a position is beyond backscattering.
    GeometryError
        q without a wavelength.
    """
    before, after = unit(stored), unit(wanted)
    for each in (before, after):
        if each.base not in ("sin_theta", "2theta") or each.function != "identity":
            raise SpecError(f"positions in {stored} cannot be converted to {wanted}, only q and 2theta")
    return _from_two_theta(after, _two_theta(before, positions, wavelength), wavelength)


def _two_theta(before: Unit, positions: F64, wavelength: float | None) -> F64:
    base = positions / before.scale(wavelength)
    if before.base == "2theta":
        return base
    if np.any(np.abs(base) > 1.0):
        raise SpecError(f"positions of up to {positions.max():g} {before.name} are beyond backscattering")
    return np.asarray(2.0 * np.arcsin(base))


def _from_two_theta(after: Unit, angles: F64, wavelength: float | None) -> F64:
    base = angles if after.base == "2theta" else np.sin(angles / 2.0)
    return np.asarray(base * after.scale(wavelength))
