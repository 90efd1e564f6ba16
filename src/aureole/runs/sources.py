"""The files that frames come from: whether they still are those of which a result was made.

A file may not have been there when a run began, or have been half-written. What it was when its frames had
been read is then known by the part that has them: *late* facts, by the number of the file in the manifest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from operator import itemgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aureole.azimuthal.batches import FramesLike
from aureole.io.names import shown
from aureole.io.nexus import Source
from aureole.io.series import Frames
from aureole.io.status import FrameStatus

Facts = tuple[int, int]
"""Bytes and mtime_ns of a file."""
Late = dict[int, Facts]
Unsettled = Mapping[str, tuple[int, Source]]
"""Files by path, with their number and what they were when the run began."""

_LISTED = 3


class Account(NamedTuple):
    """How it went with some frames, and what late files of theirs were."""

    frames: range
    status: NDArray[np.uint8]
    late: Mapping[int, Facts]


class Files:
    """In which files the frames of a run lie.

    Parameters
    ----------
    frames, variance : FramesLike or None
        Of which those in files count.
    paths : sequence of str
        All these files, as in the manifest.
    """

    def __init__(self, frames: FramesLike, variance: FramesLike | None, paths: Sequence[str]) -> None:
        self._series = [series for series in (frames, variance) if isinstance(series, Frames)]
        self._paths = paths

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {path: number for number, path in enumerate(self._paths)}

    def unsettled(self, sources: Sequence[Source]) -> Unsettled:
        """Return which files may be others by the time when their frames are read.

        They were not there; in a scan under way, whose frames are waited for, each may be half-written.
        """
        waits = any(series.waits for series in self._series)
        return {
            source.path: (number, source)
            for number, source in enumerate(sources)
            if waits or source.bytes is None
        }

    def held(self, before: Sequence[Source], now: Sequence[Source], accounts: Iterable[Account]) -> list[str]:
        """Return the files that are not those of before, though something was made of them.

        A file that was missing or half-written, so that no frame of it is done, may be any other now. One
        that is gone, or of which nothing was known, cannot be compared.

        Parameters
        ----------
        before, now : sequence of Source
        accounts : iterable of Account
            Of all frames.
        """
        differ = {
            number
            for number, (old, new) in enumerate(zip(before, now, strict=True))
            if None not in (old.bytes, new.bytes) and old[1:] != new[1:]
        }
        held: set[int] = set()
        with_frames: set[int] = set()
        for account in accounts:
            for number, facts in account.late.items():
                if now[number].bytes is not None and now[number][1:] != facts:
                    held.add(number)
            if differ:
                held |= (self._used(account) & differ) - account.late.keys()
                with_frames |= self._of(account.frames, slice(None))
        # one that has no frames leads to others that have
        return [now[number].path for number in sorted(held | (differ - with_frames))]

    def settled(self, sources: Sequence[Source], accounts: Sequence[Account]) -> list[Source]:
        """Return the sources as they were when their frames had been read: as first, if not all alike."""
        found: dict[int, set[Facts]] = {}
        for account in accounts:
            for number, facts in account.late.items():
                found.setdefault(number, set()).add(facts)
        known = {number: now for number in found if (now := _facts(sources[number])) is not None}
        for account in accounts if known else ():
            for number in (self._used(account) & known.keys()) - account.late.keys():
                found[number].add(known[number])
        return [
            Source(source.path, *min(found[number], key=itemgetter(1))) if number in found else source
            for number, source in enumerate(sources)
        ]

    def _used(self, account: Account) -> set[int]:
        """Return the numbers of the files from which frames came that are done."""
        return self._of(account.frames, account.status == FrameStatus.DONE)

    def _of(self, frames: range, rows: slice | NDArray[np.bool_]) -> set[int]:
        paths = files_of(self._series, frames, rows)
        return {self._numbers[path] for path in paths if path in self._numbers}


def files_of(series: Iterable[FramesLike | None], frames: range, rows: slice | NDArray[np.bool_]) -> set[str]:
    """Return the resolved paths of the files in which some rows of consecutive frames lie."""
    found: set[str] = set()
    for one in series:
        if isinstance(one, Frames):
            places = np.array([place.path for place in one[frames.start : frames.stop].addresses()], object)
            found |= set(places[rows])
    return found


def late_facts(
    series: Iterable[FramesLike | None], frames: range, rows: NDArray[np.bool_], unsettled: Unsettled
) -> Late:
    """Return what unsettled files are now from which some rows came, where they are not as they were."""
    found = {}
    for path in files_of(series, frames, rows) & unsettled.keys() if unsettled else ():
        number, before = unsettled[path]
        facts = _facts(Source.of(path))
        if facts not in (None, before[1:]):
            found[number] = facts
    return found


def _facts(source: Source) -> Facts | None:
    return None if source.bytes is None or source.mtime_ns is None else (source.bytes, source.mtime_ns)


def same_paths(one: Sequence[Source], other: Sequence[Source]) -> bool:
    """Whether sources have the same names, be they as they are stored in an output."""
    if len(one) != len(other):
        return False
    return all(a.path == b.path or shown(a.path) == shown(b.path) for a, b in zip(one, other, strict=True))


def told(changed: Sequence[str]) -> str:
    """Return in words which files are not those of before."""
    more = f" and {len(changed) - _LISTED} more" if len(changed) > _LISTED else ""
    return f"was begun before these files changed: {', '.join(changed[:_LISTED])}{more}"
