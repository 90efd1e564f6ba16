"""aureole demo: whatever an earlier run left, the next one works."""

import pytest
from matplotlib.image import imread


def test_the_demo(run, tmp_path, refused, scan):
    folder = tmp_path / "demo"
    arguments = ("demo", "--output", folder, "--frames", 8, "--distinct", 4, "--detector", "Pilatus 100k")
    first = run(*arguments)
    assert first.code == 0, first.err
    assert "frames/s" in first.out
    for name in ("patterns.h5", "patterns.png", "rings.png"):
        assert str(folder / name) in first.out
    for name in ("patterns.png", "rings.png"):
        assert imread(folder / name)[..., :3].std() > 0.01
    before = (folder / "frames" / "frame_00000.cbf").stat().st_mtime_ns
    again = run(*arguments)
    assert again.code == 0, again.err
    assert "by an earlier run" in again.out
    assert (folder / "frames" / "frame_00000.cbf").stat().st_mtime_ns == before
    assert run(*arguments[:3], "--frames", 5, *arguments[5:]).code == 0
    assert len(list((folder / "frames").iterdir())) == 5
    (folder / "frames" / "mine.cbf").write_text("precious")
    line = refused(*arguments)
    assert "mine.cbf: was not made by the demo" in line
    assert len(list((folder / "frames").iterdir())) == 6
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["frames", "scan.poni", "patterns.h5", "patterns.png", "rings.png"]
    )


@pytest.mark.parametrize("wrong", [["--frames", 0], ["--distinct", 0], ["--detector", "Pilatos"]])
def test_a_demo_that_cannot_be(scan, refused, wrong):
    refused("demo", "--output", scan.out / "demo", *wrong)


def test_a_demo_after_one_that_was_interrupted(run, tmp_path, monkeypatch):
    """While it simulates, and before it integrates: what is there is whole, or is not there."""
    arguments = ("demo", "--output", tmp_path / "demo", "--frames", 4, "--detector", "Pilatus 100k")

    def stop(*args, **options):
        raise KeyboardInterrupt

    for name in ("aureole.simulate.scans.hard_link_series", "aureole.runs.integrate.integrate_series"):
        with monkeypatch.context() as patched:
            patched.setattr(name, stop)
            done = run(*arguments)
        assert (done.code, done.err) == (130, "aureole demo: interrupted; what was complete is kept\n")
        left = sorted(path.name for path in (tmp_path / "demo").iterdir())
        assert left == ([] if "simulate" in name else ["frames", "scan.poni"])
    assert run(*arguments).code == 0


def test_the_demo_keeps_what_is_not_its_own(scan, refused):
    (scan.out / "patterns.h5").write_text("precious")
    line = refused("demo", "--output", scan.out, "--frames", 2, leaves=["patterns.h5"])
    assert "exists" in line
