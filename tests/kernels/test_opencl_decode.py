"""The decoders on an OpenCL device against those of the CPU: the same pixels, the same complaints."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from encoders import bitshuffle_lz4, frame
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aureole.errors import DeviceError, FrameCorrupt, FrameError, FrameMissing, InputError
from aureole.frames import EncodedFrame, Encoding, FilePart
from aureole.io import open_frames
from aureole.kernels import cpu, opencl_decode
from aureole.kernels.opencl_lane import Context, Lane

cl = pytest.importorskip("pyopencl")

NARROW = [np.dtype(name) for name in ("i1", "u1", "i2", "u2", "i4", "u4")]
ALL = [*NARROW, *(np.dtype(name) for name in ("i8", "u8", "f4", "f8"))]
CASES = [(dtype, encoding) for dtype in ALL for encoding in Encoding if dtype in NARROW or encoding != 1]

any_stream = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


class GuardedLane(Lane):
    """A lane that notices when something is written behind the end of a buffer."""

    def __init__(self, context):
        super().__init__(context)
        self.asked = {}

    def buffer(self, name, nbytes):
        buffer = super().buffer(name, nbytes + len(GUARD))
        if nbytes and self.asked.get(name) != nbytes:
            self.asked[name] = nbytes
            cl.enqueue_copy(self.queue, buffer, GUARD, dst_offset=nbytes)
        return buffer

    def check(self):
        for name, nbytes in self.asked.items():
            behind = np.empty_like(GUARD)
            cl.enqueue_copy(self.queue, behind, self.buffer(name, 0), src_offset=nbytes)
            np.testing.assert_array_equal(behind, GUARD, err_msg=name)
        self.asked.clear()


GUARD = np.full(1024, 0xA5, np.uint8)


@pytest.fixture(scope="module")
def lane(opencl):
    lane = GuardedLane(Context.of(opencl))
    yield lane
    lane.release()


@pytest.fixture(params=["usual groups", "small groups"])
def groups(request, monkeypatch):
    """Small groups make many of a short stream, and decode bitshuffle's blocks in global memory."""
    if request.param == "small groups":
        monkeypatch.setattr(opencl_decode, "GROUP", 4)
        monkeypatch.setattr(opencl_decode, "BLOCK_GROUP", 8)
        monkeypatch.setattr(opencl_decode, "MAX_LOCAL_BLOCK", 0)


def encoded(payload, n_pixels, dtype="i4", encoding=Encoding.BYTE_OFFSET):
    return EncodedFrame(payload, encoding, (1, n_pixels), np.dtype(dtype))


def decoded(lane, frames):
    """Return an image or what is wrong for each frame."""
    found = opencl_decode.decode(lane, frames)
    failures = found.failures()
    images = np.empty((len(frames), *frames[0].shape), frames[0].dtype)
    assert found.buffer.size >= images.nbytes
    cl.enqueue_copy(lane.queue, images, found.buffer)
    lane.check()
    return [image if failure is None else failure for image, failure in zip(images, failures, strict=True)]


def outcome(one):
    if isinstance(one, FrameError):
        return type(one), one.name, one.reason
    return one.dtype, one.tobytes()


def by_cpu(one):
    try:
        return cpu.decode(one)
    except FrameError as error:
        return error


def assert_same_outcomes(lane, frames):
    found = [outcome(one) for one in decoded(lane, frames)]
    assert found == [outcome(by_cpu(one)) for one in frames]
    return found


def images_of(dtype, count=3, shape=(61, 97)):
    """Images with every width of difference, each with more or fewer wide ones than the one before."""
    rng = np.random.default_rng(7)
    images = rng.poisson(rng.uniform(0, 60, shape[1]), (count, *shape)).astype(dtype)
    for k, image in enumerate(images):
        largest = 1 if dtype.kind == "f" else np.iinfo(dtype).max
        hot = rng.random(shape) < k / (2 * count)
        image[hot] = rng.random(hot.sum()) * float(largest)
    return images


@pytest.mark.parametrize(("dtype", "encoding"), CASES)
def test_pixels_are_those_that_were_encoded(lane, groups, dtype, encoding):
    images = images_of(dtype)
    found = decoded(lane, [frame(image, encoding) for image in images])
    np.testing.assert_array_equal(found, images)


@pytest.mark.parametrize("dtype", ["u2", "i4"])
def test_encodings_may_be_mixed(lane, dtype):
    images = images_of(np.dtype(dtype), 6)
    frames = [frame(image, Encoding(i % 3)) for i, image in enumerate(images)]
    frames[1], frames[5] = (replace(one, payload=bytes(one.payload)[:-3]) for one in (frames[1], frames[5]))
    found = assert_same_outcomes(lane, frames)
    assert [isinstance(one[0], np.dtype) for one in found] == [True, False, True, True, True, False]


