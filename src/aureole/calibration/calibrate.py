"""From an image of a known powder to where the detector stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aureole.calibration.calibrant import Calibrant
from aureole.calibration.pixels import usable_pixels
from aureole.calibration.polar import Polar, unroll
from aureole.calibration.refine import USUAL, Fit, RingPoints, refine
from aureole.calibration.rings import Extraction, extract
from aureole.calibration.scattering import parameters_of, ring_angles, with_parameters
from aureole.calibration.search import search
from aureole.calibration.start import Start
from aureole.errors import CalibrationError
from aureole.geometry import Detector, Geometry, format_poni
from aureole.io.publish import publication

FloatArray = NDArray[np.float64]

_LARGEST = 2.6
"""2θ (rad) up to which rings are used: beyond, the sphere of reflection ends."""


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
    """Where a detector stands, as the rings of a calibrant tell."""

    geometry: Geometry
    calibrant: Calibrant
    fit: Fit
    extraction: Extraction
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


class _Powder(NamedTuple):
    image: NDArray[np.generic]
    valid: NDArray[np.bool_]
    spacings: FloatArray


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
    spacings = _spacings(calibrant, wavelength)
    found = search(image, valid, detector, spacings, wavelength, free=free, start=start)
    if not found.candidates:
        raise CalibrationError(f"no rings: {found.ridge_points} points look like parts of rings")
    return _refined(_Powder(image, valid, spacings), found.candidates[0].geometry, calibrant, free)


def _spacings(calibrant: Calibrant, wavelength: float) -> FloatArray:
    least = wavelength / (2.0 * np.sin(0.5 * _LARGEST))
    return calibrant.d_spacings(max(least, calibrant.finest))


def _refined(powder: _Powder, geometry: Geometry, calibrant: Calibrant, free: Sequence[str]) -> Calibration:
    width: float | None = None
    reach, extra = 6.0, 0.0
    fit, found = None, None
    for _ in range(3):
        polar: Polar = unroll(powder.image, powder.valid, geometry)
        rings, _ = ring_angles(powder.spacings, float(parameters_of(geometry)[6]))
        found = extract(polar, geometry, rings, wanted=np.arange(len(rings)), reach=reach, width=width)
        for _ in range(3):
            measured = RingPoints(
                found.measured.points,
                found.measured.rings,
                np.hypot(found.measured.sigma, extra * found.pixel),
            )
            fit = refine(measured, powder.spacings, parameters_of(geometry), free=free)
            extra = _scatter(fit, found, extra)
        geometry = with_parameters(geometry, fit.parameters)
        width, reach = float(np.median(found.width / found.pixel)), 3.0
    assert fit is not None
    assert found is not None
    return Calibration(geometry, calibrant, fit, found)


def _scatter(fit: Fit, found: Extraction, extra: float) -> float:
    """Return by how many pixels points scatter beyond their own errors: modules stand a little off."""
    rest = fit.residuals() / found.pixel
    whole = (1.4826 * float(np.median(np.abs(rest)))) ** 2
    own = float(np.median(found.measured.sigma / found.pixel)) ** 2
    return float(np.sqrt(max(whole - own, 0.0)))
