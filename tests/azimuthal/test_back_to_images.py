"""From patterns and cakes to images: back-projection, separation, inpainting."""

from dataclasses import replace

import numpy as np
import pytest

import aureole
from aureole.arrays import NamedArray
from aureole.azimuthal import Inpainter, Separator, back_project, inpaint, separate
from aureole.azimuthal.project import turn_of
from aureole.errors import FrameCorrupt, SpecError
from aureole.geometry.recorded import Recorded

SHAPE = (120, 150)


@pytest.fixture(scope="module")
def geometry():
    detector = aureole.detector(pixel1=1e-3, pixel2=1e-3, shape=SHAPE)
    return aureole.Geometry(detector, 0.15, 0.052, 0.067, 0.05, -0.03, 0.1, wavelength=1e-10)


@pytest.fixture(scope="module")
def radius(geometry):
    return geometry.center_array("2th_deg")


def spec_of(geometry, **options):
    options = {"radial": aureole.Axis("2th_deg", 100), "polarization_factor": 0.9, **options}
    return aureole.IntegrationSpec(geometry, **options)


def curve(at):
    return 200.0 * np.exp(-at / 12.0) + 20.0


# back-projection


def test_an_image_integrates_to_the_pattern_that_it_was_made_of(geometry):
    flat = np.random.default_rng(1).uniform(0.8, 1.2, SHAPE)
    spec = spec_of(geometry, flat=flat, dark=np.full(SHAPE, 3.0))
    at = np.linspace(0.0, 45.0, 500)
    image = back_project(spec, at, curve(at))
    pattern = spec.plan().integrate(image)
    np.testing.assert_allclose(pattern.intensity, curve(pattern.radial), rtol=1.2e-2)
    assert np.median(np.abs(pattern.intensity / curve(pattern.radial) - 1.0)) < 2e-3


def test_corrections_can_be_left_out(geometry, radius):
    at = np.linspace(0.0, 45.0, 500)
    image = back_project(spec_of(geometry), at, curve(at), counts=False)
    np.testing.assert_allclose(image, curve(radius), rtol=1e-4)


def test_masked_and_far_pixels_are_nan(geometry, radius):
    mask = np.zeros(SHAPE, bool)
    mask[3] = True
    at = np.linspace(10.0, 20.0, 51)
    image = back_project(spec_of(geometry, mask=mask), at, curve(at))
    np.testing.assert_array_equal(np.isnan(image), mask | (radius < 9.9) | (radius > 20.1))


def test_a_cake_is_followed_around(geometry, radius):
    chi = geometry.center_array("chi_deg")
    at, around = np.linspace(0.0, 45.0, 300), np.arange(-178.0, 180.0, 4.0)
    cake = curve(at) * (2.0 + np.cos(np.radians(around)))[:, None]
    image = back_project(spec_of(geometry), at, cake, azimuthal=around, counts=False)
    np.testing.assert_allclose(image, curve(radius) * (2.0 + np.cos(np.radians(chi))), rtol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0, 0.5], [1.0, 2.0]), "rising"),
        (([1.0, 2.0], [1.0]), "2 radial points"),
        (([1.0, 2.0], [np.nan, np.nan]), "nothing to make an image of"),
    ],
)
def test_impossible_curves_are_refused(geometry, arguments, message):
    with pytest.raises(SpecError, match=message):
        back_project(spec_of(geometry), *arguments)


# separation


@pytest.fixture(scope="module")
def spotty(geometry, radius):
    """Expected background, spots, and a frame of both."""
    rng = np.random.default_rng(3)
    background = curve(radius) * geometry.solid_angle() * geometry.polarization(0.9)
    spots = np.zeros(SHAPE)
    spots.reshape(-1)[rng.choice(spots.size, 300, replace=False)] = 5000.0
    return background, spots, rng.poisson(background + spots).astype(np.int32)


def test_spots_and_background_come_apart(geometry, spotty):
    background, spots, image = spotty
    bragg, amorphous, pattern = separate(image, geometry, 50, polarization_factor=0.9)
    np.testing.assert_allclose(bragg + amorphous, image, atol=1e-9)
    np.testing.assert_allclose(amorphous, background, rtol=0.1)
    assert np.median(np.abs(amorphous / background - 1.0)) < 0.01
    assert (bragg[spots > 0] > 4500).all()
    assert abs(bragg[spots == 0].mean()) < 0.5
    assert pattern.intensity.shape == (50,)


def test_invalid_pixels_are_nan_in_both(geometry, spotty):
    image = spotty[2].copy()
    image[5, 6] = -7
    mask = np.zeros(SHAPE, bool)
    mask[9] = True
    bragg, amorphous, _ = separate(image, geometry, 50, mask=mask, dummy=-7.0)
    mask[5, 6] = True
    np.testing.assert_array_equal(np.isnan(bragg), mask)
    np.testing.assert_array_equal(np.isnan(amorphous), mask)


