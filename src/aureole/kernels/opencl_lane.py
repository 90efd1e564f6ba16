"""What a process has on an OpenCL device, and what each of its threads keeps there."""

from __future__ import annotations

import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aureole.kernels.opencl_device import Device, opencl, told
from aureole.threads import available_threads

_MOST_READERS = 8


class Context:
    """A device as this process uses it, with the programs that were built for it; safe to share by threads.

    Attributes
    ----------
    device : Device
    cl : pyopencl.Context
    readers : ThreadPoolExecutor
        Threads that bring frames into page-locked memory: one alone is slower than the bus.
    """

    _all: dict[Any, Context] = {}  # noqa: RUF012
    _lock = threading.Lock()

    def __init__(self, device: Device) -> None:
        self.device = device
        self._programs: dict[tuple[Any, ...], Any] = {}
        self.readers = ThreadPoolExecutor(min(available_threads(), _MOST_READERS), "opencl-reader")
        with told(device):
            self.cl = opencl().Context([device.native])

    @classmethod
    def of(cls, device: Device) -> Context:
        """Return the one context that this process has on a device."""
        with cls._lock:
            if device.native not in cls._all:
                cls._all[device.native] = cls(device)
            return cls._all[device.native]

    def program(self, name: str, **defines: object) -> Any:
        """Return the program ``opencl/NAME.cl`` of this package, built once with these macros defined."""
        cl = opencl()
        key = (name, *sorted(defines.items()))
        with self._lock:
            if key not in self._programs:
                source = resources.files(__package__).joinpath("opencl", f"{name}.cl").read_text("utf-8")
                options = ["-cl-std=CL1.2", *(f"-D{macro}={value}" for macro, value in defines.items())]
                with told(self.device), warnings.catch_warnings():
                    # compilers that talk of their success
                    warnings.simplefilter("ignore", cl.CompilerWarning)
                    self._programs[key] = cl.Program(self.cl, source).build(options)
            return self._programs[key]


class Lane:
    """A queue of work on a device, in order, and the memory that it keeps; for one thread at a time.

    Attributes
    ----------
    context : Context
    queue : pyopencl.CommandQueue
    """

    def __init__(self, context: Context) -> None:
        self.context = context
        with told(context.device):
            self.queue = opencl().CommandQueue(context.cl)
        self._most = int(context.device.native.max_mem_alloc_size)
        self._buffers: dict[str, Any] = {}
        self._pinned: dict[str, tuple[Any, Any, NDArray[np.uint8]]] = {}
        # pyopencl waits for a copy whose event is given up, and lets no other thread go on meanwhile
        self._moving: dict[str, list[Any]] = {}
        self._kernels: dict[tuple[Any, ...], Any] = {}

    @property
    def nbytes(self) -> int:
        """Bytes of memory on the device."""
        return sum(int(buffer.size) for buffer in self._buffers.values())

    def kernel(self, program: str, name: str, **defines: object) -> Any:
        """Return a kernel of a program of the context; its arguments are this lane's alone."""
        key = (program, name, *sorted(defines.items()))
        if key not in self._kernels:
            built = self.context.program(program, **defines)
            with told(self.context.device):
                self._kernels[key] = opencl().Kernel(built, name)
        return self._kernels[key]

    def buffer(self, name: str, nbytes: int) -> Any:
        """Return device memory of at least so many bytes, which is kept under its name.

        Where it grows it is another buffer, and what was in it is lost.
        """
        cl = opencl()
        held = self._buffers.get(name)
        if held is None or held.size < nbytes:
            with told(self.context.device):
                if held is not None:
                    self._buffers.pop(name).release()
                grown = self._grown(nbytes, held is not None)
                self._buffers[name] = cl.Buffer(self.context.cl, cl.mem_flags.READ_WRITE, grown)
        return self._buffers[name]

    def local(self, nbytes: int) -> Any:
        """Return an argument for a kernel that stands for so much memory of each work-group."""
        return opencl().LocalMemory(nbytes)

    def pinned(self, name: str, nbytes: int) -> NDArray[np.uint8]:
        """Return so many bytes of page-locked host memory, which are kept under their name.

        It waits for what `send` and `fetch` still copy from or to there.
        """
        cl = opencl()
        held = self._pinned.get(name)
        with told(self.context.device):
            for event in self._moving.pop(name, ()):
                event.wait()
            if held is None or held[0].size < nbytes:
                if held is not None:
                    self._unpin(name)
                flags = cl.mem_flags.READ_WRITE | cl.mem_flags.ALLOC_HOST_PTR
                memory = cl.Buffer(self.context.cl, flags, self._grown(nbytes, held is not None))
                access = cl.map_flags.READ | cl.map_flags.WRITE
                mapped, _ = cl.enqueue_map_buffer(
                    self.queue, memory, access, 0, (memory.size,), np.dtype(np.uint8), is_blocking=True
                )
                self._pinned[name] = memory, mapped.base, mapped
        return self._pinned[name][2][:nbytes]

    def send(self, name: str, part: slice, buffer: Any, at: int = 0) -> None:
        """Copy a part of the page-locked memory of that name to byte `at` of a buffer, in the background."""
        source = self._pinned[name][2][part]
        if source.size:
            with told(self.context.device):
                event = opencl().enqueue_copy(self.queue, buffer, source, dst_offset=at, is_blocking=False)
                self._moving.setdefault(name, []).append(event)
                self.queue.flush()

    def fetch(self, name: str, buffer: Any, nbytes: int) -> tuple[NDArray[np.uint8], Any]:
        """Copy a buffer to the page-locked memory of that name, in the background.

        Returns
        -------
        (ndarray, pyopencl.Event)
            That memory, and what says when the bytes have arrived.
        """
        target = self.pinned(name, nbytes)
        with told(self.context.device):
            event = opencl().enqueue_copy(self.queue, target, buffer, is_blocking=False)
            self._moving[name] = [event]
            self.queue.flush()
        return target, event

    def _grown(self, nbytes: int, again: bool) -> int:
        # what grew once may do so again: batches of compressed frames differ a little
        more = min(nbytes + nbytes // 8, self._most) if again else 1
        return max(nbytes, more)

    def _unpin(self, name: str) -> None:
        memory, mapping, _ = self._pinned.pop(name)
        mapping.release(self.queue)
        memory.release()

    def release(self) -> None:
        """Wait for the queue and give all memory back; what was returned before is of no use any more."""
        with told(self.context.device):
            self.queue.finish()
            for name in list(self._pinned):
                self._unpin(name)
            while self._buffers:
                self._buffers.popitem()[1].release()
