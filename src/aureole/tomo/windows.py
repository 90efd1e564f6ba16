"""The ramp filter and its windows."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from aureole.errors import SpecError

Window = Callable[[NDArray[np.float64]], NDArray[np.float64]]

WINDOWS = MappingProxyType[str, Window](
    {
        "ram-lak": np.ones_like,
        "shepp-logan": lambda f: np.sinc(f / 2),
        "cosine": lambda f: np.cos(np.pi * f / 2),
        "hamming": lambda f: 0.54 + 0.46 * np.cos(np.pi * f),
        "hann": lambda f: 0.5 + 0.5 * np.cos(np.pi * f),
        "blackman": lambda f: 0.42 + 0.5 * np.cos(np.pi * f) + 0.08 * np.cos(2 * np.pi * f),
        "parzen": lambda f: np.where(f < 0.5, 1 - 6 * f**2 * (1 - f), 2 * (1 - f) ** 3),
    }
)
"""What multiplies the ramp, by name; the argument is the frequency in units of Nyquist's, 0 to 1."""


def ramp(length: int, window: str) -> NDArray[np.float64]:
    """Return the windowed ramp at the frequencies 0 to Nyquist, in cycles a step, shape (length // 2 + 1,).

    The ramp is the transform of its band-limited impulse response, which keeps the mean of a slice right
    (A. C. Kak, M. Slaney, Principles of Computerized Tomographic Imaging, 1988, equation 61).

    Parameters
    ----------
    length : int
        Of the padded projections; even.
    window : str
        One of `WINDOWS`.

    Raises
    ------
    SpecError
        There is no such window.
    """
    if window not in WINDOWS:
        raise SpecError(f"no window {window!r}; there are {', '.join(WINDOWS)}")
    n = np.arange(length // 2 + 1)
    odd = n % 2 == 1
    response = np.zeros(length)
    response[0] = 0.25
    response[n[odd]] = response[-n[odd]] = -1.0 / (np.pi * n[odd]) ** 2
    return np.fft.rfft(response).real * WINDOWS[window](n / (length / 2))
