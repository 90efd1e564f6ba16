"""An HDF5 file of frames or of what was made of them, on its way to its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

import h5py
import numpy as np

from aureole.errors import OutputError
from aureole.io.nexus import write_status
from aureole.io.publish import Publication, unwritable
from aureole.io.shelter import ShelteredHdf5, signals_wait
from aureole.io.status import FrameStatus


class PendingHdf5:
    """An HDF5 file that appears, whole, when it is closed, and how it went with each frame of it.

    Parameters
    ----------
    path : path
        The file to write.
    frames : int
        How many frames it accounts for, which may be none; all are "pending" at first.
    overwrite : bool
        Whether an existing file may be replaced.

    Attributes
    ----------
    status : ndarray of uint8, shape (frames,)
        A `FrameStatus` for each; to be changed within `writing`.

    Raises
    ------
    OutputError
        The file exists or cannot be written.
    """

    def __init__(self, path: str | Path, frames: int, *, overwrite: bool) -> None:
        self.status = np.full(frames, FrameStatus.PENDING, np.uint8)
        self._messages: dict[int, str] = {}
        self._lock = Lock()
        self._publication = Publication(path, overwrite=overwrite)
        self._file: ShelteredHdf5 | None = None
        with self.or_nothing():
            self._file = ShelteredHdf5(self._publication.temporary)

    @contextmanager
    def or_nothing(self) -> Iterator[None]:
        """Discard the file if the block fails; what the disk refuses becomes an `OutputError`."""
        try:
            with self._refusals():
                yield
        except BaseException:
            self.discard()
            raise

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """Raise an `OutputError` if the disk, or libhdf5, refuses what the block writes."""
        try:
            yield
        except (OSError, RuntimeError) as error:
            raise OutputError(unwritable(self._publication.target, error)) from None

    @contextmanager
    def writing(self) -> Iterator[h5py.File]:
        """Yield the open file to one thread at a time.

        Raises
        ------
        OutputError
            It is closed, or the disk refuses.
        """
        with self._lock, self._refusals():
            if self._file is None or self._file.closed:
                raise self.error("is closed")
            with self._file.writing() as file:
                yield file

    @property
    def target(self) -> Path:
        """The name that it will have."""
        return self._publication.target

    @property
    def closed(self) -> bool:
        """Whether it is complete or given up."""
        return self._file is None or self._file.closed

    def error(self, reason: str) -> OutputError:
        """Return what to raise where something is wrong with the file."""
        return OutputError(f"{self._publication.target}: {reason}")

    def mark(self, frame: int, status: FrameStatus, message: str = "") -> None:
        """Say how it went with a frame, and why."""
        with self._lock:
            self.status[frame] = status
            if message:
                self._messages[frame] = message

    def close(self, check: Callable[[Path], None] | None = None) -> None:
        """Complete the file and give it its name; nothing happens when that was done already.

        Parameters
        ----------
        check : callable, optional
            Looks at the complete file under its temporary name; if it raises, the file is not kept.

        Raises
        ------
        OutputError
            The file cannot be completed, or one of its name has come into being meanwhile.
        """
        if self._file is None or self._file.closed:
            return
        with self.or_nothing():
            if len(self.status):
                with self._file.writing() as file:
                    write_status(file["entry"], self.status, self._messages)
            self._file.close()
            if check is not None:
                check(self._publication.temporary)
        self._publication.commit()

    def discard(self) -> None:
        """Give the file up; nothing is left behind."""
        with signals_wait():
            if self._file is not None:
                self._file.discard()
            self._publication.discard()
