"""How a detector moves, how well that is known, and what says so."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aureole.calibration.calibrant import Calibrant
from aureole.calibration.calibration import Calibration
from aureole.calibration.goniometer import Goniometer
from aureole.calibration.goniometer_fit import GoniometerFit
from aureole.calibration.points_file import write_points


@dataclass(frozen=True, slots=True)
class GoniometerCalibration:
    """How a detector moves, as the rings of a calibrant tell.

    Attributes
    ----------
    goniometer : Goniometer
    calibrant : Calibrant
    fit : GoniometerFit
        Parameters with their covariance.
    images : tuple of Calibration or None
        For each image its geometry, its points and how well each ring fits; None where it shows no ring.
    notes : tuple of str
        What is worth knowing.
    """

    goniometer: Goniometer
    calibrant: Calibrant
    fit: GoniometerFit
    images: tuple[Calibration | None, ...]
    notes: tuple[str, ...] = ()

    def save_points(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write the points of all images as ``.json`` (with the goniometer) or ``.csv``.

        Raises
        ------
        SpecError
            Another ending.
        OutputError
            The file exists or cannot be written.
        """
        motors, tables = self.goniometer.motors, []
        for index, (image, view) in enumerate(zip(self.images, self.fit.views, strict=True)):
            if image is None:
                continue
            table = image.table()
            count = len(table["ring"])
            places = {
                f"motor_{name}": np.full(count, at) for name, at in zip(motors, view.position, strict=True)
            }
            tables.append({"image": np.full(count, index), **places, **table})
        columns = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
        covariance = self.fit.covariance
        facts = {
            "calibrant": self.calibrant.name,
            "goniometer": json.loads(self.goniometer.to_json()),
            "free": self.fit.free,
            "covariance": np.where(np.isfinite(covariance), covariance, 0.0).tolist(),
        }
        write_points(path, columns, facts, overwrite=overwrite)
