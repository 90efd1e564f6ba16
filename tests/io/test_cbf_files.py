import os
import re
from pathlib import Path

import fabio
import numpy as np
import pytest
from fabio.compression import compByteOffset, decByteOffset
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aureole.errors import FrameCorrupt, FrameError, FrameMissing, OutputError, SpecError
from aureole.frames import Encoding
from aureole.io.cbf import CbfFiles, parse_cbf, read_cbf
from aureole.io.cbf_write import encode_byte_offset, format_cbf, write_cbf

REAL = [
    "powder/ceo2_pilatus2m/CeO2.cbf",
    "powder/ceo2_pilatus2m_cdte/103852-pilatus2M-files/00001.cbf",
    "powder/ceo2_pilatus2m_cdte/103853-pilatus2M-files/00001.cbf",
]
SMALL = format_cbf(
    np.arange(35, dtype=np.int32).reshape(5, 7) * 40, "# Wavelength 0.1 A\n# Exposure_time 0.5 s"
)


@pytest.mark.parametrize("name", REAL)
def test_real_frames_are_what_fabio_reads(data, pixels, name):
    frame = read_cbf(data / name, check_md5=True)
    image = fabio.open(str(data / name)).data
    assert frame.encoding is Encoding.BYTE_OFFSET
    assert frame.shape == image.shape == (1679, 1475)
    assert frame.dtype == image.dtype == np.int32
    assert np.array_equal(pixels(frame), image)


def test_real_header(data):
    header = read_cbf(data / REAL[1]).header
    assert header["Wavelength"] == "0.61995 A"
    assert header["Detector"] == "PILATUS3 2M, S/N 24-0134"
    assert header["Tau"] == "0 s"
    assert header["N_excluded_pixels"] == "1014"
    assert header["Date"] == "2021-03-12T16:59:41.725"
    assert header["_array_data.header_convention"] == "PILATUS_1.2"
    assert header["X-Binary-Size"] == "4142703"
    assert dict(CbfFiles([str(data / REAL[1])]).header(0)) == dict(header)


def test_payload_is_a_view_of_what_was_read():
    frame = parse_cbf(SMALL)
    assert isinstance(frame.payload, memoryview)
    assert frame.payload.obj is SMALL


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4"])
def test_fabio_reads_what_we_write(tmp_path, dtype):
    info = np.iinfo(dtype)
    rng = np.random.default_rng(3)
    image = rng.integers(info.min, info.max, (19, 23), dtype, endpoint=True)
    image[:9] //= 64
    write_cbf(tmp_path / "a.cbf", image, "# Exposure_time 0.1 s")
    found = fabio.open(str(tmp_path / "a.cbf"))
    assert np.array_equal(found.data, image)
    assert found.data.dtype == image.dtype
    assert "Exposure_time 0.1 s" in found.header["_array_data.header_contents"]


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4"])
def test_we_read_what_fabio_writes(tmp_path, pixels, dtype):
    image = np.arange(19 * 23).reshape(19, 23).astype(dtype)
    fabio.cbfimage.CbfImage(data=image, header={"Exposure_time": "0.1 s"}).write(str(tmp_path / "a.cbf"))
    frame = read_cbf(tmp_path / "a.cbf", check_md5=True)
    assert frame.dtype == image.dtype
    assert np.array_equal(pixels(frame), image)
    assert frame.header["Exposure_time"] == "0.1 s"


def steps() -> st.SearchStrategy[int]:
    widths = st.sampled_from([7, 8, 15, 16, 31, 32, 40, 62])
    edges = widths.flatmap(
        lambda bits: st.sampled_from([-(2**bits) - 1, -(2**bits), -(2**bits) + 1, 2**bits - 1, 2**bits])
    )
    return st.one_of(st.integers(-3, 3), edges)


