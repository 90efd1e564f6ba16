"""Direct least squares: peaks of voxels from sinograms, nearer to the truth than by reconstructing first."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from aureole.errors import SpecError
from aureole.kernels.profiles import pseudo_voigt
from aureole.mapping.peaks import fit_peaks
from aureole.tomo import FilteredBackprojection, ParallelBeam, project
from aureole.tomo.dlsr import DirectLeastSquares, VoxelPeaks, _Misfit, _rough

SIZE = 32
X = np.linspace(3.0, 3.4, 24)
ANGLES = np.pi * np.arange(48) / 48
BEAM = ParallelBeam(ANGLES, SIZE)


def sample(n):
    """Area, position and width in a sample that is strained, with a grain of another strain, and a hole."""
    axis = (np.arange(n) + 0.5) / n * 2 - 1
    x, y = np.meshgrid(axis, axis)
    grain = (x - 0.2) ** 2 + (y + 0.1) ** 2 < 0.05
    hole = (x + 0.3) ** 2 + (y - 0.1) ** 2 < 0.03
    area = (((x / 0.75) ** 2 + (y / 0.6) ** 2 < 1) + 1.0 * grain) * ~hole
    return area, 3.2 + 0.03 * x - 0.02 * y + 0.02 * grain, 0.08 + 0.02 * y


def channels(area, position, fwhm, mixture=0.0):
    """Volumes of patterns, channels first, with a background as high as a twelfth of the peaks."""
    values = pseudo_voigt(X, position[..., None], fwhm[..., None], mixture).value + 1.0
    return np.moveaxis(area[..., None] * values, -1, 0)


def measured(counts, seed=3, angles=ANGLES):
    """Sinograms of so many counts at most, and their errors; the sample's voxels are finer."""
    fine = ParallelBeam(angles, 2 * SIZE, size=2 * SIZE)
    exact = project(fine, channels(*sample(2 * SIZE))).reshape(len(X), len(angles), SIZE, 2).mean(axis=-1) / 2
    scale = counts / exact.max()
    seen = np.random.default_rng(seed).poisson(exact * scale)
    return seen / scale, np.sqrt(np.maximum(exact * scale, 1.0)) / scale


@pytest.fixture(scope="module")
def truth():
    area, position, fwhm = (part.reshape(SIZE, 2, SIZE, 2) for part in sample(2 * SIZE))
    whole = area.mean(axis=(1, 3))
    mean = [(area * part).mean(axis=(1, 3)) / np.maximum(whole, 1e-9) for part in (position, fwhm)]
    return SimpleNamespace(area=whole, position=mean[0], fwhm=mean[1], inside=(whole > 0.8) & BEAM.seen)


def reconstructed_then_fitted(sinograms, sigma, window):
    plan = FilteredBackprojection(BEAM, window)
    volume, errors = plan.reconstruct(sinograms), np.sqrt(plan.variance(sigma**2))
    patterns = (np.moveaxis(part, 0, -1) for part in (volume, errors))
    return fit_peaks(X, *patterns, window=(3.0, 3.4), shape="gaussian")


def start_from(maps):
    return VoxelPeaks(
        position=maps.position.value,
        fwhm=maps.fwhm.value,
        area=maps.area.value,
        background=maps.background.value,
        slope=maps.slope.value,
    )


def exact_maps(truth):
    inside = BEAM.seen & (truth.area > 0)
    return VoxelPeaks(
        position=np.where(inside, truth.position, np.nan),
        fwhm=np.where(inside, truth.fwhm, np.nan),
        area=truth.area * BEAM.seen,
        background=truth.area * BEAM.seen,
        slope=np.zeros((SIZE, SIZE)),
    )


def off(value, true):
    return float(np.sqrt(np.mean(np.square(value - true))))


@pytest.mark.parametrize("counts", [100, 1000])
def test_peaks_are_nearer_to_the_truth_than_by_reconstructing_first(truth, counts):
    sinograms, sigma = measured(counts)
    plan = DirectLeastSquares(BEAM, X, roughness=0.002)
    for window in ("shepp-logan", "hann"):
        before = reconstructed_then_fitted(sinograms, sigma, window)
        at = truth.inside & before.good
        assert np.count_nonzero(at) > 0.98 * np.count_nonzero(truth.inside)
        direct = plan.fit(sinograms, start_from(before), sigma=sigma)
        after = direct.peaks.position[0]
        assert off(after[at], truth.position[at]) < 0.85 * off(before.position.value[at], truth.position[at])
        assert off(direct.peaks.area[0][at], truth.area[at]) < 1.1 * off(
            before.area.value[at], truth.area[at]
        )
        assert direct.chi2 / direct.values < 1.1
        assert direct.values == sinograms.size


