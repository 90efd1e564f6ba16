"""Crystallographic binary files: one frame a file, as Pilatus detectors write them.

A file is CIF text, then a binary section: MIME lines, the four bytes 0C 1A 04 D5, and ``X-Binary-Size`` bytes
of pixels. Reading finds the pixels and leaves them as they are.
"""

from __future__ import annotations

import os
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import md5
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aureole.errors import FrameCorrupt, refused
from aureole.frames import EncodedFrame, Encoding, FilePart
from aureole.io.buffers import read_at
from aureole.io.store import LARGEST_FRAME, Address, Store

SECTION = b"--CIF-BINARY-FORMAT-SECTION--"
MARKER = b"\x0c\x1a\x04\xd5"
_SHOWN = 60
_HEAD = 1 << 13
"""Bytes in which the header of a detector ends; the search goes on where it does not."""

_ELEMENT_TYPES = {
    f"{sign} {bits}-bit integer": np.dtype(f"{code}{bits // 8}")
    for sign, code in (("signed", "i"), ("unsigned", "u"))
    for bits in (8, 16, 32, 64)
}
_ELEMENT_TYPES |= {
    f"{prefix}{bits}-bit real{suffix}": np.dtype(f"f{bits // 8}")
    for prefix in ("", "signed ")
    for bits in (32, 64)
    for suffix in ("", " ieee")
}

_MINI_LINE = re.compile(r"#?\s*([^\s:=]+)\s*[:=]?\s*(.*)")
_DATE = re.compile(r"\d{4}[-/]\w{2,3}[-/]\d\d[T ]\d\d:\d\d")


class CbfHeader(Mapping[str, str]):
    """What a CBF says of its frame; the text is taken apart when the first entry is asked for.

    The mini-header's lines ("# Wavelength 0.1 A") become entries ("Wavelength": "0.1 A"), the line that is
    only a date becomes "Date"; CIF items ("_array_data.header_convention") and MIME fields keep their names.

    Parameters
    ----------
    text : bytes
        Everything in front of the binary section.
    mime : dict
        The fields of the binary section.
    """

    __slots__ = ("_entries", "_mime", "_text")

    def __init__(self, text: bytes, mime: Mapping[str, str]) -> None:
        self._text = text
        self._mime = mime
        self._entries: dict[str, str] | None = None

    def _all(self) -> dict[str, str]:
        if self._entries is None:
            self._entries = {**_cif_entries(self._text.decode("latin-1")), **_titled(self._mime)}
        return self._entries

    def __getitem__(self, key: str) -> str:
        return self._all()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __repr__(self) -> str:
        return f"CbfHeader({self._all()!r})"


def _cif_entries(text: str) -> dict[str, str]:
    entries: dict[str, str] = {}
    in_text_field = False
    for raw in text.splitlines():
        line = raw.strip()
        if raw.startswith(";"):
            in_text_field = not in_text_field
            line = line[1:].strip()
        if not line:
            continue
        if in_text_field:
            _add_mini_line(entries, line)
        elif line.startswith("_"):
            key, _, value = line.partition(" ")
            bare = value.strip().strip("\"'")
            if bare.startswith("#"):
                # A mini-header of one line may stand beside its item instead of in a text field.
                _add_mini_line(entries, bare)
            elif bare:
                entries[key] = bare
    return entries


def _add_mini_line(entries: dict[str, str], line: str) -> None:
    bare = line.lstrip("#").strip()
    if _DATE.match(bare):
        entries.setdefault("Date", bare)
        return
    match = _MINI_LINE.match(bare)
    if match:
        entries.setdefault(match[1], match[2].strip())


def parse_cbf(data: bytes | memoryview[int], name: str = "frame", *, check_md5: bool = False) -> EncodedFrame:
    """Find the pixels in the bytes of a CBF file; nothing is copied or decoded.

    Parameters
    ----------
    data : bytes or memoryview
        The whole file.
    name : str
        For messages.
    check_md5 : bool
        Compare the pixels with the ``Content-MD5`` of the file.

    Returns
    -------
    EncodedFrame
        Its payload is a view of `data`; byte-offset frames stay encoded, uncompressed ones are raw.

    Raises
    ------
    FrameCorrupt
        Empty, truncated, not a CBF, compressed in a way that is not byte-offset, or contradicting itself.
    """
    found = _describe(*_sections(data), len(data), name)
    stored = memoryview(data)[found.start : found.start + found.size]
    if check_md5:
        _check_md5(stored, found.mime, name)
    payload: memoryview[int] | NDArray[np.uint8] = stored
    if found.swapped:
        payload = np.frombuffer(stored, found.dtype.newbyteorder(">")).astype(found.dtype).view(np.uint8)
    return EncodedFrame(payload, found.encoding, found.shape, found.dtype, name, found.header)


class _Section(NamedTuple):
    """What a header says of its pixels: how they are stored, and where in the file."""

    encoding: Encoding
    shape: tuple[int, int]
    dtype: np.dtype[np.generic]
    start: int
    size: int
    swapped: bool
    mime: Mapping[str, str]
    header: CbfHeader


