"""Fits of one peak: what was put in comes out, errors are those of repetition, and failures are counted."""

import warnings

import numpy as np
import pytest
from scipy.optimize import curve_fit

from aureole.errors import SpecError
from aureole.kernels.profiles import pseudo_voigt
from aureole.mapping.peaks import PeakStatus, fit_peaks

SHARES = {"gaussian": 0.0, "lorentzian": 1.0, "pseudo-voigt": 0.4}
X = np.linspace(2.0, 3.0, 60)
WINDOW = (2.0, 3.0)
NAMES = ("position", "fwhm", "area", "background", "slope", "mixture")


def model(x, position, fwhm, area, background, slope, mixture):
    """A peak on a line through the middle of the window."""
    position, fwhm, area, mixture = (np.asarray(p, float)[..., None] for p in (position, fwhm, area, mixture))
    return area * pseudo_voigt(x, position, fwhm, mixture).value + background + slope * (x - 2.5)


def repeated(shape, *, area=40.0, times=3000, seed=5):
    """One pattern measured again and again."""
    rng = np.random.default_rng(seed)
    truth = (2.47, 0.16, area, 30.0, 4.0, SHARES[shape])
    exact = model(X, *truth)
    sigma = np.broadcast_to(np.sqrt(exact), (times, len(X)))
    return truth, exact + sigma * rng.normal(size=sigma.shape), sigma


@pytest.mark.parametrize("shape", SHARES)
def test_exact_peaks_are_found_exactly(shape):
    rng = np.random.default_rng(1)
    truth = {
        "position": rng.uniform(2.3, 2.7, 400),
        "fwhm": rng.uniform(0.06, 0.3, 400),
        "area": 10 ** rng.uniform(-2, 4, 400),
        "mixture": np.full(400, SHARES[shape]),
    }
    level = np.sqrt(truth["area"])
    patterns = model(X, **truth, background=level[:, None], slope=-level[:, None] / 2)
    found = fit_peaks(X, patterns, 0.01 * level[:, None] * np.ones_like(patterns), window=WINDOW, shape=shape)
    assert found.good.all()
    for name in ("position", "fwhm", "area", "mixture"):
        np.testing.assert_allclose(getattr(found, name).value, truth[name], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found.background.value, level, rtol=1e-6)
    np.testing.assert_allclose(found.slope.value, -level / 2, rtol=1e-5)
    assert np.all(found.chi2 < 1e-6)


@pytest.mark.parametrize("shape", SHARES)
def test_errors_are_the_scatter_of_repetitions(shape):
    truth, patterns, sigma = repeated(shape)
    found = fit_peaks(X, patterns, sigma, window=WINDOW, shape=shape)
    assert found.good.all()
    fitted = NAMES if shape == "pseudo-voigt" else NAMES[:-1]
    for name, true in zip(fitted, truth, strict=False):
        value, error = getattr(found, name)
        assert np.std(value) == pytest.approx(np.median(error), rel=0.1), name
        assert abs(np.mean(value) - true) < 0.2 * np.median(error), name
    assert np.mean(found.chi2) == pytest.approx(len(X) - len(fitted), rel=0.02)


@pytest.mark.parametrize("shape", SHARES)
@pytest.mark.parametrize("with_sigma", [True, False])
def test_fits_are_those_of_curve_fit(shape, with_sigma):
    truth, patterns, sigma = repeated(shape, times=12)
    given = sigma if with_sigma else None
    found = fit_peaks(X, patterns, given, window=WINDOW, shape=shape)
    pure = shape != "pseudo-voigt"

    def one(x, *parameters):
        return model(x, *parameters, *([SHARES[shape]] if pure else []))

    start = truth[:-1] if pure else truth
    for row, pattern in enumerate(patterns):
        best, covariance = curve_fit(
            one,
            X,
            pattern,
            start,
            sigma[row] if with_sigma else None,
            absolute_sigma=with_sigma,
            xtol=1e-12,
            ftol=1e-12,
        )
        errors = np.sqrt(np.diag(covariance))
        for k, name in enumerate(NAMES[: len(start)]):
            value, error = getattr(found, name)
            assert abs(value[row] - best[k]) < 2e-3 * errors[k], name
            assert error[row] == pytest.approx(errors[k], rel=0.01), name


def test_what_is_no_peak_is_told_and_is_nan():
    rng = np.random.default_rng(2)
    flat = 100 + 10 * rng.normal(size=(500, len(X)))
    beyond = model(X, 1.98, 0.2, 400.0, 100.0, 0.0, 0.0) + 0.1 * rng.normal(size=(20, len(X)))
    wide = model(X, 2.5, 9.0, 4000.0, 10.0, 0.0, 0.0) + 0.01 * rng.normal(size=(20, len(X)))
    spike = np.full((20, len(X)), 100.0)
    spike[:, 31] = 5000.0
    nothing = np.full((3, len(X)), np.nan)
    patterns = np.concatenate([flat, beyond, wide, spike, nothing])
    sigma = np.repeat([10.0, 0.1, 0.01, 10.0, 1.0], [500, 20, 20, 20, 3])[:, None] * np.ones_like(patterns)
    found = fit_peaks(X, patterns, sigma, window=WINDOW, shape="gaussian")
    assert np.mean(found.status[:500] == PeakStatus.NO_PEAK) > 0.98
    assert np.isin(found.status[500:520], (PeakStatus.AT_BOUNDS, PeakStatus.NO_PEAK)).all()
    assert not found.good[520:540].any()
    assert (found.status[540:560] == PeakStatus.AT_BOUNDS).all()
    assert (found.status[560:] == PeakStatus.NO_DATA).all()
    for name in NAMES:
        for part in getattr(found, name):
            np.testing.assert_array_equal(np.isfinite(part), found.good)
    np.testing.assert_array_equal(np.isfinite(found.chi2), found.good)
    assert sum(found.counts().values()) == len(patterns)
    assert found.counts()[PeakStatus.NO_DATA] == 3


