"""Who integrates the parts of a run: the threads of this process, or the workers of a cluster."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from aureole.azimuthal import Batch, Plan
from aureole.azimuthal.batches import FramesLike, Monitor
from aureole.errors import DeviceError
from aureole.frames import EncodedFrame
from aureole.io.names import shown
from aureole.io.status import FrameStatus
from aureole.runs.parts import Parts, Rows
from aureole.runs.report import FrameIssue
from aureole.runs.sources import Late, Unsettled, late_facts

Tell = Callable[[int], None]
"""Told how many more frames are accounted for."""


@dataclass(frozen=True, eq=False)
class Work:
    """What is done with every frame of a run, wherever that is; it can be sent to other machines.

    Attributes
    ----------
    plan : Plan
    frames : FramesLike
        All of them; a lazy source.
    variance, monitor
        As for `Plan.integrate`.
    parts : Parts
        Where the results go.
    unsettled : mapping
        Files that may be others until their frames are read: see `aureole.runs.sources`.
    strict : bool
        Whether a frame that cannot be used ends the run.
    """

    plan: Plan
    frames: FramesLike
    variance: FramesLike | None
    monitor: Monitor | None
    parts: Parts
    unsettled: Unsettled
    strict: bool = False


@dataclass(frozen=True, eq=False)
class Before:
    """What an earlier run has done of a part: how it went, without the rows.

    Attributes
    ----------
    path : Path
        Where the rows are: in a part, or in an output.
    status : ndarray of uint8, shape (len(frames),)
    messages : dict of int to str
    late : dict of int to (int, int)
        As in `Rows`.
    read : callable
        Reads the rows, as often as it is called; raises `OutputError` if they are gone.
    """

    path: Path
    status: NDArray[np.uint8]
    messages: Mapping[int, str]
    late: Late
    read: Callable[[], Rows]

    @classmethod
    def of(cls, path: Path, rows: Rows, read: Callable[[], Rows]) -> Before:
        """Take down how it went with rows, which are not kept."""
        return cls(path, rows.status.copy(), dict(rows.messages), dict(rows.late), read)


@dataclass(frozen=True, eq=False)
class Task:
    """A part that is to be made.

    Attributes
    ----------
    number : int
        Of the part.
    frames : range
        Those of the part.
    generation : int
        What it will be published as.
    before : Before or None
        How far an earlier run came with it.
    """

    number: int
    frames: range
    generation: int = 1
    before: Before | None = None

    @property
    def todo(self) -> Sequence[int]:
        """The frames that are still to be integrated."""
        if self.before is None:
            return self.frames
        return [self.frames[row] for row in np.flatnonzero(self.before.status != FrameStatus.DONE)]


class Part(NamedTuple):
    """A part that is published: where, and what is in it."""

    path: Path
    rows: Rows


class Executor(Protocol):
    """Makes parts."""

    def run(self, work: Work, tasks: Sequence[Task], tell: Tell) -> Generator[Part, None, None]:
        """Yield the parts of all tasks as they are published, in any order.

        Raises
        ------
        FrameError
            If the work is strict, the first frame that cannot be used.
        OutputError
            A part cannot be written.
        """
        ...


class Threads:
    """The threads of this process.

    Parameters
    ----------
    threads : int, optional
        How many integrate; all available cores without it.
    """

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads

    def run(self, work: Work, tasks: Sequence[Task], tell: Tell) -> Generator[Part, None, None]:
        """Yield the parts in order; one is written and checked while the next is integrated."""
        waiting: deque[Future[Part]] = deque()
        with ThreadPoolExecutor(1, thread_name_prefix="aureole-parts") as writer:
            try:
                for task, rows in _integrated(work, tasks, self._threads, tell):
                    waiting.append(writer.submit(publish, work, task, rows))
                    while len(waiting) > 2 or (waiting and waiting[0].done()):
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            except DeviceError:
                wait(waiting)  # these parts are done: what goes on elsewhere need not make them again
                raise
            finally:
                for future in waiting:
                    future.cancel()


def make(work: Work, task: Task, threads: int | None = None) -> Part:
    """Make one part, here and now."""
    ((_, rows),) = _integrated(work, [task], threads, lambda _: None)
    return publish(work, task, rows)


def publish(work: Work, task: Task, rows: Rows) -> Part:
    """Publish what was made of a task, unless it is no more than there was before."""
    new = rows.status == FrameStatus.DONE
    if task.before is not None:
        if np.array_equal(rows.status, task.before.status):
            rows.messages = dict(task.before.messages)
            return Part(task.before.path, rows)
        new &= task.before.status != FrameStatus.DONE
    late = late_facts((work.frames, work.variance), task.frames, new, work.unsettled)
    rows.late = dict(sorted((late | rows.late).items()))
    path = work.parts.publish(task.number, task.generation, rows, plan=work.plan.digest)
    return Part(path, rows)


def _integrated(
    work: Work, tasks: Sequence[Task], threads: int | None, tell: Tell
) -> Iterator[tuple[Task, Rows]]:
    """Integrate the frames of some tasks as one series, and yield the rows of each task when it is done."""
    todo = np.concatenate([np.asarray(task.todo, np.intp) for task in tasks])
    ends = np.cumsum([len(task.todo) for task in tasks])
    monitor = work.monitor
    if monitor is not None and not callable(monitor):
        monitor = np.asarray(monitor)[todo]
    stream = work.plan.stream(
        _Chosen(work.frames, todo),
        variance=None if work.variance is None else _Chosen(work.variance, todo),
        monitor=monitor,
        threads=threads,
    )
    current = 0
    rows = _begun(work, tasks[0])
    with closing(stream) as batches:
        for batch in batches:
            if work.strict and batch.failures:
                raise next(iter(batch.failures.values()))
            first = batch.frames.start
            while first < batch.frames.stop:
                stop = min(batch.frames.stop, int(ends[current]))
                at = _fill(rows, batch, todo, range(first, stop))
                rows.made_by.put(at, work.plan.computed_by)
                first = stop
                if stop == ends[current]:
                    yield tasks[current], rows
                    current += 1
                    if current < len(tasks):
                        rows = _begun(work, tasks[current])
            tell(len(batch.frames))


def _begun(work: Work, task: Task) -> Rows:
    if task.before is not None:
        return task.before.read()
    plan = work.plan
    return Rows.empty(
        task.frames,
        plan.bins.shape,
        sigma=plan.spec.error_model is not None,
        monitor=work.monitor is not None,
    )


def _fill(rows: Rows, batch: Batch, todo: NDArray[np.intp], places: range) -> NDArray[np.intp]:
    """Put the frames of a batch that are at these places of the series into rows; return which are done."""
    mine = slice(*np.searchsorted(batch.rows, (places.start, places.stop)))
    at = todo[batch.rows[mine]] - rows.frames.start
    # what float32 cannot hold is infinite
    with np.errstate(over="ignore"):
        rows.intensity[at] = batch.result.intensity[mine]
        if rows.sigma is not None and batch.result.sigma is not None:
            rows.sigma[at] = batch.result.sigma[mine]
    if rows.monitor is not None:
        rows.monitor[at] = batch.monitor[mine]
    rows.status[at] = FrameStatus.DONE
    for frame in at if rows.messages else ():
        rows.messages.pop(rows.frames[frame], None)
    for place, error in batch.failures.items():
        if place in places:
            issue = FrameIssue.of(int(todo[place]), error)
            rows.status[issue.index - rows.frames.start] = issue.status
            rows.messages[issue.index] = shown(f"{issue.name}: {issue.reason}")
    return at


class _Chosen:
    """Some of a series of frames."""

    def __init__(self, frames: Any, chosen: NDArray[np.intp]) -> None:
        self._frames, self._chosen = frames, chosen

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, index: int, /) -> EncodedFrame:
        frame: EncodedFrame = self._frames[int(self._chosen[index])]
        return frame

    def __iter__(self) -> Iterator[EncodedFrame]:
        return (self[index] for index in range(len(self)))
