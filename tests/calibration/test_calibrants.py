import math
from pathlib import Path

import numpy as np
import pytest
from pyFAI.calibrant import CALIBRANT_FACTORY
from pyFAI.utils import get_calibration_dir

from aureole.calibration import Calibrant, calibrant, calibrant_names, read_calibrant
from aureole.errors import FormatError, InputError, SpecError

A = 1e-10

FORBIDDEN = {
    "Cr2O3": [(4, -4, -7)],  # l is odd on the glide plane of R-3c
    "TiO2": [(4, 0, 1), (3, 0, 2)],  # h + l is odd on the glide plane n of P4₂/mnm
    "ZnO": [(0, 0, 5)],  # l is odd on the screw axis of P6₃mc
}
"""Rings in the peer's tables that symmetry forbids (International Tables for Crystallography A)."""

LEFT_OUT = {
    # weak ones
    "Cr2O3": 11,
    "CuO": 2,
    "TiO2": 2,
    "graphite": 1,
    "lysozyme": 4,
    "verneite": 1,
}
"""How many rings that symmetry allows are not in the peer's tables, down to their smallest spacing."""

ROUNDED = {"C60": 3e-5, "PBBA": 3e-6, "diamond": 4e-5, "graphite": 3e-5, "vanadinite": 5e-5}
"""Relative error of tables with few digits."""


def peer_file(name):
    return Path(get_calibration_dir()) / f"{name}.D"


@pytest.mark.parametrize("name", CALIBRANT_FACTORY.keys())
def test_rings_are_those_of_the_peer(name):
    expected = np.unique([d for d in CALIBRANT_FACTORY(name).dspacing if d > 0.3])[::-1]
    tolerance = ROUNDED.get(name, 1e-6)
    ours = calibrant(name).d_spacings(expected.min() * (1.0 - tolerance) * A) / A
    near = np.abs(ours / expected[:, np.newaxis] - 1.0) < tolerance
    without = expected[~near.any(axis=1)]
    table = {ring.hkl: ring.d / A for ring in read_calibrant(peer_file(name)).table}
    forbidden = sorted((table[hkl] for hkl in FORBIDDEN.get(name, ())), reverse=True)
    assert without == pytest.approx(np.array(forbidden))
    assert np.count_nonzero(~near.any(axis=0)) == LEFT_OUT.get(name, 0)


@pytest.mark.parametrize("name", CALIBRANT_FACTORY.keys())
def test_files_of_the_peer_are_read(name):
    known = read_calibrant(peer_file(name))
    expected = np.array(sorted(set(CALIBRANT_FACTORY(name).dspacing), reverse=True))
    np.testing.assert_allclose(known.d_spacings(1e-12) / A, expected, rtol=1e-12)
    assert known.name == name
    assert known.title
    assert known.reference


@pytest.mark.parametrize("name", calibrant_names())
def test_every_calibrant_says_what_it_is_and_where_from(name):
    known = calibrant(name.upper())
    assert known.name == name
    assert known.title
    assert known.reference
    rings = known.reflections(max(known.finest, 1.0 * A))
    assert rings
    assert [ring.d for ring in rings] == sorted((ring.d for ring in rings), reverse=True)
    if known.lattice is not None:
        assert all(ring.multiplicity and ring.hkl is not None for ring in rings)


def test_strong_rings_of_quartz_have_intensities_and_lie_on_the_lattice():
    quartz = calibrant("quartz")
    assert max(quartz.table, key=lambda ring: ring.intensity).hkl == (1, 0, 1)
    everything = Calibrant("quartz", quartz.lattice, quartz.conditions)
    all_rings = everything.d_spacings(1.2 * A)
    assert set(quartz.d_spacings(1.2 * A)) < set(all_rings)
    assert quartz.finest == 0.0


