"""Results in files, where a call names one: replaced if it is there, as with pyFAI."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from fabio.edfimage import EdfImage

from aureole.compat.pyfai.results import Integrate1dResult, Integrate2dResult
from aureole.io.publish import publication
from aureole.version import __version__


def save1d(filename: str | Path, result: Integrate1dResult) -> None:
    """Write a pattern as text: columns of position, intensity and, where it is known, sigma."""
    names = [result.unit.name, "I", "sigma"][: len(result)]
    header = f"aureole {__version__}\n" + " ".join(f"{name:>14s}" for name in names)
    with publication(filename, overwrite=True) as path:
        np.savetxt(path, np.column_stack(tuple(result)), fmt="%14.6e", header=header)


def save2d(filename: str | Path, result: Integrate2dResult) -> None:
    """Write a cake as an EDF image; the header has the unit and the ends of each axis."""
    header = {"Program": f"aureole {__version__}"}
    for name, axis, unit in (
        ("1", result.radial, result.radial_unit),
        ("2", result.azimuthal, result.azimuthal_unit),
    ):
        header |= {
            f"unit_{name}": unit.name,
            f"first_{name}": repr(float(axis[0])),
            f"last_{name}": repr(float(axis[-1])),
        }
    with publication(filename, overwrite=True) as path:
        EdfImage(data=result.intensity.astype(np.float32), header=header).write(str(path))
