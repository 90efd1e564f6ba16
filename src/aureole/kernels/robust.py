"""What robust averages leave out: rules for single bins, and what goes in and comes out of their kernels."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aureole.errors import FrameError, SpecError

F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Trim:
    """Of each bin the mean between two percentiles of the intensities of its pixels.

    A pixel of intensity v = (raw - dark)/n weighs ω = c·n, as it does in the plain mean, with c its share in
    the bin and n its norm. Of the pixels that equal a percentile (in single precision) all keep the same
    fraction, so that exactly ``high - low`` percent of the weight is kept. Where both percentiles are one,
    the pixels that equal it are kept: (50, 50) is the median, the lower one of two.

    Parameters
    ----------
    low, high : float
        In percent of the weight: 0 <= low <= high <= 100. (0, 100) is the plain mean.

    Raises
    ------
    SpecError
        Other numbers.
    """

    low: float = 10.0
    high: float = 90.0

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            object.__setattr__(self, name, _number(f"trimming: {name}", getattr(self, name)))
        if not 0.0 <= self.low <= self.high <= 100.0:
            raise SpecError(
                f"trimming from {self.low:g} to {self.high:g} percent: 0 <= low <= high <= 100 is needed"
            )


@dataclass(frozen=True, slots=True)
class Clip:
    """Of each bin the mean of the pixels that are not far from it.

    A pixel is taken out if its intensity is farther from the mean than `sigma` standard deviations of a
    pixel; then the mean is taken anew, until nothing changes. What that standard deviation is, the error
    model says; without one it is the scatter within the bin, as with ``"azimuthal"``. Where it is not the
    scatter, the first step is about the median, since bright pixels could move the mean away from nearly all
    others. A step that would take out every pixel is not taken.

    Parameters
    ----------
    sigma : float
        Above zero.
    iterations : int
        Most steps, above zero.
    chauvenet : bool
        Whether the cut-off is at least √(2 ln(N/√(2π))) in a bin of N pixels: Chauvenet's criterion, which
        spares pixels of large bins that are far off by chance.

    Raises
    ------
    SpecError
        Other numbers.
    """

    sigma: float = 3.0
    iterations: int = 5
    chauvenet: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "sigma", _number("clipping: sigma", self.sigma))
        if not self.sigma > 0.0:
            raise SpecError(f"clipping at {self.sigma:g} sigma: it must be above zero")
        steps = _number("clipping: iterations", self.iterations)
        if steps < 1.0 or steps != int(steps):
            raise SpecError(f"clipping in {self.iterations} iterations: a whole number from 1 on is needed")
        object.__setattr__(self, "iterations", int(steps))
        object.__setattr__(self, "chauvenet", bool(self.chauvenet))


Rule = Trim | Clip


class PixelRows(NamedTuple):
    """What is known of each pixel; all of shape (n_pixels,).

    Attributes
    ----------
    norm : ndarray
        Normalization n; pixels where it is not above zero are invalid.
    dark, dark_variance : ndarray or None
        What is subtracted from raw values, and its variance.
    """

    norm: F64
    dark: F64 | None = None
    dark_variance: F64 | None = None


@dataclass(frozen=True, slots=True, eq=False)
class RobustSums:
    """Sums over the pixels kept, each with the fraction f of it that is kept; all of shape (F, n_bins).

    Attributes
    ----------
    failures : list of (FrameError or None)
        What is wrong with each frame; rows of those that could not be decoded are zero.
    signal, normalization, normalization2 : ndarray
        Σ fc(raw - dark), Σ fcn, Σ (fcn)².
    variance : ndarray
        Σ (fc)²u, with u what the variance mode says. For ``"scatter"`` Σ ω²(v - v̄)² of the pixels kept; with
        trimming, of all valid pixels, values beyond the percentiles moved to them.
    dark_variance : ndarray
        Σ (fc)²·variance of the dark.
    count : ndarray of int64
        Number of pixels of which a part is kept.
    """

    failures: list[FrameError | None]
    signal: F64
    normalization: F64
    normalization2: F64
    variance: F64
    dark_variance: F64
    count: NDArray[np.int64]


def _number(name: str, value: object) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise SpecError(f"{name} must be a number, not {value!r}") from None
    if not isfinite(number):
        raise SpecError(f"{name} must be finite, not {number}")
    return number
