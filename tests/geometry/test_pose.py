import json
import math
import pickle
import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyFAI.detectors import Detector as PeerDetector
from pyFAI.detectors import detector_factory
from pyFAI.geometry import Geometry as PeerGeometry

from aureole import _core
from aureole.errors import GeometryError, SpecError
from aureole.geometry import Detector, Geometry, Sample, detector
from aureole.kernels import isas
from aureole.units import UNITS, unit

SMALL = Detector("Detector", 1e-4, 2e-4, (100, 80))
GOLDEN = Geometry(SMALL, 0.1, 0.003, 0.005, 0.1, -0.2, 0.3, 1e-10)


def peer_of(ours):
    pixels = ours.detector
    if pixels.name == "Detector":
        theirs = PeerDetector(
            pixels.pixel1, pixels.pixel2, max_shape=pixels.shape, orientation=pixels.orientation
        )
    else:
        theirs = detector_factory(pixels.name, {"orientation": pixels.orientation})
    pose = (ours.dist, ours.poni1, ours.poni2, ours.rot1, ours.rot2, ours.rot3)
    return PeerGeometry(*pose, detector=theirs, wavelength=ours.wavelength)


SAMPLE = Sample(0.1, -0.2, 7)
FORMULAS = {
    "r": lambda t1, t2, t3: np.sqrt(t1 * t1 + t2 * t2),
    "2theta": lambda t1, t2, t3: np.arctan2(np.sqrt(t1 * t1 + t2 * t2), t3),
    "sin_theta": lambda t1, t2, t3: np.sin(0.5 * np.arctan2(np.sqrt(t1 * t1 + t2 * t2), t3)),
    "qx": lambda t1, t2, t3: np.sin(0.5 * np.arctan2(t2, t3)),
    "qy": lambda t1, t2, t3: np.sin(0.5 * np.arctan2(t1, t3)),
    "chi": lambda t1, t2, t3: np.arctan2(t1, t2),
}


LABORATORY = sorted(name for name, entry in UNITS.items() if entry.base in FORMULAS)
FUNCTIONS = {
    "identity": np.positive,
    "reciprocal": np.reciprocal,
    "square": np.square,
    "log10": np.log10,
    "log": np.log,
    "log1p": np.log1p,
    "arcsinh": np.arcsinh,
}


def by_formula(name, positions, wavelength):
    known = unit(name)
    return FUNCTIONS[known.function](FORMULAS[known.base](*positions) * known.scale(wavelength))


def corners_in_space(ours):
    """t1, t2, t3 of the corners of each pixel, in the order of `corner_array`."""
    grid = ours.grid()
    p1, p2 = np.meshgrid(grid.row_edges, grid.column_edges, indexing="ij")
    positions = np.tensordot(ours.rotation_matrix(), np.stack([p1, p2, np.full_like(p1, ours.dist)]), 1)
    return [np.stack([t[:-1, :-1], t[1:, :-1], t[1:, 1:], t[:-1, 1:]], axis=-1) for t in positions]


angle = st.floats(-0.6, 0.6)
geometries = st.builds(
    Geometry,
    st.builds(
        Detector,
        st.just("Detector"),
        st.floats(5e-5, 3e-4),
        st.floats(5e-5, 3e-4),
        st.tuples(st.integers(3, 70), st.integers(3, 70)),
        st.integers(1, 4),
    ),
    dist=st.floats(0.02, 3.0),
    poni1=st.floats(-0.05, 0.05),
    poni2=st.floats(-0.05, 0.05),
    rot1=angle,
    rot2=angle,
    rot3=st.floats(-3.2, 3.2),
    wavelength=st.floats(1e-11, 2e-10),
)
backward = st.builds(lambda g, r: replace(g, rot1=r), geometries, st.floats(1.4, 3.1))


def scale_of(ours):
    """Largest length in the problem: positions are good to some units in the last place of it."""
    return max(np.abs(np.stack(ours.positions())).max(), abs(ours.poni1), abs(ours.poni2), ours.dist)


