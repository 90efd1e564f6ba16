"""What happens between a run that was stopped and the command that goes on: sources, parts, folders."""

import json
import os
import shutil
import time
from types import SimpleNamespace

import h5py
import numpy as np
import pytest


@pytest.fixture
def job(forge, scan, tmp_path):
    """A command on a scan of its own, 24 frames of which number 5 is missing, in three parts."""
    home = tmp_path / "home"
    shutil.copytree(scan, home)
    out = home / "out.h5"
    argv = [
        *("integrate", "frames/f_%03d.cbf", "--poni", "tiny.poni", "-o", "out.h5", "--npt", 12),
        *("--part-frames", 8, "--threads", 1, "--error-model", "poisson"),
    ]

    def run(*more, place="", how="", cwd=home, start=argv):
        return forge.run(*start, *more, cwd=cwd, folder=home, place=place, how=how)

    def stop(*more, at="link out.h5 0"):
        assert run(*more, place=at, how="before").code == -9

    def parts(number=None):
        found = sorted((home / "out.h5.run").glob("part-*.h5"))
        return found if number is None else found[number]

    def data():
        return forge.data_of(out)

    def state():
        files = (path for path in home.rglob("*") if path.is_file() and path.suffix != ".tmp")
        return {path: path.stat().st_mtime_ns for path in files}

    def refused(*more, cwd=home, start=argv):
        """It ends with 2 and one line, and nothing is another than before."""
        before = state()
        done = run(*more, cwd=cwd, start=start)
        assert done.code == 2, done.err
        assert done.err.count("\n") == 1, done.err
        assert state() == before
        return done.err

    return SimpleNamespace(
        home=home,
        out=out,
        directory=home / "out.h5.run",
        frame=lambda index: home / "frames" / f"f_{index:03d}.cbf",
        **{f.__name__: f for f in (run, stop, parts, data, refused)},
    )


@pytest.fixture
def whole(forge, scan, images, tmp_path):
    """The data of the same series with all its frames."""
    folder = tmp_path / "whole"
    shutil.copytree(scan, folder)
    forge.write_frame(folder / "frames", 5, images[5])
    argv = ["integrate", "frames/f_%03d.cbf", "--poni", "tiny.poni", "-o", "out.h5", "--npt", 12]
    assert forge.run(*argv, "--error-model", "poisson", cwd=folder).code == 0
    return {name: kept for name, kept in forge.data_of(folder / "out.h5").items() if "message" not in name}


def rows(data):
    return {name: kept for name, kept in data.items() if "message" not in name}


def test_a_frame_that_comes_is_taken_up(job, forge, images, whole):
    assert job.run().code == 1
    forge.write_frame(job.home / "frames", 5, images[5])
    done = job.run()
    assert done.code == 0, done.err
    assert "went on from 2 of 3 parts, 23 of 24 frames" in done.err
    assert rows(job.data()) == whole
    assert not job.directory.exists()
    assert "out.h5 is complete already" in job.run().err
    with h5py.File(job.out) as file:
        assert (file["entry/reduction/source_bytes"][()] > 0).all()


@pytest.mark.parametrize("stopped", [False, True])
def test_a_source_that_goes_and_comes(job, forge, images, whole, stopped):
    forge.write_frame(job.home / "frames", 5, images[5])
    kept = job.frame(12).read_bytes()
    if stopped:
        job.stop(at="link part-000001-g1.h5 0")  # before frame 12 was published
    job.frame(12).unlink()
    done = job.run()
    assert done.code == 1
    assert "missing" in done.err
    job.frame(12).write_bytes(kept)  # at another time: it is another file
    done = job.run()
    assert done.code == 0, done.err
    assert "went on from 2 of 3 parts, 23 of 24 frames" in done.err
    assert rows(job.data()) == whole


def test_a_frame_that_was_half_copied(job, forge, images, whole):
    forge.write_frame(job.home / "frames", 5, images[5])
    kept = job.frame(20).read_bytes()
    job.frame(20).write_bytes(kept[:900])
    job.stop()
    job.frame(20).write_bytes(kept)
    job.stop(at="link part-000002-g2.h5 0")
    job.stop()
    done = job.run()
    assert done.code == 0, done.err
    assert "went on from 3 of 3 parts, 24 of 24 frames" in done.err
    assert rows(job.data()) == whole
    job.frame(20).touch()
    assert "changed" in job.refused()


