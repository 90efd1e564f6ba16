"""What all NeXus files of Aureole hold: entry, site, how the data came about, how it went with each frame."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from aureole.io.names import shown
from aureole.io.status import FrameStatus
from aureole.units import HC_KEV_M
from aureole.version import __version__

ABSENT = -1
"""Size and time of a file that was not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where the data were taken, as far as it is known.

    Attributes
    ----------
    instrument, source : str
        Names of the beamline and of the laboratory.
    wavelength : float, optional
        In metres.
    """

    instrument: str = "unknown"
    source: str = "unknown"
    wavelength: float | None = None


class Source(NamedTuple):
    """A file that was read, as it was when the run began, or when it had been read if it came on the way.

    Without size and time where it was not there.
    """

    path: str
    bytes: int | None
    mtime_ns: int | None

    @classmethod
    def of(cls, path: str) -> Source:
        """Look at a file."""
        try:
            status = os.stat(path)  # noqa: PTH116  (a run has many)
        except (OSError, ValueError):
            return cls(path, None, None)
        return cls(path, status.st_size, status.st_mtime_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """How the data came about.

    Attributes
    ----------
    spec : str
        The request, as JSON.
    sources : sequence of Source
        The files that were reduced.
    parameters : mapping
        Single settings, to be found without taking the JSON apart: ``{"poni": ..., "error_model": ...}``.
    arrays : mapping of str to ndarray
        What belongs to the request and is in it by its SHA-256 only: ``{"mask": ..., "dark": ...}``.
    note : str
        Whatever helps to understand the data.
    """

    spec: str = "{}"
    sources: Sequence[Source] = ()
    parameters: Mapping[str, str | float | int | bool] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)
    note: str = ""


def now() -> str:
    """Return date and time as NeXus has them."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


def source_name(path: Path, folder: Path) -> str:
    """Return how a virtual data set of a file in a folder names another file; "%" has a meaning there."""
    return os.path.relpath(path, folder).replace("%", "%%")


def new_group(parent: h5py.Group, name: str, nx_class: str) -> h5py.Group:
    """Create a group of a NeXus class."""
    group = parent.create_group(name)
    group.attrs["NX_class"] = nx_class
    return group


def new_entry(file: h5py.File) -> h5py.Group:
    """Create the one entry of a file, on the way to the default plot."""
    file.attrs["NX_class"] = "NXroot"
    file.attrs["creator"] = "aureole"
    file.attrs["default"] = "entry"
    entry = new_group(file, "entry", "NXentry")
    entry.attrs["default"] = "data"
    return entry


def write_site(entry: h5py.Group, site: Site, *, kind: str | None = None) -> h5py.Group:
    """Write the NXinstrument of an entry, with the kind of its source, and return it."""
    instrument = new_group(entry, "instrument", "NXinstrument")
    instrument["name"] = shown(site.instrument)
    source = new_group(instrument, "source", "NXsource")
    source["name"], source["probe"] = shown(site.source), "x-ray"
    if kind is not None:
        source["type"] = kind
    if site.wavelength is not None:
        monochromator = new_group(instrument, "monochromator", "NXmonochromator")
        for name, value, units in (
            ("wavelength", site.wavelength * 1e10, "angstrom"),
            ("energy", HC_KEV_M / site.wavelength, "keV"),
        ):
            monochromator[name] = value
            monochromator[name].attrs["units"] = units
    return instrument


def write_provenance(entry: h5py.Group, name: str, provenance: Provenance) -> h5py.Group:
    """Write an NXprocess with program, version, date, request and sources, and return it."""
    process = new_group(entry, name, "NXprocess")
    process["program"] = "aureole"
    process["version"] = __version__
    process["date"] = now()
    process["reference"] = "Aureole, azimuthal integration by sparse look-up tables"
    if provenance.note:
        process["note"] = shown(provenance.note)
    if provenance.sources:
        _write_sources(process, provenance.sources)
    parameters = new_group(process, "input", "NXparameters")
    parameters["spec"] = provenance.spec
    for key, value in provenance.parameters.items():
        parameters[key] = shown(value) if isinstance(value, str) else value
    if provenance.arrays:
        _write_arrays(new_group(parameters, "arrays", "NXparameters"), provenance.arrays)
    return process


def _write_sources(process: h5py.Group, sources: Sequence[Source]) -> None:
    paths = [shown(source.path) for source in sources]
    process.create_dataset("sources", data=paths, dtype=h5py.string_dtype())
    for name in ("source_bytes", "source_mtime_ns"):
        process.create_dataset(name, (len(sources),), np.int64)
    write_source_facts(process, sources)


def write_source_facts(process: h5py.Group, sources: Sequence[Source]) -> None:
    """Write size and time of the sources of a process, in the place of what was known before."""
    for name, values in (
        ("source_bytes", [source.bytes for source in sources]),
        ("source_mtime_ns", [source.mtime_ns for source in sources]),
    ):
        process[name][...] = np.array([ABSENT if value is None else value for value in values], np.int64)


def _write_arrays(group: h5py.Group, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Write arrays with the SHA-256 of their bytes; those of the same bytes are written once."""
    import hdf5plugin

    written: dict[tuple[str, str], str] = {}
    for name, array in arrays.items():
        digest = sha256(np.ascontiguousarray(array).data).hexdigest()
        key = f"{array.dtype} {array.shape}", digest
        if key in written:
            group[name] = group[written[key]]
            continue
        written[key] = name
        dataset = group.create_dataset(
            name, data=array, chunks=array.shape, **hdf5plugin.Bitshuffle(cname="lz4")
        )
        dataset.attrs["sha256"] = digest
        dataset.attrs["interpretation"] = "image"


def write_status(entry: h5py.Group, status: NDArray[np.uint8], messages: Mapping[int, str]) -> None:
    """Write ``frame_status`` and ``frame_message`` into an entry; the rows without a message are empty."""
    states = entry.create_dataset("frame_status", data=status)
    states.attrs["long_name"] = ", ".join(f"{state.value} {state.name.lower()}" for state in FrameStatus)
    texts = entry.create_dataset("frame_message", shape=status.shape, dtype=h5py.string_dtype())
    for frame, message in messages.items():
        texts[frame] = shown(message)
