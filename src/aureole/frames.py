"""Frames that stay encoded until the place where they are used."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from errno import ESTALE
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from aureole.errors import FrameCorrupt, refused

CHANGED = "the file changed while it was read"

Buffer = bytes | bytearray | memoryview | NDArray[np.uint8]


class FilePart(NamedTuple):
    """Bytes that still lie in a file: they are read while they are decoded, a little at a time.

    Attributes
    ----------
    path : bytes
        The file, as the system names it.
    offset, nbytes : int
        Where the bytes begin, and how many they are.
    device, inode, mtime_ns : int
        Which file this was when it was looked at, and when it was last written; if that is not so any more,
        the bytes are refused.
    """

    path: bytes
    offset: int
    nbytes: int
    device: int
    inode: int
    mtime_ns: int

    @classmethod
    def of(cls, path: str | Path, offset: int, nbytes: int, status: os.stat_result) -> FilePart:
        """Return a part of the file that has this status."""
        return cls(os.fsencode(path), offset, nbytes, *_identity(status))

    def read(self) -> bytes:
        """Read all of it; shorter where the file ends before, OSError where it cannot be read or changed."""
        with self._opened() as descriptor, os.fdopen(descriptor, "rb", closefd=False) as file:
            file.seek(self.offset)
            return file.read(self.nbytes)

    def read_into(self, memory: NDArray[np.uint8]) -> None:
        """Read all of it into memory of its size; OSError as for `read`, and where the file ends before."""
        with self._opened() as descriptor:
            done = 0
            while done < self.nbytes:
                got = os.preadv(descriptor, [memory[done:].data], self.offset + done)
                if got == 0:
                    raise OSError(ESTALE, CHANGED)
                done += got

    @contextmanager
    def _opened(self) -> Iterator[int]:
        # without O_NONBLOCK, a named pipe in the place of the file would wait for ever
        descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            self._check(descriptor)
            yield descriptor
            self._check(descriptor)
        finally:
            os.close(descriptor)

    def _check(self, descriptor: int) -> None:
        if _identity(os.fstat(descriptor)) != self[3:]:
            raise OSError(ESTALE, CHANGED)


def _identity(status: os.stat_result) -> tuple[int, int, int]:
    # a broken clock may have written any time, and the kernels compare 64 bits
    return status.st_dev, status.st_ino, status.st_mtime_ns & (2**64 - 1)


class Encoding(IntEnum):
    """How the pixels of a frame are stored in its payload."""

    RAW = 0
    """Pixels in C order in the byte order of the machine."""
    BYTE_OFFSET = 1
    """CBF byte-offset: differences of 1, 2, 4 or 8 bytes (x-CBF_BYTE_OFFSET)."""
    BITSHUFFLE_LZ4 = 2
    """One chunk of HDF5 filter 32008 with its 12-byte header, compressed with LZ4."""


@dataclass(frozen=True, slots=True, eq=False)
class EncodedFrame:
    """One detector image as the bytes that the detector wrote.

    Attributes
    ----------
    payload : buffer or FilePart
        The encoded pixels, without any file header; `encoded` has them in memory.
    encoding : Encoding
        How they are stored.
    shape : tuple of int
        (slow, fast) number of pixels.
    dtype : numpy.dtype
        Type of a decoded pixel, in the byte order of the machine.
    name : str
        Which frame this is, for messages: its path, with HDF5 path and index where there are any.
    header : mapping
        What the file says of it, as text.
    """

    payload: Buffer | FilePart
    encoding: Encoding
    shape: tuple[int, int]
    dtype: np.dtype[np.generic]
    name: str = "frame"
    header: Mapping[str, str] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Number of bytes of the payload."""
        return len(self.payload) if isinstance(self.payload, bytes | bytearray) else self.payload.nbytes

    def encoded(self) -> Buffer:
        """Return the payload in memory.

        Raises
        ------
        FrameMissing, FrameCorrupt
            Its file is gone, or cannot be read.
        """
        if not isinstance(self.payload, FilePart):
            return self.payload
        try:
            return self.payload.read()
        except OSError as error:
            raise refused(self.name, error) from None

    @classmethod
    def from_array(
        cls, image: NDArray[np.generic], name: str = "array", header: Mapping[str, str] | None = None
    ) -> EncodedFrame:
        """Wrap an image of shape (slow, fast); no copy where it is contiguous and in native byte order."""
        array = np.ascontiguousarray(image, dtype=image.dtype.newbyteorder("="))
        payload = array.reshape(-1).view(np.uint8)
        shape = (array.shape[0], array.shape[1])
        return cls(payload, Encoding.RAW, shape, array.dtype, name, header or {})


def check_pixels(
    frame: EncodedFrame, shape: tuple[int, int], dtype: np.dtype[np.generic] | None = None
) -> None:
    """Raise `FrameCorrupt` if a frame has another shape, or another type of pixel where one is given."""
    if frame.shape == shape and dtype in (None, frame.dtype):
        return
    have, want = (f"{rows} x {columns} pixels" for rows, columns in (frame.shape, shape))
    if dtype is not None:
        have, want = f"{have} of {frame.dtype}", f"{want} of {dtype}"
    raise FrameCorrupt(frame.name, f"it has {have} instead of {want}")


class FrameSource(Protocol):
    """A lazy sequence of encoded frames.

    Reading frame ``i`` raises `aureole.errors.FrameMissing` or `aureole.errors.FrameCorrupt` when that one
    frame cannot be had; the others are not touched by it. The pixels of some still lie in their file
    (`FilePart`): what is wrong with them is raised as they are decoded. Reading is thread-safe.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> EncodedFrame: ...

    def __iter__(self) -> Iterator[EncodedFrame]: ...
