"""Frames in, batches out: what may be given as frames, and how batches are made side by side and in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from math import isfinite
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aureole.arrays import unmasked
from aureole.azimuthal.result import Cake, Pattern
from aureole.azimuthal.spec import ErrorModel
from aureole.errors import FrameCorrupt, FrameError, SpecError
from aureole.frames import EncodedFrame, FrameSource, check_pixels

FramesLike = EncodedFrame | FrameSource | NDArray[Any] | Sequence[EncodedFrame | NDArray[Any]]
"""One image (n1, n2) or encoded frame; or several: a stack (F, n1, n2), a sequence, a lazy source."""

Monitor = ArrayLike | Callable[[EncodedFrame], float]
"""One value for each frame, or what finds it in a frame's header (FrameCorrupt where it cannot)."""

Task = TypeVar("Task")
Done = TypeVar("Done")


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Some consecutive frames, integrated.

    Attributes
    ----------
    frames : range
        Which frames these are.
    rows : ndarray of int
        Those of them that could be used, ascending: what the leading axis of `result` counts.
    result : Pattern or Cake
    failures : dict of int to FrameError
        Why the others could not be used: `FrameMissing` or `FrameCorrupt`.
    monitor : ndarray of float64
        What each of the rows was divided by; ones without a monitor.
    """

    frames: range
    rows: NDArray[np.intp]
    result: Pattern | Cake
    failures: dict[int, FrameError]
    monitor: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """One frame and what varies with it."""

    index: int
    frame: EncodedFrame
    variance: EncodedFrame | None
    monitor: float

    @property
    def kind(self) -> tuple[object, ...]:
        """What frames must share to go through a kernel together."""
        kinds = [(one.encoding, one.dtype) for one in (self.frame, self.variance) if one is not None]
        return tuple(kinds)


class Reading:
    """The frames of one call, with their variances and monitor values; reads one at a time, from any thread.

    Parameters
    ----------
    frames : FramesLike
    variance : FramesLike, optional
        As many as frames.
    monitor : Monitor, optional
        As many as frames.
    shape : tuple of int
        What an image must have.

    Raises
    ------
    SpecError
        These are no frames, or not as many variances or monitor values.
    """

    def __init__(
        self, frames: FramesLike, variance: FramesLike | None, monitor: Monitor | None, shape: tuple[int, int]
    ) -> None:
        self.frames, self.single = _as_sequence(frames, "frames")
        self.variance = None if variance is None else _as_sequence(variance, "variance")[0]
        self.shape = shape
        self.monitor = monitor if monitor is None or callable(monitor) else _monitor_values(monitor)
        for name, given in (("variances", self.variance), ("monitor values", self.monitor)):
            if given is not None and not callable(given) and len(given) != len(self.frames):
                raise SpecError(f"there are {len(given)} {name} for {len(self.frames)} frames")

    def __len__(self) -> int:
        return len(self.frames)

    def item(self, index: int, shape: tuple[int, int] | None = None) -> Item:
        """Read one frame, of this shape if it is another than that of all.

        Raises `FrameError` where it, its variance or its monitor value cannot be used.
        """
        name = "image" if self.single else f"frame {index}"
        shape = shape or self.shape
        frame = _image(self.frames[index], name, shape)
        variance = None
        if self.variance is not None:
            variance = _image(self.variance[index], f"variance of {name}", shape)
        value = 1.0
        if self.monitor is not None:
            value = float(self.monitor(frame) if callable(self.monitor) else self.monitor[index])
            if not (isfinite(value) and value > 0.0):
                raise FrameCorrupt(frame.name, f"its monitor is {value:g}: it must be above zero")
        return Item(index, frame, variance, value)


def check_variance(variance: FramesLike | None, error_model: ErrorModel | None) -> None:
    """Raise `SpecError` if there is a variance where the error model has none, or the other way round."""
    wanted = error_model == "variance"
    if wanted and variance is None:
        raise SpecError("the error model 'variance' needs a variance with the frames")
    if variance is not None and not wanted:
        raise SpecError(f"a variance has no use with the error model {error_model!r}")


def _image(given: EncodedFrame | NDArray[Any], name: str, shape: tuple[int, int]) -> EncodedFrame:
    frame = given if isinstance(given, EncodedFrame) else _encoded(unmasked(given, name), name)
    check_pixels(frame, shape)
    if frame.dtype.kind not in "iuf":
        raise FrameCorrupt(frame.name, f"its pixels are of type {frame.dtype}")
    return frame


def _as_sequence(given: Any, what: str) -> tuple[Sequence[EncodedFrame | NDArray[Any]], bool]:
    """Return what has a length and gives images by index, and whether it was one image alone."""
    if isinstance(given, EncodedFrame):
        return [given], True
    ndim = getattr(given, "ndim", None)
    if isinstance(given, np.ndarray):
        given = unmasked(given, what)
    if ndim == 2:
        return [np.asarray(given)], True
    if ndim not in (None, 3):
        raise SpecError(f"{what} of {ndim} axes: an image has two, a stack of images three")
    if not (hasattr(given, "__len__") and hasattr(given, "__getitem__")) or isinstance(given, str | bytes):
        raise SpecError(
            f"{what} must be an image, a stack or a sequence of images, not {type(given).__name__}"
        )
    return given, False


def _encoded(array: NDArray[Any], name: str) -> EncodedFrame:
    if array.ndim != 2:
        raise FrameCorrupt(name, f"it has shape {array.shape} instead of that of an image")
    if array.dtype.kind not in "biuf":
        raise FrameCorrupt(name, f"its pixels are of type {array.dtype}")
    # Types that hold the same values; the kernels know integers of any size, float32 and float64.
    if array.dtype.kind == "b":
        array = array.astype(np.uint8)
    elif array.dtype == np.float16:
        array = array.astype(np.float32)
    return EncodedFrame.from_array(array, name)


def _monitor_values(monitor: ArrayLike) -> NDArray[np.float64]:
    try:
        given = unmasked(monitor, "monitor")
        if given.dtype.kind == "c":
            raise TypeError
        values = given.astype(np.float64)
    except (TypeError, ValueError):
        raise SpecError("the monitor must be numbers, one for each frame") from None
    if values.ndim > 1:
        raise SpecError(f"the monitor has shape {values.shape}: it must be one number for each frame")
    return values.reshape(-1)


def in_order(
    function: Callable[[Task], Done], tasks: Sequence[Task], threads: int
) -> Generator[Done, None, None]:
    """Yield `function` of each task, in their order, worked on by several threads.

    At most twice as many tasks as threads are under way or wait to be taken, so that memory stays bounded
    however slow the taker is. One thread works within the taker's own.
    """
    if min(threads, len(tasks)) <= 1:
        yield from map(function, tasks)
        return
    waiting: deque[Future[Done]] = deque()
    with ThreadPoolExecutor(min(threads, len(tasks)), thread_name_prefix="aureole") as pool:
        try:
            for task in tasks:
                waiting.append(pool.submit(function, task))
                if len(waiting) >= 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
