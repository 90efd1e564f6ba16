"""Columns of numbers below a header that a program of its field expects."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aureole.io.publish import publication


def write_table(
    path: str | Path, columns: Sequence[NDArray[np.float64]], *, header: str, overwrite: bool = False
) -> None:
    """Write columns of equal length, with nine digits, under a header.

    Parameters
    ----------
    path : path
    columns : sequence of ndarray, shape (n,)
    header : str
        All lines above the columns.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    OutputError
        The file exists or cannot be written.
    """
    rows = (" ".join(f"{value:.9g}" for value in row) for row in zip(*columns, strict=True))
    with publication(path, overwrite=overwrite) as temporary:
        temporary.write_text("\n".join([header.rstrip("\n"), *rows, ""]), encoding="utf-8")
