"""Streams: in order, complete, bounded, whatever frames do."""

import threading
import time

import numpy as np
import pytest

from aureole.azimuthal import plan as plan_module
from aureole.errors import FrameCorrupt, FrameMissing, SpecError
from aureole.frames import EncodedFrame, Encoding

SHAPE = (24, 31)


class Source:
    """A lazy source of which some frames cannot be had; counts how many were read and not yet taken."""

    def __init__(self, n, bad=None):
        self.n, self.bad, self.lock, self.read = n, bad or {}, threading.Lock(), 0

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        with self.lock:
            self.read += 1
        if index in self.bad:
            raise self.bad[index]
        return EncodedFrame.from_array(np.full(SHAPE, index, np.int32), f"scan_{index:04d}")


@pytest.fixture
def plan(spec_of):
    return spec_of(split="no", solid_angle=False).plan("reference")


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_every_frame_is_accounted_for_in_order(plan, threads):
    bad = {3: FrameMissing("scan_0003", "it is not there"), 40: FrameCorrupt("scan_0040", "MD5")}
    rows, failures, at = [], {}, 0
    for batch in plan.stream(Source(50, bad), threads=threads):
        assert batch.frames.start == at
        at = batch.frames.stop
        assert len(batch.frames) <= 16
        assert len(batch.result) == len(batch.rows)
        np.testing.assert_array_equal(batch.result.intensity, np.tile(batch.rows[:, None], 9))
        rows += list(batch.rows)
        failures |= batch.failures
    assert at == 50
    assert failures == bad
    assert rows == [i for i in range(50) if i not in bad]


def test_a_batch_without_any_good_frame(plan):
    bad = {i: FrameMissing(f"scan_{i}", "it is not there") for i in range(4)}
    (batch,) = plan.stream(Source(4, bad), threads=1)
    assert len(batch.rows) == len(batch.result) == 0
    assert batch.failures == bad
    assert batch.result.intensity.shape == (0, 9)


def test_few_frames_are_spread_over_the_threads(plan):
    assert [len(batch.frames) for batch in plan.stream(Source(10), threads=4)] == [3, 3, 3, 1]
    assert [len(batch.frames) for batch in plan.stream(Source(40), threads=2)] == [16, 16, 8]
    assert list(plan.stream(Source(0), threads=4)) == []


def test_batches_are_halved_where_bins_are_many(spec_of, monkeypatch):
    plan = spec_of(cake=True).plan("reference")
    for most, frames in ((36 * 8 * 16, 16), (36 * 8 * 16 - 1, 8), (1, 8)):
        monkeypatch.setattr(plan_module, "_BATCH_BYTES", most)
        assert max(len(batch.frames) for batch in plan.stream(Source(40), threads=1)) == frames


def test_a_slow_taker_does_not_pile_up_results(plan, monkeypatch):
    monkeypatch.setattr(plan_module, "BATCH", 2)
    source = Source(100)
    stream = plan.stream(source, threads=2)
    next(stream)
    time.sleep(0.2)
    # Four batches under way at most, one of them taken, and one more that its taking let in.
    assert source.read <= 10
    stream.close()
    time.sleep(0.05)
    assert source.read <= 10


def test_leaving_a_stream_ends_its_threads(plan):
    stream = plan.stream(Source(200), threads=3)
    next(stream)
    stream.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("aureole")]


def test_an_unexpected_error_is_not_hidden(plan):
    with pytest.raises(ZeroDivisionError):
        list(plan.stream(Source(40, {30: ZeroDivisionError()}), threads=2))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("verb", ["integrate", "accumulate"])
def test_integrate_and_accumulate_stop_at_the_first_bad_frame(plan, verb, threads):
    bad = {33: FrameMissing("scan_0033", "it is not there"), 35: FrameCorrupt("scan_0035", "MD5")}
    with pytest.raises(FrameMissing, match="scan_0033"):
        getattr(plan, verb)(Source(50, bad), threads=threads)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (np.zeros((31, 24), np.int32), "31 x 24 pixels instead of 24 x 31"),
        (np.zeros((2, 24, 31), np.int32), "shape"),
        (np.zeros(SHAPE, np.complex64), "type complex64"),
        (np.array([["a"] * 31] * 24), "type <U1"),
        (EncodedFrame(b"\0" * 100, Encoding.RAW, SHAPE, np.dtype("i4"), "x"), "end before the last pixel"),
        (EncodedFrame(b"\0" * 745, Encoding.BYTE_OFFSET, SHAPE, np.dtype("i4"), "x"), "left after the last"),
    ],
)
def test_unusable_frames_have_a_reason(frame, reason, backend, spec_of):
    plan = spec_of().plan(backend)
    good = np.ones(SHAPE, np.int32)
    (batch,) = plan.stream([good, frame, good], threads=1)
    assert list(batch.rows) == [0, 2]
    assert reason in batch.failures[1].reason
    assert isinstance(batch.failures[1], FrameCorrupt)
    same = plan.integrate(good)
    np.testing.assert_array_equal(batch.result[1].intensity, same.intensity)
    with pytest.raises(FrameCorrupt, match=reason):
        plan.integrate([frame])


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
def test_a_monitor_that_divides_by_nothing_makes_a_frame_bad(plan, value):
    monitor = np.ones(10)
    monitor[4] = value
    (batch,) = plan.stream(Source(10), monitor=monitor, threads=1)
    assert list(batch.failures) == [4]
    assert "monitor" in batch.failures[4].reason
    assert batch.failures[4].name == "scan_0004"
    with pytest.raises(FrameCorrupt, match=r"scan_0004: its monitor is .*: it must be above zero"):
        plan.integrate(Source(10), monitor=monitor)


