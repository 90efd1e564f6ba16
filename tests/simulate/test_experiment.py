"""What frames count: Beer and Lambert, rings in their places, grains, a beam that decays."""

import numpy as np
import pytest

from aureole.calibration import calibrant
from aureole.errors import GeometryError, SpecError
from aureole.simulate import Beamline, Experiment, MapScan, Phantom, Region, XrdctScan, sample
from aureole.simulate.phases import rings
from aureole.simulate.screen import Screen, standing

SMALL = "Pilatus 100k"
TOMOGRAM = XrdctScan(translations=21, angles=16, wander=0.2)


def experiment(scan=TOMOGRAM, phantom=None, **options):
    return Experiment(phantom or sample(), scan, Beamline(**{"detector": SMALL, **options}))


@pytest.mark.parametrize("phase", ["CeO2", "LaB6", "Ni", "Al2O3"])
def test_rings_stand_where_the_lattice_puts_them(phase):
    made = experiment(phantom=Phantom((phase,), (Region(phase, 0.5, 0.0, 0.0, 0.8),)), air=0.0)
    profile, at = made.patterns[0], made.screen.two_theta
    first = calibrant(phase).two_theta(made.geometry.wavelength)[0]
    near = np.abs(at - first) < 3 * made.screen.pixel_angle
    assert at[near][np.argmax(profile[near])] == pytest.approx(first, abs=0.02 * made.screen.pixel_angle)
    assert profile[np.abs(at - 0.6 * first) < 1e-3].max() < 0.02 * profile.max()


@pytest.mark.parametrize(
    ("phase", "lines"),
    [
        ("Al2O3", {(0, 1, 2): 75, (1, 0, 4): 90, (1, 1, 0): 40, (0, 0, 6): 1, (1, 1, 3): 100, (1, 1, 6): 80}),
        ("LaB6", {(1, 0, 0): 54, (1, 1, 0): 100, (1, 1, 1): 41, (2, 0, 0): 22, (2, 1, 0): 46}),
        ("CeO2", {(1, 1, 1): 100, (2, 0, 0): 27, (2, 2, 0): 46, (3, 1, 1): 34}),
        ("Ni", {(1, 1, 1): 100, (2, 0, 0): 42, (2, 2, 0): 21}),
    ],
)
def test_relative_intensities_are_those_of_tables(phase, lines):
    """Tables are for copper radiation; form factors are approximate."""
    screen = Screen(standing(SMALL, 71.0), 0)
    wavelength = screen.geometry.wavelength
    reflections = calibrant(phase).reflections(wavelength / (2 * np.sin(0.5 * screen.two_theta[-1])))
    found = {}
    for ring, (two_theta, strength) in zip(reflections, rings(calibrant(phase), screen), strict=True):
        if ring.d < 1e-10:
            continue
        copper = np.arcsin(1.5406e-10 / 2 / ring.d)
        here = np.sin(two_theta / 2) * np.sin(two_theta)
        there = (1 + np.cos(2 * copper) ** 2) / (np.sin(copper) * np.sin(2 * copper))
        found.setdefault(tuple(sorted(map(abs, ring.hkl))), strength * here * there)
    scale = max(found.values())
    got = np.array([100 * found[tuple(sorted(hkl))] / scale for hkl in lines])
    np.testing.assert_allclose(got, list(lines.values()), rtol=0.0, atol=25)


def test_the_average_is_what_was_asked_for():
    made = experiment(counts=30.0)
    mean = np.mean([made.expectation(i).sum() / made.screen.valid for i in range(len(made))])
    assert mean == pytest.approx(30.0, rel=1e-4)


def test_without_absorption_all_angles_scatter_the_same():
    made = experiment(transmission=1.0)
    assert (made.transmission == 1.0).all()
    totals = made.weights.sum(axis=0).reshape(16, 21).sum(axis=1)
    np.testing.assert_allclose(totals, totals.mean(), rtol=0.01)
    volume = made.truth[:, 0].sum(axis=(1, 2))
    np.testing.assert_allclose(made.weights.reshape(5, 16, 21).sum(axis=2).mean(axis=1), volume, rtol=0.01)


def test_the_beam_is_attenuated_as_beer_and_lambert_say():
    phantom = Phantom(("CeO2",), (Region("CeO2", 0.8, 0.0, 0.0, 1.0),))
    scan = XrdctScan(translations=21, angles=4)
    made = experiment(scan, phantom, transmission=0.3)
    assert 0.3 <= made.transmission.min() < 0.305
    for place in range(21):
        distances = place + (np.arange(4) + 0.5) / 4 - 0.5 - scan.rotation_center
        chords = 0.8 * 2.0 * np.sqrt(np.maximum(scan.radius**2 - distances**2, 0.0))
        through = np.exp(-made.attenuation[0] * chords)
        assert made.transmission[place] == pytest.approx(through.mean())
        assert made.weights[0, place] == pytest.approx((through * chords).mean())
    # a frame holds the scattering of sample and air, both attenuated, times the monitor
    frame = 10
    profile = made.patterns[0] * made.weights[0, frame] + made.air * made.transmission[frame]
    np.testing.assert_allclose(
        made.expectation(frame), made.monitor[frame] * made.screen.expectation(profile), rtol=1e-5
    )


