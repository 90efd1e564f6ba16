"""The table of the OpenCL backend: entries bin by bin on each device, and the lanes that work with them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from aureole.errors import DeviceError
from aureole.kernels.opencl_device import Device, check_process, choose, told
from aureole.kernels.opencl_lane import Context, Lane
from aureole.kernels.sums import Entries

F64 = NDArray[np.float64]

GROUP = 256
"""Work-items of a group; the same on all devices, since the order of additions depends on it."""

LANES = 2
"""Lanes of each device: one copies while the other computes."""

_ENTRIES_PER_ITEM = 4
"""At least so many entries a work-item shall have on the average, where that leaves one at a bin."""

_MOST_ENTRIES = 2**31 - GROUP
"""A work-item that goes through a bin steps up to so far behind its last entry."""

_MEMORY = 0.75
"""Share of a device's memory that a table and its lanes take at most."""

_ROWS = 6
"""Most rows of values of all pixels that are kept on a device."""

_SUMS = 8
"""Most sums of a frame in each bin."""

REAL = 8
"""Bytes of a real number on a device."""


class Numbers:
    """How real numbers lie in the memory of a device: doubles, or pairs of floats whose sum they are.

    Parameters
    ----------
    double : bool
    """

    def __init__(self, double: bool) -> None:
        self.double = double

    def packed(self, values: F64) -> NDArray[Any]:
        """Return values as the device takes them, as one contiguous array."""
        if self.double:
            return np.ascontiguousarray(values, np.float64)
        pair = np.empty((*values.shape, 2), np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            pair[..., 0] = values
            rest = values - pair[..., 0]
        pair[..., 1] = np.where(np.isfinite(pair[..., 0]), rest, 0.0)
        return pair

    def unpacked(self, data: NDArray[np.uint8], shape: tuple[int, ...]) -> F64:
        """Return what a device computed as doubles; maybe a view."""
        if self.double:
            return data.view(np.float64).reshape(shape)
        pair = data.view(np.float32).reshape(*shape, 2)
        high = pair[..., 0].astype(np.float64)
        return high + np.where(np.isfinite(high), pair[..., 1], 0.0)


class _Part:
    """The table on one device."""

    def __init__(
        self, device: Device, numbers: Numbers, arrays: Sequence[NDArray[Any]], n_pixels: int
    ) -> None:
        self.device, self.context = device, Context.of(device)
        self.numbers = numbers
        self.entries = tuple(self.loaded(array) for array in arrays)
        self._rows: OrderedDict[tuple[Any, ...], tuple[F64, Any]] = OrderedDict()
        self._most = _ROWS * n_pixels
        self._lock = threading.Lock()

    def loaded(self, array: NDArray[Any]) -> Any:
        """Return device memory with a copy of an array."""
        import pyopencl as cl

        # there is no memory of no bytes
        array = np.ascontiguousarray(array) if array.size else np.zeros(1)
        flags = cl.mem_flags.READ_ONLY | cl.mem_flags.COPY_HOST_PTR
        with told(self.device):
            return cl.Buffer(self.context.cl, flags, hostbuf=array)

    def kept(self, values: F64) -> Any:
        """Return device memory with the values of rows of pixels, which stays there for the next call."""
        key = (values.__array_interface__["data"][0], values.shape, values.strides)
        with self._lock:
            if key not in self._rows:
                # the array is held as well: else another one could come to lie in its place
                self._rows[key] = values, self.loaded(self.numbers.packed(values))
            self._rows.move_to_end(key)
            while len(self._rows) > 1 and sum(held.size for held, _ in self._rows.values()) > self._most:
                self._rows.popitem(last=False)
            return self._rows[key][1]

    @property
    def nbytes(self) -> int:
        return sum(int(buffer.size) for buffer in self.entries)


class Worker:
    """A lane and the table on its device: what one call has for itself.

    Attributes
    ----------
    lane : Lane
    part : _Part
    numbers : Numbers
    items : int
        Work-items that sum a bin.
    """

    def __init__(self, table: Table, part: _Part) -> None:
        self.lane, self.part, self.numbers = Lane(part.context), part, part.numbers
        self._n_bins = table.n_bins
        mean = table.n_entries / max(1, table.n_bins)
        self.items = 1
        while self.items < GROUP and self.items * _ENTRIES_PER_ITEM < mean:
            self.items *= 2

    def run(self, name: str, defines: dict[str, object], n: int, *arguments: Any) -> None:
        """Enqueue a kernel of ``integrate.cl`` for n frames or groups of them; arguments follow the table."""
        macros = {"DOUBLE": int(self.numbers.double), "GROUP": GROUP, **defines}
        kernel = self.lane.kernel("integrate", name, **macros)
        groups = -(-self._n_bins // (GROUP // self.items))
        with told(self.part.device):
            kernel(
                self.lane.queue,
                (groups * GROUP, n),
                (GROUP, 1),
                *self.part.entries,
                np.int32(self._n_bins),
                np.int32(self.items),
                *arguments,
            )

    def sent(self, name: str, array: NDArray[Any]) -> Any:
        """Return the lane's memory of that name, to which the copy of a small array is enqueued."""
        buffer = self.lane.buffer(name, array.nbytes)
        self.lane.pinned(f"to {name}", array.nbytes)[:] = array.reshape(-1).view(np.uint8)
        self.lane.send(f"to {name}", slice(0, array.nbytes), buffer)
        return buffer

    def fetched(self, name: str, nbytes: int) -> NDArray[np.uint8]:
        """Enqueue the copy of the lane's memory of that name to the host; it is there after `read`."""
        return self.lane.fetch(f"from {name}", self.lane.buffer(name, nbytes), nbytes)[0]

    def read(self, names: Sequence[str], shape: tuple[int, ...]) -> F64:
        """Return the numbers in memory of these names, each of that shape, once all work is done.

        Other threads go on while this one waits.
        """
        size = REAL * int(np.prod(shape))
        copies = [self.fetched(name, size) for name in names]
        self.finish()
        return np.array([self.numbers.unpacked(copy, shape) for copy in copies])

    def finish(self) -> None:
        """Wait until all that was enqueued is done."""
        with told(self.part.device):
            self.lane.queue.finish()


class Table:
    """Entries by pixel, sorted by bin, on one or several OpenCL devices.

    A device has in memory at most the table, some rows of values of pixels, and for each of its lanes the
    encoded and decoded frames of one batch with their sums; batches are cut so that this is no more than
    three quarters of what it has.

    Parameters
    ----------
    entries : Entries
        The sparse table by pixel.
    threads : int, optional
        Of no account here; other backends compile with them.
    device : str, optional
        Which devices, as `aureole.kernels.opencl_device.choose` takes it; a GPU if there is one, without it.
    single : bool
        Do without doubles: sums are pairs of floats, as on devices that have no double precision.

    Attributes
    ----------
    n_pixels, n_bins, n_entries : int
    nbytes : int
        Bytes of the table on all devices together.
    double : bool
        Whether all devices compute with doubles.
    lanes : int
        How many calls work at once; others wait for one of them.

    Raises
    ------
    DeviceError
        There is no such device, or it has too little memory for the table.
    """

    def __init__(
        self,
        entries: Entries,
        threads: int | None = None,
        device: str | None = None,
        *,
        single: bool = False,
    ) -> None:
        self.n_pixels, self.n_bins, self.n_entries = entries.n_pixels, entries.n_bins, entries.bins.size
        devices = choose(device)
        arrays = _by_bin(entries)
        size = sum(array.nbytes for array in arrays)
        for one in devices:
            if size > _MEMORY * one.memory:
                raise DeviceError(
                    f"OpenCL device {one.name} has {one.memory >> 20} MB of memory, too little for a "
                    f"table of {size >> 20} MB: take fewer bins, or another device"
                )
        self._parts = [
            _Part(one, Numbers(one.double and not single), arrays, self.n_pixels) for one in devices
        ]
        self.double = all(part.numbers.double for part in self._parts)
        self.nbytes = sum(part.nbytes for part in self._parts)
        self.lanes = LANES * len(devices)
        self._free: SimpleQueue[Worker] = SimpleQueue()
        for part in self._parts * LANES:
            self._free.put(Worker(self, part))

    @contextmanager
    def worker(self) -> Iterator[Worker]:
        """Take a lane for a while; waits where none is free.

        Raises
        ------
        DeviceError
            This process was forked from the one that made the table.
        """
        check_process()
        worker = self._free.get()
        try:
            yield worker
        except BaseException:
            # nothing may still be under way in the memory that the next one takes
            with suppress(DeviceError):
                worker.finish()
            raise
        finally:
            self._free.put(worker)

    def check_room(self) -> None:
        """Raise `DeviceError` unless each device has room for any frame: of 64-bit pixels, with variances."""
        images, sums = 2 * REAL * self.n_pixels, _SUMS * REAL * self.n_bins
        for part in self._parts:
            # payloads are hardly larger than what is in them, decoders take as much once more, and then
            # the frames lie side by side
            self.most_frames(part, max(images, sums), 5 * images + sums)

    def most_frames(self, part: _Part, largest: int, together: int) -> int:
        """Return how many frames a lane has room for.

        Parameters
        ----------
        part : _Part
            The table on the device of the lane.
        largest : int
            Bytes that a frame has in the largest piece of memory.
        together : int
            Bytes of everything that the device holds for a frame.

        Raises
        ------
        DeviceError
            Not for one.
        """
        device = part.device
        beside = part.nbytes + _ROWS * REAL * self.n_pixels
        room = (_MEMORY * device.memory - beside) / LANES
        most = int(min(room / together, device.native.max_mem_alloc_size / largest))
        if most < 1:
            raise DeviceError(
                f"OpenCL device {device.name} has {device.memory >> 20} MB of memory, too little for {LANES} "
                f"frames of {_megabytes(together)} MB beside the table and what it keeps of each pixel, "
                f"{_megabytes(beside)} MB, within {_MEMORY:.0%} of it: take another device, or the CPU"
            )
        return most


def _megabytes(nbytes: int) -> int:
    return -(-nbytes >> 20)


def _by_bin(entries: Entries) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
    """Return where each bin begins, and the pixels and shares of its entries, in the order of the pixels."""
    n, start = entries.bins.size, entries.pixel_ptr
    if start.size == 0 or start[0] != 0 or start[-1] != n or np.any(start[1:] < start[:-1]):
        raise ValueError("Table: pixel_ptr must rise from 0 to the number of entries")
    if entries.coefs.size != n or (n and not 0 <= entries.bins.min() <= entries.bins.max() < entries.n_bins):
        raise ValueError("Table: an entry has no coefficient, or a bin that there is not")
    if n >= _MOST_ENTRIES:
        raise DeviceError(
            f"the OpenCL backend takes fewer than 2^31 entries, and the table has {n}: use the CPU"
        )
    shape = entries.n_pixels, entries.n_bins
    # a counting sort: entries of a bin stay in the order of the pixels
    table = csr_matrix((entries.coefs, entries.bins, start), shape=shape).tocsc()
    indptr, indices = (part.astype(np.int32, copy=False) for part in (table.indptr, table.indices))
    return indptr, indices, table.data
