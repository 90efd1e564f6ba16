"""Bad frames are reported and passed over; everything else that is wrong is one line and exit code 2."""

import os
import re
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from aureole.io import write_cbf


def break_frame(path, how):
    data = path.read_bytes()
    match how:
        case "missing":
            path.unlink()
        case "empty":
            path.write_bytes(b"")
        case "truncated":
            path.write_bytes(data[: data.index(b"\x0c\x1a\x04\xd5") + 900])
        case "too short a stream":
            # The promised bytes are there, and hold fewer pixels than promised.
            at = data.index(b"\x0c\x1a\x04\xd5") + 4
            path.write_bytes(data[:at] + b"\x80\x00\x01" * 800 + data[at + 2400 :])
        case "no header":
            path.write_bytes(b"\x00\x01\x02" * 1000)
        case "text":
            path.write_text("not an image\n" * 50)
        case "huge":
            old = b"X-Binary-Size-Fastest-Dimension: 50"
            assert old in data
            path.write_bytes(data.replace(old, b"X-Binary-Size-Fastest-Dimension: 4000000000"))
        case "shape":
            path.unlink()
            write_cbf(path, np.ones((12, 9), np.int32))


@pytest.mark.parametrize(
    ("how", "status", "words"),
    [
        ("missing", 2, "no such file"),
        ("empty", 1, "empty"),
        ("truncated", 1, "truncated"),
        ("too short a stream", 1, ""),
        ("no header", 1, ""),
        ("text", 1, ""),
        ("huge", 1, ""),
        ("shape", 1, "12 x 9 pixels instead of 40 x 50"),
    ],
)
@pytest.mark.parametrize("place", [0, 3])
def test_a_bad_frame_is_reported_and_the_others_go_on(run, scan, how, status, words, place):
    break_frame(scan.files[place], how)
    target = scan.out / "out.h5"
    done = run("integrate", *scan.files, "--poni", scan.poni, "-o", target, "--error-model", "poisson")
    assert done.code == 1, done.err
    assert "5 of 6 frames done" in done.out
    (line,) = done.err.splitlines()
    assert line.startswith(f"aureole integrate: {'missing' if status == 2 else 'bad'}: {scan.files[place]}: ")
    assert words in line
    with h5py.File(target) as file:
        wanted = np.zeros(6)
        wanted[place] = status
        np.testing.assert_array_equal(file["entry/frame_status"][()], wanted)
        messages = list(file["entry/frame_message"].asstr()[()])
        assert str(scan.files[place]) in messages[place]
        assert words in messages[place]
        assert messages.count("") == 5
        for name in ("I", "I_errors"):
            values = file["entry/data"][name][()]
            assert np.isnan(values[place]).all()
            assert np.isfinite(np.delete(values, place, 0)).any(1).all()


@pytest.mark.parametrize("how", ["missing", "empty", "truncated", "shape"])
def test_strict_stops_at_the_first_bad_frame(scan, refused, how):
    break_frame(scan.files[4], how)
    line = refused(
        "integrate", *scan.files, "--poni", scan.poni, "-o", scan.out / "out.h5",
        "--strict", "--error-model", "none",
    )  # fmt: skip
    assert str(scan.files[4]) in line


def test_long_lists_of_bad_frames_are_cut(run, scan):
    names = [scan.root / f"no_{index}.cbf" for index in range(30)]
    done = run("integrate", *scan.files, *names, "--poni", scan.poni, "-o", scan.out / "out.h5")
    assert done.code == 1
    assert "6 of 36 frames done, 0 bad, 30 missing" in done.out
    lines = [line for line in done.err.splitlines() if ": note: " not in line]
    assert len(lines) == 11
    assert lines[-1] == "aureole integrate: and 20 more; all are in /entry/frame_message"


def test_not_one_good_frame_still_makes_an_account(run, scan):
    for path in scan.files:
        break_frame(path, "truncated")
    done = run("integrate", scan.folder, "--poni", scan.poni, "-o", scan.out / "out.h5")
    assert done.code == 1
    assert "0 of 6 frames done, 6 bad" in done.out
    with h5py.File(scan.out / "out.h5") as file:
        np.testing.assert_array_equal(file["entry/frame_status"][()], 1)
        assert np.isnan(file["entry/data/I"][()]).all()


