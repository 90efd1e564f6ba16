"""Pixels that stand out, and peaks: the bits of the slow twin, whatever batch and instruction set."""

import numpy as np
import pytest
from encoders import frame
from hypothesis import given, settings
from hypothesis import strategies as st

from aureole.errors import SpecError
from aureole.frames import EncodedFrame, Encoding
from aureole.kernels import Clip, Entries, cpu_pick, cpu_robust, isas, reference_pick, reference_robust
from aureole.kernels.pick import Peaks, Picking, PixelPlaces
from aureole.kernels.robust import PixelRows

NOTHING = np.empty((0, 2))
FIELDS = ("mean", "deviation", "pixels", "values", "invalid", "peaks")


def assert_twin(entries, frames, norm, place, *, columns, **arguments):
    """Every instruction set gives the bits of the reference, in one batch and alone; returns those."""
    pixels = PixelRows(norm)
    with np.errstate(divide="ignore"):
        places = PixelPlaces(place, np.where(norm > 0, 1.0 / norm, np.nan), entries.n_bins, columns)
    wanted = reference_pick.pick(reference_robust.Rings(entries, pixels), frames, places=places, **arguments)
    rings, native = cpu_robust.Rings(entries, pixels), cpu_pick.places(places)
    for isa in isas():
        together = cpu_pick.pick(rings, frames, places=native, **arguments, isa=isa)
        last = {**arguments, "variance_frames": arguments.get("variance_frames", ())[-1:]}
        alone = cpu_pick.pick(rings, frames[-1:], places=native, **last, isa=isa)
        pairs = [*zip(together.frames, wanted.frames, strict=True), (alone.frames[0], wanted.frames[-1])]
        assert [type(one) for one in together.failures] == [type(one) for one in wanted.failures]
        for mine, theirs in pairs:
            assert (mine is None) == (theirs is None)
            for name in FIELDS if mine is not None else ():
                np.testing.assert_array_equal(
                    getattr(mine, name), getattr(theirs, name), err_msg=f"{name}, {isa}", strict=True
                )
    return wanted.frames


