"""Links of HDF5 files, followed one by one.

The library could follow them, and would open the files behind them in the way in which the first one was
opened: it fails where this process has one of them open in another way, and says little of what is missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import h5py

from aureole.errors import FormatError
from aureole.io.hdf5_files import TROUBLES, open_file, why
from aureole.io.sniff import real_path, what_is

DEEPEST = 8
"""How many links, or virtual data sets, may lead to each other."""


class AbsentFile(FormatError):
    """A file that another one names is not there."""


@contextmanager
def located(file: h5py.File, path: str) -> Iterator[tuple[Any, str, str]]:
    """Open what is at a path, wherever links lead; with it come the file that holds it and its path there.

    Raises
    ------
    AbsentFile
        A link leads to a file that is not there.
    FormatError
        There is no such path, or it leads to what cannot be read.
    """
    holder, place = followed(file, path)
    with nullcontext(file) if holder == file.filename else open_file(holder) as opened:
        try:
            found = opened[place or "/"]
        except TROUBLES as error:
            raise FormatError(f"{file.filename}::{path}: {why(error)}") from None
        yield found, holder, place or "/"


def get(group: h5py.Group, name: str) -> Any:
    """Return what is at a path below a group, wherever links lead; None where nothing is, or no use."""
    path = name if name.startswith("/") else f"{group.name}/{name}"
    try:
        holder, place = followed(group.file, path)
        opened = group.file if holder == group.file.filename else open_file(holder)
        return opened[place or "/"]
    except (*TROUBLES, FormatError):
        return None


def followed(file: h5py.File, path: str, depth: int = 0) -> tuple[str, str]:
    """Return the file that holds what is at a path, and its path there; raises what `located` does."""
    label = f"{file.filename}::{path}"
    if depth > DEEPEST:
        raise FormatError(f"{label}: links nested more than {DEEPEST} deep")
    at = ""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    for place, part in enumerate(parts):
        rest = parts[place + 1 :]
        try:
            link = file.get(f"{at}/{part}", getlink=True)
        except KeyError:
            link = None
        except TROUBLES as error:
            raise FormatError(f"{label}: {why(error)}") from None
        if link is None:
            raise FormatError(f"{label}: {_nothing(file, at or '/', part)}")
        if isinstance(link, h5py.SoftLink):
            base = "" if link.path.startswith("/") else at
            return followed(file, "/".join([base, link.path, *rest]), depth + 1)
        if isinstance(link, h5py.ExternalLink):
            target = beside(file.filename, link.filename)
            try:
                other = open_file(target)
            except FileNotFoundError:
                raise AbsentFile(f"{label}: its file {target} is missing") from None
            except FormatError as error:
                reason = str(error).removeprefix(f"{target}: ")
                raise FormatError(f"{label}: its file {target} cannot be used ({reason})") from None
            with other:
                return followed(other, "/".join([link.path, *rest]), depth + 1)
        at = f"{at}/{part}"
    return file.filename, at


def _nothing(file: h5py.File, at: str, part: str) -> str:
    try:
        group = file[at]
        names = list(group) if isinstance(group, h5py.Group) else []
    except TROUBLES:
        names = []
    near = get_close_matches(part, names, n=3, cutoff=0.4) or names[:5]
    hint = f"; there are {', '.join(near)}" if near else ""
    return f"there is no {part!r} in {at}{hint}"


def beside(path: str, name: str) -> str:
    """Return where HDF5 looks for a file that another one names: beside it too, if it has moved.

    Where the other one is itself reached by a link of the file system, beside its real place as well.
    """
    folders = (Path(path).absolute().parent, Path(real_path(path)).parent)
    wanted = Path(name)
    if wanted.is_absolute():
        places = [wanted, *(folder / wanted.name for folder in folders)]
    else:
        places = [folder / wanted for folder in folders]
    return str(next((place for place in places if what_is(place) == "file"), places[0]))


def text_of(value: object) -> str:
    """Return a text of an HDF5 file, which comes as bytes or as text."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def attribute(item: h5py.HLObject, name: str) -> str:
    """Return an attribute as text; empty where there is none."""
    return text_of(item.attrs.get(name, ""))
