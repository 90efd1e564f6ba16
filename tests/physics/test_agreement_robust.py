"""Robust averages against pyFAI's medfilt1d_ng and sigma_clip_ng."""

import logging

import numpy as np
import pytest
from pyfai_oracle import integrator

import aureole
from aureole import Clip, Trim
from aureole.io import read_image

BINS = 100
CROWDED = 50


@pytest.fixture(autouse=True)
def _quiet():
    logging.getLogger("pyFAI").setLevel(logging.CRITICAL)


@pytest.fixture(scope="module")
def spotty():
    """Frame and geometry of a sample with an amorphous halo, a ring, and some grains."""
    detector = aureole.detector(pixel1=1e-3, pixel2=1e-3, shape=(200, 240))
    geometry = aureole.Geometry(detector, 0.2, 0.09, 0.11, 0.05, -0.03, 0.1, wavelength=1e-10)
    rng = np.random.default_rng(1)
    angle = geometry.center_array("2th_deg")
    mean = 20.0 + 100.0 * np.exp(-angle / 10.0) + 300.0 * np.exp(-0.5 * np.square((angle - 12.0) / 0.5))
    image = rng.poisson(mean).astype(np.int32)
    spots = rng.random(image.shape) < 0.01
    image[spots] *= rng.integers(5, 100, np.count_nonzero(spots)).astype(np.int32)
    return image, geometry, None


@pytest.fixture(scope="module")
def ceria(data):
    folder = data / "powder" / "ceo2_pilatus2m"
    geometry = aureole.load(folder / "CeO2.poni")
    return read_image(folder / "CeO2.cbf"), geometry, read_image(folder / "mask.edf")


def both(sample, bins, rule, split, model):
    """Return our pattern and pyFAI's, and which bins are crowded."""
    image, geometry, mask = sample
    axis = aureole.Axis("q_nm^-1", bins)
    spec = aureole.IntegrationSpec(
        geometry, radial=axis, split=split, error_model=model, mask=mask, robust=rule
    )
    ours = spec.plan().integrate(image)
    ai = integrator(geometry)
    masked = geometry.detector.mask.copy()
    invalid = image < 0
    for part in (invalid, None if mask is None else mask != 0):
        if part is not None:
            masked |= part
    options = {
        "unit": "q_nm^-1",
        "mask": masked.astype(np.int8),
        "method": (split, "csr", "cython"),
        "error_model": {"poisson_floor": "poisson"}.get(model, model),
    }
    if isinstance(rule, Trim):
        theirs = ai.medfilt1d_ng(image, bins, percentile=(rule.low, rule.high), **options)
    else:
        theirs = ai.sigma_clip_ng(image, bins, thres=rule.sigma, max_iter=rule.iterations, **options)
    np.testing.assert_allclose(ours.radial, theirs.radial, rtol=1e-5)
    return ours, theirs, ours.count > CROWDED


def assert_trimmed_alike(sample, bins, split):
    """pyFAI keeps whole pixels, we the fractions that the window has: two pixels of a bin may differ.

    So the means differ by some times the spread of the pixels over their number.
    """
    ours, theirs, crowded = both(sample, bins, Trim(), split, "azimuthal")
    assert crowded.sum() > bins / 2
    apart = np.abs(ours.intensity - theirs.intensity)[crowded] / (ours.std / ours.count)[crowded]
    assert apart.max() < 10.0
    assert np.median(apart) < 1.5
    ours, theirs, _ = both(sample, bins, Trim(), split, "poisson_floor")
    np.testing.assert_allclose(ours.sigma[crowded], theirs.sem[crowded], rtol=0.05)


@pytest.mark.parametrize("split", ["no", "bbox", "full"])
def test_trimmed(spotty, split):
    assert_trimmed_alike(spotty, BINS, split)


def assert_clipped_alike(sample, bins):
    """pyFAI always takes Chauvenet's criterion: then both keep the same pixels."""
    ours, theirs, crowded = both(sample, bins, Clip(chauvenet=True), "no", "azimuthal")
    assert crowded.sum() > bins / 2
    same = ours.count == theirs.count
    assert same[crowded].mean() > 0.99
    keep = crowded & same
    np.testing.assert_allclose(ours.intensity[keep], theirs.intensity[keep], rtol=2e-6)
    np.testing.assert_allclose(ours.std[keep], theirs.std[keep], rtol=1e-2)


def test_clipped_by_the_scatter(spotty):
    assert_clipped_alike(spotty, BINS)


def test_clipped_by_counts(spotty):
    """Without spots, which drag pyFAI's cut-off along with the mean; only its first step is elsewhere."""
    image, geometry, _ = spotty
    calm = np.random.default_rng(6).poisson(60.0 * geometry.solid_angle()).astype(np.int32)
    assert calm.shape == image.shape
    ours, theirs, crowded = both((calm, geometry, None), BINS, Clip(chauvenet=True), "no", "poisson_floor")
    apart = np.abs(ours.intensity - theirs.intensity)[crowded] / ours.sigma[crowded]
    assert apart.max() < 0.5
    assert np.median(apart) < 1e-4
    np.testing.assert_allclose(ours.sigma[crowded], theirs.sem[crowded], rtol=0.02)


def test_clipped_by_the_scatter_with_errors_of_counts(spotty):
    """Which pyFAI calls hybrid."""
    image, geometry, _ = spotty
    rule = Clip(chauvenet=True, by_scatter=True)
    spec = aureole.IntegrationSpec(
        geometry, radial=aureole.Axis("q_nm^-1", BINS), split="no", error_model="poisson_floor", robust=rule
    )
    ours = spec.plan().integrate(image)
    theirs = integrator(geometry).sigma_clip_ng(
        image, BINS, thres=rule.sigma, max_iter=rule.iterations, unit="q_nm^-1",
        method=("no", "csr", "cython"), error_model="hybrid",
    )  # fmt: skip
    same = (ours.count == theirs.count) & (ours.count > CROWDED)
    assert same.sum() > 0.99 * (ours.count > CROWDED).sum()
    np.testing.assert_allclose(ours.intensity[same], theirs.intensity[same], rtol=2e-6)
    np.testing.assert_allclose(ours.sigma[same], theirs.sem[same], rtol=1e-5)


def test_trimmed_rings_of_ceria(ceria):
    assert_trimmed_alike(ceria, 1000, "no")


def test_clipped_rings_of_ceria(ceria):
    assert_clipped_alike(ceria, 1000)
