"""Robust averages of spotty rings recover the smooth part, and their errors promise what the docs say."""

import numpy as np
import pytest

import aureole
from aureole import Clip, Trim

SHAPE = (80, 90)
BINS = 12
TRIM_OVER_PLAIN = 1.0298
"""Error of the mean between the percentiles 10 and 90 of normal numbers, over that of their plain mean."""


@pytest.fixture(scope="module")
def geometry():
    detector = aureole.detector(pixel1=1e-3, pixel2=1e-3, shape=SHAPE)
    return aureole.Geometry(detector, 0.2, 0.038, 0.047, 0.03, -0.05, 0.0, wavelength=1e-10)


@pytest.fixture(scope="module")
def plan_of(geometry):
    def make(rule, error_model="poisson", split="no"):
        axis = aureole.Axis("q_nm^-1", BINS, (1.0, 11.0))
        return aureole.IntegrationSpec(
            geometry, radial=axis, split=split, error_model=error_model, robust=rule
        ).plan()

    return make


@pytest.fixture(scope="module")
def smooth(geometry):
    """Mean counts of a sample that scatters the same into every direction: a pattern of 300."""
    return 300.0 * geometry.solid_angle()


def with_spots(rng, image, part=0.03):
    spotty = image.copy()
    spots = rng.random(image.shape) < part
    spotty[spots] *= rng.integers(3, 300, np.count_nonzero(spots))
    return spotty


@pytest.mark.parametrize("split", ["no", "bbox", "full"])
@pytest.mark.parametrize(
    ("rule", "model", "within"),
    [
        (Trim(), "poisson", 0.006),
        (Trim(0.0, 90.0), "poisson", 0.02),
        (Clip(), "poisson", 0.006),
        (Clip(), "azimuthal", 0.01),
        (Clip(3.0, 9), None, 0.01),
    ],
)
def test_spots_go_and_the_ring_stays(plan_of, smooth, rule, model, within, split):
    rng = np.random.default_rng(1)
    frames = np.array([with_spots(rng, rng.poisson(smooth)) for _ in range(40)])
    plain = plan_of(None, model, split).integrate(frames).intensity.mean(axis=0)
    kept = plan_of(rule, model, split).integrate(frames).intensity.mean(axis=0)
    assert plain.min() > 3 * 300.0
    np.testing.assert_allclose(kept, 300.0, rtol=within)


@pytest.mark.parametrize(("rule", "lost"), [(Trim(), 0.093), (Clip(), 0.04)])
@pytest.mark.parametrize("mean", [10.0, 100.0])
def test_counts_are_lopsided_and_so_averages_without_tails_are_low(plan_of, geometry, rule, lost, mean):
    """By 0.093 counts a pixel trimmed, and some 0.04 clipped, whatever the mean."""
    rng = np.random.default_rng(2)
    counts = rng.poisson(mean * geometry.solid_angle(), (300, *SHAPE)).astype(np.int32)
    kept, plain = (plan_of(one).integrate(counts).intensity.mean() for one in (rule, None))
    assert plain == pytest.approx(mean, rel=1e-3)
    assert mean - kept == pytest.approx(lost, abs=0.03)


def test_trimming_photons_that_are_few_leaves_none(plan_of, geometry):
    """Of pixels nine tenths of which are zero nothing is left: the docs warn of that."""
    counts = np.random.default_rng(3).poisson(0.05, (20, *SHAPE)).astype(np.int32)
    found = plan_of(Trim()).integrate(counts)
    assert not found.intensity[found.count > 400].any()
    assert (found.count > 400).sum() >= 60


@pytest.fixture(scope="module")
def repeated(smooth):
    return np.random.default_rng(4).poisson(smooth, (800, *SHAPE)).astype(np.int32)


@pytest.mark.parametrize(
    ("rule", "model", "ratio"),
    [
        (Trim(), "azimuthal", 1.0),
        (Trim(25.0, 75.0), "azimuthal", 1.0),
        (Trim(0.0, 90.0), "azimuthal", 1.0),
        (Trim(), "poisson", TRIM_OVER_PLAIN * np.sqrt(0.8)),
        (Clip(), "poisson", 1.0),
        (Clip(), "azimuthal", 1.013),
    ],
)
def test_errors_of_a_smooth_ring(plan_of, repeated, rule, model, ratio):
    """Scatter over promised error; with counts, trimming promises 9 % too much."""
    found = plan_of(rule, model).integrate(repeated)
    scatter = found.intensity.std(axis=0, ddof=1) / np.sqrt(np.mean(np.square(found.sigma), axis=0))
    # Of 800 values in each of 12 bins: good to 0.7 %.
    assert scatter.mean() == pytest.approx(ratio, rel=0.025)
    np.testing.assert_allclose(scatter, ratio, rtol=0.1)


@pytest.mark.parametrize("rule", [Trim(), Clip(3.0, 5)])
def test_trimming_costs_little(plan_of, repeated, rule):
    plain, kept = (plan_of(one).integrate(repeated).intensity.std(axis=0).mean() for one in (None, rule))
    assert kept / plain == pytest.approx(TRIM_OVER_PLAIN if isinstance(rule, Trim) else 1.01, abs=0.02)


def test_the_error_of_a_trimmed_uneven_ring_is_that_of_the_pixels_kept(plan_of, smooth):
    """Where the sample decides which pixels are kept, not noise, counts say how their mean scatters."""
    rng = np.random.default_rng(5)
    texture = smooth * rng.uniform(0.2, 1.8, SHAPE)
    found = plan_of(Trim()).integrate(rng.poisson(texture, (800, *SHAPE)).astype(np.int32))
    scatter = found.intensity.std(axis=0, ddof=1) / np.sqrt(np.mean(np.square(found.sigma), axis=0))
    assert scatter.mean() == pytest.approx(1.0, rel=0.03)
