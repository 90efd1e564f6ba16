"""Single patterns as text: ``.xy``, ``.xye``, ``.dat`` and Fit2D's ``.chi``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from aureole.errors import SpecError
from aureole.io.names import shown
from aureole.io.publish import publication
from aureole.version import __version__

TEXT_ENDINGS = (".xy", ".xye", ".dat", ".chi")


def write_text(
    path: str | Path,
    radial: ArrayLike,
    intensity: ArrayLike,
    sigma: ArrayLike | None = None,
    *,
    unit: str,
    header: Sequence[str] = (),
    overwrite: bool = False,
) -> None:
    """Write one pattern as text: columns of radial position, intensity and, where it is known, sigma.

    Parameters
    ----------
    path : path
        Ending ``.xy`` or ``.dat`` (comment lines with "#", then the columns), ``.xye`` (the same, always with
        sigma) or ``.chi`` (Fit2D's four lines of title, two labels and number of points, then the columns).
    radial, intensity, sigma : array_like, shape (n,)
        The columns.
    unit : str
        Name of the radial unit.
    header : sequence of str
        Lines to put in front; a ``.chi`` has room for the first one only.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    SpecError
        Another ending, columns of different lengths, or an ``.xye`` without sigma.
    OutputError
        The file exists or cannot be written.
    """
    ending = Path(path).suffix.lower()
    if ending not in TEXT_ENDINGS:
        raise SpecError(f"{path}: patterns are written as text with the endings {', '.join(TEXT_ENDINGS)}")
    if ending == ".xye" and sigma is None:
        raise SpecError(f"{path}: there are no errors, which .xye holds; let its name end in .xy")
    columns = [np.asarray(column, np.float64) for column in (radial, intensity, sigma) if column is not None]
    if columns[0].ndim != 1 or any(column.shape != columns[0].shape for column in columns):
        raise SpecError(f"{path}: columns of shapes {', '.join(str(column.shape) for column in columns)}")
    names = [unit, "intensity", "sigma"][: len(columns)]
    title = [shown(line) for text in header for line in text.splitlines()]
    if ending == ".chi":
        top = [title[0] if title else "Aureole", unit, "Intensity", f"{len(columns[0]):>12d}"]
    else:
        top = [f"# {line}" for line in [f"Aureole {__version__}", *title]]
        top.append("# " + " ".join(f"{name:>16}" for name in names)[2:])
    rows = (" ".join(f"{value:16.8e}" for value in row) for row in zip(*columns, strict=True))
    with publication(path, overwrite=overwrite) as temporary:
        temporary.write_text("\n".join([*top, *rows, ""]), encoding="utf-8")
