"""What libhdf5 is spared while it writes: a disk that refuses, and exceptions that signals raise.

After a write that failed it crashes the process when the objects of the file are released.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import h5py

from aureole.io.buffers import read_at

_WAITING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)
"""Signals whose handlers may raise: those that ask the process to stop, and alarms."""


class PatientFile:
    """A file-like object that never fails: it keeps the first failure, and pretends that all is well.

    Parameters
    ----------
    path : path
        An existing file, empty.

    Attributes
    ----------
    failure : OSError or None
        Why the file does not hold what was written into it.
    """

    def __init__(self, path: Path) -> None:
        self.failure: OSError | None = None
        self._descriptor = -1
        self._position = 0
        self._end = 0
        with self._keeping_failures():
            self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)

    @contextmanager
    def _keeping_failures(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.failure = self.failure or error

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place, which may be behind the end."""
        self._position = offset + (self._end if whence == os.SEEK_END else 0)
        return self._position

    def tell(self) -> int:
        """Return the place where reading or writing goes on."""
        return self._position

    def read(self, size: int) -> bytes:
        """Read; what was never written is zero."""
        found = b""
        with self._keeping_failures():
            found = bytes(read_at(self._descriptor, size, self._position))
        self._position += size
        return found.ljust(size, b"\0")

    def write(self, data: memoryview) -> int:
        """Write all of it, or pretend to."""
        view = memoryview(data)
        position = self._position
        self._position += len(view)
        self._end = max(self._end, self._position)
        with self._keeping_failures():
            while position < self._position:
                position += os.pwrite(self._descriptor, view[position - self._position :], position)
        return len(view)

    def truncate(self, size: int) -> int:
        """Make the file that long, or pretend to."""
        with self._keeping_failures():
            os.ftruncate(self._descriptor, size)
        self._end = size
        return size

    def flush(self) -> None:
        """Do nothing: there is no buffer."""

    def close(self) -> None:
        """Close the file; nothing happens when that was done already."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            # Some file systems tell only now that there was no room.
            with self._keeping_failures():
                os.close(descriptor)


@contextmanager
def signals_wait() -> Iterator[None]:
    """Call the handlers of signals that may raise only when the block is done.

    They run in the main thread alone; in any other nothing needs to be done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _WAITING}
    handlers = {number: handler for number, handler in before.items() if callable(handler)}
    came: list[int] = []
    waiting = True

    def wait(number: int, frame: FrameType | None) -> None:
        if waiting:
            came.append(number)
        else:  # it came while the handlers were put back
            handlers[signal.Signals(number)](number, frame)

    try:
        for number in handlers:
            signal.signal(number, wait)
        yield
    finally:
        waiting = False
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


class ShelteredHdf5:
    """A new HDF5 file. What the disk refuses is raised by us, not met by libhdf5.

    Parameters
    ----------
    path : path
        An existing file, empty.

    Raises
    ------
    OSError
        The disk refuses.
    """

    def __init__(self, path: Path) -> None:
        self._disk = PatientFile(path)
        self._file: h5py.File | None = None
        with self._refusals(), signals_wait():
            self._file = h5py.File(self._disk, "w")

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except Exception:
            # What libhdf5 finds is odd where the disk has not kept what was written.
            if self._disk.failure is None:
                raise
        if self._disk.failure is not None:
            raise self._disk.failure from None

    @property
    def closed(self) -> bool:
        """Whether it is complete or given up."""
        return self._file is None

    @contextmanager
    def writing(self) -> Iterator[h5py.File]:
        """Yield the open file, while signals wait.

        Raises
        ------
        OSError
            The disk refuses what is written, or has before.
        """
        assert self._file is not None
        with self._refusals(), signals_wait():
            yield self._file

    def close(self) -> None:
        """Complete the file; nothing happens when that was done already.

        Raises
        ------
        OSError
            The disk refuses.
        """
        with self._refusals(), signals_wait():
            if self._file is not None:
                self._file.close()
                self._file = None
            self._disk.close()

    def discard(self) -> None:
        """Close the file, complete or not."""
        with signals_wait():
            if self._file is not None:
                # A file that cannot be completed cannot be closed in order either.
                with suppress(OSError, RuntimeError):
                    self._file.close()
                self._file = None
            self._disk.close()
