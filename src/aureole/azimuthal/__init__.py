"""Azimuthal integration: a spec says what is wanted, a plan is made of it once, results add up."""

from aureole.azimuthal.batches import Batch
from aureole.azimuthal.plan import Plan
from aureole.azimuthal.result import Bins, Cake, Difference, Pattern, Result, Sums, subtract
from aureole.azimuthal.shortcuts import integrate1d, integrate2d
from aureole.azimuthal.spec import IntegrationSpec, NamedArray

__all__ = [
    "Batch",
    "Bins",
    "Cake",
    "Difference",
    "IntegrationSpec",
    "NamedArray",
    "Pattern",
    "Plan",
    "Result",
    "Sums",
    "integrate1d",
    "integrate2d",
    "subtract",
]