def test_the_only_frame_of_a_text_is_bad(scan, refused):
    break_frame(scan.files[0], "truncated")
    line = refused("integrate", scan.files[0], "--poni", scan.poni, "-o", scan.out / "x.xy")
    assert str(scan.files[0]) in line


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--radial-range", "5", "2"], "empty"),
        (["--radial-range", "500", "600"], "no valid pixel"),
        (["--radial-range", "nan", "2"], "finite"),
        (["--radial-range", "2"], "expected 2 arguments"),
        (["--azimuth-range", "0", "700"], "turn"),
        (["--npt", "0"], "at least one bin"),
        (["--npt", "many"], "whole number or auto"),
        (["--npt", "2000000000"], "2000000000 bins would take 520 GB of memory"),
        (["--npt", "40000", "--npt-azim", "50000"], "40000 x 50000 bins would take 520 GB of memory"),
        (["--npt-azim", "-4"], "at least one bin"),
        (["--unit", "q_nm"], "q_nm^-1"),
        (["--range-unit", "foo", "--radial-range", "1", "2"], "--range-unit"),
        (["--range-unit", "2th_deg", "--unit", "chi_deg"], "--range-unit"),
        (["--unit", "chi_deg", "--npt-azim", "10"], "--npt-azim"),
        (["--split", "some"], "invalid choice"),
        (["--polarization-factor", "3"], "between -1 and 1"),
        (["--dummy", "nan"], "finite"),
        (["--delta-dummy", "1"], "needs a dummy"),
        (["--threads", "0"], "at least one thread"),
        (["--backend", "gpu"], "unknown backend"),
        (["--backend", "cpu", "--device", "0"], "'cpu' computes on the processor"),
        (["--device", "no such device"], "OpenCL"),
        (["--energy", "0"], "keV"),
        (["--energy", "12000"], "did you mean 12"),
        (["--energy", "12", "--wavelength", "1e-10"], "not allowed with"),
        (["--wavelength", "1.03"], "did you mean 1.03e-10"),
        (["--mask", "nowhere.edf"], "nowhere.edf"),
        (["--monitor", "NoSuchKey"], "NoSuchKey"),
        (["--monitor", "nowhere.csv:i0"], "nowhere.csv"),
        (["--monitor", "nowhere.h5::/i0"], "nowhere.h5"),
        (["--list", "nowhere.txt"], "nowhere.txt"),
        (["--nonsense"], "unknown options: --nonsense"),
    ],
)
def test_impossible_requests(scan, refused, options, words):
    line = refused(
        "integrate", scan.folder, "--poni", scan.poni, "-o", scan.out / "out.h5",
        "--error-model", "none", *options,
    )  # fmt: skip
    assert words in line


@pytest.mark.parametrize("name", ["mask", "dark", "flat", "absorption"])
def test_images_of_another_shape(scan, refused, name):
    path = scan.root / "other.npy"
    np.save(path, np.ones((7, 8)))
    line = refused(
        "integrate", scan.folder, "--poni", scan.poni, "-o", scan.out / "out.h5",
        "--error-model", "none", f"--{name}", path,
    )  # fmt: skip
    assert "(7, 8)" in line
    assert "(40, 50)" in line
    assert str(path) in line


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "cannot be read"),
        ("", ""),
        ("some text\n", ""),
        ("poni_version: 2\nDetector: Pilatus9000\nDistance: 1\n", ""),
        ("poni_version: 2.1\nDetector: Pilatus9000\nDetector_config: {}\nDistance: 0.1\n"
         "Poni1: 0\nPoni2: 0\nRot1: 0\nRot2: 0\nRot3: 0\nWavelength: 1e-10\n", "unknown detector"),
        ("poni_version: 2.1\nDetector: Pilatus1M\nDetector_config: {}\nDistance: 0.1\n"
         "Poni1: 0\nPoni2: 0\nRot1: 0\nRot2: 0\nRot3: 0\nWavelength: 1e-10\n", "40 x 50"),
        ("poni_version: 2.1\nDetector: Pilatus1M\nDetector_config: {}\nDistance: -0.1\n"
         "Poni1: 0\nPoni2: 0\nRot1: 0\nRot2: 0\nRot3: 0\nWavelength: 1e-10\n", "dist"),
    ],
)  # fmt: skip
def test_wrong_poni_files(scan, refused, text, words):
    poni = scan.root / "wrong.poni"
    if text is not None:
        poni.write_text(text)
    line = refused("integrate", scan.folder, "--poni", poni, "-o", scan.out / "out.h5")
    assert words in line
    assert "wrong.poni" in line


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("nowhere/out.h5", "there is no folder"),
        (".", "is a folder"),
        ("out.png", ".nx5, .hdf, .xy"),
        ("out", "the ending"),
        ("out.xy", "6 frames"),
    ],
)
def test_outputs_that_cannot_be(scan, refused, output, words):
    line = refused("integrate", scan.folder, "--poni", scan.poni, "-o", scan.out / output)
    assert words in line


