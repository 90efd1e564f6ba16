"""NeXus files of one image: an average of frames with what belongs to it, a mask."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from aureole.io.hdf5_files import TROUBLES, open_file
from aureole.io.names import split_dataset
from aureole.io.nexus import Provenance, new_entry, new_group, write_provenance
from aureole.io.pending_hdf5 import PendingHdf5
from aureole.io.sniff import kind_of_content
from aureole.io.status import FrameStatus

AVERAGE = "average"
"""The process that makes one image of many frames."""


def write_nexus_image(
    path: str | Path,
    process: str,
    images: Mapping[str, NDArray[np.generic]],
    *,
    provenance: Provenance,
    frames: int = 0,
    unused: Mapping[int, tuple[FrameStatus, str]] | None = None,
    overwrite: bool = False,
) -> None:
    """Write an image with what belongs to it; the file appears whole or not at all.

    Parameters
    ----------
    path : path
    process : str
        What made it.
    images : mapping of str to ndarray, shape (slow, fast)
        ``"data"``, the image; ``"variance"`` of it and ``"count"`` of frames, where they are known.
    provenance : Provenance
    frames : int
        How many it was made of.
    unused : mapping of int to (FrameStatus, str), optional
        What was wrong with those that are not in it.
    overwrite : bool

    Raises
    ------
    OutputError
        It cannot be written, or exists and may not be replaced.
    """
    import hdf5plugin

    pending = PendingHdf5(path, frames, overwrite=overwrite)
    with pending.or_nothing():
        with pending.writing() as file:
            entry = new_entry(file)
            write_provenance(entry, process, provenance)
            data = new_group(entry, "data", "NXdata")
            data.attrs["signal"] = "data"
            data.attrs["interpretation"] = "image"
            for name, image in images.items():
                stored = data.create_dataset(
                    name, data=image, chunks=image.shape, **hdf5plugin.Bitshuffle(cname="lz4")
                )
                stored.attrs["interpretation"] = "image"
            pending.status[:] = FrameStatus.DONE
        for frame, (state, message) in (unused or {}).items():
            pending.mark(frame, state, message)
    pending.close()


def stored_variance(source: str, shape: tuple[int, int]) -> NDArray[np.float64] | None:
    """Return the variance that stands beside an average; None where this file holds none.

    Parameters
    ----------
    source : str
        A file, as the user named it; with an HDF5 path it is a plain image.
    shape : tuple of int
        That of the average.
    """
    item = split_dataset(source)
    if item.dataset is not None or kind_of_content(item.path) != "hdf5":
        return None
    try:
        with open_file(item.path) as file:
            entry = file.get("entry")
            if not isinstance(entry, h5py.Group) or AVERAGE not in entry:
                return None
            variance = entry.get("data/variance")
            if not isinstance(variance, h5py.Dataset) or variance.shape != shape:
                return None
            found: NDArray[np.float64] = variance[()].astype(np.float64)
            return found
    except TROUBLES:
        return None
