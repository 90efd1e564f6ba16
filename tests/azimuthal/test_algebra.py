"""Results add up: in any grouping, from any number of threads, variances about means included."""

from dataclasses import fields
from functools import reduce
from operator import add

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import aureole
from aureole.azimuthal import plan as plan_module
from aureole.errors import SpecError

SHAPE = (24, 31)
RNG = np.random.default_rng(23)
DARK = RNG.uniform(0.0, 2.0, SHAPE)
MODELS = [None, "poisson", "poisson_floor", "azimuthal", "variance"]
MONITOR = np.array([1.0, 2.0, 0.5, 3.0, 1.5])
GEOMETRY = aureole.Geometry(aureole.detector(pixel1=1e-3, pixel2=1e-3, shape=(4, 5)), 0.1)


def same(a, b, *, rtol=0.0):
    for field in fields(a.sums):
        have, want = getattr(a.sums, field.name), getattr(b.sums, field.name)
        if want is None:
            assert have is None
        elif rtol == 0.0:
            np.testing.assert_array_equal(have, want, err_msg=field.name)
        else:
            np.testing.assert_allclose(have, want, rtol=rtol, atol=1e-12, err_msg=field.name)


def with_gaps(counts):
    """Return the frames as floats, some with pixels that are NaN."""
    frames = counts.astype(np.float64)
    frames[1][RNG.random(SHAPE) < 0.3] = np.nan
    frames[4][5:9] = np.nan
    return frames


@pytest.fixture
def case(spec_of, counts):
    """Make a plan, and what to call it with: frames with gaps, a monitor, a variance where one is needed."""

    def make(model, **options):
        spec = spec_of(error_model=model, dark=DARK, **options)
        frames = with_gaps(counts)
        given = {"monitor": MONITOR}
        if model == "variance":
            given["variance"] = RNG.uniform(0.5, 2.0, frames.shape)
        return spec.plan("reference"), frames, given

    return make


def part(given, index):
    return {name: value[index] for name, value in given.items()}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("cake", [False, True])
def test_accumulate_has_the_bits_of_the_sum_of_frames(model, cake, case):
    plan, frames, given = case(model, cake=cake)
    each = plan.integrate(frames, **given)
    pooled = plan.accumulate(frames, **given)
    same(pooled, each.pooled())
    same(pooled, reduce(add, each))
    assert pooled.intensity.shape == each.intensity.shape[1:]


@pytest.mark.parametrize("model", MODELS)
def test_merging_is_associative_and_commutative(model, case):
    plan, frames, given = case(model)
    a, b, c = (plan.accumulate(frames[i], **part(given, i)) for i in (slice(0, 2), slice(2, 3), slice(3, 5)))
    same((a + b) + c, a + (b + c), rtol=1e-12)
    same(a + b, b + a, rtol=1e-12)
    same((a + b) + c, plan.accumulate(frames, **given), rtol=1e-12)


@pytest.mark.parametrize("model", MODELS)
def test_bits_do_not_depend_on_batches_and_threads(model, case, monkeypatch):
    plan, frames, given = case(model)
    frames, given = np.tile(frames, (3, 1, 1)), {k: np.concatenate([v] * 3) for k, v in given.items()}
    one_by_one = [plan.integrate(frame, **part(given, i)) for i, frame in enumerate(frames)]
    for batch, threads in [(16, 1), (1, 3), (7, 2), (4, 1), (16, 8)]:
        monkeypatch.setattr(plan_module, "BATCH", batch)
        together = plan.integrate(frames, threads=threads, **given)
        for one, row in zip(one_by_one, together, strict=True):
            same(row, one)
        same(plan.accumulate(frames, threads=threads, **given), together.pooled())


@pytest.mark.parametrize("rows", [1, 3])
def test_merged_azimuthal_variance_is_that_of_all_values(rows, spec_of, counts):
    """Without splitting, pooled frames give the scatter of all their pixels about their common mean."""
    spec = spec_of(split="no", error_model="azimuthal", solid_angle=False)
    plan = spec.plan("reference")
    frames = counts[:rows] * np.array([1, 5, 40])[:rows, None, None]
    pooled = plan.accumulate(frames)
    q = spec.geometry.center_array("q_nm^-1")
    lo, hi = spec.radial.resolve(0.0, 0.0)
    which = np.floor((q - lo) / ((hi - lo) / 9)).astype(int)
    for k in range(9):
        values = frames[:, (which == k) & (q >= lo) & (q < hi)]
        assert pooled.sum_variance[k] == pytest.approx(values.size * np.var(values), rel=1e-10)
        assert pooled.std[k] == pytest.approx(np.std(values), rel=1e-10)


@given(
    frames=arrays(
        np.float64,
        st.tuples(st.integers(1, 6), st.just(4), st.just(5)),
        elements=st.one_of(st.floats(-1e3, 1e6, width=32), st.just(np.nan)),
    ),
    cut=st.integers(0, 6),
    data=st.data(),
)
def test_any_cut_merges_to_the_same(frames, cut, data):
    monitor = np.array(data.draw(st.lists(st.floats(0.1, 10.0), min_size=len(frames), max_size=len(frames))))
    spec = aureole.IntegrationSpec(
        GEOMETRY, radial=aureole.Axis("r_mm", 3), split="no", error_model="azimuthal"
    )
    plan = spec.plan("reference")
    whole = plan.accumulate(frames, monitor=monitor)
    merged = plan.accumulate(frames[:cut], monitor=monitor[:cut]) + plan.accumulate(
        frames[cut:], monitor=monitor[cut:]
    )
    for field in fields(whole.sums):
        have, want = getattr(merged.sums, field.name), getattr(whole.sums, field.name)
        if want is not None:
            # Re-centring adds terms of the size of the squares themselves.
            size = np.nansum(np.square(frames)) if field.name == "variance" else np.max(np.abs(want))
            np.testing.assert_allclose(have, want, rtol=1e-9, atol=1e-11 * size)


