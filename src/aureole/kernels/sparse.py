"""Frames of which the pixels that stand out are kept, with the background by radius; and back to images."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite, nan
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from aureole.errors import SpecError
from aureole.kernels.pick import Picking
from aureole.kernels.robust import F64

F32 = NDArray[np.float32]

Noise = Literal["poisson", "normal"]

_MOST_COUNTS = 1e18


@dataclass(frozen=True, slots=True, eq=False)
class SparseLayout:
    """What all sparse frames of a series share.

    Attributes
    ----------
    radius : ndarray of float32, shape (n1, n2)
        Radial coordinate of the centre of each pixel; NaN where no frame has a value.
    centres : ndarray of float32, shape (bins,)
        Of the bins of the background, evenly spaced.
    normalization : ndarray of float32, shape (n1, n2)
        What a background of intensity 1 counts in each pixel.
    unit : str
        Of radius and centres.
    dummy : float
        Raw value that stands where no frame has one; NaN where that is what floats have.
    dtype : dtype
        Of the frames.
    picking : Picking

    Raises
    ------
    SpecError
        The dummy is no value of that type.
    """

    radius: F32
    centres: F32
    normalization: F32
    unit: str
    dummy: float
    dtype: np.dtype[np.generic]
    picking: Picking

    def __post_init__(self) -> None:
        if not _fits(self.dummy, self.dtype):
            raise SpecError(f"a dummy of {self.dummy:g} cannot stand in frames of {self.dtype}")


@dataclass(frozen=True, slots=True, eq=False)
class SparseFrame:
    """One frame of which only some pixels are kept.

    Attributes
    ----------
    pixels : ndarray of uint32, shape (n,)
        Flat numbers of those that stand out, and of those that are invalid in this frame alone; rising.
    values : ndarray, shape (n,)
        Their raw values.
    mean, deviation : ndarray of float32, shape (bins,)
        Background: mean and standard deviation of a pixel's intensity.
    peaks : ndarray, shape (k, 5)
        As `aureole.kernels.pick.Picked` has them; none where none were asked for.
    """

    pixels: NDArray[np.uint32]
    values: NDArray[Any]
    mean: F32
    deviation: F32
    peaks: F64 = field(default_factory=lambda: np.zeros((0, 5)))


def densify(
    frame: SparseFrame,
    layout: SparseLayout,
    *,
    noise: Noise | None = None,
    seed: int | tuple[int, ...] = 0,
) -> NDArray[Any]:
    """Make an image of a sparse frame: the background at the radius of each pixel, and the pixels kept.

    Parameters
    ----------
    frame : SparseFrame
    layout : SparseLayout
        Of its series.
    noise : {"poisson", "normal"}, optional
        Draw the background at random, with counts that follow Poisson's law or with the standard deviation
        that was measured; never above what would have been kept. Without it integers are rounded: a
        background below half a count becomes zero.
    seed : int or tuple of int
        Of the random numbers; give each frame another one.

    Returns
    -------
    ndarray, shape (n1, n2), dtype of the layout

    Raises
    ------
    SpecError
        An unknown kind of noise, or a frame that does not fit the layout.
    """
    if noise not in (None, *get_args(Noise)):
        raise SpecError(f"noise {noise!r} is not known: there are {', '.join(get_args(Noise))}")
    size = layout.radius.size
    if frame.mean.shape != layout.centres.shape or int(frame.pixels.max(initial=0)) >= size:
        raise SpecError("a sparse frame is of another layout: its bins or pixels differ")
    valid = np.isfinite(layout.radius).reshape(-1)
    radius = layout.radius.reshape(-1)[valid]
    norm = layout.normalization.reshape(-1)[valid].astype(np.float64)
    mean = np.interp(radius, layout.centres, frame.mean)
    background = mean * norm
    if noise is not None:
        deviation = np.interp(radius, layout.centres, frame.deviation)
        rng = np.random.default_rng(seed)
        drawn = (
            drawn_counts(rng, background)
            if noise == "poisson"
            else rng.normal(mean, np.nan_to_num(deviation)) * norm
        )
        most = np.maximum(
            layout.picking.noise, layout.picking.cutoff * np.hypot(deviation, layout.picking.noise)
        )
        background = np.minimum(drawn, (mean + most) * norm)
    image = np.full(size, layout.dummy).astype(layout.dtype)
    image[valid] = as_pixels(background, layout.dtype)
    image[frame.pixels] = frame.values
    return image.reshape(layout.radius.shape)


def drawn_counts(rng: np.random.Generator, expected: F64) -> F64:
    """Return counts that follow Poisson's law; what is expected, where that is too much to draw."""
    expected = np.maximum(np.nan_to_num(expected), 0.0)
    drawn = rng.poisson(np.minimum(expected, _MOST_COUNTS)).astype(np.float64)
    return np.where(expected > _MOST_COUNTS, expected, drawn)


def as_pixels(values: F64, dtype: np.dtype[np.generic]) -> NDArray[Any]:
    """Return values as pixels of a type: whole numbers are rounded, and kept within what it holds."""
    if dtype.kind == "f":
        return values.astype(dtype)
    most: np.iinfo[Any] = np.iinfo(dtype.name)
    # halves away from zero: np.rint would take 0.5 down and 1.5 up
    whole: F64 = np.trunc(values + np.copysign(0.5, values))
    # the largest integer of 64 bits is no float
    top = float(most.max) if dtype.itemsize < 8 else np.nextafter(float(most.max), 0.0)
    pixels: NDArray[Any] = np.clip(np.nan_to_num(whole), most.min, top).astype(dtype)
    return pixels


def _fits(value: float, dtype: np.dtype[np.generic]) -> bool:
    if dtype.kind == "f":
        return True
    most: np.iinfo[Any] = np.iinfo(dtype.name)
    return isfinite(value) and most.min <= value <= most.max and value == int(value)


def no_frame(layout: SparseLayout) -> SparseFrame:
    """Return what stands in the place of a frame that could not be had: no pixels, a background of NaN."""
    nothing = np.full(layout.centres.shape, nan, np.float32)
    return SparseFrame(np.zeros(0, np.uint32), np.zeros(0, layout.dtype), nothing, nothing)
