"""Runs: every frame in one state, the same bits on any number of threads, orientation from rings."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

import aureole
from aureole.azimuthal import NamedArray
from aureole.calibration.orientation import better_orientation, orientation_fits
from aureole.errors import FormatError, FrameCorrupt, FrameMissing, OutputError, SpecError
from aureole.geometry import Geometry
from aureole.io import FrameStatus, open_frames, read_scalars, write_cbf
from aureole.io.results import is_result, read_result
from aureole.runs import RunOptions, convert_series, integrate_series
from aureole.runs.darks import average

SHAPE = (30, 40)


@pytest.fixture
def geometry():
    return Geometry(
        aureole.detector(pixel1=1e-3, pixel2=1e-3, shape=SHAPE), 0.1, 0.01, 0.02, wavelength=1e-10
    )


@pytest.fixture
def series(tmp_path):
    """Forty frames: number 7 is missing, number 30 is empty."""
    rng = np.random.default_rng(0)
    images = rng.poisson(5.0, (40, *SHAPE)).astype(np.int32)
    names = [tmp_path / f"f_{index:02d}.cbf" for index in range(40)]
    for index, (name, image) in enumerate(zip(names, images, strict=True)):
        if index != 7:
            write_cbf(name, image)
    names[30].write_bytes(b"")
    return open_frames(names), images


def plan_of(geometry, **options):
    options.setdefault("radial", aureole.Axis("q_nm^-1", 12))
    return aureole.IntegrationSpec(geometry, error_model="poisson", **options).plan()


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_every_frame_ends_in_one_state(series, geometry, tmp_path, threads):
    frames, images = series
    told = []
    options = RunOptions(threads=threads, progress=lambda done, total: told.append((done, total)))
    plan = plan_of(geometry)
    report = integrate_series(plan, frames, tmp_path / "out.h5", options=options)
    assert (report.frames, report.done, report.bad, report.missing) == (40, 38, 1, 1)
    assert [issue.index for issue in report.issues] == [7, 30]
    assert report.issues[0].status is FrameStatus.MISSING
    assert report.rate > 0.0
    assert told[0] == (0, 40)
    assert told[-1] == (40, 40)
    assert told == sorted(told)
    good = np.delete(np.arange(40), [7, 30])
    wanted = plan.integrate(images[good])
    with h5py.File(tmp_path / "out.h5") as file:
        have = file["entry/data/I"][()]
    np.testing.assert_array_equal(have[good], wanted.intensity.astype(np.float32))
    assert np.isnan(have[[7, 30]]).all()


def test_a_result_can_be_made_again_from_its_file_alone(series, geometry, tmp_path):
    frames, images = series
    rng = np.random.default_rng(1)
    flat = rng.uniform(0.9, 1.1, SHAPE)
    plan = plan_of(
        geometry,
        mask=NamedArray("my mask.edf", rng.random(SHAPE) < 0.1),
        dark=rng.poisson(1.0, SHAPE).astype(np.uint16),
        dark_variance=rng.random(SHAPE).astype(np.float32),
        flat=flat,
        absorption=NamedArray("the same", flat),
    )
    integrate_series(plan, frames, tmp_path / "out.h5", options=RunOptions())
    with read_result(tmp_path / "out.h5") as stored:
        spec = aureole.IntegrationSpec.from_json(stored.spec_json, stored.read_arrays())
        assert len(stored.read_arrays()) == 4
    assert spec == plan.spec
    assert spec.mask.name == "my mask.edf"
    again = spec.plan().integrate(images[:5])
    with h5py.File(tmp_path / "out.h5") as file:
        np.testing.assert_array_equal(file["entry/data/I"][:5], again.intensity.astype(np.float32))
        arrays = file["entry/reduction/input/arrays"]
        assert set(arrays) == {"mask", "dark", "dark_variance", "flat", "absorption"}
        assert arrays["mask"].id.get_storage_size() < arrays["mask"].nbytes


def test_a_result_without_arrays(series, geometry, tmp_path):
    plan = plan_of(geometry)
    integrate_series(plan, series[0], tmp_path / "out.h5", options=RunOptions())
    with read_result(tmp_path / "out.h5") as stored:
        assert stored.read_arrays() == {}
        assert aureole.IntegrationSpec.from_json(stored.spec_json) == plan.spec


def test_strict_raises_and_leaves_nothing(series, geometry, tmp_path):
    frames, _ = series
    with pytest.raises(FrameMissing, match="f_07"):
        integrate_series(plan_of(geometry), frames, tmp_path / "out.h5", options=RunOptions(strict=True))
    with pytest.raises(FrameMissing, match="f_07"):
        convert_series(frames, tmp_path / "out.h5", options=RunOptions(strict=True))
    assert not list(tmp_path.glob("*out*"))


def test_nothing_is_integrated_for_an_output_that_cannot_be(series, geometry, tmp_path):
    frames, _ = series
    plan, told = plan_of(geometry), []
    options = RunOptions(progress=lambda done, total: told.append(done))
    (tmp_path / "there.h5").write_text("precious")
    for name, kind, message in (
        ("there.h5", OutputError, "exists"),
        ("nowhere/out.h5", OutputError, "no folder"),
        ("out.tif", SpecError, "ending"),
        ("out.xy", SpecError, "40 frames"),
    ):
        with pytest.raises(kind, match=message):
            integrate_series(plan, frames, tmp_path / name, options=options)
    with pytest.raises(OutputError, match="one of the inputs"):
        integrate_series(
            plan,
            open_frames(_stack(tmp_path)),
            tmp_path / "stack.h5",
            options=replace(options, overwrite=True),
        )
    assert told == []


def _stack(folder):
    with h5py.File(folder / "stack.h5", "w") as file:
        file["data"] = np.ones((3, *SHAPE), np.int32)
    return f"{folder / 'stack.h5'}::/data"


def test_a_failing_progress_leaves_nothing(series, geometry, tmp_path):
    def interrupted(done, total):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        integrate_series(
            plan_of(geometry), series[0], tmp_path / "out.h5", options=RunOptions(progress=interrupted)
        )
    with pytest.raises(KeyboardInterrupt):
        convert_series(series[0], tmp_path / "out.h5", options=RunOptions(progress=interrupted))
    assert not list(tmp_path.glob("*out*"))


@pytest.mark.parametrize("bins", [1, 7])
def test_edges_are_the_limits_of_the_bins(series, geometry, tmp_path, bins):
    radial, azimuthal = aureole.Axis("q_nm^-1", bins, (3.0, 12.0)), aureole.Axis("chi_deg", bins)
    plan = plan_of(geometry, radial=radial, azimuthal=azimuthal)
    integrate_series(plan, series[0], tmp_path / "out.h5", options=RunOptions())
    with h5py.File(tmp_path / "out.h5") as file:
        data = file["entry/data"]
        found = {name: data[name][()] for name in data if name.endswith(("axis", "edges"))}
    assert found["radial_axis_edges"][0] == 3.0
    for name, axis in (("radial", radial), ("azimuthal", azimuthal)):
        extent = getattr(plan.bins, f"{name}_range")
        np.testing.assert_array_equal(found[f"{name}_axis_edges"], axis.edges(*extent))
        np.testing.assert_array_equal(found[f"{name}_axis"], getattr(plan.bins, name))
        assert found[f"{name}_axis_edges"][-1] == pytest.approx(extent[1], rel=1e-15)


@pytest.mark.parametrize("cake", [False, True])
def test_the_overview_of_a_result(series, geometry, tmp_path, cake, monkeypatch):
    frames, images = series
    azimuthal = aureole.Axis("chi_deg", 6) if cake else None
    plan = plan_of(geometry, azimuthal=azimuthal)
    path = tmp_path / "out.h5"
    integrate_series(plan, frames, path, options=RunOptions())
    monkeypatch.setattr("aureole.io.results._BLOCK_BYTES", 8 * 12 * 6 * 3)
    good = np.delete(np.arange(40), [7, 30])
    wanted = plan.integrate(images[good])
    assert is_result(path)
    with read_result(path) as result:
        assert result.is_cake == cake
        assert result.has_errors
        assert result.shape == (40, *wanted.intensity.shape[1:])
        assert result.count(FrameStatus.DONE) == 38
        assert [issue[:2] for issue in result.issues(5)] == [(7, FrameStatus.MISSING), (30, FrameStatus.BAD)]
        overview = result.overview(10)
    np.testing.assert_allclose(overview.mean, wanted.intensity.mean(0), rtol=1e-6)
    np.testing.assert_allclose(overview.sigma, np.sqrt((wanted.sigma**2).sum(0)) / 38, rtol=1e-6)
    np.testing.assert_array_equal(overview.edges, np.arange(0, 41, 4))
    part = wanted.intensity[4:7]  # frames 4 to 7, without the missing one
    part = np.nanmean(part, axis=(0, 1)) if cake else part.mean(0)
    np.testing.assert_allclose(overview.rows[1], part, rtol=1e-6)


def test_what_is_no_result(tmp_path):
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["entry/data/I"] = [1.0]
    assert not is_result(other)
    with pytest.raises(FormatError, match="no result"):
        read_result(other)
    (tmp_path / "text.h5").write_text("text")
    assert not is_result(tmp_path / "text.h5")
    with pytest.raises(FormatError, match="HDF5"):
        read_result(tmp_path / "text.h5")


@pytest.mark.parametrize("orientation", [1, 2, 3, 4])
def test_rings_tell_the_orientation(orientation):
    pixels = aureole.detector(pixel1=1e-4, pixel2=1e-4, shape=(300, 360), orientation=orientation)
    geometry = Geometry(pixels, 0.1, 0.012, 0.022, 0.05, -0.04, 0.1)
    two_theta = geometry.center_array("2th_deg")
    rings = sum(np.exp(-0.5 * ((two_theta - at) / 0.08) ** 2) for at in (4.0, 6.0, 7.0, 9.5, 11.0))
    image = np.random.default_rng(1).poisson(20.0 * np.exp(-two_theta / 5.0) + 30.0 * rings).astype(np.int32)
    valid = np.ones(image.shape, bool)
    valid[100:110] = False
    image[100:110] = 10**6
    fits = orientation_fits(image, valid, geometry)
    assert max(fits, key=fits.get) == orientation
    assert better_orientation(fits, orientation) is None
    for other in {1, 2, 3, 4} - {orientation}:
        assert better_orientation(fits, other) == orientation


def test_an_image_without_rings_tells_nothing():
    geometry = Geometry(aureole.detector(pixel1=1e-4, pixel2=1e-4, shape=(300, 360)), 0.1, 0.012, 0.022)
    noise = np.random.default_rng(1).poisson(5.0, (300, 360))
    fits = orientation_fits(noise, np.ones(noise.shape, bool), geometry)
    assert better_orientation(fits, 3) is None
    assert orientation_fits(noise, np.zeros(noise.shape, bool), geometry) == dict.fromkeys((1, 2, 3, 4), 0.0)


def test_a_mean_leaves_out_what_is_invalid(geometry, tmp_path):
    """Bits that mean "no value" in the type of the frames mean nothing in that of their mean."""
    rng = np.random.default_rng(5)
    images = rng.poisson(50.0, (6, *SHAPE)).astype(np.uint16)
    images[:, 0, 0] = 2**16 - 1
    images[1:, 0, 1] = 2**16 - 1
    images[3, 0, 2] = 2**16 - 1
    with h5py.File(tmp_path / "darks.h5", "w") as file:
        file["data"] = images
    marked = replace(geometry, detector=replace(geometry.detector, invalid=(-1,)))
    spec = aureole.IntegrationSpec(marked, radial=aureole.Axis("q_nm^-1", 5))
    image, variance = (part.array for part in average([f"{tmp_path}/darks.h5::/data"], spec))
    valid = np.where(images == 2**16 - 1, np.nan, images)
    assert np.isnan(image[0, 0])
    assert image[0, 1] == images[0, 0, 1]
    assert np.isnan(variance[0, :2]).all()
    np.testing.assert_allclose(image[0, 2:], np.nanmean(valid[:, 0, 2:], axis=0), rtol=1e-13)
    np.testing.assert_allclose(image[1:], images[:, 1:].mean(0), rtol=1e-13)
    np.testing.assert_allclose(variance[1:], images[:, 1:].var(0, ddof=1) / 6, rtol=1e-12)
    number = np.isfinite(valid[:, 0, 2:]).sum(0)
    np.testing.assert_allclose(
        variance[0, 2:], np.nanvar(valid[:, 0, 2:], axis=0, ddof=1) / number, rtol=1e-12
    )


def test_images_of_two_shapes_have_no_mean(geometry, tmp_path):
    spec = aureole.IntegrationSpec(geometry, radial=aureole.Axis("q_nm^-1", 5))
    for name, shape in (("d_0.cbf", SHAPE), ("d_1.cbf", (3, 4))):
        write_cbf(tmp_path / name, np.ones(shape, np.int32))
    with pytest.raises(FrameCorrupt, match=r"d_1\.cbf: it has 3 x 4 pixels instead of 30 x 40"):
        average([f"{tmp_path}/d_*.cbf"], spec)


def test_a_stack_has_the_monitor_of_its_files_and_says_why_frames_are_not_there(geometry, tmp_path):
    names = [tmp_path / f"f_{index}.cbf" for index in range(4)]
    for index, name in enumerate(names):
        write_cbf(name, np.full(SHAPE, 4, np.int32), header_text=f"Flux {index + 1}.5 cps")
    names[2].write_bytes(b"")
    files = open_frames(names)
    convert_series(files, tmp_path / "stack.h5", options=RunOptions())
    stack = open_frames(tmp_path / "stack.h5")
    results = []
    for frames in (files, stack):
        options = RunOptions(monitor=read_scalars("Flux", frames), overwrite=True)
        report = integrate_series(plan_of(geometry), frames, tmp_path / "out.h5", options=options)
        assert [issue.index for issue in report.issues] == [2]
        with h5py.File(tmp_path / "out.h5") as file:
            np.testing.assert_array_equal(file["entry/monitor/data"][()], [1.5, 2.5, np.nan, 4.5])
            results.append(file["entry/data/I"][()])
    np.testing.assert_array_equal(*results)
    assert str(names[2]) in report.issues[0].reason
    assert "empty" in report.issues[0].reason
