"""Distortion correction: images of detectors whose pixels form no regular grid, as if they did.

The position of a pixel on its detector is a pair of coordinates as any other, and integration over small bins
of both deals the counts of each pixel out to the regular pixels that it covers, by area.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, floor
from typing import Any

import numpy as np

from aureole.axis import EPS32, Axis
from aureole.azimuthal.spec import IntegrationSpec
from aureole.errors import GeometryError
from aureole.geometry import Detector, Geometry


@dataclass(frozen=True)
class Regridding:
    """How images of a detector become images of regular pixels.

    Attributes
    ----------
    spec : IntegrationSpec
        Of its results ``sum_signal`` are the counts of the regular pixels, in the order of their positions,
        ``sum_variance`` their variances, and ``intensity`` counts over the part of a regular pixel that valid
        pixels cover.
    detector : Detector
        The regular pixels.
    first : tuple of int
        Number of the first of them (slow, fast), counted from where the detector begins.
    """

    spec: IntegrationSpec
    detector: Detector
    first: tuple[int, int]

    def geometry(self, of: Geometry) -> Geometry:
        """Return where the regular pixels stand, of where the detector stands."""
        pixels = self.detector
        return replace(
            of,
            detector=pixels,
            poni1=of.poni1 - self.first[0] * pixels.pixel1,
            poni2=of.poni2 - self.first[1] * pixels.pixel2,
        )


def regridding(detector: Detector, *, whole: bool = True, **fields: Any) -> Regridding:
    """Return how images of a detector become images of regular pixels of its pixel size.

    Parameters
    ----------
    detector : Detector
        Flat, of known shape.
    whole : bool
        Whether the image is to hold all pixels; else it has the shape of the detector, as in pyFAI, and what
        lies outside of that is lost.
    **fields
        Of `IntegrationSpec`: `split` (``"full"``, the outlines of pixels, without it), `error_model`, `mask`,
        `dark`, `flat`, ... There are no corrections for solid angle and efficiency unless asked for.

    Returns
    -------
    Regridding

    Raises
    ------
    GeometryError
        The detector is not flat, or has no shape.
    SpecError
        Fields that are impossible, see `IntegrationSpec`.
    """
    if not detector.is_flat:
        raise GeometryError(f"detector {detector.name} is not flat: there is no plane for a regular image")
    standing, size = Geometry(detector, 1.0), (detector.pixel1, detector.pixel2)
    first, shape = (0, 0), detector.known_shape
    if whole:
        ends = []
        for axis in (0, 1):
            at = standing.corner_array(f"p{axis + 1}_m") / size[axis]
            # a border that rounding has moved is no pixel more
            ends.append((floor(np.nanmin(at) + 1e-6), ceil(np.nanmax(at) - 1e-6)))
        first = ends[0][0], ends[1][0]
        shape = ends[0][1] - first[0], ends[1][1] - first[1]
    slow, fast = (
        Axis(f"p{axis + 1}_m", shape[axis], _range(first[axis], shape[axis], size[axis])) for axis in (0, 1)
    )
    usual: dict[str, Any] = {"split": "full", "solid_angle": False, "efficiency": False}
    spec = IntegrationSpec(standing, radial=fast, azimuthal=slow, **(usual | fields))
    regular = Detector("Detector", *size, shape, sensor=detector.known_sensor)
    return Regridding(spec, regular, first)


def _range(first: int, count: int, size: float) -> tuple[float, float]:
    """Return the range of an axis of regular pixels, the end of which an axis moves outwards."""
    end = (first + count) * size
    return first * size, end / (1.0 + EPS32) if end > 0.0 else end * (1.0 + EPS32)
