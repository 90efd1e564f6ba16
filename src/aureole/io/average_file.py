"""NeXus files of one image that was made of many frames: what an average is, and how sure."""

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

_PROCESS, _IMAGE, _VARIANCE, _COUNT = "average", "data", "variance", "count"


def write_average(
    path: str | Path,
    images: Mapping[str, NDArray[np.generic]],
    status: Mapping[int, tuple[FrameStatus, str]],
    *,
    frames: int,
    provenance: Provenance,
    overwrite: bool = False,
) -> None:
    """Write an average with what belongs to it; the file appears whole or not at all.

    Parameters
    ----------
    path : path
    images : mapping of str to ndarray, shape (slow, fast)
        ``"data"``, the average; ``"variance"`` of it and ``"count"`` of frames, where they are known.
    status : mapping of int to (FrameStatus, str)
        What was wrong with the frames that are not in it.
    frames : int
        How many there were.
    provenance : Provenance
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
            write_provenance(entry, _PROCESS, provenance)
            data = new_group(entry, "data", "NXdata")
            data.attrs["signal"] = _IMAGE
            data.attrs["interpretation"] = "image"
            for name, image in images.items():
                stored = data.create_dataset(
                    name, data=image, chunks=image.shape, **hdf5plugin.Bitshuffle(cname="lz4")
                )
                stored.attrs["interpretation"] = "image"
            pending.status[:] = FrameStatus.DONE
        for frame, (state, message) in status.items():
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
            if not isinstance(entry, h5py.Group) or _PROCESS not in entry:
                return None
            variance = entry.get(f"data/{_VARIANCE}")
            if not isinstance(variance, h5py.Dataset) or variance.shape != shape:
                return None
            return variance[()].astype(np.float64)
    except TROUBLES:
        return None
