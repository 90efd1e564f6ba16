"""Least squares on points of rings: where the detector stands, how well that is known, how well it fits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aureole.calibration.scattering import PARAMETERS, angles, ring_angles
from aureole.errors import SpecError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

USUAL = ("dist", "poni1", "poni2", "rot1", "rot2")
"""What one image tells: a rotation about the beam (rot3) moves no ring."""
_ROUNDS = 60
_SMALL = 1e-10
"""Relative change of the sum of squares at which it is done."""
_TUKEY = 4.685
"""Residuals beyond so many standard deviations count nothing (95 % efficiency on Gaussian errors)."""
_RANK = 1e-9
"""Singular value, against the largest, below which a combination of parameters is not determined."""

Residuals = Callable[[FloatArray], tuple[FloatArray, FloatArray]]
"""From free parameters (k,) to residuals (N,) and their derivatives (N, k)."""


class Solution(NamedTuple):
    """Where a least-squares search ended.

    Attributes
    ----------
    values : ndarray, shape (k,)
    covariance : ndarray, shape (k, k)
        Scaled by the scatter of the residuals; infinite variance where nothing is determined.
    weights : ndarray, shape (N,)
        From 0 (outlier) to 1.
    scale : float
        Robust standard deviation of the weighted residuals: 1 if the errors given were true.
    """

    values: FloatArray
    covariance: FloatArray
    weights: FloatArray
    scale: float


@dataclass(frozen=True, slots=True)
class RingPoints:
    """Points on rings.

    Attributes
    ----------
    points : ndarray, shape (N, 3)
        p1, p2, p3 on the detector in metres.
    rings : ndarray of int, shape (N,)
        Index of the ring of each in the spacings of the calibrant, from the innermost.
    sigma : ndarray, shape (N,)
        Standard error of each across its ring, in radians of 2θ.
    """

    points: FloatArray
    rings: IntArray
    sigma: FloatArray

    def __len__(self) -> int:
        return len(self.points)


def residuals(
    measured: RingPoints, spacings: FloatArray, parameters: ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """Return 2θ of points less 2θ of their rings (rad), (N,), and the derivatives by all parameters, (N, 7).

    With geometries that depend on other parameters, as on the positions of motors, multiply the second one by
    the derivatives of `PARAMETERS` by those.

    Parameters
    ----------
    measured : RingPoints
    spacings : ndarray
        Of all rings in metres, the largest first.
    parameters : array_like, shape (7,)
        In the order of `PARAMETERS`.
    """
    numbers = np.asarray(parameters, np.float64)
    seen = angles(measured.points, numbers)
    expected, slope = ring_angles(spacings[measured.rings], float(numbers[6]))
    return seen.two_theta - expected, np.column_stack((seen.jacobian, -slope))


def solve(function: Residuals, start: ArrayLike, sigma: FloatArray, *, robust: bool = True) -> Solution:
    """Find the parameters with the least weighted sum of squares.

    Levenberg-Marquardt steps on columns scaled to unit length; outliers lose their weight (Tukey's biweight
    about the median absolute residual; P. J. Huber and E. M. Ronchetti, Robust Statistics (2009), chapter 7),
    first mildly, since the start may be far away.

    Parameters
    ----------
    function : callable
        See `Residuals`.
    start : array_like, shape (k,)
    sigma : ndarray, shape (N,)
        Errors of the residuals; their common scale plays no part in the result.
    robust : bool
        Whether outliers lose weight.
    """
    values = np.array(start, np.float64)
    rest, slopes = function(values)
    rest, slopes = np.asarray(rest / sigma), np.asarray(slopes / sigma[:, None])
    weights, damping = _weights(rest, mild=robust, robust=False), 1e-3
    cost = float(weights @ np.square(rest))
    stage = 0 if robust else 2
    for _ in range(_ROUNDS):
        step = _step(rest, slopes, weights, damping)
        tried_rest, tried_slopes = function(values + step)
        tried_rest = np.asarray(tried_rest / sigma)
        tried = float(weights @ np.square(tried_rest))
        if not np.isfinite(tried) or tried > cost:
            damping = max(damping, 1e-9) * 8.0
            done = damping > 1e6
        else:
            done = cost - tried <= _SMALL * cost
            values, rest, slopes = values + step, tried_rest, tried_slopes / sigma[:, None]
            damping *= 0.2
        if done and stage == 2:
            break
        stage = min(stage + done, 2)
        damping = min(damping, 1e3)
        weights = _weights(rest, mild=stage == 0, robust=robust)
        cost = float(weights @ np.square(rest))
    scale = _scale(rest) if robust else float(np.sqrt(cost / max(len(rest) - len(values), 1)))
    return Solution(values, _covariance(slopes, weights) * scale**2, weights, scale)


def _scale(rest: FloatArray) -> float:
    """Return the standard deviation that the median of absolute residuals stands for."""
    return max(1.4826 * float(np.median(np.abs(rest))), 1e-12)


def _weights(rest: FloatArray, *, mild: bool, robust: bool) -> FloatArray:
    if not (robust or mild):
        return np.ones_like(rest)
    place = np.abs(rest) / _scale(rest)
    if mild:
        return 1.345 / np.maximum(place, 1.345)
    return np.square(np.maximum(1.0 - np.square(place / _TUKEY), 0.0))


def _step(rest: FloatArray, slopes: FloatArray, weights: FloatArray, damping: float) -> FloatArray:
    lengths = np.sqrt(weights @ np.square(slopes))
    lengths[lengths == 0.0] = np.inf
    scaled: FloatArray = slopes / lengths
    normal = scaled.T @ (weights[:, None] * scaled)
    right = -scaled.T @ (weights * rest)
    found = np.linalg.lstsq(normal + damping * np.eye(len(right)), right, rcond=1e-14)[0]
    return np.asarray(found / lengths)


def _covariance(slopes: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the inverse of the normal matrix; a parameter that plays no part has an infinite variance."""
    lengths = np.sqrt(weights @ np.square(slopes))
    known = lengths > 0.0
    covariance = np.zeros((len(lengths), len(lengths)))
    scaled = np.sqrt(weights)[:, None] * slopes[:, known] / lengths[known]
    _, singular, axes = np.linalg.svd(scaled, full_matrices=False)
    if singular.size:
        inverse = np.where(singular > _RANK * singular[0], 1.0 / np.maximum(singular, 1e-300), 0.0)
        spread = (axes.T * inverse) @ (axes.T * inverse).T / np.outer(lengths[known], lengths[known])
        # what takes part in a combination that is not determined is not determined itself
        lost = np.square(axes[singular <= _RANK * singular[0]]).sum(0) > 1e-6
        spread[lost, lost] = np.inf
        covariance[np.ix_(known, known)] = spread
    covariance[~known, ~known] = np.inf
    return covariance


