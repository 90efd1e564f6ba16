"""Numbers of bins, the polarization of the beam, and absolute scales."""

import numpy as np
import pytest

import aureole
from aureole.azimuthal import bins_along_radius, fit_polarization, most_bins
from aureole.azimuthal.absolute import (
    carbon_cross_section,
    scale_by_carbon,
    scale_by_water,
    water_cross_section,
)
from aureole.errors import SpecError

SHAPE = (100, 120)


def geometry_of(**options):
    detector = aureole.detector(pixel1=1e-3, pixel2=1e-3, shape=SHAPE)
    return aureole.Geometry(detector, 0.1, wavelength=1e-10, **options)


# bins


def test_one_bin_a_pixel():
    assert bins_along_radius(geometry_of(poni1=0.0, poni2=0.0)) == int(np.hypot(*SHAPE))
    assert bins_along_radius(geometry_of(poni1=0.05, poni2=0.06)) == int(np.hypot(50, 60))
    assert bins_along_radius(geometry_of(poni1=-0.03, poni2=0.0)) == int(np.hypot(130, 120)) - 30


def test_as_many_bins_as_have_pixels():
    geometry = geometry_of(poni1=0.05, poni2=0.06)
    place = geometry.center_array("r_mm").ravel()
    n = most_bins(geometry, "r_mm", pixels=4)
    assert np.histogram(place, n)[0].min() >= 4
    assert np.histogram(place, n + 1)[0].min() < 4
    mask = np.ones(SHAPE, bool)
    mask[50] = False
    assert most_bins(geometry, "r_mm", pixels=4, mask=mask) < n
    assert most_bins(geometry, "r_mm", pixels=4, radial_range=(10.0, 40.0)) > 30


def test_impossible_numbers_of_pixels_are_refused():
    geometry = geometry_of()
    with pytest.raises(SpecError, match="at least one"):
        most_bins(geometry, "r_mm", pixels=0)
    with pytest.raises(SpecError, match="fewer than 12001 pixels"):
        most_bins(geometry, "r_mm", pixels=SHAPE[0] * SHAPE[1] + 1)
    with pytest.raises(SpecError, match="every pixel"):
        most_bins(geometry, "r_mm", mask=np.ones(SHAPE))


# polarization


@pytest.mark.parametrize("factor", [-0.9, 0.0, 0.5, 0.99])
def test_the_polarization_is_found_through_noise_spots_and_gaps(factor):
    geometry = geometry_of(poni1=0.05, poni2=0.03, rot1=0.1)
    rng = np.random.default_rng(1)
    mean = 900.0 * np.exp(-geometry.center_array("2th_deg") / 25.0)
    image = rng.poisson(mean * geometry.solid_angle() * geometry.polarization(factor)).astype(float)
    image[rng.random(SHAPE) < 0.002] *= 30.0
    mask = np.zeros(SHAPE, bool)
    mask[40:50] = True
    found = fit_polarization(image, geometry, mask=mask, split="no")
    assert found.error < 0.04
    assert abs(found.factor - factor) < 4.0 * found.error


def test_the_axis_of_polarization_may_be_turned():
    geometry = geometry_of(poni1=0.05, poni2=0.06)
    image = 1e3 * geometry.solid_angle() * geometry.polarization(0.8, 0.3)
    assert fit_polarization(image, geometry, polarization_axis_offset=0.3).factor == pytest.approx(
        0.8, abs=0.01
    )


def test_what_cannot_be_fitted_is_told():
    geometry = geometry_of(poni1=0.05, poni2=0.06)
    with pytest.raises(SpecError, match="do not give one"):
        fit_polarization(np.ones(SHAPE), geometry, polarization_factor=0.9)
    mask = np.ones(SHAPE, bool)
    mask[10, 10] = False
    with pytest.raises(SpecError, match="too few bins"):
        fit_polarization(np.ones(SHAPE), geometry, mask=mask)
    textured = 1e3 * geometry.solid_angle() * (1.0 + 0.3 * np.cos(2.0 * geometry.center_array("chi_rad")))
    with pytest.raises(SpecError, match="which no beam has"):
        fit_polarization(textured, geometry)


# absolute scale


def test_water_is_as_measured():
    """Orthaber, Bergmann and Glatter (2000): 0.01632 1/cm at 20 °C, within their percent."""
    assert water_cross_section(20.0) == pytest.approx(0.01632, rel=0.01)
    assert water_cross_section(4.0) == pytest.approx(0.01670, rel=0.02)
    with pytest.raises(SpecError, match="0 to 60"):
        water_cross_section(100.0)


def test_carbon_is_as_certified():
    np.testing.assert_allclose(carbon_cross_section([0.0827568, 1.4614500]), [34.93338, 16.372848])
    assert np.isnan(carbon_cross_section([0.05, 3.0])).all()


def test_scales_undo_what_was_measured():
    q = np.linspace(0.05, 3.0, 200)
    carbon = scale_by_carbon(q, carbon_cross_section(q) * 0.1 * 7.5, thickness=1e-3)
    assert carbon.factor == pytest.approx(7.5)
    assert carbon.error < 1e-12
    noisy = 0.01642 * 0.15 * 7.5 * np.random.default_rng(1).normal(1.0, 0.02, q.size)
    water = scale_by_water(q, noisy, thickness=1.5e-3)
    assert abs(water.factor - 7.5) < 4.0 * water.error
    np.testing.assert_allclose(water.absolute(noisy, 1.5e-3).mean(), 0.01642, rtol=0.01)


@pytest.mark.parametrize(
    ("measure", "message"),
    [
        (lambda q: scale_by_carbon(q * 100, q, thickness=1e-3), "no intensity lies"),
        (lambda q: scale_by_carbon(q, q, thickness=0.0), "thickness"),
        (lambda q: scale_by_carbon(q, -q, thickness=1e-3), "subtracted twice"),
        (lambda q: scale_by_carbon(q, q[1:], thickness=1e-3), "values of q"),
        (lambda q: scale_by_water(q, q, thickness=1e-3, temperature=99.0), "0 to 60"),
    ],
)
def test_impossible_standards_are_refused(measure, message):
    with pytest.raises(SpecError, match=message):
        measure(np.linspace(0.1, 2.0, 20))
