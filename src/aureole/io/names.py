"""From what a user names to the files that are meant: paths, patterns, templates, folders, lists."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from stat import S_ISFIFO, S_ISREG
from typing import NamedTuple

from aureole.errors import InputError
from aureole.io.sniff import is_frame_file, what_is

_DIGITS = re.compile(r"(\d+)")
_COUNTER = re.compile(r"%(0?)(\d*)d|#+")
_LONGEST_LIST = 1 << 28
_MASTER = "_master.h5"
_MASTER_DATA = re.compile(r"_data_\d+\.h5$")


class Item(NamedTuple):
    """One file of a series, and the HDF5 path in it where the user gave one."""

    path: str
    dataset: str | None = None


def shown(text: str) -> str:
    """Return a name as text that any file takes: bytes of it that are no UTF-8 become ``\\xff``."""
    try:
        raw = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raw = text.encode("utf-8", "backslashreplace")
    return raw.decode("utf-8", "backslashreplace").replace("\0", "\\x00")


def natural_key(text: str) -> list[str | int]:
    """Return a key that sorts numbers in names by value: ``frame_9`` before ``frame_10``.

    Text stands at even places and numbers at odd ones, so that only like is compared with like.
    """
    return [int(part) if place % 2 else part for place, part in enumerate(_DIGITS.split(text))]


def natural_sorted(names: Iterable[str]) -> list[str]:
    """Sort names by the numbers in them; equal numbers ("1", "01") by their text."""
    return sorted(names, key=lambda name: (natural_key(name), name))


def read_list(path: str | Path) -> list[str]:
    """Read the names of frames from a text file, one a line; empty lines and "#" comments do not count.

    Relative names are relative to the folder of the list.

    Raises
    ------
    InputError
        The list cannot be read or names nothing.
    """
    try:
        with os.fdopen(_open_at_once(path), "rb") as file:
            kind = os.fstat(file.fileno()).st_mode
            if not (S_ISREG(kind) or S_ISFIFO(kind)):
                raise InputError(f"{path}: the list is not a file")
            content = file.read(_LONGEST_LIST + 1)
    except OSError as error:
        raise InputError(f"{path}: the list cannot be read ({error.strerror or error})") from None
    if len(content) > _LONGEST_LIST:
        raise InputError(f"{path}: has more than {_LONGEST_LIST >> 20} MiB, too many for a list of frames")
    text = content.decode("utf-8-sig", "surrogateescape")
    folder = Path(path).parent
    lines = (line.strip() for line in text.splitlines())
    names = [str(folder / line) for line in lines if line and not line.startswith("#")]
    if not names:
        raise InputError(f"{path}: the list names no frames")
    return names


def _open_at_once(path: str | Path) -> int:
    """Open a file; a pipe that nobody writes to is empty, of any other all that is written is waited for."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    os.set_blocking(descriptor, True)
    return descriptor


def split_dataset(name: str) -> Item:
    """Split ``file.h5::/path`` into the file and the path in it; a file of exactly this name has none.

    Raises
    ------
    InputError
        There is no name, or nothing before or behind the mark.
    """
    if not name:
        raise InputError("a name of frames is empty")
    if _is_there(name):
        return Item(name)
    path, mark, dataset = name.partition("::")
    if not mark:
        return Item(name)
    if not path or not dataset.strip("/"):
        raise InputError(f"{name}: write file.h5::/path/to/the/data")
    return Item(path, "/" + dataset.strip("/"))


