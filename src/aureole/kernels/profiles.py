"""Shapes of diffraction peaks, of unit area, and their derivatives."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# plain floats, which leave arrays their precision
_FALL = float(4.0 * np.log(2.0))
_GAUSS = float(np.sqrt(_FALL / np.pi))
_LORENTZ = float(2.0 / np.pi)


class Profile(NamedTuple):
    """A peak's values and what they change by, each of the shape that the arguments broadcast to.

    Attributes
    ----------
    value : ndarray
        Per unit of x; the integral over all x is 1.
    by_position, by_fwhm, by_mixture : ndarray
        Derivatives. The last is None for a shape that is no mixture.
    """

    value: NDArray[np.floating]
    by_position: NDArray[np.floating]
    by_fwhm: NDArray[np.floating]
    by_mixture: NDArray[np.floating] | None


def pseudo_voigt(
    x: NDArray[np.floating],
    position: NDArray[np.floating],
    fwhm: NDArray[np.floating],
    mixture: float | NDArray[np.floating],
) -> Profile:
    """Return the sum of a Lorentzian and a Gaussian of one position and width, and its derivatives.

    G. K. Wertheim, M. A. Butler, K. W. West, D. N. E. Buchanan, Rev. Sci. Instrum. 45 (1974) 1369,
    doi:10.1063/1.1686503.

    Parameters
    ----------
    x, position, fwhm : ndarray
        Where, and the peak's place and full width at half maximum, in one unit. They broadcast; the results
        have their precision.
    mixture : float or ndarray
        The Lorentzian's share of the area. A plain 0 or 1 is a pure Gaussian or Lorentzian, at half the cost.
    """
    width = 1.0 / fwhm
    u = (x - position) * width
    square = u * u
    if isinstance(mixture, float | int) and mixture in (0, 1):
        part = _lorentz(u, square, width) if mixture else _gauss(u, square, width)
        return Profile(*part, None)
    parts = list(zip(_lorentz(u, square, width), _gauss(u, square, width), strict=True))
    apart = [a - b for a, b in parts]
    value, by_position, by_fwhm = (b + mixture * d for d, (_, b) in zip(apart, parts, strict=True))
    return Profile(value, by_position, by_fwhm, apart[0])


Part = tuple[NDArray[np.floating], NDArray[np.floating], NDArray[np.floating]]


def _gauss(u: NDArray[np.floating], square: NDArray[np.floating], width: NDArray[np.floating]) -> Part:
    value = np.exp(-_FALL * square)
    value *= _GAUSS * width
    steep = value * width
    return value, 2.0 * _FALL * u * steep, (2.0 * _FALL * square - 1.0) * steep


def _lorentz(u: NDArray[np.floating], square: NDArray[np.floating], width: NDArray[np.floating]) -> Part:
    fall = 1.0 / (1.0 + 4.0 * square)
    value = fall * (_LORENTZ * width)
    steep = value * width
    return value, 8.0 * u * fall * steep, (1.0 - 2.0 * fall) * steep
