"""Least squares on rings at several positions of a detector that moves: parameters that all images share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aureole.calibration.goniometer import Goniometer
from aureole.calibration.refine import RingPoints, Solution, residuals, solve
from aureole.errors import SpecError

FloatArray = NDArray[np.float64]
Bounds = Mapping[str, tuple[float | None, float | None]]


@dataclass(frozen=True, slots=True)
class View:
    """Points on rings of one image.

    Attributes
    ----------
    points : RingPoints
    position : ndarray, shape (motors,)
    """

    points: RingPoints
    position: FloatArray


@dataclass(frozen=True, slots=True)
class GoniometerFit:
    """Parameters of a goniometer that fit points of rings on several images.

    Attributes
    ----------
    goniometer : Goniometer
        With the values that fit.
    free : tuple of str
        Which parameters were refined.
    covariance : ndarray, shape (k, k)
        Of the free ones; infinite variance for those that the points do not determine and those at
        a bound.
    views : tuple of View
    spacings : ndarray
        Of the rings, in metres.
    weights : ndarray, shape (N,)
        From 0 (outlier) to 1, of the points of all images in their order.
    scale : float
        Residuals over their errors, as a robust standard deviation.
    at_bound : tuple of str
        Free parameters that would go beyond their bounds.
    """

    goniometer: Goniometer
    free: tuple[str, ...]
    covariance: FloatArray
    views: tuple[View, ...]
    spacings: FloatArray
    weights: FloatArray
    scale: float
    at_bound: tuple[str, ...] = ()

    def residuals(self) -> list[FloatArray]:
        """Return for each image 2θ of its points less that of their rings, in radians."""
        values = np.array(list(self.goniometer.values.values()))
        return [_one(self.goniometer, view, self.spacings, values)[0] for view in self.views]

    def weights_of_images(self) -> list[FloatArray]:
        """Return the weights of the points of each image."""
        ends = np.cumsum([len(view.points) for view in self.views])[:-1]
        return np.split(self.weights, ends)

    @property
    def uncertainty(self) -> dict[str, float]:
        """Standard error of each free parameter."""
        return dict(zip(self.free, np.sqrt(np.diag(self.covariance)).tolist(), strict=True))

    @property
    def correlation(self) -> FloatArray:
        """Correlation of the free parameters, (k, k); NaN where one has no finite error."""
        errors = np.sqrt(np.diag(self.covariance))
        errors = np.where(np.isfinite(errors) & (errors > 0.0), errors, np.nan)
        return np.asarray(
            np.where(np.isinf(self.covariance), np.nan, self.covariance) / np.outer(errors, errors)
        )


def refine_goniometer(
    goniometer: Goniometer,
    views: Sequence[View],
    spacings: FloatArray,
    *,
    free: Sequence[str] | None = None,
    bounds: Bounds | None = None,
    robust: bool = True,
) -> GoniometerFit:
    """Refine the parameters that put the points of all images on their rings.

    Parameters
    ----------
    goniometer : Goniometer
        Where to begin. Its transformation, or itself, tells a wavelength.
    views : sequence of View
    spacings : ndarray
        Of all rings in metres, the largest first (`Calibrant.d_spacings`).
    free : sequence of str, optional
        Which parameters to refine; all without it. One that only the wavelength depends on is the wavelength.
    bounds : mapping of str to (low, high), optional
        Where a parameter may not go; None for no bound.
    robust : bool
        Whether outliers lose weight.

    Raises
    ------
    SpecError
        An unknown parameter, none at all, bounds without the value to begin with, or fewer points than
        parameters.
    """
    names = tuple(goniometer.values)
    chosen = names if free is None else tuple(name for name in names if name in free)
    if not chosen or (free is not None and set(free) - set(names)):
        unknown = sorted(set(free or ()) - set(names))
        raise SpecError(f"refined are any of {', '.join(names)}, not {unknown[0] if unknown else 'nothing'}")
    count = sum(len(view.points) for view in views)
    if count < len(chosen):
        raise SpecError(f"{count} points do not determine {len(chosen)} parameters: more are needed")
    limits = _limits(goniometer, chosen, bounds or {})
    sigma = np.concatenate([view.points.sigma for view in views])
    values = np.array(list(goniometer.values.values()))
    places = {name: index for index, name in enumerate(names)}
    inner = list(chosen)

    def function(at: FloatArray) -> tuple[FloatArray, FloatArray]:
        tried = values.copy()
        columns = [places[name] for name in inner]
        tried[columns] = at
        try:
            parts = [_one(goniometer, view, spacings, tried) for view in views]
        except SpecError:  # a step beyond what formulas can take
            return np.full(count, np.nan), np.zeros((count, len(inner)))
        return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])[
            :, columns
        ]

    held: list[str] = []
    while True:
        solution = solve(function, values[[places[name] for name in inner]], sigma, robust=robust)
        beyond = {
            name: bound
            for name, value in zip(inner, solution.values, strict=True)
            if (bound := _nearest_inside(value, limits[name])) != value
        }
        if not beyond:
            break
        for name, bound in beyond.items():
            values[places[name]] = bound
            inner.remove(name)
            held.append(name)
        if not inner:
            raise SpecError(f"all parameters go beyond their bounds: {', '.join(held)}")
    values[[places[name] for name in inner]] = solution.values
    return GoniometerFit(
        goniometer.with_values(dict(zip(names, values.tolist(), strict=True))),
        chosen,
        _covariance(solution, chosen, inner),
        tuple(views),
        spacings,
        solution.weights,
        solution.scale,
        tuple(held),
    )


def _one(
    goniometer: Goniometer, view: View, spacings: FloatArray, values: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the residuals of one image, (n,), and their derivatives by all parameters, (n, k)."""
    numbers, slopes = goniometer.transformation.numbers(values, view.position)
    if np.isnan(numbers[6]):
        if goniometer.wavelength is None:
            raise SpecError("the goniometer has no wavelength, which rings need")
        numbers[6] = goniometer.wavelength
    if numbers[0] <= 0.0 or not numbers[6] > 0.0:
        raise SpecError(f"a distance of {numbers[0]:g} m, or a wavelength of {numbers[6]:g} m")
    rest, by_numbers = residuals(view.points, spacings, numbers)
    return rest, by_numbers @ slopes


def _limits(goniometer: Goniometer, chosen: Sequence[str], bounds: Bounds) -> dict[str, tuple[float, float]]:
    if unknown := sorted(bounds.keys() - goniometer.values.keys()):
        raise SpecError(f"{unknown[0]!r} has bounds and is no parameter: {', '.join(goniometer.values)}")
    limits = {}
    for name in chosen:
        low, high = bounds.get(name, (None, None))
        limits[name] = (-np.inf if low is None else float(low), np.inf if high is None else float(high))
        if not limits[name][0] <= goniometer.values[name] <= limits[name][1]:
            raise SpecError(
                f"{name} begins at {goniometer.values[name]:g}, outside of its bounds {low}, {high}"
            )
    return limits


def _nearest_inside(value: float, limits: tuple[float, float]) -> float:
    return min(max(value, limits[0]), limits[1])


def _covariance(solution: Solution, chosen: Sequence[str], inner: Sequence[str]) -> FloatArray:
    covariance = np.zeros((len(chosen), len(chosen)))
    at = [chosen.index(name) for name in inner]
    covariance[np.ix_(at, at)] = solution.covariance
    for index, name in enumerate(chosen):
        if name not in inner:
            covariance[index, index] = np.inf
    return covariance
