"""Frames as detectors write them: CBF files of a Pilatus, HDF5 files of an Eiger."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from aureole.geometry import Geometry
from aureole.io.shelter import ShelteredHdf5

if TYPE_CHECKING:
    import h5py

_PERIOD = 0.004
"""Seconds from frame to frame: 250 Hz."""
_START = datetime(2024, 5, 17, 9, 0, 0)
_PER_FILE = 1000
INVALID_EIGER = np.uint32(2**32 - 1)


def pilatus_header(geometry: Geometry, index: int, facts: Mapping[str, str]) -> str:
    """Return the header of a frame as a Pilatus writes it, with more facts at its end."""
    known = geometry.detector
    center1, center2 = geometry.beam_center()
    stamp = (_START + timedelta(seconds=_PERIOD * index)).isoformat(timespec="milliseconds")
    return "\n".join(
        (
            f"Detector: {known.name}, simulated",
            stamp,
            f"Pixel_size {known.pixel1 * 1e6:g}e-6 m x {known.pixel2 * 1e6:g}e-6 m",
            f"Exposure_time {_PERIOD * 0.9:.7f} s",
            f"Exposure_period {_PERIOD:.7f} s",
            "Count_cutoff 1048500 counts",
            f"Wavelength {(geometry.wavelength or 0.0) * 1e10:.6f} A",
            f"Detector_distance {geometry.dist:.5f} m",
            f"Beam_xy ({center2:.2f}, {center1:.2f}) pixels",
            *(f"{name} {value}" for name, value in facts.items()),
            "Polarization 0.990",
        )
    )


def eiger_chunks(images: Iterable[NDArray[np.uint32]], shape: tuple[int, int]) -> Iterator[bytes]:
    """Yield compressed frames; HDF5 itself compresses them, in memory."""
    import h5py
    import hdf5plugin

    with h5py.File("frames in memory", "w", driver="core", backing_store=False) as file:
        # h5py has one lock for all: rendering is what is done side by side
        data = file.create_dataset(
            "data", (1, *shape), np.uint32, chunks=(1, *shape), **hdf5plugin.Bitshuffle(cname="lz4")
        )
        for image in images:
            data[0] = image
            data.flush()
            yield data.id.read_direct_chunk((0, 0, 0))[1]


def write_eiger_files(folder: Path, geometry: Geometry, chunks: Iterable[bytes], n_frames: int) -> list[Path]:
    """Write ``scan_data_000001.h5``... of 1000 frames each and ``scan_master.h5``; return them, that last."""
    import h5py
    import hdf5plugin

    shape = geometry.shape
    coming = iter(chunks)
    paths = []
    for number, start in enumerate(range(0, n_frames, _PER_FILE), 1):
        count = min(_PER_FILE, n_frames - start)
        paths.append(folder / f"scan_data_{number:06d}.h5")
        with _new(paths[-1]) as new:
            with new.writing() as file:
                entry = file.create_group("entry")
                entry.attrs["NX_class"] = "NXentry"
                group = entry.create_group("data")
                group.attrs["NX_class"] = "NXdata"
                data = group.create_dataset(
                    "data",
                    (count, *shape),
                    np.uint32,
                    chunks=(1, *shape),
                    **hdf5plugin.Bitshuffle(cname="lz4"),
                )
            for row in range(count):
                # Drawn here: signals must not wait for that.
                chunk = next(coming)
                with new.writing():
                    data.id.write_direct_chunk((row, 0, 0), chunk)
    paths.append(folder / "scan_master.h5")
    with _new(paths[-1]) as new, new.writing() as master:
        _describe_eiger(master, geometry)
        links = master["entry"].create_group("data")
        links.attrs["NX_class"] = "NXdata"
        for number, path in enumerate(paths[:-1], 1):
            links[f"data_{number:06d}"] = h5py.ExternalLink(path.name, "/entry/data/data")
    return paths


@contextmanager
def _new(path: Path) -> Iterator[ShelteredHdf5]:
    """Yield a new file, to be closed at the end of the block; raises OSError if the disk refuses."""
    path.touch(exist_ok=False)
    new = ShelteredHdf5(path)
    try:
        yield new
        new.close()
    finally:
        new.discard()


def _describe_eiger(master: h5py.File, geometry: Geometry) -> None:
    """Write the facts that a DCU writes, as far as they have a meaning here."""
    entry = master.create_group("entry")
    entry.attrs["NX_class"] = "NXentry"
    instrument = entry.create_group("instrument")
    instrument.attrs["NX_class"] = "NXinstrument"
    known = geometry.detector
    center1, center2 = geometry.beam_center()
    facts: dict[str, dict[str, tuple[float | str, str]]] = {
        "beam": {"incident_wavelength": ((geometry.wavelength or 0.0) * 1e10, "angstrom")},
        "detector": {
            "description": (f"Dectris {known.name}", ""),
            "x_pixel_size": (known.pixel2, "m"),
            "y_pixel_size": (known.pixel1, "m"),
            "beam_center_x": (center2, "pixel"),
            "beam_center_y": (center1, "pixel"),
            "detector_distance": (geometry.dist, "m"),
            "count_time": (_PERIOD * 0.9, "s"),
            "frame_time": (_PERIOD, "s"),
        },
    }
    for group_name, values in facts.items():
        group = instrument.create_group(group_name)
        group.attrs["NX_class"] = f"NX{group_name}"
        for name, (value, units) in values.items():
            group[name] = value
            if units:
                group[name].attrs["units"] = units
