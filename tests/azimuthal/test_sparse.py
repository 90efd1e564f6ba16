"""Sparse frames: what is kept of crystals on a background, and what comes back."""

import pickle

import numpy as np
import pytest

import aureole
from aureole import Clip
from aureole.azimuthal import Peaks, Picking, SparsePlan, densify
from aureole.errors import FrameCorrupt, SpecError

SHAPE = (90, 110)


@pytest.fixture(scope="module")
def geometry():
    detector = aureole.detector(pixel1=1e-3, pixel2=1e-3, shape=SHAPE)
    return aureole.Geometry(detector, 0.2, 0.041, 0.052, 0.05, -0.03, 0.1, wavelength=1e-10)


@pytest.fixture(scope="module")
def mean(geometry):
    return 30.0 * np.exp(-geometry.center_array("2th_deg") / 12.0) * geometry.solid_angle()


@pytest.fixture(scope="module")
def crystals(mean):
    """Eleven frames of spots on a background, and where the spots are."""
    rng = np.random.default_rng(8)
    frames, places = rng.poisson(mean, (11, *SHAPE)).astype(np.int32), []
    for frame in frames:
        at = np.sort(rng.choice(frame.size, 40, replace=False))
        frame.reshape(-1)[at] += rng.integers(200, 5000, 40).astype(np.int32)
        places.append(at)
    return frames, places


@pytest.fixture
def spec_of(geometry):
    def make(**options):
        options = {"split": "no", "error_model": "poisson", "robust": Clip(3.0, 5, True), **options}
        return aureole.IntegrationSpec(geometry, radial=aureole.Axis("2th_deg", 60), **options)

    return make


def assert_equal(a, b):
    for name in ("pixels", "values", "mean", "deviation", "peaks"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), strict=True)


def test_spots_are_kept_and_the_background_is_known(spec_of, crystals, mean):
    frames, places = crystals
    plan = SparsePlan(spec_of(), Picking(cutoff=6.0))
    layout = plan.layout(np.int32)
    for sparse, frame, at in zip(plan.sparsify(frames), frames, places, strict=True):
        assert set(at) <= set(sparse.pixels.tolist())
        assert sparse.pixels.size < 45
        np.testing.assert_array_equal(sparse.values, frame.reshape(-1)[sparse.pixels])
        dense = densify(sparse, layout)
        assert dense.dtype == frame.dtype
        np.testing.assert_array_equal(dense.reshape(-1)[at], frame.reshape(-1)[at])
        others = np.setdiff1d(np.arange(mean.size), sparse.pixels)
        assert np.abs(dense - mean).reshape(-1)[others].max() < 4.0
        assert dense.sum() == pytest.approx(frame.sum(), rel=0.01)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_bits_do_not_depend_on_threads_batch_or_backend(spec_of, crystals, threads, backend):
    frames, _ = crystals
    picking = Picking(peaks=Peaks(connected=1))
    wanted = SparsePlan(spec_of(), picking).sparsify(frames[:9], threads=2)
    assert all(len(one.peaks) > 10 for one in wanted)
    found = SparsePlan(spec_of(), picking, backend=backend).sparsify(frames[:9], threads=threads)
    for mine, theirs in zip(found, wanted, strict=True):
        assert_equal(mine, theirs)


def test_invalid_pixels_stay_what_they_are(spec_of, crystals):
    frame = crystals[0][0].copy()
    frame[3, 4], frame[50, 60] = -1, 10**6
    mask = np.zeros(SHAPE, bool)
    mask[10:20] = True
    plan = SparsePlan(spec_of(mask=mask, dummy=-1.0, saturation=5e5), Picking(cutoff=6.0))
    [sparse] = plan.sparsify(frame)
    dense = densify(sparse, plan.layout(np.int32))
    assert (dense[3, 4], dense[50, 60]) == (-1, 10**6)
    assert (dense[10:20] == -1).all()
    assert (np.diff(sparse.pixels.astype(int)) > 0).all()


