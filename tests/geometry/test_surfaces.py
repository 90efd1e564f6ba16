"""Pixels that form no flat grid, against the peer: where they are, and what they see."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from pyFAI.detectors import detector_factory
from pyFAI.integrator.azimuthal import AzimuthalIntegrator

from aureole.arrays import NamedArray
from aureole.errors import GeometryError
from aureole.geometry import Detector, Geometry, detector, model_names
from aureole.geometry.recorded import Recorded
from aureole.geometry.surface import Cylinder, Panels

NAMED = [name for name in model_names() if detector(name).shape and not detector(name).is_grid]
BENT = {"Aarhus": 0.29989, "Rapid": 0.12726}
CENTRES = {"Xpad_flat", "Cirpad", *BENT}
"""Those whose centres are right at the peer: it takes those of hexagons from four of their six corners."""
FLOAT32 = 2.0**-24


def peer(name, **config):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return detector_factory(name, config or None)


def strips(name):
    """The peer's detector, cut to a strip along each side where it is too large, and which part that is."""
    if name not in BENT:
        yield peer(name), (slice(None), slice(None))
        return
    n1, n2 = detector(name).shape
    for part in ((slice(0, 12), slice(None)), (slice(None), slice(0, 12))):
        theirs = peer(name)
        theirs.shape = tuple(len(range(n)[cut]) for n, cut in zip((n1, n2), part, strict=True))
        yield theirs, part


def assert_same_corners(ours, theirs, part):
    """Row by row of blocks, in the axes of the peer: away, slow, fast."""
    rows, columns = part
    corners = theirs.get_pixel_corners()
    first = range(ours.shape[0])[rows].start
    size = np.abs(corners).max()
    for begin in range(0, len(corners), 256):
        block = corners[begin : begin + 256]
        found = ours.corners(slice(first + begin, first + begin + len(block)))[:, columns]
        np.testing.assert_allclose(found[..., [2, 0, 1]], block, rtol=0, atol=4 * FLOAT32 * size)


@pytest.mark.parametrize("name", NAMED)
def test_corners_of_named_detectors(name):
    ours = detector(name)
    for theirs, part in strips(name):
        assert_same_corners(ours, theirs, part)


@pytest.mark.parametrize("name", NAMED)
def test_the_middle_of_a_pixel_is_that_of_its_corners(name):
    ours = detector(name)
    rows = slice(5, 60)
    for found, expected in zip(
        ours.positions(rows), np.moveaxis(ours.corners(rows).mean(axis=2), -1, 0), strict=True
    ):
        if found is None:
            assert ours.is_flat
            assert not expected.any()
        else:
            np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-17)


@pytest.mark.parametrize("orientation", [1, 2, 4])
@pytest.mark.parametrize("name", ["Pixirad1", "Xpad_flat", "Cirpad", "Rapid"])
def test_an_orientation_changes_the_order_of_the_pixels_only(name, orientation):
    stored, turned = detector(name), detector(name, orientation=orientation)
    steps = {1: (-1, -1), 2: (-1, 1), 4: (1, -1)}[orientation]
    rows = slice(3, 9)
    there = range(stored.shape[0])[:: steps[0]][rows]
    block = slice(min(there), max(there) + 1)
    np.testing.assert_array_equal(turned.corners(rows), stored.corners(block)[:: steps[0], :: steps[1]])


def test_a_grid_has_corners_too():
    ours = detector(pixel1=1e-4, pixel2=2e-4, shape=(3, 4))
    theirs = peer("Detector", pixel1=1e-4, pixel2=2e-4, max_shape=(3, 4))
    np.testing.assert_allclose(ours.corners()[..., [2, 0, 1]], theirs.get_pixel_corners(), rtol=1e-6)
    p1, p2, p3 = ours.positions(slice(1, 3))
    assert p3 is None
    np.testing.assert_allclose(p1, [[1.5e-4] * 4, [2.5e-4] * 4])
    np.testing.assert_allclose(p2, [[1e-4, 3e-4, 5e-4, 7e-4]] * 2)


def test_pixels_that_form_no_grid_have_no_edges():
    ours = detector("Pixirad1")
    for ask in (ours.centres, ours.edges, lambda axis: ours.pixel_at(axis, 0.0)):
        with pytest.raises(GeometryError, match="form no flat grid"):
            ask(0)
    with pytest.raises(GeometryError, match="form no flat grid"):
        Geometry(ours, 0.1).vertex_array("r_m")


