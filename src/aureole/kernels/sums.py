"""What goes into the kernels beside frames, what comes out, and which values count: plain named arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aureole.errors import FrameError

F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """A sparse table by pixel: the fraction ``coefs[k]`` of pixel p falls into bin ``bins[k]``.

    Attributes
    ----------
    pixel_ptr : ndarray of int64, shape (n_pixels + 1,)
        Entries of pixel p are ``pixel_ptr[p] <= k < pixel_ptr[p + 1]``; a masked pixel has none.
    bins : ndarray of int32, shape (nnz,)
    coefs : ndarray of float32, shape (nnz,)
    n_bins : int
    """

    pixel_ptr: NDArray[np.int64]
    bins: NDArray[np.int32]
    coefs: NDArray[np.float32]
    n_bins: int

    @property
    def n_pixels(self) -> int:
        """Number of pixels, masked ones included."""
        return self.pixel_ptr.size - 1


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """Sums over all entries of a table: count (n_bins,), linear (L, n_bins), quadratic (Q, n_bins)."""

    count: NDArray[np.int64]
    linear: F64
    quadratic: F64


class BatchSums(NamedTuple):
    """Sums of a batch of F frames; rows of frames that could not be decoded are zero.

    Attributes
    ----------
    failures : list of (FrameError or None)
        What is wrong with each frame; None where it was summed.
    signal : ndarray, shape (F, n_bins)
        Σ c·raw over the valid pixels.
    variance : ndarray, shape (F, n_bins), or None
        Σ c²·u over the valid pixels; u is what the variance mode says.
    touched : ndarray of int, shape (A,)
        The frames with invalid pixels among those of the table; the ``lost_`` arrays have a row for each.
    lost_count : ndarray of int64, shape (A, n_bins)
        Number of entries of invalid pixels.
    lost_linear, lost_quadratic : ndarray, shape (A, L, n_bins) and (A, Q, n_bins)
        Σ c·x and Σ c²·x over the invalid pixels, for the given rows x.
    """

    failures: list[FrameError | None]
    signal: F64
    variance: F64 | None
    touched: NDArray[np.intp]
    lost_count: NDArray[np.int64]
    lost_linear: F64
    lost_quadratic: F64


class Deviations(NamedTuple):
    """Second moments about each bin's mean: square (F, n_bins) = Σ ω²(v-v̄)², weighted (F, n_bins) = Σ ω²v."""

    square: F64
    weighted: F64


def is_invalid(values: NDArray[np.generic], invalid: F64) -> NDArray[np.bool_]:
    """Tell which raw values are NaN or lie in one of the closed intervals ``invalid`` of shape (K, 2)."""
    bad = np.zeros(values.shape, bool)
    if values.dtype.kind == "f":
        values = values.astype(np.float64, copy=False)  # else the bounds would be rounded
        bad = np.isnan(values)
    for low, high in invalid:
        bad |= values == low if low == high else (values >= low) & (values <= high)
    return bad


def is_invalid_variance(values: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Tell which variances are negative or not finite; the smallest ones may stand for zero."""
    bad: NDArray[np.bool_] = ~(np.isfinite(values) & (values > -np.finfo(np.float64).smallest_normal))
    return bad
