"""NeXus files of patterns and cakes, written row by row.

Patterns against q or 2θ follow the application definitions NXazint1d and NXazint2d of NeXus 2025.11
(https://manual.nexusformat.org/classes/applications/NXazint1d.html); what has no place there (other units, no
wavelength) is a plain NXdata of the same structure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from threading import Lock
from types import TracebackType

import h5py
import numpy as np
from numpy.typing import ArrayLike, NDArray

from aureole.errors import OutputError, SpecError
from aureole.io.names import shown
from aureole.io.publish import Publication
from aureole.io.status import FrameStatus
from aureole.units import HC_KEV_M
from aureole.version import __version__

_UNIT_NAMES = {
    "nm^-1": "1/nm",
    "A^-1": "1/angstrom",
    "nm^-2": "1/nm^2",
    "A^-2": "1/angstrom^2",
    "A": "angstrom",
    "deg": "degree",
    "None": "",
}
_QUANTITIES = {"2th": "2theta", "d*2": "d*^2"}
_ARBITRARY = "arbitrary units"
_CHUNK_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class AxisData:
    """One axis of a pattern as it is stored.

    Attributes
    ----------
    unit : str
        Name of the unit, such as ``"q_nm^-1"`` or ``"chi_deg"``.
    centres : ndarray, shape (n,)
        Centres of the bins.
    edges : ndarray, shape (n + 1,), optional
        Their limits.
    """

    unit: str
    centres: NDArray[np.float64]
    edges: NDArray[np.float64] | None = None

    @property
    def quantity(self) -> str:
        """Name of the quantity: ``"q"``, ``"2theta"``..."""
        name = self.unit.rpartition("_")[0]
        return _QUANTITIES.get(name, name)

    @property
    def units(self) -> str:
        """Its unit as NeXus spells it: ``"1/nm"``, ``"degree"``...; empty where there is none."""
        symbol = self.unit.rpartition("_")[2]
        return _UNIT_NAMES.get(symbol, symbol)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where the data were taken, as far as it is known.

    Attributes
    ----------
    instrument, source : str
        Names of the beamline and of the laboratory.
    wavelength : float, optional
        In metres.
    """

    instrument: str = "unknown"
    source: str = "unknown"
    wavelength: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """How the data came about.

    Attributes
    ----------
    spec : str
        The request, as JSON.
    sources : sequence of str
        The files that were reduced.
    parameters : mapping
        Single settings, to be found without taking the JSON apart: ``{"poni": ..., "error_model": ...}``.
    arrays : mapping of str to ndarray
        What belongs to the request and is in it by its SHA-256 only: ``{"mask": ..., "dark": ...}``.
    note : str
        Whatever helps to understand the data.
    """

    spec: str = "{}"
    sources: Sequence[str] = ()
    parameters: Mapping[str, str | float | int | bool] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternLayout:
    """What a file of patterns or cakes holds besides the rows.

    Attributes
    ----------
    radial, azimuthal : AxisData, optional
        At least one; with both, a row is a cake of shape (azimuthal, radial).
    norm : ndarray, optional
        The static normalisation, of the shape of a row; stored once.
    sigma : bool
        Whether there are errors.
    solid_angle, polarization : bool
        Which corrections the intensities have seen.
    monitor : ndarray, shape (frames,), optional
        The monitor by which each frame was divided.
    site : Site
        Where the data were taken.
    provenance : Provenance
        How they came about.
    """

    radial: AxisData | None = None
    azimuthal: AxisData | None = None
    norm: NDArray[np.float64] | None = None
    sigma: bool = True
    solid_angle: bool = True
    polarization: bool = False
    monitor: NDArray[np.float64] | None = None
    site: Site = Site()
    provenance: Provenance = Provenance()

    @property
    def row_shape(self) -> tuple[int, ...]:
        """Shape of the intensities of one frame."""
        return tuple(len(axis.centres) for axis in (self.azimuthal, self.radial) if axis is not None)

    @property
    def definition(self) -> str | None:
        """Name of the application definition that these data follow, if one does."""
        if self.radial is None or self.radial.quantity not in ("q", "2theta"):
            return None
        if self.site.wavelength is None:
            return None
        return "NXazint1d" if self.azimuthal is None else "NXazint2d"


