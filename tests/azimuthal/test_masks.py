"""Masks by shape and by what pixels measure; the truth is known."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.path import Path
from scipy.ndimage import binary_dilation, binary_erosion

import aureole
from aureole.arrays import NamedArray
from aureole.azimuthal import masks, most_bins
from aureole.azimuthal.beam_stop import beam_stop
from aureole.errors import InputError, SpecError
from aureole.geometry.recorded import Recorded

SHAPE = (120, 150)
RNG = np.random.default_rng(31)
START = RNG.bit_generator.state
MIDDLES = np.stack(np.meshgrid(np.arange(150) + 0.5, np.arange(120) + 0.5), axis=-1).reshape(-1, 2)


@pytest.fixture(autouse=True)
def begin_anew():
    """Let each test have the same numbers, whichever ran before."""
    RNG.bit_generator.state = START


def geometry(shape=(400, 500), centre=(180.3, 260.7), **options):
    detector = aureole.detector(pixel1=1e-4, pixel2=1e-4, shape=shape)
    return aureole.Geometry(detector, 0.1, centre[0] * 1e-4, centre[1] * 1e-4, 0, 0, 0, wavelength=1e-10)


def powder(where, scale=200.0):
    """Mean counts of rings on a falling background."""
    two_theta = np.degrees(where.center_array("2th_rad"))
    rings = sum(8.0 * np.exp(-0.5 * ((two_theta - at) / 0.09) ** 2) for at in (4.0, 6.5, 7.5, 9.0, 11.0))
    return scale * (np.exp(-two_theta / 6.0) + rings)


def test_shapes_have_the_middles_of_pixels():
    rows, columns = np.indices(SHAPE) + 0.5
    expected = (rows - 40.2) ** 2 + (columns - 90.9) ** 2 <= 13.3**2
    np.testing.assert_array_equal(masks.disc(SHAPE, (40.2, 90.9), 13.3), expected)
    expected = (rows >= 3) & (rows < 9.6) & (columns >= -4) & (columns < 20)
    np.testing.assert_array_equal(masks.rectangle(SHAPE, (9.6, -4), (3, 20)), expected)
    assert masks.rectangle(SHAPE, (2, 3), (3, 4)).sum() == 1


@pytest.mark.parametrize("number", [3, 4, 7])
def test_polygons_are_those_of_matplotlib(number):
    angle = np.sort(RNG.uniform(0, 2 * np.pi, number))
    radius = RNG.uniform(20, 90, number)
    corners = np.stack([60.13 + radius * np.sin(angle), 75.27 + radius * np.cos(angle)], axis=1)
    expected = Path(corners[:, ::-1]).contains_points(MIDDLES).reshape(SHAPE)
    np.testing.assert_array_equal(masks.polygon(SHAPE, [tuple(each) for each in corners]), expected)


def test_a_polygon_needs_three_corners():
    with pytest.raises(SpecError, match="at least three corners"):
        masks.polygon(SHAPE, [(1, 2), (3, 4)])


def test_rings_go_on_behind_pixels_without_a_place():
    whole = geometry()
    corners = whole.detector.corners().copy()
    corners[100:140] = np.nan
    recorded = Recorded("panels", NamedArray("corners", corners))
    panels = replace(whole, detector=replace(whole.detector, recorded=recorded))
    rings, usual = masks.ring_numbers(panels), masks.ring_numbers(whole)
    assert (rings[100:140] == 0).all()
    seen = np.r_[0:100, 140:400]
    assert np.abs(rings[seen] - usual[seen]).max() <= 0.01 * usual.max()
    assert most_bins(panels, "2th_deg", mask=np.zeros(whole.shape, bool)) > 100


def test_masks_grow_and_shrink_diagonally():
    mask = RNG.random(SHAPE) < 0.02
    square = np.ones((3, 3), bool)
    grown = masks.grow(mask, 2)
    np.testing.assert_array_equal(grown, binary_dilation(mask, square, iterations=2))
    np.testing.assert_array_equal(masks.grow(grown, -1), binary_erosion(grown, square, border_value=1))
    for flat in (np.zeros(SHAPE, bool), np.ones(SHAPE, bool)):
        np.testing.assert_array_equal(masks.grow(flat, 3), flat)
        np.testing.assert_array_equal(masks.grow(flat, -3), flat)


def test_rings_are_a_pixel_wide_and_follow_the_angle():
    where = geometry()
    rings = masks.ring_numbers(where)
    two_theta = where.center_array("2th_rad")
    for number in (5, 60, 200):
        inside = two_theta[rings == number]
        assert np.ptp(np.tan(inside)) * 0.1 / 1e-4 == pytest.approx(1.0, abs=0.35)


@pytest.mark.parametrize("kind", ["ring", "neighbours"])
@pytest.mark.parametrize("scale", [0.3, 20.0, 1000.0])
def test_hot_and_dead_pixels_are_found_and_sound_ones_are_not(kind, scale):
    where = geometry()
    mean = powder(where, scale)
    image = RNG.poisson(mean).astype(float)
    image[:30, 40:44] = np.nan
    places = RNG.permutation(mean.size)[:60]
    hot, dead = places[:30], places[30:]
    flat = image.reshape(-1)
    usual = mean.reshape(-1)
    flat[hot] = usual[hot] + 30 * np.sqrt(usual[hot] + 1) + 0.5 * scale * 9
    flat[dead] = 0.0
    noise = np.maximum(np.nan_to_num(image), 1.0)
    if kind == "ring":
        peers = masks.peers_on_rings(image, masks.ring_numbers(where), noise)
    else:
        peers = masks.peers_beside(image, noise)
    found = peers.above(image, 6.0)
    # on the flank of a strong ring nothing can be said
    least = 0.4 if scale == 1000.0 else 0.9
    seen = hot[np.isfinite(flat[hot])]
    assert found.reshape(-1)[seen].mean() > least
    assert found.sum() - found.reshape(-1)[hot].sum() < 10
    below = peers.below(image, 6.0)
    if scale == 1000.0:
        seen = dead[np.isfinite(flat[dead])]
        assert below.reshape(-1)[seen].mean() > least
    assert below.sum() - below.reshape(-1)[dead].sum() < 10
    assert not found[np.isnan(image)].any()


@pytest.mark.parametrize("kind", ["ring", "neighbours"])
@pytest.mark.parametrize("scale", [0.02, 3.0])
@pytest.mark.parametrize("frames", [8, 60])
def test_flickering_pixels_are_found_and_sound_ones_are_not(kind, scale, frames):
    where = geometry((150, 200), (70.0, 90.0))
    mean = powder(where, scale)
    stack = RNG.poisson(mean, (frames, *mean.shape)).astype(float)
    stack[::2, 20, 30] += 40 + 20 * scale
    stack[::3, 100, 150] += 40 + 20 * scale
    scatter = stack.var(0, ddof=1)
    usual = np.maximum(scatter, 1 / frames)
    noise = usual**2 * (2 / (frames - 1) + 1 / (frames * np.maximum(stack.mean(0), 1 / frames)))
    if kind == "ring":
        peers = masks.peers_on_rings(scatter, masks.ring_numbers(where), noise)
    else:
        peers = masks.peers_beside(scatter, noise)
    found = masks.flickering(scatter, peers, frames, 6.0)
    assert found[20, 30]
    assert found[100, 150]
    assert found.sum() < 15


def test_flicker_needs_frames():
    image = np.ones((30, 30))
    with pytest.raises(SpecError, match="at least 3 frames, not 2"):
        masks.flickering(image, masks.peers_beside(image), 2, 6.0)


def shadowed(where, *, radius=14.0, arm=True):
    """A powder behind a beam stop on an arm, over a gap; and where the shadow is."""
    mean = powder(where)
    shadow = masks.disc(mean.shape, where.beam_center(), radius)
    if arm:
        row, column = where.beam_center()
        shadow |= masks.polygon(
            mean.shape, [(row - 3, column), (row + 4, column), (0.6 * row + 4, 0.0), (0.6 * row - 3, 0.0)]
        )
    image = RNG.poisson(np.where(shadow, 0.02 * mean, mean)).astype(float)
    image[:, 200:207] = np.nan
    return image, shadow


@pytest.mark.parametrize("arm", [True, False])
def test_a_beam_stop_is_found_with_its_arm_across_a_gap(arm):
    where = geometry()
    image, shadow = shadowed(where, arm=arm)
    found = beam_stop(image, where, np.maximum(np.nan_to_num(image), 1.0))
    valid = np.isfinite(image)
    assert (found & shadow & valid).sum() > 0.97 * (shadow & valid).sum()
    assert not (found & ~masks.grow(shadow, 5) & valid).any()


def test_what_is_no_beam_stop_is_told():
    where = geometry()
    image = RNG.poisson(powder(where)).astype(float)
    with pytest.raises(
        InputError, match=r"no beam stop around row 180\.3, column 260\.7: the intensity does not"
    ):
        beam_stop(image, where, image)
    with pytest.raises(InputError, match="does not meet the image"):
        beam_stop(image, geometry(centre=(-50.0, 200.0)))
    with pytest.raises(InputError, match="no beam stop"):
        beam_stop(np.full(image.shape, np.nan), where)
    wide = np.where(masks.disc(image.shape, (180.3, 260.7), 170.0), 0.1, 100.0)
    with pytest.raises(InputError, match=r"would cover \d+ % of the image"):
        beam_stop(wide, where)
