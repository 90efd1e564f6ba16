"""Series of frames in HDF5 files: Eiger masters, NeXus files, any data set of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import h5py
import numpy as np

from aureole.errors import FormatError, FrameMissing
from aureole.frames import EncodedFrame
from aureole.io.hdf5_files import TROUBLES, Handles, open_file, why
from aureole.io.hdf5_layout import find_data
from aureole.io.hdf5_leaf import Leaf
from aureole.io.hdf5_links import AbsentFile, attribute, get
from aureole.io.hdf5_virtual import Gap, Mosaic, Part, Resolver, Table
from aureole.io.header_columns import StoredColumns, value_text
from aureole.io.store import Address, Store, too_many

_FACT_CLASSES = ("NXdetector", "NXbeam", "NXmonochromator", "NXsource")
_MOST_FACTS = 300


class Hdf5Frames(Store):
    """Frames of one HDF5 file, wherever links and virtual data sets have them.

    Parameters
    ----------
    path : str
        The file that was named.
    table : Table
        Where each frame is.
    handles : Handles
        The files that are open.
    header : mapping
        What the file says of all of them.
    columns : StoredColumns, optional
        What it says of each.
    reasons : mapping of int to str
        Why frames that were never written are not there.
    """

    def __init__(
        self,
        path: str,
        table: Table,
        handles: Handles,
        *,
        header: Mapping[str, str],
        columns: StoredColumns | None = None,
        reasons: Mapping[int, str],
    ) -> None:
        self._path = path
        self._table = table
        self._handles = handles
        self._header = header
        self._columns = columns
        self._reasons = reasons

    def __len__(self) -> int:
        return len(self._table)

    def _part(self, index: int) -> tuple[Part, int]:
        return self._table.parts[self._table.which[index]], int(self._table.where[index])

    def read(self, index: int) -> EncodedFrame:
        """Read one frame; see `aureole.io.hdf5_leaf.Leaf.read` for what is raised."""
        try:
            return self._table.read(index, self._header_of(index))
        except FrameMissing as error:
            if index not in self._reasons:
                raise
            raise FrameMissing(error.name, f"{error.reason}: {self._reasons[index]}") from None

    def header(self, index: int) -> Mapping[str, str]:
        """Return what the file says of one frame; raises `FrameMissing` where it says why there is none."""
        if index in self._reasons:
            raise FrameMissing(self.name(index), self._reasons[index])
        return self._header_of(index)

    def _header_of(self, index: int) -> Mapping[str, str]:
        if self._columns is None:
            return self._header
        own = self._columns.header(index)
        # What is the frame's own comes first where headers are shown, and goes before what is said of all.
        return {**own, **self._header, **own}

    def name(self, index: int) -> str:
        """Name one frame: file, data set, index."""
        part, local = self._part(index)
        return part.name(local)

    def address(self, index: int) -> Address:
        """Return where one frame is."""
        part, local = self._part(index)
        return Address(part.path, part.dataset, local)

    def files(self) -> Sequence[str]:
        """Return the file that was named and those that its links lead to."""
        return list(dict.fromkeys([self._path, *(path for part in self._table.parts for path in part.files)]))

    def notes(self) -> Sequence[str]:
        """Say which data sets the HDF5 library has to decode, and why, and which come in parts."""
        lines = []
        for part in self._table.parts:
            if isinstance(part, Leaf) and part.layout == "library":
                lines.append(f"{part.path}::{part.dataset}: {part.reason}; decoded by the HDF5 library")
            elif isinstance(part, Mosaic):
                reason = "a virtual data set that does not map whole frames"
                lines.append(f"{part.path}::{part.dataset}: {reason}; put together from its sources")
        return lines

    def close(self) -> None:
        """Close the files."""
        self._handles.close()


def open_hdf5(
    path: str, dataset: str | None = None, handles: Handles | None = None, *, alone: bool = True
) -> Hdf5Frames:
    """Open the frames of an HDF5 file.

    Parameters
    ----------
    path : str
        An Eiger master, a NeXus file, or any HDF5 file.
    dataset : str, optional
        The HDF5 path of the frames, or of a group with ``data_000001``..., a NeXus signal or one stack of
        images; without it an Eiger master's data, NeXus's default, or the only stack of images in the file.
    handles : Handles, optional
        Open files to share with other parts of a series.
    alone : bool
        Whether the file is all there is: if it is one of several and cannot be opened, it counts as one frame
        that is missing or corrupt, and the series goes on.

    Raises
    ------
    FormatError
        The file is not what it should be, or several data sets could be meant (they are listed), or none.
    """
    handles = handles or Handles()
    try:
        frames = _open(path, dataset, handles)
        if alone or len(frames):
            return frames
        gap = Gap(path, dataset or "", "holds no frames", corrupt=True)
    except FileNotFoundError:
        if alone:
            raise FormatError(f"{path}: no such file") from None
        gap = Gap(path, dataset or "", "no such file")
    except FormatError as error:
        if alone:
            raise
        gap = Gap.of(path, dataset or "", error)
    return Hdf5Frames(path, Table.of(gap, 1), handles, header={}, reasons={})


def _open(path: str, dataset: str | None, handles: Handles) -> Hdf5Frames:
    with open_file(path) as file:
        try:
            paths = find_data(file, dataset)
            table = Table.joined(_tables(file, paths, handles))
            facts = _facts(file, paths[0])
            if len(paths) > 1:
                return Hdf5Frames(path, table, handles, header=facts, reasons={})
            count = len(table)
            columns, reasons = _columns(file, paths[0], count), _reasons(file, paths[0], count)
            return Hdf5Frames(path, table, handles, header=facts, columns=columns, reasons=reasons)
        except TROUBLES as error:
            raise FormatError(f"{path}: damaged HDF5 file ({why(error)})") from None


def _tables(file: h5py.File, paths: Sequence[str], handles: Handles) -> list[Table]:
    resolver = Resolver(handles)
    if len(paths) == 1:
        return [resolver.resolve(file, paths[0])]
    tables: list[Table | Gap] = []
    for path in paths:
        try:
            tables.append(resolver.resolve(file, path))
        except FormatError as error:
            tables.append(Gap.of(file.filename, path, error))
    counts = [0 if isinstance(table, Gap) else len(table) for table in tables]
    there = sum(counts)
    if not any(counts):
        gaps = [table for table in tables if isinstance(table, Gap)]
        kind = FormatError if any(gap.corrupt for gap in gaps) or not gaps else AbsentFile
        first = gaps[0].reason if gaps else "they are empty"
        raise kind(f"{file.filename}: none of its {len(paths)} data files can be read: {first}")
    absent = [place for place, table in enumerate(tables) if isinstance(table, Gap)]
    for place, count in zip(absent, _absent_counts(_total(file, paths[0]), counts, len(absent)), strict=True):
        counts[place] = count
    reason = too_many(sum(counts), there)
    if reason:
        raise FormatError(f"{file.filename}: {reason}")
    return [
        Table.of(table, count) if isinstance(table, Gap) else table
        for table, count in zip(tables, counts, strict=True)
    ]


def _absent_counts(total: int | None, counts: Sequence[int], absent: int) -> list[int]:
    """Return how many frames the missing data files held: as many as a full one, together what is missing."""
    full = max(counts)
    if total is None:
        return [full] * absent
    left = max(total - sum(counts), 0)
    result = []
    for place in range(absent):
        # The last takes all that is left, and none is believed to be empty.
        share = left if place == absent - 1 else min(full, left)
        result.append(max(share, 1))
        left -= share
    return result


def _total(file: h5py.File, path: str) -> int | None:
    """Return how many frames the master says there are."""
    entry = _entry(path)
    numbers = []
    for name in ("nimages", "ntrigger"):
        found = get(file, f"/{entry}/instrument/detector/detectorSpecific/{name}")
        if not isinstance(found, h5py.Dataset) or found.size != 1 or found.dtype.kind not in "iu":
            return None
        numbers.append(int(np.asarray(found[()]).reshape(-1)[0]))
    return numbers[0] * numbers[1]


def _facts(file: h5py.File, path: str) -> dict[str, str]:
    """Return the single values that the entry's instrument holds, as "value unit"."""
    facts: dict[str, str] = {}
    instrument = get(file, f"/{_entry(path)}/instrument")
    _add_facts(facts, _header_group(file, path))
    for name in instrument if isinstance(instrument, h5py.Group) else ():
        group = get(instrument, name)
        if isinstance(group, h5py.Group) and attribute(group, "NX_class") in _FACT_CLASSES:
            _add_facts(facts, group)
            _add_facts(facts, get(group, "detectorSpecific"))
    return facts


