"""Dask workers give what threads give, bit for bit, whoever is killed; all on the loopback device."""

import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest
from distributed import Client

import aureole
from aureole.errors import FrameMissing, InputError, OutputError
from aureole.geometry import Geometry, format_poni
from aureole.io import FrameStatus, open_frames, read_scalars, write_cbf
from aureole.runs import RunOptions, cluster, connection, integrate_series, workers
from aureole.runs.cluster import Dask
from aureole.runs.connection import local_cluster
from aureole.runs.executors import Task, Work
from aureole.runs.parts import Parts
from aureole.runs.run import directory_of

SHAPE = (30, 40)
PROVENANCE = ("date", "host", "seconds", "command")


@pytest.fixture(scope="module")
def scheduler():
    with local_cluster(2) as started:
        yield started.scheduler_address


def plan_of(**options):
    pixels = aureole.detector(pixel1=1e-3, pixel2=1e-3, shape=SHAPE)
    geometry = Geometry(pixels, 0.1, 0.01, 0.02, wavelength=1e-10)
    return aureole.IntegrationSpec(
        geometry, radial=aureole.Axis("q_nm^-1", 12), error_model="poisson", **options
    ).plan()


def write_frames(folder, count, absent=()):
    folder.mkdir()
    rng = np.random.default_rng(0)
    names = [folder / f"f_{index:03d}.cbf" for index in range(count)]
    for index, name in enumerate(names):
        if index not in absent:
            write_cbf(name, rng.poisson(5.0, SHAPE).astype(np.int32), header_text=f"Flux {index + 1}.5 cps")
    return names


@pytest.fixture
def names(tmp_path):
    """Sixty frames: number 7 is missing, number 30 is empty."""
    names = write_frames(tmp_path / "frames", 60, absent=[7])
    names[30].write_bytes(b"")
    return names


def data_of(path):
    """All data sets outside provenance."""
    found = {}

    def take(name, item):
        if isinstance(item, h5py.Dataset) and not name.startswith("entry/reduction"):
            found[name] = np.asarray(item[()]).tolist() if item.dtype.kind == "O" else item[()].tobytes()

    with h5py.File(path) as file:
        file.visititems(take)
    assert any(name.startswith("entry/data/I") for name in found)
    return {name: value for name, value in found.items() if not name.endswith(PROVENANCE)}


def slow(seconds):
    """A monitor that takes its time; it goes to the workers by value."""

    def monitor(frame):
        time.sleep(seconds)
        return float(frame.header["Flux"].split()[0])

    return monitor


@pytest.mark.parametrize("cake", [False, True])
@pytest.mark.parametrize("virtual", [False, True])
def test_workers_give_the_same_bits_as_threads(scheduler, names, tmp_path, cake, virtual):
    plan = plan_of(azimuthal=aureole.Axis("chi_deg", 6) if cake else None)
    reports, told = [], []
    with open_frames(names) as frames:
        for out, executor in (("a.h5", None), ("b.h5", Dask(scheduler=scheduler))):
            options = RunOptions(
                part_frames=7,
                monitor=read_scalars("Flux", frames),
                executor=executor,
                virtual=virtual,
                progress=lambda done, total: told.append((done, total)),
            )
            reports.append(integrate_series(plan, frames, tmp_path / out, options=options))
    for report in reports:
        assert (report.frames, report.done, report.bad, report.missing) == (60, 58, 1, 1)
        assert [issue.index for issue in report.issues] == [7, 30]
    assert reports[0].issues == reports[1].issues
    assert reports[1].issues[0].status is FrameStatus.MISSING
    assert told[-1] == (60, 60)
    assert told[-10:] == sorted(told[-10:])
    assert data_of(tmp_path / "a.h5") == data_of(tmp_path / "b.h5")
    assert directory_of(tmp_path / "b.h5").exists() == virtual


def test_frames_that_were_missing_are_taken_up(scheduler, names, tmp_path):
    plan, executor = plan_of(), Dask(scheduler=scheduler)
    backup = names[8].read_bytes()
    for out, who in (("a.h5", None), ("b.h5", executor)):
        options = RunOptions(part_frames=7, executor=who)
        names[7].unlink(missing_ok=True)
        with open_frames(names) as frames:
            assert integrate_series(plan, frames, tmp_path / out, options=options).missing == 1
        names[7].write_bytes(backup)
        with open_frames(names) as frames:
            report = integrate_series(plan, frames, tmp_path / out, options=options)
        assert (report.missing, report.bad, report.reused) == (0, 1, 58)
    assert data_of(tmp_path / "a.h5") == data_of(tmp_path / "b.h5")