class PatternWriter:
    """A NeXus file of patterns or cakes that grows row by row and appears, whole, when it is closed.

    Rows that are never written stay NaN with the status "pending". Use it in a ``with`` block: if the block
    fails, nothing is left behind. Rows may be written from several threads.

    Parameters
    ----------
    path : path
        The file to write.
    frames : int
        How many rows it will have.
    layout : PatternLayout
        Axes and everything else that is known beforehand.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    OutputError
        The file exists or cannot be written.
    SpecError
        The layout contradicts itself.
    """

    def __init__(
        self, path: str | Path, frames: int, layout: PatternLayout, *, overwrite: bool = False
    ) -> None:
        _check(layout, frames)
        self.layout = layout
        self._lock = Lock()
        self._status = np.full(frames, FrameStatus.PENDING, np.uint8)
        self._messages: dict[int, str] = {}
        self._pending = Publication(path, overwrite=overwrite)
        self._file: h5py.File | None = None
        try:
            self._file = h5py.File(self._pending.temporary, "w")
            self._rows = _write_skeleton(self._file, layout, frames)
        except BaseException as error:
            self.discard()
            if isinstance(error, OSError):
                raise OutputError(f"{path}: cannot be written ({error})") from None
            raise

    def write(
        self,
        start: int,
        intensity: ArrayLike,
        sigma: ArrayLike | None = None,
    ) -> None:
        """Write consecutive rows and mark them as done, but for those that were marked otherwise before.

        Parameters
        ----------
        start : int
            The frame of the first row.
        intensity, sigma : array_like, shape (n, *row)
            The rows; float32 in the file. `sigma` as the layout says.

        Raises
        ------
        SpecError
            Rows of another shape, beyond the last frame, or not what the layout says.
        OutputError
            They cannot be written.
        """
        given = {"I": intensity, "I_errors": sigma}
        rows = {name: np.asarray(values, np.float32) for name, values in given.items() if values is not None}
        wanted = {"I"} | ({"I_errors"} if self.layout.sigma else set())
        if set(rows) != wanted:
            raise SpecError(
                f"rows of {', '.join(sorted(rows))} where the layout has {', '.join(sorted(wanted))}"
            )
        count = len(rows["I"])
        for name, values in rows.items():
            if values.shape != (count, *self.layout.row_shape):
                raise SpecError(
                    f"rows {name} of shape {values.shape} do not fit rows of {self.layout.row_shape}"
                )
        if start < 0 or start + count > len(self._status):
            raise SpecError(f"frames {start} to {start + count - 1} of {len(self._status)}")
        with self._lock:
            status = self._status[start : start + count]
            marked = (status == FrameStatus.BAD) | (status == FrameStatus.MISSING)
            try:
                for name, values in rows.items():
                    if marked.any():
                        values = np.where(marked.reshape(-1, *(1,) * (values.ndim - 1)), np.nan, values)
                    self._rows[name][start : start + count] = values
            except OSError as error:
                raise OutputError(f"{self._pending.target}: cannot be written ({error})") from None
            status[~marked] = FrameStatus.DONE

    def mark(self, frame: int, status: FrameStatus, message: str = "") -> None:
        """Say how it went with a frame, and why; the row of one that is not done is NaN."""
        with self._lock:
            self._status[frame] = status
            if message:
                self._messages[frame] = message
            if status != FrameStatus.DONE:
                for rows in self._rows.values():
                    rows[frame] = np.nan

    def close(self) -> None:
        """Complete the file and give it its name; nothing happens when that was done already.

        Raises
        ------
        OutputError
            The file cannot be completed, or one of its name has come into being meanwhile.
        """
        if self._file is None:
            return
        try:
            write_status(self._file["entry"], self._status, self._messages)
            self._file.close()
            self._file = None
        except BaseException as error:
            self.discard()
            if isinstance(error, OSError | RuntimeError):
                raise OutputError(f"{self._pending.target}: cannot be written ({error})") from None
            raise
        self._pending.commit()

    def write_monitor(self, values: NDArray[np.float64]) -> None:
        """Write what the frames were divided by, shape (frames,), in the place of the layout's monitor."""
        assert self._file is not None
        try:
            with self._lock:
                self._file["entry/monitor/data"][...] = values
        except OSError as error:
            raise OutputError(f"{self._pending.target}: cannot be written ({error})") from None

    def discard(self) -> None:
        """Give the file up; nothing is left behind."""
        if self._file is not None:
            file, self._file = self._file, None
            # A file that cannot be completed cannot be closed in order either.
            with suppress(OSError, RuntimeError):
                file.close()
        self._pending.discard()

    def __enter__(self) -> PatternWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self.discard()


