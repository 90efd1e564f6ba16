"""One number for each frame, such as a monitor: from a table, an HDF5 data set or the frame's header."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import partial
from itertools import takewhile
from math import isnan
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from aureole.errors import FormatError, FrameCorrupt, FrameError, InputError, SpecError
from aureole.frames import EncodedFrame
from aureole.io.hdf5_files import open_file, why
from aureole.io.names import split_dataset
from aureole.io.series import Frames
from aureole.io.sniff import what_is

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?:nan|inf)", re.ASCII | re.IGNORECASE)
_WITH_UNIT = re.compile(rf"({_NUMBER.pattern})(?:[a-zµ°%]+|(?:\s+[^\s\d]\S*)*)", re.ASCII | re.IGNORECASE)
_TWO_NUMBERS = re.compile(r"\d\s+[-+.\d]")
_LIKE_A_NUMBER = re.compile(r"[-+.]*\d")
_PLACE = re.compile(r"0*[1-9]\d{0,8}", re.ASCII)
_TABLE_ENDINGS = frozenset({".csv", ".txt", ".dat", ".tsv"})


def read_scalars(source: str, frames: Frames) -> NDArray[np.float64] | Callable[[EncodedFrame], float]:
    """Read one number for each frame, or say how to find it in the frame's header.

    Parameters
    ----------
    source : str
        ``file.h5::/path`` (a data set of as many values as there are frames), ``file.csv:column`` (name, or
        number from 1, of a column of a table with a header line), or a key of the frames' headers.
    frames : Frames

    Returns
    -------
    ndarray of float64, shape (frames,), or callable
        NaN for entries that are no number. For a header key, what finds the number in a frame that was read;
        it raises `aureole.errors.FrameCorrupt` where there is none.

    Raises
    ------
    InputError
        The source cannot be read, has another number of values than there are frames, holds what looks like a
        number and is none (``1,5``), or is a key that neither the first nor the last frame has.
    """
    if "::" not in source and _table_and_column(source) is None:
        _check_key(source, frames)
        return partial(_from_header, source)
    values = read_numbers(source)
    if len(values) != len(frames):
        raise SpecError(f"{source}: has {len(values)} values for {len(frames)} frames")
    return values


def read_numbers(source: str) -> NDArray[np.float64]:
    """Read numbers from a file, however many there are.

    Parameters
    ----------
    source : str
        ``file.h5::/path``, ``file.csv:column``, or a table that has only one column.

    Returns
    -------
    ndarray of float64, shape (n,)
        NaN for entries that are no number.

    Raises
    ------
    InputError
        As for `read_scalars`, or a table has several columns and none is named.
    """
    if "::" in source:
        return _from_hdf5(source)
    return _from_table(*(_table_and_column(source) or (Path(source), None)))


def file_of(source: str) -> str | None:
    """Return the file that a source of numbers names; None where it is a key of headers."""
    if "::" in source:
        return source.partition("::")[0]
    table = _table_and_column(source)
    return None if table is None else str(table[0])


def header_number(header: Mapping[str, str], key: str) -> float:
    """Return the number in a header's entry, be it with a unit (``"0.1 s"``); NaN if there is none."""
    match = _WITH_UNIT.fullmatch(header.get(key, "").strip())
    return float(match[1]) if match else float("nan")


def _from_header(key: str, frame: EncodedFrame) -> float:
    return demanded_number(frame.header, key, frame.name)


def demanded_number(header: Mapping[str, str], key: str, name: str) -> float:
    """Return the number in the header of the frame of this name; raises `FrameCorrupt` if there is none."""
    value = header_number(header, key)
    if isnan(value):
        text = header.get(key)
        wrong = f"has no {key!r}" if text is None else f"has {text!r} for {key}, which is no number"
        raise FrameCorrupt(name, f"its header {wrong}")
    return value


def _check_key(key: str, frames: Frames) -> None:
    """Refuse a key before any work is done if it must be a slip: the first and the last frame lack it."""
    known: Mapping[str, str] = {}
    for index in (0, len(frames) - 1):
        try:
            known = frames.header(index)
        except FrameError:
            continue
        if key in known:
            return
    if known:
        near = get_close_matches(key, known, 3)
        others = [
            name
            for name in known
            if name not in near and header_number(known, name) == header_number(known, name)
        ]
        raise SpecError(
            f"{key!r} is neither file.h5::/path nor file.csv:column, and not in the header of "
            f"{frames.name(0)}; there are {', '.join([*near, *others])}"
        )


