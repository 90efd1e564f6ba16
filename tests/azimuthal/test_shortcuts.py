"""The short ways give what a plan gives."""

import numpy as np
import pytest

import aureole
from aureole.azimuthal import shortcuts
from aureole.errors import FrameCorrupt, GeometryError, SpecError

SHAPE = (24, 31)


def test_integrate1d_is_a_spec_and_a_plan(geometry, counts):
    mask = counts[1] > 4
    have = aureole.integrate1d(
        counts[0],
        geometry,
        20,
        unit="2th_deg",
        split="no",
        radial_range=(1.0, 14.0),
        azimuth_range=(-90.0, 90.0),
        polarization_factor=0.9,
        error_model="poisson",
        mask=mask,
        monitor=2.0,
    )
    spec = aureole.IntegrationSpec(
        geometry,
        radial=aureole.Axis("2th_deg", 20, (1.0, 14.0)),
        azimuthal=aureole.Axis("chi_deg", None, (-90.0, 90.0)),
        split="no",
        polarization_factor=0.9,
        error_model="poisson",
        mask=mask,
    )
    assert have.spec == spec
    want = spec.plan().integrate(counts[0], monitor=2.0)
    np.testing.assert_array_equal(have.intensity, want.intensity)
    np.testing.assert_array_equal(have.sigma, want.sigma)
    assert have.radial.shape == (20,)


def test_integrate2d(geometry, counts):
    cake = aureole.integrate2d(counts, geometry, 20, 8, error_model="variance", variance=counts + 1.0)
    assert isinstance(cake, aureole.Cake)
    assert cake.intensity.shape == cake.sigma.shape == (5, 8, 20)
    assert cake.azimuthal.shape == (8,)
    assert cake.radial.shape == (20,)


def test_the_image_gives_the_shape_that_a_detector_lacks(geometry, counts):
    bare = aureole.Geometry(aureole.detector(pixel1=1e-3, pixel2=1.2e-3), 0.1, 0.009, 0.014, wavelength=1e-10)
    for image in (counts[0], counts, aureole.EncodedFrame.from_array(counts[0])):
        result = aureole.integrate1d(image, bare, 10)
        assert result.spec.geometry.detector.shape == SHAPE


def test_plans_are_kept_for_a_loop(geometry, counts):
    shortcuts._plan.cache_clear()
    for image in counts:
        aureole.integrate1d(image, geometry, 11, mask=counts[0] > 5)
    assert shortcuts._plan.cache_info().misses == 1


def test_mistakes_are_told(geometry, counts):
    with pytest.raises(TypeError, match="polarisation"):
        aureole.integrate1d(counts[0], geometry, 10, polarisation=1.0)
    with pytest.raises(SpecError, match="did you mean"):
        aureole.integrate1d(counts[0], geometry, 10, unit="q_nm")
    with pytest.raises(SpecError, match="geometry must be"):
        aureole.integrate1d(counts[0], "x.poni", 10)
    with pytest.raises(FrameCorrupt, match="image: it has 31 x 24 pixels instead of 24 x 31"):
        aureole.integrate1d(counts[0].T, geometry, 10)
    no_wavelength = aureole.Geometry(geometry.detector, 0.1)
    with pytest.raises(GeometryError, match="wavelength"):
        aureole.integrate1d(counts[0], no_wavelength, 10)