def test_strict_names_the_frame(scheduler, names, tmp_path):
    options = RunOptions(part_frames=7, strict=True, executor=Dask(scheduler=scheduler))
    names[30].write_bytes(names[0].read_bytes())
    with open_frames(names) as frames, pytest.raises(FrameMissing, match=r"f_007\.cbf: no such file"):
        integrate_series(plan_of(), frames, tmp_path / "out.h5", options=options)
    assert not (tmp_path / "out.h5").exists()


def test_killed_workers_take_nothing_with_them(names, tmp_path):
    plan, killed, before = plan_of(), [], set(multiprocessing.active_children())

    def kill(done, total):
        if done and not killed:
            for worker in {*multiprocessing.active_children()} - before:
                os.kill(worker.pid, signal.SIGKILL)
                killed.append(worker.pid)

    with open_frames(names) as frames:
        monitor = slow(0.005)
        options = RunOptions(part_frames=5, monitor=monitor)
        integrate_series(plan, frames, tmp_path / "a.h5", options=options)
        options = RunOptions(part_frames=5, monitor=monitor, executor=Dask(workers=2), progress=kill)
        report = integrate_series(plan, frames, tmp_path / "b.h5", options=options)
    assert len(killed) == 2
    assert report.done == 58
    assert data_of(tmp_path / "a.h5") == data_of(tmp_path / "b.h5")
    assert not directory_of(tmp_path / "b.h5").exists()
    assert {*multiprocessing.active_children()} == before


BEGIN = """
import sys
from aureole.cli import main
if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
"""


def processes_of(group):
    """Ids of the processes of a group that have not ended."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, process_group = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(process_group) == group and state != "Z":
            found.append(int(folder.name))
    return found


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs Linux's /proc")
def test_a_killed_main_process_is_continued(scheduler, tmp_path):
    plan = plan_of()
    names = write_frames(tmp_path / "frames", 40)
    (tmp_path / "scan.poni").write_text(format_poni(plan.spec.geometry), encoding="utf-8")
    (tmp_path / "begin.py").write_text(BEGIN)
    folder = directory_of(tmp_path / "b.h5")
    command = ["integrate", str(tmp_path / "frames"), "--poni", str(tmp_path / "scan.poni"), "--npt", "12"]
    command += ["--error-model", "poisson", "--part-frames", "1"]
    main = subprocess.Popen(
        [
            sys.executable,
            str(tmp_path / "begin.py"),
            *command,
            "-o",
            str(tmp_path / "b.h5"),
            "--workers",
            "2",
        ],
        start_new_session=True,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while not list(folder.glob("part-*")):
            assert main.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.001)
        main.kill()
        main.wait()
        deadline = time.monotonic() + 30
        while processes_of(main.pid):
            assert time.monotonic() < deadline, "the workers outlive the process that started them"
            time.sleep(0.05)
    finally:
        for process in processes_of(main.pid):
            os.kill(process, signal.SIGKILL)
    parts = len(list(folder.glob("part-*")))
    assert parts
    with open_frames(names) as frames:
        plan = aureole.IntegrationSpec(
            aureole.load(tmp_path / "scan.poni"), radial=aureole.Axis("q_nm^-1", 12), error_model="poisson"
        ).plan()
        integrate_series(plan, frames, tmp_path / "a.h5", options=RunOptions())
        options = RunOptions(part_frames=1, executor=Dask(scheduler=scheduler))
        report = integrate_series(plan, frames, tmp_path / "b.h5", options=options)
    assert report.reused == parts
    assert report.done == 40
    assert data_of(tmp_path / "a.h5") == data_of(tmp_path / "b.h5")
    assert not list(folder.glob("part-*"))


def work_of(names, directory):
    """What an executor gets, and tasks of one frame each."""
    directory.mkdir(exist_ok=True)
    with open_frames(names) as frames:
        work = Work(plan_of(), frames, None, None, Parts(directory, "0" * 64), {})
    return work, [Task(number, range(number, number + 1)) for number in range(len(names))]


def orders_on(scheduler):
    """Names of what is announced to the workers, but for Dask's own."""
    with Client(scheduler, set_as_default=False) as client:
        names = client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.worker_plugins))
    return [name for name in names if name != "shuffle"]


