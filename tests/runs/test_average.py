"""Averages of frames from arrays and files, against NumPy and pyFAI."""

import h5py
import numpy as np
import pytest
from pyFAI import average as peer

import aureole
from aureole.azimuthal import Clip, Trim
from aureole.errors import FrameCorrupt, InputError, SpecError
from aureole.io import write_cbf
from aureole.runs.average import average_frames, frame_statistics
from aureole.runs.report import RunOptions
from aureole.runs.treatment import Treatment

SHAPE = (30, 40)
RNG = np.random.default_rng(21)
START = RNG.bit_generator.state
PILATUS = Treatment(detector=aureole.detector("Pilatus 100k"), detector_mask=False)
NUMPY = {
    "mean": np.nanmean, "median": np.nanmedian, "sum": np.nansum, "min": np.nanmin, "max": np.nanmax,
    "std": lambda v, axis: np.nanstd(v, axis, ddof=1), "variance": lambda v, axis: np.nanvar(v, axis, ddof=1),
}  # fmt: skip


@pytest.fixture(autouse=True)
def begin_anew():
    """Let each test have the same numbers, whichever ran before."""
    RNG.bit_generator.state = START


@pytest.fixture
def images():
    found = RNG.poisson(60.0, (9, *SHAPE)).astype(np.int32)
    found[3, 4, 5] = -1
    found[6, 4, 6] = -2
    return found


@pytest.fixture
def files(images, tmp_path):
    for index, image in enumerate(images):
        write_cbf(tmp_path / f"d_{index}.cbf", image, f"# Flux {index + 1} counts\r\n")
    return tmp_path / "d_%d.cbf"


@pytest.mark.parametrize("method", NUMPY)
def test_each_method_is_that_of_numpy(images, method):
    found = average_frames(images, method, treatment=PILATUS)
    valid = np.where(images < 0, np.nan, images)
    np.testing.assert_allclose(found.image, NUMPY[method](valid, axis=0), rtol=1e-12)
    np.testing.assert_array_equal(found.count, np.isfinite(valid).sum(0))
    if method == "mean":
        expected = np.nanvar(valid, axis=0, ddof=1) / np.isfinite(valid).sum(0)
        np.testing.assert_allclose(found.variance, expected, rtol=1e-11)
    else:
        assert found.variance is None


@pytest.mark.parametrize("method", ["mean", "median", Trim(20, 80), Clip(3, 5)])
def test_the_same_bits_whatever_threads_and_memory(images, method):
    many = np.concatenate([images] * 5)
    first = average_frames(many, method, options=RunOptions(threads=1))
    for threads, memory in ((3, None), (1, 45 * 4 * 7), (2, 45 * 4 * 500)):
        other = average_frames(many, method, options=RunOptions(threads=threads), memory=memory)
        np.testing.assert_array_equal(first.image, other.image)
        np.testing.assert_array_equal(first.count, other.count)
        if first.variance is not None:
            np.testing.assert_array_equal(first.variance, other.variance)


def test_corrections_are_those_of_pyfai(files, images):
    dark, flat = RNG.uniform(1, 9, SHAPE), RNG.uniform(0.8, 1.2, SHAPE)
    names = [str(files).replace("%d", str(index)) for index in range(9)]
    theirs = peer.Average()
    theirs.set_images(names)
    theirs.set_dark([dark])
    theirs.set_flat([flat])
    theirs.set_correct_flat_from_dark(False)
    theirs.set_pixel_filter(None, None, None)
    for name in ("mean", "max", "min", "sum"):
        algorithm = peer.create_algorithm(name)
        theirs.add_algorithm(algorithm)
        theirs.process()
        with aureole.open_frames(files) as frames:
            ours = average_frames(frames, name, treatment=Treatment(dark=dark, flat=flat))
        np.testing.assert_allclose(ours.image, theirs.get_image_reduction(algorithm), rtol=1e-5)


def test_cutoff_of_pyfai_takes_out_the_same_cosmic_ray(images):
    many = np.concatenate([images] * 4).clip(0)
    many[7, 3, 3] = 10**6
    theirs = peer.average_dark(many, "mean", cutoff=3.0)
    ours = average_frames(many, Clip(3, 1))
    assert ours.image[3, 3] == pytest.approx(theirs[3, 3], rel=1e-5)
    assert ours.count[3, 3] == 35


def test_a_monitor_divides_each_frame(files, images):
    monitor = np.arange(1.0, 10.0)
    monitor[2] = np.nan
    with aureole.open_frames(files) as frames:
        for method, reduce in (("mean", np.mean), ("median", np.median)):
            found = average_frames(
                frames, method, treatment=Treatment(dark=np.ones(SHAPE)), options=RunOptions(monitor=monitor)
            )
            use = np.arange(9) != 2
            expected = reduce((images[use] - 1.0) / monitor[use, None, None], axis=0)
            np.testing.assert_allclose(found.image, expected, rtol=1e-12)
            assert [issue.index for issue in found.issues] == [2]
            assert "monitor" in found.issues[0].reason


