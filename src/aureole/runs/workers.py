"""What a Dask worker does of a run: it gets the work once, makes the plan once, and makes parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from socket import gethostname
from threading import Lock
from typing import Any, NamedTuple

from distributed import get_worker
from distributed.diagnostics.plugin import WorkerPlugin
from distributed.protocol.pickle import dumps, loads

from aureole.azimuthal.batches import FramesLike
from aureole.errors import AureoleError, FrameError, InputError, OutputError
from aureole.io.publish import sweep
from aureole.io.series import Frames
from aureole.io.sniff import what_is
from aureole.runs.executors import Before, Task, Work, make
from aureole.version import __version__


class Made(NamedTuple):
    """What a worker says of a part: on which machine it is and where it put it."""

    host: str
    path: str


class Given(NamedTuple):
    """A task on its way to a worker: where what was done before is, not what it is."""

    number: int
    frames: range
    generation: int
    before: Path | None


class Order(WorkerPlugin):  # type: ignore[misc]
    """What every worker gets once, whenever it joins: the work, with the plan to be made at a first task."""

    def __init__(self, work: bytes, digest: str, directory: Path, files: Sequence[str]) -> None:
        self._pickled, self._digest = work, digest
        self._version = __version__
        self._directory, self._files = directory, files

    @classmethod
    def of(cls, work: Work) -> Order:
        """Return what workers need to know of some work."""
        directory = work.parts.directory.absolute()
        parts = type(work.parts)(directory, work.parts.run)
        plan = work.plan
        # not the plan itself, which would be made with all threads of the machine at once in each worker
        content = (
            *(plan.spec, plan.backend, plan.device, work.frames, work.variance, work.monitor),
            *(parts, work.unsettled, work.strict),
        )
        files = [*_witnesses(work.frames), *_witnesses(work.variance)]
        return cls(dumps(content), plan.digest, directory, files)

    def setup(self, worker: Any) -> None:
        """Be there, on a worker that has this from now on."""
        self._threads: int = worker.state.nthreads
        self._lock = Lock()
        self._work: Work | None = None

    def teardown(self, worker: Any) -> None:
        """Remove what workers of this machine left half-written when they died."""
        sweep(self._directory)

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
        spec, backend, device, frames, variance, monitor, parts, unsettled, strict = loads(self._pickled)
        plan = spec.plan(backend, device=device, threads=self._threads)
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


def make_part(order: str, given: Given) -> Made:
    """Make a part: this is what a worker does.

    Parameters
    ----------
    order : str
        Name of the `Order` that the worker has.
    given : Given

    Raises
    ------
    InputError, OutputError
        It cannot be made there; the message names the machine.
    FrameError
        If the work is strict, a frame that cannot be used.
    """
    host = gethostname()
    try:
        plugin = get_worker().plugins.get(order)
        if plugin is None:
            raise OutputError("nothing is known there of the run any more")
        work = plugin.work()
        task = Task(given.number, given.frames, given.generation)
        if given.before is not None:
            try:
                _, rows = work.parts.read(given.before, given.number, given.frames)
            except (OSError, ValueError) as error:
                raise OutputError(f"{given.before}: cannot be read there ({error})") from None
            read = partial(work.parts.again, given.before, given.number, given.frames)
            task = replace(task, before=Before.of(given.before, rows, read))
        return Made(host, str(make(work, task, threads=1).path))
    except FrameError:
        raise
    except AureoleError as error:
        raise type(error)(f"{host}: {error}") from None
