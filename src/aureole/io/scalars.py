"""One number for each frame, such as a monitor: from a table, an HDF5 data set or the frame's header."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping
from functools import partial
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

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
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
        The source cannot be read, has another number of values than there are frames, or is a key that
        neither the first nor the last frame has.
    """
    if "::" in source:
        values = _from_hdf5(source)
    elif (table := _table_and_column(source)) is not None:
        values = _from_table(*table)
    else:
        _check_key(source, frames)
        return partial(_from_header, source)
    if len(values) != len(frames):
        raise SpecError(f"{source}: has {len(values)} values for {len(frames)} frames")
    return values


def header_number(header: Mapping[str, str], key: str) -> float:
    """Return the number that stands first in a header's entry (``"0.1 s"`` is 0.1); NaN if there is none."""
    match = _NUMBER.match(header.get(key, "").strip().lstrip("("))
    return float(match[0]) if match else float("nan")


def _from_header(key: str, frame: EncodedFrame) -> float:
    value = header_number(frame.header, key)
    if isnan(value):
        text = frame.header.get(key)
        wrong = f"has no {key!r}" if text is None else f"has {text!r} for {key}, which is no number"
        raise FrameCorrupt(frame.name, f"its header {wrong}")
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
        raise SpecError(
            f"{key!r} is neither file.h5::/path nor file.csv:column, and not in the header of "
            f"{frames.name(0)}; there are {', '.join(list(known)[:12])}"
        )


def _from_hdf5(source: str) -> NDArray[np.float64]:
    path, name = split_dataset(source)
    try:
        with open_file(path) as file:
            found = file.get(name or "/")
            if not isinstance(found, h5py.Dataset) or found.dtype.kind not in "iufb":
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


def _from_table(path: Path, column: str) -> NDArray[np.float64]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not text"
        raise InputError(f"{path}: cannot be read ({reason})") from None
    lines = [line for line in text.splitlines() if line.strip()]
    # Many tables name their columns in the last comment line, others in a plain first line.
    comments = [line.lstrip("# \t") for line in lines if line.startswith("#")]
    rows = [_cells(line) for line in lines if not line.startswith("#")]
    if rows and not any(_is_number(cell) for cell in rows[0]):
        names = rows.pop(0)
    else:
        names = _cells(comments[-1]) if comments else []
    if column in names:
        place = names.index(column)
    elif column.isdigit() and int(column) >= 1:
        place = int(column) - 1
    else:
        raise SpecError(
            f"{path}: has no column {column!r}; there are {', '.join(names) or 'columns 1, 2, ...'}"
        )
    values = [row[place] if place < len(row) else "" for row in rows]
    return np.array([float(value) if _is_number(value) else np.nan for value in values], np.float64)


def _cells(line: str) -> list[str]:
    for delimiter in ",;\t":
        if delimiter in line:
            return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter))]
    return line.split()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