def test_one_process_ends_while_another_makes_the_same(scheduler, names, tmp_path):
    """It takes back its own order, not the other's."""
    work, tasks = work_of(names, tmp_path / "run")
    first, second = (Dask(scheduler=scheduler).run(work, tasks, lambda _: None) for _ in range(2))
    made = [next(second)]
    assert len(list(first)) == len(tasks)
    made += list(second)
    assert {part.path for part in made} == set((tmp_path / "run").iterdir())
    assert len(made) == len(tasks)
    assert orders_on(scheduler) == []


def test_two_processes_on_one_scheduler_with_the_same_output(scheduler, names, tmp_path):
    plan = plan_of()

    def integrate(out, executor):
        with open_frames(names) as frames:
            options = RunOptions(part_frames=1, executor=executor)
            return integrate_series(plan, frames, tmp_path / out, options=options)

    integrate("a.h5", None)
    with ThreadPoolExecutor(2) as both:
        reports = list(both.map(integrate, ["b.h5"] * 2, [Dask(scheduler=scheduler) for _ in range(2)]))
    assert [(report.done, report.bad, report.missing) for report in reports] == [(58, 1, 1)] * 2
    assert data_of(tmp_path / "a.h5") == data_of(tmp_path / "b.h5")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.h5", "b.h5", "frames"]
    assert orders_on(scheduler) == []


def test_orders_of_the_dead_are_taken_back(scheduler, names, tmp_path):
    work, tasks = work_of(names, tmp_path / "run")
    with Client(scheduler, set_as_default=False) as client:
        client.register_plugin(workers.Order.of(work), name="aureole-Client-that-was-killed")
        client.register_plugin(workers.Order.of(work), name=f"aureole-{client.id}")
        client.register_plugin(workers.Order.of(work), name="another's")
        list(Dask(scheduler=scheduler).run(work, tasks, lambda _: None))
        assert orders_on(scheduler) == [f"aureole-{client.id}", "another's"]
        for name in orders_on(scheduler):
            client.unregister_worker_plugin(name)


def refused(names, tmp_path, executor, kind=InputError):
    """Run, and return the one line of the error; nothing is left."""
    with open_frames(names) as frames, pytest.raises(kind) as caught:
        integrate_series(plan_of(), frames, tmp_path / "out.h5", options=RunOptions(executor=executor))
    assert not list(tmp_path.glob("*out*"))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_nobody_there(names, tmp_path, monkeypatch):
    monkeypatch.setattr(connection, "_PATIENCE", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        assert refused(names, tmp_path, Dask(scheduler=address)).startswith(
            f"{address}: no Dask scheduler is reached"
        )
    begin = time.monotonic()
    assert "no Dask scheduler is reached" in refused(names, tmp_path, Dask(scheduler=address))
    assert time.monotonic() - begin < 5.0


def test_a_scheduler_without_workers(names, tmp_path):
    with local_cluster(0) as started:  # which may get some later
        executor = Dask(scheduler=started.scheduler_address, patience=0.2)
        assert "no worker for 0.2 s" in refused(names, tmp_path, executor)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "either"),
        ({"scheduler": "tcp://a:1", "workers": 1}, "either"),
        ({"scheduler": "somewhere"}, "'somewhere' is no address"),
        ({"scheduler": "tcp://somewhere"}, "no address"),
        ({"workers": 0}, "at least one worker"),
        ({"workers": 1, "threads": 0}, "at least one thread"),
    ],
)
def test_what_is_no_cluster(options, message):
    with pytest.raises(InputError, match=message):
        Dask(**options)


def test_without_dask(monkeypatch):
    monkeypatch.delitem(sys.modules, "aureole.runs.cluster")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"Dask is not installed.*pip install 'aureole\[cluster\]'"):
        import aureole.runs.cluster  # noqa: F401


def test_workers_of_another_version(scheduler, names, tmp_path, monkeypatch):
    monkeypatch.setattr(connection, "__version__", "77.0")
    message = refused(names, tmp_path, Dask(scheduler=scheduler))
    assert f"has aureole {aureole.__version__}, and here it is 77.0" in message


def test_a_worker_of_another_version_that_joins_later(scheduler, names, tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "__version__", "77.0")
    monkeypatch.setattr(cluster, "check_versions", lambda client: None)
    message = refused(names, tmp_path, Dask(scheduler=scheduler))
    assert message.startswith(f"{socket.gethostname()}: there is aureole {aureole.__version__}")


def test_another_table_on_the_worker(scheduler, names, tmp_path):
    plan = plan_of()
    plan.__dict__["digest"] = "0" * 64
    options = RunOptions(executor=Dask(scheduler=scheduler))
    with open_frames(names) as frames, pytest.raises(InputError, match="another look-up table") as caught:
        integrate_series(plan, frames, tmp_path / "out.h5", options=options)
    assert str(caught.value).startswith(f"{socket.gethostname()}: ")


