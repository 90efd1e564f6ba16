"""The scattering angle of points of a detector, and how it changes with each parameter of the geometry."""

from __future__ import annotations

from dataclasses import replace
from math import cos, sin
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aureole.geometry import Detector, Geometry

FloatArray = NDArray[np.float64]

PARAMETERS = ("dist", "poni1", "poni2", "rot1", "rot2", "rot3", "wavelength")
"""What can be refined: lengths in metres, angles in radians; the order of parameter vectors."""


class Angles(NamedTuple):
    """2θ of points in radians, (N,), and its derivatives by dist, poni1, poni2, rot1, rot2, rot3, (N, 6)."""

    two_theta: FloatArray
    jacobian: FloatArray


def rotation_and_slopes(rot1: float, rot2: float, rot3: float) -> tuple[FloatArray, FloatArray]:
    """Return R = R3 R2 R1, (3, 3), and its derivatives by rot1 and rot2, (2, 3, 3)."""
    c1, c2, c3 = cos(rot1), cos(rot2), cos(rot3)
    s1, s2, s3 = sin(rot1), sin(rot2), sin(rot3)
    first = np.array([[1.0, 0.0, 0.0], [0.0, c1, s1], [0.0, -s1, c1]])
    second = np.array([[c2, 0.0, -s2], [0.0, 1.0, 0.0], [s2, 0.0, c2]])
    third = np.array([[c3, -s3, 0.0], [s3, c3, 0.0], [0.0, 0.0, 1.0]])
    first_slope = np.array([[0.0, 0.0, 0.0], [0.0, -s1, c1], [0.0, -c1, -s1]])
    second_slope = np.array([[-s2, 0.0, -c2], [0.0, 0.0, 0.0], [c2, 0.0, -s2]])
    slopes = np.stack((third @ second @ first_slope, third @ second_slope @ first))
    return third @ second @ first, slopes


def angles(points: FloatArray, parameters: ArrayLike) -> Angles:
    """Return 2θ of points, and its derivatives.

    With t = R (p1 - poni1, p2 - poni2, p3 + dist) and r² = t1² + t2², 2θ = atan2(r, t3); hence ∂2θ/∂t = (t1
    t3 / r, t2 t3 / r, -r) / |t|². Conventions are those of `Geometry`.

    Parameters
    ----------
    points : ndarray, shape (N, 3)
        p1, p2, p3 on the detector in metres; p3 is zero where it is flat.
    parameters : array_like, shape (6,) or (7,)
        dist, poni1, poni2, rot1, rot2, rot3 and perhaps the wavelength, which plays no part.
    """
    dist, poni1, poni2, rot1, rot2, rot3 = (float(x) for x in np.asarray(parameters, np.float64)[:6])
    rotation, slopes = rotation_and_slopes(rot1, rot2, rot3)
    place = points + np.array([-poni1, -poni2, dist])
    t = place @ rotation.T
    radius = np.hypot(t[:, 0], t[:, 1])
    square = np.einsum("ij,ij->i", t, t)
    # at the beam itself 2θ has no derivative: none is better than NaN
    outward = t[:, :2] / np.maximum(radius, 1e-300)[:, None]
    by_t = np.column_stack((outward * t[:, 2:], -radius)) / square[:, None]
    by_place = by_t @ rotation
    jacobian = np.empty((len(points), 6))
    jacobian[:, 0] = by_place[:, 2]
    jacobian[:, 1:3] = -by_place[:, :2]
    for index, slope in enumerate(slopes):
        jacobian[:, 3 + index] = np.einsum("ij,ij->i", by_t, place @ slope.T)
    jacobian[:, 5] = 0.0  # turning about the beam
    return Angles(np.arctan2(radius, t[:, 2]), jacobian)


def ring_angles(spacings: FloatArray, wavelength: float) -> tuple[FloatArray, FloatArray]:
    """Return 2θ of lattice spacings (m) by Bragg's law, and its derivative by the wavelength: 2 tan θ / λ.

    Spacings below half of the wavelength, which do not diffract, are at π.
    """
    half = np.arcsin(np.minimum(0.5 * wavelength / spacings, 1.0))
    return 2.0 * half, 2.0 * np.tan(np.minimum(half, 1.57)) / wavelength


def parameters_of(geometry: Geometry) -> FloatArray:
    """Return the seven numbers of a geometry in the order of `PARAMETERS`; NaN without a wavelength."""
    wavelength = np.nan if geometry.wavelength is None else geometry.wavelength
    return np.array([*(getattr(geometry, name) for name in PARAMETERS[:6]), wavelength])


def with_parameters(geometry: Geometry, parameters: ArrayLike) -> Geometry:
    """Return a geometry with the seven numbers of a vector in the order of `PARAMETERS`.

    It has no parallax: what is refined here are places of pixels as they are.
    """
    numbers = dict(zip(PARAMETERS, np.asarray(parameters, np.float64).tolist(), strict=True))
    return replace(geometry, **numbers, parallax=False)


def pixel_points(detector: Detector) -> FloatArray:
    """Return p1, p2, p3 (m) of the centres of all pixels, (n1, n2, 3)."""
    p1, p2, p3 = detector.positions()
    return np.stack((p1, p2, np.zeros_like(p1) if p3 is None else p3), axis=-1)
