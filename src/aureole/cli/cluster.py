"""Options that several verbs share: who does the work."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aureole.runs.executors import Executor


def add_cluster(group: argparse._ActionsContainer) -> None:
    """Add ``--workers`` and ``--scheduler``."""
    either = group.add_mutually_exclusive_group()
    either.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="let N processes of this machine integrate, in the place of threads (needs aureole[cluster])",
    )
    either.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="let the workers of this Dask scheduler integrate, tcp://host:port (needs aureole[cluster])",
    )


def executor(args: argparse.Namespace) -> Executor | None:
    """Return who integrates; None for the threads of this process.

    Raises
    ------
    InputError
        Dask is not installed, or cannot be what is asked for.
    """
    if args.workers is None and args.scheduler is None:
        return None
    from aureole.runs.cluster import Dask

    return Dask(scheduler=args.scheduler, workers=args.workers)
