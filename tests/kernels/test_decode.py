"""The decoders against fabio, hdf5plugin and their slow twin, on frames that are right and that are not."""

import subprocess
import sys
from itertools import product

import numpy as np
import pytest
from encoders import bitshuffle_lz4, frame
from fabio.compression import decByteOffset_cython
from hypothesis import given, settings
from hypothesis import strategies as st

from aureole.errors import FrameCorrupt
from aureole.frames import EncodedFrame, Encoding
from aureole.kernels import isas, reference
from aureole.kernels.cpu import decode

NARROW = [np.dtype(name) for name in ("i1", "u1", "i2", "u2", "i4", "u4")]
ALL = [*NARROW, *(np.dtype(name) for name in ("i8", "u8", "f4", "f8"))]
LENGTHS = [1, 2, 7, 8, 9, 15, 16, 31, 63, 64, 65, 66, 67, 127, 128, 129, 2047, 2048, 2049, 2111, 4096, 5000]

ANNOUNCE = {1: b"", 2: b"\x80", 4: b"\x80\x00\x80", 8: b"\x80\x00\x80\x00\x00\x00\x80"}
"""What comes before a difference of so many bytes."""

EDGES = [0, 1, -1, 127, -127, -128, 128, 129, -129, 0x80, 0x7F80, -0x7F80, -0x8080 + 0x10000, 0x0080, -32640]
EDGES += [32767, -32767, -32768, 32768, -32769, 0x008080, 0x800000, -0x7FFF80, 0x80008000 - (1 << 32)]
EDGES += [2**31 - 1, -(2**31) + 1, -(2**31), 2**31, 2**32 - 1, 2**63 - 1, -(2**63), 0x80808080 - (1 << 32)]


def widths(step):
    """Widths in bytes that can hold a difference; the lowest value of each announces a wider one."""
    return [width for width in (1, 2, 4) if abs(step) < 1 << (8 * width - 1)] + [8]


def difference(step, width):
    return ANNOUNCE[width] + step.to_bytes(width, "little", signed=True)


steps = st.one_of(st.integers(-127, 127), st.sampled_from(EDGES), st.integers(-(2**15), 2**15))
runs = st.tuples(steps, st.integers(0, 3), st.one_of(st.integers(1, 4), st.integers(1, 150)))


def payload_of(described):
    """Payload and number of pixels of runs (difference, how much wider than needed, times)."""
    payload, n = b"", 0
    for step, wider, times in described:
        fitting = widths(step)
        payload += difference(step, fitting[min(wider, len(fitting) - 1)]) * times
        n += times
    return payload, n


def encoded(payload, n_pixels, dtype="i4", encoding=Encoding.BYTE_OFFSET):
    return EncodedFrame(payload, encoding, (1, n_pixels), np.dtype(dtype))


def by_fabio(payload, n_pixels, dtype="i4"):
    return np.asarray(decByteOffset_cython(payload, n_pixels)).astype(dtype)


def kind(reason):
    """What a reason amounts to: the twin tells more about a chunk than the kernel does."""
    meanings = {"LZ4 block": "lz4", "chunk h": "header", "block size": "header", "data end": "short"}
    return next((meaning for words, meaning in meanings.items() if words in reason), reason)


def outcome(decoder, one, *args):
    """Return the bytes of the pixels, or what is said to be wrong with them."""
    try:
        image = decoder(one, *args)
    except FrameCorrupt as error:
        return error.reason if one.encoding != Encoding.BITSHUFFLE_LZ4 else kind(error.reason)
    assert image.dtype == one.dtype
    assert image.shape == one.shape
    return image.tobytes()


def assert_same_outcome(one):
    wanted = outcome(reference.decode, one)
    for isa in isas():
        assert outcome(decode, one, isa) == wanted, isa
    return wanted


def assert_decodes(one, image):
    for isa in isas():
        np.testing.assert_array_equal(decode(one, isa), image, err_msg=isa)


@settings(max_examples=500)
@given(st.lists(runs, min_size=1, max_size=30), st.sampled_from(NARROW))
def test_byte_offset_is_fabios_and_the_twins(described, dtype):
    payload, n = payload_of(described)
    found = assert_same_outcome(encoded(payload, n, dtype))
    assert found == by_fabio(payload, n, dtype).tobytes()


@pytest.mark.parametrize("step", [0x80, 0x7F80, -0x7F80, 0x008080, 0x80808080 - 2**32, 2**40 + 0x80])
def test_byte_offset_meets_an_escape_anywhere_in_a_window(step):
    for at, width in product(range(135), widths(step)):
        payload = b"\x01" * at + difference(step, width) + b"\xff" * 140
        found = assert_same_outcome(encoded(payload, at + 141))
        assert found == by_fabio(payload, at + 141).tobytes()