@pytest.mark.parametrize("name", NAMED)
def test_there_and_back_through_a_dictionary(name):
    ours = detector(name, orientation=2)
    assert Detector.from_dict(ours.to_dict()) == ours
    other = Detector("mine", 1e-4, 1e-4, (8, 8), surface=ours.surface)
    assert Detector.from_dict(other.to_dict()) == other


def test_another_radius():
    ours, theirs = detector("Rapid", radius=0.2), peer("Rapid", radius=0.2)
    theirs.shape = (8, 4700)
    assert_same_corners(ours, theirs, (slice(0, 8), slice(None)))
    assert Detector.from_dict(ours.to_dict()) == ours
    for name in ("Pilatus2M", "Pixirad1"):
        with pytest.raises(GeometryError, match="is not bent to a radius"):
            detector(name, radius=0.2)
    with pytest.raises(GeometryError, match="is not bent to a radius"):
        detector(pixel1=1e-4, pixel2=1e-4, radius=0.2)


def test_a_bent_plate_that_is_read_out_in_larger_pixels():
    ours = detector("Rapid", pixel1=2e-4, pixel2=2e-4)
    assert ours.shape == (1280, 2350)
    assert detector("Rapid", shape=(1280, 2350)) == ours
    np.testing.assert_allclose(
        ours.corners()[-1, -1, 2], detector("Rapid").corners(slice(-1, None))[0, -1, 2]
    )


def test_surfaces_that_cannot_be():
    with pytest.raises(GeometryError, match="radius in metres"):
        Cylinder(-1.0)
    with pytest.raises(GeometryError, match="cannot be"):
        Panels(0, 1.0)
    with pytest.raises(GeometryError, match="Pixirad1 has pixels of"):
        detector("Pixirad1", pixel1=2 * detector("Pixirad1").pixel1, pixel2=120e-6)


# in space

POSE = {"rot1": 0.2, "rot2": -0.1, "rot3": 0.3}
"""Of all the tests below, but where a detector has to stand around the sample."""


def pair(name, **pose):
    """The same geometry here and at the peer, whose detector is cut to what fits into a test."""
    ours, theirs = detector(name), peer(name)
    if name in BENT:
        ours = detector(name, shape=(40, ours.shape[1] if name == "Rapid" else 4000))
        theirs.shape = theirs.max_shape = ours.shape
    pose = {"dist": 0.3, "poni1": 0.01, "poni2": 0.008, **POSE, **pose}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ai = AzimuthalIntegrator(detector=theirs, **pose, wavelength=1e-10)
    return Geometry(ours, **pose, wavelength=1e-10), ai


@pytest.mark.parametrize("name", ["Pixirad1", *sorted(CENTRES)])
def test_positions_and_coordinates_agree(name):
    ours, ai = pair(name)
    if name == "Pixirad1":  # a quarter of a pixel
        ai.poni2 += 15e-6
    t3, t1, t2 = ai.calc_pos_zyx()
    for found, expected in zip(ours.positions(), (t1, t2, t3), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-7)
    shape = ours.shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = {
            "2th_rad": ai.twoThetaArray(shape),
            "q_nm^-1": ai.qArray(shape),
            "r_m": ai.rArray(shape),
        }
    for name, expected in wanted.items():
        np.testing.assert_allclose(ours.center_array(name), expected, rtol=1e-5, atol=1e-7)
    chi = ours.center_array("chi_rad")
    away = np.hypot(t1, t2) > 1e-3
    np.testing.assert_allclose(np.exp(1j * chi)[away], np.exp(1j * np.arctan2(t1, t2))[away], atol=1e-4)


@pytest.mark.parametrize("name", ["Pixirad1", "Xpad_flat", "Cirpad", "Rapid"])
def test_corners_in_space_agree(name):
    ours, ai = pair(name)
    t3, t1, t2 = ai.calc_pos_zyx(corners=True)
    found = ours.corner_array("2th_rad")
    np.testing.assert_allclose(found, np.arctan2(np.hypot(t1, t2), t3), rtol=3e-6, atol=1e-6)


@pytest.mark.parametrize("name", sorted(CENTRES))
def test_incidence_agrees(name):
    """The peer's float32 corners leave three digits to the normals of small pixels."""
    ours, ai = pair(name)
    d1, d2 = np.mgrid[: ours.shape[0], : ours.shape[1]].astype(float)
    cosine = ai.cos_incidence(d1, d2)
    np.testing.assert_allclose(ours.incidence(), np.abs(cosine).reshape(ours.shape), rtol=0, atol=2e-3)


