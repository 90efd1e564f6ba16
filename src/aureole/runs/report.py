"""What a run is told and what it tells: options, the account of its frames, checks of the output."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from aureole.errors import FrameError, FrameMissing, OutputError
from aureole.io.nexus import Site
from aureole.io.publish import Publication
from aureole.io.sniff import real_path
from aureole.io.status import FrameStatus

if TYPE_CHECKING:
    from aureole.azimuthal.batches import FramesLike, Monitor

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
        Stop at the first frame that cannot be used, and leave nothing.
    monitor : array of shape (frames,) or callable, optional
        What the intensities of each frame are divided by, or a function that finds it in an `EncodedFrame`.
    variance : FramesLike, optional
        With the error model ``"variance"``, an image of variances for each frame.
    site : Site
        Where the data were taken.
    parameters : mapping
        Settings to be found in the output beside the spec, such as the name of the PONI file.
    progress : Progress, optional
        Told of the beginning and of every batch, in the thread of the caller.
    """

    threads: int | None = None
    overwrite: bool = False
    strict: bool = False
    monitor: Monitor | None = None
    variance: FramesLike | None = None
    site: Site = field(default_factory=Site)
    parameters: Mapping[str, str | float | int | bool] = field(default_factory=dict)
    progress: Progress | None = None

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
    """

    output: Path
    frames: int
    issues: list[FrameIssue]
    seconds: float

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
        """Frames done per second."""
        return self.done / max(self.seconds, 1e-9)


def check_output(output: str | Path, inputs: Iterable[str | Path] = (), *, overwrite: bool = False) -> None:
    """Refuse an output that could not be written in the end, before any work is done.

    Raises
    ------
    OutputError
        It exists and may not be replaced, is one of the inputs, or cannot be written where it shall be.
    """
    target = real_path(output)
    for name in inputs:
        if real_path(name) == target:
            raise OutputError(f"{output}: is one of the inputs; choose another name for the output")
    # Creating the temporary file is the one test that tells whether it can be created.
    Publication(output if isinstance(output, Path) else Path(output), overwrite=overwrite).discard()