def test_noise_is_rarely_taken_for_a_peak():
    noise = np.random.default_rng(6).normal(size=(4000, len(X)))
    for shape in SHARES:
        found = fit_peaks(X, noise, np.ones_like(noise), window=WINDOW, shape=shape)
        assert np.mean(found.good) < 0.01


def test_bins_without_a_value_or_an_error_are_left_out():
    _, patterns, sigma = repeated("gaussian", times=50)
    holes, errors = patterns.copy(), sigma.copy()
    holes[:, 10:14] = np.nan
    errors[:, 40] = 0.0
    errors[:, 41] = np.nan
    holes[:, 40:42] = 1e6
    found = fit_peaks(X, holes, errors, window=WINDOW, shape="gaussian")
    assert found.good.all()
    assert (found.bins == len(X) - 6).all()
    keep = np.setdiff1d(np.arange(len(X)), [10, 11, 12, 13, 40, 41])
    # the middle of the window is where it was, since its ends are
    same = fit_peaks(X[keep], patterns[:, keep], sigma[:, keep], window=WINDOW, shape="gaussian")
    np.testing.assert_allclose(found.position.value, same.position.value, atol=1e-4 * 0.16)
    np.testing.assert_allclose(found.area.sigma, same.area.sigma, rtol=1e-3)


def test_only_the_window_counts_and_maps_have_the_shape_of_the_patterns():
    _, patterns, sigma = repeated("gaussian", times=6)
    x = np.concatenate([X - 1.5, X, X + 1.5])
    around = np.full((6, len(X)), 1e5)
    wide = np.concatenate([around, patterns, around], axis=1).reshape(2, 3, -1).astype(np.float32)
    one_sigma = np.tile(sigma[0], 3)
    found = fit_peaks(x, wide, one_sigma, window=WINDOW, shape="gaussian")
    alone = fit_peaks(X, patterns.astype(np.float32), sigma, window=WINDOW, shape="gaussian")
    assert found.status.shape == (2, 3)
    np.testing.assert_array_equal(found.position.value.ravel(), alone.position.value)
    none = fit_peaks(x, wide[:0], None, window=WINDOW)
    assert none.area.value.shape == (0, 3)


def test_neither_threads_nor_neighbours_change_a_bit():
    _, patterns, sigma = repeated("pseudo-voigt", times=700)
    one, two = (fit_peaks(X, patterns, sigma, window=WINDOW, threads=threads) for threads in (1, 2))
    some = fit_peaks(X, patterns[7:600], sigma[7:600], window=WINDOW)
    for name in NAMES:
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
        np.testing.assert_array_equal(getattr(one, name).value[7:600], getattr(some, name).value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"window": (5.0, 6.0)}, "reaches beyond the patterns"),
        ({"window": (1.0, 2.5)}, "reaches beyond the patterns"),
        ({"window": (2.5, 2.5)}, "is empty"),
        ({"window": (2.5, np.nan)}, "is empty"),
        ({"window": (2.5, 2.6)}, "has 6 bins, and a pseudo-voigt peak on a line needs 7"),
        ({"sigma": np.zeros((4, 60))}, "no sigma is positive"),
        ({"sigma": np.full((4, 60), np.nan)}, "no sigma is positive"),
        ({"sigma": np.full((4, 60), -1.0)}, "a sigma is negative"),
        ({"sigma": np.ones((4, 59))}, "sigma of shape"),
        ({"radial": X[::-1]}, "does not rise"),
        ({"radial": X[:-1]}, "do not fit a radial axis"),
        ({"shape": "triangle"}, "unknown shape of a peak 'triangle'"),
    ],
)
def test_bad_input_is_refused_in_one_line(change, message):
    given = {
        "radial": X,
        "intensity": np.ones((4, 60)),
        "sigma": np.ones((4, 60)),
        "window": WINDOW,
        **change,
    }
    with pytest.raises(SpecError, match=message) as caught:
        fit_peaks(given.pop("radial"), given.pop("intensity"), given.pop("sigma"), **given)
    assert "\n" not in str(caught.value)


def test_extreme_patterns_raise_no_warning():
    patterns = np.stack(
        [np.zeros(60), np.full(60, 1e30), np.full(60, -1e30), np.eye(60)[0], 1e-30 * np.eye(60)[30]]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for sigma in (None, 1 + np.abs(patterns) / 1000):
            for shape in SHARES:
                assert not fit_peaks(X, patterns, sigma, window=WINDOW, shape=shape).good[:3].any()
