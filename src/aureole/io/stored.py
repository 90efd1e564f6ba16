"""What all files of runs hold alike: the request, the sources, and how it went with each frame."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from aureole.errors import FormatError
from aureole.io.hdf5_files import TROUBLES, open_file, why
from aureole.io.made_by import MadeBy
from aureole.io.status import FrameStatus
from aureole.units import UNITS


@dataclass(frozen=True, slots=True)
class StoredAxis:
    """One axis of stored patterns: name of its unit, label with mathtext, centres of the bins."""

    unit: str
    label: str
    centres: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class StoredPositions:
    """Where the detector stood for each of the frames that one pattern was made of.

    Attributes
    ----------
    geometry, motors : dict of str to ndarray, shape (positions,)
        By the names of the parameters, in SI units, and by those of the motors; no motors where the run was
        not told of any.
    left_out : list of (int, str)
        Frames that could not be used, and why.
    """

    geometry: dict[str, NDArray[np.float64]]
    motors: dict[str, NDArray[np.float64]]
    left_out: list[tuple[int, str]]

    @property
    def count(self) -> int:
        """How many positions there are."""
        return len(self.geometry["dist"])


class StoredRun(ABC):
    """A file that a run wrote, open for reading.

    Parameters
    ----------
    path : path

    Attributes
    ----------
    path : Path
    status : ndarray of uint8, shape (frames,)
    facts : dict of str to str
        Program, version, date, and the source of the monitor: empty where there is none.
    spec : dict
        The integration spec, from its JSON.
    spec_json : str
        That JSON; with `read_arrays` it is all that ``IntegrationSpec.from_json`` needs.
    sources : list of str
        Files the frames came from.
    positions : StoredPositions or None
        Of a pattern of several positions of the detector; the spec is that of the first then.
    detector : str
        Name of the detector.
    wavelength : float or None
        In metres.
    made_by : MadeBy or None
        Which backend made the pattern of each frame, where it is known.

    Raises
    ------
    FormatError
        The file is no such result, or its parts do not go together.
    """

    WHAT: ClassVar[str]
    """What such a file is called."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self._file = open_file(str(path))
        except FileNotFoundError:
            raise FormatError(f"{path}: no such file") from None
        try:
            entry = self._file["entry"]
            self._read_account(entry, entry["reduction"])
            self._read(entry)
        except (*TROUBLES, AttributeError) as error:
            self._file.close()
            raise FormatError(f"{path}: is no {self.WHAT} ({why(error)})") from None

    @abstractmethod
    def _read(self, entry: h5py.Group) -> None:
        """Read all but the rows; what is not as it should be raises one of many errors."""

    def _read_account(self, entry: h5py.Group, process: h5py.Group) -> None:
        self.spec_json = stored_text(process, "input/spec")
        self.spec: dict[str, Any] = json.loads(self.spec_json)
        geometry = self.spec["geometry"]
        self.detector = str(geometry["detector"]["name"])
        self.wavelength = None if geometry.get("wavelength") is None else float(geometry["wavelength"])
        if self.wavelength is not None and not 0.0 < self.wavelength < 1.0:
            raise ValueError(f"a wavelength of {self.wavelength} m")
        self.status: NDArray[np.uint8] = stored(entry, "frame_status", "u")[()]
        if self.status.ndim != 1 or np.any(self.status > max(FrameStatus)):
            raise ValueError("frame_status holds unknown states")
        self._messages = stored(entry, "frame_message", "O", self.status.shape)
        self._messages.asstr()
        self.made_by = MadeBy.read(entry)
        if self.made_by is not None and self.made_by.numbers.shape != self.status.shape:
            raise ValueError("frame_backend is of another number of frames")
        self._arrays: h5py.Group | None = process["input"].get("arrays")
        self.sources = [str(name) for name in process["sources"].asstr()[()]]
        self.positions = _positions(process["input"])
        self.facts = {key: stored_text(process, key) for key in ("program", "version", "date")}
        applied = "from Python" if "monitor" in entry else ""
        named = "monitor" in process["input"]
        self.facts["monitor"] = stored_text(process, "input/monitor") if named else applied

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
            # Not values(): it holds the lock of the library while under way, and after an error for long.
            arrays = [self._arrays[name] for name in list(self._arrays)]
            return {str(found.attrs["sha256"]): found[()] for found in arrays}
        except (*TROUBLES, AttributeError) as error:
            raise FormatError(f"{self.path}: its arrays cannot be read ({why(error)})") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def stored(
    group: h5py.Group, name: str, kind: str = "f", shape: tuple[int, ...] | None = None
) -> h5py.Dataset:
    """Return a data set of a kind of numbers ("O": of texts) and of a shape; raises one of `TROUBLES`."""
    found = group[name]
    if not isinstance(found, h5py.Dataset) or found.shape is None or found.dtype.kind not in kind:
        raise TypeError(f"{name} is no data set of the right type")
    if shape is not None and found.shape != shape:
        raise ValueError(f"{name} has shape {found.shape} instead of {shape}")
    return found


def _positions(given: h5py.Group) -> StoredPositions | None:
    if "geometries" not in given:
        return None
    geometry = _columns(stored_text(given, "geometries"))
    motors = _columns(stored_text(given, "motor_positions")) if "motor_positions" in given else {}
    if len({len(column) for column in (geometry["dist"], *geometry.values(), *motors.values())}) != 1:
        raise ValueError("its positions are not as many for each parameter and motor")
    left_out = [(int(index), str(reason)) for index, _, reason in json.loads(stored_text(given, "left_out"))]
    return StoredPositions(geometry, motors, left_out)


def _columns(text: str) -> dict[str, NDArray[np.float64]]:
    columns = {str(name): np.asarray(values, np.float64) for name, values in json.loads(text).items()}
    if any(
        column.ndim != 1 or not column.size or not np.isfinite(column).all() for column in columns.values()
    ):
        raise ValueError("its positions are no numbers")
    return columns


def stored_text(group: h5py.Group, name: str) -> str:
    """Return a text; raises one of `TROUBLES`."""
    return str(stored(group, name, "O", ()).asstr()[()])


def stored_axis(data: h5py.Group, name: str, spec: dict[str, Any]) -> StoredAxis:
    """Return an axis of patterns, of which the spec says unit and bins; raises one of `TROUBLES`."""
    unit, bins = str(spec["unit"]), int(spec["bins"])
    centres = np.asarray(stored(data, name, shape=(bins,))[()], np.float64)
    if not bins or not np.isfinite(centres).all():
        raise ValueError(f"{name} has positions that are no numbers")
    label = UNITS[unit].label if unit in UNITS else unit
    return StoredAxis(unit, label, centres)


def ratio(sums: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return means; NaN where nothing was counted."""
    out = np.full(np.broadcast_shapes(sums.shape, counts.shape), np.nan)
    np.divide(sums, counts, out=out, where=counts > 0)
    return out