def images_of(rng, shape, dtype, n_frames):
    for i in range(n_frames):
        image = rng.poisson(rng.choice([0.05, 3.0, 30.0]), shape)
        spots = rng.random(shape) < 0.02
        image[spots] = rng.integers(5, 127, np.count_nonzero(spots))
        image = image.astype(dtype)
        if image.dtype.kind == "f":
            image[rng.random(shape) < 0.02] = np.nan
        wide = image.dtype.kind == "f" or image.dtype.itemsize > 4
        choice = [Encoding.RAW, Encoding.BITSHUFFLE_LZ4] if wide else list(Encoding)
        yield frame(image, choice[rng.integers(len(choice))], f"frame {i}")


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    shape=st.sampled_from([(1, 1), (3, 5), (17, 19), (40, 110)]),
    n_frames=st.integers(1, 8),
    n_bins=st.sampled_from([1, 2, 7, 30]),
    dtype=st.sampled_from(["i1", "u2", "i4", "u4", "i8", "f4", "f8"]),
    variance=st.sampled_from(["raw", "floor", "scatter", "frames"]),
    peaks=st.none() | st.builds(Peaks, st.floats(1.0, 6.0), st.sampled_from([3, 5]), st.integers(1, 4)),
    noise=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_the_kernel_is_its_twin(seed, shape, n_frames, n_bins, dtype, variance, peaks, noise):
    rng = np.random.default_rng(seed)
    n = shape[0] * shape[1]
    used = rng.random(n) < 0.9
    bins = rng.integers(0, n_bins, n)
    bins[bins == n_bins // 2] = 0  # a bin without pixels
    pixel_ptr = np.concatenate([[0], np.cumsum(used)]).astype(np.int64)
    coefs = np.ones(used.sum(), np.float32)
    norm = rng.uniform(0.5, 2.0, n)
    norm[rng.random(n) < 0.01] = 0.0
    spread = list(images_of(rng, shape, "f4", n_frames)) if variance == "frames" else ()
    assert_twin(
        Entries(pixel_ptr, bins[used].astype(np.int32), coefs, n_bins),
        list(images_of(rng, shape, dtype, n_frames)),
        norm,
        rng.uniform(0, n_bins - 1, n).astype(np.float32),
        columns=shape[1],
        rule=(Clip(3.0, 5, bool(rng.integers(2)), bool(rng.integers(2))), Picking(3.0, noise, peaks)),
        invalid=np.array([[-2.0, -1.0], [13.0, 13.0]]),
        variance=variance,
        variance_frames=spread,
    )


def one_bin(image, picking, invalid=NOTHING):
    """What stands out in an image whose pixels are all in one bin."""
    image = np.asarray(image, "i4")
    entries = Entries(
        np.arange(image.size + 1), np.zeros(image.size, np.int32), np.ones(image.size, np.float32), 1
    )
    [found] = assert_twin(
        entries,
        [EncodedFrame.from_array(image)],
        np.ones(image.size),
        np.zeros(image.size, np.float32),
        columns=image.shape[1],
        rule=(Clip(), picking),
        invalid=invalid,
        variance="raw",
    )
    return found


@pytest.fixture
def flat():
    return np.random.default_rng(1).poisson(25.0, (60, 50))


def test_what_stands_out_is_picked_with_its_counts(flat):
    flat[20, 30], flat[59, 49] = 60, 1000
    found = one_bin(flat, Picking(cutoff=5.0))
    assert found.pixels.tolist() == [20 * 50 + 30, 59 * 50 + 49]
    assert found.values.tolist() == [60, 1000]
    assert found.mean[0] == pytest.approx(25.0, rel=0.02)
    assert found.deviation[0] == pytest.approx(5.0, rel=0.02)


def test_noise_keeps_single_photons_in_the_background():
    dim = np.random.default_rng(2).poisson(0.01, (60, 50))
    dim[7, 7] = 9
    assert one_bin(dim, Picking()).pixels.tolist() == [7 * 50 + 7]
    assert one_bin(dim, Picking(noise=0.0)).pixels.size > 10


def test_invalid_pixels_are_told_apart(flat):
    flat[3, 4], flat[5, 6] = -1, 5000
    found = one_bin(flat, Picking(cutoff=6.0), np.array([[-1.0, -1.0], [4000.0, np.inf]]))
    assert found.invalid.tolist() == [154, 256]
    assert not found.pixels.size


def test_a_peak_is_summed_above_the_background(flat):
    spot = 400.0 * np.exp(-0.5 * (np.square(np.arange(-2, 3)[:, None] - 0.3) + np.arange(-2, 3) ** 2) / 0.6)
    flat[18:23, 28:33] += spot.astype(int)
    [peak] = one_bin(flat, Picking(peaks=Peaks(patch=5))).peaks
    assert peak[0] == 20 * 50 + 30
    assert peak[1:3] == pytest.approx([20.3, 30.0], abs=0.05)
    assert peak[3] == pytest.approx(spot.sum(), rel=0.08)
    assert 3 * 5 <= peak[4] <= 5.1 * np.sqrt(26)


def test_of_equal_pixels_one_is_the_top_and_lone_ones_are_no_peaks(flat):
    flat[20, 30] = flat[20, 31] = 300
    flat[40, 10] = 300
    picking = Picking(peaks=Peaks(connected=2))
    assert one_bin(flat, picking).peaks[:, 0].tolist() == [1030]
    assert one_bin(flat, Picking(peaks=Peaks(connected=1))).peaks[:, 0].tolist() == [1030, 2010]


def test_a_peak_at_the_border_counts_what_is_there(flat):
    flat[0, 0] = flat[0, 1] = 300
    [peak] = one_bin(flat, Picking(peaks=Peaks())).peaks
    assert peak[0] == 0
    assert 500 < peak[3] < 650


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Picking(cutoff=0.0), "above zero"),
        (lambda: Picking(noise=-1.0), "negative"),
        (lambda: Picking(cutoff=float("nan")), "finite"),
        (lambda: Peaks(patch=4), "3, 5"),
        (lambda: Peaks(connected=10), "1 to 9"),
        (lambda: Peaks(cutoff=0.0), "above zero"),
    ],
)
def test_impossible_rules_are_refused(make, message):
    with pytest.raises(SpecError, match=message):
        make()
