"""How much memory a plan takes, known before it is taken."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from aureole.axis import Axis
from aureole.azimuthal.spec import IntegrationSpec
from aureole.azimuthal.table import build_entries
from aureole.errors import SpecError
from aureole.geometry import Geometry
from aureole.threads import share_of_memory

_OF_BIN, _OF_ENTRY = 260, 16
"""Bytes at the most while a table is made and one frame integrated, as measured."""
_MOST = np.iinfo(np.int32).max
_FEW = 2048
"""Bins of an axis on which shares are counted: from there on they grow in proportion to the bins."""
_SAMPLE = 16
"""One pixel of so many is looked at."""


def check_memory(
    spec: IntegrationSpec, geometry: Geometry, mask: NDArray[np.bool_], *, threads: int = 1
) -> None:
    """Refuse bins that would take more than half of the machine's memory.

    Parameters
    ----------
    spec : IntegrationSpec
    geometry : Geometry
        Its geometry, with a detector of known shape (n1, n2).
    mask : ndarray of bool, shape (n1, n2)
        True where a pixel has no share in any bin.
    threads : int

    Raises
    ------
    SpecError
        There are too many bins, or too many shares of pixels in them.
    """
    axes = [axis for axis in (spec.radial, spec.azimuthal) if axis is not None]
    counts = [axis.bins for axis in axes if axis.bins is not None]
    bins, limit = prod(counts), 2 * share_of_memory()
    if not counts or bins > _MOST:  # said by `build_entries`
        return
    of_bins = _OF_BIN * bins
    if of_bins + _OF_ENTRY * _most_entries(spec, mask) <= limit:
        return
    of_entries = 0.0
    if of_bins <= limit:
        of_entries = _OF_ENTRY * estimated_entries(spec, geometry, mask, threads=threads)
    if of_bins + of_entries <= limit:
        return
    what = f"{' x '.join(map(str, counts))} bins" + f" with the splitting {spec.split!r}" * (of_entries > 0)
    less = "ask for fewer bins" + ", or for the splitting 'no'" * (of_entries > of_bins)
    raise SpecError(_too_much(what, of_bins + of_entries, less))


def check_bins(spec: IntegrationSpec) -> None:
    """Raise `SpecError` where the bins alone would take more than half of the memory, without a table."""
    axes = [axis for axis in (spec.radial, spec.azimuthal) if axis is not None]
    counts = [axis.bins for axis in axes if axis.bins is not None]
    if counts and _OF_BIN * prod(counts) > 2 * share_of_memory():
        what = f"{' x '.join(map(str, counts))} bins"
        raise SpecError(_too_much(what, _OF_BIN * prod(counts), "ask for fewer"))


def _too_much(what: str, nbytes: float, less: str) -> str:
    return (
        f"{what} would take {nbytes / 1e9:.3g} GB of memory, more than half of this machine's, "
        f"{2 * share_of_memory() / 1e9:.3g} GB: {less}"
    )


def _most_entries(spec: IntegrationSpec, mask: NDArray[np.bool_]) -> int:
    """Return more shares of pixels in bins than there can well be, without looking at any pixel.

    Where all pixels have shares in a few bins each there are about as many as pixels; a narrow bin is seen by
    the pixels along a line, of which a circle within the detector has about twice its rows and columns.
    """
    if spec.split == "no":
        return mask.size
    counts = [1 if axis is None or axis.bins is None else axis.bins for axis in (spec.radial, spec.azimuthal)]
    return 2 * mask.size + 2 * sum(mask.shape) * sum(counts) + 2 * prod(counts)


def estimated_entries(
    spec: IntegrationSpec, geometry: Geometry, mask: NDArray[np.bool_], *, threads: int = 1
) -> float:
    """Return about how many shares of pixels in bins there are, from those of some pixels in fewer bins.

    Parameters and errors are those of `check_memory`.
    """
    valid = np.flatnonzero(~mask.ravel())
    if spec.split == "no" or not valid.size:
        return float(valid.size)
    some = valid[::_SAMPLE]
    others = np.ones(mask.size, bool)
    others[some] = False
    table = build_entries(
        geometry,
        _coarse(spec.radial),
        _coarse(spec.azimuthal),
        split=spec.split,
        mask=others.reshape(mask.shape),
        chi_discontinuity=spec.chi_discontinuity,
        sample=spec.sample,
        threads=threads,
    )
    shares = np.diff(table.entries.pixel_ptr)
    seen = int(np.count_nonzero(shares))
    finer = prod(
        axis.bins / min(axis.bins, _FEW)
        for axis in (spec.radial, spec.azimuthal)
        if axis is not None and axis.bins is not None
    )
    # a pixel has a share in one bin, and in one more for each border that it reaches across
    return (seen + (int(shares.sum()) - seen) * finer) * valid.size / some.size


def _coarse(axis: Axis | None) -> Axis | None:
    return axis if axis is None or axis.bins is None else replace(axis, bins=min(axis.bins, _FEW))
