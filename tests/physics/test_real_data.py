"""Frames of real detectors: rings stand where lattices put them, errors are those of counts."""

from dataclasses import replace

import numpy as np
import pytest
from pyfai_oracle import assert_agreement, both
from scipy.optimize import curve_fit

import aureole
from aureole.calibration import calibrant
from aureole.io import read_image


def ring_angles(wavelength, low, high):
    """2θ (degrees) of the rings of CeO2 between two angles."""
    spacings = calibrant("CeO2").d_spacings(wavelength / (2.0 * np.sin(np.radians(high / 2.0))))
    angles = np.degrees(2.0 * np.arcsin(wavelength / 2.0 / spacings))
    return angles[angles > low]


def groups(angles, apart):
    """Split rising angles where they are farther apart than that."""
    return np.split(angles, np.flatnonzero(np.diff(angles) > apart) + 1)


def peaks(x, *parameters):
    """Pseudo-Voigt peaks of one width and shape on a line; places and heights come last."""
    offset, slope, width, shape, *each = parameters
    total = offset + slope * (x - x.mean())
    for place, height in zip(each[::2], each[1::2], strict=True):
        u = np.square((x - place) / width)
        total = total + height * (shape / (1.0 + 4.0 * u) + (1.0 - shape) * np.exp(-4.0 * np.log(2.0) * u))
    return total


def fitted_places(pattern, angles, *, margin, width):
    """Fit neighbouring rings together; return where they stand and the errors of that."""
    near = (pattern.radial > angles[0] - margin) & (pattern.radial < angles[-1] + margin)
    x, y, sigma = (part[near] for part in (pattern.radial, pattern.intensity, pattern.sigma))
    start = [y.min(), 0.0, width, 0.5]
    low, high = [-np.inf, -np.inf, 0.3 * width, 0.0], [np.inf, np.inf, 3.0 * width, 1.0]
    for angle in angles:
        start += [angle, y[np.abs(x - angle) < width].max() - y.min()]
        low += [angle - width, 0.0]
        high += [angle + width, np.inf]
    best, covariance = curve_fit(peaks, x, y, start, sigma, bounds=(low, high))
    return best[4::2], np.sqrt(np.diag(covariance))[4::2]


@pytest.fixture(scope="module")
def ceria(data):
    """Frame, geometry and mask of the rings of CeO2 on a Pilatus 2M."""
    folder = data / "powder" / "ceo2_pilatus2m"
    frame = aureole.open_frames(folder / "CeO2.cbf")[0]
    return frame, aureole.load(folder / "CeO2.poni"), read_image(folder / "mask.edf")


def test_the_rings_of_ceria(ceria):
    """Neighbouring rings fitted together, with what is around them.

    Beyond 14° they drift away from the lattice, in pyFAI's patterns the same: so this calibration is. Of the
    31 rings below 17.5° the last stands at 0.0054°; the others are nearer than 0.005°, and half of them than
    0.001°.
    """
    frame, geometry, mask = ceria
    pattern = aureole.integrate1d(
        frame,
        geometry,
        4000,
        unit="2th_deg",
        split="full",
        error_model="poisson",
        polarization_factor=0.99,
        mask=mask,
    )
    angles = ring_angles(geometry.wavelength, 3.0, 17.5)
    assert angles.size == 31
    apart, centroids = [], []
    for near in groups(angles, 0.25):
        places, errors = fitted_places(pattern, near, margin=0.12, width=0.0165 + 0.0029 * near.mean())
        assert np.all(errors < 5e-4)
        apart.extend(places - near)
        if near.size == 1:
            centroids.append(stand_out(pattern, near[0], near=0.05, far=(0.1, 0.17))[1])
    apart = np.abs(apart)
    assert np.all(apart[:-1] < 0.005)
    assert apart[-1] < 0.006
    assert np.median(apart) < 0.001
    assert len(centroids) == 17
    assert np.all(np.abs(centroids) < 0.005)


