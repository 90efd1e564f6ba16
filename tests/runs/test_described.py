"""Functions as monitors: two that may give different numbers are never taken for one."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import aureole
from aureole.errors import InputError, OutputError
from aureole.geometry import Geometry
from aureole.io import open_frames, read_scalars, write_cbf
from aureole.runs import RunOptions, integrate_series
from aureole.runs.described import described

SCALE = 2.0
LISTED = {"f_0.cbf": 1.0}


def by(value):
    def monitor(frame):
        return value

    return monitor


def shifted(value):
    return value + SCALE


def through_module(frame):
    return shifted(len(frame.name))


def by_itself(depth):
    return 1.0 if depth == 0 else by_itself(depth - 1)


class Scaled:
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, frame):
        return self.factor

    def method(self, frame):
        return self.factor


def of_class(value):
    class Held:
        scale = value

        def __call__(self, frame):
            return self.helper() * self.scale

        def helper(self):
            return value

    return Held()


@dataclass
class Settings:
    factor: float = 1.0

    @property
    def twice(self):
        return 2 * self.factor


class Slotted:
    __slots__ = ("factor",)


DIFFERENT = {
    "numbers": (by(1.0), by(2.0)),
    "types": (by(1), by(1.0)),
    "strings": (by("1"), by("2")),
    "long arrays": (by(np.arange(5000.0)), by(np.where(np.arange(5000) == 2500, 0.0, np.arange(5000.0)))),
    "dictionaries": (by({"a": 1.0}), by({"a": 2.0})),
    "paths": (by(Path("a.csv")), by(Path("b.csv"))),
    "functions within": (by(by(1.0)), by(by(2.0))),
    "code": (lambda frame: 1.0, lambda frame: 2.0),
    "defaults": (lambda frame, scale=1.0: scale, lambda frame, scale=2.0: scale),
    "keywords": (lambda frame, *, scale=1.0: scale, lambda frame, *, scale=2.0: scale),
    "within code": (lambda frame: [one * 2 for one in (1, 2)], lambda frame: [one * 3 for one in (1, 2)]),
    "objects": (Scaled(1.0), Scaled(2.0)),
    "classes": (of_class(1.0), of_class(2.0)),
    "settings": (by(Settings(1.0)), by(Settings(2.0))),
    "methods": (Scaled(1.0).method, Scaled(2.0).method),
    "partial": (partial(by, 1.0), partial(by, 2.0)),
    "partial arrays": (partial(by, np.zeros(5000)), partial(by, np.where(np.arange(5000) == 2500, 1.0, 0.0))),
    "partial code": (partial(lambda a, frame: a, 1.0), partial(lambda a, frame: -a, 1.0)),
}


@pytest.mark.parametrize("kind", DIFFERENT)
def test_what_may_differ_is_told_apart(kind):
    one, other = map(described, DIFFERENT[kind])
    assert one != other
    assert one == described(DIFFERENT[kind][0])


def test_what_is_made_anew_alike_is_the_same():
    assert described(by(np.arange(3.0))) == described(by(np.arange(3.0)))
    assert described(by({"a", "b", "c"})) == described(by({"c", "b", "a"}))
    assert described(Scaled(2.0)) == described(Scaled(2.0))
    assert described(of_class(2.0)) == described(of_class(2.0))
    assert described(by_itself) == described(by_itself)


def test_names_of_the_module_count_with_their_values(monkeypatch):
    before = described(through_module)
    monkeypatch.setitem(globals(), "LISTED", {})  # which it does not take
    assert described(through_module) == before
    monkeypatch.setitem(globals(), "SCALE", 3.0)
    assert described(through_module) != before


def test_keys_of_headers_are_as_they_are(tmp_path):
    write_cbf(tmp_path / "f_0.cbf", np.ones((3, 4), np.int32), "# Flux 1.5 cps\r\n# Other 1.5 cps\r\n")
    with open_frames(tmp_path / "f_0.cbf") as frames:
        flux, other = (described(read_scalars(key, frames)) for key in ("Flux", "Other"))
        assert flux == described(read_scalars("Flux", frames))
    assert flux != other


@pytest.mark.parametrize(
    "held", [object(), iter([1.0]), Slotted(), np.array([object()]), [object()], {"a": object()}]
)
def test_what_cannot_be_compared_is_refused(held):
    with pytest.raises(InputError, match=r"^a function holds .*: give an array with a value for each frame$"):
        described(by(held))


def test_what_holds_itself_is_refused():
    around = []
    around.append(around)
    with pytest.raises(InputError, match=r"by\.<locals>\.monitor holds something that holds itself"):
        described(by(around))


def test_a_run_is_not_continued_with_another_function_of_the_same_name(tmp_path):
    pixels = aureole.detector(pixel1=1e-3, pixel2=1e-3, shape=(30, 40))
    geometry = Geometry(pixels, 0.1, 0.01, 0.02, wavelength=1e-10)
    plan = aureole.IntegrationSpec(geometry, radial=aureole.Axis("q_nm^-1", 12)).plan()
    write_cbf(tmp_path / "f_0.cbf", np.ones((30, 40), np.int32))
    out = tmp_path / "out.h5"
    with open_frames([tmp_path / "f_0.cbf", tmp_path / "f_1.cbf"]) as frames:
        assert integrate_series(plan, frames, out, options=RunOptions(monitor=by(1.0))).missing == 1
        assert integrate_series(plan, frames, out, options=RunOptions(monitor=by(1.0))).reused == 1
        with pytest.raises(OutputError, match="was made in another way"):
            integrate_series(plan, frames, out, options=RunOptions(monitor=by(2.0)))
        with pytest.raises(InputError, match="give an array"):
            integrate_series(plan, frames, tmp_path / "b.h5", options=RunOptions(monitor=by(object())))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f_0.cbf", "out.h5"]
