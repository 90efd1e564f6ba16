"""Writing CBF files as a Pilatus does: byte-offset compression, mini-header, MD5."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import md5
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aureole.errors import SpecError
from aureole.io.cbf import MARKER, SECTION
from aureole.io.publish import publication

_TYPE_NAMES = {
    np.dtype(f"{code}{bits // 8}"): f"{sign} {bits}-bit integer"
    for sign, code in (("signed", "i"), ("unsigned", "u"))
    for bits in (8, 16, 32)
}


def encode_byte_offset(image: NDArray[np.integer]) -> bytes:
    """Compress pixels by CBF byte-offset: the difference to the pixel before in 1, 3, 7 or 15 bytes.

    Parameters
    ----------
    image : ndarray of integers
        Any shape, taken in C order.

    Raises
    ------
    SpecError
        The pixels are not integers, or too large for a signed 64-bit difference.
    """
    if image.dtype.kind not in "iu":
        raise SpecError(f"byte-offset compression stores integers, not {image.dtype}")
    if image.dtype.itemsize == 8 and image.dtype.kind == "u" and image.size and image.max() >= 1 << 63:
        raise SpecError("byte-offset compression cannot store pixels of 2^63 and more")
    # A difference too large for the type wraps around here and back again in the decoder, as CBFlib has it;
    # so 32-bit images need 64-bit differences only for -2^31, which some decoders do not manage.
    pixels = image.reshape(-1).astype(np.int32 if image.dtype.itemsize <= 4 else np.int64)
    delta = np.diff(pixels, prepend=pixels.dtype.type(0))
    narrow = delta.astype(np.int8)
    where = np.flatnonzero((narrow != delta) | (narrow == -0x80))
    large = delta[where].astype(np.int64)
    # which differences need more than 1, 3 and 7 bytes, and none needs more than 15
    needs = [(large < -bound) | (large > bound) for bound in (0x7F, 0x7FFF, 0x7FFFFFFF, 1 << 63)]
    growth = needs[0] * 2 + needs[1] * 4 + needs[2] * 8
    start = where + np.cumsum(growth) - growth
    out = np.empty(delta.size + int(growth.sum()), np.uint8)
    ordinary = np.ones(out.size, np.bool_)
    narrow[where] = -0x80
    place = 1
    for stage, width in enumerate((2, 4, 8)):
        stored = needs[stage]
        at = start[stored][:, None] + place + np.arange(width)
        ordinary[at] = False
        # The lowest value of each type, little-endian, says that a wider one follows.
        value = np.where(needs[stage + 1], -(1 << (8 * width - 1)), large)[stored]
        out[at] = value.astype(f"<i{width}").view(np.uint8).reshape(-1, width)
        place += width
    out[ordinary] = narrow.view(np.uint8)
    return out.tobytes()


def format_cbf(image: NDArray[np.integer], header_text: str = "", *, name: str = "image") -> bytes:
    """Return the bytes of a CBF file like those of a Pilatus: byte-offset, with MD5.

    Detectors write no 64-bit pixels this way, and few programs could read them.

    Parameters
    ----------
    image : ndarray of integers
        Shape (slow, fast), of up to 32 bits.
    header_text : str
        Lines of the mini-header; the leading "# " is added where it is missing.
    name : str
        Of the CIF data block.

    Raises
    ------
    SpecError
        The image is not two-dimensional, empty or not made of integers of up to 32 bits; or the text cannot
        stand in a CBF.
    """
    if image.ndim != 2 or image.size == 0:
        raise SpecError(f"a CBF holds one image, not an array of shape {image.shape}")
    if image.dtype.newbyteorder("=") not in _TYPE_NAMES:
        raise SpecError(
            f"a CBF is written of integers of up to 32 bits, not of {image.dtype}: convert it first"
        )
    payload = encode_byte_offset(image)
    lines = [f"# {line.strip().lstrip('#').strip()}" for line in header_text.splitlines() if line.strip()]
    text = "".join(f"{line}\r\n" for line in lines)
    convention = '_array_data.header_convention "PILATUS_1.2"\r\n'
    # Readers stumble over a Pilatus header without lines.
    mini_header = f"{convention}_array_data.header_contents\r\n;\r\n{text};\r\n\r\n" if text else ""
    if SECTION.decode() in text:
        raise SpecError("a CBF header cannot hold the mark of its binary section")
    padding = 4095
    digest = b64encode(md5(payload, usedforsecurity=False).digest()).decode()
    head = (
        "###CBF: VERSION 1.5, Aureole\r\n\r\n"
        f"data_{re.sub(r'[^0-9A-Za-z_.-]', '_', name) or 'image'}\r\n\r\n"
        f"{mini_header}_array_data.data\r\n;\r\n{SECTION.decode()}\r\n"
        'Content-Type: application/octet-stream;\r\n     conversions="x-CBF_BYTE_OFFSET"\r\n'
        "Content-Transfer-Encoding: BINARY\r\n"
        f"X-Binary-Size: {len(payload)}\r\n"
        "X-Binary-ID: 1\r\n"
        f'X-Binary-Element-Type: "{_TYPE_NAMES[image.dtype.newbyteorder("=")]}"\r\n'
        "X-Binary-Element-Byte-Order: LITTLE_ENDIAN\r\n"
        f"Content-MD5: {digest}\r\n"
        f"X-Binary-Number-of-Elements: {image.size}\r\n"
        f"X-Binary-Size-Fastest-Dimension: {image.shape[1]}\r\n"
        f"X-Binary-Size-Second-Dimension: {image.shape[0]}\r\n"
        f"X-Binary-Size-Padding: {padding}\r\n\r\n"
    )
    tail = bytes(padding) + b"\r\n--CIF-BINARY-FORMAT-SECTION----\r\n;\r\n\r\n"
    try:
        return head.encode("latin-1") + MARKER + payload + tail
    except UnicodeEncodeError as error:
        raise SpecError(
            f"a CBF header is Latin-1 text and cannot hold {error.object[error.start]!r}"
        ) from None


def write_cbf(
    path: str | Path, image: NDArray[np.integer], header_text: str = "", *, overwrite: bool = False
) -> None:
    """Write an image as a CBF file, see `format_cbf`; the file appears whole or not at all.

    Raises
    ------
    OutputError
        It cannot be written, or exists and `overwrite` is not set.
    SpecError
        The image cannot be stored in a CBF.
    """
    data = format_cbf(image, header_text, name=Path(path).stem)
    with publication(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(data)
