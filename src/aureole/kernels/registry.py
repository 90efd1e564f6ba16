"""Which function does an operation on which backend: one row each.

Backends differ in how they sum frames over a table. The table itself, with the coordinates and the shares of
pixels in bins, comes from the native kernel whatever the backend.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from aureole.errors import SpecError
from aureole.kernels.sums import Entries

AUTO = "cpu"
"""The backend that ``"auto"`` stands for."""

# Rows are text, so that a backend is imported only by those who use it.
_ROWS = {
    ("table", "cpu"): "aureole.kernels.cpu:Table",
    ("table", "opencl"): "aureole.kernels.opencl:Table",
    ("table", "reference"): "aureole.kernels.registry:same_entries",
    ("project", "cpu"): "aureole.kernels.cpu:project",
    ("project", "opencl"): "aureole.kernels.opencl:project",
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


def resolve(name: str) -> str:
    """Return the name of the backend that `name` stands for; only ``"auto"`` stands for another.

    Raises
    ------
    SpecError
        There is no such backend.
    """
    name = AUTO if name == "auto" else name
    known = sorted({backend for _, backend in _ROWS})
    if name not in known:
        raise SpecError(f"unknown backend {name!r}: known are auto, {', '.join(known)}")
    return name


def backend(operation: str, name: str) -> Callable[..., Any]:
    """Return the function that does an operation on a backend.

    Parameters
    ----------
    operation : {"table", "project", "integrate", "deviations", "rings", "robust", "places", "pick"}
        ``"table"`` turns `aureole.kernels.Entries`, on a number of threads, into what the next three take as
        their first argument; ``"rings"`` turns them, with `PixelRows`, into what ``"robust"`` and ``"pick"``
        take, and ``"places"`` turns `PixelPlaces` into what the latter takes as well.
    name : str
        A backend, or ``"auto"``.

    Raises
    ------
    SpecError
        There is no such backend, or it does not have this operation.
    """
    name = resolve(name)
    row = _ROWS.get((operation, name))
    if row is None:
        raise SpecError(f"backend {name!r} has no operation {operation!r}")
    module, _, function = row.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), function)
    return found
