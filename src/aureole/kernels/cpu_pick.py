"""The compiled search for pixels that stand out: decoded, clipped and compared, of several frames at once."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import numpy as np

from aureole import _core
from aureole.frames import EncodedFrame
from aureole.kernels.cpu import common_dtype, encoded, failure
from aureole.kernels.cpu_robust import VARIANCE, Rings
from aureole.kernels.pick import Picked, PickedFrames, Picking, PixelPlaces
from aureole.kernels.robust import F64, Clip


def places(given: PixelPlaces) -> _core.PixelPlaces:
    """Return the places of pixels as the kernel takes them."""
    return _core.PixelPlaces(
        np.ascontiguousarray(given.place, np.float32),
        np.ascontiguousarray(given.inverse, np.float64),
        given.n_bins,
        given.columns,
    )


def pick(
    rings: Rings,
    frames: Sequence[EncodedFrame],
    *,
    places: _core.PixelPlaces,
    rule: tuple[Clip, Picking],
    invalid: F64,
    variance: str,
    variance_frames: Sequence[EncodedFrame] = (),
    isa: str = "",
) -> PickedFrames:
    """Decode a batch of frames, clip, and pick the pixels that stand out; releases the GIL.

    Parameters
    ----------
    rings : Rings
    frames : sequence of EncodedFrame
        At most `aureole.kernels.cpu_robust.MAX_FRAMES`, all of one dtype.
    places : PixelPlaces
        Of the pixels of these rings.
    rule : tuple of Clip and Picking
        What pixels are no background, and which stand out above it.
    invalid, variance, variance_frames, isa
        As for `aureole.kernels.cpu_robust.robust`; the variance is not ``"none"``.

    Returns
    -------
    PickedFrames
        Of each frame; its bits do not depend on the other frames of the batch.
    """
    clip, picking = rule
    background = np.empty((2, len(frames), rings.n_bins))
    peaks = picking.peaks
    shape = (inf, 0, 0) if peaks is None else (peaks.cutoff, peaks.patch // 2, peaks.connected)
    statuses, of_variance, found = _core.pick(
        rings.native,
        encoded(frames),
        common_dtype(frames),
        np.ascontiguousarray(invalid, np.float64),
        (clip.sigma, clip.iterations, clip.chauvenet, clip.by_scatter),
        VARIANCE[variance],
        encoded(variance_frames),
        common_dtype(variance_frames),
        places,
        (picking.cutoff, picking.noise, *shape),
        background,
        isa,
    )
    failures = [
        failure(status, (variance_frames if of_variance[i] else frames)[i].name) if status else None
        for i, status in enumerate(statuses)
    ]
    picked = [
        None
        if failures[i] is not None
        else Picked(background[0, i], background[1, i], pixels, values.astype(frames[i].dtype), bad, peaks)
        for i, (pixels, values, bad, peaks) in enumerate(found)
    ]
    return PickedFrames(failures, picked)
