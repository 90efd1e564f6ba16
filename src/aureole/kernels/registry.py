"""Which function does an operation on which backend: one row each.

Backends differ in how they sum frames over a table. The table itself, with the coordinates and the shares of
pixels in bins, comes from the native kernel whatever the backend.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from importlib import import_module
from typing import Any

from aureole.errors import DeviceError, SpecError
from aureole.kernels.sums import Entries

HOST, DEVICE = "cpu", "opencl"
"""The backends that ``"auto"`` may stand for: of the processor, and of a graphics card."""

# Rows are text, so that a backend is imported only by those who use it.
_ROWS = {
    ("table", "cpu"): "aureole.kernels.cpu:Table",
    ("table", "opencl"): "aureole.kernels.opencl:Table",
    ("table", "reference"): "aureole.kernels.registry:same_entries",
    ("project", "cpu"): "aureole.kernels.cpu:project",
    ("project", "reference"): "aureole.kernels.reference:project",
    ("integrate", "cpu"): "aureole.kernels.cpu:integrate",
    ("integrate", "opencl"): "aureole.kernels.opencl:integrate",
    ("integrate", "reference"): "aureole.kernels.reference:integrate",
    ("deviations", "cpu"): "aureole.kernels.cpu:deviations",
    ("deviations", "opencl"): "aureole.kernels.opencl:deviations",
    ("deviations", "reference"): "aureole.kernels.reference:deviations",
    ("rings", "cpu"): "aureole.kernels.cpu_robust:Rings",
    ("rings", "reference"): "aureole.kernels.reference_robust:Rings",
    ("robust", "cpu"): "aureole.kernels.cpu_robust:robust",
    ("robust", "reference"): "aureole.kernels.reference_robust:robust",
    ("places", "cpu"): "aureole.kernels.cpu_pick:places",
    ("places", "reference"): "aureole.kernels.pick:same_places",
    ("pick", "cpu"): "aureole.kernels.cpu_pick:pick",
    ("pick", "reference"): "aureole.kernels.reference_pick:pick",
}


def same_entries(entries: Entries, threads: int | None = None) -> Entries:
    """Return the entries as they are, at once: the table of the reference backend."""
    return entries


def resolve(name: str, device: str | None = None, *, operations: Collection[str] = ()) -> str:
    """Return the name of the backend that `name` stands for; only ``"auto"`` stands for another.

    Parameters
    ----------
    name : str
        A backend, or ``"auto"``: ``"opencl"`` where a device is named, or where this machine has a graphics
        card and the backend all operations; else ``"cpu"``.
    device : str, optional
        OpenCL devices, as `aureole.kernels.opencl_device.choose` takes them.
    operations : collection of str
        What is needed of the backend.

    Raises
    ------
    SpecError
        There is no such backend, it does not have an operation, or it takes no device.
    DeviceError
        There is no OpenCL, or no such device.
    """
    if name == "auto":
        name = DEVICE if device is not None or (_has(DEVICE, operations) and _card_is_there()) else HOST
    known = sorted({backend for _, backend in _ROWS})
    if name not in known:
        raise SpecError(f"unknown backend {name!r}: known are auto, {', '.join(known)}")
    for operation in operations:
        _row(operation, name)
    if name == DEVICE:
        from aureole.kernels.opencl_device import choose

        choose(device)
    elif device is not None:
        raise SpecError(f"a device goes with the backend {DEVICE!r}: {name!r} computes on the processor")
    return name


def _has(name: str, operations: Collection[str]) -> bool:
    return all((operation, name) in _ROWS for operation in operations)


def _card_is_there() -> bool:
    """Whether there is a graphics card that computes with doubles: others are slower than most processors."""
    from aureole.kernels.opencl_device import choose  # pyopencl is imported here, if it is installed at all

    try:
        best = choose()[0]
    except DeviceError:
        return False
    return best.kind == "gpu" and best.double


def computed_by(name: str, device: str | None = None) -> str:
    """Return a backend as results name it: with the devices that it computes on, where it has any."""
    if name != DEVICE:
        return name
    from aureole.kernels.opencl_device import choose

    return f"{name} ({' + '.join(one.name for one in choose(device))})"


def _row(operation: str, name: str) -> str:
    row = _ROWS.get((operation, name))
    if row is None:
        others = ", ".join(other for known, other in _ROWS if known == operation)
        raise SpecError(f"backend {name!r} has no operation {operation!r}: it is done by {others}")
    return row


def backend(operation: str, name: str) -> Callable[..., Any]:
    """Return the function that does an operation on a backend.

    Parameters
    ----------
    operation : {"table", "project", "integrate", "deviations", "rings", "robust", "places", "pick"}
        ``"table"`` turns `aureole.kernels.Entries`, on a number of threads and for devices where a backend
        has any, into what the next three take as their first argument; ``"rings"`` turns them, with
        `PixelRows`, into what ``"robust"`` and ``"pick"`` take, and ``"places"`` turns `PixelPlaces` into
        what the latter takes as well.
    name : str
        A backend: what `resolve` returns.

    Raises
    ------
    SpecError
        It does not have this operation.
    """
    module, _, function = _row(operation, name).partition(":")
    found: Callable[..., Any] = getattr(import_module(module), function)
    return found
