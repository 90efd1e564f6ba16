"""What the door does where pyFAI and Aureole differ, and what it refuses in one line."""

import copy

import numpy as np
import pytest
from fabio.edfimage import EdfImage

import aureole
import aureole.compat.pyfai as pyfai
from aureole.errors import AureoleError, InputError, SpecError

SHAPE = 195, 487


@pytest.fixture
def ai():
    return pyfai.AzimuthalIntegrator(0.1, 0.017, 0.042, 0.1, detector="PilatusCdTe300k", wavelength=0.3e-10)


@pytest.fixture
def image(ai):
    image = np.random.default_rng(0).poisson(100, ai.detector.shape).astype(np.int32)
    image[ai.detector.mask != 0] = 5000
    return image


def test_a_mask_takes_the_place_of_the_gaps(ai, image):
    nothing = np.zeros(image.shape, np.int8)
    masked, open_gaps = ai.integrate1d(image, 100), ai.integrate1d(image, 100, mask=nothing)
    assert masked.intensity.max() < 400
    assert open_gaps.intensity.max() > 1000
    ai.mask = nothing
    assert np.array_equal(ai.integrate1d(image, 100).intensity, open_gaps.intensity)
    ai.mask = None
    assert np.array_equal(ai.integrate1d(image, 100).intensity, masked.intensity)


def test_the_efficiency_of_the_sensor_is_left_alone(ai, image):
    assert aureole.IntegrationSpec(ai.pose, radial=aureole.Axis("2th_deg", 50)).efficiency_of is not None
    options = {"unit": "2th_deg", "method": ("no", "csr", "cython")}
    found = ai.integrate1d(image, 50, **options).intensity
    plain = aureole.integrate1d(image, ai.pose, 50, unit="2th_deg", split="no", efficiency=False)
    assert np.array_equal(found, plain.intensity)
    multi = pyfai.MultiGeometry([ai], unit="2th_deg").integrate1d([image], 50, method=options["method"])
    area = ai.pixel1 * ai.pixel2 / ai.dist**2
    np.testing.assert_allclose(multi.intensity * area, found, rtol=1e-9)


def test_empty_bins_hold_what_is_asked_for(ai, image):
    assert ai.integrate1d(image, 50, radial_range=(1, 2000)).intensity[-1] == 0
    ai.set_empty(-7.0)
    result = ai.integrate1d(image, 50, radial_range=(1, 2000), dummy=-1)
    assert result.intensity[-1] == -7.0 == result.dummy


def test_azimuths_go_over_the_discontinuity(ai, image):
    over, beyond = (
        ai.integrate1d(image, 50, azimuth_range=given, method="no") for given in ((170, -170), (170, 190))
    )
    assert np.array_equal(over.intensity, beyond.intensity)
    ai.setChiDiscAtZero()
    ring = ai.integrate_radial(image, 18, radial_range=(10, 60), unit="chi_rad", azimuth_range=(90, 270))
    assert ring.radial[[0, -1]] == pytest.approx(np.radians([95, 265]))
    assert ring.method_called == "integrate1d_ng"
    assert ai.medfilt1d(image, 50, percentile=(10, 90)).percentile == (10, 90)


def test_clipping_without_an_error_model_has_errors(ai, image):
    assert (ai.sigma_clip(image, 50).sigma > 0).all()


