"""How measured intensities come to electron units: one or two numbers a pattern, and their gradients."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]


class Fit(NamedTuple):
    """Intensities are c1 times electron units, and c2 times what is constant.

    Attributes
    ----------
    c1, c2 : ndarray, shape (patterns,)
    d1, d2 : ndarray, shape (patterns or 1, nq)
        How they change with the intensities; d2 is None where c2 is zero.
    """

    c1: F64
    c2: F64
    d1: F64
    d2: F64 | None


class Scaling(ABC):
    """Finds the scale of patterns."""

    @abstractmethod
    def __call__(self, x: F64) -> Fit:
        """Return the fits of intensities, shape (patterns, nq)."""


class Least(Scaling):
    """The scale that brings I/<f>² closest to <f²>/<f>², in the sense of least squares over q.

    Parameters
    ----------
    divided : ndarray, shape (nq,)
        1 / <f>².
    weights : ndarray, shape (nq,)
    target : ndarray, shape (nq,)
        <f²> / <f>².
    """

    def __init__(self, divided: F64, weights: F64, target: F64) -> None:
        self._divided, self._weights, self._target = divided, weights, target

    def __call__(self, x: F64) -> Fit:
        """Return the fits."""
        y = x * self._divided
        squares = (y * y) @ self._weights
        products = y @ (self._weights * self._target)
        with np.errstate(divide="ignore", invalid="ignore"):
            c1 = squares / products
            gradient = (2.0 * y - c1[:, None] * self._target) / products[:, None]
        return Fit(c1, np.zeros_like(c1), gradient * (self._weights * self._divided), None)


class LowR(Scaling):
    """The scale, and the constant if it is asked for, that leave -4πρr of G(r) where there are no atoms.

    Parameters
    ----------
    matrix : ndarray, shape (nr, nq)
        From intensities to G(r) at small r.
    expected : ndarray, shape (nr,)
        What of G(r) the intensities of one electron unit must make: that of independent atoms, less 4πρr.
    constant : ndarray, shape (nr,)
        What a constant of one electron unit adds.
    fluorescence : float or "fit"
        The constant.

    Notes
    -----
    Towards r = 0 this is the integral of J. Krogh-Moe, Acta Cryst. 9 (1956) 951, and N. Norman, Acta Cryst.
    10 (1957) 370; a range of r steadies it and makes room for the constant. It is linear in intensities.
    """

    def __init__(self, matrix: F64, expected: F64, constant: F64, fluorescence: float | str) -> None:
        if isinstance(fluorescence, str):
            columns = np.stack([expected, constant], axis=1)
        else:
            columns = (expected + fluorescence * constant)[:, None]
        self._rows = np.linalg.pinv(columns) @ matrix

    def __call__(self, x: F64) -> Fit:
        """Return the fits."""
        c1 = x @ self._rows[0]
        if len(self._rows) == 1:
            return Fit(c1, np.zeros_like(c1), self._rows[:1], None)
        return Fit(c1, x @ self._rows[1], self._rows[:1], self._rows[1:])
