"""What speaks against a calibration, in words."""

from __future__ import annotations

from math import degrees

import numpy as np

from aureole.calibration.rounds import Outcome
from aureole.calibration.verdict import Verdict
from aureole.units import HC_KEV_M

_LEAST_SEEN = 0.5
_LEAST_EXPLAINED, _WELL_EXPLAINED = 0.8, 0.95
_MOST_WANDER = 0.3
"""Pixels, or this share of the width of rings if that is more."""
_WANDER_OF_WIDTH = 0.1
_SCATTER_OF_WIDTH = 0.15
"""How far points may be off their rings, beside their own errors."""
_WRONG_WAVELENGTH, _ODD_WAVELENGTH = 0.02, 0.01
_BETTER = 0.75
"""By how much rings must be nearer to their places with another wavelength for it to be the better one."""
_MUCH_BETTER, _FAR = 0.3, 0.2
"""The same at which another wavelength is the right one, and how many pixels it moves rings that it explains.
Less, and less well explained, is what modules that stand off their places do too, on part of a detector."""
_SURE = 4.0
_VAGUE_DIST, _VAGUE_CENTRE = 0.01, 5.0
"""Relative error of the distance, and error of the centre in pixels, at which nothing is known."""


def objections(outcome: Outcome, verdict: Verdict, calibrant: str) -> list[str]:
    """Return why a calibration does not fit; nothing if it does."""
    found = []
    energy = HC_KEV_M / float(outcome.fit.parameters[6])
    if verdict.seen < max(1.0, _LEAST_SEEN * verdict.expected):
        found.append(f"only {verdict.seen} of {verdict.expected} rings of {calibrant} are there")
    if verdict.explained < _LEAST_EXPLAINED and verdict.peaks:
        found.append(f"{len(verdict.strangers)} of {verdict.peaks} peaks stand on no ring of {calibrant}")
    most = max(_MOST_WANDER, _WANDER_OF_WIDTH * verdict.width)
    if verdict.wander > most:
        found.append(
            f"rings are {verdict.wander:.2f} pixels off their places (rms), and {most:.2f} is the most"
        )
    own = float(np.median(outcome.found.measured.sigma / outcome.found.pixel))
    if verdict.scatter > np.hypot(_SCATTER_OF_WIDTH * verdict.width, own):
        found.append(
            f"points are {verdict.scatter:.2f} pixels off their rings, which are {verdict.width:.1f} wide"
        )
    off, error = _other_wavelength(outcome, verdict)
    if abs(off) > max(_WRONG_WAVELENGTH, _SURE * error) and _is_clear(verdict):
        found.append(
            f"the rings fit {energy / (1.0 + off):.4g} keV better than {energy:.4g} keV: "
            "the energy is wrong, or the calibrant"
        )
    found += _vague(outcome)
    return found


def _is_clear(verdict: Verdict) -> bool:
    """Return whether another wavelength brings rings nearer to their places by more than detectors err."""
    if verdict.best_wander >= _BETTER * verdict.wander:
        return False
    gain = np.sqrt(verdict.wander**2 - verdict.best_wander**2)
    return bool(verdict.best_wander < _MUCH_BETTER * verdict.wander or gain > _FAR)


def is_decided(outcome: Outcome, verdict: Verdict) -> bool:
    """Return whether a calibration that does not fit is the right one, but for energy or calibrant."""
    off, error = _other_wavelength(outcome, verdict)
    return (
        verdict.explained > _LEAST_EXPLAINED
        and verdict.seen > 0.8 * verdict.expected
        and abs(off) > max(_WRONG_WAVELENGTH, _SURE * error)
        and verdict.best_wander < _MUCH_BETTER * verdict.wander
    )


def is_beyond_doubt(outcome: Outcome, verdict: Verdict) -> bool:
    """Return whether a calibration fits so well that no other geometry need be looked for."""
    outliers = float(np.mean(outcome.fit.weights == 0.0))
    return verdict.explained > _WELL_EXPLAINED and verdict.seen > 0.8 * verdict.expected and outliers < 0.1


def remarks(outcome: Outcome, verdict: Verdict, calibrant: str) -> list[str]:
    """Return what is worth knowing of a calibration that fits."""
    said = []
    if len(np.unique(outcome.fit.measured.rings)) == 1:
        ring = int(outcome.fit.measured.rings[0]) + 1
        said.append(f"one ring only, taken for ring {ring} of {calibrant}: the distance hangs on that")
    if outcome.dropped:
        said.append(
            f"the rings do not tell the tilt: {' and '.join(outcome.dropped)} are kept as they were, "
            "and poni1 and poni2 go with that"
        )
    if verdict.peaks and verdict.explained < _WELL_EXPLAINED and verdict.strangers:
        places = ", ".join(f"{degrees(place):.3f}°" for place in verdict.strangers[:3])
        many = f"{len(verdict.strangers)} of {verdict.peaks} peaks"
        said.append(f"{many} stand on no ring of {calibrant}: 2θ = {places}")
    off, error = _other_wavelength(outcome, verdict)
    if abs(off) > max(_ODD_WAVELENGTH, _SURE * error) and verdict.best_wander < _BETTER * verdict.wander:
        energy = HC_KEV_M / float(outcome.fit.parameters[6])
        said.append(
            f"the rings would fit {energy / (1.0 + off):.4g} keV a little better: is {energy:.4g} right?"
        )
    return said


def _other_wavelength(outcome: Outcome, verdict: Verdict) -> tuple[float, float]:
    """Return by how much the wavelength that fits best is longer, and the error of that, both relative."""
    wavelength = float(outcome.fit.parameters[6])
    error = verdict.wavelength_error / wavelength
    return verdict.wavelength / wavelength - 1.0, error if np.isfinite(error) else 1e9


def _vague(outcome: Outcome) -> list[str]:
    """Return what the rings do not tell that they were asked for."""
    fit, geometry = outcome.fit, outcome.geometry
    errors = dict(
        zip(("dist", "poni1", "poni2", "rot1", "rot2", "rot3", "wavelength"), fit.uncertainty, strict=True)
    )
    found = []
    if "dist" in fit.free and not errors["dist"] < _VAGUE_DIST * geometry.dist:
        more = " and the wavelength" if "wavelength" in fit.free else ""
        found.append(f"the rings do not tell the distance{more}: fix it, or use an image with more of them")
    if "rot1" not in fit.free:
        pixel = max(geometry.detector.pixel1, geometry.detector.pixel2)
        if any(name in fit.free and not errors[name] < _VAGUE_CENTRE * pixel for name in ("poni1", "poni2")):
            found.append(
                "the arcs are too short to tell where their centre is: fix the distance, or the centre"
            )
    return found