def test_workers_that_cannot_be_given_the_work(scheduler, names, tmp_path, monkeypatch):
    def fail(self, plugin, name):
        raise OSError("connection lost")

    monkeypatch.setattr(Client, "register_plugin", fail)
    message = refused(names, tmp_path, Dask(scheduler=scheduler), OutputError)
    assert message.startswith("workers are lost while they are given the work (connection lost)")


def test_a_worker_that_does_not_see_the_frames(scheduler, names, tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "_witnesses", lambda frames: ["/only/here.cbf"] if frames else [])
    message = refused(names, tmp_path, Dask(scheduler=scheduler))
    assert message.startswith(f"{socket.gethostname()}: /only/here.cbf is not seen there")


def test_a_worker_that_does_not_see_the_output(scheduler, names, tmp_path, monkeypatch):
    order_of = workers.Order.of

    def elsewhere(work):
        order = order_of(work)
        order._directory = tmp_path / "nowhere"
        return order

    monkeypatch.setattr(workers.Order, "of", elsewhere)
    message = refused(names, tmp_path, Dask(scheduler=scheduler), OutputError)
    assert message.startswith(f"{socket.gethostname()}: {tmp_path}/nowhere is not seen there")


def test_a_worker_that_dies_when_it_gets_the_work(names, tmp_path, monkeypatch):
    order_of, armed = workers.Order.of, tmp_path / "armed"
    armed.touch()

    def die_once(armed):
        if armed.exists():
            armed.unlink()
            os.kill(os.getpid(), signal.SIGKILL)

    class Deadly:
        def __reduce__(self):
            return die_once, (armed,)

    def deadly(work):
        order = order_of(work)
        order._deadly = Deadly()
        return order

    monkeypatch.setattr(workers.Order, "of", deadly)
    with local_cluster(2) as started, open_frames(names) as frames:
        options = RunOptions(part_frames=7, executor=Dask(scheduler=started.scheduler_address))
        assert integrate_series(plan_of(), frames, tmp_path / "out.h5", options=options).done == 58
    assert not armed.exists()


def test_a_part_that_is_written_elsewhere(scheduler, names, tmp_path, monkeypatch):
    other = tmp_path / "elsewhere"
    other.mkdir()

    def lost(self, task, made):
        shutil.move(made.path, other)
        return read(self, task, made)

    read = cluster._Run._read
    monkeypatch.setattr(cluster._Run, "_read", lost)
    message = refused(names, tmp_path, Dask(scheduler=scheduler), OutputError)
    assert message.startswith(f"{socket.gethostname()}: ")
    assert "is not seen here" in message


def test_frames_that_kill_workers_end_the_run(names, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "_TRIES", 1)

    def deadly(frame):
        os.kill(os.getpid(), signal.SIGKILL)

    with local_cluster(2) as started, open_frames(names) as frames:
        started.scheduler.allowed_failures = 0
        options = RunOptions(monitor=deadly, executor=Dask(scheduler=started.scheduler_address))
        with pytest.raises(OutputError, match="frames 0 to 59: one worker after the other died"):
            integrate_series(plan_of(), frames, tmp_path / "out.h5", options=options)


def test_a_scheduler_that_goes(names, tmp_path):
    with local_cluster(1) as started, open_frames(names) as frames:

        def end(done, total):
            if done:
                started.close()

        executor = Dask(scheduler=started.scheduler_address)
        options = RunOptions(part_frames=2, monitor=slow(0.01), executor=executor, progress=end)
        with pytest.raises(OutputError, match="the scheduler is gone"):
            integrate_series(plan_of(), frames, tmp_path / "out.h5", options=options)
    assert list(directory_of(tmp_path / "out.h5").glob("part-*"))


def test_an_interrupt_keeps_the_parts(scheduler, names, tmp_path):
    def interrupt(done, total):
        if done:
            raise KeyboardInterrupt

    plan, out = plan_of(), tmp_path / "out.h5"
    with open_frames(names) as frames:
        options = RunOptions(part_frames=7, executor=Dask(scheduler=scheduler), progress=interrupt)
        with pytest.raises(KeyboardInterrupt):
            integrate_series(plan, frames, out, options=options)
        options = RunOptions(part_frames=7, executor=Dask(scheduler=scheduler))
        report = integrate_series(plan, frames, out, options=options)
    assert report.reused >= 7
    assert report.done == 58
