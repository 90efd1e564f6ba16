"""From a series of frames to a file of sparse ones, and back."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from time import perf_counter

from aureole.azimuthal.batches import FramesLike
from aureole.azimuthal.sparse import SparsePlan
from aureole.errors import FormatError, FrameCorrupt
from aureole.io.nexus import Provenance, Source
from aureole.io.series import Frames
from aureole.io.sparse_file import SparseFile, SparseWriter
from aureole.kernels.sparse import Noise, densify
from aureole.runs.images import write_images
from aureole.runs.report import FrameIssue, RunOptions, RunReport, check_output


def sparsify_series(
    plan: SparsePlan, frames: Frames, output: str | Path, *, options: RunOptions
) -> RunReport:
    """Keep of each frame the pixels that stand out and the background by radius, in one NeXus HDF5 file.

    Parameters
    ----------
    plan : SparsePlan
    frames : Frames
    output : path
    options : RunOptions
        Monitor, parts and executor have no meaning here.

    Returns
    -------
    RunReport

    Raises
    ------
    InputError
        No frame can be read.
    OutputError
        The output exists, is one of the inputs, or cannot be written.
    FrameError
        With ``options.strict`` the first frame that cannot be used.
    """
    output, begin, total = Path(output), perf_counter(), len(frames)
    check_output(output, frames.sources, overwrite=options.overwrite)
    options.tell(0, total)
    layout = plan.layout(frames.dtype)
    provenance = Provenance(
        spec=plan.spec.to_json(),
        sources=[Source.of(path) for path in frames.sources],
        parameters=options.parameters,
        arrays={name: named.array for name, named in plan.spec.embedded.items()},
        note="pixels that stand out keep their raw values; of the others the background by radius is known",
    )
    issues: list[FrameIssue] = []
    variance: FramesLike | None = options.variance
    with (
        SparseWriter(
            output,
            total,
            layout,
            provenance=provenance,
            site=options.site,
            overwrite=options.overwrite,
        ) as writer,
        closing(plan.stream(frames, variance=variance, threads=options.threads)) as batches,
    ):
        for batch in batches:
            for index in batch.frames:
                error = batch.failures.get(index)
                if error is None:
                    try:
                        writer.write(index, batch.done[index])
                    except FrameCorrupt as other:
                        error = other
                if error is not None:
                    if options.strict:
                        raise error
                    issues.append(FrameIssue.of(index, error))
                    writer.mark(index, issues[-1].status, str(error))
            options.tell(batch.frames.stop, total)
    return RunReport(output, total, issues, perf_counter() - begin)


def densify_series(
    sparse: SparseFile, output: str | Path, *, noise: Noise | None, seed: int, options: RunOptions
) -> RunReport:
    """Make images of sparse frames: one NeXus HDF5 stack, bitshuffle-LZ4.

    Parameters
    ----------
    sparse : SparseFile
    output : path
    noise : {"poisson", "normal"}, optional
        As for `densify`.
    seed : int
        Of the noise; that of a frame follows from it and the frame's number.
    options : RunOptions
        Monitor, variance, parts and executor have no meaning here.

    Returns
    -------
    RunReport

    Raises
    ------
    FormatError
        There is no frame.
    OutputError
        The output exists, is the input, or cannot be written.
    FrameError
        With ``options.strict`` the first frame that is not there.
    """
    layout = sparse.layout
    if not len(sparse):
        raise FormatError(f"{sparse.path}: has no frames")
    return write_images(
        lambda index: [densify(sparse[index], layout, noise=noise, seed=(seed, index))],
        [Path(output)],
        (len(sparse), (layout.radius.shape[0], layout.radius.shape[1]), layout.dtype),
        inputs=[sparse.path],
        provenance=Provenance(
            sources=[Source.of(str(sparse.path))],
            parameters=options.parameters,
            note="images of sparse frames: the background by radius, and the pixels that were kept",
        ),
        options=options,
    )
