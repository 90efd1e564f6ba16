"""NeXus files of scans: patterns on the places of a map, sinograms, volumes, and images made of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from aureole.io.names import shown
from aureole.io.nexus import (
    Provenance,
    Site,
    new_entry,
    new_group,
    now,
    source_name,
    write_provenance,
    write_site,
)
from aureole.version import __version__

_ARBITRARY = "arbitrary units"


@dataclass(frozen=True, slots=True)
class GridAxis:
    """One axis of a grid: its name, where its places are, in what unit, and how to call it in plots."""

    name: str
    values: NDArray[Any]
    units: str = ""
    long_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GridEntry:
    """What the entry of a scan holds besides the data.

    Attributes
    ----------
    title : str
    monitor : bool
        Whether frames were divided by a monitor.
    site : Site
    provenance : Provenance
    """

    title: str
    monitor: bool
    site: Site = field(default_factory=Site)
    provenance: Provenance = field(default_factory=Provenance)


def write_entry(file: h5py.File, description: GridEntry, frames: int) -> h5py.Group:
    """Write the entry of a scan, all but its data, and return it."""
    entry = new_entry(file)
    entry["title"] = shown(description.title)
    write_site(entry, description.site, kind="unknown")
    if description.monitor:
        new_group(entry, "monitor", "NXmonitor")["data"] = np.full(frames, np.nan)
    write_provenance(entry, "reduction", description.provenance)
    return entry


def new_data(
    entry: h5py.Group,
    name: str,
    axes: Sequence[GridAxis],
    *,
    sigma: bool,
    long_name: str = "intensity",
    signal: str = "I",
    units: str = _ARBITRARY,
) -> h5py.Group:
    """Create an NXdata of patterns with an empty signal, its errors beside it, and axes; return it.

    Parameters
    ----------
    entry : h5py.Group
    name : str
    axes : sequence of GridAxis
        Slow to fast: of the shape of the signal.
    sigma : bool
        Whether there are errors.
    long_name : str
        Of the signal.
    signal : str
        Its name; ``_errors`` is added for that of the errors.
    units : str

    Notes
    -----
    Whoever calls this writes all of the data sets: places that nobody writes hold anything.
    """
    data = new_group(entry, name, "NXdata")
    data.attrs["signal"] = signal
    _write_axes(data, axes)
    data.attrs["interpretation"] = "spectrum"
    data.attrs["title"] = long_name
    shape = tuple(len(axis.values) for axis in axes)
    texts = {signal: long_name} | ({f"{signal}_errors": f"error of {long_name}"} if sigma else {})
    for key, text in texts.items():
        dataset = data.create_dataset(key, shape, np.float32, fill_time="never")
        dataset.attrs["long_name"] = text
        dataset.attrs["units"] = units
    data[signal].attrs["interpretation"] = "spectrum"
    return data


def point_at(data: h5py.Group, frames: NDArray[np.intp], parts: Mapping[range, Path], folder: Path) -> None:
    """Make the patterns of an NXdata virtual: let them be the rows of other files.

    Parameters
    ----------
    data : h5py.Group
        Made by `new_data`.
    frames : ndarray of intp
        Number of the frame at each place, of the shape of the signal without its last axis; -1: none.
    parts : mapping of range to Path
        Files whose ``/intensity`` and ``/sigma`` hold the rows of these frames.
    folder : Path
        Where the file will be; the others are named from there.
    """
    at = np.argsort(frames, axis=None)
    at = at[frames.reshape(-1)[at] >= 0]
    order, places = frames.reshape(-1)[at], np.stack(np.unravel_index(at, frames.shape), axis=1)
    for name, key in (("I", "intensity"), ("I_errors", "sigma")):
        if name not in data:
            continue
        shape = data[name].shape
        layout = h5py.VirtualLayout(shape, np.float32)
        for numbers, path in parts.items():
            source = h5py.VirtualSource(source_name(path, folder), key, (len(numbers), shape[-1]), np.float32)
            first, last = np.searchsorted(order, (numbers.start, numbers.stop))
            for start, stop in _lines(order[first:last], places[first:last]):
                line = places[first + start : first + stop]
                row = order[first + start] - numbers.start
                where = tuple(
                    int(one[0]) if one[0] == one[-1] else slice(int(one[0]), int(one[-1]) + 1)
                    for one in line.T
                )
                layout[where] = source[row] if stop == start + 1 else source[row : row + stop - start]
        attributes = dict(data[name].attrs)
        del data[name]
        virtual = data.create_virtual_dataset(name, layout, fillvalue=np.nan)
        virtual.attrs.update(attributes)


def _lines(frames: NDArray[np.intp], places: NDArray[np.intp]) -> Iterator[tuple[int, int]]:
    """Yield where frames that follow each other lie side by side, one step after the other along one axis."""
    steps = np.diff(places, axis=0)
    beside = (np.diff(frames) == 1) & (np.abs(steps).sum(axis=1) == 1) & (steps.sum(axis=1) == 1)
    start = 0
    for place in range(len(frames)):
        ends = place == len(frames) - 1 or not beside[place]
        if ends or (place > start and (steps[place] != steps[start]).any()):
            yield start, place + 1
            start = place + 1


def write_images(
    entry: h5py.Group,
    name: str,
    axes: Sequence[GridAxis],
    images: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]],
) -> h5py.Group:
    """Write images of one kind, with their errors where there are any, as an NXdata of its own."""
    first, *others = images
    data = new_group(entry, name, "NXdata")
    data.attrs["signal"] = first
    if others:
        data.attrs["auxiliary_signals"] = others
    _write_axes(data, axes)
    data.attrs["title"] = name
    for quantity, (values, errors) in images.items():
        data[quantity] = values.astype(np.float32)
        data[quantity].attrs["long_name"] = f"{name}: {quantity}"
        data[quantity].attrs["interpretation"] = "image" if len(axes) > 1 else "spectrum"
        if np.isfinite(errors).any():
            data[f"{quantity}_errors"] = errors.astype(np.float32)
    return data


def _write_axes(data: h5py.Group, axes: Sequence[GridAxis]) -> None:
    data.attrs["axes"] = [axis.name for axis in axes]
    for place, axis in enumerate(axes):
        data[axis.name] = axis.values
        data[axis.name].attrs["units"] = axis.units
        data[axis.name].attrs["long_name"] = axis.long_name or axis.name
        data.attrs[f"{axis.name}_indices"] = place


def write_scan(entry: h5py.Group, index: NDArray[np.intp], notes: Sequence[str]) -> None:
    """Write which frame was where (-1: none), and what was odd about it."""
    scan = new_group(entry, "scan", "NXcollection")
    scan["frame"] = index
    scan["frame"].attrs["long_name"] = "number of the frame at each place, -1 where there is none"
    if notes:
        scan["notes"] = [shown(note) for note in notes]


def write_parameters(entry: h5py.Group, name: str, values: Mapping[str, object]) -> h5py.Group:
    """Write how a step was done, as an NXprocess with NXparameters, and return it."""
    process = new_group(entry, name, "NXprocess")
    process["program"], process["version"] = "aureole", __version__
    process["date"] = now()
    parameters = new_group(process, "parameters", "NXparameters")
    for key, value in values.items():
        parameters[key] = shown(value) if isinstance(value, str) else value
    return process


def write_nxtomoproc(file: h5py.File, name: str, data: h5py.Group) -> None:
    """Add an entry of the definition NXtomoproc that shows an image (z, y, x) of the first entry.

    The definition wants attributes of the data set that say how its numbers become values: they are values.
    """
    entry = new_group(file, name, "NXentry")
    entry["definition"] = "NXtomoproc"
    entry.attrs["default"] = "data"
    entry["title"] = name
    entry["instrument"] = h5py.SoftLink("/entry/instrument")
    sample = new_group(entry, "sample", "NXsample")
    sample["name"] = "unknown"
    entry["reconstruction"] = h5py.SoftLink("/entry/reconstruction")
    shown_data = new_group(entry, "data", "NXdata")
    shown_data.attrs["signal"] = "data"
    shown_data.attrs["axes"] = ["z", "y", "x"]
    signal = str(data.attrs["signal"])
    data[signal].attrs.update({"units": _ARBITRARY, "transform": "none", "offset": 0.0, "scaling": 1.0})
    shown_data["data"] = h5py.SoftLink(f"{data.name}/{signal}")
    for axis in ("z", "y", "x"):
        shown_data[axis] = h5py.SoftLink(f"{data.name}/{axis}")
