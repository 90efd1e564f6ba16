"""Azimuthal integration: a spec says what is wanted, a plan is made of it once, results add up."""

from aureole.azimuthal.batches import Batch
from aureole.azimuthal.plan import Plan
from aureole.azimuthal.result import Bins, Cake, Difference, Pattern, Result, Sums, subtract
from aureole.azimuthal.shortcuts import integrate1d, integrate2d
from aureole.azimuthal.sparse import SparseBatch, SparsePlan
from aureole.azimuthal.spec import IntegrationSpec, NamedArray
from aureole.kernels.pick import Peaks, Picking
from aureole.kernels.robust import Clip, Trim
from aureole.kernels.sparse import SparseFrame, SparseLayout, densify

__all__ = [
    "Batch",
    "Bins",
    "Cake",
    "Clip",
    "Difference",
    "IntegrationSpec",
    "NamedArray",
    "Pattern",
    "Peaks",
    "Picking",
    "Plan",
    "Result",
    "SparseBatch",
    "SparseFrame",
    "SparseLayout",
    "SparsePlan",
    "Sums",
    "Trim",
    "densify",
    "integrate1d",
    "integrate2d",
    "subtract",
]
