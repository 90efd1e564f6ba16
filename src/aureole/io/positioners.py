"""Where the motors were: one position for each frame, from tables, headers and the scans of HDF5 files.

Of HDF5 files these places are known, of which the first that has a name counts:

- BLISS (ESRF): ``/1.1/measurement/<name>`` and ``/1.1/instrument/positioners/<name>``;
- NeXus: the axes of an NXdata, by ``@axes`` and ``@<name>_indices``, and NXpositioner groups;
- Bluesky (apstools' writer): ``/entry/instrument/bluesky/streams/primary/<name>/value``;
- EPICS areaDetector: ``/entry/instrument/NDAttributes/<name>``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from difflib import get_close_matches
from math import prod
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from aureole.errors import FormatError, FrameCorrupt, FrameError, InputError, SpecError
from aureole.io.hdf5_files import TROUBLES, open_file, why
from aureole.io.hdf5_links import attribute, get, located, text_of
from aureole.io.scalars import demanded_number, read_scalars
from aureole.io.series import Frames
from aureole.io.sniff import kind_of_content, kind_of_name, what_is
from aureole.io.store import MOST_FRAMES

_SHOWN = 12


class _Positioner(NamedTuple):
    """Where positions are; for axes of an NXdata, how they lie along the axes of its signal."""

    path: str
    signal: tuple[int, ...] = ()
    along: tuple[int, ...] = ()


def find_positioners(path: str) -> dict[str, str]:
    """Find what changes from frame to frame in the scans of an HDF5 file: motors, and counters beside them.

    Parameters
    ----------
    path : str
        A file of BLISS, of Bluesky, or any NeXus file.

    Returns
    -------
    dict of str to str
        Name to the HDF5 path of its values. A name that several scans of the file have comes once for each
        of them, as ``scan/name``.

    Raises
    ------
    InputError
        There is no such file, or it cannot be read.
    """
    with _opened(path) as file:
        return {name: found.path for name, found in _all(file).items()}


def read_positions(source: str, frames: Frames, *, what: str = "position") -> NDArray[np.float64]:
    """Read where a motor was for each frame, or what else each must have.

    Parameters
    ----------
    source : str
        ``file.h5:name`` (one that `find_positioners` finds), or what `aureole.io.read_scalars` takes:
        ``file.h5::/path``, ``file.csv:column``, or a key of the frames' headers.
    frames : Frames
    what : str
        What it is, for messages.

    Returns
    -------
    ndarray of float64, shape (frames,)
        In the units of the source; NaN for frames that cannot be had and have no position.

    Raises
    ------
    InputError
        The source cannot be read, has another number of values, or none that is finite for a frame that is
        there.
    """
    named = _file_and_name(source)
    if named is not None:
        values = _read_named(*named, len(frames))
    else:
        found = read_scalars(source, frames)
        values = found if isinstance(found, np.ndarray) else _from_headers(source, frames, what)
    for index in map(int, np.flatnonzero(~np.isfinite(values))):
        try:
            frames.header(index)
        except FrameError:
            values[index] = np.nan
            continue
        wrong = "is not a number" if np.isnan(values[index]) else f"is {values[index]}"
        raise SpecError(f"{source}: the {what} of frame {index}, {frames.name(index)}, {wrong}")
    return values


def _from_headers(key: str, frames: Frames, what: str) -> NDArray[np.float64]:
    values = np.full(len(frames), np.nan)
    for index in range(len(frames)):
        try:
            header = frames.header(index)
        except FrameError:
            continue
        try:
            values[index] = demanded_number(header, key, frames.name(index))
        except FrameCorrupt as error:
            raise SpecError(f"{error}; each frame needs a {what}") from None
    return values


def _file_and_name(source: str) -> tuple[str, str] | None:
    path, colon, name = source.rpartition(":")
    if "::" in source or not colon or not path or not name:
        return None
    known = kind_of_name(path) or (kind_of_content(path) if what_is(path) == "file" else None)
    return (path, name) if known == "hdf5" else None


def _opened(path: str) -> h5py.File:
    try:
        return open_file(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None


def _read_named(path: str, name: str, frames: int) -> NDArray[np.float64]:
    with _opened(path) as file:
        found = _all(file)
        if name not in found:
            near = get_close_matches(name, found, n=5, cutoff=0.4)
            same = [other for other in found if other.endswith(f"/{name}")]
            hint = ", ".join((same or near or list(found))[:_SHOWN]) or "none that could be found"
            raise SpecError(f"{path}: has no positions {name!r}; there are {hint}")
        place = found[name]
        label = f"{path}::{place.path}"
        with located(file, place.path) as (data, _, _):
            try:
                values = np.asarray(data[()], np.float64)
            except TROUBLES as error:
                raise FormatError(f"{label}: cannot be read ({why(error)})") from None
    spread = _spread(values, place, frames)
    if spread is None:
        raise SpecError(f"{label}: has {values.size} values for {frames} frames")
    return spread


def _spread(values: NDArray[np.float64], place: _Positioner, frames: int) -> NDArray[np.float64] | None:
    """Return one value for each frame; axes of a grid are repeated along the others."""
    if values.size == frames:
        return values.reshape(-1)
    ranks = (rank for rank in range(1, len(place.signal) + 1) if prod(place.signal[:rank]) == frames)
    rank = next(ranks, 0)
    if len(place.along) != values.ndim or any(axis >= rank for axis in place.along):
        return None
    lead, shape = place.signal[:rank], [1] * rank
    for axis, length in zip(place.along, values.shape, strict=True):
        shape[axis] = length
    ordered = values.transpose(np.argsort(place.along)).reshape(shape)
    if any(length not in (1, whole) for length, whole in zip(shape, lead, strict=True)):
        return None
    return np.broadcast_to(ordered, lead).reshape(-1).copy()


def _all(file: h5py.File) -> dict[str, _Positioner]:
    scans: dict[str, dict[str, _Positioner]] = {}
    try:
        for name in file:
            entry = get(file, name)
            if isinstance(entry, h5py.Group):
                # Paths are made of names: behind a link, the group would tell its path in another file.
                scans[name] = {}
                for key, found in _in_scan(entry, f"/{name}"):
                    scans[name].setdefault(key, found)
    except TROUBLES as error:
        raise FormatError(f"{file.filename}: cannot be read ({why(error)})") from None
    times = Counter(key for found in scans.values() for key in found)
    return {
        key if times[key] == 1 else f"{scan}/{key}": place
        for scan, found in scans.items()
        for key, place in found.items()
    }


def _in_scan(entry: h5py.Group, path: str) -> Iterator[tuple[str, _Positioner]]:
    for below in ("measurement", "instrument/positioners"):
        yield from _lists(get(entry, below), f"{path}/{below}")
    for name in entry:
        data = get(entry, name)
        if isinstance(data, h5py.Group) and attribute(data, "NX_class") == "NXdata":
            yield from _axes(data, f"{path}/{name}")
    below = "instrument/bluesky/streams/primary"
    yield from _lists(get(entry, below), f"{path}/{below}", "/value")
    instrument = get(entry, "instrument")
    if isinstance(instrument, h5py.Group):
        yield from _lists(instrument, f"{path}/instrument", "/value", "NXpositioner")
    yield from _lists(get(entry, "instrument/NDAttributes"), f"{path}/instrument/NDAttributes")


def _lists(
    group: object, path: str, below: str = "", of: str | None = None
) -> Iterator[tuple[str, _Positioner]]:
    """Find lists of numbers in a group; or, with `below`, in its groups, with `of` those of one class."""
    if not isinstance(group, h5py.Group):
        return
    for name in group:
        if of is not None:
            holder = get(group, name)
            if not isinstance(holder, h5py.Group) or attribute(holder, "NX_class") != of:
                continue
        found = get(group, name + below)
        if _is_numbers(found) and found.ndim == 1:
            yield name, _Positioner(f"{path}/{name}{below}")


def _axes(data: h5py.Group, path: str) -> Iterator[tuple[str, _Positioner]]:
    """Find the axes of an NXdata, and other fields of which it says along which of its axes they lie."""
    signal = get(data, attribute(data, "signal") or "data")
    there = isinstance(signal, h5py.Dataset) and signal.shape is not None
    given = data.attrs.get("axes", signal.attrs.get("axes", ()) if there else ())
    names = [text_of(item) for item in np.atleast_1d(given)]
    if len(names) == 1:
        # older files: one text with all
        names = names[0].strip("[]").replace(",", ":").split(":")
    along: dict[str, tuple[int, ...]] = {name: (place,) for place, name in enumerate(names)}
    for key in data.attrs:
        if key.endswith("_indices"):
            places = np.atleast_1d(data.attrs[key])
            if places.dtype.kind in "iu":
                along[key.removesuffix("_indices")] = tuple(map(int, places))
    for name, where in along.items():
        found = get(data, name) if name not in ("", ".") else None
        if _is_numbers(found) and min(where, default=0) >= 0:
            yield name, _Positioner(f"{path}/{name}", signal.shape if there else (), where)


def _is_numbers(found: Any) -> bool:
    return (
        isinstance(found, h5py.Dataset)
        and found.shape is not None
        and found.dtype.kind in "iuf"
        and 1 < found.size <= MOST_FRAMES
    )
