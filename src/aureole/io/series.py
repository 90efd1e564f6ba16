"""A lazy series of frames from files of any kind."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import accumulate, groupby
from pathlib import Path as FilePath
from time import monotonic
from types import TracebackType
from typing import NamedTuple, overload

import numpy as np

from aureole.errors import FormatError, FrameError, InputError
from aureole.frames import EncodedFrame
from aureole.io.cbf import CbfFiles
from aureole.io.names import Item, expand, numbered
from aureole.io.sniff import Kind, kind_of_content, kind_of_name, real_path, real_paths, what_is
from aureole.io.store import MOST_FRAMES, Address, Store
from aureole.threads import STOPPING

Name = str | os.PathLike[str]

_LOOK = 0.01
"""Seconds between two looks for a frame."""


class Origin(NamedTuple):
    """What frames were opened from, in any process: files with absolute paths, and whether MD5 is checked."""

    items: tuple[Item, ...]
    check_md5: bool


class Patience:
    """Waits for frames of a scan that is under way.

    Parameters
    ----------
    seconds : float
        A frame that has not come so long after the last one that came is missing.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last = monotonic()

    def read(self, store: Store, index: int) -> EncodedFrame:
        """Read a frame of a store as soon as it is there and whole.

        Raises
        ------
        FrameMissing, FrameCorrupt
            It has not come.
        """
        while True:
            try:
                frame = store.read(index)
            except FrameError:
                if monotonic() - self._last > self._seconds or STOPPING.wait(_LOOK):
                    raise
            else:
                self._last = monotonic()
                return frame


