"""Robust averages give the bits of their slow twin, whatever batch and instruction set."""

import numpy as np
import pytest
from encoders import frame
from hypothesis import given, settings
from hypothesis import strategies as st

from aureole.errors import FrameCorrupt, SpecError
from aureole.frames import EncodedFrame, Encoding
from aureole.kernels import Clip, Entries, Trim, isas, reference_robust
from aureole.kernels import cpu_robust as native
from aureole.kernels.robust import PixelRows

NONE = np.empty((0, 2))
DTYPES = ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]
VARIANCES = ["none", "raw", "floor", "frames", "scatter"]
PARTS = ("signal", "normalization", "normalization2", "variance", "dark_variance", "count")


def table_of(rng, n_pixels, n_bins, most=3):
    """Entries of pixels with no, one or a few bins of their neighbourhood."""
    wanted = rng.integers(0, most + 1, n_pixels)
    pixel_ptr = np.concatenate([[0], np.cumsum(wanted)]).astype(np.int64)
    near = np.repeat(np.arange(n_pixels) * n_bins // n_pixels, wanted) + rng.integers(-3, 4, pixel_ptr[-1])
    coefs = np.maximum(rng.random(pixel_ptr[-1]), 1e-3).astype(np.float32)
    return Entries(pixel_ptr, (near % n_bins).astype(np.int32), coefs, n_bins)


def image_of(rng, n_pixels, dtype):
    dtype = np.dtype(dtype)
    mean = rng.choice([0.05, 3.0, 60.0])
    image = rng.poisson(mean, n_pixels)
    image[rng.random(n_pixels) < 0.02] = 127
    if dtype.kind == "f":
        image = image - rng.normal(0.0, 1.0, n_pixels)
        image[rng.random(n_pixels) < 0.02] = np.nan
        image[rng.random(n_pixels) < 0.02] = -0.0
    return image.astype(dtype).reshape(1, n_pixels)


def encoding_for(rng, dtype):
    wide = np.dtype(dtype).kind == "f" or np.dtype(dtype).itemsize > 4
    choice = [Encoding.RAW, Encoding.BITSHUFFLE_LZ4] if wide else list(Encoding)
    return choice[rng.integers(len(choice))]


def batch_of(rng, n_frames, n_pixels, dtype):
    return [
        frame(image_of(rng, n_pixels, dtype), encoding_for(rng, dtype), f"frame {i}") for i in range(n_frames)
    ]


def pixels_of(rng, n_pixels, *, dark=True, dark_variance=True):
    norm = rng.uniform(0.5, 2.0, n_pixels)
    norm[rng.random(n_pixels) < 0.01] = 0.0
    return PixelRows(
        norm,
        rng.uniform(0.0, 2.0, n_pixels) if dark else None,
        rng.uniform(0.0, 0.3, n_pixels) if dark_variance else None,
    )


def assert_twin(entries, frames, *, pixels, **arguments):
    """Every instruction set gives the bits of the reference, which are returned."""
    wanted = reference_robust.robust(reference_robust.Rings(entries, pixels), frames, **arguments)
    rings = native.Rings(entries, pixels)
    for isa in isas():
        found = native.robust(rings, frames, **arguments, isa=isa)
        assert [type(one) for one in found.failures] == [type(one) for one in wanted.failures]
        for name in PARTS:
            if name == "variance" and arguments["variance"] == "none":
                continue
            np.testing.assert_array_equal(
                getattr(found, name), getattr(wanted, name), err_msg=f"{name}, {isa}", strict=True
            )
    return wanted


rules = st.one_of(
    st.tuples(st.floats(0.0, 99.0), st.floats(0.001, 100.0))
    .map(lambda pair: Trim(pair[0], min(100.0, pair[0] + pair[1])))
    .filter(lambda rule: rule.high > rule.low),
    st.just(Trim()),
    st.just(Trim(0.0, 100.0)),
    st.floats(0.0, 100.0).map(lambda percent: Trim(percent, percent)),
    st.builds(Clip, st.floats(0.1, 6.0), st.integers(1, 7), st.booleans()),
)


@settings(max_examples=150)
@given(
    seed=st.integers(0, 2**32),
    n_pixels=st.sampled_from([1, 2, 17, 333, 2049, 4321]),
    n_frames=st.integers(1, 8),
    n_bins=st.sampled_from([1, 2, 7, 100]),
    dtype=st.sampled_from(DTYPES),
    variance=st.sampled_from(VARIANCES),
    variance_dtype=st.sampled_from(DTYPES),
    rule=rules,
    dark=st.booleans(),
)
def test_the_kernel_is_its_twin(
    seed, n_pixels, n_frames, n_bins, dtype, variance, variance_dtype, rule, dark
):
    rng = np.random.default_rng(seed)
    frames = batch_of(rng, n_frames, n_pixels, dtype)
    spread = batch_of(rng, n_frames, n_pixels, variance_dtype) if variance == "frames" else ()
    assert_twin(
        table_of(rng, n_pixels, n_bins),
        frames,
        rule=rule,
        pixels=pixels_of(rng, n_pixels, dark=dark, dark_variance=dark),
        invalid=np.array([[-2.0, -1.0], [13.0, 13.0]]),
        variance=variance,
        variance_frames=spread,
    )


def one_bin(values, rule, *, norm=None, dtype="i4", **options):
    """Intensity and sums of one bin of whole pixels of these values."""
    image = np.array([values], dtype)
    entries = Entries(
        np.arange(image.size + 1), np.zeros(image.size, np.int32), np.ones(image.size, np.float32), 1
    )
    arguments = {
        "rule": rule,
        "pixels": PixelRows(np.ones(image.size) if norm is None else np.array(norm, np.float64)),
        "invalid": NONE,
        "variance": "raw",
        **options,
    }
    found = assert_twin(entries, [EncodedFrame.from_array(image, "image")], **arguments)
    with np.errstate(invalid="ignore"):
        return found.signal[0, 0] / found.normalization[0, 0], found


def test_trimming_keeps_fractions_of_pixels():
    mean, found = one_bin([50, 0, 1, 2], Trim(12.5, 75.0))
    assert found.normalization[0, 0] == pytest.approx(2.5, abs=1e-8)
    assert mean == pytest.approx((0.5 * 0 + 1 + 2) / 2.5, abs=1e-7)
    assert found.count[0, 0] == 3


def test_equal_pixels_share_what_is_cut_off():
    mean, found = one_bin([0, 0, 0, 0, 9], Trim(10.0, 90.0))
    assert mean == pytest.approx(0.5 * 9 / 4.0, abs=1e-7)
    assert found.count[0, 0] == 5
    assert one_bin([7] * 5, Trim(10.0, 20.0))[0] == pytest.approx(7.0)


def test_one_percentile_is_that_of_the_pixels():
    values = [3, 9, 1, 4, 100]
    assert one_bin(values, Trim(50.0, 50.0))[0] == 4.0
    assert one_bin(values, Trim(0.0, 0.0))[0] == 1.0
    assert one_bin(values, Trim(100.0, 100.0))[0] == 100.0
    assert one_bin([1, 2, 3, 4], Trim(50.0, 50.0))[0] == 2.0


def test_all_is_the_plain_mean():
    values = [3, 0, 0, 17, 4]
    mean, found = one_bin(values, Trim(0.0, 100.0), norm=[1, 2, 1, 1, 3])
    assert mean == 3.0
    assert found.variance[0, 0] == 24.0


def test_clipping_takes_out_what_is_far_again_and_again():
    values = [10, 11, 9, 10, 12, 8, 10, 11, 9, 10, 40, 500]
    assert one_bin(values, Clip(3.0, 5))[0] == 10.0
    # The first step spares 40: beside 500 it is near the mean.
    once, found = one_bin(values, Clip(2.5, 1), variance="scatter")
    assert once == pytest.approx(140 / 11)
    assert found.count[0, 0] == 11


@pytest.mark.parametrize("spot", [300, 10**5, 10**9])
def test_bright_pixels_do_not_drag_the_cut_off_along(spot):
    """About their mean, some 100 + spot/500 ± 3√mean, there may be few of the good pixels or none."""
    values = np.random.default_rng(4).poisson(100, 500)
    good = values.mean()
    values[17] = spot
    mean, found = one_bin(values, Clip())
    assert mean == pytest.approx(good, abs=0.2)
    assert found.count[0, 0] >= 496


def test_chauvenet_spares_pixels_of_large_bins():
    rng = np.random.default_rng(2)
    values = rng.normal(0.0, 1.0, 20000)
    plain, strict = (
        one_bin(values, Clip(3.0, 5, chauvenet), dtype="f8", variance="scatter")[1].count[0, 0]
        for chauvenet in (True, False)
    )
    assert values.size - plain <= 3
    assert 30 <= values.size - strict <= 100


def test_a_step_that_would_leave_nothing_is_not_taken():
    mean, found = one_bin([0, 1000], Clip(0.5), variance="scatter")
    assert (mean, found.count[0, 0]) == (500.0, 2)


@pytest.mark.parametrize("variance", ["raw", "scatter"])
@pytest.mark.parametrize("rule", [Trim(), Clip(1.0), Clip()])
def test_one_pixel_is_its_own_mean(rule, variance):
    mean, found = one_bin([7], rule, norm=[0.3], variance=variance)
    assert mean == pytest.approx(7 / 0.3)
    assert found.count[0, 0] == 1


@pytest.mark.parametrize("rule", [Trim(), Clip()])
def test_pixels_that_are_invalid_or_have_no_norm_do_not_count(rule):
    values = [np.nan, 4.0, 5.0, 1e9, np.nan, 6.0]
    mean, found = one_bin(values, rule, norm=[1, 1, 1, 0, 1, 1], dtype="f4", variance="none")
    assert mean == pytest.approx(5.0)
    assert found.count[0, 0] == 3
    nothing, found = one_bin([np.nan, np.nan], rule, dtype="f4")
    assert np.isnan(nothing)
    assert found.count[0, 0] == 0


def test_values_beyond_single_precision_are_trimmed_too():
    assert one_bin([1e300, 2.0, -1e300] + [2.0] * 20, Trim(), dtype="f8", variance="none")[0] == 2.0


@pytest.mark.parametrize("rule", [Trim(), Clip()])
def test_a_corrupt_frame_spoils_itself_alone(rule):
    rng = np.random.default_rng(3)
    frames = [frame(image_of(rng, 333, "i4"), Encoding.BYTE_OFFSET, f"frame {i}") for i in range(3)]
    good = {"rule": rule, "pixels": pixels_of(rng, 333), "invalid": NONE, "variance": "raw"}
    entries = table_of(rng, 333, 7)
    wanted = assert_twin(entries, frames, **good)
    cut = EncodedFrame(bytes(frames[1].payload)[:-9], Encoding.BYTE_OFFSET, (1, 333), np.int32, "cut")
    found = assert_twin(entries, [frames[0], cut, frames[2]], **good)
    assert isinstance(found.failures[1], FrameCorrupt)
    assert found.failures[1].name == "cut"
    np.testing.assert_array_equal(found.signal[[0, 2]], wanted.signal[[0, 2]])


@pytest.mark.parametrize("rule", [Trim(), Clip()])
def test_a_variance_that_is_no_variance_makes_its_pixel_invalid(rule):
    spread = EncodedFrame.from_array(np.array([[4.0, 5.0, -1.0]]), "variance")
    _, found = one_bin([4, 5, 1000], rule, variance="frames", variance_frames=[spread])
    assert found.count[0, 0] == 2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Trim(11, 10), "0 <= low <= high <= 100"),
        (lambda: Trim(-1, 50), "0 <= low <= high <= 100"),
        (lambda: Trim(10, 101), "0 <= low <= high <= 100"),
        (lambda: Trim(10, float("nan")), "must be finite"),
        (lambda: Trim("ten"), "must be a number"),
        (lambda: Clip(0.0), "above zero"),
        (lambda: Clip(3.0, 0), "whole number from 1 on"),
        (lambda: Clip(3.0, 2.5), "whole number from 1 on"),
        (lambda: Clip(3.0, None), "must be a number"),
    ],
)
def test_rules_that_make_no_sense(make, message):
    with pytest.raises(SpecError, match=message):
        make()
