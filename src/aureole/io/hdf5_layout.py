"""From an HDF5 file to the paths of its frames: Eiger masters, NeXus defaults, the only stack of images."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py

from aureole.errors import FormatError
from aureole.io.hdf5_files import open_file
from aureole.io.hdf5_links import DEEPEST, attribute, beside, get
from aureole.io.names import natural_sorted

_MOST_OBJECTS = 5000
_NUMBERED = re.compile(r"data_\d+")


def numbered_data(file: h5py.File, group_path: str) -> list[str]:
    """Return the paths of ``data_000001``, ``data_000002``... in a group, in order."""
    group = get(file, group_path)
    if not isinstance(group, h5py.Group):
        return []
    base = "" if group_path == "/" else group_path
    return natural_sorted(f"{base}/{name}" for name in group if _NUMBERED.fullmatch(name))


def find_data(file: h5py.File, dataset: str | None) -> list[str]:
    """Return the HDF5 paths of the frames: those of an Eiger master, the one asked for, or NeXus's default.

    Raises
    ------
    FormatError
        Several data sets could be meant, or none; or the file holds what `aureole integrate` made of frames.
    """
    if dataset is not None:
        found = get(file, dataset)
        if isinstance(found, h5py.Group):
            return (
                numbered_data(file, dataset) or _signal(found, dataset) or [_only_candidate(found, dataset)]
            )
        return [dataset]
    if holds_result(file):
        raise FormatError(f"{file.filename}: holds patterns, not frames; it is a result of Aureole")
    for entry in _children(file, "NXentry") or list(file.keys()):
        group = get(file, entry)
        if group is not None and attribute(group, "pyFAI_sparse_frames"):
            raise FormatError(
                f"{file.filename}: holds sparse frames; make images of them with 'aureole densify'"
            )
        data = numbered_data(file, f"/{entry}/data")
        if data:
            return data
    default = _default_signal(file)
    if default is not None:
        return [default]
    return [_only_candidate(file, "")]


def holds_result(file: h5py.File) -> bool:
    """Whether it is a file of patterns or cakes that Aureole wrote, of a series, a map or a tomogram."""
    return "entry/reduction/input/spec" in file and "entry/data/I" in file


def holds_scan(file: h5py.File) -> bool:
    """Whether these are patterns of a map or a tomogram."""
    return holds_result(file) and "entry/scan/frame" in file


def _children(group: h5py.Group, nx_class: str) -> list[str]:
    found = ((name, get(group, name)) for name in group)
    return [name for name, item in found if item is not None and attribute(item, "NX_class") == nx_class]


def _is_images(found: Any, least_rank: int = 2) -> bool:
    return (
        isinstance(found, h5py.Dataset)
        and found.shape is not None
        and len(found.shape) >= least_rank
        and found.dtype.kind in "iufb"
        and attribute(found, "interpretation") not in ("spectrum", "scalar")
    )


def _signal(group: h5py.Group, path: str) -> list[str]:
    name = attribute(group, "signal")
    return [f"{path.rstrip('/')}/{name}"] if name and _is_images(get(group, name)) else []


def _default_signal(file: h5py.File) -> str | None:
    """Follow ``@default`` from the root to an NXdata and its ``@signal``."""
    group: Any = file
    path = ""
    for _ in range(DEEPEST):
        if "signal" in group.attrs:
            found = _signal(group, path)
            return found[0] if found else None
        name = attribute(group, "default")
        group = get(group, name) if name else None
        path = name if name.startswith("/") else f"{path}/{name}"
        if not isinstance(group, h5py.Group):
            return None
    return None


def _only_candidate(group: h5py.Group, top: str) -> str:
    file = group.file.filename
    found: dict[tuple[str, str], tuple[str, int]] = {}
    for path, dataset in _walk(group, top.rstrip("/")):
        key = (dataset.file.filename, str(h5py.h5o.get_info(dataset.id).addr))
        # The shortest of several paths to the same data set is the one to show.
        if key not in found or len(path) < len(found[key][0]):
            found[key] = (path, len(dataset.shape))
    stacks = [path for path, rank in found.values() if rank >= 3]
    candidates = natural_sorted(stacks or (path for path, _ in found.values()))
    if not candidates:
        lost = _lost_files(group)
        hint = f"; {len(lost)} files that it links to cannot be used, such as {lost[0]}" if lost else ""
        raise FormatError(f"{file}: holds no series of images{hint}")
    if len(candidates) > 1:
        shown = ", ".join(candidates[:6]) + (", ..." if len(candidates) > 6 else "")
        raise FormatError(
            f"{file}: several data sets could be the frames; say which with {Path(file).name}::PATH ({shown})"
        )
    return candidates[0]


def _lost_files(top: h5py.Group) -> list[str]:
    """Return the files that links lead to and that cannot be opened, with the reason."""
    groups: list[h5py.Group] = []
    top.visititems(lambda _, item: groups.append(item) if isinstance(item, h5py.Group) else None)
    links = [group.get(name, getlink=True) for group in [top, *groups] for name in group]
    names = [link.filename for link in links if isinstance(link, h5py.ExternalLink)]
    lost = []
    for target in dict.fromkeys(beside(top.file.filename, name) for name in names):
        try:
            open_file(target).close()
        except FileNotFoundError:
            lost.append(f"{target} (no such file)")
        except FormatError as error:
            lost.append(str(error))
    return lost


def _walk(top: h5py.Group, path: str) -> Iterator[tuple[str, h5py.Dataset]]:
    """Yield all data sets that could be images, links followed, none of them twice over a circle."""
    seen: set[tuple[str, str]] = set()
    pending: list[tuple[str, h5py.Group, int]] = [(path, top, 0)]
    for _ in range(_MOST_OBJECTS):
        if not pending:
            return
        base, group, depth = pending.pop(0)
        for name in group:
            found = get(group, name)
            if isinstance(found, h5py.Group) and depth < DEEPEST:
                key = (found.file.filename, str(h5py.h5o.get_info(found.id).addr))
                if key not in seen:
                    seen.add(key)
                    pending.append((f"{base}/{name}", found, depth + 1))
            elif _is_images(found):
                yield f"{base}/{name}", found
