"""aureole calibrate: from an image to a PONI file, or to one line that says why not."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

import aureole
from aureole.calibration import calibrant
from aureole.io import write_cbf

TRUE = aureole.Geometry(aureole.detector("Pilatus 100k"), 0.08, 0.017, 0.041, 0.01, 0.02).with_energy(30.0)


@pytest.fixture(scope="module")
def powder(tmp_path_factory):
    """Three images of ceria, one of them with a saturated corner, and a mask."""
    folder = tmp_path_factory.mktemp("powder")
    two_theta = TRUE.center_array("2th_rad")
    width = 1.1 * np.hypot(*np.gradient(two_theta))
    mean = np.full(two_theta.shape, 20.0)
    for ring in calibrant("CeO2").two_theta(TRUE.wavelength, float(two_theta.max())):
        mean += 300.0 * np.exp(-0.5 * np.square((two_theta - ring) / width))
    rng = np.random.default_rng(8)
    files = []
    for index in range(3):
        image = rng.poisson(mean).astype(np.int32)
        image[TRUE.detector.mask] = -1
        files.append(folder / f"CeO2_{index}.cbf")
        write_cbf(files[-1], image, "# Exposure_time 1 s\r\n")
    mask = np.zeros(two_theta.shape, np.uint8)
    mask[:20] = 1
    np.save(folder / "mask.npy", mask)
    write_cbf(folder / "blank.cbf", np.full(two_theta.shape, 4, np.int32), "# none\r\n")
    return SimpleNamespace(folder=folder, files=files)


KNOWN = ("--calibrant", "CeO2", "--detector", "Pilatus 100k", "--energy", 30)


def assert_true(path, rel=2e-4):
    geometry = aureole.load(path)
    assert geometry.dist == pytest.approx(TRUE.dist, rel=rel)
    assert geometry.beam_center() == pytest.approx(TRUE.beam_center(), abs=0.1)
    assert geometry.wavelength == pytest.approx(TRUE.wavelength)


def test_a_poni_file_a_picture_and_points(run, powder, tmp_path):
    out = tmp_path / "out.poni"
    result = run(
        "calibrate", powder.files[0], *KNOWN, "-o", out,
        "--plot", tmp_path / "out.png", "--points", tmp_path / "out.json",
    )  # fmt: skip
    assert result.code == 0, result.err
    assert_true(out)
    assert "poni_version: 2.1" in out.read_text()
    assert "rings of CeO2" in result.out
    assert "residuals of all points" in result.out
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
    stored = json.loads((tmp_path / "out.json").read_text())
    assert stored["calibrant"] == "CeO2"
    rows, columns = (np.array(stored["points"][name]) for name in ("row", "column"))
    at = TRUE.center_array("2th_deg")[(rows - 0.5).round().astype(int), (columns - 0.5).round().astype(int)]
    assert np.abs(at - stored["points"]["two_theta_deg"]).max() < 0.12
    assert run("calibrate", powder.files[0], *KNOWN, "-o", out).code == 2  # it is there
    assert run("calibrate", powder.files[0], *KNOWN, "-o", out, "--overwrite").code == 0


def test_several_images_a_mask_and_a_table(run, powder, tmp_path):
    out, table = tmp_path / "out.poni", tmp_path / "out.csv"
    mask = ("--mask", powder.folder / "mask.npy", "--saturation", 5000)
    assert run("calibrate", *powder.files, *KNOWN, *mask, "-o", out, "--points", table).code == 0
    assert_true(out)
    head, *rows = table.read_text().splitlines()
    assert head.startswith("ring,d_m,row,column")
    assert min(float(row.split(",")[2]) for row in rows) > 20.0


def test_where_to_begin_and_what_to_fix(run, powder, tmp_path):
    old, new = tmp_path / "old.poni", tmp_path / "new.poni"
    around = ("--dist", 0.1, "--center", "90,220")
    assert run("calibrate", powder.files[0], *KNOWN, *around, "-o", old).code == 0
    assert_true(old)
    held = run(
        "calibrate", powder.files[1], "--calibrant", "CeO2", "--poni", old, "--fix", "rot1,rot2", "-o", new
    )
    assert held.code == 0
    assert aureole.load(new).rot1 == aureole.load(old).rot1
    assert "(fixed)" in held.out
    assert_true(new)


def test_orientation(run, powder, tmp_path):
    out = tmp_path / "out.poni"
    assert run("calibrate", powder.files[0], *KNOWN, "--orientation", 2, "-o", out).code == 0
    assert '"orientation": 2' in out.read_text()
    assert aureole.load(out).beam_center() == pytest.approx(TRUE.beam_center(), abs=0.1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"--energy": 33}, "the rings fit 30"),
        ({"--calibrant": "LaB6"}, "does not fit LaB6"),
        ({"--calibrant": "CeO"}, "did you mean"),
        ({"--detector": "Pilatus 1M"}, "is not from detector Pilatus1M"),
        ({"--detector": None}, "which detector?"),
        ({"--energy": None}, "give --energy"),
        ({"--energy": "inf"}, "wanted is a number of keV"),
        ({"--energy": 30000}, "did you mean 30?"),
        ({"--energy": None, "--wavelength": 0.4133}, "did you mean 0.4133e-10?"),
        ({"--saturation": "nan"}, "--saturation nan"),
        ({"--detector": None, "--pixel": 0.172}, "did you mean 0.000172 (mm)"),
        ({"--detector": None, "--pixel": 172}, "0.000172 (µm)?"),
        ({"--fix": "dist,poni1,poni2,rot1,rot2"}, "leave one out"),
        ({"--fix": "tilt"}, "none of dist"),
        ({"--free": "rot3"}, "about the beam"),
        ({"--fix": "dist"}, "dist is fixed, but at what?"),
        ({"--free": "wavelength", "--fix": "wavelength"}, "cannot be both"),
        ({"--center": "here"}, "ROW,COLUMN"),
        ({"--points": "points.txt"}, ".json or .csv"),
        ({"image": "blank.cbf"}, "is blank"),
        ({"image": "none.cbf"}, "no such"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(run, powder, tmp_path, changes, words):
    options = {"--calibrant": "CeO2", "--detector": "Pilatus 100k", "--energy": 30, **changes}
    image = powder.folder / options.pop("image", powder.files[0].name)
    given = [text for name, value in options.items() if value is not None for text in (name, value)]
    result = run("calibrate", image, *given, "-o", tmp_path / "out.poni")
    assert result.code == 2
    assert result.out == ""
    assert len(result.err.splitlines()) == 1
    assert words in result.err
    assert list(tmp_path.iterdir()) == []
