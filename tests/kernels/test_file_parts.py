"""Frames that are decoded while they are read from their file: the same pixels, the same complaints."""

import os
import resource
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from encoders import frame

from aureole.errors import FrameCorrupt, FrameMissing, InputError
from aureole.frames import Encoding, FilePart
from aureole.kernels import Entries, isas, reference
from aureole.kernels.cpu import Table, decode, integrate

SHAPE = (311, 457)
NARROW = ["i1", "u1", "i2", "u2", "i4", "u4"]
CASES = [(name, encoding) for name in NARROW for encoding in Encoding]
CASES += [(name, encoding) for name in ("i8", "u8", "f4", "f8") for encoding in Encoding if encoding != 1]
NONE = np.empty((0, 2))


def image_of(dtype, seed=1):
    rng = np.random.default_rng(seed)
    image = rng.poisson(40, SHAPE).astype(dtype)
    if np.dtype(dtype).itemsize == 4:
        image[rng.random(SHAPE) < 0.01] = 100_000
    return image


def in_file(path, one):
    """The same frame with its payload in the middle of a file."""
    payload = bytes(one.encoded())
    path.write_bytes(b"before" + payload + b"\x80after")
    return replace(one, payload=FilePart.of(path, 6, len(payload), path.stat()), name=str(path))


@pytest.mark.parametrize("isa", isas())
@pytest.mark.parametrize(("dtype", "encoding"), CASES)
def test_the_pixels_are_those_of_the_frame_in_memory(tmp_path, dtype, encoding, isa):
    image = image_of(dtype)
    stored = in_file(tmp_path / "a", frame(image, encoding))
    np.testing.assert_array_equal(decode(stored, isa), image)
    assert stored.nbytes == len(bytes(stored.encoded()))


@pytest.mark.parametrize("encoding", Encoding)
@pytest.mark.parametrize("change", ["short", "long", "empty"])
def test_the_complaints_are_those_of_the_frame_in_memory(tmp_path, encoding, change):
    good = frame(image_of("i4"), encoding)
    payload = bytes(good.encoded())
    payload = {"short": payload[:-1], "long": payload + b"\x01", "empty": b""}[change]
    broken = replace(good, payload=payload)
    with pytest.raises(FrameCorrupt) as wanted:
        decode(broken)
    with pytest.raises(FrameCorrupt) as found:
        decode(in_file(tmp_path / "a", broken))
    assert found.value.reason == wanted.value.reason


def table(n_bins=90):
    n = SHAPE[0] * SHAPE[1]
    bins = np.arange(n, dtype=np.int32) % n_bins
    return Entries(np.arange(n + 1, dtype=np.int64), bins, np.full(n, 0.7, np.float32), n_bins)


@pytest.mark.parametrize("encoding", Encoding)
def test_a_batch_from_files_has_the_bits_of_one_in_memory(tmp_path, encoding):
    entries = table()
    frames = [frame(image_of("i4", seed), encoding) for seed in range(5)]
    stored = [in_file(tmp_path / f"{i}", one) for i, one in enumerate(frames)]
    rows = np.ones((1, entries.n_pixels))
    given = {"invalid": NONE, "linear": rows, "quadratic": rows, "variance": "raw"}
    wanted = integrate(Table(entries), frames, **given)
    for found in (
        integrate(Table(entries), stored, **given),
        integrate(Table(entries), [stored[0], frames[1], stored[2], *frames[3:]], **given),
        reference.integrate(entries, stored, **given) if encoding == Encoding.RAW else wanted,
    ):
        np.testing.assert_array_equal(found.signal, wanted.signal)
        np.testing.assert_array_equal(found.variance, wanted.variance)


@pytest.mark.parametrize("encoding", Encoding)
def test_a_file_that_went_or_changed_spoils_its_frame_alone(tmp_path, encoding):
    entries = table()
    stored = [in_file(tmp_path / f"{i}", frame(image_of("i4", i), encoding)) for i in range(5)]
    wanted = integrate(Table(entries), stored, invalid=NONE, linear=NONE, quadratic=NONE, variance="none")
    (tmp_path / "1").unlink()
    other = tmp_path / "other"
    other.write_bytes((tmp_path / "2").read_bytes())
    other.replace(tmp_path / "2")
    os.truncate(tmp_path / "3", stored[3].nbytes // 2)
    found = integrate(Table(entries), stored, invalid=NONE, linear=NONE, quadratic=NONE, variance="none")
    assert [type(failure) for failure in found.failures] == [
        type(None),
        FrameMissing,
        FrameCorrupt,
        FrameCorrupt,
        type(None),
    ]
    np.testing.assert_array_equal(found.signal[[0, 4]], wanted.signal[[0, 4]])
    assert not found.signal[1:4].any()
    for one, failure in zip(stored[1:4], found.failures[1:4], strict=True):
        with pytest.raises(type(failure)):
            decode(one)


@pytest.mark.parametrize("change", ["rewritten", "a pipe"])
def test_bytes_of_another_time_are_refused(tmp_path, change):
    stored = in_file(tmp_path / "a", frame(image_of("i4"), Encoding.RAW))
    if change == "a pipe":
        (tmp_path / "a").unlink()
        os.mkfifo(tmp_path / "a")
    else:
        written = (tmp_path / "a").stat()
        (tmp_path / "a").write_bytes(bytes(written.st_size))
        os.utime(tmp_path / "a", ns=(written.st_atime_ns, written.st_mtime_ns + 1))
    for read in (decode, lambda one: one.encoded()):
        with pytest.raises(FrameCorrupt, match="the file changed while it was read"):
            read(stored)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_says_so(tmp_path):
    stored = in_file(tmp_path / "a", frame(image_of("i4"), Encoding.BYTE_OFFSET))
    (tmp_path / "a").chmod(0)
    for read in (decode, lambda one: one.encoded()):
        with pytest.raises(FrameCorrupt, match="cannot be read"):
            read(stored)


@contextmanager
def open_files_left(count):
    """Let this process open so many files more."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    probe = os.open(os.devnull, os.O_RDONLY)
    os.close(probe)
    resource.setrlimit(resource.RLIMIT_NOFILE, (probe + count, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_more_frames_under_way_than_files_may_be_open(tmp_path):
    entries, many = table(), 8
    stored = [in_file(tmp_path / f"{i}", frame(image_of("i4", i), Encoding.RAW)) for i in range(16)]
    native = Table(entries)

    def work(_):
        return integrate(native, stored, invalid=NONE, linear=NONE, quadratic=NONE, variance="none")

    wanted = work(0).signal
    with ThreadPoolExecutor(many) as pool, open_files_left(2 * many):
        for found in pool.map(work, range(4 * many)):
            assert found.failures == [None] * 16
            np.testing.assert_array_equal(found.signal, wanted)


def test_a_process_without_files_left_does_not_blame_the_frame(tmp_path):
    stored = in_file(tmp_path / "a", frame(image_of("i4"), Encoding.BYTE_OFFSET))
    with open_files_left(0):
        for read in (decode, lambda one: one.encoded()):
            with pytest.raises(InputError, match=r"too many open files; allow more \(ulimit -n\)"):
                read(stored)


def test_a_clock_far_in_the_future_does_no_harm(tmp_path):
    one = frame(image_of("i4"), Encoding.RAW)
    in_file(tmp_path / "a", one)
    os.utime(tmp_path / "a", ns=(0, 10**19))
    stored = replace(one, payload=FilePart.of(tmp_path / "a", 6, one.nbytes, (tmp_path / "a").stat()))
    np.testing.assert_array_equal(decode(stored), decode(one))
    assert stored.encoded() == bytes(one.encoded())
