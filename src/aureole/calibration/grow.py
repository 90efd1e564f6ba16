"""From a rough geometry to one that puts ridge points on rings, beginning with the rings that are sure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aureole.calibration.refine import RingPoints, refine
from aureole.calibration.scattering import PARAMETERS, angles, ring_angles
from aureole.errors import SpecError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_ROUNDS = 25
_INFLATED = 9.0
"""By how much the variance of points is enlarged: errors along a ring are alike."""
_SURE = 3.5
"""How many times its error the distance between rings must be, for a point to be given to one."""
_CENTRE, _DIST, _TILT = 6.0, 0.015, 0.09
"""Errors of a rough geometry: pixels, relative, radians."""
_CLOSER = (5.0, 4.0, 3.0, 2.5, 2.0)
"""Pixels from a ring within which all points are taken in the end."""
_OUTLIERS = 0.3
_NEAR = 2.5
"""Pixels within which a point is on a ring."""


_FARTHEST = 1.5
"""Rings beyond so many times the outermost ridge do not count as missing: they may be too weak."""
_POINTS = 1000
"""Points beyond so many tell nothing new."""


class Grown(NamedTuple):
    """A geometry, and how well it explains the ridge points.

    `likelihood` is the mean of the logarithm of how much likelier points are with these rings than with none;
    `excess` the share of points on rings, from 0 (as by chance) to 1; `rings` counts those that have points.
    """

    parameters: FloatArray
    likelihood: float
    excess: float
    rings: int
    points: int

    @property
    def evidence(self) -> float:
        """What speaks for the geometry in all."""
        return self.likelihood * min(self.points, _POINTS)


def grow(
    points: FloatArray,
    cover: FloatArray,
    spacings: FloatArray,
    start: FloatArray,
    *,
    free: Sequence[str],
    pixel: float,
) -> Grown:
    """Refine a rough geometry on ridge points, giving points to rings only as far as that is sure.

    Near the beam an error of the geometry moves rings little, and they are far apart; each ring that is
    settled makes the geometry, and with it the next ring, more certain.

    Parameters
    ----------
    points, cover : ndarray, shape (N, 3) and (M, 3)
        p1, p2, p3 in metres of ridge points, and of some pixels from all over the image.
    spacings : ndarray
        Of all rings in metres, the largest first.
    start : ndarray, shape (7,)
        In the order of `PARAMETERS`.
    free : sequence of str
        Which of them to refine.
    pixel : float
        Size of a pixel in metres.
    """
    rings, _ = ring_angles(spacings, float(start[6]))
    chosen = [index for index, name in enumerate(PARAMETERS[:6]) if name in free and name != "rot3"]
    numbers = start.copy()
    prior = _prior(numbers, pixel)[np.ix_(chosen, chosen)]
    spread = _inverse(prior)
    before: IntArray | None = None
    for _ in range(_ROUNDS if chosen else 0):
        seen = angles(points, numbers)
        own = _pixel_angle(seen.jacobian, pixel)
        slopes = seen.jacobian[:, chosen]
        sigma = np.sqrt(np.einsum("ij,jk,ik->i", slopes, spread, slopes) + np.square(own))
        ring, off, gap = nearest(rings, seen.two_theta)
        sure = (np.abs(off) < 3.0 * sigma) & (gap > _SURE * sigma)
        now = np.where(sure, ring, -1)
        if before is not None and np.array_equal(now, before):
            break
        before = now
        if sure.sum() < 12:
            break
        measured = RingPoints(points[sure], ring[sure], own[sure])
        try:
            fit = refine(measured, spacings, numbers, free=_possible(free, ring[sure]))
        except SpecError:
            break
        if not _plausible(fit.parameters):
            break
        numbers = fit.parameters
        seen = angles(points[sure], numbers)
        weighted = seen.jacobian[:, chosen] * (np.sqrt(fit.weights) / own[sure])[:, None]
        scale = max(fit.scale, 0.5) ** 2 * _INFLATED
        spread = _inverse(weighted.T @ weighted / scale + _prior(numbers, pixel)[np.ix_(chosen, chosen)])
    grown = _judged(points, cover, rings, numbers, pixel)
    for within in _CLOSER:
        closer = _closer(points, spacings, numbers, free, pixel * within)
        if closer is None:
            break
        numbers = closer
        better = _judged(points, cover, rings, numbers, pixel)
        grown = max(grown, better, key=lambda one: one.likelihood)
    return grown


def _closer(
    points: FloatArray, spacings: FloatArray, numbers: FloatArray, free: Sequence[str], within: float
) -> FloatArray | None:
    """Return a geometry refined on all points that are so near (m) to one ring; None if that fails."""
    rings, _ = ring_angles(spacings, float(numbers[6]))
    seen = angles(points, numbers)
    reach = _pixel_angle(seen.jacobian, within)
    ring, off, gap = nearest(rings, seen.two_theta)
    near = np.abs(off) < np.minimum(reach, 0.4 * gap)
    names = _possible(free, ring[near])
    if near.sum() < 12 or not names:
        return None
    fit = refine(RingPoints(points[near], ring[near], reach[near]), spacings, numbers, free=names)
    return fit.parameters if _plausible(fit.parameters) else None


def _possible(free: Sequence[str], ring: IntArray) -> list[str]:
    """Return what can be refined: one ring does not tell a tilt, and the wavelength comes last."""
    names = [name for name in free if name not in ("wavelength", "rot3")]
    if len(np.unique(ring)) < 2:
        names = [name for name in names if name not in ("rot1", "rot2")]
    return names


def _plausible(numbers: FloatArray) -> bool:
    return bool(np.isfinite(numbers).all()) and numbers[0] > 0.0 and float(np.abs(numbers[3:5]).max()) < 1.4


def _inverse(matrix: FloatArray) -> FloatArray:
    """Return the inverse of an inverse covariance, whose parameters differ widely in size."""
    size = np.sqrt(np.diag(matrix))
    values, axes = np.linalg.eigh(matrix / np.outer(size, size))
    return np.asarray((axes / np.maximum(values, 1e-9)) @ axes.T / np.outer(size, size))


def _pixel_angle(jacobian: FloatArray, pixel: float) -> FloatArray:
    """Return what a pixel spans in 2θ at points."""
    return np.asarray(np.maximum(np.hypot(jacobian[:, 1], jacobian[:, 2]) * pixel, 1e-12))


def _prior(numbers: FloatArray, pixel: float) -> FloatArray:
    """Return the inverse covariance of a rough geometry, (6, 6)."""
    dist, rot1, rot2 = numbers[0], numbers[3], numbers[4]
    known = np.zeros((6, 6))
    # the centre is at poni1 + dist tan(rot2) / cos(rot1) and poni2 - dist tan(rot1)
    tan1, tan2, cos1, cos2 = np.tan(rot1), np.tan(rot2), np.cos(rot1), np.cos(rot2)
    known[0] = [tan2 / cos1, 1.0, 0.0, dist * tan2 * tan1 / cos1, dist / (cos1 * cos2**2), 0.0]
    known[1] = [-tan1, 0.0, 1.0, -dist / cos1**2, 0.0, 0.0]
    known[:2] /= _CENTRE * pixel
    known[2, 0] = 1.0 / (_DIST * dist)
    known[3, 3] = known[4, 4] = known[5, 5] = 1.0 / _TILT
    return known.T @ known


def nearest(rings: FloatArray, two_theta: FloatArray) -> tuple[IntArray, FloatArray, FloatArray]:
    """Return the nearest ring of each angle, how far from it the angle is, and how far the next ring is."""
    if len(rings) == 1:
        far = np.full(len(two_theta), np.inf)
        return np.zeros(len(two_theta), np.int64), two_theta - rings[0], far
    above = np.clip(np.searchsorted(rings, two_theta), 1, len(rings) - 1)
    ring = np.where(two_theta - rings[above - 1] < rings[above] - two_theta, above - 1, above)
    gaps = np.concatenate(([np.inf], np.diff(rings), [np.inf]))
    return ring, two_theta - rings[ring], np.minimum(gaps[ring], gaps[ring + 1])


def _judged(
    points: FloatArray, cover: FloatArray, rings: FloatArray, numbers: FloatArray, pixel: float
) -> Grown:
    seen = angles(points, numbers)
    own = _pixel_angle(seen.jacobian, pixel)
    ring, off, _ = nearest(rings, seen.two_theta)
    covered = angles(cover, numbers).two_theta
    low, high = float(covered.min()), min(float(covered.max()), _FARTHEST * float(seen.two_theta.max()))
    margin = float(np.median(own))
    inside = (rings > low - margin) & (rings < high + margin)
    if not inside.any():
        return Grown(numbers, -np.inf, 0.0, 0, len(points))
    width = 1.2 * own
    peak = (high - low) / (inside.sum() * width * 2.5066)
    ratio = _OUTLIERS + (1.0 - _OUTLIERS) * peak * np.exp(-0.5 * np.square(off / width))
    # what part of all angles is as near to a ring as this
    wide = 2.0 * margin * _NEAR
    chance = min(float(np.minimum(np.diff(rings[inside], append=np.inf), wide).sum()) / (high - low), 0.999)
    on = np.abs(off) < _NEAR * own
    counts = np.bincount(ring[on], minlength=len(rings))
    excess = (float(on.mean()) - chance) / (1.0 - chance)
    return Grown(numbers, float(np.log(ratio).mean()), excess, int((counts > 5).sum()), len(points))
