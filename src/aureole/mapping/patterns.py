"""What all analyses of many patterns share: windows, checks, values with errors."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aureole.errors import SpecError

F64 = NDArray[np.float64]
Window = tuple[float, float]
"""First and last radial position that count, in the unit of the patterns."""


class Estimate(NamedTuple):
    """What was found, with its standard uncertainty.

    Attributes
    ----------
    value, sigma : ndarray of float64
        Of one shape; NaN where nothing could be found.
    """

    value: F64
    sigma: F64


class Patterns(NamedTuple):
    """Patterns in a window, ready for sums with weights.

    Attributes
    ----------
    radial : ndarray of float64, shape (bins,)
    intensity : ndarray, shape (n, bins)
    sigma : ndarray, shape (n, bins) or (1, bins), optional
    shape : tuple of int
        What the patterns' leading dimensions were.
    """

    radial: F64
    intensity: NDArray[np.floating]
    sigma: NDArray[np.floating] | None
    shape: tuple[int, ...]

    def rows(self, part: slice) -> tuple[F64, F64, NDArray[np.bool_]]:
        """Return intensity, sigma and which bins are there of some patterns; zero and one where none is.

        A bin counts if its intensity is finite and its sigma finite and positive; without sigmas, all are 1.
        """
        values = self.intensity[part].astype(np.float64)
        errors = np.ones(values.shape)
        there = np.isfinite(values)
        if self.sigma is not None:
            errors[:] = self.sigma if len(self.sigma) == 1 else self.sigma[part]
            there &= np.isfinite(errors) & (errors > 0)
        values[~there] = 0.0
        errors[~there] = 1.0
        return values, errors, there


def in_window(
    radial: ArrayLike,
    intensity: ArrayLike,
    sigma: ArrayLike | None,
    window: Window | None,
    *,
    least: int,
    what: str,
) -> Patterns:
    """Return the part of patterns that is in a window.

    Parameters
    ----------
    radial : array_like, shape (bins,)
        Rising.
    intensity : array_like, shape (..., bins)
    sigma : array_like, shape (..., bins) or (bins,), optional
    window : (float, float), optional
        All bins without it.
    least : int
        How many bins are needed at least, for `what` (for the message).

    Raises
    ------
    SpecError
        Shapes that do not fit; a radial axis that does not rise; a window that is none, reaches beyond the
        patterns or has fewer bins than needed; a sigma that is negative, or nowhere positive where there are
        intensities.
    """
    x, values = np.asarray(radial, np.float64), np.asarray(intensity)
    errors = None if sigma is None else np.asarray(sigma)
    if x.ndim != 1 or values.ndim < 1 or values.shape[-1:] != x.shape:
        raise SpecError(f"patterns of shape {values.shape} do not fit a radial axis of shape {x.shape}")
    if errors is not None and errors.shape not in (values.shape, x.shape):
        raise SpecError(f"sigma of shape {errors.shape} does not fit patterns of shape {values.shape}")
    if len(x) < 2 or not np.isfinite(x).all() or not (np.diff(x) > 0).all():
        raise SpecError("the radial axis does not rise from bin to bin")
    part = slice(0, len(x)) if window is None else _bins(x, window)
    if part.stop - part.start < least:
        where = "the patterns have" if window is None else f"the window {window[0]:g} to {window[1]:g} has"
        raise SpecError(f"{where} {part.stop - part.start} bins, and {what} needs {least} at least")
    shape, values = values.shape[:-1], values[..., part].reshape(-1, part.stop - part.start)
    if errors is not None:
        errors = errors[..., part].reshape(-1, part.stop - part.start)
        if (errors < 0).any():
            raise SpecError("a sigma is negative")
        if np.isfinite(values).any() and not (np.isfinite(values) & (errors > 0)).any():
            raise SpecError("no sigma is positive where there are intensities; leave sigma out to do without")
    return Patterns(x[part], values, errors, shape)


def _bins(x: F64, window: Window) -> slice:
    low, high = window
    if not low < high:
        raise SpecError(f"the window {low:g} to {high:g} is empty")
    before, after = (x[1] - x[0]) / 2, (x[-1] - x[-2]) / 2
    if low < x[0] - before or high > x[-1] + after:
        raise SpecError(f"the window {low:g} to {high:g} reaches beyond the patterns ({x[0]:g} to {x[-1]:g})")
    first, stop = np.searchsorted(x, low), np.searchsorted(x, high, side="right")
    return slice(int(first), int(stop))


def chunks(count: int, size: int) -> list[slice]:
    """Return slices of so many patterns each: few enough to stay in a cache."""
    return [slice(first, min(first + size, count)) for first in range(0, count, size)]
