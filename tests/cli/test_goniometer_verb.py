"""aureole goniometer: images of a moving detector to its file, and with that to one pattern."""

import json
from types import SimpleNamespace

import h5py
import matplotlib.pyplot as plt
import numpy as np
import pytest

import aureole
from aureole.azimuthal import MultiSpec
from aureole.calibration import Formulas, Goniometer, calibrant
from aureole.calibration.scattering import ring_angles
from aureole.geometry import format_poni
from aureole.io import write_cbf

WAVELENGTH = 1e-10
DETECTOR = aureole.detector("Pilatus100k")
POSITIONS = np.array([23.6, 26.0, 28.4, 30.8, 39.6, 44.4, 49.2, 51.6])
RULE = Formulas(
    {"dist": "dist", "poni1": "poni1", "poni2": "poni2", "rot1": "rot1", "rot2": "-pi/180*(pos+offset)"}
)
TRUTH = Goniometer(
    DETECTOR, RULE, {"dist": 0.5, "poni1": 0.017, "poni2": 0.042, "rot1": 0.01, "offset": 0.3}, WAVELENGTH
)


def powder_image(geometry, seed):
    two_theta = geometry.center_array("2th_rad")
    rings, _ = ring_angles(calibrant("LaB6").d_spacings(WAVELENGTH / 1.9), WAVELENGTH)
    expected = np.full(two_theta.shape, 20.0)
    for ring in rings:
        expected += 400.0 * np.exp(-0.5 * np.square((two_theta - ring) / 4.4e-4))
    return np.random.default_rng(seed).poisson(expected * geometry.solid_angle()).astype(np.int32)


@pytest.fixture(scope="module")
def images():
    return [powder_image(geometry, seed) for seed, geometry in enumerate(TRUTH.geometries(POSITIONS))]


@pytest.fixture
def moved(scan, images):
    """Images with positions in their headers and in a table, a PONI file and a goniometer file."""
    files = []
    lines = ["image,arm"]
    for index, (image, position) in enumerate(zip(images, POSITIONS, strict=True)):
        files.append(scan.folder / f"arm_{index:03d}.cbf")
        write_cbf(files[-1], image, f"# Detector_2theta {position:.4f} deg.\r\n# Flux {index + 1} counts\r\n")
        lines.append(f"{index},{position:.4f}")
    table, poni, gonio = scan.root / "arm.csv", scan.root / "arm.poni", scan.root / "arm.json"
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    poni.write_text(format_poni(TRUTH.geometry(-0.3)), encoding="utf-8")
    TRUTH.save(gonio)
    return SimpleNamespace(files=files, table=f"{table}:arm", poni=poni, gonio=gonio)


def test_calibrate(run, scan, moved):
    out = scan.out / "gonio.json"
    words = ("goniometer", "calibrate", *moved.files, "--calibrant", "LaB6", "--poni", moved.poni)
    done = run(
        *words,
        "--positions",
        "tth=Detector_2theta",
        "--model",
        "rot2=-pi/180*(tth+offset)",
        "--start",
        "offset=0.1",
        "--fix",
        "poni1",
        "--bounds",
        "dist=0.4:",
        "-o",
        out,
        "--points",
        scan.out / "points.csv",
        "--plot",
        scan.out / "arm.png",
    )
    assert done.code == 0, done.err
    found = Goniometer.load(out)
    assert found.motors == ("tth",)
    assert found.values["dist"] == pytest.approx(0.5, abs=1e-4)
    assert found.values["offset"] == pytest.approx(0.3, abs=2e-3)
    assert found.values["poni1"] == 0.017
    assert "8 of 8 images with rings of LaB6" in done.out
    table = np.genfromtxt(scan.out / "points.csv", delimiter=",", names=True)
    assert set(table["image"]) == set(range(8))
    np.testing.assert_allclose(table["motor_tth"], POSITIONS[table["image"].astype(int)])
    assert np.sqrt(np.mean(np.square(table["residual_deg"]))) < 0.1 * np.degrees(172e-6 / 0.5)
    assert len(plt.imread(scan.out / "arm.png")) > 800
    assert "poni1        0.017 (fixed)" in done.out
    again = run(
        *("goniometer", "calibrate", *moved.files, "--calibrant", "LaB6", "--positions", moved.table),
        *(
            "--model",
            out,
            "--start",
            "offset=0.28",
            "--fix",
            "poni1,rot1,poni2",
            "-o",
            scan.out / "more.json",
        ),
    )
    assert again.code == 0, again.err
    assert Goniometer.load(scan.out / "more.json").values["offset"] == pytest.approx(0.3, abs=2e-3)


def test_integrate_to_text(run, scan, moved, images):
    out = scan.out / "pattern.xye"
    done = run(
        *("goniometer", "integrate", *moved.files, "--goniometer", moved.gonio),
        *("--positions", "Detector_2theta", "--unit", "2th_deg", "--npt", 800, "-o", out),
    )
    assert done.code == 0, done.err
    assert "8 of 8 frames done" in done.out
    spec = aureole.IntegrationSpec(
        TRUTH.geometry(23.6), radial=aureole.Axis("2th_deg", 800), error_model="poisson"
    )
    wanted = MultiSpec.of(spec, TRUTH.geometries(POSITIONS)).accumulate(images)
    columns = np.loadtxt(out).T
    np.testing.assert_allclose(columns[0], wanted.radial, rtol=1e-7)
    np.testing.assert_allclose(columns[1], wanted.intensity, rtol=1e-7)
    np.testing.assert_allclose(columns[2], wanted.sigma, rtol=1e-7)
    assert "Goniometer calibration v2" in out.read_text(encoding="utf-8")


