"""Filtered backprojection, of signals and of variances, of one slice or of thousands of channels."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import count
from math import ceil

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aureole.errors import SpecError
from aureole.threads import checked_threads
from aureole.tomo.beam import ParallelBeam
from aureole.tomo.direct import Direct
from aureole.tomo.rays import checked
from aureole.tomo.star import Star
from aureole.tomo.windows import ramp

METHODS = ("auto", "direct", "fourier")
_FEW_PIXELS = 200
"""Many channels of slices up to such an edge are faster by sums; larger ones by Fourier transforms."""
_SIDE_BY_SIDE = 16
"""Channels of a line of memory: so many are fetched at once where they lie side by side."""


class FilteredBackprojection:
    """Sinograms to slices, the plan of one scan; channels share it, and threads too.

    A slice is summed up angle by angle, many channels at a time, or is a non-uniform Fourier transform. Both
    are the same sum, to some parts in a hundred thousand of the largest value.

    Parameters
    ----------
    beam : ParallelBeam
        Where the rays ran.
    window : str
        What multiplies the ramp: one of `WINDOWS`. "ram-lak" is sharpest; "shepp-logan" comes nearest to
        most samples; those after it trade sharpness for less noise.
    method : str
        "direct" sums up; "fourier" is faster for large slices, and for one channel alone; "auto" is the
        faster for many channels of that size, whatever their number. `.method` tells which of the two it is.

    Raises
    ------
    SpecError
        There is no such window or method.
    """

    def __init__(self, beam: ParallelBeam, window: str = "shepp-logan", *, method: str = "auto") -> None:
        if method not in METHODS:
            raise SpecError(f"no method {method!r}; there are {', '.join(METHODS)}")
        self.beam = beam
        self.window = window
        self.method = method
        if method == "auto":
            self.method = "direct" if beam.size <= _FEW_PIXELS else "fourier"
        farthest = max(beam.centers.max(), beam.translations - 1 - beam.centers.min())
        # of the padded projections: no pixel sees the repetition of one
        self.length = 2 * _fast(ceil(max(beam.size / 2 + farthest + 1, beam.translations)))
        self._filter = ramp(self.length, window) / self.length

    def reconstruct(
        self, sinograms: ArrayLike, *, channels_last: bool = False, threads: int | None = None
    ) -> NDArray[np.float32]:
        """Return the slices of sinograms.

        Parameters
        ----------
        sinograms : array_like, shape (..., angles, translations)
            Line integrals; a missing projection is best left out of the beam.
        channels_last : bool
            Whether sinograms come as (angles, translations, channels), as patterns do, and slices shall be
            (size, size, channels); no copy is made of either.
        threads : int, optional
            How many blocks of channels at a time; all cores without it. It does not change a bit.

        Returns
        -------
        ndarray of float32, shape (..., size, size), or (size, size, channels)
            Per step of the translation; zero where not all angles saw the sample.

        Raises
        ------
        SpecError
            Sinograms of another shape, or not finite.
        """
        given = checked(sinograms, self.beam.shape, "sinograms", channels_last=channels_last)
        return self._apply(self._signal, given, channels_last, threads)

    def variance(
        self, variances: ArrayLike, *, channels_last: bool = False, threads: int | None = None
    ) -> NDArray[np.float32]:
        """Return the variances of the slices of independent pixels of sinograms.

        A slice is linear in its sinogram, so each weight enters squared. The weights are a band-limited
        function of the distance of pixel and ray; its square is one too, of twice the band, and is applied
        in the same way. What interpolation mixes is therefore included exactly.

        Parameters
        ----------
        variances : array_like, shape (..., angles, translations)
            Of the sinograms.
        channels_last, threads
            As for `reconstruct`.

        Returns
        -------
        ndarray of float32, shape (..., size, size), or (size, size, channels)

        Raises
        ------
        SpecError
            Variances of another shape, not finite, or negative.
        """
        given = checked(variances, self.beam.shape, "variances", channels_last=channels_last)
        if given.size and given.min() < 0:
            raise SpecError("a variance is negative")
        return self._apply(self._squared, given, channels_last, threads)

    @cached_property
    def _signal(self) -> Direct | Star:
        waves = 2.0 * self._filter
        waves[[0, -1]] /= 2  # they stand for themselves; all others for their negative too
        return self._kernel(waves, 2, 1)

    @cached_property
    def _squared(self) -> Direct | Star:
        half = self._filter.copy()
        half[-1] /= 2
        both = np.concatenate([half[:0:-1], half])
        square = np.convolve(both, both)[self.length :]
        waves = 2.0 * square
        waves[0] /= 2
        return self._kernel(waves, 3, 2)

    def _kernel(self, waves: NDArray[np.float64], per_step: int, power: int) -> Direct | Star:
        if self.method == "direct":
            return Direct(self.beam, self.length, waves, per_step=per_step, power=power)
        return Star(self.beam, self.length, waves, power=power)

    def _apply(
        self, kernel: Direct | Star, given: NDArray[np.float32], channels_last: bool, threads: int | None
    ) -> NDArray[np.float32]:
        size = self.beam.size
        if channels_last:
            out = np.empty((size, size, given.shape[-1]), np.float32)
            sinograms, slices = np.moveaxis(given, -1, 0), np.moveaxis(out, -1, 0)
        else:
            out = np.empty((*given.shape[:-2], size, size), np.float32)
            sinograms, slices = given.reshape(-1, *self.beam.shape), out.reshape(-1, size, size)
        block = max(kernel.block, _SIDE_BY_SIDE) if channels_last else kernel.block
        firsts = range(0, len(slices), block)

        def some(first: int) -> None:
            part = slice(first, first + block)
            kernel.apply(sinograms[part], slices[part])

        with ThreadPoolExecutor(min(checked_threads(threads), max(1, len(firsts)))) as pool:
            for _ in pool.map(some, firsts):
                pass
        return out


def _fast(length: int) -> int:
    """Return a length that is quick to transform, not below the given one: a product of 2, 3, 5 and 7."""
    for at_least in count(length):
        rest = at_least
        for factor in (2, 3, 5, 7):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            break
    return at_least
