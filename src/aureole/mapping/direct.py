"""Peaks of voxels from the sinograms themselves, begun at those of the reconstructed patterns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aureole.mapping.patterns import Estimate, Window
from aureole.mapping.peaks import fit_peaks
from aureole.mapping.tomogram import Prepared, Tomogram
from aureole.tomo.dlsr import DirectLeastSquares, VoxelPeaks

DIRECT = ("area", "position", "fwhm", "background")
"""What images there are of a peak that was fitted directly."""
_ROUGHNESS = 0.2
"""By how much positions and widths of neighbouring voxels are taken to differ, in bins."""


def direct_peaks(
    prepared: Prepared,
    found: Tomogram,
    radial: NDArray[np.float64],
    window: Window,
    *,
    threads: int | None = None,
) -> dict[str, Estimate]:
    """Fit the one peak of each voxel against the sinograms (`aureole.tomo.DirectLeastSquares`).

    Parameters
    ----------
    prepared : Prepared
        Sinograms of a layer.
    found : Tomogram
        What was reconstructed of them.
    radial : ndarray, shape (bins,)
    window : (float, float)
        First and last radial position that count.
    threads : int, optional

    Returns
    -------
    dict of str to Estimate
        Images of `DIRECT`; their uncertainties are not known.

    Raises
    ------
    SpecError
        There is no peak in the window, or it has too few bins.
    """
    start = fit_peaks(radial, found.intensity, found.sigma, window=window, shape="gaussian", threads=threads)
    inside = (radial >= window[0]) & (radial <= window[1])
    given = prepared.given.each(lambda part: np.moveaxis(part[..., inside[prepared.channels]], -1, 0))
    radial = radial[inside & prepared.channels]
    direct = DirectLeastSquares(
        prepared.beam, radial, roughness=None if given.variances is None else _ROUGHNESS * _step(radial)
    )
    fit = direct.fit(
        given.sinograms,
        VoxelPeaks(
            position=start.position.value[None],
            fwhm=start.fwhm.value[None],
            area=start.area.value[None],
            background=start.background.value,
            slope=start.slope.value,
        ),
        sigma=None if given.variances is None else np.sqrt(given.variances),
        threads=threads,
    )
    parts = (fit.peaks.area, fit.peaks.position, fit.peaks.fwhm, fit.peaks.background)
    images = [np.asarray(part, np.float64).reshape(start.area.value.shape) for part in parts]
    unknown = np.full(start.area.value.shape, np.nan)
    return {name: Estimate(image, unknown) for name, image in zip(DIRECT, images, strict=True)}


def _step(radial: NDArray[np.float64]) -> float:
    return float(np.median(np.diff(radial)))