def _from_hdf5(source: str) -> NDArray[np.float64]:
    path, name = split_dataset(source)
    try:
        with open_file(path) as file:
            found = file.get(name or "/")
            if not isinstance(found, h5py.Dataset) or found.shape is None or found.dtype.kind not in "iufb":
                raise FormatError(f"{source}: there is no data set of numbers")
            if found.size > 1 << 28:
                raise FormatError(f"{source}: {found.size} values are not one for each frame")
            return np.asarray(found[()], np.float64).reshape(-1)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, KeyError, RuntimeError) as error:
        raise FormatError(f"{source}: cannot be read ({why(error)})") from None


def _table_and_column(source: str) -> tuple[Path, str] | None:
    name, colon, column = source.rpartition(":")
    if not colon or not column:
        return None
    path = Path(name)
    return (path, column) if what_is(path) == "file" or path.suffix.lower() in _TABLE_ENDINGS else None


def _from_table(path: Path, column: str | None) -> NDArray[np.float64]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not text"
        raise InputError(f"{path}: cannot be read ({reason})") from None
    lines = [line for line in text.splitlines() if line.strip()]
    # Many tables name their columns in the last comment line above them, others in a plain first line.
    above = takewhile(lambda line: line.startswith("#"), lines)
    comments = [line.lstrip("# \t") for line in above]
    lines = [line for line in lines if not line.startswith("#")]
    try:
        names, rows = _split_table(comments[-1] if comments else "", lines)
    except csv.Error as error:
        raise FormatError(f"{path}: cannot be read as a table ({error})") from None
    if column is None:
        if len(names or (rows[0] if rows else ())) > 1:
            raise SpecError(f"{path}: has several columns; say which: {path}:COLUMN")
        place = 0
    elif column in names:
        place = names.index(column)
    elif _PLACE.fullmatch(column):
        place = int(column) - 1
    else:
        raise SpecError(
            f"{path}: has no column {column!r}; there are {', '.join(names) or 'columns 1, 2, ...'}"
        )
    width = len(names or rows[0]) if rows else 0
    for row in rows:
        if any(row[width:]):
            raise FormatError(
                f"{path}: a row has {len(row)} entries in {width} columns: {', '.join(row)[:80]}"
            )
    return np.array([_value(path, row[place] if place < len(row) else "") for row in rows], np.float64)


def _split_table(comment: str, lines: list[str]) -> tuple[list[str], list[list[str]]]:
    """Return names (none where a table has none) and rows.

    The line that names the columns says once what stands between them: a comma in a row may be that of a
    decimal number.
    """
    if not lines:
        return [], []
    delimiter = _delimiter(lines[0])
    names = _cells(lines[0], delimiter)
    if not any(_NUMBER.fullmatch(cell) for cell in names):
        return names, [_cells(line, delimiter) for line in lines[1:]]
    if comment:
        named = _cells(comment, _delimiter(comment))
        for tried in (_delimiter(comment), None):
            if len(_cells(lines[0], tried)) == len(named):
                return named, [_cells(line, tried) for line in lines]
    rows = [_cells(line, delimiter) for line in lines]
    if delimiter == "," and any(_TWO_NUMBERS.search(cell) for row in rows for cell in row):
        raise csv.Error("commas and blanks between numbers; the decimal mark is a point")
    return [], rows


def _delimiter(line: str) -> str | None:
    """Return what stands between the columns, the least ambiguous first; None for blanks."""
    return next((mark for mark in "\t;," if mark in line), None)


def _cells(line: str, delimiter: str | None) -> list[str]:
    if delimiter is None:
        return line.split()
    return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter))]


def _value(path: Path, text: str) -> float:
    if _NUMBER.fullmatch(text):
        return float(text)
    if _LIKE_A_NUMBER.match(text):
        raise FormatError(f"{path}: {text[:40]!r} is no number (the decimal mark is a point)")
    return float("nan")