def _describe(head: bytes, section: int, marker: int, total: int, name: str) -> _Section:
    """Read the header of a file of `total` bytes; raises as `parse_cbf`."""
    if not total:
        raise FrameCorrupt(name, "empty file")
    if section < 0:
        what = "ends before its binary section" if head.startswith(b"###CBF") else "not a CBF file"
        raise FrameCorrupt(name, f"{what} (no CIF-BINARY-FORMAT-SECTION in {total} bytes)")
    if marker < 0:
        raise FrameCorrupt(name, f"no start of the pixels (bytes 0C 1A 04 D5) in {total} bytes")
    mime = _mime_fields(head[section + len(SECTION) : marker])
    shape = _shape(mime, name)
    dtype = _dtype(mime, name)
    encoding = _encoding(mime, name)
    if encoding is Encoding.BYTE_OFFSET and not (dtype.kind in "iu" and dtype.itemsize <= 4):
        raise FrameCorrupt(name, f"byte-offset compression of {dtype} cannot be read, only of up to 32 bits")
    start = marker + len(MARKER)
    size = _number(mime, "X-Binary-Size", name)
    if start + size > total:
        raise FrameCorrupt(name, f"truncated: {total - start} of {size} bytes of pixels are there")
    # Every pixel takes at least one byte, so what is there bounds what may be promised.
    pixels = shape[0] * shape[1]
    least = pixels * (dtype.itemsize if encoding is Encoding.RAW else 1)
    if size < least or (encoding is Encoding.RAW and size > least):
        raise FrameCorrupt(name, f"{shape[0]} x {shape[1]} pixels of {dtype} cannot be {size} bytes")
    if pixels * dtype.itemsize > LARGEST_FRAME:
        gibibytes = pixels * dtype.itemsize / 2**30
        raise FrameCorrupt(
            name, f"{shape[0]} x {shape[1]} pixels are {gibibytes:.1f} GiB, too large for one frame"
        )
    swapped = encoding is Encoding.RAW and mime.get("x-binary-element-byte-order", "").upper() == "BIG_ENDIAN"
    return _Section(encoding, shape, dtype, start, size, swapped, mime, CbfHeader(head[:section], mime))


def _sections(data: bytes | memoryview[int]) -> tuple[bytes, int, int]:
    """Find where the binary section begins, and the marker of its pixels; -1 where there is none."""
    for size in (_HEAD, len(data)):
        head = bytes(data[:size])
        section = head.find(SECTION)
        marker = head.find(MARKER, section) if section >= 0 else -1
        if marker >= 0:
            break
    return head, section, marker


def _mime_fields(block: bytes) -> dict[str, str]:
    """Take the MIME lines apart; names in lower case, since their case means nothing."""
    fields: dict[str, str] = {}
    last = ""
    for line in block.decode("latin-1").split("\n"):
        if line[:1] in (" ", "\t"):
            if last:
                fields[last] += " " + line.strip()
            continue
        key, colon, value = line.partition(":")
        if colon:
            last = key.strip().lower()
            fields[last] = value.strip()
    return fields


def _titled(mime: Mapping[str, str]) -> dict[str, str]:
    return {"-".join(map(_title, key.split("-"))): value for key, value in mime.items()}


def _title(word: str) -> str:
    return {"id": "ID", "md5": "MD5", "of": "of"}.get(word, word.capitalize())


def _number(mime: Mapping[str, str], field: str, name: str) -> int:
    text = mime.get(field.lower())
    if text is None:
        raise FrameCorrupt(name, f"the header has no {field}")
    # int() takes signs, underscores and thousands of digits; a header has none of them.
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise FrameCorrupt(name, f"{field} is {text[:_SHOWN]!r}, which is no number")
    return int(text)


def _shape(mime: Mapping[str, str], name: str) -> tuple[int, int]:
    fast = _number(mime, "X-Binary-Size-Fastest-Dimension", name)
    slow = _number(mime, "X-Binary-Size-Second-Dimension", name)
    if slow * fast == 0:
        raise FrameCorrupt(name, f"the header says {slow} x {fast} pixels")
    if "x-binary-size-third-dimension" in mime:
        depth = _number(mime, "X-Binary-Size-Third-Dimension", name)
        if depth > 1:
            raise FrameCorrupt(name, f"holds {depth} images in one binary section; only one can be read")
    if "x-binary-number-of-elements" in mime:
        elements = _number(mime, "X-Binary-Number-of-Elements", name)
        if elements != slow * fast:
            raise FrameCorrupt(name, f"the header says {slow} x {fast} pixels and {elements} elements")
    return slow, fast


def _dtype(mime: Mapping[str, str], name: str) -> np.dtype[np.generic]:
    # CBFlib takes this type where a file names none.
    text = mime.get("x-binary-element-type", "unsigned 32-bit integer").strip("\"' ")
    dtype = _ELEMENT_TYPES.get(" ".join(text.lower().split()))
    if dtype is None:
        raise FrameCorrupt(name, f"pixels of type {text[:_SHOWN]!r} cannot be read")
    return dtype


