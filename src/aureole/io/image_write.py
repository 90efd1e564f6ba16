"""Writing one image in the format that its name asks for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aureole.errors import SpecError
from aureole.io.cbf_write import write_cbf
from aureole.io.names import shown
from aureole.io.publish import publication

IMAGE_ENDINGS = (".tif", ".tiff", ".edf", ".cbf", ".npy")
"""Endings of the single images that are written."""
MASK_ENDINGS = (*IMAGE_ENDINGS, ".msk")
"""Endings of the masks that are written; ``.msk`` is FIT2D's, which holds nothing else."""


def write_image(
    path: str | Path,
    image: NDArray[np.generic],
    header: Mapping[str, str] | None = None,
    *,
    overwrite: bool = False,
) -> None:
    """Write an image as TIFF, EDF, CBF or ``.npy``, a mask as ``.msk`` too; the file appears whole or not.

    Parameters
    ----------
    path : path
        Its ending says the format.
    image : ndarray, shape (slow, fast)
        A CBF takes whole numbers of up to 32 bits only; NaN becomes -1 there, as a Pilatus marks its gaps.
    header : mapping, optional
        What is to be said of it, in EDF and CBF; TIFF and ``.npy`` have no place for it.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    SpecError
        The ending is none of these, or a CBF or FIT2D's mask cannot hold the image.
    OutputError
        It cannot be written, or exists and may not be replaced.
    """
    ending = Path(path).suffix.lower()
    texts = {key: shown(value) for key, value in (header or {}).items()}
    if ending not in MASK_ENDINGS:
        raise SpecError(f"{path}: the ending says what is written; known are {', '.join(IMAGE_ENDINGS)}")
    if ending == ".msk" and not np.isin(image, (0, 1)).all():
        known = ", ".join(IMAGE_ENDINGS)
        raise SpecError(f"{path}: .msk holds masks, of 0 and 1; let the name end in {known}")
    if ending == ".cbf":
        lines = "\n".join(f"{key} {value}" for key, value in texts.items()).encode("ascii", "replace")
        write_cbf(path, _whole(path, image), lines.decode(), overwrite=overwrite)
        return
    with publication(path, overwrite=overwrite) as temporary:
        if ending == ".msk":
            from fabio.fit2dmaskimage import Fit2dMaskImage

            Fit2dMaskImage(data=image).write(str(temporary))
        elif ending == ".npy":
            with temporary.open("wb") as file:
                np.save(file, image)
        elif ending == ".edf":
            from fabio.edfimage import EdfImage

            EdfImage(data=image, header=texts).write(str(temporary))
        else:
            from fabio.tifimage import TifImage

            TifImage(data=image).write(str(temporary))


def _whole(path: str | Path, image: NDArray[np.generic]) -> NDArray[np.int32]:
    """Return an image as the whole numbers that a CBF holds."""
    values = image.astype(np.float64)
    there = np.isfinite(values)
    known = values[there]
    limits = np.iinfo(np.int32)
    if ((known < limits.min) | (known > limits.max) | (known != np.rint(known))).any():
        raise SpecError(
            f"{path}: a CBF holds whole numbers of 32 bits, and this image others; let the name end in .h5, "
            ".edf or .tif"
        )
    if not there.all() and known.size and known.min() < 0:
        raise SpecError(
            f"{path}: a CBF marks pixels without a value as -1, and others are negative; let the name end in "
            ".h5, .edf or .tif"
        )
    return np.where(there, values, -1.0).astype(np.int32)