def test_a_source_that_goes_after_its_part_was_made(job, whole, forge, images):
    forge.write_frame(job.home / "frames", 5, images[5])
    job.stop()
    job.frame(3).unlink()
    assert job.run().code == 0
    assert rows(job.data()) == whole


@pytest.mark.parametrize("finished", [False, True])
@pytest.mark.parametrize("verb", ["integrate", "resume"])
def test_a_source_that_changed_is_refused(job, forge, images, finished, verb):
    if finished:
        assert job.run().code == 1
    else:
        job.stop()
    job.frame(3).unlink()
    forge.write_frame(job.home / "frames", 3, images[3] + 1)
    told = job.refused(start=["resume", "out.h5"]) if verb == "resume" else job.refused()
    assert "changed" in told
    assert "f_003.cbf" in told
    assert "--overwrite" in told
    assert "'aureole resume" not in told
    done = job.run("--overwrite")
    assert done.code == 1
    assert "went on" not in done.err
    assert not job.directory.exists()


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGES = {
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "edited": flip,
    "garbage": lambda path: path.write_bytes(np.random.default_rng(0).bytes(5000)),
    "text": lambda path: path.write_text("aureole-part-1 and nothing"),
    "empty": lambda path: path.write_bytes(b""),
    "folder": lambda path: (path.unlink(), path.mkdir()),
    "link": lambda path: (path.unlink(), path.symlink_to("nowhere")),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("virtual", [False, True])
def test_a_damaged_part_is_made_again(job, damage, virtual):
    options = ["--virtual"] if virtual else []
    assert job.run(*options).code == 1
    wanted = job.data()
    job.out.unlink()
    if not virtual:
        job.stop()
    DAMAGES[damage](job.parts(1))
    done = job.run(*options)
    assert done.code == 1, done.err
    assert "part-000001-" in done.err
    assert "is damaged" in done.err
    assert "went on from 1 of 3 parts, 15 of 24 frames" in done.err
    assert job.data() == wanted


def test_a_part_of_another_run(job):
    assert job.run().code == 1
    wanted = job.data()
    job.out.unlink()
    job.stop("--npt", "13")
    other = {path.name: path.read_bytes() for path in job.parts()}
    shutil.rmtree(job.directory)
    job.stop()
    for path, content in zip(job.parts(), other.values(), strict=True):
        path.write_bytes(content)
    for name, content in other.items():
        (job.directory / name).write_bytes(content)
    done = job.run()
    assert done.code == 1
    assert done.err.count("it is of another run") == 3
    assert job.data() == wanted
    assert not job.directory.exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no manifest"),
        ("[1, 2]", "is no manifest"),
        ('{"format": "aureole-run-99"}', "aureole-run-99"),
        ('{"format": "aureole-run-1"}', "is no manifest"),
        (b"\xff\x00", "is no manifest"),
        ("[" * 100_000, "is no manifest"),
    ],
)
def test_a_manifest_that_is_none(job, text, message):
    job.stop()
    path = job.directory / "manifest.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    for start in ({}, {"start": ["resume", "out.h5"]}):
        told = job.refused(**start)
        assert message in told
        assert "remove" in told


def edit(job, **changes):
    path = job.directory / "manifest.json"
    content = json.loads(path.read_text())
    for key, change in changes.items():
        content[key] = change(content[key]) if callable(change) else change
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    "changes",
    [
        {"part_frames": 0},
        {"command": {"argv": []}},
        {"command": {"argv": 5, "cwd": "/"}},
        {"sources": [1]},
        {"sources": [[1, 2, 3]]},
    ],
)
def test_a_manifest_with_a_fault(job, changes):
    job.stop()
    edit(job, **changes)
    assert "is no manifest" in job.refused()


def test_a_run_of_another_version(job):
    job.stop()
    edit(job, request=lambda request: request | {"version": "0.0.1"})
    told = job.refused()
    assert "another version of aureole (0.0.1)" in told
    assert "'aureole resume" not in told
    assert job.run("--overwrite").code == 1
    assert not job.directory.exists()


def test_an_output_of_another_version(job):
    assert job.run().code == 1
    with h5py.File(job.out, "r+") as file:
        file["entry/reduction/input/request_sha256"][()] = "0" * 64
    assert "was made in another way" in job.refused()