def test_fabio_reads_what_we_write_without_a_header(tmp_path):
    image = np.arange(12, dtype=np.int32).reshape(3, 4)
    write_cbf(tmp_path / "a.cbf", image)
    assert np.array_equal(fabio.open(str(tmp_path / "a.cbf")).data, image)


@pytest.mark.parametrize("dtype", [np.int32, np.uint32])
def test_differences_beyond_the_type_wrap_as_fabio_has_it(dtype):
    info = np.iinfo(dtype)
    image = np.array([info.min, info.max, info.min + 1, 5, info.max - 4, info.min + 9], dtype)
    payload = encode_byte_offset(image)
    decoded = np.asarray(decByteOffset(payload, image.size, np.int64)).astype(dtype)
    assert np.array_equal(decoded, image)


@given(st.lists(steps(), min_size=1, max_size=60))
def test_encoder_is_fabios_bit_for_bit(deltas):
    values = np.array([int(v) for v in np.cumsum(np.array(deltas, object))], object)
    if not all(-(2**63) <= value < 2**63 for value in values):
        return
    image = values.astype(np.int64)
    assert encode_byte_offset(image) == bytes(compByteOffset(image))


@given(hnp.arrays(np.int32, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_write_and_read_any_image(image):
    frame = parse_cbf(format_cbf(image), check_md5=True)
    assert frame.shape == image.shape
    decoded = np.asarray(decByteOffset(bytes(frame.payload), image.size)).astype(np.int32)
    assert np.array_equal(decoded, image.ravel())


@pytest.mark.parametrize(
    ("image", "text"),
    [
        (np.zeros((2, 2)), "integers of up to 32 bits, not of float64"),
        (np.zeros((2, 2), np.int64), "integers of up to 32 bits, not of int64: convert"),
        (np.zeros((2, 2), np.uint64), "not of uint64"),
        (np.zeros((2, 2), bool), "not of bool"),
        (np.zeros(3, np.int32), "one image"),
        (np.zeros((0, 3), np.int32), "one image"),
    ],
)
def test_what_no_cbf_can_hold(image, text):
    with pytest.raises(SpecError, match=text):
        format_cbf(image)


def test_the_encoder_refuses_what_no_difference_can_hold():
    with pytest.raises(SpecError, match=r"2\^63"):
        encode_byte_offset(np.full((2, 2), 2**63, np.uint64))


def test_header_that_is_not_latin():
    with pytest.raises(SpecError, match="Latin-1"):
        format_cbf(np.zeros((2, 2), np.int32), "# Sample Ωμέγα")


def test_writing_never_replaces(tmp_path):
    (tmp_path / "a.cbf").write_text("precious")
    with pytest.raises(OutputError, match="exists already"):
        write_cbf(tmp_path / "a.cbf", np.zeros((2, 2), np.int32))
    assert (tmp_path / "a.cbf").read_text() == "precious"
    write_cbf(tmp_path / "a.cbf", np.zeros((2, 2), np.int32), overwrite=True)
    assert read_cbf(tmp_path / "a.cbf").shape == (2, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["a.cbf"]


def edited(pattern: str, replacement: str, data: bytes = SMALL) -> bytes:
    head, marker, rest = data.partition(b"\x0c\x1a\x04\xd5")
    changed = re.sub(pattern, replacement, head.decode("latin-1"), flags=re.S)
    assert changed.encode("latin-1") != head
    return changed.encode("latin-1") + marker + rest


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"II*\0" + bytes(500), "not a CBF"),
        (SMALL[:60], "ends before its binary section"),
        (SMALL[: SMALL.index(b"\x0c\x1a\x04\xd5")], "no start of the pixels"),
        (SMALL[: SMALL.index(b"\x0c\x1a\x04\xd5") + 20], r"truncated: 16 of \d+ bytes"),
        (edited(r"X-Binary-Size: \d+\r\n", ""), "no X-Binary-Size"),
        (edited(r"X-Binary-Size: \d+", "X-Binary-Size: -5"), "no number"),
        (edited(r"X-Binary-Size: \d+", "X-Binary-Size: 99999999999"), "truncated: .* of 99999999999"),
        (edited(r"X-Binary-Size: \d+", "X-Binary-Size: " + "9" * 400), "no number"),
        (edited(r"X-Binary-Size: \d+", "X-Binary-Size: 3"), "cannot be 3 bytes"),
        (edited("Fastest-Dimension: 7", "Fastest-Dimension: 0"), "5 x 0 pixels"),
        (edited("Fastest-Dimension: 7", "Fastest-Dimension: 700000000"), "and 35 elements"),
        (
            edited(r"X-Binary-Number-of-Elements: 35\r\n(.*)Dimension: 7", r"\1Dimension: 9999999999"),
            "cannot be",
        ),
        (edited("Number-of-Elements: 35", "Number-of-Elements: 36"), "5 x 7 pixels and 36 elements"),
        (edited("signed 32-bit integer", "signed 12-bit integer"), "12-bit integer' cannot be read"),
        (
            edited("signed 32-bit integer", "signed 64-bit integer"),
            "of int64 cannot be read, only of up to 32",
        ),
        (edited("signed 32-bit integer", "signed 32-bit real IEEE"), "of float32 cannot be read"),
        (edited("x-CBF_BYTE_OFFSET", "x-CBF_PACKED"), "'x-cbf_packed' cannot be read"),
        (edited("x-CBF_BYTE_OFFSET", "x-CBF_NONE"), "cannot be"),
        (edited("BINARY\r\n", "BASE64\r\n"), "'BASE64' cannot be read"),
        (edited("LITTLE_ENDIAN", "BIG_ENDIAN"), "big-endian"),
        (edited("X-Binary-Size-Padding", "X-Binary-Size-Third-Dimension"), "holds 4095 images"),
    ],
)
def test_each_fault_has_its_reason(data, reason):
    with pytest.raises(FrameCorrupt, match=reason) as caught:
        parse_cbf(data, "frame 12")
    assert caught.value.name == "frame 12"
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_md5_is_checked_only_if_asked_for():
    damaged = bytearray(SMALL)
    damaged[SMALL.index(b"\x0c\x1a\x04\xd5") + 5] ^= 1
    parse_cbf(bytes(damaged))
    with pytest.raises(FrameCorrupt, match="MD5 of the pixels is"):
        parse_cbf(bytes(damaged), check_md5=True)
    with pytest.raises(FrameCorrupt, match="no Content-MD5"):
        parse_cbf(edited(r"Content-MD5: \S+\r\n", ""), check_md5=True)


