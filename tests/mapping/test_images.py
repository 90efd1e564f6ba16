"""Images of many patterns: regions, peaks and phases, by name, checked before any work."""

import json

import numpy as np
import pytest

from aureole.errors import AureoleError, SpecError
from aureole.io.text import write_text
from aureole.mapping.images import ImageRequest, read_references

Q = np.linspace(5.0, 25.0, 201)
PEAK = np.exp(-0.5 * ((Q - 12.0) / 0.5) ** 2)
OTHER = np.exp(-0.5 * ((Q - 18.0) / 0.7) ** 2)
AMOUNTS = np.array([[1.0, 2.0, 4.0], [0.0, 3.0, np.nan]])
PATTERNS = (100 * (AMOUNTS[..., None] * PEAK + 2.0 * OTHER) + 5.0).astype(np.float32)
SIGMA = np.sqrt(PATTERNS)


def test_regions():
    request = ImageRequest(regions={"ring": (10.0, 14.0)})
    images = request.make(Q, PATTERNS, SIGMA)
    assert list(images) == ["ring"]
    assert list(images["ring"]) == ["total", "mean", "centre"]
    total = images["ring"]["total"]
    assert total.value.shape == total.sigma.shape == (2, 3)
    np.testing.assert_allclose(total.value[0] / total.value[0, 0], [1, 2, 4], rtol=0.01)
    assert images["ring"]["centre"].value[0] == pytest.approx(12.0, abs=0.01)
    assert np.isnan(total.value[1, 2])
    above = ImageRequest(regions={"ring": (10.0, 14.0)}, background=False).make(Q, PATTERNS, SIGMA)
    assert (above["ring"]["mean"].value[0] > images["ring"]["mean"].value[0] + 4).all()


def test_peaks():
    images = ImageRequest(peaks={"first": (10.0, 14.0)}).make(Q, PATTERNS, SIGMA, threads=1)
    found = images["first"]
    assert list(found) == ["area", "position", "fwhm", "background", "status"]
    np.testing.assert_allclose(found["area"].value[0], 100 * AMOUNTS[0] * 0.5 * np.sqrt(2 * np.pi), rtol=0.01)
    np.testing.assert_allclose(found["position"].value[0], 12.0, atol=0.01)
    assert np.isnan(found["area"].value[1, 2])
    assert np.isnan(found["status"].sigma).all()


def test_phases():
    request = ImageRequest(phases={"A": (Q, PEAK), "B": (Q, OTHER)})
    found = request.make(Q, PATTERNS, SIGMA)["phases"]
    assert list(found) == ["A_weight", "A_fraction", "B_weight", "B_fraction", "chi2"]
    np.testing.assert_allclose(found["A_weight"].value[0], 100 * AMOUNTS[0], rtol=1e-3)
    np.testing.assert_allclose(found["B_weight"].value[0], 200.0, rtol=1e-3)
    np.testing.assert_allclose(found["A_fraction"].value[0], AMOUNTS[0] / (AMOUNTS[0] + 2), rtol=1e-3)
    np.testing.assert_allclose(found["B_fraction"].value[1, 0], 1.0, rtol=1e-3)


def test_phases_are_fitted_where_all_references_are():
    part = (Q > 9) & (Q < 21)
    request = ImageRequest(phases={"A": (Q[part], PEAK[part]), "B": (Q, OTHER)})
    request.check(Q)
    found = request.make(Q, PATTERNS, None)["phases"]
    np.testing.assert_allclose(found["A_weight"].value[0], 100 * AMOUNTS[0], rtol=1e-3)
    narrow = ImageRequest(phases={"A": (Q, PEAK), "B": (Q, OTHER)}, window=(10.0, 19.0))
    np.testing.assert_allclose(narrow.make(Q, PATTERNS, None)["phases"]["B_weight"].value[0], 200, rtol=1e-3)


