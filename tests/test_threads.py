"""How many threads work: what was asked for, everywhere, and otherwise the cores that the process may use."""

import os
import threading
from pathlib import Path

import numpy as np
import pytest

import aureole
from aureole.errors import SpecError
from aureole.threads import available_threads, checked_threads


def test_cores_are_those_of_the_affinity(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 5, 7}, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert available_threads() == checked_threads(None) == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    assert available_threads() == 64
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_threads() == 1


def test_a_sound_number_of_threads():
    assert checked_threads(5) == 5
    for wrong in (0, -1):
        with pytest.raises(SpecError, match="at least one thread"):
            checked_threads(wrong)
    with pytest.raises(SpecError, match="at most 65536 threads"):
        checked_threads(10**20)


TASKS = Path("/proc/self/task")


def threads_of_this_process():
    return sum(1 for _ in TASKS.iterdir())


def most_at_work(work):
    """Do the work, and count over and over how many threads there are more than before."""
    before, most, done = threads_of_this_process() + 1, 0, threading.Event()

    def count():
        nonlocal most
        while not done.is_set():
            most = max(most, threads_of_this_process() - before)

    watcher = threading.Thread(target=count)
    watcher.start()
    try:
        work()
    finally:
        done.set()
        watcher.join()
    return most


@pytest.mark.skipif(not TASKS.is_dir(), reason="the system does not list its threads")
@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("split", ["no", "full"])
@pytest.mark.parametrize("threads", [1, 3])
def test_no_more_threads_work_than_were_asked_for(backend, split, threads):
    geometry = aureole.Geometry(aureole.detector(pixel1=1e-4, pixel2=1e-4, shape=(600, 500)), 0.1)
    spec = aureole.IntegrationSpec(
        geometry,
        radial=aureole.Axis("2th_deg", 50),
        azimuthal=aureole.Axis("chi_deg", 4),
        split=split,
        polarization_factor=0.9,
    )

    def work():
        plan = spec.plan(backend, threads=threads)
        plan.integrate(np.ones((4, 600, 500), np.int32), threads=threads)

    # The thread that asks is one of them, or waits for the others.
    assert most_at_work(work) <= (threads if threads > 1 else 0)
