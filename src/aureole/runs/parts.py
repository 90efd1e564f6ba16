"""Parts: the patterns of some hundred frames, each a file of its own, so that nothing is lost with a process.

A part is an HDF5 file behind a block of 512 bytes that says what it is, with the SHA-256 of all that follows:
libhdf5 sees no byte that was not checked. Published parts are never changed; what is tried again is published
as the next generation.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from aureole.errors import OutputError
from aureole.io.made_by import MadeBy
from aureole.io.publish import AlreadyThereError, publication, sweep
from aureole.io.status import FrameStatus
from aureole.io.stored_rows import LABEL_BYTES, MAGIC
from aureole.runs.sources import Late

F32 = NDArray[np.float32]

_ARRAYS = ("intensity", "sigma", "monitor", "status")
_NAME = re.compile(r"part-(\d{6,})-([0-9a-f]{12})-g(\d+)\.h5")


@dataclass(eq=False)
class Rows:
    """The patterns or cakes of consecutive frames, and how it went with each.

    Attributes
    ----------
    frames : range
        Which frames these are.
    intensity, sigma : ndarray of float32, shape (len(frames), *bins)
        NaN where a frame is not done; sigma is None without an error model.
    monitor : ndarray of float64, shape (len(frames),), optional
        What each was divided by.
    status : ndarray of uint8, shape (len(frames),)
        A `FrameStatus` each.
    made_by : MadeBy
        Which backend made each.
    messages : dict of int to str
        Name and reason of each frame that is not done, by its number in the series.
    late : dict of int to (int, int)
        Bytes and mtime_ns of files, by their numbers in the manifest, which were not as it says when frames
        were read that are done.
    """

    frames: range
    intensity: F32
    status: NDArray[np.uint8]
    made_by: MadeBy
    sigma: F32 | None = None
    monitor: NDArray[np.float64] | None = None
    messages: dict[int, str] = field(default_factory=dict)
    late: Late = field(default_factory=dict)

    @classmethod
    def empty(cls, frames: range, bins: tuple[int, ...], *, sigma: bool, monitor: bool) -> Rows:
        """Return rows that are all pending."""
        shape = (len(frames), *bins)
        return cls(
            frames,
            np.full(shape, np.nan, np.float32),
            np.full(len(frames), FrameStatus.PENDING, np.uint8),
            MadeBy.nobody(len(frames)),
            np.full(shape, np.nan, np.float32) if sigma else None,
            np.full(len(frames), np.nan) if monitor else None,
        )

    def arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield the arrays that are there, by their names in a part."""
        for name in _ARRAYS:
            values = getattr(self, name)
            if values is not None:
                yield name, values


class Label(NamedTuple):
    """What a part says of itself: whose it is, and the digest of the table that made it."""

    owner: str
    plan: str


