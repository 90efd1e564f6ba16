"""aureole info, plot and export of maps and tomograms."""

from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

import h5py
import numpy as np
import pytest
from matplotlib.image import imread

from aureole.cli import main
from aureole.cli.draw_images import image_panels
from aureole.cli.positions import converted
from aureole.io import read_text
from aureole.io.scan_results import read_scan_result

BINS = ("--npt", 200, "--radial-range", 10, 60)
WAVELENGTH = 0.1746256e-10


def do(*argv, code=0):
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()) as told:
        assert main([str(argument) for argument in argv]) == code, told.getvalue()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Tomograms t.h5, of two layers with a missing frame, and one.h5; maps m.h5, line.h5 and points.h5."""
    folder = tmp_path_factory.mktemp("made")
    small = ("--detector", "Pilatus 100k")
    do("simulate", "xrdct", "-o", folder / "s", "--translations", 12, "--angles", 8, "--layers", 2, *small)
    do("simulate", "map", "-o", folder / "g", "--shape", "4,6", *small)
    (folder / "s/frames/scan_00005.cbf").unlink()
    frames = folder / "s/frames/scan_%05d.cbf"
    images = ("--roi", "Ni=29.5,32", "--peak", "LaB6=14,16.5", *BINS, "--monitor", "Flux")
    poni = ("--poni", folder / "s/scan.poni")
    tomogram = (frames, *poni, "--shape", "2,8,12", "--transmission", "Transmission", "--step", 0.05, *images)
    do("xrdct", *tomogram, "-o", folder / "t.h5", code=1)
    one = [f"{folder}/s/frames/scan_{index:05d}.cbf" for index in range(96, 192)]
    do("xrdct", *one, *poni, "--shape", "8,12", "-o", folder / "one.h5", "--method", "sirt", *images)
    grid = (folder / "g/frames", "--poni", folder / "g/scan.poni", *images)
    do("map", *grid, "--shape", "4,6", "--step", 0.05, "-o", folder / "m.h5")
    do("map", *grid, "--shape", "24", "-o", folder / "line.h5")
    table = folder / "g/scan.csv"
    do("map", *grid, "--scattered", "--x", f"{table}:x", "--y", f"{table}:y", "-o", folder / "points.h5")
    do("map", *grid[:3], "--shape", "4,6", "-o", folder / "bare.h5", *BINS, "--error-model", "none")
    do("integrate", *grid[:3], "-o", folder / "patterns.h5", *BINS)
    return folder


def data_of(path, name="data"):
    with h5py.File(path) as file:
        data = file["entry"][name]
        return data["I"][()], data["I_errors"][()] if "I_errors" in data else None, data["q"][()]


def picture(path):
    """Return the colours of a picture, having made sure that there is something on it."""
    image = imread(path)
    assert min(image.shape[:2]) > 400
    assert image[..., :3].std() > 0.01
    return image


def test_fractions_of_next_to_nothing_are_not_shown(run, scan):
    """Beside the sample they are noise, whatever their errors are."""
    frames, pure = scan.folder, scan.root / "A.xy"
    assert run("integrate", scan.files[0], "--poni", scan.poni, "-o", pure, "--npt", 30).code == 0
    path = scan.root / "p.h5"
    options = ("--shape", "2,3", "--npt", 30, "--phase", f"A={pure}", "--error-model", "poisson", "-o", path)
    assert run("map", frames, "--poni", scan.poni, *options).code == 0
    with h5py.File(path, "r+") as file:
        phases = file["entry/phases"]
        phases["A_weight"][()] = [[1.0, 0.5, 0.2], [0.09, 0.001, -0.01]]
        phases["A_fraction"][()] = 1.0
        phases["A_fraction_errors"][()] = [[0.01, 0.2, 0.01], [0.01, 0.01, 0.01]]
    with read_scan_result(path) as found:
        (panel,) = image_panels(found, None, telling=True)
    assert np.isfinite(panel.values).tolist() == [[True, False, True], [False, False, False]]


@pytest.mark.parametrize("what", ["overview", "sinogram", "slice", "voxel", "maps"])
@pytest.mark.parametrize("name", ["t", "one", "m", "line", "points"])
def test_plots(run, scan, made, name, what):
    target = scan.out / "x.png"
    done = run("plot", made / f"{name}.h5", "-o", target, "--what", what)
    if what == "sinogram" and name not in ("t", "one"):
        assert (done.code, len(done.err.splitlines())) == (2, 1)
        assert "a map has no sinogram" in done.err
        return
    assert (done.code, done.err, done.out) == (0, "", f"{target}\n")
    picture(target)


@pytest.mark.parametrize(
    "options",
    [
        ("--layer", 0, "--q", "30,31.5", "--scale", "log"),
        ("--voxel", "0,5,6"),
        ("--voxel", "5,6", "--scale", "linear"),
        ("--what", "slice", "--layer", 1, "--scale", "log"),
        ("--what", "sinogram", "--q", "30,31.5"),
    ],
)
def test_plots_of_parts(run, scan, made, options):
    done = run("plot", made / "t.h5", "-o", scan.out / "x.png", *options)
    assert (done.code, done.err) == (0, "")
    picture(scan.out / "x.png")


def test_a_range_and_a_layer_change_the_picture(run, scan, made):
    pictures = []
    for options in ((), ("--q", "30,31.5"), ("--layer", 0)):
        target = scan.out / f"{len(pictures)}.png"
        assert run("plot", made / "t.h5", "--what", "slice", "-o", target, *options).code == 0
        pictures.append(imread(target))
    assert not np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[0], pictures[2])


def test_what_has_no_value_is_grey(run, scan, made):
    """The corners of a slice lie outside the reconstruction."""
    assert run("plot", made / "t.h5", "--what", "slice", "-o", scan.out / "x.png").code == 0
    grey = np.array([0x9A, 0xA5, 0xB1]) / 255
    near = np.abs(imread(scan.out / "x.png")[..., :3] - grey).max(-1) < 0.01
    assert 0.05 < near.mean() < 0.4


def test_plots_are_drawings_too(run, scan, made):
    for ending, start in (("svg", b"<?xml"), ("pdf", b"%PDF")):
        assert run("plot", made / "m.h5", "-o", scan.out / f"x.{ending}").code == 0
        assert (scan.out / f"x.{ending}").read_bytes().startswith(start)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("t", ("--layer", 2), "has 2 layers"),
        ("t", ("--layer", 1, "--voxel", "0,3,3"), "not in --layer 1"),
        ("t", ("--voxel", "0,3,99"), "2 x 12 x 12 places"),
        ("t", ("--voxel", "3"), "wanted is Z,Y,X"),
        ("t", ("--voxel", "a,b"), "wanted is Z,Y,X"),
        ("t", ("--voxel", "0,0"), "has no values"),
        ("t", ("--q", "3"), "two rising numbers"),
        ("t", ("--q", "4,3"), "two rising numbers"),
        ("t", ("--q", "1e5,1e6"), "no bin is there"),
        ("t", ("--calibrant", "CeO2"), "--calibrant is for frames"),
        ("t", ("--frame", 3), "--frame is for frames, and this is a result"),
        ("m", ("--layer", 0), "a map has no layer"),
        ("m", ("--voxel", "0,3,3"), "wanted is Y,X"),
        ("bare", ("--what", "maps"), "holds no images"),
        ("patterns", ("--what", "slice"), "--what is for maps and tomograms"),
        ("patterns", ("--q", "1,2"), "--q is for maps and tomograms"),
    ],
)
def test_plot_refuses(made, scan, refused, name, options, words):
    assert words in refused("plot", made / f"{name}.h5", "-o", scan.out / "x.png", *options)


def test_info_of_a_tomogram(run, made):
    done = run("info", made / "t.h5")
    assert (done.code, done.err) == (0, "")
    for words in (
        "tomogram of patterns", "192: 191 done, 0 bad, 1 missing", "2 x 12 x 12 (z, y, x), 200 bins",
        "0 to 0.55 mm, 12 places", "0 to 157.5 deg, 8 places", "fbp, window shepp-logan",
        "transmission Transmission", "layer 1: ", "of 8 angles used", "image Ni", "total: ", "position: ",
        "places without", "poisson", "Flux", "frame 5", "no such file",
    ):  # fmt: skip
        assert words in done.out, words


def test_info_of_maps(run, made):
    told = run("info", made / "m.h5").out
    assert "map of patterns" in told
    assert "4 x 6 (y, x)" in told
    assert "rotation center" not in told
    assert "scattered" in run("info", made / "points.h5").out
    assert "sirt" in run("info", made / "one.h5").out
    assert "result of 'aureole integrate'" in run("info", made / "patterns.h5").out


@pytest.mark.parametrize("verb", ["integrate", "convert"])
def test_patterns_are_not_taken_for_frames(made, scan, refused, verb):
    poni = ("--poni", scan.poni) if verb == "integrate" else ()
    told = refused(verb, made / "t.h5", *poni, "-o", scan.out / "x.h5")
    assert "holds patterns, not frames" in told


@pytest.mark.parametrize("ending", ["xy", "xye", "dat", "chi"])
def test_a_voxel_is_exported_as_it_is(run, scan, made, ending):
    intensity, sigma, q = data_of(made / "t.h5")
    place = 1, 5, 6
    valid = np.isfinite(intensity[place]) & np.isfinite(sigma[place])
    target = scan.out / f"voxel.{ending}"
    done = run("export", made / "t.h5", "--voxel", "1,5,6", "-o", target)
    assert (done.code, done.err, done.out) == (0, "", f"{target}\n")
    pattern = read_text(target)
    np.testing.assert_allclose(pattern.radial, q[valid], rtol=1e-8)
    np.testing.assert_allclose(pattern.intensity, intensity[place][valid], rtol=1e-8)
    np.testing.assert_allclose(pattern.sigma, sigma[place][valid], rtol=1e-8)
    assert pattern.unit == "q_nm^-1"
    assert any("voxel 1,5,6 of t.h5" in line for line in pattern.header)


def test_a_voxel_without_errors_has_two_columns(run, scan, made):
    assert run("export", made / "one.h5", "--voxel", "5,6", "-o", scan.out / "x.xy").code == 0
    assert read_text(scan.out / "x.xy").sigma is None


def test_positions_in_two_theta(run, scan, made):
    for unit in ("q_nm^-1", "2th_deg", "2th_rad", "q_A^-1"):
        assert (
            run(
                "export", made / "t.h5", "--voxel", "0,5,6", "--unit", unit, "-o", scan.out / f"{unit}.xy"
            ).code
            == 0
        )
    q, degrees, radians, angstrom = (
        read_text(scan.out / f"{unit}.xy") for unit in ("q_nm^-1", "2th_deg", "2th_rad", "q_A^-1")
    )
    expected = np.degrees(2.0 * np.arcsin(q.radial * 1e9 * WAVELENGTH / (4.0 * np.pi)))
    np.testing.assert_allclose(degrees.radial, expected, rtol=1e-6)
    np.testing.assert_allclose(np.degrees(radians.radial), degrees.radial, rtol=1e-7)
    np.testing.assert_allclose(10.0 * angstrom.radial, q.radial, rtol=1e-7)
    for pattern in (degrees, radians, angstrom):
        np.testing.assert_array_equal(pattern.intensity, q.intensity)
        np.testing.assert_array_equal(pattern.sigma, q.sigma)


def test_units_go_there_and_back():
    angles = np.linspace(0.1, 170.0, 50)
    q = converted(angles, "2th_deg", "q_nm^-1", 1e-10)
    np.testing.assert_allclose(converted(q, "q_nm^-1", "2th_deg", 1e-10), angles, rtol=1e-12)


def test_the_mean_of_a_region(run, scan, made):
    intensity, sigma, _ = data_of(made / "t.h5")
    assert run("export", made / "t.h5", "--region", "0:1,4:7,5:7", "-o", scan.out / "x.xy").code == 0
    pattern = read_text(scan.out / "x.xy")
    part = intensity[0, 4:7, 5:7].astype(np.float64).reshape(6, -1)
    valid = np.isfinite(part).all(0)
    np.testing.assert_allclose(pattern.intensity, part.mean(0)[valid], rtol=1e-7)
    np.testing.assert_allclose(pattern.sigma, sigma[0, 4:7, 5:7].reshape(6, -1).mean(0)[valid], rtol=1e-6)
    assert any("upper bound" in line for line in pattern.header)
    assert any("mean of 6 voxels" in line for line in pattern.header)


def test_points_of_a_map_are_independent(run, scan, made):
    _, sigma, _ = data_of(made / "m.h5")
    assert run("export", made / "m.h5", "--region", "1:3,2:4", "-o", scan.out / "x.xy").code == 0
    pattern = read_text(scan.out / "x.xy")
    errors = sigma[1:3, 2:4].reshape(4, -1).astype(np.float64)
    errors = errors[:, np.isfinite(errors).all(0)]
    np.testing.assert_allclose(pattern.sigma, np.sqrt(np.square(errors).sum(0)) / 4, rtol=1e-6)
    assert any("independent" in line for line in pattern.header)


def test_a_region_from_an_image(run, scan, made):
    intensity, _, _ = data_of(made / "t.h5")
    with h5py.File(made / "t.h5") as file:
        total = file["entry/Ni/total"][()]
        centre = file["entry/Ni/centre"][()]
    limit = float(np.nanpercentile(total, 80))
    name = scan.out / "x.xy"
    assert run("export", made / "t.h5", "--region-from", f"Ni>{limit}", "-o", name).code == 0
    np.testing.assert_allclose(
        read_text(name).intensity[60],
        np.nanmean(intensity[total > limit].astype(np.float64), axis=0)[60],
        rtol=1e-6,
    )
    both = ("--region-from", "Ni/centre<100", "--region", "1:2,:,:")
    assert run("export", made / "t.h5", *both, "-o", name, "--overwrite").code == 0
    count = int(np.count_nonzero(centre[1] < 100))
    assert any(f"mean of {count} voxels" in line for line in read_text(name).header)


def test_every_voxel_of_a_region(run, scan, made):
    intensity, _, _ = data_of(made / "t.h5")
    folder = scan.out / "voxels"
    whole = ("export", made / "t.h5", "--all", "--region", ":,0:6,:", "-o", folder, "--format", "xye")
    done = run(*whole)
    assert done.code == 0, done.err
    there = np.isfinite(intensity[:, :6]).any(-1)
    files = sorted(folder.iterdir())
    assert len(files) == there.sum()
    assert f"{there.sum()} patterns, {(~there).sum()} places have no values" in done.out
    for path in files[::7]:
        *_, z, y, x = path.stem.split("_")
        row = intensity[int(z), int(y), int(x)]
        np.testing.assert_allclose(read_text(path).intensity, row[np.isfinite(row)], rtol=1e-8)
    again = run(*whole)
    assert (again.code, "holds files already" in again.err) == (2, True)
    assert run(*whole, "--overwrite").code == 0


@pytest.mark.parametrize("name", ["m", "points", "line", "t", "patterns"])
def test_a_frame_is_exported_as_measured(run, scan, made, name):
    """The same frames, reduced alike, have the same pattern in whatever file."""
    assert run("export", made / f"{name}.h5", "--frame", 9, "-o", scan.out / "x.xy").code == 0
    pattern = read_text(scan.out / "x.xy")
    with h5py.File(made / f"{name}.h5") as file:
        entry = file["entry"]
        rows = entry["sinogram/I"][0, 9, 0] if name == "t" else entry["data/I"][()].reshape(24, -1)[9]
    np.testing.assert_allclose(pattern.intensity, rows[np.isfinite(rows)], rtol=1e-8)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("t", (), "say which patterns"),
        ("t", ("--voxel", "0,1,1", "--all"), "say which patterns"),
        ("t", ("--voxel", "5,6"), "wanted is Z,Y,X"),
        ("t", ("--voxel", "0,0,0"), "has no values"),
        ("t", ("--voxel", "9,9,9"), "counted from 0"),
        ("t", ("--frame", 5), "is missing"),
        ("t", ("--frame", 999), "has 192 frames"),
        ("t", ("--frame", -1), "has 192 frames"),
        ("t", ("--region", "1:2"), "wanted is Z0:Z1"),
        ("t", ("--region", "0:1,0:99,0:1"), "wanted is Z0:Z1"),
        ("t", ("--region", "0:1,5:5,0:1"), "no place"),
        ("t", ("--region", "0:1,0:1,0:1"), "no values"),
        ("t", ("--region-from", "Ni"), "IMAGE>VALUE"),
        ("t", ("--region-from", "Fe>1"), "there is no image Fe, but LaB6, Ni"),
        ("t", ("--region-from", "Ni/area>1"), "total, mean, centre"),
        ("t", ("--region-from", "Ni>1e30"), "it goes from"),
        ("t", ("--format", "xye", "--voxel", "0,5,6"), "--format is for --all"),
        ("patterns", ("--voxel", "1,1"), "give --frame"),
        ("patterns", ("--frame", 24), "has 24 frames"),
    ],
)
def test_export_refuses(made, scan, refused, name, options, words):
    assert words in refused("export", made / f"{name}.h5", "-o", scan.out / "x.xy", *options)


def test_export_refuses_outputs(made, scan, refused):
    voxel = ("export", made / "t.h5", "--voxel", "0,5,6")
    assert "endings" in refused(*voxel, "-o", scan.out / "x.txt")
    assert "no folder" in refused(*voxel, "-o", scan.out / "none/x.xy")
    iterative = ("export", made / "one.h5", "--voxel", "5,6")
    assert "no errors" in refused(*iterative, "-o", scan.out / "x.xye")
    (scan.out / "x.xy").write_text("precious")
    assert "exists" in refused(*voxel, "-o", scan.out / "x.xy", leaves=["x.xy"])
    everything = ("export", made / "t.h5", "--all", "-o", scan.out / "x.xy")
    assert "is a file" in refused(*everything, leaves=["x.xy"])
    assert (scan.out / "x.xy").read_text() == "precious"
    assert "no patterns of Aureole" in refused(
        "export", scan.poni, "--frame", 1, "-o", scan.out / "y.xy", leaves=["x.xy"]
    )


def test_positions_that_are_no_scattering_angle(made, scan, run, refused):
    radii = scan.root / "r.h5"
    assert run("integrate", scan.folder, "--poni", scan.poni, "-o", radii, "--unit", "r_mm").code == 0
    options = ("--frame", 0, "-o", scan.out / "x.xy")
    assert "cannot be converted" in refused("export", radii, *options, "--unit", "2th_deg")
    assert run("export", radii, *options).code == 0


@pytest.mark.parametrize("damage", ["gone", "cut", "text", "NaN"])
@pytest.mark.parametrize(
    "part", ["data/I", "data/I_errors", "sinogram/I", "Ni/total", "scan/frame", "data/x"]
)
def test_damaged_files_are_told_in_one_line(run, scan, made, part, damage):
    path = scan.root / "t.h5"
    path.write_bytes((made / "t.h5").read_bytes())
    if damage == "cut":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    else:
        with h5py.File(path, "r+") as file:
            old = file[f"entry/{part}"][()]
            del file[f"entry/{part}"]
            if damage == "text":
                file[f"entry/{part}"] = "x"
            elif damage == "NaN":
                file[f"entry/{part}"] = np.full(old.shape, np.nan, np.float32)
    for command in (
        ("info", path),
        ("plot", path, "-o", scan.out / "x.png", "--overwrite"),
        ("export", path, "--voxel", "0,5,6", "-o", scan.out / "x.xy", "--overwrite"),
    ):
        done = run(*command)
        assert done.code in (0, 2), done
        assert "Traceback" not in done.err, done.err
        assert "defect" not in done.err, done.err
        assert len(done.err.splitlines()) == (1 if done.code else 0), done.err


def flipped(path):
    content = bytearray(path.read_bytes())
    content[-len(content) // 3] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("verb", ["xrdct", "map", "integrate"])
def test_parts_that_are_gone_or_damaged_are_told(run, scan, made, refused, verb):
    """The library would fill up with NaN, and say nothing."""
    path, text, picture = scan.root / "virtual.h5", scan.out / "x.xy", scan.out / "x.png"
    frames = sorted((made / "s/frames").iterdir())[95:]
    options = ("--poni", made / "s/scan.poni", "--virtual", "--part-frames", 48, *BINS, "-o", path)
    shape = () if verb == "integrate" else ("--shape", "8,12")
    assert run(verb, *frames, *options, *shape).code == 0
    parts = sorted(scan.root.glob("virtual.h5.run/**/*.h5"))
    assert len(parts) == 2
    whole = parts[0].read_bytes()
    for damage in (flipped, lambda path: path.write_bytes(whole[:-100]), lambda path: path.write_bytes(b"")):
        damage(parts[0])
        # only what is read is checked
        last = ("--frame", 95) if verb != "map" else ("--voxel", "7,11")
        assert run("export", path, *last, "-o", text).code == 0
        text.unlink()
        for asked in (
            ("export", path, "--frame", 9, "-o", text),
            ("plot", path, *(("--what", "sinogram") if verb == "xrdct" else ()), "-o", picture),
        ):
            told = refused(*asked)
            assert f"its part virtual.h5.run/{parts[0].name} is damaged: 'aureole resume' makes it" in told
    parts[0].unlink()
    for asked in (("export", path, "--frame", 9, "-o", text), ("plot", path, "-o", picture), ("info", path)):
        told = refused(*asked)
        assert "is missing" in told
        assert parts[0].name in told
    assert run("resume", path).code == 0
    assert run("export", path, "--frame", 9, "-o", text).code == 0


def test_layers_that_could_not_be_reconstructed(run, scan, made):
    path = scan.root / "t.h5"
    path.write_bytes((made / "t.h5").read_bytes())
    with h5py.File(path, "r+") as file:
        parameters = file["entry/reconstruction/parameters"]
        for name in ("rotation_center", "rotation_center_spread", "shifts"):
            parameters[name][1] = np.nan
        for name in ("data/I", "data/I_errors", "Ni/total"):
            file[f"entry/{name}"][1] = np.nan
    assert "layer 1: not reconstructed" in run("info", path).out
    assert "nothing to show" in run("plot", path, "--what", "slice", "-o", scan.out / "x.png").err
    assert run("plot", path, "--layer", 0, "-o", scan.out / "x.png").code == 0
    assert run("plot", path, "--what", "sinogram", "-o", scan.out / "y.png").code == 0
