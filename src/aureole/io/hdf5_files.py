"""HDF5 files that are open: without locks, and only a few at a time."""

from __future__ import annotations

import os
from collections import OrderedDict
from pathlib import Path
from stat import S_ISREG
from threading import Lock, RLock
from typing import NamedTuple

import h5py

from aureole.errors import NO_MORE_FILES, FormatError, refused
from aureole.frames import CHANGED
from aureole.io.sniff import what_is

_OPEN_FILES = 16

TROUBLES = (OSError, RuntimeError, LookupError, ValueError, TypeError, ArithmeticError)
"""What h5py raises of a damaged file depends on where the damage is."""


def open_file(path: str) -> h5py.File:
    """Open an HDF5 file for reading; without a lock, since detectors write and some file systems cannot.

    Raises
    ------
    FormatError
        It is not an HDF5 file that can be read.
    FileNotFoundError
        There is no such file.
    InputError
        The system has no more open files to give.
    """
    found = what_is(path)
    if found == "nothing":
        raise FileNotFoundError(path)
    if found != "file":
        raise FormatError(f"{path}: not a file")
    if not Path(path).stat().st_size:
        raise FormatError(f"{path}: empty file")
    error: Exception | None = None
    # The other ways are for a file that this process has open already, with a lock.
    # The last is for one that is still being written.
    for locking, swmr in ((False, False), (None, False), (True, False), (False, True)):
        try:
            return h5py.File(path, "r", locking=locking, swmr=swmr)
        except TROUBLES as caught:
            if isinstance(caught, OSError) and caught.errno in NO_MORE_FILES:
                raise refused(path, caught) from None
            error = error or caught
    assert error is not None
    if " lock" in str(error):
        raise FormatError(
            f"{path}: cannot be opened ({why(error)}); close it elsewhere in this program, or set "
            "HDF5_USE_FILE_LOCKING=FALSE before the program starts"
        )
    raise FormatError(f"{path}: not a complete HDF5 file ({why(error)})")


def why(error: BaseException) -> str:
    """Put an error of the HDF5 library into one short line."""
    text = str(error.args[-1] if error.args else error).splitlines()
    line = text[0] if text else type(error).__name__
    opening, bracket, rest = line.partition("(")
    return (rest.rpartition(")")[0] if bracket and opening.startswith("Unable") else line)[:160]


class Stamp(NamedTuple):
    """Tells the states of a file apart."""

    size: int
    modified: int
    changed: int


class Descriptor:
    """A file of the operating system; closed when the last thread that reads from it is done."""

    __slots__ = ("number", "stamp")

    def __init__(self, path: str) -> None:
        # A pipe that took the place of the file would let us wait for ever.
        self.number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        if not S_ISREG(os.fstat(self.number).st_mode):
            raise FormatError(f"{path}: not a file")
        self.look_again()

    def look_again(self) -> None:
        """Renew the stamp of a file that may have been written meanwhile."""
        status = os.fstat(self.number)
        self.stamp = Stamp(status.st_size, status.st_mtime_ns, status.st_ctime_ns)

    def __del__(self) -> None:
        if hasattr(self, "number"):
            os.close(self.number)


class Handles:
    """The files that a series has open at the moment: a few at most, the ones used last."""

    def __init__(self) -> None:
        self.lock = RLock()
        """Held while the HDF5 library is used, so that no file is closed under another thread."""
        self._descriptor_lock = Lock()
        self._descriptors: OrderedDict[str, Descriptor] = OrderedDict()
        self._files: OrderedDict[str, h5py.File] = OrderedDict()
        self._identities: dict[str, tuple[int, int]] = {}

    def __reduce__(self) -> tuple[type[Handles], tuple[()]]:
        return Handles, ()

    def recognise(self, path: str, file: h5py.File) -> None:
        """Make sure that a file that has just been opened is the one that was opened before.

        Raises
        ------
        FormatError
            It is another file of the same name.
        """
        self._recognise(path, file.id.get_vfd_handle())

    def _recognise(self, path: str, number: int) -> None:
        status = os.fstat(number)
        identity = (status.st_dev, status.st_ino)
        if self._identities.setdefault(path, identity) != identity:
            raise FormatError(f"{path}: {CHANGED}")

    def descriptor(self, path: str) -> Descriptor:
        """Return the operating system's handle of a file; raises what `recognise` does."""
        with self._descriptor_lock:
            found = self._descriptors.get(path)
            if found is None:
                found = Descriptor(path)
                self._recognise(path, found.number)
                self._descriptors[path] = found
                if len(self._descriptors) > _OPEN_FILES:
                    self._descriptors.popitem(last=False)
            else:
                self._descriptors.move_to_end(path)
            return found

    def dataset(self, path: str, dataset: str) -> h5py.Dataset:
        """Return an open data set; the caller holds `lock`; raises what `recognise` does."""
        file = self._files.get(path)
        if file is None:
            file = open_file(path)
            try:
                self.recognise(path, file)
            except FormatError:
                file.close()
                raise
            self._files[path] = file
            if len(self._files) > _OPEN_FILES:
                self._files.popitem(last=False)[1].close()
        else:
            self._files.move_to_end(path)
        return file[dataset]

    def forget(self, path: str) -> None:
        """Close a file of the HDF5 library, which keeps what it knows of it; the caller holds `lock`."""
        file = self._files.pop(path, None)
        if file is not None:
            file.close()

    def close(self) -> None:
        """Close all."""
        with self.lock, self._descriptor_lock:
            self._descriptors.clear()
            while self._files:
                self._files.popitem()[1].close()
