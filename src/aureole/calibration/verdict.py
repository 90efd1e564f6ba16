"""Does a calibration fit? What is on the image that should not be, and what is not that should."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal

from aureole.calibration.polar import Polar
from aureole.calibration.refine import Fit, refine
from aureole.calibration.rounds import Outcome
from aureole.calibration.scattering import ring_angles

FloatArray = NDArray[np.float64]

_BINS_A_PIXEL = 2.0
_SEEN = 0.1
"""Share of the sectors in which a ring that is seen has a point, within a pixel or half of its width."""
_FEWEST = 4
_CLEAR = 8.0
"""Height of a peak of the radial pattern over its standard error."""
_WEAK = 0.03
"""Height of the weakest peak that counts, against the third-highest."""
_SECTORS = 6
"""Sectors, of sixteen or more, whose scatter tells the error of their mean."""
_MOST_POINTS = 60
"""Points of a ring beyond so many do not make it count more."""


class Verdict(NamedTuple):
    """How well a calibration fits.

    Attributes
    ----------
    seen, expected : int
        Rings that are seen, of those out to the last one seen that no other ring hides.
    explained : float
        Share of the peaks of the radial pattern, by the roots of their heights, that stand on rings; 0 is as
        by chance.
    strangers : tuple of float
        2θ (rad) of the other peaks, the highest first.
    peaks : int
        How many peaks there are.
    wander : float
        Root mean square of how far rings as a whole are off their places, in pixels.
    scatter : float
        Robust standard deviation of points about their rings, in pixels.
    width : float
        Full width at half maximum of rings, in pixels.
    wavelength, wavelength_error : float
        The wavelength (m) at which rings would fit best, and its standard error.
    best_wander : float
        What `wander` would be then.
    """

    seen: int
    expected: int
    explained: float
    strangers: tuple[float, ...]
    peaks: int
    wander: float
    scatter: float
    width: float
    wavelength: float
    wavelength_error: float
    best_wander: float


def judge(outcome: Outcome) -> Verdict:
    """Return how well a calibration fits."""
    fit, found = outcome.fit, outcome.found
    rest = fit.residuals() / found.pixel
    rings = found.measured.rings
    width = float(np.median(found.width / found.pixel))
    count = np.bincount(rings[np.abs(rest) < max(1.0, 0.5 * width)], minlength=len(fit.spacings))
    tried = {k: sectors for k, sectors in found.tried.items() if sectors >= _FEWEST}
    seen = [k for k, sectors in tried.items() if count[k] >= max(_FEWEST, _SEEN * sectors)]
    expected = [k for k in tried if k <= max(seen, default=-1)]
    explained, strangers, peaks = _explained(outcome, width)
    wander, scatter = _wander(fit, outcome)
    other = _best_wavelength(outcome)
    return Verdict(
        len(seen),
        len(expected),
        explained,
        strangers,
        peaks,
        wander,
        scatter,
        width,
        float(other.parameters[6]),
        float(other.uncertainty[6]),
        _wander(other, outcome)[0],
    )


def _wander(fit: Fit, outcome: Outcome) -> tuple[float, float]:
    """Return how far rings are off as a whole, and how far points are off their rings' means, in pixels."""
    rings, used = fit.measured.rings, fit.weights > 0.0
    rest = (fit.residuals() / outcome.found.pixel)[used]
    count = np.bincount(rings[used]).astype(np.float64)
    means = np.bincount(rings[used], rest) / np.maximum(count, 1.0)
    weight = np.where(count >= _FEWEST, np.minimum(count, _MOST_POINTS), 0.0)
    wander = float(np.sqrt((weight @ np.square(means)) / max(weight.sum(), 1.0)))
    return wander, 1.4826 * float(np.median(np.abs(rest - means[rings[used]])))


