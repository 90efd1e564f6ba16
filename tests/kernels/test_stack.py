"""Statistics of pixels over frames, against NumPy, SciPy and pyFAI."""

import numpy as np
import pytest
from pyFAI.average import average_dark
from scipy.stats import norm, trim_mean

from aureole.kernels import Clip, Trim
from aureole.kernels.stack import Correction, Median, Moments, reduce_stack

RNG = np.random.default_rng(11)
START = RNG.bit_generator.state
NOTHING = np.zeros((0, 2))


@pytest.fixture(autouse=True)
def begin_anew():
    """Let each test have the same numbers, whichever ran before."""
    RNG.bit_generator.state = START


def stack_with_holes(frames=11, pixels=4000):
    values = RNG.normal(100.0, 7.0, (frames, pixels))
    values[RNG.random(values.shape) < 0.1] = np.nan
    values[:, 0] = np.nan
    values[1:, 1] = np.nan
    return values


def test_median_is_that_of_the_values_there_are():
    values = stack_with_holes()
    found = reduce_stack(values, Median())
    np.testing.assert_allclose(found.value[1:], np.nanmedian(values[:, 1:], axis=0), rtol=1e-14)
    assert np.isnan(found.value[0])
    np.testing.assert_array_equal(found.count, np.isfinite(values).sum(0))


def test_a_single_percentile_is_that_of_numpy():
    values = RNG.normal(size=(13, 500))
    found = reduce_stack(values, Trim(30, 30))
    np.testing.assert_allclose(found.value, np.percentile(values, 30, axis=0), rtol=1e-13, atol=1e-15)


def test_trimmed_mean_is_that_of_scipy_and_pyfai():
    values = RNG.normal(100.0, 7.0, (20, 600))
    found = reduce_stack(values, Trim(10, 90))
    np.testing.assert_allclose(found.value, trim_mean(values, 0.1, axis=0), rtol=1e-13)
    images = values.reshape(20, 20, 30)
    peer = average_dark(images, "quantiles", quantiles=(0.1, 0.9))
    np.testing.assert_allclose(found.value.reshape(20, 30), peer, rtol=1e-5)


def test_trimming_nothing_is_the_mean_with_its_variance():
    values = stack_with_holes()
    found = reduce_stack(values, Trim(0, 100))
    number = np.isfinite(values).sum(0)
    np.testing.assert_allclose(found.value[1:], np.nanmean(values[:, 1:], axis=0), rtol=1e-13)
    expected = np.nanvar(values[:, 2:], axis=0, ddof=1) / number[2:]
    np.testing.assert_allclose(found.variance[2:], expected, rtol=1e-11)
    assert np.isnan(found.variance[:2]).all()


@pytest.mark.parametrize("rule", [Trim(10, 90), Trim(25, 75), Clip(3.0, 5)])
@pytest.mark.parametrize("frames", [10, 33])
def test_variances_are_those_of_many_trials(rule, frames):
    found = reduce_stack(RNG.normal(5.0, 2.0, (frames, 40000)), rule)
    true = found.value.var()
    assert found.value.mean() == pytest.approx(5.0, abs=5 * np.sqrt(true / 40000))
    assert found.variance.mean() == pytest.approx(true, rel=0.15)


