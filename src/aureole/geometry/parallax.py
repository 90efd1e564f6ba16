"""Parallax: photons that come at a slant are counted farther out than where they enter the sensor.

A photon that enters at the distance r' from the point of normal incidence, at the angle of incidence α, is
absorbed after a path l and counted at r' + l sin α. So what a pixel at r counts has, on average, entered at
r' with ``r' + <l>(α) sin α = r`` and ``tan α = r' / dist``.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from aureole.errors import GeometryError
from aureole.geometry.sensor import Sensor

F64 = NDArray[np.float64]

FACTORS = 1025
"""As many as the kernel takes."""
_STEPS, _CLOSE = 100, 1e-13


def shift(sensor: Sensor, energy_kev: float, dist: float, cosine: F64) -> F64:
    """Return by which part of r' a photon is counted farther out than it enters.

    Parameters
    ----------
    sensor : Sensor
    energy_kev, dist : float
        Photon energy; from the sample to the detector, in metres.
    cosine : ndarray
        Of the angle of incidence.

    Raises
    ------
    GeometryError
        The attenuation of the sensor is not known.
    """
    return np.asarray(sensor.mean_path(energy_kev, cosine) * cosine / dist)


@lru_cache(maxsize=8)
def factors(sensor: Sensor, energy_kev: float, dist: float) -> F64:
    """Return r' / r against the cosine of the angle that a pixel is seen at, in equal steps from 0 to 1.

    Parameters and errors are those of `shift`; also `GeometryError` where there is no such r', because the
    detector is no farther away than its sensor is thick.

    Returns
    -------
    ndarray, shape (FACTORS,)
        Not to be written to.
    """
    seen = np.linspace(0.0, 1.0, FACTORS)
    # cos α = c / √(c² + s² f²) with tan α = f s / c
    squared, rest = np.square(seen), 1.0 - np.square(seen)
    found = np.ones(FACTORS)
    for _ in range(_STEPS):
        cosine = seen / np.sqrt(squared + rest * np.square(found))
        before, found = found, 1.0 / (1.0 + shift(sensor, energy_kev, dist, cosine))
        if np.max(np.abs(found - before)) < _CLOSE:
            found.flags.writeable = False
            return found
    raise GeometryError(f"parallax: a detector at {dist:g} m is too near for a sensor of {sensor}")
