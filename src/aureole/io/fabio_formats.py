"""Every other format, through fabio: TIFF, EDF, MarCCD and some thirty more."""

from __future__ import annotations

import bz2
import gzip
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import accumulate
from math import prod
from pathlib import Path
from threading import RLock, get_ident
from typing import Any

import numpy as np

from aureole.errors import NO_MORE_FILES, FormatError, FrameCorrupt, FrameError, FrameMissing, refused
from aureole.frames import EncodedFrame
from aureole.io.sniff import PACKED, what_is
from aureole.io.store import LARGEST_FRAME, Address, Store, usable
from aureole.io.tiff_tags import attributes_of_tiff

_DEFLATE_RATIO = 1032
"""How many bytes one byte of a deflated stream stands for at most."""

# fabio keeps state in its image objects, and the warnings filter belongs to the whole process.
_LOCK = RLock()


class _Complaints(logging.Handler):
    """Errors that fabio logs where it should raise: it fills up what a truncated file lacks with zeros."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []
        self._thread = get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self.found.append(record.getMessage())


@contextmanager
def _listening() -> Iterator[_Complaints]:
    logger = logging.getLogger("fabio")
    complaints = _Complaints()
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        propagate = logger.propagate
        logger.propagate = False
        logger.addHandler(complaints)
        try:
            yield complaints
        finally:
            logger.removeHandler(complaints)
            logger.propagate = propagate


class FabioFiles(Store):
    """Frames of files that fabio reads.

    Parameters
    ----------
    paths : sequence of str
        The files.
    counts : sequence of int
        How many frames each has.
    """

    def __init__(self, paths: Sequence[str], counts: Sequence[int]) -> None:
        self._paths = list(paths)
        self._counts = list(counts)
        self._ends = np.array(list(accumulate(counts)), np.int64)
        self._open: tuple[str, Any] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": None}

    def __len__(self) -> int:
        return int(self._ends[-1])

    def _locate(self, index: int) -> tuple[int, int]:
        which = int(np.searchsorted(self._ends, index, side="right"))
        return which, index - (int(self._ends[which - 1]) if which else 0)

    def name(self, index: int) -> str:
        """Name one frame: its path, with its number where the file has several."""
        which, local = self._locate(index)
        return f"{self._paths[which]}[{local}]" if self._counts[which] > 1 else self._paths[which]

    def address(self, index: int) -> Address:
        """Return where one frame is."""
        which, local = self._locate(index)
        return Address(self._paths[which], None, local)

    def files(self) -> Sequence[str]:
        """Return the paths."""
        return self._paths

    def close(self) -> None:
        """Close the file that is open."""
        with _LOCK:
            if self._open is not None:
                self._open[1].close()
                self._open = None

    def read(self, index: int) -> EncodedFrame:
        """Read and decode one frame.

        Raises
        ------
        FrameMissing
            There is no such file.
        FrameCorrupt
            fabio cannot read it, or only a part of it.
        """
        which, local = self._locate(index)
        name = self.name(index)
        with _listening() as complaints:
            try:
                image = self._image(which, name)
                found = image.get_frame(local) if self._counts[which] > 1 else image
                data = _pixels(found, self._paths[which], name)
                known = {str(key): str(value) for key, value in (found.header or {}).items()}
                header = {**attributes_of_tiff(self._paths[which], local), **known}
                if self._counts[which] == 1:
                    self.close()
            except FrameError:
                raise
            # fabio lets through whatever its many readers stumble over.
            except Exception as error:
                raise _unreadable(name, error) from None
        return _frame(data, header, complaints.found, name)

    def _image(self, which: int, name: str) -> Any:
        path = self._paths[which]
        if self._open is not None and self._open[0] == path:
            return self._open[1]
        self.close()
        image = _opened(path, name)
        if image.nframes != self._counts[which]:
            image.close()
            raise FrameCorrupt(
                name, f"holds {image.nframes} frames where {self._counts[which]} were expected; open it alone"
            )
        self._open = path, image
        return image


def _opened(path: str, name: str) -> Any:
    found = what_is(path)
    if found == "nothing":
        raise FrameMissing(name, "no such file")
    if found != "file":
        raise FrameCorrupt(name, "not a file")
    if not Path(path).stat().st_size:
        raise FrameCorrupt(name, "empty file")
    _check_array(path, name)
    import fabio

    return fabio.open(path)


def _check_array(path: str, name: str) -> None:
    """Look at what a file of numpy promises, since numpy makes room for all of it."""
    opener: Any = {".gz": gzip.open, ".bz2": bz2.open}.get(Path(path).suffix.lower(), open)
    with opener(path, "rb") as file:
        if file.read(6) != np.lib.format.MAGIC_PREFIX:
            return
        file.seek(0)
        first = np.lib.format.read_magic(file) == (1, 0)
        read = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
    if prod(shape[-2:]) * dtype.itemsize > LARGEST_FRAME or (
        opener is open and prod(shape) * dtype.itemsize > Path(path).stat().st_size
    ):
        raise FrameCorrupt(name, f"{' x '.join(map(str, shape))} pixels of {dtype} cannot be in this file")


def _pixels(found: Any, path: str, name: str) -> Any:
    """Return the pixels that fabio finds; those of EDF files, which alone are read now, with care.

    fabio makes room for all that an EDF header promises, and gives zeros where a gzip stream ends too early.
    """
    from fabio.edfimage import EdfFrame, EdfImage

    if not isinstance(found, EdfFrame | EdfImage):
        return found.data
    stored = Path(path).stat().st_size
    keys = {str(key).lower() for key in found.header}
    packed = Path(path).suffix.lower() in PACKED
    if "edf_binaryfilename" in keys or (packed and Path(path).suffix.lower() != ".gz"):
        most = LARGEST_FRAME
    else:
        most = stored * (_DEFLATE_RATIO if packed or "compression" in keys else 1)
    promised = prod(found.shape) * found.dtype.itemsize
    if promised > min(most, LARGEST_FRAME):
        shape = " x ".join(map(str, found.shape))
        raise FrameCorrupt(name, f"{shape} pixels of {found.dtype} cannot be in a file of {stored} bytes")
    data = found.data
    # What was read is kept; what was made up is made anew.
    if data is not found.data:
        raise FrameCorrupt(name, "truncated: its compressed data end too early")
    return data


def _unreadable(name: str, error: BaseException) -> FrameError:
    """Return what it means for a frame that fabio stumbled; raises `InputError` as `refused` does."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in NO_MORE_FILES:
            return refused(name, cause)
        cause = cause.__cause__ or cause.__context__
    text = str(error).strip().splitlines()
    return FrameCorrupt(name, f"fabio cannot read it ({text[0][:160] if text else type(error).__name__})")


