"""Arithmetic on arrays: decoders, the fused integrator, and their slow twins."""

from aureole.kernels.cpu import Table, decode, isas
from aureole.kernels.robust import Clip, Trim
from aureole.kernels.sums import BatchSums, Deviations, Entries, Projection

__all__ = ["BatchSums", "Clip", "Deviations", "Entries", "Projection", "Table", "Trim", "decode", "isas"]
