"""Filtered backprojection of large slices, by non-uniform Fourier transforms.

A projection, transformed along the translations, is a line through the centre of the transformed slice. So a
slice is a sum of waves whose frequencies lie on a star: one non-uniform transform (A. H. Barnett, J. Magland,
L. af Klinteberg, SIAM J. Sci. Comput. 41 (2019) C479) does all angles at once, and interpolates exactly.
"""

from __future__ import annotations

from threading import local
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aureole.tomo.beam import ParallelBeam

_TOLERANCE = 5e-5
"""Of the non-uniform transform, relative: single precision, and far below what filtering leaves."""
_UPSAMPLING = 1.25


class Star:
    """Waves on a star of frequencies: the m-th of an angle has m / length cycles a step.

    Parameters are those of `aureole.tomo.direct.Direct`.
    """

    block = 1
    """How many channels are best done at a time."""

    def __init__(self, beam: ParallelBeam, length: int, waves: NDArray[np.float64], *, power: int) -> None:
        self._beam, self.length = beam, length
        self._shares = (beam.shares**power).astype(np.float32)
        self._squared = power == 2
        turns = 2 * np.pi * np.arange(len(waves)) / length
        x, y = np.cos(beam.angles)[:, None] * turns, np.sin(beam.angles)[:, None] * turns
        # the transform counts pixels from size // 2, we from the middle
        shift = (1 - beam.size % 2) / 2
        phase = turns * beam.centers[:, None] + shift * (x + y)
        weights = beam.weights[:, None] ** power
        self._factor = (waves * weights * np.exp(1j * phase)).astype(np.complex64)
        # whole pixels see frequencies modulo one cycle only
        self._x, self._y = (_wrapped(part).astype(np.float32).ravel() for part in (x, y))
        self._plans = local()

    def apply(self, sinograms: NDArray[np.float32], slices: NDArray[np.float32]) -> None:
        """Fill slices, (channels, size, size), from sinograms, (channels, angles, translations).

        Neither need be contiguous.
        """
        # channels that lie side by side are taken apart, and put together, all at once
        found = slices if slices.flags.c_contiguous else np.empty(slices.shape, np.float32)
        for sinogram, slice_ in zip(np.ascontiguousarray(sinograms), found, strict=True):
            values = self._slice(sinogram)
            if self._squared:  # rounding may leave a little less than nothing where there is hardly any
                values = np.maximum(values, 0.0)
            slice_[...] = 0.0
            np.copyto(slice_, values, where=self._beam.seen)
        if found is not slices:
            slices[...] = found

    def _slice(self, sinogram: NDArray[np.float32]) -> NDArray[np.float32]:
        from scipy.fft import rfft

        spectrum = rfft(sinogram * self._shares, self.length, axis=-1, workers=1)
        width = self._factor.shape[1]
        if width > spectrum.shape[1]:  # the spectrum of samples repeats, mirrored
            spectrum = np.concatenate([spectrum, spectrum[:, -2::-1].conj()], axis=1)[:, :width]
        found: NDArray[np.float32] = self._plan().execute((spectrum * self._factor).ravel()).real
        return found

    def _plan(self) -> Any:
        """Return the transform of this thread: one has memory of its own."""
        import finufft

        if not hasattr(self._plans, "plan"):
            plan = finufft.Plan(
                1,
                (self._beam.size,) * 2,
                eps=_TOLERANCE,
                isign=1,
                dtype="complex64",
                nthreads=1,
                upsampfac=_UPSAMPLING,
            )
            plan.setpts(self._y, self._x)
            self._plans.plan = plan
        return self._plans.plan


def _wrapped(angle: NDArray[np.float64]) -> NDArray[np.float64]:
    return angle - 2 * np.pi * np.round(angle / (2 * np.pi))
