"""From an HDF5 path to the data sets that hold the frames: links, virtual data sets, NeXus defaults."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from aureole.errors import FormatError, FrameCorrupt, FrameMissing, InputError
from aureole.frames import EncodedFrame
from aureole.io.hdf5_leaf import Handles, Leaf, describe, open_file, why
from aureole.io.names import natural_sorted
from aureole.io.sniff import what_is

_DEEPEST = 8
_MOST_OBJECTS = 5000
_NUMBERED = re.compile(r"data_\d+")


@dataclass(frozen=True)
class Gap:
    """What stands in the place of frames that are not there."""

    path: str
    dataset: str
    reason: str
    corrupt: bool = False

    def name(self, index: int) -> str:
        """Name one frame, for messages."""
        return f"{self.path}::{self.dataset}[{index}]" if self.dataset else self.path

    def read(self, index: int, header: object) -> EncodedFrame:
        """Say why there is no frame."""
        raise (FrameCorrupt if self.corrupt else FrameMissing)(self.name(index), self.reason)


@dataclass(frozen=True)
class Table:
    """Which part holds each frame of a series, and as which of its frames."""

    parts: Sequence[Leaf | Gap]
    which: NDArray[np.int32]
    where: NDArray[np.int64]

    @classmethod
    def of(cls, part: Leaf | Gap, count: int) -> Table:
        """All frames of one part."""
        return cls([part], np.zeros(count, np.int32), np.arange(count, dtype=np.int64))

    @classmethod
    def joined(cls, tables: Sequence[Table]) -> Table:
        """One table after the other."""
        if len(tables) == 1:
            return tables[0]
        parts = [part for table in tables for part in table.parts]
        starts = np.cumsum([0] + [len(table.parts) for table in tables[:-1]])
        which = [table.which + np.int32(start) for table, start in zip(tables, starts, strict=True)]
        return cls(parts, np.concatenate(which), np.concatenate([table.where for table in tables]))


def resolve(file: h5py.File, dataset: str, handles: Handles, depth: int = 0) -> Table:
    """Find what really holds the frames of a data set.

    Raises
    ------
    FormatError
        There is no such data set, or it does not hold images.
    """
    if depth > _DEEPEST:
        raise FormatError(f"{file.filename}::{dataset}: virtual data sets nested more than {_DEEPEST} deep")
    try:
        found = file[dataset]
    except (KeyError, OSError, RuntimeError) as error:
        raise FormatError(f"{file.filename}::{dataset}: {_broken(file, dataset) or why(error)}") from None
    if not isinstance(found, h5py.Dataset) or found.shape is None:
        raise FormatError(f"{file.filename}::{dataset}: is no data set with values")
    leaf = describe(found, *_real_place(file, dataset, found), handles)
    if not found.is_virtual:
        return Table.of(leaf, len(leaf))
    return _resolve_virtual(found, leaf, handles, depth)


def _real_place(file: h5py.File, dataset: str, found: h5py.Dataset) -> tuple[str, str]:
    """Return the file that holds a data set and its path there; h5py may name the link."""
    try:
        return _followed(file, dataset, 0)
    except (FormatError, OSError, KeyError, RuntimeError):
        return found.file.filename, found.name or "/"


def _followed(file: h5py.File, dataset: str, depth: int) -> tuple[str, str]:
    if depth > _DEEPEST:
        raise FormatError(f"{file.filename}::{dataset}: links nested more than {_DEEPEST} deep")
    at = ""
    parts = [part for part in dataset.split("/") if part not in ("", ".")]
    for place, part in enumerate(parts):
        link = file.get(f"{at}/{part}", getlink=True)
        rest = "/".join(parts[place + 1 :])
        if isinstance(link, h5py.SoftLink):
            target = link.path if link.path.startswith("/") else f"{at}/{link.path}"
            return _followed(file, f"{target}/{rest}", depth + 1)
        if isinstance(link, h5py.ExternalLink):
            with open_file(beside(file.filename, link.filename)) as other:
                return _followed(other, f"{link.path}/{rest}", depth + 1)
        at = f"{at}/{part}"
    return file.filename, at


@dataclass(frozen=True)
class _Mapping:
    """One source of a virtual data set: frames `target` of it are frames `source` of what `table` says."""

    target: NDArray[np.int64] | None
    source: NDArray[np.int64] | None
    table: Table | None
    gap: Gap | None
    touched: NDArray[np.int64]


def _resolve_virtual(dataset: h5py.Dataset, leaf: Leaf, handles: Handles, depth: int) -> Table:
    mappings = [_mapping(entry, dataset, leaf, handles, depth) for entry in dataset.virtual_sources()]
    count = len(leaf)
    if any(
        mapping.target is None or (mapping.source is None and mapping.gap is None) for mapping in mappings
    ):
        # Parts of frames, such as modules: the library puts them together; what is missing is said here.
        gaps = {int(at): mapping.gap.reason for mapping in mappings if mapping.gap for at in mapping.touched}
        return Table.of(replace(leaf, gaps=gaps), count)
    nothing = Gap(leaf.path, leaf.dataset, "no source is mapped to this frame of the virtual data set")
    parts: list[Leaf | Gap] = [nothing]
    which, where = np.zeros(count, np.int32), np.arange(count, dtype=np.int64)
    for mapping in mappings:
        target, gap = mapping.target, mapping.gap
        assert target is not None
        if mapping.table is not None and mapping.source is not None:
            there = mapping.source < len(mapping.table.which)
            which[target[there]] = mapping.table.which[mapping.source[there]] + len(parts)
            where[target[there]] = mapping.table.where[mapping.source[there]]
            parts += mapping.table.parts
            target = target[~there]
            gap = Gap(leaf.path, leaf.dataset, f"its source holds only {len(mapping.table.which)} frames")
        if target.size and gap is not None:
            which[target] = len(parts)
            parts.append(gap)
    return Table(parts, which, where)


def _mapping(entry: Any, dataset: h5py.Dataset, leaf: Leaf, handles: Handles, depth: int) -> _Mapping:
    if "%b" in entry.file_name or "%b" in entry.dset_name:
        raise FormatError(
            f"{leaf.path}::{leaf.dataset}: its sources are numbered by a pattern ({entry.file_name}), "
            "which cannot be checked; open the source files themselves"
        )
    target = _frames_of(entry.vspace, dataset.shape)
    touched = target if target is not None else _frames_touched(entry.vspace, dataset.shape)
    path = leaf.path if entry.file_name == "." else beside(leaf.path, entry.file_name)
    try:
        with open_file(path) as source_file:
            table = resolve(source_file, "/" + entry.dset_name.strip("/"), handles, depth + 1)
            source = _frames_of(entry.src_space, source_file[entry.dset_name].shape)
    except FileNotFoundError:
        return _Mapping(
            target, None, None, Gap(leaf.path, leaf.dataset, f"its source {path} is missing"), touched
        )
    except FormatError as error:
        return _Mapping(target, None, None, Gap(leaf.path, leaf.dataset, f"its source: {error}"), touched)
    if source is not None and target is not None and len(source) < len(target):
        source = np.concatenate([source, np.full(len(target) - len(source), np.iinfo(np.int64).max)])
    whole = all(isinstance(part, Gap) or part.shape == leaf.shape for part in table.parts)
    if source is None or not whole or target is None:
        return _Mapping(target, None, None, None, touched)
    return _Mapping(target, source[: len(target)], table, None, touched)


def beside(path: str, name: str) -> str:
    """Return where HDF5 looks for a file that another one names: beside it too, if it has moved."""
    folder = Path(path).absolute().parent
    if Path(name).is_absolute():
        moved = folder / Path(name).name
        return str(moved) if what_is(name) == "nothing" and what_is(moved) == "file" else name
    return str(folder / name)


def _frames_of(space: Any, shape: tuple[int, ...]) -> NDArray[np.int64] | None:
    """Return the frames that a selection takes whole, in C order; None if it takes parts of frames."""
    lead = shape[:-2]
    if space.get_select_type() == h5py.h5s.SEL_ALL:
        return np.arange(int(np.prod(lead, dtype=np.int64)), dtype=np.int64)
    if space.get_select_type() != h5py.h5s.SEL_HYPERSLABS or not space.is_regular_hyperslab():
        return None
    start, stride, count, block = space.get_regular_hyperslab()
    if len(start) != len(shape):
        return None
    axes = []
    for axis, length in enumerate(shape):
        # An unlimited count ends where the data set does today.
        times = min(count[axis], -(-max(length - start[axis], 0) // max(stride[axis], 1)))
        width = min(block[axis], max(length - start[axis], 0))
        taken = start[axis] + stride[axis] * np.arange(times)[:, None] + np.arange(width)
        axes.append(taken[taken < length])
    if any(len(axes[axis]) != shape[axis] for axis in (-2, -1)):
        return None
    if not lead:
        return np.zeros(1, np.int64)
    grids = np.meshgrid(*axes[:-2], indexing="ij")
    return np.asarray(np.ravel_multi_index(tuple(grid.ravel() for grid in grids), lead), np.int64)


def _frames_touched(space: Any, shape: tuple[int, ...]) -> NDArray[np.int64]:
    lead = shape[:-2]
    if space.get_select_type() == h5py.h5s.SEL_ALL or not lead:
        return np.arange(int(np.prod(lead, dtype=np.int64)), dtype=np.int64)
    low, high = space.get_select_bounds()
    ranges = [np.arange(a, min(b + 1, n)) for a, b, n in zip(low, high, lead, strict=False)]
    grids = np.meshgrid(*ranges, indexing="ij")
    return np.asarray(np.ravel_multi_index(tuple(grid.ravel() for grid in grids), lead), np.int64)


def _broken(file: h5py.File, dataset: str) -> str:
    """Say why a path cannot be followed: which link leads nowhere, or what there is instead."""
    group: h5py.Group = file
    for part in dataset.strip("/").split("/"):
        link = group.get(part, getlink=True) if isinstance(group, h5py.Group) else None
        if link is None:
            names = list(group) if isinstance(group, h5py.Group) else []
            near = get_close_matches(part, names, n=3, cutoff=0.4) or names[:5]
            hint = f"; there are {', '.join(near)}" if near else ""
            return f"there is no {part!r} in {group.name}{hint}"
        if isinstance(link, h5py.ExternalLink):
            target = beside(file.filename, link.filename)
            if what_is(target) == "nothing":
                return f"its file {target} is missing"
        try:
            group = group[part]
        except (KeyError, OSError, RuntimeError) as error:
            if isinstance(link, h5py.ExternalLink):
                return f"its file {beside(file.filename, link.filename)} cannot be used ({why(error)})"
            return why(error)
    return ""


def numbered_data(file: h5py.File, group_path: str) -> list[str]:
    """Return the paths of ``data_000001``, ``data_000002``... in a group, in order."""
    group = file.get(group_path)
    if not isinstance(group, h5py.Group):
        return []
    base = "" if group_path == "/" else group_path
    return natural_sorted(f"{base}/{name}" for name in group if _NUMBERED.fullmatch(name))


def find_data(file: h5py.File, dataset: str | None) -> list[str]:
    """Return the HDF5 paths of the frames: those of an Eiger master, the one asked for, or NeXus's default.

    Raises
    ------
    InputError
        Several data sets could be meant, or none.
    """
    if dataset is not None:
        found = _get(file, dataset)
        if isinstance(found, h5py.Group):
            return numbered_data(file, dataset) or _signal(found) or [_only_candidate(file, found)]
        return [dataset]
    for entry in _children(file, "NXentry") or list(file.keys()):
        data = numbered_data(file, f"/{entry}/data")
        if data:
            return data
    default = _default_signal(file)
    if default is not None:
        return [default]
    return [_only_candidate(file, file)]


def _get(group: h5py.Group, name: str) -> Any:
    try:
        return group.get(name)
    except (KeyError, OSError, RuntimeError):
        return None


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _children(group: h5py.Group, nx_class: str) -> list[str]:
    found = ((name, _get(group, name)) for name in group)
    return [
        name for name, item in found if item is not None and _text(item.attrs.get("NX_class", "")) == nx_class
    ]


def _is_images(found: Any, least_rank: int = 2) -> bool:
    return (
        isinstance(found, h5py.Dataset)
        and found.shape is not None
        and len(found.shape) >= least_rank
        and found.dtype.kind in "iufb"
        and _text(found.attrs.get("interpretation", "")) not in ("spectrum", "scalar")
    )


def _signal(group: h5py.Group) -> list[str]:
    name = _text(group.attrs.get("signal", ""))
    return [f"{group.name.rstrip('/')}/{name}"] if name and _is_images(_get(group, name)) else []


def _default_signal(file: h5py.File) -> str | None:
    """Follow ``@default`` from the root to an NXdata and its ``@signal``."""
    group: Any = file
    for _ in range(_DEEPEST):
        if "signal" in group.attrs:
            found = _signal(group)
            return found[0] if found else None
        name = _text(group.attrs.get("default", ""))
        group = _get(group, name) if name else None
        if not isinstance(group, h5py.Group):
            return None
    return None


def _only_candidate(file: h5py.File, group: h5py.Group) -> str:
    found: dict[tuple[str, str], tuple[str, int]] = {}
    for path, dataset in _walk(group):
        key = (dataset.file.filename, str(h5py.h5o.get_info(dataset.id).addr))
        # The shortest of several paths to the same data set is the one to show.
        if key not in found or len(path) < len(found[key][0]):
            found[key] = (path, len(dataset.shape))
    stacks = [path for path, rank in found.values() if rank >= 3]
    candidates = natural_sorted(stacks or (path for path, _ in found.values()))
    if not candidates:
        missing = _missing_files(group)
        hint = f"; {len(missing)} files that it links to are missing, such as {missing[0]}" if missing else ""
        raise InputError(f"{file.filename}: holds no series of images{hint}")
    if len(candidates) > 1:
        shown = ", ".join(candidates[:6]) + (", ..." if len(candidates) > 6 else "")
        raise InputError(
            f"{file.filename}: several data sets could be the frames; "
            f"say which with {Path(file.filename).name}::PATH ({shown})"
        )
    return candidates[0]


def _missing_files(top: h5py.Group) -> list[str]:
    """Return the files that links lead to and that are not there."""
    groups: list[h5py.Group] = []
    top.visititems(lambda _, item: groups.append(item) if isinstance(item, h5py.Group) else None)
    links = [group.get(name, getlink=True) for group in [top, *groups] for name in group]
    names = [link.filename for link in links if isinstance(link, h5py.ExternalLink)]
    targets = dict.fromkeys(beside(top.file.filename, name) for name in names)
    return [target for target in targets if what_is(target) == "nothing"]


def _walk(top: h5py.Group) -> Iterator[tuple[str, h5py.Dataset]]:
    """Yield all data sets that could be images, links followed, none of them twice over a circle."""
    seen: set[tuple[str, str]] = set()
    pending: list[tuple[str, h5py.Group, int]] = [(top.name.rstrip("/"), top, 0)]
    for _ in range(_MOST_OBJECTS):
        if not pending:
            return
        base, group, depth = pending.pop(0)
        for name in group:
            found = _get(group, name)
            if isinstance(found, h5py.Group) and depth < _DEEPEST:
                key = (found.file.filename, str(h5py.h5o.get_info(found.id).addr))
                if key not in seen:
                    seen.add(key)
                    pending.append((f"{base}/{name}", found, depth + 1))
            elif _is_images(found):
                yield f"{base}/{name}", found
