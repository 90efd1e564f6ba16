"""One frame at one place of the detector: it is summed as its pixels are dealt out to the bins.

A plan pays for its table over many frames; here there is none, and the frame's invalid pixels are masked.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from aureole.azimuthal.batches import Item
from aureole.azimuthal.corrections import invalid_in_frames, pixels, shaped
from aureole.azimuthal.result import Bins, Sums, mean_of
from aureole.azimuthal.robust import variance_of_pixels
from aureole.azimuthal.spec import IntegrationSpec
from aureole.azimuthal.table import splitting
from aureole.kernels.cpu import decode
from aureole.kernels.sums import is_invalid, is_invalid_variance


def integrate_once(spec: IntegrationSpec, item: Item) -> tuple[Sums, Bins]:
    """Integrate one frame, on one thread.

    Parameters
    ----------
    spec : IntegrationSpec
        Whose axes have ranges; not a robust one.
    item : Item

    Returns
    -------
    Sums, Bins
        As a `Plan` gives them, to rounding. All bins are empty where no valid pixel lies in the ranges.

    Raises
    ------
    SpecError
        The shape of a frame is not known, or every pixel is masked.
    FrameError
        The frame, or its variance, cannot be decoded.
    """
    geometry = shaped(spec)
    known = pixels(spec, geometry, threads=1)
    raw = decode(item.frame)
    mask = known.mask | is_invalid(raw, invalid_in_frames(spec, geometry.detector, raw.dtype))
    variance = None if item.variance is None else decode(item.variance)
    if variance is not None:
        mask |= is_invalid_variance(variance)
    dealt = splitting(
        geometry,
        spec.radial,
        spec.azimuthal,
        split=spec.split,
        mask=mask,
        chi_discontinuity=spec.chi_discontinuity,
        sample=spec.sample,
    )
    summed = partial(
        dealt.frame_sums,
        raw,
        known.norm,
        rule=variance_of_pixels(spec),
        variance=variance,
        dark=known.dark,
        dark_variance=known.dark_variance,
    )
    found = summed()
    bins = Bins.of(spec, dealt.radial, dealt.azimuthal)
    if spec.error_model == "poisson":
        one_count = np.divide(found.ones2, found.ones, out=np.zeros(found.ones.shape), where=found.count > 0)
        bins = replace(bins, one_count=one_count.reshape(bins.shape))
    sums = Sums(
        signal=found.signal,
        normalization=found.norm,
        normalization2=found.norm2,
        count=found.count,
        variance=None if spec.error_model is None else found.variance,
        dark_deviation=None if known.dark_variance is None else np.sqrt(found.dark_variance),
    )
    if spec.error_model == "azimuthal":
        about = summed(mean=mean_of(sums))
        sums = replace(sums, variance=about.square_about, weighted=about.weighted)
    sums = sums.apply(lambda part: part.reshape(bins.shape))
    return sums.with_monitor(np.array([item.monitor])), bins
