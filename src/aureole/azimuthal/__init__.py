"""Azimuthal integration: a spec says what is wanted, a plan is made of it once, results add up."""

from aureole.arrays import NamedArray
from aureole.azimuthal.batches import Batch
from aureole.azimuthal.bins import bins_along_radius, most_bins
from aureole.azimuthal.inpaint import Inpainter, inpaint
from aureole.azimuthal.multi import MultiSpec
from aureole.azimuthal.plan import Plan
from aureole.azimuthal.polarization import Polarization, fit_polarization
from aureole.azimuthal.project import back_project
from aureole.azimuthal.regrid import Regridding, regridding
from aureole.azimuthal.result import Bins, Cake, Difference, Pattern, Result, Sums, subtract
from aureole.azimuthal.separate import Separation, Separator, separate
from aureole.azimuthal.shortcuts import integrate1d, integrate2d
from aureole.azimuthal.sparse import SparseBatch, SparsePlan
from aureole.azimuthal.spec import IntegrationSpec
from aureole.kernels.pick import Peaks, Picking
from aureole.kernels.robust import Clip, Trim
from aureole.kernels.sparse import SparseFrame, SparseLayout, densify

__all__ = [
    "Batch",
    "Bins",
    "Cake",
    "Clip",
    "Difference",
    "Inpainter",
    "IntegrationSpec",
    "MultiSpec",
    "NamedArray",
    "Pattern",
    "Peaks",
    "Picking",
    "Plan",
    "Polarization",
    "Regridding",
    "Result",
    "Separation",
    "Separator",
    "SparseBatch",
    "SparseFrame",
    "SparseLayout",
    "SparsePlan",
    "Sums",
    "Trim",
    "back_project",
    "bins_along_radius",
    "densify",
    "fit_polarization",
    "inpaint",
    "integrate1d",
    "integrate2d",
    "most_bins",
    "regridding",
    "separate",
    "subtract",
]