def test_rays_that_are_missing_are_not_compared(truth):
    """FBP would need them; every seventh projection is lost, and a corner of the others is spoilt."""
    sinograms, sigma = measured(1000)
    start = start_from(reconstructed_then_fitted(sinograms, sigma, "hann"))
    spoilt, unknown = sinograms.copy(), sigma.copy()
    spoilt[:, ::7] = np.nan
    spoilt[:, 20:24, 10:20] = 1e6
    unknown[:, 20:24, 10:20] = 0.0
    plan = DirectLeastSquares(BEAM, X, roughness=0.002)
    all_of_it, rest = plan.fit(sinograms, start, sigma=sigma), plan.fit(spoilt, start, sigma=unknown)
    assert rest.values == len(X) * (41 * SIZE - 3 * 10)
    inside = truth.inside
    error = off(rest.peaks.position[0][inside], truth.position[inside])
    assert error < 1.2 * off(all_of_it.peaks.position[0][inside], truth.position[inside])


def test_exact_sinograms_give_what_they_were_made_of(truth):
    exact = exact_maps(truth)
    known = np.isfinite(exact.position)
    model = channels(
        exact.area, np.where(known, exact.position, 3.2), np.where(known, exact.fwhm, 0.08), mixture=0.4
    )
    sinograms = project(BEAM, model)
    rng = np.random.default_rng(4)
    wrong = replace(
        exact,
        position=exact.position + 0.005 * rng.normal(size=known.shape),
        fwhm=exact.fwhm * 1.05,
        area=exact.area * 0.97,
    )
    found = DirectLeastSquares(BEAM, X, mixture=0.4, roughness=None).fit(sinograms, wrong, iterations=400)
    inside = truth.inside
    assert off(found.peaks.position[0][inside], truth.position[inside]) < 3e-4
    assert off(found.peaks.fwhm[0][inside], truth.fwhm[inside]) < 1e-3
    assert off(found.peaks.area[0][inside], truth.area[inside]) < 0.01
    assert np.isnan(found.peaks.area[0][~BEAM.seen]).all()
    assert (found.peaks.area[0][BEAM.seen] >= 0).all()
    np.testing.assert_array_equal(np.isfinite(found.peaks.position[0]), found.peaks.area[0] > 0)


def test_the_gradient_is_that_of_the_misfit(truth):
    rng = np.random.default_rng(5)
    sinograms, sigma = measured(1000)
    plan = DirectLeastSquares(BEAM, X, mixture=0.3, roughness=0.01)
    two = replace(
        exact_maps(truth),
        **{n: np.stack([getattr(exact_maps(truth), n)] * 2) for n in ("position", "fwhm", "area")},
    )
    maps = plan._stacked(two)
    assert maps.shape == (8, SIZE, SIZE)
    maps[0::3][:2] += 0.02 * rng.normal(size=(2, SIZE, SIZE))
    misfit = _Misfit(plan, *plan._checked(sinograms, sigma))

    class Serial:
        map = staticmethod(map)

    def value(at):
        rough, slope = _rough(at, BEAM.seen, 0.01)
        chi2, gradient = misfit.of(at, Serial)
        return chi2 + rough, gradient + slope

    _, gradient = value(maps)
    units = plan._scale(maps)[..., None]
    for row in range(8):
        direction = np.zeros_like(maps)
        direction[row] = BEAM.seen * rng.normal(size=(SIZE, SIZE)) * units[row] * 1e-2
        slope = (value(maps + direction)[0] - value(maps - direction)[0]) / 2
        assert np.sum(gradient * direction) == pytest.approx(slope, rel=5e-3), row


def test_threads_do_not_change_a_bit(truth):
    sinograms, sigma = measured(1000)
    one, two = (
        DirectLeastSquares(BEAM, X, roughness=None).fit(
            sinograms, exact_maps(truth), sigma=sigma, iterations=3, threads=threads
        )
        for threads in (1, 2)
    )
    assert one.chi2 == two.chi2
    for name in ("position", "fwhm", "area", "background", "slope"):
        np.testing.assert_array_equal(getattr(one.peaks, name), getattr(two.peaks, name))


@pytest.mark.parametrize(
    ("plan", "change", "message"),
    [
        ({"radial": X[::-1]}, {}, "does not rise"),
        ({"mixture": 1.5}, {}, "a mixture of 1.5"),
        ({"roughness": 0.0}, {}, "a roughness of 0"),
        ({"roughness": 0.1}, {"sigma": None}, "needs sigmas"),
        ({}, {"iterations": 0}, "0 iterations"),
        ({}, {"sinograms": np.ones((3, 48, 32))}, "sinograms of shape"),
        ({}, {"sigma": np.ones((3, 48, 32))}, "sigma of shape"),
        ({}, {"sigma": np.full((24, 48, 32), -1.0)}, "a sigma is negative"),
        ({}, {"sigma": np.zeros((24, 48, 32))}, "no value with a positive sigma"),
        ({}, {"area": np.ones((3, 3))}, "slices have 32 x 32 pixels"),
        ({}, {"position": np.full((32, 32), np.nan)}, "peak 0 has no position and width"),
    ],
)
def test_bad_input_is_refused(truth, plan, change, message):
    given = {"sinograms": np.ones((24, 48, 32)), "sigma": np.ones((24, 48, 32)), **change}
    start = exact_maps(truth)
    for name in ("area", "position"):
        if name in given:
            start = replace(start, **{name: given.pop(name)})
    plan = {"radial": X, "roughness": None, **plan}
    with pytest.raises(SpecError, match=message):
        DirectLeastSquares(BEAM, **plan).fit(given.pop("sinograms"), start, **given)