def _frame(data: Any, header: Mapping[str, str], complaints: Sequence[str], name: str) -> EncodedFrame:
    if complaints:
        raise FrameCorrupt(name, f"fabio cannot read all of it ({complaints[-1].splitlines()[0][:160]})")
    if data is None or data.ndim != 2 or data.size == 0:
        shape = "nothing" if data is None else f"an array of shape {data.shape}"
        raise FrameCorrupt(name, f"fabio finds {shape} where an image should be")
    dtype = usable(data.dtype)
    if dtype is None:
        raise FrameCorrupt(name, f"pixels of type {data.dtype} cannot be used")
    return EncodedFrame.from_array(data.astype(dtype, copy=False), name, header)


def open_fabio(paths: Sequence[str], *, alone: bool = False) -> FabioFiles:
    """Open files that fabio reads.

    The first that can be read tells whether files of this series hold one frame or several: only if several,
    all are opened to count.

    Parameters
    ----------
    paths : sequence of str
        The files, in order.
    alone : bool
        Whether there is nothing but this one file: then one that cannot be read is an error at once.

    Raises
    ------
    FormatError
        The only file there is cannot be read.
    """
    counts: list[int] = []
    several = False
    for path in paths:
        count = _count(path, alone=alone) if not counts or several or not any(counts) else 1
        several |= count > 1
        counts.append(count)
    # A file that cannot be read stands for one frame, which says why when it is read.
    return FabioFiles(paths, [max(count, 1) for count in counts])


def _count(path: str, *, alone: bool) -> int:
    with _listening():
        try:
            image = _opened(path, path)
            count = int(image.nframes)
            image.close()
            return count
        except FrameMissing:
            reason = "no such file"
        except FrameCorrupt as error:
            reason = error.reason
        except Exception as error:
            reason = _unreadable(path, error).reason
    if alone:
        raise FormatError(f"{path}: {reason}")
    return 0