@dataclass(frozen=True, slots=True)
class Fit:
    """Parameters that fit points of rings.

    Attributes
    ----------
    parameters : ndarray, shape (7,)
        In the order of `PARAMETERS`.
    free : tuple of str
        Which of them were refined.
    covariance : ndarray, shape (7, 7)
        Zero for those that were not, infinite variance for those that the points do not determine.
    measured : RingPoints
    spacings : ndarray
        Of the rings, in metres.
    weights : ndarray, shape (N,)
        From 0 (outlier) to 1.
    scale : float
        Residuals over their errors, as a robust standard deviation.
    """

    parameters: FloatArray
    free: tuple[str, ...]
    covariance: FloatArray
    measured: RingPoints
    spacings: FloatArray
    weights: FloatArray
    scale: float

    def residuals(self) -> FloatArray:
        """Return 2θ of the points less that of their rings, in radians, (N,)."""
        return residuals(self.measured, self.spacings, self.parameters)[0]

    @property
    def uncertainty(self) -> FloatArray:
        """Standard error of each parameter, (7,)."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def correlation(self) -> FloatArray:
        """Correlation of the parameters, (7, 7); NaN where one has no error, or no finite one."""
        errors = self.uncertainty
        errors = np.where(np.isfinite(errors) & (errors > 0.0), errors, np.nan)
        return np.where(np.isinf(self.covariance), np.nan, self.covariance) / np.outer(errors, errors)


def refine(
    measured: RingPoints,
    spacings: FloatArray,
    start: ArrayLike,
    *,
    free: Sequence[str] = USUAL,
    robust: bool = True,
) -> Fit:
    """Refine the geometry that puts points on their rings.

    Parameters
    ----------
    measured : RingPoints
    spacings : ndarray
        Of all rings in metres, the largest first (`Calibrant.d_spacings`).
    start : array_like, shape (7,)
        In the order of `PARAMETERS`: see `scattering.parameters_of`.
    free : sequence of str
        Which to refine.
    robust : bool
        Whether outliers lose weight.

    Raises
    ------
    SpecError
        An unknown parameter, none at all, or fewer points than parameters.
    """
    chosen = [index for index, name in enumerate(PARAMETERS) if name in free]
    if len(chosen) != len(set(free)) or not chosen:
        raise SpecError(f"refined are any of {', '.join(PARAMETERS)}, not {', '.join(free) or 'nothing'}")
    if len(measured) < len(chosen):
        raise SpecError(f"{len(measured)} points do not determine {len(chosen)} parameters: more are needed")
    whole = np.array(start, np.float64)

    def function(values: FloatArray) -> tuple[FloatArray, FloatArray]:
        tried = whole.copy()
        tried[chosen] = values
        if tried[0] <= 0.0 or not tried[6] > 0.0:
            return np.full(len(measured), np.nan), np.zeros((len(measured), len(chosen)))
        rest, slopes = residuals(measured, spacings, tried)
        return rest, slopes[:, chosen]

    solution = solve(function, whole[chosen], measured.sigma, robust=robust)
    whole[chosen] = solution.values
    covariance = np.zeros((len(PARAMETERS), len(PARAMETERS)))
    covariance[np.ix_(chosen, chosen)] = solution.covariance
    names = tuple(PARAMETERS[index] for index in chosen)
    return Fit(whole, names, covariance, measured, spacings, solution.weights, solution.scale)
