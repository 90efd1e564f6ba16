"""Cakes and patterns over the azimuth against pyFAI.

Full splitting has its own limits here: to the cells of a column pyFAI deals the area under a side of a pixel
out as if that side were level, so that single cells differ by some parts in a thousand. What a column holds
in all does agree.
"""

from dataclasses import replace

import numpy as np
import pytest
from pyfai_oracle import CROWDED, assert_agreement, both, comparable, random_geometry

import aureole

TURN = (-180.0, 180.0)
SMALL = aureole.detector(pixel1=172e-6, pixel2=190e-6, shape=(200, 220))
CELLS_OF_FULL = (2e-4, 2e-2)
SIGNALS = ["sum_signal", "sum_normalization", "intensity"]


def counts(shape, mean=50.0):
    return np.random.default_rng(2).poisson(mean, shape).astype(np.float32)


@pytest.mark.parametrize("orientation", [1, 2, 3, 4])
@pytest.mark.parametrize("beam_inside", [False, True])
@pytest.mark.parametrize("split", ["no", "bbox"])
def test_cells(split, orientation, beam_inside):
    known = replace(SMALL, orientation=orientation)
    geometry = random_geometry(20 + orientation, known, beam_inside=beam_inside)
    ours, theirs = both(
        counts(known.shape),
        geometry,
        split=split,
        bins=30,
        azimuthal=24,
        azimuth_range=TURN,
        error_model="poisson_floor",
    )
    assert_agreement(ours, theirs, least=20)
    np.testing.assert_allclose(ours.radial, theirs.radial, rtol=1e-5)
    np.testing.assert_allclose(ours.azimuthal, theirs.azimuthal, rtol=1e-6)


@pytest.mark.parametrize("seed", [31, 32, 33, 34])
def test_cells_of_full_splitting(seed):
    geometry = random_geometry(seed, replace(SMALL, orientation=seed % 4 + 1), beam_inside=False)
    options = {"split": "full", "bins": 30, "azimuthal": 24, "azimuth_range": TURN}
    ours, theirs = both(counts(SMALL.shape), geometry, **options)
    assert_agreement(ours, theirs, names=SIGNALS, limits=CELLS_OF_FULL, least=50)


@pytest.mark.parametrize("rot3", [1.1, 1.25])
def test_columns_of_full_splitting(rot3):
    """A detector that does not look at χ = π, so that nothing hangs over and all rows can be added."""
    geometry = replace(random_geometry(11, SMALL, beam_inside=False), rot3=rot3)
    assert np.ptp(geometry.corner_array("chi_deg")) < 180.0
    options = {"split": "full", "bins": 30, "azimuthal": 24, "azimuth_range": TURN}
    ours, theirs = both(counts(SMALL.shape), geometry, **options)
    crowded = ours.count.sum(axis=0) > CROWDED
    for name in ("sum_signal", "sum_normalization"):
        mine, yours = (getattr(each, name).sum(axis=0)[crowded] for each in (ours, theirs))
        apart = np.abs(mine / yours - 1.0)
        assert np.median(apart) <= 1e-6
        assert apart.max() <= 5e-5


@pytest.mark.parametrize("name", ["Pilatus 300k", "Eiger 500k"])
@pytest.mark.parametrize("split", ["no", "bbox"])
def test_cells_of_detectors_with_gaps(name, split):
    known = aureole.detector(name)
    geometry = random_geometry(8, known, beam_inside=True)
    ours, theirs = both(
        counts(known.shape), geometry, split=split, unit="2th_deg", bins=100, azimuthal=60, azimuth_range=TURN
    )
    assert_agreement(ours, theirs, least=500)


@pytest.mark.parametrize("split", ["no", "bbox"])
def test_a_discontinuity_at_zero(split):
    geometry = random_geometry(11, SMALL, beam_inside=True)
    ours, theirs = both(
        counts(SMALL.shape),
        geometry,
        split=split,
        bins=20,
        azimuthal=12,
        azimuth_range=(0.0, 360.0),
        chi_discontinuity="zero",
    )
    assert_agreement(ours, theirs, least=50)


@pytest.mark.parametrize("split", ["no", "bbox", "pseudo", "full"])
def test_where_the_discontinuity_is_does_not_matter(split):
    """Full splitting in pyFAI agrees with itself to some percent only when it moves: ours to rounding."""
    geometry = random_geometry(11, SMALL, beam_inside=True)

    def cake(turn, low):
        return aureole.integrate2d(
            counts(SMALL.shape),
            geometry,
            20,
            12,
            split=split,
            radial_range=(0.0, 100.0),
            azimuth_range=(low, low + 360.0),
            chi_discontinuity=turn,
        )

    at_pi, at_zero = cake("pi", -180.0), cake("zero", 0.0)
    for name in ("sum_signal", "sum_normalization"):
        mine, turned = getattr(at_pi, name), np.roll(getattr(at_zero, name), 6, axis=0)
        # A range ends above its upper end by one part in 2^23: so far the edges of the rows differ.
        np.testing.assert_allclose(mine, turned, rtol=1e-4, atol=0.01 if split != "no" else 0.0)


@pytest.mark.parametrize("split", ["no", "bbox", "full"])
def test_ranges_of_cakes(split):
    geometry = random_geometry(12, SMALL, beam_inside=True)
    low, high = np.quantile(geometry.center_array("q_nm^-1"), [0.2, 0.7])
    ours, theirs = both(
        counts(SMALL.shape),
        geometry,
        split=split,
        bins=14,
        azimuthal=16,
        radial_range=(low, high),
        azimuth_range=(-130.0, 100.0),
    )
    assert_agreement(ours, theirs, names=SIGNALS, limits=CELLS_OF_FULL if split == "full" else None, least=50)


@pytest.mark.parametrize("seed", [11, 40, 41, 42])
@pytest.mark.parametrize("split", ["no", "bbox", "full"])
def test_intensity_against_azimuth(seed, split):
    """Here pyFAI adds the cells of a cake, and so takes the shares of a pixel in several columns for
    independent: with splitting its errors are too small, and are not compared."""
    geometry = random_geometry(seed, replace(SMALL, orientation=seed % 4 + 1), beam_inside=False)
    ours, theirs = both(
        counts(SMALL.shape),
        geometry,
        split=split,
        against="chi",
        bins=40,
        azimuthal=60,
        azimuth_range=TURN,
        error_model="poisson_floor",
    )
    limits = {"no": None, "bbox": None, "full": CELLS_OF_FULL}[split]
    assert_agreement(ours, theirs, names=None if split == "no" else SIGNALS, limits=limits, least=5)


def test_errors_against_azimuth_know_that_a_pixel_is_one():
    """Σ(Σc)² over a pixel's shares is more than Σc²."""
    geometry = random_geometry(40, SMALL, beam_inside=False)
    ours, theirs = both(
        counts(SMALL.shape),
        geometry,
        against="chi",
        bins=400,
        azimuthal=60,
        azimuth_range=TURN,
        error_model="poisson_floor",
    )
    keep = comparable(ours)
    assert np.all(ours.sum_variance[keep] > 1.2 * theirs.sum_variance[keep])