@pytest.mark.parametrize("options", [[], ["--unit", "chi_deg", "--radial-range", 2, 3]])
def test_a_wavelength_that_is_missing(run, scan, refused, options):
    scan.poni.write_text(re.sub("Wavelength.*\n", "", scan.poni.read_text()))
    command = ("integrate", scan.folder, "--poni", scan.poni, "-o", scan.out / "out.h5", *options)
    assert "give --energy or --wavelength" in refused(*command)
    assert run(*command, "--energy", 12).code == 0


def test_an_output_that_exists(scan, refused):
    (scan.out / "out.h5").write_text("precious")
    line = refused(
        "integrate", scan.folder, "--poni", scan.poni, "-o", scan.out / "out.h5", leaves=["out.h5"]
    )
    assert "(--overwrite)" in line


def test_a_cake_is_no_text(scan, refused):
    line = refused(
        "integrate", scan.files[0], "--poni", scan.poni, "-o", scan.out / "out.xy", "--npt-azim", 10
    )
    assert "cake" in line


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(scan, refused):
    scan.out.chmod(0o500)
    try:
        line = refused("integrate", scan.folder, "--poni", scan.poni, "-o", scan.out / "out.h5")
    finally:
        scan.out.chmod(0o700)
    assert "cannot be written" in line


def test_a_device_that_is_full(scan, refused):
    line = refused("integrate", scan.folder, "--poni", scan.poni, "-o", "/proc/out.h5")
    assert "cannot be written" in line


@pytest.mark.parametrize("which", ["frames", "poni", "mask"])
def test_an_output_that_is_an_input(scan, refused, which):
    stack = scan.root / "stack.h5"
    with h5py.File(stack, "w") as file:
        file["data"] = scan.images
        file["mask"] = np.zeros(scan.images[0].shape, np.uint8)
    poni = scan.root / "tiny.poni.h5"
    poni.write_text(scan.poni.read_text())
    mask = scan.root / "mask.h5"
    with h5py.File(mask, "w") as file:
        file["mask"] = np.zeros(scan.images[0].shape, np.uint8)
    before = stack.read_bytes()
    target = {"frames": stack, "poni": poni, "mask": mask}[which]
    line = refused(
        "integrate", f"{stack}::/data", "--poni", poni, "--mask", f"{mask}::/mask", "-o", target,
        "--overwrite", "--error-model", "none",
    )  # fmt: skip
    assert "one of the inputs" in line
    assert stack.read_bytes() == before


@pytest.mark.parametrize("which", ["dat", "h5"])
def test_an_output_that_is_the_monitor(scan, refused, which):
    path = scan.root / f"monitor.{which}"
    path.write_text("I0\n1\n")
    line = refused(
        "integrate", scan.files[0], "--poni", scan.poni, "--monitor", f"{path}:I0", "-o", path,
        "--overwrite", "--error-model", "none",
    )  # fmt: skip
    assert "one of the inputs" in line
    assert path.read_text().startswith("I0")


@pytest.mark.parametrize("option", ["dark", "flat", "variance", "mask", "absorption"])
def test_an_output_in_which_an_input_lies(scan, refused, option):
    lies_in = scan.root / "run_data_000001.h5"
    with h5py.File(lies_in, "w") as file:
        images = scan.images if option == "variance" else scan.images[:1]
        file.create_dataset("entry/data/data", data=images, chunks=(1, 40, 50))
    with h5py.File(scan.root / "run_master.h5", "w") as file:
        file["entry/data/data_000001"] = h5py.ExternalLink(lies_in.name, "/entry/data/data")
    before = lies_in.read_bytes()
    line = refused(
        "integrate", scan.folder, "--poni", scan.poni, f"--{option}", scan.root / "run_master.h5",
        "-o", lies_in, "--overwrite",
    )  # fmt: skip
    assert "one of the inputs" in line
    assert lies_in.read_bytes() == before


@pytest.mark.parametrize("option", ["--poni", "--mask"])
def test_a_picture_that_is_an_input(scan, refused, option):
    path = scan.root / "in.png"
    path.write_bytes(b"precious")
    line = refused("plot", scan.files[0], option, path, "-o", path, "--overwrite")
    assert "one of the inputs" in line
    assert path.read_bytes() == b"precious"