@pytest.mark.parametrize("name", ["Pixirad1", "Xpad_flat"])
def test_solid_angles_of_flat_detectors_agree(name):
    ours, ai = pair(name)
    if name == "Pixirad1":
        ai.poni2 += 15e-6
    np.testing.assert_allclose(ours.solid_angle(), ai.solidAngleArray(ours.shape), rtol=1e-6)


@pytest.mark.parametrize("name", sorted(BENT))
def test_solid_angles_of_a_plate_around_the_sample_agree(name):
    """On its axis cos³α, which is what the peer takes everywhere, is the solid angle."""
    ours, ai = pair(name, dist=BENT[name], poni2=0.0, rot1=0.0, rot2=0.0)
    np.testing.assert_allclose(ours.solid_angle(), ai.solidAngleArray(ours.shape), rtol=1e-5)


def test_the_solid_angle_is_that_of_the_corners():
    """Against that of two triangles [A. van Oosterom & J. Strackee, IEEE Trans. BME 30 (1983) 125]."""
    ours = Geometry(detector("Cirpad", shape=(2000, 120)), 0.4, 0.1, 0.01, **POSE)
    corners = ours.detector.corners()[::37] - (ours.poni1, ours.poni2, -ours.dist)
    a, b, c, d = np.moveaxis(corners, 2, 0)
    omega = sum(_triangle(a, *two) for two in ((b, c), (c, d)))
    area = np.linalg.norm(np.cross(c - a, d - b), axis=-1) / 2
    np.testing.assert_allclose(ours.solid_angle()[::37], omega * ours.dist**2 / area, rtol=1e-5)


def _triangle(a, b, c):
    la, lb, lc = (np.linalg.norm(at, axis=-1) for at in (a, b, c))
    volume = np.einsum("...i,...i", a, np.cross(b, c))
    ab, bc, ca = (np.einsum("...i,...i", *two) for two in ((a, b), (b, c), (c, a)))
    return 2 * np.arctan2(np.abs(volume), la * lb * lc + ab * lc + bc * la + ca * lb)


@pytest.mark.parametrize("name", ["Pixirad1", "Xpad_flat", "Rapid"])
def test_the_beam_centre_is_where_the_angle_vanishes(name):
    ours = Geometry(detector(name), 0.1, 0.0123, 0.0111, 0.05, -0.03, 0.2)
    row, column = ours.beam_center()
    angle = ours.center_array("2th_rad")
    nearest = np.unravel_index(np.argmin(angle), angle.shape)
    assert abs(row - 0.5 - nearest[0]) < 1
    assert abs(column - 0.5 - nearest[1]) < 1


def test_the_beam_centre_of_panels_in_a_row_is_that_of_the_grid():
    """Within a panel, and to the precision of the linear extrapolation."""
    whole = Geometry(detector(pixel1=130e-6, pixel2=130e-6, shape=(120, 70)), 0.1, 0.005, 0.009, 0.05, -0.03)
    panel = Geometry(detector("Xpad_flat"), 0.1, 0.005, 0.009, 0.05, -0.03)
    np.testing.assert_allclose(panel.beam_center(), whole.beam_center(), atol=1e-3)


@pytest.mark.parametrize("orientation", [1, 2, 3, 4])
@pytest.mark.parametrize("gap", [np.s_[8:12], np.s_[:, 6:14], np.s_[8:12, 8:12], np.s_[9:11, 8:], np.s_[1:]])
def test_the_beam_may_fall_where_no_pixel_is(gap, orientation):
    """As it does between the panels of a serial crystallographer."""
    whole = detector(pixel1=1e-4, pixel2=1e-4, shape=(20, 21))
    corners = whole.corners().copy()
    corners[gap] = np.nan
    recorded = Recorded("panels", NamedArray("corners", corners))
    apart = Detector("apart", 1e-4, 1e-4, orientation=orientation, recorded=recorded)
    pose = (0.1, 10.2e-4, 9.7e-4)
    wanted = Geometry(replace(whole, orientation=orientation), *pose).beam_center()
    if gap == np.s_[1:]:  # of a single row nothing follows across it
        assert Geometry(apart, *pose).beam_center()[1] == pytest.approx(wanted[1], abs=1e-6)
    else:
        assert Geometry(apart, *pose).beam_center() == pytest.approx(wanted, abs=1e-6)
