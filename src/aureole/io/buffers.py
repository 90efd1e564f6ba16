"""Reading into memory that is used again.

Fresh memory for every frame costs as much as reading it: the system clears each page when it is first
touched. So each thread keeps the buffers of its last frames and takes one that nobody looks at any more.
"""

from __future__ import annotations

import os
import threading

KEPT = 64
"""Buffers that a thread keeps at most: as many as frames go through a device together."""


class _Kept(threading.local):
    def __init__(self) -> None:
        self.buffers: list[bytearray] = []


_kept = _Kept()


def read_at(descriptor: int, size: int, offset: int = 0) -> memoryview[int]:
    """Read bytes of an open file; the view is shorter than `size` where the file ends before.

    Parameters
    ----------
    descriptor : int
        Of a file that can be read from any place.
    size, offset : int
        How many bytes, from where.

    Raises
    ------
    OSError
        Reading failed.
    """
    view = memoryview(_buffer(size))
    got = 0
    while got < size:
        more = os.preadv(descriptor, [view[got:size]], offset + got)
        if more == 0:
            break
        got += more
    return view[:got]


def _buffer(size: int) -> bytearray:
    """Return a buffer of at least `size` bytes that nobody looks at."""
    free = None
    for index, buffer in enumerate(_kept.buffers):
        if not _is_free(buffer):
            continue
        if len(buffer) >= size:
            return buffer
        free = index
    fresh = bytearray(max(size + size // 8, 1))  # frames of a series differ in size by a little
    if free is not None:
        _kept.buffers[free] = fresh
    elif len(_kept.buffers) < KEPT:
        _kept.buffers.append(fresh)
    return fresh


def _is_free(buffer: bytearray) -> bool:
    """Tell whether no view of a buffer is left: while there is one, it cannot change its size."""
    try:
        buffer.append(buffer.pop())
    except BufferError:
        return False
    return True
