"""Where geometry becomes a sparse table: which fraction of each pixel falls into which bin.

The native kernel works out the shares; `aureole.kernels.reference_split` says what they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, inf
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from aureole import _core
from aureole.axis import Axis
from aureole.azimuthal.spec import IntegrationSpec, Split
from aureole.errors import GeometryError, SpecError
from aureole.geometry import Discontinuity, Geometry
from aureole.kernels.sums import Entries
from aureole.units import Unit, unit

F64 = NDArray[np.float64]

MODES: dict[str, int] = {name: number for number, name in enumerate(get_args(Split))}
"""What the kernel calls each way of splitting."""

_BEYOND = ("reciprocal", "log", "log10")
"""Functions that make a coordinate infinite on the beam."""


@dataclass(frozen=True, slots=True, eq=False)
class SplitTable:
    """The table of a geometry and its axes, and where the bins are.

    Attributes
    ----------
    entries : Entries
        By pixel; the flat bin is ``azimuthal_bin * n + radial_bin`` with n radial bins; an axis without bins
        has one.
    radial, azimuthal : tuple of float, or None
        Lower edge of the first bin and upper edge of the last, in the unit of the axis; None without an axis.
    """

    entries: Entries
    radial: tuple[float, float] | None
    azimuthal: tuple[float, float] | None


def build_entries(
    geometry: Geometry,
    radial: Axis | None,
    azimuthal: Axis | None,
    *,
    split: Split = "bbox",
    mask: NDArray[np.bool_] | None = None,
    chi_discontinuity: Discontinuity = "pi",
    threads: int = 1,
) -> SplitTable:
    """Work out which fraction of each pixel falls into which bin.

    An axis with a range and no bins restricts: it has one bin, and the fraction of a pixel outside of it is
    lost. The azimuth closes after a turn, so that a range may lie anywhere, across the discontinuity too.

    Parameters
    ----------
    geometry : Geometry
        With a detector of known shape (n1, n2).
    radial, azimuthal : Axis or None
        At least one of them has bins.
    split : {"no", "bbox", "pseudo", "full"}
        By the pixel's centre; by the box of half-widths "largest distance from centre to corner"; by the
        bounding box of its corners, shrunk to their polygon's area; by the polygon.
    mask : ndarray of bool, shape (n1, n2), optional
        True where a pixel has no entries and no say in the range of an axis. It replaces the detector's own.
    chi_discontinuity : {"pi", "zero"}
        Where an azimuthal axis without a range starts, when it has to go all the way round.
    threads : int
        How many work on it; the result is the same bits for any number.

    Returns
    -------
    SplitTable

    Raises
    ------
    SpecError
        No axis with bins, an axis of the wrong kind, an unknown way of splitting, a mask of another shape,
        too many bins, or an axis without a range where no pixel is left to take it from.
    GeometryError
        A unit needs a wavelength, or the detector has no shape.
    """
    axes = [axis for axis in (radial, azimuthal) if axis is not None]
    if not any(axis.bins for axis in axes):
        raise SpecError("there is nothing to bin: give the radial or the azimuthal axis a number of bins")
    if radial is not None:
        unit(radial.unit, "radial")
    if azimuthal is not None:
        unit(azimuthal.unit, "azimuthal")
    if split not in MODES:
        raise SpecError(f"unknown splitting {split!r}: known are {', '.join(MODES)}")
    counts = [1 if axis is None or axis.bins is None else axis.bins for axis in (radial, azimuthal)]
    if counts[0] * counts[1] > np.iinfo(np.int32).max:
        raise SpecError(f"{counts[0]} x {counts[1]} bins are more than 2^31 - 1: ask for fewer")
    pixels = _pixels(geometry, radial, azimuthal, split=split, mask=mask, chi_discontinuity=chi_discontinuity)
    low, high, first, last = _extent(pixels, radial, azimuthal, split, chi_discontinuity, threads)
    along = None if radial is None else radial.resolve(low, high)
    around = None if azimuthal is None else azimuthal.resolve(first, last)
    found = _core.split(MODES[split], pixels, _scale(radial, along), _scale(azimuthal, around), threads)
    return SplitTable(Entries(*found, counts[0] * counts[1]), along, around)


def extent(spec: IntegrationSpec, mask: NDArray[np.bool_], threads: int = 1) -> tuple[float, ...]:
    """Return how far the pixels of a spec reach along the axes that have no range of their own.

    Parameters
    ----------
    spec : IntegrationSpec
        Of which the detector has a shape.
    mask : ndarray of bool, shape (n1, n2)
        True where a pixel has no say.
    threads : int

    Returns
    -------
    tuple of float
        Smallest and largest radial coordinate, and the same of the azimuth; infinity and minus infinity for
        an axis that has a range, or is not there.
    """
    turn = spec.chi_discontinuity
    radial, azimuthal = spec.radial, spec.azimuthal
    pixels = _pixels(spec.geometry, radial, azimuthal, split=spec.split, mask=mask, chi_discontinuity=turn)
    return _extent(pixels, radial, azimuthal, spec.split, turn, threads)


def _extent(
    pixels: _core.Pixels,
    radial: Axis | None,
    azimuthal: Axis | None,
    split: Split,
    chi_discontinuity: Discontinuity,
    threads: int,
) -> tuple[float, float, float, float]:
    wanted = [axis is not None and axis.range is None for axis in (radial, azimuthal)]
    if not any(wanted):
        return inf, -inf, inf, -inf
    turn = 0.0 if chi_discontinuity == "zero" else -0.5 * _azimuth(azimuthal)[1]
    low, high, first, last = _core.extent(MODES[split], pixels, wanted[0], wanted[1], turn, threads)
    return low, high, first, last


def _azimuth(axis: Axis | None) -> tuple[Unit, float]:
    """Return the unit of the azimuth and its turn; without an axis any will do."""
    known = unit(axis.unit if axis is not None else "chi_rad")
    assert known.period is not None
    return known, known.period


def _pixels(
    geometry: Geometry,
    radial: Axis | None,
    azimuthal: Axis | None,
    *,
    split: Split,
    mask: NDArray[np.bool_] | None,
    chi_discontinuity: Discontinuity,
) -> _core.Pixels:
    """Return mask and coordinates as the kernel takes them: it computes those that a splitting needs."""
    shape = geometry.shape
    masked = np.zeros(shape, bool) if mask is None else np.array(mask, bool)
    if masked.shape != shape:
        raise SpecError(f"the mask has shape {masked.shape} and the detector {shape}")
    # Near the beam the azimuth makes no sense without a radius; any will do.
    rho = unit(radial.unit if radial is not None else "r_m")
    chi, period = _azimuth(azimuthal)
    infinite = rho.function in _BEYOND
    if infinite and split != "no":
        _mask_beam(geometry, masked)
    grid = geometry.grid()
    rho_field, chi_field = (
        _core.Coordinate(geometry.field(known, chi_discontinuity=chi_discontinuity)) for known in (rho, chi)
    )
    return _core.Pixels(
        shape,
        rho_field,
        chi_field,
        masked.view(np.uint8),
        _core.Grid(grid.rows, grid.columns, grid.row_edges, grid.column_edges),
        period,
        rho.positive and not infinite,
    )


def _mask_beam(geometry: Geometry, mask: NDArray[np.bool_]) -> None:
    """Mask the pixels that the beam touches: where the coordinate is infinite there, they have no extent."""
    try:
        beam = geometry.beam_center()
    except GeometryError:  # it does not meet the detector
        return
    if any(abs(at) > 1e9 for at in beam):
        return
    touched = [
        slice(max(0, floor(at - 1e-6)), min(size, max(0, floor(at + 1e-6) + 1)))
        for at, size in zip(beam, mask.shape, strict=True)
    ]
    mask[touched[0], touched[1]] = True


def _scale(axis: Axis | None, found: tuple[float, float] | None) -> _core.SplitAxis | None:
    """Return the axis as the kernel takes it."""
    if axis is None or found is None:
        return None
    known = axis.definition
    return _core.SplitAxis(*found, axis.bins or 1, known.period or 0.0, 0.0 if known.positive else -inf)
