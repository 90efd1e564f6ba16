"""The cones of a powder as an image shows them before the distance is known: centre and skew."""

from __future__ import annotations

from dataclasses import dataclass
from math import asin, atan2, hypot, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from aureole.calibration.scattering import angles

FloatArray = NDArray[np.float64]

_EVALUATIONS = 160
_MOST_SLOPE = 1.5
_LEAST_BLUR = 0.003
"""Blur, against the size of the rings, that a change of a parameter by all of itself is taken to have."""


@dataclass(frozen=True, slots=True)
class Cones:
    """What the shapes of rings tell of a detector: all but the distance.

    A detector at distance D, tilted such that the beam leaves it with slopes (k1 D, k2 D), shows much the
    same rings whatever D is, as long as they are narrow.

    Attributes
    ----------
    centre1, centre2 : float
        Where the beam meets the detector, in metres.
    skew1, skew2 : float
        k1 and k2 in 1/m: slopes of the beam along the axes of the detector over the distance.
    """

    centre1: float
    centre2: float
    skew1: float = 0.0
    skew2: float = 0.0

    def pose(self, dist: float) -> tuple[float, float, float, float, float]:
        """Return dist, poni1, poni2, rot1 and rot2 of a detector at a distance (m) that shows these rings."""
        slope1, slope2 = self._slopes(dist)
        length = sqrt(1.0 + slope1 * slope1 + slope2 * slope2)
        rot1, rot2 = atan2(-slope2, 1.0), asin(slope1 / length)
        return dist, self.centre1 - dist * slope1, self.centre2 - dist * slope2, rot1, rot2

    def radius(self, places: FloatArray, dist: float) -> FloatArray:
        """Return 2 tan θ of points (N, 2 or 3) times the distance (m) from sample to detector along the beam.

        Near the beam that is the radius of a ring in metres; unlike tan 2θ it is moderate everywhere.
        """
        slope1, slope2 = self._slopes(dist)
        first = places[:, 0] - self.centre1 + dist * slope1
        second = places[:, 1] - self.centre2 + dist * slope2
        length = sqrt(1.0 + slope1 * slope1 + slope2 * slope2)
        along = (first * slope1 + second * slope2 + dist) / length
        far = np.sqrt(first * first + second * second + dist * dist)
        # tan²θ = (1 - cos 2θ) / (1 + cos 2θ)
        square = np.maximum(far - along, 0.0) / np.maximum(far + along, 1e-6 * far)
        return np.asarray(2.0 * dist * length * np.sqrt(square))

    def along(self, dist: float) -> float:
        """Return the distance from sample to detector along the beam (m)."""
        slope1, slope2 = self._slopes(dist)
        return dist * sqrt(1.0 + slope1 * slope1 + slope2 * slope2)

    def stretch(self, places: FloatArray, dist: float) -> float:
        """Return how much `radius` changes along the detector, the median over points; 1 near the beam."""
        step = 1e-5 * dist
        here = self.radius(places, dist)
        first, second = (
            (self.radius(places + step * np.eye(places.shape[1])[axis], dist) - here) / step
            for axis in (0, 1)
        )
        return float(np.median(np.hypot(first, second)))

    def _slopes(self, dist: float) -> tuple[float, float]:
        slope1, slope2 = self.skew1 * dist, self.skew2 * dist
        size = hypot(slope1, slope2)
        return (
            (slope1, slope2)
            if size <= _MOST_SLOPE
            else (slope1 * _MOST_SLOPE / size, slope2 * _MOST_SLOPE / size)
        )


def aligned(
    cones: Cones, places: FloatArray, across: FloatArray, *, nominal: float, skewed: bool = True
) -> Cones:
    """Return the cones whose rings lie along ridges best: 2θ grows across them.

    Unlike `sharpen` it finds large skews, since each ridge has its say wherever the others are; it is less
    exact.

    Parameters
    ----------
    cones : Cones
        Where to begin.
    places, across : ndarray, shape (N, 2)
        Ridge points (m) and their unit normals.
    nominal : float
        Distance (m) of the detector, about: it matters for large skews.
    skewed : bool
        Whether the skew is sought too.
    """
    middle = np.array([cones.centre1, cones.centre2])
    reach = float(np.median(np.hypot(*(places - middle).T)))
    start = np.array([cones.centre1, cones.centre2, cones.skew1, cones.skew2])
    scale = np.diag([reach, reach, 1.0 / nominal, 1.0 / nominal])[:, : 4 if skewed else 2]
    points = np.column_stack((places, np.zeros(len(places))))

    def moved(by: FloatArray) -> Cones:
        return Cones(*(start + scale @ by))

    def turned(by: FloatArray) -> FloatArray:
        slope = angles(points, (*moved(by).pose(nominal), 0.0)).jacobian[:, 1:3]
        off = slope[:, 0] * across[:, 1] - slope[:, 1] * across[:, 0]
        return np.asarray(off / np.maximum(np.hypot(slope[:, 0], slope[:, 1]), 1e-300))

    found = optimize.least_squares(turned, np.zeros(scale.shape[1]), loss="cauchy", f_scale=0.04, max_nfev=60)
    return moved(found.x)


