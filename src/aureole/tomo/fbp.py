"""Filtered backprojection by non-uniform Fourier transforms.

A projection, transformed along the translations, is a line through the centre of the transformed slice. So a
slice is a sum of waves whose frequencies lie on a star: one non-uniform transform (A. H. Barnett, J. Magland,
L. af Klinteberg, SIAM J. Sci. Comput. 41 (2019) C479) does all angles at once, and interpolates exactly.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from math import ceil
from threading import local
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aureole.errors import SpecError
from aureole.threads import checked_threads
from aureole.tomo.beam import ParallelBeam
from aureole.tomo.rays import checked
from aureole.tomo.windows import ramp

_TOLERANCE = 5e-5
"""Of the non-uniform transform, relative: single precision, and far below what filtering leaves."""
_UPSAMPLING = 1.25


class FilteredBackprojection:
    """Sinograms to slices, the plan of one scan; channels share it, and threads too.

    Parameters
    ----------
    beam : ParallelBeam
        Where the rays ran.
    window : str
        What multiplies the ramp: one of `WINDOWS`. "ram-lak" is sharpest; "shepp-logan" comes nearest to
        most samples; those after it trade sharpness for less noise.

    Raises
    ------
    SpecError
        There is no such window.
    """

    def __init__(self, beam: ParallelBeam, window: str = "shepp-logan") -> None:
        self.beam = beam
        self.window = window
        from scipy.fft import next_fast_len

        before, after = beam.sides
        # of the padded projections: no pixel sees the repetition of one
        self.length = 2 * next_fast_len(ceil(max(beam.size / 2 + max(before, after) + 1, beam.translations)))
        self._filter = ramp(self.length, window) / self.length

    def reconstruct(self, sinograms: ArrayLike, *, threads: int | None = None) -> NDArray[np.float32]:
        """Return the slices of sinograms.

        Parameters
        ----------
        sinograms : array_like, shape (..., angles, translations)
            Line integrals; a missing projection is best left out of the beam.
        threads : int, optional
            How many channels at a time; all cores without it. It does not change a bit of the result.

        Returns
        -------
        ndarray of float32, shape (..., size, size)
            Per step of the translation; zero where not all angles saw the sample.

        Raises
        ------
        SpecError
            Sinograms of another shape, or not finite.
        """
        return self._signal.apply(checked(sinograms, self.beam.shape, "sinograms"), threads)

    def variance(self, variances: ArrayLike, *, threads: int | None = None) -> NDArray[np.float32]:
        """Return the variances of the slices of independent pixels of sinograms.

        A slice is linear in its sinogram, so each weight enters squared. The weights are a band-limited
        function of the distance of pixel and ray; its square is one too, of twice the band, and the same
        transform applies it. What interpolation mixes is therefore included exactly.

        Parameters
        ----------
        variances : array_like, shape (..., angles, translations)
            Of the sinograms.
        threads : int, optional
            As for `reconstruct`.

        Returns
        -------
        ndarray of float32, shape (..., size, size)

        Raises
        ------
        SpecError
            Variances of another shape, not finite, or negative.
        """
        given = checked(variances, self.beam.shape, "variances")
        if (given < 0).any():
            raise SpecError("a variance is negative")
        # rounding may leave a little less than nothing where there is hardly any
        return np.maximum(self._squared.apply(given, threads), 0.0)

    @cached_property
    def _signal(self) -> _Star:
        waves = 2.0 * self._filter
        waves[[0, -1]] /= 2  # they stand for themselves; all others for their negative too
        return _Star(self.beam, self.length, waves, self.beam.weights, self.beam.shares)

    @cached_property
    def _squared(self) -> _Star:
        half = self._filter.copy()
        half[-1] /= 2
        both = np.concatenate([half[:0:-1], half])
        square = np.convolve(both, both)[self.length :]
        waves = 2.0 * square
        waves[0] /= 2
        return _Star(self.beam, self.length, waves, self.beam.weights**2, self.beam.shares**2)


class _Star:
    """Waves on a star of frequencies: the m-th of an angle has m / length cycles a step."""

    def __init__(
        self,
        beam: ParallelBeam,
        length: int,
        waves: NDArray[np.float64],
        weights: NDArray[np.float64],
        shares: NDArray[np.float64],
    ) -> None:
        self._beam, self.length = beam, length
        self._shares = shares.astype(np.float32)
        turns = 2 * np.pi * np.arange(len(waves)) / length
        x, y = np.cos(beam.angles)[:, None] * turns, np.sin(beam.angles)[:, None] * turns
        # the transform counts pixels from size // 2, we from the middle
        shift = (1 - beam.size % 2) / 2
        phase = turns * beam.rotation_center + shift * (x + y)
        self._factor = (waves * weights[:, None] * np.exp(1j * phase)).astype(np.complex64)
        # whole pixels see frequencies modulo one cycle only
        self._x, self._y = (_wrapped(part).astype(np.float32).ravel() for part in (x, y))
        self._plans = local()

    def apply(self, sinograms: NDArray[np.float32], threads: int | None) -> NDArray[np.float32]:
        channels = sinograms.reshape(-1, *self._beam.shape)
        shape = (self._beam.size, self._beam.size)
        out = np.zeros((len(channels), *shape), np.float32)

        def one(channel: int) -> None:
            np.copyto(out[channel], self._slice(channels[channel]), where=self._beam.seen)

        with ThreadPoolExecutor(min(checked_threads(threads), max(1, len(channels)))) as pool:
            for _ in pool.map(one, range(len(channels))):
                pass
        return out.reshape(*sinograms.shape[:-2], *shape)

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
