"""OpenCL devices: which there are, which to take, and what they say when they fail."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, TypeVar

from aureole.errors import DeviceError

KINDS = ("gpu", "accelerator", "cpu")
"""Kinds of device, the one that is taken first at the front."""

_TOO_LITTLE = ("MEM_OBJECT_ALLOCATION_FAILURE", "INVALID_BUFFER_SIZE", "OUT_OF_HOST_MEMORY")
_LOST = ("DEVICE_NOT_AVAILABLE", "INVALID_COMMAND_QUEUE", "INVALID_CONTEXT")

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


def opencl() -> Any:
    """Return the package pyopencl, which is an extra; `DeviceError` where it cannot be imported."""
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
    cl = opencl()
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
    cl = opencl()
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
        else the first accelerator, or else the first CPU; one that has double precision before others.

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
        return [min(there, key=_preference)]
    chosen: list[Device] = []
    for wish in which.split(","):
        if not wish.strip():
            raise DeviceError(f"device {which!r} has an empty name: there are {'; '.join(map(str, there))}")
        fitting = _fitting(wish.strip().casefold(), there)
        chosen += [device for device in fitting if device not in chosen]
    return chosen


def _preference(device: Device) -> tuple[int, bool, int]:
    return KINDS.index(device.kind), not device.double, device.number


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
    cl = opencl()
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
