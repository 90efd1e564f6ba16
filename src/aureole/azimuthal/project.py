"""Back to the detector: what it counts where the intensity is known against radius, or radius and azimuth."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aureole.axis import Axis
from aureole.azimuthal.corrections import pixels, shaped
from aureole.azimuthal.spec import IntegrationSpec
from aureole.errors import SpecError
from aureole.geometry import Geometry
from aureole.units import unit

F64 = NDArray[np.float64]


class Counting(NamedTuple):
    """What pixels make of an intensity, all (n1, n2): count = norm · intensity + dark; zero where masked."""

    mask: NDArray[np.bool_]
    norm: F64
    dark: F64 | None

    @classmethod
    def of(cls, spec: IntegrationSpec) -> Counting:
        """Work it out for a spec; raises `SpecError` where the shape of a frame is not known."""
        facts = pixels(spec, shaped(spec))
        return cls(facts.mask, facts.norm, facts.dark)

    def counts(self, intensity: F64) -> F64:
        """Return what pixels count that see this intensity; NaN where they are masked."""
        counted = intensity * self.norm
        if self.dark is not None:
            counted += self.dark
        counted[self.mask] = np.nan
        return counted


def back_project(
    spec: IntegrationSpec,
    radial: ArrayLike,
    intensity: ArrayLike,
    *,
    azimuthal: ArrayLike | None = None,
    counts: bool = True,
) -> F64:
    """Return the image of a pattern or cake: each pixel has the intensity at the place of its centre.

    Between the points the intensity is interpolated linearly. Points of a pattern that are NaN are left out;
    around points of a cake that are NaN, the image is NaN. Azimuths close after a turn.

    Parameters
    ----------
    spec : IntegrationSpec
        Where the detector stands, the units of the axes, and the corrections.
    radial : array, shape (n,)
        In the unit of ``spec.radial``, rising.
    intensity : array, shape (n,) or (m, n)
        As integration gives it.
    azimuthal : array, shape (m,), optional
        In the unit of ``spec.azimuthal``, else in degrees; rising, within a turn. Only for a cake.
    counts : bool
        Whether to undo the corrections of the spec (solid angle, polarization, flat, ...) and to add its
        dark, as a detector would count.

    Returns
    -------
    ndarray, shape (n1, n2)
        NaN in masked pixels, and beyond the ends of the radial axis by more than half a step.

    Raises
    ------
    SpecError
        Arrays that do not fit together, a spec without a radial unit, a cake against another unit than χ, or
        no point with an intensity.
    """
    geometry = shaped(spec)
    counting = Counting.of(spec)
    if spec.radial is None:
        raise SpecError("there is no radial axis: without its unit an image cannot be made")
    at, values = _points(radial, "radial"), np.asarray(intensity, np.float64)
    place = geometry.center_array(spec.radial.unit, sample=spec.sample)
    if azimuthal is None:
        if values.shape != at.shape:
            raise SpecError(f"{values.shape} intensities for {at.size} radial points")
        image = along_radius(place, at, values)
    else:
        around = _points(azimuthal, "azimuthal")
        if values.shape != (around.size, at.size):
            raise SpecError(f"{values.shape} intensities for {around.size} x {at.size} points")
        name = "chi_deg" if spec.azimuthal is None else spec.azimuthal.unit
        if unit(name).base != "chi":
            raise SpecError(f"cakes against {name} make no image: their second axis must be chi")
        chi = geometry.center_array(name, chi_discontinuity=spec.chi_discontinuity)
        image = over_both(place, chi, (at, around, values), turn=turn_of(name))
    if counts:
        return counting.counts(image)
    image[counting.mask] = np.nan
    return image


def along_radius(place: F64, at: F64, values: F64) -> F64:
    """Return the values at places between points; NaN beyond the ends by more than half a step."""
    known = np.isfinite(values)
    if not known.any():
        raise SpecError("no bin has an intensity: there is nothing to make an image of")
    image: F64 = np.interp(place, at[known], values[known])
    image[~_within(place, at)] = np.nan
    return image


def over_both(place: F64, chi: F64, cake: tuple[F64, F64, F64], *, turn: float) -> F64:
    """Return the same between the points (radial, azimuthal) of a cake; azimuths close after a turn."""
    at, around, values = cake
    column, right = _between(np.clip(place, at[0], at[-1]), at)
    closed = np.concatenate([around, [around[0] + turn]])
    row, up = _between((chi - around[0]) % turn + around[0], closed)
    rows = np.concatenate([values, values[:1]])
    next_column = np.minimum(column + 1, at.size - 1)
    lower = rows[row, column] * (1.0 - right) + rows[row, next_column] * right
    upper = rows[row + 1, column] * (1.0 - right) + rows[row + 1, next_column] * right
    image: F64 = lower * (1.0 - up) + upper * up
    image[~_within(place, at)] = np.nan
    return image


def turn_of(name: str) -> float:
    """Return after how much an azimuth closes, in its unit; raises `SpecError` where it does not."""
    period = unit(name).period
    if period is None:
        raise SpecError(f"{name} does not close after a turn: an azimuth such as chi_deg is needed")
    return period


def whole_range(geometry: Geometry, axis: Axis) -> tuple[float, float]:
    """Return the range of a radial axis on the centres of all pixels, masked or not."""
    place = geometry.center_array(axis.unit)
    found = place[np.isfinite(place)]
    return float(found.min()), float(found.max())


def _within(place: F64, at: F64) -> NDArray[np.bool_]:
    steps = (at[1] - at[0], at[-1] - at[-2]) if at.size > 1 else (np.inf, np.inf)
    slack = 1.0 + 1e-6  # the edge of the last bin is a little beyond
    within: NDArray[np.bool_] = place >= at[0] - 0.5 * slack * steps[0]
    within &= place <= at[-1] + 0.5 * slack * steps[1]
    return within


def _between(place: F64, at: F64) -> tuple[NDArray[np.intp], F64]:
    """Return which point comes before each place, and the part of the way to the next one."""
    before = np.clip(np.searchsorted(at, place, side="right") - 1, 0, max(at.size - 2, 0))
    if at.size == 1:
        return before, np.zeros(place.shape)
    return before, (place - at[before]) / (at[before + 1] - at[before])


def _points(given: ArrayLike, name: str) -> F64:
    points = np.asarray(given, np.float64)
    if points.ndim != 1 or not points.size or not np.isfinite(points).all() or (np.diff(points) <= 0.0).any():
        raise SpecError(f"the {name} points must be a row of finite, rising numbers")
    return points
