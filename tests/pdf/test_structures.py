"""Both modes on computed structures: intensities by Debye's sum, against G(r) from the atoms themselves."""

import numpy as np
import pytest

from aureole.pdf import PDFSpec, PDFTransform

from .structures import direct, distances, elastic, lanthanum_boride, measured, nickel, rw

WAVELENGTH = 0.2e-10
U2 = 0.012
SCALE = 37.0
FLUORESCENCE = 12.0
Q = np.arange(0.8, 25.0001, 0.02)
R = {"rmin": 0.01, "rmax": 15.0}


@pytest.fixture(scope="module")
def metal():
    cluster = nickel(10.0)
    return cluster, measured(cluster, Q, U2, WAVELENGTH, scale=SCALE)


@pytest.fixture(scope="module")
def boride():
    cluster = lanthanum_boride(10.0)
    return cluster, measured(cluster, Q, U2, WAVELENGTH, scale=SCALE)


def physical(cluster, **options):
    settings = {"mode": "physical", "wavelength": WAVELENGTH, "density": cluster.density}
    return PDFTransform(PDFSpec(cluster.formula, **(R | settings | options)), Q)


def test_physical_mode_finds_the_scale(metal, boride):
    for cluster, intensity in (metal, boride):
        assert physical(cluster)(intensity).scale * SCALE == pytest.approx(1.0, abs=1e-3)


def test_physical_mode_without_the_density(metal, boride):
    for cluster, intensity in (metal, boride):
        assert physical(cluster, density=0.0)(intensity).scale * SCALE == pytest.approx(1.0, abs=2e-3)


def test_physical_mode_finds_fluorescence(metal, boride):
    for cluster, intensity in (metal, boride):
        found = physical(cluster, fluorescence="fit")(intensity + SCALE * FLUORESCENCE)
        assert found.fluorescence == pytest.approx(FLUORESCENCE, abs=0.1)
        assert found.scale * SCALE == pytest.approx(1.0, abs=2e-3)
        given = physical(cluster, fluorescence=FLUORESCENCE)(intensity + SCALE * FLUORESCENCE)
        assert rw(given.g, physical(cluster)(intensity).g) < 1e-3


def test_physical_mode_gives_the_intensity_of_the_atoms(boride):
    """S(q) with all that is not structure taken away, against the sum over the atoms alone."""
    from aureole.pdf import Composition
    from aureole.pdf.scattering import averages

    cluster, intensity = boride
    stages = physical(cluster).stages(intensity)
    mean = averages(Composition.parse(cluster.formula), Q)
    wanted = 1.0 + (elastic(cluster, Q, U2) - mean.f2) / mean.f**2
    assert rw(stages.s, wanted) < 2e-3


def test_physical_mode_gives_the_distances_of_the_atoms(metal):
    cluster, intensity = metal
    found = physical(cluster)(intensity)
    assert rw(found.g, direct(cluster, found.r, U2)) < 0.04


def test_polarization_is_corrected(metal):
    from aureole.pdf.scattering import polarization

    cluster, intensity = metal
    plan = physical(cluster, polarization_factor=0.5)
    seen = plan((intensity + SCALE * FLUORESCENCE) * polarization(Q, WAVELENGTH, 0.5))
    wanted = physical(cluster)(intensity + SCALE * FLUORESCENCE)
    assert rw(seen.g, wanted.g) < 1e-6


def test_no_atoms_are_closer_than_the_first_bond(metal):
    """Below it G(r) is -4πρr; small angles, which are not measured, leave some per cent open."""
    cluster, intensity = metal
    found = physical(cluster, window="lorch")(intensity)
    near = (found.r > 0.3) & (found.r < 1.5)
    g, wanted = found.g[near], -4.0 * np.pi * cluster.density * found.r[near]
    assert (g @ wanted) / (wanted @ wanted) == pytest.approx(1.0, abs=0.15)
    assert np.abs(g - wanted).max() < 0.05 * found.g.max()


def test_coordination_number_and_length_of_the_first_bond(metal):
    cluster, intensity = metal
    found = physical(cluster)(intensity)
    atoms = len(cluster.positions)
    x = found.r / (2.0 * cluster.radius)
    density = atoms / (4.0 / 3.0 * np.pi * cluster.radius**3)
    shape = 1.0 - 1.5 * x + 0.5 * x**3
    radial = found.r * (found.g + 4.0 * np.pi * found.r * density * shape)
    peak = (found.r > 2.1) & (found.r < 2.9)
    (counts,) = distances(cluster).values()
    wanted = counts[2100:2900].sum() / atoms
    assert np.sum(radial[peak]) * 0.01 == pytest.approx(wanted, rel=0.03)
    assert found.r[peak][np.argmax(found.g[peak])] == pytest.approx(3.5239 / np.sqrt(2.0), abs=0.015)


def test_polynomial_mode_has_the_shape(metal, boride):
    """Its scale is not absolute, but the distances and the ratios of peaks are those of the atoms."""
    for cluster, intensity in (metal, boride):
        found = PDFTransform(PDFSpec(cluster.formula, rpoly=0.9, **R), Q)(intensity)
        wanted = physical(cluster)(intensity).g
        if len(distances(cluster)) == 1:
            wanted = direct(cluster, found.r, U2)
        bonds = found.r > 1.5
        g, wanted = found.g[bonds], wanted[bonds]
        assert rw(g * (g @ wanted) / (g @ g), wanted) < 0.06


def test_polynomial_mode_removes_what_is_smooth(metal):
    cluster, intensity = metal
    plan = PDFTransform(PDFSpec(cluster.formula, rpoly=1.2, **R), Q)
    clean = plan(intensity)
    seen = plan(intensity + SCALE * (20.0 * np.exp(-Q / 6.0) + 5.0))
    bonds = clean.r > 1.6
    clean, seen = clean.g[bonds], seen.g[bonds]
    assert rw(seen * (seen @ clean) / (seen @ seen), clean) < 0.01


def test_steps_of_q_need_not_be_equal(metal):
    """Steps of equal angle instead, as detectors make them."""
    cluster, intensity = metal
    angles = np.linspace(np.arcsin(Q[0] * 0.2 / 4 / np.pi), np.arcsin(Q[-1] * 0.2 / 4 / np.pi), len(Q))
    q = 4.0 * np.pi / 0.2 * np.sin(angles)
    spec = physical(cluster).spec
    seen = PDFTransform(spec, q)(measured(cluster, q, U2, WAVELENGTH, scale=SCALE))
    assert rw(seen.g, physical(cluster)(intensity).g) < 2e-3
