"""Filtered backprojection of many channels by sums over the angles, for slices of few pixels.

A projection is filtered, by a small matrix, to samples that lie closer than its rays; a pixel takes the
samples about its place, weighted by a window of Kaiser and Bessel whose own spectrum the filter has undone
(J. I. Jackson et al., IEEE Trans. Med. Imaging 10 (1991) 473, doi:10.1109/42.97598). So interpolation is
exact but for what the window lets through, some parts in a hundred thousand.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.polynomial import Chebyshev, Polynomial
from numpy.typing import NDArray

from aureole import _core
from aureole.tomo.beam import ParallelBeam

_TAPS, _POWERS, _ROWS = _core.BACK_TAPS, _core.BACK_POWERS, _core.BACK_ROWS


class Direct:
    """A kernel of cosines, the m-th of m / length cycles a step, laid along all rays of a scan.

    Parameters
    ----------
    beam : ParallelBeam
        Where the rays ran.
    length : int
        After so many steps the kernel repeats itself.
    waves : ndarray, shape (waves,)
        How much of each cosine there is.
    per_step : int
        Samples for each step of the translation: four or three times as many as the fastest wave has cycles.
    power : int
        In which the weights of angles and rays enter: 1 for signals, 2 for variances.
    """

    block = _core.BACK_LANES
    """How many channels are best done at a time."""

    def __init__(
        self, beam: ParallelBeam, length: int, waves: NDArray[np.float64], *, per_step: int, power: int
    ) -> None:
        self._cosine, self._sine = np.cos(beam.angles), np.sin(beam.angles)
        self._weights = (beam.weights**power).astype(np.float32)
        self._seen = beam.seen.astype(np.uint8)
        self._per_step = float(per_step)
        self._lowest = 0.0 if power == 2 else -np.inf
        shape = np.pi * _TAPS * (1 - (len(waves) - 1) / length / per_step)
        self._taps = _window(round(shape, 6))
        frequency = np.arange(len(waves)) / (length * per_step)
        response = waves / _spectrum(frequency, shape)
        response[1:] /= 2
        kernel = np.fft.irfft(response, length * per_step) * (length * per_step)

        # samples lie at whole multiples of 1 / per_step from the first ray, about the axis
        axis = np.arange(beam.size) - (beam.size - 1) / 2
        reach = float(np.hypot(axis[:, None], axis)[beam.seen].max(initial=0.0))
        reach += float(np.abs(beam.shifts).max())
        before = int(np.ceil(reach * per_step)) + _TAPS // 2
        nearest = round(beam.rotation_center * per_step)
        count = -(-(2 * before + 2) // _ROWS) * _ROWS
        self._middle = beam.centers * per_step - nearest + before - (_TAPS // 2 - 1)
        place = nearest - before + np.arange(count)
        away = np.abs(place[:, None] - per_step * np.arange(beam.translations)) % len(kernel)
        matrix = (kernel[away] * beam.shares**power).astype(np.float32)
        self._matrix = np.ascontiguousarray(matrix.reshape(-1, _ROWS, beam.translations).swapaxes(1, 2))

    def apply(self, sinograms: NDArray[np.float32], slices: NDArray[np.float32], isa: str = "") -> None:
        """Fill slices, (channels, size, size), from sinograms, (channels, angles, translations).

        Neither need be contiguous.
        """
        _core.backproject(
            sinograms,
            slices,
            self._cosine,
            self._sine,
            self._middle,
            self._weights,
            self._matrix,
            self._taps,
            self._seen,
            self._per_step,
            self._lowest,
            isa,
        )


@cache
def _window(shape: float) -> NDArray[np.float32]:
    """Return the window over the taps as polynomials of the fraction of a place less 1/2."""
    fraction = np.cos(np.pi * (np.arange(64) + 0.5) / 64) / 2
    out = np.empty((_TAPS, _POWERS), np.float32)
    for tap in range(_TAPS):
        away = (fraction + 0.5 + (_TAPS // 2 - 1 - tap)) / (_TAPS / 2)
        values = np.i0(shape * np.sqrt(np.clip(1 - away**2, 0, None))) / np.i0(shape)
        fit = Chebyshev.fit(fraction, values, _POWERS - 1, domain=(-0.5, 0.5))
        powers = fit.convert(kind=Polynomial).coef
        out[tap] = np.pad(powers, (0, _POWERS - len(powers)))[::-1]
    return out


def _spectrum(frequency: NDArray[np.float64], shape: float) -> NDArray[np.float64]:
    """Return the window's Fourier transform at frequencies in cycles a sample."""
    root = np.sqrt(shape**2 - (np.pi * _TAPS * frequency) ** 2)
    found: NDArray[np.float64] = _TAPS * np.sinh(root) / root / np.i0(shape)
    return found
