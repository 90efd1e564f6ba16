"""From any readable series of frames to one verified HDF5 stack."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from pathlib import Path
from time import perf_counter

from aureole.azimuthal.batches import in_order
from aureole.errors import FrameError
from aureole.io.nexus import Provenance, Source
from aureole.io.series import Frames
from aureole.io.stack import StackWriter
from aureole.runs.report import FrameIssue, RunOptions, RunReport, check_output
from aureole.threads import checked_threads


def convert_series(frames: Frames, output: str | Path, *, options: RunOptions) -> RunReport:
    """Copy a series of frames into one NeXus HDF5 stack, bitshuffle-LZ4, and compare every pixel.

    Shape and type of the pixels are those of the first frame that can be read; a frame that differs is bad.

    Parameters
    ----------
    frames : Frames
    output : path
    options : RunOptions
        Monitor and variance have no meaning here.

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
    with StackWriter(
        output,
        total,
        frames.shape,
        dtype=frames.dtype,
        provenance=provenance,
        site=options.site,
        overwrite=options.overwrite,
    ) as writer:
        copy = partial(_copy, frames, writer)
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


def _copy(frames: Frames, writer: StackWriter, index: int) -> FrameError | None:
    try:
        writer.write(index, frames[index])
    except FrameError as error:
        return error
    return None