class Frames(Sequence[EncodedFrame]):
    """Frames of a detector that stay encoded, read one by one when they are asked for.

    ``frames[7]`` reads a frame, ``frames[100:200]`` is a series again and reads nothing. Reading is
    thread-safe, and raises `aureole.errors.FrameMissing` or `aureole.errors.FrameCorrupt` for a frame that
    cannot be had; the others are not touched by it. Pixels that still lie in their file are read as they are
    decoded, and what is wrong with them is raised then.

    Parameters
    ----------
    stores : sequence of Store
        Where the frames lie, in order.
    selection : range, optional
        Which of them this series has.
    origin : Origin, optional
        What was opened, so that another process can open it too.
    patience : Patience, optional
        How frames that are not there yet are waited for; not at all without it.
    """

    def __init__(
        self,
        stores: Sequence[Store],
        selection: range | None = None,
        origin: Origin | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._patience = patience
        self._stores = list(stores)
        self._origin = origin
        self._ends = list(accumulate(len(store) for store in self._stores))
        self._range = range(self._ends[-1] if self._ends else 0) if selection is None else selection
        self._first: tuple[tuple[int, int], np.dtype[np.generic]] | None = None

    def __len__(self) -> int:
        return len(self._range)

    def __iter__(self) -> Iterator[EncodedFrame]:
        for index in range(len(self)):
            yield self[index]

    @overload
    def __getitem__(self, index: int) -> EncodedFrame: ...
    @overload
    def __getitem__(self, index: slice) -> Frames: ...
    def __getitem__(self, index: int | slice) -> EncodedFrame | Frames:
        if isinstance(index, slice):
            return Frames(self._stores, self._range[index], self._origin, self._patience)
        store, local = self._locate(index)
        if self._patience is None:
            return store.read(local)
        return self._patience.read(store, local)

    def patient(self, seconds: float) -> Frames:
        """Return the same frames, of which those that are not there yet, or not whole, are waited for.

        Parameters
        ----------
        seconds : float
            How long, since the last frame came.
        """
        return Frames(self._stores, self._range, self._origin, Patience(seconds))

    def __repr__(self) -> str:
        if not len(self):
            return "<Frames: none>"
        return f"<Frames: {len(self)}, from {self.name(0)} to {self.name(-1)}>"

    def _locate(self, index: int) -> tuple[Store, int]:
        place = self._range[index]
        which = bisect_right(self._ends, place)
        return self._stores[which], place - (self._ends[which - 1] if which else 0)

    def __reduce__(self) -> tuple[object, ...]:
        return reopen, (self.origin, self._range)

    @property
    def origin(self) -> Origin:
        """What was opened: with `selection`, all that `reopen` needs.

        Raises
        ------
        InputError
            These frames were not opened by `open_frames`.
        """
        if self._origin is None:
            raise InputError("these frames are not from files that another process could open")
        return self._origin

    @property
    def waits(self) -> bool:
        """Whether frames that are not there yet are waited for."""
        return self._patience is not None

    @property
    def selection(self) -> range:
        """Which frames of the origin these are."""
        return self._range

    def name(self, index: int) -> str:
        """Name one frame, for messages: its path, with HDF5 path and index where there are any."""
        store, local = self._locate(index)
        return store.name(local)

    @property
    def names(self) -> list[str]:
        """The names of all frames."""
        return [self.name(index) for index in range(len(self))]

    def header(self, index: int) -> Mapping[str, str]:
        """Return what the file says of one frame, without reading its pixels where that can be done.

        Raises
        ------
        FrameMissing, FrameCorrupt
            This frame cannot be had.
        """
        store, local = self._locate(index)
        return store.header(local)

    def address(self, index: int) -> Address:
        """Return where one frame is: resolved path, HDF5 data set, index."""
        store, local = self._locate(index)
        found = store.address(local)
        return found._replace(path=real_path(found.path))

    def addresses(self) -> list[Address]:
        """Return where each frame is, as `address` does."""
        found = [store.address(local) for store, local in map(self._locate, range(len(self)))]
        paths = real_paths(place.path for place in found)
        return [place._replace(path=path) for place, path in zip(found, paths, strict=True)]

    @cached_property
    def sources(self) -> Sequence[str]:
        """Resolved paths of the files that the frames come from, each once, in order."""
        if len(self._range) == (self._ends[-1] if self._ends else 0):
            paths = [path for store in self._stores for path in store.files()]
        else:
            paths = [store.address(local).path for store, local in map(self._locate, range(len(self)))]
        return tuple(dict.fromkeys(real_paths(dict.fromkeys(paths))))

    @property
    def notes(self) -> list[str]:
        """What a user should know of how the frames are read, one line each."""
        return list(dict.fromkeys(note for store in self._stores for note in store.notes()))

    @property
    def shape(self) -> tuple[int, int]:
        """(slow, fast) number of pixels of the first frame that can be read."""
        return self._looked_at()[0]

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of a pixel of the first frame that can be read."""
        return self._looked_at()[1]

    def _looked_at(self) -> tuple[tuple[int, int], np.dtype[np.generic]]:
        if self._first is None:
            reason = "there are no frames"
            for index in range(len(self)):
                try:
                    frame = self[index]
                except FrameError as error:
                    if index == 0:
                        reason = str(error)
                    continue
                self._first = (frame.shape, frame.dtype)
                break
            else:
                many = f"none of {len(self)} frames can be read; the first: " if len(self) > 1 else ""
                raise InputError(f"{many}{reason}")
        return self._first

    def close(self) -> None:
        """Give back what is held open; a frame that is read later opens it again."""
        for store in self._stores:
            store.close()

    def __enter__(self) -> Frames:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_frames(source: Name | Sequence[Name], *, check_md5: bool = False) -> Frames:
    """Open a series of detector frames; none is read yet.

    Parameters
    ----------
    source : path or sequence of paths
        CBF files, Eiger or NeXus masters (HDF5), ``file.h5::/path`` for any HDF5 data set whose last two axes
        are an image, or any other file that fabio reads. Each entry may be a folder, a quoted pattern
        (``scan_*.cbf``) or a template (``scan_%05d.cbf``, ``scan_#####.cbf``; numbers missing between the
        lowest and the highest are missing frames). A file of exactly this name is taken before all else; a
        name with any of ``*?[`` is a pattern, in which ``#`` and ``%`` mean themselves. What one entry means
        comes in numeric order; the entries of a sequence keep theirs.
    check_md5 : bool
        Compare each CBF frame with its ``Content-MD5``.

    Returns
    -------
    Frames
        A lazy sequence of `aureole.EncodedFrame`.

    Raises
    ------
    InputError
        The source matches nothing, or several data sets of a file could be meant (they are listed).
    FormatError
        A file as a whole is not what it should be.
    """
    return _open(Origin(tuple(expand(source)), check_md5))


def await_frames(template: Name, count: int, seconds: float) -> Frames:
    """Open a scan that is under way, as soon as its first frame is there.

    Parameters
    ----------
    template : path
        A name with a counter (``scan_%05d.cbf``, ``scan_#####.cbf``); the lowest number that is there is that
        of the first frame.
    count : int
        How many frames the scan will have.
    seconds : float
        How long each frame is waited for, since the last one came.

    Raises
    ------
    InputError
        This is no template, or no frame came.
    """
    begin = monotonic()
    while (names := numbered(os.fspath(template), count)) is None:
        if monotonic() - begin > seconds or STOPPING.wait(_LOOK):
            raise InputError(f"{template}: no frame came within {seconds:g} s")
    return _open(Origin(tuple(map(Item, names)), check_md5=False)).patient(seconds)


def reopen(origin: Origin, selection: range) -> Frames:
    """Open frames that were opened before, be it in another process; errors are those of `open_frames`."""
    frames = _open(origin)
    if selection and max(selection[0], selection[-1]) >= len(frames):
        raise InputError(f"{origin.items[0].path}: has {len(frames)} frames now, and there were more")
    return Frames(frames._stores, selection, origin)


def _open(origin: Origin) -> Frames:
    items, check_md5 = origin
    kinds: dict[str, Kind] = {}
    stores: list[Store] = []
    for kind, group in groupby(items, key=lambda item: _kind(item, kinds)):
        stores += _stores(kind, list(group), check_md5=check_md5, alone=len(items) == 1)
    if check_md5 and not any(isinstance(store, CbfFiles) for store in stores):
        raise InputError(f"{items[0].path}: only CBF files carry an MD5 that could be checked")
    here = FilePath.cwd()
    absolute = tuple(item._replace(path=str(here / item.path)) for item in items)
    frames = Frames(stores, origin=Origin(absolute, check_md5))
    if not len(frames):
        raise FormatError(f"{items[0].path}: holds no frames")
    if len(frames) > MOST_FRAMES:
        raise FormatError(f"{items[0].path}: {len(frames)} frames are more than {MOST_FRAMES:,}")
    return frames


def _kind(item: Item, kinds: dict[str, Kind]) -> Kind:
    """Tell the kind of a file; where the name does not say, from the first file with such an ending."""
    if item.dataset is not None:
        return "hdf5"
    known = kind_of_name(item.path)
    if known is not None:
        return known
    ending = FilePath(item.path).suffix
    if ending not in kinds:
        if what_is(item.path) == "nothing":
            return "other"
        kinds[ending] = kind_of_content(item.path)
    return kinds[ending]


def _stores(kind: Kind, items: list[Item], *, check_md5: bool, alone: bool) -> list[Store]:
    if kind == "cbf":
        return [CbfFiles([item.path for item in items], check_md5=check_md5)]
    if kind == "hdf5":
        from aureole.io.eiger import open_hdf5
        from aureole.io.hdf5_files import Handles

        # Shared, so that a series of a thousand files does not hold a thousand open.
        handles = Handles()
        return [open_hdf5(item.path, item.dataset, handles, alone=alone) for item in items]
    from aureole.io.fabio_formats import open_fabio

    return [open_fabio([item.path for item in items], alone=alone)]
