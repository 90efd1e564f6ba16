"""Errors are what they say: a thousand equal exposures, every pair of their patterns."""

import numpy as np
import pytest
import saxs_series

FRAMES = 1000
BINS = saxs_series.BINS
EXPECTED = np.sqrt(2.0 / BINS)
"""Standard deviation of the reduced χ² of independent bins."""


@pytest.fixture(scope="module")
def patterns():
    frames = saxs_series.exposures(FRAMES)
    return {split: saxs_series.spec(split).plan().integrate(frames) for split in saxs_series.SPLITS}


@pytest.fixture(scope="module")
def chi2(patterns):
    return {split: saxs_series.reduced_chi2(of_split) for split, of_split in patterns.items()}


def test_reduced_chi2_is_one_without_splitting(chi2):
    assert chi2["no"].size == FRAMES * (FRAMES - 1) // 2
    assert chi2["no"].mean() == pytest.approx(1.0, abs=0.01)
    assert chi2["no"].std() == pytest.approx(EXPECTED, rel=0.03)
    # So a test at the level of 5 % fails 5 % of the pairs.
    assert np.mean(np.abs(chi2["no"] - 1.0) > 1.96 * EXPECTED) == pytest.approx(0.05, abs=0.01)


@pytest.mark.parametrize("split", saxs_series.SPLITS)
def test_the_error_of_each_bin_is_right_with_any_splitting(split, patterns, chi2):
    """Σc²u is the variance of Σc·raw: the scatter of a bin is its sigma, and χ² is 1 on average."""
    of_split = patterns[split]
    scatter = of_split.intensity.std(axis=0, ddof=1)
    error = np.sqrt(np.mean(np.square(of_split.sigma), axis=0))
    # A standard deviation from 1000 values is good to 2.2 %.
    np.testing.assert_allclose(scatter / error, 1.0, atol=0.1)
    assert np.mean(scatter / error) == pytest.approx(1.0, abs=0.01)
    assert chi2[split].mean() == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(("split", "least"), [("bbox", 0.25), ("full", 0.15)])
def test_splitting_ties_neighbouring_bins_together(split, least, patterns):
    """They share pixels, and so their noise: as much as the table says."""
    expected = np.diag(saxs_series.correlation(split), 1)
    found = np.diag(np.corrcoef(patterns[split].intensity.T), 1)
    assert expected.mean() > least
    assert found.mean() == pytest.approx(expected.mean(), abs=0.02)
    np.testing.assert_allclose(found, expected, atol=5.0 / np.sqrt(FRAMES))
    alone = np.diag(np.corrcoef(patterns["no"].intensity.T), 1)
    assert abs(alone.mean()) < 0.02


@pytest.mark.parametrize(("split", "least"), [("bbox", 1.05), ("full", 1.02)])
def test_splitting_widens_the_distribution_of_chi2(split, least, chi2):
    """Its variance is 2 Σρ² / N² instead of 2 / N: there are fewer independent bins than bins."""
    rho = saxs_series.correlation(split)
    expected = np.sqrt(2.0 * np.sum(np.square(rho))) / BINS
    assert chi2[split].std() > least * EXPECTED
    assert chi2[split].std() == pytest.approx(expected, rel=0.03)
    beyond = np.mean(np.abs(chi2[split] - 1.0) > 1.96 * EXPECTED)
    assert beyond > 1.05 * np.mean(np.abs(chi2["no"] - 1.0) > 1.96 * EXPECTED)


@pytest.mark.parametrize("split", ["bbox", "full"])
def test_the_error_of_a_sum_of_bins_is_too_small_with_splitting(split, patterns):
    """A peak is some bins: adding the squares of their errors forgets that their noise goes together."""

    def underestimate(of_split):
        groups = of_split.intensity.reshape(FRAMES, -1, 10).sum(axis=2)
        claimed = np.square(of_split.sigma).mean(axis=0).reshape(-1, 10).sum(axis=1)
        return np.mean(groups.var(axis=0, ddof=1) / claimed)

    assert underestimate(patterns["no"]) == pytest.approx(1.0, abs=0.05)
    assert underestimate(patterns[split]) > 1.25


@pytest.mark.parametrize("split", saxs_series.SPLITS)
def test_the_covariance_mends_it(split, patterns):
    found = saxs_series.reduced_chi2_with_covariance(patterns[split], saxs_series.covariance(split))
    assert found.mean() == pytest.approx(1.0, abs=0.01)
    assert found.std() == pytest.approx(EXPECTED, rel=0.04)


@pytest.mark.parametrize(("split", "most"), [("no", 1.0), ("bbox", 0.8), ("full", 0.85)])
def test_errors_that_forget_the_square_are_too_large_with_splitting(split, most, patterns):
    """With Σcu in the place of Σc²u, χ² falls below 1. For counts Σcu is the signal.

    A share c of a pixel scatters by c times what the pixel scatters, not by √c times.
    """
    of_split = patterns[split]
    linear = of_split.sum_signal / np.square(of_split.sum_normalization)
    chi2 = np.mean(of_split.intensity.var(axis=0, ddof=1) / linear.mean(axis=0))
    if split == "no":
        assert chi2 == pytest.approx(most, abs=0.01)
    else:
        assert chi2 < most