def test_the_error_of_one_dark_does_not_average_out(spec_of, counts):
    """Its variance is common to all frames: that of the mean of many frames never falls below it."""
    spec = spec_of(error_model="poisson_floor", dark=DARK, dark_variance=np.full(SHAPE, 4.0))
    bare = spec_of(error_model="poisson_floor", dark=DARK)
    plan, without = spec.plan("reference"), bare.plan("reference")
    one, many = plan.integrate(counts[0]), plan.accumulate(counts)
    from_dark = one.sum_variance - without.integrate(counts[0]).sum_variance
    np.testing.assert_allclose(
        many.sum_variance, without.accumulate(counts).sum_variance + 25 * from_dark, rtol=1e-12
    )
    half = plan.accumulate(counts[:2]) + plan.accumulate(counts[2:])
    np.testing.assert_allclose(half.sum_variance, many.sum_variance, rtol=1e-12)


def test_the_rule_of_one_count_comes_after_merging(spec_of, counts):
    plan = spec_of(split="no", error_model="poisson").plan("reference")
    nothing = plan.integrate(np.zeros_like(counts[0]))
    some = plan.integrate(counts[0])
    np.testing.assert_array_equal((nothing + nothing).sum_variance, 1.0)
    np.testing.assert_array_equal((nothing + some).sum_variance, some.sum_variance)


def test_static_sums_take_no_memory_for_each_frame(spec_of, counts):
    result = spec_of(error_model="poisson").plan("reference").integrate(np.tile(counts, (8, 1, 1)), threads=3)
    assert result.sums.normalization.strides[0] == 0
    assert result.sums.count.strides[0] == 0


def test_indexing_and_length(spec_of, counts):
    result = spec_of(error_model="poisson").plan("reference").integrate(counts)
    assert len(result) == len(list(result)) == 5
    assert result.intensity.shape == (5, 9)
    for index in (slice(1, 4), np.array([3, 0]), np.arange(5) > 2):
        np.testing.assert_array_equal(result[index].sigma, result.sigma[index])
    np.testing.assert_array_equal(result[-1].intensity, result.intensity[-1])
    with pytest.raises(TypeError, match="of one frame"):
        len(result[0])
    with pytest.raises(TypeError, match="of one frame"):
        result[0][0]
    assert result[0].pooled() is not None
    assert "9 q_nm^-1, 5 frames" in repr(result)


def test_no_frames_are_the_zero_of_the_algebra(spec_of, counts):
    plan = spec_of(error_model="azimuthal").plan("reference")
    none = plan.integrate(counts[:0])
    assert len(none) == 0
    assert np.isnan(none.pooled().intensity).all()
    same(plan.accumulate(counts[:0]) + plan.integrate(counts[0]), plan.integrate(counts[0]))


def test_only_equal_specs_and_shapes_add(spec_of, counts):
    plan, other = spec_of().plan("reference"), spec_of(split="no").plan("reference")
    with pytest.raises(SpecError, match="different specs cannot be added"):
        plan.integrate(counts[0]) + other.integrate(counts[0])
    with pytest.raises(SpecError, match=r"shape \(5, 9\) and \(9,\)"):
        plan.integrate(counts) + plan.integrate(counts[0])
    with pytest.raises(TypeError):
        plan.integrate(counts[0]) + 1
    again = spec_of().plan("reference")
    assert (plan.integrate(counts) + again.integrate(counts)).intensity.shape == (5, 9)


def test_subtract_a_background(spec_of, counts):
    plan = spec_of(error_model="poisson").plan("reference")
    sample, background = plan.integrate(counts * 3), plan.accumulate(counts)
    left = aureole.subtract(sample, background, 0.5)
    np.testing.assert_array_equal(left.intensity, sample.intensity - 0.5 * background.intensity)
    np.testing.assert_allclose(left.sigma**2, sample.sigma**2 + 0.25 * background.sigma**2)
    np.testing.assert_array_equal(left.radial, sample.radial)
    assert left.minuend == left.subtrahend == plan.spec
    without = aureole.subtract(sample, spec_of().plan("reference").accumulate(counts))
    assert without.sigma is None


def test_subtract_needs_the_same_bins(geometry, spec_of, counts):
    result = spec_of().plan("reference").integrate(counts)

    def other(**axes):
        return aureole.IntegrationSpec(geometry, **axes).plan("reference").integrate(counts[0])

    for axes, message in [
        ({"radial": aureole.Axis("q_nm^-1", 8, (1.0, 13.0))}, "radial bins of the two results differ"),
        ({"radial": aureole.Axis("2th_deg", 9, (1.0, 13.0))}, "q_nm.-1 and 2th_deg"),
        ({"azimuthal": aureole.Axis("chi_deg", 9)}, "only one of the two results has radial bins"),
    ]:
        with pytest.raises(SpecError, match=message):
            aureole.subtract(result, other(**axes))
    for scale in (np.inf, np.ones(5), "x", None):
        with pytest.raises(SpecError, match="must be a finite number"):
            aureole.subtract(result, result, scale)
    for pair in ((result, 5), (5, result)):
        with pytest.raises(SpecError, match="not int"):
            aureole.subtract(*pair)
    with pytest.raises(SpecError, match="does not fit"):
        aureole.subtract(result, result[:2])
