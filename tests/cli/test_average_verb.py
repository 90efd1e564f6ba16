"""aureole average."""

import fabio
import h5py
import numpy as np
import pytest

import aureole
from aureole.geometry import format_poni
from aureole.io import read_image, write_cbf


def test_a_mean_in_hdf5_holds_count_and_variance(run, scan):
    write_cbf(
        scan.files[2], np.where(np.arange(50) == 7, -5, scan.images[2]).astype(np.int32), overwrite=True
    )
    target = scan.out / "mean.h5"
    done = run("average", scan.folder, "-o", target, "--dummy", -5)
    assert done.code == 0, done.err
    assert "6 of 6 frames done" in done.out
    assert "40 pixels are made of fewer than 6 values" in done.err
    with h5py.File(target) as file:
        data = file["entry/data"]
        assert data["data"].dtype == np.float32
        count, variance, mean = data["count"][()], data["variance"][()], data["data"][()]
        assert file["entry/average/input/method"].asstr()[()] == "mean"
        assert len(file["entry/average/sources"]) == 6
    assert (count[:, 7] == 5).all()
    rest = np.arange(50) != 7
    np.testing.assert_allclose(mean[:, rest], scan.images.mean(0)[:, rest], rtol=1e-6)
    np.testing.assert_allclose(variance[:, rest], scan.images.var(0, ddof=1)[:, rest] / 6, rtol=1e-5)
    np.testing.assert_array_equal(read_image(target), mean)


def test_a_dark_takes_its_variance_with_it(run, scan):
    """Of the averaged file and of its frames the same errors follow."""
    common = ("integrate", scan.files[0], "--poni", scan.poni, "--error-model", "poisson", "--npt", 30)
    assert run("average", scan.folder, "-o", scan.out / "dark.h5").code == 0
    results = []
    for number, dark in enumerate((scan.out / "dark.h5", scan.folder)):
        done = run(*common, "--dark", dark, "-o", scan.out / f"p{number}.h5")
        assert done.code == 0, done.err
        with h5py.File(scan.out / f"p{number}.h5") as file:
            results.append((file["entry/data/I"][()], file["entry/data/I_errors"][()]))
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-5)


def test_an_average_of_one_frame_is_a_dark_without_variance(run, scan):
    assert run("average", scan.files[0], "-o", scan.out / "dark.h5").code == 0
    done = run(
        "integrate", scan.files[1], "--poni", scan.poni, "--error-model", "poisson",
        "--dark", scan.out / "dark.h5", "-o", scan.out / "p.h5",
    )  # fmt: skip
    assert done.code == 0, done.err


@pytest.mark.parametrize("ending", [".tif", ".edf", ".cbf", ".npy", ".nxs"])
@pytest.mark.parametrize("method", ["sum", "max"])
def test_whole_numbers_go_into_every_format(run, scan, ending, method):
    target = scan.out / f"image{ending}"
    assert run("average", scan.folder, "-o", target, "--method", method).code == 0
    expected = scan.images.sum(0) if method == "sum" else scan.images.max(0)
    np.testing.assert_array_equal(read_image(target), expected)
    if ending in (".tif", ".edf", ".cbf"):
        np.testing.assert_array_equal(fabio.open(str(target)).data, expected)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--method", "median"], lambda v: np.median(v, axis=0)),
        (["--trim", "50,50"], lambda v: np.median(v, axis=0)),
        (["--sigma-clip", "9"], lambda v: v.mean(0)),
        (["--method", "std"], lambda v: v.std(0, ddof=1)),
        (["--monitor", "Flux"], lambda v: (v / np.arange(1.5, 7)[:, None, None]).mean(0)),
        (["--memory", "0.000001", "--method", "median"], lambda v: np.median(v, axis=0)),
    ],
)
def test_methods(run, scan, options, expected):
    target = scan.out / "image.tif"
    done = run("average", scan.folder, "-o", target, *options)
    assert done.code == 0, done.err
    np.testing.assert_allclose(read_image(target), expected(scan.images), rtol=1e-6)


