"""One pattern of several positions of the detector."""

from dataclasses import replace

import numpy as np
import pytest

import aureole
from aureole.azimuthal import MultiSpec
from aureole.errors import FrameCorrupt, SpecError

DETECTOR = aureole.detector(pixel1=1e-3, pixel2=1e-3, shape=(60, 80))
AXIS = aureole.Axis("2th_deg", 120)


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def positions(count, *, step=0.1, dist=0.2):
    base = aureole.Geometry(DETECTOR, dist, 0.03, 0.04, wavelength=1e-10)
    return [replace(base, dist=dist * (1.0 + 0.1 * i), rot2=-step * i) for i in range(count)]


def frames_of(geometries, rng, mean=2000.0):
    """Frames of a sample that scatters the same everywhere, counted for the same time."""
    first = geometries[0].dist
    return [
        rng.poisson(mean * one.solid_angle() * (first / one.dist) ** 2).astype(np.int32) for one in geometries
    ]


def spec(**options):
    return aureole.IntegrationSpec(positions(1)[0], **({"radial": AXIS, "error_model": "poisson"} | options))


def test_equal_positions_are_pooled_frames(rng):
    geometry = positions(1)[0]
    frames = frames_of([geometry] * 4, rng)
    whole = MultiSpec.of(spec(), [geometry] * 4).accumulate(frames)
    alone = spec().plan().accumulate(frames)
    for name in ("radial", "intensity", "sigma", "count", "sum_variance"):
        np.testing.assert_allclose(getattr(whole, name), getattr(alone, name), rtol=1e-13)


@pytest.mark.parametrize("split", ["no", "bbox", "full"])
def test_an_isotropic_sample_stays_flat_over_all_positions(rng, split):
    geometries = positions(5)
    found = MultiSpec.of(spec(split=split), geometries).accumulate(frames_of(geometries, rng))
    reach = [one.center_array("2th_deg") for one in geometries]
    assert found.radial[0] < min(one.min() for one in reach) + 1.0
    assert found.radial[-1] > max(one.max() for one in reach) - 1.0
    filled = found.count > 20
    assert filled.mean() > 0.9
    pulls = (found.intensity[filled] - 2000.0) / found.sigma[filled]
    assert abs(pulls.mean()) < 4.0 / np.sqrt(filled.sum())
    assert pulls.std() < 1.3


@pytest.mark.parametrize("bins", [None, 90])
def test_threads_do_not_change_a_bit(rng, bins):
    geometries = positions(5)
    frames = frames_of(geometries, rng)
    azimuthal = None if bins is None else aureole.Axis("chi_deg", bins)
    asked = MultiSpec.of(spec(azimuthal=azimuthal, error_model="azimuthal"), geometries)
    one, many = (asked.accumulate(frames, threads=threads) for threads in (1, 3))
    for name in ("intensity", "sigma", "std", "count"):
        np.testing.assert_array_equal(getattr(one, name), getattr(many, name))


@pytest.mark.parametrize("split", ["no", "bbox", "full"])
def test_agrees_with_pyfai(rng, split):
    pyfai = pytest.importorskip("pyFAI.multi_geometry")
    from pyFAI.integrator.azimuthal import AzimuthalIntegrator

    geometries = positions(4)
    frames = frames_of(geometries, rng)
    pose = ("dist", "poni1", "poni2", "rot1", "rot2", "rot3", "wavelength")
    theirs = [
        AzimuthalIntegrator(**{name: getattr(one, name) for name in pose}, detector=_plain_detector())
        for one in geometries
    ]
    limits = (2.0, 30.0)
    wanted = pyfai.MultiGeometry(theirs, unit="2th_deg", radial_range=limits).integrate1d(
        frames, 120, error_model="poisson", method=(split, "csr", "cython")
    )
    axis = replace(AXIS, range=limits)
    found = MultiSpec.of(spec(radial=axis, split=split, error_model="poisson_floor"), geometries).accumulate(
        frames
    )
    crowded = found.count > 20
    crowded[[0, 1, -1]] = False  # pixels that hang over an end, and those that the beam falls on
    solid_angle = 1e-6 / geometries[0].dist ** 2  # theirs divides by steradian
    np.testing.assert_allclose(found.radial, wanted.radial, rtol=1e-6)
    np.testing.assert_allclose(found.intensity[crowded], wanted.intensity[crowded] * solid_angle, rtol=1e-5)
    np.testing.assert_allclose(found.sigma[crowded], wanted.sigma[crowded] * solid_angle, rtol=1e-4)


def _plain_detector():
    from pyFAI.detectors import Detector

    return Detector(1e-3, 1e-3, max_shape=DETECTOR.shape)


def test_detectors_of_other_shapes(rng):
    small = replace(positions(1)[0], detector=aureole.detector(pixel1=2e-3, pixel2=2e-3, shape=(30, 40)))
    geometries = [positions(1)[0], small]
    frames = [
        rng.poisson(geometry.solid_angle() * 500.0 * scale)
        for geometry, scale in zip(geometries, (1, 4), strict=True)
    ]
    found = MultiSpec.of(spec(), geometries).accumulate(frames)
    assert np.nanmean(found.intensity) == pytest.approx(500.0, rel=0.01)


def test_a_monitor_divides(rng):
    geometries = positions(3)
    frames = frames_of(geometries, rng)
    asked = MultiSpec.of(spec(), geometries)
    doubled = asked.accumulate([2 * frame for frame in frames], monitor=[2.0, 2.0, 2.0])
    np.testing.assert_allclose(doubled.intensity, asked.accumulate(frames).intensity, rtol=1e-12)


def test_what_cannot_go_together_is_said(rng):
    geometries = positions(2)
    frames = frames_of(geometries, rng)
    with pytest.raises(SpecError, match="no position"):
        MultiSpec(())
    with pytest.raises(SpecError, match=r"position 1: its split is full"):
        MultiSpec((spec(), spec(split="full")))
    with pytest.raises(SpecError, match="robust results"):
        MultiSpec((spec(robust=aureole.Trim()),))
    with pytest.raises(SpecError, match="1 frames for 2 positions"):
        MultiSpec.of(spec(), geometries).accumulate(frames[:1])
    with pytest.raises(SpecError, match="needs a variance"):
        MultiSpec.of(spec(error_model="variance"), geometries).accumulate(frames)
    with pytest.raises(FrameCorrupt, match="frame 1"):
        MultiSpec.of(spec(), geometries).accumulate([frames[0], frames[1][:10]])
