"""What ``aureole goniometer calibrate`` tells of a calibration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import degrees, hypot
from typing import TYPE_CHECKING

import numpy as np

from aureole.calibration.transformation import Formulas

if TYPE_CHECKING:
    from aureole.calibration import RingResidual
    from aureole.calibration.goniometer import Goniometer
    from aureole.calibration.goniometer_calibration import GoniometerCalibration

_CORRELATED = 0.95


def moving_lines(goniometer: Goniometer) -> list[tuple[str, str]]:
    """Return what a goniometer file says, as names and values."""
    lines = [("detector", goniometer.detector.name), ("motors", ", ".join(goniometer.motors))]
    if goniometer.wavelength is not None:
        lines.append(("wavelength", f"{goniometer.wavelength * 1e10:.7g} Å"))
    if isinstance(goniometer.transformation, Formulas):
        lines += list(goniometer.transformation.formulas.items())
    return [*lines, *((name, f"{value:.9g}") for name, value in goniometer.values.items())]


def goniometer_lines(result: GoniometerCalibration) -> Iterator[str]:
    """Yield formulas, parameters with their errors, and how well each image and each ring fits."""
    images = [() if image is None else image.rings for image in result.images]
    seen, points = sum(map(bool, images)), sum(ring.found for rings in images for ring in rings)
    yield f"{seen} of {len(images)} images with rings of {result.calibrant.name}, {points} points"
    rule = result.goniometer.transformation
    if isinstance(rule, Formulas):
        yield from (f"  {name} = {text}" for name, text in rule.formulas.items())
    errors = result.fit.uncertainty
    for name, value in result.goniometer.values.items():
        error = f"± {errors[name]:.2g}" if name in errors else "(fixed)"
        yield f"  {name:<11}  {value:.9g} {error}"
    yield from _correlations(result)
    motors = "  ".join(f"{name:>9}" for name in result.goniometer.motors)
    yield f"  image  {motors}  points  mean, rms (pixels)  rings"
    for index, (rings, view) in enumerate(zip(images, result.fit.views, strict=True)):
        at = "  ".join(f"{value:9.5g}" for value in view.position)
        names = " ".join(f"{ring.index + 1}" for ring in rings)
        yield f"  {index:>5}  {at}  {_pooled(rings)}       {names}".rstrip()
    yield "  ring     2θ (°)  images  points  mean, rms (pixels)"
    for index in sorted({ring.index for rings in images for ring in rings}):
        same = [ring for rings in images for ring in rings if ring.index == index]
        yield f"  {index + 1:>4}  {degrees(same[0].two_theta):9.4f}  {len(same):>6}  {_pooled(same)}"


def _correlations(result: GoniometerCalibration) -> Iterator[str]:
    free, table = result.fit.free, result.fit.correlation
    for first, second in zip(*np.triu_indices(len(free), 1), strict=True):
        if abs(table[first, second]) > _CORRELATED:
            yield f"  correlation of {free[first]} and {free[second]}: {table[first, second]:+.4f}"


def _pooled(rings: Sequence[RingResidual]) -> str:
    """Return number of points, mean and rms (pixels) of the residuals of several rings."""
    points = sum(ring.found for ring in rings)
    if not points:
        return f"{0:>6}"
    mean = sum(ring.mean / ring.pixel * ring.found for ring in rings) / points
    rms = hypot(*(ring.rms / ring.pixel * (ring.found / points) ** 0.5 for ring in rings))
    return f"{points:>6}  {mean:+.3f}, {rms:.3f}"
