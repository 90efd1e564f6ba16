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


def test_patches_without_peaks_and_absurd_numbers_are_one_line(scan, refused):
    common = ("--poni", scan.poni, "-o", scan.out / "s.h5")
    assert "--peaks" in refused("sparsify", scan.folder, "--patch", 5, *common)
    for verb in ("sparsify", "separate", "inpaint"):
        assert "at most" in refused(verb, scan.folder, "--npt", 10**8, *common)
    assert "2^63" in refused("densify", scan.files[0], "--seed", 1 << 63, "-o", scan.out / "d.h5")


@pytest.fixture
def damaged(spots, run):
    """Make a file of sparse frames with one thing changed, and return its path."""
    sparse = spots.root / "sparse.h5"
    assert run("sparsify", spots.folder, "--poni", spots.poni, "--npt", 25, "-o", sparse).code == 0

    def change(name, value, at=...):
        with h5py.File(sparse, "r+") as file:
            file["entry/sparse_frames"][name][at] = value
        return sparse

    return change


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("index", 2000, "pixel 2000 of 2000"),
        ("background_avg", np.inf, "not finite"),
        ("background_std", -1.0, "negative standard deviation"),
    ],
)
@pytest.mark.parametrize("noise", ["none", "poisson", "normal"])
def test_a_damaged_sparse_frame_stops_no_other(spots, run, damaged, noise, name, value, message):
    sparse = damaged(name, value, 0)
    result = run("densify", sparse, "--background-noise", noise, "-o", spots.out / "dense.h5")
    assert result.code == 1
    assert "5 of 6 frames done" in result.out
    assert message in result.err
    assert "sparse.h5::0" in result.err


def test_backgrounds_too_large_to_draw_are_kept(spots, run, damaged):
    sparse = damaged("background_avg", 1e30, 1)
    assert run("densify", sparse, "--background-noise", "poisson", "-o", spots.out / "d.h5").code == 0


def test_damaged_files_are_one_line(scan, refused, damaged):
    out = scan.out / "d.h5"
    line = refused("densify", damaged("dummy", 1e30), "-o", out)
    assert "sparse.h5: a dummy of 1e+30" in line
    assert "radius does not rise" in refused("densify", damaged("radius", np.nan), "-o", out)
    sparse = scan.root / "sparse.h5"
    with h5py.File(sparse, "r+") as file:
        data = file["entry/sparse_frames"]
        for name, array in (
            ("frame_ptr", np.zeros(1, np.uint64)),
            ("index", np.zeros(0, np.uint32)),
            ("intensity", np.zeros(0, np.int32)),
            ("background_avg", np.zeros((0, 25), np.float32)),
            ("background_std", np.zeros((0, 25), np.float32)),
        ):
            del data[name]
            data[name] = array
        data["radius"][:] = np.arange(25.0)
        data["dummy"][()] = -1.0
        del file["entry/frame_status"]
    assert "has no frames" in refused("densify", sparse, "-o", out)


@pytest.mark.filterwarnings("error")
def test_counts_beyond_float32_make_a_bad_frame(scan, run):
    stack = scan.root / "huge.h5"
    with h5py.File(stack, "w") as file:
        file["entry/data/data"] = np.stack([np.full((40, 50), 1e300), np.full((40, 50), 5.0)])
    result = run("sparsify", stack, "--poni", scan.poni, "--npt", 25, "-o", scan.out / "s.h5")
    assert result.code == 1
    assert "beyond what float32 holds" in result.err
