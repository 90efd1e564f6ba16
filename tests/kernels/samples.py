"""Tables and batches of frames with everything in them that an integrator meets."""

import numpy as np
from encoders import frame

from aureole.frames import EncodedFrame, Encoding
from aureole.kernels import Entries

INTEGERS = ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"]
DTYPES = [*INTEGERS, "f4", "f8"]
VARIANCES = ["none", "raw", "floor", "frames"]
NONE = np.empty((0, 2))


def table_of(rng, n_pixels, n_bins, most=3):
    """Entries of pixels with no, one or a few bins; some stretches of the detector are masked."""
    wanted = rng.integers(0, most + 1, n_pixels)
    wanted[np.repeat(rng.random(n_pixels // 20 + 1) < 0.2, 20)[:n_pixels]] = 0
    pixel_ptr = np.concatenate([[0], np.cumsum(wanted)]).astype(np.int64)
    near = np.repeat(np.arange(n_pixels) * n_bins // n_pixels, wanted) + rng.integers(-3, 4, pixel_ptr[-1])
    coefs = rng.random(pixel_ptr[-1]).astype(np.float32)
    return Entries(pixel_ptr, (near % n_bins).astype(np.int32), coefs, n_bins)


def image_of(rng, n_pixels, dtype):
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        image = rng.normal(0.0, 1e3, n_pixels).astype(dtype)
        image[rng.random(n_pixels) < 0.02] = np.nan
        image[rng.random(n_pixels) < 0.01] = np.inf
        return image.reshape(1, n_pixels)
    bounds = np.iinfo(dtype)
    image = rng.integers(0, min(bounds.max, 90), n_pixels).astype(dtype)
    for value in (bounds.min, bounds.max, -1 if bounds.min else 1, -2 if bounds.min else 2):
        image[rng.random(n_pixels) < 0.02] = value
    return image.reshape(1, n_pixels)


def encodings_for(dtype):
    wide = np.dtype(dtype).kind == "f" or np.dtype(dtype).itemsize > 4
    return [Encoding.RAW, Encoding.BITSHUFFLE_LZ4] if wide else list(Encoding)


def batch_of(rng, n_frames, n_pixels, dtype):
    """Frames of one type, encoded each in its own way."""
    images = [image_of(rng, n_pixels, dtype) for _ in range(n_frames)]
    choice = encodings_for(dtype)
    return [frame(image, choice[rng.integers(len(choice))], f"frame {i}") for i, image in enumerate(images)]


def arguments(rng, n_pixels, **others):
    rows = rng.normal(size=(5, n_pixels))
    return {"invalid": NONE, "linear": rows[:3], "quadratic": rows[3:], "variance": "raw", **others}


INVALID = {
    "Pilatus": ("i4", [(-2, -2), (-1, -1)]),
    "Pilatus, the other way round": ("i4", [(-1, -1), (-2, -2)]),
    "Eiger 8": ("u1", [(255, 255)]),
    "Eiger 16": ("u2", [(2**16 - 1, 2**16 - 1)]),
    "Eiger 32": ("u4", [(2**32 - 1, 2**32 - 1)]),
    "all ones of 64 bits": ("u8", [(2.0**64, 2.0**64)]),
    "saturation": ("i4", [(80, np.inf)]),
    "saturation of unsigned": ("u4", [(80, np.inf), (2**32 - 1, 2**32 - 1)]),
    "all negative": ("i2", [(-np.inf, -1)]),
    "everything": ("i4", [(-np.inf, np.inf)]),
    "zeros": ("i4", [(0, 0)]),
    "overlapping": ("i4", [(5, 20), (10, 30), (15, 18), (-1, 6)]),
    "adjacent": ("i4", [(11, 12), (9, 10), (13, 13), (40, 44), (45, 45), (38, 39)]),
    "at the ends of the type": ("i4", [(-(2**31), -(2**31)), (2**31 - 1, 2**31 - 1)]),
    "from end to end": ("i4", [(-(2**31), 0), (1, 2**31 - 1)]),
    "eight": ("i4", [(k, k) for k in range(0, 80, 10)]),
    "between integers": ("i4", [(3.2, 3.8), (4.5, 6.5)]),
    "outside of the type": ("u1", [(256, 300), (-5, -1)]),
    "empty and NaN": ("i4", [(5, 4), (np.nan, 9), (9, np.nan)]),
    "floats": ("f4", [(-1.5, 0.25), (100, np.inf)]),
    "infinity alone": ("f8", [(np.inf, np.inf)]),
}


def damaged(rng, one, how):
    payload = bytes(one.payload)
    changed = {
        "short": payload[: len(payload) * 2 // 3],
        "long": payload + b"\1\2\3",
        "empty": b"",
        "last byte": payload[:-1],
        "nonsense": rng.bytes(len(payload)),
    }[how]
    return EncodedFrame(changed, one.encoding, one.shape, one.dtype, "damaged")
