"""Geometries are found from drawn images: tilted, far off the beam, spotty, faint, with few rings."""

from dataclasses import replace

import numpy as np
import pytest
from powder_image import powder_image

import aureole
from aureole.calibration import Start, calibrant, calibrate, search
from aureole.errors import CalibrationError, GeometryError, InputError, SpecError
from aureole.io import read_image


def standing(name, mm, centre, *, tilt=0.0, plane=0.0, kev, orientation=3):
    """Return where a detector stands, in the words of Fit2D."""
    detector = aureole.detector(name, orientation=orientation)
    row, column = centre
    geometry = aureole.Geometry.from_fit2d(
        detector, direct_mm=mm, center_x=column, center_y=row, tilt=tilt, tilt_plane_rotation=plane
    )
    return geometry.with_energy(kev)


def found(true, name, **drawn):
    """Calibrate a drawn image of where the detector stands."""
    image = powder_image(true, name, **drawn)
    return calibrate(image, true.detector, calibrant(name), true.wavelength)


def assert_same(result, true, *, rel=1e-4, pixels=0.1):
    """Distance along the beam and beam centre, which are known best; 2θ of all pixels."""
    geometry = result.geometry
    assert geometry.to_fit2d().direct_mm == pytest.approx(true.to_fit2d().direct_mm, rel=rel)
    assert geometry.beam_center() == pytest.approx(true.beam_center(), abs=pixels)
    off = geometry.center_array("2th_rad") - true.center_array("2th_rad")
    step = np.hypot(*np.gradient(true.center_array("2th_rad")))
    assert np.abs(off / step).max() < pixels
    errors = np.where(result.fit.uncertainty > 0.0, result.fit.uncertainty, np.inf)
    truth = [true.dist, true.poni1, true.poni2, true.rot1, true.rot2, true.rot3, true.wavelength]
    assert np.all(np.abs(result.fit.parameters - truth) < 5.0 * errors)


HARD = {
    "upright": (standing("Pilatus 300k", 120.0, (300, 250), kev=40.0), "CeO2", {}),
    "tilted by 15": (
        standing("Pilatus 300k", 120.0, (310, 200), tilt=15.0, plane=140.0, kev=40.0),
        "CeO2",
        {},
    ),
    "tilted by 30": (
        standing("Pilatus 300k", 100.0, (260, 230), tilt=30.0, plane=-60.0, kev=30.0),
        "LaB6",
        {},
    ),
    "beam off the detector": (standing("Pilatus 300k", 300.0, (-400, 200), kev=25.0), "CeO2", {}),
    "off and tilted": (
        standing("Pilatus 300k", 250.0, (-350, 200), tilt=20.0, plane=80.0, kev=25.0),
        "LaB6",
        {},
    ),
    "spotty": (
        standing("Pilatus 300k", 120.0, (310, 240), tilt=1.0, kev=40.0),
        "CeO2",
        {"spots": 60, "peak": 900.0},
    ),
    "three arcs": (standing("Pilatus 300k", 250.0, (100, 240), tilt=1.0, kev=15.0), "LaB6", {}),
    "faint": (
        standing("Eiger2 500k", 100.0, (250, 500), tilt=0.5, kev=20.0),
        "LaB6",
        {"peak": 2.0, "background": 0.1, "width": 5.0},
    ),
}


@pytest.mark.parametrize("case", HARD)
def test_geometries_are_found(case):
    true, name, drawn = HARD[case]
    result = found(true, name, **drawn)
    pixels = 0.3 if case in ("faint", "three arcs", "spotty") else 0.1
    assert_same(result, true, rel=4e-4, pixels=pixels)


def test_detector_on_an_arm():
    """Upright on rays of 38°, with the beam 1300 pixels off the detector."""
    true = aureole.Geometry(
        aureole.detector("Pilatus 300k"), 0.35, 0.05, 0.04, np.radians(3.0), np.radians(-38.0)
    ).with_energy(20.0)
    assert_same(found(true, "LaB6", seed=1), true, rel=2e-4, pixels=0.3)


@pytest.mark.parametrize("orientation", [1, 2, 4])
def test_orientations(orientation):
    true = standing(
        "Pilatus 300k", 120.0, (200, 250), tilt=4.0, plane=30.0, kev=40.0, orientation=orientation
    )
    assert_same(found(true, "CeO2"), true)


def test_a_detector_whose_pixels_form_no_grid():
    """Tilted panels of an Xpad; the points are those of their pixels."""
    detector = aureole.detector("Xpad_flat")
    assert not detector.is_grid
    true = aureole.Geometry(detector, 0.1, 0.06, 0.035, 0.01, 0.02, wavelength=3.1e-11)
    result = found(true, "CeO2")
    assert result.geometry.dist == pytest.approx(true.dist, rel=1e-4)
    assert result.geometry.poni1 == pytest.approx(true.poni1, abs=0.2 * detector.pixel1)
    rows, columns = (result.points_in_pixels() - 0.5).round().astype(int).T
    off = true.center_array("2th_rad")[rows, columns] - result.extraction.two_theta
    assert np.abs(off / result.extraction.pixel).max() < 3.0


def test_one_ring_of_small_angles():
    """The tilt is kept at zero, and that is said."""
    true = standing("Pilatus 300k", 2000.0, (310, 240), kev=10.0)
    result = found(true, "AgBh", width=5.0, rings=[0])
    assert result.geometry.dist == pytest.approx(2.0, rel=1e-3)
    assert result.geometry.beam_center() == pytest.approx((310, 240), abs=0.1)
    assert (result.geometry.rot1, result.geometry.rot2) == (0.0, 0.0)
    assert result.fit.free == ("dist", "poni1", "poni2")
    assert any("one ring only" in note for note in result.notes)
    assert any("do not tell the tilt" in note for note in result.notes)


