"""Sums on OpenCL devices are those of the slow reference, with doubles and with pairs of floats."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import pytest
from encoders import frame
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import DTYPES, INVALID, NONE, arguments, batch_of, damaged, image_of, table_of

from aureole.errors import DeviceError, FrameCorrupt
from aureole.frames import EncodedFrame, Encoding
from aureole.kernels import Entries, reference
from aureole.kernels.opencl_device import choose, devices
from aureole.kernels.sums import is_invalid

pytest.importorskip("pyopencl", reason="pyopencl is not installed")
try:
    devices()
except DeviceError as error:
    pytest.skip(str(error), allow_module_level=True)

from aureole.kernels import opencl, opencl_frames, opencl_table

DOUBLE, SINGLE = 1e-14, 1e-13
"""By how much sums may differ from the reference, relative to the sums of the magnitudes."""

TYPES = [(False, dtype) for dtype in DTYPES] + [
    (True, dtype) for dtype in ("i2", "i4", "u4", "i8", "u8", "f4")
]

AT_ONCE = opencl_frames.FRAMES


@pytest.fixture(autouse=True)
def _fewer_at_once(monkeypatch):
    """Compiling for as many frames as are summed at once takes most of the time."""
    monkeypatch.setattr(opencl_frames, "FRAMES", 2)


def magnitudes(entries, values, power):
    """Σ c|x| or Σ c²|x| of every row of finite values."""
    rows = [np.abs(np.where(np.isfinite(row), row, 0.0)) for row in values]
    found = reference.project(entries, *((rows, []) if power == 1 else ([], rows)))
    return found.linear if power == 1 else found.quadratic


def assert_close(found, wanted, size, single, what):
    """Equal but for rounding, relative to the magnitudes of what was added; infinity and NaN alike."""
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype
    finite = np.isfinite(wanted)
    np.testing.assert_array_equal(found[~finite], wanted[~finite], err_msg=what)
    off = np.abs(np.subtract(found, wanted, where=finite, out=np.zeros_like(wanted)))
    assert np.all(off <= (SINGLE if single else DOUBLE) * size), f"{what}: {np.max(off / (size + 1e-300))}"


def values_of(frames):
    def pixels(one):
        try:
            return reference.decode(one).ravel().astype(np.float64)
        except FrameCorrupt:
            return np.zeros(one.shape[0] * one.shape[1])

    return [pixels(one) for one in frames]


def assert_twin(entries, frames, *, single=False, table=None, **given):
    """The sums are those of the reference; they are returned."""
    with np.errstate(invalid="ignore"):
        wanted = reference.integrate(entries, frames, **given)
    found = opencl.integrate(table or opencl.Table(entries, single=single), frames, **given)
    for mine, theirs in zip(found.failures, wanted.failures, strict=True):
        assert type(mine) is type(theirs)
        assert mine is None or mine.name == theirs.name
    np.testing.assert_array_equal(found.touched, wanted.touched, strict=True)
    np.testing.assert_array_equal(found.lost_count, wanted.lost_count, strict=True)
    raw = [np.where(is_invalid(one, given["invalid"]), 0.0, one) for one in values_of(frames)]
    assert_close(found.signal, wanted.signal, magnitudes(entries, raw, 1), single, "signal")
    if wanted.variance is None:
        assert found.variance is None
    else:
        spread = values_of(given["variance_frames"]) if given["variance"] == "frames" else raw
        spread = [np.maximum(np.abs(one), 1.0) for one in spread]
        assert_close(found.variance, wanted.variance, magnitudes(entries, spread, 2), single, "variance")
    for name, rows, power in (("lost_linear", given["linear"], 1), ("lost_quadratic", given["quadratic"], 2)):
        size = magnitudes(entries, rows, power)
        assert_close(getattr(found, name), getattr(wanted, name), size, single, name)
    return found


def assert_same(found, wanted):
    for a, b in zip(found[1:], wanted[1:], strict=True):
        np.testing.assert_array_equal(a, b, strict=True)


def assert_deviations(rng, entries, frames, invalid, single=False):
    norm, dark = rng.uniform(0.5, 2.0, entries.n_pixels), rng.uniform(0.0, 3.0, entries.n_pixels)
    mean = rng.normal(20.0, 3.0, (len(frames), entries.n_bins))
    table = opencl.Table(entries, single=single)
    for background in (None, dark):
        others = {"invalid": invalid, "norm": norm, "dark": background, "mean": mean}
        with np.errstate(invalid="ignore"):
            wanted = reference.deviations(entries, frames, **others)
        found = opencl.deviations(table, frames, **others)
        raw = [np.where(is_invalid(one, invalid), 0.0, one) for one in values_of(frames)]
        far = [(np.abs(one) + 2.0 * np.abs(mean).max() + 3.0) for one in raw]
        square = magnitudes(entries, [one**2 for one in far], 2)
        assert_close(found.square, wanted.square, square, single, "square")
        weighted = magnitudes(entries, [2.0 * one for one in far], 2)
        assert_close(found.weighted, wanted.weighted, weighted, single, "weighted")


edges = st.sampled_from([-np.inf, -(2.0**31), -2, -1, -0.5, 0, 0.5, 1, 2, 50, 2.0**31 - 1, 1e300, np.inf])


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32),
    n_pixels=st.sampled_from([1, 2, 63, 333, 2048, 4321]),
    n_frames=st.integers(1, 16),
    n_bins=st.sampled_from([1, 2, 7, 100, 1000]),
    single=st.booleans(),
    invalid=st.lists(st.tuples(edges, edges), max_size=8),
)
def test_the_integrator_is_its_twin(seed, n_pixels, n_frames, n_bins, single, invalid):
    rng = np.random.default_rng(seed)
    frames = batch_of(rng, n_frames, n_pixels, "i4")
    bounds = np.array(invalid, np.float64).reshape(-1, 2)
    wanted = arguments(rng, n_pixels, invalid=bounds)
    assert_twin(table_of(rng, n_pixels, n_bins), frames, single=single, **wanted)


@pytest.mark.parametrize(("single", "dtype"), TYPES)
def test_every_type(single, dtype):
    rng = np.random.default_rng(5)
    entries, frames = table_of(rng, 4321, 90), batch_of(rng, 9, 4321, dtype)
    assert_twin(entries, frames, single=single, **arguments(rng, 4321))
    invalid = np.array([[-2.0, -1.0], [60.0, 1e9]])
    found = assert_twin(entries, frames, single=single, **arguments(rng, 4321, invalid=invalid))
    assert found.touched.size == 9


@pytest.mark.parametrize(
    ("single", "variance", "dtype"),
    [
        *[(single, variance, "") for single in (False, True) for variance in ("none", "floor")],
        *[(False, "frames", dtype) for dtype in ("i2", "u4", "f4", "f8")],
        *[(True, "frames", dtype) for dtype in ("f4", "i8")],
    ],
)
def test_every_variance(single, variance, dtype):
    rng = np.random.default_rng(6)
    frames = batch_of(rng, 9, 4321, "i4")
    spread = batch_of(rng, 9, 4321, dtype) if dtype else ()
    given = arguments(rng, 4321, invalid=np.array([[-2.0, -1.0]]), variance=variance, variance_frames=spread)
    assert_twin(table_of(rng, 4321, 90), frames, single=single, **given)


@pytest.mark.parametrize("case", INVALID)
def test_invalid_values(case):
    dtype, bounds = INVALID[case]
    rng = np.random.default_rng(7)
    frames = batch_of(rng, 3, 4321, dtype)
    invalid = np.array(bounds, np.float64)
    assert_twin(table_of(rng, 4321, 70), frames, **arguments(rng, 4321, invalid=invalid))


@pytest.mark.parametrize("dtype", ["i8", "u8", "f4"])
def test_intervals_end_where_doubles_do(dtype):
    """Whole numbers of 64 bits are rounded before they are compared; bounds of single floats are not."""
    rng = np.random.default_rng(8)
    edges = [2.0**62 + 1024, 2.0**62 - 512, 2.0**53 + 2, 2.0**63, 1e300, 0.1, -0.1]
    values = [x for edge in edges[:4] for x in range(int(edge) - 1100, int(edge) + 1100, 25)]
    if dtype == "f4":
        near = np.array([0.1, -0.1, 3.4028235e38, np.inf], "f4")
        near = [*near, *np.nextafter(near, np.float32(0))]
        values = [*near, *np.nextafter(near[:2], np.float32(1))]
    most = 2**63 - 1 if dtype == "i8" else 2**64 - 1
    image = np.array([x for x in values if dtype == "f4" or x <= most], dtype).reshape(1, -1)
    entries = table_of(rng, image.size, 5, most=5)
    for low in edges:
        for high in [*edges, np.inf]:
            invalid = np.array([[low, high]])
            given = arguments(rng, image.size, invalid=invalid)
            assert_twin(entries, [EncodedFrame.from_array(image)] * 2, **given)


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
    np.testing.assert_array_equal(sums.signal[0], sums.signal[1])


@pytest.mark.parametrize("encoding", Encoding)
@pytest.mark.parametrize("how", ["short", "long", "empty", "last byte", "nonsense"])
def test_a_corrupt_frame_leaves_the_others_alone(encoding, how):
    if encoding == Encoding.RAW and how == "nonsense":
        how = "short"
    rng = np.random.default_rng(9)
    n = 9000
    good = [frame(image_of(rng, n, "i4"), encoding) for _ in range(9)]
    table = opencl.Table(entries := table_of(rng, n, 70))
    given = arguments(rng, n, invalid=np.array([[-2.0, -1.0]]))
    alone = opencl.integrate(table, good, **given)
    mixed = list(good)
    for i in (0, 4, 8):
        mixed[i] = damaged(rng, good[i], how)
    found = assert_twin(entries, mixed, table=table, **given)
    for i in range(9):
        if i in (0, 4, 8):
            assert found.failures[i]
            assert not found.signal[i].any()
            assert not found.variance[i].any()
            assert i not in found.touched
        else:
            np.testing.assert_array_equal(found.signal[i], alone.signal[i])
            lost = found.lost_linear[found.touched == i], alone.lost_linear[alone.touched == i]
            np.testing.assert_array_equal(*lost)


def test_a_corrupt_variance_spoils_its_frame_alone():
    rng = np.random.default_rng(10)
    frames = batch_of(rng, 5, 4321, "i4")
    spread = batch_of(rng, 5, 4321, "f4")
    spread[2] = damaged(rng, frame(image_of(rng, 4321, "f4"), Encoding.BITSHUFFLE_LZ4), "short")
    given = arguments(rng, 4321, variance="frames", variance_frames=spread)
    sums = assert_twin(table_of(rng, 4321, 70), frames, **given)
    assert [failure and failure.name for failure in sums.failures] == [None, None, "damaged", None, None]


@pytest.mark.parametrize("single", [False, True])
def test_the_bits_do_not_depend_on_the_batch(single, monkeypatch):
    monkeypatch.setattr(opencl_frames, "FRAMES", AT_ONCE)
    rng = np.random.default_rng(11)
    table = opencl.Table(entries := table_of(rng, 4321, 100), single=single)
    frames = batch_of(rng, 16, 4321, "i4")
    given = arguments(rng, 4321, invalid=np.array([[-2.0, -1.0], [60.0, np.inf]]))
    whole = assert_twin(entries, frames, single=single, table=table, **given)
    for order in ([0], [5, 3], range(15, 3, -1), [7] * 9, rng.permutation(16), [*range(16)] * 3):
        part = opencl.integrate(table, [frames[i] for i in order], **given)
        at = np.array(list(order))
        np.testing.assert_array_equal(part.signal, whole.signal[at])
        np.testing.assert_array_equal(part.variance, whole.variance[at])
        for row, i in enumerate(part.touched):
            lost = whole.lost_quadratic[whole.touched == at[i]][0]
            np.testing.assert_array_equal(part.lost_quadratic[row], lost)


def test_batches_are_cut_where_memory_is_short(monkeypatch):
    rng = np.random.default_rng(11)
    entries, frames = table_of(rng, 4321, 100), batch_of(rng, 16, 4321, "i4")
    given = arguments(rng, 4321, invalid=np.array([[-2.0, -1.0]]))
    whole = opencl.integrate(opencl.Table(entries), frames, **given)

    def with_memory(nbytes):
        chosen = [replace(one, memory=nbytes) for one in choose(None)]
        monkeypatch.setattr(opencl_table, "choose", lambda _: chosen)
        return opencl.Table(entries)

    table = with_memory(1_500_000)
    with table.worker() as worker:
        assert 1 <= table.most_frames(worker.part, 4 * 4321, 3 * 4 * 4321) < 9
    assert_same(opencl.integrate(table, frames, **given), whole)
    held = [worker.lane.nbytes for worker in workers_of(table)]
    assert 0 < 2 * max(held) < 1_500_000 - table.nbytes
    with pytest.raises(DeviceError, match=r"0 MB of memory, too little for 2 frames of 1 MB .* or the CPU"):
        opencl.integrate(with_memory(300_000), frames, **given)
    with pytest.raises(DeviceError, match=r"0 MB of memory, too little for 2 frames of 1 MB .* or the CPU"):
        with_memory(300_000).check_room()
    with_memory(20_000_000).check_room()
    with pytest.raises(DeviceError, match=r"too little for a table"):
        with_memory(50_000)


def workers_of(table):
    with ExitStack() as stack:
        return [stack.enter_context(table.worker()) for _ in range(table.lanes)]


def test_several_devices_share_the_calls(monkeypatch):
    rng = np.random.default_rng(12)
    entries, frames = table_of(rng, 4321, 100), batch_of(rng, 16, 4321, "i4")
    given = arguments(rng, 4321, invalid=np.array([[-2.0, -1.0]]))
    one = opencl.Table(entries)
    monkeypatch.setattr(opencl_table, "choose", lambda which: 2 * choose(which))
    two = opencl.Table(entries)
    assert (two.lanes, two.nbytes) == (2 * one.lanes, 2 * one.nbytes)
    wanted = opencl.integrate(one, frames, **given)
    for _ in range(two.lanes):
        assert_same(opencl.integrate(two, frames, **given), wanted)
    assert all(worker.lane.nbytes for worker in workers_of(two))


def test_threads_share_a_table_and_its_lanes():
    rng = np.random.default_rng(12)
    table = opencl.Table(table_of(rng, 20_000, 500))
    assert table.lanes == 2
    frames = batch_of(rng, 16, 20_000, "i4")
    given = arguments(rng, 20_000, invalid=np.array([[-2.0, -1.0]]))
    wanted = [opencl.integrate(table, frames[i:], **given) for i in range(8)]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda i: opencl.integrate(table, frames[i % 8 :], **given), range(24)))
    for i, sums in enumerate(found):
        assert_same(sums, wanted[i % 8])


def test_a_lane_is_free_again_after_an_error():
    rng = np.random.default_rng(12)
    table = opencl.Table(table_of(rng, 100, 10))
    for _ in range(table.lanes + 1):
        with pytest.raises(ZeroDivisionError), table.worker():
            raise ZeroDivisionError
    opencl.integrate(table, batch_of(rng, 2, 100, "i4"), **arguments(rng, 100))


@pytest.mark.parametrize("n_bins", [1, 2, 700, 100_000])
def test_few_bins_and_the_many_of_a_cake(n_bins):
    rng = np.random.default_rng(13)
    entries = table_of(rng, 20_000, n_bins)
    for single in (False, True):
        given = arguments(rng, 20_000, invalid=np.array([[-2.0, -1.0]]))
        assert_twin(entries, batch_of(rng, 3, 20_000, "i4"), single=single, **given)


@pytest.mark.parametrize("n_pixels", [1, 100, 5000])
def test_a_table_without_entries(n_pixels):
    rng = np.random.default_rng(14)
    empty = Entries(np.zeros(n_pixels + 1, np.int64), np.empty(0, np.int32), np.empty(0, np.float32), 3)
    sums = assert_twin(empty, batch_of(rng, 2, n_pixels, "i4"), **arguments(rng, n_pixels))
    assert sums.failures == [None, None]
    assert not sums.signal.any()
    assert sums.touched.size == 0


def test_no_frames_give_no_rows():
    rng = np.random.default_rng(15)
    sums = assert_twin(table_of(rng, 100, 10), [], **arguments(rng, 100))
    assert sums.signal.shape == (0, 10)


@pytest.mark.parametrize(("single", "dtype"), [(False, "i4"), (False, "f8"), (True, "i4"), (True, "f4")])
def test_deviations_are_the_twins(single, dtype):
    rng = np.random.default_rng(16)
    entries = table_of(rng, 4321, 90)
    frames = batch_of(rng, 9, 4321, dtype)
    assert_deviations(rng, entries, frames, np.array([[-2.0, -1.0], [70.0, np.inf]]), single)


def test_a_bin_of_one_pixel_deviates_from_nothing():
    """Raw value and mean are the same number then, and it takes rounding to make them differ."""
    n = 1000
    entries = Entries(np.arange(n + 1), np.arange(n, dtype=np.int32), np.ones(n, np.float32), n)
    image = np.random.default_rng(3).integers(0, 1000, (1, n), np.int32)
    for single in (False, True):
        found = opencl.deviations(
            opencl.Table(entries, single=single),
            [EncodedFrame.from_array(image)] * 2,
            invalid=NONE,
            norm=np.ones(n),
            dark=None,
            mean=np.repeat(image, 2, axis=0).astype(float),
        )
        assert not found.square.any()


def test_deviations_name_the_frame_that_is_corrupt():
    rng = np.random.default_rng(16)
    frames = batch_of(rng, 3, 500, "i4")
    frames[1] = damaged(rng, frames[1], "short")
    table = opencl.Table(table_of(rng, 500, 9))
    with pytest.raises(FrameCorrupt, match="damaged"):
        opencl.deviations(table, frames, invalid=NONE, norm=np.ones(500), dark=None, mean=np.ones((3, 9)))


@pytest.mark.parametrize("single", [False, True])
def test_a_frame_that_is_all_invalid_loses_just_what_there_was(single):
    rng = np.random.default_rng(18)
    entries = table_of(rng, 4321, 77)
    table = opencl.Table(entries, single=single)
    rows = rng.normal(size=(5, 4321))
    static = reference.project(entries, rows[:3], rows[3:])
    given = {"invalid": np.array([[-np.inf, np.inf]]), "linear": rows[:3], "quadratic": rows[3:]}
    lost = opencl.integrate(table, batch_of(rng, 2, 4321, "i4"), variance="raw", **given)
    for i in range(2):
        np.testing.assert_array_equal(lost.lost_count[i], static.count)
        size = magnitudes(entries, rows[:3], 1)
        assert_close(lost.lost_linear[i], static.linear, size, single, "linear")
        size = magnitudes(entries, rows[3:], 2)
        assert_close(lost.lost_quadratic[i], static.quadratic, size, single, "quadratic")


def test_rows_stay_on_the_device_but_not_all_of_them():
    rng = np.random.default_rng(18)
    entries = table_of(rng, 500, 9)
    table = opencl.Table(entries)
    for _ in range(20):  # arrays that come and go may lie at the same place
        given = arguments(rng, 500, invalid=np.array([[-2.0, -1.0]]))
        assert_twin(entries, batch_of(rng, 2, 500, "i4"), table=table, **given)
    with table.worker() as worker:
        assert worker.part.kept(given["linear"][0]) is worker.part.kept(given["linear"][0])


@pytest.mark.parametrize(
    ("pixel_ptr", "bins", "coefs"),
    [
        ([0, 1, 2], [0, 5], [1, 1]),
        ([0, 1, 2], [0, -1], [1, 1]),
        ([0, 2, 1], [0, 0], [1, 1]),
        ([0, 3, 2], [0, 0], [1, 1]),
        ([1, 1, 2], [0, 0], [1, 1]),
        ([0, 1, 3], [0, 0], [1, 1]),
        ([0, 1, 2], [0, 0], [1]),
        ([], [], []),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(pixel_ptr, bins, coefs):
    entries = Entries(np.array(pixel_ptr, np.int64), np.array(bins, np.int32), np.array(coefs, np.float32), 5)
    with pytest.raises(ValueError, match=r"pixel_ptr|entry"):
        opencl.Table(entries)


def test_arguments_that_do_not_fit_are_refused():
    rng = np.random.default_rng(19)
    table, frames = opencl.Table(table_of(rng, 100, 10)), batch_of(rng, 2, 100, "i4")
    good = arguments(rng, 100)
    for changed, words in (
        ({"linear": np.ones((1, 99))}, "linear"),
        ({"quadratic": np.ones((2, 101))}, "quadratic"),
        ({"invalid": np.zeros((1, 3))}, "invalid"),
        ({"variance": "frames", "variance_frames": frames[:1]}, "one variance for each frame"),
    ):
        with pytest.raises(ValueError, match=words):
            opencl.integrate(table, frames, **{**good, **changed})
    given = {"invalid": NONE, "norm": np.ones(100), "dark": None, "mean": np.ones((2, 10))}
    for name, wrong in (("mean", np.ones((1, 10))), ("norm", np.ones(99)), ("dark", np.ones(99))):
        with pytest.raises(ValueError, match=name):
            opencl.deviations(table, frames, **{**given, name: wrong})


def test_frames_of_another_type_or_size_are_named():
    rng = np.random.default_rng(20)
    table, good = opencl.Table(table_of(rng, 100, 10)), arguments(rng, 100)
    frames = [*batch_of(rng, 2, 100, "i4"), frame(image_of(rng, 100, "u2"), Encoding.RAW, "the odd one")]
    with pytest.raises(FrameCorrupt, match=r"the odd one.*uint16"):
        opencl.integrate(table, frames, **good)
    frames = [frame(image_of(rng, n, "i4"), encoding) for n in (99, 101) for encoding in Encoding]
    sums = opencl.integrate(table, frames, **good)
    assert None not in sums.failures
    assert not sums.signal.any()


def test_pixels_of_64_bit_floats_need_doubles():
    rng = np.random.default_rng(21)
    table = opencl.Table(table_of(rng, 100, 10), single=True)
    with pytest.raises(DeviceError, match=r"frame 0: its pixels are 64-bit floats.*use the CPU"):
        opencl.integrate(table, batch_of(rng, 2, 100, "f8"), **arguments(rng, 100))
