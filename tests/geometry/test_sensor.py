import math

import numpy as np
import pytest
import xraydb
from pyFAI.detectors.sensors import ALL_MATERIALS

from aureole.errors import GeometryError
from aureole.geometry import Detector, Geometry, Sensor, detector, model_names, parse_poni, sensor_materials

SLANTS = np.radians([0.0, 5.0, 20.0, 45.0, 70.0, 89.0])


@pytest.mark.parametrize("material", ALL_MATERIALS)
def test_attenuation_is_that_of_the_tables_of_nist(material):
    # The peer interpolates these tables on straight lines: between their energies it is up to 20 % too high.
    peer = ALL_MATERIALS[material]
    density = {"CZT": 5780 / 5750}.get(material, 1.0)  # its composition is not the same either
    ours = [Sensor(material).mu(energy) / density for energy in (5.0, 8.0, 20.0, 40.0)]
    theirs = [peer.mu(energy, "m") for energy in (5.0, 8.0, 20.0, 40.0)]
    np.testing.assert_allclose(ours, theirs, rtol=0.025 if material == "CZT" else 2e-3)


def test_attenuation_by_hand():
    of_cadmium, of_tellurium = (xraydb.mu_elam(element, 71e3, kind="total") for element in ("Cd", "Te"))
    cadmium, tellurium = 112.414, 127.60
    mixed = (cadmium * of_cadmium + tellurium * of_tellurium) / (cadmium + tellurium)  # cm²/g
    assert Sensor("CdTe").mu(71.0) == pytest.approx(mixed * 5.85 * 100.0, rel=1e-4)


def test_efficiency_by_hand():
    sensor = Sensor("Si", 450e-6)
    assert sensor.mu(8.0) == pytest.approx(1.48e4, rel=0.02)  # attenuation length 68 µm
    assert sensor.quantum_efficiency(8.0) == pytest.approx(0.9987, abs=2e-4)
    assert sensor.quantum_efficiency(20.0) == pytest.approx(0.374, abs=0.003)
    for angle in SLANTS:
        expected = 1.0 - math.exp(-sensor.mu(20.0) * 450e-6 / math.cos(angle))
        assert sensor.quantum_efficiency(20.0, angle) == pytest.approx(expected)
    assert sensor.quantum_efficiency(20.0, SLANTS).shape == SLANTS.shape
    assert np.all(np.diff(sensor.quantum_efficiency(20.0, SLANTS)) > 0.0)


@pytest.mark.parametrize("energy", [3.0, 12.0, 26.0, 71.0, 500.0])
def test_relative_efficiency(energy):
    sensor = Sensor("CdTe", 1e-3)
    relative = sensor.relative_efficiency(energy, np.cos(SLANTS))
    whole = sensor.quantum_efficiency(energy, SLANTS)
    np.testing.assert_allclose(relative, whole / whole[0], rtol=1e-12)
    assert relative[0] == 1.0


def test_thin_sensors_gain_as_the_way_through_them():
    relative = Sensor("Si", 1e-7).relative_efficiency(100.0, np.cos(SLANTS[:5]))
    np.testing.assert_allclose(relative, 1.0 / np.cos(SLANTS[:5]), rtol=1e-5)


def test_names_of_materials():
    assert {"Si", "CdTe", "GaAs", "CZT", "Ge", "Se"} <= set(sensor_materials())
    for other, name in (("silicon", "Si"), (" cdte ", "CdTe"), ("Cd0.9Zn0.1Te", "CZT"), ("GADOX", "Gd2O2S")):
        assert Sensor(other).mu(30.0) == Sensor(name).mu(30.0)
    assert not Sensor("moondust", 1e-3).is_known()
    assert not Sensor("Si").is_known()


