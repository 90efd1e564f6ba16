"""Where the detector stands, from the image alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from aureole.calibration.centre import crowding_centre, find_centres
from aureole.calibration.cone import Cones, aligned, sharpen
from aureole.calibration.distance import find_distances
from aureole.calibration.grow import Grown, grow
from aureole.calibration.refine import USUAL
from aureole.calibration.ridges import Ridges, find_ridges
from aureole.calibration.scattering import pixel_points, ring_angles, with_parameters
from aureole.calibration.start import Pose, Start, fixed_values, held
from aureole.errors import GeometryError
from aureole.geometry import Detector, Geometry

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_MOST_POINTS = 2500
_FEWEST_POINTS = 30
_CONVINCING = 0.7
"""Share of ridge points on rings, beyond chance, at which no other geometry is looked for."""
_LIKELY = 0.5
_SURE = 0.97
"""Such a share at which the other starts are not tried."""
_STARTS, _HARD_STARTS = 6, 16
_HARD_LEVELS = 2
_ROUND = 0.7
"""Share of the normals that look at one point if rings are round."""
_COVER = 3000
_NARROW, _GRID = 6.0, 120
"""Pixels a step, and at most so many steps, in which the centre of spots is looked for."""
_CROWDED = 15.0
"""Deviations by which spots crowd more about their centre than about other points."""
_SUPPORT = 8.0
"""Standard deviations by which normals meet more often in a centre than by chance."""


class Candidate(NamedTuple):
    """A geometry that may be, and how well ridges fit its rings: 0 is no better than chance."""

    geometry: Geometry
    grown: Grown


class Level(NamedTuple):
    """Ridge points of an image at one size of pixels.

    p1, p2, p3 in metres, unit normals, pixels pooled a side, where rings may have their centre (m), and
    whether nearly all normals meet in one point on the image: then the tilt cannot be steep.
    """

    points: FloatArray
    across: FloatArray
    binning: int
    centres: tuple[FloatArray, ...]
    is_round: bool


def ridge_levels(image: NDArray[np.generic], valid: BoolArray, detector: Detector) -> list[Level]:
    """Return the ridge points of an image at several sizes of pixels, as far as there are enough.

    Parameters
    ----------
    image : ndarray, shape (n1, n2)
    valid : ndarray of bool, shape (n1, n2)
    detector : Detector
    """
    points = pixel_points(detector)
    pixel = max(detector.pixel1, detector.pixel2)
    levels = []
    for binning in _binnings(image.shape):
        ridges = find_ridges(image, valid, binning)
        if len(ridges) < _FEWEST_POINTS:
            continue
        places, across = _in_metres(ridges.some(_MOST_POINTS), points, detector)
        there = np.isfinite(places).all(1)  # a pixel of a detector file may have no place
        places, across = places[there], across[there]
        found = find_centres(places[:, :2], across, most=2)
        centres = [centre.place for centre in found if centre.support > _SUPPORT]
        if not centres:
            extent = (image.shape[0] * detector.pixel1, image.shape[1] * detector.pixel2)
            width = max(_NARROW * pixel * max(1.0, 0.5 * binning), max(extent) / _GRID)
            crowded = crowding_centre(places[:, :2], extent, width)
            centres = [crowded.place] if crowded.support > _CROWDED else []
        if centres:
            low, high = np.nanmin(points[..., :2], (0, 1)), np.nanmax(points[..., :2], (0, 1))
            inside = bool(np.all((centres[0] > low) & (centres[0] < high)))
            is_round = inside and max(centre.share for centre in found) > _ROUND
            levels.append(Level(places, across, binning, tuple(centres), is_round))
    return levels


@dataclass(frozen=True, slots=True)
class Search:
    """A search for where a detector may stand, from the rings on an image alone.

    Ridges of the image, at several sizes of pixels, look at the centre of the rings; how they bend gives the
    tilt; the distance is where they fall on the rings of the calibrant.

    Attributes
    ----------
    levels : tuple of Level
    cover : ndarray, shape (M, 3)
        p1, p2, p3 (m) of some pixels from all over the image.
    detector : Detector
    spacings : ndarray
        Of the calibrant's rings in metres, the largest first.
    wavelength : float
        In metres.
    free : tuple of str
        What may be refined.
    start : Start or None
        What is known beforehand.
    """

    levels: tuple[Level, ...]
    cover: FloatArray
    detector: Detector
    spacings: FloatArray
    wavelength: float
    free: tuple[str, ...] = USUAL
    start: Start | None = None

    def candidates(self, effort: int) -> Iterator[Candidate]:
        """Yield where the detector may stand.

        Parameters
        ----------
        effort : int
            0 begins with what is known, 1 looks all over, 2 takes more time, for steep tilts and short arcs.

        Raises
        ------
        SpecError
            Something is neither free nor known.
        """
        fixed = fixed_values(self.start, self.detector, self.free)
        known = None if self.start is None else self.start.pose(self.detector)
        rings, _ = ring_angles(self.spacings, self.wavelength)
        pixel = max(self.detector.pixel1, self.detector.pixel2)
        others = []
        levels = self.levels
        if effort == 2:
            levels = () if any(level.is_round for level in levels) else levels[:_HARD_LEVELS]
        for level in levels:
            if effort == 0:
                poses = [] if known is None else [known]
            else:
                poses = _starts(level, self.cover, rings, pixel, fixed, hard=effort == 2)
            grown: list[Candidate] = []
            for pose in poses:
                candidate = self._grown(level, held(pose, fixed), pixel)
                if candidate is None:
                    continue
                grown.append(candidate)
                if grown[-1].grown.excess > _SURE and grown[-1].grown.likelihood > 2.0 * _LIKELY:
                    break
            if not grown:
                continue
            best = max(grown, key=lambda candidate: candidate.grown.evidence)
            if best.grown.excess > _CONVINCING and best.grown.likelihood > _LIKELY:
                yield best
            else:
                others.append(best)
        if effort:
            yield from sorted(others, key=lambda candidate: -candidate.grown.evidence)[:1]

    def _grown(self, level: Level, pose: Pose, pixel: float) -> Candidate | None:
        """Return what a pose grows to; None where that is no place for a detector."""
        rot3 = 0.0 if self.start is None else self.start.rot3
        numbers = np.array([*pose, rot3, self.wavelength])
        size = pixel * max(1.0, 0.5 * level.binning)
        grown = grow(level.points, self.cover, self.spacings, numbers, free=self.free, pixel=size)
        try:
            return Candidate(with_parameters(Geometry(self.detector, 1.0), grown.parameters), grown)
        except GeometryError:
            return None


def _starts(
    level: Level, cover: FloatArray, rings: FloatArray, pixel: float, fixed: dict[str, float], *, hard: bool
) -> list[Pose]:
    """Return poses that are worth growing, the likeliest first."""
    width = pixel * max(1.5, 0.5 * level.binning)
    tried = []
    for cones, between in _cones(level, pixel, hard=hard):
        if "dist" in fixed:
            between = fixed["dist"] * 0.999, fixed["dist"] * 1.001
        for dist, likelihood in find_distances(
            cones, level.points, cover, rings, width=width, most=3, between=between
        ):
            tried.append((likelihood, cones.pose(dist)))
    tried.sort(key=lambda pair: -pair[0])
    poses: list[Pose] = []
    for _, pose in tried:
        if not any(np.allclose(pose, other, rtol=2e-3, atol=2e-3 * pose[0]) for other in poses):
            poses.append(pose)
    return poses[: _HARD_STARTS if hard else _STARTS]


def cover_of(detector: Detector, valid: BoolArray) -> FloatArray:
    """Return p1, p2, p3 (m) of some pixels that have a value, from all over a detector, (M, 3)."""
    at = pixel_points(detector)[valid]
    return at[np.linspace(0, len(at) - 1, min(_COVER, len(at))).astype(np.int64)]


def _binnings(shape: tuple[int, ...]) -> list[int]:
    """Return by how much to pool pixels: such that 80 to 1500 are left on a side."""
    longest, shortest = max(shape), min(shape)
    return [b for b in (2, 4, 8, 1, 16, 32) if longest / b <= 1500 and (shortest / b >= 80 or b == 1)]


def _cones(level: Level, pixel: float, *, hard: bool) -> Iterator[tuple[Cones, tuple[float, float] | None]]:
    """Yield what the rings may be sections of, and between which distances to look for each."""
    places, across, binning = level.points[:, :2], level.across, level.binning
    widths = tuple(w * max(1.0, binning / 2.0) for w in (8.0, 4.0, 2.0))
    extent = float(np.ptp(places, axis=0).max())
    for centre in level.centres[: 1 + hard]:
        straight = Cones(float(centre[0]), float(centre[1]))
        if not hard:
            yield sharpen(straight, places, pixel=pixel, widths=widths, skewed=False), None
            tilted = aligned(straight, places, across, nominal=1.5 * extent)
            yield sharpen(tilted, places, pixel=pixel, widths=widths, nominal=1.5 * extent), None
            continue
        some = slice(None, None, max(1, len(places) // 600))
        off = centre - places.mean(0)
        outside = float(np.hypot(*off)) > 0.5 * extent
        for nominal in extent * np.geomspace(0.35, 6.0, 9):
            between = (nominal / 1.25, nominal * 1.25)
            # from upright on the beam to beyond upright on the rays that it sees
            for share in (0.0, 0.5, 1.0, 1.5) if outside else (0.0,):
                skew = share * off / nominal**2
                first = replace(straight, skew1=float(skew[0]), skew2=float(skew[1]))
                tilted = aligned(first, places[some], across[some], nominal=nominal, skewed=share == 0.0)
                yield sharpen(tilted, places, pixel=pixel, widths=widths, nominal=nominal), between


def _in_metres(ridges: Ridges, points: FloatArray, detector: Detector) -> tuple[FloatArray, FloatArray]:
    """Return places, (N, 3), and unit normals, (N, 2), of ridge points on the detector."""
    index = (ridges.places - 0.5).T
    places = np.stack(
        [ndimage.map_coordinates(points[..., axis], index, order=1, mode="nearest") for axis in range(3)],
        axis=1,
    )
    # a normal is a gradient: it grows where pixels are small; reversed axes reverse it
    down, right = np.diff(points[..., 0], axis=0), np.diff(points[..., 1], axis=1)
    signs = np.sign([np.nanmedian(down), np.nanmedian(right)])
    across = ridges.across * signs / np.array([detector.pixel1, detector.pixel2])
    return places, across / np.hypot(across[:, 0], across[:, 1])[:, None]
