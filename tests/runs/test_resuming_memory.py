"""A run that goes on with many incomplete parts holds a few of them at a time, and makes the same bits."""

from weakref import WeakSet

import numpy as np
import pytest

import aureole
from aureole.errors import OutputError
from aureole.geometry import Geometry
from aureole.io import open_frames, write_cbf
from aureole.runs import RunOptions, integrate_series
from aureole.runs.parts import Parts, Rows

PARTS, EACH = 40, 3
FEW = 8
"""Rows that may be in memory: those that are filled, and those that are on their way to the disk."""


@pytest.fixture
def plan():
    pixels = aureole.detector(pixel1=1e-3, pixel2=1e-3, shape=(30, 40))
    geometry = Geometry(pixels, 0.1, 0.01, 0.02, wavelength=1e-10)
    return aureole.IntegrationSpec(geometry, radial=aureole.Axis("q_nm^-1", 12), error_model="poisson").plan()


@pytest.fixture
def names(tmp_path):
    """A scan of which one frame of each part is away."""
    rng = np.random.default_rng(0)
    (tmp_path / "frames").mkdir()
    (tmp_path / "away").mkdir()
    for index in range(PARTS * EACH):
        folder = "away" if index % EACH == 1 else "frames"
        write_cbf(tmp_path / folder / f"f_{index:03d}.cbf", rng.poisson(5.0, (30, 40)).astype(np.int32))
    return [tmp_path / "frames" / f"f_{index:03d}.cbf" for index in range(PARTS * EACH)]


@pytest.fixture
def most(monkeypatch):
    """Return how many rows have been in memory at once."""
    alive, numbers = WeakSet(), [0]
    make = Rows.__init__

    def made(self, *args, **options):
        make(self, *args, **options)
        alive.add(self)
        numbers.append(len(alive))

    monkeypatch.setattr(Rows, "__init__", made)
    return lambda: max(numbers)


def run(plan, names, out, **options):
    with open_frames(names) as frames:
        return integrate_series(plan, frames, out, options=RunOptions(part_frames=EACH, threads=1, **options))


class Stopped(Exception):
    pass


@pytest.mark.parametrize("before", ["parts", "output"])
def test_rows_are_read_when_their_turn_comes(forge, plan, names, tmp_path, most, before):
    def stop(done, total):
        if done == total:
            raise Stopped

    if before == "output":
        assert run(plan, names, tmp_path / "out.h5").missing == PARTS
    else:
        # the last part is not complete, so that no output is made
        with pytest.raises(Stopped):
            run(plan, names, tmp_path / "out.h5", progress=stop)
    for name in (tmp_path / "away").iterdir():
        name.rename(tmp_path / "frames" / name.name)
    report = run(plan, names, tmp_path / "out.h5")
    assert report.done == PARTS * EACH
    assert report.reused >= (PARTS - FEW) * (EACH - 1)
    assert most() <= FEW
    run(plan, names, tmp_path / "whole.h5")
    wanted = forge.data_of(tmp_path / "whole.h5")
    assert forge.data_of(tmp_path / "out.h5") == wanted


def test_a_part_that_goes_while_its_turn_has_not_come(plan, names, tmp_path, monkeypatch):
    """It was sound when the run went on; then somebody takes it away."""
    out = tmp_path / "out.h5"
    assert run(plan, names, out, virtual=True).missing == PARTS
    for name in (tmp_path / "away").iterdir():
        name.rename(tmp_path / "frames" / name.name)

    def lose(done, total):
        for path in Parts(tmp_path / "out.h5.run", "").directory.glob("part-000030-*"):
            path.unlink()

    with pytest.raises(OutputError, match=r"part-000030-.*the same command goes on$") as caught:
        run(plan, names, out, progress=lose)
    assert "\n" not in str(caught.value)
    assert run(plan, names, out).done == PARTS * EACH
