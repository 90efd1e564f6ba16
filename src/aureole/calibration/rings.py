"""Where rings are on an image, point by point: a peak in each sector of azimuth."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from aureole.calibration.bumps import Bumps, fit_bumps
from aureole.calibration.polar import Polar
from aureole.calibration.refine import RingPoints
from aureole.calibration.scattering import rotation_and_slopes
from aureole.geometry import Geometry

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_CLEAR = 4.0
"""Height of a peak over its standard error."""
_APART = 1.2
"""Half of the distance to the next ring, over the full width of rings, from which they are told apart."""
_FLOOR = 0.03
"""Least standard error of a point, in pixels: no detector's pixels stand truer."""
_MERGES = (1, 2, 4, 8, 16)


@dataclass(frozen=True, slots=True)
class Extraction:
    """Points found on rings.

    Attributes
    ----------
    measured : RingPoints
    two_theta, azimuth : ndarray, shape (N,)
        Where each is, in radians, with the geometry it was found with.
    width : ndarray, shape (N,)
        Full width at half maximum, in radians of 2θ.
    clearness : ndarray, shape (N,)
        Height over its standard error.
    pixel : ndarray, shape (N,)
        What a pixel spans there, in radians of 2θ.
    tried : dict of int to int
        In how many sectors each ring was looked for.
    crowded : tuple of int
        Rings that were left out since others are too near.
    """

    measured: RingPoints
    two_theta: FloatArray
    azimuth: FloatArray
    width: FloatArray
    clearness: FloatArray
    pixel: FloatArray
    tried: dict[int, int]
    crowded: tuple[int, ...]

    def without_rare(self, share: float) -> Extraction:
        """Return the points of rings that are found in more than three sectors, and this share of them."""
        rings = self.measured.rings
        count = np.bincount(rings, minlength=1 + max(self.tried, default=0))
        common = [ring for ring, sectors in self.tried.items() if count[ring] > max(3.0, share * sectors)]
        keep = np.isin(rings, common)
        measured = RingPoints(self.measured.points[keep], rings[keep], self.measured.sigma[keep])
        return replace(
            self,
            measured=measured,
            two_theta=self.two_theta[keep],
            azimuth=self.azimuth[keep],
            width=self.width[keep],
            clearness=self.clearness[keep],
            pixel=self.pixel[keep],
        )


def extract(
    polar: Polar,
    geometry: Geometry,
    rings: FloatArray,
    *,
    wanted: IntArray,
    reach: float,
    width: float | None = None,
) -> Extraction:
    """Find points of rings near to where a geometry puts them.

    Parameters
    ----------
    polar : Polar
        The image, unrolled with this geometry.
    geometry : Geometry
    rings : ndarray
        2θ of all rings of the calibrant in radians, rising.
    wanted : ndarray of int
        Which to look for.
    reach : float
        How far from its place a ring may be, in pixels.
    width : float, optional
        Full width of rings in pixels, where it is known: rings nearer to each other are left out, and
        windows get narrower.
    """
    per_pixel = 2.0 / 1.0
    bins = len(polar.edges) - 1
    place = np.interp(rings, polar.edges, np.arange(bins + 1.0), left=-1e9, right=1e9)
    gap = _nearest(place) / per_pixel
    least = max(2.2, _APART * (width or 0.0))
    window = reach if width is None else max(reach, 2.2 * width)
    chosen = [k for k in wanted if -0.5 <= place[k] <= bins + 0.5]
    crowded = tuple(int(k) for k in chosen if 0.5 * gap[k] < least)
    chosen = [k for k in chosen if 0.5 * gap[k] >= least]
    found: list[Extraction] = []
    for factor in _MERGES:
        merged = polar.merged(factor)
        found.append(_extract(merged, geometry, place, chosen, (gap, window, per_pixel), crowded))
        if _is_clear(found[-1]):
            break
    return max(found, key=_information)


def _is_clear(found: Extraction) -> bool:
    """Whether most of the peaks looked for were seen clearly, so that larger sectors would tell no more."""
    tried = sum(found.tried.values())
    return len(found.measured) > 0.5 * tried and float(np.median(found.clearness)) > 3.0 * _CLEAR


def _information(found: Extraction) -> float:
    return float(np.sum(1.0 / np.square(found.measured.sigma / found.pixel))) if len(found.measured) else 0.0