def test_another_request(job):
    job.stop()
    told = job.refused("--npt", "13")
    assert "another geometry" in told
    assert "'aureole resume out.h5'" in told
    (job.directory / "my notes.txt").write_text("precious")
    assert job.run("--npt", "13", "--overwrite").code == 1
    assert [path.name for path in job.directory.iterdir()] == ["my notes.txt"]


def test_other_parts_and_threads_are_the_same_request(job):
    assert job.run().code == 1
    wanted = job.data()
    job.out.unlink()
    job.stop(at="link part-000002-g1.h5 0")
    done = job.run("--part-frames", 5, "--threads", 2)
    assert "went on from 1 of 3 parts, 15 of 24 frames" in done.err
    assert job.data() == wanted
    assert not job.directory.exists()


def test_killed_while_the_parts_are_removed_then_asked_for_other_parts(job, forge, images):
    forge.write_frame(job.home / "frames", 5, images[5])
    job.stop(at="unlink manifest.json 0")
    assert job.run("--part-frames", 5).code == 0
    assert not job.directory.exists()


def test_overwriting_goes_on_with_what_was_done(job):
    job.out.write_text("precious")
    assert "exists already" in job.refused()
    job.stop("--overwrite", at="replace out.h5 0")
    assert job.out.read_text() == "precious"
    assert "exists already" in job.refused()
    done = job.run("--overwrite")
    assert done.code == 1
    assert "went on from 2 of 3 parts, 23 of 24 frames" in done.err


@pytest.mark.parametrize("how", ["output", "directory"])
def test_resuming_from_another_folder(job, tmp_path, how):
    assert job.run().code == 1
    wanted = job.data()
    job.out.unlink()
    job.stop()
    done = job.run(start=["resume", job.out if how == "output" else job.directory], cwd=tmp_path)
    assert done.code == 1, done.err
    assert job.data() == wanted


def test_resuming_a_list_that_is_gone(job):
    (job.home / "list.txt").write_text("".join(f"frames/f_{index:03d}.cbf\n" for index in range(24)))
    argv = ["integrate", "--list", "list.txt", "--poni", "tiny.poni", "-o", "out.h5", "--part-frames", 8]
    assert job.run(start=argv, place="link out.h5 0", how="before").code == -9
    (job.home / "list.txt").unlink()
    done = job.run(start=["resume", "out.h5"])
    assert done.code == 1, done.err
    assert "went on from 2 of 3 parts" in done.err


def test_resuming_an_output_that_was_to_replace_another(job, forge, images):
    """It is done, but for a frame: that one is tried again, and not all of them."""
    job.out.write_text("old")
    assert job.run("--overwrite").code == 1
    forge.write_frame(job.home / "frames", 5, images[5])
    done = job.run(start=["resume", "out.h5"])
    assert done.code == 0, done.err
    assert "went on from 2 of 3 parts, 23 of 24 frames" in done.err


def test_resuming_a_folder_that_was_moved(job, tmp_path):
    job.stop()
    (tmp_path / "new").mkdir()
    shutil.move(job.directory, tmp_path / "new")
    done = job.run(start=["resume", "out.h5"], cwd=tmp_path / "new")
    assert done.code == 1, done.err
    assert (tmp_path / "new" / "out.h5").exists()
    assert not job.out.exists()


def test_nothing_to_resume(job, tmp_path):
    assert "there is no run to resume" in job.refused(start=["resume", "nothing.h5"])
    for name in ("/", ""):
        assert "give the name of an output" in job.refused(start=["resume", name])


def test_resuming_after_the_geometry_changed(job):
    job.stop()
    poni = job.home / "tiny.poni"
    poni.write_text(poni.read_text().replace("0.1", "0.11", 1))
    told = job.refused(start=["resume", "out.h5"])
    assert "another geometry" in told
    assert "'aureole resume" not in told


def test_strict_keeps_what_was_done_and_makes_no_output(job):
    job.frame(20).write_bytes(b"")
    done = job.run("--strict")
    assert done.code == 2
    assert "f_005" in done.err
    assert not job.out.exists()
    assert job.run().code == 1


