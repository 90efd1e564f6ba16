"""Following one ring from a point on it, as a pointer on a picture would ask for."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from aureole.calibration.scattering import angles, parameters_of, pixel_points
from aureole.errors import CalibrationError, SpecError
from aureole.geometry import Geometry

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_SMOOTH = 1.2
_STEP = 3.0
"""Pixels from one point to the next."""
_CLIMB = 6
"""Pixels from the point given to the crest, at most."""
_ACROSS = np.arange(-4.0, 4.01, 0.5)
_CLEAR = 4.0
"""Height of the crest over the noise of the smoothed image."""
_GAP = 60.0
"""Pixels without a crest after which the ring ends."""
_MEMORY = 30
"""Points from which its course is told."""


class _Relief(NamedTuple):
    """The smoothed root of the counts, where it has a value, and its noise."""

    height: FloatArray
    known: FloatArray
    noise: float

    def across(self, place: FloatArray, normal: FloatArray) -> float | None:
        """Return how far from a place the crest is, along a normal; None where there is none."""
        at = place[:, None] + normal[:, None] * _ACROSS - 0.5
        if np.any(ndimage.map_coordinates(self.known, at, order=1, cval=0.0) < 0.5):
            return None
        profile = ndimage.map_coordinates(self.height, at, order=1)
        top = int(np.argmax(profile))
        if not 1 < top < len(profile) - 2:
            return None
        if profile[top] - min(profile[:3].mean(), profile[-3:].mean()) < _CLEAR * self.noise:
            return None
        before, here, after = (profile[top + shift] for shift in (-2, 0, 2))
        bend = before - 2.0 * here + after
        return float(_ACROSS[top] + (0.5 * (before - after) / bend if bend < 0.0 else 0.0))


def pick(
    image: NDArray[np.generic],
    valid: BoolArray,
    point: tuple[float, float],
    *,
    geometry: Geometry | None = None,
    most: int = 4000,
) -> FloatArray:
    """Return points on the ring on which a point lies, about three pixels apart, in their order.

    From the crest next to the point the ring is followed both ways: each step looks for the highest place
    across. Gaps are jumped along the course of the ring so far; with a geometry, along lines of equal 2θ.

    Parameters
    ----------
    image : ndarray, shape (n1, n2)
    valid : ndarray of bool, shape (n1, n2)
    point : tuple of float
        Row and column in pixels; 0.5 is the middle of the first.
    geometry : Geometry, optional
        Where the detector stands, about.
    most : int
        Points to stop at, each way.

    Returns
    -------
    ndarray, shape (N, 2)
        Rows and columns.

    Raises
    ------
    SpecError
        The point is not on the image.
    CalibrationError
        There is no ring at the point.
    """
    rows, columns = image.shape
    if not (0.0 <= point[0] < rows and 0.0 <= point[1] < columns):
        raise SpecError(
            f"row {point[0]:g}, column {point[1]:g} is not on the image of {rows} x {columns} pixels"
        )
    relief = _relief(image, valid)
    course = None if geometry is None else _Course(geometry)
    start, tangent = _crest(relief, point, course)
    ahead, closed = _walk(relief, start, tangent, course, most)
    if closed:
        return np.array([start, *ahead])
    behind, _ = _walk(relief, start, -tangent, course, most)
    return np.array([*reversed(behind), start, *ahead])


def _relief(image: NDArray[np.generic], valid: BoolArray) -> _Relief:
    values = np.sqrt(np.where(valid, np.maximum(image, 0), 0).astype(np.float64) + 0.375)
    values[~valid] = 0.0
    share = ndimage.gaussian_filter(valid.astype(np.float64), _SMOOTH)
    smooth = ndimage.gaussian_filter(values, _SMOOTH) / np.maximum(share, 1e-3)
    step = np.diff(values, axis=1)[valid[:, 1:] & valid[:, :-1]]
    # neighbours differ by √2 of the noise of one; smoothing leaves 1 / (2 σ √π) of it
    noise = 1.4826 * float(np.median(np.abs(step))) / np.sqrt(2.0) if step.size else 0.0
    return _Relief(smooth, valid.astype(np.float64), max(noise, 1e-9) / (2.0 * _SMOOTH * np.sqrt(np.pi)))


class _Course:
    """Lines of equal 2θ on an image."""

    def __init__(self, geometry: Geometry) -> None:
        self._points = pixel_points(geometry.detector)
        self._numbers = parameters_of(geometry)
        down, right = np.diff(self._points[..., 0], axis=0), np.diff(self._points[..., 1], axis=1)
        self._signs = np.array([np.nanmedian(down), np.nanmedian(right)])

    def tangent(self, place: FloatArray) -> FloatArray:
        """Return the direction of the line at a place, in pixels, of length one."""
        row, column = np.clip((place - 0.5).astype(int), 0, np.array(self._points.shape[:2]) - 1)
        slope = -angles(self._points[row, column][None], self._numbers).jacobian[0, 1:3] * self._signs
        along = np.array([-slope[1], slope[0]])
        return along / max(float(np.hypot(*along)), 1e-300)


def _crest(
    relief: _Relief, point: tuple[float, float], course: _Course | None
) -> tuple[FloatArray, FloatArray]:
    """Return the crest nearest to a point, and its direction."""
    at = np.array(point)
    low = np.maximum((at - _CLIMB).astype(int), 0)
    high = np.minimum((at + _CLIMB + 1.0).astype(int), relief.height.shape)
    window = np.where(
        relief.known[low[0] : high[0], low[1] : high[1]] > 0.5,
        relief.height[low[0] : high[0], low[1] : high[1]],
        -np.inf,
    )
    top = np.array(np.unravel_index(int(np.argmax(window)), window.shape)) + low
    place = top + 0.5
    turns = np.linspace(0.0, np.pi, 36, endpoint=False)
    if course is not None:
        along = course.tangent(place)
        turns = np.array([np.arctan2(along[0], along[1])])
    # along the ring the relief stays high
    reach = np.arange(-9.0, 9.1, 1.0)
    means = [
        ndimage.map_coordinates(
            relief.height,
            place[:, None] - 0.5 + np.array([[np.sin(t)], [np.cos(t)]]) * reach,
            order=1,
            mode="nearest",
        ).mean()
        for t in turns
    ]
    best = turns[int(np.argmax(means))]
    tangent = np.array([np.sin(best), np.cos(best)])
    normal = np.array([-tangent[1], tangent[0]])
    off = relief.across(place, normal)
    if off is None:
        raise CalibrationError(f"no ring within {_CLIMB} pixels of row {point[0]:g}, column {point[1]:g}")
    return place + off * normal, tangent


def _walk(
    relief: _Relief, start: FloatArray, tangent: FloatArray, course: _Course | None, most: int
) -> tuple[list[FloatArray], bool]:
    """Return the points on one side, and whether the ring came back to where it began."""
    found: list[FloatArray] = []
    trail = [start]
    place, lost = start, 0.0
    while len(found) < most and lost < _GAP:
        if course is None:
            place, tangent = _onward(trail, place, tangent)
        else:
            middle = course.tangent(place + 0.5 * _STEP * tangent)
            tangent = middle * np.sign(middle @ tangent)
            place = place + _STEP * tangent
        if not np.all((place >= 0.0) & (place < relief.height.shape)):
            break
        normal = np.array([-tangent[1], tangent[0]])
        off = relief.across(place, normal)
        if off is None or (abs(off) > 2.0 and lost == 0.0):
            lost += _STEP
            continue
        lost = 0.0
        place = place + off * normal
        found.append(place)
        trail.append(place)
        if len(found) > 20 and float(np.hypot(*(place - start))) < _STEP:
            return found, True
    return found, False


def _onward(trail: list[FloatArray], place: FloatArray, tangent: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the next place and direction, along the arc through the last points."""
    recent = np.array(trail[-_MEMORY:])
    turn = 0.0
    if len(recent) >= 8:
        # a parabola over the chord has the curvature of the arc, and its direction at any place
        chord = recent[-1] - recent[0]
        chord = chord / max(float(np.hypot(*chord)), 1e-300)
        side = np.array([-chord[1], chord[0]])
        from_last = recent - recent[-1]
        along, off = from_last @ chord, from_last @ side
        bend, slope, _ = np.polyfit(along, off, 2)
        turn = 2.0 * bend / (1.0 + slope * slope) ** 1.5
        heading = chord + slope * side
        heading = heading / float(np.hypot(*heading))
        passed = float(np.hypot(*(place - recent[-1])))
        tangent = _turned(heading, turn * passed)
    middle = _turned(tangent, 0.5 * turn * _STEP)
    return place + _STEP * middle, _turned(tangent, turn * _STEP)


def _turned(direction: FloatArray, angle: float) -> FloatArray:
    """Return a direction turned towards its left side, (-d2, d1)."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array(
        [cosine * direction[0] - sine * direction[1], sine * direction[0] + cosine * direction[1]]
    )
