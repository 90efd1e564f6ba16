"""Files that were not there when a run began, or half-written: what was made of them is never mixed."""

import os
import time

import h5py
import numpy as np
import pytest

import aureole
from aureole.errors import OutputError
from aureole.io import FrameStatus, open_frames
from aureole.io.finished import read_finished
from aureole.io.nexus import Source
from aureole.runs import RunOptions, integrate_series
from aureole.runs.run import directory_of
from aureole.runs.sources import Account, Files

FRAMES = 24
PLACES = ["map", "frames/f_%03d.cbf", "--shape", "4,6", "--poni", "tiny.poni", "-o", "out.h5"]
COMMAND = [*PLACES, "--npt", 12, "--part-frames", 8, "--threads", 1, "--wait", 20, "--error-model", "poisson"]


class Stopped(Exception):
    pass


@pytest.fixture
def home(scan, tmp_path):
    (tmp_path / "frames").mkdir()
    (tmp_path / "tiny.poni").write_bytes((scan / "tiny.poni").read_bytes())
    return tmp_path


@pytest.fixture
def plan(home):
    spec = aureole.IntegrationSpec(
        aureole.load(home / "tiny.poni"), radial=aureole.Axis("q_nm^-1", 12), error_model="poisson"
    )
    return spec.plan()


@pytest.fixture
def undisturbed(forge, images, home):
    folder = home / "undisturbed"
    (folder / "frames").mkdir(parents=True)
    (folder / "tiny.poni").write_bytes((home / "tiny.poni").read_bytes())
    for index, image in enumerate(images):
        forge.write_frame(folder / "frames", index, image)
    assert forge.run(*COMMAND, cwd=folder).code == 0
    return forge.data_of(folder / "out.h5")


def half(path):
    """Cut a file, and return what completes it."""
    content = path.read_bytes()
    path.write_bytes(content[:900])
    return content


def live(forge, home, images, *, place="", how=""):
    """Run a scan under way: the first frame is there, the second is half-written, the others come."""
    frames = home / "frames"
    forge.write_frame(frames, 0, images[0])
    second = half(forge.write_frame(frames, 1, images[1]))
    started = forge.start(*COMMAND, cwd=home, folder=home, place=place, how=how)
    deadline = time.monotonic() + 20
    while not (home / "out.h5.run" / "manifest.json").exists():
        assert time.monotonic() < deadline
        time.sleep(0.005)
    (frames / "f_001.cbf").write_bytes(second)
    for index in range(2, FRAMES):
        forge.write_frame(frames, index, images[index])
    return forge.end(started)


def test_a_killed_scan_goes_on_and_notices_what_was_replaced(forge, images, home, undisturbed):
    killed = live(forge, home, images, place="link part-000002-g1.h5 0", how="before")
    assert killed.code == -9, killed.err
    kept = {}
    for index in (1, 3):
        path = home / "frames" / f"f_{index:03d}.cbf"
        kept[path] = path.read_bytes(), path.stat().st_mtime_ns
        path.unlink()
        forge.write_frame(home / "frames", index, images[index] + 1)
    for argv in (COMMAND, ["resume", "out.h5"]):
        refused = forge.run(*argv, cwd=home)
        assert refused.code == 2
        assert refused.err.count("\n") == 1
        assert "out.h5.run: was begun before these files changed: " in refused.err
        assert "f_001.cbf" in refused.err
        assert "f_003.cbf; restore them, or begin anew with --overwrite" in refused.err
    for path, (content, changed) in kept.items():
        path.write_bytes(content)
        os.utime(path, ns=(changed, changed))
    done = forge.run(*COMMAND, cwd=home)
    assert done.code == 0, done.err
    assert "went on from 2 of 3 parts, 16 of 24 frames" in done.err
    assert forge.data_of(home / "out.h5") == undisturbed


@pytest.mark.parametrize("virtual", [False, True])
def test_overwriting_begins_anew_with_the_files_as_they_are(forge, images, home, virtual):
    assert live(forge, home, images, place="link part-000002-g1.h5 0", how="before").code == -9
    (home / "frames" / "f_003.cbf").unlink()
    forge.write_frame(home / "frames", 3, images[3] + 1)
    done = forge.run(*COMMAND, "--overwrite", *["--virtual"][:virtual], cwd=home)
    assert done.code == 0, done.err
    assert "went on" not in done.err


def test_a_finished_scan_knows_its_files(forge, images, home, undisturbed):
    assert live(forge, home, images).code == 0
    assert forge.data_of(home / "out.h5") == undisturbed
    for source in read_finished(home / "out.h5").sources:
        assert source == Source.of(source.path)
    again = forge.run(*COMMAND, cwd=home)
    assert "out.h5 is complete already" in again.err, again.err
    (home / "frames" / "f_003.cbf").touch()
    assert "f_003.cbf" in forge.run(*COMMAND, cwd=home).err


