"""Filtered backprojection as a plain sum in float64: slow, obvious, and the oracle of the fast one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aureole.tomo.beam import ParallelBeam


def backproject(
    beam: ParallelBeam, sinogram: NDArray[np.float64], spectrum: NDArray[np.float64], *, squared: bool = False
) -> NDArray[np.float64]:
    """Add up what each pixel of a sinogram gives to each pixel of a slice.

    The weight is the filter's impulse response at the distance of pixel and ray: a sum of cosines.

    Parameters
    ----------
    beam : ParallelBeam
        Where the rays ran.
    sinogram : ndarray, shape (angles, translations)
    spectrum : ndarray, shape (length // 2 + 1,)
        The filter at the frequencies 0 to Nyquist of projections of `length` steps.
    squared : bool
        Whether weights enter squared: variances in, variances out.

    Returns
    -------
    ndarray, shape (size, size)
    """
    length = 2 * (len(spectrum) - 1)
    axis = np.arange(beam.size) - (beam.size - 1) / 2
    places = np.arange(beam.translations) - beam.rotation_center
    twice = np.full(len(spectrum), 2.0)
    twice[[0, -1]] = 1.0
    out = np.zeros((beam.size, beam.size))
    for angle, by, weight, projection in zip(beam.angles, beam.shifts, beam.weights, sinogram, strict=True):
        at = axis * np.cos(angle) + axis[:, None] * np.sin(angle) + by
        for place, share, value in zip(places, beam.shares, projection, strict=True):
            waves = np.cos(2 * np.pi * np.arange(len(spectrum)) / length * (at - place)[..., None])
            given = weight * share * (waves @ (twice * spectrum)) / length
            out += value * (given**2 if squared else given)
    return np.where(beam.seen, out, 0.0)
