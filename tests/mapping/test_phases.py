"""Combinations of references: those of scipy's solver, with the errors of repetition."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import nnls

from aureole.errors import SpecError
from aureole.mapping.phases import fit_references, reference_on

X = np.linspace(1.0, 5.0, 200)


def rings(*places, width=0.05):
    return sum(np.exp(-(((X - place) / width) ** 2)) for place in places)


REFERENCES = np.array(
    [rings(1.3, 2.1, 4.0), 0.7 * rings(1.7, 2.13, 3.3), rings(2.6, 3.35) + 0.2 * rings(4.5, width=0.6)]
)


@pytest.mark.parametrize("common", [True, False])
def test_exact_mixtures_are_found_exactly(common):
    rng = np.random.default_rng(1)
    weights = rng.uniform(0, 5, (4, 6, 3)) * (rng.random((4, 6, 3)) > 0.3)
    patterns = weights @ REFERENCES + 3.0 - 0.5 * X
    sigma = np.full(200, 0.01) if common else rng.uniform(0.001, 0.01, patterns.shape)
    found = fit_references(X, patterns, sigma, REFERENCES, background=1)
    np.testing.assert_allclose(found.weights.value, weights, atol=1e-8)
    some = weights.sum(axis=-1) > 0
    fractions = weights[some] / weights[some].sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(found.fractions.value[some], fractions, atol=1e-8)
    assert np.isnan(found.fractions.value[~some]).all()
    np.testing.assert_allclose(found.background, np.broadcast_to([1.5, -1.0], (4, 6, 2)), atol=1e-8)
    assert np.all(found.chi2 < 1e-8)


@given(
    st.integers(1, 7).flatmap(
        lambda k: st.tuples(
            arrays(np.float64, (k, 12), elements=st.integers(-8, 8)),
            arrays(np.float64, (9, 12), elements=st.integers(-50, 50)),
            arrays(np.float64, (9, 12), elements=st.integers(1, 4)),
        )
    ),
    st.booleans(),
)
def test_weights_are_those_of_scipy(problem, common):
    references, patterns, sigma = problem
    sigma = sigma[0] if common else sigma
    unit = references / np.maximum(np.linalg.norm(references, axis=1), 1e-9)[:, None]
    assume(np.linalg.svd(unit)[1][-1] > 1e-3)
    found = fit_references(np.arange(12.0), patterns, sigma, references, background=None)
    for row, pattern in enumerate(patterns):
        errors = sigma if common else sigma[row]
        best, norm = nnls((references / errors).T, pattern / errors)
        assert found.chi2[row] == pytest.approx(norm**2, rel=1e-7, abs=1e-7)
        np.testing.assert_allclose(found.weights.value[row], best, atol=1e-5 * (1 + np.abs(best).max()))


def test_errors_are_the_scatter_of_repetitions():
    rng = np.random.default_rng(2)
    exact = np.array([6.0, 9.0, 4.0]) @ REFERENCES + 5.0
    patterns = exact + np.sqrt(exact) * rng.normal(size=(5000, 200))
    found = fit_references(X, patterns, np.sqrt(exact), REFERENCES)
    for name, true in (("weights", np.array([6.0, 9.0, 4.0])), ("fractions", np.array([6.0, 9.0, 4.0]) / 19)):
        value, error = getattr(found, name)
        np.testing.assert_allclose(value.std(axis=0), np.median(error, axis=0), rtol=0.05)
        np.testing.assert_allclose(value.mean(axis=0), true, atol=0.1 * error.max())
    assert np.mean(found.chi2) == pytest.approx(200 - 4, rel=0.01)
    unknown = fit_references(X, patterns, None, REFERENCES)
    per_bin = fit_references(X, patterns, np.full(200, np.sqrt(exact.mean())), REFERENCES)
    np.testing.assert_allclose(unknown.weights.value, per_bin.weights.value, rtol=1e-7)
    np.testing.assert_allclose(np.median(unknown.weights.sigma, axis=0), per_bin.weights.sigma[0], rtol=0.05)


def test_errors_near_zero_are_not_too_small():
    rng = np.random.default_rng(3)
    exact = np.array([6.0, 0.0, 4.0]) @ REFERENCES + 5.0
    found = fit_references(X, exact + rng.normal(size=(4000, 200)), np.ones(200), REFERENCES)
    assert (found.weights.value >= 0).all()
    assert 0.4 < np.mean(found.weights.value[:, 1] == 0) < 0.6
    assert (found.weights.value.std(axis=0) < 1.05 * found.weights.sigma[0]).all()


def test_what_is_missing_is_nan_or_left_out():
    patterns = np.tile(REFERENCES.sum(axis=0), (5, 1))
    patterns[0] = np.nan
    patterns[1, :197] = np.nan
    patterns[2, 60:120] = np.nan
    patterns[4] = 0.0
    found = fit_references(X, patterns, np.ones_like(patterns), REFERENCES)
    np.testing.assert_array_equal(
        np.isnan(found.weights.value).all(axis=1), [True, True, False, False, False]
    )
    np.testing.assert_allclose(found.weights.value[2:4], 1.0, atol=1e-9)
    assert found.bins.tolist() == [0, 3, 140, 200, 200]
    np.testing.assert_allclose(found.weights.value[4], 0.0, atol=1e-12)


def test_of_a_reference_that_a_gap_hides_nothing_is_known():
    references = np.array([REFERENCES[0], np.where(X > 3, rings(3.5), 0.0)])
    patterns = np.tile(references.sum(axis=0), (3, 1))
    patterns[0, X > 2.9] = np.nan
    patterns[1, :60] = np.nan
    for sigma in (np.full_like(patterns, 0.01), None):
        found = fit_references(X, patterns, sigma, references)
        np.testing.assert_array_equal(
            np.isnan(found.weights.value), [[False, True], [False, False], [False, False]]
        )
        np.testing.assert_array_equal(np.isnan(found.weights.sigma), np.isnan(found.weights.value))
        np.testing.assert_array_equal(np.isnan(found.fractions.value).all(axis=1), [True, False, False])
        np.testing.assert_allclose(found.weights.value[:, 0], 1.0, atol=1e-9)


def test_neither_threads_nor_neighbours_change_a_bit():
    rng = np.random.default_rng(4)
    patterns = rng.uniform(0, 4, (1500, 3)) @ REFERENCES + rng.normal(size=(1500, 200))
    sigma = rng.uniform(0.5, 2, patterns.shape)
    one, two = (fit_references(X, patterns, sigma, REFERENCES, threads=threads) for threads in (1, 2))
    some = fit_references(X, patterns[7:1200], sigma[7:1200], REFERENCES)
    for kind in ("weights", "fractions"):
        np.testing.assert_array_equal(getattr(one, kind), getattr(two, kind))
        np.testing.assert_array_equal(getattr(one, kind).value[7:1200], getattr(some, kind).value)


def test_only_the_window_counts():
    patterns = np.array([[1.0, 2.0, 3.0]]) @ REFERENCES
    patterns[:, X > 3.0] = 1e6
    found = fit_references(X, patterns, None, REFERENCES, window=(1.0, 3.0), background=None)
    np.testing.assert_allclose(found.weights.value, [[1.0, 2.0, 3.0]], rtol=1e-9)
    assert found.background.shape == (1, 0)


def test_references_on_another_grid():
    fine = np.linspace(0.5, 5.5, 5001)
    found = reference_on(X, fine, np.interp(fine, X, REFERENCES[0]))
    np.testing.assert_allclose(found, REFERENCES[0], atol=5e-3)
    rounded = np.array([0.0, 1.0, 1.0, 2.0])
    np.testing.assert_allclose(reference_on([1.0, 1.5], rounded, [0.0, 1.0, 3.0, 4.0]), [2.0, 3.0])
    with pytest.raises(SpecError, match="does not cover 1 to 5; narrow the window"):
        reference_on(X, fine[700:], fine[700:])
    with pytest.raises(SpecError, match="falls"):
        reference_on(X, fine[::-1], fine)
    with pytest.raises(SpecError, match="not finite at"):
        reference_on(X, fine, np.where(fine > 3, np.nan, 1.0))


@pytest.mark.parametrize(
    ("references", "more", "message"),
    [
        (REFERENCES[:, :-1], {}, "do not fit a radial axis"),
        (REFERENCES[0], {}, "do not fit a radial axis"),
        (
            np.array([REFERENCES[0], 2 * REFERENCES[0], REFERENCES[1]]),
            {},
            "references 0, 1 cannot be told apart",
        ),
        (np.array([REFERENCES[0], np.ones(200)]), {}, "references 1 cannot be told apart"),
        (np.array([REFERENCES[0], np.zeros(200)]), {}, "reference 1 is zero"),
        (np.array([np.full(200, np.nan)]), {}, "reference 0 is not finite"),
        (REFERENCES, {"window": (1.0, 1.06)}, "has 3 bins, and a fit of 4 parameters needs 5"),
        (REFERENCES, {"background": -1}, "a background of degree -1"),
    ],
)
def test_bad_input_is_refused(references, more, message):
    with pytest.raises(SpecError, match=message):
        fit_references(X, np.ones((3, 200)), None, references, **more)