@pytest.mark.parametrize("frames", ["folder", "pattern"])
def test_an_output_that_would_be_taken_for_frames(run, scan, refused, frames):
    named = scan.folder if frames == "folder" else scan.folder / "*"
    line = refused("integrate", named, "--poni", scan.poni, "-o", scan.folder / "out.h5")
    assert "taken for frames" in line
    narrow = scan.folder / "*.cbf"
    assert run("integrate", narrow, "--poni", scan.poni, "-o", scan.folder / "out.h5").code == 0


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        ([], "no frames"),
        (["nowhere.cbf"], "no such file"),
        (["nowhere_*.cbf"], "matches no file"),
        (["nowhere_%05d.cbf"], "matches no file"),
    ],
)
def test_no_frames(scan, refused, frames, words, monkeypatch):
    monkeypatch.chdir(scan.root)
    assert words in refused("integrate", *frames, "--poni", scan.poni, "-o", scan.out / "out.h5")


def test_options_that_are_required(scan, refused):
    assert "--poni" in refused("integrate", scan.folder, "-o", scan.out / "out.h5")
    assert "-o" in refused("integrate", scan.folder, "--poni", scan.poni)


@pytest.mark.skipif(sys.platform != "linux", reason="other file systems refuse such names")
@pytest.mark.parametrize("verb", ["integrate", "text", "convert", "plot", "info"])
def test_names_that_are_no_text(run, scan, verb, monkeypatch):
    monkeypatch.chdir(scan.root)
    folder = Path(os.fsdecode(b"scan\xff"))
    folder.mkdir()
    names = [
        path.rename(folder / os.fsdecode(b"f\xfe_%d.cbf" % index)) for index, path in enumerate(scan.files)
    ]
    names[4].write_bytes(b"")
    poni = scan.poni.rename(os.fsdecode(b"p\xfd.poni"))
    geometry = ["--poni", poni]
    given = {
        "integrate": [
            "integrate", *names, "gone\udcff.cbf", *geometry,
            "--instrument", "i\udcff", "-o", "o\udcff.h5",
        ],
        "text": ["integrate", names[0], *geometry, "-o", "o\udcff.xy"],
        "convert": ["convert", folder, "-o", "o\udcff.h5"],
        "plot": ["plot", names[0], *geometry, "-o", "o\udcff.png"],
        "info": ["info", names[0]],
    }[verb]  # fmt: skip
    done = run(*given)
    assert done.code == (1 if verb in ("integrate", "convert") else 0), done.err
    left = [path.name for path in Path().iterdir() if path.name.startswith("o") and path.name != "out"]
    assert left == ([] if verb == "info" else [given[-1]])
    if verb == "integrate":
        with h5py.File("o\udcff.h5") as file:
            messages = list(file["entry/frame_message"].asstr()[()])
        assert messages[4] == r"scan\xff/f\xfe_4.cbf: empty file"
        assert messages[6].startswith(r"gone\xff.cbf: ")


def test_names_that_lead_nowhere_are_bad_frames(run, scan):
    loop, listing, target = scan.folder / "loop.cbf", scan.root / "list.txt", scan.out / "out.h5"
    loop.symlink_to(loop)
    listing.write_bytes(b"frames/scan_0000.cbf\nframes/a\0b.cbf\n")
    for given in ([scan.folder], [*scan.files, loop], [scan.files[0], "--list", listing]):
        done = run("integrate", *given, "--poni", scan.poni, "-o", target, "--overwrite")
        assert done.code == 1, done.err
        assert "Traceback" not in done.err
    dark = run("integrate", scan.folder, "--dark", loop, "--poni", scan.poni, "-o", target, "--overwrite")
    assert dark.code == 2
    assert len(dark.err.splitlines()) == 1


def test_an_output_that_leads_to_itself(scan, refused):
    loop = scan.out / "loop.h5"
    loop.symlink_to(loop)
    assert "loop.h5" in refused("integrate", scan.folder, "--poni", scan.poni, "-o", loop, leaves=["loop.h5"])


def test_a_result_is_no_series_of_frames(run, scan, refused):
    result = scan.root / "result.h5"
    assert run("integrate", scan.folder, "--poni", scan.poni, "-o", result).code == 0
    assert "holds patterns, not frames" in refused("convert", result, "-o", scan.out / "out.h5")


def test_an_empty_name(scan, refused):
    assert "is empty" in refused("integrate", "", "--poni", scan.poni, "-o", scan.out / "out.h5")
