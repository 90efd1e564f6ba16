"""The compiled kernels: frames are the SIMD lanes, and the bits are the same on every instruction set."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aureole import _core
from aureole.errors import FrameCorrupt, FrameError, InputError, refused
from aureole.frames import CHANGED, Buffer, EncodedFrame, FilePart
from aureole.kernels.sums import BatchSums, Deviations, Entries, Projection
from aureole.threads import checked_threads

F64 = NDArray[np.float64]

if not _core.isa:
    raise InputError(
        f"AUREOLE_ISA={os.environ['AUREOLE_ISA']} is not an instruction set of this machine; "
        f"there are {', '.join(_core.isas)}"
    )

MAX_FRAMES = int(_core.MAX_LANES)
"""Frames that one call of `integrate` or `deviations` takes at most."""

_DTYPES = {
    np.dtype(name): code
    for code, name in enumerate(["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
}

VARIANCE = {"none": 0, "raw": 1, "floor": 2, "frames": 3}

_REASONS = {
    1: "the data end before the last pixel",
    2: "data are left after the last pixel",
    3: "the chunk header promises another image",
    4: "an LZ4 block reads or writes outside of itself",
    5: "there is no decoder for this encoding with this type of pixel",
    6: CHANGED,
    7: "there is not enough memory",
}
"""What the kernels' statuses mean; negative ones are errors of the system."""


def failure(status: int, name: str) -> FrameError:
    """Return what a kernel's status says of the frame of that name."""
    if status < 0:
        return refused(name, OSError(-status, os.strerror(-status)))
    return FrameCorrupt(name, _REASONS[status])


class Table:
    """Entries by pixel, compiled to the tiles that the integrator walks through.

    Parameters
    ----------
    entries : Entries
        The sparse table by pixel.
    threads : int, optional
        Number of threads that compile it, all available cores without it; the table does not depend on it.
    """

    def __init__(self, entries: Entries, threads: int | None = None) -> None:
        self.n_pixels, self.n_bins = entries.n_pixels, entries.n_bins
        self.native = _core.Table(
            np.ascontiguousarray(entries.pixel_ptr, np.int64),
            np.ascontiguousarray(entries.bins, np.int32),
            np.ascontiguousarray(entries.coefs, np.float32),
            entries.n_bins,
            checked_threads(threads),
        )

    @property
    def nbytes(self) -> int:
        """Bytes of memory, all of which are read once a batch."""
        return int(self.native.nbytes)


def _dtype_code(dtype: np.dtype[np.generic], name: str) -> int:
    code = _DTYPES.get(dtype)
    if code is None:
        raise FrameCorrupt(
            name, f"pixels of type {dtype} cannot be decoded; integers and 32 or 64-bit floats can"
        )
    return code


def decode(frame: EncodedFrame, isa: str = "") -> NDArray[np.generic]:
    """Return the pixels of a frame.

    Parameters
    ----------
    frame : EncodedFrame
        The frame to decode.
    isa : str, optional
        Name of an instruction set of `isas`; by default the one that this process runs.

    Returns
    -------
    ndarray, shape ``frame.shape``, dtype ``frame.dtype``

    Raises
    ------
    FrameMissing, FrameCorrupt
        The file is gone, or the payload is not that of such an image.
    """
    code = _dtype_code(frame.dtype, frame.name)
    image = np.empty(frame.shape, frame.dtype)
    status = _core.decode(
        frame.payload, int(frame.encoding), code, image.size, image.reshape(-1).view(np.uint8), isa
    )
    if status:
        raise failure(status, frame.name)
    return image


def image(pixels: NDArray[np.generic]) -> _core.Image:
    """Return decoded pixels as the kernels take them, in the byte order of the machine."""
    code = _dtype_code(pixels.dtype, "image")
    return _core.Image(np.ascontiguousarray(pixels).reshape(-1).view(np.uint8), code)


def project(
    table: Table, linear: Sequence[F64 | None], quadratic: Sequence[F64 | None], threads: int | None = None
) -> Projection:
    """Sum arrays over all entries of a table; the GIL is released.

    Parameters
    ----------
    table : Table
    linear, quadratic : sequence of (ndarray of shape (n_pixels,), or None)
        Rows x to be summed as Σ c·x and as Σ c²·x; None stands for ones.
    threads : int, optional
        All available cores without it; the sums do not depend on it.

    Returns
    -------
    Projection
        Number of entries of each bin, and the sums.
    """
    count = np.zeros(table.n_bins, np.int64)
    linear_sums = np.zeros((len(linear), table.n_bins))
    quadratic_sums = np.zeros((len(quadratic), table.n_bins))
    _core.project(
        table.native,
        [None if row is None else np.ascontiguousarray(row, np.float64) for row in linear],
        [None if row is None else np.ascontiguousarray(row, np.float64) for row in quadratic],
        count,
        linear_sums,
        quadratic_sums,
        checked_threads(threads),
    )
    return Projection(count, linear_sums, quadratic_sums)


