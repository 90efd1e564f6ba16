"""What must stay the same, and what must change with what: no oracle but physics."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyfai_oracle import random_geometry

import aureole

SHAPE = (90, 110)
SPLITS = ["no", "bbox", "pseudo", "full"]
RNG = np.random.default_rng(6)
FLAT = RNG.uniform(0.5, 2.0, SHAPE)
ABSORPTION = RNG.uniform(0.3, 1.0, SHAPE)
DARK = RNG.uniform(0.0, 3.0, SHAPE)
COUNTS = RNG.poisson(30.0, (3, *SHAPE)).astype(np.uint16)
DETECTOR = aureole.detector(pixel1=172e-6, pixel2=190e-6, shape=SHAPE)
NAMES = ("sum_signal", "sum_normalization", "sum_normalization2", "sum_variance", "count")


def geometry(seed=5, *, beam_inside=True):
    return random_geometry(seed, DETECTOR, beam_inside=beam_inside)


def everything(known):
    """From the beam to farther than the detector reaches: pixels around the beam lie inside as a whole."""
    return 0.0, 1.1 * known.corner_array("q_nm^-1").max()


def spec(known=None, *, bins=40, azimuthal=None, reach=None, **options):
    known = geometry() if known is None else known
    axis = aureole.Axis("q_nm^-1", bins, everything(known) if reach is None else reach)
    return aureole.IntegrationSpec(known, radial=axis, azimuthal=azimuthal, **options)


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**32 - 1),
    split=st.sampled_from(SPLITS),
    factor=st.floats(-1.0, 1.0),
    monitor=st.floats(1e-3, 1e6),
    cake=st.booleans(),
)
def test_a_flat_scatterer_gives_a_constant(seed, split, factor, monitor, cake):
    """What every correction does to a sample that scatters the same everywhere, integration undoes."""
    known = random_geometry(seed, DETECTOR)
    wanted = spec(
        known,
        split=split,
        azimuthal=aureole.Axis("chi_deg", 7) if cake else None,
        flat=FLAT,
        absorption=ABSORPTION,
        dark=DARK,
        polarization_factor=factor,
        normalization_factor=3.0,
    )
    seen = 17.0 * FLAT * ABSORPTION * known.solid_angle() * known.polarization(factor) * 3.0 * monitor
    result = wanted.plan().integrate((seen + DARK)[None], monitor=[monitor])[0]
    filled = result.count > 0
    assert filled.any()
    np.testing.assert_allclose(result.intensity[filled], 17.0, rtol=1e-8)
    assert np.all(np.isnan(result.intensity[~filled]))


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("azimuthal", [None, aureole.Axis("chi_deg", 24)])
@pytest.mark.parametrize("beam_inside", [False, True])
def test_counts_are_conserved(split, azimuthal, beam_inside):
    known = geometry(beam_inside=beam_inside)
    result = spec(known, split=split, azimuthal=azimuthal).plan().integrate(COUNTS)
    total = result.sum_signal.reshape(len(COUNTS), -1).sum(axis=1)
    # Shares are rounded to float32; without splitting they are 1.
    np.testing.assert_allclose(total, COUNTS.sum(axis=(1, 2)), rtol=0.0 if split == "no" else 1e-6)
    norm = result.sum_normalization[0].sum()
    assert norm == pytest.approx(known.solid_angle().sum(), rel=1e-6)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("unit", ["2th_deg", "r_mm", "d*2_A^-2", "arcsinh(q.nm)_None"])
def test_counts_do_not_depend_on_the_unit(split, unit):
    known = geometry(beam_inside=False)
    result = aureole.integrate1d(COUNTS[0], known, 30, unit=unit, split=split)
    assert result.sum_signal.sum() == pytest.approx(COUNTS[0].sum(), rel=1e-6)


@pytest.mark.parametrize("model", ["poisson", "azimuthal", None])
@pytest.mark.parametrize("split", ["no", "full"])
def test_frames_pool_and_merge_to_one_result(model, split):
    plan = spec(split=split, error_model=model, dark=DARK).plan()
    each = plan.integrate(COUNTS)
    merged = each[0] + each[1] + each[2]
    for other in (each.pooled(), plan.accumulate(COUNTS), each[2] + (each[1] + each[0])):
        for name in NAMES:
            if getattr(merged, name) is not None:
                np.testing.assert_allclose(getattr(merged, name), getattr(other, name), rtol=1e-11)
    # Three exposures measure what one does, √3 times better.
    filled = merged.count > 0
    mean = each.intensity.mean(axis=0)
    np.testing.assert_allclose(merged.intensity[filled], mean[filled], rtol=1e-12)
    if model == "poisson":
        expected = np.sqrt(np.square(each.sigma).sum(axis=0)) / 3
        np.testing.assert_allclose(merged.sigma[filled], expected[filled], rtol=1e-12)


@pytest.mark.parametrize("model", ["poisson", "azimuthal"])
def test_one_exposure_of_three_times_the_time_is_three_exposures(model):
    """The sums of counts are those of the summed frame; so are their Poisson errors, whatever the dark."""
    plan = spec(error_model=model).plan()
    merged = plan.accumulate(COUNTS)
    summed = plan.integrate(COUNTS.sum(axis=0, dtype=np.uint32))
    np.testing.assert_allclose(merged.sum_signal, summed.sum_signal, rtol=1e-13)
    np.testing.assert_allclose(merged.intensity * 3, summed.intensity, rtol=1e-13)
    if model == "poisson":
        np.testing.assert_allclose(merged.sum_variance, summed.sum_variance, rtol=1e-13)
        np.testing.assert_allclose(merged.sigma * 3, summed.sigma, rtol=1e-13)


@pytest.mark.parametrize("model", ["poisson", "azimuthal"])
@settings(max_examples=15)
@given(monitor=st.floats(1e-6, 1e9), split=st.sampled_from(SPLITS))
def test_a_monitor_divides_intensities_and_errors(model, monitor, split):
    plan = spec(split=split, error_model=model, dark=DARK).plan()
    plain = plan.integrate(COUNTS[:1])
    scaled = plan.integrate(COUNTS[:1], monitor=[monitor])
    by_factor = spec(split=split, error_model=model, dark=DARK, normalization_factor=monitor).plan()
    for other in (scaled, by_factor.integrate(COUNTS[:1])):
        for name in ("intensity", "sigma", "std"):
            np.testing.assert_allclose(getattr(other, name) * monitor, getattr(plain, name), rtol=1e-10)


@pytest.mark.parametrize("split", SPLITS)
def test_sectors_add_up_to_the_whole(split):
    known = geometry()
    whole = spec(known, split=split).plan().integrate(COUNTS[0])
    limits = [-180.0, -111.5, -20.0, 64.0, 180.0]
    sectors = [
        spec(known, split=split, azimuthal=aureole.Axis("chi_deg", None, window)).plan().integrate(COUNTS[0])
        for window in pairwise(limits)
    ]
    for name in ("sum_signal", "sum_normalization"):
        total = sum(getattr(sector, name) for sector in sectors)
        # Each range ends a part in 2^23 above its upper end, where the next one has begun.
        np.testing.assert_allclose(total, getattr(whole, name), rtol=1e-4)


@pytest.mark.parametrize("split", SPLITS)
def test_rows_of_a_cake_add_up_to_the_pattern(split):
    known = geometry()
    cake = spec(known, split=split, azimuthal=aureole.Axis("chi_deg", 36)).plan().integrate(COUNTS[0])
    pattern = spec(known, split=split).plan().integrate(COUNTS[0])
    for name in ("sum_signal", "sum_normalization"):
        rows = getattr(cake, name).sum(axis=0)
        np.testing.assert_allclose(rows, getattr(pattern, name), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("split", SPLITS)
def test_halves_of_a_detector_add_up_to_the_whole(split):
    """Disjoint masks: sums add, errors and all."""
    known = geometry()
    left = np.arange(SHAPE[1]) < 50
    parts = [
        spec(known, split=split, error_model="poisson", mask=np.broadcast_to(mask, SHAPE))
        .plan()
        .integrate(COUNTS[0])
        for mask in (left, ~left)
    ]
    whole = spec(known, split=split, error_model="poisson").plan().integrate(COUNTS[0])
    for name in NAMES:
        total = sum(np.where(part.count > 0, getattr(part, name), 0) for part in parts)
        np.testing.assert_allclose(total, getattr(whole, name), rtol=1e-12)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize(("orientation", "flip"), [(1, (0, 1)), (2, (0,)), (4, (1,))])
def test_an_orientation_is_a_flipped_image(split, orientation, flip):
    known = geometry()
    turned = replace(known, detector=replace(DETECTOR, orientation=orientation))
    upright = spec(known, split=split).plan().integrate(COUNTS[0])
    flipped = spec(turned, split=split).plan().integrate(np.flip(COUNTS[0], flip))
    for name in ("sum_signal", "sum_normalization", "count"):
        np.testing.assert_allclose(getattr(flipped, name), getattr(upright, name), rtol=2e-6)


@pytest.mark.parametrize("split", SPLITS)
def test_a_turn_of_the_detector_about_the_beam_changes_nothing(split):
    known = geometry()
    still = spec(known, split=split).plan().integrate(COUNTS[0])
    turned = spec(replace(known, rot3=known.rot3 + 1.234), split=split).plan().integrate(COUNTS[0])
    np.testing.assert_allclose(turned.intensity, still.intensity, rtol=2e-5 if split != "no" else 1e-12)


def test_a_detector_twice_as_large_and_far_sees_the_same():
    known = geometry()
    larger = replace(
        known,
        detector=aureole.detector(pixel1=2 * 172e-6, pixel2=2 * 190e-6, shape=SHAPE),
        dist=2 * known.dist,
        poni1=2 * known.poni1,
        poni2=2 * known.poni2,
    )
    reach = everything(known)
    for split in SPLITS:
        one, other = (
            spec(each, split=split, reach=reach).plan().integrate(COUNTS[0]) for each in (known, larger)
        )
        np.testing.assert_allclose(other.intensity, one.intensity, rtol=1e-6)


def test_binned_pixels_hold_the_same_counts():
    """Four pixels read out as one: the same counts, and errors, in bins wide enough."""
    known = geometry(beam_inside=False)
    shape = SHAPE[0] // 2, SHAPE[1] // 2
    coarse = replace(known, detector=aureole.detector(pixel1=344e-6, pixel2=380e-6, shape=shape))
    image = COUNTS[0].reshape(shape[0], 2, shape[1], 2).sum(axis=(1, 3))
    reach = everything(known)
    one, other = (
        spec(each, bins=12, split="full", reach=reach, solid_angle=False, error_model="poisson")
        .plan()
        .integrate(frame)
        for each, frame in ((known, COUNTS[0]), (coarse, image))
    )
    crowded = one.count > 200
    assert crowded.sum() >= 5
    np.testing.assert_allclose(other.sum_signal[crowded], one.sum_signal[crowded], rtol=0.02)
    np.testing.assert_allclose(
        other.sum_normalization[crowded] * 4, one.sum_normalization[crowded], rtol=0.02
    )
    np.testing.assert_allclose(other.sigma[crowded] / 4, one.sigma[crowded], rtol=0.1)
