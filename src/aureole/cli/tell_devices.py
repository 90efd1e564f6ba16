"""What ``aureole info --devices`` tells."""

from __future__ import annotations

from collections.abc import Iterator

from aureole.errors import DeviceError
from aureole.kernels import opencl_device
from aureole.kernels.opencl_device import Device
from aureole.kernels.registry import resolve


def device_lines() -> Iterator[str]:
    """Yield a line for each OpenCL device, and what ``--backend auto`` takes."""
    try:
        for device in opencl_device.devices():
            yield _line(device)
    except DeviceError as error:
        yield str(error)
    if resolve("auto", operations=("integrate",)) == "opencl":
        yield "--backend auto takes the first gpu; for robust averages, or where its memory is too small, cpu"
    else:
        yield "--backend auto takes cpu: there is no gpu with double precision"


def _line(device: Device) -> str:
    precision = "double precision" if device.double else "single precision, compensated"
    memory = f"{device.memory / 2**30:.1f} GiB"
    return f"{device.number}  {device.name} ({device.kind}, {device.platform}), {memory}, {precision}"
