"""Killed at any moment, on a full disk, twice at once: the same command goes on to the same bits."""

import os
import random
import re
import shutil
import time

import pytest

ROUNDS = int(os.environ.get("AUREOLE_CRASH_ROUNDS", "6"))
"""Random kills of each kind; from 100 on, no write into the output is left out either."""


def command(scan, *options, frames="frames/f_%03d.cbf", output="out.h5"):
    return [
        *("integrate", scan / frames, "--poni", scan / "tiny.poni", "-o", output, "--npt", 12),
        *("--part-frames", 8, "--threads", 1, *(options or ("--error-model", "poisson"))),
    ]


KINDS = {
    "patterns": ((), "frames/f_%03d.cbf", 1),
    "virtual": (("--virtual", "--error-model", "poisson"), "frames/f_%03d.cbf", 1),
    "cakes": (("--npt-azim", 6, "--error-model", "azimuthal"), "frames/f_%03d.cbf", 1),
    "header": (("--monitor", "Flux", "--error-model", "none"), "frames/f_%03d.cbf", 1),
    "stack": (("--error-model", "poisson", "--monitor", "beam.csv:beam"), "stack.h5", 0),
    "variance": (("--variance", "variance.h5::/data"), "stack.h5", 0),
}


@pytest.fixture(scope="module")
def begun(forge, scan, tmp_path_factory):
    """Each kind of run as it goes undisturbed: command, exit code, data and calls; made when first wanted."""
    known = {}

    def undisturbed(kind):
        if kind not in known:
            options, frames, code = KINDS[kind]
            options = [str(scan / o) if str(o).startswith(("beam", "variance.")) else o for o in options]
            argv = command(scan, *options, frames=frames)
            folder = tmp_path_factory.mktemp(kind)
            done = forge.run(*argv, cwd=folder)
            assert done.code == code, done.err
            assert_only(folder, virtual=kind == "virtual")
            known[kind] = (argv, code, forge.data_of(folder / "out.h5"), done.trace)
        return known[kind]

    return undisturbed


def listed(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def assert_only(folder, *, virtual=False):
    """Nothing lies beside the output."""
    assert listed(folder) == ["out.h5", "out.h5.run"][: 1 + virtual]
    assert all(name.startswith(("manifest", "part-")) for name in listed(folder / "out.h5.run"))


def some(trace):
    """The places of a run; of the many writes into the output, the first, the last and some between."""
    writes = [place for place in trace if place.startswith("write out.h5.tmp")]
    left_out = set(writes[2:-3]) - set(writes[2 :: 24 if ROUNDS < 100 else 1])
    return [place for place in dict.fromkeys(trace) if place not in left_out]


def reached(place, done):
    """Whether a run came to a place: libhdf5 writes once more or less, as the path in the file is long."""
    return not place.startswith("write out.h5.tmp") or done.code != 1 or place in done.trace


def check_again(forge, folder, begun, kind, where, *, argv=None):
    """The same command ends as if nothing had happened, and uses all that was done."""
    wanted, code, data, _ = begun(kind)
    matches = [re.match(r"part-(\d+)", name) for name in listed(folder / "out.h5.run")]
    parts = {int(match[1]) for match in matches if match}
    finished = (folder / "out.h5").exists()
    again = forge.run(*(argv or wanted), cwd=folder)
    assert again.code == code, (where, again.err)
    assert forge.data_of(folder / "out.h5") == data, where
    assert_only(folder, virtual=kind == "virtual")
    if finished:
        assert ("23 of 24 frames" if code else "complete already") in again.err, (where, again.err)
    elif parts:
        whole = parts - {0} if code else parts  # a frame of part 0 is missing
        told = f"went on from {len(whole)} of 3 parts, {8 * len(parts) - (code and 0 in parts)} of 24 frames"
        assert told in again.err, (where, again.err)


@pytest.mark.parametrize("how", ["before", "after", "half"])
def test_killed_at_every_call(forge, begun, tmp_path, how):
    argv, _, _, trace = begun("patterns")
    killed = 0
    for number, place in enumerate(some(trace)):
        if how == "half" and not place.startswith("write"):
            continue
        folder = tmp_path / f"{how}{number}"
        folder.mkdir()
        done = forge.run(*argv, cwd=folder, place=place, how=how)
        if not reached(place, done):
            continue
        assert done.code == -9, (place, done.code, done.err)
        killed += 1
        resume = ["resume", "out.h5.run" if number % 2 else "out.h5"]
        begun_there = (folder / "out.h5.run" / "manifest.json").exists()
        take_up = resume if number % 3 == 0 and begun_there else None
        check_again(forge, folder, begun, "patterns", (place, how), argv=take_up)
        shutil.rmtree(folder)
    assert killed > (10 if how == "half" else 40)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "patterns"])
def test_killed_in_runs_of_every_kind(forge, begun, tmp_path, kind):
    argv, _, _, trace = begun(kind)
    places = [place for place in some(trace) if place.split()[0] in ("link", "rename", "replace", "rmdir")]
    for number, place in enumerate(places):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert forge.run(*argv, cwd=folder, place=place, how="after").code == -9, place
        check_again(forge, folder, begun, kind, place)


