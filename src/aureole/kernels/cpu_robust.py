"""The compiled robust averages: trimmed and clipped means of each bin, of several frames at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aureole import _core
from aureole.frames import EncodedFrame
from aureole.kernels.cpu import common_dtype, encoded, failure
from aureole.kernels.robust import PixelRows, RobustSums, Rule, Trim
from aureole.kernels.sums import Entries

F64 = NDArray[np.float64]

MAX_FRAMES = int(_core.ROBUST_LANES)
"""Frames that one call of `robust` takes at most."""

VARIANCE = {"none": 0, "raw": 1, "floor": 2, "frames": 3, "scatter": 4}


class Rings:
    """Entries by bin, with what is known of their pixels, and memory that batches leave to the next.

    Parameters
    ----------
    entries : Entries
        The sparse table by pixel.
    pixels : PixelRows
    """

    def __init__(self, entries: Entries, pixels: PixelRows) -> None:
        self.n_pixels, self.n_bins = entries.n_pixels, entries.n_bins
        self.native = _core.Rings(
            np.ascontiguousarray(entries.pixel_ptr, np.int64),
            np.ascontiguousarray(entries.bins, np.int32),
            np.ascontiguousarray(entries.coefs, np.float32),
            entries.n_bins,
            np.ascontiguousarray(pixels.norm, np.float64),
            *(None if row is None else np.ascontiguousarray(row, np.float64) for row in pixels[1:]),
        )


def robust(
    rings: Rings,
    frames: Sequence[EncodedFrame],
    *,
    rule: Rule,
    invalid: F64,
    variance: str,
    variance_frames: Sequence[EncodedFrame] = (),
    isa: str = "",
) -> RobustSums:
    """Decode a batch of frames, and average the pixels of each bin that do not stand out; releases the GIL.

    Parameters
    ----------
    rings : Rings
    frames : sequence of EncodedFrame
        At most `MAX_FRAMES`, all of one dtype.
    rule : Trim or Clip
    invalid : ndarray, shape (K, 2)
        Closed intervals of raw values that are invalid, at most eight; NaN always is.
    variance : {"none", "raw", "floor", "frames", "scatter"}
        What the variance of a pixel is: nothing, the raw value, the raw value but at least one,
        `variance_frames`, or the scatter within the bin.
    variance_frames : sequence of EncodedFrame
        Variances of the pixels, for ``"frames"``; all of one dtype.
    isa : str, optional
        Name of an instruction set of `isas`; by default the one that this process runs.

    Returns
    -------
    RobustSums
        Sums of each frame; their bits do not depend on the other frames of the batch.
    """
    sums = np.empty((6, len(frames), rings.n_bins))
    numbers = (
        (True, rule.low / 100.0, rule.high / 100.0, False, False)
        if isinstance(rule, Trim)
        else (False, rule.sigma, float(rule.iterations), rule.chauvenet, rule.by_scatter)
    )
    statuses, of_variance = _core.robust(
        rings.native,
        encoded(frames),
        common_dtype(frames),
        np.ascontiguousarray(invalid, np.float64),
        numbers,
        VARIANCE[variance],
        encoded(variance_frames),
        common_dtype(variance_frames),
        sums,
        isa,
    )
    failures = [
        failure(status, (variance_frames if of_variance[i] else frames)[i].name) if status else None
        for i, status in enumerate(statuses)
    ]
    return RobustSums(failures, sums[0], sums[1], sums[2], sums[3], sums[4], sums[5].astype(np.int64))