def expand(source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> list[Item]:
    """Return the files that a source means.

    Parameters
    ----------
    source : path or sequence of paths
        Each a file, a folder, a quoted pattern (``scan_*.cbf``) or a template with a counter
        (``scan_%05d.cbf``, ``scan_#####.cbf``), with ``::/path`` behind it for a data set of HDF5 files. What
        one entry means comes in numeric order; entries of a sequence keep the order they are given in. A file
        of exactly this name is taken before all else; in a pattern, ``#`` and ``%`` mean themselves.

    Raises
    ------
    InputError
        An entry matches nothing, or no file of a sequence exists.
    """
    if isinstance(source, (str, os.PathLike)):
        item = split_dataset(os.fspath(source))
        found = _expand_one(item)
        if found is None:
            raise InputError(f"{item.path}: no such file")
        return found
    items = [split_dataset(os.fspath(entry)) for entry in source]
    if not items:
        raise InputError("no frames: the list of files is empty")
    result: list[Item] = []
    exists = False
    for item in items:
        found = _expand_one(item)
        exists |= found is not None
        result += [item] if found is None else found
    if not exists:
        more = f" (nor the other {len(items) - 1})" if len(items) > 1 else ""
        raise InputError(f"{items[0].path}: no such file{more}")
    return result


def _expand_one(item: Item) -> list[Item] | None:
    """Return the files of one entry; None where it is the plain name of a file that is not there."""
    path = item.path
    if what_is(path) == "folder":
        return [Item(found, item.dataset) for found in _in_folder(path)]
    if _is_there(path):
        return [item]
    name = Path(path).name
    if _COUNTER.search(name) and not glob.has_magic(name):
        return [Item(found, item.dataset) for found in _in_template(path)]
    if glob.has_magic(path):
        matches = glob.iglob(path, recursive=True)  # noqa: PTH207  (takes absolute patterns too)
        found = natural_sorted(entry for entry in matches if _may_be_frames(entry))
        if not found:
            raise InputError(f"{path}: matches no file")
        return [Item(entry, item.dataset) for entry in _without_parts_of_masters(found)]
    return None


def _is_there(path: str) -> bool:
    """Whether there is anything of this name, be it a link that leads nowhere."""
    try:
        return os.path.lexists(path)
    except ValueError:
        return False


def _may_be_frames(found: str) -> bool:
    """Whether it is a file; or a link that leads nowhere, whose frame is missing."""
    return what_is(found) in ("file", "nothing")


def _in_folder(folder: str) -> list[str]:
    with os.scandir(folder) as entries:
        found = [entry.path for entry in entries if is_frame_file(entry.name) and _may_be_frames(entry.path)]
    if not found:
        raise InputError(f"{folder}: the folder holds no detector frames")
    found = _without_parts_of_masters(natural_sorted(found))
    endings = sorted({Path(name).suffix.lower() for name in found})
    if len(endings) > 1:
        pattern = Path(folder) / f"*{endings[0]}"
        raise InputError(
            f"{folder}: holds files of several kinds ({', '.join(endings)}); say which: '{pattern}'"
        )
    return found


def _without_parts_of_masters(names: list[str]) -> list[str]:
    """Leave out the data files that belong to a master in the same list: they would count twice."""
    masters = {name[: -len(_MASTER)] for name in names if name.endswith(_MASTER)}
    return [name for name in names if _MASTER_DATA.sub("", name) not in masters] if masters else names


class _Template:
    """A name with a counter.

    Raises
    ------
    InputError
        It has none, several, or one of too many digits.
    """

    def __init__(self, template: str) -> None:
        self.folder, base = Path(template).parent, Path(template).name
        counters = list(_COUNTER.finditer(base))
        if not counters:
            raise InputError(f"{template}: wanted is a template with a counter, such as scan_%05d.cbf")
        if len(counters) > 1:
            raise InputError(f"{template}: a template has one counter; for several use a pattern with *")
        counter = counters[0]
        self._padded = counter[0][0] == "#" or bool(counter[1])
        self._width = len(counter[0]) if counter[0][0] == "#" else int(counter[2] or 1)
        if self._width > 18:
            raise InputError(f"{template}: a counter of {self._width} digits")
        self._before, self._after = base[: counter.start()], base[counter.end() :]
        # %5d pads with blanks, which no file name wants; it is taken for any number of digits.
        digits = rf"0*\d{{{self._width},}}" if self._padded else r"\d+"
        self._form = re.compile(re.escape(self._before) + f"({digits})" + re.escape(self._after))

    def found(self) -> Iterator[tuple[int, str]]:
        """Yield number and path of the files that are there; raises OSError where there is no folder."""
        with os.scandir(self.folder) as entries:
            for entry in entries:
                match = self._form.fullmatch(entry.name)
                if match and (not self._padded or len(match[1]) == self._width or match[1][0] != "0"):
                    yield int(match[1]), str(self.folder / entry.name)

    def path(self, number: int) -> str:
        """Return the path of a number."""
        fill = self._width if self._padded else 1
        return str(self.folder / f"{self._before}{number:0{fill}d}{self._after}")


def numbered(template: str, count: int) -> list[str] | None:
    """Return the names of a series that is being written, from the lowest number that is there on.

    None where there is no file yet; raises `InputError` where this is no template.
    """
    parts = _Template(template)
    try:
        first = min((number for number, _ in parts.found()), default=None)
    except OSError:
        return None
    return None if first is None else [parts.path(number) for number in range(first, first + count)]


def _in_template(template: str) -> list[str]:
    """Return the files from the lowest to the highest number; what is missing between is a missing frame."""
    parts = _Template(template)
    numbers: dict[int, str] = {}
    try:
        for number, path in parts.found():
            if number in numbers:
                both = f"{Path(numbers[number]).name} and {Path(path).name}"
                raise InputError(f"{template}: {both} have the same number; name the files instead")
            numbers[number] = path
    except OSError as error:
        raise InputError(f"{template}: {parts.folder} cannot be read ({error.strerror or error})") from None
    if not numbers:
        raise InputError(f"{template}: matches no file")
    first, last = min(numbers), max(numbers)
    if last - first + 1 > 2 * len(numbers):
        raise InputError(
            f"{template}: only {len(numbers)} of the numbers {first} to {last} exist; "
            f"to take what is there, use '{_COUNTER.sub('*', template)}'"
        )
    return [numbers.get(number) or parts.path(number) for number in range(first, last + 1)]
