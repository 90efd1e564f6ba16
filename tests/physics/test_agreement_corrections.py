"""Corrections and errors against pyFAI, and where pyFAI means something else against plain sums."""

import numpy as np
import pytest
from pyfai_oracle import assert_agreement, both, random_geometry

import aureole
from aureole.azimuthal.table import build_entries

SHAPE = (160, 180)
DETECTOR = aureole.detector(pixel1=172e-6, pixel2=190e-6, shape=SHAPE)
RNG = np.random.default_rng(3)


def uniform(low, high):
    """Values that float32, in which pyFAI works, has exactly."""
    return RNG.uniform(low, high, SHAPE).astype(np.float32)


COUNTS = RNG.poisson(50.0, SHAPE).astype(np.float32)
DARK = np.round(uniform(0.0, 5.0))
CORRECTIONS = {
    "none": {"solid_angle": False},
    "solid angle": {},
    "dark": {"dark": DARK},
    "flat": {"flat": uniform(0.5, 2.0)},
    "polarization": {"polarization_factor": 0.97},
    "vertical polarization": {"polarization_factor": -0.5, "solid_angle": False},
    "absorption": {"absorption": uniform(0.3, 1.0)},
    "normalization factor": {"normalization_factor": 3.5},
    "mask": {"mask": RNG.random(SHAPE) < 0.1},
    "dummy": {"dummy": 45.0},
    "delta dummy": {"dummy": 45.0, "delta_dummy": 1.5},
}
CORRECTIONS["all"] = {
    key: value for options in list(CORRECTIONS.values())[2:] for key, value in options.items()
} | {"solid_angle": True}
CAKE = {"bins": 20, "azimuthal": 12, "azimuth_range": (-180.0, 180.0)}


@pytest.mark.parametrize("correction", CORRECTIONS)
@pytest.mark.parametrize("split", ["no", "bbox", "full"])
def test_corrections_of_patterns(correction, split):
    ours, theirs = both(
        COUNTS, random_geometry(11, DETECTOR), split=split, bins=80, **CORRECTIONS[correction]
    )
    assert_agreement(ours, theirs, least=60)


@pytest.mark.parametrize("correction", [name for name in CORRECTIONS if name not in ("absorption", "all")])
@pytest.mark.parametrize("split", ["no", "bbox"])
def test_corrections_of_cakes(correction, split):
    """Cakes in pyFAI know no absorption."""
    ours, theirs = both(COUNTS, random_geometry(11, DETECTOR), split=split, **CAKE, **CORRECTIONS[correction])
    assert_agreement(ours, theirs, least=50)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("model", ["variance", "poisson_floor", "poisson"])
@pytest.mark.parametrize(
    ("split", "shape"),
    [("no", "pattern"), ("bbox", "pattern"), ("full", "pattern"), ("no", "cake"), ("bbox", "cake")],
)
def test_errors(split, shape, model, dark):
    """Of a dark, pyFAI adds the counts to the variance of cakes and not to that of patterns.

    Every pixel has a count here, so that the floor of pyFAI's Poisson errors does not show.
    """
    options = {"dark": DARK} if dark else {}
    if model == "variance":
        options["variance"] = uniform(1.0, 60.0)
    elif dark and shape == "cake":
        options["dark_variance"] = DARK
    more = CAKE if shape == "cake" else {"bins": 80}
    image = np.maximum(COUNTS, 1.0)
    geometry = random_geometry(11, DETECTOR)
    ours, theirs = both(
        image, geometry, split=split, error_model=model, polarization_factor=0.9, **more, **options
    )
    assert_agreement(ours, theirs)


@pytest.mark.parametrize("split", ["no", "bbox", "full"])
def test_a_floor_of_one_count_is_the_poisson_error_of_pyfai(split):
    image = RNG.poisson(0.0145, SHAPE).astype(np.float32)
    ours, theirs = both(
        image, random_geometry(12, DETECTOR), split=split, bins=40, error_model="poisson_floor"
    )
    assert_agreement(ours, theirs, names=["sum_variance", "sigma", "std"])


