"""The projector is what it says, its adjoint is exact, and the solvers find what is there."""

from __future__ import annotations

import re
from concurrent.futures import CancelledError

import numpy as np
import pytest

from aureole import _core
from aureole.errors import SpecError
from aureole.threads import STOPPING
from aureole.tomo import (
    FilteredBackprojection,
    ParallelBeam,
    cgls,
    mlem,
    osem,
    project,
    sirt,
    total_variation,
)
from aureole.tomo.rays import LANES, Rays

from .objects import densities, projections

FEW = ParallelBeam(np.pi * np.arange(48) / 48, 120)


def joseph(beam, volume):
    """Return line integrals by Joseph's method, ray by ray."""
    out = np.zeros(beam.shape)
    middle = (beam.size - 1) / 2
    padded = np.pad(np.asarray(volume, np.float64), 1)
    for angle, turn in enumerate(beam.angles):
        c, s = np.cos(turn), np.sin(turn)
        rows = abs(c) >= abs(s)
        lines = padded if rows else padded.T
        along, across = (c, s) if rows else (s, c)
        for ray in range(beam.translations):
            for line in range(beam.size):
                at = (ray - beam.centers[angle] - (line - middle) * across) / along + middle
                if -1 < at < beam.size:
                    i = int(np.floor(at))
                    values = lines[line + 1, i + 1 : i + 3]
                    out[angle, ray] += (values[0] * (i + 1 - at) + values[1] * (at - i)) / abs(along)
    return out


@pytest.mark.parametrize("lanes", [1, LANES])
@pytest.mark.parametrize("isa", _core.isas)
def test_line_integrals_follow_joseph_and_the_adjoint_is_exact(isa, lanes):
    rng = np.random.default_rng(7)
    angles, shifts = np.r_[rng.uniform(-4, 7, 17), 0, np.pi / 2], rng.normal(size=19)
    beam = ParallelBeam(angles, 15, rotation_center=6.3, size=18, shifts=shifts)
    volume = rng.normal(size=(18, 18, lanes)).astype(np.float32)
    sinogram = np.zeros((19, 15, lanes), np.float32)
    turned = np.cos(beam.angles), np.sin(beam.angles), beam.centers
    _core.project_rays(volume, sinogram, *turned, False, 0, 18, isa)
    for lane in (0, lanes - 1):
        assert sinogram[..., lane] == pytest.approx(joseph(beam, volume[..., lane]), abs=2e-5)
    other = rng.normal(size=sinogram.shape).astype(np.float32)
    back = np.zeros_like(volume)
    _core.project_rays(back, other, *turned, True, 0, 18, isa)
    for threads in (1, 3):
        assert np.array_equal(sinogram, Rays(beam, threads=threads).forward(volume))
        assert np.array_equal(back, Rays(beam, threads=threads).adjoint(other))
    left = np.einsum("ijk,ijk->k", sinogram, other, dtype=np.float64)
    right = np.einsum("ijk,ijk->k", volume, back, dtype=np.float64)
    scale = np.linalg.norm(sinogram) * np.linalg.norm(other) / lanes
    assert np.abs(left - right).max() < 1e-6 * scale


SOLVERS = {
    "sirt": lambda sinograms, **more: sirt(FEW, sinograms, 120, minimum=0.0, **more),
    "cgls": lambda sinograms, **more: cgls(FEW, sinograms, 12, **more),
    "mlem": lambda sinograms, **more: mlem(FEW, sinograms, 60, **more),
    "osem": lambda sinograms, **more: osem(FEW, sinograms, 8, subsets=6, **more),
    "total variation": lambda sinograms, **more: total_variation(
        FEW, sinograms, 0.5, 200, minimum=0.0, **more
    ),
}


@pytest.mark.parametrize("name", SOLVERS)
def test_few_angles_do_better_than_by_filtered_backprojection(name):
    sinogram, wanted = projections(FEW), densities(120)
    error = {}
    for who, solve in (("fbp", FilteredBackprojection(FEW).reconstruct), (name, SOLVERS[name])):
        error[who] = np.sqrt(np.mean((solve(sinogram) - wanted)[FEW.seen] ** 2))
    assert error[name] < 0.9 * error["fbp"]
    assert SOLVERS[name](sinogram).sum() == pytest.approx(wanted.sum(), rel=3e-3)


@pytest.mark.parametrize("name", SOLVERS)
def test_channels_and_threads_do_not_change_a_bit(name):
    many = projections(FEW) * np.linspace(0.5, 2, LANES + 3)[:, None, None]
    found = SOLVERS[name](many, threads=1)
    assert np.array_equal(found, SOLVERS[name](many, threads=2))
    assert np.array_equal(found, SOLVERS[name](many, threads=3))
    for threads in (1, 2):
        assert np.array_equal(found[-1], SOLVERS[name](many[-1], threads=threads))


def test_enough_iterations_fit_the_sinogram():
    beam = ParallelBeam(np.pi * np.arange(30) / 30, 40, size=28)
    sinogram = project(beam, np.random.default_rng(8).uniform(size=(28, 28)) * beam.seen)
    assert project(beam, cgls(beam, sinogram, 60)) == pytest.approx(sinogram, abs=0.1)
    assert project(beam, total_variation(beam, sinogram, 0.0, 400)) == pytest.approx(sinogram, abs=0.1)


def test_total_variation_removes_noise_and_keeps_borders():
    rng = np.random.default_rng(9)
    wanted = densities(120)
    noisy = projections(FEW) + rng.normal(0, 2, FEW.shape)
    errors = [
        np.sqrt(np.mean((total_variation(FEW, noisy, strength, 150) - wanted)[FEW.seen] ** 2))
        for strength in (0.0, 4.0)
    ]
    assert errors[1] < 0.5 * errors[0]


def test_impossible_requests_are_refused():
    sinogram = projections(FEW)
    with pytest.raises(SpecError, match="0 iterations"):
        sirt(FEW, sinogram, 0)
    with pytest.raises(SpecError, match="49 subsets of 48 angles"):
        osem(FEW, sinogram, subsets=49)
    for strength in (-1.0, np.nan, np.inf, 1e300):
        with pytest.raises(SpecError, match=f"strength of {re.escape(f'{strength:g}')} of the total"):
            total_variation(FEW, sinogram, strength)
    with pytest.raises(SpecError, match=r"slices of shape \(119, 120\); wanted is \(..., 120, 120\)"):
        project(FEW, np.zeros((119, 120)))


def test_a_process_that_is_asked_to_end_is_not_kept_waiting():
    STOPPING.set()
    try:
        with pytest.raises(CancelledError):
            sirt(FEW, projections(FEW), 10**9)
    finally:
        STOPPING.clear()
