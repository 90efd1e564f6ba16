"""aureole simulate: scans as a beamline would leave them."""

import subprocess
import sys

import h5py
import pytest

from aureole.io import open_frames

TINY = ("--detector", "Pilatus 100k", "--counts", 5)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_tomogram(run, tmp_path):
    done = run("simulate", "xrdct", "-o", tmp_path / "a", "--translations", 4, "--angles", 3, *TINY)
    assert (done.code, done.err) == (0, "")
    assert "12 frames" in done.out
    assert names(tmp_path / "a") == ["frames", "references", "scan.csv", "scan.poni", "truth.h5"]
    assert len(names(tmp_path / "a" / "frames")) == 12


def test_everything_at_once(run, tmp_path):
    options = (
        *("--translations", 6, "--angles", 4, "--order", "rotation-first", "--layers", 2, "--zigzag"),
        *("--continuous", "--half-acquisition", "--center", 1.5, "--wander", 0.2),
        *("--backlash", 0.1, "--phases", "CeO2,Ni", "--spotty", "Ni", "--transmission", 0.8),
        *("--energy", 60, "--decay", 0.05, "--seed", 3, "--rate", 1000, "--threads", 2),
    )
    done = run("simulate", "xrdct", "-o", tmp_path, *options, *TINY)
    assert done.code == 0, done.err
    assert "released" in done.out
    with open_frames(tmp_path / "frames") as frames:
        assert len(frames) == 48
        assert frames[1].header["Angle_increment"] == "90.000000 deg"


def test_a_map_of_an_eiger(run, tmp_path):
    options = ("--shape", "2,3", "--format", "eiger", "--detector", "Eiger 500k", "--energy", 35)
    done = run("simulate", "map", "-o", tmp_path, *options)
    assert done.code == 0, done.err
    with h5py.File(tmp_path / "scan_master.h5") as file:
        assert file["entry/data/data_000001"].shape == (6, 514, 1030)


FULL_DISK = """
import resource, sys
from aureole.cli import main
for room in (0, 900, 30_000, 60_000, 100_000, 200_000, 300_000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    assert main(sys.argv[1:]) == 2, room
"""


def test_a_full_disk_is_one_line_of_an_eiger_too(tmp_path):
    options = ("--shape", "2,3", "--format", "eiger", "--detector", "Pilatus 100k")
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, "simulate", "map", "-o", tmp_path / "scan", *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    line = f"aureole simulate: error: {tmp_path / 'scan'}: cannot be written (File too large)"
    assert done.stderr.splitlines() == [line] * 7
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("xrdct", "--translations", 0), "two translations and two angles"),
        (("xrdct", "--angles", 1), "two translations and two angles"),
        (("xrdct", "--shape", "3,4"), "--shape is of maps"),
        (("xrdct", "--center", 99), "outside the translations"),
        (("xrdct", "--rate", 0), "a positive rate"),
        (("xrdct", "--rate", 9, "--format", "eiger"), "--rate: an Eiger's files"),
        (("map", "--angles", 3), "--angles is of tomograms"),
        (("map", "--wander", 0), "--wander is of tomograms"),
        (("map", "--half-acquisition"), "--half-acquisition is of tomograms"),
        (("map", "--shape", "3x4"), "--shape is ROWS,COLUMNS such as 30,40, not '3x4'"),
        (("map", "--shape", "1,4"), "two rows and two columns"),
        (("map", "--phases", "CeO2,Unobtainium"), "unknown phase 'Unobtainium'; known: CeO2"),
        (("map", "--phases", ""), "needs a phase"),
        (("map", "--spotty", "Au"), "'Au' cannot be spotty"),
        (("map", "--detector", "Pilatos"), "unknown detector"),
        (("map", "--counts", "nan"), "counts"),
        (("map", "--threads", 0), "thread"),
    ],
)
def test_scans_that_cannot_be(refused, scan, options, message):
    tiny = () if "--detector" in options else TINY[:2]
    assert message in refused("simulate", *options, *tiny, "-o", scan.out / "new")


def test_a_scan_that_is_there_is_kept(run, refused, scan):
    (scan.out / "scan.csv").write_text("precious")
    line = refused("simulate", "map", "-o", scan.out, *TINY, leaves=["scan.csv"])
    assert "scan.csv: is there already; choose another folder" in line
    assert (scan.out / "scan.csv").read_text() == "precious"


@pytest.mark.parametrize("where", ["aureole.simulate.rendering.format_cbf", "aureole.simulate.release"])
def test_an_interrupted_run_leaves_no_scan(run, tmp_path, monkeypatch, where):
    def stop(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(where, stop)
    done = run("simulate", "map", "-o", tmp_path, "--shape", "2,2", *TINY)
    assert (done.code, done.err) == (130, "aureole simulate: interrupted; nothing of the scan remains\n")
    assert names(tmp_path) == []
