"""Azimuthal integration: a spec says what is wanted, a plan is made of it once, results add up."""

from aureole.azimuthal.batches import Batch
from aureole.azimuthal.multi import MultiSpec
from aureole.azimuthal.plan import Plan
from aureole.azimuthal.result import Bins, Cake, Difference, Pattern, Result, Sums, subtract
from aureole.azimuthal.shortcuts import integrate1d, integrate2d
from aureole.azimuthal.spec import IntegrationSpec, NamedArray
from aureole.kernels.robust import Clip, Trim

__all__ = [
    "Batch",
    "Bins",
    "Cake",
    "Clip",
    "Difference",
    "IntegrationSpec",
    "MultiSpec",
    "NamedArray",
    "Pattern",
    "Plan",
    "Result",
    "Sums",
    "Trim",
    "integrate1d",
    "integrate2d",
    "subtract",
]
