"""Frames on their way through an OpenCL device: decoded in parts, with what the kernels must know of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aureole.errors import DeviceError, FrameError
from aureole.frames import EncodedFrame
from aureole.kernels.cpu import common_dtype, failure
from aureole.kernels.opencl_decode import Decoded, decode, device_bytes
from aureole.kernels.opencl_device import told
from aureole.kernels.opencl_lane import Lane
from aureole.kernels.opencl_table import REAL, Table, Worker

F64 = NDArray[np.float64]

FRAMES = 8
"""Frames that a work-item sums at once, if there are several: so many share one reading of the table."""

_COLUMN_GROUP = 64
"""Work-items that bring frames side by side together."""

_WORDS = {1: "uchar", 2: "ushort", 4: "uint", 8: "ulong"}

_PIXELS = {
    "i1": ("char", "of_int"),
    "u1": ("uchar", "of_int"),
    "i2": ("short", "of_int"),
    "u2": ("ushort", "of_int"),
    "i4": ("int", "of_int"),
    "u4": ("uint", "of_uint"),
    "i8": ("long", "of_long"),
    "u8": ("ulong", "of_ulong"),
    "f4": ("float", "of_float"),
    "f8": ("double", "of_double"),
}
"""What OpenCL calls a type of pixel, and the function that makes a real number of it."""


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """Frames whose decoding on a device is under way.

    Attributes
    ----------
    index : ndarray of int, shape (n,)
        Which frames of the call they are.
    decoded : list of Decoded
        Their pixels, and the variances of these where there are any.
    arguments : tuple
        Both, the number of pixels of a frame, and the invalid intervals and their number: for the kernels.
    macros : dict
        What the kernels are compiled with.
    """

    index: NDArray[np.intp]
    decoded: list[Decoded]
    arguments: tuple[Any, ...]
    macros: dict[str, Any]

    @property
    def at_once(self) -> int:
        """How many frames a work-item sums at once."""
        return int(self.macros["FRAMES"])

    def good(self, failures: list[FrameError | None]) -> NDArray[np.bool_]:
        """Wait for the decoders, note what failed among all frames, and tell which of these did not."""
        for part in self.decoded:
            for i, error in zip(self.index, part.failures(), strict=True):
                failures[i] = failures[i] or error
        return np.array([failures[i] is None for i in self.index])


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """What one call has to do: frames, and what each of them needs.

    Attributes
    ----------
    images : list of tuple of EncodedFrame
        Each frame, with its variance where there is one.
    invalid : ndarray, shape (K, 2)
        Closed intervals of raw values.
    sums : int
        Numbers that the device has for each bin and frame.
    macros : dict
        What the kernels are compiled with, beside the types of pixels.
    """

    images: list[tuple[EncodedFrame, ...]]
    invalid: F64
    sums: int
    macros: dict[str, int]

    def parts(self, table: Table, worker: Worker, failures: list[FrameError | None]) -> Iterator[Images]:
        """Decode the frames, in parts for which the device has the memory.

        A part must be done with before the next is asked for, as it takes the same place. Frames that have
        not as many pixels as the table are noted among the failures and left out.
        """
        kinds: dict[Any, list[int]] = {}
        for i, images in enumerate(self.images):
            failures[i] = next(filter(None, (_other_size(one, table.n_pixels) for one in images)), None)
            if failures[i] is None:
                kinds.setdefault(tuple(one.shape for one in images), []).append(i)
        for index in kinds.values():
            dtypes = [one.dtype for one in self.images[index[0]]]
            limits = _bounds(self.invalid.tobytes(), dtypes[0])
            bounds = worker.sent("bounds", limits), np.int32(limits.size // 2)
            macros = macros_of(dtypes[0], dtypes[-1]) | self.macros
            room = self._room(table, worker, index)
            at_once = FRAMES if len(index) > 1 and room >= FRAMES else 1
            room -= room % at_once
            for at in range(0, len(index), room):
                some = index[at : at + room]
                decoded = [
                    decode(worker.lane, [self.images[i][k] for i in some], name)
                    for k, name in zip(range(len(dtypes)), ("pixels", "spreads"), strict=False)
                ]
                columns = [
                    _columns(worker.lane, one, dtype.itemsize, at_once)
                    for one, dtype in zip(decoded, dtypes, strict=True)
                ]
                arguments = columns[0], columns[-1], np.int32(table.n_pixels), *bounds
                yield Images(np.array(some), decoded, arguments, macros | {"FRAMES": at_once})

    def _room(self, table: Table, worker: Worker, index: list[int]) -> int:
        sizes = [table.n_pixels * one.dtype.itemsize for one in self.images[index[0]]]
        payload = max(sum(one.nbytes for one in self.images[i]) for i in index)
        # a byte of each work-item for FRAMES frames, but of one where they do not go together
        results = (REAL * self.sums + worker.items) * table.n_bins
        together = device_bytes(sum(sizes), payload) + sum(sizes) + results
        return table.most_frames(worker.part, max(*sizes, payload, results), together)


def _columns(lane: Lane, decoded: Decoded, itemsize: int, at_once: int) -> Any:
    """Return device memory in which frames that are summed together lie side by side."""
    if at_once == 1:
        return decoded.buffer
    n, groups = decoded.n_pixels, -(-decoded.n_frames // at_once)
    columns = lane.buffer(f"{decoded.name}.columns", groups * at_once * n * itemsize)
    interleave = lane.kernel("columns", "interleave", WORD=_WORDS[itemsize], FRAMES=at_once)
    with told(lane.context.device):
        whole = -(-n // _COLUMN_GROUP) * _COLUMN_GROUP
        sizes = np.uint32(n), np.uint32(decoded.n_frames)
        interleave(lane.queue, (whole, groups), (_COLUMN_GROUP, 1), decoded.buffer, *sizes, columns)
    return columns


def of_one_type(
    table: Table, frames: Sequence[EncodedFrame], spreads: Sequence[EncodedFrame] = ()
) -> list[tuple[EncodedFrame, ...]]:
    """Return each frame with its variance where there is one.

    Raises
    ------
    FrameCorrupt
        Their types of pixel differ, or none can be decoded.
    DeviceError
        They need double precision, and the device has none.
    """
    for batch in (frames, spreads):
        common_dtype(batch)
        if batch and batch[0].dtype == np.float64 and not table.double:
            raise DeviceError(
                f"{batch[0].name}: its pixels are 64-bit floats, and the OpenCL device has no double "
                "precision: use the CPU"
            )
    return [(frame, *spreads[i : i + 1]) for i, frame in enumerate(frames)]


def _other_size(frame: EncodedFrame, n_pixels: int) -> FrameError | None:
    have = frame.shape[0] * frame.shape[1]
    return None if have == n_pixels else failure(1 if have < n_pixels else 2, frame.name)


def macros_of(pixel: np.dtype[Any], spread: np.dtype[Any]) -> dict[str, Any]:
    """Return what the kernels must know of the types of pixels and of their variances."""
    macros: dict[str, Any] = {"FRAMES": 1, "VARIANCE": 0, "LINEAR": 0, "QUADRATIC": 0, "DARK": 0}
    for name, dtype in (("PIXEL", pixel), ("SPREAD", spread)):
        macros[name], macros[f"{name}_REAL"] = _PIXELS[f"{dtype.kind}{dtype.itemsize}"]
        macros[f"{name}_FLOAT"] = dtype.itemsize if dtype.kind == "f" else 0
    return macros


@lru_cache(64)
def _bounds(invalid: bytes, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return intervals of doubles as those of a type of pixel: lowest, highest, lowest, and so on."""
    found: list[Any] = []
    for low, high in np.frombuffer(invalid).reshape(-1, 2).tolist():
        if low <= high:
            ends = _float_bounds(low, high, dtype) if dtype.kind == "f" else _int_bounds(low, high, dtype)
            found += ends if ends[0] <= ends[1] else ()
    return np.array(found, dtype)


def _float_bounds(low: float, high: float, dtype: np.dtype[Any]) -> tuple[Any, Any]:
    with np.errstate(over="ignore"):
        first, last = np.array([low, high]).astype(dtype)
        if float(first) < low:
            first = np.nextafter(first, dtype.type(np.inf))
        if float(last) > high:
            last = np.nextafter(last, dtype.type(-np.inf))
    return first, last


def _int_bounds(low: float, high: float, dtype: np.dtype[Any]) -> tuple[int, int]:
    least, most = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    return _reaching(low, least, most), _reaching(math.nextafter(high, math.inf), least, most) - 1


def _reaching(value: float, least: int, most: int) -> int:
    """Return the lowest integer that is not below a value once it is a double, as all raw values are."""
    while least <= most:
        middle = (least + most) // 2
        if float(middle) >= value:
            most = middle - 1
        else:
            least = middle + 1
    return least
