"""From a series of frames to one file of patterns or cakes."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from aureole.axis import Axis
from aureole.azimuthal import Batch, Plan
from aureole.errors import SpecError
from aureole.io.nexus import Provenance
from aureole.io.patterns import AxisData, PatternLayout, PatternWriter
from aureole.io.series import Frames
from aureole.io.sniff import NEXUS_ENDINGS
from aureole.io.text import TEXT_ENDINGS, write_text
from aureole.runs.report import FrameIssue, RunOptions, RunReport, check_output
from aureole.version import __version__

F64 = NDArray[np.float64]


def integrate_series(plan: Plan, frames: Frames, output: str | Path, *, options: RunOptions) -> RunReport:
    """Integrate a series of frames into one file, which appears when it is complete.

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
        The output exists, is one of the inputs, or cannot be written.
    FrameError
        With ``options.strict`` the first frame that cannot be used; the only frame of a text output.
    """
    output = Path(output)
    check_ending(output, frames=len(frames), cake=len(plan.bins.shape) == 2)
    check_output(output, frames.sources, overwrite=options.overwrite)
    if output.suffix.lower() in TEXT_ENDINGS:
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
    total = len(frames)
    issues: list[FrameIssue] = []
    begin = perf_counter()
    options.tell(0, total)
    monitor = None if options.monitor is None else np.full(total, np.nan)
    layout = _layout(plan, frames, options, monitor)
    stream = plan.stream(frames, variance=options.variance, monitor=options.monitor, threads=options.threads)
    with (
        closing(stream) as batches,
        PatternWriter(output, total, layout, overwrite=options.overwrite) as writer,
    ):
        for batch in batches:
            for index, error in batch.failures.items():
                if options.strict:
                    raise error
                issue = FrameIssue.of(index, error)
                issues.append(issue)
                writer.mark(index, issue.status, f"{issue.name}: {issue.reason}")
            writer.write(batch.frames.start, *_rows(batch))
            if monitor is not None:
                monitor[batch.rows] = batch.monitor
            options.tell(batch.frames.stop, total)
        if monitor is not None:
            writer.write_monitor(monitor)
    return RunReport(output, total, issues, perf_counter() - begin)


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


def _rows(batch: Batch) -> tuple[F64, F64 | None]:
    """Return the intensities and errors of all frames of a batch; NaN where a frame has none."""
    rows = batch.rows - batch.frames.start
    found = (batch.result.intensity, batch.result.sigma)
    if len(rows) == len(batch.frames):
        return found

    def spread(part: F64) -> F64:
        every = np.full((len(batch.frames), *part.shape[1:]), np.nan)
        every[rows] = part
        return every

    return spread(found[0]), None if found[1] is None else spread(found[1])


def _layout(plan: Plan, frames: Frames, options: RunOptions, monitor: F64 | None) -> PatternLayout:
    spec = plan.spec
    parameters = {
        "error_model": spec.error_model or "none",
        "split": spec.split,
        "backend": plan.backend,
        "spec_sha256": spec.digest,
        "plan_sha256": plan.digest,
        **options.parameters,
    }
    return PatternLayout(
        radial=_axis_data(spec.radial, plan.bins.radial_range),
        azimuthal=_axis_data(spec.azimuthal, plan.bins.azimuthal_range),
        norm=plan.normalization,
        sigma=spec.error_model is not None,
        solid_angle=spec.solid_angle,
        polarization=spec.polarization_factor is not None,
        monitor=monitor,
        site=options.site,
        provenance=Provenance(
            spec=spec.to_json(),
            sources=frames.sources,
            parameters=parameters,
            arrays={name: named.array for name, named in spec.arrays.items()},
            note=f"made by aureole {__version__}; sigma is the standard error of the mean",
        ),
    )


def _axis_data(axis: Axis | None, extent: tuple[float, float] | None) -> AxisData | None:
    if axis is None or axis.bins is None or extent is None:
        return None
    return AxisData(axis.unit, axis.centres(*extent), axis.edges(*extent))
