"""One frame summed as its pixels are dealt out: what a plan gives, without its table."""

from dataclasses import fields, replace

import numpy as np
import pytest

import aureole
from aureole import _core
from aureole.azimuthal.batches import Item
from aureole.azimuthal.once import integrate_once
from aureole.frames import EncodedFrame

SHAPE = (41, 53)
GEOMETRY = aureole.Geometry(
    aureole.detector(pixel1=1e-3, pixel2=1e-3, shape=SHAPE), 0.1, 0.02, 0.03, 0.1, -0.2, 0.0, 1e-10
)
AXIS = aureole.Axis("2th_deg", 70, (1.0, 20.0))
MODELS = [None, "poisson", "poisson_floor", "variance", "azimuthal"]


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def frame_of(rng, dtype):
    """Counts, some of them at values that mean nothing."""
    image = rng.poisson(30.0, SHAPE).astype(dtype)
    image[rng.random(SHAPE) < 0.05] = 99
    if image.dtype.kind == "f":
        image[3, 4:9] = np.nan, np.inf, -np.inf, 0.0, 7.5
    return image


def both(spec, image, variance=None, monitor=1.0):
    """Return the result of a plan and that without one."""
    plan = spec.plan()
    options = {} if variance is None else {"variance": variance}
    wanted = plan.integrate(image, monitor=[monitor], **options)
    encoded = None if variance is None else EncodedFrame.from_array(variance)
    sums, bins = integrate_once(spec, Item(0, EncodedFrame.from_array(image), encoded, monitor))
    return wanted, type(wanted)(spec, sums, bins)


@pytest.mark.parametrize("split", ["no", "bbox", "pseudo", "full"])
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("azimuthal", [None, aureole.Axis("chi_deg", 9, (-180.0, 180.0))])
def test_gives_what_a_plan_gives(rng, split, model, azimuthal):
    spec = aureole.IntegrationSpec(
        GEOMETRY,
        radial=AXIS,
        azimuthal=azimuthal,
        split=split,
        error_model=model,
        dark=rng.normal(3.0, 0.2, SHAPE),
        dark_variance=None if model in (None, "azimuthal") else rng.random(SHAPE),
        flat=rng.uniform(0.9, 1.1, SHAPE),
        mask=rng.random(SHAPE) < 0.1,
        dummy=99,
    )
    variance = rng.random(SHAPE) if model == "variance" else None
    if variance is not None:
        variance[5, 5:8] = -1.0, np.nan, np.inf
    wanted, found = both(spec, frame_of(rng, np.int32), variance, monitor=2.5)
    np.testing.assert_array_equal(found.count, wanted.count)
    np.testing.assert_array_equal(found.radial, wanted.radial)
    for field in fields(wanted.sums):
        mine, theirs = (getattr(one.sums, field.name) for one in (found, wanted))
        if theirs is None:
            assert mine is None
        else:
            np.testing.assert_allclose(mine, theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
def test_pixels_of_any_type(rng, dtype):
    spec = aureole.IntegrationSpec(GEOMETRY, radial=AXIS, error_model="poisson_floor", dummy=99)
    wanted, found = both(spec, frame_of(rng, dtype))
    np.testing.assert_array_equal(found.count, wanted.count)
    np.testing.assert_allclose(found.intensity, wanted.intensity, rtol=1e-12)
    np.testing.assert_allclose(found.sigma, wanted.sigma, rtol=1e-12)


def test_points_on_the_edges_of_bins_and_outside(rng):
    flat = replace(GEOMETRY, poni1=0.0, poni2=0.0, rot1=0.0, rot2=0.0)
    spec = aureole.IntegrationSpec(
        flat, radial=aureole.Axis("r_mm", 20, (0.5, 30.5)), split="no", mask=rng.random(SHAPE) < 0.3
    )
    wanted, found = both(spec, frame_of(rng, np.int32))
    np.testing.assert_array_equal(found.count, wanted.count)
    place = flat.center_array("r_mm")[~spec.arrays["mask"].array]
    assert found.count.sum() == np.count_nonzero((place >= 0.5) & (place < 30.5))


@pytest.mark.parametrize("split", [0, 1, 3])
def test_every_instruction_set_gives_the_same_bits(rng, split, monkeypatch):
    spec = aureole.IntegrationSpec(
        GEOMETRY, radial=AXIS, split=["no", "bbox", "pseudo", "full"][split], error_model="azimuthal"
    )
    item = Item(0, EncodedFrame.from_array(frame_of(rng, np.int32)), None, 1.0)
    kernel, found = _core.sum_frame, []
    for isa in _core.isas:
        monkeypatch.setattr(_core, "sum_frame", lambda *given, isa=isa: kernel(*given, isa))
        found.append(integrate_once(spec, item)[0])
    for other in found[1:]:
        for name in ("signal", "normalization2", "variance", "weighted"):
            np.testing.assert_array_equal(getattr(other, name), getattr(found[0], name))


def test_a_position_that_sees_nothing_adds_nothing(rng):
    image = frame_of(rng, np.int32)
    axis = replace(AXIS, range=(60.0, 80.0))
    spec = aureole.IntegrationSpec(GEOMETRY, radial=axis, error_model="poisson_floor", dummy=99)
    beside = replace(GEOMETRY, rot2=-1.2)
    seen = aureole.azimuthal.MultiSpec.of(spec, [beside]).accumulate([image])
    found = aureole.azimuthal.MultiSpec.of(spec, [beside, GEOMETRY]).accumulate([image, image])
    np.testing.assert_array_equal(found.count, seen.count)
    np.testing.assert_array_equal(found.intensity, seen.intensity)
    with pytest.raises(aureole.errors.SpecError, match="no valid pixel of any position"):
        aureole.azimuthal.MultiSpec.of(spec, [GEOMETRY]).accumulate([image])
