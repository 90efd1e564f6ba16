"""Each correction, each error model and each rule of validity, against a sum over all pixels."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import aureole
from aureole.azimuthal import Cake, Pattern
from aureole.errors import FrameCorrupt, SpecError

RNG = np.random.default_rng(17)
SHAPE = (24, 31)
MASK = RNG.random(SHAPE) < 0.1
FLAT = RNG.uniform(0.5, 2.0, SHAPE)
DARK = RNG.uniform(0.0, 2.0, SHAPE)
DARK_VARIANCE = RNG.uniform(0.0, 1.0, SHAPE)
ABSORPTION = RNG.uniform(0.3, 1.0, SHAPE)
MODELS = [None, "poisson", "poisson_floor", "azimuthal", "variance"]


def variance_for(spec, frames):
    return RNG.uniform(0.5, 3.0, frames.shape) if spec.error_model == "variance" else None


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("split", ["no", "bbox"])
@pytest.mark.parametrize("cake", [False, True])
def test_error_models_of_many_frames(model, split, cake, backend, spec_of, counts, expected, check):
    spec = spec_of(split=split, cake=cake, error_model=model)
    variance = variance_for(spec, counts)
    result = spec.plan(backend).integrate(counts, variance=variance)
    assert type(result) is (Cake if cake else Pattern)
    assert len(result) == len(counts)
    for i, image in enumerate(counts):
        v = None if variance is None else variance[i]
        check(result[i], expected(spec, image, variance=v))


@pytest.mark.parametrize(
    "options",
    [
        {"solid_angle": False},
        {"polarization_factor": 0.95, "polarization_axis_offset": 0.3},
        {"flat": FLAT},
        {"absorption": ABSORPTION},
        {"dark": DARK},
        {"normalization_factor": 3.5},
        {"mask": MASK},
        {"mask": MASK, "flat": FLAT, "dark": DARK, "absorption": ABSORPTION, "polarization_factor": -1},
    ],
    ids=lambda options: "+".join(options),
)
@pytest.mark.parametrize("model", [None, "poisson", "azimuthal"])
def test_corrections(options, model, backend, spec_of, counts, expected, check):
    spec = spec_of(error_model=model, **options)
    valid = ~options.get("mask", np.zeros(SHAPE, bool))
    result = spec.plan(backend).integrate(counts[0])
    check(result, expected(spec, counts[0], valid=valid))


@pytest.mark.parametrize("model", ["poisson", "poisson_floor", "variance"])
def test_variance_of_the_dark_adds(model, backend, spec_of, counts, expected, check):
    spec = spec_of(error_model=model, dark=DARK, dark_variance=DARK_VARIANCE)
    variance = variance_for(spec, counts[0])
    result = spec.plan(backend).integrate(counts[0], variance=variance)
    check(result, expected(spec, counts[0], variance=variance))


@pytest.mark.parametrize("model", MODELS)
def test_monitor_divides_each_frame(model, backend, spec_of, counts, expected, check):
    spec = spec_of(error_model=model, dark=DARK)
    variance = variance_for(spec, counts)
    monitor = [1.0, 2.0, 0.25, 1e6, 3.0]
    result = spec.plan(backend).integrate(counts, variance=variance, monitor=monitor)
    for i, image in enumerate(counts):
        v = None if variance is None else variance[i]
        check(result[i], expected(spec, image, variance=v, monitor=monitor[i]))


def test_a_monitor_may_be_found_in_the_frame(spec_of, counts):
    frames = [aureole.EncodedFrame.from_array(image, f"f{i}") for i, image in enumerate(counts)]
    plan = spec_of().plan("reference")
    by_name = plan.integrate(frames, monitor=lambda frame: 1.0 + float(frame.name[1:]))
    by_value = plan.integrate(counts, monitor=np.arange(5) + 1.0)
    np.testing.assert_array_equal(by_name.intensity, by_value.intensity)


def frame_with(kind):
    """Return a frame, the options that mark some of its pixels invalid, and which are valid."""
    image = RNG.poisson(3.0, SHAPE)
    bad = RNG.random(SHAPE) < 0.15
    match kind:
        case "nan":
            return np.where(bad, np.nan, image), {}, ~bad
        case "infinite":
            return np.where(bad, -np.inf, np.where(MASK, np.inf, image)), {}, ~bad & ~MASK
        case "saturation":
            return image.astype(np.uint16), {"saturation": 5}, image <= 5
        case "dummy":
            return np.where(bad, -7, image).astype(np.int16), {"dummy": -7}, ~bad
        case "delta_dummy":
            return image.astype(np.uint8), {"dummy": 4, "delta_dummy": 1.5}, abs(image - 4) > 1.5
        case "dummy of float32":
            return np.where(bad, -1.1, image).astype(np.float32), {"dummy": -1.1}, ~bad
        case "all at once":
            image = np.where(bad, np.nan, image)
            bad |= (image == 1) | (image > 6) | MASK
            return image, {"dummy": 1, "saturation": 6, "mask": MASK.astype(np.int8) * 3}, ~bad
        case "nothing left":
            return np.full(SHAPE, np.nan), {}, np.zeros(SHAPE, bool)
    raise ValueError(kind)


KINDS = ["nan", "infinite", "saturation", "dummy", "delta_dummy", "dummy of float32", "all at once"]


@pytest.mark.parametrize("kind", [*KINDS, "nothing left"])
@pytest.mark.parametrize("model", MODELS)
def test_invalid_pixels_are_as_if_they_were_not(kind, model, backend, spec_of, expected, check):
    image, options, valid = frame_with(kind)
    dark = {} if model in (None, "azimuthal") else {"dark_variance": DARK_VARIANCE}
    spec = spec_of(error_model=model, flat=FLAT, dark=DARK + 10, **dark, **options)
    variance = variance_for(spec, image)
    result = spec.plan(backend).integrate(image, variance=variance, monitor=2.0)
    check(result, expected(spec, image, valid=valid, variance=variance, monitor=2.0), rtol=1e-10)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
def test_a_variance_that_is_none_makes_a_pixel_invalid(value, backend, spec_of, counts, expected, check):
    spec = spec_of(error_model="variance")
    variance = np.where(MASK, value, 2.0)
    result = spec.plan(backend).integrate(counts[0], variance=variance)
    check(result, expected(spec, counts[0], valid=~MASK, variance=variance))


def test_invalid_pixels_of_one_frame_do_not_touch_the_others(backend, spec_of, counts):
    frames = counts.astype(np.float64)
    spec = spec_of(error_model="poisson", dark=DARK, dark_variance=DARK_VARIANCE)
    clean = spec.plan(backend).integrate(frames)
    frames[2][MASK] = np.nan
    mixed = spec.plan(backend).integrate(frames)
    for i in (0, 1, 3, 4):
        for name in ("sum_signal", "sum_normalization", "sum_normalization2", "sum_variance", "count"):
            np.testing.assert_array_equal(getattr(clean[i], name), getattr(mixed[i], name))
    assert np.all(mixed[2].count <= clean[2].count)
    assert mixed[2].count.sum() < clean[2].count.sum()


@pytest.mark.parametrize("name", ["flat", "dark", "absorption"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -5.0, 0.0])
def test_pixels_that_a_correction_makes_invalid(name, value, spec_of, counts, expected, check):
    """Dummy covers dark and flat; a flat or absorption of nothing, or less, cannot be divided by."""
    array = np.where(MASK, value, 1.5)
    spec = spec_of(dummy=-5.0, **{name: array})
    is_masked = name != "dark" or value != 0.0
    plan = spec.plan("reference")
    np.testing.assert_array_equal(plan.mask, MASK & is_masked)
    check(plan.integrate(counts[0]), expected(spec, counts[0], valid=~plan.mask))


def test_the_mask_adds_to_that_of_the_detector():
    detector = aureole.detector("Pilatus 100k", shape=(195, 487))
    detector = aureole.detector("Eiger2 500k") if not detector.mask.any() else detector
    geometry = aureole.Geometry(detector, 0.1, wavelength=1e-10)
    mask = np.zeros(detector.shape, bool)
    mask[:50] = True
    axis = aureole.Axis("2th_deg", 10)
    both = aureole.IntegrationSpec(geometry, radial=axis, mask=mask, split="no").plan("reference")
    np.testing.assert_array_equal(both.mask, mask | detector.mask)
    alone = aureole.IntegrationSpec(geometry, radial=axis, mask=mask, detector_mask=False, split="no")
    np.testing.assert_array_equal(alone.plan("reference").mask, mask)


@pytest.mark.parametrize(("dtype", "low"), [(np.int32, -1), (np.int32, -2), (np.float32, -1.0)])
def test_the_values_of_a_detector_are_invalid_unless_a_dummy_is_given(dtype, low):
    detector = aureole.detector("Pilatus 100k")
    geometry = aureole.Geometry(detector, 0.1, wavelength=1e-10)
    image = np.full(detector.shape, 4, dtype)
    image[::3] = low
    axis = aureole.Axis("2th_deg", 5)
    options = {"radial": axis, "split": "no", "solid_angle": False}
    kept = aureole.IntegrationSpec(geometry, **options).plan("reference").integrate(image)
    np.testing.assert_array_equal(kept.intensity, 4.0)
    other = aureole.IntegrationSpec(geometry, dummy=-9, **options).plan("reference").integrate(image)
    assert np.all(other.intensity < 4.0)


def test_more_invalid_values_than_the_kernels_take_are_refused(backend, geometry, spec_of):
    known = replace(geometry.detector, invalid=tuple(range(-1, -9, -1)))
    spec = replace(spec_of(), geometry=replace(geometry, detector=known))
    image = np.ones(spec.shape, np.int32)
    spec.plan(backend).integrate(image)
    with pytest.raises(SpecError, match="9 intervals of values mean nothing in frames of int32"):
        replace(spec, saturation=100).plan(backend).integrate(image)


def test_empty_bins_are_nan_with_count_zero(backend, geometry, counts):
    axis = aureole.Axis("q_nm^-1", 50, (0.0, 100.0))
    spec = aureole.IntegrationSpec(geometry, radial=axis, error_model="poisson")
    result = spec.plan(backend).integrate(counts[0])
    empty = result.count == 0
    assert empty.any()
    assert not empty.all()
    for name in ("intensity", "sigma", "std"):
        np.testing.assert_array_equal(np.isnan(getattr(result, name)), empty)


def test_intensity_against_chi(backend, geometry, counts, expected, check):
    spec = aureole.IntegrationSpec(
        geometry,
        radial=aureole.Axis("q_nm^-1", None, (2.0, 9.0)),
        azimuthal=aureole.Axis("chi_deg", 12, (-180.0, 180.0)),
        split="no",
    )
    result = spec.plan(backend).integrate(counts[0])
    assert isinstance(result, Pattern)
    assert result.radial is None
    np.testing.assert_allclose(result.azimuthal, np.arange(-165.0, 180.0, 30.0), rtol=1e-5)
    check(result, expected(spec, counts[0]))


@pytest.mark.parametrize("dtype", [object, complex, "U3"])
def test_images_that_are_no_numbers_are_refused(dtype, spec_of, counts):
    with pytest.raises(FrameCorrupt, match="its pixels are of type"):
        spec_of().plan("cpu").integrate(counts[0].astype(dtype))


@pytest.mark.parametrize(
    "dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8", "f2", "?", ">i4"]
)
def test_all_types_of_pixels_give_the_same(dtype, backend, spec_of, counts):
    image = counts[0] > 2 if dtype == "?" else counts[0]
    plan = spec_of(error_model="poisson").plan(backend)
    have, want = plan.integrate(image.astype(dtype)), plan.integrate(image.astype(np.float64))
    np.testing.assert_array_equal(have.sum_signal, want.sum_signal)
    np.testing.assert_array_equal(have.sum_variance, want.sum_variance)


def test_frames_of_several_types_in_one_call(backend, spec_of, counts):
    mixed = [image.astype(t) for image, t in zip(counts, ["i4", "f4", "u2", "f4", "i4"], strict=True)]
    plan = spec_of(error_model="azimuthal").plan(backend)
    have, want = plan.integrate(mixed), plan.integrate(counts)
    np.testing.assert_array_equal(have.intensity, want.intensity)
    np.testing.assert_array_equal(have.sigma, want.sigma)


def test_one_count_in_an_empty_bin(backend, spec_of):
    """Nothing was counted: the error is that of one count, and 0 ± 0 is nowhere."""
    for split in ("no", "bbox"):
        spec = spec_of(split=split, error_model="poisson", solid_angle=False)
        result = spec.plan(backend).integrate(np.zeros(SHAPE, np.int32))
        np.testing.assert_array_equal(result.intensity, 0.0)
        if split == "no":
            np.testing.assert_array_equal(result.sum_variance, 1.0)
        np.testing.assert_array_equal(result.sums.variance, 0.0)
        assert np.all((result.sum_variance > 0) & (result.sum_variance <= 1.0))


def test_chi2_of_many_poisson_frames_is_one(spec_of):
    """The error promised is the scatter that is there."""
    frames = np.random.default_rng(3).poisson(20.0, (400, *SHAPE))
    spec = spec_of(split="no", error_model="poisson", solid_angle=False)
    result = spec.plan("reference").integrate(frames)
    pull = (result.intensity - 20.0) / result.sigma
    assert np.mean(pull**2) == pytest.approx(1.0, abs=0.06)


def test_the_digest_of_a_plan_is_that_of_its_table(spec_of):
    digest = spec_of().plan("reference").digest
    assert digest == spec_of(error_model="poisson").plan("reference", threads=2).digest
    assert digest != spec_of(mask=MASK).plan("reference").digest
    assert digest != spec_of(flat=FLAT).plan("reference").digest


@settings(max_examples=25)
@given(data=st.data())
def test_frames_of_any_kind_keep_their_place(data):
    """Whatever order good and bad frames come in, each row is that of its own frame."""
    detector = aureole.detector(pixel1=1e-3, pixel2=1e-3, shape=(5, 6))
    geometry = aureole.Geometry(detector, 0.1)
    axis = aureole.Axis("r_mm", 3)
    spec = aureole.IntegrationSpec(geometry, radial=axis, split="no", solid_angle=False)
    plan = spec.plan("reference")
    kinds = data.draw(st.lists(st.sampled_from(["i4", "f4", "u2", "shape", "type", "monitor"]), max_size=40))
    frames, monitor = [], []
    for i, kind in enumerate(kinds):
        shape = (6, 5) if kind == "shape" else (5, 6)
        frames.append(np.full(shape, i, "c8" if kind == "type" else kind if len(kind) == 2 else "i4"))
        monitor.append(0.0 if kind == "monitor" else 1.0)
    rows, failed = [], {}
    for batch in plan.stream(frames, monitor=monitor, threads=data.draw(st.integers(1, 3))):
        np.testing.assert_array_equal(batch.result.intensity, np.tile(batch.rows[:, None], 3))
        assert sorted([*batch.rows, *batch.failures]) == list(batch.frames)
        rows += list(batch.rows)
        failed |= batch.failures
    assert rows == [i for i, kind in enumerate(kinds) if len(kind) == 2]
    assert all(isinstance(error, FrameCorrupt) for error in failed.values())
