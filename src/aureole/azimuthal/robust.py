"""What the kernels of robust averages are told of a spec, and how what they give becomes sums."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aureole.azimuthal.result import Sums
from aureole.azimuthal.spec import IntegrationSpec
from aureole.kernels.robust import Clip, RobustSums


def variance_of_pixels(spec: IntegrationSpec) -> str:
    """Return what the kernels call the variance of a pixel.

    Clipping needs one even if no errors are asked for: the scatter. The plain mean has none in the azimuthal
    model, whose errors are those of a second pass.
    """
    if spec.error_model is None:
        return "scatter" if isinstance(spec.robust, Clip) else "none"
    if spec.error_model == "azimuthal":
        return "none" if spec.robust is None else "scatter"
    return {"variance": "frames", "poisson": "raw", "poisson_floor": "floor"}[spec.error_model]


def robust_sums(spec: IntegrationSpec, kept: RobustSums, shape: tuple[int, ...]) -> Sums:
    """Return the sums of the frames that are sound, of the shape of the bins."""
    rows = np.flatnonzero([failure is None for failure in kept.failures])

    def of_bins(part: NDArray[Any]) -> NDArray[Any]:
        return part[rows].reshape(len(rows), *shape)

    return Sums(
        signal=of_bins(kept.signal),
        normalization=of_bins(kept.normalization),
        normalization2=of_bins(kept.normalization2),
        count=of_bins(kept.count),
        variance=None if spec.error_model is None else of_bins(kept.variance),
        dark_deviation=None if spec.dark_variance is None else np.sqrt(of_bins(kept.dark_variance)),
    )
