"""A goniometer that is off by more than rings are apart, brought near: ridges of images against all rings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aureole.calibration.goniometer import Goniometer
from aureole.calibration.goniometer_fit import Bounds, View, refine_goniometer
from aureole.calibration.refine import RingPoints
from aureole.calibration.ridges import find_ridges
from aureole.calibration.scattering import angles, parameters_of, pixel_points, ring_angles
from aureole.errors import InputError

FloatArray = NDArray[np.float64]

_BINNING = 2
_POINTS, _EVEN = 120, 60
"""Points on ridges of an image that count, and points spread over it to tell what chance makes."""
_SCANNED = 300.0
"""How far rings may be from their places, in pixels."""
_WIDE, _NARROW = 5.0, 2.5
"""How far from a ring a point may be, in pixels, to count for it."""
_KEPT, _DEPTH = 5, 2
"""Goniometers that are followed up, and how many parameters are scanned one after the other."""
_NEAR = (20.0, 10.0, 5.0)


@dataclass(frozen=True, slots=True)
class Sight:
    """What is on an image: points on ridges, and points all over it, (n, 3) in metres, at a position."""

    ridges: FloatArray
    even: FloatArray
    position: FloatArray


def sight(
    image: NDArray[np.generic], valid: NDArray[np.bool_], goniometer: Goniometer, position: FloatArray
) -> Sight | None:
    """Return what is on an image; None without ridges."""
    found = find_ridges(image, valid, _BINNING).some(_POINTS)
    if len(found) < _POINTS // 6:
        return None
    centres = pixel_points(goniometer.detector)
    rows, columns = (np.floor(found.places).astype(int)[:, axis] for axis in (0, 1))
    chosen = np.random.default_rng(0).choice(np.flatnonzero(valid), _EVEN)
    return Sight(centres[rows, columns], centres.reshape(-1, 3)[chosen], position)


def approached(
    goniometer: Goniometer,
    sights: Sequence[Sight],
    spacings: FloatArray,
    *,
    free: Sequence[str] | None = None,
    bounds: Bounds | None = None,
) -> Goniometer:
    """Return a goniometer that puts rings where ridges are.

    Each free parameter is scanned as far as it moves rings by 300 pixels, from the best so far, and then one
    more; the best of these are refined with each ridge taken for the nearest ring.

    Parameters
    ----------
    goniometer : Goniometer
    sights : sequence of Sight
    spacings : ndarray
        Of all rings in metres.
    free, bounds
        As for `refine_goniometer`.
    """
    names = tuple(goniometer.values) if free is None else tuple(free)
    steps = {name: _step(goniometer, sights, name) for name in names}
    best = [(_score(goniometer, sights, spacings, _WIDE), goniometer)]
    reach = np.arange(1, round(_SCANNED / (0.7 * _WIDE)) + 1)
    for _ in range(_DEPTH):
        tried = list(best)
        for _, begin in best:
            for name, step in steps.items():
                for count in (*reach, *-reach) if step else ():
                    moved = begin.with_values({name: begin.values[name] + count * step})
                    if _within(moved, bounds):
                        tried.append((_score(moved, sights, spacings, _WIDE), moved))
        best = sorted(tried, key=lambda pair: -pair[0])[:_KEPT]
    refined = [_settled(one, sights, spacings, names, bounds) for _, one in best]
    return max(refined, key=lambda one: _score(one, sights, spacings, _NARROW))


def _within(goniometer: Goniometer, bounds: Bounds | None) -> bool:
    for name, (low, high) in (bounds or {}).items():
        value = goniometer.values[name]
        if (low is not None and value < low) or (high is not None and value > high):
            return False
    return True


def _step(goniometer: Goniometer, sights: Sequence[Sight], name: str) -> float:
    """Return the change of a parameter that moves rings by most of the width in which points count."""
    place = list(goniometer.values).index(name)
    values = np.array(list(goniometer.values.values()))
    moves = []
    for one in sights:
        numbers, slopes = goniometer.transformation.numbers(values, one.position)
        by_numbers = angles(one.even, numbers).jacobian @ slopes[:6, place]
        # the wavelength moves rings by 2 tan θ / λ
        by_wavelength = slopes[6, place] * 2.0 * np.tan(0.5 * angles(one.even, numbers).two_theta)
        by_all = by_numbers - (by_wavelength / numbers[6] if slopes[6, place] else 0.0)
        pixel = goniometer.detector.pixel1 / numbers[0]
        moves.append(float(np.sqrt(np.mean(np.square(by_all)))) / pixel)
    typical = float(np.median(moves))
    return 0.7 * _WIDE / typical if typical > 0.0 else 0.0


def _score(goniometer: Goniometer, sights: Sequence[Sight], spacings: FloatArray, width: float) -> float:
    """Return how much nearer to rings ridges are than any points; -1 where the detector cannot stand so."""
    total = 0.0
    try:
        for one in sights:
            near = (
                _nearness(goniometer, np.concatenate((one.ridges, one.even)), one.position, spacings) / width
            )
            hits = np.maximum(1.0 - np.square(near), 0.0)
            total += float(hits[: len(one.ridges)].mean() - hits[len(one.ridges) :].mean())
    except InputError:
        return -1.0
    return total / len(sights)


def _nearness(
    goniometer: Goniometer, points: FloatArray, position: FloatArray, spacings: FloatArray
) -> FloatArray:
    """Return how far points are from the nearest ring, in pixels."""
    numbers = _numbers(goniometer, position)
    rings, _ = ring_angles(spacings, float(numbers[6]))
    two_theta = angles(points, numbers).two_theta
    off = two_theta - rings[_nearest(two_theta, rings)]
    return off * float(numbers[0]) / goniometer.detector.pixel1


def _numbers(goniometer: Goniometer, position: FloatArray) -> FloatArray:
    return parameters_of(goniometer.geometry(position))


def _nearest(two_theta: FloatArray, rings: FloatArray) -> NDArray[np.int64]:
    middles = 0.5 * (rings[1:] + rings[:-1])
    return np.searchsorted(middles, two_theta)


def _settled(
    goniometer: Goniometer,
    sights: Sequence[Sight],
    spacings: FloatArray,
    names: tuple[str, ...],
    bounds: Bounds | None,
) -> Goniometer:
    """Return a goniometer refined with each ridge taken for the nearest ring."""
    for near in _NEAR:
        views = []
        for one in sights:
            numbers = _numbers(goniometer, one.position)
            rings, _ = ring_angles(spacings, float(numbers[6]))
            two_theta = angles(one.ridges, numbers).two_theta
            ring = _nearest(two_theta, rings)
            pixel = goniometer.detector.pixel1 / float(numbers[0])
            keep = np.abs(two_theta - rings[ring]) < near * pixel
            sigma = np.full(int(keep.sum()), pixel)
            views.append(View(RingPoints(one.ridges[keep], ring[keep], sigma), one.position))
        try:
            goniometer = refine_goniometer(goniometer, views, spacings, free=names, bounds=bounds).goniometer
        except InputError:
            break
    return goniometer
