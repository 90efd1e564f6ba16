"""Where geometry becomes a sparse table: which fraction of each pixel falls into which bin.

The native kernel works out the shares; `aureole.kernels.reference_split` says what they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import floor, inf
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from aureole import _core
from aureole.axis import Axis
from aureole.azimuthal.spec import Split
from aureole.errors import GeometryError, SpecError
from aureole.geometry import Discontinuity, Geometry
from aureole.kernels.sums import Entries
from aureole.units import Unit, unit

F64 = NDArray[np.float64]

MODES: dict[str, int] = {name: number for number, name in enumerate(get_args(Split))}
"""What the kernel calls each way of splitting."""

_BLOCK = 1 << 16
"""Pixels a block, the unit of work of a thread; what is made does not depend on it."""

_BEYOND = ("reciprocal", "log", "log10")
"""Functions that make a coordinate infinite on the beam."""


@dataclass(frozen=True, slots=True, eq=False)
class SplitTable:
    """The table of a geometry and its axes, and where the bins are.

    Attributes
    ----------
    entries : Entries
        By pixel; the flat bin is ``azimuthal_bin * n_radial + radial_bin``, and an axis without bins has one.
    radial, azimuthal : tuple of float, or None
        Lower edge of the first bin and upper edge of the last, in the unit of the axis; None without an axis.
    n_radial, n_azimuthal : int
    """

    entries: Entries
    radial: tuple[float, float] | None
    azimuthal: tuple[float, float] | None
    n_radial: int
    n_azimuthal: int


@dataclass(frozen=True, slots=True, eq=False)
class _Pixels:
    """Mask and coordinates of all pixels: at centres (n1, n2) and at vertices (n1 + 1, n2 + 1)."""

    mode: int
    shape: tuple[int, int]
    mask: NDArray[np.uint8]
    radial: tuple[F64 | None, F64 | None]
    azimuthal: tuple[F64 | None, F64 | None]
    period: float
    radius: bool

    def blocks(self) -> list[tuple[int, int]]:
        rows, columns = self.shape
        height = max(1, _BLOCK // columns)
        return [(start, min(start + height, rows)) for start in range(0, rows, height)]

    def block(self, start: int, stop: int) -> Any:
        """Rows [start, stop) as the kernel takes them."""

        def field(arrays: tuple[F64 | None, F64 | None]) -> Any:
            centre, vertex = arrays
            return _core.PixelField(
                None if centre is None else centre[start:stop],
                None if vertex is None else vertex[start : stop + 1],
            )

        shape = (stop - start, self.shape[1])
        fields = field(self.radial), field(self.azimuthal)
        return _core.PixelBlock(shape, *fields, self.mask[start:stop], self.period, self.radius)


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
    with ThreadPoolExecutor(max(1, threads)) as pool:
        pixels = _look_up(
            geometry,
            radial,
            azimuthal,
            split=split,
            mask=mask,
            chi_discontinuity=chi_discontinuity,
            threads=threads,
        )
        ranges = _ranges(pixels, radial, azimuthal, chi_discontinuity=chi_discontinuity, pool=pool)
        scales = [
            _scale(axis, found, pixels) for axis, found in zip((radial, azimuthal), ranges, strict=True)
        ]

        def work(part: tuple[int, int]) -> tuple[NDArray[Any], ...]:
            found: tuple[NDArray[Any], ...] = _core.split_block(pixels.mode, pixels.block(*part), *scales)
            return found

        entries = _joined(list(pool.map(work, pixels.blocks())), counts[0] * counts[1], pool)
    return SplitTable(entries, ranges[0], ranges[1], counts[0], counts[1])


def _look_up(
    geometry: Geometry,
    radial: Axis | None,
    azimuthal: Axis | None,
    *,
    split: Split,
    mask: NDArray[np.bool_] | None,
    chi_discontinuity: Discontinuity,
    threads: int,
) -> _Pixels:
    """Compute the coordinates that a way of splitting needs, and no others."""
    shape = geometry.shape
    masked = np.zeros(shape, np.uint8) if mask is None else np.array(np.asarray(mask) != 0, np.uint8)
    if masked.shape != shape:
        raise SpecError(f"the mask has shape {masked.shape} and the detector {shape}")
    by_centre, by_corner = split in ("no", "bbox"), split != "no"
    by_polygon = split in ("pseudo", "full")
    # Near the beam the azimuth makes no sense without a radius; any will do.
    rho = unit(radial.unit if radial is not None else "r_m")
    chi = unit(azimuthal.unit if azimuthal is not None else "chi_rad")
    infinite = rho.function in _BEYOND
    if infinite and by_corner:
        _mask_beam(geometry, masked)

    def centre(axis: Axis | None, known: Unit) -> F64 | None:
        if not by_centre or axis is None:
            return None
        found = geometry.center_array(known, chi_discontinuity=chi_discontinuity, threads=threads)
        return np.ascontiguousarray(found)

    def vertex(known: Unit) -> F64:
        found = geometry.vertex_array(known, chi_discontinuity=chi_discontinuity, threads=threads)
        return np.ascontiguousarray(found)

    around = by_polygon or (by_corner and azimuthal is not None)
    assert chi.period is not None
    return _Pixels(
        mode=MODES[split],
        shape=shape,
        mask=masked,
        radial=(centre(radial, rho), vertex(rho) if by_corner else None),
        azimuthal=(centre(azimuthal, chi), vertex(chi) if around else None),
        period=chi.period,
        radius=rho.positive and not infinite,
    )


def _mask_beam(geometry: Geometry, mask: NDArray[np.uint8]) -> None:
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
    mask[touched[0], touched[1]] = 1


def _ranges(
    pixels: _Pixels,
    radial: Axis | None,
    azimuthal: Axis | None,
    *,
    chi_discontinuity: str,
    pool: ThreadPoolExecutor,
) -> list[tuple[float, float] | None]:
    """Return the range of each axis: its own, or how far the pixels reach."""
    extent = np.array([inf, -inf, inf, -inf])
    if any(axis is not None and axis.range is None for axis in (radial, azimuthal)):
        turn = 0.0 if chi_discontinuity == "zero" else -0.5 * pixels.period

        def work(part: tuple[int, int]) -> list[float]:
            found: list[float] = _core.extent(pixels.mode, pixels.block(*part), turn)
            return found

        found = np.array(list(pool.map(work, pixels.blocks())))
        extent[0::2] = found[:, 0::2].min(axis=0)
        extent[1::2] = found[:, 1::2].max(axis=0)
    low, high, first, last = (float(value) for value in extent)
    return [
        None if radial is None else radial.resolve(low, high),
        None if azimuthal is None else azimuthal.resolve(first, last),
    ]


def _scale(axis: Axis | None, found: tuple[float, float] | None, pixels: _Pixels) -> Any:
    """Return the axis as the kernel takes it."""
    if axis is None or found is None:
        return None
    known = axis.definition
    period = 0.0 if known.period is None else pixels.period
    return _core.SplitAxis(*found, axis.bins or 1, period, 0.0 if known.positive else -inf)


def _joined(parts: list[tuple[NDArray[Any], ...]], n_bins: int, pool: ThreadPoolExecutor) -> Entries:
    """Put the blocks one behind the other."""
    pixels = np.cumsum([0] + [ptr.size - 1 for ptr, _, _ in parts])
    starts = np.cumsum([0] + [bins.size for _, bins, _ in parts])
    pixel_ptr = np.zeros(int(pixels[-1]) + 1, np.int64)
    bins = np.empty(int(starts[-1]), np.int32)
    coefs = np.empty(int(starts[-1]), np.float32)

    def copy(index: int) -> None:
        ptr, from_bins, from_coefs = parts[index]
        here = slice(starts[index], starts[index + 1])
        np.add(ptr[1:], starts[index], out=pixel_ptr[pixels[index] + 1 : pixels[index + 1] + 1])
        bins[here] = from_bins
        coefs[here] = from_coefs

    _drain(pool.map(copy, range(len(parts))))
    return Entries(pixel_ptr, bins, coefs, n_bins)


def _drain(results: Iterable[None]) -> None:
    """Wait for all of them, so that what went wrong is raised here."""
    for _ in results:
        pass
