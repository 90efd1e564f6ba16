"""Patterns against pyFAI: geometries at random, detectors with gaps, every unit, every range."""

from dataclasses import replace

import numpy as np
import pytest
from pyfai_oracle import assert_agreement, both, random_geometry

import aureole
from aureole.units import UNITS

SPLITS = ["no", "bbox", "full"]
RADIAL = [name for name, known in UNITS.items() if known.kind == "radial"]
SMALL = aureole.detector(pixel1=172e-6, pixel2=190e-6, shape=(160, 180))


def counts(shape, mean=50.0):
    return np.random.default_rng(1).poisson(mean, shape).astype(np.float32)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("split", SPLITS)
def test_random_geometries(seed, split):
    known = aureole.detector(pixel1=172e-6, pixel2=190e-6, shape=(260, 300), orientation=seed % 4 + 1)
    geometry = random_geometry(seed, known)
    ours, theirs = both(counts(known.shape), geometry, split=split, error_model="poisson_floor")
    assert_agreement(ours, theirs, least=100)
    width = ours.radial[1] - ours.radial[0]
    # Where corners decide, the ends of pyFAI's range have the error of float32.
    np.testing.assert_allclose(
        ours.radial, theirs.radial, rtol=0, atol=width * (1e-9 if split == "no" else 5e-5)
    )


@pytest.mark.parametrize(
    ("name", "orientation"),
    [
        ("Pilatus 300k", 3),
        ("Pilatus 300k", 2),
        ("Pilatus 1M", 3),
        ("Eiger 500k", 1),
        ("Pilatus CdTe 300k", 4),
    ],
)
@pytest.mark.parametrize("split", SPLITS)
def test_detectors_with_gaps(name, orientation, split):
    known = aureole.detector(name, orientation=orientation)
    image = counts(known.shape)
    image[known.mask] = -2  # as they are written
    geometry = random_geometry(7, known)
    ours, theirs = both(image, geometry, split=split, bins=300, error_model="poisson_floor")
    assert_agreement(ours, theirs, least=200)


@pytest.mark.parametrize("unit", RADIAL)
@pytest.mark.parametrize("split", SPLITS)
def test_units(unit, split):
    # pyFAI finds pixels on the discontinuity of χ by the sense in which their corners run. Spacings fall
    # outwards, which turns that round: it cuts every pixel across χ = 0 wrongly. This detector has none.
    geometry = replace(random_geometry(11, SMALL, beam_inside=False), rot3=1.25)
    chi = geometry.corner_array("chi_deg")
    assert 0.0 < chi.min() < chi.max() < 180.0
    limits = None
    if split != "no" and unit.startswith(("d_", "log", "arcsinh")):
        # Curved scales: as float32, the width of a pixel has few digits far from the beam.
        limits = (1e-5, 5e-4) if unit.startswith("log10") else (1e-5, 2e-4)
    elif split != "no" and unit.startswith(("qx", "qy")):
        # Where lines of equal q and of equal χ run along each other pixels are slivers: rounding cuts them.
        limits = (5e-6, 2e-3) if split == "full" else (5e-6, 5e-5)
    ours, theirs = both(counts(SMALL.shape), geometry, unit=unit, split=split, bins=80)
    assert_agreement(ours, theirs, limits=limits, least=40)


@pytest.mark.parametrize("unit", ["2th_rad", "q_A^-1", "r_m", "arcsinh(q.A)_None", "log(1+q.nm)_None"])
@pytest.mark.parametrize("split", SPLITS)
def test_units_around_the_beam(unit, split):
    geometry = random_geometry(11, SMALL, beam_inside=True)
    ours, theirs = both(counts(SMALL.shape), geometry, unit=unit, split=split, bins=80)
    assert_agreement(ours, theirs, limits=None if split == "no" else (5e-6, 5e-5), least=40)


@pytest.mark.parametrize("beam_inside", [False, True])
@pytest.mark.parametrize("split", SPLITS)
def test_a_radial_range(beam_inside, split):
    geometry = random_geometry(13, SMALL, beam_inside=beam_inside)
    low, high = np.quantile(geometry.center_array("q_nm^-1"), [0.1, 0.6])
    ours, theirs = both(
        counts(SMALL.shape),
        geometry,
        split=split,
        bins=30,
        radial_range=(low, high),
        error_model="poisson_floor",
    )
    assert_agreement(ours, theirs, least=20)


@pytest.mark.parametrize("window", [(-60.0, 100.0), (10.0, 45.0), (-180.0, 0.0)])
def test_an_azimuth_range_without_splitting(window):
    """With splitting pyFAI takes whole pixels by their centres; ours is the sum of rows of a cake."""
    geometry = random_geometry(13, SMALL, beam_inside=True)
    ours, theirs = both(counts(SMALL.shape), geometry, split="no", bins=30, azimuth_range=window)
    assert_agreement(ours, theirs)


def test_both_ranges_without_splitting():
    geometry = random_geometry(14, SMALL, beam_inside=True)
    low, high = np.quantile(geometry.center_array("2th_deg"), [0.1, 0.6])
    ours, theirs = both(
        counts(SMALL.shape),
        geometry,
        split="no",
        unit="2th_deg",
        bins=30,
        radial_range=(low, high),
        azimuth_range=(-120.0, 80.0),
    )
    assert_agreement(ours, theirs)


def test_what_hangs_over_the_end_of_a_range_is_lost():
    """The reason why first and last bins are left out above: pyFAI has more than the range holds."""
    geometry = random_geometry(13, SMALL, beam_inside=False)
    low, high = np.quantile(geometry.center_array("q_nm^-1"), [0.2, 0.6])
    ours, theirs = both(
        np.ones(SMALL.shape, np.float32), geometry, bins=30, radial_range=(low, high), solid_angle=False
    )
    wide, _ = both(
        np.ones(SMALL.shape, np.float32),
        geometry,
        bins=90,
        radial_range=(2 * low - high, 2 * high - low),
        solid_angle=False,
    )
    # The same thirty bins in the middle of ninety: there is nothing of the kind there.
    middle = wide.sum_normalization[30:60]
    np.testing.assert_allclose(ours.sum_normalization, middle, rtol=1e-4)
    assert theirs.sum_normalization[0] > 1.01 * middle[0]
    assert theirs.sum_normalization[-1] > 1.01 * middle[-1]