def test_golden_vector():
    t1, t2, t3 = (t[10, 60] for t in GOLDEN.positions())
    assert t3 == pytest.approx(0.09720974981068045, rel=1e-14)
    assert t1 == pytest.approx(0.011886493908731779, rel=1e-14)
    assert t2 == pytest.approx(0.021521809968090416, rel=1e-14)
    assert GOLDEN.center_array("2th_rad")[10, 60] == pytest.approx(0.2477233115901286, rel=1e-14)
    assert GOLDEN.center_array("chi_rad")[10, 60] == pytest.approx(0.5046072688679599, rel=1e-14)
    assert GOLDEN.center_array("q_nm^-1")[10, 60] == pytest.approx(15.525146500126775, rel=1e-14)


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [(1, 0.2741151075092177), (2, 0.31002717746904157), (3, 0.2477233115901286), (4, 0.20096149106488093)],
)
def test_golden_orientations(orientation, expected):
    turned = replace(GOLDEN, detector=replace(SMALL, orientation=orientation))
    assert turned.center_array("2th_rad")[10, 60] == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize(
    ("orientation", "flip"), [(1, np.s_[::-1, ::-1]), (2, np.s_[::-1, :]), (4, np.s_[:, ::-1])]
)
def test_orientation_only_reorders(orientation, flip):
    turned = replace(GOLDEN, detector=replace(SMALL, orientation=orientation))
    for name in ("q_nm^-1", "chi_deg"):
        np.testing.assert_array_equal(turned.center_array(name), GOLDEN.center_array(name)[flip])
        np.testing.assert_array_equal(turned.vertex_array(name), GOLDEN.vertex_array(name)[flip])


def test_rotation_matrix_is_the_product_of_three():
    c1, c2, c3 = (math.cos(a) for a in (0.1, -0.2, 0.3))
    s1, s2, s3 = (math.sin(a) for a in (0.1, -0.2, 0.3))
    product = (
        np.array([[c3, -s3, 0], [s3, c3, 0], [0, 0, 1]])
        @ np.array([[c2, 0, -s2], [0, 1, 0], [s2, 0, c2]])
        @ np.array([[1, 0, 0], [0, c1, s1], [0, -s1, c1]])
    )
    np.testing.assert_allclose(GOLDEN.rotation_matrix(), product, atol=1e-16)


@given(ours=st.one_of(geometries, backward))
@settings(max_examples=50)
def test_all_units_against_their_formula(ours):
    positions = ours.positions()
    noise = 1e-15 * scale_of(ours) / np.sqrt(positions[0] ** 2 + positions[1] ** 2)
    for name in LABORATORY:
        value, expected = ours.center_array(name), by_formula(name, positions, ours.wavelength)
        if unit(name).function in ("log10", "log"):
            error = np.abs(value - expected)  # a relative error of the argument is an absolute one here
        elif unit(name).base == "chi":
            error = np.abs(value - expected) / unit(name).factor
        elif unit(name).base in ("qx", "qy"):
            error = np.abs(value - expected) / by_formula("q_nm^-1", positions, ours.wavelength)
            # a component vanishes on a line while the formula keeps the noise of its angle
            error = np.minimum(error, np.abs(value - expected) / np.abs(expected).max())
        else:
            error = np.abs(value / expected - 1.0)
        assert np.all(error < 1e-12 + 10 * noise), name


@given(ours=geometries)
@settings(max_examples=20)
def test_centres_and_corners_against_the_peer(ours):
    theirs = peer_of(ours)
    positions = ours.positions()
    noise = 1e-15 * scale_of(ours) / np.sqrt(positions[0] ** 2 + positions[1] ** 2).min()
    for name in ("2th_deg", "q_nm^-1", "r_mm", "qx_nm^-1", "d*2_A^-2", "arcsinh(q.A)_None"):
        expected = theirs.center_array(unit=name)
        np.testing.assert_allclose(
            ours.center_array(name), expected, rtol=1e-11 + 20 * noise, atol=1e-12 * np.abs(expected).max()
        )
    # pyFAI's corners are float32
    t1, t2, _ = corners_in_space(ours)
    radius = np.maximum(np.sqrt(t1 * t1 + t2 * t2), 1e-12)
    for name in ("2th_deg", "q_nm^-1", "r_mm"):
        expected = theirs.corner_array(unit=name)[..., 0]
        tolerance = 3e-7 * np.abs(expected) * (1.0 + scale_of(ours) / radius) + 1e-30
        assert np.all(np.abs(ours.corner_array(name) - expected) <= tolerance)
    expected = theirs.corner_array(unit="r_mm")[..., 1]
    difference = np.abs(ours.corner_array("chi_rad") - expected)
    difference = np.minimum(difference, 2 * np.pi - difference)
    assert np.all(difference <= 1e-6 * (1.0 + scale_of(ours) / radius))


@pytest.mark.parametrize("orientation", [1, 2, 3, 4])
@pytest.mark.parametrize("name", ["Pilatus100k", "Pilatus 300k CdTe", "Eiger2_250k", "Lambda60k"])
def test_named_detectors_against_the_peer(name, orientation):
    pixels = detector(name, orientation=orientation)
    ours = Geometry(pixels, 0.2, 0.01, 0.03, 0.05, -0.1, 0.7, 0.8e-10)
    theirs = peer_of(ours)
    for unit_name in LABORATORY:
        expected = theirs.center_array(unit=unit_name)
        np.testing.assert_allclose(
            ours.center_array(unit_name), expected, rtol=1e-11, atol=1e-12 * np.abs(expected).max()
        )


