"""One image of many: mean, median and other statistics of each pixel, in bounded memory."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from aureole.azimuthal import Clip, Trim
from aureole.azimuthal.batches import FramesLike, in_order
from aureole.errors import FrameError, InputError, SpecError
from aureole.kernels.stack import Median, Moments, Reduced, reduce_stack
from aureole.kernels.sums import is_invalid
from aureole.runs.report import FrameIssue, RunOptions
from aureole.runs.treatment import Treatment, Work
from aureole.threads import share_of_memory

F64 = NDArray[np.float64]

Method = Literal["mean", "median", "sum", "min", "max", "std", "variance"]

_MOST_TOGETHER = 32
"""Frames whose sums are made by one thread."""
_SORTED = 1 << 21
"""Values that one thread reduces at a time."""
_BYTES_A_SUM = 48


@dataclass(frozen=True, slots=True, eq=False)
class Averaged:
    """What many frames were reduced to.

    Attributes
    ----------
    image : ndarray of float64, shape (slow, fast)
        NaN where no frame had a value.
    variance : ndarray of float64, shape (slow, fast), or None
        Of a mean, by the scatter of the frames; NaN where that is less than two values, None where it is so
        everywhere.
    count : ndarray of int32, shape (slow, fast)
        Of how many frames each pixel was made; after clipping, of how many that were kept.
    total : int
        Number of frames.
    issues : list of FrameIssue
        Those that could not be used.
    """

    image: F64
    variance: F64 | None
    count: NDArray[np.int32]
    total: int
    issues: list[FrameIssue]


@dataclass(frozen=True, slots=True, eq=False)
class Statistics:
    """Statistics of each pixel over frames; all of shape (slow, fast), NaN where there is nothing to say.

    Attributes
    ----------
    count : ndarray of int32
        Frames in which the pixel has a value.
    mean, scatter : ndarray of float64
        Mean, and variance of a value, Σ(x - mean)²/(n - 1).
    lowest, highest : ndarray of float64
    total : int
        Number of frames.
    issues : list of FrameIssue
        Those that could not be used.
    """

    count: NDArray[np.int32]
    mean: F64
    scatter: F64
    lowest: F64
    highest: F64
    total: int
    issues: list[FrameIssue]


def average_frames(
    frames: FramesLike,
    method: Method | Trim | Clip = "mean",
    *,
    treatment: Treatment | None = None,
    options: RunOptions | None = None,
    memory: int | None = None,
) -> Averaged:
    """Reduce many frames to one image.

    Means, sums, extremes and variances are made in one pass. For the median, for percentiles and for
    clipping all values of a pixel are needed at once: as many pixels at a time as the memory holds, for which
    all frames are read again each time.

    Parameters
    ----------
    frames : FramesLike
        A series, a stack (F, slow, fast), a sequence of images.
    method : str, Trim or Clip
        ``"mean"``, ``"median"``, ``"sum"``, ``"min"``, ``"max"``, ``"std"`` and ``"variance"`` (of one frame,
        by the scatter, over n - 1); `Trim`: mean between percentiles; `Clip`: mean without outliers, see
        `aureole.kernels.stack.reduce_stack`.
    treatment : Treatment, optional
        What is done to each frame before.
    options : RunOptions, optional
        Its threads, monitor (each frame is divided by its own), strict and progress count.
    memory : int, optional
        Bytes of frames that are held at once; a quarter of the machine's memory without it.

    Returns
    -------
    Averaged

    Raises
    ------
    SpecError
        Images of other shapes, an unknown method, too little memory for one pixel.
    InputError
        No frame can be used, or no pixel has a value that could be averaged.
    FrameError
        With ``options.strict`` the first frame that cannot be used.
    """
    work = Work(frames, treatment or Treatment(), options or RunOptions())
    if isinstance(method, Trim | Clip):
        found = _by_stack(work, method, memory or share_of_memory())
    elif method == "median":
        found = _by_stack(work, Median(), memory or share_of_memory())
    else:
        found = _by_sums(work, method)
    variance = None
    if found.variance is not None and np.isfinite(found.variance).any():
        variance = work.finished(found.variance + work.of_dark(), power=2)
    image = work.finished(found.value, power=2 if method == "variance" else 1)
    _refuse_empty(image, method, len(work) - len(work.issues))
    return Averaged(image, variance, work.counted(found.count), len(work), work.issues)


def _refuse_empty(image: F64, method: Method | Trim | Clip, used: int) -> None:
    """Raise `InputError` where an average would say nothing of any pixel."""
    if method in ("std", "variance") and used < 2:
        raise InputError("the scatter of one frame is not known: name two frames or more")
    if not np.isfinite(image).any():
        raise InputError(
            f"no pixel has a value in {used} frame{'s' * (used != 1)}: are mask, invalid values, saturation, "
            "dark and flat right?"
        )


def frame_statistics(
    frames: FramesLike, *, treatment: Treatment | None = None, options: RunOptions | None = None
) -> Statistics:
    """Return mean, scatter and extremes of each pixel in one pass; parameters as for `average_frames`."""
    work = Work(frames, treatment or Treatment(), options or RunOptions())
    sums = _summed(work, squares=True, extremes=True)
    return Statistics(
        work.counted(sums.count),
        work.finished(sums.mean()),
        work.finished(sums.scatter(), power=2),
        work.finished(sums.extreme(highest=False)),
        work.finished(sums.extreme(highest=True)),
        len(work),
        work.issues,
    )


def _by_sums(work: Work, method: str) -> Reduced:
    if method not in ("mean", "sum", "min", "max", "std", "variance"):
        raise SpecError(f"there is no average {method!r}: mean, median, sum, min, max, std or variance")
    extremes = method in ("min", "max")
    sums = _summed(work, squares=method in ("mean", "std", "variance"), extremes=extremes)
    if method == "mean":
        with np.errstate(divide="ignore", invalid="ignore"):
            return Reduced(sums.mean(), sums.scatter() / sums.count, sums.count)
    if method == "sum":
        return Reduced(sums.sum(), None, sums.count)
    if extremes:
        return Reduced(sums.extreme(highest=method == "max"), None, sums.count)
    scatter = sums.scatter()
    return Reduced(np.sqrt(scatter) if method == "std" else scatter, None, sums.count)


def _summed(work: Work, *, squares: bool, extremes: bool) -> Moments:
    """Sum all frames: several at a time, each lot by one thread, added up in their order."""
    raw, correction = work.first()
    origin = np.empty(raw.size)
    for start in range(0, raw.size, _SORTED):
        part = slice(start, start + _SORTED)
        values, bad = correction.apply(raw[part], part)
        origin[part] = values if bad is None else np.where(bad, 0.0, values)
    total = len(work)
    # by the number of frames alone, so that the sums do not depend on that of threads
    together = min(_MOST_TOGETHER, max(1, total // 8))
    lots = [range(start, min(start + together, total)) for start in range(0, total, together)]

    def sum_of(lot: range) -> tuple[Moments, dict[int, FrameError]]:
        sums, failures = Moments(origin, squares=squares, extremes=extremes), {}
        for index in lot:
            try:
                sums.add(*work.read(index))
            except FrameError as error:
                failures[index] = error
        return sums, failures

    room = max(1, share_of_memory() // (2 * _BYTES_A_SUM * raw.size))
    result = Moments(origin, squares=squares, extremes=extremes)
    work.options.tell(0, total)
    with closing(in_order(sum_of, lots, min(work.threads, room))) as outcomes:
        for lot, (sums, failures) in zip(lots, outcomes, strict=True):
            work.account(failures)
            result.merge(sums)
            work.options.tell(lot.stop, total)
    return result


def _by_stack(work: Work, rule: Median | Trim | Clip, memory: int) -> Reduced:
    """Reduce all values of as many pixels at a time as the memory holds."""
    raw, _ = work.first()
    dtype, size, total = raw.dtype, raw.size, len(work)
    width = min(size, memory // (total * dtype.itemsize))
    if width < 1:
        raise SpecError(f"{memory} bytes of memory do not hold one pixel of {total} frames; allow more")
    starts = range(0, size, width)
    stack = np.empty((total, width), dtype)
    value, count = np.full(size, np.nan), np.zeros(size, np.int32)
    variance = np.full(size, np.nan)
    known = False
    work.options.tell(0, total * len(starts))
    for turn, start in enumerate(starts):
        part = slice(start, min(start + width, size))
        _fill(work, stack, part, again=turn > 0)
        used, quantum = work.used, _quantum(work, dtype)
        step = max(1, _SORTED // total)
        blocks = [slice(at, min(at + step, part.stop)) for at in range(part.start, part.stop, step)]

        def reduced(
            block: slice, first: int = start, used: NDArray[np.intp] = used, quantum: float = quantum
        ) -> Reduced:
            inside = slice(block.start - first, block.stop - first)
            return reduce_stack(_treated(work, stack[used, inside], used, block), rule, quantum=quantum)

        with closing(in_order(reduced, blocks, work.threads)) as outcomes:
            for block, found in zip(blocks, outcomes, strict=True):
                value[block], count[block] = found.value, found.count
                if found.variance is not None:
                    known, variance[block] = True, found.variance
        work.options.tell((turn + 1) * total, total * len(starts))
    return Reduced(value, variance if known else None, count)


def _fill(work: Work, stack: NDArray[np.generic], part: slice, *, again: bool) -> None:
    """Copy some pixels of all frames into a stack; what could be read once must be readable again."""

    def copy(index: int) -> FrameError | None:
        try:
            raw, _ = work.read(index, stack.dtype)
            stack[index, : part.stop - part.start] = raw[part]
        except FrameError as error:
            if again:
                raise
            return error
        return None

    indices = [int(index) for index in work.used]
    with closing(in_order(copy, indices, work.threads)) as outcomes:
        for index, error in zip(indices, outcomes, strict=True):
            if error is not None:
                work.account({index: error})


def _treated(work: Work, raw: NDArray[np.generic], used: NDArray[np.intp], block: slice) -> F64:
    """Return the values of some pixels in the frames in use, NaN where there is none."""
    values = raw.astype(np.float64)
    values[is_invalid(values, work.treatment.invalid(raw.dtype))] = np.nan
    if work.dark is not None:
        values -= work.dark[block]
    if work.options.monitor is not None:
        values *= work.scales[used, None]
    return values


def _quantum(work: Work, dtype: np.dtype[np.generic]) -> float:
    """Return how much one count is, where pixels hold whole numbers."""
    return float(np.median(work.scales[work.used])) if dtype.kind in "iu" else 0.0