def test_a_full_disk_is_told_in_one_line(forge, begun, tmp_path):
    argv, _, _, trace = begun("patterns")
    refused = 0
    for number, place in enumerate(some(trace)):
        if place.split()[0] not in ("write", "fsync", "link", "mkdir", "ftruncate"):
            continue
        folder = tmp_path / str(number)
        folder.mkdir()
        done = forge.run(*argv, cwd=folder, place=place, how="full")
        if not reached(place, done):
            continue
        if place == "fsync  0":  # the output is there already
            assert done.code == 1
            continue
        assert done.code == 2, (place, done.err)
        assert done.err.count("\n") == 1, done.err
        assert "No space left on device" in done.err
        left = sorted(path.name for path in folder.rglob("*") if not path.name.startswith("part-"))
        assert left in ([], ["manifest.json", "out.h5.run"]), (place, left)
        assert bool(left) == bool(list(folder.rglob("part-*"))), place
        check_again(forge, folder, begun, "patterns", place)
        refused += 1
    assert refused > 25


def test_interrupted_with_parts_published(forge, begun, tmp_path):
    argv, *_ = begun("patterns")
    place = "link part-000001-g1.h5 0"
    done = forge.run(*argv, cwd=tmp_path, place=place, how="stop")
    assert done.code == 130
    assert done.err == "aureole integrate: interrupted; the same command goes on with what was done\n"
    assert listed(tmp_path) == ["out.h5.run"]
    assert not list(tmp_path.rglob("*.tmp"))
    check_again(forge, tmp_path, begun, "patterns", place)


@pytest.mark.parametrize("kind", ["patterns", "virtual"])
def test_killed_again_and_again_at_random(forge, begun, tmp_path, kind):
    """A run that is killed over and over comes to the same end."""
    argv, *_ = begun(kind)
    chance = random.Random(kind)
    for number in range(ROUNDS):
        folder = tmp_path / str(number)
        folder.mkdir()
        for _ in range(3):
            started = forge.start(*argv, cwd=folder)
            time.sleep(chance.uniform(0.0, 0.25))
            forge.kill(started)
            assert forge.end(started).code in (-9, 1)
        check_again(forge, folder, begun, kind, number)
        shutil.rmtree(folder)


@pytest.mark.parametrize("kind", ["patterns", "stack", "virtual"])
def test_two_at_once_make_the_same(forge, begun, tmp_path, kind):
    argv, code, data, _ = begun(kind)
    for number in range(ROUNDS):
        folder = tmp_path / str(number)
        folder.mkdir()
        both = []
        for log in "ab":
            both.append(forge.start(*argv, cwd=folder, log=log))
            time.sleep(0.01 * number)
        ends = [forge.end(started) for started in both]
        assert [end.code for end in ends] == [code, code], [end.err for end in ends]
        assert forge.data_of(folder / "out.h5") == data
        assert_only(folder, virtual=kind == "virtual")


def test_two_at_once_that_want_different_things(forge, begun, scan, tmp_path):
    """One comes first; the other says so, and changes nothing."""
    argv, code, data, _ = begun("patterns")
    other = [*argv[: argv.index("--npt")], "--npt", 13, *argv[argv.index("--npt") + 2 :]]
    for number in range(ROUNDS):
        folder = tmp_path / str(number)
        folder.mkdir()
        both = [forge.start(*chosen, cwd=folder, log=log) for chosen, log in ((argv, "a"), (other, "b"))]
        ends = [forge.end(started) for started in both]
        assert sorted(end.code for end in ends) == [code, 2], [end.err for end in ends]
        first, second = sorted(ends, key=lambda end: end.code)
        assert second.err.count("\n") == 1, second.err
        assert_only(folder)
        if first is ends[0]:
            assert forge.data_of(folder / "out.h5") == data


SCANS = {
    "map": ("map", "--shape", "4,6"),
    "xrdct": ("xrdct", "--shape", "4,6", "--center", "2.5"),
}


@pytest.mark.parametrize("verb", SCANS)
def test_maps_and_tomograms_survive_alike(forge, scan, tmp_path, verb):
    argv = [
        *(*SCANS[verb], scan / "frames/f_%03d.cbf", "--poni", scan / "tiny.poni", "-o", "out.h5"),
        *("--npt", 12, "--part-frames", 8, "--threads", 1, "--error-model", "poisson"),
    ]
    (tmp_path / "whole").mkdir()
    whole = forge.run(*argv, cwd=tmp_path / "whole")
    assert whole.code == 1, whole.err
    wanted = forge.data_of(tmp_path / "whole" / "out.h5")
    folders = ("link", "replace", "rmdir", "mkdir")
    for number, place in enumerate(place for place in whole.trace if place.split()[0] in folders):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert forge.run(*argv, cwd=folder, place=place, how="after").code == -9, place
        again = forge.run(*argv, cwd=folder)
        assert again.code == 1, (place, again.err)
        assert forge.data_of(folder / "out.h5") == wanted, place
        assert_only(folder)
    both = [forge.start(*argv, cwd=tmp_path / "whole", log=log) for log in "ab"]
    assert [forge.end(started).code for started in both] == [1, 1]
    assert forge.data_of(tmp_path / "whole" / "out.h5") == wanted
