"""The slow, obvious twins of the compiled kernels: float64, one thing at a time, the oracle of the tests.

Entries come by pixel: entry ``k`` of ``pixel_ptr[p] <= k < pixel_ptr[p + 1]`` says that the fraction
``coefs[k]`` of pixel ``p`` falls into bin ``bins[k]``. Pixels without entries are masked.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aureole.errors import FrameCorrupt, FrameError
from aureole.frames import EncodedFrame, Encoding
from aureole.kernels.sums import BatchSums, Deviations, Entries, Projection, is_invalid, is_invalid_variance

F64 = NDArray[np.float64]

_ELEMENTS_PER_BLOCK = 8
"""Bitshuffle works on multiples of eight elements; what is left over is stored as it is."""


def decode(frame: EncodedFrame) -> NDArray[np.generic]:
    """Return the pixels of a frame; raise `FrameCorrupt` where the payload is not theirs."""
    payload = bytes(frame.encoded())
    n_pixels = frame.shape[0] * frame.shape[1]
    try:
        match frame.encoding:
            case Encoding.RAW:
                pixels = _raw(payload, n_pixels, frame.dtype)
            case Encoding.BYTE_OFFSET:
                pixels = byte_offset(payload, n_pixels, frame.dtype)
            case Encoding.BITSHUFFLE_LZ4:
                pixels = bitshuffle_lz4(payload, n_pixels, frame.dtype)
    except ValueError as error:
        raise FrameCorrupt(frame.name, str(error)) from None
    return pixels.reshape(frame.shape)


def _raw(payload: bytes, n_pixels: int, dtype: np.dtype[np.generic]) -> NDArray[np.generic]:
    _check_length(len(payload), n_pixels * dtype.itemsize)
    return np.frombuffer(payload, dtype)


def _check_length(have: int, want: int) -> None:
    if have < want:
        raise ValueError("the data end before the last pixel")
    if have > want:
        raise ValueError("data are left after the last pixel")


def byte_offset(payload: bytes, n_pixels: int, dtype: np.dtype[np.generic]) -> NDArray[np.generic]:
    """Decode CBF byte-offset: each pixel is the one before plus a difference of 1, 2, 4 or 8 bytes.

    The lowest value of each width announces that the next wider one follows. Sums wrap around in the type of
    the pixel.
    """
    values = []
    at, value = 0, 0
    for _ in range(n_pixels):
        for width in (1, 2, 4, 8):
            if at + width > len(payload):
                raise ValueError("the data end before the last pixel")
            step = int.from_bytes(payload[at : at + width], "little", signed=True)
            at += width
            if width == 8 or step != -(1 << (8 * width - 1)):
                break
        value += step
        values.append(value & (1 << 64) - 1)
    _check_length(len(payload), at)
    return np.array(values, np.uint64).astype(dtype)


def lz4_block(block: bytes, size: int) -> bytes:
    """Decode one LZ4 block to exactly `size` bytes (LZ4 block format description, Y. Collet)."""
    out = bytearray()
    at = 0

    def long_length(length: int, at: int) -> tuple[int, int]:
        more = length == 15
        while more:
            if at >= len(block):
                raise ValueError("an LZ4 block ends within a length")
            length, more, at = length + block[at], block[at] == 255, at + 1
        return length, at

    while at < len(block):
        token = block[at]
        n_literals, at = long_length(token >> 4, at + 1)
        if at + n_literals > len(block) or len(out) + n_literals > size:
            raise ValueError("an LZ4 block has literals beyond its end")
        out += block[at : at + n_literals]
        at += n_literals
        if at == len(block):
            break
        if at + 2 > len(block):
            raise ValueError("an LZ4 block ends within an offset")
        offset = int.from_bytes(block[at : at + 2], "little")
        n_match, at = long_length(token & 15, at + 2)
        n_match += 4
        if offset == 0 or offset > len(out) or len(out) + n_match > size:
            raise ValueError("an LZ4 block copies from outside of itself")
        for _ in range(n_match):
            out.append(out[-offset])
    if len(out) != size:
        raise ValueError("an LZ4 block is shorter than it promises")
    return bytes(out)


def bit_unshuffle(shuffled: bytes, itemsize: int) -> bytes:
    """Undo bitshuffle on a block: bit ``b`` of element ``e`` is bit ``b * n + e``, lowest first."""
    n = len(shuffled) // itemsize
    bits = np.unpackbits(np.frombuffer(shuffled, np.uint8), bitorder="little").reshape(8 * itemsize, n)
    return np.packbits(bits.T, bitorder="little").tobytes()


def bitshuffle_lz4(payload: bytes, n_pixels: int, dtype: np.dtype[np.generic]) -> NDArray[np.generic]:
    """Decode one chunk of HDF5 filter 32008 (bitshuffle + LZ4), header included."""
    if len(payload) < 12:
        raise ValueError("the data end within their header")
    size = int.from_bytes(payload[:8], "big")
    block = int.from_bytes(payload[8:12], "big") // dtype.itemsize
    if size != n_pixels * dtype.itemsize:
        raise ValueError(f"the chunk holds {size} bytes of pixels instead of {n_pixels * dtype.itemsize}")
    if block == 0 or block % _ELEMENTS_PER_BLOCK:
        raise ValueError("the block size is not a multiple of eight pixels")
    out, at, done = bytearray(), 12, 0
    whole = n_pixels - n_pixels % _ELEMENTS_PER_BLOCK
    while done < whole:
        n = min(block, whole - done)
        length = int.from_bytes(payload[at : at + 4], "big")
        if at + 4 + length > len(payload):
            raise ValueError("the data end before the last pixel")
        out += bit_unshuffle(lz4_block(payload[at + 4 : at + 4 + length], n * dtype.itemsize), dtype.itemsize)
        at += 4 + length
        done += n
    rest = (n_pixels - whole) * dtype.itemsize
    _check_length(len(payload) - at, rest)
    return np.frombuffer(bytes(out) + payload[at:], dtype)


def project(
    entries: Entries,
    linear: Sequence[F64 | None],
    quadratic: Sequence[F64 | None],
    threads: int | None = None,
) -> Projection:
    """Sum over all entries; see `aureole.kernels.cpu.project`, whose twin this is."""
    ones = np.ones(entries.n_pixels)
    rows = [[ones if row is None else row for row in part] for part in (linear, quadratic)]
    return Projection(*_sums(entries, np.ones(entries.n_pixels, bool), *rows))


def integrate(
    entries: Entries,
    frames: Sequence[EncodedFrame],
    *,
    invalid: F64,
    linear: F64,
    quadratic: F64,
    variance: str,
    variance_frames: Sequence[EncodedFrame] = (),
) -> BatchSums:
    """Sum raw values of frames over the entries; see `aureole.kernels.cpu.integrate`, whose twin this is."""
    n_bins = entries.n_bins
    failures: list[FrameError | None] = []
    signal = np.zeros((len(frames), n_bins))
    variances = None if variance == "none" else np.zeros((len(frames), n_bins))
    touched, lost = [], []
    for i, frame in enumerate(frames):
        try:
            raw = decode(frame).ravel().astype(np.float64)
            spread = decode(variance_frames[i]).ravel().astype(np.float64) if variance == "frames" else raw
        except FrameError as error:
            failures.append(error)
            continue
        failures.append(None)
        bad = is_invalid(raw, invalid)
        if variance == "frames":
            bad |= is_invalid_variance(spread)
        used = np.diff(entries.pixel_ptr) > 0
        raw = np.where(bad, 0.0, raw)
        spread = np.where(bad, 0.0, np.maximum(raw, 1.0) if variance == "floor" else spread)
        signal[i] = _sums(entries, ~bad, raw[None], raw[None, :0].reshape(0, raw.size))[1][0]
        if variances is not None:
            variances[i] = _sums(entries, ~bad, raw[None, :0].reshape(0, raw.size), spread[None])[2][0]
        if np.any(bad & used):
            touched.append(i)
            lost.append(_sums(entries, bad, linear, quadratic))
    return BatchSums(
        failures,
        signal,
        variances,
        np.array(touched, np.intp),
        np.array([one[0] for one in lost], np.int64).reshape(len(lost), n_bins),
        np.array([one[1] for one in lost], np.float64).reshape(len(lost), len(linear), n_bins),
        np.array([one[2] for one in lost], np.float64).reshape(len(lost), len(quadratic), n_bins),
    )


def deviations(
    entries: Entries, frames: Sequence[EncodedFrame], *, invalid: F64, norm: F64, dark: F64 | None, mean: F64
) -> Deviations:
    """Second pass of the azimuthal error model; see `aureole.kernels.cpu.deviations`, whose twin this is."""
    square = np.zeros((len(frames), entries.n_bins))
    weighted = np.zeros((len(frames), entries.n_bins))
    pixel = np.repeat(np.arange(entries.n_pixels), np.diff(entries.pixel_ptr))
    coefs = entries.coefs.astype(np.float64)
    for i, frame in enumerate(frames):
        raw = decode(frame).ravel().astype(np.float64)
        good = ~is_invalid(raw, invalid)[pixel]
        signal = raw if dark is None else raw - dark
        deviation = (signal[pixel] - norm[pixel] * mean[i, entries.bins])[good]
        c2 = (coefs * coefs)[good]
        bins = entries.bins[good]
        square[i] = np.bincount(bins, c2 * (deviation * deviation), entries.n_bins)
        weighted[i] = np.bincount(bins, c2 * (norm * signal)[pixel][good], entries.n_bins)
    return Deviations(square, weighted)


def _sums(
    entries: Entries, chosen: NDArray[np.bool_], linear: Sequence[F64] | F64, quadratic: Sequence[F64] | F64
) -> tuple[NDArray[np.int64], F64, F64]:
    """Add up the entries of the chosen pixels, one after the other in the order of the pixels."""
    pixel = np.repeat(np.arange(entries.n_pixels), np.diff(entries.pixel_ptr))
    keep = chosen[pixel]
    pixel, bins, c = pixel[keep], entries.bins[keep], entries.coefs[keep].astype(np.float64)
    n = entries.n_bins
    linear_sums = [np.bincount(bins, c * x[pixel], n) for x in linear]
    quadratic_sums = [np.bincount(bins, c * (c * x[pixel]), n) for x in quadratic]
    return (
        np.bincount(bins, minlength=n).astype(np.int64),
        np.array(linear_sums, np.float64).reshape(len(linear), n),
        np.array(quadratic_sums, np.float64).reshape(len(quadratic), n),
    )
