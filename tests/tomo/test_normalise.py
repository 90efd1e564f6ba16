"""Each correction undoes what was done to a sinogram, and variances follow as scatter does."""

from __future__ import annotations

import numpy as np
import pytest

from aureole.errors import SpecError
from aureole.tomo import FilteredBackprojection, ParallelBeam
from aureole.tomo.normalise import (
    Corrected,
    backlash,
    equal_totals,
    fill,
    good_angles,
    jitter,
    scale,
    subtract_air,
)

from .objects import projections

TURN = np.pi * np.arange(90) / 90
CLEAN = projections(ParallelBeam(TURN, 120))
SHAPE = CLEAN.shape


def moved(sinogram, offsets):
    """Return projections that stand so many steps too far."""
    places = np.arange(sinogram.shape[1])
    return np.stack([np.interp(places - by, places, row) for row, by in zip(sinogram, offsets, strict=True)])


def test_an_unsteady_beam_is_evened_out():
    beam = np.random.default_rng(1).uniform(0.5, 1.5, (90, 1))
    found = scale(Corrected(CLEAN * beam), equal_totals(CLEAN * beam)).sinograms
    assert found / found.mean() == pytest.approx(CLEAN / CLEAN.mean(), abs=5e-3)
    channels = np.stack([CLEAN, 3 * CLEAN]) * beam
    assert equal_totals(channels) == pytest.approx(equal_totals(CLEAN * beam))


def test_air_beside_the_sample_is_subtracted():
    slope = np.linspace(2, 5, 120) * np.linspace(1, 2, 90)[:, None]
    found = subtract_air(Corrected(CLEAN + slope), 6).sinograms
    assert found == pytest.approx(CLEAN, abs=1e-9)


def test_jitter_is_found_and_taken_back():
    offsets = np.random.default_rng(2).normal(0, 1.5, 90)
    offsets -= offsets.mean()
    shaken = moved(CLEAN, offsets)
    found = jitter(shaken, TURN)
    assert np.abs(found - offsets).max() < 0.5  # a sine among them cannot be told from another place
    assert np.std(jitter(moved(shaken, -found), TURN)) < 0.02
    still = moved(shaken, -offsets)
    assert np.abs(still - CLEAN)[:, 10:-10].mean() < 0.02 * CLEAN.max()


def test_the_lag_of_a_zigzag_is_found():
    offsets = np.where(np.arange(90) % 2 == 0, 0.65, -0.65)
    assert backlash(moved(CLEAN, offsets), TURN) == pytest.approx(offsets, abs=0.03)


def test_lost_rays_are_filled_in():
    bad = np.zeros(SHAPE, bool)
    bad[:, 60] = bad[30, 40:43] = bad[5, 0] = bad[7, -1] = True
    spoilt = np.where(bad, np.nan, CLEAN)
    found = fill(Corrected(np.stack([spoilt, 2 * spoilt])), bad).sinograms
    assert np.isfinite(found).all()
    assert np.array_equal(found[0][~bad], CLEAN[~bad])
    assert np.abs(found[0] - CLEAN)[bad].max() < 0.06 * CLEAN.max()
    assert np.array_equal(found[1], 2 * found[0])
    assert found[0, 5, 0] == CLEAN[5, 1]


def test_projections_that_lost_too_much_are_left_out():
    bad = np.zeros(SHAPE, bool)
    bad[:, 60] = bad[30, 40:43] = bad[5] = bad[17, :70] = True
    keep = good_angles(bad)
    assert np.flatnonzero(~keep).tolist() == [5, 17]
    spoilt = fill(Corrected(np.where(bad, np.nan, CLEAN)[keep]), bad[keep]).sinograms
    whole = ParallelBeam(TURN, 120)
    slices = [
        FilteredBackprojection(beam).reconstruct(sinogram)
        for beam, sinogram in ((whole, CLEAN), (whole.only(keep), spoilt))
    ]
    assert slices[1].sum() == pytest.approx(slices[0].sum(), rel=3e-3)
    assert np.sqrt(np.mean((slices[1] - slices[0])[whole.seen] ** 2)) < 0.04
    with pytest.raises(SpecError, match="of 90 projections, 0 kept over 50% of"):
        good_angles(np.ones(SHAPE, bool))
    with pytest.raises(SpecError, match="mask of shape"):
        whole.only(keep[1:])


@pytest.mark.parametrize(
    "correct",
    [
        lambda given: scale(given, np.linspace(0.5, 2, 90)[:, None]),
        lambda given: subtract_air(given, 4),
        lambda given: fill(given, np.arange(120) % 7 == np.zeros((90, 1))),
    ],
    ids=["scale", "subtract_air", "fill"],
)
def test_variances_are_the_scatter_of_many(correct):
    rng = np.random.default_rng(3)
    variances = rng.uniform(0.5, 2, SHAPE)
    noise = rng.normal(size=(1500, *SHAPE)) * np.sqrt(variances)
    predicted = correct(Corrected(CLEAN, variances)).variances
    ratio = correct(Corrected(CLEAN + noise)).sinograms.var(axis=0) / predicted
    inner = ratio[:, 6:-6]
    assert inner.mean() == pytest.approx(1, abs=0.01)
    assert np.abs(inner - 1).max() < 6 * np.sqrt(2 / 1500)


def test_what_cannot_be_corrected_is_refused():
    dark = CLEAN.copy()
    dark[12] = 0
    with pytest.raises(SpecError, match="projection 12 has no intensity by which"):
        equal_totals(dark)
    with pytest.raises(SpecError, match="projection 12 has no intensity and so no centre"):
        jitter(dark, TURN)
    with pytest.raises(SpecError, match="margins of 60 of 120"):
        subtract_air(Corrected(CLEAN), 60)
