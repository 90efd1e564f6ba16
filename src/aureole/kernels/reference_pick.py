"""The slow, obvious twin of the search for pixels that stand out: one frame at a time, in float64."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from aureole.frames import EncodedFrame
from aureole.kernels.pick import Peaks, Picked, PickedFrames, Picking, PixelPlaces
from aureole.kernels.reference import decode
from aureole.kernels.reference_robust import Rings, robust
from aureole.kernels.robust import F64, Clip
from aureole.kernels.sums import is_invalid


def pick(
    rings: Rings,
    frames: Sequence[EncodedFrame],
    *,
    places: PixelPlaces,
    rule: tuple[Clip, Picking],
    invalid: F64,
    variance: str,
    variance_frames: Sequence[EncodedFrame] = (),
) -> PickedFrames:
    """Pick the pixels that stand out; see `aureole.kernels.cpu_pick.pick`."""
    clip, picking = rule
    sums = robust(
        rings, frames, rule=clip, invalid=invalid, variance=variance, variance_frames=variance_frames
    )
    used = np.diff(rings.entries.pixel_ptr) > 0
    found: list[Picked | None] = []
    for i, frame in enumerate(frames):
        if sums.failures[i] is not None:
            found.append(None)
            continue
        raw = decode(frame).ravel()
        values = raw.astype(np.float64)
        bad = used & is_invalid(values, invalid)
        if variance == "frames":
            spread = decode(variance_frames[i]).ravel().astype(np.float64)
            bad |= used & ~(np.isfinite(spread) & (spread > -np.finfo(np.float64).smallest_normal))
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            mean = sums.signal[i] / sums.normalization[i]
            deviation = np.sqrt((sums.variance[i] + sums.dark_variance[i]) / sums.normalization2[i])
            mean, deviation = _filled(mean, deviation, sums.count[i] > 0)
            excess = values * places.inverse - interpolated(mean, places)
            square = np.square(interpolated(deviation, places)) + picking.noise * picking.noise
            excess[~used | bad] = np.nan
            out = _stands_out(excess, square, picking.noise, picking.cutoff)
            peaks = np.zeros((0, 5))
            if picking.peaks is not None:
                shape = (-1, places.columns)
                peaks = _peaks(excess.reshape(shape), square.reshape(shape), picking.noise, picking.peaks)
        at = np.flatnonzero(out).astype(np.uint32)
        found.append(Picked(mean, deviation, at, raw[at], np.flatnonzero(bad).astype(np.uint32), peaks))
    return PickedFrames(sums.failures, found)


def interpolated(row: F64, places: PixelPlaces) -> F64:
    """Return the values of a row of bins at the places of the pixels."""
    place = places.place.astype(np.float64)
    bins = place.astype(np.intp)
    next_bins = np.minimum(bins + 1, row.size - 1)
    values: F64 = row[bins] + (place - bins) * (row[next_bins] - row[bins])
    return values


def _filled(mean: F64, deviation: F64, there: NDArray[np.bool_]) -> tuple[F64, F64]:
    known = np.flatnonzero(there & np.isfinite(mean) & np.isfinite(deviation))
    if not known.size:
        return np.full(mean.size, np.nan), np.full(mean.size, np.nan)
    filled = []
    for row in (mean, deviation):
        row = row.copy()
        row[: known[0]], row[known[-1] :] = row[known[0]], row[known[-1]]
        for a, b in pairwise(known):
            row[a + 1 : b] = row[a] + np.arange(1, b - a) / (b - a) * (row[b] - row[a])
        filled.append(row)
    return filled[0], filled[1]


def _stands_out(excess: F64, square: F64, noise: float, cutoff: float) -> NDArray[np.bool_]:
    return (excess > noise) & (excess * excess > cutoff * cutoff * square)


def _peaks(excess: F64, square: F64, noise: float, rule: Peaks) -> F64:
    high = _stands_out(excess, square, noise, rule.cutoff)
    reach, columns = rule.patch // 2, excess.shape[1]
    found = []
    for row, column in np.argwhere(high):
        patch = slice(max(0, row - reach), row + reach + 1), slice(max(0, column - reach), column + reach + 1)
        e, top = excess[patch], excess[row, column]
        rows, across = (np.arange(part.start, part.start + n) for part, n in zip(patch, e.shape, strict=True))
        number = rows[:, None] * columns + across
        higher = (e > top) | ((e == top) & (number < row * columns + column))
        part = e > 0.0
        if higher.any() or np.count_nonzero(high[patch] & part) < rule.connected:
            continue
        weight = np.where(part, e, 0.0)
        total, variance = _sum(weight), _sum(np.where(part, square[patch], 0.0))
        centre = (
            row + _sum(weight * (rows - row)[:, None]) / total,
            column + _sum(weight * (across - column)) / total,
        )
        found.append((row * columns + column, *centre, total, np.sqrt(variance)))
    return np.array(found, np.float64).reshape(-1, 5)


def _sum(values: F64) -> float:
    """Add up values, one after the other in their order."""
    return float(np.cumsum(values)[-1])
