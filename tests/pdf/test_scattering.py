"""Form factors and Compton scattering against figures that have other sources."""

import numpy as np
import pytest

from aureole.pdf import Composition
from aureole.pdf.scattering import atomic_numbers, averages, compton, form_factor, polarization, recoil


def test_form_factors_begin_at_the_number_of_electrons():
    for symbol, number in atomic_numbers().items():
        assert form_factor(symbol, np.zeros(1))[0] == pytest.approx(number, rel=3e-3)


def test_compton_goes_from_nothing_to_the_number_of_electrons():
    q = np.array([0.0, 1e3])
    for symbol, number in atomic_numbers().items():
        if number <= 92:
            first, last = compton(symbol, q)
            assert 0.0 <= first < 0.003 * number + 0.02
            assert last == pytest.approx(number, rel=1e-3)


@pytest.mark.parametrize(
    ("symbol", "s", "wanted"),
    # S(x) of J. H. Hubbell et al., J. Phys. Chem. Ref. Data 4 (1975) 471, Table I; s = sin(theta)/wavelength.
    [
        ("O", 0.5, 5.828),
        ("Cd", 1.0, 28.705),
        ("Te", 1.0, 30.613),
        ("Dy", 0.2, 9.867),
        ("Au", 1.0, 38.896),
        ("La", 0.5, 21.555),
        ("H", 0.3, 0.93686),
    ],
)
def test_compton_agrees_with_other_tables(symbol, s, wanted):
    number = atomic_numbers()[symbol]
    assert compton(symbol, np.array([4 * np.pi * s]))[0] == pytest.approx(wanted, abs=0.006 * number)


def test_means_are_those_of_the_atoms():
    q = np.linspace(0.5, 20, 7)
    found = averages(Composition.parse("NaCl3"), q)
    na, cl = form_factor("Na", q), form_factor("Cl", q)
    np.testing.assert_allclose(found.f, 0.25 * na + 0.75 * cl)
    np.testing.assert_allclose(found.f2, 0.25 * na**2 + 0.75 * cl**2)
    np.testing.assert_allclose(found.compton, 0.25 * compton("Na", q) + 0.75 * compton("Cl", q))


def test_recoil_is_that_of_a_free_electron():
    """At 511 keV and 90 degrees the photon keeps half of its energy."""
    wavelength = 2.42631023538e-12
    q = 4e-10 * np.pi / wavelength * np.sin(np.pi / 4)
    assert recoil(np.array([q]), wavelength, 1)[0] == pytest.approx(0.5, rel=1e-6)
    assert recoil(np.array([q]), wavelength, 3)[0] == pytest.approx(0.125, rel=1e-6)


@pytest.mark.parametrize(("factor", "wanted"), [(-1.0, 1.0), (0.0, 0.625), (1.0, 0.25)])
def test_polarization_at_sixty_degrees(factor, wanted):
    q = 4e-10 * np.pi / 1e-10 * np.sin(np.pi / 6)
    assert polarization(np.array([q]), 1e-10, factor)[0] == pytest.approx(wanted)
