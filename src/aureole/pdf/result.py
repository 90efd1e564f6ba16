"""What becomes of patterns: pair distribution functions, and the stages on the way to them."""

from __future__ import annotations

from dataclasses import dataclass

from aureole.pdf.operators import F64


@dataclass(frozen=True, slots=True)
class PDF:
    """Pair distribution functions.

    Attributes
    ----------
    r : ndarray, shape (nr,)
        In Å.
    g : ndarray, shape (..., nr)
        G(r) in 1/Å². NaN where a pattern has bins without a value in the range that is used, or where its
        scale is not above zero or has an error above 20 %.
    sigma : ndarray, shape (..., nr), or None
        Standard error of each; None without variances.
    scale : ndarray, shape (...)
        What intensities were multiplied with, to electron units for each atom.
    fluorescence : ndarray, shape (...)
        The constant that was subtracted, in electron units.
    """

    r: F64
    g: F64
    sigma: F64 | None
    scale: F64
    fluorescence: F64


@dataclass(frozen=True, slots=True)
class Stages:
    """The way of one pattern, on the points that were used: I(q) without background, S(q) and F(q).

    Attributes
    ----------
    q, i, s, f : ndarray, shape (nq,)
    i_sigma, s_sigma, f_sigma : ndarray, shape (nq,), or None
    """

    q: F64
    i: F64
    s: F64
    f: F64
    i_sigma: F64 | None
    s_sigma: F64 | None
    f_sigma: F64 | None