def test_counts_scatter_about_the_expectation():
    made = experiment(counts=12.0, spotty=("Ni",))
    square = []
    for index in range(0, len(made), 40):
        expected, counted = made.expectation(index), made.frame(index)
        good = ~made.screen.invalid
        good.reshape(-1)[made.screen.hot] = False
        square.append(np.mean((counted[good] - expected[good]) ** 2 / expected[good]))
        assert (counted[made.geometry.detector.mask] == -1).all()
        assert np.count_nonzero(counted == -2) > 20
    assert np.mean(square) == pytest.approx(1.0, abs=0.01)


def test_frames_follow_from_seed_and_number():
    first, again = (experiment(seed=3, spotty=("CeO2",)) for _ in range(2))
    other = experiment(seed=4, spotty=("CeO2",))
    np.testing.assert_array_equal(first.frame(30), again.frame(30))
    assert (first.frame(30) != first.frame(31)).any()
    assert (first.frame(30) != other.frame(30)).any()


def test_the_beam_decays_and_is_refilled():
    made = experiment(decay=0.2, refill=100)
    assert made.monitor[:300].mean() == pytest.approx(1.0, abs=0.01)
    assert made.monitor[99] / made.monitor[0] == pytest.approx(0.8, abs=0.003)
    assert made.monitor[100] == made.monitor[0]
    assert (experiment(decay=0.0).monitor == 1.0).all()


def test_grains_make_spots_and_keep_the_rings():
    scan = XrdctScan(translations=9, angles=40, angle_range=360.0)
    options = {"detector": "Pilatus 300k", "decay": 0.0, "transmission": 1.0}
    smooth = experiment(scan, **options)
    spotty = experiment(scan, spotty=("CeO2",), coarse=1.0, grains=40.0, **options)
    phase = smooth.phantom.phases.index("CeO2")
    assert not spotty.weights[phase].any()
    fine = smooth.screen.expectation(smooth.patterns[phase] * smooth.weights[phase].sum())
    without = [
        smooth.expectation(i) - smooth.screen.expectation(smooth.patterns[phase] * smooth.weights[phase, i])
        for i in range(len(smooth))
    ]
    spots = np.array([spotty.expectation(i) for i in range(len(spotty))]) - without
    assert spots.min() > -1e-2
    two_theta = smooth.geometry.center_array("2th_rad")
    for ring in calibrant("CeO2").two_theta(smooth.geometry.wavelength)[:4]:
        near = np.abs(two_theta - ring) < 5 * smooth.screen.pixel_angle
        assert spots[:, near].sum() == pytest.approx(fine[near].sum(), rel=0.15)
    middle = spots[4 + 9 * 3]
    assert (
        middle.max()
        > 20 * smooth.screen.expectation(smooth.patterns[phase] * smooth.weights[phase, 4 + 9 * 3]).max()
    )


def test_a_map_sees_the_fractions():
    scan = MapScan(rows=8, columns=11, zigzag=True)
    made = experiment(scan, transmission=1.0)
    seen = np.zeros((5, 8, 11))
    seen[:, scan.path.slow, scan.path.fast] = made.weights
    np.testing.assert_allclose(seen, made.truth[:, 0], atol=1e-12)


@pytest.mark.parametrize("phase", ["LaB6", "Ni", "Al2O3"])
def test_every_crystalline_phase_can_be_spotty(phase):
    smooth, spotty = experiment(), experiment(spotty=(phase,))
    spots = [(spotty.expectation(i) - smooth.expectation(i)).max() for i in range(65, 82)]
    assert max(spots) > 10 * smooth.beamline.counts


def test_grains_of_a_map_are_in_their_pixels():
    scan = MapScan(rows=6, columns=8, continuous=True)
    x, y = np.array([0.2, -3.5]), np.array([-1.6, 2.5])
    seen = np.array([scan.overlap(x, y, frame) for frame in range(48)]).reshape(6, 8, 2)
    np.testing.assert_allclose(seen.sum(axis=1)[[1, 5], [0, 1]], [1.0, 0.875], atol=0.13)
    assert (seen.sum(axis=(0, 1)) <= 1.0).all()


def test_headers_say_where_the_frame_is():
    header = experiment(XrdctScan(translations=4, angles=3, layers=2)).header(17)
    assert header["Start_angle"] == "60.000000 deg"
    assert header["Translation"] == "0.050000 mm"
    assert header["Z"] == "0.050000 mm"
    turning = XrdctScan(translations=4, angles=3, order="rotation-first", continuous=True)
    header = experiment(turning).header(1)
    assert (header["Start_angle"], header["Angle_increment"]) == ("30.000000 deg", "60.000000 deg")
    assert set(experiment(MapScan(rows=2, columns=3)).header(0)) == {"X", "Y", "Flux", "Transmission"}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"counts": 0.0}, "counts"),
        ({"transmission": 0.0}, "transmission"),
        ({"decay": 1.0}, "decay"),
        ({"air": -0.1}, "air"),
        ({"coarse": 2.0}, "coarse"),
        ({"refill": 0}, "refill"),
        ({"seed": -1}, "seed"),
        ({"spotty": ("Au",)}, "'Au' cannot be spotty"),
        ({"spotty": ("amorphous",)}, "cannot be spotty"),
        ({"energy_kev": 4.0}, "no ring of .* meets the detector"),
    ],
)
def test_beamlines_that_cannot_be(wrong, message):
    with pytest.raises(SpecError, match=message):
        experiment(**wrong)


def test_detectors_that_cannot_be():
    with pytest.raises(GeometryError, match="unknown detector"):
        experiment(detector="Pilatos")


def test_an_empty_sample_is_refused():
    with pytest.raises(SpecError, match="no ray meets"):
        experiment(phantom=Phantom(("Ni",), ()))