def test_chi_discontinuity():
    ours = Geometry(SMALL, 0.1, 0.005, 0.008)
    theirs = peer_of(ours)
    at_pi = ours.center_array("chi_deg")
    at_zero = ours.center_array("chi_deg", chi_discontinuity="zero")
    assert at_pi.min() < -170
    assert at_pi.max() > 170
    assert at_zero.min() >= 0
    assert at_zero.max() <= 360
    np.testing.assert_allclose(np.mod(at_pi, 360.0), at_zero, atol=1e-12)
    np.testing.assert_allclose(at_pi, theirs.center_array(unit="chi_deg"), atol=1e-12)
    theirs = peer_of(ours)
    theirs.setChiDiscAtZero()
    np.testing.assert_allclose(at_zero, theirs.center_array(unit="chi_deg"), atol=1e-12)
    corners = ours.corner_array("chi_rad", chi_discontinuity="zero")
    assert corners.min() >= 0
    with pytest.raises(SpecError, match="'pi' or 'zero'"):
        ours.center_array("chi_deg", chi_discontinuity="nowhere")


def test_order_of_corners():
    vertices = GOLDEN.vertex_array("q_nm^-1")
    assert vertices.shape == (101, 81)
    corners = GOLDEN.corner_array("q_nm^-1")
    expected = (vertices[10, 60], vertices[11, 60], vertices[11, 61], vertices[10, 61])
    np.testing.assert_array_equal(corners[10, 60], expected)
    expected = by_formula("q_nm^-1", corners_in_space(GOLDEN), GOLDEN.wavelength)
    np.testing.assert_allclose(corners, expected, rtol=1e-13)


@pytest.mark.parametrize("isa", isas())
@pytest.mark.parametrize("name", sorted(UNITS))
def test_bits_depend_neither_on_threads_nor_on_the_instruction_set(name, isa):
    ours = replace(GOLDEN, detector=replace(SMALL, shape=(70, 33)))
    grid, field = ours.grid(), ours.field(name, sample=SAMPLE)
    expected = ours.vertex_array(name, sample=SAMPLE, threads=1)
    np.testing.assert_array_equal(_core.field(field, grid.row_edges, grid.column_edges, 3, isa), expected)


@pytest.mark.parametrize("isa", isas())
@pytest.mark.parametrize("turn", ["pi", "zero"])
def test_the_arctangent_is_good_to_two_units_in_the_last_place(isa, turn):
    """On a plane across the beam the azimuth of (slow, fast) is the angle of these numbers, on all scales."""
    rng = np.random.default_rng(0)
    places = np.concatenate([[0.0], 10.0 ** rng.uniform(-12, 3, 150), np.linspace(0.01, 3.0, 150)])
    rows, columns = (np.concatenate([-rng.permutation(places), places]) for _ in range(2))
    field = Geometry(SMALL, 0.1).field("chi_rad", chi_discontinuity=turn)
    expected = np.arctan2(rows[:, None], columns[None, :])
    if turn == "zero":
        expected = np.where(expected < 0.0, expected + 2.0 * np.pi, expected)
    value = _core.field(field, rows, columns, 1, isa)
    somewhere = (rows != 0.0)[:, None] | (columns != 0.0)[None, :]
    error = np.abs(value - expected)[somewhere] / np.spacing(np.abs(expected)[somewhere])
    assert error.max() <= 2.0


def test_beam_in_the_middle_of_a_pixel():
    ours = Geometry(Detector("Detector", 1e-4, 1e-4, (5, 5)), 0.1, 2.5e-4, 2.5e-4, wavelength=1e-10)
    assert ours.center_array("q_nm^-1")[2, 2] == 0.0
    assert ours.center_array("d_A")[2, 2] == np.inf
    assert ours.center_array("log10(q.m)_None")[2, 2] == -np.inf
    assert ours.polarization(0.99)[2, 2] == 1.0


