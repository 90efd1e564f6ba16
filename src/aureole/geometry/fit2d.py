"""The geometry of Fit2D (A. Hammersley): direct beam, tilt, direction of tilt."""

from __future__ import annotations

from dataclasses import dataclass
from math import asin, atan2, cos, degrees, hypot, isfinite, radians, sin

from aureole.errors import GeometryError


@dataclass(frozen=True, slots=True)
class Fit2D:
    """A geometry in the words of Fit2D.

    Attributes
    ----------
    direct_mm : float
        From the sample to the detector along the beam, in mm.
    center_x, center_y : float
        Where the beam meets the detector, in pixels along the fast and the slow axis.
    tilt : float
        Angle between the beam and the normal of the detector, in degrees.
    tilt_plane_rotation : float
        Direction of the tilt, in degrees; 0 where there is no tilt.
    """

    direct_mm: float
    center_x: float
    center_y: float
    tilt: float = 0.0
    tilt_plane_rotation: float = 0.0


def fit2d_to_pose(
    given: Fit2D, pixel1: float, pixel2: float
) -> tuple[float, float, float, float, float, float]:
    """Return dist, poni1, poni2 (m), rot1, rot2, rot3 (rad).

    The beam direction seen from the detector has the components sin(tilt)·sin(φ), sin(tilt)·cos(φ), cos(tilt)
    along slow axis, fast axis and normal; these are sin(rot2), -cos(rot2) sin(rot1) and cos(rot1) cos(rot2).
    The rotation that Fit2D means turns about an axis in the plane of the detector, which fixes rot3.

    Raises
    ------
    GeometryError
        A number that is not finite, or a tilt of 90° or more.
    """
    for key in ("direct_mm", "center_x", "center_y", "tilt", "tilt_plane_rotation"):
        if not isfinite(getattr(given, key)):
            raise GeometryError(f"Fit2D geometry: {key} must be a finite number, not {getattr(given, key)!r}")
    if abs(given.tilt) >= 90.0:
        raise GeometryError(f"Fit2D geometry: a tilt of {given.tilt}° turns the detector away from the beam")
    tilt, plane = radians(given.tilt), radians(given.tilt_plane_rotation)
    distance = given.direct_mm * 1e-3
    slow, fast, normal = sin(tilt) * sin(plane), sin(tilt) * cos(plane), cos(tilt)
    rot1, rot2 = atan2(-fast, normal), asin(slow)
    versine = 2.0 * sin(0.5 * tilt) ** 2  # 1 - cos(tilt)
    rot3 = atan2(-sin(plane) * cos(plane) * versine, normal + cos(plane) ** 2 * versine)
    poni1 = given.center_y * pixel1 - distance * slow
    poni2 = given.center_x * pixel2 - distance * fast
    return distance * normal, poni1, poni2, rot1, rot2, rot3


def pose_to_fit2d(
    dist: float, poni: tuple[float, float], rotations: tuple[float, float], pixel: tuple[float, float]
) -> Fit2D:
    """Return the geometry in the words of Fit2D; the inverse of `fit2d_to_pose` but for rot3.

    Raises
    ------
    GeometryError
        The beam does not meet the plane of the detector.
    """
    rot1, rot2 = rotations
    slow, fast, normal = sin(rot2), -cos(rot2) * sin(rot1), cos(rot1) * cos(rot2)
    if normal <= 0.0:
        raise GeometryError("the direct beam does not meet the detector: Fit2D cannot describe this geometry")
    sideways = hypot(slow, fast)
    distance = dist / normal
    return Fit2D(
        direct_mm=distance * 1e3,
        center_x=(poni[1] + distance * fast) / pixel[1],
        center_y=(poni[0] + distance * slow) / pixel[0],
        tilt=degrees(atan2(sideways, normal)),
        tilt_plane_rotation=degrees(atan2(slow, fast)) if sideways > 0.0 else 0.0,
    )
