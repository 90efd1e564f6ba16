"""Coordinates of grazing incidence and of fibres: against the peer, and against what they mean."""

from math import pi

import numpy as np
import pytest
from pyFAI import units as peer

from aureole import Geometry, Sample, detector
from aureole.errors import SpecError
from aureole.units import UNITS

KNOWN = detector(pixel1=172e-6, pixel2=190e-6, shape=(40, 50))
OF_SAMPLE = sorted(name for name, entry in UNITS.items() if entry.needs_sample)
PEERS = sorted({*OF_SAMPLE, "qtot_nm^-1"} - {"scattering_angle_vert_deg", "scattering_angle_horz_deg"})


def anywhere(seed):
    rng = np.random.default_rng(seed)
    poni, rotations = rng.uniform(-0.01, 0.02, 2), rng.uniform(-0.4, 0.4, 3)
    geometry = Geometry(KNOWN, 0.1, *poni, *rotations, wavelength=1e-10)
    return geometry, rng.uniform(-0.3, 0.3), rng.uniform(-0.5, 0.5)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", PEERS)
def test_all_are_those_of_the_peer(name, orientation):
    geometry, incident, tilt = anywhere(orientation)
    t1, t2, t3 = geometry.positions()
    # The peer turns exit angles, and them alone, the other way: see the spot of a mirror below.
    way = -1.0 if name.startswith("exit") else 1.0
    theirs = peer.get_unit_fiber(name, way * incident, way * tilt, orientation)
    wanted = theirs.equation(t2, t1, t3, 1e-10) * theirs.scale
    ours = geometry.center_array(name, sample=Sample(incident, tilt, orientation))
    np.testing.assert_allclose(ours, wanted, rtol=0.0, atol=1e-13 * np.abs(wanted).max())


def at(vertical, across, name, **sample):
    """A coordinate of the ray at two small pixels' angles (rad) from the beam; orientation 1."""
    small = detector(pixel1=1e-9, pixel2=1e-9, shape=(1, 1))
    poni = 0.5e-9 - np.tan(vertical), 0.5e-9 - np.tan(across)
    geometry = Geometry(small, 1.0, *poni, wavelength=1e-10)
    return geometry.center_array(name, sample=Sample(**sample))[0, 0]


@pytest.mark.parametrize("incident", [0.001, 0.2])
def test_a_mirror_reflects_the_beam(incident):
    """The specular ray is at twice the angle of incidence; q is along the normal, 4π sin α / λ."""
    sample = {"incident_angle": incident}
    assert at(2 * incident, 0.0, "exit_angle_vert_rad", **sample) == pytest.approx(incident, rel=1e-12)
    assert at(0.0, 0.0, "exit_angle_vert_rad", **sample) == pytest.approx(-incident, rel=1e-12)
    length = 4e-9 * pi / 1e-10 * np.sin(incident)
    assert at(2 * incident, 0.0, "qoop_nm^-1", **sample) == pytest.approx(length, rel=1e-12)
    assert at(2 * incident, 0.0, "qip_nm^-1", **sample) == pytest.approx(0.0, abs=1e-12 * length)
    assert at(2 * incident, 0.0, "scattering_angle_vert_rad", **sample) == pytest.approx(2 * incident)


def test_components_make_the_whole():
    geometry, incident, tilt = anywhere(3)
    sample = Sample(incident, tilt, 6)
    qx, qy, qz, qip, qoop, q, chi = (
        geometry.center_array(name, sample=sample)
        for name in (
            *("qxgi_nm^-1", "qygi_nm^-1", "qzgi_nm^-1", "qip_nm^-1"),
            *("qoop_nm^-1", "q_nm^-1", "chigi_rad"),
        )
    )
    np.testing.assert_allclose(qx**2 + qy**2 + qz**2, q**2, rtol=1e-11)
    np.testing.assert_allclose(qip**2 + qoop**2, q**2, rtol=1e-11)
    np.testing.assert_allclose(np.tan(chi) * qoop, qip, rtol=0.0, atol=1e-11 * q.max())
    np.testing.assert_array_equal(np.sign(qip), np.sign(qx))


def test_exit_angles_are_those_of_momentum():
    """The component of q along the normal is 2π/λ (sin of exit + sin of incidence)."""
    geometry, incident, _tilt = anywhere(5)
    sample = Sample(incident, 0.0)
    leaving = geometry.center_array("exit_angle_vert_rad", sample=sample)
    wanted = 2e-9 * pi / 1e-10 * (np.sin(leaving) + np.sin(incident))
    np.testing.assert_allclose(geometry.center_array("qoop_nm^-1", sample=sample), wanted, rtol=1e-11)


@pytest.mark.parametrize("name", OF_SAMPLE)
def test_a_sample_is_asked_for(name):
    with pytest.raises(SpecError, match="needs to know how the sample stands"):
        anywhere(1)[0].center_array(name)


@pytest.mark.parametrize(
    "wrong",
    [
        {"incident_angle": 2.0},
        {"incident_angle": float("nan")},
        {"tilt_angle": "1"},
        {"orientation": 0},
        {"orientation": 1.5},
        {"orientation": True},
    ],
)
def test_impossible_samples_are_refused(wrong):
    with pytest.raises(SpecError, match=next(iter(wrong))):
        Sample(**wrong)


def test_positions_on_the_detector():
    geometry, *_ = anywhere(2)
    grid = geometry.grid()
    np.testing.assert_array_equal(geometry.center_array("p1_m"), np.repeat(grid.rows[:, None], 50, 1))
    np.testing.assert_array_equal(geometry.center_array("p2_m"), np.repeat(grid.columns[None], 40, 0))
