"""What ``aureole calibrate`` tells of a calibration."""

from __future__ import annotations

from collections.abc import Iterator
from math import degrees, hypot
from typing import TYPE_CHECKING

from aureole.calibration.scattering import PARAMETERS
from aureole.errors import GeometryError

if TYPE_CHECKING:
    from aureole.calibration import Calibration

_UNITS = {"dist": ("mm", 1e3), "poni1": ("mm", 1e3), "poni2": ("mm", 1e3), "wavelength": ("Å", 1e10)}
_ANGLE = ("°", degrees(1.0))


def calibration_lines(result: Calibration) -> Iterator[str]:
    """Yield the geometry with its errors, and how well each ring fits."""
    geometry, rings = result.geometry, result.rings
    points = sum(ring.found for ring in rings)
    yield f"{len(rings)} rings of {result.calibrant.name}, {points} points"
    try:
        row, column = geometry.beam_center()
        yield f"  beam centre  row {row:.2f}, column {column:.2f}"
    except GeometryError as reason:
        yield f"  beam centre  none: {reason}"
    errors = dict(zip(PARAMETERS, result.fit.uncertainty, strict=True))
    for name, value in zip(PARAMETERS, result.fit.parameters, strict=True):
        unit, factor = _UNITS.get(name, _ANGLE)
        error = f"± {errors[name] * factor:.2g}" if name in result.fit.free else "(fixed)"
        yield f"  {name:<11}  {value * factor:.7g} {error} {unit}"
    yield "  ring     2θ (°)  points    mean (°)  rms (°)   mean, rms (pixels)"
    for ring in rings:
        yield (
            f"  {ring.index + 1:>4}  {degrees(ring.two_theta):9.4f}  {ring.found:>6}"
            f"  {degrees(ring.mean):+10.5f}  {degrees(ring.rms):7.5f}"
            f"   {ring.mean / ring.pixel:+.3f}, {ring.rms / ring.pixel:.3f}"
        )
    total = hypot(*(ring.rms / ring.pixel * (ring.found / points) ** 0.5 for ring in rings))
    yield f"  residuals of all points: {total:.3f} pixels (rms)"