def test_the_variance_of_the_dark_does_not_average_out(images):
    dark, spread, flat = np.full(SHAPE, 3.0), np.full(SHAPE, 0.25), np.full(SHAPE, 2.0)
    plain = average_frames(images)
    found = average_frames(images, treatment=Treatment(dark=dark, dark_variance=spread, flat=flat))
    np.testing.assert_allclose(found.variance, (plain.variance + 0.25) / 4.0, rtol=1e-12)


@pytest.mark.parametrize("method", ["mean", "median", "max"])
def test_frames_that_cannot_be_used_are_told(files, images, method):
    (files.parent / "d_0.cbf").write_bytes(b"")
    (files.parent / "d_4.cbf").unlink()
    write_cbf(files.parent / "d_6.cbf", np.ones((3, 3), np.int32), overwrite=True)
    with aureole.open_frames(files) as frames:
        found = average_frames(frames, method, treatment=PILATUS)
        assert [(issue.index, issue.status.name) for issue in found.issues] == [
            (0, "BAD"), (4, "MISSING"), (6, "BAD"),
        ]  # fmt: skip
        with pytest.raises(FrameCorrupt, match=r"d_0\.cbf"):
            average_frames(frames, method, options=RunOptions(strict=True))
    use = [1, 2, 3, 5, 7, 8]
    valid = np.where(images < 0, np.nan, images)[use]
    np.testing.assert_allclose(found.image, NUMPY[method](valid, axis=0), rtol=1e-12)


def test_pixels_that_do_not_count(images):
    detector = aureole.detector("Pilatus 100k", shape=SHAPE)
    mask = np.zeros(SHAPE)
    mask[0] = 1
    dark, flat = np.ones(SHAPE), np.ones(SHAPE)
    dark[1, 1], flat[2, 2] = np.nan, 0.0
    found = average_frames(
        images, treatment=Treatment(detector=detector, mask=mask, dark=dark, flat=flat, saturation=70.0)
    )
    gone = (mask != 0) | np.isnan(dark) | (flat == 0)
    assert np.isnan(found.image[gone]).all()
    assert (found.count[gone] == 0).all()
    assert np.isnan(found.variance[gone]).all()
    valid = np.where((images < 0) | (images > 70), np.nan, images - 1.0)
    np.testing.assert_allclose(found.image[~gone], np.nanmean(valid, axis=0)[~gone], rtol=1e-12)
    dummy = average_frames(images, treatment=Treatment(detector=detector, dummy=60.0, delta_dummy=1.5))
    expected = np.nanmean(np.where(abs(images - 60) <= 1.5, np.nan, images), axis=0)
    np.testing.assert_allclose(dummy.image, expected, rtol=1e-12)


def test_statistics_are_those_of_single_methods(images):
    flat = RNG.uniform(0.5, 2.0, SHAPE)
    treatment = Treatment(flat=flat)
    found = frame_statistics(images, treatment=treatment)
    for part, method in (
        (found.mean, "mean"), (found.scatter, "variance"), (found.lowest, "min"), (found.highest, "max"),
    ):  # fmt: skip
        np.testing.assert_array_equal(part, average_frames(images, method, treatment=treatment).image)


def test_what_cannot_be_averaged_is_told(images, tmp_path):
    with pytest.raises(SpecError, match="no average 'mode'"):
        average_frames(images, "mode")
    with pytest.raises(SpecError, match="memory do not hold one pixel of 9 frames"):
        average_frames(images, "median", memory=20)
    with pytest.raises(SpecError, match=r"the dark has shape \(2, 2\)"):
        average_frames(images, treatment=Treatment(dark=np.ones((2, 2))))
    with pytest.raises(InputError, match="none of 9 frames can be used; the first: "):
        average_frames(images, options=RunOptions(monitor=np.zeros(9)))


def test_frames_of_another_type_do_not_go_into_a_stack(images, tmp_path):
    write_cbf(tmp_path / "a_0.cbf", images[0])
    write_cbf(tmp_path / "a_1.cbf", images[1].astype(np.uint16))
    with aureole.open_frames(tmp_path / "a_*.cbf") as frames:
        found = average_frames(frames, "median")
        assert "uint16 instead of" in found.issues[0].reason
        assert average_frames(frames, "mean").issues == []


def test_memory_is_bounded(tmp_path):
    """Frames of an HDF5 stack, many times the memory allowed: as many turns as that takes."""
    with h5py.File(tmp_path / "stack.h5", "w") as file:
        file["data"] = RNG.integers(0, 60000, (64, 100, 100), np.uint16)
        stack = file["data"][()]
    turns = []
    with aureole.open_frames(tmp_path / "stack.h5") as frames:
        options = RunOptions(progress=lambda done, total: turns.append((done, total)))
        found = average_frames(frames, "median", memory=stack.nbytes // 5, options=options)
    np.testing.assert_array_equal(found.image, np.median(stack, axis=0))
    assert turns[-1] == (64 * 5, 64 * 5)
