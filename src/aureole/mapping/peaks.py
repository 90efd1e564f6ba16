"""One peak fitted in very many patterns at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aureole.errors import SpecError
from aureole.kernels.profiles import pseudo_voigt
from aureole.mapping.patterns import F64, Estimate, Patterns, Window, chunks, in_window
from aureole.threads import checked_threads

Shape = Literal["gaussian", "lorentzian", "pseudo-voigt"]
_MIXTURES: dict[str, float | None] = {"gaussian": 0.0, "lorentzian": 1.0, "pseudo-voigt": None}

_CHUNK_VALUES = 1 << 14
"""Bins of a chunk of patterns: all that a step of the fit needs of them stays in the second-level cache."""
_ITERATIONS = 60
_CLOSE = 1e-6
"""A fit ends with a step that promises χ² less than that per degree of freedom: 0.001 standard deviations."""
_ROUNDING = 1e-14
_SIGNIFICANT = 3.0
_BORDER = 0.15
"""Of the window, on either side: where a fit looks for the background that it starts from."""


class PeakStatus(IntEnum):
    """How the fit of a pattern went; all but GOOD leave NaN."""

    GOOD = 0
    NO_PEAK = 1
    """The area is less than three times its uncertainty."""
    AT_BOUNDS = 2
    """The position left the window, or the width became less than a bin or more than the window."""
    NOT_CONVERGED = 3
    NO_DATA = 4
    """Fewer bins with values than there are parameters, and one."""


@dataclass(frozen=True, slots=True)
class PeakMaps:
    """Peaks of many patterns; all arrays have the shape of what the patterns are arranged in.

    Attributes
    ----------
    position, fwhm : Estimate
        In the unit of the radial axis.
    area : Estimate
        Intensity times the unit of the radial axis.
    mixture : Estimate
        The Lorentzian's share of the area: 0 for a Gaussian, 1 for a Lorentzian, then without uncertainty.
    background, slope : Estimate
        The line below the peak, in the middle of the window, and per unit of the radial axis.
    chi2 : ndarray of float64
        Sum of squared deviations over sigma; NaN where there is no fit.
    bins : ndarray of int
        How many bins had values.
    status : ndarray of uint8
        One of `PeakStatus`.
    """

    position: Estimate
    fwhm: Estimate
    area: Estimate
    mixture: Estimate
    background: Estimate
    slope: Estimate
    chi2: F64
    bins: NDArray[np.intp]
    status: NDArray[np.uint8]

    @property
    def good(self) -> NDArray[np.bool_]:
        """Where there is a peak."""
        return np.asarray(self.status == PeakStatus.GOOD)

    def counts(self) -> dict[PeakStatus, int]:
        """Return how many patterns ended in each status."""
        return {status: int(np.count_nonzero(self.status == status)) for status in PeakStatus}


class _Fits(NamedTuple):
    """Where fits stand: parameters (n, P), χ² (n,), and normal equations (n, P, P) and (n, P)."""

    parameters: F64
    chi2: F64
    normal: F64
    gradient: F64

    def at(self, which: NDArray[np.intp]) -> _Fits:
        return _Fits(*(part[which] for part in self))

    def put(self, which: NDArray[np.intp], other: _Fits, where: NDArray[np.bool_]) -> None:
        for mine, theirs in zip(self, other, strict=True):
            mine[which[where]] = theirs[where]


def fit_peaks(
    radial: ArrayLike,
    intensity: ArrayLike,
    sigma: ArrayLike | None,
    *,
    window: Window,
    shape: Shape = "pseudo-voigt",
    threads: int | None = None,
) -> PeakMaps:
    """Fit one peak on a straight background in a window of each pattern.

    Weighted least squares by the Levenberg-Marquardt algorithm (K. Levenberg, Q. Appl. Math. 2 (1944) 164; D.
    W. Marquardt, SIAM J. Appl. Math. 11 (1963) 431), all patterns of a chunk at a time.

    The uncertainties come from the inverse of the normal equations. With `sigma` they are absolute, not
    scaled by χ²; without it all bins weigh the same and the scatter about the fit sets the scale. A mixture
    that ends at 0 or 1 leaves the other uncertainties as if it were free, so that they are not too small.

    Parameters
    ----------
    radial : array_like, shape (bins,)
        Rising.
    intensity : array_like, shape (..., bins)
        Bins that are NaN are left out.
    sigma : array_like, shape (..., bins) or (bins,), or None
        Standard uncertainties of independent bins. A bin whose sigma is zero or NaN is left out.
    window : (float, float)
        First and last radial position to be used.
    shape : {"pseudo-voigt", "gaussian", "lorentzian"}
        The shape of the peak.
    threads : int, optional
        All cores without it. It does not change a bit of the result.

    Returns
    -------
    PeakMaps

    Raises
    ------
    SpecError
        An unknown shape, shapes of arrays that do not fit, a window outside the patterns or with too few
        bins, sigmas that are negative or nowhere positive.
    """
    if shape not in _MIXTURES:
        raise SpecError(f"unknown shape of a peak {shape!r}: known are {', '.join(_MIXTURES)}")
    pure = _MIXTURES[shape]
    count = 6 if pure is None else 5
    patterns = in_window(radial, intensity, sigma, window, least=count + 1, what=f"a {shape} peak on a line")
    middle, half = (patterns.radial[0] + patterns.radial[-1]) / 2, np.ptp(patterns.radial) / 2
    # The window runs from -1 to 1, so that parameters are of one size.
    scaled = patterns._replace(radial=(patterns.radial - middle) / half)
    work = partial(_fit_some, scaled, pure)
    parts = chunks(len(patterns.intensity), max(1, _CHUNK_VALUES // len(patterns.radial)))
    with ThreadPoolExecutor(checked_threads(threads)) as pool:
        done = list(pool.map(work, parts)) or [work(slice(0, 0))]
    values, errors, chi2, bins, status = (np.concatenate(column) for column in zip(*done, strict=True))
    units = np.array([half, half, half, 1.0, 1.0 / half, 1.0])
    values, errors = values * units, errors * units
    values[:, 0] += middle
    position, fwhm, area, background, slope, mixture = (
        Estimate(values[:, k].reshape(patterns.shape), errors[:, k].reshape(patterns.shape)) for k in range(6)
    )
    rest = (part.reshape(patterns.shape) for part in (chi2, bins, status))
    return PeakMaps(position, fwhm, area, mixture, background, slope, *rest)


def _fit_some(
    patterns: Patterns, pure: float | None, part: slice
) -> tuple[F64, F64, F64, NDArray[np.intp], NDArray[np.uint8]]:
    """Return parameters (n, 6), their uncertainties, χ², bins and status of some patterns."""
    x = patterns.radial
    y, errors, there = patterns.rows(part)
    weight = np.where(there, 1.0 / errors, 0.0)
    bins, count = there.sum(axis=1), 6 if pure is None else 5
    values, deviations = np.full((len(y), 6), np.nan), np.full((len(y), 6), np.nan)
    chi2, status = np.full(len(y), np.nan), np.full(len(y), PeakStatus.NO_DATA, np.uint8)
    enough = np.flatnonzero(bins > count)
    if enough.size:
        y, weight = y[enough], weight[enough]
        bounds = _bounds(x, count)
        start = np.clip(_start(x, y, weight > 0, pure), *bounds)
        fits, converged = _minimise(partial(_evaluate, x, pure), y, weight, start, bounds)
        free = bins[enough] - count
        errors = _uncertainties(fits.normal)
        if patterns.sigma is None:
            errors *= np.sqrt(fits.chi2 / free)[:, None]
        status[enough] = _judge(fits.parameters, errors, converged, bounds)
        good = status[enough] == PeakStatus.GOOD
        values[enough[good], :count], deviations[enough[good], :count] = fits.parameters[good], errors[good]
        chi2[enough[good]] = fits.chi2[good]
        if pure is not None:
            values[enough[good], 5], deviations[enough[good], 5] = pure, 0.0
    return values, deviations, chi2, bins, status


def _bounds(x: F64, count: int) -> tuple[F64, F64]:
    free = np.inf
    low = np.array([x[0], 2.0 / (len(x) - 1), -free, -free, -free, 0.0])
    high = np.array([x[-1], 2.0, free, free, free, 1.0])
    return low[:count], high[:count]


def _start(x: F64, y: F64, there: NDArray[np.bool_], pure: float | None) -> F64:
    """Return a background from the borders of the window, and a peak from the moments of what is above it."""
    border = np.abs(x) > 1.0 - 2.0 * _BORDER
    ends = [there & (border & side) for side in (x < 0, x > 0)]
    level, place = (
        [np.sum(end * value, axis=1) / np.maximum(end.sum(axis=1), 1) for end in ends] for value in (y, x)
    )
    apart = place[1] - place[0]
    both = ends[0].any(axis=1) & ends[1].any(axis=1)
    slope = np.where(both, (level[1] - level[0]) / np.where(both, apart, 1.0), 0.0)
    usual = np.sum(y, axis=1) / np.maximum(there.sum(axis=1), 1)
    background = np.where(both, level[0] - slope * place[0], usual)
    net = np.where(there, y - background[:, None] - slope[:, None] * x, 0.0)
    smooth = net.copy()
    smooth[:, 1:-1] = (net[:, :-2] + 2.0 * net[:, 1:-1] + net[:, 2:]) / 4.0
    height = np.max(smooth, axis=1)
    top = np.where(smooth >= height[:, None] / 2.0, np.maximum(smooth, 0.0), 0.0)
    total = top.sum(axis=1)
    position = np.where(total > 0, np.einsum("ij,j->i", top, x) / np.where(total > 0, total, 1.0), 0.0)
    # The half above half the height is, of a Gaussian, 0.76 of its area.
    area = total * (x[1] - x[0]) / 0.76
    fwhm = np.where(height > 0, area / np.where(height > 0, height, 1.0), 0.2)
    columns = [position, np.clip(fwhm, 0.0, 1.0), area, background, slope]
    return np.stack(columns if pure is not None else [*columns, np.full(len(y), 0.5)], axis=1)


def _evaluate(x: F64, pure: float | None, y: F64, weight: F64, parameters: F64) -> _Fits:
    """Return χ² and the normal equations of some patterns at some parameters."""
    position, fwhm, area, background, slope = (parameters[:, k, None] for k in range(5))
    profile = pseudo_voigt(x, position, fwhm, parameters[:, 5, None] if pure is None else pure)
    jacobian = np.empty((len(y), parameters.shape[1], len(x)))
    np.multiply(profile.by_position, area * weight, out=jacobian[:, 0])
    np.multiply(profile.by_fwhm, area * weight, out=jacobian[:, 1])
    np.multiply(profile.value, weight, out=jacobian[:, 2])
    jacobian[:, 3] = weight
    np.multiply(weight, x, out=jacobian[:, 4])
    if profile.by_mixture is not None:
        np.multiply(profile.by_mixture, area * weight, out=jacobian[:, 5])
    residual = y - background - slope * x
    residual -= area * profile.value
    residual *= weight
    chi2 = np.einsum("ij,ij->i", residual, residual)
    gradient = np.matmul(jacobian, residual[:, :, None])[:, :, 0]
    return _Fits(parameters, chi2, np.matmul(jacobian, jacobian.transpose(0, 2, 1)), gradient)


def _minimise(
    evaluate: Callable[[F64, F64, F64], _Fits],
    y: F64,
    weight: F64,
    start: F64,
    bounds: tuple[F64, F64],
) -> tuple[_Fits, NDArray[np.bool_]]:
    """Return where the fits end, and which of them converged."""
    low, high = bounds
    fits = evaluate(y, weight, start)
    floor = _ROUNDING * np.einsum("ij,ij->i", y * weight, y * weight)
    free = np.count_nonzero(weight, axis=1) - start.shape[1]
    damping = np.full(len(y), 1e-3)
    live, converged = np.arange(len(y)), np.zeros(len(y), np.bool_)
    for _ in range(_ITERATIONS):
        here = fits.at(live)
        outward = np.where(here.gradient > 0, here.parameters >= high, here.parameters <= low)
        step = _solve(here, outward, damping[live])
        trial = np.clip(here.parameters + step, low, high)
        promise = np.einsum("ij,ij->i", np.where(outward, 0.0, here.gradient), step)
        there = evaluate(y[live], weight[live], trial)
        better = there.chi2 <= here.chi2
        fits.put(live, there, better)
        close = promise <= _CLOSE * here.chi2 / free[live] + floor[live]
        done = close & (damping[live] <= 1.0)
        converged[live[done]] = True
        damping[live] = np.clip(damping[live] * np.where(better, 0.1, 8.0), 1e-9, 1e12)
        live = live[~done]
        if not live.size:
            break
    return fits, converged


def _solve(fits: _Fits, held: NDArray[np.bool_], damping: F64) -> F64:
    """Return damped steps, zero for parameters that are held at a bound."""
    scale, scaled = _scaled(fits.normal)
    scaled[held[:, :, None] | held[:, None, :]] = 0.0
    diagonal = np.einsum("ijj->ij", scaled)
    diagonal[...] = 1.0 + damping[:, None]
    gradient = np.where(held, 0.0, fits.gradient * scale)
    return np.asarray(np.linalg.solve(scaled, gradient[:, :, None])[:, :, 0] * scale)


def _scaled(normal: F64) -> tuple[F64, F64]:
    """Return normal equations with a diagonal of ones, and what parameters are multiplied with for that."""
    diagonal = np.einsum("ijj->ij", normal)
    scale = np.where(diagonal > 0, 1.0 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0)), 1.0)
    return scale, normal * (scale[:, :, None] * scale[:, None, :])


def _uncertainties(normal: F64) -> F64:
    """Return standard deviations; very large or infinite ones of what the data do not determine."""
    scale, scaled = _scaled(normal)
    diagonal = np.einsum("ijj->ij", scaled)
    diagonal[...] = 1.0 + 1e-12
    inverse = np.einsum("ijj->ij", np.linalg.inv(scaled))
    return np.asarray(np.sqrt(np.where(inverse > 0, inverse, np.inf)) * scale)


def _judge(
    parameters: F64, errors: F64, converged: NDArray[np.bool_], bounds: tuple[F64, F64]
) -> NDArray[np.uint8]:
    low, high = (bound[:2] for bound in bounds)
    place, area = parameters[:, :2], parameters[:, 2]
    at_bounds = ((place <= low) | (place >= high)).any(axis=1)
    no_peak = ~((area > 0) & (area >= _SIGNIFICANT * errors[:, 2]))
    status = np.where(converged, PeakStatus.GOOD, PeakStatus.NOT_CONVERGED)
    status[at_bounds] = PeakStatus.AT_BOUNDS
    status[no_peak] = PeakStatus.NO_PEAK
    return status.astype(np.uint8)
