"""A run that is begun on one backend and finished on another: a card is lost, or another machine goes on."""

import shutil
import sys
from types import ModuleType, SimpleNamespace

import h5py
import numpy as np
import pytest

from aureole.cli import main
from aureole.errors import DeviceError
from aureole.kernels import registry
from aureole.kernels.opencl_device import Device, choose

LOST = "OpenCL device Card was lost"


@pytest.fixture
def opencl() -> Device:
    try:
        return choose(None)[0]
    except DeviceError as error:
        pytest.skip(str(error))


@pytest.fixture(params=["card", "opencl"])
def device(request, monkeypatch):
    """Something that the backend "opencl" computes on; it is lost with the frame `lost_at`."""
    state = SimpleNamespace(lost_at=None)

    def before(frames):
        if any(f"f_{state.lost_at:03}.cbf" in frame.name for frame in frames if state.lost_at is not None):
            raise DeviceError(LOST)

    if request.param == "card":
        request.getfixturevalue("card").before = before
        state.name = "opencl (Card)"
        return state
    state.name = f"opencl ({request.getfixturevalue('opencl').name})"
    whole = registry.backend("integrate", "opencl")

    def integrate(table, frames, **options):
        before(frames)
        return whole(table, frames, **options)

    module = ModuleType("losing_of_the_tests")
    module.integrate = integrate
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(registry._ROWS, ("integrate", "opencl"), f"{module.__name__}:integrate")
    return state


@pytest.fixture
def job(device, scan, tmp_path, capsys, monkeypatch):
    """Commands on a scan of 24 frames, number 5 of which is missing, in three parts."""
    home = tmp_path / "home"
    shutil.copytree(scan, home)
    monkeypatch.chdir(home)

    def run(*argv):
        code = main([str(word) for word in argv])
        said = capsys.readouterr()
        return SimpleNamespace(code=code, out=said.out, err=said.err)

    def integrate(backend, out="out.h5", *more):
        return run(
            *("integrate", "frames/f_%03d.cbf", "--poni", "tiny.poni", "-o", out, "--npt", 12),
            *("--part-frames", 8, "--threads", 1, "--error-model", "poisson", "--backend", backend, *more),
        )

    def made(path="out.h5"):
        with h5py.File(home / path) as file:
            who = file["entry/frame_backend"]
            names = [*who.attrs["names"], None]
            rows = [file[f"entry/data/{name}"][()] for name in ("I", "I_errors")]
            return rows, [names[number] for number in who[()]]

    def lose():
        device.lost_at = 20
        done = integrate("opencl")
        device.lost_at = None
        assert done.code == 2
        return done

    return SimpleNamespace(home=home, run=run, integrate=integrate, made=made, lose=lose, device=device)


def agree(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-7, equal_nan=True)  # a float32's last bit


def test_a_lost_device_ends_the_run_and_the_processor_goes_on(job):
    done = job.lose()
    assert done.err.count("\n") == 1
    assert f"{LOST}; 'aureole resume out.h5 --backend cpu' goes on with what was done" in done.err
    assert len(list((job.home / "out.h5.run").glob("part-*.h5"))) == 2
    assert f"{job.device.name}: 15 frames (0 to 4, 6 to 15)" in job.run("info", "out.h5.run").out
    done = job.run("resume", "out.h5", "--backend", "cpu")
    assert done.code == 1, done.err
    assert "went on from 1 of 3 parts, 15 of 24 frames" in done.err
    rows, names = job.made()
    assert names == [None if i == 5 else job.device.name if i < 16 else "cpu" for i in range(24)]
    assert job.integrate("cpu", "whole.h5").code == 1
    agree(rows, job.made("whole.h5")[0])
    said = job.run("info", "out.h5").out
    assert f"{job.device.name}: 15 frames (0 to 4, 6 to 15)" in said
    assert "cpu: 8 frames (16 to 23)" in said
    assert f"note: {job.device.name} made 15 frames" in done.err


def test_the_processor_begins_and_a_device_goes_on(job, forge, images):
    assert job.integrate("cpu").code == 1
    forge.write_frame(job.home / "frames", 5, images[5])
    done = job.run("resume", "out.h5", "--backend", "opencl")
    assert done.code == 0, done.err
    rows, names = job.made()
    assert names == [job.device.name if i == 5 else "cpu" for i in range(24)]
    assert job.integrate("opencl", "whole.h5").code == 0
    agree(rows, job.made("whole.h5")[0])


def test_the_command_itself_goes_on_with_another_backend(job):
    job.lose()
    assert job.integrate("reference").code == 1
    assert set(job.made()[1]) == {None, job.device.name, "reference"}


def test_a_map_says_what_made_it(job):
    argv = ("map", "frames/f_%03d.cbf", "--poni", "tiny.poni", "-o", "map.h5", "--npt", 12, "--shape", "4,6")
    assert job.run(*argv, "--part-frames", 8, "--backend", "opencl").code == 1
    assert job.device.name in job.run("info", "map.h5").out
    with h5py.File(job.home / "map.h5") as file:
        assert file["entry/frame_backend"][5] == -1


def test_nothing_is_left_of_a_run_that_was_lost_before_its_first_part(job):
    job.device.lost_at = 0
    done = job.integrate("opencl")
    assert (done.code, done.err) == (2, f"aureole integrate: error: {LOST}\n")
    assert not (job.home / "out.h5.run").exists()


@pytest.mark.parametrize("backends", [("opencl", "cpu"), ("cpu", "opencl")])
def test_a_killed_run_goes_on_elsewhere(backends, forge, scan, tmp_path, opencl):
    home = tmp_path / "home"
    shutil.copytree(scan, home)
    begin, end = backends

    def run(*more, **options):
        argv = ("integrate", "frames/f_%03d.cbf", "--poni", "tiny.poni", "--npt", 12, "--threads", 1)
        return forge.run(*argv, "--part-frames", 4, *more, cwd=home, **options)

    killed = run("-o", "out.h5", "--backend", begin, place="link part-000003-g1.h5 0", how="before")
    assert killed.code == -9
    done = forge.run("resume", "out.h5", "--backend", end, cwd=home)
    assert done.code == 1, done.err
    assert "went on from 2 of 6 parts, 11 of 24 frames" in done.err
    assert run("-o", "whole.h5", "--backend", begin).code == 1
    with h5py.File(home / "out.h5") as found, h5py.File(home / "whole.h5") as whole:
        agree([found["entry/data/I"][()]], [whole["entry/data/I"][()]])
        names = [name.split()[0] for name in found["entry/frame_backend"].attrs["names"]]
        numbers = found["entry/frame_backend"][()]
    assert [names[number] for number in numbers[[0, 11, 12, 23]]] == [begin, begin, end, end]


def test_workers_of_a_cluster_compute_on_the_device(forge, scan, tmp_path, opencl):
    argv = ("integrate", scan / "stack.h5", "--poni", scan / "tiny.poni", "-o", tmp_path / "out.h5")
    done = forge.run(*argv, "--npt", 12, "--workers", 1, "--backend", "opencl", cwd=tmp_path)
    assert done.code == 0, done.err
    assert f"opencl ({opencl.name}): 24 frames" in forge.run("info", "out.h5", cwd=tmp_path).out
