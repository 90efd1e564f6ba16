"""Decoding on an OpenCL device: the bytes that the detector wrote cross the bus, and become pixels there."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import wait
from dataclasses import dataclass
from errno import EIO, ESTALE
from struct import Struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aureole.errors import DeviceError, FrameError
from aureole.frames import CHANGED, Buffer, EncodedFrame, Encoding, FilePart
from aureole.kernels.cpu import common_dtype, failure
from aureole.kernels.opencl_device import told
from aureole.kernels.opencl_lane import Context, Lane

MAX_PIXELS = 1 << 27
"""Pixels of one image: all places within one frame fit into 31 bits."""

GROUP = 128
"""Work-items that decode a chunk of byte-offset together, or look for the blocks of a frame."""

BLOCK_GROUP = 32
"""Work-items that decode a block of bitshuffle-LZ4 together: each sequence makes them wait for each other."""

MAX_LOCAL_BLOCK = 16384
"""Bytes of the largest bitshuffle block that is decoded in local memory; 8192 are usual."""

_TOGETHER = 4
"""Payloads that one thread reads in a row, and that one copy takes to the device."""

_PIECE = 32
_SLACK = 64
"""Bytes after the last payload that are read with its last piece."""

_PIXEL = {1: "uchar", 2: "ushort", 4: "uint", 8: "ulong"}
_FRAME = np.dtype([("begin", "u8"), ("nbytes", "u4"), ("block", "u4"), ("image", "u4"), ("unused", "u4")])
_NARROW = [np.dtype(name) for name in ("i1", "u1", "i2", "u2", "i4", "u4")]
_HEADER = Struct(">QI")
_OK, _TRUNCATED, _TRAILING, _BAD_HEADER, _UNSUPPORTED, _CHANGED = 0, 1, 2, 3, 5, 6


@dataclass(frozen=True, slots=True)
class Decoded:
    """Frames that are being decoded on a device.

    Attributes
    ----------
    buffer : pyopencl.Buffer
        Pixels of shape (F, n_pixels), in the order of the frames. It belongs to the lane, and the pixels of
        frames that failed are undefined.
    name : str
        Under which the lane keeps them.
    n_frames, n_pixels : int
    """

    buffer: Any
    name: str
    n_frames: int
    n_pixels: int
    _context: Context
    _names: list[str]
    _statuses: list[int]
    _coming: list[tuple[list[int], NDArray[np.int32], Any]]

    def failures(self) -> list[FrameError | None]:
        """Wait until the frames are decoded, and return what is wrong with each.

        It must be asked before the lane decodes others under the same name.

        Raises
        ------
        DeviceError
            The device was lost.
        InputError
            The system had no more open files to give.
        """
        statuses = list(self._statuses)
        for images, found, event in self._coming:
            with told(self._context.device):
                event.wait()
            for image, status in zip(images, found, strict=True):
                statuses[image] = int(status)
        return [
            failure(status, name) if status else None
            for status, name in zip(statuses, self._names, strict=True)
        ]


def decode(lane: Lane, frames: Sequence[EncodedFrame], name: str = "pixels") -> Decoded:
    """Begin to decode frames on the device of a lane; payloads are in memory or read, but not yet worked on.

    Parameters
    ----------
    lane : Lane
    frames : sequence of EncodedFrame
        At least one, all of one shape and type of pixel.
    name : str, optional
        Under which the lane keeps the pixels, and with a dot and more what it takes to decode them.

    Returns
    -------
    Decoded
        Frames whose file is gone or whose payload is corrupt fail alone, with the reasons of the CPU.

    Raises
    ------
    FrameCorrupt
        Their types of pixel differ, or have no decoder.
    DeviceError
        The images are too large, or the device has too little memory or was lost.
    """
    common_dtype(frames)
    images = _Images(
        lane, name, len(frames), frames[0].shape[0] * frames[0].shape[1], frames[0].dtype.itemsize
    )
    if images.n_pixels > MAX_PIXELS:
        raise DeviceError(f"images of {images.n_pixels} pixels: OpenCL decodes at most {MAX_PIXELS}")
    statuses = [_judged(frame, images) for frame in frames]
    table = _load(images, frames, statuses)
    coming = []
    for encoding, begin in ((Encoding.BYTE_OFFSET, _byte_offset), (Encoding.BITSHUFFLE_LZ4, _bitshuffle_lz4)):
        good = [i for i, one in enumerate(frames) if statuses[i] == _OK and one.encoding == encoding]
        if good:
            with told(lane.context.device):
                found = begin(images, table[good])
            come, event = lane.fetch(f"{name}.{encoding.name}", found, 4 * len(good))
            coming.append((good, come.view(np.int32), event))
    names = [frame.name for frame in frames]
    return Decoded(
        images.pixels, name, images.n_frames, images.n_pixels, lane.context, names, statuses, coming
    )


def device_bytes(image: int, payload: int) -> int:
    """Return more than the bytes of device memory that `decode` takes for a frame, besides a few kilobytes.

    Parameters
    ----------
    image, payload : int
        Bytes of its pixels, and of the largest payload of the batch.
    """
    return 2 * (image + payload)


@dataclass(frozen=True, slots=True)
class _Images:
    """Where the pixels of a batch go."""

    lane: Lane
    name: str
    n_frames: int
    n_pixels: int
    itemsize: int

    @property
    def pixels(self) -> Any:
        return self.lane.buffer(self.name, self.n_frames * self.n_pixels * self.itemsize)

    def buffer(self, what: str, nbytes: int) -> Any:
        return self.lane.buffer(f"{self.name}.{what}", nbytes)

    def send(self, what: str, rows: NDArray[Any]) -> Any:
        """Return a buffer that gets a small table."""
        key = f"{self.name}.{what}"
        self.lane.pinned(key, rows.nbytes)[:] = rows.view(np.uint8)
        buffer = self.lane.buffer(key, rows.nbytes)
        self.lane.send(key, slice(0, rows.nbytes), buffer)
        return buffer


def _judged(frame: EncodedFrame, images: _Images) -> int:
    """Return the status of a frame as far as its length and types tell."""
    image = images.n_pixels * images.itemsize
    if frame.encoding == Encoding.RAW and frame.nbytes != image:
        return _TRUNCATED if frame.nbytes < image else _TRAILING
    if frame.encoding == Encoding.BYTE_OFFSET and frame.dtype not in _NARROW:
        return _UNSUPPORTED
    if frame.encoding == Encoding.BITSHUFFLE_LZ4 and frame.nbytes < _HEADER.size:
        return _TRUNCATED
    return _TRAILING if frame.nbytes >= 1 << 31 else _OK


def _load(images: _Images, frames: Sequence[EncodedFrame], statuses: list[int]) -> NDArray[Any]:
    """Bring the payloads to the device: raw ones where the pixels are, others before they are decoded.

    Returns
    -------
    ndarray, shape (F,)
        What the kernels are told of each frame; statuses are changed in place.
    """
    lane, key = images.lane, f"{images.name}.payloads"
    table = np.zeros(len(frames), _FRAME)
    n_bytes = n_coded = 0
    good = [i for i, status in enumerate(statuses) if status == _OK]
    good.sort(key=lambda i: frames[i].encoding == Encoding.RAW)
    for i in good:
        table[i] = n_bytes, frames[i].nbytes, 0, i, 0
        n_bytes += -(-frames[i].nbytes // 16) * 16
        if frames[i].encoding != Encoding.RAW:
            n_coded = n_bytes
    host, device, pixels = lane.pinned(key, n_bytes), lane.buffer(key, n_coded + _SLACK), images.pixels
    places = {i: slice(int(table[i]["begin"]), int(table[i]["begin"]) + frames[i].nbytes) for i in good}
    reading = []
    for k in range(0, len(good), _TOGETHER):
        some = good[k : k + _TOGETHER]
        payloads = [(frames[i].payload, host[places[i]]) for i in some]
        reading.append((some, lane.context.readers.submit(_read_all, payloads)))
    try:
        for some, future in reading:
            for i, status in zip(some, future.result(), strict=True):
                statuses[i] = status
                if status == _OK and frames[i].encoding == Encoding.BITSHUFFLE_LZ4:
                    table[i]["block"], statuses[i] = _header(host[places[i]], images)
                if statuses[i] == _OK and frames[i].encoding == Encoding.RAW:
                    lane.send(key, places[i], pixels, i * images.n_pixels * images.itemsize)
            coded = [places[i] for i in some if frames[i].encoding != Encoding.RAW]
            if coded:
                lane.send(key, slice(coded[0].start, coded[-1].stop), device, coded[0].start)
    finally:
        # while they write to it, nobody else may have this memory
        wait([future for _, future in reading])
    return table


def _read_all(payloads: Sequence[tuple[Buffer | FilePart, NDArray[np.uint8]]]) -> list[int]:
    return [_read(payload, memory) for payload, memory in payloads]


def _read(payload: Buffer | FilePart, memory: NDArray[np.uint8]) -> int:
    """Have a payload in memory of its size; returns its status."""
    if memory.size == 0:
        return _OK
    if not isinstance(payload, FilePart):
        memory[:] = np.frombuffer(payload, np.uint8)
        return _OK
    try:
        payload.read_into(memory)
    except OSError as error:
        changed = error.errno == ESTALE and error.strerror == CHANGED
        return _CHANGED if changed else -(error.errno or EIO)
    return _OK


def _header(payload: NDArray[np.uint8], images: _Images) -> tuple[int, int]:
    """Return the pixels of a block of bitshuffle, no more than there are, and the status of the frame."""
    size, block = _HEADER.unpack_from(payload.data)
    block //= images.itemsize
    if size != images.n_pixels * images.itemsize or block == 0 or block % 8:
        return 0, _BAD_HEADER
    return min(block, images.n_pixels), _OK


def _byte_offset(images: _Images, table: NDArray[Any]) -> Any:
    """Enqueue the decoding of byte-offset; returns the buffer of statuses."""
    lane, n = images.lane, len(table)
    group = _fitting(lane, GROUP)
    macros = {"GROUP": group} | _unrolled(lane)
    n_chunks = max(1, -(-int(table["nbytes"].max()) // (group * _PIECE)))
    frames, payloads = images.send("byte_offset.frames", table), images.buffer("payloads", 0)
    pieces = images.buffer("byte_offset.pieces", n * n_chunks * group * 8)
    chunks = images.buffer("byte_offset.chunks", n * n_chunks * 8)
    statuses = images.buffer("byte_offset.statuses", n * 4)
    stride, n_pixels, itemsize = map(np.uint32, (n_chunks, images.n_pixels, images.itemsize))

    def run(kernel: str, groups: tuple[int, ...], *args: Any) -> None:
        built = lane.kernel("byte_offset", kernel, **macros)
        size = (groups[0] * group, *groups[1:])
        built(lane.queue, size, (group, 1)[: len(size)], frames, *args)

    run("find", (n_chunks, n), payloads, pieces, chunks, stride)
    run("enter", (n,), chunks, stride, statuses)
    run("count", (n_chunks, n), payloads, pieces, chunks, stride, statuses)
    run("place", (n,), chunks, stride, statuses, n_pixels)
    run("put", (n_chunks, n), payloads, pieces, chunks, stride, images.pixels, n_pixels, itemsize)
    return statuses


def _bitshuffle_lz4(images: _Images, table: NDArray[Any]) -> Any:
    """Enqueue the decoding of bitshuffle-LZ4; returns the buffer of statuses."""
    lane, n, n_pixels = images.lane, len(table), np.uint32(images.n_pixels)
    group = _fitting(lane, BLOCK_GROUP)
    n_blocks = max(1, -(-images.n_pixels // max(1, int(table["block"].min()))))
    block_bytes = max(1, int(table["block"].max()) * images.itemsize)
    in_local = block_bytes <= min(MAX_LOCAL_BLOCK, lane.context.device.native.local_mem_size // 2)
    macros: dict[str, object] = {"PIXEL": _PIXEL[images.itemsize], "BYTES": images.itemsize, "GROUP": group}
    if in_local:
        macros |= {"SPACE": "__local", "FENCE": "CLK_LOCAL_MEM_FENCE"}
    else:
        macros |= {"SPACE": "__global", "FENCE": "CLK_GLOBAL_MEM_FENCE", "GLOBAL_PLANES": 1}
    macros |= _unrolled(lane)
    walk, unpack = (lane.kernel("bitshuffle_lz4", name, **macros) for name in ("walk", "unpack"))

    frames, payloads = images.send("bitshuffle.frames", table), images.buffer("payloads", 0)
    blocks = images.buffer("bitshuffle.blocks", n * n_blocks * 4)
    found = images.buffer("bitshuffle.found", n * 4)
    statuses = images.buffer("bitshuffle.statuses", n * 4)
    before = frames, payloads, blocks, np.uint32(n_blocks), found, statuses
    walkers = _fitting(lane, GROUP)
    walk(lane.queue, (n * walkers,), (walkers,), *before, images.pixels, n_pixels)
    if in_local:
        planes = lane.local(block_bytes)
    else:
        planes = images.buffer("bitshuffle.planes", images.n_frames * images.n_pixels * images.itemsize)
    unpack(lane.queue, (n_blocks * group, n), (group, 1), *before, planes, images.pixels, n_pixels)
    return statuses


def _fitting(lane: Lane, group: int) -> int:
    """Return the largest power of two that is a size of work-group on the device and at most that one."""
    return 1 << (min(group, int(lane.context.device.native.max_work_group_size)).bit_length() - 1)


def _unrolled(lane: Lane) -> dict[str, object]:
    """Return the macro that unrolls loops: PoCL, which makes loops of work-items, gets some of them wrong."""
    return {} if lane.context.device.kind == "cpu" else {"UNROLLED": 1}