def test_images_of_another_shape_are_refused_in_words(ai):
    with pytest.raises(AureoleError, match=r"619 x 487|300"):
        ai.integrate1d(np.ones((10, 10)), 50)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda ai: ai.integrate1d(np.ones(ai.get_shape()), 10, bogus=1), "bogus"),
        (lambda ai: ai.integrate1d(np.ones(ai.get_shape()), 10, method=("huge", "csr", "cython")), "huge"),
        (lambda ai: ai.integrate1d(np.ones(ai.get_shape()), 10, error_model="hybrid"), "hybrid"),
        (lambda ai: ai.integrate1d(np.ones(ai.get_shape()), 10, unit="furlong"), "furlong"),
        (lambda ai: ai.set_ttha(1), "ttha"),
        (lambda ai: pyfai.AzimuthalIntegrator(detector="Pilatus100k").enable_parallax(), "parallax"),
        (lambda ai: ai.setSPD(1, 2, 3, Rot_1=1), "SPD"),
        (lambda ai: ai.promote("FancyIntegrator"), "FancyIntegrator"),
        (lambda ai: ai.set_param((1, 2)), "six"),
        (lambda ai: ai.load(3), "int"),
        (lambda ai: setattr(ai, "detector", None), "detector"),
        (lambda ai: pyfai.AzimuthalIntegrator(dist=1).pose, "pixel"),
        (lambda ai: pyfai.detector_factory("Pilates"), "Pilat"),
        (lambda ai: pyfai.MultiGeometry([]), "position"),
        (lambda ai: pyfai.get_calibrant("Kryptonite"), "Kryptonite"),
        (lambda ai: pyfai.get_calibrant("CeO2").get_2th(), "wavelength"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(ai, call, words):
    with pytest.raises(InputError, match=words) as caught:
        call(ai)
    assert "\n" not in str(caught.value)


def test_geometries_are_copied_compared_and_shown(ai, tmp_path):
    other = copy.copy(ai)
    assert other == ai
    other.poni1 += 1e-3
    other.detector.mask = np.ones(ai.get_shape())
    assert other != ai
    assert ai.detector.own_mask is None
    assert "PilatusCdTe300k" in repr(ai)
    ai.save(tmp_path / "a.poni")
    assert pyfai.load(tmp_path / "a.poni") == ai
    assert pyfai.load(ai.pose) == ai
    assert pyfai.load(str(tmp_path / "a.poni"), "Geometry").qArray().shape == ai.get_shape()


def test_pyfais_own_detectors_are_taken_as_they_are(ai):
    import pyFAI.detectors

    given = pyFAI.detectors.detector_factory("Pilatus100k")
    assert pyfai.AzimuthalIntegrator(detector=given).detector.known == aureole.detector("Pilatus100k")


def test_masks_and_darks_from_files(ai, image, tmp_path):
    mask = np.zeros(image.shape, np.uint8)
    mask[:50] = 1
    EdfImage(data=mask).write(str(tmp_path / "mask.edf"))
    ai.maskfile = tmp_path / "mask.edf"
    assert ai.get_mask().sum() == mask.sum()
    assert ai.get_maskfile().endswith("mask.edf")
    ai.set_darkfiles(str(tmp_path / "mask.edf"), method="median")
    assert ai.get_darkcurrent().sum() == mask.sum()
    with pytest.raises(SpecError, match="mode"):
        ai.set_darkfiles(str(tmp_path / "mask.edf"), method="mode")


def test_detectors_are_set_piece_by_piece():
    detector = pyfai.Detector()
    assert detector.name == "Detector"
    detector.pixel1 = 1e-4
    detector.set_pixel2(2e-4)
    detector.shape = (10, 20)
    assert detector.known == aureole.detector(pixel1=1e-4, pixel2=2e-4, shape=(10, 20))
    corners = detector.get_pixel_corners()
    assert corners.shape == (10, 20, 4, 3)
    np.testing.assert_allclose(corners[3, 4, 2], (0, 4e-4, 1e-3))
    detector.dummy, detector.delta_dummy = 7, 0.5
    data = np.zeros((10, 20))
    data[2, 2] = 7.4
    assert detector.dynamic_mask(data).sum() == 1
    again = pyfai.detector_factory(detector.name, detector.get_config())
    assert again.known == detector.known


def test_units_are_their_names():
    unit = pyfai.units.to_unit("2th_deg")
    assert unit == "2th_deg" == pyfai.units.TTH_DEG
    assert (unit.space, unit.unit_symbol) == ("2th", "deg")
    assert unit.scale == pytest.approx(180 / np.pi)
    assert pyfai.units.Q_A.scale == pytest.approx(0.1)
    assert "theta" in unit.label


def test_binning_makes_pixels_larger(ai):
    for name, given, shape in (("Rayonix MX225", (4, 4), (1536, 1536)), ("Pilatus300k", (2, 2), (309, 243))):
        ai.detector = name
        pixel = ai.pixel1
        ai.detector.binning = given
        assert ai.detector.shape == shape
        assert ai.pixel1 == pytest.approx(2.0 * pixel, rel=1e-4)


def test_spd_goes_round(ai):
    plain = pyfai.AzimuthalIntegrator(0.1, 0.017, 0.042, detector="Pilatus300k", wavelength=1e-10)
    again = pyfai.AzimuthalIntegrator().setSPD(**plain.getSPD())
    assert again.param == pytest.approx(plain.param)
    assert "DirectBeamDist=100.000 mm" in str(plain)


def test_calibrants_by_name():
    from aureole.compat.pyfai import calibrant

    assert "LaB6" in calibrant.names()
    known = calibrant.get_calibrant("LaB6", 1e-10)
    assert known.get_max_wavelength() == pytest.approx(2e-10 * known.dspacing[-1])
    assert known.get_max_wavelength(0) == pytest.approx(2e-10 * known.dspacing[0])
