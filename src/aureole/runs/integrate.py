"""From a series of frames to one file of patterns or cakes."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from pathlib import Path
from time import perf_counter

import h5py
import numpy as np
from numpy.typing import NDArray

from aureole.axis import Axis
from aureole.azimuthal import Plan
from aureole.errors import FormatError, OutputError, SpecError
from aureole.io.hdf5_files import TROUBLES, open_file
from aureole.io.pattern_layout import AxisData, PatternLayout
from aureole.io.patterns import PatternWriter
from aureole.io.series import Frames
from aureole.io.sniff import NEXUS_ENDINGS
from aureole.io.status import FrameStatus
from aureole.io.text import TEXT_ENDINGS, write_text
from aureole.runs.outputs import checksum, provenance, rows_in
from aureole.runs.parts import Rows
from aureole.runs.report import RunOptions, RunReport, check_output
from aureole.runs.run import Run

F64 = NDArray[np.float64]


def integrate_series(plan: Plan, frames: Frames, output: str | Path, *, options: RunOptions) -> RunReport:
    """Integrate a series of frames into one file, which appears when it is complete.

    On the way, patterns go into parts in the folder ``OUTPUT.run``. If the run ends early, in whatever way,
    the same call goes on from there; frames that were missing or bad are tried again.

    Parameters
    ----------
    plan : Plan
    frames : Frames
        Read, decoded and integrated side by side; a frame that cannot be used is noted and passed over.
    output : path
        NeXus HDF5 by its ending (``.h5``, ``.nxs``...); a single frame may go to text, ``.xy``, ``.dat`` or
        ``.chi``.
    options : RunOptions

    Returns
    -------
    RunReport
        Every frame is in it, either done or among the issues.

    Raises
    ------
    SpecError
        The ending is none of these, or the text cannot hold what was asked for.
    OutputError
        The output exists, is one of the inputs, or cannot be written; the folder is that of another run.
    FrameError
        With ``options.strict`` the first frame that cannot be used; the only frame of a text output.
    """
    output = Path(output)
    check_ending(output, frames=len(frames), cake=len(plan.bins.shape) == 2)
    if output.suffix.lower() == ".xye" and plan.spec.error_model is None:
        raise SpecError(f"{output}: there is no error model, and .xye holds errors; let its name end in .xy")
    text = output.suffix.lower() in TEXT_ENDINGS
    check_output(output, frames.sources, overwrite=options.overwrite or not text)
    if text:
        return _to_text(plan, frames, output, options)
    return _to_nexus(plan, frames, output, options)


def check_ending(output: Path, *, frames: int, cake: bool) -> None:
    """Raise `SpecError` if the ending of the output is unknown, or cannot hold that many frames or a cake."""
    ending = output.suffix.lower()
    if ending in TEXT_ENDINGS:
        if cake:
            raise SpecError(f"{output}: text holds patterns only; write a cake to a .h5 file")
        if frames != 1:
            raise SpecError(
                f"{output}: text holds one pattern, and there are {frames} frames; write a .h5 file"
            )
    elif ending not in NEXUS_ENDINGS:
        known = ", ".join((*NEXUS_ENDINGS, *TEXT_ENDINGS))
        raise SpecError(f"{output}: the ending says what is written; known are {known}")


def _to_nexus(plan: Plan, frames: Frames, output: Path, options: RunOptions) -> RunReport:
    run = Run(plan, frames, output, options, stored=partial(_stored, output))
    return run.carry_out(partial(_write, plan, run, options))


def _write(plan: Plan, run: Run, options: RunOptions) -> None:
    total = len(run.status)
    monitor = None if options.monitor is None else np.full(total, np.nan)
    checksums: dict[range, list[int]] = {}
    paths: dict[range, Path] = {}
    layout = _layout(plan, run, options, monitor)
    with PatternWriter(run.output, total, layout, overwrite=run.replaces) as writer:
        with closing(run.parts()) as parts:
            for path, rows in parts:
                for frame, message in rows.messages.items():
                    writer.mark(frame, FrameStatus(rows.status[frame - rows.frames.start]), message)
                if monitor is not None and rows.monitor is not None:
                    monitor[rows.frames.start : rows.frames.stop] = rows.monitor
                checksums[rows.frames] = [
                    checksum(part) for part in (rows.intensity, rows.sigma) if part is not None
                ]
                if options.virtual:
                    paths[rows.frames] = path
                else:
                    writer.write(rows.frames.start, rows.intensity, rows.sigma)
        if options.virtual:
            writer.point_at(paths)
        if monitor is not None:
            writer.write_monitor(monitor)
        writer.write_sources(run.manifest.sources)
        writer.write_made_by(run.made_by)
        writer.close(lambda path: _verify(path, checksums))


def _stored(output: Path, frames: range) -> Rows | None:
    """Return rows of an earlier output."""
    try:
        with open_file(str(output)) as file:
            entry, part = file["entry"], slice(frames.start, frames.stop)
            if "scan" in entry:
                return None
            sigma = entry["data/I_errors"][part] if "I_errors" in entry["data"] else None
            return rows_in(entry, frames, entry["data/I"][part], sigma)
    except (*TROUBLES, FormatError):
        return None


def _verify(path: Path, checksums: dict[range, list[int]]) -> None:
    """Raise `OutputError` unless a complete file reads back as its parts were, which are removed then."""
    with h5py.File(path, "r", locking=False) as file:
        names = [name for name in ("I", "I_errors") if name in file["entry/data"]]
        for frames, wanted in checksums.items():
            part = slice(frames.start, frames.stop)
            found = [checksum(file[f"entry/data/{name}"][part]) for name in names]
            if found != wanted:
                raise OutputError(f"{path}: does not read back as it was written; its parts are kept")


def _to_text(plan: Plan, frames: Frames, output: Path, options: RunOptions) -> RunReport:
    begin = perf_counter()
    options.tell(0, 1)
    result = plan.integrate(
        frames, variance=options.variance, monitor=options.monitor, threads=options.threads
    )[0]
    axis = next(axis for axis in (plan.spec.radial, plan.spec.azimuthal) if axis is not None and axis.bins)
    positions = plan.bins.radial if plan.bins.radial is not None else plan.bins.azimuthal
    assert positions is not None
    # A .chi has room for the first line alone.
    header = [
        frames.name(0),
        *(f"{key}: {value}" for key, value in options.parameters.items()),
        f"backend: {plan.computed_by}",
        f"spec: {plan.spec.to_json()}",
    ]
    write_text(
        output,
        positions,
        result.intensity,
        result.sigma,
        unit=axis.unit,
        header=header,
        overwrite=options.overwrite,
    )
    options.tell(1, 1)
    return RunReport(output, 1, [], perf_counter() - begin)


def _layout(plan: Plan, run: Run, options: RunOptions, monitor: F64 | None) -> PatternLayout:
    spec = plan.spec
    return PatternLayout(
        radial=axis_data(spec.radial, plan.bins.radial_range),
        azimuthal=axis_data(spec.azimuthal, plan.bins.azimuthal_range),
        norm=plan.normalization,
        sigma=spec.error_model is not None,
        solid_angle=spec.solid_angle,
        efficiency=spec.efficiency_of is not None,
        polarization=spec.polarization_factor is not None,
        monitor=monitor,
        site=options.site,
        provenance=provenance(plan, run, options),
    )


def axis_data(axis: Axis | None, extent: tuple[float, float] | None) -> AxisData | None:
    """Return an axis as it is stored; None where there is none, or it only restricts."""
    if axis is None or axis.bins is None or extent is None:
        return None
    return AxisData(axis.unit, axis.centres(*extent), axis.edges(*extent))
