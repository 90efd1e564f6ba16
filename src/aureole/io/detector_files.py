"""Reading files that describe a detector: NeXus, as pyFAI writes it too, and texts of Fit2D and CrystFEL.

An ``NXdetector`` in an ``NXinstrument`` (or ``NXsubentry``) of an ``NXentry`` holds ``pixel_size`` (m),
``shape``, ``orientation`` and, where they are needed, ``pixel_corners`` of shape (n1, n2, 4 or 6, 3) along
(away, slow, fast) in metres, ``mask``, ``flatfield``, ``darkcurrent``, ``dummy`` and ``delta_dummy``,
``sensor_material`` and ``sensor_thickness`` (m).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from math import ceil, isfinite
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from aureole.arrays import NamedArray
from aureole.errors import FormatError, GeometryError, InputError
from aureole.geometry import Detector, Sensor
from aureole.geometry.catalogue import GENERIC
from aureole.geometry.distortion import parse_spline
from aureole.geometry.layout import MOST_PIXELS
from aureole.geometry.panels_file import is_panels_file, parse_panels
from aureole.geometry.recorded import Recorded
from aureole.io.hdf5_files import TROUBLES, open_file, why
from aureole.io.sniff import kind_of_content, what_is

_HOLDERS = ("NXinstrument", "NXsubentry")
_MOST_INVALID = 64
_START, _LARGEST_TEXT = 512, 1 << 22


def load_detector(path: str | os.PathLike[str]) -> Detector:
    """Read a detector from a NeXus file, a spline file of Fit2D or a geometry file of CrystFEL.

    Of several descriptions in a NeXus file that of the newest entry is taken.

    Parameters
    ----------
    path : path

    Returns
    -------
    Detector
        From a NeXus file its `recorded` holds the arrays, and its orientation is that of the file; from a
        spline file its `surface` is a `Distortion`. A CrystFEL file has the beam at the origin: there both
        poni1 and poni2 are 0.

    Raises
    ------
    FormatError
        The file cannot be read, or describes no detector.
    """
    name = os.fspath(path)
    if (text := _text_of(name)) is not None:
        try:
            return _from_text(text, name)
        except GeometryError as error:
            raise FormatError(f"{name}: {str(error).removeprefix(f'{name}: ')}") from None
    try:
        file = open_file(name)
    except FileNotFoundError:
        raise FormatError(f"{name}: no such file") from None
    with file:
        try:
            group = _find(file)
            if group is None:
                raise FormatError(f"{name}: holds no description of a detector (NXdetector)")
            return _read(group, name)
        except (*TROUBLES, AttributeError) as error:
            raise FormatError(f"{name}: its detector cannot be read ({why(error)})") from None
        except GeometryError as error:
            raise FormatError(f"{name}: {str(error).removeprefix(f'{name}: ')}") from None


def is_detector_file(path: str | os.PathLike[str]) -> bool:
    """Whether `load_detector` would find a detector in a file."""
    name = os.fspath(path)
    if kind_of_content(name) != "hdf5":
        return _text_of(name) is not None
    try:
        with open_file(name) as file:
            return _find(file) is not None
    except (*TROUBLES, AttributeError, InputError):
        return False


def _text_of(name: str) -> str | None:
    """Return the text of a spline file or of a geometry file of CrystFEL; None of any other file."""
    try:
        if what_is(name) != "file":
            return None
        with Path(name).open("rb") as file:
            start = file.read(_START)
            if b"\0" in start:
                return None
            text = (start + file.read(_LARGEST_TEXT)).decode("latin-1")
    except OSError:
        return None
    return text if _is_spline(text) or is_panels_file(text) else None


def _is_spline(text: str) -> bool:
    return "SPATIAL DISTORTION" in text[:_START].upper()


def _from_text(text: str, name: str) -> Detector:
    if _is_spline(text):
        distortion, shape, size = parse_spline(text, name)
        return Detector(GENERIC, *size, shape, surface=distortion)
    corners, pixel = parse_panels(text)
    recorded = Recorded(name, NamedArray(f"{name}::corners", corners))
    return Detector(Path(name).stem, pixel, pixel, recorded=recorded)


def _groups(parent: h5py.Group, *classes: str) -> Iterator[h5py.Group]:
    for key in list(parent):
        child = parent.get(key)
        if isinstance(child, h5py.Group) and _text(child.attrs.get("NX_class")) in classes:
            yield child


def _find(file: h5py.File) -> h5py.Group | None:
    entries = list(_groups(file, "NXentry"))
    entries.sort(key=lambda entry: _text(_value(entry, "start_time")), reverse=True)
    for entry in entries:
        for holder in _groups(entry, *_HOLDERS):
            for group in _groups(holder, "NXdetector"):
                # images of a detector stand in such a group too
                if "pixel_size" in group:
                    return group
    return None


def _value(group: h5py.Group, key: str) -> Any:
    """Return a small value; None where there is none."""
    found = group.get(key)
    if not isinstance(found, h5py.Dataset) or found.size is None or found.size > _MOST_INVALID:
        return None
    return found[()]


def _pair(group: h5py.Group, key: str) -> NDArray[Any]:
    """Return two finite numbers, of the slow and of the fast axis."""
    found = np.asarray(_value(group, key))
    if found.shape != (2,) or found.dtype.kind not in "uif" or not np.isfinite(found).all():
        raise ValueError(f"{key} is no pair of numbers")
    return found


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")


def _image(group: h5py.Group, key: str, ndim: int = 2) -> NDArray[Any] | None:
    found = group.get(key)
    if found is None:
        return None
    if not isinstance(found, h5py.Dataset) or found.ndim != ndim or found.dtype.kind not in "biuf":
        raise TypeError(f"{key} is no array of numbers with {ndim} axes")
    if (
        found.shape[0] * found.shape[1] > MOST_PIXELS
        or found.size == 0
        or max(found.shape[2:], default=0) > 6
    ):
        raise ValueError(f"{key} has shape {found.shape}")
    values: NDArray[Any] = found[()]
    return values


def _read(group: h5py.Group, name: str) -> Detector:
    pixel1, pixel2 = (float(size) for size in _pair(group, "pixel_size"))
    key = "shape" if "shape" in group else "max_shape"
    shape: tuple[int, int] | None = None
    if key in group:
        rows, columns = _pair(group, key)
        shape = int(rows), int(columns)
        if min(shape) < 1:
            raise ValueError(f"{key} is {shape}")
    images = {what: _image(group, key) for what, key in (("flat", "flatfield"), ("dark", "darkcurrent"))}
    mask, corners = _image(group, "mask"), _image(group, "pixel_corners", 4)
    for array in (mask, corners, *images.values()):
        if shape is None and array is not None:
            shape = array.shape[0], array.shape[1]
    if shape is None:
        raise ValueError("it has no shape")
    arrays = {
        what: NamedArray(f"{name}::{what}", array) for what, array in images.items() if array is not None
    }
    invalid = None if mask is None else mask != 0
    if corners is not None:
        corners = _binned(corners, shape)[..., [1, 2, 0]]
        arrays["corners"] = NamedArray(f"{name}::pixel_corners", corners)
    if invalid is not None and invalid.any():
        arrays["mask"] = NamedArray(f"{name}::mask", invalid)
    orientation = _value(group, "orientation")
    return Detector(
        str(group.name).rpartition("/")[2].replace("_", " "),
        pixel1,
        pixel2,
        shape,
        3 if orientation is None else int(orientation),
        _sensor(group),
        invalid=_invalid(group),
        recorded=Recorded(name, **arrays),
    )


def _binned(corners: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    """Return the corners of binned pixels, where the file has those of the pixels that they are made of."""
    n1, n2, count = corners.shape[:3]
    if (n1, n2) == shape:
        return corners
    step1, step2 = n1 // shape[0], n2 // shape[1]
    if count != 4 or (shape[0] * step1, shape[1] * step2) != (n1, n2):
        raise ValueError(f"corners of {n1} x {n2} pixels do not fit a detector of {shape[0]} x {shape[1]}")
    ends = [(0, 0), (step1 - 1, 0), (step1 - 1, step2 - 1), (0, step2 - 1)]
    sides = [corners[first::step1, second::step2, k] for k, (first, second) in enumerate(ends)]
    return np.stack(sides, axis=2)


def _sensor(group: h5py.Group) -> Sensor | None:
    material = _text(_value(group, "sensor_material"))
    thickness = _value(group, "sensor_thickness")
    return Sensor(material, None if thickness is None else float(thickness)) if material else None


def _invalid(group: h5py.Group) -> tuple[int, ...]:
    """Return the whole numbers that mean "no value": those that are less than delta_dummy from dummy."""
    if "invalid_values" in group:
        own = np.atleast_1d(_value(group, "invalid_values"))
        if own.dtype.kind not in "ui":
            raise ValueError(f"invalid_values are no whole numbers, at most {_MOST_INVALID}")
        return tuple(int(value) for value in own.reshape(-1))
    dummy, delta = _value(group, "dummy"), _value(group, "delta_dummy")
    if dummy is None or not isfinite(float(dummy)):
        return ()
    reach = 0 if delta is None else ceil(float(delta)) - 1
    if float(dummy) != int(dummy) or not 0 <= reach <= _MOST_INVALID:
        raise ValueError(f"dummy {dummy} and delta_dummy {delta} are no few whole numbers")
    return tuple(range(int(dummy) - reach, int(dummy) + reach + 1))