def test_the_pattern_of_ceria_is_that_of_pyfai(ceria):
    frame, geometry, mask = ceria
    image = aureole.decode(frame).astype(np.float32)
    ours, theirs = both(
        image,
        geometry,
        bins=1000,
        unit="2th_deg",
        mask=mask,
        polarization_factor=0.99,
        error_model="poisson_floor",
    )
    assert_agreement(ours, theirs, least=950)


@pytest.mark.parametrize("distance", ["103852", "103853"])
@pytest.mark.parametrize("suffix", ["", "_Simon"])
def test_images_that_are_stored_upside_down(data, distance, suffix):
    """Rings come out sharp, and in their places, with one orientation of four."""
    folder = data / "powder" / "ceo2_pilatus2m_cdte" / f"{distance}-pilatus2M-files"
    frame = aureole.open_frames(folder / "00001.cbf")[0]
    stored = aureole.load(folder / f"calibration_{distance}{suffix}.poni")
    contrast = {}
    for orientation in (1, 2, 3, 4):
        known = aureole.detector("Pilatus CdTe 2M", orientation=orientation)
        geometry = replace(stored, detector=known)
        pattern = aureole.integrate1d(
            frame, geometry, 1500, unit="2th_deg", radial_range=(1.5, 8.0), saturation=1e6
        )
        rings = ring_angles(geometry.wavelength, 1.5, 5.0)
        ratios, shifts = zip(*(stand_out(pattern, angle) for angle in rings), strict=True)
        contrast[orientation] = min(ratios)
        if orientation == 2:
            assert rings.size == 5
            np.testing.assert_allclose(shifts, 0.0, atol=0.003)
    assert contrast[2] > 8.0
    assert all(contrast[other] < 1.0 for other in (1, 3, 4))


def stand_out(pattern, angle, *, near=0.06, far=(0.1, 0.2)):
    """How high a ring stands over its surroundings, and how far its centroid is from where it should be."""
    away = np.abs(pattern.radial - angle)
    ground = np.median(pattern.intensity[(away > far[0]) & (away < far[1])])
    ring = away < near
    height = pattern.intensity[ring] - ground
    return height.max() / ground, np.sum(height * pattern.radial[ring]) / np.sum(height) - angle


def test_a_map_as_dioptas_integrated_it(data):
    folder = data / "powder" / "dioptas_map"
    images = sorted(folder.glob("*.tif"))
    assert len(images) == 9
    known = aureole.detector(pixel1=172e-6, pixel2=172e-6, shape=(1043, 981), orientation=2)
    # What the headers of the patterns say.
    geometry = aureole.Geometry.from_fit2d(
        known,
        direct_mm=284.635,
        center_x=485.389,
        center_y=508.119,
        tilt=0.037,
        tilt_plane_rotation=67.409,
        wavelength=3.344e-11,
    )
    patterns = [np.loadtxt(folder / "xy" / f"{image.stem}.xy").T for image in images]
    axis = aureole.Axis("2th_deg", patterns[0].shape[1])
    plan = aureole.IntegrationSpec(geometry, radial=axis, split="bbox", polarization_factor=0.99).plan()
    ours = plan.integrate(np.array([read_image(image) for image in images]))
    np.testing.assert_allclose(ours.radial, patterns[0][0], rtol=0.0, atol=2e-4)
    for mine, (_, theirs) in zip(ours.intensity, patterns, strict=True):
        apart = np.abs(mine / theirs - 1.0)
        assert np.median(apart) < 4e-4
        assert np.quantile(apart, 0.9) < 2e-3


@pytest.fixture(scope="module")
def eiger(data):
    """Two frames of an Eiger2 9M at some 0.0145 counts a pixel, and where that stood."""
    frames = aureole.open_frames(data / "powder" / "eiger2_9m" / "vac_007_data_000001.h5")
    geometry = aureole.Geometry.from_fit2d(
        aureole.detector("Eiger2 9M"),
        direct_mm=3668.688,
        center_x=2449.944,
        center_y=2437.748,
        wavelength=1.0332e-10,
    )
    return frames, geometry


