"""Darks and flats: images are read, and averaged where there are several."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from aureole.azimuthal import IntegrationSpec, NamedArray
from aureole.io.images import read_image, to_array
from aureole.io.nexus_image import stored_variance
from aureole.io.series import open_frames
from aureole.runs.average import average_frames
from aureole.runs.report import RunOptions
from aureole.runs.treatment import Treatment


class Average(NamedTuple):
    """An image, and the variance of its pixels where it is known; each named after its sources."""

    image: NamedArray
    variance: NamedArray | None


def average(sources: Sequence[str], spec: IntegrationSpec) -> Average:
    """Read images for a reduction, darks or flats, and average them: `read_average` with what a spec says.

    Parameters
    ----------
    sources : sequence of str
    spec : IntegrationSpec
        Says which values are invalid. The gaps of its detector keep theirs.

    Raises
    ------
    InputError, FrameError
        An image cannot be used.
    """
    detector = spec.geometry.detector
    marks = Treatment(detector=detector, detector_mask=False, dummy=spec.dummy, delta_dummy=spec.delta_dummy)
    return read_average(sources, marks)


def read_average(sources: Sequence[str], treatment: Treatment) -> Average:
    """Read images and average them.

    Parameters
    ----------
    sources : sequence of str
        Whatever `aureole.open_frames` takes. A single image is left as it is; one that `aureole average` made
        has its variance with it (HDF5).
    treatment : Treatment
        Says which values of several images are invalid.

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
            image, variance = to_array(frames[0]), stored_variance(sources[0], frames.shape)
        else:
            found = average_frames(frames, treatment=treatment, options=RunOptions(strict=True))
            image, variance = found.image, found.variance
    named = None if variance is None else NamedArray(f"variance of {name}", variance)
    return Average(NamedArray(name, image), named)
