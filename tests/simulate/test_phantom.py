"""Regions: what they hold, and what rays through them see."""

import numpy as np
import pytest

from aureole.errors import SpecError
from aureole.simulate import Phantom, Region, sample
from aureole.tomo import ParallelBeam, project

REGIONS = [
    Region("Ni", 0.8, 0.1, -0.2, 0.5),
    Region("Ni", 0.8, -0.1, 0.3, 0.4, aspect=0.5, tilt=0.7, smooth=1),
    Region("Ni", 0.5, 0.0, 0.1, 0.3, aspect=1.5, tilt=-0.3, smooth=2, z=0.2, height=0.8),
]


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("z", [0.0, 0.6])
def test_line_integrals_are_those_of_the_fractions(region, z):
    along = np.linspace(-1.2, 1.2, 24001)
    for angle in (0.0, 0.4, 2.0, 4.5):
        for distance in (-0.3, 0.05, 0.31):
            x = distance * np.cos(angle) - along * np.sin(angle)
            y = distance * np.sin(angle) + along * np.cos(angle)
            summed = region.fraction(x, y, z).sum() * (along[1] - along[0])
            assert region.line_integral(distance, angle, z) == pytest.approx(summed, abs=2e-4)


def test_all_angles_see_the_same_mass():
    phantom = sample()
    distance = np.linspace(-1.0, 1.0, 20001)
    areas = [sum(r.area() for r in phantom.regions if r.phase == name) for name in phantom.phases]
    for angle in np.linspace(0.0, 2 * np.pi, 9):
        mass = phantom.line_integrals(distance, angle).sum(axis=1) * 1e-4
        np.testing.assert_allclose(mass, areas, rtol=1e-5)


def test_a_region_beyond_its_height_is_not_there():
    assert not REGIONS[2].line_integral(np.zeros(3), np.zeros(3), 1.0).any()
    assert not REGIONS[2].fraction(0.0, 0.1, 1.0).any()


def test_line_integrals_follow_the_convention_of_tomography():
    """The rays of a sinogram through the voxels see what the formulas say, away from sharp edges."""
    phantom = Phantom(("LaB6",), (Region("LaB6", 0.5, 0.3, -0.2, 0.5, 0.7, 0.4, smooth=2),))
    size, center, radius = 101, 48.3, 45.0
    angles = np.radians([0.0, 20.0, 71.0, 90.0, 133.0])
    axis = (np.arange(size) - 50) / radius
    seen = project(
        ParallelBeam(angles, size, rotation_center=center), phantom.voxels(axis, axis).astype(np.float32)
    )
    distance = (np.arange(size) - center) / radius
    expected = radius * phantom.line_integrals(distance, angles[:, None])
    np.testing.assert_allclose(seen, expected, atol=0.01 * expected.max())


def test_the_sample_has_all_phases_as_fractions():
    phantom = sample()
    axis = np.linspace(-1, 1, 41)
    for z in (-0.9, 0.0, 0.9):
        found = phantom.voxels(axis, axis, z)
        assert found.min() >= -1e-12
        assert found.sum(axis=0).max() <= 1.0 + 1e-12
        assert (found.max(axis=(1, 2))[3:] > 0.15).all()
    assert (phantom.voxels(axis, axis).max(axis=(1, 2)) > 0.1).all()


@pytest.mark.parametrize(
    ("phases", "regions", "message"),
    [
        ((), (), "needs a phase"),
        (("Fe",), (), "unknown phase 'Fe'; known: CeO2"),
        (("Ni", "Ni"), (), "named twice"),
        (("Ni",), (Region("CeO2", 0.1, 0, 0, 0.1),), "no phase of the phantom"),
        (("Ni",), (Region("Ni", 0.1, 0.95, 0, 0.1),), "beyond the radius"),
        (("Ni",), (Region("Ni", 1.1, 0, 0, 0.1),), "between 0 and 1"),
        (("Ni",), (Region("Ni", 0.6, 0, 0, 0.1), Region("Ni", 0.6, 0.1, 0, 0.1)), "between 0 and 1"),
        (("Ni",), (Region("Ni", -0.1, 0, 0, 0.1),), "between 0 and 1"),
    ],
)
def test_phantoms_that_cannot_be(phases, regions, message):
    with pytest.raises(SpecError, match=message):
        Phantom(phases, regions)
