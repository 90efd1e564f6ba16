import numpy as np
import pytest
from pyFAI import units as peer

from aureole.errors import GeometryError, SpecError
from aureole.units import UNITS, unit

WAVELENGTH = 0.7e-10


def peer_units():
    everything = {**peer.RADIAL_UNITS, **peer.AZIMUTHAL_UNITS}
    return sorted(name for name, entry in everything.items() if type(entry) is peer.Unit)


def test_every_unit_of_the_peer_is_known_and_no_other():
    assert sorted(UNITS) == peer_units()


@pytest.mark.parametrize("name", peer_units())
def test_definition_is_that_of_the_peer(name):
    t1, t2, t3 = np.random.default_rng(1).uniform(-1.0, 1.0, (3, 1000))
    bases = {
        "r": np.hypot(t1, t2),
        "2theta": np.arctan2(np.hypot(t1, t2), t3),
        "sin_theta": np.sin(0.5 * np.arctan2(np.hypot(t1, t2), t3)),
        "qx": np.sin(0.5 * np.arctan2(t2, t3)),
        "qy": np.sin(0.5 * np.arctan2(t1, t3)),
        "chi": np.arctan2(t1, t2),
    }
    ours = unit(name)
    values = ours.apply(bases[ours.base] * ours.scale(WAVELENGTH))
    theirs = peer.to_unit(name)
    expected = theirs.equation(t2, t1, t3, WAVELENGTH) * theirs.scale
    np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-13)
    assert ours.positive == theirs.positive
    assert ours.period == theirs.period


def test_kinds():
    assert {name for name, entry in UNITS.items() if entry.kind == "azimuthal"} == {"chi_deg", "chi_rad"}


def test_symbols():
    assert unit("q_nm^-1").symbol == "nm^-1"
    assert unit("log(q.nm)_None").symbol == ""


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