@pytest.mark.parametrize("first", range(9))
@pytest.mark.parametrize("step", [-32640, 0x80, 0x7F80, -0x7F7F])
def test_byte_offset_tells_runs_of_escapes_from_their_values(step, first):
    payload = b"\x02" * first + difference(step, 2) * 200
    n = first + 200
    assert assert_same_outcome(encoded(payload, n)) == by_fabio(payload, n).tobytes()


@pytest.mark.parametrize("dtype", NARROW, ids=str)
@pytest.mark.parametrize("n", LENGTHS)
def test_byte_offset_of_any_length(n, dtype):
    rng = np.random.default_rng(n)
    bounds = np.iinfo(dtype)
    for image in (
        rng.poisson(3, (1, n)).astype(dtype),
        np.where(rng.random((1, n)) < 0.3, rng.integers(0, min(bounds.max, 9000), (1, n)), 5).astype(dtype),
        rng.integers(bounds.min, bounds.max, (1, n), dtype, endpoint=True),
    ):
        assert_decodes(frame(image, Encoding.BYTE_OFFSET), image)


@pytest.mark.parametrize(
    ("hot", "dtype"), [(0.0, "i4"), (1e-4, "i4"), (0.02, "u4"), (0.3, "u2"), (0.0, "i2")]
)
def test_byte_offset_of_full_images(hot, dtype):
    rng = np.random.default_rng(1)
    image = rng.poisson(rng.uniform(0, 300, 1475), (619, 1475)).astype(dtype)
    image[rng.random(image.shape) < hot] = np.iinfo(dtype).max
    if np.iinfo(dtype).min < 0:
        image[195:212] = -1
        image[rng.random(image.shape) < 1e-3] = -2
    one = frame(image, Encoding.BYTE_OFFSET)
    np.testing.assert_array_equal(by_fabio(one.payload, image.size, dtype).reshape(image.shape), image)
    assert_decodes(one, image)


def some_payload(seed):
    """A short payload that has every width, and its number of pixels."""
    rng = np.random.default_rng(seed)
    described = [(int(rng.choice(EDGES)), int(rng.integers(3)), int(rng.integers(1, 12))) for _ in range(12)]
    return payload_of([(3, 0, 70), *described, (-4, 0, 3)])


@pytest.mark.parametrize("seed", range(4))
def test_byte_offset_that_ends_too_soon(seed):
    payload, n = some_payload(seed)
    for size in range(len(payload)):
        assert assert_same_outcome(encoded(payload[:size], n)) == "the data end before the last pixel"


TAILS = [b"\0", b"\x80", b"\x80\0", b"\x80\0\x80", b"\1" * 63, b"\x80" * 64, b"\1" * 5000]


@pytest.mark.parametrize("tail", TAILS, ids=len)
@pytest.mark.parametrize("n", [1, 64, 200, 2047, 2048, 2049, 4096])
def test_byte_offset_with_bytes_left_over(n, tail):
    assert assert_same_outcome(encoded(b"\1" * n + tail, n)) == "data are left after the last pixel"


telling = st.sampled_from([0, 1, 0x7F, 0x80, 0x80, 0x80, 0x81, 0xFF])
mangled = st.lists(st.one_of(telling, telling, st.integers(0, 255)), max_size=600).map(bytes)


@settings(max_examples=500)
@given(mangled, st.integers(1, 600), st.sampled_from(NARROW))
def test_byte_offset_of_nonsense_is_the_twins_or_corrupt(payload, n_pixels, dtype):
    assert_same_outcome(encoded(payload, n_pixels, dtype))


@settings(max_examples=500)
@given(st.integers(0, 3), st.lists(st.tuples(st.integers(0), telling), min_size=1, max_size=4))
def test_byte_offset_with_bytes_changed_is_the_twins_or_corrupt(seed, changes):
    payload, n = some_payload(seed)
    changed = bytearray(payload)
    for at, value in changes:
        changed[at % len(changed)] = value
    assert_same_outcome(encoded(bytes(changed), n))


@pytest.mark.parametrize("dtype", ["i8", "u8", "f4", "f8"])
def test_byte_offset_is_not_for_wider_pixels(dtype):
    for isa in isas():
        with pytest.raises(FrameCorrupt, match="no decoder"):
            decode(encoded(b"\0" * 8, 8, np.dtype(dtype)), isa)


