"""What a run is told and what it tells: options, the account of its frames, checks of the output."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aureole.errors import FrameError, FrameMissing, OutputError, SpecError
from aureole.io.nexus import Site
from aureole.io.publish import Publication, sweep
from aureole.io.sniff import real_path, real_paths
from aureole.io.status import FrameStatus

if TYPE_CHECKING:
    from aureole.azimuthal.batches import FramesLike, Monitor
    from aureole.runs.executors import Executor

Progress = Callable[[int, int], None]
"""Called with the number of frames that are accounted for and of all; first with 0, as work begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a run is carried out, and what its output says besides the data.

    Attributes
    ----------
    threads : int, optional
        All available cores without it.
    overwrite : bool
        Whether an existing output may be replaced.
    strict : bool
        Stop at the first frame that cannot be used, without an output.
    monitor : array of shape (frames,) or callable, optional
        What the intensities of each frame are divided by, or a function that finds it in an `EncodedFrame`.
        A run goes on with the same function only: the same code, with the same numbers, texts and arrays
        around it.
    variance : FramesLike, optional
        With the error model ``"variance"``, an image of variances for each frame.
    site : Site
        Where the data were taken.
    parameters : mapping
        Settings to be found in the output beside the spec, such as the name of the PONI file.
    progress : Progress, optional
        Told of the beginning and of every batch, in the thread of the caller.
    part_frames : int, optional
        Frames in a part: what is lost at most when the run is killed. Without it, some seconds of work.
    virtual : bool
        Whether the output points at the parts, which then stay, instead of holding the patterns itself.
    executor : Executor, optional
        Who integrates; `threads` of this process without it.
    command : mapping
        How to begin the same run again: ``argv`` and ``cwd``, for `aureole resume`.
    """

    threads: int | None = None
    overwrite: bool = False
    strict: bool = False
    monitor: Monitor | None = None
    variance: FramesLike | None = None
    site: Site = field(default_factory=Site)
    parameters: Mapping[str, str | float | int | bool] = field(default_factory=dict)
    progress: Progress | None = None
    part_frames: int | None = None
    virtual: bool = False
    executor: Executor | None = None
    command: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.part_frames is not None and self.part_frames < 1:
            raise SpecError(f"a part has at least one frame, not {self.part_frames}")

    def tell(self, done: int, total: int) -> None:
        """Tell `progress`, where there is one."""
        if self.progress is not None:
            self.progress(done, total)


@dataclass(frozen=True, slots=True)
class FrameIssue:
    """One frame that could not be used: which, whether it was bad or missing, and why."""

    index: int
    status: FrameStatus
    name: str
    reason: str

    @classmethod
    def of(cls, index: int, error: FrameError) -> FrameIssue:
        """Make it of what reading or integrating the frame raised."""
        status = FrameStatus.MISSING if isinstance(error, FrameMissing) else FrameStatus.BAD
        return cls(index, status, error.name, error.reason)


@dataclass(frozen=True, slots=True)
class RunReport:
    """How a run went.

    Attributes
    ----------
    output : Path
        What it wrote.
    frames : int
        How many it was given.
    issues : list of FrameIssue
        Those of them that are not done, by index.
    seconds : float
        From the first frame to the complete file.
    reused : int
        How many frames were done by an earlier run of the same request.
    notes : sequence of str
        What to know of that, one line each.
    """

    output: Path
    frames: int
    issues: list[FrameIssue]
    seconds: float
    reused: int = 0
    notes: Sequence[str] = ()

    @property
    def bad(self) -> int:
        """Number of frames that are there and could not be used."""
        return sum(issue.status == FrameStatus.BAD for issue in self.issues)

    @property
    def missing(self) -> int:
        """Number of frames that are not there."""
        return sum(issue.status == FrameStatus.MISSING for issue in self.issues)

    @property
    def done(self) -> int:
        """Number of frames that are in the output."""
        return self.frames - len(self.issues)

    @property
    def rate(self) -> float:
        """Frames per second that were integrated now."""
        return (self.frames - self.reused) / max(self.seconds, 1e-9)


def check_output(output: str | Path, inputs: Iterable[str | Path] = (), *, overwrite: bool = False) -> None:
    """Refuse an output that could not be written in the end, before any work is done.

    Raises
    ------
    OutputError
        It exists and may not be replaced, is one of the inputs, or cannot be written where it shall be.
    """
    if real_path(output) in real_paths(os.fspath(name) for name in inputs):
        raise OutputError(f"{output}: is one of the inputs; choose another name for the output")
    # Creating the temporary file is the one test that tells whether it can be created.
    path = Path(output)
    Publication(path, overwrite=overwrite).discard()
    sweep(path.parent, path.name)
