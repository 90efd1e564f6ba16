"""One image of several: darks and flats that were measured more than once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aureole.azimuthal import IntegrationSpec, NamedArray
from aureole.azimuthal.corrections import invalid_values
from aureole.frames import check_pixels
from aureole.io.images import read_image, to_array
from aureole.io.series import Frames, open_frames
from aureole.kernels.sums import is_invalid

F64 = NDArray[np.float64]


class Average(NamedTuple):
    """An image, and the variance of its pixels where it is a mean; each named after its sources."""

    image: NamedArray
    variance: NamedArray | None


def average(sources: Sequence[str], spec: IntegrationSpec) -> Average:
    """Read images and average them.

    Parameters
    ----------
    sources : sequence of str
        Whatever `aureole.open_frames` takes. A single image is left as it is.
    spec : IntegrationSpec
        Says which values are invalid.

    Raises
    ------
    InputError, FrameError
        An image cannot be used.
    """
    name = ", ".join(sources)
    if len(sources) == 1 and Path(sources[0]).suffix.lower() == ".npy":
        return Average(NamedArray(name, read_image(sources[0])), None)
    with open_frames(sources if len(sources) > 1 else sources[0]) as frames:
        if len(frames) == 1:
            return Average(NamedArray(name, to_array(frames[0])), None)
        mean, variance = mean_of(frames, spec)
    return Average(NamedArray(name, mean), NamedArray(f"variance of {name}", variance))


def mean_of(frames: Frames, spec: IntegrationSpec) -> tuple[F64, F64]:
    """Return the mean of frames and its variance by their scatter, Σ(x - mean)² / (n (n - 1)).

    Each pixel is averaged over the n frames in which it is valid. The mean is NaN where n is 0, its variance
    where n is less than 2.
    """
    shape = frames.shape
    count, mean, square = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for frame in frames:
        check_pixels(frame, shape)
        image = to_array(frame).astype(np.float64)
        valid = ~is_invalid(image, invalid_values(spec, spec.geometry.detector, frame.dtype))
        count += valid
        step = np.subtract(image, mean, out=np.zeros(shape), where=valid)
        mean += step / np.maximum(count, 1.0)
        square += step * np.subtract(image, mean, out=np.zeros(shape), where=valid)
    mean[count < 1] = np.nan
    variance = np.divide(square, count * (count - 1.0), out=np.full(shape, np.nan), where=count > 1)
    return mean, variance