KINDS = {
    "zeros": lambda rng, n: np.zeros(n, np.uint64),
    "all ones": lambda rng, n: np.full(n, 2**64 - 1, np.uint64),
    "repeating": lambda rng, n: np.arange(n, dtype=np.uint64) % 7 * 0x0102040810204081,
    "counts": lambda rng, n: rng.poisson(0.3, n).astype(np.uint64),
    "noise": lambda rng, n: rng.integers(0, 2**64, n, np.uint64),
    "rare noise": lambda rng, n: np.where(rng.random(n) < 0.01, rng.integers(0, 2**64, n, np.uint64), 0),
}


def image_of(what, n, dtype, seed=0):
    values = KINDS[what](np.random.default_rng(seed), n)
    return values.astype(f"u{dtype.itemsize}").view(dtype).reshape(1, n)


def chunk_of(image, block=0):
    return EncodedFrame(bitshuffle_lz4(image, block), Encoding.BITSHUFFLE_LZ4, image.shape, image.dtype)


@pytest.mark.parametrize("dtype", ALL, ids=str)
@pytest.mark.parametrize("what", KINDS)
def test_bitshuffle_lz4_is_hdf5plugins_and_the_twins(what, dtype):
    for n in (1, 7, 8, 9, 63, 64, 65, 72, 127, 2047, 2048, 2056, 5003):
        image = image_of(what, n, dtype)
        assert assert_same_outcome(chunk_of(image)) == image.tobytes()


@pytest.mark.parametrize("block", [8, 16, 64, 72, 128, 1000, 2048, 2056, 4096, 16384])
@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "f4", "i8"])
def test_bitshuffle_lz4_in_blocks_of_any_size(block, dtype):
    for what in ("counts", "noise", "rare noise"):
        image = image_of(what, 6003, np.dtype(dtype))
        assert assert_same_outcome(chunk_of(image, block)) == image.tobytes()


@pytest.mark.parametrize("dtype", ["u1", "u2", "i4", "f4"])
def test_bitshuffle_lz4_of_full_images(dtype):
    rng = np.random.default_rng(2)
    image = rng.poisson(rng.uniform(0, 60, 1030), (1065, 1030)).astype(dtype)
    image[500:540] = np.iinfo(dtype).max if dtype != "f4" else np.nan
    assert_decodes(chunk_of(image), image)


@settings(max_examples=500)
@given(st.integers(1, 700), st.sampled_from(ALL), st.sampled_from(sorted(KINDS)), st.integers(0, 90))
def test_bitshuffle_lz4_of_any_image(n, dtype, what, block):
    image = image_of(what, n, dtype)
    assert assert_same_outcome(chunk_of(image, 8 * block)) == image.tobytes()


@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "f8"])
def test_bitshuffle_lz4_that_ends_too_soon_or_too_late(dtype):
    image = image_of("rare noise", 203, np.dtype(dtype))
    payload = bitshuffle_lz4(image, 64)
    for size in range(len(payload)):
        found = assert_same_outcome(encoded(payload[:size], 203, image.dtype, Encoding.BITSHUFFLE_LZ4))
        assert found == "short"
    late = encoded(payload + b"\0", 203, image.dtype, Encoding.BITSHUFFLE_LZ4)
    assert assert_same_outcome(late) == "data are left after the last pixel"


