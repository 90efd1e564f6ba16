"""From an image of a known powder to where the detector stands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aureole.calibration.calibrant import Calibrant
from aureole.calibration.calibration import Calibration
from aureole.calibration.objections import is_beyond_doubt, is_decided, objections, remarks
from aureole.calibration.pixels import usable_pixels
from aureole.calibration.refine import USUAL
from aureole.calibration.rounds import Outcome, Powder, refine_in_rounds
from aureole.calibration.scattering import PARAMETERS, with_parameters
from aureole.calibration.search import Search, cover_of, ridge_levels
from aureole.calibration.start import Start
from aureole.calibration.verdict import Verdict, judge
from aureole.errors import CalibrationError, GeometryError, SpecError
from aureole.geometry import Detector, Geometry
from aureole.units import HC_KEV_M

FloatArray = NDArray[np.float64]

_LARGEST = 2.6
"""2θ (rad) up to which rings are used: beyond, the sphere of reflection ends."""
_OVEREXPOSED = 0.05
"""Share of the pixels with a value that have the highest of all, from which it may be a ceiling."""
_ENOUGH = 2
"""Geometries that fit, though not beyond doubt, of which the better one is taken."""


def calibrate(
    image: NDArray[np.generic],
    detector: Detector,
    calibrant: Calibrant,
    wavelength: float,
    *,
    mask: NDArray[np.generic] | None = None,
    start: Start | None = None,
    free: Sequence[str] = USUAL,
) -> Calibration:
    """Find where the detector stands from the rings of a calibrant on an image.

    Parameters
    ----------
    image : ndarray, shape (n1, n2)
    detector : Detector
    calibrant : Calibrant
    wavelength : float
        In metres.
    mask : ndarray, shape (n1, n2), optional
        Not zero where pixels are invalid.
    start : Start, optional
        What is known beforehand. What is not free keeps these values.
    free : sequence of str
        What to refine.

    Raises
    ------
    CalibrationError
        No rings, or none that fit.
    GeometryError
        The image has another shape than the detector.
    """
    detector = detector.with_shape(image.shape)
    valid = usable_pixels(image, detector, mask)
    _refuse_blank(image, valid)
    _check_free(free)
    spacings = _spacings(calibrant, wavelength)
    attempts = _Attempts(Powder(image, valid, spacings), calibrant, tuple(free), start or Start(), wavelength)
    known = None if start is None else start.pose(detector)
    if start is not None and known is not None:
        numbers = np.array([*known, start.rot3, wavelength])
        if attempts.settle(with_parameters(Geometry(detector, 1.0), numbers)):
            return attempts.outcome()
    levels = ridge_levels(image, valid, detector)
    if not levels and known is None:
        raise CalibrationError(_no_rings(image[valid]))
    search = Search(
        tuple(levels), cover_of(detector, valid), detector, spacings, wavelength, tuple(free), start
    )
    for effort in (0, 1, 2):
        if any(attempts.settle(candidate.geometry) for candidate in search.candidates(effort)):
            break
        if attempts.fitting:
            break
    return attempts.outcome()


class _Attempts:
    """Geometries that were tried, those that fit and why others do not."""

    def __init__(
        self, powder: Powder, calibrant: Calibrant, free: tuple[str, ...], upright: Start, wavelength: float
    ) -> None:
        self._powder, self._calibrant, self._free, self._upright = powder, calibrant, free, upright
        self._wavelength = wavelength
        self.fitting: list[tuple[Outcome, Verdict]] = []
        self._failures: list[tuple[float, list[str]]] = []

    def settle(self, geometry: Geometry) -> bool:
        """Refine a geometry and judge it; return whether no other need be tried."""
        try:
            outcome = refine_in_rounds(self._powder, geometry, self._free, self._upright)
        except CalibrationError as error:
            self._failures.append((-9.0, [str(error)]))
            return False
        except GeometryError:
            # The rings hold the refinement so little that it ran off to where no detector can stand.
            self._failures.append((-9.5, ["rings lead to no place where a detector can stand"]))
            return False
        verdict = judge(outcome)
        against = objections(outcome, verdict, self._calibrant.name)
        if against:
            self._failures.append((verdict.explained - 0.2 * len(against), against))
            return is_decided(outcome, verdict)
        self.fitting.append((outcome, verdict))
        return len(self.fitting) == _ENOUGH or is_beyond_doubt(outcome, verdict)

    def outcome(self) -> Calibration:
        """Return the geometry that fits best; raises `CalibrationError` where none does."""
        if not self.fitting:
            wavelength = self._wavelength
            raise CalibrationError(
                f"the image does not fit {self._calibrant.name} at {HC_KEV_M / wavelength:.5g} keV: "
                f"{self._why()}. Check calibrant, energy and pixel size, mask what is no ring, such as hot "
                "pixels, or say where to begin"
            )
        outcome, verdict = max(self.fitting, key=lambda pair: _merit(pair[1]))
        notes = tuple(remarks(outcome, verdict, self._calibrant.name))
        return Calibration(outcome.geometry, self._calibrant, outcome.fit, outcome.found, verdict, notes)

    def _why(self) -> str:
        """Return why the one that comes nearest does not fit."""
        if not self._failures:
            return "at no distance do rings stand where they should"
        return "; ".join(max(self._failures)[1])


def _merit(verdict: Verdict) -> float:
    return verdict.explained + verdict.seen / max(verdict.expected, 1) - verdict.scatter / verdict.width


def _refuse_blank(image: NDArray[np.generic], valid: NDArray[np.bool_]) -> None:
    values = image[valid]
    if values.size == 0:
        raise CalibrationError("the image is blank: no pixel has a value, all are masked or marked invalid")
    if values.min() == values.max():
        raise CalibrationError(f"the image is blank: all its {values.size} valid pixels are {values.flat[0]}")


def _no_rings(values: NDArray[np.generic]) -> str:
    """Return what to say of an image without rings, that has some values."""
    text = "no rings: nothing on the image looks like parts of circles about one centre; "
    top = values.max()
    share = float(np.mean(values == top))
    if share > _OVEREXPOSED:
        return text + f"{100 * share:.0f} % of its pixels are {top}, and none is above: is it overexposed?"
    return text + (
        "is it of a calibrant, exposed for long enough, the mask right (not zero where invalid), "
        "are hot pixels masked?"
    )


def _check_free(free: Sequence[str]) -> None:
    if not free or (unknown := [name for name in free if name not in PARAMETERS]):
        wrong = repr(unknown[0]) if free else "nothing"
        raise SpecError(f"refined are any of {', '.join(PARAMETERS)}, not {wrong}")


def _spacings(calibrant: Calibrant, wavelength: float) -> FloatArray:
    least = wavelength / (2.0 * np.sin(0.5 * _LARGEST))
    return calibrant.d_spacings(max(least, calibrant.finest))
