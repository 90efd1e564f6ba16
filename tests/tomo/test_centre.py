"""The rotation axis is found where it was put."""

from __future__ import annotations

import numpy as np
import pytest

from aureole.errors import SpecError
from aureole.tomo import ParallelBeam
from aureole.tomo.centre import METHODS, find_center

from .objects import projections

HALF, FULL = np.pi * np.arange(120) / 120, 2 * np.pi * np.arange(180) / 180


@pytest.mark.parametrize("turn", [HALF, -HALF + 0.3, FULL], ids=["half a turn", "backwards", "a full turn"])
@pytest.mark.parametrize("center", [59.5, 54.3, 64.62])
def test_every_method_finds_the_axis(turn, center):
    found = find_center(projections(ParallelBeam(turn, 120, rotation_center=center)), turn)
    assert set(found.found) == set(METHODS)
    assert all(value == pytest.approx(center, abs=0.05) for value in found.found.values())
    assert found.value == pytest.approx(center, abs=0.03)
    assert found.spread < 0.1


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
