"""The efficiency of the sensor: what scatters alike everywhere comes out flat."""

from dataclasses import replace

import numpy as np
import pytest

import aureole
from aureole.geometry import Sensor

GEOMETRY = aureole.Geometry(
    aureole.detector(pixel1=1e-3, pixel2=1e-3, shape=(300, 280), sensor=Sensor("Si", 450e-6)),
    0.2,
    0.05,
    0.06,
    0.15,
    -0.1,
    wavelength=0.62e-10,
)


def seen(geometry):
    """What pixels count of an isotropic scatterer, by hand."""
    normal = geometry.rotation_matrix()[:, 2]
    rays = np.stack(geometry.positions(), axis=-1)
    cosine = rays @ normal / np.linalg.norm(rays, axis=-1)
    sensor = geometry.detector.known_sensor
    return 1000.0 * cosine**3 * sensor.quantum_efficiency(geometry.energy_kev, np.arccos(cosine))


@pytest.mark.parametrize("split", ["no", "bbox", "full"])
def test_an_isotropic_scatterer_comes_out_flat(split):
    image = seen(GEOMETRY)
    corrected = aureole.integrate1d(image, GEOMETRY, 60, unit="2th_deg", split=split)
    along_the_normal = 1000.0 * GEOMETRY.detector.sensor.quantum_efficiency(GEOMETRY.energy_kev)
    np.testing.assert_allclose(corrected.intensity, along_the_normal, rtol=1e-6)
    plain = aureole.integrate1d(image, GEOMETRY, 60, unit="2th_deg", split=split, efficiency=False)
    assert np.ptp(plain.intensity) > 0.2 * along_the_normal
    for pattern, sensor in ((corrected, GEOMETRY.detector.sensor), (plain, None)):
        assert pattern.spec.efficiency_of == sensor


@pytest.mark.parametrize(
    "geometry",
    [
        replace(GEOMETRY, wavelength=None),
        replace(GEOMETRY, wavelength=1e-12),  # 1240 keV: beyond the tables
        replace(GEOMETRY, detector=replace(GEOMETRY.detector, sensor=Sensor("Si"))),
        replace(GEOMETRY, detector=replace(GEOMETRY.detector, sensor=Sensor("moondust", 1e-3))),
    ],
)
def test_nothing_is_corrected_where_the_sensor_is_not_known(geometry):
    image = np.ones(geometry.shape)
    patterns = [
        aureole.integrate1d(image, geometry, 60, unit="2th_deg", efficiency=wanted)
        for wanted in (True, False)
    ]
    np.testing.assert_array_equal(patterns[0].intensity, patterns[1].intensity)
    assert patterns[0].spec.efficiency_of is None