@pytest.mark.parametrize(("order", "code"), [("LITTLE_ENDIAN", "<"), ("BIG_ENDIAN", ">")])
def test_uncompressed(pixels, order, code):
    image = np.arange(35, dtype=np.uint16).reshape(5, 7) * 1000
    stored = image.astype(f"{code}u2").tobytes()
    mime = (
        "###CBF: VERSION 1.5\r\n_array_data.data\r\n;\r\n--CIF-BINARY-FORMAT-SECTION--\r\n"
        'Content-Type: application/octet-stream;\r\n     conversions="x-CBF_NONE"\r\n'
        f'X-Binary-Size: {len(stored)}\r\nX-Binary-Element-Type: "unsigned 16-bit integer"\r\n'
        f"X-Binary-Element-Byte-Order: {order}\r\n"
        "X-Binary-Size-Fastest-Dimension: 7\r\nX-Binary-Size-Second-Dimension: 5\r\n\r\n"
    )
    frame = parse_cbf(mime.encode() + b"\x0c\x1a\x04\xd5" + stored)
    assert frame.encoding is Encoding.RAW
    assert np.array_equal(pixels(frame), image)


@given(st.integers(0, len(SMALL) - 1), st.booleans())
def test_truncation_is_a_frame_error_or_harmless(length, check):
    try:
        frame = parse_cbf(SMALL[:length], check_md5=check)
    except FrameError:
        return
    assert bytes(frame.payload) == bytes(parse_cbf(SMALL).payload)


