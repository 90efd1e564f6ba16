"""From one layer of patterns to a slice: corrections, the axis, gaps, methods; against a known sample."""

from dataclasses import dataclass

import numpy as np
import pytest

from aureole.errors import SpecError
from aureole.mapping.tomogram import Layer, prepare, tomogram
from aureole.mapping.tomography import METHODS, Corrections, Reconstruction
from aureole.simulate import Phantom, Region, XrdctScan

SAMPLE = Phantom(
    ("CeO2", "Ni"),
    (Region("CeO2", 0.5, 0.0, 0.0, 0.9), Region("Ni", 0.4, 0.25, -0.2, 0.5, 0.7, 0.4, smooth=1)),
)
PATTERNS = np.array([[4.0, 1.0, 0.0], [0.5, 2.0, 3.0]])
"""Of the two phases, in three bins."""


@dataclass
class Made:
    """What was measured without noise, (angles, translations, bins), and what the slice should be."""

    scan: XrdctScan
    intensity: np.ndarray
    truth: np.ndarray
    angles: np.ndarray

    @property
    def sigma(self):
        return np.sqrt(self.intensity + 1.0)


def made(**options):
    scan = XrdctScan(**{"translations": 33, "angles": 48} | options)
    lengths = np.mean(list(scan.lengths(SAMPLE)), axis=0)
    intensity = np.zeros((scan.angles, scan.translations, 3), np.float32)
    intensity[scan.path.slow, scan.path.fast] = lengths.T @ PATTERNS
    truth = np.einsum("pyx,pb->yxb", scan.truth(SAMPLE)[:, 0], PATTERNS)
    return Made(scan, intensity, truth, np.arange(scan.angles) * (scan.turned / scan.angles))


def reconstruct(
    of,
    intensity=None,
    sigma=None,
    how=None,
    *,
    size=None,
    threads=2,
    transmission=None,
    frame=None,
    **corrections,
):
    how = how or Reconstruction()
    prepared = prepare(
        Layer(of.intensity if intensity is None else intensity, sigma, of.angles, transmission, frame),
        corrections=Corrections(**corrections),
        reconstruction=how,
        size=size,
    )
    return tomogram(prepared, how, threads=threads)


def rmse(found, of):
    """Return the deviation inside the sample over the mean there."""
    inside = of.truth.sum(axis=-1) > 0.1
    return np.sqrt(np.mean((found.intensity - of.truth)[inside] ** 2)) / of.truth[inside].mean()


WHOLE = made()


def test_a_slice_is_what_the_sample_is():
    found = reconstruct(WHOLE, sigma=WHOLE.sigma)
    assert found.intensity.shape == found.sigma.shape == (33, 33, 3)
    assert found.intensity.dtype == found.sigma.dtype == np.float32
    assert rmse(found, WHOLE) < 0.08
    assert found.center == pytest.approx(WHOLE.scan.rotation_center, abs=0.05)
    assert found.spread < 0.6
    assert found.kept.all()
    assert (found.shifts == 0).all()
    assert np.isnan(found.intensity[0, 0]).all()
    np.testing.assert_array_equal(np.isnan(found.sigma), np.isnan(found.intensity))
    assert (found.sigma[np.isfinite(found.sigma)] > 0).all()


def test_intensity_is_conserved():
    found = reconstruct(WHOLE, how=Reconstruction(center=WHOLE.scan.rotation_center, window="ram-lak"))
    total = WHOLE.intensity.sum(axis=1).mean(axis=0)
    np.testing.assert_allclose(np.nansum(found.intensity, axis=(0, 1)), total, rtol=0.01)


def test_a_center_that_is_given_is_taken():
    found = reconstruct(WHOLE, how=Reconstruction(center=15.0))
    assert found.center == 15.0
    assert np.isnan(found.spread)
    assert rmse(found, WHOLE) > 2 * rmse(reconstruct(WHOLE), WHOLE)


@pytest.mark.parametrize("method", METHODS)
def test_methods(method):
    strength = 0.01 if method == "tv" else 0.0
    iterations = {"fbp": None, "sirt": 60, "cgls": 12, "osem": 4, "mlem": 40, "tv": 60}[method]
    how = Reconstruction(method=method, iterations=iterations, strength=strength)
    found = reconstruct(WHOLE, sigma=WHOLE.sigma, how=how)
    assert rmse(found, WHOLE) < 0.12
    assert (found.sigma is None) == (method != "fbp")
    again = reconstruct(WHOLE, how=how, threads=1)
    np.testing.assert_array_equal(found.intensity, again.intensity)


def test_no_negative_values():
    how = Reconstruction(method="sirt", iterations=20, nonnegative=True)
    assert np.nanmin(reconstruct(WHOLE, how=how).intensity) >= 0


