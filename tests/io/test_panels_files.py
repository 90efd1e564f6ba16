"""Geometry files of CrystFEL, against the peer."""

import logging

import numpy as np
import pytest
from pyFAI.detectors import detector_factory

import aureole
from aureole.errors import FormatError
from aureole.geometry import Geometry, format_poni
from aureole.io import load_detector

TEXT = """; three panels in one image
photon_energy = 12000
res = 13333.333333
clen = 0.2
rigid_group_all = m0,m1,m2
bad_edge/min_fs = 3
m0/min_fs = 0
m0/max_fs = 39
m0/min_ss = 0
m0/max_ss = 29
m0/corner_x = -50.5
m0/corner_y = -40.25
m0/fs = +0.999950x +0.010000y
m0/ss = -0.010000x +0.999950y
m1/min_fs = 0
m1/max_fs = 39
m1/min_ss = 30
m1/max_ss = 59
m1/corner_x = 10.0  ; to the right
m1/corner_y = 30.0
m1/fs = -1.0x +0.0y
m1/ss = 0.0x -1.0y
m2/min_fs = 0
m2/max_fs = 39
m2/min_ss = 60
m2/max_ss = 89
m2/corner_x = 20
m2/corner_y = -30
m2/fs = 0.0x +1.0y
m2/ss = -1.0x +0.0y
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "three.geom"
    path.write_text(TEXT)
    return path


def test_pixels_are_where_the_peer_has_them(path):
    """The peer takes the components of fs for those of x: the same where fs_y is ss_x."""
    path.write_text(TEXT.replace("010000", "000000").replace("-1.0x +0.0y\n", "1.0x +0.0y\n"))
    path.write_text(path.read_text().replace("m1/fs = 1.0x", "m1/fs = -1.0x"))
    logging.getLogger("pyFAI").setLevel(logging.CRITICAL)
    theirs = detector_factory("Jungfrau_16M_cor")
    theirs.init_from_geometry(str(path))
    ours = load_detector(path)
    corners = theirs.get_pixel_corners()
    assert ours.shape == corners.shape[:2]
    assert ours.pixel1 == pytest.approx(75e-6)
    assert ours.is_flat
    assert not ours.mask.any()
    np.testing.assert_allclose(ours.corners()[..., [2, 0, 1]], corners, rtol=0, atol=1e-9)


def test_directions_are_those_of_the_manual(path):
    """Corner (0, 0) of a pixel is at corner + fs · column + ss · row, along x and y."""
    corners = load_detector(path).corners()
    for first, corner, fs, ss in (
        (0, (-50.5, -40.25), (0.99995, 0.01), (-0.01, 0.99995)),
        (30, (10.0, 30.0), (-1.0, 0.0), (0.0, -1.0)),
        (60, (20.0, -30.0), (0.0, 1.0), (-1.0, 0.0)),
    ):
        row, column = 7, 13
        place = np.array(corner) + column * np.array(fs) + row * np.array(ss)
        found = corners[first + row, column, 0]
        np.testing.assert_allclose(found, [place[1] / 13333.333333, place[0] / 13333.333333, 0.0], rtol=1e-12)


def test_the_beam_is_at_the_origin(path):
    geometry = Geometry(load_detector(path), 0.2, wavelength=1e-10)
    assert geometry.center_array("r_m").min() < 75e-6
    path.with_suffix(".poni").write_text(format_poni(geometry))
    assert aureole.load(path.with_suffix(".poni")).detector.corners().shape == (90, 40, 4, 3)


def test_other_ways_to_write_it(path):
    plain = load_detector(path).corners()
    path.write_text(
        TEXT.replace("-1.0x +0.0y", "-x").replace("0.0x +1.0y", "1.0*y").replace("0.0x -1.0y", "- y")
    )
    np.testing.assert_array_equal(load_detector(path).corners(), plain)


def test_panels_behind_each_other(path):
    path.write_text(TEXT + "m2/coffset = 0.01\n")
    ours = load_detector(path)
    assert not ours.is_flat
    assert (ours.corners()[60:, ..., 2] == 0.01).all()
    assert not ours.corners()[:60, ..., 2].any()


def test_pixels_of_no_panel_are_masked(path):
    path.write_text(TEXT.replace("m1/max_fs = 39", "m1/max_fs = 35"))
    ours = load_detector(path)
    assert ours.mask.sum() == 4 * 30
    assert ours.mask[30:60, 36:].all()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("m1/corner_y = 30.0\n", "", "panel m1 has no corner_y"),
        ("res = 13333.333333", "res = 0", "panel m0: res must be above zero"),
        ("m0/max_ss = 29", "m0/max_ss = -1", "panel m0: its first and last pixels cannot be"),
        ("m0/max_ss = 29", "m0/max_ss = 2.5", "no whole numbers"),
        ("corner_y = 30.0", "corner_y = up", "corner_y must be a number, not 'up'"),
        ("-1.0x +0.0y\nm1", "-1.0x +0.0q\nm1", "fs must be a direction such as"),
        ("m2/min_fs = 0", "m2/dim0 = 3\nm2/min_fs = 0", "an image of more than two axes"),
        ("m2/min_fs = 0", "m2/res = 5000\nm2/min_fs = 0", "pixels of several sizes"),
        ("m0/max_ss = 29", "m0/max_ss = 29000000", "no detector has"),
        ("m0/max_ss = 29", "m0/max_ss = 30", "panel m1 has pixels of the image that another panel has"),
        ("0.0x +1.0y", "1.0x +0.0y", "panel m2: fs and ss have the same direction"),
        ("corner_y = 30.0", "corner_y = 1e300", "metres are needed"),
    ],
)
def test_texts_that_cannot_be(old, new, words, path):
    assert old in TEXT
    path.write_text(TEXT.replace(old, new, 1))
    with pytest.raises(FormatError, match=words) as caught:
        load_detector(path)
    assert str(caught.value).count(str(path)) == 1
