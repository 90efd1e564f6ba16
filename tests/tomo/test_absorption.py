"""What the sample absorbs is put right, and the errors of it are those of many noisy scans."""

from __future__ import annotations

import numpy as np
import pytest

from aureole.errors import SpecError
from aureole.tomo import FilteredBackprojection, ParallelBeam
from aureole.tomo.absorption import attenuation, correct, line_integrals
from aureole.tomo.normalise import Corrected

from .objects import densities, projections

BEAM = ParallelBeam(np.pi * np.arange(120) / 120, 120)
MU = 0.01
CLEAN = projections(BEAM)
PASSED = np.exp(-MU * CLEAN)


def test_what_is_absorbed_along_a_ray_is_given_back():
    assert PASSED.min() < 0.6
    found = correct(Corrected(np.stack([CLEAN, 2 * CLEAN]) * PASSED), PASSED).sinograms
    assert found[1] == pytest.approx(2 * CLEAN, abs=1e-9)
    fbp = FilteredBackprojection(BEAM)
    inner = np.s_[54:58, 58:66]
    assert fbp.reconstruct(found[0])[inner].mean() == pytest.approx(1, abs=2e-3)
    assert fbp.reconstruct(CLEAN * PASSED)[inner].mean() < 0.8


def test_the_attenuation_is_found_with_its_error():
    found, variance = attenuation(BEAM, PASSED, np.full(BEAM.shape, 1e-6))
    error = np.sqrt(np.mean((found - MU * densities(120))[BEAM.seen] ** 2))
    assert error < 0.04 * MU
    assert found[54:58, 58:66].mean() == pytest.approx(MU, rel=2e-3)
    assert variance is not None
    assert variance[BEAM.seen].min() > 0
    assert attenuation(BEAM, PASSED).variances is None


@pytest.mark.parametrize("known", [True, False], ids=["noisy transmission", "exact transmission"])
def test_variances_are_the_scatter_of_many(known):
    rng = np.random.default_rng(11)
    variance, noise = 0.3 + 0.02 * CLEAN, (0.01 * PASSED) ** 2
    shape = (1500, *BEAM.shape)
    sinograms = CLEAN * PASSED + rng.normal(size=shape) * np.sqrt(variance)
    passed = PASSED + rng.normal(size=shape) * np.sqrt(noise) * known
    predicted = correct(Corrected(CLEAN * PASSED, variance), PASSED, noise if known else None).variances
    scatter = np.array(
        [correct(Corrected(one), by).sinograms for one, by in zip(sinograms, passed, strict=True)]
    ).var(axis=0)
    assert (scatter / predicted).mean() == pytest.approx(1, abs=0.01)
    assert np.abs(scatter / predicted - 1).max() < 7 * np.sqrt(2 / 1500)
    if known:
        scatter = np.log(passed).var(axis=0)
        assert (scatter / line_integrals(PASSED, noise).variances).mean() == pytest.approx(1, abs=0.01)


def test_noise_may_transmit_a_little_more_than_all():
    noisy = np.ones(BEAM.shape)
    noisy[3, 4] = 1.1
    assert line_integrals(noisy).sinograms[3, 4] == pytest.approx(-np.log(1.1))


@pytest.mark.parametrize("value", [0.0, -0.1, 1.5, np.nan, np.inf])
def test_what_is_no_transmission_is_refused(value):
    spoilt = PASSED.copy()
    spoilt[7, 31] = value
    with pytest.raises(SpecError, match=rf"angle 7, translation 31 is {value:g}, not .*\(1 rays"):
        line_integrals(spoilt)


def test_what_does_not_fit_is_refused():
    with pytest.raises(SpecError, match="wanted is"):
        line_integrals(PASSED[0])
    with pytest.raises(SpecError, match="for sinograms of"):
        correct(Corrected(CLEAN), PASSED[1:])
    with pytest.raises(SpecError, match="negative"):
        line_integrals(PASSED, -PASSED)