def test_what_is_fixed_keeps_its_value():
    true, name, _ = HARD["upright"]
    image = powder_image(true, name)
    start = replace(Start.at(true), dist=0.1203)
    result = calibrate(
        image, true.detector, calibrant(name), true.wavelength, start=start, free=("dist", "poni1", "poni2")
    )
    assert (result.geometry.rot1, result.geometry.rot2) == (true.rot1, true.rot2)
    assert_same(result, true)
    assert np.isnan(result.fit.correlation[3]).all()


def test_wavelength_and_distance_at_once():
    true, name, _ = HARD["upright"]
    image = powder_image(true, name)
    wrong = 1.004 * true.wavelength
    free = ("dist", "poni1", "poni2", "rot1", "rot2", "wavelength")
    result = calibrate(image, true.detector, calibrant(name), wrong, free=free)
    assert result.geometry.wavelength == pytest.approx(true.wavelength, rel=3e-4)
    assert result.fit.correlation[0, 6] < -0.9  # rings stay if both change


@pytest.mark.parametrize("change", [0.5, 0.9, 1.04, 2.0])
def test_a_wrong_energy_is_refused(change):
    true, name, _ = HARD["upright"]
    image = powder_image(true, name)
    with pytest.raises(CalibrationError, match=r"does not fit CeO2 at") as refused:
        calibrate(image, true.detector, calibrant(name), true.wavelength / change)
    if 0.9 <= change <= 1.1:
        assert "the rings fit 40 keV better" in str(refused.value) or "off their places" in str(refused.value)


@pytest.mark.parametrize("name", ["LaB6", "Si", "NaCl", "Ni"])
def test_a_wrong_calibrant_is_refused(name):
    true, _, _ = HARD["upright"]
    with pytest.raises(CalibrationError, match=f"does not fit {name}"):
        calibrate(powder_image(true, "CeO2"), true.detector, calibrant(name), true.wavelength)


def test_images_without_rings_are_refused():
    detector = aureole.detector("Pilatus 300k")
    rng = np.random.default_rng(4)
    rows, columns = np.indices(detector.known_shape)
    halo = 20.0 + 500.0 * np.exp(-np.hypot(rows - 300, columns - 250) / 90.0)
    for mean in (np.full(detector.known_shape, 0.2), np.full(detector.known_shape, 50.0), halo):
        with pytest.raises(CalibrationError, match="no rings"):
            calibrate(rng.poisson(mean), detector, calibrant("CeO2"), 3e-11)


def test_an_overexposed_image_is_told():
    detector = aureole.detector("Pilatus 300k")
    image = np.random.default_rng(4).poisson(50.0, detector.known_shape).clip(0, 55)
    with pytest.raises(CalibrationError, match=r"no rings.* % of its pixels are 55, and none is above"):
        calibrate(image, detector, calibrant("CeO2"), 3e-11)


def test_a_start_that_runs_off_is_passed_over(monkeypatch):
    true, name, _ = HARD["upright"]
    grow, calls = search.grow, []

    def runs_off_first(*given, **options):
        calls.append(None)
        grown = grow(*given, **options)
        far = np.array([2e6, *grown.parameters[1:]])
        return grown._replace(parameters=far) if len(calls) == 1 else grown

    monkeypatch.setattr(search, "grow", runs_off_first)
    assert_same(found(true, name), true)
    assert len(calls) > 1


def test_part_of_a_detector_whose_modules_stand_off(data):
    """Half a real Pilatus: its rings would like 69.5 keV, by less than modules are known to stand off."""
    folder = data / "powder" / "ceo2_pilatus2m"
    half = read_image(folder / "CeO2.cbf")[900:]
    detector = aureole.detector(pixel1=172e-6, pixel2=172e-6)
    result = calibrate(half, detector, calibrant("CeO2"), 1.74625623831e-11)
    assert result.geometry.dist == pytest.approx(0.54395, rel=1e-3)
    assert result.geometry.beam_center()[0] == pytest.approx(839.2 - 900.0, abs=0.5)
    assert any("is 71 right?" in note for note in result.notes)


@pytest.mark.parametrize(("value", "words"), [(7, "pixels are 7"), (-1, "no pixel has a value")])
def test_blank_images_are_refused(value, words):
    detector = aureole.detector("Pilatus 300k")
    with pytest.raises(CalibrationError, match=words):
        calibrate(np.full(detector.known_shape, value), detector, calibrant("CeO2"), 3e-11)


def test_other_input_that_cannot_be():
    detector = aureole.detector("Pilatus 300k")
    image = np.random.default_rng(1).poisson(5.0, detector.known_shape)
    with pytest.raises(GeometryError, match="not from detector"):
        calibrate(image[:100], detector, calibrant("CeO2"), 3e-11)
    with pytest.raises(SpecError, match="mask has shape"):
        calibrate(image, detector, calibrant("CeO2"), 3e-11, mask=np.zeros((3, 3)))
    with pytest.raises(SpecError, match="not 'tilt'"):
        calibrate(image, detector, calibrant("CeO2"), 3e-11, free=("dist", "tilt"))
    with pytest.raises(SpecError, match="positive length"):
        Start(dist=-1.0)
    assert issubclass(CalibrationError, InputError)
