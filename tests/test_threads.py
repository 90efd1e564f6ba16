"""How many threads work: what was asked for, everywhere, and otherwise the cores that the process may use."""

import os
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module

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


def test_at_least_one_thread():
    assert checked_threads(5) == 5
    for wrong in (0, -1):
        with pytest.raises(SpecError, match="at least one thread"):
            checked_threads(wrong)


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("split", ["no", "full"])
def test_one_thread_means_one_for_the_plan_too(monkeypatch, backend, split):
    used = []

    class Pool(ThreadPoolExecutor):
        def __init__(self, max_workers=None, **options):
            used.append(max_workers)
            super().__init__(max_workers, **options)

    def watched(function):
        def call(*arguments):
            used.append(arguments[-1])
            return function(*arguments)

        return call

    def never():
        raise AssertionError("somebody asks for the number of cores")

    monkeypatch.setattr("aureole.azimuthal.batches.ThreadPoolExecutor", Pool)
    for place in ("_core.Table", "_core.split", "_core.extent", "geometry.fields.field"):
        home, name = place.rsplit(".", 1)
        function = getattr(import_module(f"aureole.{home}"), name)
        monkeypatch.setattr(f"aureole.{place}", watched(function))
    monkeypatch.setattr("aureole.threads.available_threads", never)
    geometry = aureole.Geometry(aureole.detector(pixel1=1e-4, pixel2=1e-4, shape=(600, 500)), 0.1)
    spec = aureole.IntegrationSpec(
        geometry,
        radial=aureole.Axis("2th_deg", 50),
        azimuthal=aureole.Axis("chi_deg", 4),
        split=split,
        polarization_factor=0.9,
    )
    plan = spec.plan(backend, threads=1)
    plan.integrate(np.ones((2, 600, 500), np.int32) if backend == "cpu" else np.ones((600, 500)), threads=1)
    assert used
    assert set(used) == {1}