def test_sensors_from_text():
    assert Sensor.parse("CdTe,1mm") == Sensor("CdTe", 1e-3)
    assert str(Sensor.parse("Si, 450 µm")) == "Si, 450 µm"
    assert Sensor.parse("GaAs,5e-4") == Sensor("GaAs", 5e-4)
    for wrong in ("Si", "Si,", "Si,thick", ",1mm", "Si,3km"):
        with pytest.raises(GeometryError, match="no material with its thickness"):
            Sensor.parse(wrong)


@pytest.mark.parametrize("thickness", [0.0, -1e-3, math.nan, math.inf, 450.0])
def test_impossible_thicknesses(thickness):
    with pytest.raises(GeometryError, match="is in metres"):
        Sensor("Si", thickness)


def test_what_is_not_known_is_said():
    with pytest.raises(GeometryError, match="attenuation of 'moondust' is not known; of Si, "):
        Sensor("moondust", 1e-3).mu(20.0)
    with pytest.raises(GeometryError, match="thickness of the Si is not known"):
        Sensor("Si").quantum_efficiency(20.0)
    with pytest.raises(GeometryError, match=r"from 0\.1 to 800 keV, not at 1000 keV"):
        Sensor("Si", 1e-3).quantum_efficiency(1000.0)
    with pytest.raises(GeometryError, match="below π/2"):
        Sensor("Si", 1e-3).quantum_efficiency(10.0, 2.0)


def test_sensors_of_detectors_by_name():
    assert detector("Pilatus 2M CdTe").known_sensor == Sensor("CdTe", 1e-3)
    assert detector("Eiger2 CdTe 4M").known_sensor == Sensor("CdTe", 750e-6)
    assert detector("Eiger2 9M").known_sensor == Sensor("Si", 450e-6)
    assert detector("Pilatus 6M").known_sensor == Sensor("Si")  # 320, 450 or 1000 µm
    assert detector("Eiger 4M").known_sensor == detector("Jungfrau 8M").known_sensor == Sensor("Si")
    assert detector("MAR165").known_sensor == Sensor("Gd2O2S")
    assert detector("mar345").known_sensor == Sensor("BaFBr0.85I0.15")
    assert detector("Perkin").known_sensor is None
    for name in ("Eiger CdTe 1M", "Pilatus 17M"):  # no names of the catalogue: nothing is taken for granted
        assert Detector(name, 75e-6, 75e-6, (1065, 1030)).known_sensor is None
    assert detector("Pilatus 2M CdTe", sensor=Sensor("Si", 1e-3)).known_sensor == Sensor("Si", 1e-3)
    for name in model_names():
        found = detector(name, pixel1=None, pixel2=None).known_sensor
        if "cdte" in name.casefold():
            assert found is not None
            assert found.material == "CdTe"


def test_sensors_of_poni_files():
    text = (
        'poni_version: 2.1\nDetector: Pilatus2M\nDetector_config: {"orientation": 3, "sensor": %s}\n'
        "Distance: 0.1\nPoni1: 0.1\nPoni2: 0.1\nRot1: 0\nRot2: 0\nRot3: 0\nWavelength: 1e-11\n"
    )
    for sensor, expected in (
        ('{"material": "CdTe", "thickness": 1e-3}', Sensor("CdTe", 1e-3)),
        ('{"material": "Si"}', Sensor("Si")),
        ('{"material": "Si", "thickness": 0}', Sensor("Si")),
    ):
        assert parse_poni(text % sensor).detector.sensor == expected


def test_incidence_is_measured_from_the_normal():
    known = detector(pixel1=1e-3, pixel2=2e-3, shape=(5, 4), orientation=2)
    geometry = Geometry(known, 0.02, 0.001, 0.003, 0.3, -0.2, 0.1)
    normal = geometry.rotation_matrix()[:, 2]
    rays = np.stack(geometry.positions(), axis=-1)
    cosine = rays @ normal / np.linalg.norm(rays, axis=-1)
    np.testing.assert_allclose(geometry.incidence(), cosine, rtol=1e-13)
    np.testing.assert_allclose(geometry.incidence() ** 3, geometry.solid_angle(), rtol=1e-13)
