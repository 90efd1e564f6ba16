"""What every kind of file offers to a series of frames."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from aureole.frames import EncodedFrame

LARGEST_FRAME = 1 << 32
"""Bytes of a decoded frame; no header is believed that promises more."""

MOST_FRAMES = 10**8
"""Files that claim more than this are wrong; tables of their frames would fill the memory."""


BELIEVED = 10**6
"""So many frames may be promised without being there."""

_GAPS = 100


def too_many(promised: int, there: int) -> str:
    """Return why a file cannot have as many frames as it promises, for those that are there; else nothing.

    A run that was stopped early leaves gaps. Without a limit a small file could ask for any amount of memory.
    """
    if promised > MOST_FRAMES:
        return f"more than {MOST_FRAMES:,} frames"
    if promised > BELIEVED and promised > _GAPS * there:
        return f"{promised:,} frames are promised, and not more than {there:,} can be there"
    return ""


def usable(stored: np.dtype[np.generic]) -> np.dtype[np.generic] | None:
    """Return the type in which readers hand on pixels of a stored one; None where they cannot be used."""
    if stored.kind == "b":
        return np.dtype(np.uint8)
    if stored.kind == "f" and stored.itemsize == 2:
        return np.dtype(np.float32)
    if stored.kind in "iuf" and stored.itemsize <= 8:
        return stored.newbyteorder("=")
    return None


class Address(NamedTuple):
    """Where a frame is: the file, the data set in it (HDF5) and which frame of that."""

    path: str
    dataset: str | None = None
    frame: int = 0


class Store(ABC):
    """Frames that lie together: files of one kind, or one HDF5 data set.

    Reading is thread-safe. Reading on after `close` opens again what is needed.
    """

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def read(self, index: int) -> EncodedFrame:
        """Read one frame.

        Raises
        ------
        FrameMissing, FrameCorrupt
            This frame cannot be had. For pixels that still lie in their file it may be raised as they are
            decoded.
        """

    @abstractmethod
    def name(self, index: int) -> str:
        """Name one frame, for messages."""

    @abstractmethod
    def address(self, index: int) -> Address:
        """Return where one frame is."""

    @abstractmethod
    def files(self) -> Sequence[str]:
        """Return the paths of all files, in order."""

    def header(self, index: int) -> Mapping[str, str]:
        """Return what the file says of one frame."""
        return self.read(index).header

    def notes(self) -> Sequence[str]:
        """Return what a user should know of how these frames are read; one line each."""
        return ()

    def close(self) -> None:
        """Give back what is held open."""
        return