def test_noise_is_that_of_counts_and_follows_from_the_seed(spec_of, crystals, mean):
    plan = SparsePlan(spec_of())
    [sparse] = plan.sparsify(crystals[0][0])
    layout = plan.layout(np.int32)
    for noise in ("poisson", "normal"):
        one, same, other = (densify(sparse, layout, noise=noise, seed=seed) for seed in ((1, 2), (1, 2), 3))
        np.testing.assert_array_equal(one, same)
        assert (one != other).any()
        background = np.setdiff1d(np.arange(mean.size), sparse.pixels)
        pull = ((one - mean) / np.sqrt(mean)).reshape(-1)[background]
        assert abs(pull.mean()) < 0.05
        assert pull.std() == pytest.approx(1.0, abs=0.05)


def test_dim_backgrounds_come_back_with_noise_only(spec_of):
    """With errors of at least one count: else clipping leaves only the pixels without any."""
    dim = np.random.default_rng(4).poisson(0.05, SHAPE).astype(np.uint16)
    plan = SparsePlan(spec_of(error_model="poisson_floor", solid_angle=False))
    [sparse] = plan.sparsify(dim)
    assert densify(sparse, plan.layout(dim.dtype)).sum() == sparse.values.sum() == 0
    dense = densify(sparse, plan.layout(dim.dtype), noise="poisson")
    assert int(dense.sum()) == pytest.approx(int(dim.sum()), rel=0.15)
    [lost] = SparsePlan(spec_of()).sparsify(dim)
    assert lost.mean.max() == 0.0


def test_floats_keep_nan_and_values(spec_of, crystals):
    frame = crystals[0][0].astype(np.float32)
    frame[5, 5] = np.nan
    mask = np.zeros(SHAPE, bool)
    mask[:2] = True
    plan = SparsePlan(spec_of(mask=mask))
    [sparse] = plan.sparsify(frame)
    dense = densify(sparse, plan.layout(np.float32))
    assert np.isnan(dense[5, 5])
    assert np.isnan(dense[:2]).all()
    assert np.isnan(dense).sum() == 2 * SHAPE[1] + 1


def test_masked_pixels_have_what_the_detector_marks_invalid_ones_with(geometry):
    detector = aureole.detector("Pilatus100k")
    plan = SparsePlan(
        aureole.IntegrationSpec(
            aureole.Geometry(detector, 0.1, 0.01, 0.02),
            radial=aureole.Axis("r_mm", 50),
            split="no",
            error_model="poisson",
            robust=Clip(),
            mask=np.eye(*detector.shape),
        )
    )
    assert plan.layout(np.int32).dummy in (-1.0, -2.0)
    assert plan.layout(np.uint32).dummy in (2.0**32 - 1, 2.0**32 - 2)


def test_plans_can_be_pickled(spec_of, crystals):
    plan = SparsePlan(spec_of(), Picking(cutoff=4.0, peaks=Peaks()))
    assert_equal(
        pickle.loads(pickle.dumps(plan)).sparsify(crystals[0][0])[0], plan.sparsify(crystals[0][0])[0]
    )


def test_a_bad_frame_stops_nothing(spec_of, crystals):
    frames = [crystals[0][0], np.zeros((3, 3), np.int32), crystals[0][1]]
    plan = SparsePlan(spec_of())
    [batch] = plan.stream(frames, threads=1)
    assert sorted(batch.done) == [0, 2]
    assert "3 x 3 pixels" in str(batch.failures[1])
    with pytest.raises(FrameCorrupt):
        plan.sparsify(frames)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"robust": None}, "robust=Clip"),
        ({"error_model": None}, "error model"),
        ({"split": "bbox"}, "split='no'"),
        ({"dark": np.zeros(SHAPE)}, "dark"),
        ({"azimuthal": aureole.Axis("chi_deg", 4)}, "radial axis alone"),
    ],
)
def test_specs_of_another_kind_are_refused(spec_of, options, message):
    with pytest.raises(SpecError, match=message):
        SparsePlan(spec_of(**options))


def test_impossible_requests_are_refused(spec_of, crystals):
    plan = SparsePlan(spec_of(dummy=-1.0))
    [sparse] = plan.sparsify(crystals[0][0])
    with pytest.raises(SpecError, match="noise 'pink'"):
        densify(sparse, plan.layout(np.int32), noise="pink")
    with pytest.raises(SpecError, match="dummy of -1 cannot stand in frames of uint16"):
        plan.layout(np.uint16)
    with pytest.raises(SpecError, match="variance"):
        plan.sparsify(crystals[0], variance=crystals[0])
