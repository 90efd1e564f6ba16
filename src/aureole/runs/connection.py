"""The way to the workers of a Dask cluster: they are started or reached, compared, and told the work."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from importlib import metadata
from typing import Any

import dask
from distributed import Client, LocalCluster, Security
from distributed.comm import connect

from aureole.errors import InputError, OutputError
from aureole.runs.workers import Order
from aureole.version import __version__

GONE = "the scheduler is gone; the parts that were made are kept, and the same command goes on from them"
_PATIENCE = 10.0
"""Seconds until a scheduler must have answered."""
_ORDERS = "aureole-"
"""How the names of orders begin; the client's follows."""
_TRIES = 3
"""How often an order is given to the workers, of which some may die just then."""
_PRELOAD = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
"""What a worker here does first: Ctrl-C is for the process that started it, and would end both at once."""


@contextmanager
def local_cluster(workers: int, threads: int = 1) -> Iterator[LocalCluster]:
    """Start a scheduler and workers on this machine, and stop them at the end of the block.

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
    # 15 s after a worker died Dask ends for good what stands in for it, if that is just starting
    with dask.config.set({"distributed.deploy.lost-worker-timeout": "365 days"}), cluster:
        yield cluster


@contextmanager
def connected(scheduler: str, patience: float) -> Iterator[Client]:
    """Be connected to a scheduler that has workers.

    Parameters
    ----------
    scheduler : str
        Its address.
    patience : float
        Seconds to wait for its first worker.

    Raises
    ------
    InputError
        There is no such scheduler, or it has no workers.
    """
    _reach(scheduler)
    with Client(scheduler, timeout=_PATIENCE, set_as_default=False) as client:
        try:
            client.wait_for_workers(1, timeout=patience)
        except TimeoutError:
            raise InputError(
                f"{scheduler}: the scheduler has had no worker for {patience:g} s; start some "
                f"(dask worker {scheduler})"
            ) from None
        yield client


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


def check_versions(client: Client) -> None:
    """Raise `InputError` if the workers that are there have another aureole, or none."""
    found = client.run(metadata.version, "aureole", on_error="return")
    for address, version in found.items():
        # a worker that went meanwhile has none
        if version != __version__ and not isinstance(version, OSError):
            told = f"aureole {version}" if isinstance(version, str) else f"no aureole ({version})"
            raise InputError(f"the worker at {address} has {told}, and here it is {__version__}")


@contextmanager
def announced(client: Client, order: Order) -> Iterator[str]:
    """Give all workers an order, and yield its name: no other process uses it, be it for the same run.

    Raises
    ------
    OutputError
        They cannot be given it.
    """
    _forget_the_dead(client)
    name = f"{_ORDERS}{client.id}"
    try:
        _give(client, order, name)
        yield name
    finally:
        with suppress(Exception):  # the scheduler may be gone
            if client.status == "running":
                client.unregister_worker_plugin(name)


def _give(client: Client, order: Order, name: str) -> None:
    for left in reversed(range(_TRIES)):
        try:
            client.register_plugin(order, name=name)
            return
        except OSError as error:  # a worker has died meanwhile, and the others may not have it yet
            if client.status != "running":
                raise OutputError(GONE) from None
            if not left:
                raise OutputError(
                    f"workers are lost while they are given the work ({error}); see their logs, and whether "
                    "they have memory enough"
                ) from None


def _forget_the_dead(client: Client) -> None:
    """Take back the orders of processes that were killed: workers would keep their plans for ever."""
    prefix = _ORDERS

    def left(dask_scheduler: Any) -> list[str]:
        """Be sent by value, as no function of a module is: a scheduler need not have aureole."""
        names = [name for name in dask_scheduler.worker_plugins if name.startswith(prefix)]
        return [name for name in names if name.removeprefix(prefix) not in dask_scheduler.clients]

    for name in client.run_on_scheduler(left):
        with suppress(ValueError, OSError):  # another process has done it meanwhile, or a worker dies now
            client.unregister_worker_plugin(name)
