"""Single images and geometries: masks, darks, flats, PONI files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aureole.errors import FormatError, FrameError, GeometryError, InputError
from aureole.frames import EncodedFrame, Encoding
from aureole.geometry import Detector, Geometry, parse_poni
from aureole.io.series import open_frames
from aureole.io.sniff import what_is

_LARGEST_PONI = 1 << 20


def load(path: str | os.PathLike[str]) -> Geometry:
    """Read a geometry from a PONI file.

    Parameters
    ----------
    path : path
        The file; the last value of each key counts, where several calibrations were appended. A detector file
        that it names is looked for there, and beside the PONI file.

    Returns
    -------
    Geometry

    Raises
    ------
    FormatError
        The file cannot be read or is not a PONI file.
    GeometryError
        It describes a geometry that cannot be.
    """
    name = os.fspath(path)
    try:
        with Path(name).open("rb") as file:
            data = file.read(_LARGEST_PONI + 1)
        if len(data) > _LARGEST_PONI:
            raise FormatError(f"{name}: too large for a PONI file")
        text = data.decode("utf-8")
    except OSError as error:
        raise FormatError(f"{name}: cannot be read ({error.strerror or error})") from None
    except UnicodeDecodeError:
        raise FormatError(f"{name}: not a PONI file (not text)") from None
    except ValueError:
        raise FormatError(f"{name!r}: cannot be the name of a file") from None

    def open_detector(file: str) -> Detector:
        from aureole.io.detector_files import load_detector

        beside = Path(name).parent / file
        return load_detector(beside if what_is(file) == "nothing" and what_is(beside) == "file" else file)

    try:
        return parse_poni(text, open_detector=open_detector)
    except (GeometryError, FormatError) as error:
        raise type(error)(f"{name}: {error}") from None


def read_image(source: str | os.PathLike[str]) -> NDArray[np.generic]:
    """Read one image: a mask, a dark, a flat.

    Parameters
    ----------
    source : path
        Any file of one frame: EDF, TIFF, CBF..., ``.npy``, or ``file.h5::/path``.

    Returns
    -------
    ndarray, shape (slow, fast)

    Raises
    ------
    InputError
        It cannot be read, or holds several images.
    """
    name = os.fspath(source)
    if Path(name).suffix.lower() == ".npy":
        return _read_npy(name)
    with open_frames(name) as frames:
        if len(frames) != 1:
            raise InputError(f"{name}: holds {len(frames)} images where one is needed")
        try:
            return to_array(frames[0])
        except FrameError as error:
            raise FormatError(str(error)) from None


def _read_npy(name: str) -> NDArray[np.generic]:
    try:
        # A memory map does not believe a header that promises more than the file holds.
        image = np.array(np.load(name, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise FormatError(f"{name}: cannot be read ({reason.splitlines()[0][:160]})") from None
    if image.ndim != 2 or image.dtype.kind not in "biuf":
        raise FormatError(f"{name}: holds {image.dtype} of shape {image.shape} where one image is needed")
    return image


def to_array(frame: EncodedFrame) -> NDArray[np.generic]:
    """Decode a frame, shape ``frame.shape``.

    Raises
    ------
    FrameCorrupt
        Its payload is not what it promises.
    """
    if frame.encoding is Encoding.RAW:
        pixels = np.frombuffer(frame.encoded(), frame.dtype)
        if pixels.size == frame.shape[0] * frame.shape[1]:
            return pixels.reshape(frame.shape)
    from aureole.kernels import decode

    return decode(frame)