def test_integrate_to_nexus(run, scan, moved):
    out = scan.out / "cake.h5"
    done = run(
        *("goniometer", "integrate", *moved.files, "--goniometer", moved.gonio, "--positions", moved.table),
        *("--npt", 300, "--npt-azim", 40, "--monitor", "Flux", "--energy", 12.4, "-o", out),
    )
    assert done.code == 0, done.err
    with h5py.File(out) as file:
        assert file["entry/data/I"].shape == (1, 40, 300)
        given = file["entry/reduction/input"]
        assert Goniometer.from_json(given["goniometer"].asstr()[()]) == TRUTH
        positions = json.loads(given["motor_positions"].asstr()[()])
        assert positions == {"pos": POSITIONS.tolist()}
    told = run("info", out).out
    assert "8 files" in told
    assert "positions        8 of the detector\n" in told
    assert "motor pos        from 23.6 to 51.6\n" in told
    assert "rot2             from -51.9 to -23.9°\n" in told
    assert "distance         500 mm\n" in told
    assert "beam centre" not in told


def test_info_tells_which_positions_were_left_out(run, scan, moved):
    moved.files[3].write_bytes(moved.files[3].read_bytes()[:3000])
    out = scan.out / "pattern.h5"
    words = ("goniometer", "integrate", *moved.files, "--goniometer", moved.gonio, "--positions", moved.table)
    assert run(*words, "-o", out).code == 1
    told = run("info", out).out
    assert "8 of the detector, 1 left out\n" in told
    assert "frame 3          left out: " in told


def test_a_bad_frame_is_left_out(run, scan, moved):
    moved.files[3].write_bytes(moved.files[3].read_bytes()[:3000])
    words = ("goniometer", "integrate", *moved.files, "--goniometer", moved.gonio, "--positions", moved.table)
    done = run(*words, "-o", scan.out / "pattern.xy")
    assert done.code == 1
    assert "arm_003.cbf" in done.err
    assert "7 of 8 frames done" in done.out
    strict = run(*words, "--strict", "-o", scan.out / "strict.xy")
    assert strict.code == 2
    assert not (scan.out / "strict.xy").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--positions", "Theta"), "'Theta' is neither"),
        (("--positions", "TABLE:2", "--positions", "TABLE:1"), "want a name each"),
        (("--positions", "SHORT:arm"), "has 2 values for 8 frames"),
        (("--positions", "GAP:arm"), "no position of pos for image 2"),
        (("--positions", "TABLE:arm", "--model", "rot2=scale*pos"), "scale: where to begin?"),
        (("--positions", "TABLE:arm", "--model", "rot2=__import__('os')"), "rot2 = "),
        (("--positions", "TABLE:arm", "--model", "tilt=pos"), "nothing called 'tilt'"),
        (("--positions", "TABLE:arm", "--model", "rot2"), "no such file"),
        (
            ("--positions", "TABLE:arm", "--model", "rot2=arcsin(pos)", "--start", "rot1=0"),
            "no finite value at pos",
        ),
        (("--positions", "TABLE:arm", "--start", "offset=x"), "'x' is no finite number"),
        (("--positions", "TABLE:arm", "--bounds", "offset=1"), "NAME=LOW:HIGH"),
        (("--positions", "TABLE:arm", "--fix", "tilt"), "'tilt' is none of"),
        (("--positions", "TABLE:arm", "--plot", "arm.bmp"), "arm.bmp"),
        (("--positions", "TABLE:arm", "--points", "points.txt"), "points are written as .json or .csv"),
    ],
)
def test_what_cannot_be_calibrated(refused, scan, moved, options, message):
    names = {"TABLE": scan.root / "arm.csv", "SHORT": scan.root / "s.csv", "GAP": scan.root / "g.csv"}
    names["SHORT"].write_text("arm\n1\n2\n", encoding="utf-8")
    names["GAP"].write_text("arm\n1\n2\n-\n" + "4\n" * 5, encoding="utf-8")
    filled = []
    for option in options:
        name, colon, rest = option.partition(":")
        filled.append(f"{names[name]}:{rest}" if name in names and colon else option)
    words = ["--model", "rot2=-pi/180*(pos+offset)"] if "--model" not in options else []
    words += ["--start", "offset=0.3"] if "--start" not in options else []
    line = refused(
        *("goniometer", "calibrate", *moved.files, "--calibrant", "LaB6", "--poni", moved.poni),
        *(*words, *filled, "-o", scan.out / "gonio.json"),
    )
    assert message in line


def test_what_cannot_be_integrated(refused, run, scan, moved):
    words = ("goniometer", "integrate", *moved.files, "--positions", moved.table)
    line = refused(*words, "--goniometer", moved.poni, "-o", scan.out / "a.xy")
    assert "is no JSON text" in line
    line = refused(*words, "--goniometer", moved.gonio, "--npt-azim", 9, "-o", scan.out / "a.xy")
    assert "text holds patterns only" in line
    line = refused(*words, "--goniometer", moved.gonio, "--error-model", "none", "-o", scan.out / "a.xye")
    assert "no error model" in line
    line = refused(*words, "--goniometer", moved.gonio, "-o", scan.root / "arm.csv")
    assert "arm.csv" in line
    assert run("goniometer").code == 2