def test_a_file_where_the_folder_must_be(job):
    job.directory.write_text("precious")
    told = job.refused()
    assert "out.h5.run: is a file" in told


def test_a_virtual_output_is_made_whole(job, forge):
    assert job.run("--virtual").code == 1
    wanted = job.data()
    with h5py.File(job.out) as file:
        assert file["entry/data/I"].is_virtual
    assert job.directory.exists()
    assert job.run().code == 1
    with h5py.File(job.out) as file:
        assert not file["entry/data/I"].is_virtual
    assert job.data() == wanted
    assert not job.directory.exists()


def test_a_virtual_output_whose_parts_are_gone(job):
    """Rows that nobody has are not taken for done."""
    assert job.run("--virtual").code == 1
    wanted = job.data()
    shutil.rmtree(job.directory)
    told = job.run(start=["plot", "out.h5", "-o", "out.png"])
    assert told.code == 2
    assert "part-000000-" in told.err
    assert "is missing" in told.err
    assert job.run("--virtual").code == 1
    assert job.data() == wanted


@pytest.mark.parametrize("name", ["50%b of it.h5", "a%%d.h5", "ü ö.h5"])
def test_a_virtual_output_of_an_odd_name(job, name):
    assert job.run().code == 1
    wanted = job.data()
    assert job.run("-o", name, "--virtual").code == 1
    job.out.unlink()
    (job.home / name).rename(job.out)  # beside the folder of its parts
    assert job.data() == wanted


def test_a_virtual_output_takes_up_a_frame(job, forge, images, whole):
    assert job.run("--virtual").code == 1
    forge.write_frame(job.home / "frames", 5, images[5])
    assert job.run("--virtual").code == 0
    assert rows(job.data()) == whole
    assert "went on from 3 of 3 parts, 24 of 24 frames" in job.run("--virtual").err
    assert rows(job.data()) == whole


def test_a_virtual_output_that_is_replaced_never_points_at_nothing(job):
    assert job.run("--virtual").code == 1
    assert "exists already" in job.refused("--virtual", "--npt", 13)
    job.stop("--virtual", "--overwrite", "--npt", "13", at="link part-000001-g1.h5 0")
    assert not job.out.exists()
    assert job.run("--virtual", "--npt", 13).code == 1


def test_what_other_machines_left_goes_in_the_end(job):
    job.stop()
    left = [
        job.home / ".out.h5.node17-123-0123abcd.tmp",
        job.directory / ".part-000001-0123456789ab-g1.h5.node17-123-0123abcd.tmp",
    ]
    others = [job.home / ".other.h5.node17-123-0123abcd.tmp", job.home / ".out.h5.mine.tmp"]
    for path in (*left, *others):
        path.write_text("half")
    fresh = job.home / ".out.h5.node18-123-0123abcd.tmp"
    fresh.write_text("half")
    yesterday = time.time() - 90_000
    os.utime(left[0], (yesterday, yesterday))
    assert job.run().code == 1
    assert not job.directory.exists()
    assert [path.exists() for path in (*left, *others, fresh)] == [False, False, True, True, True]


def test_a_series_that_shrank_can_be_resumed(job):
    argv = ["integrate", "frames/f_*.cbf", "--poni", "tiny.poni", "-o", "out.h5", "--part-frames", 8]
    assert job.run(start=argv, place="link part-000001-g1.h5 0", how="before").code == -9
    job.frame(20).unlink()
    told = job.refused(start=argv)
    assert "is of 23 frames, and now there are 22" in told
    assert "'aureole resume out.h5'" in told
    done = job.run(start=["resume", "out.h5"])
    assert done.code == 1
    assert "f_020.cbf" in done.err
    assert "22 of 23 frames done" in done.out


def test_a_stack_that_is_gone(job):
    """How many frames it had cannot be told without it; what was done waits."""
    argv = ["integrate", "stack.h5", "--poni", "tiny.poni", "-o", "out.h5", "--part-frames", 8]
    assert job.run(start=argv, place="link out.h5 0", how="before").code == -9
    (job.home / "stack.h5").rename(job.home / "away.h5")
    for start in (argv, ["resume", "out.h5"]):
        assert "stack.h5" in job.refused(start=start)
    (job.home / "away.h5").rename(job.home / "stack.h5")
    assert "went on from 3 of 3 parts" in job.run(start=argv).err
