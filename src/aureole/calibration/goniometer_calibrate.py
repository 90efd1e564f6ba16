"""From images of a known powder at several positions of a detector to how it moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aureole.azimuthal.batches import in_order
from aureole.calibration.calibrant import Calibrant
from aureole.calibration.calibration import Calibration
from aureole.calibration.goniometer import Goniometer
from aureole.calibration.goniometer_approach import Sight, approached, sight
from aureole.calibration.goniometer_calibration import GoniometerCalibration
from aureole.calibration.goniometer_fit import Bounds, GoniometerFit, View, refine_goniometer
from aureole.calibration.objections import objections
from aureole.calibration.pixels import usable_pixels
from aureole.calibration.polar import Polar, unroll
from aureole.calibration.refine import Fit
from aureole.calibration.rings import Extraction, extract
from aureole.calibration.rounds import Outcome
from aureole.calibration.scattering import parameters_of, ring_angles
from aureole.calibration.verdict import judge
from aureole.errors import CalibrationError, SpecError
from aureole.geometry import Geometry
from aureole.threads import checked_threads

FloatArray = NDArray[np.float64]

_REACHES = (30.0, 12.0, 5.0, 3.0)
"""How far from its place a ring is looked for, in pixels, from round to round."""
_SAMPLE, _SIGHTS = 24, 12
"""Images that are looked at while the places of rings are vague, and while they are not known at all."""
_ROUNDS = 7
_RARE = 0.03
_SETTLED = 0.1
"""Change of a parameter over its error at which another round would tell nothing new."""
_MOST_MISFITS = 0.3
"""Share of the images with rings that may not fit."""
_OUTLIER = 4.685
"""Residuals beyond so many standard deviations count nothing."""
_SURPLUS = 6
"""By how many the rings on all images exceed the parameters where these were looked for far away: to any few
rings, some others come near.
"""
_LARGEST = 2.6
"""2θ (rad) up to which rings are used."""


class _Series(NamedTuple):
    """Images, invalid pixels of all of them, positions, and spacings (m) of the rings on them."""

    images: Sequence[NDArray[np.generic]]
    mask: NDArray[np.generic] | None
    positions: list[FloatArray]
    spacings: FloatArray


class _Look(NamedTuple):
    """How far off and how wide rings are in pixels; how far points are off beside their own errors."""

    reach: float
    width: float | None
    extra: float


def calibrate_goniometer(
    images: Sequence[NDArray[np.generic]],
    positions: ArrayLike,
    goniometer: Goniometer,
    *,
    calibrant: Calibrant,
    mask: NDArray[np.generic] | None = None,
    free: Sequence[str] | None = None,
    bounds: Bounds | None = None,
) -> GoniometerCalibration:
    """Find how a detector moves from the rings of a calibrant on images at several positions.

    Rings are looked for near to where the goniometer puts them, parameters are refined on the points of all
    images together, and rings are looked for again.

    Parameters
    ----------
    images : sequence of ndarray, shape (n1, n2)
        Indexed again in each round; need not be in memory.
    positions : array_like, shape (N,) or (N, motors)
        Of the motors, for each image.
    goniometer : Goniometer
        Where to begin: rings are found within some 30 pixels of where it puts them, or, in vain there, within
        300 pixels as far as one or two wrong parameters explain that.
    calibrant : Calibrant
    mask : ndarray, shape (n1, n2), optional
        Not zero where pixels are invalid.
    free : sequence of str, optional
        Parameters to refine; all without it.
    bounds : mapping of str to (low, high), optional
        Where a parameter may not go; None for no bound.

    Raises
    ------
    CalibrationError
        No rings, rings that do not fit, or that do not tell a parameter.
    SpecError
        As many positions as images are wanted, with a number for each motor; and see `refine_goniometer`.
    GeometryError
        The images have another shape than the detector, or it cannot stand so.
    """
    places = [np.atleast_1d(np.asarray(place, np.float64)) for place in np.asarray(positions, np.float64)]
    if len(places) != len(images):
        raise SpecError(f"there are {len(places)} positions for {len(images)} images")
    if not places:
        raise SpecError("there is no image")
    goniometer = goniometer.with_detector(goniometer.detector.with_shape(images[0].shape))
    wavelength = goniometer.geometry(places[0]).wavelength
    if wavelength is None:
        raise SpecError("the goniometer has no wavelength, which rings need: give the photon energy")
    least = wavelength / (2.0 * np.sin(0.5 * _LARGEST))
    series = _Series(images, mask, places, calibrant.d_spacings(max(least, calibrant.finest)))
    try:
        return _calibrated(series, goniometer, calibrant, free=free, bounds=bounds)
    except _VagueError:
        raise
    except CalibrationError as error:
        nearer = _nearer(series, goniometer, free, bounds)
        if nearer is None:
            raise
        try:
            result = _calibrated(series, nearer, calibrant, free=free, bounds=bounds)
        except CalibrationError:
            raise error from None
        if _rings_on(result.images) < len(result.fit.free) + _SURPLUS:
            raise error from None
        return result


def _rings_on(images: Sequence[Calibration | None]) -> int:
    return sum(len(image.rings) for image in images if image is not None)


class _VagueError(CalibrationError):
    """Rings that fit, and do not tell a parameter."""


def _nearer(
    series: _Series, goniometer: Goniometer, free: Sequence[str] | None, bounds: Bounds | None
) -> Goniometer | None:
    """Return a goniometer that is nearer, from ridges of images anywhere; None where there are none."""
    some = _some(series, _SIGHTS)

    def one(index: int) -> Sight | None:
        image = some.images[index]
        return sight(image, _usable(some, image, goniometer, index), goniometer, some.positions[index])

    seen = [found for found in map(one, range(len(some.images))) if found is not None]
    return approached(goniometer, seen, series.spacings, free=free, bounds=bounds) if seen else None


def _calibrated(
    series: _Series,
    goniometer: Goniometer,
    calibrant: Calibrant,
    *,
    free: Sequence[str] | None,
    bounds: Bounds | None,
) -> GoniometerCalibration:
    fit = None
    look = _Look(_REACHES[0], None, 0.0)
    for number in range(_ROUNDS):
        # while the places of rings are vague, some images do
        used = _some(series, _SAMPLE) if number < len(_REACHES) - 1 else series
        found = _found(used, goniometer, look)
        before = goniometer
        fit, extra = _refined(goniometer, (used, found), look.extra, free, bounds)
        goniometer = fit.goniometer
        if number >= len(_REACHES) and _is_settled(before, fit):
            break
        width = None if number < 2 else _typical([one.width / one.pixel for one in found])
        look = _Look(_REACHES[min(number + 1, len(_REACHES) - 1)], width, extra)
    assert fit is not None
    return _judged(series, calibrant, fit, look)


def _some(series: _Series, most: int) -> _Series:
    """Return at most so many of the images, evenly spread."""
    count = len(series.positions)
    chosen = np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))
    images = [series.images[index] for index in chosen]
    return series._replace(images=images, positions=[series.positions[index] for index in chosen])


def _found(series: _Series, goniometer: Goniometer, look: _Look) -> list[Extraction]:
    """Return the points on rings of each image."""

    def one(index: int) -> Extraction:
        return _extracted(series, goniometer.geometry(series.positions[index]), index, look)[0]

    return list(in_order(one, range(len(series.images)), checked_threads(None)))


def _usable(
    series: _Series, image: NDArray[np.generic], what: Geometry | Goniometer, index: int
) -> NDArray[np.bool_]:
    """Return which pixels of an image have a value; an error where it has another shape, or none has."""
    if image.shape != what.detector.known_shape:
        raise SpecError(f"image {index} has shape {image.shape}, the first has {what.detector.known_shape}")
    valid = usable_pixels(image, what.detector, series.mask)
    if not valid.any():
        raise CalibrationError(
            f"image {index} is blank: no pixel has a value, all are masked or marked invalid"
        )
    return valid


def _extracted(series: _Series, geometry: Geometry, index: int, look: _Look) -> tuple[Extraction, Polar]:
    image = series.images[index]
    valid = _usable(series, image, geometry, index)
    polar = unroll(image, valid, geometry)
    rings, _ = ring_angles(series.spacings, float(parameters_of(geometry)[6]))
    found = extract(polar, geometry, rings, wanted=np.arange(len(rings)), reach=look.reach, width=look.width)
    return found.without_rare(_RARE), polar


def _refined(
    goniometer: Goniometer,
    seen: tuple[_Series, list[Extraction]],
    extra: float,
    free: Sequence[str] | None,
    bounds: Bounds | None,
) -> tuple[GoniometerFit, float]:
    """Refine on all points; also return by how many pixels they scatter beyond their own errors."""
    series, found = seen
    if not any(len(one.measured) for one in found):
        raise CalibrationError(
            f"no rings near to where they should be on any of the {len(found)} images: are calibrant, "
            "energy, positions and their units right, and the values to begin with?"
        )
    pixel = np.concatenate([one.pixel for one in found])
    own = _typical([one.measured.sigma / one.pixel for one in found])
    for _ in range(3):
        views = [
            View(replace(one.measured, sigma=np.hypot(one.measured.sigma, extra * one.pixel)), position)
            for one, position in zip(found, series.positions, strict=True)
        ]
        fit = refine_goniometer(goniometer, views, series.spacings, free=free, bounds=bounds)
        rest = np.concatenate(fit.residuals()) / pixel
        extra = float(np.sqrt(max((1.4826 * float(np.median(np.abs(rest)))) ** 2 - own**2, 0.0)))
    return fit, extra


def _typical(values: list[FloatArray]) -> float:
    return float(np.median(np.concatenate(values)))


def _is_settled(before: Goniometer, fit: GoniometerFit) -> bool:
    return all(
        abs(fit.goniometer.values[name] - before.values[name]) < _SETTLED * error or not np.isfinite(error)
        for name, error in fit.uncertainty.items()
    )


def _judged(series: _Series, calibrant: Calibrant, fit: GoniometerFit, look: _Look) -> GoniometerCalibration:
    """Return a calibration if it fits, with what is worth knowing."""
    vague = [name for name, error in fit.uncertainty.items() if not np.isfinite(error)]
    if vague := [name for name in vague if name not in fit.at_bound]:
        raise _VagueError(
            f"the rings do not tell {' and '.join(vague)}: fix what other parameters can stand for, or add "
            "images at other positions"
        )

    def one(index: int) -> tuple[Calibration | None, list[str], bool]:
        return _image_of(series, calibrant, fit, (index, look))

    told = list(in_order(one, range(len(series.images)), checked_threads(None)))
    expected = sum(with_rings for _, _, with_rings in told)
    misfits = [(index, against) for index, (_, against, _) in enumerate(told) if against]
    if len(misfits) > _MOST_MISFITS * expected:
        index, against = misfits[len(misfits) // 2]
        raise CalibrationError(
            f"{len(misfits)} of the {expected} images on which rings of {calibrant.name} should be do not "
            f"fit; image {index}: {against[0]}. Check calibrant, energy, positions and their units, the "
            "model, and the values to begin with"
        )
    notes = [f"image {index}: {against[0]}" for index, against in misfits]
    empty = [index for index, (image, _, _) in enumerate(told) if image is None]
    if empty:
        notes.append(f"images without a ring, which tell nothing: {', '.join(map(str, empty))}")
    images = tuple(image for image, _, _ in told)
    if (rings := _rings_on(images)) <= len(fit.free):
        notes.append(
            f"{rings} rings on all images for {len(fit.free)} parameters: were they other rings, nothing "
            "would tell; fix parameters that are known, or add images"
        )
    notes += [f"{name} would go beyond its bounds" for name in fit.at_bound]
    return GoniometerCalibration(fit.goniometer, calibrant, fit, images, tuple(notes))


def _image_of(
    series: _Series, calibrant: Calibrant, fit: GoniometerFit, which: tuple[int, _Look]
) -> tuple[Calibration | None, list[str], bool]:
    """Return an image as a calibration, what speaks against it, and whether there should be rings."""
    index, look = which
    geometry = fit.goniometer.geometry(series.positions[index])
    found, polar = _extracted(series, geometry, index, look)
    measured, expected = found.measured, bool(found.tried)
    if not len(measured):
        return None, ["no ring where there should be some"] if expected else [], expected
    numbers = parameters_of(geometry)
    own = Fit(numbers, (), np.zeros((7, 7)), measured, series.spacings, np.ones(len(measured)), fit.scale)
    rest = own.residuals() / np.hypot(measured.sigma, look.extra * found.pixel)
    own = replace(own, weights=(np.abs(rest) < _OUTLIER * max(fit.scale, 1.0)).astype(np.float64))
    outcome = Outcome(geometry, own, found, polar, look.extra)
    verdict = judge(outcome)
    if not verdict.expected:  # corners of rings that no four sectors show
        return Calibration(geometry, calibrant, own, found, verdict), [], False
    against = objections(outcome, verdict, calibrant.name)
    return Calibration(geometry, calibrant, own, found, verdict), against, expected