def test_a_flat_is_made_with_a_dark(run, scan):
    assert run("average", *scan.files[:2], "-o", scan.out / "dark.h5").code == 0
    done = run("average", *scan.files[2:], "--dark", scan.out / "dark.h5", "-o", scan.out / "flat.edf")
    assert done.code == 0, done.err
    expected = scan.images[2:].mean(0) - scan.images[:2].mean(0)
    np.testing.assert_allclose(read_image(scan.out / "flat.edf"), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("ending", [".h5", ".tif"])
def test_bad_frames_are_told_and_the_code_is_1(run, scan, refused, ending):
    scan.files[1].unlink()
    scan.files[2].write_bytes(b"")
    frames, target = scan.folder / "scan_%04d.cbf", scan.out / f"mean{ending}"
    assert "scan_0001.cbf" in refused("average", frames, "-o", target, "--strict")
    done = run("average", frames, "-o", target)
    assert done.code == 1
    assert "4 of 6 frames done, 1 bad, 1 missing" in done.out
    assert "scan_0002.cbf: empty file" in done.err
    np.testing.assert_allclose(read_image(target), scan.images[[0, 3, 4, 5]].mean(0), rtol=1e-6)
    if ending == ".h5":
        with h5py.File(target) as file:
            np.testing.assert_array_equal(file["entry/frame_status"][()], [0, 2, 1, 0, 0, 0])


def test_marks_of_gaps_are_told_where_they_count(run, scan):
    write_cbf(
        scan.files[0], np.where(scan.images[0] > 400, -1, scan.images[0]).astype(np.int32), overwrite=True
    )
    poni = scan.out / "unnamed.poni"
    unnamed = aureole.detector(pixel1=1e-4, pixel2=1e-4, shape=scan.images[0].shape)
    poni.write_text(format_poni(aureole.Geometry(unnamed, 0.1)))
    for number, options in enumerate(([], ["--poni", poni])):
        done = run("average", scan.folder, *options, "-o", scan.out / f"mean{number}.edf")
        assert done.code == 0
        assert "of the first frame are negative and count as intensities" in done.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--trim", "90,10"], "0 <= low <= high <= 100"),
        (["--trim", "x"], "--trim takes LOW,HIGH"),
        (["--sigma-clip", "-1"], "must be above zero"),
        (["--memory", "-1"], "--memory -1: wanted are gigabytes"),
        (["--detector", "Pilatus9M"], "Pilatus9M"),
        (["--detector", "Pilatus 2M"], "is not from detector Pilatus2M"),
        (["--delta-dummy", "1"], "--delta-dummy goes with --dummy"),
        (["--dark", "gone.edf"], "gone.edf"),
        (["--monitor", "I0"], "I0"),
    ],
)
def test_bad_input_is_told_in_one_line(scan, refused, options, words):
    assert words in refused("average", scan.folder, "-o", scan.out / "x.tif", *options)


def test_outputs_that_cannot_be(run, scan, refused):
    assert "known are .h5" in refused("average", scan.folder, "-o", scan.out / "x.jpg")
    assert "a CBF holds whole numbers" in refused("average", scan.folder, "-o", scan.out / "x.cbf")
    assert "would be taken for frames" in refused("average", scan.folder, "-o", scan.folder / "x.cbf")
    assert "no frames" in refused("average", "-o", scan.out / "x.tif")
    (scan.out / "x.tif").write_text("precious")
    assert "exists" in refused("average", scan.folder, "-o", scan.out / "x.tif", leaves=["x.tif"])
    text = "--detector and --poni both name a detector"
    assert text in refused(
        "average", scan.folder, "-o", scan.out / "y.tif", "--poni", scan.poni, "--detector", "Pilatus 2M",
        leaves=["x.tif"],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--saturation", "nan"], "saturation must be finite"),
        (["--dummy", "nan"], "dummy must be finite"),
        (["--dummy", "1", "--delta-dummy", "-1"], "cannot be negative"),
        (["--saturation", "-5"], "no pixel has a value in 6 frames"),
        (["--saturation", "-5", "--method", "median"], "no pixel has a value in 6 frames"),
    ],
)
def test_what_would_leave_no_pixel_or_all_of_them_is_refused(scan, refused, options, words):
    assert words in refused("average", scan.folder, "-o", scan.out / "x.tif", *options)


def test_one_frame_has_no_scatter(scan, refused):
    for method in ("std", "variance"):
        text = refused("average", scan.files[0], "--method", method, "-o", scan.out / "x.h5")
        assert "name two frames or more" in text


def test_everything_masked_is_no_average(scan, refused):
    np.save(scan.root / "all.npy", np.ones(scan.images[0].shape, np.uint8))
    out = ("-o", scan.out / "x.h5")
    assert "no pixel has a value" in refused("average", scan.folder, "--mask", scan.root / "all.npy", *out)
