"""Workers of a cluster, and who gives them work, are killed at every call; the run comes to the same bits.

Every call by which a worker publishes a part is a place, where it dies once before and once after it, and of
a write once in the middle. The workers are those of the product, with faults installed when they start.
"""

import json
import os
import random
import shutil
import signal
import time
from pathlib import Path

import dask
import pytest
from distributed import Status

from aureole.cli import main
from aureole.runs import cluster, connection
from aureole.runs.connection import local_cluster

ROUNDS = int(os.environ.get("AUREOLE_CRASH_ROUNDS", "6"))
"""Random kills."""

PUBLISHED = (
    *("open {}.tmp 0", "write {}.tmp 0", "read {}.tmp 0", "fsync {}.tmp 0"),
    *("link {} 0", "unlink {}.tmp 0", "fsync out.h5.run 0"),
)
"""What a worker does to publish a part."""


def published(number):
    return [place.format(f"part-{number:06d}-g1.h5") for place in PUBLISHED]


# of three parts on two workers, one makes two: it brings the folder to the disk once more
PLACES = [*published(0), *published(1)[:-1], *published(2)[:-1], "fsync out.h5.run 1"]


class Doom:
    """Says at which call a worker dies, and what the workers have done."""

    def __init__(self, control):
        self._control = control
        self.workers = None

    def order(self, folder, place="", how=""):
        """Say it when all workers are up: Dask gives up one that dies before it is known to have started."""
        deadline = time.monotonic() + 30
        while self.workers and self.up() != [Status.running] * 2:
            assert time.monotonic() < deadline, self.up()
            time.sleep(0.005)
        self._write("trace", "")
        self._write("armed", "")
        (self._control / "main").unlink(missing_ok=True)
        self._write("order", json.dumps({"folder": str(folder), "place": place, "how": how}))

    def up(self):
        known = {worker.nanny for worker in self.workers.scheduler.workers.copy().values()}
        return [nanny.status for nanny in self.workers.workers.values() if nanny.address in known]

    def main(self, process):
        self._write("main", str(process))

    def _write(self, name, text):
        (self._control / "new").write_text(text)
        (self._control / "new").replace(self._control / name)

    @property
    def done(self):
        """Whether a worker has come to the place."""
        return not (self._control / "armed").exists()

    @property
    def trace(self):
        return (self._control / "trace").read_text().splitlines()


@pytest.fixture(scope="module")
def doom(tmp_path_factory):
    """Two workers that die as they are told, and start again in no time since they are forked."""
    control = tmp_path_factory.mktemp("control")
    preload = (
        f"import sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from worker_faults import WorkerFaults\n"
        f"def dask_setup(worker):\n    WorkerFaults({str(control)!r}).install()\n"
    )
    doom = Doom(control)
    doom.order("/nowhere")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection, "_PRELOAD", connection._PRELOAD + preload)
        with (
            dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}),
            local_cluster(2) as doom.workers,
        ):
            yield doom


@pytest.fixture(scope="module")
def command(scan, doom):
    """A command on 24 frames of which number 5 is missing, in three parts."""

    def command(output, *more, home=scan):
        return [
            *("integrate", str(home / "frames/f_%03d.cbf"), "--poni", str(home / "tiny.poni")),
            *("-o", str(output), "--npt", "12", "--part-frames", "8", "--error-model", "poisson"),
            *("--scheduler", doom.workers.scheduler_address, *more),
        ]

    return command


@pytest.fixture(scope="module")
def wanted(command, forge, tmp_path_factory):
    """What threads make of it, undisturbed."""
    folder = tmp_path_factory.mktemp("threads")
    assert (
        main([word for word in command(folder / "out.h5") if "tcp:" not in word and word != "--scheduler"])
        == 1
    )
    return forge.data_of(folder / "out.h5")


@pytest.fixture(scope="module")
def giver(tmp_path_factory, forge):
    """Runs commands that give work to workers; it knows Dask already."""
    giver = type(forge)(tmp_path_factory.mktemp("giver"), "aureole.runs.cluster")
    yield giver
    giver.close()


def assert_only(folder, *, virtual=False):
    """Nothing lies beside the output, and nothing half-written in it."""
    assert sorted(path.name for path in folder.iterdir()) == ["out.h5", "out.h5.run"][: 1 + virtual]
    if virtual:
        names = sorted(path.name for path in (folder / "out.h5.run").iterdir())
        assert [name.partition("-")[0] for name in names] == ["manifest.json", "part", "part", "part"]


def test_the_places_are_all_that_there_are(doom, command, wanted, forge, tmp_path):
    doom.order(tmp_path)
    assert main(command(tmp_path / "out.h5")) == 1
    assert forge.data_of(tmp_path / "out.h5") == wanted
    assert {place for place in doom.trace if not place.startswith("fsync out.h5.run")} == {
        place for place in PLACES if not place.startswith("fsync out.h5.run")
    }
    for number in range(3):
        mine = [place for place in doom.trace if f"part-{number:06d}" in place]
        assert mine == published(number)[:-1]


