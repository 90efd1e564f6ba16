import math
from pathlib import Path

import numpy as np
import pyFAI.resources
import pytest

from aureole.calibration import Calibrant, calibrant, calibrant_names
from aureole.errors import InputError, SpecError

A = 1e-10


def peer_rings(name):
    """Spacings (Å) and intensities (NaN where not given) from the tables of the peer."""
    text = (Path(pyFAI.resources.__file__).parent / "calibration" / f"{name}.D").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return np.array([float(line.split()[0]) for line in lines])


PEER_NAME = {"Al2O3": "alpha_Al2O3_SRM676a_2015"}


@pytest.mark.parametrize("name", [name for name in calibrant_names() if name != "Cr2O3"])
def test_rings_are_those_of_the_peer(name):
    expected = peer_rings(PEER_NAME.get(name, name))
    expected = expected[expected > 0.3]
    ours = calibrant(name).d_spacings(expected.min() * (1.0 - 1e-7) * A) / A
    np.testing.assert_allclose(ours, expected, rtol=1e-6)


def test_rings_of_eskolaite_contain_the_strong_ones_of_the_peer():
    # the table of the peer leaves weak rings out, and has one that the glide plane forbids
    expected = peer_rings("Cr2O3")[:30]
    ours = calibrant("Cr2O3").d_spacings(0.9 * A) / A
    assert max(np.abs(ours / d - 1.0).min() for d in expected) < 1e-6


def test_the_wanted_calibrants_are_there():
    wanted = {"CeO2", "LaB6", "Si", "Al2O3", "Ni", "AgBh", "Cr2O3", "Au", "NaCl"}
    assert wanted <= set(calibrant_names())


def test_first_rings_of_ceria():
    rings = calibrant("ceo2").reflections(1.5 * A)
    assert [(ring.hkl, ring.multiplicity) for ring in rings] == [
        ((1, 1, 1), 8),
        ((2, 0, 0), 6),
        ((2, 2, 0), 12),
        ((3, 1, 1), 24),
        ((2, 2, 2), 8),
    ]
    assert rings[0].d == pytest.approx(5.411651 * A / math.sqrt(3.0), rel=1e-14)


def test_reflections_that_silicon_does_not_have():
    present = {ring.hkl for ring in calibrant("Si").reflections(0.9 * A)}
    assert {(1, 1, 1), (2, 2, 0), (4, 0, 0)} <= present
    assert not {(2, 0, 0), (2, 2, 2), (4, 2, 0)} & present


def test_first_rings_of_corundum():
    assert [ring.hkl for ring in calibrant("Al2O3").reflections(2.0 * A)] == [
        (0, 1, 2),
        (1, 0, 4),
        (1, 1, 0),
        (0, 0, 6),
        (1, 1, 3),
    ]


def test_bragg():
    ceria = calibrant("CeO2")
    two_theta = ceria.two_theta(0.17 * A, math.radians(17.5))
    assert np.all(np.diff(two_theta) > 0)
    assert two_theta[-1] <= math.radians(17.5)
    assert pytest.approx(2.0 * ceria.d_spacings(1.0 * A)[0] * math.sin(0.5 * two_theta[0])) == 0.17 * A
    assert ceria.two_theta(2.0 * A).max() <= math.pi
    assert ceria.two_theta(7.0 * A).size == 0


def test_triclinic_spacing_by_hand():
    lattice = (3 * A, 4 * A, 5 * A, math.radians(80), math.radians(95), math.radians(110))
    mine = Calibrant("mine", lattice)
    a = np.array([3.0, 0.0, 0.0])
    b = 4.0 * np.array([math.cos(lattice[5]), math.sin(lattice[5]), 0.0])
    cx = math.cos(lattice[4])
    cy = (math.cos(lattice[3]) - cx * math.cos(lattice[5])) / math.sin(lattice[5])
    c = 5.0 * np.array([cx, cy, math.sqrt(1 - cx * cx - cy * cy)])
    reciprocal = np.linalg.inv(np.array([a, b, c])).T
    for ring in mine.reflections(1.2 * A):
        assert ring.d / A == pytest.approx(1.0 / np.linalg.norm(np.array(ring.hkl) @ reciprocal))
        assert ring.multiplicity == 2


def test_unknown_names():
    with pytest.raises(InputError, match="unknown calibrant 'CeO3': did you mean CeO2"):
        calibrant("CeO3")
    with pytest.raises(InputError, match="known: AgBh"):
        calibrant("&&&")


@pytest.mark.parametrize(
    ("lattice", "conditions", "message"),
    [
        ((1, 1, 0, 1, 1, 1), (), "six positive numbers"),
        ((1, 1, 1, 0.1, 1, 3), (), "no cell has the angles"),
        ((1, 1, 1, 1.5, 1.5, 1.5), ("X",), "unknown condition 'X'"),
    ],
)
def test_impossible_calibrants(lattice, conditions, message):
    with pytest.raises(SpecError, match=message):
        Calibrant("mine", lattice, conditions)


def test_impossible_limits():
    ceria = calibrant("CeO2")
    with pytest.raises(SpecError, match="smallest spacing must be positive"):
        ceria.d_spacings(0.0)
    with pytest.raises(SpecError, match="wavelength must be positive"):
        ceria.two_theta(-1.0)
    with pytest.raises(SpecError, match="between 0 and pi"):
        ceria.two_theta(1.0 * A, 4.0)


@pytest.mark.parametrize("name", calibrant_names())
def test_spacings_beyond_number_are_refused(name):
    known = calibrant(name)
    with pytest.raises(SpecError, match="millions of rings"):
        known.reflections(0.5 * known.finest)
