"""The headers of many frames as columns of one HDF5 group: one data set a key, one value a frame.

A key of which all frames say the same is a single value. Numbers are float64 (NaN where a frame lacks the
key), with their unit if they have one; all else is text (empty where a frame lacks it).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import isfinite

import h5py
import numpy as np
from numpy.typing import NDArray

from aureole.io.hdf5_links import attribute, get, text_of
from aureole.io.names import shown

_NUMBER = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?:\s+([^\s\d]\S*))?", re.ASCII)
_DIGITS = 15
"""A text of more digits is not what float64 makes of it; nor is one of more zeros in front ("0012")."""
_PADDED = re.compile(r"[-+]?0\d")


class HeaderColumns:
    """Headers of frames, collected in any order.

    Parameters
    ----------
    frames : int
        How many there are at most.
    """

    def __init__(self, frames: int) -> None:
        self._frames = frames
        self._added = 0
        self._columns: dict[str, tuple[NDArray[np.int32], dict[str, int]]] = {}

    def add(self, index: int, header: Mapping[str, str]) -> None:
        """Add the header of a frame, once; the caller holds a lock."""
        self._added += 1
        for key, text in header.items():
            if key not in self._columns:
                self._columns[key] = np.full(self._frames, -1, np.int32), {}
            which, texts = self._columns[key]
            # Most texts are those of the frames before: each is kept once.
            which[index] = texts.setdefault(text, len(texts))

    def write(self, group: h5py.Group) -> None:
        """Write a data set for each key; ``/`` becomes ``_``, and a name that is taken gets one more."""
        for key, (which, texts) in self._columns.items():
            name = shown(key).replace("/", "_")
            while name in ("", ".") or name in group:
                name += "_"
            values, unit = _values([shown(text) for text in texts])
            if len(texts) == 1 and np.count_nonzero(which >= 0) == self._added:
                group[name] = values[0]
            else:
                missing = np.nan if isinstance(values[0], float) else ""
                kind = np.float64 if isinstance(values[0], float) else h5py.string_dtype()
                rows = [values[at] if at >= 0 else missing for at in which]
                group.create_dataset(name, data=rows, dtype=kind)
            if unit:
                group[name].attrs["units"] = unit


def _values(texts: Sequence[str]) -> tuple[Sequence[float | str], str]:
    """Return all texts as numbers and their unit, or as they are if they are no numbers of one unit."""
    found = [_NUMBER.fullmatch(text.strip()) for text in texts]
    numbers = [match for match in found if match and _is_kept(match[1])]
    units = {match[2] or "" for match in numbers}
    if len(numbers) < len(texts) or len(units) != 1:
        return texts, ""
    return [float(match[1]) for match in numbers], units.pop()


def _is_kept(text: str) -> bool:
    """Whether a number comes back from float64 as it was."""
    return sum(map(str.isdigit, text)) <= _DIGITS and not _PADDED.match(text) and isfinite(float(text))


class StoredColumns:
    """What `HeaderColumns` wrote, for the keys whose values differ from frame to frame.

    Parameters
    ----------
    group : h5py.Group
    frames : int
        How many values a column has.
    """

    def __init__(self, group: h5py.Group, frames: int) -> None:
        self._columns: dict[str, tuple[NDArray[np.generic], str]] = {}
        for name in group:
            found = get(group, name)
            if not isinstance(found, h5py.Dataset) or found.shape != (frames,):
                continue
            if h5py.check_string_dtype(found.dtype) is not None:
                self._columns[name] = found.asstr(errors="replace")[()], ""
            elif found.dtype.kind in "fiu":
                self._columns[name] = found[()], attribute(found, "units")

    def header(self, index: int) -> dict[str, str]:
        """Return what they say of one frame, as text."""
        header = {}
        for key, (values, unit) in self._columns.items():
            text = value_text(values[index])
            if text:
                header[key] = f"{text} {unit}".strip()
        return header


def value_text(value: object) -> str:
    """Return a value of an HDF5 file as text: whole numbers without a point, nothing for NaN."""
    if isinstance(value, np.floating):
        return "" if np.isnan(value) else str(value).removesuffix(".0")
    return text_of(value)
