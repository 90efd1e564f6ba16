"""aureole pdf: text and results in, .gr and HDF5 out, and what is refused in one line."""

import json

import h5py
import numpy as np
import pytest

from aureole.pdf import PDFSpec, PDFTransform

Q = np.linspace(0.8, 18.0, 600)


def pattern(q):
    return 50.0 + 3000.0 * np.exp(-q / 4.0) * (1.0 + 0.8 * np.sin(2.6 * q) * np.exp(-q / 9.0))


def write(path, *columns):
    np.savetxt(path, np.stack(columns, axis=1), fmt="%.9g")
    return path


@pytest.fixture
def text(scan):
    return write(scan.root / "ni.xye", Q, pattern(Q), np.sqrt(pattern(Q)))


def numbers(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("#L"))
    return lines[:start], lines[start], np.array([line.split() for line in lines[start + 1 :]], float).T


def test_one_pattern(run, scan, text):
    words = (
        "pdf",
        text,
        "--unit",
        "q_A^-1",
        "--composition",
        "Ni",
        "--qmax",
        16,
        "--rmax",
        9,
        "--save",
        "sq",
        "fq",
    )
    done = run(*words, "iq", "-o", scan.out / "ni.gr", "--plot", scan.out / "ni.png")
    assert done.code == 0, done.err
    assert done.err == ""
    assert "G(r) at 901 distances, of q from 0.8 to 16 1/Å" in done.out
    plan = PDFTransform(PDFSpec("Ni", qmax=16.0, rmax=9.0), Q)
    wanted, stages = plan(pattern(Q), pattern(Q)), plan.stages(pattern(Q), pattern(Q))
    header, label, (r, g, dr, dg) = numbers(scan.out / "ni.gr")
    assert label == "#L r(Å) G(1/Å^2) dr dG"
    np.testing.assert_allclose(r, wanted.r[1:], rtol=1e-8)
    np.testing.assert_allclose(g, wanted.g[1:], atol=1e-6)
    np.testing.assert_allclose(dg, wanted.sigma[1:], rtol=1e-5, atol=1e-8)
    assert np.all(dg > 0.0)
    assert not dr.any()
    for line in (
        "mode = xray",
        "composition = Ni",
        "qmin = 0.8",
        "qmax = 16",
        "qmaxinst = 18",
        "rpoly = 0.9",
        "#### start data",
    ):
        assert line in header
    for ending, values in (("iq", stages.i), ("sq", stages.s), ("fq", stages.f)):
        _, _, columns = numbers(scan.out / f"ni.{ending}")
        np.testing.assert_allclose(columns[1], values, atol=1e-6)
        assert len(columns) == 3
    assert (scan.out / "ni.png").stat().st_size > 10_000


