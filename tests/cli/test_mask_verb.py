"""aureole mask."""

import numpy as np
import pytest
from fabio.fit2dmaskimage import Fit2dMaskImage
from matplotlib.image import imread

import aureole
from aureole.io import read_image, write_cbf


@pytest.fixture
def broken(scan):
    """The scan with a hot, a dead and a flickering pixel."""
    for index, (path, image) in enumerate(zip(scan.files, scan.images, strict=True)):
        changed = image.copy()
        changed[5, 6], changed[30, 8] = 5000, 0
        changed[20, 45] += 900 * (index % 3 == 0)
        write_cbf(path, changed, overwrite=True)
    return scan


@pytest.mark.parametrize("ending", [".edf", ".tif", ".npy", ".cbf", ".msk", ".h5"])
def test_gaps_and_shapes_in_every_format(run, scan, ending):
    target = scan.out / f"mask{ending}"
    done = run(
        "mask", "--detector", "Pilatus 300k", "-o", target, "--disc", "100,200,10.5",
        "--rectangle", "0,0,20,30", "--polygon", "300,300,300,320,320,300",
    )  # fmt: skip
    assert done.code == 0, done.err
    mask = read_image(target) != 0
    gaps = aureole.detector("Pilatus 300k").mask
    assert mask[gaps].all()
    assert mask[:20, :30].all()
    assert mask[100, 200]
    assert mask[302, 302]
    assert not mask[319, 319]
    assert f"gaps of Pilatus300k {gaps.sum():>14d} pixels" in done.out
    assert f"{mask.sum()} of {mask.size} pixels" in done.out


@pytest.mark.parametrize("peers", ["ring", "neighbours"])
def test_statistics_find_what_is_broken(run, broken, peers):
    target = broken.out / "mask.edf"
    picture = broken.out / "mask.png"
    done = run(
        "mask", broken.folder, "--poni", broken.poni, "--hot", "--dead", "--flicker", "--peers", peers,
        "-o", target, "--plot", picture,
    )  # fmt: skip
    assert done.code == 0, done.err
    mask = read_image(target)
    assert mask[5, 6] == mask[30, 8] == mask[20, 45] == 1
    assert mask.sum() < 6
    assert "dead (6 sigma)                   1 pixels" in done.out
    image = imread(picture)
    assert image[..., :3].std() > 0.01


def test_neighbours_do_without_a_geometry(run, broken):
    done = run("mask", broken.folder, "--hot", 8, "--dead", "-o", broken.out / "mask.tif")
    assert done.code == 0, done.err
    mask = read_image(broken.out / "mask.tif")
    assert mask[5, 6]
    assert mask[30, 8]
    assert mask.sum() < 5


def test_thresholds_look_at_a_statistic(run, scan):
    for of, image in (
        ("mean", scan.images.mean(0)),
        ("max", scan.images.max(0)),
        ("std", scan.images.std(0, ddof=1)),
    ):
        target = scan.out / f"{of}.npy"
        low, high = np.percentile(image, (10, 90))
        done = run("mask", scan.folder, "--above", high, "--below", low, "--of", of, "-o", target)
        assert done.code == 0, done.err
        np.testing.assert_array_equal(read_image(target) != 0, (image > high) | (image < low))


def test_a_beam_stop(run, scan, geometry):
    row, column = geometry.beam_center()
    rows, columns = np.indices((40, 50)) + 0.5
    radius = np.hypot(rows - row, columns - column)
    image = np.where(radius < 4, 2, 4000 / (radius + 10)).astype(np.int32)
    write_cbf(scan.root / "saxs.cbf", image)
    done = run("mask", scan.root / "saxs.cbf", "--poni", scan.poni, "--beam-stop", "-o", scan.out / "m.edf")
    assert done.code == 0, done.err
    mask = read_image(scan.out / "m.edf") != 0
    assert mask[radius < 4].all()
    assert not mask[radius > 8].any()


