"""The fused integrator gives the bits of its slow twin, whatever batch, instruction set and thread."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from encoders import frame
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import (
    DTYPES,
    INVALID,
    NONE,
    VARIANCES,
    arguments,
    batch_of,
    damaged,
    encodings_for,
    image_of,
    table_of,
)

from aureole.errors import FrameCorrupt
from aureole.frames import EncodedFrame, Encoding
from aureole.kernels import Entries, isas, reference
from aureole.kernels import cpu as native

SIZES = [1, 2, 15, 16, 17, 63, 333, 2047, 2048, 2049, 4096, 4321]


def assert_same(found, wanted):
    for mine, theirs in zip(found.failures, wanted.failures, strict=True):
        assert type(mine) is type(theirs)
        assert mine is None or mine.name == theirs.name
    for name in ("signal", "variance", "touched", "lost_count", "lost_linear", "lost_quadratic"):
        a, b = getattr(found, name), getattr(wanted, name)
        if b is None:
            assert a is None
            continue
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b, err_msg=name, strict=True)


def assert_twin(entries, frames, **given_arguments):
    """Every instruction set gives the bits of the reference, which are returned."""
    with np.errstate(invalid="ignore"):
        wanted = reference.integrate(entries, frames, **given_arguments)
    table = native.Table(entries)
    for isa in isas():
        assert_same(native.integrate(table, frames, **given_arguments, isa=isa), wanted)
    return wanted


edges = st.sampled_from(
    [-np.inf, -(2.0**31), -2, -1, -0.5, 0, 0.5, 1, 2, 50, 127, 128, 255, 65535, 2.0**32 - 1, 1e300, np.inf]
)
intervals = st.lists(st.tuples(edges, edges), max_size=8).map(
    lambda pairs: np.array(pairs, np.float64).reshape(-1, 2)
)


@settings(max_examples=300)
@given(
    seed=st.integers(0, 2**32),
    n_pixels=st.sampled_from(SIZES),
    n_frames=st.integers(1, 16),
    n_bins=st.sampled_from([1, 2, 7, 100, 1000]),
    dtype=st.sampled_from(DTYPES),
    variance=st.sampled_from(VARIANCES),
    variance_dtype=st.sampled_from(DTYPES),
    invalid=intervals,
)
def test_the_integrator_is_its_twin(
    seed, n_pixels, n_frames, n_bins, dtype, variance, variance_dtype, invalid
):
    rng = np.random.default_rng(seed)
    frames = batch_of(rng, n_frames, n_pixels, dtype)
    spread = batch_of(rng, n_frames, n_pixels, variance_dtype) if variance == "frames" else ()
    wanted = arguments(rng, n_pixels, invalid=invalid, variance=variance, variance_frames=spread)
    assert_twin(table_of(rng, n_pixels, n_bins), frames, **wanted)


@pytest.mark.parametrize("variance", VARIANCES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_type_and_variance(dtype, variance):
    rng = np.random.default_rng(5)
    entries = table_of(rng, 5000, 333)
    for n_frames in (1, 8, 9, 16):
        frames = batch_of(rng, n_frames, 5000, dtype)
        spread = batch_of(rng, n_frames, 5000, "f4") if variance == "frames" else ()
        assert_twin(entries, frames, **arguments(rng, 5000, variance=variance, variance_frames=spread))


@pytest.mark.parametrize(
    ("dtype", "encoding"), [(dtype, encoding) for dtype in DTYPES for encoding in encodings_for(dtype)]
)
def test_variances_come_in_every_type_and_encoding(dtype, encoding):
    rng = np.random.default_rng(6)
    frames = batch_of(rng, 3, 4321, "i4")
    spread = [frame(image_of(rng, 4321, dtype), encoding) for _ in frames]
    found = assert_twin(
        table_of(rng, 4321, 50), frames, **arguments(rng, 4321, variance="frames", variance_frames=spread)
    )
    assert found.failures == [None] * 3


@pytest.mark.parametrize("case", INVALID)
@pytest.mark.parametrize("variance", VARIANCES)
def test_invalid_values(case, variance):
    dtype, bounds = INVALID[case]
    rng = np.random.default_rng(7)
    frames = batch_of(rng, 11, 4321, dtype)
    spread = batch_of(rng, 11, 4321, "f8") if variance == "frames" else ()
    entries = table_of(rng, 4321, 70)
    invalid = np.array(bounds, np.float64)
    assert_twin(
        entries,
        frames,
        **arguments(rng, 4321, invalid=invalid, variance=variance, variance_frames=spread),
    )
    deviations_are_the_twins(rng, entries, frames, invalid)


def test_frames_without_invalid_pixels_in_the_table_lose_nothing():
    rng = np.random.default_rng(8)
    entries = table_of(rng, 3000, 40)
    used = np.diff(entries.pixel_ptr) > 0
    image = rng.integers(0, 9, 3000, np.int32)
    hidden, seen = image.copy(), image.copy()
    hidden[~used] = -1
    seen[np.flatnonzero(used)[7]] = -1
    frames = [EncodedFrame.from_array(one.reshape(1, -1)) for one in (image, hidden, seen)]
    sums = assert_twin(entries, frames, **arguments(rng, 3000, invalid=np.array([[-1.0, -1.0]])))
    assert sums.touched.tolist() == [2]
    assert sums.lost_count.sum() == np.diff(entries.pixel_ptr)[used][7]
    np.testing.assert_array_equal(sums.signal[0], sums.signal[1])


@pytest.mark.parametrize("variance", VARIANCES)
@pytest.mark.parametrize("encoding", Encoding)
@pytest.mark.parametrize("how", ["short", "long", "empty", "last byte", "nonsense"])
def test_a_corrupt_frame_leaves_the_others_alone(encoding, how, variance):
    if encoding == Encoding.RAW and how == "nonsense":
        how = "short"
    rng = np.random.default_rng(9)
    n = 9000
    good = [frame(image_of(rng, n, "i4"), encoding) for _ in range(9)]
    spread = batch_of(rng, 9, n, "u2") if variance == "frames" else []
    table = native.Table(entries := table_of(rng, n, 70))
    wanted = arguments(rng, n, invalid=np.array([[-2.0, -1.0]]), variance=variance, variance_frames=spread)
    alone = native.integrate(table, good, **wanted)
    mixed = list(good)
    for i in (0, 4, 8):
        mixed[i] = damaged(rng, good[i], how)
    sums = assert_twin(entries, mixed, **wanted)
    found = native.integrate(table, mixed, **wanted)
    for i in range(9):
        if i in (0, 4, 8):
            assert found.failures[i]
            assert not found.signal[i].any()
            assert i not in sums.touched
        else:
            assert found.failures[i] is None
            np.testing.assert_array_equal(found.signal[i], alone.signal[i])
            lost = found.lost_linear[found.touched == i], alone.lost_linear[alone.touched == i]
            np.testing.assert_array_equal(*lost)


@pytest.mark.parametrize("encoding", Encoding)
def test_a_corrupt_variance_spoils_its_frame_alone(encoding):
    rng = np.random.default_rng(10)
    frames = batch_of(rng, 5, 4321, "i4")
    spread = [frame(image_of(rng, 4321, "u2"), encoding) for _ in frames]
    spread[2] = damaged(rng, spread[2], "short")
    wanted = arguments(rng, 4321, variance="frames", variance_frames=spread)
    sums = assert_twin(table_of(rng, 4321, 70), frames, **wanted)
    assert [failure and failure.name for failure in sums.failures] == [None, None, "damaged", None, None]


@pytest.mark.parametrize("dtype", ["i4", "u2", "f4"])
@pytest.mark.parametrize("variance", VARIANCES)
def test_the_bits_do_not_depend_on_the_batch(dtype, variance):
    rng = np.random.default_rng(11)
    table = native.Table(table_of(rng, 4321, 100))
    frames = batch_of(rng, 16, 4321, dtype)
    spread = batch_of(rng, 16, 4321, "f4") if variance == "frames" else []
    others = arguments(rng, 4321, invalid=np.array([[-2.0, -1.0], [60.0, np.inf]]), variance=variance)
    whole = native.integrate(table, frames, **others, variance_frames=spread)
    for order in ([0], [5, 3], range(15, 3, -1), [7] * 9, rng.permutation(16)):
        part = native.integrate(
            table,
            [frames[i] for i in order],
            **others,
            variance_frames=[spread[i] for i in order] if spread else (),
        )
        at = np.array(list(order))
        np.testing.assert_array_equal(part.signal, whole.signal[at])
        if variance != "none":
            np.testing.assert_array_equal(part.variance, whole.variance[at])
        for row, i in enumerate(part.touched):
            np.testing.assert_array_equal(
                part.lost_quadratic[row], whole.lost_quadratic[whole.touched == at[i]][0]
            )


def test_threads_share_a_table():
    rng = np.random.default_rng(12)
    table = native.Table(table_of(rng, 20_000, 500))
    frames = batch_of(rng, 16, 20_000, "i4")
    others = arguments(rng, 20_000, invalid=np.array([[-2.0, -1.0]]))
    wanted = [native.integrate(table, frames[i:], **others) for i in range(8)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda i: native.integrate(table, frames[i % 8 :], **others), range(40)))
    for i, sums in enumerate(found):
        assert_same(sums, wanted[i % 8])


def test_a_cake_of_many_bins():
    rng = np.random.default_rng(13)
    frames = batch_of(rng, 3, 4321, "u2")
    assert_twin(table_of(rng, 4321, 100_000), frames, **arguments(rng, 4321))


@pytest.mark.parametrize("n_pixels", [1, 100, 5000])
def test_a_table_without_entries(n_pixels):
    rng = np.random.default_rng(14)
    empty = Entries(np.zeros(n_pixels + 1, np.int64), np.empty(0, np.int32), np.empty(0, np.float32), 3)
    sums = assert_twin(empty, batch_of(rng, 2, n_pixels, "f4"), **arguments(rng, n_pixels))
    assert sums.failures == [None, None]
    assert not sums.signal.any()
    assert sums.touched.size == 0


def test_no_frames_give_no_rows():
    rng = np.random.default_rng(15)
    sums = assert_twin(table_of(rng, 100, 10), [], **arguments(rng, 100))
    assert sums.signal.shape == (0, 10)


def deviations_are_the_twins(rng, entries, frames, invalid):
    norm, dark = rng.uniform(0.5, 2.0, entries.n_pixels), rng.uniform(0.0, 3.0, entries.n_pixels)
    mean = rng.normal(20.0, 3.0, (len(frames), entries.n_bins))
    table = native.Table(entries)
    for background in (None, dark):
        others = {"invalid": invalid, "norm": norm, "dark": background, "mean": mean}
        with np.errstate(invalid="ignore"):
            wanted = reference.deviations(entries, frames, **others)
        for isa in isas():
            found = native.deviations(table, frames, **others, isa=isa)
            np.testing.assert_array_equal(found.square, wanted.square, strict=True)
            np.testing.assert_array_equal(found.weighted, wanted.weighted, strict=True)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_frames", [1, 8, 9, 16])
def test_deviations_are_the_twins(dtype, n_frames):
    rng = np.random.default_rng(16)
    frames = batch_of(rng, n_frames, 4321, dtype)
    deviations_are_the_twins(rng, table_of(rng, 4321, 90), frames, np.array([[-2.0, -1.0], [70.0, 1e9]]))


@pytest.mark.parametrize(
    ("n_linear", "n_quadratic"), [(1, 0), (0, 1), (3, 2), (8, 0), (0, 8), (5, 3), (0, 0)]
)
def test_projections_are_the_twins(n_linear, n_quadratic):
    rng = np.random.default_rng(17)
    for n_pixels in SIZES:
        entries = table_of(rng, n_pixels, 77)
        linear = [*rng.normal(size=(n_linear, n_pixels)), None]
        quadratic = [None, *rng.normal(size=(n_quadratic, n_pixels))]
        wanted = reference.project(entries, linear, quadratic)
        for threads in (1, 2, 3):
            found = native.project(native.Table(entries), linear, quadratic, threads)
            np.testing.assert_array_equal(found.count, wanted.count, strict=True)
            np.testing.assert_array_equal(found.linear, wanted.linear, strict=True)
            np.testing.assert_array_equal(found.quadratic, wanted.quadratic, strict=True)


def test_no_rows_are_counted_alone():
    entries = table_of(np.random.default_rng(17), 333, 77)
    found = native.project(native.Table(entries), [], [])
    np.testing.assert_array_equal(found.count, np.bincount(entries.bins, minlength=77))
    assert found.linear.shape == found.quadratic.shape == (0, 77)


def test_a_table_does_not_depend_on_the_threads_that_made_it():
    rng = np.random.default_rng(18)
    entries = table_of(rng, 20_000, 300)
    frames, others = batch_of(rng, 4, 20_000, "u2"), arguments(rng, 20_000)
    wanted = native.integrate(native.Table(entries, threads=1), frames, **others)
    for threads in (2, 3, 7, 100):
        assert_same(native.integrate(native.Table(entries, threads), frames, **others), wanted)


@pytest.mark.parametrize(
    ("pixel_ptr", "bins", "coefs"),
    [
        ([0, 1, 2], [0, 5], [1, 1]),
        ([0, 1, 2], [0, -1], [1, 1]),
        ([0, 1, 2], [2**31 - 1, 0], [1, 1]),
        ([0, 2, 1], [0, 0], [1, 1]),
        ([0, 3, 2], [0, 0], [1, 1]),
        ([0, -1, 2], [0, 0], [1, 1]),
        ([1, 1, 2], [0, 0], [1, 1]),
        ([0, 1, 3], [0, 0], [1, 1]),
        ([0, 1, 1], [0, 0], [1, 1]),
        ([0, 1, -1], [0, 0], [1, 1]),
        ([0, 1, 2], [0, 0], [1]),
        ([], [], []),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(pixel_ptr, bins, coefs):
    entries = Entries(np.array(pixel_ptr, np.int64), np.array(bins, np.int32), np.array(coefs, np.float32), 5)
    for threads in (1, 4):
        with pytest.raises(ValueError, match=r"pixel_ptr|entry|Table"):
            native.Table(entries, threads)


def test_arguments_that_do_not_fit_are_refused():
    rng = np.random.default_rng(19)
    entries = table_of(rng, 100, 10)
    table, frames, good = native.Table(entries), batch_of(rng, 2, 100, "i4"), arguments(rng, 100)
    for changed, words in (
        ({"linear": np.ones((1, 99))}, "linear"),
        ({"quadratic": np.ones((2, 101))}, "quadratic"),
        ({"invalid": np.zeros((9, 2))}, "invalid"),
        ({"invalid": np.zeros((1, 3))}, "invalid"),
        ({"variance": "frames", "variance_frames": frames[:1]}, "one variance for each frame"),
        ({"isa": "abacus"}, "not available"),
    ):
        with pytest.raises(ValueError, match=words):
            native.integrate(table, frames, **{**good, **changed})
    with pytest.raises(ValueError, match="too many frames"):
        native.integrate(table, frames * 9, **good)
    with pytest.raises(ValueError, match="rows"):
        native.project(table, [None], [np.ones(101)])
    with pytest.raises(ValueError, match="mean"):
        native.deviations(table, frames, invalid=NONE, norm=np.ones(100), dark=None, mean=np.ones((1, 10)))
    with pytest.raises(ValueError, match="norm"):
        native.deviations(table, frames, invalid=NONE, norm=np.ones(99), dark=None, mean=np.ones((2, 10)))


def test_frames_of_another_type_or_size_are_named():
    rng = np.random.default_rng(20)
    table, good = native.Table(table_of(rng, 100, 10)), arguments(rng, 100)
    frames = [*batch_of(rng, 2, 100, "i4"), frame(image_of(rng, 100, "u2"), Encoding.RAW, "the odd one")]
    with pytest.raises(FrameCorrupt, match=r"the odd one.*uint16"):
        native.integrate(table, frames, **good)
    frames = [frame(image_of(rng, n, "i4"), encoding) for n in (99, 101) for encoding in Encoding]
    sums = native.integrate(table, frames, **good)
    assert None not in sums.failures
    assert not sums.signal.any()