def test_separating_needs_a_rule_and_one_axis(geometry, spotty):
    with pytest.raises(SpecError, match="robust"):
        Separator(spec_of(geometry))
    with pytest.raises(SpecError, match="radial axis alone"):
        Separator(spec_of(geometry, azimuthal=aureole.Axis("chi_deg", 4), robust=aureole.Trim()))
    with pytest.raises(SpecError, match="between 0 and 100"):
        separate(spotty[2], geometry, percentile=101.0)


# inpainting


@pytest.fixture(scope="module")
def gaps():
    mask = np.zeros(SHAPE, bool)
    mask[30:36], mask[:, 100:104] = True, True
    mask[45:60, 60:75] = True  # the beam stop: rings of which nothing is seen
    return mask


def test_gaps_are_filled_with_what_is_around(geometry, spotty, gaps):
    background, _, _ = spotty
    image = np.where(gaps, -1.0, background)
    filled = inpaint(image, geometry, npt_radial=150, mask=gaps, polarization_factor=0.9)
    np.testing.assert_array_equal(filled[~gaps], image[~gaps])
    np.testing.assert_allclose(filled[gaps], background[gaps], rtol=0.03)


def test_pixels_are_filled_with_what_they_would_count(geometry, spotty, gaps):
    background = spotty[0]
    flat = np.random.default_rng(5).uniform(0.7, 1.3, SHAPE)
    dark = np.random.default_rng(6).uniform(5.0, 9.0, SHAPE)
    counted = background * flat + dark
    options = {"mask": gaps, "flat": flat, "dark": dark, "polarization_factor": 0.9}
    filled = inpaint(np.where(gaps, -1.0, counted), geometry, npt_radial=150, **options)
    np.testing.assert_allclose(filled[gaps], counted[gaps], rtol=0.03)


def test_pixels_without_response_are_filled_as_if_they_had_one(geometry, spotty, gaps):
    background = spotty[0]
    dead = np.where(gaps, 0.0, 1.0)
    recorded = Recorded("own.h5", flat=NamedArray("flat", dead))
    own = replace(geometry, detector=replace(geometry.detector, recorded=recorded))
    for place, options in ((own, {}), (geometry, {"flat": dead})):
        filled = inpaint(background * dead, place, npt_radial=150, polarization_factor=0.9, **options)
        np.testing.assert_allclose(filled[gaps], background[gaps], rtol=0.03)


def test_pixels_without_a_place_stay_as_they_are(geometry, spotty):
    corners = geometry.detector.corners().copy()
    corners[70:72] = np.nan
    recorded = Recorded("own.h5", NamedArray("corners", corners))
    panels = replace(geometry, detector=replace(geometry.detector, recorded=recorded))
    image = spotty[2].copy()
    image[70:72], image[80] = -7, -1
    filled = inpaint(image, panels, npt_radial=100, dummy=-1.0, polarization_factor=0.9)
    assert (filled[70:72] == -7).all()
    assert np.median(np.abs(filled[80] / spotty[0][80] - 1.0)) < 0.1


def test_azimuths_that_do_not_close_are_refused():
    assert turn_of("chi_rad") == 2.0 * np.pi
    with pytest.raises(SpecError, match="does not close"):
        turn_of("q_nm^-1")


def test_textured_rings_are_followed(geometry, radius, gaps):
    chi = np.radians(geometry.center_array("chi_deg"))
    image = curve(radius) * (1.0 + 0.5 * np.cos(2.0 * chi)) * geometry.solid_angle()
    filled = inpaint(np.where(gaps, np.nan, image), geometry, npt_radial=100)
    outer = gaps & (radius > 8.0)
    np.testing.assert_allclose(filled[outer], image[outer], rtol=0.2)
    assert np.median(np.abs(filled[outer] / image[outer] - 1.0)) < 0.02


def test_noise_is_that_of_counts_and_of_the_seed(geometry, spotty, gaps):
    background = spotty[0]
    image = np.random.default_rng(2).poisson(background).astype(np.uint16)
    spec = aureole.IntegrationSpec(
        geometry,
        radial=aureole.Axis("2th_deg", 60),
        azimuthal=aureole.Axis("chi_deg", 8),
        mask=gaps,
        polarization_factor=0.9,
    )
    fill = Inpainter(spec)
    plain, one, same, other = (
        fill(image),
        fill(image, noise="poisson", seed=1),
        fill(image, noise="poisson", seed=1),
        fill(image, noise="poisson", seed=2),
    )
    assert plain.dtype == one.dtype == np.uint16
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
    pull = (one[gaps] - background[gaps]) / np.sqrt(background[gaps])
    assert pull.std() == pytest.approx(1.0, abs=0.1)
    assert abs(pull.mean()) < 0.15
    assert np.abs(plain[gaps] - background[gaps]).max() < 0.3 * background[gaps].max()


def test_what_cannot_be_filled_is_told(geometry):
    with pytest.raises(FrameCorrupt, match="not one of its pixels is valid"):
        inpaint(np.full(SHAPE, np.nan), geometry)
    with pytest.raises(SpecError, match="noise 'pink'"):
        inpaint(np.ones(SHAPE), geometry, noise="pink")
    with pytest.raises(SpecError, match="both axes"):
        Inpainter(spec_of(geometry))