@pytest.mark.parametrize("frames", [5, 10, 100])
def test_clipping_takes_out_what_it_promises(frames):
    """Of normal values as many as beyond three standard deviations, however few frames there are."""
    values = RNG.normal(0.0, 1.0, (frames, 200_000 // frames))
    found = reduce_stack(values, Clip(3.0, 1))
    share = 1.0 - found.count.sum() / values.size
    assert share == pytest.approx(2 * norm.sf(3.0), rel=0.3)


@pytest.mark.parametrize("frames", [6, 10, 40])
def test_clipping_takes_out_a_cosmic_ray_of_few_frames(frames):
    values = RNG.poisson(50.0, (frames, 300)).astype(float)
    clean = values.copy()
    values[2] += 5000.0
    found = reduce_stack(values, Clip(3.0, 5), quantum=1.0)
    clean = np.delete(clean, 2, axis=0)
    assert (found.count <= frames - 1).all()
    kept = found.count == frames - 1
    assert kept.mean() > 0.85
    np.testing.assert_allclose(found.value[kept], clean.mean(0)[kept], rtol=1e-12)


def test_single_counts_of_dark_pixels_are_no_outliers():
    values = RNG.poisson(0.02, (200, 5000)).astype(float)
    np.testing.assert_allclose(
        reduce_stack(values, Clip(), quantum=1.0).value.mean(), values.mean(), rtol=0.01
    )
    assert reduce_stack(values, Clip()).value.mean() < 0.5 * values.mean()


def test_clipping_with_chauvenet_spares_what_chance_brings():
    values = RNG.normal(0.0, 1.0, (1000, 300))
    plain = reduce_stack(values, Clip(3.0, 5))
    spared = reduce_stack(values, Clip(3.0, 5, chauvenet=True))
    assert (1000 - plain.count).mean() > 2.0
    assert (1000 - spared.count).mean() < 0.7


def test_values_without_scatter_are_kept():
    found = reduce_stack(np.full((7, 3), 4.0), Clip())
    np.testing.assert_array_equal(found.value, 4.0)
    np.testing.assert_array_equal(found.count, 7)


def test_clipping_leaves_out_what_is_no_value():
    values = stack_with_holes()
    values[3, 7] = 1e6
    found = reduce_stack(values, Clip(3.5, 5))
    assert np.isnan(found.value[0])
    assert found.value[1] == values[0, 1]
    rest = np.delete(values[:, 7], 3)
    assert found.value[7] == pytest.approx(np.nanmean(rest))


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.uint32, np.float32])
def test_sums_are_those_of_numpy_and_merge(dtype):
    images = RNG.poisson(90.0, (9, 70000)).astype(dtype)
    bad = RNG.random(images.shape) < 0.05
    images[bad] = 255
    images[:, 5] = 255
    correction = Correction(np.array([[255.0, 255.0]]))
    values = np.where(images == 255, np.nan, images.astype(float))
    parts = [Moments(values[0] * 0 + 90.0, extremes=True) for _ in range(2)]
    for part in parts:
        part.origin[~np.isfinite(part.origin)] = 0.0
    parts[1].origin[:] = parts[0].origin
    for index, image in enumerate(images):
        parts[index > 4].add(image, correction)
    parts[0].merge(parts[1])
    sums = parts[0]
    assert np.isnan(sums.mean()[5])
    assert np.isnan(sums.extreme(highest=True)[5])
    assert np.isnan(sums.sum()[5])
    keep = np.arange(70000) != 5
    values = values[:, keep]
    np.testing.assert_array_equal(sums.count[keep], np.isfinite(values).sum(0))
    np.testing.assert_allclose(sums.mean()[keep], np.nanmean(values, axis=0), rtol=1e-13)
    np.testing.assert_allclose(sums.sum()[keep], np.nansum(values, axis=0), rtol=1e-13)
    np.testing.assert_allclose(sums.scatter()[keep], np.nanvar(values, axis=0, ddof=1), rtol=1e-11)
    np.testing.assert_array_equal(sums.extreme(highest=True)[keep], np.nanmax(values, axis=0))
    np.testing.assert_array_equal(sums.extreme(highest=False)[keep], np.nanmin(values, axis=0))


def test_scatter_of_large_values_is_exact():
    values = 1e9 + RNG.integers(0, 3, (50, 100)).astype(float)
    sums = Moments(values[0])
    for image in values:
        sums.add(image, Correction(NOTHING))
    np.testing.assert_allclose(sums.scatter(), (values - 1e9).var(0, ddof=1), rtol=1e-12)
