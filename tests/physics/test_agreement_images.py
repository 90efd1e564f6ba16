"""Images made of patterns, and of what stands out of them, against pyFAI's calcfrom1d and separate."""

import logging

import numpy as np
import pytest
from pyfai_oracle import integrator

import aureole
from aureole.azimuthal import back_project, bins_along_radius, fit_polarization, most_bins, separate

SHAPE = (120, 150)


@pytest.fixture(autouse=True)
def _quiet():
    logging.getLogger("pyFAI").setLevel(logging.CRITICAL)


@pytest.fixture(scope="module")
def geometry():
    detector = aureole.detector(pixel1=1e-3, pixel2=1e-3, shape=SHAPE)
    return aureole.Geometry(detector, 0.15, 0.052, 0.067, 0.05, -0.03, 0.1, wavelength=1e-10)


@pytest.fixture(scope="module")
def spotty(geometry):
    angle = geometry.center_array("2th_deg")
    mean = (200.0 * np.exp(-angle / 12.0) + 20.0) * geometry.solid_angle() * geometry.polarization(0.9)
    rng = np.random.default_rng(3)
    spots = rng.random(SHAPE) < 0.02
    return rng.poisson(mean + 5000.0 * spots).astype(np.int32)


def test_images_of_patterns(geometry):
    at = np.linspace(0.0, 45.0, 500)
    curve = 200.0 * np.exp(-at / 12.0)
    spec = aureole.IntegrationSpec(geometry, radial=aureole.Axis("2th_deg", 10), polarization_factor=0.9)
    theirs = integrator(geometry).calcfrom1d(at, curve, SHAPE, dim1_unit="2th_deg", polarization_factor=0.9)
    np.testing.assert_allclose(back_project(spec, at, curve), theirs, rtol=1e-5)


def test_separation(geometry, spotty):
    theirs = integrator(geometry).separate(
        spotty, 50, unit="2th_deg", method=("no", "csr", "cython"), polarization_factor=0.9
    )
    ours = separate(spotty, geometry, 50, split="no", polarization_factor=0.9)
    apart = np.abs(ours.amorphous - theirs.amorphous) / np.sqrt(theirs.amorphous)
    assert np.median(apart) < 0.1
    assert np.quantile(apart, 0.99) < 0.6


def test_numbers_of_bins(geometry):
    assert abs(bins_along_radius(geometry) - integrator(geometry).guess_npt_rad()) <= 1
    ai = integrator(geometry)
    for pixels in (1, 5):
        found = most_bins(geometry, "2th_deg", pixels=pixels)
        theirs = ai.guess_max_bins(redundancy=pixels, unit="2th_deg")
        assert abs(found - theirs) <= 1


def test_polarization(geometry):
    angle = geometry.center_array("2th_deg")
    image = 1e4 * np.exp(-angle / 30.0) * geometry.solid_angle() * geometry.polarization(0.7)
    theirs = integrator(geometry).guess_polarization(image)
    assert theirs == pytest.approx(0.7, abs=0.1)
    assert fit_polarization(image, geometry).factor == pytest.approx(0.7, abs=0.01)


def test_intensity_against_azimuth(geometry):
    """pyFAI averages a cake along the radius; we sum the pixels of a ring: on a smooth image both are one."""
    chi = np.radians(geometry.center_array("chi_deg"))
    image = 100.0 * (2.0 + np.cos(chi)) * geometry.solid_angle()
    spec = aureole.IntegrationSpec(
        geometry,
        radial=aureole.Axis("2th_deg", None, (8.0, 15.0)),
        azimuthal=aureole.Axis("chi_deg", 60, (-180.0, 180.0)),
    )
    ours = spec.plan().integrate(image)
    at, theirs = integrator(geometry).integrate_radial(
        image,
        60,
        npt_rad=30,
        radial_range=(8.0, 15.0),
        radial_unit="2th_deg",
        azimuth_range=(-180.0, 180.0),
        unit="chi_deg",
        method=("bbox", "csr", "cython"),
    )
    np.testing.assert_allclose(ours.azimuthal, at, atol=0.01)
    np.testing.assert_allclose(ours.intensity, theirs, rtol=0.01)
