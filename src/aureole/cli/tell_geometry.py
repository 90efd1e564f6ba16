"""What ``aureole info`` tells of a geometry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import degrees
from typing import TYPE_CHECKING

from numpy import nanmax, nanmin

from aureole.errors import GeometryError
from aureole.geometry import Detector, model_names
from aureole.geometry.catalogue import find_model
from aureole.geometry.distortion import Distortion

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from aureole.geometry import Geometry
    from aureole.io.stored import StoredPositions

Lines = Iterator[tuple[str, str]]


_PARAMETERS = {
    "dist": ("distance", 1e3, " mm"),
    "poni1": ("PONI, slow", 1e3, " mm"),
    "poni2": ("PONI, fast", 1e3, " mm"),
    "rot1": ("rot1", degrees(1.0), "°"),
    "rot2": ("rot2", degrees(1.0), "°"),
    "rot3": ("rot3", degrees(1.0), "°"),
    "wavelength": ("wavelength", 1e10, " Å"),
}
"""How parameters of a geometry are called, and the unit in which people speak of them."""


def geometry_lines(geometry: Geometry) -> Lines:
    """Yield what a geometry is, in the units in which people speak of it."""
    detector = geometry.detector
    yield from detector_lines(detector)
    yield "distance", f"{geometry.dist * 1e3:.6g} mm"
    yield "PONI", f"{geometry.poni1 * 1e3:.6g} mm (slow), {geometry.poni2 * 1e3:.6g} mm (fast)"
    rotations = (degrees(value) for value in (geometry.rot1, geometry.rot2, geometry.rot3))
    yield "rotations", ", ".join(f"{value:.6g}°" for value in rotations) + " (rot1, rot2, rot3)"
    if geometry.parallax:
        try:
            geometry.field("r_m")
            yield "parallax", f"corrected for, in {geometry.detector.known_sensor}"
        except GeometryError as error:
            yield "parallax", f"not known: {str(error).removeprefix('parallax: ')}"
            geometry = replace(geometry, parallax=False)
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
        for unit, words in (("2th_deg", "2θ from {:.4g} to {:.4g}°"), ("q_nm^-1", "q to {1:.5g} nm⁻¹")):
            if unit == "2th_deg" or geometry.wavelength is not None:
                values = geometry.center_array(unit)
                yield "covers", words.format(float(nanmin(values)), float(nanmax(values)))


def moving_lines(positions: StoredPositions) -> Lines:
    """Yield where a detector stood that moved: the range of what changes, the value of what does not."""
    for name, values in positions.motors.items():
        yield f"motor {name}", _reach(values, "")
    for name, (words, factor, unit) in _PARAMETERS.items():
        if name in positions.geometry:
            yield words, _reach(positions.geometry[name] * factor, unit)


def _reach(values: NDArray[np.float64], unit: str) -> str:
    low, high = (f"{value:.6g}" for value in (values.min(), values.max()))
    return f"{low}{unit}" if low == high else f"from {low} to {high}{unit}"


def detector_lines(detector: Detector) -> Lines:
    """Yield what a detector is."""
    shape = f"{detector.shape[0]} x {detector.shape[1]} pixels" if detector.shape else "shape from the frames"
    size = f"{detector.pixel1 * 1e6:g} x {detector.pixel2 * 1e6:g} µm"
    yield "detector", f"{detector.name}, {shape} of {size} (slow x fast)"
    if detector.known_sensor is not None:
        yield "sensor", f"{detector.known_sensor}"
    yield "orientation", f"{detector.orientation}"
    if detector.shape is not None:
        yield "gaps", share(detector.mask)
    if not detector.is_grid:
        count = detector.corners(slice(0, 1)).shape[2]
        where = "on a plane" if detector.is_flat else "not on a plane"
        yield "pixels", f"of {count} corners, no grid, {where}"
    if detector.recorded is not None:
        yield "file", f"{detector.recorded.file} ({', '.join(detector.recorded.arrays) or 'pixel size only'})"
    if isinstance(detector.surface, Distortion):
        yield "distortion", detector.surface.file


def known_detectors() -> Iterator[str]:
    """Yield the names of all known detectors, with shape and pixel size of the first way to read them out."""
    for name in model_names():
        mode = find_model(name).modes[0]
        shape = "from the image" if mode.shape is None else f"{mode.shape[0]} x {mode.shape[1]}"
        sizes = " x ".join(dict.fromkeys(f"{size * 1e6:g}" for size in mode.pixel))
        yield f"{name:<20} {shape:<14} {sizes} µm"


def share(mask: NDArray[np.bool_]) -> str:
    """Return how much of the pixels a mask takes."""
    return f"{100 * float(mask.mean()):.2f} % of the pixels"
