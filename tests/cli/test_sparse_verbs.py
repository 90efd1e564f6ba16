"""aureole sparsify and densify."""

import h5py
import numpy as np
import pytest

from aureole.io import SparseFile, read_image, write_cbf


@pytest.fixture
def spots(scan):
    """The scan, with bright spots."""
    rng = np.random.default_rng(1)
    for path, image in zip(scan.files, scan.images, strict=True):
        image[rng.random(image.shape) < 0.01] = 9000
        path.unlink()
        write_cbf(path, image)
    return scan


def test_there_and_back(spots, run):
    sparse, dense = spots.out / "sparse.h5", spots.out / "dense.h5"
    arguments = ("sparsify", spots.folder, "--poni", spots.poni, "--npt", 25, "--peaks", "--cutoff", 8)
    result = run(*arguments, "-o", sparse)
    assert result.code == 0, result
    assert "6 of 6 frames done" in result.out
    told = run("info", sparse).out
    assert "sparse frames" in told
    assert "25 bins of 2th_deg" in told
    assert run("densify", sparse, "-o", dense).code == 0
    with h5py.File(dense) as file:
        images = file["entry/data/data"][()]
    bright = spots.images == 9000
    assert (images[bright] == 9000).all()
    assert np.abs(images - spots.images)[~bright].mean() < 25.0
    assert images[~bright].mean() == pytest.approx(spots.images[~bright].mean(), rel=0.05)
    with h5py.File(sparse) as file:
        assert (file["entry/peaks/nPeaks"][()] >= 0).all()


def test_threads_change_nothing_and_noise_follows_from_the_seed(spots, run):
    images = []
    for threads in (1, 3):
        sparse, dense = spots.out / f"s{threads}.h5", spots.out / f"d{threads}.h5"
        common = ("--threads", threads, "-o")
        assert run("sparsify", spots.folder, "--poni", spots.poni, "--npt", 25, *common, sparse).code == 0
        noise = ("--background-noise", "poisson", "--seed", 5)
        assert run("densify", sparse, *noise, *common, dense).code == 0
        with h5py.File(dense) as file:
            images.append(file["entry/data/data"][()])
    np.testing.assert_array_equal(*images)


def test_a_missing_frame_is_told_and_stays_missing(spots, run):
    spots.files[2].write_bytes(b"")
    sparse, dense = spots.out / "sparse.h5", spots.out / "dense.h5"
    result = run("sparsify", *spots.files, "--poni", spots.poni, "--npt", 25, "-o", sparse)
    assert result.code == 1
    assert "scan_0002.cbf" in result.err
    result = run("densify", sparse, "-o", dense)
    assert result.code == 1
    assert "5 of 6 frames done" in result.out
    with SparseFile(sparse) as file, h5py.File(dense) as images:
        np.testing.assert_array_equal(images["entry/frame_status"], file.status)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--cutoff", "0"), "above zero"),
        (("--noise", "-1"), "negative"),
        (("--peaks", "5", "--patch", "4"), "patches of 4"),
        (("--sigma-clip", "x"), "SIGMA[,ITER[,scatter]]"),
        (("--sigma-clip", "3,5,6"), "SIGMA[,ITER[,scatter]]"),
        (("--radial-range", "200", "300"), "no valid pixel"),
        (("--npt", "0"), "one bin"),
        (("--unit", "chi_deg"), "radial"),
        (("--mask", "none.edf"), "none.edf"),
    ],
)
def test_bad_options_are_one_line(scan, refused, options, message):
    line = refused("sparsify", scan.folder, "--poni", scan.poni, *options, "-o", scan.out / "s.h5")
    assert message in line


def test_bad_files_are_one_line(scan, refused):
    assert ".h5 or .nxs" in refused("sparsify", scan.folder, "--poni", scan.poni, "-o", scan.out / "s.txt")
    assert "no such file" in refused("densify", scan.root / "none.h5", "-o", scan.out / "d.h5")
    assert "HDF5" in refused("densify", scan.files[0], "-o", scan.out / "d.h5")
    assert "negative" in refused("densify", scan.files[0], "--seed", "-1", "-o", scan.out / "d.h5")


def test_chauvenet_is_an_option_of_integrate(spots, run):
    out = spots.out / "clipped.xye"
    arguments = ("integrate", spots.files[0], "--poni", spots.poni, "--npt", 20, "--error-model", "poisson")
    assert run(*arguments, "--sigma-clip", "auto,4", "-o", out).code == 0
    assert read_image(spots.files[0]).max() == 9000
    assert np.loadtxt(out)[:, 1].max() < 1000
    by_scatter = spots.out / "by_scatter.xye"
    assert run(*arguments, "--sigma-clip", "3,4,scatter", "-o", by_scatter).code == 0
    assert (np.loadtxt(by_scatter)[:, 1] != np.loadtxt(out)[:, 1]).any()
