"""Sums of frames over a table on OpenCL devices: a batch is decoded there, and goes through it at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aureole.errors import FrameError
from aureole.frames import EncodedFrame
from aureole.kernels.opencl_frames import Call, Images, of_one_type
from aureole.kernels.opencl_table import REAL, Table, Worker
from aureole.kernels.sums import BatchSums, Deviations

__all__ = ["Table", "deviations", "integrate"]

F64 = NDArray[np.float64]

_VARIANCE = {"none": 0, "raw": 1, "floor": 2, "frames": 3}

_SUMS = ["first sums", "second sums"]
"""Memory of the signal and the variance, or of the two sums of deviations."""


def integrate(
    table: Table,
    frames: Sequence[EncodedFrame],
    *,
    invalid: F64,
    linear: F64,
    quadratic: F64,
    variance: str,
    variance_frames: Sequence[EncodedFrame] = (),
) -> BatchSums:
    """Decode frames on a device and multiply them with the table; see `aureole.kernels.cpu.integrate`.

    Any number of frames is taken, in parts where the device has not the memory for all; frames of one
    encoding are decoded together. The values of ``linear`` and ``quadratic`` stay on the device for the next
    call: what is in these arrays must not change.

    Raises
    ------
    FrameCorrupt
        Frames are of several types of pixel.
    DeviceError
        The device was lost, has too little memory, or no double precision for pixels of 64-bit floats.
    """
    _check(invalid.ndim == 2 and invalid.shape[1] == 2, "invalid must have the shape (K, 2)")
    for name, part in (("linear", linear), ("quadratic", quadratic)):
        _check(part.ndim == 2 and part.shape[1] == table.n_pixels, f"{name} needs a column for each pixel")
    spreads = variance_frames if variance == "frames" else ()
    _check(variance != "frames" or len(spreads) == len(frames), "there must be one variance for each frame")
    n, bins, n_sums = len(frames), table.n_bins, 1 if variance == "none" else 2
    macros = {"VARIANCE": _VARIANCE[variance], "LINEAR": len(linear), "QUADRATIC": len(quadratic)}
    n_rows = 1 + len(linear) + len(quadratic)
    call = Call(of_one_type(table, frames, spreads), invalid, 3 + n_rows, macros)
    failures: list[FrameError | None] = [None] * n
    sums = np.zeros((n_sums, n, bins))
    lost: dict[int, F64] = {}
    with table.worker() as worker:
        for images in call.parts(table, worker, failures):
            found, touched = _sums(worker, images, n_sums, bins)
            good = images.good(failures)
            if good.all() and good.size == n:
                sums = found
            else:
                sums[:, images.index[good]] = found[:, good]
            chosen = np.flatnonzero(touched & good)
            if chosen.size:
                of_chosen = _lost(worker, images, chosen, (linear, quadratic), bins)
                lost |= zip(images.index[chosen].tolist(), of_chosen, strict=True)
    every = np.array([lost[i] for i in sorted(lost)]).reshape(len(lost), n_rows, bins)
    return BatchSums(
        failures,
        sums[0],
        None if variance == "none" else sums[1],
        np.array(sorted(lost), np.intp),
        every[:, 0].astype(np.int64),
        every[:, 1 : 1 + len(linear)],
        every[:, 1 + len(linear) :],
    )


def deviations(
    table: Table, frames: Sequence[EncodedFrame], *, invalid: F64, norm: F64, dark: F64 | None, mean: F64
) -> Deviations:
    """Second pass of the azimuthal error model; see `aureole.kernels.cpu.deviations`.

    What is in ``norm`` and ``dark`` must not change, as for `integrate`, the errors of which are raised here
    as well.
    """
    n, bins = len(frames), table.n_bins
    _check(invalid.ndim == 2 and invalid.shape[1] == 2, "invalid must have the shape (K, 2)")
    for name, row in (("norm", norm), ("dark", dark)):
        _check(row is None or row.shape == (table.n_pixels,), f"{name} must have a value for each pixel")
    _check(mean.shape == (n, bins), "mean must have a row for each frame, and a column for each bin")
    call = Call(of_one_type(table, frames), invalid, 3, {"DARK": int(dark is not None)})
    sums = np.zeros((2, n, bins))
    failures: list[FrameError | None] = [None] * n
    with table.worker() as worker:
        for images in call.parts(table, worker, failures):
            sums[:, images.index] = _deviations(worker, images, norm, dark, mean[images.index])
            images.good(failures)
    for failure in failures:
        if failure is not None:
            raise failure
    return Deviations(sums[0], sums[1])


def _check(sound: bool, words: str) -> None:
    if not sound:
        raise ValueError(words)


def _sums(worker: Worker, images: Images, n_sums: int, n_bins: int) -> tuple[F64, NDArray[np.bool_]]:
    """Return signal and variance of frames, and which have invalid pixels; what failed has some numbers."""
    n = images.index.size
    at_once = images.at_once
    groups = -(-n // at_once)
    names = _SUMS[:n_sums]
    sums = [worker.lane.buffer(name, REAL * n * n_bins) for name in names]
    lost = worker.lane.buffer("met", groups * n_bins * worker.items)
    touched = worker.sent("touched", np.zeros(groups, np.uint32))
    arguments = *images.arguments, np.int32(n), sums[0], sums[-1], lost, touched
    worker.run("integrate", images.macros, groups, *arguments)
    bits = worker.fetched("touched", 4 * groups).view(np.uint32)
    found = worker.read(names, (n, n_bins))
    frame = np.arange(n)
    return found, (bits[frame // at_once] >> frame % at_once & 1).astype(bool)


def _lost(worker: Worker, images: Images, chosen: NDArray[np.intp], rows: Sequence[F64], n_bins: int) -> F64:
    """Return for the chosen frames how many entries were lost, and what they have of the rows.

    Shape (A, 1 + L + Q, n_bins); `_sums` must have been the last on this lane.
    """
    shape = chosen.size, 1 + sum(map(len, rows)), n_bins
    out = worker.lane.buffer("lost", REAL * int(np.prod(shape)))
    where = worker.lane.buffer("met", 0), worker.sent("chosen", chosen.astype(np.int32))
    arguments = *images.arguments, *where, *(worker.part.kept(part) for part in rows), out
    worker.run("lose", images.macros, chosen.size, *arguments)
    found: F64 = worker.read(["lost"], shape)[0]
    return found


def _deviations(worker: Worker, images: Images, norm: F64, dark: F64 | None, mean: F64) -> F64:
    """Return the squares and the weighted sums of `deviations`, shape (2, n, n_bins)."""
    rows = worker.part.kept(norm), worker.part.kept(norm if dark is None else dark)
    means = worker.sent("mean", worker.numbers.packed(mean))
    sums = [worker.lane.buffer(name, REAL * mean.size) for name in _SUMS]
    arguments = *images.arguments, np.int32(len(mean)), *rows, means, *sums
    worker.run("deviate", images.macros, -(-len(mean) // images.at_once), *arguments)
    return worker.read(_SUMS, mean.shape)