@pytest.mark.parametrize(
    "step", [b"\x05", b"\x80\x10\x27", b"\x80\0\x80\xa0\x86\1\0", b"\x80\0\x80\0\0\0\x80" + b"\7" * 8]
)
def test_byte_offset_of_one_width_alone(lane, groups, step):
    for n in (1, 31, 127, 128, 129, 4095, 4096, 4097, 9000):
        assert_same_outcomes(lane, [encoded(step * n, size) for size in [n]])
        assert_same_outcomes(lane, [encoded(step * some, n) for some in (n - 1, n, n + 1)])


ESCAPES = [0x80] * 4 + [0, 0, 1, 0x7F, 0x81, 0xFF]


@pytest.mark.parametrize("size", [0, 1, 14, 15, 16, 4095, 4096, 4097, 20000])
def test_byte_offset_of_nothing_but_escapes(lane, groups, size):
    for payload in (b"\x80" * size, b"\x80\0" * (size // 2), (b"\x80\0\x80\0\0\0\x80" * size)[:size]):
        complete = count(payload)
        frames = [encoded(payload, max(1, complete + more)) for more in (-1, 0, 1)]
        for one in frames:
            assert_same_outcomes(lane, [one])


def count(payload):
    """Number of complete differences."""
    at, n = 0, 0
    while at < len(payload):
        at += next(
            whole
            for whole, escape in ((1, b"\x80"), (3, b"\0\x80"), (7, b"\0\0\0\x80"), (15, b""))
            if whole == 15 or payload[at + whole // 2 : at + whole] != escape
        )
        n += at <= len(payload)
    return n


telling = st.one_of(st.sampled_from(ESCAPES), st.sampled_from(ESCAPES), st.integers(0, 255))
mangled = st.lists(telling, max_size=700).map(bytes)


@any_stream
@given(
    st.lists(st.tuples(mangled, st.integers(1, 6)), min_size=1, max_size=5),
    st.sampled_from([-1, 0, 0, 0, 1]),
    st.sampled_from(["u1", "i2", "u4"]),
)
def test_byte_offset_of_nonsense_is_what_the_cpu_says(lane, groups, streams, more, dtype):
    payloads = [payload * times for payload, times in streams]
    n_pixels = max(1, count(payloads[0]) + more)
    assert_same_outcomes(lane, [encoded(payload, n_pixels, dtype) for payload in payloads])


@pytest.mark.parametrize("dtype", ["u1", "i4"])
def test_byte_offset_cut_anywhere(lane, groups, dtype):
    image = images_of(np.dtype(dtype), 3, (1, 90))[2]
    payload = frame(image, Encoding.BYTE_OFFSET).payload
    frames = [encoded(payload[:size], 90, dtype) for size in range(len(payload) + 1)]
    assert_same_outcomes(lane, frames)
    assert_same_outcomes(
        lane, [encoded(payload + tail, 90, dtype) for tail in (b"\0", b"\x80", b"\x80\0\x80")]
    )


@pytest.mark.parametrize("dtype", ["i8", "u8", "f4", "f8"])
def test_byte_offset_is_not_for_wider_pixels(lane, dtype):
    assert_same_outcomes(lane, [encoded(bytes(8), 8, dtype)])


@pytest.mark.parametrize("block", [8, 72, 2048, 2056, 16384])
@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "f8"])
def test_bitshuffle_lz4_in_blocks_of_any_size(lane, groups, block, dtype):
    images = images_of(np.dtype(dtype), 2, (1, 6003))
    frames = [encoded(bitshuffle_lz4(image, block), 6003, dtype, 2) for image in images]
    frames.append(encoded(bitshuffle_lz4(images[0], 64), 6003, dtype, 2))
    np.testing.assert_array_equal(decoded(lane, frames), [*images, images[0]])


@pytest.mark.parametrize("n", [1, 7, 8, 9, 63, 64, 65, 255, 256, 257])
def test_bitshuffle_lz4_of_few_pixels(lane, groups, n):
    for dtype in ("u1", "i4", "u8"):
        image = images_of(np.dtype(dtype), 2, (1, n))[1]
        np.testing.assert_array_equal(decoded(lane, [encoded(bitshuffle_lz4(image), n, dtype, 2)]), [image])


@pytest.mark.parametrize("dtype", ["u2", "u4"])
def test_bitshuffle_lz4_cut_anywhere(lane, groups, dtype):
    payload = bitshuffle_lz4(images_of(np.dtype(dtype), 3, (1, 203))[1], 64)
    payloads = [payload[:size] for size in range(len(payload) + 1)] + [payload + b"\0"]
    assert_same_outcomes(lane, [encoded(one, 203, dtype, 2) for one in payloads])


@any_stream
@given(
    st.sampled_from(["u1", "u2", "f4", "i8"]),
    st.integers(0, 2),
    st.lists(
        st.lists(st.tuples(st.integers(0), st.integers(0, 255)), min_size=1, max_size=4),
        min_size=2,
        max_size=6,
    ),
)
def test_bitshuffle_lz4_with_bytes_changed_is_what_the_cpu_says(lane, groups, dtype, which, batch):
    payload = bitshuffle_lz4(images_of(np.dtype(dtype), 3, (1, 299))[which], 64)
    frames = [encoded(payload, 299, dtype, 2)]
    for changes in batch:
        changed = bytearray(payload)
        for at, value in changes:
            changed[at % len(changed)] = value
        frames.append(encoded(bytes(changed), 299, dtype, 2))
    assert_same_outcomes(lane, frames)


def blocks(size, block, *payloads):
    """Put a chunk together from its header and the LZ4 blocks."""
    body = b"".join(len(payload).to_bytes(4, "big") + payload for payload in payloads)
    return size.to_bytes(8, "big") + block.to_bytes(4, "big") + body


SEQUENCES = [
    b"\x80" + bytes(range(8)),
    b"\x11\x01\x01\x00\x20\x05\x06",
    b"\x13\x01\x01\x00",
    b"",
    b"\x14\x01\x00\x00",
    b"\x14\x01\x02\x00",
    b"\x90" + bytes(9),
    b"\x80" + bytes(7),
    b"\x1f\x01\x01\x00\x00",
    b"\xf0" + b"\xff" * 40,
    b"\x1f\x01\x01\x00" + b"\xff" * 40,
    b"\x10\x01\x01",
    b"\x10\x01",
]


def test_a_corrupt_lz4_block_is_told_before_what_comes_after_it(lane, groups):
    good = SEQUENCES[0]
    payloads = [blocks(8, 8, one) for one in SEQUENCES]
    assert_same_outcomes(lane, [encoded(payload, 8, "u1", 2) for payload in payloads])
    payloads = [blocks(16, 8, one, good) for one in SEQUENCES]
    payloads += [payload[:-1] for payload in payloads] + [payload + b"\0" for payload in payloads]
    assert_same_outcomes(lane, [encoded(payload, 16, "u1", 2) for payload in payloads])


@pytest.mark.parametrize(
    ("size", "block"),
    [(8, 0), (8, 4), (8, 12), (9, 8), (7, 8), (0, 8), (2**63, 8), (2**64 - 8, 2**32 - 8), (16, 2**32 - 1)],
)
def test_headers_that_promise_another_image_spoil_their_frame_alone(lane, size, block):
    payloads = [
        blocks(8, 8, SEQUENCES[0]),
        blocks(size, block, SEQUENCES[0]),
        blocks(8, 2**32 - 8, SEQUENCES[0]),
    ]
    found = assert_same_outcomes(lane, [encoded(payload, 8, "u1", 2) for payload in payloads])
    assert found[1][2] == "the chunk header promises another image"


@pytest.mark.parametrize("dtype", ["u1", "i4", "f8"])
def test_raw_frames_of_a_wrong_length(lane, dtype):
    payload = images_of(np.dtype(dtype), 1, (1, 600)).tobytes()
    frames = [encoded(one, 600, dtype, 0) for one in (payload[:-1], payload, payload + b"\0", b"")]
    assert_same_outcomes(lane, frames)


@pytest.mark.parametrize("buffer", [bytes, bytearray, memoryview, lambda b: np.frombuffer(b, np.uint8)])
def test_any_buffer_is_a_payload(lane, buffer):
    image = images_of(np.dtype("u4"))[0]
    frames = [frame(image, encoding) for encoding in Encoding]
    frames = [replace(one, payload=buffer(bytes(one.payload))) for one in frames]
    np.testing.assert_array_equal(decoded(lane, frames), [image] * 3)


def in_file(path, one):
    payload = bytes(one.encoded())
    path.write_bytes(b"before" + payload + b"\x80after")
    return replace(one, payload=FilePart.of(path, 6, len(payload), path.stat()), name=str(path))


@pytest.mark.parametrize("encoding", Encoding)
def test_a_file_that_went_or_changed_spoils_its_frame_alone(lane, tmp_path, encoding):
    images = images_of(np.dtype("i4"), 6)
    stored = [in_file(tmp_path / f"{i}", frame(image, encoding)) for i, image in enumerate(images)]
    np.testing.assert_array_equal(decoded(lane, stored), images)
    (tmp_path / "1").unlink()
    other = tmp_path / "other"
    other.write_bytes((tmp_path / "2").read_bytes())
    other.replace(tmp_path / "2")
    os.truncate(tmp_path / "3", stored[3].nbytes // 2)
    (tmp_path / "4").unlink()
    os.mkfifo(tmp_path / "4")
    found = decoded(lane, stored)
    assert [type(one) for one in found[1:5]] == [FrameMissing, FrameCorrupt, FrameCorrupt, FrameCorrupt]
    assert [one.reason for one in found[2:5]] == ["the file changed while it was read"] * 3
    np.testing.assert_array_equal([found[0], found[5]], images[[0, 5]])
    assert_same_outcomes(lane, stored)


def test_a_part_that_ends_beyond_its_file_is_refused(lane, tmp_path):
    one = in_file(tmp_path / "a", frame(images_of(np.dtype("i4"))[0], Encoding.BYTE_OFFSET))
    one = replace(one, payload=one.payload._replace(nbytes=one.nbytes + 1000))
    found = outcome(decoded(lane, [one])[0])
    assert found == (FrameCorrupt, one.name, "the file changed while it was read")


def test_a_process_without_files_left_does_not_blame_the_frame(lane, tmp_path, monkeypatch):
    one = in_file(tmp_path / "a", frame(images_of(np.dtype("i4"))[0], Encoding.RAW))

    def none_left(*_):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(FilePart, "read_into", none_left)
    with pytest.raises(InputError, match=r"too many open files; allow more \(ulimit -n\)"):
        decoded(lane, [one])


def test_batches_follow_each_other_and_keep_apart_by_name(lane):
    """Neither the memory that is kept nor the work under way of one batch touches that of another."""
    images = images_of(np.dtype("i4"), 9)
    for encoding in Encoding:
        frames = [frame(image, encoding) for image in images]
        first = opencl_decode.decode(lane, frames[:4])
        second = opencl_decode.decode(lane, frames[4:], "variance")
        for some, wanted in ((first, images[:4]), (second, images[4:])):
            assert some.failures() == [None] * len(wanted)
            found = np.empty_like(wanted)
            cl.enqueue_copy(lane.queue, found, some.buffer)
            np.testing.assert_array_equal(found, wanted)
        for size in (1, 9, 2):
            np.testing.assert_array_equal(decoded(lane, frames[:size]), images[:size])


@pytest.mark.parametrize("encoding", Encoding)
@pytest.mark.parametrize("shape", [(1, 5), (61, 97)])
def test_memory_on_the_device_is_bounded(opencl, encoding, shape):
    for dtype, count, block in (("u1", 1, 8), ("i4", 5, 0), ("u2", 3, 0)):
        frames = [frame(image, encoding) for image in images_of(np.dtype(dtype), count, shape)]
        if encoding == Encoding.BITSHUFFLE_LZ4:
            frames[0] = replace(
                frames[0], payload=bitshuffle_lz4(images_of(np.dtype(dtype), 1, shape)[0], block)
            )
        lane = Lane(Context.of(opencl))
        assert opencl_decode.decode(lane, frames).failures() == [None] * count
        most = opencl_decode.device_bytes(
            frames[0].dtype.itemsize * shape[0] * shape[1], max(one.nbytes for one in frames)
        )
        assert lane.nbytes <= count * (most + 4096)
        lane.release()


def test_lanes_work_side_by_side(opencl):
    images = images_of(np.dtype("i4"), 8)
    stored = {encoding: [frame(image, encoding) for image in images] for encoding in Encoding}

    def work(seed):
        lane = GuardedLane(Context.of(opencl))
        for k in range(6):
            some, frames = slice((seed + k) % 7, None), stored[Encoding((seed + k) % 3)]
            np.testing.assert_array_equal(decoded(lane, frames[some]), images[some])
        lane.release()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(8)))


def test_types_of_pixel_must_be_alike_and_known(lane):
    with pytest.raises(FrameCorrupt, match="pixels are uint16 among frames of int32"):
        opencl_decode.decode(lane, [encoded(b"\0", 1, "i4"), encoded(b"\0", 1, "u2")])
    with pytest.raises(FrameCorrupt, match="cannot be decoded"):
        opencl_decode.decode(lane, [encoded(b"\0", 1, "c8")])


def test_an_image_that_is_too_large_is_refused(lane):
    one = EncodedFrame(b"", Encoding.RAW, (1 << 14, (1 << 13) + 1), np.dtype("u1"))
    with pytest.raises(DeviceError, match="pixels: OpenCL decodes at most"):
        opencl_decode.decode(lane, [one])


REAL = ["ceo2_pilatus2m/*.cbf", "ceo2_pilatus2m_cdte/*/*.cbf", "dioptas_map/*.tif", "eiger2_9m/*.h5"]


@pytest.mark.parametrize("files", REAL)
def test_real_frames(lane, data, files):
    frames = open_frames(sorted((data / "powder").glob(files))[0])
    some = [frames[i] for i in range(min(2, len(frames)))]
    np.testing.assert_array_equal(decoded(lane, some), [cpu.decode(one) for one in some])
