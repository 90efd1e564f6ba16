"""What must be put right in sinograms before they are reconstructed.

Sinograms have the shape (..., angles, translations); in front are channels, if there are any. Variances go
the same way: each correction takes them along, as of independent values, where it is given them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aureole.errors import SpecError

Sinograms = NDArray[np.floating]


class Corrected(NamedTuple):
    """Sinograms and their variances, if there were any."""

    sinograms: Sinograms
    variances: Sinograms | None = None

    def each(self, work: Callable[[Sinograms], Sinograms]) -> Corrected:
        """Return what some work makes of either: of what does not change values."""
        return Corrected(work(self.sinograms), None if self.variances is None else work(self.variances))


def scale(given: Corrected, factors: ArrayLike) -> Corrected:
    """Multiply each ray by a factor.

    Parameters
    ----------
    given : Corrected
    factors : array_like
        Of a shape that goes with (angles, translations): a monitor's inverse, or `equal_totals`.
    """
    wanted = np.asarray(factors, np.float64)
    variances = None if given.variances is None else given.variances * wanted**2
    return Corrected(given.sinograms * wanted, variances)


def equal_totals(sinograms: ArrayLike) -> NDArray[np.float64]:
    """Return the factors that give all projections the same total, shape (angles, 1).

    What a sample that never leaves the rays scatters in all does not depend on the angle; what does, is the
    beam. The mean of the totals stays.

    Raises
    ------
    SpecError
        A projection without any intensity.
    """
    values = np.asarray(sinograms, np.float64)
    totals = np.nansum(values, axis=(*range(values.ndim - 2), -1))
    if totals.min() <= 0:
        raise SpecError(f"projection {int(np.argmin(totals))} has no intensity by which it could be scaled")
    factors: NDArray[np.float64] = (totals.mean() / totals)[:, None]
    return factors


def subtract_air(given: Corrected, margin: int) -> Corrected:
    """Subtract from each projection what its outermost rays see beside the sample.

    Parameters
    ----------
    given : Corrected
    margin : int
        How many translations at either end see air only. The background is the straight line between the
        means of both ends.

    Raises
    ------
    SpecError
        The two margins leave no ray in between.
    """
    count = given.sinograms.shape[-1]
    if not 0 < 2 * margin < count:
        raise SpecError(f"margins of {margin} of {count} translations")
    places = np.arange(count) - (margin - 1) / 2
    right = places / (count - margin)
    left = 1 - right

    def line(values: Sinograms, power: int) -> Sinograms:
        ends = values[..., :margin], values[..., count - margin :]
        first, last = (end.mean(axis=-1, keepdims=True) / margin ** (power - 1) for end in ends)
        return np.asarray(first * left**power + last * right**power)

    variances = None if given.variances is None else given.variances + line(given.variances, 2)
    return Corrected(given.sinograms - line(given.sinograms, 1), variances)


def jitter(sinogram: ArrayLike, angles: ArrayLike) -> NDArray[np.float64]:
    """Return how far each projection stands from where it should, shape (angles,), in steps.

    The centre of mass of the projections moves on a sine (tomography's first consistency condition); what is
    left of a fit to it, is jitter.

    Parameters
    ----------
    sinogram : array_like, shape (angles, translations)
        Of much signal, such as the sum of all channels; the sample never leaves the rays.
    angles : array_like, shape (angles,)
        In radians.

    Raises
    ------
    SpecError
        A projection without any intensity.
    """
    values = np.asarray(sinogram, np.float64)
    if values.sum(axis=1).min() <= 0:
        raise SpecError(f"projection {int(np.argmin(values.sum(axis=1)))} has no intensity and so no centre")
    masses = values @ np.arange(values.shape[1]) / values.sum(axis=1)
    turned = np.asarray(angles, np.float64)
    return fit_sine(masses, turned, np.ones_like(turned))[1]


def fit_sine(
    values: NDArray[np.float64], angles: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64]]:
    """Return the middle of the sine that fits best by least squares, and what is left of each value.

    Parameters
    ----------
    values, angles, weights : ndarray, shape (angles,)
        Angles in radians.
    """
    model = np.stack([np.ones_like(angles), np.cos(angles), np.sin(angles)], axis=1)
    root = np.sqrt(weights)
    fit = np.linalg.lstsq(model * root[:, None], values * root, rcond=None)[0]
    return float(fit[0]), values - model @ fit


def backlash(
    sinogram: ArrayLike, angles: ArrayLike, backward: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Return the shift of each projection of a zigzag scan, shape (angles,), in steps.

    Some lines were measured on the way back, where the motor lags. The lag is the median of what
    neighbouring lines of different ways differ by; half of it is given to either.

    Parameters
    ----------
    sinogram, angles
        As of `jitter`.
    backward : array_like of bool, shape (angles,), optional
        Which lines ran backwards; every second one without it.

    Raises
    ------
    SpecError
        As `jitter`; all lines ran the same way.
    """
    rest = jitter(sinogram, angles)
    back = np.arange(len(rest)) % 2 == 1 if backward is None else np.asarray(backward, bool)
    sign = np.where(back, -1.0, 1.0)
    turned = np.flatnonzero(np.diff(sign))
    if not turned.size:
        raise SpecError("all lines of the scan ran the same way: there is no backlash between them")
    lag = float(np.median(-sign[turned] * np.diff(rest)[turned]))
    return sign * lag / 2


def fill(given: Corrected, bad: ArrayLike) -> Corrected:
    """Replace rays that were lost by the line between the nearest good rays of their projection.

    What comes from its neighbours is correlated with them; variances of slices do not know of it.

    Parameters
    ----------
    given : Corrected
    bad : array_like of bool, shape (angles, translations)
        Which rays; the same in all channels. Projections with no good ray are left as they are: leave them
        out of the beam, by `good_angles`.
    """
    lost = np.asarray(bad, bool)
    values = np.array(given.sinograms, np.float64)
    variances = None if given.variances is None else np.array(given.variances, np.float64)
    places = np.arange(lost.shape[1])
    for angle in np.flatnonzero(lost.any(axis=1) & ~lost.all(axis=1)):
        good, gaps = np.flatnonzero(~lost[angle]), np.flatnonzero(lost[angle])
        after = (
            np.clip(np.searchsorted(good, gaps), 1, len(good) - 1) if len(good) > 1 else np.zeros_like(gaps)
        )
        left, right = good[np.maximum(after - 1, 0)], good[after]
        share = np.clip((places[gaps] - left) / np.maximum(right - left, 1), 0, 1)
        values[..., angle, gaps] = values[..., angle, left] * (1 - share) + values[..., angle, right] * share
        if variances is not None:
            variances[..., angle, gaps] = (
                variances[..., angle, left] * (1 - share) ** 2 + variances[..., angle, right] * share**2
            )
    return Corrected(values, variances)


def good_angles(bad: ArrayLike, most: float = 0.5) -> NDArray[np.bool_]:
    """Return which projections are worth to be kept, shape (angles,): for `ParallelBeam.only`.

    Parameters
    ----------
    bad : array_like of bool, shape (angles, translations)
        Which rays were lost.
    most : float
        Projections that lost a larger part of their rays are better left out than filled.

    Raises
    ------
    SpecError
        No more than one projection is left.
    """
    lost = np.asarray(bad, bool)
    keep: NDArray[np.bool_] = lost.mean(axis=1) <= most
    if np.count_nonzero(keep) < 2:
        raise SpecError(
            f"of {len(keep)} projections, {np.count_nonzero(keep)} kept over {1 - most:.0%} of their rays"
        )
    return keep
