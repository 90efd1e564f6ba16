"""From each frame of a series to one image or several, in HDF5 stacks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aureole.azimuthal.batches import in_order
from aureole.errors import FrameError
from aureole.frames import EncodedFrame
from aureole.io.nexus import Provenance
from aureole.io.stack import StackWriter
from aureole.runs.report import FrameIssue, RunOptions, RunReport, check_output
from aureole.threads import checked_threads

Make = Callable[[int], Sequence[NDArray[Any]]]
"""Makes the images of a frame, by its number; raises `FrameError` where it cannot be used."""


def write_images(
    make: Make,
    outputs: Sequence[Path],
    like: tuple[int, tuple[int, int], np.dtype[np.generic]],
    *,
    inputs: Sequence[str | Path],
    provenance: Provenance,
    options: RunOptions,
) -> RunReport:
    """Write images of frames into NeXus HDF5 stacks, bitshuffle-LZ4, one stack for each image of a frame.

    Parameters
    ----------
    make : Make
        Called in several threads.
    outputs : sequence of Path
        As many as a frame has images.
    like : tuple
        How many frames there are, and shape and type of an image.
    inputs : sequence of path
        Files that must not be written over.
    provenance : Provenance
    options : RunOptions
        Monitor, variance, parts and executor have no meaning here.

    Returns
    -------
    RunReport
        Of the first output.

    Raises
    ------
    OutputError
        An output exists, is one of the inputs, or cannot be written.
    FrameError
        With ``options.strict`` the first frame that cannot be used.
    """
    begin, (total, shape, dtype) = perf_counter(), like
    for output in outputs:
        check_output(output, inputs, overwrite=options.overwrite)
    options.tell(0, total)
    issues: list[FrameIssue] = []
    with ExitStack() as stack:
        writers = [
            stack.enter_context(
                StackWriter(
                    output,
                    total,
                    shape,
                    dtype=dtype,
                    provenance=provenance,
                    site=options.site,
                    overwrite=options.overwrite,
                )
            )
            for output in outputs
        ]

        def one(index: int) -> FrameError | None:
            try:
                images = make(index)
            except FrameError as error:
                return error
            # what the type of the pixels cannot hold is infinite
            with np.errstate(over="ignore"):
                images = [image.astype(dtype) for image in images]
            for writer, image in zip(writers, images, strict=True):
                writer.write(index, EncodedFrame.from_array(image, f"frame {index}"))
            return None

        with closing(in_order(one, range(total), checked_threads(options.threads))) as outcomes:
            for index, error in enumerate(outcomes):
                if error is not None:
                    if options.strict:
                        raise error
                    issues.append(FrameIssue.of(index, error))
                    for writer in writers:
                        writer.mark(index, issues[-1].status, str(error))
                options.tell(index + 1, total)
    return RunReport(outputs[0], total, issues, perf_counter() - begin)