def _encoding(mime: Mapping[str, str], name: str) -> Encoding:
    transfer = mime.get("content-transfer-encoding", "BINARY").strip("\"' ")
    if transfer.upper() != "BINARY":
        raise FrameCorrupt(name, f"transfer encoding {transfer[:_SHOWN]!r} cannot be read, only BINARY")
    match = re.search(r"conversions\s*=\s*\"?([^\s\";]+)", mime.get("content-type", ""), re.IGNORECASE)
    conversion = match[1].lower() if match else "x-cbf_none"
    if conversion == "x-cbf_byte_offset":
        if mime.get("x-binary-element-byte-order", "").upper() == "BIG_ENDIAN":
            raise FrameCorrupt(name, "big-endian byte-offset compression cannot be read")
        return Encoding.BYTE_OFFSET
    if conversion == "x-cbf_none":
        return Encoding.RAW
    raise FrameCorrupt(name, f"compression {conversion[:_SHOWN]!r} cannot be read, only byte-offset and none")


def _check_md5(payload: memoryview[int], mime: Mapping[str, str], name: str) -> None:
    promised = mime.get("content-md5")
    if promised is None:
        raise FrameCorrupt(name, "the MD5 check was asked for and the file has no Content-MD5")
    found = b64encode(md5(payload, usedforsecurity=False).digest()).decode()
    if found != promised.strip("\"' "):
        raise FrameCorrupt(name, f"MD5 of the pixels is {found}, the header says {promised[:_SHOWN]}")


@contextmanager
def _opened(path: str) -> Iterator[tuple[int, os.stat_result]]:
    """Open an ordinary file; whatever is wrong with it or with reading it becomes a `FrameError`."""
    try:
        # Without O_NONBLOCK a named pipe that nobody writes to would wait for ever here.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            if not S_ISREG(status.st_mode):
                raise FrameCorrupt(path, "not a file")
            yield descriptor, status
        finally:
            os.close(descriptor)
    except OSError as error:
        raise refused(path, error) from None
    except ValueError as error:
        raise FrameCorrupt(path, f"cannot be read ({error})") from None


def read_bytes(path: str) -> memoryview[int]:
    """Read a file whole.

    Raises
    ------
    FrameMissing
        There is no such file.
    FrameCorrupt
        It cannot be read, or is not an ordinary file.
    """
    with _opened(path) as (descriptor, status):
        if status.st_size > LARGEST_FRAME:
            raise FrameCorrupt(path, f"{status.st_size / 2**30:.1f} GiB is too large for one frame")
        return read_at(descriptor, status.st_size)


def locate_cbf(path: str) -> EncodedFrame:
    """Read the header of a CBF file; the pixels stay in the file until they are decoded.

    Raises
    ------
    FrameMissing, FrameCorrupt
        As `read_cbf`.
    """
    with _opened(path) as (descriptor, status):
        head, section, marker = _sections(os.pread(descriptor, _HEAD, 0))
    if marker < 0 and status.st_size > len(head):  # a long header, or none
        return parse_cbf(read_bytes(path), path)
    found = _describe(head, section, marker, status.st_size, path)
    if found.swapped:
        return parse_cbf(read_bytes(path), path)
    payload = FilePart.of(path, found.start, found.size, status)
    return EncodedFrame(payload, found.encoding, found.shape, found.dtype, path, found.header)


def read_cbf(path: str | Path, *, check_md5: bool = False) -> EncodedFrame:
    """Read a CBF file without decoding it; see `parse_cbf` for what is raised.

    Raises
    ------
    FrameMissing
        There is no such file.
    FrameCorrupt
        It is not a CBF that can be read.
    """
    name = str(path)
    return parse_cbf(read_bytes(name), name, check_md5=check_md5)


class CbfFiles(Store):
    """A series of CBF files, each opened only when its frame is read.

    Parameters
    ----------
    paths : sequence of str
        One a frame.
    check_md5 : bool
        Compare each frame with its MD5.
    """

    def __init__(self, paths: Sequence[str], *, check_md5: bool = False) -> None:
        self._paths = list(paths)
        self._check_md5 = check_md5

    def __len__(self) -> int:
        return len(self._paths)

    def read(self, index: int) -> EncodedFrame:
        """Read one frame, but leave its pixels in the file until they are decoded; raises as `parse_cbf`."""
        path = self._paths[index]
        if self._check_md5:
            return parse_cbf(read_bytes(path), path, check_md5=True)
        return locate_cbf(path)

    def header(self, index: int) -> Mapping[str, str]:
        """Read what one file says of its frame, without the pixels."""
        return locate_cbf(self._paths[index]).header

    def name(self, index: int) -> str:
        """Return the path of one frame."""
        return self._paths[index]

    def address(self, index: int) -> Address:
        """Return where one frame is."""
        return Address(self._paths[index])

    def files(self) -> list[str]:
        """Return the paths."""
        return self._paths