def test_screw_axes_and_glide_planes():
    lysozyme = {ring.hkl for ring in calibrant("lysozyme").reflections(7.0 * A)}
    assert not {(1, 0, 0), (3, 0, 0), (0, 0, 1), (0, 0, 2), (0, 0, 3), (0, 0, 5)} & lysozyme
    assert {(2, 0, 0), (0, 0, 4), (1, 0, 1), (2, 1, 0)} <= lysozyme
    zincite = {ring.hkl for ring in calibrant("ZnO").reflections(0.9 * A)}
    assert not {(0, 0, 1), (0, 0, 3), (0, 0, 5), (1, 1, 1), (1, 1, 3)} & zincite
    assert {(0, 0, 4), (1, 1, 2), (1, 0, 3)} <= zincite
    cuprite = calibrant("Cu2O")
    assert cuprite == calibrant("CuO")
    assert not {(1, 0, 0), (2, 1, 0), (2, 2, 1)} & {ring.hkl for ring in cuprite.reflections(1.0 * A)}


def test_own_file(tmp_path):
    path = tmp_path / "mine.D"
    path.write_text(
        "# Calibrant: My powder (mine)\n# Ref: my notebook\n\n"
        "2.0 # (1 1 0) 12 50.5\n4.0  # (1 0 0)\n 2.0 # (0 1 1) 6 10\n1.5 # (1 0 -1 2) 4 weak\n"
    )
    mine = calibrant(str(path))
    assert mine == calibrant(path)
    assert (mine.name, mine.title, mine.reference) == ("mine", "My powder (mine)", "my notebook")
    first, second, third = mine.reflections(1.0 * A)
    assert (first.hkl, first.multiplicity, first.intensity) == ((1, 0, 0), None, None)
    assert second == (pytest.approx(2.0 * A), (1, 1, 0), 18, 60.5)
    assert (third.hkl, third.multiplicity, third.intensity) == ((1, 0, 2), 4, 0.0)
    assert mine.d_spacings(1.6 * A) == pytest.approx([4.0 * A, 2.0 * A])
    assert mine.two_theta(2.0 * A) == pytest.approx(2.0 * np.arcsin([0.25, 0.5, 2.0 / 3.0]))


def test_old_file_with_many_spacings_in_a_line(tmp_path):
    path = tmp_path / "old.D"
    path.write_text("# an old one\n5.0 4.0 3.0 # and so on\n2.0\n")
    assert calibrant(path).d_spacings(0.1 * A) == pytest.approx([5 * A, 4 * A, 3 * A, 2 * A])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# nothing\n", "no spacings"),
        ("3.0\ntwo\n", "line 2: 'two' is no spacing"),
        ("3.1e-10\n", "line 1: 3.1e-10 is no spacing in Å"),
        ("3.0 nan\n", "line 1: nan is no spacing"),
        ("\0", "is not a list of spacings"),
    ],
)
def test_unusable_files(tmp_path, text, message):
    path = tmp_path / "bad.D"
    path.write_text(text)
    with pytest.raises(FormatError, match=message):
        calibrant(path)


def test_missing_file():
    with pytest.raises(InputError, match=r"nowhere\.D: cannot be read"):
        calibrant("nowhere.D")


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
        (None, (), "a lattice is needed, or a table"),
    ],
)
def test_impossible_calibrants(lattice, conditions, message):
    with pytest.raises(SpecError, match=message):
        Calibrant("mine", lattice, conditions)


def test_table_out_of_order():
    rings = calibrant("mock").table
    with pytest.raises(SpecError, match="the largest first"):
        Calibrant("mine", None, table=rings[::-1])


def test_impossible_limits():
    ceria = calibrant("CeO2")
    with pytest.raises(SpecError, match="smallest spacing must be positive"):
        ceria.d_spacings(0.0)
    with pytest.raises(SpecError, match="wavelength must be positive"):
        ceria.two_theta(-1.0)
    with pytest.raises(SpecError, match="between 0 and pi"):
        ceria.two_theta(1.0 * A, 4.0)


@pytest.mark.parametrize("name", [name for name in calibrant_names() if not calibrant(name).table])
def test_spacings_beyond_number_are_refused(name):
    known = calibrant(name)
    with pytest.raises(SpecError, match="millions of rings"):
        known.reflections(0.5 * known.finest)