@pytest.mark.parametrize("how", ["before", "after", "half"])
def test_a_worker_killed_at_every_call(doom, command, wanted, forge, tmp_path, how):
    """Another worker, or the same one anew, does its part."""
    for number, place in enumerate(PLACES):
        if how == "half" and not place.startswith("write"):
            continue
        folder = tmp_path / str(number)
        folder.mkdir()
        doom.order(folder, place, how)
        assert main(command(folder / "out.h5")) == 1, place
        assert doom.done, place
        assert forge.data_of(folder / "out.h5") == wanted, place
        assert_only(folder)


@pytest.mark.parametrize("elsewhere", [False, True])
def test_what_a_dead_worker_left_is_swept_where_the_parts_stay(
    doom, command, wanted, forge, tmp_path, monkeypatch, elsewhere
):
    if elsewhere:  # the main process sweeps its own machine only
        monkeypatch.setattr(cluster, "sweep", lambda folder: None)
    for number, place in enumerate(published(2)[:5:2]):  # open, read, link
        folder = tmp_path / str(number)
        folder.mkdir()
        doom.order(folder, place, "after")
        assert main(command(folder / "out.h5", "--virtual")) == 1, place
        assert doom.done, place
        assert forge.data_of(folder / "out.h5") == wanted, place
        assert_only(folder, virtual=True)


@pytest.mark.parametrize("place", ["read part-000000-g1.h5 0", "link part-000000-g2.h5 0"])
def test_a_worker_killed_while_it_takes_up_a_frame_that_came(
    doom, command, forge, scan, images, tmp_path, place
):
    home, folder = tmp_path / "home", tmp_path / "out"
    shutil.copytree(scan, home)
    folder.mkdir()
    doom.order(folder)
    assert main(command(folder / "out.h5", "--virtual", home=home)) == 1
    forge.write_frame(home / "frames", 5, images[5])
    assert main(command(tmp_path / "out.h5", home=home)) == 0
    doom.order(folder, place, "before")
    assert main(command(folder / "out.h5", "--virtual", home=home)) == 0
    assert doom.done
    assert forge.data_of(folder / "out.h5") == forge.data_of(tmp_path / "out.h5")
    assert not list(tmp_path.rglob("*.tmp"))


def check_again(giver, command, folder, wanted, where):
    parts = {path.name[:11] for path in folder.glob("out.h5.run/part-*")}
    finished = (folder / "out.h5").exists()
    again = giver.run(*command("out.h5"), cwd=folder)
    assert again.code == 1, (where, again.err)
    if not finished and parts:  # which may have become more
        assert "went on from" in again.err, (where, again.err)
    assert giver.data_of(folder / "out.h5") == wanted, where
    assert_only(folder)


def test_the_main_process_killed_at_every_call(doom, command, giver, wanted, tmp_path):
    """Its workers are there still, and know nothing of it, when the same command comes again."""
    doom.order("/nowhere")
    (tmp_path / "whole").mkdir()
    done = giver.run(*command("out.h5"), cwd=tmp_path / "whole")
    assert done.code == 1, done.err
    writes = [place for place in done.trace if place.startswith("write out.h5.tmp")]
    left_out = {*writes[1:]} - {writes[len(writes) // 2]}
    for number, place in enumerate(place for place in dict.fromkeys(done.trace) if place not in left_out):
        folder = tmp_path / str(number)
        folder.mkdir()
        # what is before the next call is after this one
        assert giver.run(*command("out.h5"), cwd=folder, place=place, how="before").code == -9, place
        check_again(giver, command, folder, wanted, place)


def test_the_main_process_killed_while_a_worker_writes(doom, command, giver, wanted, tmp_path):
    """The worker goes on for a while, beside those that the same command gives work again."""
    for number, place in enumerate(published(1)):
        folder = tmp_path / str(number)
        folder.mkdir()
        doom.order(folder, place, "main")
        begun = giver.start(*command("out.h5"), cwd=folder)
        doom.main(begun.process)
        assert giver.end(begun).code == -9, place
        check_again(giver, command, folder, wanted, place)


def test_killed_again_and_again_at_random(doom, command, giver, wanted, tmp_path):
    chance = random.Random("workers")
    for number in range(ROUNDS):
        doom.order("/nowhere")
        folder = tmp_path / str(number)
        folder.mkdir()
        for _ in range(3):
            begun = giver.start(*command("out.h5"), cwd=folder)
            time.sleep(chance.uniform(0.0, 0.3))
            for nanny in doom.workers.workers.values():
                running, process = nanny.status == Status.running, nanny.pid
                if chance.random() < 0.5 and running and process:
                    os.kill(process, signal.SIGKILL)
            if chance.random() < 0.5:
                giver.kill(begun)
            done = giver.end(begun)
            assert done.code in (-9, 1), done.err
        check_again(giver, command, folder, wanted, number)
