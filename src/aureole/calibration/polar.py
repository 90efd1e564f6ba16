"""An image unrolled into sectors of azimuth and fine steps of 2θ, for the places of its rings."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import numpy as np
from numpy.typing import NDArray

from aureole.calibration.scattering import angles, parameters_of, pixel_points
from aureole.geometry import Geometry

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_STEPS = 2.0
"""Radial bins a pixel."""
_SECTORS = 160
"""Into how many sectors what is covered of the azimuth is cut."""
_SAMPLE = 4000


@dataclass(frozen=True, slots=True)
class Polar:
    """Sums over sectors and radial bins, each of shape (sectors, bins).

    Attributes
    ----------
    counts, pixels : ndarray
        Sums of the values, and of ones.
    two_theta, azimuth : ndarray
        Means over the pixels of a bin, in radians; azimuths within a sector are relative to its middle.
    reach : ndarray or None
        Mean distance (m) from the sample of the pixels of a bin, for detectors that are not flat.
    middles : ndarray, shape (sectors,)
        Azimuths of the sectors.
    edges : ndarray, shape (bins + 1,)
        Borders of the bins in 2θ: about half of a pixel each, wherever they are.
    """

    counts: FloatArray
    pixels: FloatArray
    two_theta: FloatArray
    azimuth: FloatArray
    reach: FloatArray | None
    middles: FloatArray
    edges: FloatArray

    def merged(self, factor: int) -> Polar:
        """Return the same with so many neighbouring sectors in one."""
        if factor == 1:
            return self
        count = len(self.middles) // factor
        middles = self.middles.reshape(count, factor).mean(1)
        shift = (self.middles.reshape(count, factor) - middles[:, None])[:, :, None]

        def total(values: FloatArray) -> FloatArray:
            return np.asarray(values.reshape(count, factor, -1).sum(1))

        pixels = total(self.pixels)
        many = np.maximum(pixels, 1.0)
        blocks = self.pixels.reshape(count, factor, -1)
        azimuth = (self.azimuth.reshape(count, factor, -1) + shift) * blocks
        return Polar(
            total(self.counts),
            pixels,
            total(self.two_theta * self.pixels) / many,
            azimuth.sum(1) / many,
            None if self.reach is None else total(self.reach * self.pixels) / many,
            middles,
            self.edges,
        )


def unroll(image: NDArray[np.generic], valid: BoolArray, geometry: Geometry) -> Polar:
    """Unroll an image.

    Parameters
    ----------
    image : ndarray, shape (n1, n2)
    valid : ndarray of bool, shape (n1, n2)
    geometry : Geometry
    """
    two_theta = geometry.center_array("2th_rad")[valid]
    azimuth = geometry.center_array("chi_rad")[valid]
    values = image[valid].astype(np.float64)
    edges = _edges(geometry, valid)
    sectors = _sector_count(azimuth)
    bins = len(edges) - 1
    column = _column(two_theta, edges)
    turn = (azimuth + pi) * (sectors / (2.0 * pi))
    row = np.minimum(turn.astype(np.int64), sectors - 1)
    index = row * bins + column
    size, shape = sectors * bins, (sectors, bins)
    pixels = np.bincount(index, minlength=size).reshape(shape).astype(np.float64)
    many = np.maximum(pixels, 1.0)

    def mean(of: FloatArray) -> FloatArray:
        return np.asarray(np.bincount(index, of, minlength=size).reshape(shape) / many)

    off = (turn - row - 0.5) * (2.0 * pi / sectors)
    reach: FloatArray | None = None
    if not geometry.detector.is_flat:
        t1, t2, t3 = geometry.positions()
        reach = mean(np.asarray(np.sqrt(t1 * t1 + t2 * t2 + t3 * t3)[valid]))
    middles: FloatArray = (np.arange(sectors, dtype=np.float64) + 0.5) * (2.0 * pi / sectors) - pi
    counts = np.bincount(index, values, minlength=size).reshape(shape).astype(np.float64)
    return Polar(counts, pixels, mean(two_theta), mean(off), reach, middles, edges)


def _edges(geometry: Geometry, valid: BoolArray) -> FloatArray:
    """Return borders of radial bins that span half of what a pixel spans at that 2θ."""
    at = np.nonzero(valid)
    chosen = np.linspace(0, len(at[0]) - 1, min(_SAMPLE, len(at[0]))).astype(np.int64)
    points = pixel_points(geometry.detector)[at[0][chosen], at[1][chosen]]
    seen = angles(points, parameters_of(geometry))
    detector = geometry.detector
    steps = np.hypot(seen.jacobian[:, 1] * detector.pixel1, seen.jacobian[:, 2] * detector.pixel2)
    order = np.argsort(seen.two_theta)
    two_theta, steps = seen.two_theta[order], steps[order]
    groups = np.array_split(np.arange(len(order)), max(1, min(60, len(order) // 20)))
    middle = np.array([two_theta[group].mean() for group in groups])
    span = np.array([np.median(steps[group]) for group in groups]) / _STEPS
    whole = geometry.center_array("2th_rad")[valid]
    low, high = float(whole.min()), float(whole.max())
    fine = np.linspace(low, high, 4000)
    passed = np.concatenate(([0.0], np.cumsum(np.diff(fine) / np.interp(fine[1:], middle, span))))
    count = max(8, int(np.ceil(passed[-1])))
    return np.asarray(np.interp(np.linspace(0.0, passed[-1], count + 1), passed, fine))


def _column(two_theta: FloatArray, edges: FloatArray) -> NDArray[np.int64]:
    """Return the bin of each angle: by a fine table, which is much faster than a search."""
    low, high = edges[0], edges[-1]
    table = 8 * len(edges)
    starts = np.searchsorted(edges, np.linspace(low, high, table + 1)[:-1], side="right") - 1
    place = np.minimum(((two_theta - low) * (table / (high - low))).astype(np.int64), table - 1)
    column = starts[np.maximum(place, 0)]
    column += two_theta >= edges[np.minimum(column + 1, len(edges) - 1)]
    return np.asarray(np.clip(column, 0, len(edges) - 2))


def _sector_count(azimuth: FloatArray) -> int:
    """Return into how many sectors to cut the circle, a multiple of 16."""
    covered = np.mean(np.bincount(((azimuth + pi) * (720 / (2.0 * pi))).astype(np.int64), minlength=720) > 0)
    return int(min(np.ceil(_SECTORS / covered / 16), 200)) * 16
