"""Line integrals through slices, and their exact adjoint, many channels at a time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aureole import _core
from aureole.errors import SpecError
from aureole.threads import STOPPING, checked_threads
from aureole.tomo.beam import ParallelBeam

Lanes = NDArray[np.float32]
"""Slices (size, size, lanes) or sinograms (angles, translations, lanes) of one channel or LANES."""

LANES = _core.RAY_LANES

_FEW = 2
"""So many channels cost less one by one than as lanes that are mostly empty."""


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
    threads : int
        How many share the angles, and for the adjoint the rows; they do not change a bit.
    """

    def __init__(self, beam: ParallelBeam, angles: slice = slice(None), *, threads: int = 1) -> None:
        self.beam = beam
        self.angles = angles
        self.threads = threads
        self._cosine, self._sine = np.cos(beam.angles[angles]), np.sin(beam.angles[angles])
        self._center = beam.centers[angles].copy()

    def forward(self, volume: Lanes) -> Lanes:
        """Return the line integrals of slices, (angles, translations, lanes).

        Raises
        ------
        CancelledError
            The process was asked to end, and waits for this thread.
        """
        if STOPPING.is_set():
            raise CancelledError
        sinogram = np.zeros((len(self._sine), self.beam.translations, volume.shape[-1]), np.float32)
        given = np.ascontiguousarray(volume)

        def some(part: slice) -> None:
            turned = self._cosine[part], self._sine[part], self._center[part]
            _core.project_rays(given, sinogram[part], *turned, False, 0, self.beam.size)

        self._share(some, len(sinogram))
        return sinogram

    def adjoint(self, sinogram: Lanes) -> Lanes:
        """Return what the transposed projector makes of sinograms, (size, size, lanes)."""
        volume = np.zeros((self.beam.size, self.beam.size, sinogram.shape[-1]), np.float32)
        given = np.ascontiguousarray(sinogram)

        def some(part: slice) -> None:
            turned = self._cosine, self._sine, self._center
            _core.project_rays(volume, given, *turned, True, part.start, part.stop)

        self._share(some, len(volume))
        return volume

    def _share(self, work: Callable[[slice], None], count: int) -> None:
        """Do work for so many angles or rows, in a few parts for each thread: the middle has most to do."""
        if self.threads == 1:
            # a pool for each projection would keep the main thread from seeing signals
            work(slice(0, count))
            return
        pieces = 4 * self.threads
        parts = [slice(*pair) for pair in pairwise(np.linspace(0, count, pieces + 1, dtype=int).tolist())]
        with ThreadPoolExecutor(self.threads) as pool:
            for _ in pool.map(work, parts):
                pass


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
    blocks = Blocks(given, threads)
    return blocks.each(Rays(beam, threads=blocks.inner).forward, beam.shape)


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


class Blocks:
    """Channels in blocks that are worked on at once: all their lanes, or one by one where there are few.

    Parameters
    ----------
    given : ndarray of float32, shape (..., rows, columns)
        Slices or sinograms.
    threads : int or None
        All cores without it.
    """

    def __init__(self, given: NDArray[np.float32], threads: int | None) -> None:
        self.given = given
        self._channels = given.reshape(-1, *given.shape[-2:])
        self._lanes = 1 if len(self._channels) <= _FEW else LANES
        self._firsts = range(0, len(self._channels), self._lanes)
        wanted = checked_threads(threads)
        self._outer = wanted if len(self._firsts) >= wanted else 1
        self.inner = 1 if self._outer > 1 else wanted
        """How many threads a block is to be shared by."""

    def each(self, work: Callable[[Lanes], Lanes], shape: tuple[int, int]) -> NDArray[np.float32]:
        """Do the work with each block; the results of one channel have the given shape."""
        out = np.empty((len(self._channels), *shape), np.float32)

        def some(first: int) -> None:
            part = self._channels[first : first + self._lanes]
            lanes = np.zeros((*part.shape[1:], self._lanes), np.float32)
            lanes[..., : len(part)] = np.moveaxis(part, 0, -1)
            out[first : first + self._lanes] = np.moveaxis(work(lanes)[..., : len(part)], -1, 0)

        with ThreadPoolExecutor(self._outer) as pool:
            for _ in pool.map(some, self._firsts):
                pass
        return out.reshape(*self.given.shape[:-2], *shape)
