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


def assert_twin(entries, frames, **arguments):
    """Every instruction set gives the bits of the reference, which are returned."""
    wanted = reference_robust.robust(entries, frames, **arguments)
    rings = native.Rings(entries)
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
