"""The linear steps from F(q) to G(r), as matrices and vectors: all a pattern does not change."""

from __future__ import annotations

from math import pi

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]


def trapezoid(q: F64) -> F64:
    """Return the weights of the trapezoidal rule for values at `q`, which rises."""
    weights = np.zeros_like(q)
    half = 0.5 * np.diff(q)
    weights[:-1] += half
    weights[1:] += half
    return weights


def lorch(q: F64, qmax: float) -> F64:
    """Return sin(x)/x with x = π q / qmax, the window of E. Lorch, J. Phys. C 2 (1969) 229."""
    return np.asarray(np.sinc(q / qmax))


def sine_transform(q: F64, r: F64, weights: F64) -> F64:
    """Return the matrix of 2/π ∫ F(q) sin(qr) dq.

    Parameters
    ----------
    q : ndarray, shape (nq,)
    r : ndarray, shape (nr,)
    weights : ndarray, shape (nq,)
        Of the sum that stands for the integral, with the window.

    Returns
    -------
    ndarray, shape (nr, nq)
    """
    out = np.multiply.outer(r, q)
    np.sin(out, out=out)
    out *= weights * (2.0 / pi)
    return out


def below_first(first: float, r: F64) -> F64:
    """Return 2/π ∫ (q/q₀) sin(qr) dq from 0 to q₀ at each r: the part below the data, of an F(q₀) of one.

    S(q) is taken to be constant there, which is close for dense samples, whose S(q) is small at small q.
    """
    x = first * r
    small = x < 1e-2
    safe = np.where(small, 1.0, x)
    # sin x - x cos x = x³/3 - x⁵/30 + ..., where the difference would lose all digits
    bent = np.where(small, x**3 / 3.0 - x**5 / 30.0, np.sin(safe) - safe * np.cos(safe))
    r_safe = np.where(r > 0.0, r, 1.0)
    return np.asarray(np.where(r > 0.0, 2.0 / pi * bent / (first * r_safe**2), 0.0))


class OddPolynomials:
    """Projects functions of q on q p(q), with polynomials p; a degree that is not whole lies between two.

    Parameters
    ----------
    q : ndarray, shape (nq,)
    weights : ndarray, shape (nq,)
        Of the least squares.
    degree : float
        Highest power of q in q p(q). Between two whole numbers the two fits are mixed in proportion.

    Notes
    -----
    The basis q Tₖ of Chebyshev polynomials Tₖ, made orthonormal, has the same span as powers of q, and does
    not lose its digits at degrees above ten.
    """

    def __init__(self, q: F64, weights: F64, degree: float) -> None:
        whole = int(degree)
        count = min(whole + (degree > whole), len(q))
        root = np.sqrt(weights)
        powers = np.polynomial.chebyshev.chebvander(2.0 * q / q[-1] - 1.0, max(count - 1, 0))[:, :count]
        basis, _ = np.linalg.qr(root[:, None] * (q / q[-1])[:, None] * powers)
        share = np.ones(count)
        if count > whole:
            share[-1] = degree - whole
        self._fit = (basis * root[:, None]) * share
        self._values = basis / root[:, None]

    def removed(self, rows: F64) -> F64:
        """Return the row vectors that give of any F what `rows`, shape (..., nq), give of F less its fit."""
        return rows - (rows @ self._values) @ self._fit.T

    def remove(self, function: F64) -> F64:
        """Return a function, shape (nq,), less its fit."""
        return function - self._values @ (function @ self._fit)