@given(ours=geometries)
@settings(max_examples=20)
def test_corrections_against_the_peer(ours):
    theirs = peer_of(ours)
    np.testing.assert_allclose(ours.solid_angle(), theirs.solidAngleArray(), rtol=1e-6)
    p1, p2 = (ours.detector.centres(axis) - poni for axis, poni in ((0, ours.poni1), (1, ours.poni2)))
    cosine = ours.dist / np.sqrt(p1[:, None] ** 2 + p2**2 + ours.dist**2)
    np.testing.assert_allclose(ours.solid_angle(), cosine**3, rtol=1e-13)
    two_theta, chi = ours.center_array("2th_rad"), ours.center_array("chi_rad")
    for factor, offset in ((0.99, 0.0), (-0.7, 0.4), (0.0, 1.0)):
        value = ours.polarization(factor, offset)
        squared = np.cos(two_theta) ** 2
        expected = 0.5 * (1 + squared - factor * np.cos(2 * (chi + offset)) * (1 - squared))
        np.testing.assert_allclose(value, expected, rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(value, theirs.polarization(factor=factor, axis_offset=offset), atol=1e-6)


def test_polarization_vanishes_at_90_degrees_along_the_polarization():
    ours = Geometry(Detector("Detector", 1e-4, 1e-4, (1, 1)), 0.1, 0.5e-4, 0.5e-4, rot1=math.pi / 2)
    assert ours.center_array("2th_deg")[0, 0] == pytest.approx(90.0)
    assert ours.polarization(1.0)[0, 0] == pytest.approx(0.0, abs=1e-15)
    assert ours.polarization(-1.0)[0, 0] == pytest.approx(1.0)


def test_polarization_factor_is_checked():
    with pytest.raises(SpecError, match="not between -1 and 1"):
        GOLDEN.polarization(1.5)
    with pytest.raises(SpecError, match="must be finite"):
        GOLDEN.polarization(0.5, math.nan)


def test_wavelength_is_needed_for_q():
    dark = replace(GOLDEN, wavelength=None)
    dark.center_array("2th_deg")
    for method in (dark.center_array, dark.corner_array):
        with pytest.raises(GeometryError, match="needs a wavelength"):
            method("q_nm^-1")
    with pytest.raises(GeometryError, match="no wavelength"):
        _ = dark.energy_kev


def test_energy():
    assert replace(GOLDEN, wavelength=1e-10).energy_kev == pytest.approx(12.398419843320026)
    assert GOLDEN.with_energy(71.0).energy_kev == pytest.approx(71.0)
    with pytest.raises(GeometryError, match="must be positive"):
        GOLDEN.with_energy(0.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dist": 0.0}, "dist must be a positive length"),
        ({"dist": -1.0}, "dist must be a positive length"),
        ({"poni1": math.nan}, "poni1 must be a finite number"),
        ({"rot3": math.inf}, "rot3 must be a finite number"),
        ({"rot1": None}, "rot1 must be a finite number"),
        ({"wavelength": 0.0}, "wavelength must be a positive length"),
        ({"wavelength": math.nan}, "wavelength must be a positive length"),
        ({"wavelength": "1 A"}, "wavelength must be a positive length"),
    ],
)
def test_impossible_geometries(changes, message):
    with pytest.raises(GeometryError, match=message):
        replace(GOLDEN, **changes)


def test_shape_comes_from_the_image():
    ours = replace(GOLDEN, detector=replace(SMALL, shape=None))
    with pytest.raises(GeometryError, match="has no shape"):
        ours.center_array("2th_deg")
    assert ours.with_shape((100, 80)) == GOLDEN
    assert GOLDEN.with_shape((100, 80)) is GOLDEN
    with pytest.raises(GeometryError, match="is not from detector"):
        GOLDEN.with_shape((80, 101))


@given(ours=geometries)
@settings(max_examples=30)
def test_beam_center_is_where_the_scattering_angle_vanishes(ours):
    slow, fast = ours.beam_center()
    turned = ours.detector.orientation
    n1, n2 = ours.shape
    x1 = (n1 - slow if turned in (1, 2) else slow) * ours.detector.pixel1 - ours.poni1
    x2 = (n2 - fast if turned in (1, 4) else fast) * ours.detector.pixel2 - ours.poni2
    t1, t2, t3 = ours.rotation_matrix() @ (x1, x2, ours.dist)
    assert math.hypot(t1, t2) < 1e-12 * scale_of(ours)
    assert t3 > 0


def test_beam_that_misses_the_detector():
    with pytest.raises(GeometryError, match="does not meet the detector"):
        replace(GOLDEN, rot1=2.0).beam_center()


def test_round_trip_through_json():
    ours = replace(GOLDEN, detector=detector("Pilatus 2M CdTe", orientation=2), poni1=0.1 + 1e-17)
    assert Geometry.from_dict(json.loads(json.dumps(ours.to_dict()))) == ours
    assert pickle.loads(pickle.dumps(ours)) == ours
    assert hash(ours) == hash(Geometry.from_dict(ours.to_dict()))
    with pytest.raises(GeometryError, match="not usable"):
        Geometry.from_dict({"dist": 1.0})


def test_numpy_numbers_are_taken():
    ours = Geometry(SMALL, np.float64(0.1), np.float32(0.0), np.int64(0), wavelength=np.float64(1e-10))
    assert json.dumps(ours.to_dict())


def test_no_warnings_anywhere():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in UNITS:
            known = Geometry(SMALL, 0.1, 0.005, 0.008, wavelength=1e-10)
            known.center_array(name, sample=SAMPLE)
            known.vertex_array(name, sample=SAMPLE)
