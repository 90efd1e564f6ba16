"""Writing a detector to a NeXus file; `aureole.io.detector_files` says what is in it."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from aureole.errors import OutputError
from aureole.geometry import Detector
from aureole.geometry.recorded import Recorded
from aureole.io.hdf5_files import TROUBLES, why
from aureole.io.nexus import new_group, now
from aureole.io.publish import publication
from aureole.version import __version__

_API = "1.2"
"""Version of the description, as pyFAI counts them."""


def save_detector(detector: Detector, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write a detector to a NeXus file, which pyFAI reads too.

    Corners are written in float64 where they were read so, else in float32, which pyFAI works with.

    Parameters
    ----------
    detector : Detector
        It must know its shape.
    path : path
    overwrite : bool
        Whether a file of that name may be replaced.

    Raises
    ------
    GeometryError
        The shape is not known.
    OutputError
        The file exists, or cannot be written.
    """
    _ = detector.known_shape
    with publication(os.fspath(path), overwrite=overwrite) as temporary:
        try:
            with h5py.File(temporary, "w") as file:
                _write(file, detector)
        except TROUBLES as error:
            raise OutputError(f"{os.fspath(path)}: cannot be written ({why(error)})") from None


def _write(file: h5py.File, detector: Detector) -> None:
    file.attrs["NX_class"], file.attrs["default"] = "NXroot", "entry"
    entry = new_group(file, "entry", "NXentry")
    entry["start_time"] = now()
    entry["program_name"] = "aureole"
    entry["program_name"].attrs["version"] = __version__
    instrument = new_group(entry, "instrument", "NXinstrument")
    group = new_group(instrument, detector.name.replace(" ", "_").replace("/", "_"), "NXdetector")
    recorded = detector.recorded or Recorded("")
    stored = replace(detector, orientation=3)
    group["API_VERSION"] = np.bytes_(_API)
    group["IS_FLAT"] = detector.is_flat
    group["IS_CONTIGUOUS"] = detector.is_grid
    group["CORNERS"] = stored.corners(slice(0, 1)).shape[2]
    group["force_pixel"] = False
    group["pixel_size"] = np.array([detector.pixel1, detector.pixel2])
    group["pixel_size"].attrs["unit"] = group["pixel_size"].attrs["units"] = "m"
    for key in ("shape", "max_shape"):
        group[key] = np.array(detector.known_shape, np.int32)
    group["binning"] = np.array([1, 1], np.int32)
    group["orientation"] = np.int32(detector.orientation)
    if detector.invalid:
        low, high = min(detector.invalid), max(detector.invalid)
        group["dummy"] = (low + high) // 2
        group["delta_dummy"] = (high - low + 1) // 2 + 0.5
        group["invalid_values"] = np.array(detector.invalid, np.int64)
    if detector.sensor is not None:
        group["sensor_material"] = np.bytes_(detector.sensor.material)
        if detector.sensor.thickness is not None:
            group["sensor_thickness"] = detector.sensor.thickness
            group["sensor_thickness"].attrs["unit"] = "m"
    if detector.mask.any():
        _compressed(group, "mask", detector.mask.astype(np.int8))
    for key, named in (("flatfield", recorded.flat), ("darkcurrent", recorded.dark)):
        if named is not None:
            _compressed(group, key, named.array)
    uniform = detector.is_grid and detector.layout.wide == 1.0
    if not uniform:
        _write_corners(group, stored)


def _compressed(group: h5py.Group, key: str, array: NDArray[Any]) -> None:
    group.create_dataset(key, data=array, compression="gzip", shuffle=True)
    group[key].attrs["interpretation"] = "image"


def _write_corners(group: h5py.Group, stored: Detector) -> None:
    n1, n2 = stored.known_shape
    count = int(group["CORNERS"][()])
    listed = None if stored.recorded is None else stored.recorded.corners
    dtype = np.float32 if listed is None else listed.array.dtype
    step = max(1, min(n1, (1 << 16) // n2))
    corners = group.create_dataset(
        "pixel_corners",
        (n1, n2, count, 3),
        dtype,
        chunks=(step, n2, count, 3),
        compression="gzip",
        shuffle=True,
    )
    corners.attrs["interpretation"] = "vertex"
    corners.attrs["units"] = "m"
    for first in range(0, n1, step):
        rows = slice(first, first + step)
        corners[rows] = stored.corners(rows)[..., [2, 0, 1]]
