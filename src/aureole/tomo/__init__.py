"""Tomography with parallel rays: sinograms to slices, thousands of channels at once, with variances."""

from aureole.tomo.beam import ParallelBeam
from aureole.tomo.dlsr import DirectFit, DirectLeastSquares, VoxelPeaks
from aureole.tomo.fbp import FilteredBackprojection
from aureole.tomo.iterative import cgls, mlem, osem, sirt, total_variation
from aureole.tomo.rays import project
from aureole.tomo.windows import WINDOWS

__all__ = [
    "WINDOWS",
    "DirectFit",
    "DirectLeastSquares",
    "FilteredBackprojection",
    "ParallelBeam",
    "VoxelPeaks",
    "cgls",
    "mlem",
    "osem",
    "project",
    "sirt",
    "total_variation",
]
