"""aureole info, convert and plot."""

import json
import os
import sys
from dataclasses import replace

import h5py
import numpy as np
import pytest
from matplotlib.image import imread

import aureole
from aureole.geometry import Sensor, format_poni, model_names
from aureole.io import save_detector, write_cbf


@pytest.fixture
def result(run, scan):
    """Integrate with one missing frame."""

    def make(*options, name="out.h5", error_model="poisson"):
        target = scan.out / name
        frames = [*scan.files, scan.root / "gone.cbf"]
        arguments = ("--poni", scan.poni, "-o", target, "--npt", 40, "--error-model", error_model)
        assert run("integrate", *frames, *arguments, *options).code == 1
        return target

    return make


def test_info_of_frames(run, scan):
    done = run("info", scan.folder)
    assert done.code == 0
    for words in ("frames           6", "40 x 50 pixels", "int32", "CBF byte-offset", "Flux = 1.5 counts"):
        assert words in done.out
    assert str(scan.files[5]) in done.out


def test_info_of_linked_frames(run, scan):
    with h5py.File(scan.root / "run_data_000001.h5", "w") as file:
        file.create_dataset("entry/data/data", data=scan.images, chunks=(1, 40, 50))
    with h5py.File(scan.root / "run_master.h5", "w") as file:
        file["entry/data/data_000001"] = h5py.ExternalLink("run_data_000001.h5", "/entry/data/data")
    done = run("info", scan.root / "run_master.h5")
    assert done.code == 0, done.err
    assert "frames           6" in done.out
    assert os.path.realpath(scan.root / "run_data_000001.h5") in done.out


def test_info_of_a_series_with_a_bad_start(run, scan):
    scan.files[0].write_bytes(b"")
    done = run("info", scan.folder)
    assert done.code == 0
    assert "unreadable" in done.out
    assert "40 x 50" in done.out


def test_info_of_a_geometry(run, scan, geometry):
    done = run("info", scan.poni)
    assert done.code == 0
    row, column = geometry.beam_center()
    for words in ("100 mm", f"row {row:.2f}, column {column:.2f}", "1 Å", "12.3984 keV", "1000 x 1000 µm"):
        assert words in done.out
    turned = scan.root / "turned.poni"
    turned.write_text(format_poni(replace(geometry, rot1=2.0, wavelength=None)))
    done = run("info", turned)
    assert done.code == 0, done.err
    assert "does not meet" in done.out
    assert "none: q and d need" in done.out


def test_a_geometry_is_known_by_what_it_says(run, scan):
    other = scan.root / "calibration.txt"
    other.write_text(scan.poni.read_text())
    assert "geometry (PONI)" in run("info", other).out


def test_info_of_a_geometry_with_parallax(run, scan, geometry):
    known = replace(geometry.detector, sensor=Sensor("Si", 450e-6))
    scan.poni.write_text(format_poni(replace(geometry, detector=known, parallax=True)), encoding="utf-8")
    assert "corrected for, in Si, 450 µm" in run("info", scan.poni).out
    scan.poni.write_text(format_poni(replace(geometry, parallax=True)), encoding="utf-8")
    told = run("info", scan.poni)
    assert told.code == 0
    assert "not known: the sensor of detector Detector is not known" in told.out
    told = run("integrate", scan.folder, "--poni", scan.poni, "-o", scan.out / "p.h5")
    assert told.code == 2
    assert "parallax: the sensor" in told.err
    told = run("integrate", scan.folder, "--poni", scan.poni, "--sensor", "Si,450um", "-o", scan.out / "p.h5")
    assert told.code == 0


def test_info_of_a_detector_file(run, scan):
    path = scan.root / "det.h5"
    save_detector(aureole.detector("Pixirad1", orientation=2), path)
    done = run("info", path)
    assert done.code == 0, done.err
    for words in (
        "Pixirad1, 476 x 512 pixels",
        "of 6 corners, no grid, on a plane",
        "orientation      2",
        "(corners)",
    ):
        assert words in done.out
    poni = scan.root / "bent.poni"
    poni.write_text(format_poni(aureole.Geometry(aureole.detector("Rapid"), 0.127, 0.1, 0.01)))
    done = run("info", poni)
    assert done.code == 0, done.err
    assert "not on a plane" in done.out
    assert "beam centre      row 1000.00, column 100.1" in done.out