class Scan:
    """A run from Python, of which something happens as it begins and as it is stopped."""

    def __init__(self, plan, home, *, patient=True):
        self.plan, self.home = plan, home
        self.paths = [home / "frames" / f"f_{index:03d}.cbf" for index in range(FRAMES)]
        self.patient = patient

    def run(self, begin=lambda: None, stop=None, **options):
        def progress(done, total):
            if not done:
                begin()
            if stop is not None and done >= stop:
                raise Stopped

        options = RunOptions(part_frames=4, threads=1, progress=progress, **options)
        with open_frames(self.paths) as frames:
            frames = frames.patient(0.05) if self.patient else frames
            return integrate_series(self.plan, frames, self.home / "out.h5", options=options)

    def refused(self):
        with pytest.raises(OutputError) as caught:
            self.run()
        return str(caught.value)

    def parts(self):
        return sorted(path.name[:11] for path in directory_of(self.home / "out.h5").glob("part-*"))


@pytest.mark.parametrize("patient", [False, True])
def test_a_file_that_came_after_the_start_is_compared(forge, images, home, plan, patient):
    def come():
        for index in (1, 2):
            forge.write_frame(home / "frames", index, images[index])

    for index in {*range(FRAMES)} - {1, 2}:
        forge.write_frame(home / "frames", index, images[index])
    scan = Scan(plan, home, patient=patient)
    with pytest.raises(Stopped):
        scan.run(come, stop=20)
    assert "part-000000" in scan.parts()
    scan.paths[2].touch()
    assert "changed" in (told := scan.refused())
    assert "f_002.cbf" in told
    assert "f_001.cbf" not in told
    scan.paths[2].unlink()  # what was made of it stays
    report = scan.run()
    assert report.done == FRAMES
    assert report.reused >= 16
    forge.write_frame(home / "frames", 2, images[2])
    assert "f_002.cbf" in scan.refused()


def test_a_first_frame_that_was_half_written_is_not_held_against_the_run(forge, images, home, plan):
    for index, image in enumerate(images):
        forge.write_frame(home / "frames", index, image)
    scan = Scan(plan, home)
    whole = half(scan.paths[0])
    with pytest.raises(Stopped):
        scan.run(lambda: scan.paths[0].write_bytes(whole), stop=20)
    assert "part-000000" in scan.parts()
    assert scan.run().done == FRAMES
    assert scan.run().notes == (f"{home / 'out.h5'} is complete already",)


@pytest.mark.parametrize("stop", [None, 20])
def test_a_frame_that_was_never_done_may_come_from_any_file(forge, images, home, plan, stop):
    for index, image in enumerate(images):
        forge.write_frame(home / "frames", index, image)
    scan = Scan(plan, home)
    whole = half(scan.paths[0])
    scan.paths[1].unlink()
    if stop is None:
        assert (scan.run().bad, scan.run().missing) == (1, 1)
    else:
        with pytest.raises(Stopped):
            scan.run(stop=stop)
    scan.paths[0].write_bytes(whole)
    forge.write_frame(home / "frames", 1, images[1])
    report = scan.run()
    assert report.done == FRAMES
    assert report.reused >= 14
    assert scan.run().notes == (f"{home / 'out.h5'} is complete already",)


def test_a_frame_that_is_half_written_now_and_was_missing_is_bad(forge, images, home, plan):
    """What is said of a frame is what is so now, not what was so when the run was first begun."""
    for index, image in enumerate(images):
        forge.write_frame(home / "frames", index, image)
    scan = Scan(plan, home)
    scan.paths[1].unlink()
    assert scan.run().missing == 1
    half(forge.write_frame(home / "frames", 1, images[1]))
    report = scan.run()
    assert (report.bad, report.missing) == (1, 0)
    assert "truncated" in report.issues[0].reason or "ends before" in report.issues[0].reason
    with h5py.File(home / "out.h5") as file:
        assert file["entry/frame_status"][1] == FrameStatus.BAD


def test_a_file_of_which_frames_were_read_at_two_times_keeps_the_first(scan):
    """One file with all frames that grew meanwhile: half of the patterns are of the old one."""
    with open_frames(scan / "stack.h5") as frames:
        path = frames.sources[0]
        files, done = Files(frames, None, [path]), np.zeros(FRAMES // 2, np.uint8)
        first, second = range(FRAMES // 2), range(FRAMES // 2, FRAMES)
        accounts = [Account(first, done, {}), Account(second, done, {0: (20, 200)})]
        assert files.settled([Source(path, 10, 100)], accounts) == [Source(path, 10, 100)]
        assert files.held([Source(path, 10, 100)], [Source(path, 20, 200)], accounts) == [path]
        accounts[0] = Account(first, done + FrameStatus.BAD, {})
        assert files.settled([Source(path, 10, 100)], accounts) == [Source(path, 20, 200)]
        assert files.held([Source(path, 10, 100)], [Source(path, 20, 200)], accounts) == []
