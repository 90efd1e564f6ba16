import math
from dataclasses import replace
from math import degrees, radians

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyFAI.geometry import Geometry as PeerGeometry
from pyFAI.geometry.fit2d import convert_to_Fit2d

from aureole.errors import GeometryError
from aureole.geometry import Detector, Fit2D, Geometry, detector

PIXELS = Detector("Detector", 1e-4, 2e-4, (100, 80))
angle = st.floats(-1.2, 1.2)


def peer_from_fit2d(given_):
    theirs = PeerGeometry()
    theirs.setFit2D(
        given_.direct_mm,
        given_.center_x,
        given_.center_y,
        given_.tilt,
        given_.tilt_plane_rotation,
        pixelX=PIXELS.pixel2 * 1e6,
        pixelY=PIXELS.pixel1 * 1e6,
    )
    return theirs


@given(
    given_=st.builds(
        Fit2D,
        st.floats(10.0, 5000.0),
        st.floats(-2000.0, 4000.0),
        st.floats(-2000.0, 4000.0),
        st.floats(0.01, 80.0),
        st.floats(-179.0, 179.0),
    )
)
def test_from_fit2d_against_the_peer(given_):
    theirs = peer_from_fit2d(given_)
    ours = Geometry.from_fit2d(
        PIXELS,
        direct_mm=given_.direct_mm,
        center_x=given_.center_x,
        center_y=given_.center_y,
        tilt=given_.tilt,
        tilt_plane_rotation=given_.tilt_plane_rotation,
    )
    for key in ("dist", "poni1", "poni2"):
        assert getattr(ours, key) == pytest.approx(getattr(theirs, key), rel=1e-9, abs=1e-9)
    for key in ("rot1", "rot2", "rot3"):
        assert getattr(ours, key) == pytest.approx(getattr(theirs, key), abs=1e-6)


@given(
    ours=st.builds(
        Geometry,
        st.just(PIXELS),
        st.floats(0.01, 5.0),
        st.floats(-0.2, 0.2),
        st.floats(-0.2, 0.2),
        angle,
        angle,
        st.floats(-3.0, 3.0),
    )
)
def test_to_fit2d_against_the_peer(ours):
    pose = (ours.dist, ours.poni1, ours.poni2, ours.rot1, ours.rot2, ours.rot3)
    theirs = PeerGeometry(*pose, pixel1=PIXELS.pixel1, pixel2=PIXELS.pixel2)
    expected = convert_to_Fit2d(theirs)
    value = ours.to_fit2d()
    assert value.direct_mm == pytest.approx(expected.directDist, rel=1e-9)
    if value.tilt > 0.1:  # the peer loses digits of small tilts
        assert value.center_x == pytest.approx(expected.centerX, rel=1e-6, abs=1e-4)
        assert value.center_y == pytest.approx(expected.centerY, rel=1e-6, abs=1e-4)
        assert value.tilt == pytest.approx(expected.tilt, rel=1e-6, abs=1e-6)
        turn = abs(value.tilt_plane_rotation - expected.tiltPlanRotation)
        # it takes the turn from an arc cosine, which leaves it half its digits, over the tilt
        assert min(turn, 360.0 - turn) < 1e-3 + degrees(1e-7 / radians(value.tilt))


@given(
    direct=st.floats(10.0, 5000.0),
    center=st.tuples(st.floats(-2000.0, 4000.0), st.floats(-2000.0, 4000.0)),
    tilt=st.floats(0.0, 85.0),
    plane=st.floats(-179.9, 179.9),
)
def test_round_trip_keeps_every_ring_in_place(direct, center, tilt, plane):
    first = Geometry.from_fit2d(
        PIXELS,
        direct_mm=direct,
        center_x=center[0],
        center_y=center[1],
        tilt=tilt,
        tilt_plane_rotation=plane,
        wavelength=1e-10,
    )
    words = first.to_fit2d()
    assert words.direct_mm == pytest.approx(direct)
    assert (words.center_x, words.center_y) == pytest.approx(center, rel=1e-9, abs=1e-6)
    assert words.tilt == pytest.approx(tilt, abs=1e-7)
    again = Geometry.from_fit2d(
        PIXELS,
        direct_mm=words.direct_mm,
        center_x=words.center_x,
        center_y=words.center_y,
        tilt=words.tilt,
        tilt_plane_rotation=words.tilt_plane_rotation,
    )
    np.testing.assert_allclose(
        again.center_array("2th_rad"), first.center_array("2th_rad"), rtol=1e-7, atol=1e-9
    )
    assert first.beam_center() == pytest.approx(center[::-1], rel=1e-9, abs=1e-6)


def test_rot3_only_turns_the_pattern():
    ours = Geometry(PIXELS, 0.1, 0.003, 0.005, 0.1, -0.2, 0.3)
    assert ours.to_fit2d() == replace(ours, rot3=0.0).to_fit2d()


def test_no_tilt():
    ours = Geometry.from_fit2d(detector("Pilatus2M"), direct_mm=500.0, center_x=700.0, center_y=800.0)
    assert (ours.dist, ours.rot1, ours.rot2, ours.rot3) == (0.5, 0.0, 0.0, 0.0)
    assert ours.to_fit2d() == Fit2D(500.0, pytest.approx(700.0), pytest.approx(800.0), 0.0, 0.0)
    assert ours.beam_center() == pytest.approx((800.0, 700.0))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tilt": 90.0}, "turns the detector away"),
        ({"tilt": math.nan}, "tilt must be a finite number"),
        ({"direct_mm": -5.0}, "dist must be a positive length"),
    ],
)
def test_impossible_fit2d_geometries(changes, message):
    with pytest.raises(GeometryError, match=message):
        Geometry.from_fit2d(PIXELS, **{"direct_mm": 100.0, "center_x": 1.0, "center_y": 2.0, **changes})


def test_fit2d_needs_the_beam_on_the_detector():
    with pytest.raises(GeometryError, match="does not meet the detector"):
        Geometry(PIXELS, 0.1, rot1=2.0).to_fit2d()
