"""A run that survives what happens to it: what was done stays done, and the same command goes on from there.

The directory ``OUT.run`` holds the manifest, frozen first, and the parts. Killed at any moment, it has whole
parts or none. When the output is complete, it holds everything itself, and the directory goes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np

from aureole.azimuthal import Plan
from aureole.errors import DeviceError, OutputError
from aureole.io.finished import Finished, read_finished
from aureole.io.made_by import MadeBy
from aureole.io.names import shown
from aureole.io.series import Frames
from aureole.io.status import FrameStatus
from aureole.runs.described import digest
from aureole.runs.executors import Before, Part, Task, Threads, Work
from aureole.runs.folder import Folder
from aureole.runs.manifest import Manifest
from aureole.runs.parts import Rows
from aureole.runs.report import FrameIssue, RunOptions, RunReport
from aureole.runs.sources import Account, Files, Late, same_paths, told

_PART_BYTES = 16 << 20
_SMALLEST, _LARGEST = 16, 1024
_ATTEMPTS = 10
"""How often a process begins again when others were first."""


def directory_of(output: str | Path) -> Path:
    """Return the directory of the run that makes an output; of the directory itself, it is the same."""
    path = Path(output)
    return path if path.suffix == ".run" else path.with_name(f"{path.name}.run")


class Run:
    """What one output is made of, part by part.

    Parameters
    ----------
    plan : Plan
    frames : Frames
    output : path
    options : RunOptions
    product : mapping, optional
        What decides on the output besides the patterns: it does not concern the parts.
    stored : callable
        Finds the rows of some frames in the output of an earlier run, of which some frames are not done.

    Attributes
    ----------
    output, directory : Path
    manifest : Manifest
    status : ndarray of uint8, shape (frames,)
        How it went with each frame so far.
    messages : dict of int to str
        Name and reason of the frames that are not done.
    made_by : MadeBy
        Which backend made the others.
    reused : int
        How many frames were taken from parts of before.
    notes : list of str
        What the user should know of parts of before, one line each.
    replaces : bool
        Whether the output may take the place of one that is there.

    Raises
    ------
    OutputError
        The output, or a run that it was begun by, is of another request; or nothing can be written.
    """

    def __init__(
        self,
        plan: Plan,
        frames: Frames,
        output: Path,
        options: RunOptions,
        *,
        product: Mapping[str, object] | None = None,
        stored: Callable[[range], Rows | None],
    ) -> None:
        # what cannot go together is told before anything is written
        plan.stream(frames, variance=options.variance, monitor=options.monitor).close()
        self.output, self.directory = output, directory_of(output)
        self._stored = stored
        self._plan, self._frames, self._options = plan, frames, options
        self._wanted = Manifest.of(
            plan,
            frames,
            variance=options.variance,
            monitor=options.monitor,
            part_frames=options.part_frames or _part_frames(plan),
            command=options.command,
        )
        self._product = dict(product or {})
        self._files = Files(frames, options.variance, [source.path for source in self._wanted.sources])
        self._reset()

    def _reset(self) -> None:
        """Be at the beginning."""
        self._folder = Folder(self.directory, self._wanted, self._files, self._plan.digest)
        self.manifest = self._wanted
        self._tasks: list[Task] = []
        self._late: dict[range, Late] = {}
        self.status = np.full(len(self._frames), FrameStatus.PENDING, np.uint8)
        self.messages: dict[int, str] = {}
        self.made_by = MadeBy.nobody(len(self._frames))
        self.reused = 0
        self.notes: list[str] = []
        self.replaces = self._options.overwrite
        self._there = _identity(self.output)
        self._whole = False

    def completed(self) -> RunReport | None:
        """Return the report of the output where it is there, and no frame of it can be tried again.

        Raises
        ------
        OutputError
            There is something else of that name.
        """
        if not os.path.lexists(self.output):
            return None
        found = read_finished(self.output)
        if self._options.overwrite:
            # of the same patterns something else is to be made: another axis, other images
            self._whole = (
                found is not None
                and found.request != self.request
                and found.patterns == self.patterns
                and self._changed(found) is None
                and self._has_rows(found)
            )
            return None
        why = "" if found is None else self._differs(found)
        if found is None or why:
            made = f", and {why}" if why else ""
            raise OutputError(
                f"{self.output}: exists already{made}; choose another name or overwrite it (--overwrite)"
            )
        self._whole = self._has_rows(found)
        # of one that points at parts, the parts are read anew: they may be gone
        if not found.virtual and np.all(found.status == FrameStatus.DONE):
            self._folder.remove()
            total = len(found.status)
            return RunReport(self.output, total, [], 0.0, total, (f"{self.output} is complete already",))
        self.replaces = True
        return None

    def _has_rows(self, found: Finished) -> bool:
        """Whether the rows of an output are those that would be made now."""
        return not found.virtual and found.table == self._plan.digest

    def carry_out(self, write: Callable[[], None]) -> RunReport:
        """Make the output, unless it is there already, and return the report.

        Parameters
        ----------
        write : callable
            Takes all of `parts` and publishes the output, which holds them then.
        """
        begin = perf_counter()
        for left in reversed(range(_ATTEMPTS)):
            self._reset()
            try:
                report = self.completed()
                if report is not None:
                    return report
                self._tasks = self._folder.begin(self.output, overwrite=self._options.overwrite)
                self.manifest = self._folder.manifest
                self.notes += self._folder.notes
                write()
                break
            except BaseException as error:
                again = isinstance(error, OutputError) and self._overtaken()
                self._folder.give_up()
                if not (again and left):
                    raise
        if not self._options.virtual:
            self._folder.remove()
        return self.report(perf_counter() - begin)

    def _overtaken(self) -> bool:
        """Whether another process has made the output meanwhile, or taken the directory away."""
        made = _identity(self.output) not in (None, self._there)
        return self._folder.begun and (made or self._folder.taken_away)

    def report(self, seconds: float) -> RunReport:
        """Return how it went so far."""
        issues = []
        for frame, message in sorted(self.messages.items()):
            name = self._frames.name(frame)
            reason = message.removeprefix(f"{shown(name)}: ")
            issues.append(FrameIssue(frame, FrameStatus(self.status[frame]), name, reason))
        return RunReport(self.output, len(self.status), issues, seconds, self.reused, tuple(self.notes))

    def _differs(self, found: Finished) -> str | None:
        if found.request != self.request:
            return "was made in another way"
        return self._changed(found)

    def _changed(self, found: Finished) -> str | None:
        """Return in words which files are not those of which an output was made; None if all are."""
        now = self.manifest.sources
        if not same_paths(found.sources, now):
            return "is of other files"
        whole = Account(range(len(found.status)), found.status, {})
        held = self._files.held(found.sources, now, [whole])
        return told(held) if held else None

    @property
    def patterns(self) -> str:
        """SHA-256 of what was asked for of the patterns alone, in hexadecimal."""
        return digest(self.manifest.request)

    @property
    def request(self) -> str:
        """SHA-256 of all that was asked for, in hexadecimal."""
        return digest([self.manifest.request, self._product])

    def parts(self) -> Generator[Part, None, None]:
        """Yield every part once, in any order: those of before, and those that are made now.

        Raises
        ------
        OutputError
            The directory is of another run, or cannot be written to.
        FrameError
            As `RunOptions.strict` says.
        """
        options, total = self._options, len(self.status)
        tasks = []
        options.tell(0, total)
        for task in self._tasks:
            rows = self._stored(task.frames) if task.before is None and self._whole else None
            if rows is not None:
                again = partial(self._stored_again, task.frames)
                task = replace(task, before=Before.of(self.output, rows, again))
            if task.before is None or task.todo:
                tasks.append(task)
            else:
                yield self._noted(Part(task.before.path, rows or task.before.read()))
        done = self.reused = total - sum(len(task.todo) for task in tasks)
        if done:
            complete = len(self._tasks) - len(tasks)
            self.notes.append(
                f"went on from {complete} of {len(self._tasks)} parts, {done} of {total} frames"
            )
        if tasks:
            yield from self._made(tasks, done)
        self._take_note_of_sources()
        makers = list(self.made_by.told())
        if len(makers) > 1:
            self.notes += [f"{name} made {frames}" for name, frames in makers]

    def _stored_again(self, frames: range) -> Rows:
        """Read rows of an earlier output that were there."""
        rows = self._stored(frames)
        if rows is None:
            raise OutputError(f"{self.output}: was replaced meanwhile; the same command begins again")
        return rows

    def _made(self, tasks: Sequence[Task], done: int) -> Iterator[Part]:
        """Yield the parts that are made now."""
        options, total = self._options, len(self.status)

        def tell(more: int) -> None:
            nonlocal done
            done += more
            options.tell(done, total)

        work = Work(
            self._plan,
            self._frames,
            options.variance,
            options.monitor,
            self._folder.parts,
            self._files.unsettled(self.manifest.sources),
            strict=options.strict,
        )
        executor = options.executor or Threads(options.threads)
        try:
            with closing(executor.run(work, tasks, tell)) as made:
                for part in made:
                    yield self._noted(part)
        except DeviceError as error:
            if not self._folder.parts.listed():
                raise
            on = f"'aureole resume {self.output} --backend cpu'" if options.command else "a plan of the CPU"
            raise DeviceError(f"{error}; {on} goes on with what was done") from None

    def _take_note_of_sources(self) -> None:
        """Put down what the files were that came on the way, as the parts know it."""
        if self._late:
            accounts = [
                Account(frames, self.status[frames.start : frames.stop], self._late.get(frames, {}))
                for frames in self.manifest.parts
            ]
            sources = self._files.settled(self.manifest.sources, accounts)
            self.manifest = replace(self.manifest, sources=sources)

    def _noted(self, part: Part) -> Part:
        rows = part.rows
        self.status[rows.frames.start : rows.frames.stop] = rows.status
        self.messages |= rows.messages
        self.made_by.take(rows.frames.start, rows.made_by)
        if rows.late:
            self._late[rows.frames] = rows.late
        return part


def _identity(path: Path) -> tuple[int, int] | None:
    """Tell a file from another of the same name."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _part_frames(plan: Plan) -> int:
    """Return how many frames a part has: some seconds of work, and few enough bytes to be held in memory."""
    row = 4 * int(np.prod(plan.bins.shape)) * (1 if plan.spec.error_model is None else 2)
    return int(np.clip(_PART_BYTES // row // _SMALLEST * _SMALLEST, _SMALLEST, _LARGEST))
