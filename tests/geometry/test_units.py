import pytest
from pyFAI import units as peer

from aureole.errors import GeometryError, SpecError
from aureole.units import UNITS, unit

OWN = {"p1_m", "p2_m", "scattering_angle_vert_deg", "scattering_angle_horz_deg"}


def peer_units():
    return sorted({**peer.RADIAL_UNITS, **peer.AZIMUTHAL_UNITS})


def test_every_unit_of_the_peer_is_known():
    assert set(UNITS) == {*peer_units(), *OWN}


@pytest.mark.parametrize("name", peer_units())
def test_sign_and_period_are_those_of_the_peer(name):
    ours, theirs = unit(name), peer.to_unit(name)
    # The length of a vector is not negative, whatever the peer says of that in a sample.
    assert ours.positive == (theirs.positive or name.startswith("qtot"))
    assert ours.period == theirs.period


def test_kinds():
    around = {name for name, entry in UNITS.items() if entry.kind == "azimuthal"}
    assert around == {"chi_deg", "chi_rad", "chigi_deg", "chigi_rad"}
    assert {entry.name for entry in UNITS.values() if entry.needs_sample} <= {
        entry.name for entry in UNITS.values() if entry.kind == "either" or entry.name in around
    }
    for kind in ("radial", "azimuthal"):
        assert unit("qip_nm^-1", kind) is unit("qip_nm^-1")


def test_a_unit_passes_through():
    assert unit(unit("r_mm")) is unit("r_mm")


def test_near_names_are_offered():
    with pytest.raises(SpecError, match=r"unknown unit 'q_nm': did you mean .*q_nm\^-1"):
        unit("q_nm")
    with pytest.raises(SpecError, match="did you mean 2th_deg"):
        unit("2TH_DEG")
    with pytest.raises(SpecError, match="known: r_mm"):
        unit("furlong&fortnight")


def test_the_wrong_kind_is_refused():
    with pytest.raises(SpecError, match="chi_deg is azimuthal"):
        unit("chi_deg", "radial")


def test_wavelength_is_asked_for():
    with pytest.raises(GeometryError, match="q_A\\^-1 needs a wavelength"):
        unit("q_A^-1").scale(None)
    assert unit("2th_rad").scale(None) == 1.0
