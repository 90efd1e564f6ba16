"""Counts are drawn from tables, and are those of Poisson all the same."""

import numpy as np
import pytest
from scipy.stats import chi2
from scipy.stats import poisson as exact

from aureole.simulate.poisson import poisson


@pytest.mark.parametrize("mean", [1e-3, 0.11, 0.3, 3.99, 10.06, 120.1, 255.97, 300.0])
def test_the_distribution(mean):
    means = np.full(600_000, mean, np.float32)
    counts = poisson(np.random.default_rng(5), means)
    values = np.arange(counts.max() + 2)
    expected = exact.pmf(values, float(means[0])) * counts.size
    seen = np.bincount(counts, minlength=values.size)
    common = expected > 20
    expected = np.append(expected[common], counts.size - expected[common].sum())
    seen = np.append(seen[common], counts.size - seen[common].sum())
    square = np.sum((seen - expected) ** 2 / np.maximum(expected, 1.0))
    assert chi2.sf(square, seen.size - 1) > 1e-3


def test_pixels_are_independent_and_keep_their_means():
    rng = np.random.default_rng(2)
    means = rng.gamma(1.0, 80.0, (7, 30_001)).astype(np.float32)
    means[0] = 0.0
    draws = np.array([poisson(rng, means) for _ in range(30)])
    assert draws.dtype == np.int32
    assert (draws[:, 0] == 0).all()
    z = (draws[:, 1:] - means[1:]) / np.sqrt(means[1:])
    few = 5 / np.sqrt(z.size)
    assert abs(z.mean()) < few
    assert z.var() == pytest.approx(1.0, abs=2 * few)
    assert abs(np.mean(z[..., 1:] * z[..., :-1])) < few
    assert abs(np.mean(z[1:] * z[:-1])) < few


def test_the_generator_decides():
    means = np.linspace(0, 400, 3001, dtype=np.float32)
    first, second, third = (poisson(np.random.default_rng(seed), means) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert (first != third).any()
