"""Shapes of diffraction peaks, of unit area, and their derivatives."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

_FALL = 4.0 * np.log(2.0)
_GAUSS = float(np.sqrt(_FALL / np.pi))
_LORENTZ = 2.0 / np.pi


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
    mixture: ArrayLike,
) -> Profile:
    """Return the sum of a Lorentzian and a Gaussian of one position and width, and its derivatives.

    G. K. Wertheim, M. A. Butler, K. W. West, D. N. E. Buchanan, Rev. Sci. Instrum. 45 (1974) 1369,
    doi:10.1063/1.1686503.

    Parameters
    ----------
    x, position, fwhm : ndarray
        Where, and the peak's place and full width at half maximum, in one unit. They broadcast; the results
        have their precision.
    mixture : array_like
        The Lorentzian's share of the area. A plain 0 or 1 is a pure Gaussian or Lorentzian, at half the cost.
    """
    width = 1.0 / fwhm
    u = (x - position) * width
    square = u * u
    if np.ndim(mixture) == 0 and mixture in (0, 1):
        part = _lorentz(u, square, width) if mixture else _gauss(u, square, width)
        return Profile(*part, None)
    share = np.asarray(mixture)
    parts = list(zip(_lorentz(u, square, width), _gauss(u, square, width), strict=True))
    apart = [a - b for a, b in parts]
    value, by_position, by_fwhm = (b + share * d for d, (_, b) in zip(apart, parts, strict=True))
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
