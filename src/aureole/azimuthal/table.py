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
from aureole.geometry import Discontinuity, Geometry, Sample
from aureole.kernels.cpu import VARIANCE, image
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


@dataclass(frozen=True, slots=True, eq=False)
class Splitting:
    """The pixels of a geometry, and the bins of its axes that they are dealt out to.

    Attributes
    ----------
    radial, azimuthal : tuple of float, or None
        As in `SplitTable`.
    n_bins : int
        Of all axes together.
    """

    radial: tuple[float, float] | None
    azimuthal: tuple[float, float] | None
    n_bins: int
    _mode: int
    _pixels: _core.Pixels
    _axes: tuple[_core.SplitAxis | None, _core.SplitAxis | None]

    def entries(self, threads: int = 1) -> Entries:
        """Return the fraction of each pixel in each bin; the same bits for any number of threads."""
        return Entries(*_core.split(self._mode, self._pixels, *self._axes, threads), self.n_bins)

    def frame_sums(
        self,
        raw: NDArray[np.generic],
        norm: F64,
        *,
        rule: str,
        variance: NDArray[np.generic] | None = None,
        dark: F64 | None = None,
        dark_variance: F64 | None = None,
        mean: F64 | None = None,
    ) -> FrameSums:
        """Sum one frame as its pixels are dealt out to the bins, without keeping their fractions c.

        Parameters
        ----------
        raw : ndarray, shape (n1, n2)
            Decoded pixels; what masked ones have does not count.
        norm : ndarray, shape (n1, n2)
        rule : {"none", "raw", "floor", "frames"}
            What u is: nothing, the raw value, that but at least one, or `variance`.
        variance : ndarray, shape (n1, n2), optional
            For ``"frames"``.
        dark, dark_variance : ndarray, shape (n1, n2), optional
            What is taken from the raw value, and the variance of that.
        mean : ndarray, shape (n_bins,), optional
            For `FrameSums.square_about` and `weighted`, which take the place of two others.
        """
        found = np.zeros((self.n_bins, 8))
        _core.sum_frame(
            self._mode,
            self._pixels,
            *self._axes,
            image(raw),
            VARIANCE[rule],
            None if variance is None else image(variance),
            norm,
            dark,
            dark_variance,
            mean,
            found,
        )
        return FrameSums(found)


class FrameSums:
    """Sums of one frame over the fractions c of its pixels in each bin, all of shape (n_bins,).

    With the signal s = raw - dark, the norm n, the variance u and that of the dark d.

    Attributes
    ----------
    count : ndarray of int64
        How many pixels have a share.
    signal, norm, norm2, variance, dark_variance, ones, ones2 : ndarray
        Σcs, Σcn, Σc²n², Σc²u, Σc²d, Σc, Σc².
    square_about, weighted : ndarray
        Σc²(s - mean·n)² and Σc²sn where a mean was given, in the place of norm2 and variance.
    """

    def __init__(self, found: F64) -> None:
        counted, *sums = found.T
        self.count = counted.astype(np.int64)
        self.signal, self.norm, self.ones, self.norm2, self.variance, self.dark_variance, self.ones2 = sums
        self.square_about, self.weighted = self.norm2, self.variance


def splitting(
    geometry: Geometry,
    radial: Axis | None,
    azimuthal: Axis | None,
    *,
    split: Split = "bbox",
    mask: NDArray[np.bool_] | None = None,
    chi_discontinuity: Discontinuity = "pi",
    sample: Sample | None = None,
    threads: int = 1,
) -> Splitting:
    """Say which pixels are dealt out to which bins, and how.

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
    Splitting

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
    turn = chi_discontinuity
    pixels = _pixels(geometry, radial, azimuthal, split=split, mask=mask, turn=turn, sample=sample)
    low, high, first, last = _extent(pixels, radial, azimuthal, split, _start(azimuthal, turn), threads)
    along = None if radial is None else radial.resolve(low, high)
    around = None if azimuthal is None else azimuthal.resolve(first, last)
    scales = _scale(radial, along), _scale(azimuthal, around)
    return Splitting(along, around, counts[0] * counts[1], MODES[split], pixels, scales)


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
    """Work out which fraction of each pixel falls into which bin; see `splitting`."""
    found = splitting(
        geometry,
        radial,
        azimuthal,
        split=split,
        mask=mask,
        chi_discontinuity=chi_discontinuity,
        sample=sample,
        threads=threads,
    )
    return SplitTable(found.entries(threads), found.radial, found.azimuthal)


def _coordinates(radial: Axis | None, azimuthal: Axis | None) -> tuple[Unit, Unit]:
    """Return the units of both axes; in the place of one that is missing, what outlines of pixels need.

    An outline has two coordinates, and near the beam the azimuth makes no sense without a radius.
    """
    rho = None if radial is None else unit(radial.unit)
    chi = None if azimuthal is None else unit(azimuthal.unit)
    beside_rho = "chi_rad" if rho is None else _BESIDE.get(rho.base, "chi_rad")
    beside_chi = "r_m" if chi is None else _BESIDE.get(chi.base, "r_m")
    return rho or unit(beside_chi), chi or unit(beside_rho)


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
    radial, azimuthal, turn = spec.radial, spec.azimuthal, spec.chi_discontinuity
    pixels = _pixels(
        spec.geometry, radial, azimuthal, split=spec.split, mask=mask, turn=turn, sample=spec.sample
    )
    return _extent(pixels, radial, azimuthal, spec.split, _start(azimuthal, turn), threads)


def _extent(
    pixels: _core.Pixels,
    radial: Axis | None,
    azimuthal: Axis | None,
    split: Split,
    start: float,
    threads: int,
) -> tuple[float, float, float, float]:
    wanted = [axis is not None and axis.range is None for axis in (radial, azimuthal)]
    if not any(wanted):
        return inf, -inf, inf, -inf
    low, high, first, last = _core.extent(MODES[split], pixels, wanted[0], wanted[1], start, threads)
    return low, high, first, last


def _start(azimuthal: Axis | None, turn: Discontinuity) -> float:
    """Return where azimuths begin."""
    period = None if azimuthal is None else azimuthal.definition.period
    return 0.0 if turn == "zero" or period is None else -0.5 * period


def _pixels(
    geometry: Geometry,
    radial: Axis | None,
    azimuthal: Axis | None,
    *,
    split: Split,
    mask: NDArray[np.bool_] | None,
    turn: Discontinuity,
    sample: Sample | None,
) -> _core.Pixels:
    """Return mask and coordinates as the kernel takes them: it computes those that a splitting needs."""
    rho, chi = _coordinates(radial, azimuthal)
    infinite = rho.function in _BEYOND
    rho_field, chi_field = (
        _core.Coordinate(geometry.field(known, chi_discontinuity=turn, sample=sample)) for known in (rho, chi)
    )
    return _core.Pixels(
        geometry.shape,
        rho_field,
        chi_field,
        _masked(geometry, mask, beam=infinite and split != "no").view(np.uint8),
        period=chi.period or inf,
        radius=rho.positive and chi.period is not None and not infinite,
        **geometry.pixels().for_kernels(),
    )


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
