"""What is known of a geometry before it is calibrated, and what is held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import asin, atan2, isfinite, sqrt

import numpy as np
from numpy.typing import NDArray

from aureole.calibration.scattering import PARAMETERS, rotation_and_slopes
from aureole.errors import SpecError
from aureole.geometry import Detector, Geometry

FloatArray = NDArray[np.float64]
_AWAY = "a detector turned by 90° or more does not meet the beam: give other rotations"
Pose = tuple[float, float, float, float, float]
"""dist, poni1, poni2, rot1, rot2."""


@dataclass(frozen=True, slots=True)
class Start:
    """What is known beforehand, as far as it is.

    Attributes
    ----------
    dist : float or None
        Distance in metres.
    center : tuple of float or None
        Where the direct beam meets the detector, in stored pixels (row, column); 0.5 is the middle
        of the first.
    rot1, rot2, rot3 : float
        Rotations in radians.
    beam : tuple of float or None
        The same as `center` in metres along the axes of the detector, in its place.

    Raises
    ------
    SpecError
        A number that cannot be.
    """

    dist: float | None = None
    center: tuple[float, float] | None = None
    rot1: float = 0.0
    rot2: float = 0.0
    rot3: float = 0.0
    beam: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.dist is not None and not (isfinite(self.dist) and self.dist > 0.0):
            raise SpecError(
                f"the distance to begin with must be a positive length in metres, not {self.dist}"
            )
        numbers = (*(self.center or ()), *(self.beam or ()), self.rot1, self.rot2, self.rot3)
        if not all(isfinite(number) for number in numbers):
            raise SpecError("centre and rotations to begin with must be finite numbers")

    @classmethod
    def at(cls, geometry: Geometry) -> Start:
        """Return a start at a geometry.

        Raises
        ------
        SpecError
            The beam does not meet the plane of the detector.
        """
        first, second, along = geometry.rotation_matrix()[2]
        if along <= 0.0:
            raise SpecError(_AWAY)
        beam = (
            geometry.poni1 + geometry.dist * first / along,
            geometry.poni2 + geometry.dist * second / along,
        )
        return cls(geometry.dist, None, geometry.rot1, geometry.rot2, geometry.rot3, beam)

    def pose(self, detector: Detector) -> Pose | None:
        """Return dist, poni1, poni2, rot1, rot2; None where distance or centre are not known."""
        if self.dist is None or (self.center is None and self.beam is None):
            return None
        return standing(self.centre_on(detector), self.dist, self.rot1, self.rot2)

    def centre_on(self, detector: Detector) -> tuple[float, float]:
        """Return where the centre is on a detector in metres."""
        if self.beam is not None:
            return self.beam
        assert self.center is not None
        first, second = self.center
        return _position(detector, 0, first), _position(detector, 1, second)


def standing(centre: tuple[float, float], dist: float, rot1: float, rot2: float) -> Pose:
    """Return the pose of a detector from where the beam meets it (m), its distance (m) and rotations."""
    rotation, _ = rotation_and_slopes(rot1, rot2, 0.0)
    first, second, along = rotation[2]
    if along <= 0.0:
        raise SpecError(_AWAY)
    return dist, centre[0] - dist * first / along, centre[1] - dist * second / along, rot1, rot2


def held(pose: Pose, fixed: dict[str, float]) -> Pose:
    """Return a pose with what is fixed at its values, and the beam where it was as far as that goes."""
    numbers = dict(zip(PARAMETERS, pose, strict=False))
    rotation, _ = rotation_and_slopes(numbers["rot1"], numbers["rot2"], 0.0)
    slopes = rotation[2, :2] / rotation[2, 2]
    centre = [numbers[f"poni{axis + 1}"] + numbers["dist"] * slopes[axis] for axis in (0, 1)]
    dist = fixed.get("dist", numbers["dist"])
    for axis in (0, 1):
        if f"poni{axis + 1}" in fixed:
            slopes[axis] = (centre[axis] - fixed[f"poni{axis + 1}"]) / dist
    length = sqrt(1.0 + float(slopes @ slopes))
    rot1 = fixed.get("rot1", atan2(-slopes[1], 1.0))
    rot2 = fixed.get("rot2", asin(slopes[0] / length))
    _, poni1, poni2, _, _ = standing((centre[0], centre[1]), dist, rot1, rot2)
    return dist, fixed.get("poni1", poni1), fixed.get("poni2", poni2), rot1, rot2


def fixed_values(start: Start | None, detector: Detector, free: Sequence[str]) -> dict[str, float]:
    """Return the values of the parameters of the pose that are not free.

    Raises
    ------
    SpecError
        One of them has no value.
    """
    known = start or Start()
    pose = known.pose(detector)
    values: dict[str, float] = {"rot1": known.rot1, "rot2": known.rot2}
    if known.dist is not None:
        values["dist"] = known.dist
    if pose is not None:
        values["poni1"], values["poni2"] = pose[1], pose[2]
    fixed = [name for name in PARAMETERS[:5] if name not in free]
    for name in fixed:
        if name not in values:
            raise SpecError(
                f"{name} is fixed, but at what? give where to begin: a geometry, or distance and centre"
            )
    return {name: values[name] for name in fixed}


def _position(detector: Detector, axis: int, index: float) -> float:
    """Return where a stored pixel is along an axis in metres; the inverse of `Detector.pixel_at`.

    Where pixels form no grid it is as if they had one of their nominal size.
    """
    if not detector.is_grid:
        return index * (detector.pixel1, detector.pixel2)[axis]
    edges = detector.edges(axis)
    count = len(edges) - 1
    inside = min(max(index, 0.0), float(count))
    sign = 1.0 if edges[-1] > edges[0] else -1.0
    pixel = (detector.pixel1, detector.pixel2)[axis]
    return float(np.interp(inside, np.arange(count + 1.0), edges)) + sign * (index - inside) * pixel