def test_masks_are_combined(run, scan):
    rng = np.random.default_rng(2)
    a, b, c = rng.random((3, 40, 50)) < 0.2
    Fit2dMaskImage(data=a.astype(np.uint8)).write(str(scan.root / "a.msk"))
    np.save(scan.root / "b.npy", b)
    np.save(scan.root / "c.npy", c.astype(np.float32) * 0.5)
    target = scan.out / "m.npy"
    names = [scan.root / name for name in ("a.msk", "b.npy", "c.npy")]

    def made(*options):
        done = run("mask", "-o", target, "--overwrite", *options)
        assert done.code == 0, done.err
        return read_image(target) != 0

    np.testing.assert_array_equal(made("--or", names[0], "--or", names[1]), a | b)
    np.testing.assert_array_equal(made("--or", names[0], "--and", names[1]), a & b)
    np.testing.assert_array_equal(made("--or", names[0], "--or", names[1], "--not", names[2]), (a | b) & ~c)
    np.testing.assert_array_equal(made("--or", names[2], "--invert"), ~c)
    grown = made("--or", names[0], "--grow", 1)
    assert grown.sum() > a.sum()
    assert "+" in run("mask", "-o", target, "--overwrite", "--or", names[0], "--grow", 1).out


def test_frames_that_cannot_be_used_are_told(run, scan):
    scan.files[2].write_bytes(b"")
    done = run("mask", scan.folder, "--above", 1e9, "-o", scan.out / "m.edf")
    assert done.code == 1
    assert "scan_0002.cbf: empty file" in done.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "how large is the mask?"),
        (["--shape", "40,50"], "no rule"),
        (["--shape", "40"], "--shape 40: wanted are 2 numbers"),
        (["--shape", "0,50", "--invert"], "two numbers of pixels"),
        (["--shape", "40,50", "--disc", "1,2"], "--disc 1,2: wanted are 3 numbers"),
        (["--shape", "40,50", "--polygon", "1,2,3,4"], "three corners or more"),
        (["--hot"], "--hot looks at values: name frames"),
        (["--beam-stop"], "--beam-stop looks at values"),
        (["--shape", "40,50", "--detector", "Pilatus 2M"], "40"),
        (["--shape", "40,50", "--grow", "-1"], "--grow and --shrink take"),
        (["--shape", "40,50", "--or", "gone.edf"], "gone.edf"),
        (["--shape", "40,50", "--disc", "20,20,-5"], "a radius from 0 on"),
        (["--shape", "40000,50000", "--invert"], "not more than"),
    ],
)
def test_bad_input_is_told_in_one_line(refused, scan, options, words):
    assert words in refused("mask", "-o", scan.out / "m.edf", *options)


def test_bad_input_about_frames_is_told_in_one_line(refused, scan):
    np.save(scan.root / "small.npy", np.ones((3, 4)))
    out = ("-o", scan.out / "m.edf")
    assert "wanted are standard deviations" in refused("mask", scan.folder, "--hot", 0, *out)
    assert "--above nan: wanted is a number" in refused("mask", scan.folder, "--above", "nan", *out)
    assert "needs --poni" in refused("mask", scan.folder, "--beam-stop", *out)
    assert "needs --poni" in refused("mask", scan.folder, "--hot", "--peers", "ring", *out)
    assert "no beam stop around" in refused("mask", scan.folder, "--poni", scan.poni, "--beam-stop", *out)
    assert "small.npy: has 3 x 4 pixels" in refused(
        "mask", scan.folder, "--or", scan.root / "small.npy", *out
    )
    assert "a picture ends in" in refused("mask", scan.folder, "--above", 1, "--plot", "x.txt", *out)
    assert "known are .h5" in refused("mask", scan.folder, "--above", 1, "-o", scan.out / "m.jpg")
    assert "at least 3 frames" in refused("mask", scan.files[0], "--flicker", *out)


def test_a_shape_beside_the_image_is_told(run, scan):
    done = run("mask", "--shape", "40,50", "--disc", "400,400,9", "-o", scan.out / "m.edf")
    assert done.code == 0
    assert "note: no pixel is masked" in done.err