def test_corrupt_frames_leave_the_other_rows_alone(backend, spec_of, counts):
    spec = spec_of(error_model="azimuthal", dark=np.ones(SHAPE))
    plan = spec.plan(backend)
    frames = [EncodedFrame.from_array(image.astype(float)) for image in counts]
    holes = counts[3].astype(float)
    holes[4:9] = np.nan
    frames[3] = EncodedFrame.from_array(holes)
    frames[1] = EncodedFrame(b"", Encoding.RAW, SHAPE, np.dtype(float), "empty")
    (batch,) = plan.stream(frames, monitor=np.arange(5) + 1.0, threads=1)
    assert list(batch.failures) == [1]
    for row, index in enumerate(batch.rows):
        alone = plan.integrate(frames[index], monitor=index + 1.0)
        for name in ("intensity", "sigma", "std", "count"):
            np.testing.assert_array_equal(getattr(batch.result[row], name), getattr(alone, name))


def test_a_kind_of_which_no_frame_is_good(plan):
    good = np.ones(SHAPE, np.int32)
    bad = EncodedFrame(b"", Encoding.RAW, SHAPE, np.dtype("f4"), "empty")
    (batch,) = plan.stream([bad, good, good.astype(np.uint8), good], threads=1)
    assert list(batch.rows) == [1, 2, 3]
    np.testing.assert_array_equal(batch.result.intensity, 1.0)
    assert batch.result.count.shape == (3, 9)


def test_variances_may_be_encoded_frames_too(backend, spec_of, counts):
    plan = spec_of(error_model="variance").plan(backend)
    variance = counts + 1
    encoded = [EncodedFrame.from_array(image) for image in variance]
    have = plan.integrate(list(counts), variance=encoded)
    np.testing.assert_array_equal(have.sigma, plan.integrate(counts, variance=variance).sigma)
    bad = [*encoded[:4], EncodedFrame.from_array(np.ones((3, 3)), "v4")]
    with pytest.raises(FrameCorrupt, match="v4: it has 3 x 3 pixels"):
        plan.integrate(counts, variance=bad)


@pytest.mark.parametrize(
    ("frames", "options", "message"),
    [
        (np.zeros(5), {}, "frames of 1 axes"),
        (np.zeros((1, 2, 3, 4)), {}, "frames of 4 axes"),
        (3, {}, "not int"),
        ("frame.cbf", {}, "not str"),
        (np.zeros((2, *SHAPE)), {"monitor": [1.0]}, "1 monitor values for 2 frames"),
        (np.zeros((2, *SHAPE)), {"monitor": np.ones((2, 2))}, r"monitor has shape \(2, 2\)"),
        (np.zeros((2, *SHAPE)), {"monitor": ["a", "b"]}, "monitor must be numbers"),
        (np.zeros((2, *SHAPE)), {"monitor": [1.0, 2.0j]}, "monitor must be numbers"),
        (np.ma.masked_array(np.zeros(SHAPE)), {}, "frames: masked arrays are not read"),
        (np.ma.masked_array(np.zeros((2, *SHAPE))), {}, "frames: masked arrays are not read"),
        (np.zeros((2, *SHAPE)), {"monitor": np.ma.masked_array([1.0, 2.0])}, "monitor: masked arrays"),
        (np.zeros(SHAPE), {"variance": np.zeros(SHAPE)}, "has no use with the error model None"),
        (np.zeros(SHAPE), {"threads": 0}, "at least one thread"),
    ],
)
def test_calls_that_cannot_be_met(plan, frames, options, message):
    for verb in ("integrate", "accumulate", "stream"):
        with pytest.raises(SpecError, match=message) as caught:
            getattr(plan, verb)(frames, **options)
        assert "\n" not in str(caught.value)


def test_masked_arrays_among_frames_and_variances(plan, spec_of):
    masked = np.ma.masked_array(np.zeros(SHAPE))
    with pytest.raises(SpecError, match="frame 1: masked arrays are not read"):
        plan.integrate([np.zeros(SHAPE), masked])
    with pytest.raises(SpecError, match="variance: masked arrays are not read"):
        spec_of(error_model="variance").plan("reference").integrate(np.zeros(SHAPE), variance=masked)


def test_the_variance_that_a_model_needs(spec_of, counts):
    plan = spec_of(error_model="variance").plan("reference")
    with pytest.raises(SpecError, match="needs a variance"):
        plan.integrate(counts)
    with pytest.raises(SpecError, match="2 variances for 5 frames"):
        plan.integrate(counts, variance=np.ones((2, *SHAPE)))
