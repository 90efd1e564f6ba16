"""Where geometry becomes a sparse table: which fraction of each pixel falls into which bin.

The native kernel works out the shares; `aureole.kernels.reference_split` says what they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import floor, inf
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from aureole import _core
from aureole.axis import Axis
from aureole.azimuthal.spec import Split
from aureole.errors import GeometryError, SpecError
from aureole.geometry import Discontinuity, Geometry, Sample
from aureole.kernels.sums import Entries
from aureole.units import Unit, unit

F64 = NDArray[np.float64]

MODES: dict[str, int] = {name: number for number, name in enumerate(get_args(Split))}
"""What the kernel calls each way of splitting."""

_BEYOND = ("reciprocal", "log", "log10")
"""Functions that make a coordinate infinite on the beam."""

_BESIDE = {
    **dict.fromkeys(("in_plane", "across", "along"), "qoop_nm^-1"),
    **{"out_of_plane": "qxgi_nm^-1", "slow": "p2_m", "fast": "p1_m"},
    **{"exit_vert": "exit_angle_horz_rad", "exit_horz": "exit_angle_vert_rad"},
    **{"ray_vert": "scattering_angle_horz_rad", "ray_horz": "scattering_angle_vert_rad"},
}
"""The other coordinate of a pixel's outline, where polar ones have none to go with this."""


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
    sample: Sample | None = None,
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
    sample : Sample, optional
        How the sample stands in the beam, for units that need it.
    threads : int
        How many work on it; the result is the same bits for any number.

    Returns
    -------
    SplitTable

    Raises
    ------
    SpecError
        No axis with bins, an axis of the wrong kind, an unknown way of splitting, a mask of another shape,
        too many bins, no sample where one is needed, or an axis without a range where no pixel is left to
        take it from.
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
    rho, chi = _coordinates(radial, azimuthal)
    field = partial(geometry.field, chi_discontinuity=chi_discontinuity, sample=sample)
    beam_masked = split != "no" and rho.function in _BEYOND
    pixels = _core.Pixels(
        geometry.shape,
        _core.Coordinate(field(rho)),
        _core.Coordinate(field(chi)),
        _masked(geometry, mask, beam=beam_masked).view(np.uint8),
        period=chi.period or inf,
        radius=rho.positive and chi.period is not None and rho.function not in _BEYOND,
        **geometry.pixels().for_kernels(),
    )
    mode = MODES[split]
    low, high, first, last = inf, -inf, inf, -inf
    wanted = [axis is not None and axis.range is None for axis in (radial, azimuthal)]
    if any(wanted):
        turn = 0.0 if chi_discontinuity == "zero" else -0.5 * (chi.period or 0.0)
        low, high, first, last = _core.extent(mode, pixels, wanted[0], wanted[1], turn, threads)
    along = None if radial is None else radial.resolve(low, high)
    around = None if azimuthal is None else azimuthal.resolve(first, last)
    found = _core.split(mode, pixels, _scale(radial, along), _scale(azimuthal, around), threads)
    return SplitTable(Entries(*found, counts[0] * counts[1]), along, around)


def _coordinates(radial: Axis | None, azimuthal: Axis | None) -> tuple[Unit, Unit]:
    """Return the units of both axes; in the place of one that is missing, what outlines of pixels need.

    An outline has two coordinates, and near the beam the azimuth makes no sense without a radius.
    """
    rho = None if radial is None else unit(radial.unit)
    chi = None if azimuthal is None else unit(azimuthal.unit)
    beside_rho = "chi_rad" if rho is None else _BESIDE.get(rho.base, "chi_rad")
    beside_chi = "r_m" if chi is None else _BESIDE.get(chi.base, "r_m")
    return rho or unit(beside_chi), chi or unit(beside_rho)


def _masked(geometry: Geometry, mask: NDArray[np.bool_] | None, *, beam: bool) -> NDArray[np.bool_]:
    """Return a copy of the mask, with the pixels that the beam touches where they have no extent."""
    masked = np.zeros(geometry.shape, bool) if mask is None else np.array(mask, bool)
    if masked.shape != geometry.shape:
        raise SpecError(f"the mask has shape {masked.shape} and the detector {geometry.shape}")
    if beam:
        _mask_beam(geometry, masked)
    return masked


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
