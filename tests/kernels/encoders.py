"""Frames as other packages write them."""

import h5py
import hdf5plugin
import numpy as np
from fabio.compression import compByteOffset_cython

from aureole.frames import EncodedFrame, Encoding


def frame(image, encoding, name="frame"):
    """Encode an image of shape (slow, fast)."""
    if encoding == Encoding.RAW:
        return EncodedFrame.from_array(image, name)
    if encoding == Encoding.BYTE_OFFSET:
        payload = bytes(compByteOffset_cython(image.astype(np.int64)))
    else:
        payload = bitshuffle_lz4(image)
    return EncodedFrame(payload, encoding, image.shape, image.dtype, name)


def bitshuffle_lz4(image, block=0):
    """Chunk of an image as HDF5 stores it, in blocks of so many pixels (0: the filter's own choice)."""
    with h5py.File("in memory", "w", driver="core", backing_store=False) as file:
        filters = hdf5plugin.Bitshuffle(nelems=block, cname="lz4")
        stored = file.create_dataset("image", data=image, chunks=image.shape, **filters)
        file.flush()
        mask, payload = stored.id.read_direct_chunk((0, 0))
    assert mask == 0, "the filter was left out"
    return payload
