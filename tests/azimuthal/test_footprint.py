"""Plans that would not fit into the memory are refused before they take it."""

import time

import numpy as np
import pytest

import aureole
from aureole import Axis, IntegrationSpec
from aureole.azimuthal import footprint
from aureole.azimuthal.table import build_entries
from aureole.errors import SpecError

SHAPE = (240, 310)


def spec(radial, azimuthal=None, *, dist=0.1, poni=(0.012, 0.016), rot1=0.0, **options):
    pixels = aureole.detector(pixel1=1e-4, pixel2=1e-4, shape=SHAPE)
    place = aureole.Geometry(pixels, dist, *poni, rot1, 0.1, wavelength=1e-10)
    return IntegrationSpec(place, radial=radial, azimuthal=azimuthal, **options)


CASES = {
    "many bins": spec(Axis("2th_deg", 30_000)),
    "by polygons": spec(Axis("q_nm^-1", 30_000), split="full"),
    "beam beside the detector": spec(Axis("q_nm^-1", 30_000), poni=(-0.05, 0.1), rot1=0.4),
    "a narrow ring": spec(Axis("2th_deg", 20_000, (4.0, 4.2))),
    "one sector": spec(Axis("2th_deg", 30_000), Axis("chi_deg", None, (-30.0, 20.0))),
    "against azimuth": spec(Axis("2th_deg", None, (2.0, 5.0)), Axis("chi_deg", 20_000)),
    "a cake": spec(Axis("2th_deg", 700), Axis("chi_deg", 900)),
    "a cake of narrow bins": spec(Axis("2th_deg", 20_000), Axis("chi_deg", 90)),
}


def entries(asked):
    return build_entries(asked.geometry, asked.radial, asked.azimuthal, split=asked.split).entries


@pytest.mark.parametrize("name", CASES)
def test_shares_are_estimated_before_there_are_any(name):
    asked = CASES[name]
    mask = np.zeros(SHAPE, bool)
    wanted = entries(asked).coefs.size
    assert footprint.estimated_entries(asked, asked.geometry, mask) == pytest.approx(wanted, rel=0.15)
    assert wanted < footprint._most_entries(asked, mask)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            CASES["many bins"],
            r"^30000 bins with the splitting 'bbox' would take 0.1[78]\d? GB of memory, more than",
        ),
        (CASES["many bins"], r"0.04 GB: ask for fewer bins, or for the splitting 'no'$"),
        (spec(Axis("2th_deg", 10**6), split="no"), r"^1000000 bins would take 0.26 GB .* fewer bins$"),
        (spec(Axis("2th_deg", 3000), Axis("chi_deg", 3600)), r"^3000 x 3600 bins would take 2.81 GB"),
    ],
)
def test_too_many_bins_are_refused_in_one_line(monkeypatch, asked, message):
    monkeypatch.setattr(footprint, "share_of_memory", lambda: 20_000_000)
    with pytest.raises(SpecError, match=message) as caught:
        asked.plan()
    assert "\n" not in str(caught.value)


def test_what_fits_is_not_refused(monkeypatch):
    monkeypatch.setattr(footprint, "share_of_memory", lambda: 310_000_000)
    for asked in CASES.values():
        asked.plan()


def test_no_machine_makes_two_thousand_million_bins():
    begin = time.process_time()
    for split in ("no", "bbox"):
        with pytest.raises(SpecError, match=r"2000000000 bins would take 520 GB"):
            spec(Axis("2th_deg", 2 * 10**9), split=split).plan()
    assert time.process_time() - begin < 2.0


def test_usual_requests_are_not_looked_at(monkeypatch):
    """Neither on a machine of 8 GB: the estimate takes time."""
    monkeypatch.setattr(footprint, "share_of_memory", lambda: 2 * 10**9)
    monkeypatch.setattr(footprint, "estimated_entries", None)
    shape = (4362, 4148)  # an Eiger 16M
    for axes in (
        (Axis("q_nm^-1", 10_000), None),
        (Axis("q_nm^-1", 2000), Axis("chi_deg", 720)),
        (None, Axis("chi_deg", 3600)),
    ):
        asked = spec(*axes)
        footprint.check_memory(asked, asked.geometry, np.zeros(shape, bool))