def write_status(entry: h5py.Group, status: NDArray[np.uint8], messages: Mapping[int, str]) -> None:
    """Write ``frame_status`` and ``frame_message`` into an entry; the rows without a message are empty."""
    states = entry.create_dataset("frame_status", data=status)
    states.attrs["long_name"] = ", ".join(f"{state.value} {state.name.lower()}" for state in FrameStatus)
    texts = entry.create_dataset("frame_message", shape=status.shape, dtype=h5py.string_dtype())
    for frame, message in messages.items():
        texts[frame] = shown(message)


def _check(layout: PatternLayout, frames: int) -> None:
    if not layout.row_shape:
        raise SpecError("a file of patterns needs a radial or an azimuthal axis")
    if frames < 1:
        raise SpecError(f"a file of {frames} patterns cannot be written")
    if layout.norm is not None and layout.norm.shape != layout.row_shape:
        raise SpecError(f"a norm of shape {layout.norm.shape} does not fit rows of {layout.row_shape}")
    if layout.monitor is not None and layout.monitor.shape != (frames,):
        raise SpecError(f"{layout.monitor.size} monitor values for {frames} frames")
    for axis in (layout.radial, layout.azimuthal):
        if axis is not None and axis.edges is not None and len(axis.edges) != len(axis.centres) + 1:
            raise SpecError(f"{len(axis.edges)} edges for {len(axis.centres)} bins of {axis.unit}")


def new_group(parent: h5py.Group, name: str, nx_class: str) -> h5py.Group:
    """Create a group of a NeXus class."""
    group = parent.create_group(name)
    group.attrs["NX_class"] = nx_class
    return group


def new_entry(file: h5py.File) -> h5py.Group:
    """Create the one entry of a file, on the way to the default plot."""
    file.attrs["NX_class"] = "NXroot"
    file.attrs["creator"] = "aureole"
    file.attrs["default"] = "entry"
    entry = new_group(file, "entry", "NXentry")
    entry.attrs["default"] = "data"
    return entry


def _write_skeleton(file: h5py.File, layout: PatternLayout, frames: int) -> dict[str, h5py.Dataset]:
    """Write all but the rows, and return the data sets that they go to."""
    entry = new_entry(file)
    if layout.definition is not None:
        entry["definition"] = layout.definition
    entry["solid_angle_applied"] = layout.solid_angle
    entry["polarization_applied"] = layout.polarization
    entry["normalization_applied"] = True
    entry["monitor_applied"] = layout.monitor is not None
    write_site(entry, layout.site)
    if layout.monitor is not None:
        new_group(entry, "monitor", "NXmonitor")["data"] = layout.monitor
    write_provenance(entry, "reduction", layout.provenance)
    return _write_data(entry, layout, frames)


def write_site(entry: h5py.Group, site: Site) -> h5py.Group:
    """Write the NXinstrument of an entry and return it."""
    instrument = new_group(entry, "instrument", "NXinstrument")
    instrument["name"] = shown(site.instrument)
    source = new_group(instrument, "source", "NXsource")
    source["name"], source["type"], source["probe"] = shown(site.source), "Synchrotron X-ray Source", "x-ray"
    if site.wavelength is not None:
        monochromator = new_group(instrument, "monochromator", "NXmonochromator")
        for name, value, units in (
            ("wavelength", site.wavelength * 1e10, "angstrom"),
            ("energy", HC_KEV_M / site.wavelength, "keV"),
        ):
            monochromator[name] = value
            monochromator[name].attrs["units"] = units
    return instrument


