"""From one layer of patterns to a slice of patterns: corrections, rotation axis, reconstruction."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import ceil
from operator import itemgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aureole.errors import SpecError
from aureole.mapping.tomography import Corrections, Reconstruction, check
from aureole.tomo.absorption import correct
from aureole.tomo.beam import ParallelBeam
from aureole.tomo.centre import find_center
from aureole.tomo.fbp import FilteredBackprojection
from aureole.tomo.iterative import cgls, mlem, osem, sirt, total_variation
from aureole.tomo.normalise import Corrected, backlash, equal_totals, fill, good_angles, jitter, subtract_air

F32 = NDArray[np.float32]
_BLOCK = 32
"""Channels that are put right at a time."""
Bools = NDArray[np.bool_]


class Layer(NamedTuple):
    """What was measured of a layer.

    Attributes
    ----------
    intensity, sigma : ndarray of float32, shape (angles, translations, bins)
        NaN where there is no value.
    angles : ndarray, shape (angles,)
        In degrees.
    transmission : ndarray, shape (angles, translations), optional
        Of each ray: what was scattered in it is divided by that. NaN where it is not known, and taken from
        the neighbours.
    frame : ndarray of int, shape (angles, translations), optional
        Number of the frame of each ray, -1: none. It tells which lines ran backwards; without it every second
        one did.
    """

    intensity: F32
    sigma: F32 | None
    angles: NDArray[np.float64]
    transmission: NDArray[np.float64] | None = None
    frame: NDArray[np.intp] | None = None


class Tomogram(NamedTuple):
    """A slice of patterns.

    Attributes
    ----------
    intensity, sigma : ndarray of float32, shape (size, size, bins)
        Per step of the translation; NaN where not all angles saw the sample, and in bins without values.
        There is no sigma of iterative methods.
    center : float
        The rotation axis, in steps from the first translation.
    spread : float
        How far the methods that found it are apart, in steps; NaN where it was given.
    shifts : ndarray, shape (angles,)
        By how much each projection was moved, in steps.
    kept : ndarray of bool, shape (angles,)
        Which projections were used.
    """

    intensity: F32
    sigma: F32 | None
    center: float
    spread: float
    shifts: NDArray[np.float64]
    kept: Bools


class Prepared(NamedTuple):
    """Sinograms as they are reconstructed.

    Attributes
    ----------
    given : Corrected
        Of shape (angles, translations, channels): those projections that are kept, and channels with values.
    beam : ParallelBeam
        Where their rays ran.
    channels : ndarray of bool, shape (bins,)
        Which bins have values.
    kept : ndarray of bool, shape (angles,)
        Which of all projections these are.
    spread : float
        How far the methods that found the rotation axis are apart, in steps; NaN where it was given.
    """

    given: Corrected
    beam: ParallelBeam
    channels: Bools
    kept: Bools
    spread: float


def prepare(
    measured: Layer,
    *,
    corrections: Corrections,
    reconstruction: Reconstruction,
    size: int | None = None,
) -> Prepared:
    """Put the sinograms of a layer right, and find the rotation axis.

    Parameters
    ----------
    measured : Layer
    corrections : Corrections
    reconstruction : Reconstruction
    size : int, optional
        Edge of the slice in pixels. Without it, as many as there are translations; of half acquisition, what
        the rays have seen.

    Raises
    ------
    SpecError
        As `check`; too few projections are left, or what `aureole.tomo` refuses.
    """
    intensity, sigma, angles, transmission, frame = measured
    check(corrections, reconstruction, (intensity.shape[0], intensity.shape[1]))
    lost, seen = _lost(intensity, corrections)
    if not seen.any():
        raise SpecError("no bin of any frame has a value")
    kept = good_angles(lost)
    # a bin without any value at some angle cannot be filled from its neighbours
    channels: Bools = np.asarray(seen[kept].all(axis=0))
    if not channels.any():
        raise SpecError("no bin has a value at every angle")
    turned = np.radians(angles[kept])
    variances = None if sigma is None else np.square(sigma)
    given = _whole(Corrected(intensity, variances), lost, kept, channels)
    if transmission is not None:
        known = fill(Corrected(transmission[kept]), np.isnan(transmission[kept])).sinograms
        given = correct(given, known, channels_last=True)
    if corrections.equal_totals:
        total = given.sinograms.sum(axis=-1, dtype=np.float64)
        factors = equal_totals(total)[..., None].astype(np.float32)
        scaled = None if given.variances is None else given.variances * factors**2
        given = Corrected(given.sinograms * factors, scaled)
    if corrections.air:
        given = _by_blocks(given, partial(subtract_air, margin=corrections.air))
    total = given.sinograms.sum(axis=-1, dtype=np.float64)
    shifts = np.zeros(len(turned))
    if corrections.jitter:
        shifts = jitter(total, turned)
    elif corrections.backlash:
        back = np.arange(len(kept)) % 2 == 1 if frame is None else ran_backwards(frame)
        shifts = backlash(total, turned, back[kept])
    center, spread = reconstruction.center, float("nan")
    if center is None:
        found = find_center(total, turned, half_acquisition=reconstruction.half_acquisition)
        center, spread = found.value, found.spread
    if size is None and reconstruction.half_acquisition:
        size = 2 * ceil(max(center, total.shape[1] - 1 - center)) + 1
    beam = ParallelBeam(
        turned,
        total.shape[1],
        rotation_center=center,
        size=size,
        half_acquisition=reconstruction.half_acquisition,
        shifts=shifts,
    )
    return Prepared(given, beam, channels, kept, spread)


def tomogram(prepared: Prepared, reconstruction: Reconstruction, *, threads: int | None = None) -> Tomogram:
    """Reconstruct all channels of a layer; raises `SpecError` as `aureole.tomo` does."""
    given, beam, channels, kept, spread = prepared
    values, errors = _slices(beam, given, reconstruction, threads)
    every = np.full(len(kept), np.nan)
    every[kept] = beam.shifts
    return Tomogram(
        _spread(values, beam, channels),
        None if errors is None else _spread(np.sqrt(errors), beam, channels),
        beam.rotation_center,
        spread,
        every,
        kept,
    )


def _lost(intensity: F32, corrections: Corrections) -> tuple[Bools, Bools]:
    """Return which rays have no values, (angles, translations), and projections some, (angles, bins)."""
    finite = np.isfinite(intensity)
    lost: Bools = np.asarray(~finite.any(axis=-1))
    lost[list(corrections.without_angles)] = True
    lost[:, list(corrections.without_translations)] = True
    return lost, np.asarray(finite.any(axis=1))


def _whole(given: Corrected, lost: Bools, kept: Bools, channels: Bools) -> Corrected:
    """Return the projections that are kept and channels that have values, with the gaps filled."""
    if not kept.all():
        given = given.each(lambda part: part[kept])
    if not channels.all():
        given = given.each(lambda part: part[..., channels])
    if lost[kept].any():
        given = _by_blocks(given, partial(fill, bad=lost[kept]))
    gaps = ~np.isfinite(given.sinograms)
    if given.variances is not None:
        gaps |= ~np.isfinite(given.variances)
    if gaps.any():
        given = given.each(np.array)
    # single bins that have no valid pixel in some frames
    for channel in np.flatnonzero(gaps.any(axis=(0, 1))):
        part = given.each(itemgetter((..., channel)))
        mended = fill(part, gaps[..., channel])
        given.sinograms[..., channel] = np.nan_to_num(mended.sinograms)
        if given.variances is not None and mended.variances is not None:
            given.variances[..., channel] = np.nan_to_num(mended.variances)
    return given


def _by_blocks(given: Corrected, work: Callable[[Corrected], Corrected]) -> Corrected:
    """Return what some work makes of sinograms whose channels come last, some channels at a time.

    The work takes them first, and in float64 would need several times the memory of all.
    """
    out = given.each(lambda part: np.empty(part.shape, np.float32))
    for start in range(0, given.sinograms.shape[-1], _BLOCK):
        block = np.s_[..., start : start + _BLOCK]
        found = work(given.each(itemgetter(block)).each(partial(np.moveaxis, source=-1, destination=0)))
        out.sinograms[block] = np.moveaxis(found.sinograms, 0, -1)
        if out.variances is not None and found.variances is not None:
            out.variances[block] = np.moveaxis(found.variances, 0, -1)
    return out


def _slices(
    beam: ParallelBeam, given: Corrected, how: Reconstruction, threads: int | None
) -> tuple[F32, F32 | None]:
    """Return slices and their variances, (size, size, channels)."""
    if how.method == "fbp":
        fbp = FilteredBackprojection(beam, how.window)
        values = fbp.reconstruct(given.sinograms, channels_last=True, threads=threads)
        if given.variances is None:
            return values, None
        return values, fbp.variance(given.variances, channels_last=True, threads=threads)
    count = {} if how.iterations is None else {"iterations": how.iterations}
    minimum = 0.0 if how.nonnegative else None
    solvers: dict[str, Callable[..., F32]] = {
        "sirt": partial(sirt, minimum=minimum),
        "cgls": cgls,
        "osem": osem,
        "mlem": mlem,
        "tv": partial(total_variation, strength=how.strength, minimum=minimum),
    }
    found = solvers[how.method](beam, np.moveaxis(given.sinograms, -1, 0), threads=threads, **count)
    return np.ascontiguousarray(np.moveaxis(found, 0, -1)), None


def _spread(values: F32, beam: ParallelBeam, channels: Bools) -> F32:
    """Return slices of all channels, NaN where nothing is known."""
    if channels.all():
        values[~beam.seen] = np.nan
        return values
    every = np.full((beam.size, beam.size, len(channels)), np.nan, np.float32)
    every[..., channels] = values
    every[~beam.seen] = np.nan
    return every


def ran_backwards(frame: NDArray[np.intp]) -> Bools:
    """Return for each angle whether translations were visited from the last to the first.

    Parameters
    ----------
    frame : ndarray of int, shape (angles, translations)
        Number of the frame of each ray; -1: none.
    """
    lines = [line[line >= 0] for line in frame]
    return np.array([len(line) > 1 and line[-1] < line[0] for line in lines], np.bool_)
