"""From a series of frames to a file of sparse ones, and back."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

from numpy.typing import NDArray

from aureole.azimuthal.batches import FramesLike, in_order
from aureole.azimuthal.sparse import SparsePlan
from aureole.errors import FrameCorrupt, FrameError
from aureole.frames import EncodedFrame
from aureole.io.nexus import Provenance, Source
from aureole.io.series import Frames
from aureole.io.sparse_file import SparseFile, SparseWriter
from aureole.io.stack import StackWriter
from aureole.kernels.sparse import Noise, densify
from aureole.runs.report import FrameIssue, RunOptions, RunReport, check_output
from aureole.threads import checked_threads


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
        arrays={name: named.array for name, named in plan.spec.arrays.items()},
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
    OutputError
        The output exists, is the input, or cannot be written.
    FrameError
        With ``options.strict`` the first frame that is not there.
    """
    output, begin, total = Path(output), perf_counter(), len(sparse)
    check_output(output, [sparse.path], overwrite=options.overwrite)
    options.tell(0, total)
    issues: list[FrameIssue] = []
    layout = sparse.layout
    provenance = Provenance(
        sources=[Source.of(str(sparse.path))],
        parameters=options.parameters,
        note="images of sparse frames: the background by radius, and the pixels that were kept",
    )
    with StackWriter(
        output,
        total,
        layout.radius.shape,
        dtype=layout.dtype,
        provenance=provenance,
        site=options.site,
        overwrite=options.overwrite,
    ) as writer:
        make = partial(_image, sparse, noise, seed)
        with closing(in_order(make, range(total), checked_threads(options.threads))) as images:
            for index, image in enumerate(images):
                if isinstance(image, FrameError):
                    if options.strict:
                        raise image
                    issues.append(FrameIssue.of(index, image))
                    writer.mark(index, issues[-1].status, str(image))
                else:
                    writer.write(index, EncodedFrame.from_array(image, f"{sparse.path}::{index}"))
                options.tell(index + 1, total)
    return RunReport(output, total, issues, perf_counter() - begin)


def _image(sparse: SparseFile, noise: Noise | None, seed: int, index: int) -> NDArray[Any] | FrameError:
    try:
        frame = sparse[index]
    except FrameError as error:
        return error
    return densify(frame, sparse.layout, noise=noise, seed=(seed, index))
