"""How many threads work at once."""

from __future__ import annotations

import os
from threading import Event

from aureole.errors import SpecError

_MOST = 1 << 16

STOPPING = Event()
"""Set while the process ends because it was asked to: whoever waits for something gives up."""


def available_threads() -> int:
    """Return how many cores this process may use: those of its affinity where the system has one."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def checked_threads(threads: int | None) -> int:
    """Return the number of threads to use; all available cores without a wish.

    Raises
    ------
    SpecError
        Fewer than one, or more than any machine runs.
    """
    if threads is None:
        return available_threads()
    if threads < 1:
        raise SpecError(f"at least one thread is needed, not {threads}")
    if threads > _MOST:
        raise SpecError(f"at most {_MOST} threads can be had, not {threads}")
    return int(threads)


def share_of_memory() -> int:
    """Return how many bytes work that is under way may take: a quarter of the machine's."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4
