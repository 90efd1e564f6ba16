"""Derivatives, least squares, errors and correlations, against finite differences and repetition."""

import numpy as np
import pytest

import aureole
from aureole.calibration import RingPoints, calibrant, refine, residuals
from aureole.calibration.refine import solve
from aureole.calibration.rings import points_at
from aureole.calibration.scattering import PARAMETERS, angles, parameters_of, with_parameters
from aureole.errors import SpecError

TRUE = aureole.Geometry(aureole.detector("Pilatus 1M"), 0.25, 0.08, 0.09, 0.11, -0.2, 0.3, wavelength=4e-11)
SPACINGS = calibrant("LaB6").d_spacings(4e-11 / (2.0 * np.sin(0.35)))


def ring_points(noise=0.0, seed=0):
    """Points on rings of LaB6 with errors in 2θ, in radians."""
    rng = np.random.default_rng(seed)
    chi = rng.uniform(-np.pi, np.pi, 600)
    ring = rng.integers(0, len(SPACINGS), 600)
    two_theta = 2.0 * np.arcsin(0.5 * TRUE.wavelength / SPACINGS[ring]) + noise * rng.standard_normal(600)
    return RingPoints(points_at(TRUE, two_theta, chi, None), ring, np.full(600, noise or 1e-5))


def test_angles_are_those_of_the_geometry():
    rng = np.random.default_rng(1)
    rows, columns = rng.integers(0, 900, (2, 50))
    places = np.column_stack(
        (TRUE.detector.centres(0)[rows], TRUE.detector.centres(1)[columns], np.zeros(50))
    )
    seen = angles(places, parameters_of(TRUE))
    assert seen.two_theta == pytest.approx(TRUE.center_array("2th_rad")[rows, columns], rel=1e-12)


@pytest.mark.parametrize("index", range(7), ids=PARAMETERS)
def test_derivatives(index):
    measured, numbers = ring_points(1e-3), parameters_of(TRUE)
    step = 1e-5 * (numbers[index] or 1.0)
    ahead, behind = numbers.copy(), numbers.copy()
    ahead[index] += step
    behind[index] -= step
    difference = residuals(measured, SPACINGS, ahead)[0] - residuals(measured, SPACINGS, behind)[0]
    slope = residuals(measured, SPACINGS, numbers)[1][:, index]
    assert slope == pytest.approx(
        difference / (2.0 * step), rel=1e-5, abs=1e-6 * max(np.abs(slope).max(), 1e-3)
    )


def test_points_lie_where_their_rays_meet_the_detector():
    measured = ring_points()
    rest, _ = residuals(measured, SPACINGS, parameters_of(TRUE))
    assert np.abs(rest).max() < 1e-13
    assert np.all(measured.points[:, 2] == pytest.approx(0.0, abs=1e-15))


def test_a_far_start_converges():
    start = parameters_of(TRUE) * [1.1, 0.9, 1.1, 0.5, 0.5, 1.0, 1.0]
    fit = refine(ring_points(), SPACINGS, start)
    assert fit.parameters == pytest.approx(parameters_of(TRUE), rel=1e-8)
    assert with_parameters(TRUE, fit.parameters).dist == pytest.approx(TRUE.dist)


def test_errors_are_those_of_repetition():
    start, free = parameters_of(TRUE), (*PARAMETERS[:5], "wavelength")
    fits = [refine(ring_points(2e-5, seed), SPACINGS, start, free=free) for seed in range(60)]
    off = np.array(
        [(fit.parameters - start) / np.where(fit.uncertainty > 0, fit.uncertainty, 1) for fit in fits]
    )
    chosen = [0, 1, 2, 3, 4, 6]
    assert np.std(off[:, chosen], axis=0) == pytest.approx(np.ones(6), abs=0.3)
    assert np.abs(off[:, chosen].mean(0)).max() < 0.5
    spread = np.corrcoef(np.array([fit.parameters[chosen] for fit in fits]).T)
    told = np.mean([fit.correlation for fit in fits], axis=0)[np.ix_(chosen, chosen)]
    assert np.abs(spread - told).max() < 0.35
    assert np.mean([fit.scale for fit in fits]) == pytest.approx(1.0, abs=0.05)


def test_outliers_lose_their_weight():
    measured = ring_points(2e-5)
    wrong = np.arange(600) % 5 == 0
    points = measured.points + np.where(wrong[:, None], [3e-3, -2e-3, 0.0], 0.0)
    fit = refine(RingPoints(points, measured.rings, measured.sigma), SPACINGS, parameters_of(TRUE))
    assert np.all(fit.weights[np.abs(fit.residuals()) > 5e-4] == 0.0)
    assert fit.parameters[0] == pytest.approx(TRUE.dist, rel=1e-4)
    fooled = refine(
        RingPoints(points, measured.rings, measured.sigma), SPACINGS, parameters_of(TRUE), robust=False
    )
    assert abs(fooled.parameters[1] - TRUE.poni1) > 5.0 * abs(fit.parameters[1] - TRUE.poni1)


def test_a_rotation_about_the_beam_is_not_determined():
    fit = refine(ring_points(1e-5), SPACINGS, parameters_of(TRUE), free=PARAMETERS[:6])
    assert fit.uncertainty[5] == np.inf
    assert np.isfinite(fit.uncertainty[:5]).all()
    assert fit.parameters[5] == pytest.approx(TRUE.rot3, abs=1e-6)
    assert np.isnan(fit.correlation[5]).all()


def test_geometries_of_other_parameters():
    """Two images of an arm that turns by a scale and an offset: the chain rule gives the derivatives."""
    motors, images = np.radians([0.0, 12.0]), []
    for motor in motors:
        geometry = aureole.Geometry(
            TRUE.detector, 0.2, 0.08, 0.09, 0.02, 1.01 * -motor + 0.03, wavelength=4e-11
        )
        chi = np.linspace(-3.0, 3.0, 200)
        ring = np.arange(200) % 12
        two_theta = 2.0 * np.arcsin(2e-11 / SPACINGS[ring])
        images.append(RingPoints(points_at(geometry, two_theta, chi, None), ring, np.full(200, 1e-5)))

    def function(values):
        dist, poni1, poni2, rot1, offset, scale = values
        rest, slopes = [], []
        for motor, points in zip(motors, images, strict=True):
            numbers = [dist, poni1, poni2, rot1, offset - scale * motor, 0.0, 4e-11]
            by_value = np.zeros((7, 6))
            by_value[range(5), range(5)] = 1.0
            by_value[4, 5] = -motor
            off, slope = residuals(points, SPACINGS, numbers)
            rest.append(off)
            slopes.append(slope @ by_value)
        return np.concatenate(rest), np.concatenate(slopes)

    found = solve(function, [0.21, 0.079, 0.091, 0.0, 0.02, 1.0], np.full(400, 1e-5))
    assert found.values == pytest.approx([0.2, 0.08, 0.09, 0.02, 0.03, 1.01], rel=1e-7)


@pytest.mark.parametrize("free", [(), ("tilt",), ("dist", "dist2")])
def test_unknown_parameters_are_refused(free):
    with pytest.raises(SpecError, match="refined are any of"):
        refine(ring_points(), SPACINGS, parameters_of(TRUE), free=free)
