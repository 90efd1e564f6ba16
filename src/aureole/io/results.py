"""Reading back what a run wrote: patterns or cakes, and how they came about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from aureole.errors import FormatError
from aureole.io.hdf5_files import TROUBLES, open_file, why
from aureole.io.hdf5_layout import holds_result, holds_scan
from aureole.io.sniff import kind_of_content
from aureole.io.status import FrameStatus
from aureole.io.stored import StoredAxis, StoredRun, ratio, stored_axis, stored_text
from aureole.io.stored_rows import StoredRows

F64 = NDArray[np.float64]

_BLOCK_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class Overview:
    """All frames of a result seen at once.

    Attributes
    ----------
    mean, sigma : ndarray
        Mean of the frames that are done and its error, of the shape of one row; sigma is None without errors.
    rows : ndarray, shape (n, bins)
        Patterns (of cakes: their azimuthal means), each the mean of some neighbouring frames.
    edges : ndarray, shape (n + 1,)
        Which frames these are: row i is of frames ``edges[i]`` to ``edges[i + 1] - 1``.
    """

    mean: F64
    sigma: F64 | None
    rows: F64
    edges: NDArray[np.int64]


class StoredResult(StoredRun):
    """A file that `integrate_series` wrote, open for reading.

    Parameters
    ----------
    path : path

    Attributes
    ----------
    radial, azimuthal : StoredAxis or None
    path, status, facts, spec, spec_json, sources, detector, wavelength
        As `StoredRun`; the facts have the NeXus definition too.

    Raises
    ------
    FormatError
        The file is no such result, or its parts do not go together.
    """

    WHAT = "result of 'aureole integrate'"

    def _read(self, entry: h5py.Group) -> None:
        data = entry["data"]
        self.radial = _axis(data, "radial", self.spec)
        self.azimuthal = _axis(data, "azimuthal", self.spec)
        bins = [axis.centres.size for axis in (self.azimuthal, self.radial) if axis is not None]
        self._rows = StoredRows(data)
        frames = self.shape[:1]
        # Shapes first: a file of a few bytes can promise any number of values.
        if not bins or self.shape != (*frames, *bins) or not frames:
            raise ValueError(f"I has shape {self.shape} with axes of {bins}")
        if frames != self.status.shape:
            raise ValueError(f"I has {frames[0]} rows, and there are {len(self.status)} frames")
        self.facts["definition"] = (
            stored_text(entry, "definition") if "definition" in entry else "plain NXdata"
        )

    @property
    def is_cake(self) -> bool:
        """Whether a row has both axes."""
        return len(self.shape) == 3

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the intensities: frames first."""
        return self._rows.shape

    @property
    def has_errors(self) -> bool:
        """Whether there are errors."""
        return self._rows.has_errors

    def read(self, frame: int) -> tuple[F64, F64 | None]:
        """Return intensity and sigma of one frame, each of the shape of a row; NaN where it is not done.

        Raises
        ------
        FormatError
            They cannot be read.
        """
        try:
            return self._rows.read(frame)
        except TROUBLES as error:
            raise FormatError(f"{self.path}: its data cannot be read ({why(error)})") from None

    def overview(self, most_rows: int = 800) -> Overview:
        """Read all frames once, in bounded memory, and return what they look like together.

        Raises
        ------
        FormatError
            Not one frame is done, or the data cannot be read.
        """
        total = len(self.status)
        if not np.any(self.status == FrameStatus.DONE):
            raise FormatError(f"{self.path}: not one of its {total} frames is done, there is nothing to show")
        edges = np.unique(np.linspace(0, total, min(most_rows, total) + 1).astype(np.int64))
        row_shape = self.shape[1:]
        sums, squares = np.zeros(row_shape), np.zeros(row_shape)
        counts = np.zeros(row_shape, np.int64)
        rows = np.zeros((len(edges) - 1, row_shape[-1]))
        seen = np.zeros(rows.shape, np.int64)
        for start, intensity, sigma in self.blocks():
            valid = np.isfinite(intensity)
            filled = np.where(valid, intensity, 0.0)
            sums += filled.sum(0)
            counts += valid.sum(0)
            if sigma is not None:
                squares += np.where(valid, np.square(sigma), 0.0).sum(0)
            if self.is_cake:
                filled, valid = filled.sum(1), valid.sum(1)
            which = np.searchsorted(edges, np.arange(start, start + len(filled)), side="right") - 1
            np.add.at(rows, which, filled)
            np.add.at(seen, which, valid)
        if not counts.any():
            raise FormatError(f"{self.path}: not one of its bins has a value, there is nothing to show")
        return Overview(
            ratio(sums, counts),
            ratio(np.sqrt(squares), counts) if self.has_errors else None,
            ratio(rows, seen),
            edges,
        )

    def blocks(self) -> Iterator[tuple[int, F64, F64 | None]]:
        """Yield all frames, some at a time: number of the first, intensity and sigma.

        Raises
        ------
        FormatError
            They cannot be read.
        """
        size = max(1, _BLOCK_BYTES // max(8 * int(np.prod(self.shape[1:])), 1))
        try:
            for start in range(0, len(self.status), size):
                yield start, *self._rows.read(slice(start, start + size))
        except TROUBLES as error:
            raise FormatError(f"{self.path}: its data cannot be read ({why(error)})") from None


def is_result(path: str | Path) -> bool:
    """Whether a file is one that `integrate_series` wrote."""
    if kind_of_content(str(path)) != "hdf5":
        return False
    try:
        with open_file(str(path)) as file:
            return holds_result(file) and not holds_scan(file)
    except (*TROUBLES, FormatError):
        return False


def read_result(path: str | Path) -> StoredResult:
    """Open a file that `integrate_series` wrote; raises `FormatError` where it is none."""
    return StoredResult(path)


def _axis(data: h5py.Group, kind: str, spec: dict[str, Any]) -> StoredAxis | None:
    name = f"{kind}_axis"
    return stored_axis(data, name, spec[kind]) if name in data else None
