"""Results in files, where a call names one: replaced if it is there, as with pyFAI."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from fabio.edfimage import EdfImage
from numpy.typing import NDArray

from aureole.io.publish import publication
from aureole.version import __version__


def save1d(filename: str | Path, columns: Sequence[NDArray[Any]], unit: str) -> None:
    """Write a pattern as text: columns of position, intensity and, where it is known, sigma."""
    names = [unit, "I", "sigma"][: len(columns)]
    header = f"aureole {__version__}\n" + " ".join(f"{name:>14s}" for name in names)
    with publication(filename, overwrite=True) as path:
        np.savetxt(path, np.column_stack(tuple(columns)), fmt="%14.6e", header=header)


def save2d(filename: str | Path, intensity: NDArray[Any], axes: Sequence[tuple[str, NDArray[Any]]]) -> None:
    """Write a cake as an EDF image; the header has the unit and the ends of each axis.

    Parameters
    ----------
    filename : str or Path
    intensity : ndarray, shape (azimuthal, radial)
    axes : sequence of (str, ndarray)
        Unit and centres of the radial and of the azimuthal bins.
    """
    header = {"Program": f"aureole {__version__}"}
    for number, (unit, centres) in enumerate(axes, start=1):
        header |= {
            f"unit_{number}": unit,
            f"first_{number}": repr(float(centres[0])),
            f"last_{number}": repr(float(centres[-1])),
        }
    with publication(filename, overwrite=True) as path:
        EdfImage(data=np.asarray(intensity, np.float32), header=header).write(str(path))