@given(st.data())
def test_a_mangled_header_never_does_harm(draw):
    data = bytearray(SMALL)
    end = SMALL.index(b"\x0c\x1a\x04\xd5") + 4
    for _ in range(draw.draw(st.integers(1, 6))):
        at = draw.draw(st.integers(0, end - 1))
        size = draw.draw(st.integers(0, 12))
        data[at : at + size] = draw.draw(st.binary(max_size=12))
    try:
        frame = parse_cbf(bytes(data), check_md5=draw.draw(st.booleans()))
    except FrameError:
        return
    assert frame.shape[0] * frame.shape[1] <= len(data)
    assert isinstance(dict(frame.header), dict)


@given(st.dictionaries(st.sampled_from(["Size", "Fast", "Second", "Number"]), st.integers(0, 10**30)))
def test_numbers_in_the_header_allocate_nothing(numbers):
    data = SMALL
    fields = {
        "Size": "X-Binary-Size",
        "Fast": "X-Binary-Size-Fastest-Dimension",
        "Second": "X-Binary-Size-Second-Dimension",
        "Number": "X-Binary-Number-of-Elements",
    }
    for key, value in numbers.items():
        data = re.sub(rf"{fields[key]}: \d+".encode(), f"{fields[key]}: {value}".encode(), data)
    try:
        frame = parse_cbf(data)
    except FrameCorrupt:
        return
    assert frame.shape[0] * frame.shape[1] <= len(frame.payload) <= len(SMALL)


def test_what_is_no_file(tmp_path):
    with pytest.raises(FrameMissing, match="no such file"):
        read_cbf(tmp_path / "a.cbf")
    with pytest.raises(FrameCorrupt, match="not a file"):
        read_cbf(tmp_path)
    with pytest.raises(FrameCorrupt, match="null"):
        read_cbf(Path("a\0b.cbf"))


def test_a_pipe_that_nobody_writes_to_does_not_hang(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe.cbf")
    with pytest.raises(FrameCorrupt, match="not a file"):
        read_cbf(tmp_path / "pipe.cbf")


def test_a_huge_file_is_not_read(tmp_path):
    with (tmp_path / "huge.cbf").open("wb") as file:
        file.truncate(1 << 36)
    with pytest.raises(FrameCorrupt, match=r"64\.0 GiB"):
        read_cbf(tmp_path / "huge.cbf")


def test_an_image_that_is_too_large_is_refused_before_it_is_made(tmp_path):
    head = edited(r"X-Binary-Number-of-Elements: 35\r\n", "")
    for field, number in {"Fastest-Dimension": 70000, "Second-Dimension": 70000, "Size": 4900000000}.items():
        head = edited(rf"{field}: \d+", f"{field}: {number}", head)
    path = tmp_path / "large.cbf"
    path.write_bytes(head)
    os.truncate(path, 5_000_000_000)
    with pytest.raises(FrameCorrupt, match=r"70000 x 70000 pixels are 18\.3 GiB, too large"):
        CbfFiles([str(path)]).read(0)


def test_header_is_read_without_the_pixels_even_if_it_is_long(tmp_path):
    text = "\n".join(f"# Key_{i} {i}" for i in range(3000))
    (tmp_path / "a.cbf").write_bytes(format_cbf(np.zeros((3, 3), np.int32), text))
    header = CbfFiles([str(tmp_path / "a.cbf")]).header(0)
    assert header["Key_2999"] == "2999"
    (tmp_path / "b.cbf").write_bytes(b"###CBF: VERSION 1.5\r\n")
    with pytest.raises(FrameCorrupt):
        CbfFiles([str(tmp_path / "b.cbf")]).header(0)
