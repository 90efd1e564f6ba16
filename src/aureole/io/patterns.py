"""NeXus files of patterns and cakes, written row by row.

Patterns against q or 2θ follow the application definitions NXazint1d and NXazint2d of NeXus 2025.11
(https://manual.nexusformat.org/classes/applications/NXazint1d.html); what has no place there (other units, no
wavelength) is a plain NXdata of the same structure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import h5py
import numpy as np
from numpy.typing import ArrayLike, NDArray

from aureole.errors import SpecError
from aureole.io.nexus import (
    Provenance,
    Site,
    Source,
    new_entry,
    new_group,
    source_name,
    write_provenance,
    write_site,
    write_source_facts,
)
from aureole.io.pending_hdf5 import PendingHdf5
from aureole.io.status import FrameStatus

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
_PART_NAMES = {"I": "intensity", "I_errors": "sigma"}
"""What rows are called in the parts of a run."""


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
    site: Site = field(default_factory=Site)
    provenance: Provenance = field(default_factory=Provenance)

    @property
    def row_shape(self) -> tuple[int, ...]:
        """Shape of the intensities of one frame."""
        return tuple(len(axis.centres) for axis in (self.azimuthal, self.radial) if axis is not None)

    @property
    def definition(self) -> str | None:
        """Name of the application definition that these data follow, if one does."""
        if self.radial is None or self.radial.quantity not in ("q", "2theta"):
            return None
        if self.azimuthal is not None and self.azimuthal.quantity != "chi":
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
        self._pending = PendingHdf5(path, frames, overwrite=overwrite)
        with self._pending.or_nothing(), self._pending.writing() as file:
            self._rows = _write_skeleton(file, layout, frames)

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
        frames = len(self._pending.status)
        if start < 0 or start + count > frames:
            raise SpecError(f"frames {start} to {start + count - 1} of {frames}")
        with self._pending.writing():
            status = self._pending.status[start : start + count]
            marked = (status == FrameStatus.BAD) | (status == FrameStatus.MISSING)
            for name, values in rows.items():
                if marked.any():
                    values = np.where(marked.reshape(-1, *(1,) * (values.ndim - 1)), np.nan, values)
                self._rows[name][start : start + count] = values
            status[~marked] = FrameStatus.DONE

    def mark(self, frame: int, status: FrameStatus, message: str = "") -> None:
        """Say how it went with a frame, and why; the row of one that is not done is NaN."""
        self._pending.mark(frame, status, message)
        if status != FrameStatus.DONE:
            with self._pending.writing():
                for rows in self._rows.values():
                    rows[frame] = np.nan

    def write_monitor(self, values: NDArray[np.float64]) -> None:
        """Write what the frames were divided by, shape (frames,), in the place of the layout's monitor."""
        with self._pending.writing() as file:
            file["entry/monitor/data"][...] = values

    def write_sources(self, sources: Sequence[Source]) -> None:
        """Write what is known of the sources now."""
        with self._pending.writing() as file:
            write_source_facts(file["entry/reduction"], sources)

    def point_at(self, parts: Mapping[range, Path]) -> None:
        """Make the rows virtual: let them be those of other files, whose frames are marked as done.

        Parameters
        ----------
        parts : mapping of range to Path
            Files whose ``/intensity`` and ``/sigma`` hold the rows of these frames; together all of them.
        """
        status = self._pending.status
        status[status == FrameStatus.PENDING] = FrameStatus.DONE
        folder = self._pending.target.parent
        with self._pending.writing() as file:
            for name, dataset in self._rows.items():
                layout = h5py.VirtualLayout(dataset.shape, dataset.dtype)
                for frames, path in parts.items():
                    source = source_name(path, folder)
                    layout[frames.start : frames.stop] = h5py.VirtualSource(
                        source, _PART_NAMES[name], (len(frames), *dataset.shape[1:])
                    )
                attributes = dict(dataset.attrs)
                del file[dataset.name]
                virtual = file["entry/data"].create_virtual_dataset(name, layout, fillvalue=np.nan)
                virtual.attrs.update(attributes)

    def close(self, check: Callable[[Path], None] | None = None) -> None:
        """Complete the file and give it its name; nothing happens when that was done already.

        Parameters
        ----------
        check : callable, optional
            Looks at the complete file under its temporary name; if it raises, the file is not kept.

        Raises
        ------
        OutputError
            The file cannot be completed, or one of its name has come into being meanwhile.
        """
        self._pending.close(check)

    def discard(self) -> None:
        """Give the file up; nothing is left behind."""
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


def _write_skeleton(file: h5py.File, layout: PatternLayout, frames: int) -> dict[str, h5py.Dataset]:
    """Write all but the rows, and return the data sets that they go to."""
    entry = new_entry(file)
    if layout.definition is not None:
        entry["definition"] = layout.definition
    entry["solid_angle_applied"] = layout.solid_angle
    entry["polarization_applied"] = layout.polarization
    entry["normalization_applied"] = True
    entry["monitor_applied"] = layout.monitor is not None
    # The definitions ask for a kind and know no other; nothing is made up where nobody named a source.
    named = layout.definition is not None and layout.site.source != Site().source
    write_site(entry, layout.site, kind="Synchrotron X-ray Source" if named else None)
    if layout.monitor is not None:
        new_group(entry, "monitor", "NXmonitor")["data"] = layout.monitor
    write_provenance(entry, "reduction", layout.provenance)
    return _write_data(entry, layout, frames)


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