class Parts:
    """The parts in the directory of a run.

    Parameters
    ----------
    directory : path
    run : str
        SHA-256 of the manifest, in hexadecimal.
    """

    def __init__(self, directory: Path, run: str) -> None:
        self.directory = directory
        self.run = run

    def publish(self, number: int, generation: int, rows: Rows, *, plan: str) -> Path:
        """Write a part, read it back, give it its name, and return its path.

        Of two processes that make the same part one comes first, and both are content: its bits are the same.
        If they are not, since one found frames that the other missed, it becomes a later generation.

        Parameters
        ----------
        number, generation : int
        rows : Rows
        plan : str
            Digest of the table that made it.

        Raises
        ------
        OutputError
            The disk refuses, or reads back something else.
        """
        owner = self._owner(number)
        data = _format(rows, Label(owner, plan))
        while True:
            path = self.directory / f"part-{number:06d}-{owner}-g{generation}.h5"
            try:
                with publication(path) as temporary:
                    temporary.write_bytes(data)
                    if temporary.read_bytes() != data:
                        raise OutputError(f"{path}: the disk does not keep what is written")
                return path
            except AlreadyThereError:
                with suppress(OSError):
                    if path.read_bytes() == data:
                        return path
                generation += 1

    def listed(self) -> dict[int, dict[int, Path]]:
        """Return the paths of all parts that seem to be there, by number and generation.

        Raises
        ------
        OutputError
            The directory cannot be read.
        """
        found: dict[int, dict[int, Path]] = {}
        try:
            with os.scandir(self.directory) as entries:
                for entry in entries:
                    match = _NAME.fullmatch(entry.name)
                    if match and match[2] == self._owner(int(match[1])):
                        found.setdefault(int(match[1]), {})[int(match[3])] = Path(entry.path)
        except OSError as error:
            raise OutputError(f"{self.directory}: cannot be read ({error.strerror or error})") from None
        return found

    def read(self, path: Path, number: int, frames: range) -> tuple[Label, Rows]:
        """Read a part.

        Parameters
        ----------
        path : path
        number : int
        frames : range
            The frames that it must have.

        Raises
        ------
        OSError, ValueError
            It cannot be read, or is not as it was written.
        """
        try:
            return _read(path, self._owner(number), frames)
        except (LookupError, TypeError) as error:
            raise ValueError(f"{error} is not as it should be") from None

    def made_by(self, ranges: Sequence[range]) -> MadeBy:
        """Return which backend made the frames of the newest parts that are sound; `ranges` of all parts."""
        found = MadeBy.nobody(ranges[-1].stop)
        for number, generations in sorted(self.listed().items()):
            for generation in sorted(generations, reverse=True):
                with suppress(OSError, ValueError, IndexError):
                    _, rows = self.read(generations[generation], number, ranges[number])
                    found.take(rows.frames.start, rows.made_by)
                    break
        return found

    def again(self, path: Path, number: int, frames: range) -> Rows:
        """Read a part that was sound; raises `OutputError` if it is not any more."""
        try:
            return self.read(path, number, frames)[1]
        except (OSError, ValueError) as error:
            raise OutputError(f"{path}: was damaged meanwhile ({error}); the same command goes on") from None

    def remove(self) -> list[int]:
        """Remove all parts, and what was left half-written of some on any machine.

        Returns
        -------
        list of int
            Descriptors of the parts, whose names are gone: for `let_go`.
        """
        sweep(self.directory, patience=0.0)
        with os.scandir(self.directory) as entries:
            parts = [Path(entry.path) for entry in entries if _NAME.fullmatch(entry.name)]
        held = []
        for part in parts:
            with suppress(OSError):
                held.append(os.open(part, os.O_RDONLY | os.O_CLOEXEC))
            part.unlink(missing_ok=True)
        return held

    def _owner(self, number: int) -> str:
        return hashlib.sha256(f"{self.run} {number}".encode()).hexdigest()[:12]


def let_go(descriptors: list[int], folder: Path | None) -> None:
    """Close files that have no name any more, and then remove the folder if it is given, beside other work.

    A file system may take its time to take back their space: where it discards blocks, a second for each GB.
    """

    def close() -> None:
        for descriptor in descriptors:
            os.close(descriptor)
        if folder is not None:
            with suppress(OSError):
                folder.rmdir()

    Thread(target=close, name="aureole-removal").start()


def _format(rows: Rows, label: Label) -> bytearray:
    """Return the bytes of a part."""
    memory = BytesIO()
    with h5py.File(memory, "w", userblock_size=LABEL_BYTES) as file:
        file.attrs["frames"] = (rows.frames.start, rows.frames.stop)
        for name, values in rows.arrays():
            file[name] = values
        rows.made_by.write(file)
        file["bad_frames"] = np.array(list(rows.messages), np.int64)
        file.create_dataset("messages", data=list(rows.messages.values()), dtype=h5py.string_dtype())
        if rows.late:
            late = [(number, *facts) for number, facts in rows.late.items()]
            file["late_sources"] = np.array(late, np.int64)
    data = bytearray(memory.getbuffer())
    checksum = hashlib.sha256(memoryview(data)[LABEL_BYTES:]).hexdigest()
    data[:LABEL_BYTES] = " ".join((MAGIC, checksum, *label)).encode().ljust(LABEL_BYTES, b"\n")
    return data


def _read(path: Path, owner: str, frames: range) -> tuple[Label, Rows]:
    data = path.read_bytes()
    magic, checksum, *label = data[:LABEL_BYTES].decode("ascii", "replace").split() or [""] * 4
    if magic != MAGIC or hashlib.sha256(memoryview(data)[LABEL_BYTES:]).hexdigest() != checksum:
        raise ValueError("its checksum is wrong")
    if label[0] != owner:
        raise ValueError("it is of another run")
    with h5py.File(BytesIO(data), "r") as file:
        if tuple(file.attrs["frames"]) != (frames.start, frames.stop):
            raise ValueError(f"it has the frames {file.attrs['frames']}")
        arrays = {name: file[name][()] for name in _ARRAYS if name in file}
        made_by = MadeBy.read(file)
        numbers, texts = file["bad_frames"][()], file["messages"].asstr()[()]
        late = file["late_sources"][()] if "late_sources" in file else ()
    if made_by is None:
        raise ValueError("it does not say what made it")
    messages = {int(number): str(text) for number, text in zip(numbers, texts, strict=True)}
    facts = {int(number): (int(size), int(time)) for number, size, time in late}
    return Label(*label), Rows(frames, **arrays, made_by=made_by, messages=messages, late=facts)
