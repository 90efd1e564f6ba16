"""Dask workers make the parts of a run: processes of this machine, or of as many as a cluster has."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from importlib import metadata
from pathlib import Path
from socket import gethostname
from threading import Lock
from time import monotonic
from typing import Any, NamedTuple

from aureole.azimuthal.batches import FramesLike
from aureole.errors import AureoleError, FrameError, InputError, OutputError
from aureole.io.publish import sweep
from aureole.io.series import Frames
from aureole.io.sniff import what_is
from aureole.runs.executors import Before, Part, Task, Tell, Work, make
from aureole.threads import checked_threads
from aureole.version import __version__

try:
    import dask
    from distributed import Client, Future, KilledWorker, LocalCluster, Security, as_completed, get_worker
    from distributed.comm import connect
    from distributed.diagnostics.plugin import WorkerPlugin
    from distributed.protocol.pickle import dumps, loads
    from distributed.utils import silence_logging_cmgr
except ModuleNotFoundError as _error:
    raise InputError(f"Dask is not installed ({_error}): pip install 'aureole[cluster]'") from None

_ADDRESS = re.compile(r"(tcp|tls|ws|wss|ucx)://[^/\s]+:\d+/?")
_GONE = "the scheduler is gone; the parts that were made are kept, and the same command goes on from them"
_PATIENCE = 10.0
"""Seconds until a scheduler must have answered."""
_IN_FLIGHT = 4
"""Tasks a thread: one it works on, and some that it need not wait for."""
_LOOK_AGAIN = 5.0
"""Seconds until the threads of the workers are counted anew."""
_PRELOAD = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
"""What a worker here does first: Ctrl-C is for the process that started it, and would end both at once."""
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
            client = stack.enter_context(self._connected(work.parts.directory))
            _check_versions(client)
            stack.enter_context(_announced(client, _Order.of(work)))
            yield from _Run(client, work, tell).parts(tasks)

    @contextmanager
    def _connected(self, directory: Path) -> Iterator[Client]:
        if self._scheduler is None:
            yield from self._local(directory)
            return
        _reach(self._scheduler)
        with Client(self._scheduler, timeout=_PATIENCE, set_as_default=False) as client:
            try:
                client.wait_for_workers(1, timeout=self._patience)
            except TimeoutError:
                raise InputError(
                    f"{self._scheduler}: the scheduler has had no worker for {self._patience:g} s; start "
                    f"some (dask worker {self._scheduler})"
                ) from None
            yield client

    def _local(self, directory: Path) -> Iterator[Client]:
        assert self._workers is not None
        try:
            with (
                local_cluster(self._workers, self._threads) as cluster,
                Client(cluster, set_as_default=False) as client,
            ):
                yield client
        finally:
            sweep(directory)


@contextmanager
def local_cluster(workers: int, threads: int = 1) -> Iterator[LocalCluster]:
    """Start a scheduler and workers on this machine, as `Dask` does, and stop them at the end of the block.

    Raises
    ------
    InputError
        They do not start.
    """
    try:
        # Dask's setting would give each batch's memory back to the system, to be asked for and cleared again
        with dask.config.set({"distributed.nanny.pre-spawn-environ": {}}):
            cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=threads,
                host="127.0.0.1",
                dashboard_address=None,
                scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
                preload=[_PRELOAD],
                memory_limit=0,
                silence_logs=logging.CRITICAL,
            )
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"no worker can be started ({error}); a script that starts some does so below "
            "if __name__ == '__main__':"
        ) from None
    with cluster:
        yield cluster


class _Made(NamedTuple):
    """What a worker says of a part: on which machine it is and where it put it."""

    host: str
    path: str


class _Given(NamedTuple):
    """A task on its way to a worker: where what was done before is, not what it is."""

    number: int
    frames: range
    generation: int
    before: Path | None


class _Order(WorkerPlugin):  # type: ignore[misc]
    """What every worker gets once, whenever it joins: the work, with the plan to be made at a first task."""

    def __init__(self, name: str, work: bytes, digest: str, directory: Path, files: Sequence[str]) -> None:
        self.name = name
        self._pickled, self._digest = work, digest
        self._version = __version__
        self._directory, self._files = directory, files

    @classmethod
    def of(cls, work: Work) -> _Order:
        directory = work.parts.directory.absolute()
        parts = type(work.parts)(directory, work.parts.run)
        plan = work.plan
        # not the plan itself, which would be made with all threads of the machine at once in each worker
        content = (
            *(plan.spec, plan.backend, work.frames, work.variance, work.monitor),
            *(parts, work.unsettled, work.strict),
        )
        files = [*_witnesses(work.frames), *_witnesses(work.variance)]
        return cls(f"aureole-{work.parts.run}", dumps(content), plan.digest, directory, files)

    def setup(self, worker: Any) -> None:
        self._threads: int = worker.state.nthreads
        self._lock = Lock()
        self._work: Work | None = None

    def work(self) -> Work:
        """Return what is to be done, ready.

        Raises
        ------
        InputError, OutputError
            Here it cannot be done.
        """
        with self._lock:
            if self._work is None:
                self._work = self._made_ready()
            return self._work

    def _made_ready(self) -> Work:
        if __version__ != self._version:
            raise InputError(f"there is aureole {__version__}, and the run is of {self._version}")
        if what_is(self._directory) != "folder":
            raise OutputError(f"{self._directory} is not seen there: all machines must see the output")
        for path in self._files:
            if what_is(path) == "nothing":
                raise InputError(f"{path} is not seen there: all machines must see the frames")
        spec, backend, frames, variance, monitor, parts, unsettled, strict = loads(self._pickled)
        plan = spec.plan(backend, threads=self._threads)
        if plan.digest != self._digest:
            raise InputError(
                "another look-up table is made there, since the processor or the mathematical library is "
                "another: let machines of one kind make a run"
            )
        return Work(plan, frames, variance, monitor, parts, unsettled, strict=strict)


def _witnesses(frames: FramesLike | None) -> list[str]:
    """Return some files of the frames that are there: if another machine does not see them, it sees none."""
    if not isinstance(frames, Frames):
        return []
    items = frames.origin.items
    some = dict.fromkeys(items[place].path for place in (0, len(items) // 2, -1))
    return [path for path in some if what_is(path) != "nothing"]


def _reach(scheduler: str) -> None:
    """Raise `InputError` unless there is a scheduler; a client would wait for an answer for ever."""

    async def reach() -> None:
        comm = await connect(scheduler, timeout=_PATIENCE, **Security().get_connection_args("client"))
        comm.abort()

    async def in_time() -> None:
        await asyncio.wait_for(reach(), _PATIENCE)

    with ThreadPoolExecutor(1) as apart:  # the caller may have an event loop of its own, as notebooks do
        # whatever speaks another language there may raise anything
        error = apart.submit(asyncio.run, in_time()).exception()
    if error is not None:
        why = (isinstance(error, OSError) and str(error)) or "no answer of a scheduler"
        raise InputError(f"{scheduler}: no Dask scheduler is reached ({why})") from None


def _check_versions(client: Client) -> None:
    """Raise `InputError` if the workers that are there have another aureole, or none."""
    found = client.run(metadata.version, "aureole", on_error="return")
    for address, version in found.items():
        # a worker that went meanwhile has none
        if version != __version__ and not isinstance(version, OSError):
            told = f"aureole {version}" if isinstance(version, str) else f"no aureole ({version})"
            raise InputError(f"the worker at {address} has {told}, and here it is {__version__}")


@contextmanager
def _announced(client: Client, order: _Order) -> Iterator[None]:
    client.register_plugin(order, name=order.name)
    try:
        yield
    finally:
        # of two processes that make the same run one comes first, and a scheduler may be gone
        with suppress(Exception):
            if client.status == "running":
                client.unregister_worker_plugin(order.name)


def _make(order: str, given: _Given) -> _Made:
    """Make a part: this is what a worker does."""
    host = gethostname()
    try:
        plugin = get_worker().plugins.get(order)
        if plugin is None:
            raise OutputError("another process has ended the run")
        work = plugin.work()
        task = Task(given.number, given.frames, given.generation)
        if given.before is not None:
            try:
                _, rows = work.parts.read(given.before, given.number, given.frames)
            except (OSError, ValueError) as error:
                raise OutputError(f"{given.before}: cannot be read there ({error})") from None
            read = partial(work.parts.again, given.before, given.number, given.frames)
            task = replace(task, before=Before.of(given.before, rows, read))
        return _Made(host, str(make(work, task, threads=1).path))
    except FrameError:
        raise
    except AureoleError as error:
        raise type(error)(f"{host}: {error}") from None


class _Run:
    """Tasks on their way through a cluster; never so many that a scheduler has much to do with them."""

    def __init__(self, client: Client, work: Work, tell: Tell) -> None:
        self._client, self._work, self._tell = client, work, tell
        self._order = f"aureole-{work.parts.run}"
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
            raise OutputError(_GONE)
        if monotonic() > self._looked + _LOOK_AGAIN:
            self._room = _IN_FLIGHT * max(1, sum(self._client.nthreads().values()))
            self._looked = monotonic()
        while len(self._pending) < self._room and (task := next(waiting, None)) is not None:
            self._submit(task)

    def _submit(self, task: Task, tries: int = 1) -> None:
        future = self._client.submit(_make, self._order, self._given(task), pure=False)
        self._pending[future] = task, tries
        self._ready.add(future)

    def _given(self, task: Task) -> _Given:
        """Return a task to be sent; rows that an output holds, not a part, become one first."""
        before = task.before
        if before is None:
            return _Given(task.number, task.frames, task.generation, None)
        directory = self._work.parts.directory
        if before.path.parent == directory:
            return _Given(task.number, task.frames, task.generation, before.path.absolute())
        plan = self._work.plan
        path = self._work.parts.publish(
            task.number, task.generation, before.read(), plan=plan.digest, backend=plan.backend
        )
        return _Given(task.number, task.frames, task.generation + 1, path.absolute())

    def _checked(self, future: Future, task: Task, result: Any) -> _Made:
        """Return what a worker has said; raise what it has raised, or why it says nothing."""
        if isinstance(result, _Made):
            return result
        frames = f"frames {task.frames.start} to {task.frames.stop - 1}"
        error = result[1] if isinstance(result, tuple) else None
        if isinstance(error, KilledWorker):
            raise OutputError(
                f"{frames}: one worker after the other died of them, at last {error.last_worker.address}; "
                "see its log, and whether it has memory enough"
            ) from None
        if future.cancelled() or not isinstance(error, Exception):
            raise OutputError(_GONE)
        raise error

    def _read(self, task: Task, made: _Made) -> Part:
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
