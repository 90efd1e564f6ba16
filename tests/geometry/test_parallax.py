"""Parallax: against the peer, against photons one by one, and what it asks for."""

import json
from dataclasses import replace

import numpy as np
import pytest
from pyFAI.detectors import Detector as PeerDetector
from pyFAI.geometry import Geometry as PeerGeometry
from pyFAI.parallax import Parallax, ThinSensor

from aureole import _core
from aureole.errors import GeometryError
from aureole.geometry import Geometry, Sensor, detector, format_poni, parse_poni
from aureole.geometry.surface import Cylinder, Hexagons
from aureole.kernels import isas

SHAPE = (120, 140)
SILICON = replace(detector(pixel1=1e-3, pixel2=1e-3, shape=SHAPE), sensor=Sensor("Si", 450e-6))
POSE = (0.1, 0.05, 0.06, 0.1, -0.2, 0.3)
TILTED = Geometry(SILICON, *POSE, wavelength=1e-10, parallax=True)


def without(geometry):
    return replace(geometry, parallax=False)


@pytest.mark.parametrize("wavelength", [2e-10, 1e-10, 0.3e-10])
@pytest.mark.parametrize("sensor", [Sensor("Si", 450e-6), Sensor("CdTe", 1e-3)])
def test_positions_are_those_of_the_peer(sensor, wavelength):
    known = replace(SILICON, sensor=sensor)
    ours = replace(TILTED, detector=known, wavelength=wavelength)
    theirs = PeerGeometry(
        *POSE, detector=PeerDetector(1e-3, 1e-3, max_shape=SHAPE, orientation=3), wavelength=wavelength
    )
    theirs.parallax = Parallax(ThinSensor(thickness=sensor.thickness, mu=sensor.mu(ours.energy_kev)))
    t3, t1, t2 = np.moveaxis(theirs.position_array(corners=False, do_parallax=True), -1, 0)
    wanted, have = np.stack([t1, t2, t3]), np.stack(ours.positions())
    moved = np.abs(have - np.stack(without(ours).positions())).max()
    assert moved > 2e-6
    # The peer interpolates between 1024 angles.
    np.testing.assert_allclose(have, wanted, rtol=0.0, atol=5e-5 * moved)
    np.testing.assert_allclose(
        ours.center_array("2th_rad"), theirs.center_array(SHAPE, "2th_rad"), rtol=0.0, atol=1e-8
    )


@pytest.mark.parametrize("surface", [None, Hexagons()])
def test_kernel_and_positions_agree(surface):
    geometry = replace(TILTED, detector=replace(SILICON, surface=surface))
    t1, t2, t3 = geometry.positions()
    angle = np.arctan2(np.hypot(t1, t2), t3)
    np.testing.assert_allclose(geometry.center_array("2th_rad"), angle, rtol=1e-12)
    np.testing.assert_allclose(geometry.center_array("chi_rad"), np.arctan2(t1, t2), rtol=0.0, atol=1e-12)
    corners = geometry.corner_array("2th_rad")
    outside = corners.max(axis=-1) - angle
    assert outside.min() >= 0.0
    np.testing.assert_array_equal(geometry.solid_angle(), without(geometry).solid_angle())
    np.testing.assert_array_equal(geometry.center_array("p1_m"), without(geometry).center_array("p1_m"))


@pytest.mark.parametrize("isa", isas())
def test_bits_depend_neither_on_threads_nor_on_the_instruction_set(isa):
    grid, field = TILTED.grid(), TILTED.field("q_nm^-1")
    expected = TILTED.vertex_array("q_nm^-1", threads=1)
    np.testing.assert_array_equal(_core.field(field, grid.row_edges, grid.column_edges, 3, isa), expected)


@pytest.mark.parametrize("angle", [0.2, 0.6, 1.1])
def test_rays_are_seen_at_their_angle(angle):
    """Photons of a beam at an angle, absorbed one by one: their mean place is where that angle is seen."""
    sensor, dist = Sensor("Si", 450e-6), 0.05
    small = replace(detector(pixel1=1e-7, pixel2=1e-7, shape=(1, 1)), sensor=sensor)
    geometry = Geometry(small, dist, wavelength=0.7e-10, parallax=True)
    photons = np.random.default_rng(4).exponential(1.0 / sensor.mu(geometry.energy_kev), 400_000)
    absorbed = photons[photons < sensor.thickness / np.cos(angle)]
    counted = dist * np.tan(angle) + absorbed * np.sin(angle)
    error = counted.std() / np.sqrt(counted.size)
    assert np.mean(absorbed) * np.sin(angle) > 50 * error
    seen = replace(geometry, poni1=0.5e-7 - counted.mean(), poni2=0.5e-7)
    assert seen.center_array("2th_rad")[0, 0] == pytest.approx(angle, abs=4 * error / dist)
    assert without(seen).center_array("2th_rad")[0, 0] > angle + 40 * error / dist * np.cos(angle) ** 2


def test_where_the_beam_is_seen():
    row, column = TILTED.beam_center()
    around = replace(TILTED.detector, pixel1=1e-6, pixel2=1e-6, shape=(1, 1))
    there = replace(
        TILTED,
        detector=around,
        poni1=TILTED.poni1 - row * 1e-3 + 0.5e-6,
        poni2=TILTED.poni2 - column * 1e-3 + 0.5e-6,
    )
    assert there.center_array("2th_rad")[0, 0] == pytest.approx(0.0, abs=1e-8)
    assert abs(row - without(TILTED).beam_center()[0]) > 0.01


def test_a_sensor_that_stops_all_at_once_has_none():
    thin = replace(SILICON, sensor=Sensor("CdTe", 1e-9))
    geometry = replace(TILTED, detector=thin)
    have, wanted = (one.center_array("q_nm^-1") for one in (geometry, without(geometry)))
    np.testing.assert_allclose(have, wanted, rtol=0.0, atol=1e-6)


def test_files_and_descriptions():
    assert "parallax" not in without(TILTED).to_dict()
    assert Geometry.from_dict(json.loads(json.dumps(TILTED.to_dict()))) == TILTED
    text = format_poni(TILTED)
    assert "poni_version: 3\n" in text
    assert "Parallax: True\n" in text
    again = parse_poni(text)
    assert again.parallax
    np.testing.assert_array_equal(again.center_array("q_nm^-1"), TILTED.center_array("q_nm^-1"))
    plain = replace(without(TILTED), detector=replace(TILTED.detector, sensor=None))
    assert "poni_version: 2.1" in format_poni(plain)
    with pytest.raises(GeometryError, match=r"version 2\.1 has no parallax: use 3"):
        format_poni(TILTED, version=2.1)


@pytest.mark.parametrize(
    ("geometry", "message"),
    [
        (replace(TILTED, wavelength=None), "parallax: the geometry needs a wavelength"),
        (replace(TILTED, detector=replace(SILICON, sensor=None)), "sensor of detector Detector is not known"),
        (replace(TILTED, detector=replace(SILICON, sensor=Sensor("Si"))), "thickness of the Si is not known"),
        (replace(TILTED, detector=replace(SILICON, sensor=Sensor("ice", 1e-3))), "attenuation of 'ice'"),
        (replace(TILTED, detector=replace(SILICON, surface=Cylinder(0.3))), "is not flat"),
    ],
)
def test_what_it_asks_for(geometry, message):
    with pytest.raises(GeometryError, match=message):
        geometry.center_array("2th_deg")
    without(geometry).center_array("2th_deg")
