"""Line integrals through slices, and their exact adjoint, many channels at a time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aureole import _core
from aureole.errors import SpecError
from aureole.threads import checked_threads
from aureole.tomo.beam import ParallelBeam

Lanes = NDArray[np.float32]
"""Slices (size, size, LANES) or sinograms (angles, translations, LANES) of so many channels."""

LANES = _core.RAY_LANES


class Rays:
    """The projector of a scan, or of some of its angles, by Joseph's method.

    A ray takes from each line of pixels that it crosses the value between the two nearest, times its length
    in the line (P. M. Joseph, IEEE Trans. Med. Imaging 1 (1982) 192, doi:10.1109/TMI.1982.4307572).

    Parameters
    ----------
    beam : ParallelBeam
        Where the rays ran.
    angles : slice
        Which of the angles; all without it.
    """

    def __init__(self, beam: ParallelBeam, angles: slice = slice(None)) -> None:
        self.beam = beam
        self.angles = angles
        self._cosine, self._sine = np.cos(beam.angles[angles]), np.sin(beam.angles[angles])

    def forward(self, volume: Lanes) -> Lanes:
        """Return the line integrals of slices, (angles, translations, LANES)."""
        sinogram = np.zeros((len(self._sine), self.beam.translations, LANES), np.float32)
        self._project(volume, sinogram, adjoint=False)
        return sinogram

    def adjoint(self, sinogram: Lanes) -> Lanes:
        """Return what the transposed projector makes of sinograms, (size, size, LANES)."""
        volume = np.zeros((self.beam.size, self.beam.size, LANES), np.float32)
        self._project(volume, sinogram, adjoint=True)
        return volume

    def _project(self, volume: Lanes, sinogram: Lanes, *, adjoint: bool) -> None:
        _core.project_rays(
            np.ascontiguousarray(volume),
            np.ascontiguousarray(sinogram),
            self._cosine,
            self._sine,
            self.beam.rotation_center,
            adjoint,
        )


def project(beam: ParallelBeam, slices: ArrayLike, *, threads: int | None = None) -> NDArray[np.float32]:
    """Return the sinograms of slices: line integrals by Joseph's method.

    Parameters
    ----------
    beam : ParallelBeam
        Where the rays ran.
    slices : array_like, shape (..., size, size)
    threads : int, optional
        All cores without it.

    Returns
    -------
    ndarray of float32, shape (..., angles, translations)

    Raises
    ------
    SpecError
        Slices of another shape, or not finite.
    """
    given = checked(slices, (beam.size, beam.size), "slices")
    rays = Rays(beam)
    return by_lanes(rays.forward, given, beam.shape, threads)


def checked(
    values: ArrayLike, shape: tuple[int, int], what: str, *, channels_last: bool = False
) -> NDArray[np.float32]:
    """Return values as float32, if they end in that shape, or begin with it, and are finite."""
    given = np.asarray(values, np.float32)
    if channels_last and (given.ndim != 3 or given.shape[:2] != shape):
        raise SpecError(f"{what} of shape {given.shape}; wanted is ({shape[0]}, {shape[1]}, channels)")
    if not channels_last and (given.ndim < 2 or given.shape[-2:] != shape):
        raise SpecError(f"{what} of shape {given.shape}; wanted is (..., {shape[0]}, {shape[1]})")
    if not np.isfinite(given).all():
        raise SpecError(f"{what} have values that are not finite")
    return given


def by_lanes(
    work: Callable[[Lanes], Lanes],
    given: NDArray[np.float32],
    shape: tuple[int, int],
    threads: int | None,
) -> NDArray[np.float32]:
    """Do some work with LANES channels at a time; the results of one channel have the given shape."""
    channels = given.reshape(-1, *given.shape[-2:])
    out = np.empty((len(channels), *shape), np.float32)

    def some(first: int) -> None:
        part = channels[first : first + LANES]
        lanes = np.zeros((*given.shape[-2:], LANES), np.float32)
        lanes[..., : len(part)] = np.moveaxis(part, 0, -1)
        out[first : first + LANES] = np.moveaxis(work(lanes)[..., : len(part)], -1, 0)

    with ThreadPoolExecutor(checked_threads(threads)) as pool:
        for _ in pool.map(some, range(0, len(channels), LANES)):
            pass
    return out.reshape(*given.shape[:-2], *shape)