def _extract(
    polar: Polar,
    geometry: Geometry,
    place: FloatArray,
    chosen: list[int],
    scales: tuple[FloatArray, float, float],
    crowded: tuple[int, ...],
) -> Extraction:
    gap, window, per_pixel = scales
    bins = len(polar.edges) - 1
    half = int(np.ceil(window * per_pixel))
    rings = np.array(chosen, np.int64)
    centre = np.rint(place[rings] - 0.5).astype(np.int64)
    columns = centre[:, None] + np.arange(-half, half + 1)[None, :]
    inside = (columns >= 0) & (columns < bins)
    columns = np.clip(columns, 0, bins - 1)
    own = np.minimum(window, 0.5 * gap[rings])
    pixels = polar.pixels[:, columns] * inside
    counts, angle = polar.counts[:, columns], polar.two_theta[:, columns]
    # bins count in units of their own width from the ring's place, by the mean angle of their pixels
    x = (np.interp(angle, polar.edges, np.arange(bins + 1.0)) - place[rings][None, :, None]) / per_pixel
    pixels = np.where(np.abs(x) <= own[None, :, None], pixels, 0.0)
    shape = x.shape[0] * x.shape[1], x.shape[2]
    y = counts / np.maximum(pixels, 1.0)
    reach = np.broadcast_to(np.maximum(0.7 * own, 1.0), x.shape[:2]).reshape(-1)
    weight = pixels.reshape(shape)
    worth = weight.any(1)
    bumps = fit_bumps(x.reshape(shape)[worth], y.reshape(shape)[worth], weight[worth], reach[worth])
    sector, ring = (number[worth] for number in np.divmod(np.arange(shape[0]), max(len(rings), 1)))
    azimuth = np.sum(polar.azimuth[:, columns] * pixels, 2) / np.maximum(pixels.sum(2), 1.0)
    azimuth = azimuth + polar.middles[:, None]
    keep = _believed(bumps, rings[ring])
    tried = dict(zip(rings.tolist(), np.bincount(ring, minlength=len(rings)).tolist(), strict=True))
    sector, ring = sector[keep], ring[keep]
    target = place[rings[ring]] + bumps.place[keep] * per_pixel
    two_theta = np.interp(target, np.arange(bins + 1.0), polar.edges)
    pixel = np.interp(target, np.arange(bins) + 0.5, np.diff(polar.edges)) * per_pixel
    chi = azimuth[sector, ring]
    far = None
    if polar.reach is not None:
        # how far along its ray a point is hardly matters: the mean over the window will do
        reaches = np.sum(polar.reach[:, columns] * pixels, 2) / np.maximum(pixels.sum(2), 1.0)
        far = reaches[sector, ring]
    sigma = np.hypot(bumps.sigma[keep], _FLOOR) * pixel
    return Extraction(
        RingPoints(points_at(geometry, two_theta, chi, far), rings[ring], sigma),
        two_theta,
        chi,
        bumps.width[keep] * 2.3548 * pixel,
        bumps.height[keep] / bumps.height_sigma[keep],
        pixel,
        tried,
        crowded,
    )


def _believed(bumps: Bumps, ring: IntArray) -> BoolArray:
    """Return which peaks are clear and about as wide as the others of their ring."""
    keep = bumps.good & (bumps.height > _CLEAR * bumps.height_sigma) & (bumps.sigma < bumps.width)
    for index in np.unique(ring[keep]):
        mine = ring == index
        middle = np.median(bumps.width[mine & keep])
        keep &= ~mine | ((bumps.width > 0.5 * middle) & (bumps.width < 2.0 * middle))
    return keep


def _nearest(place: FloatArray) -> FloatArray:
    """Return how far from each ring the next one is."""
    gaps = np.concatenate(([np.inf], np.diff(place), [np.inf]))
    return np.minimum(gaps[:-1], gaps[1:])


def points_at(
    geometry: Geometry, two_theta: FloatArray, chi: FloatArray, reach: FloatArray | None
) -> FloatArray:
    """Return p1, p2, p3 (m) of where rays meet the detector, (N, 3).

    Parameters
    ----------
    geometry : Geometry
    two_theta, chi : ndarray, shape (N,)
        Of the rays, in radians.
    reach : ndarray, shape (N,), optional
        How far from the sample (m) they meet it; the plane p3 = 0 without it.
    """
    sine = np.sin(two_theta)
    rays = np.column_stack((sine * np.sin(chi), sine * np.cos(chi), np.cos(two_theta)))
    rotation, _ = rotation_and_slopes(geometry.rot1, geometry.rot2, geometry.rot3)
    local = rays @ rotation
    length = geometry.dist / local[:, 2] if reach is None else reach
    return np.asarray(local * length[:, None] + np.array([geometry.poni1, geometry.poni2, -geometry.dist]))
