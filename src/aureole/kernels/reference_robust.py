"""The slow, obvious twin of the robust averages: one frame, one bin at a time, in float64."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log, pi, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aureole.errors import FrameError
from aureole.frames import EncodedFrame
from aureole.kernels.reference import decode
from aureole.kernels.robust import Clip, PixelRows, RobustSums, Rule, Trim
from aureole.kernels.sums import Entries, is_invalid

F64 = NDArray[np.float64]

_MOST_WEIGHT = 2**31 - 1
"""More than the weights of a bin sum to, as whole numbers."""


_SAMPLE = 512
"""Pixels, about, whose median is near enough to that of all."""


class _Ring(NamedTuple):
    """The valid pixels of one bin: shares, weights c·n, signals, intensities, variances of signal and dark.

    `whole` are the weights as whole numbers, for the pixels of which quantiles are taken; zero for others.
    """

    c: F64
    w: F64
    s: F64
    v: F64
    u: F64
    dark: F64
    whole: NDArray[np.int64]

    def sums(self, part: F64) -> list[float]:
        """Return Σfcs, Σfcn, Σ(fcn)², Σ(fc)²u, Σ(fc)²·variance of the dark, and how many f are above zero."""
        keep = part > 0.0
        s, u, dark = (row[keep] for row in (self.s, self.u, self.dark))
        c, w = part[keep] * self.c[keep], part[keep] * self.w[keep]
        rows = (c * s, w, np.square(w), np.square(c) * u, np.square(c) * dark)
        return [*map(total, rows), float(keep.sum())]


def total(values: F64) -> float:
    """Add up values, one after the other in their order."""
    return float(np.cumsum(values)[-1]) if values.size else 0.0


class Rings(NamedTuple):
    """Entries by pixel, and what is known of the pixels."""

    entries: Entries
    pixels: PixelRows


def robust(
    rings: Rings,
    frames: Sequence[EncodedFrame],
    *,
    rule: Rule,
    invalid: F64,
    variance: str,
    variance_frames: Sequence[EncodedFrame] = (),
) -> RobustSums:
    """Average the pixels of each bin that do not stand out; see `aureole.kernels.cpu_robust.robust`."""
    entries, pixels = rings
    pixel = np.repeat(np.arange(entries.n_pixels), np.diff(entries.pixel_ptr))
    order = np.argsort(entries.bins, kind="stable")
    pixel, c = pixel[order], entries.coefs[order].astype(np.float64)
    ends = np.searchsorted(entries.bins[order], np.arange(entries.n_bins + 1))
    failures: list[FrameError | None] = []
    sums = np.zeros((6, len(frames), entries.n_bins))
    for i, frame in enumerate(frames):
        try:
            raw = decode(frame).ravel().astype(np.float64)
            spread = decode(variance_frames[i]).ravel().astype(np.float64) if variance == "frames" else raw
        except FrameError as error:
            failures.append(error)
            continue
        failures.append(None)
        good = ~is_invalid(raw, invalid) & (pixels.norm > 0.0)
        if variance == "frames":
            good &= np.isfinite(spread) & (spread > -np.finfo(np.float64).smallest_normal)
        elif variance == "floor":
            spread = np.maximum(raw, 1.0)
        signal = raw if pixels.dark is None else raw - pixels.dark
        for bin_ in range(entries.n_bins):
            span = slice(ends[bin_], ends[bin_ + 1])
            keep = good[pixel[span]]
            p = pixel[span][keep]
            weights = c[span] * np.maximum(pixels.norm[pixel[span]], 0.0)
            stride = 1 if isinstance(rule, Trim) else max(1, weights.size // _SAMPLE)
            with np.errstate(over="ignore", invalid="ignore"):
                ring = _Ring(
                    c[span][keep],
                    weights[keep],
                    signal[p],
                    signal[p] * (1.0 / pixels.norm[p]),
                    spread[p] if variance in ("raw", "floor", "frames") else np.zeros(p.size),
                    np.zeros(p.size) if pixels.dark_variance is None else pixels.dark_variance[p],
                    whole_weights(weights, stride)[keep],
                )
                if p.size and isinstance(rule, Trim):
                    sums[:, i, bin_] = trimmed(ring, rule, scatter=variance == "scatter")
                elif p.size and isinstance(rule, Clip):
                    sums[:, i, bin_] = clipped(ring, rule, scatter=variance == "scatter")
    return RobustSums(failures, sums[0], sums[1], sums[2], sums[3], sums[4], sums[5].astype(np.int64))


def whole_weights(weights: F64, stride: int) -> NDArray[np.int64]:
    """Return every so many weights of a bin as whole numbers from one on that sum to less than 2³¹."""
    chosen = weights[::stride]
    whole = np.zeros(weights.size, np.int64)
    scale = (_MOST_WEIGHT - chosen.size) / total(chosen) if chosen.any() else 0.0
    whole[::stride] = np.maximum(1, chosen * scale)
    return whole


class _Quantile(NamedTuple):
    """Where a quantile lies: its value, and the weight of the pixels below it and at it."""

    value: np.float32
    below: float
    at: float


def quantile(key: NDArray[np.float32], weights: NDArray[np.int64], part: float) -> _Quantile:
    """Return the lowest value up to which, itself included, lies that part of the weight."""
    values = np.unique(key)
    at = np.array([weights[key == value].sum() for value in values])
    upto = np.cumsum(at)
    k = int(np.searchsorted(upto, max(1, ceil(part * float(upto[-1])))))
    return _Quantile(values[k], float(upto[k] - at[k]), float(at[k]))


def trimmed(ring: _Ring, rule: Trim, *, scatter: bool) -> list[float]:
    """Return the sums over the part of the pixels between two quantiles."""
    key = ring.v.astype(np.float32)
    low, high = (quantile(key, ring.whole, percent / 100.0) for percent in (rule.low, rule.high))
    whole = float(ring.whole.sum())
    part = ((key >= low.value) & (key <= high.value)).astype(np.float64)
    if rule.low < rule.high:
        part[key == low.value] = 1.0 - (rule.low / 100.0 * whole - low.below) / low.at
        top = key == high.value
        part[top] = part[top] - 1.0 + (rule.high / 100.0 * whole - high.below) / high.at
    sums = ring.sums(part)
    if scatter:
        moved = np.clip(ring.v, np.float64(low.value), np.float64(high.value))
        mean = total(ring.w * moved) / total(ring.w)
        sums[3] = total(np.square(ring.w * (moved - mean)))
    return sums


def clipped(ring: _Ring, rule: Clip, *, scatter: bool) -> list[float]:
    """Return the sums over the pixels that are left when those far from the mean are taken out."""
    keep = np.ones(ring.v.size, bool)
    median = None
    if not scatter and ring.whole.any():
        sample = ring.whole > 0
        median = float(quantile(ring.v[sample].astype(np.float32), ring.whole[sample], 0.5).value)
    for step in range(rule.iterations + 1):
        sums = ring.sums(keep.astype(np.float64))
        mean = sums[0] / sums[1]
        if scatter:
            sums[3] = total(np.square((ring.w * (ring.v - mean))[keep]))
        variance = sums[3] + sums[4]
        if step == rule.iterations or not variance > 0.0:
            break
        first = step == 0 and not scatter
        centre = mean if median is None or not first else median
        reach = cut_off(rule, sums[5]) * sqrt(variance / sums[2]) + 2.0**-40 * abs(centre)
        left = keep & (ring.v >= centre - reach) & (ring.v <= centre + reach)
        if left.any() and left.sum() < keep.sum():
            keep = left
        elif not first:
            break
    return sums


def cut_off(rule: Clip, count: float) -> float:
    """Return by how many standard deviations a pixel may be off, in a bin of so many."""
    if not rule.chauvenet:
        return rule.sigma
    square = 2.0 * log(count / sqrt(2.0 * pi))
    return max(rule.sigma, float(np.float32(sqrt(square))) if square > 0.0 else 0.0)