def test_poisson_errors_of_few_counts(eiger):
    """Against the counts themselves: no table, no kernel."""
    frames, geometry = eiger
    assert len(frames) == 2
    axis = aureole.Axis("q_A^-1", 1000)
    spec = aureole.IntegrationSpec(geometry, radial=axis, split="no", error_model="poisson", efficiency=False)
    result = spec.plan().integrate(frames)
    q = geometry.center_array("q_A^-1")
    mask = geometry.detector.mask
    low, high = q[~mask].min(), q[~mask].max() * (1.0 + np.finfo(np.float32).eps)
    bins = ((q - low) / (high - low) * 1000).astype(int)
    norm = geometry.solid_angle()
    for row, frame in zip(result, frames, strict=True):
        image = aureole.decode(frame)
        valid = ~mask & (image < 2**32 - 2)
        counts = np.bincount(bins[valid], image[valid], 1000)
        pixels = np.bincount(bins[valid], minlength=1000)
        assert counts.sum() / pixels.sum() == pytest.approx(0.0145, abs=2e-4)
        np.testing.assert_array_equal(row.count, pixels)
        np.testing.assert_array_equal(row.sum_signal, counts)
        np.testing.assert_array_equal(row.sum_variance, np.where((counts == 0) & (pixels > 0), 1, counts))
        with np.errstate(invalid="ignore"):
            sigma = np.sqrt(row.sum_variance) / np.bincount(bins[valid], norm[valid], 1000)
        np.testing.assert_allclose(row.sigma, sigma, rtol=1e-9)


def test_poisson_errors_are_the_scatter_of_equivalent_pixels(eiger):
    """Ten random tenths of the pixels measure the same: χ² of their patterns is 1.

    With a floor of one count for each pixel, as pyFAI has it, errors are eight times what they should be.
    """
    frames, geometry = eiger
    image = aureole.decode(frames[0]).astype(np.float32)
    image[image >= 2**31] = np.nan
    part = np.random.default_rng(9).integers(0, 10, image.shape, np.uint8)
    spec = aureole.IntegrationSpec(
        geometry, radial=aureole.Axis("q_A^-1", 90, (0.02, 0.2)), split="no", error_model="poisson"
    )
    plan = spec.plan()
    parts = [plan.integrate(np.where(part == k, image, np.nan)) for k in range(10)]
    intensity, sigma = (np.array([getattr(p, name) for p in parts]) for name in ("intensity", "sigma"))
    square = np.square(intensity - intensity.mean(axis=0)) / np.mean(np.square(sigma), axis=0)
    # 810 degrees of freedom: the standard deviation of χ² is 0.05.
    assert square.sum() / (9 * 90) == pytest.approx(1.0, abs=0.15)
    floor = replace(spec, error_model="poisson_floor").plan().integrate(frames[0])
    true = plan.integrate(frames[0])
    assert np.median(floor.sigma / true.sigma) == pytest.approx(0.0145**-0.5, rel=0.05)


def test_two_frames_are_one_exposure(eiger):
    frames, geometry = eiger
    axis = aureole.Axis("q_A^-1", 200)
    plan = aureole.IntegrationSpec(geometry, radial=axis, error_model="poisson").plan()
    each = plan.integrate(frames)
    both = plan.accumulate(frames)
    np.testing.assert_allclose(both.sum_signal, each.sum_signal.sum(axis=0), rtol=1e-14)
    crowded = both.count > 1000
    with np.errstate(invalid="ignore"):
        apart = (each.intensity[0] - each.intensity[1]) / np.hypot(each.sigma[0], each.sigma[1])
    assert np.mean(np.square(apart[crowded])) == pytest.approx(1.0, abs=0.35)