def _header_group(file: h5py.File, path: str) -> h5py.Group | None:
    """Return where a stack that `aureole.io.StackWriter` wrote keeps the headers of its frames."""
    group = get(file, f"/{_entry(path)}/instrument/detector/header")
    return group if isinstance(group, h5py.Group) and attribute(group, "NX_class") == "NXcollection" else None


def _columns(file: h5py.File, path: str, count: int) -> StoredColumns | None:
    group = _header_group(file, path)
    return None if group is None else StoredColumns(group, count)


def _reasons(file: h5py.File, path: str, count: int) -> dict[int, str]:
    """Return why frames are not there, as far as the file says it."""
    found = get(file, f"/{_entry(path)}/frame_message")
    if not isinstance(found, h5py.Dataset) or found.shape != (count,):
        return {}
    if h5py.check_string_dtype(found.dtype) is None:
        return {}
    return {index: text for index, text in enumerate(found.asstr(errors="replace")[()]) if text}


def _entry(path: str) -> str:
    return path.strip("/").split("/")[0]


def _add_facts(facts: dict[str, str], group: object) -> None:
    for name in group if isinstance(group, h5py.Group) else ():
        if len(facts) >= _MOST_FACTS:
            return
        try:
            found = get(group, name)
            if not isinstance(found, h5py.Dataset) or found.size != 1 or found.dtype.kind not in "iufSO":
                continue
            value = np.asarray(found[()]).reshape(-1)[0]
            facts.setdefault(name, f"{value_text(value)} {attribute(found, 'units')}".strip())
        except TROUBLES:
            continue
