"""One number for each frame, such as a monitor: from a table, an HDF5 data set or the frames' headers."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from aureole.errors import FormatError, FrameError, InputError, SpecError
from aureole.io.hdf5_files import open_file, why
from aureole.io.names import split_dataset
from aureole.io.series import Frames
from aureole.io.sniff import what_is

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_TABLE_ENDINGS = frozenset({".csv", ".txt", ".dat", ".tsv"})


def read_scalars(source: str, count: int, frames: Frames | None = None) -> NDArray[np.float64]:
    """Read one number for each frame.

    Parameters
    ----------
    source : str
        ``file.h5::/path`` (a data set of as many values as there are frames), ``file.csv:column`` (name, or
        number from 1, of a column of a table with a header line), or a key of the frames' headers.
    count : int
        Number of frames.
    frames : Frames, optional
        For a header key: where the headers are.

    Returns
    -------
    ndarray of float64, shape (count,)
        NaN for frames that cannot be had and for entries that are no number.

    Raises
    ------
    InputError
        The source cannot be read, or has another number of values than there are frames.
    """
    if "::" in source:
        values = _from_hdf5(source)
    elif (table := _table_and_column(source)) is not None:
        values = _from_table(*table)
    elif frames is None:
        raise SpecError(f"{source!r} is neither file.h5::/path nor file.csv:column")
    else:
        return _from_headers(source, frames)
    if len(values) != count:
        raise SpecError(f"{source}: has {len(values)} values for {count} frames")
    return values


def header_number(header: Mapping[str, str], key: str) -> float:
    """Return the number that stands first in a header's entry (``"0.1 s"`` is 0.1); NaN if there is none."""
    match = _NUMBER.match(header.get(key, "").strip().lstrip("("))
    return float(match[0]) if match else float("nan")


def _from_headers(key: str, frames: Frames) -> NDArray[np.float64]:
    values = np.full(len(frames), np.nan)
    found = False
    example: Mapping[str, str] = {}
    for index in range(len(frames)):
        try:
            header = frames.header(index)
        except FrameError:
            continue
        values[index] = header_number(header, key)
        found |= key in header
        example = example or header
    if not found:
        known = ", ".join(list(example)[:12]) or "nothing"
        raise SpecError(f"no frame has {key!r} in its header; there are {known}")
    return values


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
