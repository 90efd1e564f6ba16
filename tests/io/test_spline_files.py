"""Spline files of Fit2D, against the peer."""

import logging
import warnings
from dataclasses import replace

import numpy as np
import pytest
from pyFAI.detectors import detector_factory
from pyFAI.integrator.azimuthal import AzimuthalIntegrator
from pyFAI.io.ponifile import PoniFile
from scipy.interpolate import RectBivariateSpline

import aureole
from aureole.azimuthal import IntegrationSpec
from aureole.errors import FormatError, GeometryError
from aureole.geometry import Detector, Geometry, detector, format_poni, parse_poni
from aureole.io import load_detector, save_detector

SHAPE = (200, 230)
SIZE = (60e-6, 50e-6)
POSE = {"dist": 0.05, "poni1": -0.004, "poni2": 0.004, "rot1": 0.02, "rot2": -0.03, "rot3": 0.4}
FLOAT32 = 1e-7
"""The peer rounds numbers of the file and corners to float32."""


@pytest.fixture(autouse=True)
def quiet():
    logging.getLogger("pyFAI").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def numbers(values):
    lines = [values[at : at + 5] for at in range(0, len(values), 5)]
    return ["".join(f"{value:14.7E}" for value in line) for line in lines]


def spline_text(shape=SHAPE, size=SIZE):
    """A cushion of up to six pixels; the displacements of both axes have other knots."""
    lines = ["SPATIAL DISTORTION SPLINE INTERPOLATION COEFFICIENTS", "", "  VALID REGION"]
    lines += numbers([0.0, 0.0, float(shape[1]), float(shape[0])])
    lines += ["", "  GRID SPACING, X-PIXEL SIZE, Y-PIXEL SIZE"]
    lines += numbers([500.0, size[1] * 1e6, size[0] * 1e6])
    for title, steps in (("X", (9, 7)), ("Y", (6, 8))):
        fast, slow = (np.linspace(0.0, n, step) for n, step in zip(shape[::-1], steps, strict=True))
        x, y = fast[:, None] - 0.45 * shape[1], slow[None, :] - 0.55 * shape[0]
        along = x if title == "X" else y
        values = 6.0 * along * (x * x + y * y) / shape[1] ** 3 + 0.2 * np.sin(x / 30) * np.cos(y / 40)
        (knots2, knots1, coefficients), _ = RectBivariateSpline(fast, slow, values, s=0).tck, None
        lines += ["", f"  {title}-DISTORTION", f"{knots2.size:6d}{knots1.size:6d}"]
        lines += numbers([*knots2, *knots1, *coefficients])
    return "\n".join([*lines, ""])


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "taper.spline"
    path.write_text(spline_text())
    return path


def peer(path, name="Detector", **config):
    return detector_factory(name, {"splineFile": str(path), **config})


def test_pixels_are_where_the_peer_has_them(path):
    ours, theirs = load_detector(path), peer(path)
    assert ours.shape == tuple(theirs.shape) == SHAPE
    assert (ours.pixel1, ours.pixel2) == pytest.approx(SIZE)
    assert not ours.is_grid
    assert ours.is_flat
    assert np.abs(ours.surface.vertices(SHAPE, (1.0, 1.0))[0, 0]).max() > 0.5  # there is a distortion
    corners = theirs.get_pixel_corners()
    np.testing.assert_allclose(ours.corners()[..., [2, 0, 1]], corners, rtol=0, atol=FLOAT32 * SIZE[0] * 230)
    p1, p2, _ = theirs.calc_cartesian_positions()
    # the middle of the corners is not quite the place of the middle
    np.testing.assert_allclose(ours.positions()[0], p1, rtol=0, atol=2e-3 * SIZE[0])
    np.testing.assert_allclose(ours.positions()[1], p2, rtol=0, atol=2e-3 * SIZE[1])
    assert not ours.mask.any()


def test_the_valid_region_of_a_frelon(path):
    pose = "\n".join(f"{key}: {value}" for key, value in POSE.items())
    text = f'poni_version: 2\nDetector: FReLoN\nDetector_config: {{"splineFile": "{path}"}}\n{pose}\n'
    ours = parse_poni(text, open_detector=load_detector).detector
    theirs = peer(path, "FReLoN")
    assert ours.name == "FReLoN"
    assert ours.mask.any()
    np.testing.assert_array_equal(ours.mask, theirs.mask != 0)
    turned = replace(ours, orientation=4)
    np.testing.assert_array_equal(turned.mask, ours.mask[:, ::-1])


def test_solid_angles_agree(path):
    ours = Geometry(load_detector(path), **POSE, wavelength=1e-10)
    ai = AzimuthalIntegrator(**POSE, wavelength=1e-10, detector=peer(path))
    np.testing.assert_allclose(ours.solid_angle(), ai.solidAngleArray(SHAPE), rtol=3e-6)
    turned = replace(ours, detector=replace(ours.detector, orientation=1))
    np.testing.assert_allclose(turned.solid_angle(), ours.solid_angle()[::-1, ::-1])
    np.testing.assert_allclose(ours.incidence(), ours.dist / np.linalg.norm(ours.positions(), axis=0))