def by_centre(geometry, bins):
    """Return the bin of each pixel as plainly as can be."""
    q = geometry.center_array("q_nm^-1")
    low, high = q.min(), q.max() * (1.0 + np.finfo(np.float32).eps)
    return ((q - low) / (high - low) * bins).astype(int).ravel()


@pytest.mark.parametrize("mean", [0.0145, 3.0])
def test_poisson_errors_are_those_of_the_counts(mean):
    """The variance of a sum of counts is that sum, and of one count where there is none."""
    image = RNG.poisson(mean, SHAPE)
    geometry = random_geometry(12, DETECTOR)
    spec = aureole.IntegrationSpec(
        geometry,
        radial=aureole.Axis("q_nm^-1", 150),
        split="no",
        error_model="poisson",
        polarization_factor=0.9,
    )
    result = spec.plan().integrate(image)
    where = by_centre(geometry, 150)
    norm = (geometry.solid_angle() * geometry.polarization(0.9)).ravel()
    counts = np.bincount(where, image.ravel(), 150)
    pixels = np.bincount(where, minlength=150)
    variance = np.where((counts == 0) & (pixels > 0), 1, counts)
    if mean < 1:
        assert np.any((counts == 0) & (pixels > 0)), "some bins are without a count"
    np.testing.assert_array_equal(result.count, pixels)
    np.testing.assert_array_equal(result.sum_variance, variance)
    with np.errstate(invalid="ignore"):
        sigma = np.sqrt(variance) / np.bincount(where, norm, 150)
        std = np.sqrt(variance / np.bincount(where, norm**2, 150))
    np.testing.assert_allclose(result.sigma, sigma, rtol=1e-12)
    np.testing.assert_allclose(result.std, std, rtol=1e-12)


@pytest.mark.parametrize("more", [{"bins": 80}, CAKE], ids=["pattern", "cake"])
def test_azimuthal_errors_of_pixels_of_one_weight(more):
    """Where pixels differ in weight, the one pass of pyFAI is not the sum of squares about the mean."""
    geometry = random_geometry(11, DETECTOR)
    ours, theirs = both(COUNTS, geometry, split="no", error_model="azimuthal", solid_angle=False, **more)
    assert_agreement(ours, theirs)


@pytest.mark.parametrize("split", ["no", "bbox", "pseudo", "full"])
def test_azimuthal_errors_are_the_squares_about_the_mean(split):
    """Σω²(v - v̄)² in two passes over all pixels, with the weights that the table has."""
    geometry = random_geometry(11, DETECTOR)
    axis = aureole.Axis("q_nm^-1", 60)
    spec = aureole.IntegrationSpec(
        geometry, radial=axis, split=split, error_model="azimuthal", dark=DARK, polarization_factor=0.9
    )
    result = spec.plan().integrate(COUNTS)
    entries = build_entries(geometry, axis, None, split=split).entries
    pixel = np.repeat(np.arange(entries.n_pixels), np.diff(entries.pixel_ptr))
    norm = (geometry.solid_angle() * geometry.polarization(0.9)).ravel()[pixel]
    weight = entries.coefs.astype(float) * norm
    value = (COUNTS - DARK).astype(float).ravel()[pixel] / norm

    def total(values):
        return np.bincount(entries.bins, values, 60)

    mean = total(weight * value) / total(weight)
    np.testing.assert_allclose(result.intensity, mean, rtol=1e-12)
    square = total(weight**2 * (value - mean[entries.bins]) ** 2)
    np.testing.assert_allclose(result.sum_variance, square, rtol=1e-10)
    np.testing.assert_allclose(result.sigma, np.sqrt(square) / total(weight), rtol=1e-10)
    np.testing.assert_allclose(result.std, np.sqrt(square / total(weight**2)), rtol=1e-10)
