"""A run that survives what happens to it: what was done stays done, and the same command goes on from there.

The directory ``OUT.run`` holds the manifest, frozen first, and the parts. Killed at any moment, it has whole
parts or none. When the output is complete, it holds everything itself, and the directory goes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from aureole.azimuthal import Plan
from aureole.errors import OutputError
from aureole.io.finished import Finished, read_finished
from aureole.io.names import shown
from aureole.io.nexus import Source
from aureole.io.publish import AlreadyThereError, sweep, unwritable
from aureole.io.series import Frames
from aureole.io.sniff import what_is
from aureole.io.status import FrameStatus
from aureole.runs.executors import Part, Task, Threads, Work
from aureole.runs.manifest import Manifest, changed, digest
from aureole.runs.parts import Parts, Rows, let_go
from aureole.runs.report import FrameIssue, RunOptions, RunReport

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
        self._reset()

    def _reset(self) -> None:
        """Be at the beginning."""
        self.manifest = self._wanted
        self.status = np.full(len(self._frames), FrameStatus.PENDING, np.uint8)
        self.messages: dict[int, str] = {}
        self.reused = 0
        self.notes: list[str] = []
        self.replaces = self._options.overwrite
        self._there = _identity(self.output)
        self._begun = self._whole = False

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
                and self._changed(found.sources, found.status) is None
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
            self._remove()
            total = len(found.status)
            return RunReport(self.output, total, [], 0.0, total, (f"{self.output} is complete already",))
        self.replaces = True
        return None

    def _has_rows(self, found: Finished) -> bool:
        """Whether the rows of an output are those that would be made now."""
        return not found.virtual and found.table == (self._plan.digest, self._plan.backend)

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
                self._begin()
                write()
                break
            except BaseException as error:
                again = isinstance(error, OutputError) and self._overtaken()
                self._give_up()
                if not (again and left):
                    raise
        if not self._options.virtual:
            self._remove()
        return self.report(perf_counter() - begin)

    def _overtaken(self) -> bool:
        """Whether another process has made the output meanwhile, or taken the directory away."""
        made = _identity(self.output) not in (None, self._there)
        return self._begun and (made or not self.directory.is_dir())

    def _give_up(self) -> None:
        """Remove the directory if it is that of this run and not one part is in it."""
        with suppress(OutputError):
            there = Manifest.load(self.directory)
            mine = there is None or there.run == self.manifest.run
            if self._begun and mine and not Parts(self.directory, self.manifest.run).listed():
                self._remove()

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
        return self._changed(found.sources, found.status)

    def _changed(self, before: Sequence[Source], status: NDArray[np.uint8]) -> str | None:
        """Return in words which files are not those of before; None if no frame that is done came from them.

        A file that was not there, or was half copied, is another one when its frames are tried again.
        """
        if changed(before, self.manifest.sources) is None:
            return None
        used, known = set(), set()
        for series in (self._frames, self._options.variance):
            if isinstance(series, Frames):
                for place, state in zip(series.addresses(), status, strict=True):
                    known.add(place.path)
                    if state == FrameStatus.DONE:
                        used.add(place.path)
        return changed(before, self.manifest.sources, fresh=known - used)

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
        parts = Parts(self.directory, self.manifest.run)
        tasks = []
        listed = parts.listed()
        options.tell(0, total)
        for number, frames in enumerate(self.manifest.parts):
            task = self._task(parts, number, frames, listed.get(number, {}))
            if task.before is None and self._whole:
                task = replace(task, before=self._stored(frames), path=self.output)
            if task.before is not None and task.path is not None and not task.todo:
                yield self._noted(Part(task.path, task.before))
            else:
                tasks.append(task)
        done = self.reused = total - sum(len(task.todo) for task in tasks)
        if done:
            complete = len(self.manifest.parts) - len(tasks)
            self.notes.append(
                f"went on from {complete} of {len(self.manifest.parts)} parts, {done} of {total} frames"
            )
        if tasks:
            yield from self._made(tasks, parts, done)
            self._take_note_of_sources()

    def _made(self, tasks: Sequence[Task], parts: Parts, done: int) -> Iterator[Part]:
        """Yield the parts that are made now."""
        options, total = self._options, len(self.status)

        def tell(more: int) -> None:
            nonlocal done
            done += more
            options.tell(done, total)

        work = Work(self._plan, self._frames, options.variance, options.monitor, parts, strict=options.strict)
        executor = options.executor or Threads(options.threads)
        with closing(executor.run(work, tasks, tell)) as made:
            for part in made:
                yield self._noted(part)

    def _take_note_of_sources(self) -> None:
        """Put down what files are that came on the way: of a scan under way, all but the first."""
        found = [Source.of(one.path) if one.bytes is None else one for one in self.manifest.sources]
        now = self.manifest.with_sources(found)
        if now.sources != self.manifest.sources:
            now.save(self.directory, overwrite=True)
            self.manifest = now

    def _noted(self, part: Part) -> Part:
        rows = part.rows
        self.status[rows.frames.start : rows.frames.stop] = rows.status
        self.messages |= rows.messages
        return part

    def _task(self, parts: Parts, number: int, frames: range, generations: Mapping[int, Path]) -> Task:
        """Return what is to be done for a part, from the newest of its generations that is sound."""
        newest = max(generations, default=0)
        for generation in sorted(generations, reverse=True):
            path = generations[generation]
            try:
                label, rows = parts.read(path, number, frames)
            except (OSError, ValueError) as error:
                self.notes.append(f"{path.name} is damaged ({error}): it is made again")
                continue
            if (label.plan, label.backend) != (self._plan.digest, self._plan.backend):
                self.notes.append(f"{path.name} was made with another look-up table: it is made again")
                continue
            return Task(number, frames, newest + 1, rows, path)
        return Task(number, frames, newest + 1)

    def _begin(self) -> None:
        """Freeze the manifest, or take up the one that is there."""
        try:
            self.directory.mkdir(exist_ok=True)
        except OSError as error:
            if what_is(self.directory) != "nothing":
                raise OutputError(
                    f"{self.directory}: is a file, where the folder of the run must be"
                ) from None
            raise OutputError(unwritable(self.directory, error)) from None
        self._begun = True
        sweep(self.directory)
        before = Manifest.load(self.directory)
        if before is not None and (why := self._differs_from(before)):
            if not self._options.overwrite:
                raise OutputError(f"{self.directory}: {why}, or begin anew with --overwrite")
            if (found := read_finished(self.output)) is not None and found.virtual:
                self.output.unlink(missing_ok=True)  # rather than that it points at nothing
            let_go(Parts(self.directory, before.run).remove(), None)
            Manifest.remove(self.directory)
            before = None
        if before is None:
            try:
                self.manifest.save(self.directory)
                return
            except AlreadyThereError:  # another process began the same
                before = Manifest.load(self.directory)
            if before is None or self._differs_from(before):
                raise OutputError(
                    f"{self.directory}: another process works there on something else; choose another name"
                )
        now = before.with_sources(self.manifest.sources)
        if now.sources != before.sources:
            now.save(self.directory, overwrite=True)
        self.manifest = now

    def _differs_from(self, before: Manifest) -> str | None:
        """Return in words why what is wanted now is not the run that is there, and what to do."""
        if why := before.differs(self.manifest):
            then, now = before.request, self.manifest.request
            known = any(then.get(key) != now[key] for key in ("frames", "places"))
            if then.get("version") == now["version"] and (known or before.command != self.manifest.command):
                return f"{why}; finish that run with 'aureole resume {self.output}'"
            return f"{why}; restore what it was begun with"
        if changed(before.sources, self.manifest.sources) is None:
            return None
        parts = Parts(self.directory, before.run)
        listed = parts.listed()
        status = np.concatenate(
            [
                np.full(len(frames), FrameStatus.PENDING, np.uint8)
                if task.before is None
                else task.before.status
                for number, frames in enumerate(before.parts)
                for task in (self._task(parts, number, frames, listed.get(number, {})),)
            ]
        )
        self.notes.clear()  # they come again when the parts are read to be used
        why = self._changed(before.sources, status)
        return why and f"{why}; restore them"

    def _remove(self) -> None:
        with suppress(OSError):
            if Manifest.request_in(self.directory) in (None, self.manifest.request):
                held = Parts(self.directory, self.manifest.run).remove()
                Manifest.remove(self.directory)
                left = None
                try:
                    self.directory.rmdir()
                except OSError:  # network file systems keep a name for an open file, and with it the folder
                    left = self.directory
                let_go(held, left)


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
