"""From any readable series of frames to one verified HDF5 stack."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np

from aureole.azimuthal import Plan
from aureole.azimuthal.batches import in_order
from aureole.azimuthal.regrid import Regridding
from aureole.errors import FrameError
from aureole.frames import EncodedFrame
from aureole.io.nexus import Provenance, Source
from aureole.io.series import Frames
from aureole.io.stack import StackWriter
from aureole.runs.report import FrameIssue, RunOptions, RunReport, check_output
from aureole.threads import checked_threads

_REGRIDDED = "counts of regular pixels, dealt out by the areas that they share with those of the detector"


def convert_series(
    frames: Frames, output: str | Path, *, options: RunOptions, regridding: Regridding | None = None
) -> RunReport:
    """Copy a series of frames into one NeXus HDF5 stack, bitshuffle-LZ4, and compare every pixel.

    Shape and type of the pixels are those of the first frame that can be read; a frame that differs is bad.

    Parameters
    ----------
    frames : Frames
    output : path
    options : RunOptions
        Monitor and variance have no meaning here.
    regridding : Regridding, optional
        Write, as float32, the counts of its regular pixels in the place of the frames; NaN where there are
        none.

    Returns
    -------
    RunReport

    Raises
    ------
    InputError
        No frame can be read.
    OutputError
        The output exists, is one of the inputs, cannot be written or reads back differently.
    FrameError
        With ``options.strict`` the first frame that cannot be used.
    """
    output = Path(output)
    check_output(output, frames.sources, overwrite=options.overwrite)
    total = len(frames)
    issues: list[FrameIssue] = []
    begin = perf_counter()
    options.tell(0, total)
    provenance = Provenance(
        sources=[Source.of(path) for path in frames.sources],
        parameters=options.parameters,
        note="a copy of the frames, pixel by pixel",
    )
    if regridding is not None:
        arrays = {name: named.array for name, named in regridding.spec.embedded.items()}
        provenance = replace(provenance, spec=regridding.spec.to_json(), arrays=arrays, note=_REGRIDDED)
    plan = None if regridding is None else regridding.spec.plan(threads=options.threads)
    with StackWriter(
        output,
        total,
        frames.shape if regridding is None else regridding.detector.known_shape,
        dtype=frames.dtype if regridding is None else np.dtype(np.float32),
        provenance=provenance,
        site=options.site,
        overwrite=options.overwrite,
    ) as writer:
        copy = partial(_copy, frames, writer, plan)
        with closing(in_order(copy, range(total), checked_threads(options.threads))) as outcomes:
            for index, error in enumerate(outcomes):
                if error is not None:
                    if options.strict:
                        raise error
                    issue = FrameIssue.of(index, error)
                    issues.append(issue)
                    writer.mark(index, issue.status, f"{issue.name}: {issue.reason}")
                options.tell(index + 1, total)
    return RunReport(output, total, issues, perf_counter() - begin)


def _copy(frames: Frames, writer: StackWriter, plan: Plan | None, index: int) -> FrameError | None:
    try:
        frame = frames[index]
        if plan is not None:
            cake = plan.integrate(frame, threads=1)
            counts = np.where(cake.count > 0, cake.sum_signal, np.nan).astype(np.float32)
            frame = EncodedFrame.from_array(counts, frame.name, frame.header)
        writer.write(index, frame)
    except FrameError as error:
        return error
    return None
