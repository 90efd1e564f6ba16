"""Distortion correction: counts are kept, a distorted flat field becomes flat, and the peer agrees."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

from aureole import Geometry, detector
from aureole.arrays import NamedArray
from aureole.azimuthal import regridding
from aureole.errors import GeometryError
from aureole.geometry import Detector
from aureole.geometry.recorded import Recorded
from aureole.geometry.surface import Cylinder, Hexagons

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from pyFAI.detectors import detector_factory
    from pyFAI.distortion import Distortion

PIXEL = 1e-4
SHAPE = (30, 40)


def barrel(orientation=3):
    """Pixels that are displaced by up to two, the more the farther out."""
    i, j = np.meshgrid(np.arange(SHAPE[0] + 1.0), np.arange(SHAPE[1] + 1.0), indexing="ij")
    out = 1.0 + 5e-5 * ((i - 15.0) ** 2 + (j - 20.0) ** 2)
    y, x = (15.0 + (i - 15.0) * out) * PIXEL, (20.0 + (j - 20.0) * out) * PIXEL
    at = np.stack([y, x, np.zeros_like(x)], axis=-1)
    corners = np.stack([at[:-1, :-1], at[1:, :-1], at[1:, 1:], at[:-1, 1:]], axis=2)
    return Detector(
        "Detector",
        PIXEL,
        PIXEL,
        SHAPE,
        orientation,
        recorded=Recorded("barrel.h5", NamedArray("corners", corners)),
    )


HEXAGONS = Detector("Detector", PIXEL, PIXEL, SHAPE, surface=Hexagons())


def counts(shape=SHAPE):
    return np.random.default_rng(0).poisson(100.0, shape).astype(np.int32)


@pytest.mark.parametrize("known", [barrel(), barrel(2), HEXAGONS], ids=["barrel", "flipped", "hexagons"])
def test_no_count_is_lost(known):
    image = counts()
    found = regridding(known, error_model="poisson")
    cake = found.spec.plan().integrate(image)
    assert cake.sum_signal.shape == found.detector.shape
    assert cake.sum_signal.sum() == pytest.approx(image.sum(), rel=1e-7)
    variance = cake.sum_variance[cake.count > 0]
    assert np.all((variance > 0.0) & (variance <= cake.sum_signal[cake.count > 0] * (1 + 1e-7)))


def test_a_regular_detector_stays_as_it_is():
    image = counts()
    known = detector(pixel1=PIXEL, pixel2=2e-4, shape=SHAPE)
    found = regridding(known)
    assert (found.detector, found.first) == (known, (0, 0))
    np.testing.assert_allclose(found.spec.plan().integrate(image).sum_signal, image, rtol=1e-7)


def test_a_flat_field_becomes_flat():
    """Equal light on all of the plane: counts of pixels are as their areas, of regular ones equal."""
    known = barrel()
    y, x = known.corners()[..., 0], known.corners()[..., 1]
    areas = 0.5 * np.abs(sum(x[..., k] * (y[..., k - 1] - y[..., (k + 1) % 4]) for k in range(4))) / PIXEL**2
    assert np.ptp(areas) > 0.1
    found = regridding(known)
    made = found.spec.plan().integrate(1000.0 * areas).sum_signal
    inside = made[4:-4, 4:-4]
    np.testing.assert_allclose(inside, 1000.0, rtol=1e-6)


@pytest.mark.parametrize("orientation", [1, 2, 3, 4])
def test_where_the_regular_pixels_stand(orientation):
    """A spot of light is seen at the same angles before and after."""
    known = barrel(orientation)
    geometry = Geometry(known, 0.02, 0.4e-3, 0.9e-3, 0.1, -0.2, 0.3)
    found = regridding(known)
    image = np.zeros(SHAPE)
    image[4, 35] = 900.0
    made = found.spec.plan().integrate(image).sum_signal
    after = found.geometry(geometry)
    assert after.shape == made.shape
    for name in ("2th_deg", "chi_deg"):
        centre = np.average(after.center_array(name), weights=made)
        assert centre == pytest.approx(geometry.center_array(name)[4, 35], rel=2e-3)


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("name", ["imxpad_s140", "Xpad S540 flat"])
def test_the_peer_agrees(name, whole):
    known = detector(name)
    image = counts(known.shape).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = Distortion(detector_factory(name), resize=whole, mask=False, method="csr").correct(image)
    ours = regridding(known, whole=whole, detector_mask=False).spec.plan().integrate(image).sum_signal
    assert ours.shape == theirs.shape
    apart = np.abs(ours - theirs)
    # The corners of the peer are float32: good to 5e-5 of a pixel.
    assert np.median(apart) < 1e-3
    assert apart.max() < 0.05
    assert ours.sum() == pytest.approx(theirs.sum(), rel=1e-6)


def test_what_is_not_flat_is_refused():
    with pytest.raises(GeometryError, match="is not flat"):
        regridding(replace(HEXAGONS, surface=Cylinder(0.3)))
