"""Which kind of file is this?"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Literal

Kind = Literal["cbf", "hdf5", "other"]
What = Literal["file", "folder", "other", "nothing"]

NEXUS_ENDINGS = (".h5", ".hdf5", ".nxs", ".nx5", ".hdf")
"""Endings of the NeXus HDF5 files that are written; they are read as well."""

_HDF5_ENDINGS = frozenset({*NEXUS_ENDINGS, ".nexus", ".cxi"})
_OTHER_ENDINGS = frozenset(
    {
        ".tif",
        ".tiff",
        ".edf",
        ".img",
        ".mccd",
        ".mar2300",
        ".mar3450",
        ".marccd",
        ".npy",
        ".raw",
        ".sfrm",
        ".gfrm",
    }
    | {
        ".osc",
        ".cor",
        ".esperanto",
        ".esp",
        ".kccd",
        ".spe",
        ".fit2d",
        ".msk",
        ".pnm",
        ".pgm",
        ".xsd",
        ".mpa",
    }
)
_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_CBF_SIGNATURE = b"###CBF"
PACKED = frozenset({".gz", ".bz2"})
"""Endings of files that are compressed as a whole."""


def what_is(path: str | Path) -> What:
    """Tell a file from a folder, from what is neither (a pipe, a device) and from what is not there.

    Names that no file can have, and places that may not be looked into, hold nothing.
    """
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError):
        return "nothing"
    return "file" if S_ISREG(mode) else "folder" if S_ISDIR(mode) else "other"


def real_path(path: str | Path) -> str:
    """Return where a name leads to, links followed; the name as it is where no file can have it."""
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):
        return os.fspath(path)


def real_paths(paths: Iterable[str]) -> list[str]:
    """Return where names lead to; as `real_path` of each, but for a long series in few folders fast."""
    folders: dict[str, str] = {}
    found = []
    for path in paths:
        folder, name = os.path.split(path)
        if name in ("", ".", "..") or os.path.islink(path):  # noqa: PTH114  (a series has many)
            found.append(real_path(path))
            continue
        if folder not in folders:
            folders[folder] = real_path(folder or ".")
        found.append(f"{folders[folder].rstrip('/')}/{name}")
    return found


def _ending(name: str) -> str:
    return Path(name).suffix.lower()


def is_frame_file(name: str) -> bool:
    """Whether a file of this name, found in a folder, is taken for frames of a detector."""
    if name.startswith("."):
        return False
    ending = _ending(name)
    if ending in PACKED:
        ending = _ending(Path(name).stem)
    return ending == ".cbf" or ending in _HDF5_ENDINGS or ending in _OTHER_ENDINGS


def kind_of_name(name: str) -> Kind | None:
    """Tell the kind of file from its name; None where the name does not say."""
    ending = _ending(name)
    if ending == ".cbf":
        return "cbf"
    if ending in _HDF5_ENDINGS:
        return "hdf5"
    return "other" if ending in _OTHER_ENDINGS else None


def kind_of_content(path: str) -> Kind:
    """Tell the kind of file from its first bytes; what cannot be read is "other"."""
    try:
        if what_is(path) != "file":
            return "other"
        with Path(path).open("rb") as file:
            if file.read(len(_CBF_SIGNATURE)) == _CBF_SIGNATURE:
                return "cbf"
            # The signature stands at 0, or behind a user block of 512 bytes or a power of two times that.
            for position in (0, 512, 1024, 2048, 4096, 8192):
                file.seek(position)
                if file.read(len(_HDF5_SIGNATURE)) == _HDF5_SIGNATURE:
                    return "hdf5"
    except OSError:
        return "other"
    return "other"
