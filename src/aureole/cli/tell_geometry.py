"""What ``aureole info`` tells of a geometry."""

from __future__ import annotations

from collections.abc import Iterator
from math import degrees
from typing import TYPE_CHECKING

from aureole.errors import GeometryError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from aureole.geometry import Geometry

Lines = Iterator[tuple[str, str]]


def geometry_lines(geometry: Geometry) -> Lines:
    """Yield what a geometry is, in the units in which people speak of it."""
    detector = geometry.detector
    shape = f"{detector.shape[0]} x {detector.shape[1]} pixels" if detector.shape else "shape from the frames"
    size = f"{detector.pixel1 * 1e6:g} x {detector.pixel2 * 1e6:g} µm"
    yield "detector", f"{detector.name}, {shape} of {size} (slow x fast)"
    if detector.known_sensor is not None:
        yield "sensor", f"{detector.known_sensor}"
    yield "orientation", f"{detector.orientation}"
    yield "distance", f"{geometry.dist * 1e3:.6g} mm"
    yield "PONI", f"{geometry.poni1 * 1e3:.6g} mm (slow), {geometry.poni2 * 1e3:.6g} mm (fast)"
    rotations = (degrees(value) for value in (geometry.rot1, geometry.rot2, geometry.rot3))
    yield "rotations", ", ".join(f"{value:.6g}°" for value in rotations) + " (rot1, rot2, rot3)"
    try:
        tilted = geometry.to_fit2d()
    except GeometryError as error:
        yield "beam centre", f"none: {error}"
    else:
        if detector.shape is not None or detector.orientation == 3:
            slow, fast = geometry.beam_center()
            yield "beam centre", f"row {slow:.2f}, column {fast:.2f} (pixels; 0.5 is the middle of the first)"
        yield "along the beam", f"{tilted.direct_mm:.6g} mm, detector tilted by {abs(tilted.tilt):.4g}°"
    if geometry.wavelength is None:
        yield "wavelength", "none: q and d need --energy or --wavelength"
    else:
        angstrom = geometry.wavelength * 1e10
        yield "wavelength", f"{angstrom:.6g} Å ({geometry.energy_kev:.6g} keV)"
    if detector.shape is not None:
        yield "gaps", share(detector.mask)
        for unit, words in (("2th_deg", "2θ from {:.4g} to {:.4g}°"), ("q_nm^-1", "q to {1:.5g} nm⁻¹")):
            if unit == "2th_deg" or geometry.wavelength is not None:
                values = geometry.center_array(unit)
                yield "covers", words.format(float(values.min()), float(values.max()))


def share(mask: NDArray[np.bool_]) -> str:
    """Return how much of the pixels a mask takes."""
    return f"{100 * float(mask.mean()):.2f} % of the pixels"
