"""OpenCL devices: which there are, which to take, and what each thread keeps on one."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from importlib import resources
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from aureole.errors import DeviceError
from aureole.threads import available_threads

KINDS = ("gpu", "accelerator", "cpu")
"""Kinds of device, the one that is taken first at the front."""

_TOO_LITTLE = ("MEM_OBJECT_ALLOCATION_FAILURE", "INVALID_BUFFER_SIZE", "OUT_OF_HOST_MEMORY")
_LOST = ("DEVICE_NOT_AVAILABLE", "INVALID_COMMAND_QUEUE", "INVALID_CONTEXT")

_MOST_READERS = 8

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Device:
    """One OpenCL device of this machine.

    Attributes
    ----------
    number : int
        Its place among `devices`.
    name, platform : str
        What it and its driver call themselves.
    kind : {"gpu", "accelerator", "cpu"}
    memory : int
        Bytes of memory.
    double : bool
        Whether it computes in double precision.
    native : pyopencl.Device
    """

    number: int
    name: str
    platform: str
    kind: str
    memory: int
    double: bool
    native: Any

    def __str__(self) -> str:
        return f"{self.number}: {self.name} ({self.kind}, {self.platform})"


def _pyopencl() -> Any:
    # an extra: this module can be imported without it, to say so
    try:
        import pyopencl
    except Exception as error:  # also what does not fit its NumPy or its libraries
        raise DeviceError(
            f"OpenCL needs pyopencl, which cannot be imported ({error}): pip install 'aureole[opencl]'"
        ) from None
    return pyopencl


@cache
def _process() -> int:
    """Return the process that was the first to speak to drivers: this one, or one that it was forked from."""
    return os.getpid()


def check_process() -> None:
    """Raise `DeviceError` in a process forked from one that spoke to drivers: there it would wait forever."""
    if _process() != os.getpid():
        raise DeviceError(
            "OpenCL works only in the process that used it first, not in one forked from it: start others "
            "with multiprocessing's 'spawn', or compute with the CPU there"
        )


def devices() -> list[Device]:
    """Return all OpenCL devices of all platforms, in the order in which the system names them.

    What its driver cannot list or describe is left out; if nothing else is there, the error says why.

    Raises
    ------
    DeviceError
        pyopencl is not installed, there is no device, or this process was forked from one that used OpenCL.
    """
    cl = _pyopencl()
    check_process()
    found: list[Device] = []
    complaints: list[str] = []
    for platform in _tried(cl.get_platforms, complaints) or ():
        for native in _tried(platform.get_devices, complaints) or ():
            device = _tried(partial(_described, len(found), platform, native), complaints)
            if device is not None:
                found.append(device)
    if not found:
        why = f" ({complaints[0]})" if complaints else ""
        raise DeviceError(
            f"no OpenCL device{why}: install the driver of the graphics card, or PoCL to compute on the "
            "processor (package pocl-opencl-icd or pocl of your system, or pip install 'pyopencl[pocl]')"
        )
    return found


def _described(number: int, platform: Any, native: Any) -> Device:
    cl = _pyopencl()
    flags = {"gpu": cl.device_type.GPU, "accelerator": cl.device_type.ACCELERATOR}
    return Device(
        number,
        " ".join(native.name.split()),
        platform.name.strip(),
        next((kind for kind, flag in flags.items() if native.type & flag), "cpu"),
        int(native.global_mem_size),
        "cl_khr_fp64" in native.extensions.split(),
        native,
    )


def _tried(ask: Callable[[], _T], complaints: list[str]) -> _T | None:
    """Return what a driver answers, or note why it does not: one that is broken must not stop the CPU."""
    try:
        return ask()
    except Exception as error:
        # where there is nothing to list, some drivers give an error
        if "NOT_FOUND" not in str(error):
            complaints.append(f"{type(error).__name__}: {' '.join(str(error).split())}")
    return None


def choose(which: str | None = None) -> list[Device]:
    """Return the devices that a wish names.

    Parameters
    ----------
    which : str, optional
        Numbers, kinds, or parts of names or of platforms' names in any case, separated by commas. Each must
        fit exactly one device; only ``"gpu"`` stands for as many as there are. Without it: the first GPU, or
        else the first accelerator, or else the first CPU.

    Returns
    -------
    list of Device
        Each once, in the order of the wish.

    Raises
    ------
    DeviceError
        There is no device, or none or several that fit.
    """
    if not isinstance(which, str | None):
        raise DeviceError(f"device is {which!r}: it must be text, such as '0' or '0,1'")
    there = devices()
    if which is None:
        return [min(there, key=lambda device: (KINDS.index(device.kind), device.number))]
    chosen: list[Device] = []
    for wish in which.split(","):
        if not wish.strip():
            raise DeviceError(f"device {which!r} has an empty name: there are {'; '.join(map(str, there))}")
        fitting = _fitting(wish.strip().casefold(), there)
        chosen += [device for device in fitting if device not in chosen]
    return chosen


def _fitting(wish: str, there: list[Device]) -> list[Device]:
    if wish.isdecimal():
        fitting = [device for device in there if str(device.number) == wish]
    elif wish in KINDS:
        fitting = [device for device in there if device.kind == wish]
    else:
        fitting = [device for device in there if wish in f"{device.name} {device.platform}".casefold()]
    if len(fitting) == 1 or (wish == "gpu" and fitting):
        return fitting
    known = "; ".join(map(str, there))
    many = "several OpenCL devices fit" if fitting else "no OpenCL device fits"
    raise DeviceError(f"{many} {wish!r}: there are {known}")


@contextmanager
def told(device: Device) -> Iterator[None]:
    """Turn what pyopencl raises about a device into one line.

    Raises
    ------
    DeviceError
        The device has too little memory, was lost, or refused.
    """
    cl = _pyopencl()
    try:
        yield
    except cl.Error as error:
        code = _code_name(cl, error)
        if code in _TOO_LITTLE:
            what = f"has too little free memory ({code}): take another device, or the CPU"
        elif code in _LOST:
            what = f"was lost ({code})"
        elif code == "OUT_OF_RESOURCES":
            what = f"has too little free memory, or was lost ({code})"
        elif code == "BUILD_PROGRAM_FAILURE":
            complaints = [line for line in str(error).splitlines() if "error:" in line]
            what = f"cannot compile the kernels ({(complaints or [code])[0].strip()}): update its driver"
        else:
            what = f"refused ({code} in {error.routine})"
        raise DeviceError(f"OpenCL device {device.name} {what}") from error


def _code_name(cl: Any, error: Any) -> str:
    try:
        return str(cl.status_code.to_string(error.code))
    except ValueError:  # drivers have codes of their own
        return f"code {error.code}"


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
            self.cl = _pyopencl().Context([device.native])

    @classmethod
    def of(cls, device: Device) -> Context:
        """Return the one context that this process has on a device."""
        with cls._lock:
            if device.native not in cls._all:
                cls._all[device.native] = cls(device)
            return cls._all[device.native]

    def program(self, name: str, **defines: object) -> Any:
        """Return the program ``opencl/NAME.cl`` of this package, built once with these macros defined."""
        cl = _pyopencl()
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
            self.queue = _pyopencl().CommandQueue(context.cl)
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
                self._kernels[key] = _pyopencl().Kernel(built, name)
        return self._kernels[key]

    def buffer(self, name: str, nbytes: int) -> Any:
        """Return device memory of at least so many bytes, which is kept under its name.

        Where it grows it is another buffer, and what was in it is lost.
        """
        cl = _pyopencl()
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
        return _pyopencl().LocalMemory(nbytes)

    def pinned(self, name: str, nbytes: int) -> NDArray[np.uint8]:
        """Return so many bytes of page-locked host memory, which are kept under their name.

        It waits for what `send` and `fetch` still copy from or to there.
        """
        cl = _pyopencl()
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
                event = _pyopencl().enqueue_copy(self.queue, buffer, source, dst_offset=at, is_blocking=False)
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
            event = _pyopencl().enqueue_copy(self.queue, target, buffer, is_blocking=False)
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
