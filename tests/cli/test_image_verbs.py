"""aureole separate and inpaint, and --npt auto."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

from aureole.azimuthal import IntegrationSpec, NamedArray, bins_along_radius
from aureole.geometry import format_poni
from aureole.geometry.recorded import Recorded
from aureole.io import load_detector, save_detector, write_cbf


@pytest.fixture
def stack(run):
    """Run a command that must end well, and return the images of an output."""

    def command(*argv, of):
        result = run(*argv)
        assert result.code == 0, result
        with h5py.File(of) as file:
            return file["entry/data/data"][()]

    return command


@pytest.fixture
def masked(scan):
    """The scan with an image of a mask: a stripe, where frames say -1."""
    mask = np.zeros(scan.images[0].shape, np.int32)
    mask[20:22] = 1
    for path, image in zip(scan.files, scan.images, strict=True):
        image[mask != 0] = -1
        path.unlink()
        write_cbf(path, image)
    scan.mask = scan.root / "mask.npy"
    np.save(scan.mask, mask)
    scan.invalid = mask != 0
    return scan


def test_peaks_and_background_sum_to_the_frames(masked, stack):
    bragg, background = masked.out / "bragg.h5", masked.out / "background.h5"
    common = ("separate", masked.folder, "--poni", masked.poni, "--mask", masked.mask, "--npt", 30)
    peaks = stack(*common, "-o", bragg, "--amorphous", background, of=bragg)
    with h5py.File(background) as file:
        amorphous = file["entry/data/data"][()]
        assert "separate" not in file["entry"]
    assert peaks.dtype == np.float32
    assert np.isnan(peaks[:, masked.invalid]).all()
    valid = ~masked.invalid
    np.testing.assert_allclose((peaks + amorphous)[:, valid], masked.images[:, valid], rtol=1e-4, atol=1e-2)
    assert abs(np.median(peaks[:, valid])) < 5.0
    clipped = masked.out / "clipped.h5"
    other = stack(*common, "--sigma-clip", "auto", "-o", clipped, of=clipped)
    assert (other[:, valid] != peaks[:, valid]).any()


def test_masked_pixels_are_filled(masked, stack):
    out = [masked.out / f"{name}.h5" for name in ("plain", "one", "two")]
    common = ("inpaint", masked.folder, "--poni", masked.poni, "--mask", masked.mask, "--npt", 40)
    plain = stack(*common, "-o", out[0], of=out[0])
    assert plain.dtype == np.int32
    np.testing.assert_array_equal(plain[:, ~masked.invalid], masked.images[:, ~masked.invalid])
    beside = masked.images[:, [19, 22]].mean()
    assert plain[:, masked.invalid].mean() == pytest.approx(beside, rel=0.1)
    noisy = (*common, "--noise", "poisson", "--seed", 3)
    one, two = (
        stack(*noisy, "--threads", n, "-o", path, of=path) for n, path in zip((1, 3), out[1:], strict=True)
    )
    np.testing.assert_array_equal(one, two)
    assert (one != plain).any()


@pytest.mark.parametrize("verb", ["inpaint", "separate", "sparsify"])
def test_what_was_asked_for_can_be_asked_again(scan, run, geometry, verb):
    """The output holds what a file says of the pixels of the detector."""
    mask = np.zeros(geometry.shape, bool)
    mask[3] = True
    recorded = Recorded("mask", mask=NamedArray("mask", mask))
    save_detector(replace(geometry.detector, recorded=recorded), scan.root / "own.h5")
    scan.poni.write_text(format_poni(replace(geometry, detector=load_detector(scan.root / "own.h5"))))
    target = scan.out / "made.h5"
    done = run(verb, scan.folder, "--poni", scan.poni, "--npt", 30, "-o", target)
    assert done.code == 0, done.err
    with h5py.File(target) as file:
        (process,) = (one for one in file["entry"].values() if "input/spec" in one)
        text = process["input/spec"].asstr()[()]
        arrays = {one.attrs["sha256"]: one[()] for one in process["input/arrays"].values()}
    spec = IntegrationSpec.from_json(text, arrays)
    np.testing.assert_array_equal(spec.geometry.detector.mask, mask)


def test_a_bad_frame_stops_nothing(masked, run):
    masked.files[1].write_bytes(b"")
    for verb in ("separate", "inpaint"):
        result = run(verb, *masked.files, "--poni", masked.poni, "-o", masked.out / f"{verb}.h5")
        assert result.code == 1
        assert "5 of 6 frames done" in result.out


@pytest.mark.parametrize("verb", ["integrate", "sparsify", "separate"])
def test_one_bin_a_pixel(scan, run, geometry, verb):
    out = scan.out / "out.h5"
    assert run(verb, scan.files[0], "--poni", scan.poni, "--npt", "auto", "-o", out).code == 0
    path = {"integrate": "entry/data/radial_axis", "sparsify": "entry/sparse_frames/radius"}.get(verb)
    if path is not None:
        with h5py.File(out) as file:
            assert file[path].size == bins_along_radius(geometry)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("separate", "--percentile", "101"), "between 0 and 100"),
        (("separate", "--npt", "many"), "a whole number or auto"),
        (("separate", "--unit", "chi_deg"), "chi_deg"),
        (("separate", "--polarization-factor", "2"), "between -1 and 1"),
        (("inpaint", "--npt-azim", "0"), "at least one bin"),
        (("inpaint", "--seed", "-3"), "negative"),
        (("inpaint", "--mask", "none.edf"), "none.edf"),
        (("integrate", "--npt", "auto", "--unit", "chi_deg"), "radial --unit"),
    ],
)
def test_bad_options_are_one_line(scan, refused, argv, message):
    assert message in refused(argv[0], scan.folder, "--poni", scan.poni, *argv[1:], "-o", scan.out / "out.h5")


def test_a_blank_frame_stops_no_other(scan, run):
    scan.files[2].unlink()
    write_cbf(scan.files[2], np.full(scan.images[0].shape, -1, np.int32))
    for verb in ("separate", "inpaint"):
        out = scan.out / f"{verb}.h5"
        result = run(verb, *scan.files, "--poni", scan.poni, "--dummy", -1, "--npt", 30, "-o", out)
        assert result.code == 1
        assert "5 of 6 frames done" in result.out
        assert "scan_0002.cbf: not one of its pixels is valid" in result.err


def test_two_outputs_of_one_name(scan, refused):
    out = scan.out / "out.h5"
    same = scan.out / ".." / "out" / "out.h5"
    words = ("separate", scan.folder, "--poni", scan.poni, "-o", out, "--amorphous")
    assert "both outputs" in refused(*words, out)
    assert "both outputs" in refused(*words, same, "--overwrite")


@pytest.mark.filterwarnings("error")
def test_counts_beyond_float32_are_infinite(scan, run):
    stack = scan.root / "huge.h5"
    with h5py.File(stack, "w") as file:
        file["entry/data/data"] = np.full((1, 40, 50), 1e300)
    out = scan.out / "out.h5"
    amorphous = ("--amorphous", scan.out / "a.h5")
    assert run("separate", stack, "--poni", scan.poni, "--npt", 25, *amorphous, "-o", out).code == 0
    assert run("integrate", stack, "--poni", scan.poni, "--npt", 25, "-o", scan.out / "p.h5").code == 0
    for name, path in (("a.h5", "entry/data/data"), ("p.h5", "entry/data/I")):
        with h5py.File(scan.out / name) as file:
            assert np.isposinf(file[path][()]).any()


def test_outputs_are_not_written_over(scan, refused):
    taken = scan.out / "taken.h5"
    taken.write_bytes(b"mine")
    line = refused(
        "separate", scan.folder, "--poni", scan.poni, "-o", scan.out / "new.h5", "--amorphous", taken,
        leaves=["taken.h5"],
    )  # fmt: skip
    assert "taken.h5" in line
