"""How much of each phase is in a pattern: non-negative combinations of reference patterns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aureole.errors import SpecError
from aureole.mapping.patterns import F64, Estimate, Patterns, Window, chunks, in_window
from aureole.threads import checked_threads

_CHUNK_VALUES = 1 << 17
_ALIKE = 1e-10
"""Smallest eigenvalue of references of unit length that still tells them apart."""
_ROUNDING = 1e-12
_SIGNIFICANT = 3.0
_PATIENCE = 3
_EXCHANGES = 20
"""For each unknown: far more than any pattern takes whose references can be told apart."""


@dataclass(frozen=True, slots=True)
class PhaseMaps:
    """Phases of many patterns; leading dimensions are those of the patterns.

    Attributes
    ----------
    weights : Estimate
        Of each reference, shape (..., references), never negative; NaN where there is no fit, or where the
        reference is zero in all bins that have values.
    fractions : Estimate
        Weights over their sum: volume fractions, where the references are of equal volumes. NaN where
        the sum is less than three times its uncertainty, or a weight is unknown.
    background : ndarray of float64, shape (..., terms)
        Coefficients of Legendre polynomials over the window, from the constant one.
    chi2 : ndarray of float64
        Sum of squared deviations over sigma.
    bins : ndarray of int
        How many bins had values.
    """

    weights: Estimate
    fractions: Estimate
    background: F64
    chi2: F64
    bins: NDArray[np.intp]


def reference_on(radial: ArrayLike, reference_radial: ArrayLike, reference: ArrayLike) -> F64:
    """Interpolate a reference pattern linearly to the bins of other patterns.

    Parameters
    ----------
    radial : array_like, shape (bins,)
    reference_radial, reference : array_like, shape (points,)
        In the same unit; not falling. Of points at one position the mean counts.

    Raises
    ------
    SpecError
        The reference does not cover the bins, or is not finite there.
    """
    x, known, values = (np.asarray(part, np.float64) for part in (radial, reference_radial, reference))
    if known.shape != values.shape or known.ndim != 1 or len(known) < 2:
        raise SpecError(f"a reference of shape {values.shape} on an axis of shape {known.shape}")
    if not (np.diff(known) >= 0).all():
        raise SpecError("the axis of a reference falls, or is not finite")
    if x[0] < known[0] or x[-1] > known[-1]:
        raise SpecError(
            f"a reference from {known[0]:g} to {known[-1]:g} does not cover {x[0]:g} to {x[-1]:g}; "
            "narrow the window"
        )
    known, place, times = np.unique(known, return_inverse=True, return_counts=True)
    found = np.interp(x, known, np.bincount(place, values) / times)
    if not np.isfinite(found).all():
        raise SpecError(f"a reference is not finite at {x[int(np.argmin(np.isfinite(found)))]:g}")
    return found


def fit_references(
    radial: ArrayLike,
    intensity: ArrayLike,
    sigma: ArrayLike | None,
    references: Mapping[str, ArrayLike] | Sequence[ArrayLike] | NDArray[np.floating],
    *,
    window: Window | None = None,
    background: int | None = 0,
    threads: int | None = None,
) -> PhaseMaps:
    """Fit non-negative combinations of reference patterns, and a polynomial.

    Weighted least squares, by block principal pivoting for all patterns at a time (J. Kim, H. Park, SIAM J.
    Sci. Comput. 33 (2011) 3261, doi:10.1137/110821172).

    The uncertainties are those of the fit without the bound at zero, so that they are not too small near it.
    With `sigma` they are absolute; without it the scatter about the fit sets the scale.

    Parameters
    ----------
    radial : array_like, shape (bins,)
        Rising.
    intensity : array_like, shape (..., bins)
        Bins that are NaN are left out.
    sigma : array_like, shape (..., bins) or (bins,), or None
        Standard uncertainties of independent bins. A bin whose sigma is zero or NaN is left out.
    references : array_like, shape (references, bins), or mapping of str to array_like, shape (bins,)
        On the same axis (see `reference_on`). What is raised calls them by their names, or numbers.
    window : (float, float), optional
        First and last radial position to be used; all without it.
    background : int or None
        Degree of the polynomial, which may be negative; none at all if None.
    threads : int, optional
        All cores without it. It does not change a bit of the result.

    Returns
    -------
    PhaseMaps

    Raises
    ------
    SpecError
        Shapes of arrays that do not fit; references that are not finite, or that others make up; a window
        outside the patterns or with too few bins; sigmas that are negative or nowhere positive.
    """
    named = references if isinstance(references, Mapping) else {str(i): r for i, r in enumerate(references)}
    given = np.array(list(named.values()), np.float64)
    x = np.asarray(radial, np.float64)
    if given.ndim != 2 or not len(given) or given.shape[1:] != x.shape:
        raise SpecError(f"references of shape {given.shape} do not fit a radial axis of shape {x.shape}")
    if background is not None and background < 0:
        raise SpecError(f"a background of degree {background}")
    terms = 0 if background is None else background + 1
    count = len(given) + terms
    patterns = in_window(x, intensity, sigma, window, least=count + 1, what=f"a fit of {count} parameters")
    first = int(np.searchsorted(x, patterns.radial[0]))
    inside = given[:, first : first + len(patterns.radial)]
    parts = _parts(patterns.radial, inside, terms, list(named))
    phases = len(given)
    work = partial(_fit_some, patterns, parts, phases)
    pieces = chunks(len(patterns.intensity), max(1, _CHUNK_VALUES // (len(patterns.radial) + count**2)))
    with ThreadPoolExecutor(checked_threads(threads)) as pool:
        done = list(pool.map(work, pieces)) or [work(slice(0, 0))]
    columns = (np.concatenate(column) for column in zip(*done, strict=True))
    values, errors, shares, share_errors, chi2, bins = (
        column.reshape(*patterns.shape, *column.shape[1:]) for column in columns
    )
    return PhaseMaps(
        Estimate(values[..., :phases], errors),
        Estimate(shares, share_errors),
        values[..., phases:],
        chi2,
        bins,
    )


def _fit_some(
    patterns: Patterns, parts: F64, phases: int, part: slice
) -> tuple[F64, F64, F64, F64, F64, NDArray[np.intp]]:
    """Return parameters, errors of the weights, fractions, their errors, χ² and bins of some patterns."""
    y, deviations, there = patterns.rows(part)
    n, count, bins = len(y), len(parts), there.sum(axis=1)
    values, chi2 = np.full((n, count), np.nan), np.full(n, np.nan)
    errors, shares, share_errors = (np.full((n, phases), np.nan) for _ in range(3))
    usable = np.flatnonzero(bins > count)
    if usable.size:
        y, weight = y[usable], np.where(there, 1.0 / np.square(deviations), 0.0)[usable]
        found, covariance = _solve(parts, phases, y, weight)
        residual = y - np.einsum("np,pb->nb", found, parts)
        square = np.einsum("nb,nb,nb->n", weight, residual, residual)
        # of a reference that is zero wherever this pattern has values nothing is known
        hidden = ~(np.einsum("ijj->ij", covariance)[:, :phases] > 0)
        if patterns.sigma is None:
            covariance = covariance * (square / (bins[usable] - count))[:, None, None]
        variances = np.where(hidden, np.nan, np.einsum("ijj->ij", covariance)[:, :phases])
        errors[usable] = np.sqrt(variances)
        found[:, :phases] = np.where(hidden, np.nan, found[:, :phases])
        values[usable], chi2[usable] = found, square
        shares[usable], share_errors[usable] = _fractions(found[:, :phases], covariance[:, :phases, :phases])
    return values, errors, shares, share_errors, chi2, bins


def _parts(x: F64, references: F64, terms: int, names: list[str]) -> F64:
    """Return references and polynomials, (parts, bins)."""
    if not np.isfinite(references).all():
        raise SpecError(
            f"reference {names[int(np.argmin(np.isfinite(references).all(axis=1)))]} is not finite"
        )
    length = np.linalg.norm(references, axis=1)
    if not length.all():
        raise SpecError(f"reference {names[int(np.argmin(length))]} is zero in the window")
    across = 2.0 * (x - x[0]) / (x[-1] - x[0]) - 1.0
    polynomials = np.polynomial.legendre.legvander(across, max(terms - 1, 0)).T[:terms]
    parts = np.concatenate([references, polynomials])
    unit = parts / np.linalg.norm(parts, axis=1)[:, None]
    eigenvalues, vectors = np.linalg.eigh(unit @ unit.T)
    if eigenvalues[0] < _ALIKE:
        named = np.flatnonzero(np.abs(vectors[: len(references), 0]) > 1e-3)
        which = ", ".join(names[number] for number in named)
        raise SpecError(f"references {which} cannot be told apart, or not from the background")
    return parts


def _solve(parts: F64, phases: int, y: F64, weight: F64) -> tuple[F64, F64]:
    """Return parameters (n, P), the first ones never negative, and their covariance (n or 1, P, P).

    The normal equations are those of parameters scaled so that their diagonal is 1.
    """
    count = len(parts)
    if (weight == weight[0]).all():
        weight = weight[:1]
    # sums without BLAS, whose bits depend on its threads
    first, second = np.triu_indices(count)
    normal = np.empty((len(weight), count, count))
    normal[:, first, second] = np.einsum("nb,pb->np", weight, parts[first] * parts[second])
    normal[:, second, first] = normal[:, first, second]
    right = np.einsum("nb,pb->np", weight * y, parts)
    diagonal = np.einsum("ijj->ij", normal)
    scale = np.where(diagonal > 0, 1.0 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0)), 0.0)
    normal = normal * (scale[:, :, None] * scale[:, None, :])
    np.einsum("ijj->ij", normal)[...] = 1.0 + _ROUNDING
    right = right * scale
    found = _pivot(np.broadcast_to(normal, (len(y), count, count)), right, phases)
    covariance = np.linalg.inv(normal) * (scale[:, :, None] * scale[:, None, :])
    return found * scale, covariance


def _pivot(normal: F64, right: F64, bounded: int) -> F64:
    """Solve normal equations under the bound that the first so many unknowns are not negative.

    NaN where rounding hides which of them are zero.
    """
    n, count = right.shape
    free = np.ones((n, count), np.bool_)
    found = np.zeros((n, count))
    fewest, patience = np.full(n, bounded + 1), np.full(n, _PATIENCE)
    small = _ROUNDING * np.maximum(np.abs(right).max(axis=1), np.finfo(float).tiny)
    live = np.arange(n)
    for _ in range(_EXCHANGES * count):
        open_ = free[live]
        reduced = np.where(open_[:, :, None] & open_[:, None, :], normal[live], 0.0)
        np.einsum("ijj->ij", reduced)[~open_] = 1.0
        x = np.linalg.solve(reduced, np.where(open_, right[live], 0.0)[:, :, None])[:, :, 0]
        slack = np.einsum("ijk,ik->ij", normal[live], x) - right[live]
        wrong = np.where(open_, x, slack) < -small[live, None]
        wrong[:, bounded:] = False
        found[live] = x
        many = wrong.sum(axis=1)
        fewer = many < fewest[live]
        patience[live] = np.where(fewer, _PATIENCE, patience[live] - 1)
        fewest[live] = np.minimum(fewest[live], many)
        # Exchanging all that is wrong is fast; only the last of them alone is sure to end.
        last = np.zeros_like(wrong)
        last[np.arange(len(live)), count - 1 - np.argmax(wrong[:, ::-1], axis=1)] = True
        free[live] = open_ ^ (wrong & (last | (fewer | (patience[live] >= 0))[:, None]))
        live = live[many > 0]
        if not live.size:
            break
    found[live] = np.nan
    found[:, :bounded] = np.maximum(found[:, :bounded], 0.0)
    return found


def _fractions(weights: F64, covariance: F64) -> tuple[F64, F64]:
    """Return weights over their sum, and the uncertainties of that."""
    total = weights.sum(axis=1, keepdims=True)
    spread = np.sqrt(np.maximum(covariance.sum(axis=(1, 2)), 0.0))
    some = (total > 0) & (total >= _SIGNIFICANT * spread[:, None])
    shares = np.where(some, weights / np.where(some, total, 1.0), np.nan)
    change = (np.eye(weights.shape[1]) - shares[:, :, None]) / np.where(some, total, 1.0)[:, :, None]
    variances = np.sum((change @ covariance) * change, axis=-1)
    return shares, np.sqrt(np.where(variances > 0, variances, np.where(some, 0.0, np.nan)))
