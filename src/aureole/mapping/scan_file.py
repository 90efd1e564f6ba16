"""The output of a scan on its way: rows of frames in, layers out, and what is made of them into one file."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from aureole.azimuthal import Plan
from aureole.errors import FormatError, OutputError, SpecError
from aureole.io.grids import GridAxis, GridEntry, new_data, point_at, write_entry, write_scan
from aureole.io.hdf5_files import TROUBLES, open_file
from aureole.io.nexus import write_source_facts
from aureole.io.pattern_layout import AxisData
from aureole.io.pending_hdf5 import PendingHdf5
from aureole.io.sniff import NEXUS_ENDINGS
from aureole.io.status import FrameStatus
from aureole.mapping.layers import Layers
from aureole.mapping.scan import Scan
from aureole.runs.described import digest
from aureole.runs.executors import Part
from aureole.runs.outputs import checksum, provenance, rows_in
from aureole.runs.parts import Rows
from aureole.runs.report import RunOptions
from aureole.runs.run import Run
from aureole.threads import share_of_memory

F32 = NDArray[np.float32]
Layer = tuple[int, F32, F32 | None]


class ScanFile:
    """The file of a scan, which appears when it is closed.

    Parameters
    ----------
    plan : Plan
    scan : Scan
    run : Run
    options : RunOptions
    title : str
    """

    def __init__(self, plan: Plan, scan: Scan, run: Run, options: RunOptions, title: str) -> None:
        self.sigma = plan.spec.error_model is not None
        self.radial = radial_axis(plan)
        self._scan, self._run = scan, run
        self._monitor = None if options.monitor is None else np.full(scan.frames, np.nan)
        self._checksums: dict[tuple[str, int | None], int] = {}
        self._parts: dict[range, Path] = {}
        self._virtual = options.virtual
        self.pending = PendingHdf5(run.output, scan.frames, overwrite=run.replaces)
        entry = GridEntry(
            title=title,
            monitor=options.monitor is not None,
            site=options.site,
            provenance=provenance(plan, run, options),
        )
        with self.pending.or_nothing(), self.pending.writing() as file:
            write_scan(write_entry(file, entry, scan.frames), scan.index, scan.notes)

    def layers(self, parts: Iterator[Part]) -> Generator[Layer, None, None]:
        """Take all parts of the run, and yield the layers of the scan as soon as they are complete."""
        layers = Layers(self._scan, len(self.radial.values), sigma=self.sigma)
        yield from layers.empty()
        for path, rows in parts:
            self._account(rows)
            self._parts[rows.frames] = path
            yield from layers.put(rows)

    def _account(self, rows: Rows) -> None:
        part = slice(rows.frames.start, rows.frames.stop)
        self.pending.status[part] = rows.status
        for frame, message in rows.messages.items():
            self.pending.mark(frame, FrameStatus(rows.status[frame - rows.frames.start]), message)
        if self._monitor is not None and rows.monitor is not None:
            self._monitor[part] = rows.monitor

    def create(self, name: str, axes: Sequence[GridAxis], *, sigma: bool, long_name: str) -> None:
        """Create an NXdata of patterns; its last axis is radial."""
        with self.pending.writing() as file:
            new_data(file["entry"], name, (*axes, self.radial), sigma=sigma, long_name=long_name)

    def write_measured(self, name: str, layer: int | None, intensity: F32, sigma: F32 | None) -> None:
        """Write patterns as they were measured, unless they stay in the parts of the run."""
        if self._virtual:
            return
        self.write(name, layer, intensity, sigma)
        for key, values in (("I", intensity), ("I_errors", sigma)):
            if values is not None:
                self._checksums[f"entry/{name}/{key}", layer] = checksum(values)

    def point_at(self, name: str, frames: NDArray[np.intp]) -> None:
        """Let an NXdata have the patterns as they were measured: where they are, if they stay in the parts.

        Parameters
        ----------
        name : str
        frames : ndarray of intp
            Number of the frame at each of its places; -1: none.
        """
        if self._virtual:
            with self.pending.writing() as file:
                point_at(file[f"entry/{name}"], frames, self._parts, self.pending.target.parent)

    def write(self, name: str, layer: int | None, intensity: F32, sigma: F32 | None) -> None:
        """Write the patterns of a layer, or of all places, into an NXdata."""
        with self.pending.writing() as file:
            for key, values in (("I", intensity), ("I_errors", sigma)):
                if values is not None:
                    file[f"entry/{name}/{key}"][... if layer is None else layer] = values

    def close(self) -> None:
        """Complete the file; read back what was measured, whose parts go; give it its name."""
        with self.pending.or_nothing(), self.pending.writing() as file:
            if self._monitor is not None:
                file["entry/monitor/data"][...] = self._monitor
            write_source_facts(file["entry/reduction"], self._run.manifest.sources)
            self._run.made_by.write(file["entry"])
        self.pending.close(self._verify)

    def _verify(self, path: Path) -> None:
        with h5py.File(path, "r", locking=False) as file:
            for (name, layer), wanted in self._checksums.items():
                if checksum(file[name][... if layer is None else layer]) != wanted:
                    raise OutputError(f"{path}: {name} does not read back as it was written")

    def __enter__(self) -> ScanFile:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if error is None:
            self.close()
        else:
            self.pending.discard()


def radial_axis(plan: Plan) -> GridAxis:
    """Return the radial axis of the patterns of a plan.

    Raises
    ------
    SpecError
        Its rows are cakes, or patterns against azimuth.
    """
    spec = plan.spec
    if plan.bins.radial is None or len(plan.bins.shape) != 1 or spec.radial is None:
        raise SpecError("scans are of patterns against a radial axis")
    axis = AxisData(spec.radial.unit, plan.bins.radial)
    label = f"{axis.quantity} ({axis.units})" if axis.units else axis.quantity
    return GridAxis(axis.quantity, axis.centres, axis.units, label)


def check_ending(output: Path) -> None:
    """Raise `SpecError` unless the ending of the output is one of NeXus HDF5."""
    if output.suffix.lower() not in NEXUS_ENDINGS:
        raise SpecError(f"{output}: the ending says what is written; known are {', '.join(NEXUS_ENDINGS)}")


def identity(scan: Scan, **others: object) -> dict[str, object]:
    """Return what decides on the output of a scan besides its patterns, as JSON."""
    places = [(axis.name, axis.values.tolist(), axis.unit) for axis in scan.axes]
    points = None if scan.points is None else scan.points.tolist()
    return {"scan": digest([places, points, scan.index.tolist()]), **others}


def stored_rows(output: Path, name: str, order: Sequence[int], frames: range) -> Rows | None:
    """Return the rows of some frames from an earlier output; None where it does not have them all.

    Parameters
    ----------
    output : path
    name : str
        Of the NXdata of patterns at the places of its scan.
    order : sequence of int
        How its axes are put in the order of the scan's.
    frames : range
    """
    try:
        with open_file(str(output)) as file:
            entry = file["entry"]
            if name != ("sinogram" if "sinogram" in entry else "data"):
                return None  # of another kind of scan
            index = entry["scan/frame"][()]
            flat = index.reshape(-1)
            mine = np.flatnonzero((flat >= frames.start) & (flat < frames.stop))
            if len(mine) < len(frames):
                return None
            places = np.stack(np.unravel_index(mine[np.argsort(flat[mine])], index.shape))
            first, stop = places.min(axis=1), places.max(axis=1) + 1
            # no more is read than the box that they are in
            box = [slice(None)] * len(order)
            for axis, one in zip(order, map(slice, first, stop), strict=False):
                box[axis] = one
            at = tuple(places - first[:, None])
            data = [entry[f"{name}/{key}"] for key in ("I", "I_errors") if key in entry[name]]
            if 4 * int(np.prod(stop - first)) * sum(each.shape[-1] for each in data) > share_of_memory():
                return None
            rows = [np.transpose(each[tuple(box)], order)[at] for each in data]
            return rows_in(entry, frames, rows[0], rows[1] if len(rows) > 1 else None)
    except (*TROUBLES, FormatError):
        return None