def integrate(
    table: Table,
    frames: Sequence[EncodedFrame],
    *,
    invalid: F64,
    linear: F64,
    quadratic: F64,
    variance: str,
    variance_frames: Sequence[EncodedFrame] = (),
    isa: str = "",
) -> BatchSums:
    """Decode a batch of frames tile by tile and multiply it with the table; the GIL is released.

    Parameters
    ----------
    table : Table
    frames : sequence of EncodedFrame
        At most `MAX_FRAMES`, all of one dtype.
    invalid : ndarray, shape (K, 2)
        Closed intervals of raw values that are invalid, at most eight; NaN always is.
    linear, quadratic : ndarray, shape (L, n_pixels) and (Q, n_pixels)
        What is summed over the invalid pixels of each frame: Σ c·x and Σ c²·x.
    variance : {"none", "raw", "floor", "frames"}
        What u is in Σ c²·u: nothing, the raw value, the raw value but at least one, or `variance_frames`.
    variance_frames : sequence of EncodedFrame
        Variances of the pixels, for ``"frames"``; all of one dtype.
    isa : str, optional
        Name of an instruction set of `isas`; by default the one that this process runs.

    Returns
    -------
    BatchSums
        Sums of each frame; their bits do not depend on the other frames of the batch.
    """
    n = len(frames)
    signal = np.empty((n, table.n_bins))
    variances = np.empty((n if variance != "none" else 0, table.n_bins))
    statuses, of_variance, lost = _core.integrate(
        table.native,
        encoded(frames),
        common_dtype(frames),
        np.ascontiguousarray(invalid, np.float64),
        np.ascontiguousarray(linear, np.float64),
        np.ascontiguousarray(quadratic, np.float64),
        VARIANCE[variance],
        encoded(variance_frames),
        common_dtype(variance_frames),
        signal,
        variances,
        isa,
    )
    lost = [row for row in lost if statuses[row[0]] == 0]
    failures = [
        failure(status, (variance_frames if of_variance[i] else frames)[i].name) if status else None
        for i, status in enumerate(statuses)
    ]
    return BatchSums(
        failures,
        signal,
        variances if variance != "none" else None,
        np.array([row[0] for row in lost], np.intp),
        np.array([row[1] for row in lost], np.int64).reshape(len(lost), table.n_bins),
        np.array([row[2] for row in lost]).reshape(len(lost), len(linear), table.n_bins),
        np.array([row[3] for row in lost]).reshape(len(lost), len(quadratic), table.n_bins),
    )


def deviations(
    table: Table,
    frames: Sequence[EncodedFrame],
    *,
    invalid: F64,
    norm: F64,
    dark: F64 | None,
    mean: F64,
    isa: str = "",
) -> Deviations:
    """Second pass of the azimuthal error model: sums of squares about the mean of each bin.

    Parameters
    ----------
    table, frames, invalid, isa
        As for `integrate`; the frames must have passed it.
    norm : ndarray, shape (n_pixels,)
        Normalization n of each pixel.
    dark : ndarray, shape (n_pixels,), or None
        What is subtracted from the raw value: s = raw - dark.
    mean : ndarray, shape (F, n_bins)
        Mean v̄ = Σ c·s / Σ c·n of each bin and frame.

    Returns
    -------
    Deviations
        Σ ω²(v-v̄)² and Σ ω²v with v = s / n and ω = c·n.
    """
    square = np.empty((len(frames), table.n_bins))
    weighted = np.empty_like(square)
    statuses = _core.deviations(
        table.native,
        encoded(frames),
        common_dtype(frames),
        np.ascontiguousarray(invalid, np.float64),
        np.ascontiguousarray(norm, np.float64),
        None if dark is None else np.ascontiguousarray(dark, np.float64),
        np.ascontiguousarray(mean, np.float64),
        square,
        weighted,
        isa,
    )
    for status, frame in zip(statuses, frames, strict=True):
        if status:
            raise failure(status, frame.name)
    return Deviations(square, weighted)


def encoded(frames: Sequence[EncodedFrame]) -> list[tuple[Buffer | FilePart, int]]:
    """Return frames as the kernels take them."""
    return [(frame.payload, int(frame.encoding)) for frame in frames]


def common_dtype(frames: Sequence[EncodedFrame]) -> int:
    """Return what the kernels call the type of all frames; raises `FrameCorrupt` where they differ."""
    if not frames:
        return 0
    dtype = frames[0].dtype
    for frame in frames:
        if frame.dtype != dtype:
            raise FrameCorrupt(frame.name, f"pixels are {frame.dtype} among frames of {dtype}")
    return _dtype_code(dtype, frames[0].name)


def isas() -> list[str]:
    """Return the instruction sets that this machine can run, the best last."""
    return list(_core.isas)
