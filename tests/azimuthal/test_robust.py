"""Robust averages through specs, plans and results."""

import json

import numpy as np
import pytest

import aureole
from aureole import Clip, Trim
from aureole.errors import FrameCorrupt, SpecError

SHAPE = (24, 31)
RULES = [Trim(), Trim(0.0, 70.0), Clip(), Clip(2.0, 3, True)]
MODELS = [None, "poisson", "poisson_floor", "azimuthal", "variance"]
NAMES = ("intensity", "sigma", "std", "sum_signal", "sum_normalization", "sum_variance", "count")


def assert_same(a, b):
    for name in NAMES:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_is_part_of_the_spec(spec_of, rule):
    spec = spec_of(robust=rule)
    again = aureole.IntegrationSpec.from_json(spec.to_json())
    assert again.robust == rule
    assert again == spec
    assert len({spec.digest, spec_of().digest, spec_of(robust=Trim(1, 2)).digest}) == 3


def test_specs_without_a_rule_are_written_as_before_there_were_any(spec_of):
    content = json.loads(spec_of().to_json())
    assert "robust" not in content
    content["robust"] = None
    assert aureole.IntegrationSpec.from_json(json.dumps(content)) == spec_of()


@pytest.mark.parametrize(
    "wrong", [{"cut": {}}, {}, "trim", {"trim": {"low": 90, "high": 10}}, {"clip": {"x": 1}}]
)
def test_broken_rules_in_json(spec_of, wrong):
    content = json.loads(spec_of().to_json()) | {"robust": wrong}
    with pytest.raises(SpecError):
        aureole.IntegrationSpec.from_json(json.dumps(content))


def test_what_is_no_rule_is_refused(spec_of):
    with pytest.raises(SpecError, match="must be a Trim, a Clip or None"):
        spec_of(robust="trim")


@pytest.mark.parametrize("cake", [False, True])
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("rule", RULES)
def test_backends_agree_to_the_last_bit(spec_of, counts, rule, model, cake):
    rng = np.random.default_rng(1)
    given = {"variance": counts + 1.0} if model == "variance" else {}
    dark = {"dark": rng.uniform(0, 1, SHAPE)}
    if model not in (None, "azimuthal"):
        dark["dark_variance"] = rng.uniform(0, 1, SHAPE)
    spec = spec_of(cake=cake, error_model=model, robust=rule, **dark)
    found, slow = (spec.plan(name).integrate(counts, **given) for name in ("cpu", "reference"))
    assert_same(found, slow)
    assert (found.sigma is None) == (model is None)


@pytest.mark.parametrize("split", ["no", "bbox", "pseudo", "full"])
def test_all_that_is_kept_is_the_plain_mean(spec_of, counts, split):
    plain, all_kept = (
        spec_of(split=split, error_model="poisson", robust=rule).plan().integrate(counts)
        for rule in (None, Trim(0.0, 100.0))
    )
    np.testing.assert_array_equal(plain.count, all_kept.count)
    for name in NAMES:
        np.testing.assert_allclose(getattr(all_kept, name), getattr(plain, name), rtol=1e-12, err_msg=name)
    far = spec_of(split=split, error_model="poisson", robust=Clip(1e9)).plan().integrate(counts)
    np.testing.assert_allclose(far.intensity, plain.intensity, rtol=1e-12)


@pytest.mark.parametrize("rule", RULES)
def test_threads_and_batches_do_not_matter(spec_of, counts, rule, monkeypatch):
    many = np.concatenate([counts] * 4)
    plan = spec_of(error_model="poisson", robust=rule).plan()
    whole = plan.integrate(many, threads=1)
    assert_same(plan.integrate(many, threads=3), whole)
    for i in (0, 7, 19):
        assert_same(plan.integrate(many[i]), whole[i])


@pytest.mark.parametrize("rule", RULES)
def test_a_monitor_divides(spec_of, counts, rule):
    plan = spec_of(error_model="poisson", robust=rule).plan()
    monitor = np.array([1.0, 2.0, 0.5, 4.0, 8.0])
    found, plain = plan.integrate(counts, monitor=monitor), plan.integrate(counts)
    np.testing.assert_array_equal(found.intensity, plain.intensity / monitor[:, None])
    np.testing.assert_array_equal(found.sigma, plain.sigma / monitor[:, None])


@pytest.mark.parametrize("rule", RULES)
def test_empty_bins_are_nan(geometry, counts, rule):
    axis = aureole.Axis("q_nm^-1", 40, (1.0, 60.0))
    spec = aureole.IntegrationSpec(geometry, radial=axis, error_model="poisson", robust=rule)
    frame = counts[0].astype(float)
    frame[:12] = np.nan
    found = spec.plan().integrate(frame)
    empty = found.count == 0
    assert 0 < empty.sum() < 40
    np.testing.assert_array_equal(np.isnan(found.intensity), empty)
    np.testing.assert_array_equal(np.isnan(found.sigma), empty)
    nothing = spec.plan().integrate(np.full(SHAPE, np.nan))
    assert not nothing.count.any()
    assert np.isnan(nothing.intensity).all()


@pytest.mark.parametrize("rule", [Trim(), Clip()])
def test_zero_counts_have_the_error_of_one(spec_of, rule):
    found = (
        spec_of(split="no", error_model="poisson", robust=rule).plan().integrate(np.zeros(SHAPE, np.int32))
    )
    assert not found.intensity.any()
    np.testing.assert_array_equal(found.sum_variance, 1.0)


@pytest.mark.parametrize("rule", [Trim(), Clip()])
def test_robust_results_do_not_merge(spec_of, counts, rule):
    plan = spec_of(error_model="poisson", robust=rule).plan()
    found = plan.integrate(counts)
    for merge in (
        lambda: found + found,
        lambda: found[0] + found[1],
        found.pooled,
        lambda: plan.accumulate(counts),
    ):
        with pytest.raises(SpecError, match=r"robust results .* do not merge"):
            merge()
    assert found[0].pooled().intensity.size == 9  # one frame: nothing is merged
    assert np.isfinite(aureole.subtract(found[0], found[1]).intensity).all()


@pytest.mark.parametrize("rule", [Trim(), Clip()])
def test_a_stream_goes_on_after_a_bad_frame(spec_of, counts, rule):
    plan = spec_of(error_model="azimuthal", robust=rule).plan()
    frames = [*counts, counts[0][:5], *counts.astype(np.float64)]
    batches = list(plan.stream(frames, threads=2))
    failures = {index: error for batch in batches for index, error in batch.failures.items()}
    assert list(failures) == [5]
    assert isinstance(failures[5], FrameCorrupt)
    rows = np.concatenate([batch.rows for batch in batches])
    np.testing.assert_array_equal(rows, [0, 1, 2, 3, 4, 6, 7, 8, 9, 10])
    found = np.concatenate([batch.result.intensity for batch in batches])
    np.testing.assert_array_equal(found[:5], found[5:])


def test_no_frames_make_no_rows(spec_of):
    for model in (None, "azimuthal"):
        found = spec_of(error_model=model, robust=Trim()).plan().integrate(np.empty((0, *SHAPE)))
        assert found.intensity.shape == (0, 9)


def test_the_short_way_takes_a_rule(geometry, counts):
    spotty = counts[0].copy()
    spotty[::7, ::5] = 100000
    plain, trimmed = (
        aureole.integrate1d(spotty, geometry, 9, radial_range=(1.0, 13.0), robust=rule)
        for rule in (None, Trim(0.0, 90.0))
    )
    assert np.median(plain.intensity) > 1000.0
    assert np.median(trimmed.intensity) < 10.0
