"""From an image of a known powder to where the detector stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aureole.calibration.calibrant import Calibrant
from aureole.calibration.objections import objections, remarks
from aureole.calibration.pixels import usable_pixels
from aureole.calibration.points_file import pixels_of, write_points
from aureole.calibration.refine import USUAL, Fit
from aureole.calibration.rings import Extraction
from aureole.calibration.rounds import Powder, refine_in_rounds
from aureole.calibration.scattering import PARAMETERS, ring_angles
from aureole.calibration.search import cover_of, ridge_levels, search
from aureole.calibration.start import Start
from aureole.calibration.verdict import Verdict, judge
from aureole.errors import CalibrationError, SpecError
from aureole.geometry import Detector, Geometry, format_poni
from aureole.io.publish import publication
from aureole.units import HC_KEV_M

FloatArray = NDArray[np.float64]

_LARGEST = 2.6
"""2θ (rad) up to which rings are used: beyond, the sphere of reflection ends."""
_ATTEMPTS = 6
"""Candidates that are refined before the image is given up."""


@dataclass(frozen=True, slots=True)
class RingResidual:
    """How well one ring fits.

    Attributes
    ----------
    index : int
        From 0, the innermost of the calibrant.
    two_theta : float
        Where it should be, in radians.
    found, tried : int
        Points found, and sectors in which they were looked for.
    mean, rms : float
        Of 2θ of the points less that of the ring, in radians.
    pixel : float
        What a pixel spans there, in radians.
    width : float
        Full width at half maximum, in radians.
    """

    index: int
    two_theta: float
    found: int
    tried: int
    mean: float
    rms: float
    pixel: float
    width: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """Where a detector stands, as the rings of a calibrant tell.

    Attributes
    ----------
    geometry : Geometry
    calibrant : Calibrant
    fit : Fit
        Parameters with their covariance, and the residuals of all points.
    extraction : Extraction
        The points, where they were found.
    verdict : Verdict
        How well it fits.
    notes : tuple of str
        What is worth knowing.
    """

    geometry: Geometry
    calibrant: Calibrant
    fit: Fit
    extraction: Extraction
    verdict: Verdict
    notes: tuple[str, ...] = ()

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write the geometry as a PONI file of version 2.1.

        Raises
        ------
        OutputError
            It exists and may not be replaced, or cannot be written.
        """
        text = format_poni(self.geometry)
        with publication(path, overwrite=overwrite) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def points_in_pixels(self) -> FloatArray:
        """Return row and column of the points in stored pixels, (N, 2); 0.5 is the middle of the first."""
        detector = self.geometry.detector
        return pixels_of(self.extraction.measured.points, (detector.edges(0), detector.edges(1)))

    def save_points(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write the points as ``.json`` (with the geometry) or ``.csv``.

        Raises
        ------
        SpecError
            Another ending.
        OutputError
            The file exists or cannot be written.
        """
        measured, at = self.extraction.measured, self.points_in_pixels()
        rest = self.fit.residuals()
        expected, _ = ring_angles(self.fit.spacings, float(self.fit.parameters[6]))
        columns = {
            "ring": measured.rings + 1,
            "d_m": self.fit.spacings[measured.rings],
            "row": at[:, 0],
            "column": at[:, 1],
            "p1_m": measured.points[:, 0],
            "p2_m": measured.points[:, 1],
            "p3_m": measured.points[:, 2],
            "two_theta_deg": np.degrees(expected[measured.rings] + rest),
            "sigma_deg": np.degrees(measured.sigma),
            "residual_deg": np.degrees(rest),
            "weight": self.fit.weights,
        }
        facts = {
            "calibrant": self.calibrant.name,
            "geometry": self.geometry.to_dict(),
            "parameters": PARAMETERS,
            "free": self.fit.free,
            "covariance": np.where(np.isfinite(self.fit.covariance), self.fit.covariance, 0.0).tolist(),
        }
        order = np.lexsort((self.extraction.azimuth, measured.rings))
        columns = {name: values[order] for name, values in columns.items()}
        write_points(path, columns, facts, overwrite=overwrite)

    @property
    def rings(self) -> tuple[RingResidual, ...]:
        """How well each ring fits, from the innermost."""
        found = self.extraction
        rest, used = self.fit.residuals(), self.fit.weights > 0.0
        expected, _ = ring_angles(self.fit.spacings, float(self.fit.parameters[6]))
        rows = []
        for index, tried in found.tried.items():
            mine = (found.measured.rings == index) & used
            if not mine.any():
                continue
            rows.append(
                RingResidual(
                    index,
                    float(expected[index]),
                    int(mine.sum()),
                    tried,
                    float(rest[mine].mean()),
                    float(np.sqrt(np.mean(np.square(rest[mine])))),
                    float(found.pixel[mine].mean()),
                    float(np.median(found.width[mine])),
                )
            )
        return tuple(rows)


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
    levels = ridge_levels(image, valid, detector)
    if not levels:
        raise CalibrationError(
            "no rings: nothing on the image looks like parts of circles about one centre; is it of a "
            "calibrant, exposed for long enough, and the mask right (not zero where invalid)?"
        )
    powder = Powder(image, valid, spacings)
    cover = cover_of(detector, valid)
    upright = Start() if start is None else start
    failures: list[tuple[float, list[str]]] = []
    for candidate in search(levels, cover, detector, spacings, wavelength, free=free, start=start):
        try:
            outcome = refine_in_rounds(powder, candidate.geometry, free, upright)
        except CalibrationError as error:
            failures.append((-1.0, [str(error)]))
            continue
        verdict = judge(outcome)
        against = objections(outcome, verdict, calibrant.name)
        if not against:
            notes = tuple(remarks(outcome, verdict, calibrant.name))
            return Calibration(outcome.geometry, calibrant, outcome.fit, outcome.found, verdict, notes)
        failures.append((verdict.explained - 0.2 * len(against), against))
        if len(failures) == _ATTEMPTS:
            break
    why = "; ".join(max(failures)[1]) if failures else "at no distance do rings stand where they should"
    raise CalibrationError(
        f"the image does not fit {calibrant.name} at {HC_KEV_M / wavelength:.5g} keV: {why}. "
        "Check calibrant, energy and pixel size, mask what is no ring, or say where to begin"
    )


def _refuse_blank(image: NDArray[np.generic], valid: NDArray[np.bool_]) -> None:
    values = image[valid]
    if values.size == 0:
        raise CalibrationError("the image is blank: no pixel has a value, all are masked or marked invalid")
    if values.min() == values.max():
        raise CalibrationError(f"the image is blank: all its {values.size} valid pixels are {values.flat[0]}")


def _check_free(free: Sequence[str]) -> None:
    if not free or (unknown := [name for name in free if name not in PARAMETERS]):
        wrong = repr(unknown[0]) if free else "nothing"
        raise SpecError(f"refined are any of {', '.join(PARAMETERS)}, not {wrong}")


def _spacings(calibrant: Calibrant, wavelength: float) -> FloatArray:
    least = wavelength / (2.0 * np.sin(0.5 * _LARGEST))
    return calibrant.d_spacings(max(least, calibrant.finest))
