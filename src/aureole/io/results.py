"""Reading back what a run wrote: patterns or cakes, and how they came about."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from aureole.errors import FormatError
from aureole.io.hdf5_files import TROUBLES, open_file, why
from aureole.io.hdf5_layout import holds_result
from aureole.io.sniff import kind_of_content
from aureole.io.status import FrameStatus
from aureole.units import UNITS

F64 = NDArray[np.float64]

_BLOCK_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class StoredAxis:
    """One axis of stored patterns: name of its unit, label with mathtext, centres of the bins."""

    unit: str
    label: str
    centres: F64


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


class StoredResult:
    """A file that `integrate_series` wrote, open for reading.

    Parameters
    ----------
    path : path

    Attributes
    ----------
    path : Path
    radial, azimuthal : StoredAxis or None
    status : ndarray of uint8, shape (frames,)
    facts : dict of str to str
        Program, version, date, definition, and the source of the monitor: empty where there is none.
    spec : dict
        The integration spec, from its JSON.
    spec_json : str
        That JSON; with `read_arrays` it is all that ``IntegrationSpec.from_json`` needs.
    sources : list of str
        Files the frames came from.
    detector : str
        Name of the detector.

    Raises
    ------
    FormatError
        The file is no such result, or its parts do not go together.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self._file = open_file(str(path))
        except FileNotFoundError:
            raise FormatError(f"{path}: no such file") from None
        try:
            self._read(self._file["entry"])
        except (*TROUBLES, AttributeError) as error:
            self._file.close()
            raise FormatError(f"{path}: is no result of 'aureole integrate' ({why(error)})") from None
        if (gone := self._gone()) is not None:
            self._file.close()
            raise FormatError(
                f"{path}: points at {gone}, which is not there; 'aureole resume' makes it again"
            )

    def _gone(self) -> str | None:
        """Return a file to which rows point and which is not there: libhdf5 would make NaN of them."""
        if not self._intensity.is_virtual:
            return None
        names = (entry.file_name.replace("%%", "%") for entry in self._intensity.virtual_sources())
        return next((name for name in names if not (self.path.parent / name).exists()), None)

    def _read(self, entry: h5py.Group) -> None:
        """Read all but the rows; what is not as it should be raises one of many errors."""
        data, process = entry["data"], entry["reduction"]
        self.spec_json = _text(process, "input/spec")
        self.spec: dict[str, Any] = json.loads(self.spec_json)
        self.detector = str(self.spec["geometry"]["detector"]["name"])
        self.radial = _axis(data, "radial", self.spec)
        self.azimuthal = _axis(data, "azimuthal", self.spec)
        bins = [axis.centres.size for axis in (self.azimuthal, self.radial) if axis is not None]
        self._intensity = _dataset(data, "I")
        frames = self._intensity.shape[:1]
        # Shapes first: a file of a few bytes can promise any number of values.
        if not bins or self._intensity.shape != (*frames, *bins) or not frames:
            raise ValueError(f"I has shape {self._intensity.shape} with axes of {bins}")
        self._sigma = _dataset(data, "I_errors", shape=self._intensity.shape) if "I_errors" in data else None
        self._messages = _dataset(entry, "frame_message", "O", frames)
        self._messages.asstr()
        self.status: NDArray[np.uint8] = _dataset(entry, "frame_status", "u", frames)[()]
        if np.any(self.status > max(FrameStatus)):
            raise ValueError("frame_status holds unknown states")
        self._arrays: h5py.Group | None = process["input"].get("arrays")
        self.sources = [str(name) for name in process["sources"].asstr()[()]]
        self.facts = {key: _text(process, key) for key in ("program", "version", "date")}
        self.facts["definition"] = _text(entry, "definition") if "definition" in entry else "plain NXdata"
        applied = "from Python" if "monitor" in entry else ""
        self.facts["monitor"] = _text(process, "input/monitor") if "monitor" in process["input"] else applied

    @property
    def is_cake(self) -> bool:
        """Whether a row has both axes."""
        return len(self.shape) == 3

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the intensities: frames first."""
        return tuple(self._intensity.shape)

    @property
    def has_errors(self) -> bool:
        """Whether there are errors."""
        return self._sigma is not None

    def count(self, status: FrameStatus) -> int:
        """Return how many frames have a status."""
        return int(np.count_nonzero(self.status == status))

    def issues(self, most: int) -> list[tuple[int, FrameStatus, str]]:
        """Return number, status and message of the first frames that are not done."""
        wrong = np.flatnonzero(self.status != FrameStatus.DONE)[:most]
        texts = self._messages.asstr(errors="replace")
        return [(int(i), FrameStatus(int(self.status[i])), str(texts[i])) for i in wrong]

    def read_arrays(self) -> dict[str, NDArray[Any]]:
        """Read the mask, dark, flat and so on of the spec, by the SHA-256 that stands for each in it.

        Raises
        ------
        FormatError
            They cannot be read.
        """
        import hdf5plugin  # noqa: F401  (registers its filters)

        if self._arrays is None:
            return {}
        try:
            return {str(found.attrs["sha256"]): found[()] for found in self._arrays.values()}
        except (*TROUBLES, AttributeError) as error:
            raise FormatError(f"{self.path}: its arrays cannot be read ({why(error)})") from None

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
        for start, intensity, sigma in self._blocks():
            valid = np.isfinite(intensity)
            filled = np.where(valid, intensity, 0.0)
            sums += filled.sum(0)
            counts += valid.sum(0)
            if sigma is not None:
                squares += np.where(valid, np.square(sigma, dtype=np.float64), 0.0).sum(0)
            if self.is_cake:
                filled, valid = filled.sum(1), valid.sum(1)
            which = np.searchsorted(edges, np.arange(start, start + len(filled)), side="right") - 1
            np.add.at(rows, which, filled)
            np.add.at(seen, which, valid)
        if not counts.any():
            raise FormatError(f"{self.path}: not one of its bins has a value, there is nothing to show")
        return Overview(
            _over(sums, counts),
            _over(np.sqrt(squares), counts) if self.has_errors else None,
            _over(rows, seen),
            edges,
        )

    def _blocks(self) -> Iterator[tuple[int, F64, F64 | None]]:
        size = max(1, _BLOCK_BYTES // max(8 * int(np.prod(self.shape[1:])), 1))
        try:
            for start in range(0, len(self.status), size):
                part = slice(start, start + size)
                sigma = None if self._sigma is None else self._sigma[part]
                yield start, self._intensity[part].astype(np.float64), sigma
        except TROUBLES as error:
            raise FormatError(f"{self.path}: its data cannot be read ({why(error)})") from None

    def __enter__(self) -> StoredResult:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def is_result(path: str | Path) -> bool:
    """Whether a file is one that `integrate_series` wrote."""
    if kind_of_content(str(path)) != "hdf5":
        return False
    try:
        with open_file(str(path)) as file:
            return holds_result(file)
    except (*TROUBLES, FormatError):
        return False


def read_result(path: str | Path) -> StoredResult:
    """Open a file that `integrate_series` wrote; raises `FormatError` where it is none."""
    return StoredResult(path)


def _dataset(
    group: h5py.Group, name: str, kind: str = "f", shape: tuple[int, ...] | None = None
) -> h5py.Dataset:
    """Return a data set of a kind of numbers ("O": of texts) and of a shape."""
    found = group[name]
    if not isinstance(found, h5py.Dataset) or found.shape is None or found.dtype.kind != kind:
        raise TypeError(f"{name} is no data set of the right type")
    if shape is not None and found.shape != shape:
        raise ValueError(f"{name} has shape {found.shape} instead of {shape}")
    return found


def _text(group: h5py.Group, name: str) -> str:
    return str(_dataset(group, name, "O", ()).asstr()[()])


def _axis(data: h5py.Group, kind: str, spec: dict[str, Any]) -> StoredAxis | None:
    name = f"{kind}_axis"
    if name not in data:
        return None
    unit, bins = str(spec[kind]["unit"]), int(spec[kind]["bins"])
    centres = np.asarray(_dataset(data, name, shape=(bins,))[()], np.float64)
    if not bins or not np.isfinite(centres).all():
        raise ValueError(f"{name} has positions that are no numbers")
    label = UNITS[unit].label if unit in UNITS else unit
    return StoredAxis(unit, label, centres)


def _over(sums: F64, counts: NDArray[np.int64]) -> F64:
    out = np.full(sums.shape, np.nan)
    np.divide(sums, counts, out=out, where=counts > 0)
    return out
