"""The rotation axis is found where it was put."""

from __future__ import annotations

import numpy as np
import pytest

from aureole.errors import SpecError
from aureole.tomo import FilteredBackprojection, ParallelBeam
from aureole.tomo.centre import HALF_METHODS, METHODS, find_center

from .objects import densities, projections

HALF, FULL = np.pi * np.arange(120) / 120, 2 * np.pi * np.arange(180) / 180


@pytest.mark.parametrize("turn", [HALF, -HALF + 0.3, FULL], ids=["half a turn", "backwards", "a full turn"])
@pytest.mark.parametrize("center", [59.5, 54.3, 64.62])
def test_every_method_finds_the_axis(turn, center):
    found = find_center(projections(ParallelBeam(turn, 120, rotation_center=center)), turn)
    assert set(found.found) == set(METHODS)
    assert all(value == pytest.approx(center, abs=0.1) for value in found.found.values())
    assert found.value == pytest.approx(center, abs=0.03)
    assert found.spread < 0.1


@pytest.mark.parametrize("noise", [False, True], ids=["clean", "noisy"])
@pytest.mark.parametrize("turn", [FULL, 0.5 - FULL, np.linspace(0, 2 * np.pi, 181)])
@pytest.mark.parametrize("center", [8.3, 20.2, 45.0, 69.75, 82.25])
def test_half_acquisition_from_centre_to_slice(turn, center, noise):
    beam = ParallelBeam(turn, 90, rotation_center=center, size=120, half_acquisition=True)
    sinogram = projections(beam)
    if noise:
        sinogram = np.random.default_rng(7).poisson(30 * sinogram) / 30
    found = find_center(sinogram, turn, half_acquisition=True)
    assert set(found.found) == set(HALF_METHODS)
    assert found.value == pytest.approx(center, abs=0.1)
    if not noise:
        again = ParallelBeam(turn, 90, rotation_center=found.value, size=120, half_acquisition=True)
        slice_, wanted = FilteredBackprojection(again).reconstruct(sinogram), densities(120)
        assert np.sqrt(np.mean((slice_ - wanted)[again.seen] ** 2)) < 0.06
        assert slice_[again.seen].sum() == pytest.approx(wanted[again.seen].sum(), rel=5e-3)


@pytest.mark.parametrize("turn", [HALF, FULL], ids=["half a turn", "a full turn"])
def test_whole_turns_from_centre_to_slice(turn):
    truth = ParallelBeam(turn, 120, rotation_center=63.4)
    sinogram = np.random.default_rng(8).poisson(30 * projections(truth)) / 30
    center = find_center(sinogram, turn).value
    found = FilteredBackprojection(ParallelBeam(turn, 120, rotation_center=center), "hann").reconstruct(
        sinogram
    )
    assert found[truth.seen].sum() == pytest.approx(densities(120)[truth.seen].sum(), rel=5e-3)
    assert np.corrcoef(found[truth.seen], densities(120)[truth.seen])[0, 1] > 0.97


@pytest.mark.parametrize("seed", range(4))
def test_noise_and_a_drifting_beam_do_little_harm(seed):
    rng = np.random.default_rng(seed)
    center = rng.uniform(56, 63)
    clean = projections(ParallelBeam(HALF, 120, rotation_center=center))
    noisy = rng.poisson(30 * clean * np.linspace(1, 0.8, len(HALF))[:, None]) / 30
    assert find_center(noisy, HALF).value == pytest.approx(center, abs=0.25)


def test_bad_projections_do_no_harm():
    sinogram = projections(ParallelBeam(HALF, 120, rotation_center=58.2))
    sinogram[[10, 11, 70]] = np.roll(sinogram[[10, 11, 70]], 25, axis=1)
    assert find_center(sinogram, HALF).value == pytest.approx(58.2, abs=0.25)


@pytest.mark.parametrize(
    ("sinogram", "angles", "said"),
    [
        (np.ones((120, 50)), HALF, "without contrast"),
        (np.zeros((120, 50)), HALF, "without contrast"),
        (np.ones((119, 50)), HALF, "wanted is"),
        (np.ones((120, 50)), HALF / 2, "over 89° do not tell"),
    ],
)
def test_what_does_not_tell_the_axis(sinogram, angles, said):
    with pytest.raises(SpecError, match=said):
        find_center(sinogram, angles)


def test_half_acquisition_needs_a_full_turn_and_contrast():
    with pytest.raises(SpecError, match="over 178° do not tell"):
        find_center(np.ones((120, 50)), HALF, half_acquisition=True)
    with pytest.raises(SpecError, match="without contrast"):
        find_center(np.ones((180, 50)), FULL, half_acquisition=True)