def test_rays_that_were_lost_are_filled_and_nothing_given_is_changed():
    rng = np.random.default_rng(1)
    intensity, sigma = WHOLE.intensity.copy(), WHOLE.sigma.copy()
    lost = rng.random(intensity.shape[:2]) < 0.03
    intensity[lost] = sigma[lost] = np.nan
    intensity[5, 7, 1] = np.nan  # a bin without valid pixels in one frame
    before = intensity.copy(), sigma.copy()
    found = reconstruct(WHOLE, intensity, sigma)
    assert rmse(found, WHOLE) < 0.1
    assert found.kept.all()
    np.testing.assert_array_equal(np.isfinite(found.intensity), np.isfinite(found.sigma))
    np.testing.assert_array_equal(intensity, before[0])
    np.testing.assert_array_equal(sigma, before[1])


def test_one_bin_of_one_frame_changes_nothing_that_was_given():
    intensity = WHOLE.intensity.copy()
    intensity[5, 7, 1] = np.nan
    found = reconstruct(WHOLE, intensity)
    assert np.isnan(intensity[5, 7, 1])
    whole = reconstruct(WHOLE, how=Reconstruction(center=found.center))
    np.testing.assert_array_equal(found.intensity[..., [0, 2]], whole.intensity[..., [0, 2]])


def test_angles_that_were_lost_are_left_out():
    intensity = WHOLE.intensity.copy()
    intensity[[3, 20]] = np.nan
    intensity[30, :20] = np.nan  # more than half of its rays
    found = reconstruct(WHOLE, intensity, jitter=True)
    assert np.flatnonzero(~found.kept).tolist() == [3, 20, 30]
    assert np.flatnonzero(np.isnan(found.shifts)).tolist() == [3, 20, 30]
    assert rmse(found, WHOLE) < 0.1
    alike = reconstruct(WHOLE, jitter=True, without_angles=(3, 20, 30))
    np.testing.assert_array_equal(found.intensity, alike.intensity)


def test_bins_without_values_stay_so():
    intensity = np.concatenate([WHOLE.intensity, np.full_like(WHOLE.intensity[..., :1], np.nan)], axis=-1)
    found = reconstruct(WHOLE, intensity, np.sqrt(intensity + 1))
    assert np.isnan(found.intensity[..., 3]).all()
    assert np.isnan(found.sigma[..., 3]).all()
    np.testing.assert_array_equal(found.intensity[..., :3], reconstruct(WHOLE).intensity)


def test_translations_can_be_left_out():
    intensity = WHOLE.intensity.copy()
    intensity[:, 9] *= 5.0  # a ring about the axis
    assert rmse(reconstruct(WHOLE, intensity, without_translations=(9,)), WHOLE) < 0.1
    assert rmse(reconstruct(WHOLE, intensity), WHOLE) > 0.3


def test_equal_totals_take_out_a_beam_that_decays():
    fading = np.linspace(1.3, 0.7, 48, dtype=np.float32)[:, None, None]
    intensity, sigma = WHOLE.intensity * fading, WHOLE.sigma * fading
    found, whole = (
        reconstruct(WHOLE, intensity, sigma, equal_totals=True),
        reconstruct(WHOLE, sigma=WHOLE.sigma),
    )
    np.testing.assert_allclose(found.intensity, whole.intensity, rtol=0.02, atol=0.02)
    np.testing.assert_allclose(found.sigma, whole.sigma, rtol=0.02)


def test_air_is_subtracted():
    air = np.array([0.7, 0.1, 0.3], np.float32)
    found = reconstruct(WHOLE, WHOLE.intensity + air, WHOLE.sigma, air=1)
    # the outermost translations see a little of the sample in this scan
    assert rmse(found, WHOLE) < 0.09
    assert rmse(reconstruct(WHOLE, WHOLE.intensity + air), WHOLE) > rmse(found, WHOLE)


def test_absorption():
    through = np.exp(-0.02 * WHOLE.intensity.sum(axis=-1))
    intensity, sigma = WHOLE.intensity * through[..., None], WHOLE.sigma * through[..., None]
    known = through.astype(np.float64)
    known[4, 5] = np.nan
    found = reconstruct(WHOLE, intensity, sigma, transmission=known)
    assert rmse(found, WHOLE) < 0.08
    assert rmse(reconstruct(WHOLE, intensity), WHOLE) > 0.3


def test_jitter_of_the_axis():
    shaken = made(wander=0.8, seed=3)
    found = reconstruct(shaken, jitter=True)
    # a wandering on a sine is a sample elsewhere
    angle = np.radians(shaken.angles)
    model = np.stack([np.ones(48), np.cos(angle), np.sin(angle)], axis=1)
    centers = shaken.scan.centers
    wander = centers - model @ np.linalg.lstsq(model, centers, rcond=None)[0]
    np.testing.assert_allclose(found.shifts, wander, atol=0.05)
    assert rmse(found, shaken) < 0.7 * rmse(reconstruct(shaken), shaken)