def test_references_go_through_a_file(tmp_path):
    write_text(tmp_path / "A.xy", Q, PEAK, np.sqrt(PEAK), unit="q_nm^-1", header=["of a pure sample"])
    write_text(tmp_path / "B.xy", Q, OTHER, unit="q_nm^-1")
    references = read_references({"A": tmp_path / "A.xy", "B": tmp_path / "B.xy"}, "q_nm^-1")
    request = ImageRequest(phases=references)
    # positions in text are rounded: the first or last bin may be outside of theirs by that
    found = request.make(Q, PATTERNS, None)["phases"]
    np.testing.assert_allclose(found["A_weight"].value[0], 100 * AMOUNTS[0], rtol=1e-3)


def test_references_of_another_unit(tmp_path):
    write_text(tmp_path / "A.xy", Q, PEAK, unit="2th_deg")
    with pytest.raises(SpecError, match=r"A\.xy: is against 2th_deg, and patterns are against q_nm\^-1"):
        read_references({"A": tmp_path / "A.xy"}, "q_nm^-1")
    np.savetxt(tmp_path / "B.xy", np.stack([Q, PEAK], axis=1))  # says nothing of its unit
    assert list(read_references({"B": tmp_path / "B.xy"}, "q_nm^-1")) == ["B"]


def test_a_request_is_json():
    request = ImageRequest(regions={"a": (1.0, 2.0)}, phases={"A": (Q, PEAK)}, window=(6.0, 7.0))
    described = json.loads(json.dumps(request.describe()))
    assert described["regions"] == {"a": [1.0, 2.0]}
    assert described["window"] == [6.0, 7.0]


def test_all_at_once_are_named_apart():
    with pytest.raises(SpecError, match="two images of the name a"):
        ImageRequest(regions={"a": (1, 2)}, peaks={"a": (1, 2)})
    with pytest.raises(SpecError, match="two images of the name phases"):
        ImageRequest(regions={"phases": (1, 2)}, phases={"A": (Q, PEAK)})
    for name in ("entry", "data", "sinogram", "scan"):
        with pytest.raises(SpecError, match=f"'{name}' is the name of something else in the file"):
            ImageRequest(regions={name: (1, 2)})
    for name in ("", "a/b", "a b", ".."):
        with pytest.raises(SpecError, match="no name for an image"):
            ImageRequest(regions={name: (1, 2)})
        with pytest.raises(SpecError, match="no name for a phase"):
            ImageRequest(phases={name: (Q, PEAK)})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"regions": {"far": (30.0, 31.0)}}, "far: the window 30 to 31 reaches beyond the patterns"),
        ({"peaks": {"tiny": (12.0, 12.1)}}, "tiny: the window 12 to 12.1 has 1 bins"),
        ({"regions": {"turned": (14.0, 12.0)}}, "turned: the window 14 to 12 is empty"),
        (
            {"phases": {"A": (Q[:20], PEAK[:20]), "B": (Q[100:], PEAK[100:])}},
            "phases: the patterns have no bins in the range that they and all references have",
        ),
        ({"phases": {"A": (Q, PEAK * np.nan)}}, "phases: A: a reference is not finite at 5"),
        ({"phases": {"A": (Q, PEAK), "B": (Q, 2 * PEAK)}}, "phases: references A, B cannot be told apart"),
        ({"phases": {"A": (Q, PEAK), "B": (Q, 0 * PEAK)}}, "phases: reference B is zero in the window"),
        (
            {"phases": {"A": (Q[10:], PEAK[10:])}, "window": (1.0, 9.0)},
            "phases: A: a reference from 6 to 25 does not",
        ),
        (
            {"phases": {"A": (Q, PEAK)}, "window": (9.0, 1.0)},
            "phases: the patterns have no bins in the range",
        ),
        (
            {"phases": {"A": (Q[50:], PEAK[50:])}, "window": (6.0, 19.0)},
            "phases: A: a reference from 10 to 25 does",
        ),
        ({"phases": {"A": (100 + Q, PEAK)}}, "phases: the patterns have no bins in the range that they"),
    ],
)
def test_what_cannot_be_made_is_told_before_any_work(options, words):
    with pytest.raises(AureoleError, match=words):
        ImageRequest(**options).check(Q)
