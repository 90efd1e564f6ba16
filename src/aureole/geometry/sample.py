"""How a sample stands in the beam: for grazing incidence and fibres."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, sin
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aureole.errors import SpecError

_MOUNTED = {
    1: ((1, 0), (0, 1)),
    2: ((1, 0), (0, -1)),
    3: ((-1, 0), (0, -1)),
    4: ((-1, 0), (0, 1)),
    5: ((0, -1), (-1, 0)),
    6: ((0, 1), (-1, 0)),
    7: ((0, 1), (1, 0)),
    8: ((0, -1), (1, 0)),
}
"""By orientation: normal of the sample, and its direction across the beam, along axes 1 and 2."""


@dataclass(frozen=True, slots=True)
class Sample:
    """How a flat sample or a fibre stands in the beam.

    Its normal, or the axis of the fibre, lies along one of the axes of the laboratory, as the orientation
    says; then it is inclined by the angle of incidence, and turned about the beam by the tilt. With 1, the
    normal is along axis 1 (slow) and axis 2 (fast) is across the beam, in the plane of the sample.

    Attributes
    ----------
    incident_angle : float
        Between beam and surface, in rad: the direct beam leaves the sample at this angle below its plane.
    tilt_angle : float
        Rotation about the beam, in rad.
    orientation : int
        From 1 to 8: which way the image of the detector has to be flipped or turned so that the normal points
        up in it, as the tag of that name in EXIF says.

    Raises
    ------
    SpecError
        An angle that is not finite or beyond π/2 (incidence) or π (tilt), or an unknown orientation.
    """

    incident_angle: float = 0.0
    tilt_angle: float = 0.0
    orientation: int = 1

    def __post_init__(self) -> None:
        for name, most in (("incident_angle", 0.5 * pi), ("tilt_angle", pi)):
            value = getattr(self, name)
            if not isinstance(value, int | float | np.number) or not abs(float(value)) <= most:
                raise SpecError(f"sample: {name} is in radians, up to {most:.4g}, not {value!r}")
            object.__setattr__(self, name, float(value))
        if isinstance(self.orientation, bool) or self.orientation not in _MOUNTED:
            raise SpecError(f"sample: orientation is from 1 to 8, not {self.orientation!r}")
        object.__setattr__(self, "orientation", int(self.orientation))

    def matrix(self) -> NDArray[np.float64]:
        """Return the rotation from the axes of the laboratory to those of the sample, (3, 3).

        Its rows are the normal of the sample, the direction in its plane across the beam, and that along the
        beam.
        """
        mounted = np.eye(3)
        mounted[:2, :2] = _MOUNTED[self.orientation]
        c, s = cos(self.incident_angle), sin(self.incident_angle)
        inclined = np.array([[c, 0.0, -s], [0.0, 1.0, 0.0], [s, 0.0, c]])
        c, s = cos(self.tilt_angle), sin(self.tilt_angle)
        tilted = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
        return np.asarray(tilted @ inclined @ mounted)

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold; ``Sample(**known)`` understands it."""
        return {
            "incident_angle": self.incident_angle,
            "tilt_angle": self.tilt_angle,
            "orientation": self.orientation,
        }
