"""Refinement in rounds: find points of rings, refine, and look again with the better geometry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aureole.calibration.polar import Polar, unroll
from aureole.calibration.refine import Fit, refine
from aureole.calibration.rings import Extraction, extract
from aureole.calibration.scattering import parameters_of, ring_angles, with_parameters
from aureole.calibration.start import Start, standing
from aureole.errors import CalibrationError
from aureole.geometry import Geometry

FloatArray = NDArray[np.float64]

_FIRST_REACH, _REACH = 5.0, 3.0
"""How far from its place a ring is looked for, in pixels."""
_ROUNDS = 5
_RARE = 0.03
"""Share of the sectors in which a ring is found at least, to be one."""
_SETTLED = 0.1
"""Change of a parameter over its error at which another round would tell nothing new."""
_FEWEST = 8
"""Points without which nothing is refined."""
_VAGUE = np.radians(0.5)
"""Error of a rotation above which the rings do not tell it."""


class Powder(NamedTuple):
    """An image, which of its pixels have a value, and the spacings (m) of the rings on it."""

    image: NDArray[np.generic]
    valid: NDArray[np.bool_]
    spacings: FloatArray


@dataclass(frozen=True, slots=True)
class Outcome:
    """A refined geometry, the fit and the points behind it, and what could not be refined.

    `extra` is by how many pixels points scatter beyond their own errors, since no detector is perfect.
    """

    geometry: Geometry
    fit: Fit
    found: Extraction
    polar: Polar
    extra: float
    dropped: tuple[str, ...] = ()


def refine_in_rounds(powder: Powder, geometry: Geometry, free: Sequence[str], upright: Start) -> Outcome:
    """Refine a geometry that is right within a few pixels.

    Parameters
    ----------
    powder : Powder
    geometry : Geometry
        Where to begin.
    free : sequence of str
        What to refine, as far as the rings tell it.
    upright : Start
        Holds the rotations for the case that rings do not tell them.

    Raises
    ------
    CalibrationError
        Hardly any points on rings.
    """
    outcome = _rounds(powder, geometry, free)
    tilts = [name for name in ("rot1", "rot2") if name in free]
    if tilts and _is_vague(outcome, tilts):
        less = [name for name in free if name not in tilts]
        pose = standing(_beam(outcome.geometry), outcome.geometry.dist, upright.rot1, upright.rot2)
        numbers = parameters_of(outcome.geometry)
        numbers[:5] = pose
        begin = with_parameters(outcome.geometry, numbers)
        outcome = replace(_rounds(powder, begin, less), dropped=tuple(tilts))
    return outcome


def _rounds(powder: Powder, geometry: Geometry, free: Sequence[str]) -> Outcome:
    width, reach, extra = None, _FIRST_REACH, 0.0
    outcome: Outcome | None = None
    for _ in range(_ROUNDS):
        polar = unroll(powder.image, powder.valid, geometry)
        numbers = parameters_of(geometry)
        rings, _ = ring_angles(powder.spacings, float(numbers[6]))
        found = extract(polar, geometry, rings, wanted=np.arange(len(rings)), reach=reach, width=width)
        found = found.without_rare(_RARE)
        if len(found.measured) < _FEWEST:
            raise CalibrationError(f"{len(found.measured)} points on rings are too few")
        possible = list(free)
        if len(np.unique(found.measured.rings)) < 2:
            possible = [name for name in free if name not in ("rot1", "rot2", "wavelength")]
        for _ in range(3):
            sigma = np.hypot(found.measured.sigma, extra * found.pixel)
            fit = refine(replace(found.measured, sigma=sigma), powder.spacings, numbers, free=possible)
            extra = _scatter(fit, found)
        geometry = with_parameters(geometry, fit.parameters)
        outcome = Outcome(geometry, fit, found, polar, extra)
        if width is not None and _is_settled(numbers, fit):
            break
        width, reach = float(np.median(found.width / found.pixel)), _REACH
    assert outcome is not None
    return outcome


def _scatter(fit: Fit, found: Extraction) -> float:
    """Return by how many pixels points scatter beyond their own errors."""
    rest = fit.residuals() / found.pixel
    whole = (1.4826 * float(np.median(np.abs(rest)))) ** 2
    own = float(np.median(found.measured.sigma / found.pixel)) ** 2
    return float(np.sqrt(max(whole - own, 0.0)))


def _is_settled(before: FloatArray, fit: Fit) -> bool:
    errors = fit.uncertainty
    known = np.isfinite(errors) & (errors > 0.0)
    return bool(np.all(np.abs(fit.parameters - before)[known] < _SETTLED * errors[known]))


def _is_vague(outcome: Outcome, tilts: list[str]) -> bool:
    """Whether the rings do not tell the tilt."""
    if any(name not in outcome.fit.free for name in tilts):
        return True
    errors = outcome.fit.uncertainty[3:5]
    return not bool(np.all(errors < _VAGUE))


def _beam(geometry: Geometry) -> tuple[float, float]:
    """Return where the beam meets the detector in metres."""
    first, second, along = geometry.rotation_matrix()[2]
    return geometry.poni1 + geometry.dist * first / along, geometry.poni2 + geometry.dist * second / along
