"""A calibration: where a detector stands, how well that is known, and what says so."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aureole.calibration.calibrant import Calibrant
from aureole.calibration.points_file import pixels_of, write_points
from aureole.calibration.refine import Fit
from aureole.calibration.rings import Extraction
from aureole.calibration.scattering import PARAMETERS, ring_angles
from aureole.calibration.verdict import Verdict
from aureole.geometry import Geometry, format_poni
from aureole.io.publish import publication

FloatArray = NDArray[np.float64]


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
        return pixels_of(self.extraction.measured.points, self.geometry.detector)

    def save_points(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write the points as ``.json`` (with the geometry) or ``.csv``.

        Raises
        ------
        SpecError
            Another ending.
        OutputError
            The file exists or cannot be written.
        """
        facts = {
            "calibrant": self.calibrant.name,
            "geometry": self.geometry.to_dict(),
            "parameters": PARAMETERS,
            "free": self.fit.free,
            "covariance": np.where(np.isfinite(self.fit.covariance), self.fit.covariance, 0.0).tolist(),
        }
        write_points(path, self.table(), facts, overwrite=overwrite)

    def table(self) -> dict[str, NDArray[Any]]:
        """Return what is known of the points, in columns of shape (N,), from ring to ring and along them."""
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
        order = np.lexsort((self.extraction.azimuth, measured.rings))
        return {name: values[order] for name, values in columns.items()}

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
