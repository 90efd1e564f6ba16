"""Pixels that stand out above the background of their radius: rules, and what kernels take and give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aureole.errors import FrameError, SpecError
from aureole.kernels.robust import F64, checked_number

_LARGEST_PATCH = 31


@dataclass(frozen=True, slots=True)
class Peaks:
    """What a peak is: a pixel that stands out, none around it is higher, and enough of those stand out too.

    Parameters
    ----------
    cutoff : float
        By how many standard deviations a pixel must stand out.
    patch : int
        Width in pixels of the square around the highest one that is looked at, and summed: 3, 5, ... 31.
    connected : int
        How many pixels of it must stand out, the highest one counted.

    Raises
    ------
    SpecError
        Other numbers.
    """

    cutoff: float = 5.0
    patch: int = 3
    connected: int = 2

    def __post_init__(self) -> None:
        object.__setattr__(self, "cutoff", checked_number("peaks: cutoff", self.cutoff))
        if not self.cutoff > 0.0:
            raise SpecError(f"peaks above {self.cutoff:g} sigma: it must be above zero")
        if self.patch not in range(3, _LARGEST_PATCH + 1, 2):
            raise SpecError(f"peaks in patches of {self.patch} pixels: 3, 5, ... {_LARGEST_PATCH} can be had")
        if self.connected not in range(1, self.patch**2 + 1):
            raise SpecError(
                f"peaks of {self.connected} pixels: a patch of {self.patch} has 1 to {self.patch**2}"
            )


@dataclass(frozen=True, slots=True)
class Picking:
    """Which pixels stand out: the background of their radius is exceeded by more than chance explains.

    With e the intensity of a pixel less the mean of the background at its radius, s the standard deviation of
    a pixel there and N the noise, those are picked that have e > N and e > cutoff·√(s² + N²).

    Source: J. Kieffer et al., J. Appl. Cryst. 58 (2025) 138 [sparsification and peak finding after sigma
    clipping].

    Parameters
    ----------
    cutoff : float
        Above zero.
    noise : float
        In the unit of the intensities, not below zero: of a background of nearly no counts the standard
        deviation is so small that single photons would stand out.
    peaks : Peaks, optional
        Look for peaks too.

    Raises
    ------
    SpecError
        Other numbers.
    """

    cutoff: float = 3.0
    noise: float = 1.0
    peaks: Peaks | None = None

    def __post_init__(self) -> None:
        for name in ("cutoff", "noise"):
            object.__setattr__(self, name, checked_number(f"picking: {name}", getattr(self, name)))
        if not self.cutoff > 0.0:
            raise SpecError(f"picking above {self.cutoff:g} sigma: it must be above zero")
        if self.noise < 0.0:
            raise SpecError(f"picking with a noise of {self.noise:g}: it cannot be negative")


class PixelPlaces(NamedTuple):
    """Where the pixels of an image lie among the bins, and what is known of them; shape (n_pixels,).

    Attributes
    ----------
    place : ndarray of float32
        Number of the bin whose centre comes before, and the fraction of the way to the next: 0 to n_bins - 1.
    inverse : ndarray
        1 / norm; NaN where a pixel is invalid.
    n_bins, columns : int
        Columns are those of the image.
    """

    place: NDArray[np.float32]
    inverse: F64
    n_bins: int
    columns: int


@dataclass(frozen=True, slots=True, eq=False)
class Picked:
    """What stands out in a frame.

    Attributes
    ----------
    mean, deviation : ndarray, shape (n_bins,)
        Of the intensities of the pixels of the background. In bins without pixels they are interpolated; NaN
        where no bin has any.
    pixels : ndarray of uint32, shape (n,)
        Flat numbers of the pixels that stand out, rising.
    values : ndarray, shape (n,)
        Their raw values.
    invalid : ndarray of uint32, shape (m,)
        Pixels of the table that are invalid in this frame, rising.
    peaks : ndarray, shape (k, 5)
        Flat number of the highest pixel; row and column of the centre of mass, where pixel (i, j) is at
        (i, j); sum of e over the pixels of the patch where it is positive; √Σ(s² + N²) over the same.
    """

    mean: F64
    deviation: F64
    pixels: NDArray[np.uint32]
    values: NDArray[Any]
    invalid: NDArray[np.uint32]
    peaks: F64


class PickedFrames(NamedTuple):
    """What is wrong with each frame, and what stands out in those with which nothing is."""

    failures: list[FrameError | None]
    frames: list[Picked | None]


def same_places(places: PixelPlaces) -> PixelPlaces:
    """Return the places as they are: what the reference backend takes."""
    return places