@pytest.mark.parametrize("interlaced", [1, 2, 3])
@pytest.mark.parametrize("without", [(), (7, 8, 20)])
def test_backlash_follows_the_lines_that_ran_backwards(interlaced, without):
    moved = made(zigzag=True, backlash=0.8, interlaced=interlaced)
    order = np.lexsort((moved.scan.path.fast, moved.scan.path.slow))
    backward = moved.scan.path.backward[order].reshape(48, 33)[:, 0]
    found = reconstruct(moved, backlash=True, frame=order.reshape(48, 33), without_angles=without)
    shifts = found.shifts[found.kept]
    np.testing.assert_allclose(np.ptp(shifts), 0.8, atol=0.1)
    np.testing.assert_array_equal(shifts == shifts.max(), ~backward[found.kept])
    assert rmse(found, moved) < 0.1


def test_backlash_where_no_line_ran_backwards():
    with pytest.raises(SpecError, match="ran the same way"):
        reconstruct(WHOLE, backlash=True, frame=np.arange(48 * 33).reshape(48, 33))


def test_half_acquisition():
    half = made(translations=40, angles=96, half_acquisition=True)
    found = reconstruct(half, how=Reconstruction(half_acquisition=True))
    assert found.center == pytest.approx(half.scan.rotation_center, abs=0.25)
    assert found.intensity.shape[:2] == half.truth.shape[:2]
    assert rmse(found, half) < 0.1


@pytest.mark.parametrize("turned", [360.0, -180.0])
def test_other_ranges_of_angles(turned):
    other = made(angles=60, angle_range=turned)
    found = reconstruct(other)
    assert found.center == pytest.approx(other.scan.rotation_center, abs=0.1)
    assert rmse(found, other) < 0.1


def test_the_size_can_be_chosen():
    found = reconstruct(WHOLE, size=35)
    np.testing.assert_allclose(found.intensity[1:-1, 1:-1], reconstruct(WHOLE).intensity, atol=1e-3)


@pytest.mark.parametrize(
    ("how", "corrections", "words"),
    [
        ({"center": 33.0}, {}, "rotation center 33 is outside the translations, which are 0 to 32 steps"),
        ({"center": float("nan")}, {}, "rotation center nan is outside"),
        ({}, {"without_angles": (48,)}, "no angle 48 of 48"),
        ({}, {"without_translations": (-1,)}, "no translation -1 of 33"),
        ({}, {"without_angles": tuple(range(47))}, "without 47 of 48 angles too few are left"),
        ({}, {"air": 17}, "17 translations of air at both ends, of 33"),
        ({"half_acquisition": True}, {"jitter": True}, "jitter: needs the whole sample"),
        ({"half_acquisition": True}, {"equal_totals": True}, "equal totals: needs the whole sample"),
        ({"half_acquisition": True}, {"air": 1}, "air: needs the whole sample"),
    ],
)
def test_what_cannot_be_done(how, corrections, words):
    with pytest.raises(SpecError, match=words):
        reconstruct(WHOLE, how=Reconstruction(**how), **corrections)


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        (Reconstruction, {"window": "bartlett"}, "no window 'bartlett'; there are"),
        (Reconstruction, {"method": "art"}, "no method 'art'; there are fbp"),
        (Reconstruction, {"iterations": 5}, "5 iterations of fbp"),
        (Reconstruction, {"method": "sirt", "iterations": 0}, "0 iterations of sirt"),
        (Reconstruction, {"strength": 1.0}, "strength of 1 of fbp"),
        (Reconstruction, {"method": "tv", "strength": np.nan}, "strength of nan"),
        (Reconstruction, {"method": "tv", "strength": np.inf}, "strength of inf"),
        (Reconstruction, {"nonnegative": True}, "nonnegative is of sirt and tv, not of fbp"),
        (Corrections, {"jitter": True, "backlash": True}, "choose one"),
    ],
)
def test_what_cannot_be_asked_for(kind, options, words):
    with pytest.raises(SpecError, match=words):
        kind(**options)


def test_nothing_but_gaps():
    with pytest.raises(SpecError, match="no bin of any frame has a value"):
        reconstruct(WHOLE, np.full_like(WHOLE.intensity, np.nan), without_angles=())
    few = WHOLE.intensity.copy()
    few[1:] = np.nan
    with pytest.raises(SpecError, match="of 48 projections, 1 kept"):
        reconstruct(WHOLE, few)