def test_info_of_all_detectors(run):
    done = run("info", "--detectors")
    assert done.code == 0
    assert len(done.out.splitlines()) == len(model_names())
    assert "Pilatus2M            1679 x 1475    172 µm\n" in done.out
    for arguments in ([], ["--detectors", "a.h5"]):
        done = run("info", *arguments)
        assert done.code == 2
        assert "give the name of a file, or --detectors" in done.err


def test_info_of_all_devices(run, card):
    done = run("info", "--devices")
    assert done.code == 0
    first, second = done.out.splitlines()
    assert first == "0  Card (gpu, Tests), 1.0 GiB, double precision"
    assert "auto takes the first gpu" in second
    assert run("info", "--devices", "--detectors").code == 2


def test_info_of_devices_where_there_are_none(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyopencl", None)
    done = run("info", "--devices")
    assert done.code == 0
    assert "pip install 'aureole[opencl]'" in done.out
    assert done.out.endswith("--backend auto takes cpu: there is no gpu with double precision\n")


def test_info_of_a_result(run, scan, result):
    done = run("info", result("--polarization-factor", 0.9))
    assert done.code == 0
    for words in (
        "7: 6 done, 0 bad, 1 missing, 0 pending", "NXazint1d", "7 x 40", "40 bins of q_nm^-1",
        "poisson", "solid angle, polarization 0.9", f"aureole {aureole.__version__}", "7 files",
    ):  # fmt: skip
        assert words in done.out
    assert "gone.cbf: no such file" in done.out


def test_info_of_a_result_says_what_was_asked_for(run, scan, result):
    plain = run("info", result(name="plain.h5")).out
    for line in (
        "radial range     not given: all valid pixels",
        "azimuthal range  not given",
        "monitor          none",
    ):
        assert line in plain
    assert "masked           0.00 % of the pixels" in plain
    mask = np.zeros((40, 50), np.uint8)
    mask[:4] = 1
    np.save(scan.root / "mask.npy", mask)
    flat = np.ones((40, 50), np.float32)
    flat[:, 0] = 0.0
    np.save(scan.root / "flat.npy", flat)
    done = run("info", result(
        "--radial-range", 5, 19, "--azimuth-range", -30, 60, "--monitor", "Flux",
        "--mask", scan.root / "mask.npy", "--flat", scan.root / "flat.npy",
    ))  # fmt: skip
    assert done.code == 0, done.err
    for line in (
        "radial range     5 to 19 (q_nm^-1)", "azimuthal range  -30 to 60 (chi_deg)", "monitor          Flux",
        f"mask             gaps of the detector, {scan.root / 'mask.npy'}",
        # a tenth, and of the rest one column of fifty
        "masked           11.80 % of the pixels",
    ):  # fmt: skip
        assert line in done.out


DRAWN = ["data", "data/I", "data/I_errors", "data/radial_axis", "frame_status", "frame_message"]
READ = [
    "", "definition", "monitor", "reduction", "reduction/date", "reduction/sources", "reduction/input",
    "reduction/input/spec", "reduction/input/monitor", "reduction/input/arrays",
    "reduction/input/arrays/mask",
]  # fmt: skip


DAMAGES = {
    "gone": None,
    "number": 7,
    "text": "x",
    "texts": ["x", "y"],
    "nothing": h5py.Empty("f4"),
    "empty": np.zeros(0),
    "shape": np.zeros((3, 2, 5)),
    "negative": np.full((7, 40), -1),
    "NaN": np.full((7, 40), np.nan, np.float32),
    "bins": np.full(40, np.inf),
    "frames": np.full(7, 200, np.uint8),
    "group": {},
    "list": "[]",
    "null": "null",
}


@pytest.mark.parametrize("how", DAMAGES)
def test_damaged_results_are_told_in_one_line(run, scan, result, how):
    mask = scan.root / "mask.npy"
    np.save(mask, np.eye(40, 50, dtype=np.uint8))
    whole = result("--mask", mask, "--monitor", "Flux")
    content, told = whole.read_bytes(), 0
    for part in (f"entry/{name}".rstrip("/") for name in DRAWN + READ):
        whole.write_bytes(content)
        with h5py.File(whole, "r+") as file:
            del file[part]
            if how == "group":
                file.create_group(part)
            elif how != "gone":
                file[part] = DAMAGES[how]
        commands = [("info", whole)]
        if part.removeprefix("entry/") in DRAWN:
            commands.append(("plot", whole, "-o", scan.out / "x.png", "--overwrite"))
        for command in commands:
            done = run(*command)
            assert done.code in (0, 2), (part, done)
            assert "Traceback" not in done.err, part
            assert "defect" not in done.err, (part, done.err)
            assert len(done.err.splitlines()) == (1 if done.code else 0), (part, done.err)
            told += done.code == 2
    assert told >= 4


def test_a_spec_that_is_damaged_is_told_in_one_line(run, scan, result):
    path = result()
    with h5py.File(path) as file:
        spec = json.loads(file["entry/reduction/input/spec"].asstr()[()])
    geometry = spec["geometry"]
    for owner in (spec, geometry, geometry["detector"], spec["radial"]):
        for key, value in list(owner.items()):
            for other in (None, "x", 1e300, -1, [], [1], {}, {"a": 1}, True):
                owner[key] = other
                with h5py.File(path, "r+") as file:
                    del file["entry/reduction/input/spec"]
                    file["entry/reduction/input/spec"] = json.dumps(spec)
                done = run("info", path)
                assert done.code in (0, 2), (key, other, done)
                assert "Traceback" not in done.err, (key, other, done.err)
            owner[key] = value


def test_a_result_that_promises_too_much_is_not_read(scan, result, refused):
    path = result()
    with h5py.File(path, "r+") as file:
        for name in ("I", "I_errors"):
            del file["entry/data"][name]
            file["entry/data"].create_dataset(name, (2, 10**9), np.float32, chunks=(1, 1000))
    for command in (("info", path), ("plot", path, "-o", scan.out / "x.png")):
        assert "I has shape (2, 1000000000)" in refused(*command, leaves=["out.h5"])


def test_info_of_frames_that_the_library_decodes(run, scan):
    with h5py.File(scan.root / "gz.h5", "w") as file:
        file.create_dataset("data", data=scan.images, chunks=(1, 40, 50), compression="gzip")
    done = run("info", scan.root / "gz.h5")
    assert "compressed by gzip" in done.out
    assert "encoding         none when the kernel gets it: 0.01 MB a frame" in done.out


@pytest.mark.parametrize("what", ["nowhere.cbf", "text.cbf", "text.poni", "empty.h5", "other.h5"])
def test_info_of_what_it_does_not_know(scan, refused, what):
    path = scan.root / what
    if what.startswith("text"):
        path.write_text("just text\n")
    elif what == "empty.h5":
        path.write_bytes(b"")
    elif what == "other.h5":
        with h5py.File(path, "w") as file:
            file["x"] = 1
    assert what in refused("info", path)


def test_convert_copies_every_pixel(run, scan):
    target = scan.out / "stack.h5"
    done = run("convert", scan.folder, "-o", target, "--instrument", "ID99")
    assert done.code == 0, done.err
    assert "6 of 6 frames done" in done.out
    with h5py.File(target) as file:
        np.testing.assert_array_equal(file["entry/data/data"][()], scan.images)
        assert file["entry/instrument/name"].asstr()[()] == "ID99"


@pytest.mark.parametrize("threads", [1, 3])
def test_convert_goes_on_after_bad_frames(run, scan, refused, threads):
    scan.files[1].unlink()
    scan.files[2].write_bytes(b"")
    write_cbf(scan.files[4], np.ones((9, 9), np.int32), overwrite=True)
    frames, target = scan.folder / "scan_%04d.cbf", scan.out / "stack.h5"
    assert "scan_0001.cbf" in refused("convert", frames, "-o", target, "--strict")
    done = run("convert", frames, "-o", target, "--threads", threads)
    assert done.code == 1
    assert "3 of 6 frames done, 2 bad, 1 missing" in done.out
    assert "9 x 9 pixels of int32 instead of 40 x 50 pixels of int32" in done.err
    with h5py.File(target) as file:
        np.testing.assert_array_equal(file["entry/frame_status"][()], [0, 2, 1, 0, 1, 0])
        for index in (0, 3, 5):
            np.testing.assert_array_equal(file["entry/data/data"][index], scan.images[index])


def test_convert_undistorts(run, scan, geometry):
    """Hexagons: no count is lost, and the new geometry sees the ring where the old one did."""
    from aureole.geometry.surface import Hexagons

    known = replace(geometry.detector, surface=Hexagons())
    save_detector(known, scan.root / "hexagons.h5")
    text = format_poni(geometry).replace("Detector: Detector", "Detector: NexusDetector")
    lines = [line for line in text.splitlines() if not line.startswith("Detector_config")]
    config = json.dumps({"filename": str(scan.root / "hexagons.h5")})
    scan.poni.write_text("\n".join([*lines, f"Detector_config: {config}", ""]), encoding="utf-8")
    target = scan.out / "regular.h5"
    done = run("convert", scan.folder, "--undistort", scan.poni, "-o", target)
    assert done.code == 0, done.err
    with h5py.File(target) as file:
        made = file["entry/instrument/detector/data"][()]
        assert file["entry/conversion/note"].asstr()[()].startswith("counts of regular pixels")
    assert made.dtype == np.float32
    np.testing.assert_allclose(np.nansum(made, (1, 2)), scan.images.sum((1, 2)), rtol=1e-6)
    after = aureole.load(scan.out / "regular.poni")
    assert after.shape == made.shape[1:]
    there = replace(geometry, detector=known)
    for where, image in ((there, scan.images[0]), (after, made[0])):
        pattern = aureole.integrate1d(image, where, 40, radial_range=(8.0, 16.0), solid_angle=False)
        assert pattern.radial[np.nanargmax(pattern.intensity)] == pytest.approx(12.0, abs=0.3)
    told = run("convert", scan.folder, "--undistort", scan.poni, "-o", scan.out / "again.h5")
    assert told.code == 0
    told = run("convert", scan.folder, "--undistort", scan.poni, "-o", scan.out / "again.nxs")
    assert told.code == 2
    assert "again.poni" in told.err


def test_convert_refuses(run, scan, refused):
    assert "end in .h5" in refused("convert", scan.folder, "-o", scan.out / "x.tif")
    assert "no frames" in refused("convert", "-o", scan.out / "x.h5")
    listed = scan.root / "list.h5"
    listed.write_text("\n".join(map(str, scan.files)))
    assert "one of the inputs" in refused("convert", "--list", listed, "-o", listed, "--overwrite")
    (scan.out / "x.h5").write_text("precious")
    assert "exists" in refused("convert", scan.folder, "-o", scan.out / "x.h5", leaves=["x.h5"])
    for path in scan.files:
        path.write_bytes(b"")
    assert "none of 6 frames" in refused("convert", scan.folder, "-o", scan.out / "y.h5", leaves=["x.h5"])


def picture(path):
    """Return the colours of a picture, having made sure that there is something on it."""
    image = imread(path)
    assert min(image.shape[:2]) > 400
    assert image[..., :3].std() > 0.01
    return image


@pytest.mark.parametrize("kind", ["waterfall", "heat map", "one", "cake", "azimuth", "no errors", "one bin"])
@pytest.mark.parametrize("scale", ["auto", "log"])
def test_plots_of_results(run, scan, result, kind, scale):
    if kind == "heat map":
        for index in range(6, 40):
            os.link(scan.files[index % 6], scan.folder / f"scan_{index:04d}.cbf")
        scan.files[:] = sorted(scan.folder.iterdir())
    elif kind == "one":
        del scan.files[1:]
    options = {
        "cake": ["--npt-azim", 12],
        "azimuth": ["--unit", "chi_deg"],
        "one bin": ["--npt", 1],
    }
    model = "none" if kind == "no errors" else "poisson"
    path = result(*options.get(kind, []), error_model=model)
    target = scan.out / "out.png"
    done = run("plot", path, "-o", target, "--scale", scale)
    assert done.code == 0, done.err
    assert done.err == ""
    assert done.out == f"{target}\n"
    picture(target)


def test_a_plot_beside_oneself(run, scan, result, refused, monkeypatch):
    path = result()
    monkeypatch.chdir(scan.out)
    assert run("plot", path).code == 0
    picture(scan.out / "out.png")
    assert "exists" in refused("plot", path, leaves=["out.h5", "out.png"])
    assert run("plot", path, "--overwrite").code == 0
    assert run("plot", path, "-o", "out.svg").code == 0
    assert b"<svg" in (scan.out / "out.svg").read_bytes()


@pytest.mark.parametrize("scale", ["auto", "linear", "log"])
def test_plots_of_frames(run, scan, scale):
    done = run("plot", scan.files[0], "-o", scan.out / "plain.png", "--scale", scale)
    assert (done.code, done.err) == (0, "")
    picture(scan.out / "plain.png")
    mask = np.zeros((40, 50), np.uint8)
    mask[10:20] = 1
    np.save(scan.root / "mask.npy", mask)
    done = run(
        "plot", scan.folder, "--frame", 2, "--poni", scan.poni, "--calibrant", "LaB6",
        "--mask", scan.root / "mask.npy", "-o", scan.out / "rings.png", "--scale", scale,
    )  # fmt: skip
    assert done.code == 0, done.err
    picture(scan.out / "rings.png")


@pytest.mark.parametrize("calibrant", ["CeO2", "AgBh", "Al2O3"])
@pytest.mark.parametrize("energy", [1000, 9999])
def test_rings_beyond_number_are_left_out(run, scan, calibrant, energy):
    done = run(
        "plot", scan.files[0], "--poni", scan.poni, "--energy", energy, "--calibrant", calibrant,
        "-o", scan.out / "rings.png",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert f"rings of {calibrant} above" in done.err
    assert "too many to draw" in done.err


def test_a_plot_of_the_folder_one_is_in(run, scan, monkeypatch):
    monkeypatch.chdir(scan.folder)
    done = run("plot", ".", "--overwrite")
    assert (done.code, done.out) == (0, "frames.png\n"), done.err
    picture(scan.folder / "frames.png")


@pytest.mark.parametrize("name", [".", "..", "./", "/"])
def test_a_plot_of_a_folder_without_frames(refused, scan, monkeypatch, name):
    (scan.out / "inner").mkdir()
    monkeypatch.chdir(scan.out / "inner")
    refused("plot", name, leaves=["inner"])


@pytest.mark.parametrize("image", ["zeros", "nothing", "float", "few counts"])
def test_plots_of_odd_frames(run, scan, image):
    pixels = {
        "zeros": np.zeros((40, 50), np.int32),
        "nothing": np.full((40, 50), -1, np.int32),
        "float": np.full((40, 50), np.nan),
        "few counts": np.random.default_rng(0).poisson(0.01, (700, 800)).astype(np.uint32),
    }[image]
    pixels.reshape(-1)[5] = pixels.reshape(-1)[6]
    np.save(scan.root / "odd.npy", pixels)
    with h5py.File(scan.root / "odd.h5", "w") as file:
        file["data"] = pixels[None]
    done = run("plot", f"{scan.root / 'odd.h5'}::/data", "-o", scan.out / "odd.png")
    assert (done.code, done.err) == (0, "")
    picture(scan.out / "odd.png")


def test_plot_refuses(scan, result, refused):
    path = result()
    leaves = ["out.h5"]
    assert "picture" in refused("plot", path, "-o", scan.out / "x.jpeg2", leaves=leaves)
    for option in (("--poni", scan.poni), ("--frame", 0), ("--energy", 20)):
        told = refused("plot", path, "-o", scan.out / "x.png", *option, leaves=leaves)
        assert f"{option[0]} is for frames, and this is a result" in told
    frame = ("plot", scan.files[0], "-o", scan.out / "x.png")
    assert "--poni" in refused(*frame, "--calibrant", "CeO2", leaves=leaves)
    assert "did you mean" in refused(*frame, "--poni", scan.poni, "--calibrant", "CeO", leaves=leaves)
    assert "--frame 7" in refused(*frame, "--frame", 7, leaves=leaves)
    assert "nowhere" in refused("plot", "nowhere.h5", "-o", scan.out / "x.png", leaves=leaves)
    np.save(scan.root / "mask.npy", np.ones((3, 3)))
    assert "(3, 3)" in refused(*frame, "--mask", scan.root / "mask.npy", leaves=leaves)
    scan.files[0].write_bytes(b"")
    assert "empty" in refused(*frame, leaves=leaves)


def test_a_result_without_a_good_frame_has_nothing_to_show(run, scan, refused):
    for path in scan.files:
        path.write_bytes(b"")
    path = scan.out / "out.h5"
    assert run("integrate", scan.folder, "--poni", scan.poni, "-o", path).code == 1
    assert "nothing to show" in refused("plot", path, "-o", scan.out / "x.png", leaves=["out.h5"])


@pytest.mark.parametrize("distance", ["103852", "103853"])
def test_real_frames_that_are_flipped_are_told(run, data, tmp_path, distance):
    folder = data / "powder" / "ceo2_pilatus2m_cdte" / f"{distance}-pilatus2M-files"
    done = run(
        "plot", folder / "00001.cbf", "--poni", folder / f"calibration_{distance}.poni",
        "--calibrant", "CeO2", "-o", tmp_path / "rings.png",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "orientation 2 fits better than 3: the image is flipped up-down" in done.err


def test_real_frames_that_are_not_flipped(run, data, tmp_path):
    folder = data / "powder" / "ceo2_pilatus2m"
    done = run(
        "plot", folder / "CeO2.cbf", "--poni", folder / "CeO2.poni", "--mask", folder / "mask.edf",
        "--calibrant", "CeO2", "-o", tmp_path / "rings.png",
    )  # fmt: skip
    assert (done.code, done.err) == (0, "")
