"""What EPICS areaDetector says of a frame in private tags of a TIFF file, which readers of images skip."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import BinaryIO

_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_FIRST_PRIVATE = 65000
_TEXT = 2
_LONGEST_TEXT = 1 << 12
_ENTRY = re.compile(r"\s*([^:=]*[^:=\s])\s*[:=](.*)", re.DOTALL)


def attributes_of_tiff(path: str, image: int) -> dict[str, str]:
    """Return the attributes of one image of a TIFF file, such as motor positions.

    Each is the text ``name:value`` (or ``name=value``) in a tag of its own from 65000 on.

    Parameters
    ----------
    path : str
        Any file; one that is no TIFF file, or is damaged, has no attributes.
    image : int
        Which of its images.
    """
    try:
        with Path(path).open("rb") as file:
            return dict(filter(None, map(_named, _private_texts(file, image))))
    except (OSError, struct.error):
        return {}


def _named(text: str) -> tuple[str, str] | None:
    match = _ENTRY.fullmatch(text)
    return (match[1], match[2].strip()) if match else None


def _private_texts(file: BinaryIO, image: int) -> list[str]:
    order = _ORDERS.get(file.read(4))
    if order is None:
        return []
    for _ in range(image + 1):
        (offset,) = struct.unpack(order + "I", file.read(4))
        if not offset:
            return []
        file.seek(offset)
        (count,) = struct.unpack(order + "H", file.read(2))
        entries = file.read(12 * count)
    texts = []
    for tag, kind, length, value in struct.iter_unpack(order + "HHI4s", entries):
        if tag >= _FIRST_PRIVATE and kind == _TEXT and length <= _LONGEST_TEXT:
            if length > 4:
                file.seek(struct.unpack(order + "I", value)[0])
                value = file.read(length)
            texts.append(value[:length].partition(b"\0")[0].decode("utf-8", "replace"))
    return texts