def _best_wavelength(outcome: Outcome) -> Fit:
    """Return the fit with the wavelength free too, where several rings tell it."""
    fit = outcome.fit
    if len(np.unique(fit.measured.rings)) < 3 or "wavelength" in fit.free or "dist" not in fit.free:
        return fit
    return refine(fit.measured, fit.spacings, fit.parameters, free=(*fit.free, "wavelength"))


def radial_pattern(polar: Polar) -> tuple[FloatArray, FloatArray]:
    """Return the mean of each radial bin over sectors, and its standard error; NaN where few sectors tell it.

    Sixteen sectors or more count alike, but for the brightest: a spot or a hot pixel is no ring.
    """
    covered = float(np.mean(polar.pixels.any(1))) * len(polar.middles)
    coarse = polar.merged(2 ** max(0, min(4, int(np.log2(covered / 16.0))) if covered >= 16.0 else 0))
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.where(coarse.pixels > 0, coarse.counts / coarse.pixels, np.nan)
    means = np.sort(means, axis=0)  # NaN last
    number = np.isfinite(means).sum(0)
    kept = np.where(number > 4, number - 1, number)
    weight = np.arange(len(means))[:, None] < kept
    total = np.where(weight, means, 0.0).sum(0)
    mean = np.where(kept > 0, total / np.maximum(kept, 1), np.nan)
    spread = np.where(weight, np.square(means - mean), 0.0).sum(0) / np.maximum(kept - 1, 1)
    return mean, np.where(kept >= _SECTORS, np.sqrt(spread / np.maximum(kept, 1)), np.nan)


def _explained(outcome: Outcome, width: float) -> tuple[float, tuple[float, ...], int]:
    """Return which share of the peaks stands on rings, beyond chance, the others, and the number of all."""
    polar = outcome.polar
    pattern, error = radial_pattern(polar)
    known = np.isfinite(pattern) & np.isfinite(error)
    if known.sum() < 20:
        return 0.0, (), 0
    every = np.arange(len(pattern))
    pattern = np.interp(every, every[known], pattern[known])
    error = np.interp(every, every[known], error[known])
    bins = max(3, round(width * _BINS_A_PIXEL))
    base = ndimage.gaussian_filter1d(ndimage.minimum_filter1d(pattern, 4 * bins + 1), 2.0 * bins)
    smooth = ndimage.gaussian_filter1d(pattern - base, 0.25 * bins)
    # sectors of few counts vary less than they err: neighbouring bins tell too
    rough = 1.4826 * np.abs(pattern - ndimage.gaussian_filter1d(pattern, 1.5))
    span = 8 * bins + 1
    noise = np.maximum(ndimage.median_filter(error, span), ndimage.median_filter(rough, span))
    noise /= np.sqrt(0.5 * bins)
    places, facts = signal.find_peaks(smooth, prominence=0.0)
    heights = facts["prominences"]
    strong = heights > _CLEAR * noise[places]
    strong &= heights > _WEAK * np.sort(heights)[-min(3, len(heights)) :].min(initial=np.inf)
    places, heights = places[strong], heights[strong]
    if len(places) == 0:
        return 0.0, (), 0
    middle = 0.5 * (polar.edges[1:] + polar.edges[:-1])
    rings, _ = ring_angles(outcome.fit.spacings, float(outcome.fit.parameters[6]))
    at = np.interp(rings, middle, every, left=-1e9, right=1e9)
    at = np.sort(at[(at > -bins) & (at < len(pattern) + bins)])
    near = max(2.0, 0.5 * bins)
    off = np.abs(places[:, None] - at[None, :]).min(1, initial=np.inf)
    chance = min(float(np.minimum(np.diff(at, append=np.inf), 2.0 * near).sum()) / len(pattern), 0.95)
    # roots: the highest ring of many is not all of the pattern
    weight = np.sqrt(heights)
    share = float(weight[off <= near].sum() / weight.sum())
    order = np.argsort(-np.where(off > near, heights, 0.0))[: int((off > near).sum())]
    return (share - chance) / (1.0 - chance), tuple(middle[places[order]].tolist()), len(places)