@pytest.mark.parametrize("mode", ["no", "bbox", "full"])
def test_patterns_agree(path, mode):
    ours = Geometry(load_detector(path), **POSE, wavelength=1e-10)
    ai = AzimuthalIntegrator(**POSE, wavelength=1e-10, detector=peer(path))
    image = np.random.default_rng(0).poisson(100.0, SHAPE).astype(np.float32)
    angle = ours.center_array("2th_deg")
    limits = 6.0, 15.0
    at = (angle - limits[0]) / (limits[1] - limits[0]) * 60
    doubt = np.abs(at - np.round(at)) < 0.02 if mode == "no" else np.zeros(SHAPE, bool)
    options = {"unit": "2th_deg", "radial_range": limits, "mask": doubt}
    reference = ai.integrate1d_ng(
        image, 60, method=(mode, "csr", "cython"), correctSolidAngle=False, **options
    )
    pattern = aureole.integrate1d(image, ours, 60, split=mode, solid_angle=False, **options)
    crowded = pattern.count > 20
    crowded[[0, -1]] = False  # where the peer does not cut pixels
    assert crowded.sum() > 40
    error = np.abs(pattern.sum_signal / reference.sum_signal - 1.0)[crowded]
    # The peer has the middle of a pixel of its own, on which boxes are centred.
    assert np.median(error) < {"no": 1e-6, "bbox": 2e-5, "full": 2e-6}[mode]
    assert error.max() < {"no": 1e-6, "bbox": 2e-3, "full": 1e-4}[mode]


@pytest.mark.parametrize("version", [1, 2, 2.1, 3])
@pytest.mark.parametrize("name", ["Detector", "FReLoN"])
def test_poni_files_there_and_back(path, name, version, tmp_path):
    found = load_detector(str(path))
    found = replace(found, name=name, surface=replace(found.surface, masks=name == "FReLoN"))
    ours = Geometry(found, **POSE, wavelength=1e-10)
    poni = tmp_path / "a.poni"
    poni.write_text(format_poni(ours, version=version))
    assert aureole.load(poni) == ours
    if version in (2, 2.1):
        theirs = PoniFile(str(poni)).detector
        assert theirs.splinefile == str(path)
        assert type(theirs).__name__ == name


def test_poni_files_of_the_peer(path, tmp_path):
    for name in ("Detector", "FReLoN"):
        AzimuthalIntegrator(**POSE, wavelength=1e-10, detector=peer(path, name)).save(str(tmp_path / name))
        ours = aureole.load(tmp_path / name).detector
        assert (ours.name, ours.shape) == (name, SHAPE)
        assert ours.surface.slow == load_detector(path).surface.slow


def test_there_and_back_through_a_dictionary(path):
    ours = load_detector(path)
    assert Detector.from_dict(ours.to_dict()) == ours
    spec = IntegrationSpec(Geometry(ours, **POSE), radial=aureole.Axis("r_mm", 20))
    assert spec.embedded == {}
    assert IntegrationSpec.from_json(spec.to_json()) == spec


def test_as_a_nexus_file(path, tmp_path):
    ours = load_detector(path)
    save_detector(ours, tmp_path / "a.h5")
    np.testing.assert_allclose(load_detector(tmp_path / "a.h5").corners(), ours.corners(), rtol=0, atol=2e-9)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace("X-DISTORTION", "X"), "there is no 'X-DISTORTION'"),
        (lambda text: text.rstrip().rpartition("\n")[0], "coefficients where"),
        (lambda text: text.replace("    13    11", "    13  two"), "are not the two numbers of knots"),
        (lambda text: text.replace(" 5.0000000E+01", "            no"), "is no number of 14 characters"),
        (lambda text: text.replace(" 5.0000000E+01", "-5.0000000E+01"), "must be a positive length"),
        (lambda text: text.replace("    13    11", "     7    11"), "at least 8 knots"),
    ],
)
def test_texts_that_cannot_be(change, words, path):
    path.write_text(change(spline_text()))
    with pytest.raises(FormatError, match=words) as caught:
        load_detector(path)
    assert str(path) in str(caught.value)


def test_a_spline_file_for_other_pixels(path):
    pose = "\n".join(f"{key}: {value}" for key, value in POSE.items())
    text = f"PixelSize1: 1.2e-4\nPixelSize2: 1e-4\nSplineFile: {path}\n{pose}\n"
    with pytest.raises(GeometryError, match=r"line 3: the pixels of .* have 60 µm, not 120 µm"):
        parse_poni(text, open_detector=load_detector)
    with pytest.raises(GeometryError, match=r"read the PONI file with aureole\.load"):
        parse_poni(text)
    with pytest.raises(GeometryError, match="is no spline file"):
        parse_poni(text, open_detector=lambda file: detector("Pilatus100k"))