@settings(max_examples=500)
@given(
    st.integers(8, 300),
    st.sampled_from(ALL),
    st.sampled_from(sorted(KINDS)),
    st.lists(st.tuples(st.integers(0), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_bitshuffle_lz4_with_bytes_changed_is_the_twins_or_corrupt(n, dtype, what, changes):
    changed = bytearray(bitshuffle_lz4(image_of(what, n, dtype), 64))
    for at, value in changes:
        changed[at % len(changed)] = value
    assert_same_outcome(encoded(bytes(changed), n, dtype, Encoding.BITSHUFFLE_LZ4))


def blocks(size, block, *payloads):
    """Put a chunk together from its header and the LZ4 blocks."""
    body = b"".join(len(payload).to_bytes(4, "big") + payload for payload in payloads)
    return size.to_bytes(8, "big") + block.to_bytes(4, "big") + body


SEQUENCES = {
    "literals alone": b"\x80" + bytes(range(8)),
    "a match that overlaps itself": b"\x11\x01\x01\x00\x20\x05\x06",
    "a match at the end": b"\x13\x01\x01\x00",
    "an empty block": b"",
    "an offset of zero": b"\x14\x01\x00\x00",
    "an offset before the block": b"\x14\x01\x02\x00",
    "literals beyond the size": b"\x90" + bytes(9),
    "literals beyond the data": b"\x80" + bytes(7),
    "a match beyond the size": b"\x1f\x01\x01\x00\x00",
    "a length without an end": b"\xf0" + b"\xff" * 40,
    "a match length without an end": b"\x1f\x01\x01\x00" + b"\xff" * 40,
    "an offset of one byte": b"\x10\x01\x01",
    "too few bytes": b"\x10\x01",
}


@pytest.mark.parametrize("what", SEQUENCES)
def test_lz4_sequences_one_by_one(what):
    payload = blocks(8, 8, SEQUENCES[what])
    found = assert_same_outcome(encoded(payload, 8, np.dtype("u1"), Encoding.BITSHUFFLE_LZ4))
    good = what in ("literals alone", "a match that overlaps itself", "a match at the end")
    assert (found != "lz4") == good


@pytest.mark.parametrize(
    ("size", "block"),
    [(8, 0), (8, 4), (8, 12), (9, 8), (7, 8), (0, 8), (2**63, 8), (2**64 - 8, 2**32 - 8), (16, 2**32 - 1)],
)
def test_headers_that_promise_another_image(size, block):
    payload = blocks(size, block, SEQUENCES["literals alone"])
    found = assert_same_outcome(encoded(payload, 8, np.dtype("u1"), Encoding.BITSHUFFLE_LZ4))
    assert found == "header"


@pytest.mark.skipif(sys.platform != "linux", reason="limits its own memory the way Linux does")
def test_a_huge_block_in_a_header_is_not_allocated():
    code = """
import resource, numpy as np
from aureole.frames import EncodedFrame, Encoding
from aureole.kernels import cpu
pages = int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (64 << 20),) * 2)
header = (8).to_bytes(8, "big") + (2**32 - 8).to_bytes(4, "big")
payload = header + (9).to_bytes(4, "big") + b"\\x80" + bytes(8)
frame = EncodedFrame(payload, Encoding.BITSHUFFLE_LZ4, (1, 8), np.dtype("u1"))
assert not cpu.decode(frame).any()
entries = cpu.Entries(np.arange(9), np.zeros(8, np.int32), np.ones(8, np.float32), 1)
none = np.empty((0, 8))
table = cpu.Table(entries, 1)
sums = cpu.integrate(
    table, [frame] * 16, invalid=np.empty((0, 2)), linear=none, quadratic=none, variance="none"
)
assert sums.failures == [None] * 16
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("dtype", ALL, ids=str)
def test_raw_pixels(dtype):
    image = image_of("noise", 600, dtype).reshape(20, 30)
    for given_image in (image, image[::-1], image.T, image[:, ::2], image.astype(dtype.newbyteorder(">"))):
        one = EncodedFrame.from_array(given_image)
        assert assert_same_outcome(one) == given_image.astype(dtype).tobytes()
    payload = image.tobytes()
    short = encoded(payload[:-1], 600, dtype, Encoding.RAW)
    assert assert_same_outcome(short) == "the data end before the last pixel"
    long = encoded(payload + b"\0", 600, dtype, Encoding.RAW)
    assert assert_same_outcome(long) == "data are left after the last pixel"


@pytest.mark.parametrize("buffer", [bytes, bytearray, memoryview, lambda b: np.frombuffer(b, np.uint8)])
def test_any_buffer_is_a_payload(buffer):
    image = image_of("counts", 100, np.dtype("i4"))
    for encoding in Encoding:
        one = frame(image, encoding)
        assert_decodes(
            EncodedFrame(buffer(bytes(one.payload)), encoding, image.shape, image.dtype, "it"), image
        )


@pytest.mark.parametrize("dtype", ["c8", "f2", "?", ">i4"])
def test_other_types_of_pixel_are_refused(dtype):
    with pytest.raises(FrameCorrupt, match="cannot be decoded"):
        decode(encoded(bytes(64), 8, np.dtype(dtype), Encoding.RAW))


def test_an_unknown_instruction_set_is_refused():
    with pytest.raises(ValueError, match=r"abacus.*baseline"):
        decode(encoded(bytes(8), 8), "abacus")


@pytest.mark.parametrize("isa", [*isas(), "abacus"])
def test_the_environment_forces_an_instruction_set(isa, monkeypatch):
    monkeypatch.setenv("AUREOLE_ISA", isa)
    code = "import aureole.kernels; from aureole import _core; print(_core.isa)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if isa in isas():
        assert done.stdout.strip() == isa, done.stderr
    else:
        assert done.returncode != 0
        assert "AUREOLE_ISA=abacus is not an instruction set of this machine" in done.stderr
