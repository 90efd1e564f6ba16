"""One stored HDF5 data set of images, read as the bytes that lie in the file.

Where a chunk is exactly one frame, and is stored as it is or compressed by bitshuffle-LZ4 (filter 32008), its
place in the file is looked up once and its bytes are read by the operating system: HDF5's global lock is not
involved, so threads read at the same time. Everything else is decoded by the HDF5 library, and says so.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
from numpy.typing import NDArray

from aureole.errors import NO_MORE_FILES, FormatError, FrameCorrupt, FrameError, FrameMissing, refused
from aureole.frames import CHANGED, EncodedFrame, Encoding
from aureole.io.buffers import read_at
from aureole.io.hdf5_files import TROUBLES, Descriptor, Handles, Stamp, open_file, why
from aureole.io.store import LARGEST_FRAME

_LZ4_LARGEST_RATIO = 256

Layout = Literal["chunks", "contiguous", "library"]


@dataclass(frozen=True)
class _Places:
    """Where each frame lies in the file; a size of -1 is a frame that was never written."""

    stamp: Stamp
    """Of the file when they were looked up."""
    offset: NDArray[np.int64]
    size: NDArray[np.int64]
    filter_mask: NDArray[np.uint32]
    readable: bool
    """Whether the bytes at these places are the chunks; if not, the HDF5 library fetches them."""


@dataclass
class Leaf:
    """A stored data set whose last two axes are an image; the axes before are frames, in C order.

    Attributes
    ----------
    path, dataset : str
        The file that really holds it, and its place there.
    lead : tuple of int
        Lengths of the axes before the image.
    shape : tuple of int
        (slow, fast) number of pixels.
    stored, dtype : numpy.dtype
        Type of the pixels in the file, and of those that are handed on.
    layout : {"chunks", "contiguous", "library"}
        How frames are read.
    encoding : Encoding
        Of a chunk.
    reason : str
        Why the library has to decode; empty where it has not.
    """

    path: str
    dataset: str
    lead: tuple[int, ...]
    shape: tuple[int, int]
    stored: np.dtype[np.generic]
    dtype: np.dtype[np.generic]
    layout: Layout
    encoding: Encoding
    reason: str
    handles: Handles
    _places: _Places | None = None
    _complete: bool | None = None

    def __getstate__(self) -> dict[str, Any]:
        # Another process opens the file itself, and cannot know that it is still the same.
        return {**self.__dict__, "_places": None}

    def __len__(self) -> int:
        return prod(self.lead)

    @property
    def files(self) -> list[str]:
        """The file that holds it."""
        return [self.path]

    def name(self, index: int) -> str:
        """Name one frame, for messages."""
        return f"{self.path}::{self.dataset}[{index}]"

    def read(self, index: int, header: Mapping[str, str]) -> EncodedFrame:
        """Read one frame.

        Raises
        ------
        FrameMissing
            It was never written.
        FrameCorrupt
            It cannot be read.
        InputError
            The system has no more open files to give.
        """
        name = self.name(index)
        if self.shape[0] * self.shape[1] * self.stored.itemsize > LARGEST_FRAME:
            raise FrameCorrupt(name, f"{self.shape[0]} x {self.shape[1]} pixels are too large for one frame")
        try:
            if self.layout == "library":
                return self._read_by_library(index, name, header)
            return self._read_as_stored(index, name, header)
        except FrameError:
            raise
        except FileNotFoundError:
            raise FrameMissing(name, f"no such file: {self.path}") from None
        except FormatError as error:
            raise FrameCorrupt(name, str(error).removeprefix(f"{self.path}: ")) from None
        except (*TROUBLES, MemoryError) as error:
            if isinstance(error, OSError) and error.errno in NO_MORE_FILES:
                raise refused(name, error) from None
            raise FrameCorrupt(name, f"cannot be read ({why(error)})") from None

    def _read_as_stored(self, index: int, name: str, header: Mapping[str, str]) -> EncodedFrame:
        descriptor = self.handles.descriptor(self.path)
        places = self._current_places(descriptor)
        size, offset = int(places.size[index]), int(places.offset[index])
        if size < 0:
            raise FrameMissing(name, "this frame was never written")
        payload: bytes | memoryview[int] | NDArray[np.uint8]
        payload = _part_of(descriptor, offset, size, name) if places.readable else self._chunk(index)
        dtype = self.dtype
        if self.encoding is Encoding.BITSHUFFLE_LZ4 and not places.filter_mask[index] & 1:
            if self.shape[0] * self.shape[1] * dtype.itemsize > _LZ4_LARGEST_RATIO * size:
                raise FrameCorrupt(
                    name, f"a chunk of {size} bytes cannot hold {self.shape[0]} x {self.shape[1]} pixels"
                )
            return EncodedFrame(payload, Encoding.BITSHUFFLE_LZ4, self.shape, dtype, name, header)
        expected = self.shape[0] * self.shape[1] * self.stored.itemsize
        if size != expected:
            raise FrameCorrupt(name, f"{size} bytes are stored where the frame has {expected}")
        if self.stored != dtype:
            payload = np.frombuffer(payload, self.stored).astype(dtype).view(np.uint8)
        return EncodedFrame(payload, Encoding.RAW, self.shape, dtype, name, header)

    def _chunk(self, index: int) -> bytes:
        with self.handles.lock:
            dataset = self.handles.dataset(self.path, self.dataset)
            coordinates = (*(int(at) for at in np.unravel_index(index, self.lead)), 0, 0)
            chunk: bytes = dataset.id.read_direct_chunk(coordinates)[1]
            return chunk

    def _current_places(self, descriptor: Descriptor) -> _Places:
        """Return where the frames lie, looked up again where the file has been written since.

        Compressed chunks that have moved do not decode, so it is enough to look when their file is opened
        again; bytes of raw frames mean something wherever they are read.
        """
        places = self._places
        if places is not None and self.encoding is Encoding.RAW:
            descriptor.look_again()
        if places is None or places.stamp != descriptor.stamp:
            with self.handles.lock:
                if self._places is None or self._places.stamp != descriptor.stamp:
                    descriptor.look_again()
                    self._places = self._find_places(descriptor.stamp, self._places)
                places = self._places
        return places

    def _find_places(self, stamp: Stamp, before: _Places | None) -> _Places:
        """Ask the library where the frames lie; the caller holds the lock.

        Raises
        ------
        FormatError
            Frames that were there before are elsewhere now: the file was not only added to.
        """
        self.handles.forget(self.path)
        with open_file(self.path) as file:
            self.handles.recognise(self.path, file)
            places = self._places_in(file[self.dataset], stamp)
        if before is not None:
            known = before.size >= 0
            for name in ("offset", "size", "filter_mask"):
                if not np.array_equal(getattr(before, name)[known], getattr(places, name)[known]):
                    raise FormatError(f"{self.path}: {CHANGED}")
        return places

    def _places_in(self, dataset: h5py.Dataset, stamp: Stamp) -> _Places:
        if not self._is_as_long(dataset):
            raise FormatError(f"{self.path}: {CHANGED}")
        count = len(self)
        mask = np.zeros(count, np.uint32)
        if self.layout == "contiguous":
            length = self.shape[0] * self.shape[1] * self.stored.itemsize
            if not dataset.id.get_storage_size():
                return _Places(stamp, np.zeros(count, np.int64), np.full(count, -1, np.int64), mask, True)
            offset = dataset.id.get_offset() + length * np.arange(count, dtype=np.int64)
            return _Places(stamp, offset, np.full(count, length, np.int64), mask, True)
        offset, size = np.zeros(count, np.int64), np.full(count, -1, np.int64)
        stored: list[Any] = []
        dataset.id.chunk_iter(stored.append)
        # A data set that is still being written may have grown.
        stored = [info for info in stored if not self.lead or info.chunk_offset[0] < self.lead[0]]
        if not stored:
            return _Places(stamp, offset, size, mask, True)
        starts = np.array([info.chunk_offset[:-2] for info in stored], np.int64).reshape(len(stored), -1)
        where = np.ravel_multi_index(tuple(starts.T), self.lead) if self.lead else np.zeros(1, np.int64)
        offset[where] = [info.byte_offset for info in stored]
        size[where] = [info.size for info in stored]
        mask[where] = [info.filter_mask for info in stored]
        return _Places(stamp, offset, size, mask, self._places_hold(dataset, stored[0]))

    def _is_as_long(self, dataset: h5py.Dataset) -> bool:
        """Whether it has the frames that it had; it may have grown."""
        (length, *rest), (expected, *others) = dataset.shape, (*self.lead, *self.shape)
        return bool(rest == others and (length >= expected if self.lead else length == expected))

    def _places_hold(self, dataset: h5py.Dataset, info: Any) -> bool:
        """Compare a chunk with what lies at its place: HDF5 releases differ over user blocks."""
        descriptor = self.handles.descriptor(self.path)
        if info.byte_offset + info.size > descriptor.stamp.size:
            # A file that was cut off; each frame beyond its end will say so.
            return True
        there = os.pread(descriptor.number, min(info.size, 4096), info.byte_offset)
        chunk: bytes = dataset.id.read_direct_chunk(info.chunk_offset)[1]
        return chunk[: len(there)] == there

    def _read_by_library(self, index: int, name: str, header: Mapping[str, str]) -> EncodedFrame:
        import hdf5plugin  # noqa: F401  (registers its filters)

        with self.handles.lock:
            dataset = self.handles.dataset(self.path, self.dataset)
            if not self._is_as_long(dataset):
                raise FormatError(f"{self.path}: {CHANGED}")
            place = tuple(int(at) for at in np.unravel_index(index, self.lead)) if self.lead else ()
            self._check_written(dataset, place, name)
            image = dataset[(*place, slice(None), slice(None))]
        return EncodedFrame.from_array(image.astype(self.dtype, copy=False), name, header)

    def _check_external(
        self, files: Sequence[tuple[str, int, int]], place: tuple[int, ...], name: str
    ) -> None:
        """Look at the raw files of a frame: BLISS at the ESRF, for one, refers to EDF files so."""
        length = prod(self.shape) * self.stored.itemsize
        begin = length * (int(np.ravel_multi_index(place, self.lead)) if self.lead else 0)
        at = 0
        for file, offset, size in files:
            needed = min(begin + length, at + size) - at
            if at < begin + length and at + size > begin:
                try:
                    there = _external_size(file, Path(self.path).absolute().parent)
                except FileNotFoundError:
                    raise FrameMissing(name, f"its raw file {file} is missing") from None
                if there < offset + needed:
                    raise FrameCorrupt(name, f"truncated: its raw file {file} has only {there} bytes")
            at += size

    def _check_written(self, dataset: h5py.Dataset, place: tuple[int, ...], name: str) -> None:
        """HDF5 gives fill values for what was never written; say that instead."""
        if dataset.external:
            self._check_external(dataset.external, place, name)
            return
        if not dataset.id.get_storage_size():
            raise FrameMissing(name, "this frame was never written")
        if dataset.chunks is None:
            return
        if self._complete is None:
            steps = zip(dataset.shape, dataset.chunks, strict=True)
            self._complete = dataset.id.get_num_chunks() == np.prod(
                [-(-length // step) for length, step in steps]
            )
        if self._complete:
            return
        lead = tuple(at // step * step for at, step in zip(place, dataset.chunks, strict=False))
        slow, fast = (
            range(0, length, step) for length, step in zip(self.shape, dataset.chunks[-2:], strict=True)
        )
        corners = [(*lead, row, column) for row in slow for column in fast]
        written = sum(_is_written(dataset, corner) for corner in corners)
        if not written:
            raise FrameMissing(name, "this frame was never written")
        if written < len(corners):
            raise FrameCorrupt(
                name, f"{len(corners) - written} of its {len(corners)} chunks were never written"
            )


def _part_of(descriptor: Descriptor, offset: int, size: int, name: str) -> bytes | memoryview[int]:
    if offset + size > descriptor.stamp.size:
        descriptor.look_again()
    if offset + size > descriptor.stamp.size:
        raise FrameCorrupt(
            name,
            f"truncated: its data should end at byte {offset + size} of a file of {descriptor.stamp.size}",
        )
    data = read_at(descriptor.number, size, offset)
    if len(data) < size:
        raise FrameCorrupt(name, f"truncated: {len(data)} of {size} bytes are there")
    return data


def _external_size(name: str, folder: Path) -> int:
    """Return the size of an external raw file, which HDF5 looks for in the folder that one works in."""
    prefix = os.environ.get("HDF5_EXTFILE_PREFIX", "").replace("${ORIGIN}", str(folder))
    return (Path(prefix) / name).stat().st_size


def _is_written(dataset: h5py.Dataset, corner: tuple[int, ...]) -> bool:
    return dataset.id.get_chunk_info_by_coord(corner).byte_offset is not None