def write_provenance(entry: h5py.Group, name: str, provenance: Provenance) -> h5py.Group:
    """Write an NXprocess with program, version, date, request and sources, and return it."""
    process = new_group(entry, name, "NXprocess")
    process["program"] = "aureole"
    process["version"] = __version__
    process["date"] = datetime.now().astimezone().isoformat(timespec="seconds")
    process["reference"] = "Aureole, azimuthal integration by sparse look-up tables"
    if provenance.note:
        process["note"] = shown(provenance.note)
    if provenance.sources:
        process.create_dataset(
            "sources", data=[shown(name) for name in provenance.sources], dtype=h5py.string_dtype()
        )
    parameters = new_group(process, "input", "NXparameters")
    parameters["spec"] = provenance.spec
    for key, value in provenance.parameters.items():
        parameters[key] = shown(value) if isinstance(value, str) else value
    if provenance.arrays:
        _write_arrays(new_group(parameters, "arrays", "NXparameters"), provenance.arrays)
    return process


def _write_arrays(group: h5py.Group, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Write arrays with the SHA-256 of their bytes; those of the same bytes are written once."""
    import hdf5plugin

    written: dict[tuple[str, str], str] = {}
    for name, array in arrays.items():
        digest = sha256(np.ascontiguousarray(array).data).hexdigest()
        key = f"{array.dtype} {array.shape}", digest
        if key in written:
            group[name] = group[written[key]]
            continue
        written[key] = name
        dataset = group.create_dataset(
            name, data=array, chunks=array.shape, **hdf5plugin.Bitshuffle(cname="lz4")
        )
        dataset.attrs["sha256"] = digest
        dataset.attrs["interpretation"] = "image"


def _write_data(entry: h5py.Group, layout: PatternLayout, frames: int) -> dict[str, h5py.Dataset]:
    data = new_group(entry, "data", "NXdata")
    interpretation = "spectrum" if len(layout.row_shape) == 1 else "image"
    strict = layout.definition is not None
    names: list[str] = []
    for name, axis in (("azimuthal_axis", layout.azimuthal), ("radial_axis", layout.radial)):
        if axis is not None:
            names.append(name)
            _write_axis(data, name, axis, strict=strict)
    data.attrs["signal"] = "I"
    data.attrs["axes"] = [".", *names]
    data.attrs["interpretation"] = interpretation
    # The long names that the definitions prescribe leave no room for units, so that the title has them.
    axes = (axis for axis in (layout.azimuthal, layout.radial) if axis is not None)
    title = "Intensity against " + " and ".join(_labelled(axis) for axis in axes)
    data.attrs["title"] = title
    data["title"] = title
    row_bytes = 4 * int(np.prod(layout.row_shape))
    chunk = (max(1, min(frames, _CHUNK_BYTES // row_bytes)), *layout.row_shape)
    series = {"I": "intensity"} | ({"I_errors": "estimated intensity error"} if layout.sigma else {})
    rows = {}
    for name, long_name in series.items():
        rows[name] = dataset = data.create_dataset(
            name, (frames, *layout.row_shape), np.float32, chunks=chunk, fillvalue=np.float32(np.nan)
        )
        dataset.attrs["long_name"] = long_name
        dataset.attrs["units"] = _ARBITRARY
    rows["I"].attrs["interpretation"] = interpretation
    if layout.norm is not None:
        data["norm"] = layout.norm
        data["norm"].attrs["long_name"] = "effective number of pixels contributing to the corresponding bin"
        data["norm"].attrs["units"] = _ARBITRARY
    return rows


def _labelled(axis: AxisData, what: str = "") -> str:
    return f"{axis.quantity}{what} ({axis.units})" if axis.units else f"{axis.quantity}{what}"


def _write_axis(data: h5py.Group, name: str, axis: AxisData, *, strict: bool) -> None:
    """Write an axis, with the long name that the application definitions prescribe where one applies."""
    if not strict:
        label, edges_label = _labelled(axis), _labelled(axis, " bin edges")
    elif name == "azimuthal_axis":
        label, edges_label = "azimuthal bin center", "azimuthal bin edges"
    else:
        label, edges_label = axis.quantity, f"{axis.quantity} bin edges"
    for key, values, text in ((name, axis.centres, label), (f"{name}_edges", axis.edges, edges_label)):
        if values is not None:
            data[key] = values
            data[key].attrs["long_name"] = text
            data[key].attrs["units"] = axis.units
