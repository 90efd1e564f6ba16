"""How far away the detector is: at which distance do the rings seen stand where rings should be."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aureole.calibration.cone import Cones

FloatArray = NDArray[np.float64]

_STEP = 0.0015
"""Relative step of the distances tried."""
_FIRST_RINGS = 25
"""The innermost ring that is seen is one of so many."""
_OUTLIERS = 0.3
"""Share of points that may be on no ring."""


_FARTHEST = 1.5
"""Rings beyond so many times the outermost ridge do not count as missing: they may be too weak."""
_LARGEST = 2.6
"""2θ (rad) up to which rings are looked for."""


class Distance(NamedTuple):
    """A distance (m), and the mean logarithm of how much better points fit its rings than none."""

    dist: float
    likelihood: float


def likelihood(radius: FloatArray, rings: FloatArray, width: float, limits: tuple[float, float]) -> float:
    """Return the mean log-likelihood ratio of radii being on rings against being anywhere within limits.

    All rings within the limits are taken for equally frequent, so that a pattern of many rings, of which some
    is always near, gains nothing by it.

    Parameters
    ----------
    radius : ndarray, shape (N,)
    rings : ndarray, shape (K,)
        Radii of all rings, rising.
    width : float
        Standard deviation of a radius about its ring.
    limits : tuple of float
        Smallest and largest radius that are covered.
    """
    low, high = limits
    seen = rings[(rings > low - width) & (rings < high + width)]
    if seen.size == 0:
        return -np.inf
    above = np.clip(np.searchsorted(seen, radius), 0, seen.size - 1)
    below = np.maximum(above - 1, 0)
    off = np.minimum(np.abs(radius - seen[above]), np.abs(radius - seen[below])) / width
    peak = (high - low) / (seen.size * width * 2.5066)
    return float(np.mean(np.log(_OUTLIERS + (1.0 - _OUTLIERS) * peak * np.exp(-0.5 * off * off))))


def find_distances(
    cones: Cones,
    points: FloatArray,
    cover: FloatArray,
    rings: FloatArray,
    *,
    width: float,
    most: int = 8,
    between: tuple[float, float] | None = None,
) -> list[Distance]:
    """Return the distances at which ridge points fall on rings best, the best first.

    Parameters
    ----------
    cones : Cones
    points, cover : ndarray, shape (N, 3) and (M, 3)
        p1, p2, p3 in metres of ridge points, and of some pixels from all over the image.
    rings : ndarray
        2θ of all rings in radians, rising.
    width : float
        How exactly points are known, in metres.
    most : int
        How many to return.
    between : tuple of float, optional
        Distances (m) to look between; all at which a few of the rings could be seen without it.
    """
    tangents = 2.0 * np.tan(0.5 * rings[rings < _LARGEST])
    if tangents.size == 0:
        return []
    first = cones.radius(points, 2.0 * float(np.ptp(points, axis=0).max()))
    low, high = (float(x) for x in np.quantile(first, (0.01, 0.99)))
    if between is None:
        between = (0.95 * low / tangents[min(_FIRST_RINGS, tangents.size) - 1], 1.05 * high / tangents[0])
    count = int(np.clip(np.log(between[1] / between[0]) / _STEP, 2, 6000)) if between[1] > between[0] else 1
    tried = np.geomspace(*between, count)
    width *= cones.stretch(points, float(np.sqrt(between[0] * between[1])))
    scores = np.empty(count)
    for index, dist in enumerate(tried):
        radius = cones.radius(points, dist)
        covered = cones.radius(cover, dist)
        limits = (float(covered.min()), min(float(covered.max()), _FARTHEST * float(radius.max())))
        scores[index] = likelihood(radius, tangents * cones.along(dist), width, limits)
    found: list[Distance] = []
    for index in np.argsort(-scores):
        if len(found) == most or not np.isfinite(scores[index]):
            break
        if all(abs(np.log(tried[index] / other.dist)) > 4 * _STEP for other in found):
            found.append(Distance(float(tried[index]), float(scores[index])))
    return found
