"""aureole demo: frames that come, a tomogram of them, and its phases beside the truth."""

import h5py
import numpy as np
import pytest
from matplotlib.image import imread

SMALL = ("--translations", 12, "--angles", 8, "--detector", "Pilatus 100k", "--rate", 400)


def test_the_demo(run, tmp_path, refused, scan):
    folder = tmp_path / "demo"
    arguments = ("demo", "--output", folder, *SMALL)
    first = run(*arguments)
    assert first.code == 0, first.err
    assert "96 of them integrated as they came" in first.out
    assert imread(folder / "phases.png")[..., :3].std() > 0.01
    with h5py.File(folder / "tomogram.h5") as found, h5py.File(folder / "truth.h5") as truth:
        volume = found["entry/phases/CeO2_weight"][0]
        true = truth["entry/data/fraction"][0, 0]
        seen = np.isfinite(volume)
        assert np.corrcoef(volume[seen], true[seen])[0, 1] > 0.9
    again = run(*arguments)
    assert again.code == 0, again.err
    assert "96 frames of an earlier run" in again.out
    (folder / "frames" / "scan_00007.cbf").unlink()
    assert "holds another scan, or part of one" in refused(*arguments)
    assert len(list((folder / "frames").iterdir())) == 95


@pytest.mark.parametrize("wrong", [["--angles", 0], ["--rate", 0], ["--detector", "Pilatos"]])
def test_a_demo_that_cannot_be(scan, refused, wrong):
    refused("demo", "--output", scan.out / "demo", *wrong)


def test_an_interrupted_demo_leaves_no_half_scan(run, tmp_path, monkeypatch):
    def stop(*args, **options):
        raise KeyboardInterrupt

    arguments = ("demo", "--output", tmp_path / "demo", *SMALL)
    with monkeypatch.context() as patched:
        patched.setattr("aureole.mapping.xrdct.xrdct_series", stop)
        done = run(*arguments)
    assert (done.code, done.err) == (130, "aureole demo: interrupted; what was complete is kept\n")
    assert not list((tmp_path / "demo").glob("*.csv"))
    assert run(*arguments).code == 0
