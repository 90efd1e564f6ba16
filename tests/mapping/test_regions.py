"""Sums over a radial range, with the errors of repetition."""

import numpy as np
import pytest

from aureole.errors import SpecError
from aureole.mapping.regions import region

X = np.linspace(1.0, 4.0, 91)
WINDOW = (2.0, 3.0)
INSIDE = slice(30, 61)
"""The bins of the window, its ends included."""


def peak(height=50.0, place=2.55, level=20.0, slope=6.0):
    return height * np.exp(-(((X - place) / 0.1) ** 2)) + level + slope * X


def test_the_total_is_that_of_the_bins_in_the_window():
    rng = np.random.default_rng(1)
    patterns, sigma = rng.normal(5, 1, (2, 3, 91)).astype(np.float32), rng.uniform(0.5, 2, (2, 3, 91))
    found = region(X, patterns, sigma, window=WINDOW)
    part, errors = patterns[..., INSIDE].astype(float), sigma[..., INSIDE]
    np.testing.assert_allclose(found.total.value, part.sum(axis=-1))
    np.testing.assert_allclose(found.total.sigma, np.sqrt(np.square(errors).sum(axis=-1)))
    np.testing.assert_allclose(found.mean.value, part.mean(axis=-1))
    np.testing.assert_allclose(found.mean.sigma, found.total.sigma / 31)
    np.testing.assert_allclose(found.centre.value, (part @ X[INSIDE]) / part.sum(axis=-1))
    assert (found.bins == 31).all()


def test_a_straight_background_vanishes_and_leaves_the_peak():
    lines = np.array([[0.0, 0.0], [100.0, -20.0], [7.0, 3.0]])
    patterns = np.array([peak(level=level, slope=slope) for level, slope in lines])
    found = region(X, patterns, np.ones_like(patterns), window=WINDOW, background="linear")
    alone = np.sum(50.0 * np.exp(-(((X - 2.55) / 0.1) ** 2)))
    np.testing.assert_allclose(found.total.value, alone, rtol=1e-6)
    np.testing.assert_allclose(found.centre.value, 2.55, atol=1e-6)
    flat = region(X, patterns - patterns[0], None, window=WINDOW, background="linear")
    np.testing.assert_allclose(flat.total.value, 0.0, atol=1e-9)


@pytest.mark.parametrize("background", ["none", "linear"])
def test_errors_are_the_scatter_of_repetitions(background):
    rng = np.random.default_rng(2)
    sigma = np.sqrt(peak(height=1000.0))
    patterns = peak(height=1000.0) + sigma * rng.normal(size=(6000, 91))
    patterns[:, 45] = np.nan
    found = region(X, patterns, sigma, window=WINDOW, background=background)
    assert (found.bins == 30).all()
    for name in ("total", "mean", "centre"):
        value, error = getattr(found, name)
        assert np.std(value) == pytest.approx(np.mean(error), rel=0.05), name


def test_where_there_is_nothing_there_is_no_centre():
    rng = np.random.default_rng(3)
    patterns = np.concatenate([rng.normal(size=(300, 91)), np.full((2, 91), np.nan)])
    found = region(X, patterns, np.ones_like(patterns), window=WINDOW, background="linear")
    assert np.mean(np.isnan(found.centre.value[:300])) > 0.98
    np.testing.assert_array_equal(np.isnan(found.centre.value), np.isnan(found.centre.sigma))
    assert np.isfinite(found.total.value[:300]).all()
    assert np.isnan(found.total.value[300:]).all()
    assert np.isnan(found.total.sigma[300:]).all()


def test_a_border_without_bins_leaves_no_background():
    patterns = np.tile(peak(), (2, 1))
    patterns[0, 30:33] = np.nan
    found = region(X, patterns, np.ones_like(patterns), window=WINDOW, background="linear")
    np.testing.assert_array_equal(np.isnan(found.total.value), [True, False])
    assert found.bins.tolist() == [28, 31]


def test_without_sigmas_there_are_no_errors():
    found = region(X, peak(), None, window=WINDOW)
    assert found.total.value.shape == ()
    assert np.isfinite(found.centre.value)
    assert np.isnan([found.total.sigma, found.mean.sigma, found.centre.sigma]).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"window": (4.5, 5.0)}, "reaches beyond the patterns"),
        ({"window": (2.001, 2.002)}, "has 0 bins, and a sum needs 1"),
        ({"window": (2.0, 2.15), "background": "linear"}, "has 5 bins, and a background of 3 bins"),
        ({"background": "cubic"}, "unknown background 'cubic'"),
        ({"background": "linear", "border": 0}, "from 0 bins"),
    ],
)
def test_bad_input_is_refused(change, message):
    with pytest.raises(SpecError, match=message):
        region(X, peak(), None, **{"window": WINDOW, **change})
