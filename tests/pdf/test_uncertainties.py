"""Errors against the scatter of patterns that were measured many times."""

import numpy as np
import pytest

from aureole.pdf import PDFSpec, PDFTransform

Q = np.linspace(0.7, 18.0, 700)
TRIALS = 3000
MODES = {
    "polynomial": {"rpoly": 1.1, "background_scale": 0.8},
    "lorch": {"rpoly": 1.1, "window": "lorch", "qmax": 16.0},
    "physical": {"mode": "physical", "wavelength": 2e-11, "density": 0.09},
    "fluorescence": {"mode": "physical", "wavelength": 2e-11, "fluorescence": "fit", "rpoly": 0.8},
}


def counts():
    """Return a pattern with peaks and a background, and their variances."""
    peaks = sum(
        height * np.exp(-0.5 * ((Q - at) / 0.05) ** 2)
        for at, height in zip(
            np.linspace(2.9, 17.5, 24), 4000.0 * np.exp(-np.linspace(0, 3.5, 24)), strict=True
        )
    )
    smooth = 900.0 * np.exp(-((Q / 7.0) ** 2)) + 120.0
    background = 100.0 + 40.0 * np.exp(-Q / 3.0)
    return peaks + smooth + background, background


@pytest.fixture(scope="module", params=MODES)
def case(request):
    pattern, background = counts()
    spec = PDFSpec("Ni", rmin=0.1, rmax=12.0, rstep=0.05, **MODES[request.param])
    rng = np.random.default_rng(11)
    plan = PDFTransform(spec, Q, background, background_variance=background / 3.0)
    patterns = rng.normal(pattern, np.sqrt(pattern), (TRIALS, len(Q)))
    # The background was measured three times as long; each trial has one of its own.
    backgrounds = rng.normal(background, np.sqrt(background / 3.0), (TRIALS, len(Q)))
    seen = plan(patterns - spec.background_scale * (backgrounds - background))
    return plan, pattern, seen


def test_sigma_is_the_scatter(case):
    plan, pattern, seen = case
    found = plan(pattern, pattern)
    ratio = found.sigma / seen.g.std(axis=0)
    assert np.median(ratio) == pytest.approx(1.0, abs=0.02)
    assert np.all(np.abs(ratio - 1.0) < 0.12)


def test_g_is_not_biased(case):
    plan, pattern, seen = case
    found = plan(pattern, pattern)
    pull = (seen.g.mean(axis=0) - found.g) / found.sigma
    # The scale of the polynomial mode has the noise squared in it.
    assert np.sqrt(np.mean(pull**2)) < 0.3


def test_covariance_is_that_of_the_scatter(case):
    plan, pattern, seen = case
    covariance = plan.covariance(pattern, pattern)
    sigma = plan(pattern, pattern).sigma
    np.testing.assert_allclose(np.sqrt(np.diag(covariance)), sigma, rtol=1e-8)
    expected = covariance / np.outer(sigma, sigma)
    assert np.abs(np.corrcoef(seen.g.T) - expected).max() < 0.12


def test_errors_of_stages_are_the_scatter(case):
    plan, pattern, _ = case
    rng = np.random.default_rng(5)
    stages = plan.stages(pattern, pattern)
    seen = [plan.stages(one) for one in rng.normal(pattern, np.sqrt(pattern), (60, len(Q)))]
    for name in ("i", "s", "f"):
        spread = np.std([getattr(one, name) for one in seen], axis=0)
        # These patterns share one background.
        alone = PDFTransform(plan.spec, Q).stages(pattern, pattern) if name == "i" else None
        sigma = getattr(stages, f"{name}_sigma") if alone is None else alone.i_sigma
        assert np.median(spread / sigma) == pytest.approx(1.0, abs=0.2)


def test_without_variances_there_are_no_errors(case):
    plan, pattern, _ = case
    assert plan(pattern).sigma is None
    assert plan.stages(pattern).f_sigma is None
