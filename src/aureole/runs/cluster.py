"""Dask workers make the parts of a run: processes of this machine, or of as many as a cluster has."""

from __future__ import annotations

import logging
import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from time import monotonic
from typing import Any

from aureole.errors import InputError, OutputError
from aureole.io.publish import sweep
from aureole.runs.executors import Part, Task, Tell, Work
from aureole.threads import checked_threads

try:
    from distributed import Client, Future, KilledWorker, as_completed
    from distributed.utils import silence_logging_cmgr

    from aureole.runs.connection import GONE, announced, check_versions, connected, local_cluster
    from aureole.runs.workers import Given, Made, Order, make_part
except ModuleNotFoundError as _error:
    raise InputError(f"Dask is not installed ({_error}): pip install 'aureole[cluster]'") from None

_ADDRESS = re.compile(r"(tcp|tls|ws|wss|ucx)://[^/\s]+:\d+/?")
_IN_FLIGHT = 4
"""Tasks a thread: one it works on, and some that it need not wait for."""
_LOOK_AGAIN = 5.0
"""Seconds until the threads of the workers are counted anew."""
_TRIES = 3
"""How often a part is given to Dask, which itself tries several workers where one after the other dies."""


class Dask:
    """The workers of a Dask cluster, each of which makes one part at a time in each of its threads.

    They read the frames and write the parts themselves, so that all machines must see both under the same
    names. A worker that dies takes nothing with it but the parts that it was about to make; another makes
    them. Workers that join later get their share.

    Parameters
    ----------
    scheduler : str, optional
        Address of a scheduler, ``tcp://host:port``.
    workers : int, optional
        Start so many processes here instead, which end with the run. They listen on the loopback device only.
    threads : int
        Of each process that is started.
    patience : float
        Seconds to wait for the first worker of a scheduler.

    Raises
    ------
    InputError
        Neither or both of `scheduler` and `workers` are given, the address is none, or there is less than one
        worker or thread. If Dask is not installed, importing this module raises it.
    """

    def __init__(
        self,
        *,
        scheduler: str | None = None,
        workers: int | None = None,
        threads: int = 1,
        patience: float = 60.0,
    ) -> None:
        if (scheduler is None) == (workers is None):
            raise InputError("a cluster is either the address of a scheduler or a number of workers")
        if scheduler is not None and not _ADDRESS.fullmatch(scheduler):
            raise InputError(f"{scheduler!r} is no address of a scheduler, which looks like tcp://host:8786")
        if workers is not None and workers < 1:
            raise InputError(f"at least one worker is needed, not {workers}")
        self._scheduler, self._workers = scheduler, workers
        self._threads, self._patience = checked_threads(threads), patience

    def run(self, work: Work, tasks: Sequence[Task], tell: Tell) -> Generator[Part, None, None]:
        """Yield the parts as they are made.

        Raises
        ------
        InputError
            There is no such scheduler, it has no workers, or they have another version of aureole, see other
            files, or make another look-up table.
        OutputError
            A part cannot be written, or does not come through; workers die of it.
        FrameError
            If the work is strict, a frame that cannot be used.
        """
        with silence_logging_cmgr(logging.CRITICAL), ExitStack() as stack:
            stack.callback(sweep, work.parts.directory)
            address = self._scheduler
            if self._workers is not None:
                address = stack.enter_context(local_cluster(self._workers, self._threads)).scheduler_address
            assert address is not None
            client = stack.enter_context(connected(address, self._patience))
            check_versions(client)
            order = stack.enter_context(announced(client, Order.of(work)))
            yield from _Run(client, order, work, tell).parts(tasks)


class _Run:
    """Tasks on their way through a cluster; never so many that a scheduler has much to do with them."""

    def __init__(self, client: Client, order: str, work: Work, tell: Tell) -> None:
        self._client, self._order = client, order
        self._work, self._tell = work, tell
        self._ready = as_completed(loop=client.loop, with_results=True, raise_errors=False)
        self._pending: dict[Future, tuple[Task, int]] = {}
        self._room, self._looked = 0, float("-inf")

    def parts(self, tasks: Sequence[Task]) -> Iterator[Part]:
        waiting = iter(tasks)
        try:
            self._fill(waiting)
            for future, result in self._ready:
                task, tries = self._pending.pop(future)
                if isinstance(result, tuple) and isinstance(result[1], KilledWorker) and tries < _TRIES:
                    self._submit(task, tries + 1)
                    continue
                made = self._checked(future, task, result)
                self._fill(waiting)
                part = self._read(task, made)
                self._tell(len(task.todo))
                yield part
        finally:
            with suppress(Exception):
                self._client.cancel(list(self._pending), force=True)

    def _fill(self, waiting: Iterator[Task]) -> None:
        if self._client.status != "running":
            raise OutputError(GONE)
        if monotonic() > self._looked + _LOOK_AGAIN:
            self._room = _IN_FLIGHT * max(1, sum(self._client.nthreads().values()))
            self._looked = monotonic()
        while len(self._pending) < self._room and (task := next(waiting, None)) is not None:
            self._submit(task)

    def _submit(self, task: Task, tries: int = 1) -> None:
        future = self._client.submit(make_part, self._order, self._given(task), pure=False)
        self._pending[future] = task, tries
        self._ready.add(future)

    def _given(self, task: Task) -> Given:
        """Return a task to be sent; rows that an output holds, not a part, become one first."""
        before = task.before
        if before is None:
            return Given(task.number, task.frames, task.generation, None)
        directory = self._work.parts.directory
        if before.path.parent == directory:
            return Given(task.number, task.frames, task.generation, before.path.absolute())
        path = self._work.parts.publish(
            task.number, task.generation, before.read(), plan=self._work.plan.digest
        )
        return Given(task.number, task.frames, task.generation + 1, path.absolute())

    def _checked(self, future: Future, task: Task, result: Any) -> Made:
        """Return what a worker has said; raise what it has raised, or why it says nothing."""
        if isinstance(result, Made):
            return result
        frames = f"frames {task.frames.start} to {task.frames.stop - 1}"
        error = result[1] if isinstance(result, tuple) else None
        if isinstance(error, KilledWorker):
            raise OutputError(
                f"{frames}: one worker after the other died of them, at last {error.last_worker.address}; "
                "see its log, and whether it has memory enough"
            ) from None
        if future.cancelled() or not isinstance(error, Exception):
            raise OutputError(GONE)
        raise error

    def _read(self, task: Task, made: Made) -> Part:
        """Read a part as it is seen here."""
        path = self._work.parts.directory / Path(made.path).name
        try:
            label, rows = self._work.parts.read(path, task.number, task.frames)
        except FileNotFoundError:
            raise OutputError(
                f"{made.host}: {made.path} was written there and is not seen here: all machines must "
                "see the output"
            ) from None
        except (OSError, ValueError) as error:
            raise OutputError(
                f"{made.host}: {made.path} was written there and cannot be read: {error}"
            ) from None
        if label.plan != self._work.plan.digest:
            raise OutputError(f"{path}: another process makes this run with another look-up table")
        return Part(path, rows)
