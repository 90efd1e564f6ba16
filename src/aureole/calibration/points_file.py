"""Points on rings as text: a table, or JSON with the geometry they gave."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from aureole.calibration.scattering import pixel_points
from aureole.errors import SpecError
from aureole.geometry import Detector
from aureole.io.publish import publication
from aureole.version import __version__

POINTS_ENDINGS = (".json", ".csv")


def write_points(
    path: str | Path,
    columns: Mapping[str, NDArray[Any]],
    facts: Mapping[str, Any],
    *,
    overwrite: bool = False,
) -> None:
    """Write columns of points as ``.csv``, or with facts about them as ``.json``.

    Parameters
    ----------
    path : path
    columns : mapping of str to ndarray, shape (N,)
        Names, with their units, and values.
    facts : mapping
        What JSON can hold.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    SpecError
        Another ending.
    OutputError
        The file exists or cannot be written.
    """
    ending = Path(path).suffix.lower()
    if ending not in POINTS_ENDINGS:
        raise SpecError(f"{path}: points are written as {' or '.join(POINTS_ENDINGS)}")
    if ending == ".json":
        points = {name: values.tolist() for name, values in columns.items()}
        text = json.dumps({"program": f"Aureole {__version__}", **facts, "points": points}, indent=1)
    else:
        rows = zip(*(values.tolist() for values in columns.values()), strict=True)
        lines = [",".join(repr(value) for value in row) for row in rows]
        text = "\n".join([",".join(columns), *lines])
    with publication(path, overwrite=overwrite) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def pixels_of(points: NDArray[np.float64], detector: Detector) -> NDArray[np.float64]:
    """Return row and column of points (N, 3) in stored pixels, (N, 2); 0.5 is the middle of the first.

    On detectors whose pixels form no grid it is the middle of the nearest pixel.

    Parameters
    ----------
    points : ndarray, shape (N, 3)
        p1, p2, p3 in metres.
    detector : Detector
    """
    if not detector.is_grid:
        places = pixel_points(detector)
        known = np.isfinite(places).all(-1)
        _, near = cKDTree(places[known]).query(points)
        return np.asarray(np.argwhere(known)[near] + 0.5)
    columns = []
    for axis in (0, 1):
        borders = detector.edges(axis)
        index = np.arange(len(borders), dtype=np.float64)
        order = np.argsort(borders)
        columns.append(np.interp(points[:, axis], borders[order], index[order]))
    return np.stack(columns, axis=1)