def sharpness(radius: FloatArray, bins: int) -> float:
    """Return how much radii (N,) crowd: the density about each, in so many bins, over the mean density."""
    edge = max(1, len(radius) // 200)
    ordered = np.partition(radius, (edge, len(radius) - 1 - edge))
    low, high = ordered[edge], ordered[-1 - edge]
    if not high > low:
        return 0.0
    place = (radius - low) * (bins / (high - low))
    inside = (place >= 0.0) & (place < bins)
    counts = np.bincount(place[inside].astype(np.intp), minlength=bins).astype(np.float64)
    near = counts.copy()
    near[1:] += 0.5 * counts[:-1]
    near[:-1] += 0.5 * counts[1:]
    return float(near @ counts) / len(radius) ** 2 * bins


def sharpen(
    cones: Cones,
    places: FloatArray,
    *,
    pixel: float,
    widths: tuple[float, ...],
    skewed: bool = True,
    nominal: float | None = None,
) -> Cones:
    """Move centre and, perhaps, skew to where the radii of ridge points crowd most, in ever finer bins.

    Parameters
    ----------
    cones : Cones
        Where to begin.
    places : ndarray, shape (N, 2)
        p1, p2 of ridge points in metres.
    pixel : float
        Size of a pixel in metres.
    widths : tuple of float
        Of the bins, in pixels, one after the other.
    skewed : bool
        Whether the skew is sought too.
    nominal : float, optional
        Distance (m) of the detector, about: it matters for large skews.
    """
    middle = np.array([cones.centre1, cones.centre2])
    reach = float(np.hypot(*(places - middle).T).max())
    nominal = nominal or 2.0 * reach
    start = np.array([cones.centre1, cones.centre2, cones.skew1, cones.skew2])
    for width in widths:
        begin = Cones(*start)
        extent = float(np.ptp(begin.radius(places, nominal))) / begin.stretch(places, nominal)
        bins = int(np.clip(extent / (width * pixel), 8, 20_000))
        steps = _steps(start, places, nominal, reach, 4 if skewed else 2) * width * pixel

        def blur(
            move: FloatArray, start: FloatArray = start, steps: FloatArray = steps, bins: int = bins
        ) -> float:
            tried = Cones(*(start + steps @ move))
            return -sharpness(tried.radius(places, nominal), bins)

        count = steps.shape[1]
        found = optimize.minimize(
            blur,
            np.zeros(count),
            method="Nelder-Mead",
            options={
                "maxfev": _EVALUATIONS,
                "xatol": 0.05,
                "fatol": 1e-4,
                "initial_simplex": np.vstack((np.zeros(count), 1.5 * np.eye(count))),
            },
        )
        start = start + steps @ found.x
    return Cones(*(float(number) for number in start))


def _steps(start: FloatArray, places: FloatArray, nominal: float, reach: float, count: int) -> FloatArray:
    """Return changes of the four numbers, as columns, each of which blurs rings by one metre.

    What a change does to all radii alike, or in proportion to them, blurs nothing: a centre far away may move
    towards the detector a long way.
    """
    natural = np.array([reach, reach, 1.0 / nominal, 1.0 / nominal])[:count]
    before = Cones(*start).radius(places, nominal)
    known = np.column_stack((np.ones_like(before), before))
    blurs = np.empty((len(places), count))
    for index in range(count):
        moved = start.copy()
        moved[index] += 1e-4 * natural[index]
        change = (Cones(*moved).radius(places, nominal) - before) / 1e-4
        blurs[:, index] = change - known @ np.linalg.lstsq(known, change, rcond=None)[0]
    _, sizes, directions = np.linalg.svd(blurs / np.sqrt(len(places)), full_matrices=False)
    sizes = np.maximum(sizes, _LEAST_BLUR * reach)
    steps = np.zeros((4, count))
    steps[:count] = natural[:, None] * directions.T / sizes
    return steps
