"""What is done to frames on their way into an average, and which of them cannot be used."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

import numpy as np
from numpy.typing import DTypeLike, NDArray

from aureole.azimuthal.batches import FramesLike, Reading
from aureole.azimuthal.corrections import no_values
from aureole.errors import FrameError, InputError, SpecError
from aureole.frames import check_pixels
from aureole.geometry import Detector
from aureole.io.images import to_array
from aureole.kernels.stack import Correction
from aureole.kernels.sums import is_invalid
from aureole.runs.report import FrameIssue, RunOptions
from aureole.threads import checked_threads

F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Treatment:
    """What is done to each frame before it is averaged: (raw - dark)/flat, where the raw value counts.

    Attributes
    ----------
    detector : Detector, optional
        Its invalid values are none.
    detector_mask : bool
        Whether its gaps have no value either.
    dummy, delta_dummy : float, optional
        Raw values of invalid pixels, in the place of the detector's.
    saturation : float, optional
        Raw values above it are invalid.
    mask : ndarray, shape (slow, fast), optional
        Not zero where pixels are invalid.
    dark, dark_variance : ndarray, shape (slow, fast), optional
        Is subtracted; its variance adds to that of a mean.
    flat : ndarray, shape (slow, fast), optional
        Divides; where it is not above zero, pixels are invalid.

    Raises
    ------
    SpecError
        A value that is not finite, or a negative `delta_dummy`: they would leave pixels in unnoticed.
    """

    detector: Detector | None = None
    detector_mask: bool = True
    dummy: float | None = None
    delta_dummy: float | None = None
    saturation: float | None = None
    mask: NDArray[np.generic] | None = None
    dark: NDArray[np.generic] | None = None
    dark_variance: NDArray[np.generic] | None = None
    flat: NDArray[np.generic] | None = None

    def __post_init__(self) -> None:
        for name in ("dummy", "delta_dummy", "saturation"):
            value = getattr(self, name)
            if value is not None and not isfinite(value):
                raise SpecError(f"{name} must be finite, not {value:g} (NaN is always invalid)")
        if self.delta_dummy is not None and self.delta_dummy < 0.0:
            raise SpecError(f"delta_dummy is {self.delta_dummy:g}: it cannot be negative")

    def invalid(self, dtype: DTypeLike) -> F64:
        """Return the closed intervals of raw values of a type that are none, shape (K, 2)."""
        found = no_values(self.detector, dtype, dummy=self.dummy, delta_dummy=self.delta_dummy)
        if self.saturation is None:
            return found
        return np.concatenate([found, [[np.nextafter(self.saturation, np.inf), np.inf]]])

    def masked(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Return where no frame has a value, shape (slow, fast).

        Raises
        ------
        SpecError
            An image has another shape.
        GeometryError
            The detector has another shape.
        """
        for name in ("mask", "dark", "dark_variance", "flat"):
            image = getattr(self, name)
            if image is not None and image.shape != shape:
                raise SpecError(f"the {name} has shape {image.shape}, the frames have {shape}")
        bad = np.zeros(shape, bool)
        if self.detector is not None and self.detector_mask:
            bad |= self.detector.with_shape(shape).mask
        if self.mask is not None:
            bad |= self.mask != 0
        for image in (self.dark, self.flat):
            if image is not None:
                values = no_values(self.detector, image.dtype, dummy=self.dummy, delta_dummy=self.delta_dummy)
                bad |= is_invalid(image.astype(np.float64), values)
        if self.flat is not None:
            bad |= ~np.greater(self.flat, 0)
        return bad


class Work:
    """Frames on their way into an average."""

    def __init__(self, frames: FramesLike, treatment: Treatment, options: RunOptions) -> None:
        self.options = options
        self.treatment = treatment
        self.threads = checked_threads(options.threads)
        self.shape = _shape_of(frames)
        self.masked = treatment.masked(self.shape)
        self.reading = Reading(frames, None, options.monitor, self.shape)
        self.failures: dict[int, FrameError] = {}
        self.scales = np.ones(len(self.reading))
        dark, flat = treatment.dark, treatment.flat
        self.dark = None if dark is None else np.where(self.masked, 0.0, dark).astype(np.float64).ravel()
        self.flat = None if flat is None else np.where(self.masked, 1.0, flat).astype(np.float64)

    def __len__(self) -> int:
        return len(self.reading)

    def read(
        self, index: int, dtype: np.dtype[np.generic] | None = None
    ) -> tuple[NDArray[np.generic], Correction]:
        """Return the pixels of one frame in a row, and what is done to them.

        Raises
        ------
        FrameError
            It cannot be used, or is of another type of pixel than it should be.
        """
        item = self.reading.item(index)
        check_pixels(item.frame, self.shape, dtype)
        self.scales[index] = 1.0 / item.monitor
        return to_array(item.frame).reshape(-1), self.correction(item.frame.dtype, 1.0 / item.monitor)

    def correction(self, dtype: DTypeLike, scale: float = 1.0) -> Correction:
        """Return what is done to frames of a type."""
        return Correction(self.treatment.invalid(dtype), self.dark, scale)

    def first(self) -> tuple[NDArray[np.generic], Correction]:
        """Return the first frame that can be used; raises `InputError` if none can."""
        reason = ""
        for index in range(len(self)):
            try:
                return self.read(index)
            except FrameError as error:
                if self.options.strict:
                    raise
                reason = reason or str(error)
        raise InputError(f"none of {len(self)} frames can be used; the first: {reason}")

    def account(self, failures: dict[int, FrameError]) -> None:
        """Take down what could not be used."""
        if failures and self.options.strict:
            raise failures[min(failures)]
        self.failures |= failures

    @property
    def used(self) -> NDArray[np.intp]:
        """The frames that were not found to be unusable."""
        return np.setdiff1d(np.arange(len(self)), list(self.failures))

    @property
    def issues(self) -> list[FrameIssue]:
        """What could not be used, by index."""
        return [FrameIssue.of(index, error) for index, error in sorted(self.failures.items())]

    def finished(self, values: F64, *, power: int = 1) -> F64:
        """Return an image of values in a row, divided by the flat to a power, NaN where it is masked."""
        image = values.reshape(self.shape)
        if self.flat is not None:
            image = image / self.flat**power
        return np.where(self.masked, np.nan, image)

    def counted(self, count: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return an image of counts in a row, 0 where it is masked."""
        return np.where(self.masked, 0, count.reshape(self.shape)).astype(np.int32)

    def of_dark(self) -> F64 | float:
        """Return what the dark's variance adds to that of a mean: all frames share the dark, as it is."""
        variance = self.treatment.dark_variance
        if variance is None:
            return 0.0
        return np.asarray(np.mean(self.scales[self.used]) ** 2 * variance.astype(np.float64)).ravel()


def _shape_of(frames: FramesLike) -> tuple[int, int]:
    if isinstance(frames, np.ndarray):
        return (int(frames.shape[-2]), int(frames.shape[-1])) if frames.ndim > 1 else (0, 0)
    shape = getattr(frames, "shape", None) or (frames[0].shape if len(frames) else (0, 0))  # type: ignore[arg-type,index]
    return int(shape[0]), int(shape[1])
