"""Frames that stay encoded until the place where they are used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Buffer = bytes | bytearray | memoryview | NDArray[np.uint8]


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
    payload : buffer
        The encoded pixels, without any file header.
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

    payload: Buffer
    encoding: Encoding
    shape: tuple[int, int]
    dtype: np.dtype[np.generic]
    name: str = "frame"
    header: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_array(
        cls, image: NDArray[np.generic], name: str = "array", header: Mapping[str, str] | None = None
    ) -> EncodedFrame:
        """Wrap an image of shape (slow, fast); no copy where it is contiguous and in native byte order."""
        array = np.ascontiguousarray(image, dtype=image.dtype.newbyteorder("="))
        payload = array.reshape(-1).view(np.uint8)
        shape = (array.shape[0], array.shape[1])
        return cls(payload, Encoding.RAW, shape, array.dtype, name, header or {})


class FrameSource(Protocol):
    """A lazy sequence of encoded frames.

    Reading frame ``i`` raises `aureole.errors.FrameMissing` or `aureole.errors.FrameCorrupt` when that one
    frame cannot be had; the others are not touched by it. Reading is thread-safe.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> EncodedFrame: ...

    def __iter__(self) -> Iterator[EncodedFrame]: ...
