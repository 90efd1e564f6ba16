"""NeXus files of patterns and cakes, written row by row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

import h5py
import numpy as np
from numpy.typing import ArrayLike, NDArray

from aureole.errors import SpecError
from aureole.io.made_by import MadeBy
from aureole.io.nexus import Source, source_name, write_source_facts
from aureole.io.pattern_layout import PatternLayout, check_layout, write_skeleton
from aureole.io.pending_hdf5 import PendingHdf5
from aureole.io.status import FrameStatus

_PART_NAMES = {"I": "intensity", "I_errors": "sigma"}
"""What rows are called in the parts of a run."""


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
        check_layout(layout, frames)
        self.layout = layout
        self._pending = PendingHdf5(path, frames, overwrite=overwrite)
        with self._pending.or_nothing(), self._pending.writing() as file:
            self._rows = write_skeleton(file, layout, frames)

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

    def write_made_by(self, made_by: MadeBy) -> None:
        """Write which backend made each row."""
        with self._pending.writing() as file:
            made_by.write(file["entry"])

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