def test_angles_and_a_background_on_other_points(run, scan):
    angles = np.degrees(2.0 * np.arcsin(Q * 0.2 / (4.0 * np.pi)))
    sample = write(scan.root / "ni.xy", angles, pattern(Q) + 40.0 + Q)
    background = write(
        scan.root / "air.dat", np.linspace(0.5, 19.0, 70), 20.0 + 0.5 * np.linspace(0.5, 19.0, 70)
    )
    words = ("pdf", sample, "--unit", "2th_deg", "--wavelength", 2e-11, "--composition", "Ni", "--rmax", 9)
    done = run(
        *words, "--background", background, "--background-unit", "q_A^-1", "--background-scale", 2,
        "-o", scan.out / "ni.gr",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "without errors" in done.out
    _, label, (_, g) = numbers(scan.out / "ni.gr")
    assert label == "#L r(Å) G(1/Å^2)"
    np.testing.assert_allclose(g, PDFTransform(PDFSpec("Ni", rmax=9.0), Q)(pattern(Q)).g[1:], atol=1e-4)


def test_physical_mode(run, scan, text):
    words = ("pdf", text, "--unit", "q_A^-1", "--composition", "Ni", "--mode", "physical", "--energy", 70)
    done = run(*words, "--fluorescence", "fit", "--density", 0.09, "-o", scan.out / "ni.gr")
    assert done.code == 0, done.err
    header, _, _ = numbers(scan.out / "ni.gr")
    assert "aureole_mode = physical" in header
    assert "wavelength = 0.177120283" in header
    assert any(line.startswith("fluorescence_level = ") for line in header)


def test_what_is_odd_is_told(run, scan, text):
    air = write(scan.root / "air.xy", Q, np.full_like(Q, 90.0))
    words = ("pdf", text, "--unit", "q_A^-1", "--composition", "Ni", "-o", scan.out / "ni.gr")
    done = run(*words, "--background", air, "--rpoly", 2.5)
    assert done.code == 0
    assert "note: rpoly 2.5: bonds that are shorter are taken away" in done.err
    assert "points are negative without their background, the first at q = 17." in done.err


@pytest.fixture
def series(run, scan):
    """Patterns of six frames, the fourth without a value, the fifth air."""
    path = scan.root / "patterns.h5"
    words = ("integrate", scan.folder, "--poni", scan.poni, "--wavelength", 1e-11, "--error-model", "poisson")
    assert run(*words, "--unit", "q_nm^-1", "--npt", 300, "-o", path).code == 0
    with h5py.File(path, "r+") as file:
        data = file["entry/data"]
        q = 0.1 * data["radial_axis"][()]
        rows = pattern(q) * np.arange(1.0, 7.0)[:, None]
        rows[3, 100] = np.nan
        rows[4] = np.random.default_rng(1).normal(0.0, 30.0, len(q))
        data["I"][...] = rows
        data["I_errors"][...] = np.sqrt(np.abs(rows) + 900.0)
    return path


def test_patterns_of_a_series(run, scan, series):
    out = scan.out / "pdf.h5"
    words = ("pdf", series, "--composition", "Ni", "--qmin", 1, "--rmax", 9)
    done = run(*words, "-o", out, "--plot", scan.out / "pdf.png")
    assert done.code == 0, done.err
    assert "G(r) at 4 of 6 places, 901 distances" in done.out
    assert "1 of 6 patterns lack values between qmin and qmaxinst" in done.err
    assert "1 of 6 patterns are too faint" in done.err
    with h5py.File(out) as file, h5py.File(series) as source:
        q = 0.1 * source["entry/data/radial_axis"][()]
        plan = PDFTransform(PDFSpec("Ni", qmin=1.0, rmax=9.0), q)
        rows = source["entry/data/I"][()].astype(float)
        wanted = plan(rows, np.square(source["entry/data/I_errors"][()].astype(float)))
        data = file["entry/data"]
        assert data.attrs["signal"] == "G"
        assert list(data.attrs["axes"]) == ["frame", "r"]
        np.testing.assert_allclose(data["G"][()], wanted.g, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(data["G_errors"][()], wanted.sigma, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(file["entry/scale/scale"][()], wanted.scale, rtol=1e-5)
        assert PDFSpec.from_json(file["entry/pdf/parameters/spec"][()].decode()).wavelength == 1e-11
    told = run("info", out)
    assert "pair distribution functions" in told.out
    assert "6 (frame), 4 of them with a G(r)" in told.out
    assert run("plot", out, "-o", scan.out / "again.png").code == 0


def test_nothing_is_left_where_no_pattern_can_be_used(refused, scan, series):
    words = ("pdf", series, "--composition", "Ni", "--qmin", 1, "-o", scan.out / "pdf.h5")
    with h5py.File(series, "r+") as file:
        file["entry/data/I"][...] *= -1.0
    assert "no scale can be found for any pattern" in refused(*words)
    with h5py.File(series, "r+") as file:
        file["entry/data/I"][:, 120] = np.nan
    assert "all patterns lack values between qmin and qmaxinst" in refused(*words)
    with h5py.File(series, "r+") as file:
        file["entry/data/I"][...] = np.nan
    assert "not one of its patterns has a value" in refused(*words)


@pytest.mark.parametrize("block", [1, 30_000, 64 << 20])
def test_a_tomogram(run, scan, monkeypatch, block):
    """The volume (z, y, x, q) becomes (z, y, x, r), whatever the size of the blocks."""
    monkeypatch.setattr("aureole.pdf.volume._BLOCK_BYTES", block)
    volume = scan.root / "t.h5"
    words = (
        "xrdct",
        scan.folder,
        "--poni",
        scan.poni,
        "--wavelength",
        1e-11,
        "--shape",
        "2,3",
        "--center",
        1,
    )
    assert run(*words, "--unit", "q_nm^-1", "--npt", 300, "-o", volume).code == 0
    with h5py.File(volume, "r+") as file:
        data = file["entry/data"]
        q = 0.1 * data[data.attrs["axes"][-1]][()]
        amounts = np.arange(1.0, 10.0).reshape(1, 3, 3, 1)
        data["I"][...] = amounts * pattern(q)
        if "I_errors" in data:
            del data["I_errors"]
    out = scan.out / "pdfct.h5"
    done = run("pdf", volume, "--composition", "Ni", "--rmax", 9, "-o", out)
    assert done.code == 0, done.err
    with h5py.File(out) as file:
        g = file["entry/data/G"][()]
        assert list(file["entry/data"].attrs["axes"]) == ["z", "y", "x", "r"]
        assert "G_errors" not in file["entry/data"]
        wanted = PDFTransform(PDFSpec("Ni", rmax=9.0), q)(pattern(q))
        np.testing.assert_allclose(g, np.broadcast_to(wanted.g, g.shape), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(file["entry/scale/scale"][()], wanted.scale / amounts[..., 0], rtol=1e-5)
        assert "spec" in file["entry/pdf/parameters"]
        json.loads(file["entry/pdf/parameters/spec"][()])
    told = run("info", out)
    assert "1 x 3 x 3 (z, y, x)" in told.out
    assert run("export", volume, "--voxel", "1,2", "-o", scan.out / "voxel.xy").code == 0
    words = ("pdf", scan.out / "voxel.xy", "--composition", "Ni", "--rmax", 9, "-o", scan.out / "voxel.gr")
    assert run(*words).code == 0
    _, _, (_, alone) = numbers(scan.out / "voxel.gr")
    np.testing.assert_allclose(alone, g[0, 1, 2, 1:], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--composition", "Xx"), "unknown element 'Xx'"),
        (("--composition", ""), "no atoms"),
        (("--qmax", 30), "qmax is 30, and the data end at 18 1/Å"),
        (("--rmin", 9, "--rmax", 3), "rmin must be below rmax"),
        (("--rpoly", -1), "rpoly is -1"),
        (("--unit", "2th_deg"), "give --wavelength or --energy"),
        (("--mode", "physical"), "needs the wavelength"),
        (("--energy", 70000), "is in keV"),
        (("--wavelength", 0.2), "is in metres"),
        (("--mode", "physical", "--energy", 70, "--fluorescence", "much"), "wanted is fit, or a number"),
        (("--background", "nowhere.xy"), "nowhere.xy"),
        (("--background-scale", "nan"), "must be finite"),
        (("--plot", "picture.txt"), "a picture ends in"),
    ],
)
def test_one_line_for_what_cannot_be(refused, scan, text, more, said):
    words = ("pdf", text, "--unit", "q_A^-1", "--composition", "Ni", "-o", scan.out / "ni.gr")
    assert said in refused(*words, *more)


def test_one_line_for_patterns_that_cannot_be(refused, scan, text, series):
    words = ("--composition", "Ni", "-o", scan.out / "ni.gr")
    assert "does not say what its positions are; give --unit" in refused("pdf", text, *words)
    assert "has 6 patterns, where one is needed" in refused("pdf", series, *words)
    holed = write(scan.root / "holed.xy", Q, np.where(np.abs(Q - 9) < 0.1, np.nan, pattern(Q)))
    unit = ("--unit", "q_A^-1")
    assert "7 points between qmin and qmaxinst have no value" in refused("pdf", holed, *unit, *words)
    short = write(scan.root / "short.xy", Q[Q < 9], pattern(Q[Q < 9]))
    assert "background has no value at q = 9" in refused("pdf", text, *unit, "--background", short, *words)
    much = write(scan.root / "much.xy", Q, 3.0 * pattern(Q))
    assert "no scale can be found" in refused("pdf", text, *unit, "--background", much, *words)
    assert "let" not in refused("pdf", text, *unit, "--composition", "Ni", "-o", scan.out / "ni.h5")
    assert ".gr" in refused("pdf", text, *unit, "--composition", "Ni", "-o", scan.out / "ni.txt")
    assert "single pattern" in refused(
        "pdf", series, "--save", "fq", "--composition", "Ni", "-o", scan.out / "n.h5"
    )
    assert "one of the inputs" in refused("pdf", text, *unit, "--composition", "Ni", "-o", text)
