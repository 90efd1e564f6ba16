"""From an open HDF5 data set to how its frames can be read."""

from __future__ import annotations

from math import prod
from pathlib import Path

import h5py
import numpy as np

from aureole.errors import FormatError
from aureole.frames import Encoding
from aureole.io.hdf5_files import Handles
from aureole.io.hdf5_leaf import Layout, Leaf
from aureole.io.store import BELIEVED, MOST_FRAMES, too_many, usable

_BITSHUFFLE = 32008
_LZ4 = 2


def describe(dataset: h5py.Dataset, path: str, name: str, handles: Handles) -> Leaf:
    """Look at a data set: shape, type, and how its frames can be read.

    Parameters
    ----------
    dataset : h5py.Dataset
        Open.
    path, name : str
        The file that really holds it, and its place there.
    handles : Handles
        For reading it later.

    Raises
    ------
    FormatError
        It does not hold images of numbers.
    """
    lead, shape, dtype = images_in(dataset, path, name)
    count = prod(lead)
    reason = too_many(count, _most_there(dataset, shape) if count > BELIEVED else count)
    if reason:
        raise FormatError(f"{path}::{name}: {reason}")
    handles.recognise(path, dataset.file)
    stored = dataset.dtype if dataset.dtype.kind != "b" else dtype
    layout, encoding, reason = _how_stored(dataset, stored)
    return Leaf(path, name, lead, shape, stored, dtype, layout, encoding, reason, handles)


def images_in(
    dataset: h5py.Dataset, path: str, name: str
) -> tuple[tuple[int, ...], tuple[int, int], np.dtype[np.generic]]:
    """Return the axes before the images of a data set, their shape and the type of a pixel as it is read.

    Raises
    ------
    FormatError
        It does not hold images of numbers, or more of them than anybody has.
    """
    dtype = usable(dataset.dtype)
    if dtype is None or len(dataset.shape) < 2:
        raise FormatError(f"{path}::{name}: {_described(dataset)} is no series of images")
    lead = tuple(dataset.shape[:-2])
    if prod(lead) > MOST_FRAMES:
        raise FormatError(f"{path}::{name}: {_described(dataset)} is more than {MOST_FRAMES:,} frames")
    return lead, (int(dataset.shape[-2]), int(dataset.shape[-1])), dtype


def _most_there(dataset: h5py.Dataset, shape: tuple[int, int]) -> int:
    """Return how many frames have been written at most."""
    if dataset.chunks is not None:
        frames: int = prod(min(pair) for pair in zip(dataset.chunks[:-2], dataset.shape[:-2], strict=True))
        return int(dataset.id.get_num_chunks()) * frames
    size = sum(part[2] for part in dataset.external or ()) or dataset.id.get_storage_size()
    if not dataset.external:
        size = min(size, Path(dataset.file.filename).stat().st_size)
    return int(size) // max(prod(shape) * int(dataset.dtype.itemsize), 1)


def _described(dataset: h5py.Dataset) -> str:
    return f"{dataset.dtype} of shape {tuple(dataset.shape) if dataset.shape is not None else 'none'}"


def _how_stored(dataset: h5py.Dataset, stored: np.dtype[np.generic]) -> tuple[Layout, Encoding, str]:
    properties = dataset.id.get_create_plist()
    if dataset.chunks is None:
        if dataset.external:
            return "library", Encoding.RAW, "stored in external raw files"
        if properties.get_layout() == h5py.h5d.CONTIGUOUS:
            return "contiguous", Encoding.RAW, ""
        return "library", Encoding.RAW, "stored inside the object header"
    frame = (1,) * (len(dataset.shape) - 2) + tuple(dataset.shape[-2:])
    if tuple(dataset.chunks) != frame:
        return "library", Encoding.RAW, f"its chunks of {dataset.chunks} are not single frames"
    filters = [properties.get_filter(index) for index in range(properties.get_nfilters())]
    if not filters:
        return "chunks", Encoding.RAW, ""
    number, _, options, _ = filters[0]
    if len(filters) > 1 or number != _BITSHUFFLE:
        names = ", ".join(_filter_name(entry) for entry in filters)
        return "library", Encoding.RAW, f"compressed by {names}"
    compression = options[4] if len(options) > 4 else 0
    element = options[2] if len(options) > 2 else 0
    if element != stored.itemsize:
        # The filter divides by it.
        raise ValueError(
            f"its bitshuffle filter is for pixels of {element} bytes, these have {stored.itemsize}"
        )
    if compression != _LZ4:
        return "library", Encoding.RAW, "compressed by bitshuffle without LZ4"
    if element not in (1, 2, 4, 8) or not stored.isnative or stored == np.float16:
        return "library", Encoding.RAW, f"bitshuffle-LZ4 of pixels of type {stored.str}"
    return "chunks", Encoding.BITSHUFFLE_LZ4, ""


def _filter_name(entry: tuple[int, int, tuple[int, ...], bytes]) -> str:
    known = {1: "gzip", 2: "shuffle", 3: "fletcher32", 4: "szip", 32000: "lzf", _BITSHUFFLE: "bitshuffle"}
    return known.get(entry[0]) or entry[3].decode("latin-1").split(";")[0][:30] or f"filter {entry[0]}"
