import h5py
import numpy as np
import pytest

from aureole.cli.parser import Parser
from aureole.cli.scan_options import (
    add_map_scan,
    add_xrdct_scan,
    read_map_scan,
    read_xrdct_scan,
    scan_files,
)
from aureole.errors import AureoleError, SpecError
from aureole.io import open_frames, write_cbf


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Twelve frames of 3 rotations x 4 translations in zigzag, and what was written about them."""
    folder = tmp_path_factory.mktemp("scan")
    (folder / "frames").mkdir()
    rows = ["frame,rotation,translation,stuck"]
    for frame in range(12):
        line, place = divmod(frame, 4)
        x = 0.05 * (place if line % 2 == 0 else 3 - place)
        header = f"# Start_angle {60 * line:.4f} deg.\n# Translation {x:.4f} mm\n"
        write_cbf(folder / f"frames/s_{frame:02d}.cbf", np.zeros((3, 3), np.int32), header)
        rows.append(f"{frame},{60 * line},{x},7")
    (folder / "scan.csv").write_text("\n".join(rows))
    (folder / "angles.txt").write_text("0\n30\n90\n")
    (folder / "same.txt").write_text("5\n5\n5\n")
    (folder / "bad.txt").write_text("0\nnan\n90\n")
    with h5py.File(folder / "scan.h5", "w") as file:
        file["1.1/measurement/samy"] = np.tile([0.0, 1.0, 2.0, 3.0], 3)
        file["1.1/measurement/rot"] = np.repeat([0.0, 60.0, 120.0], 4)
    return folder


ZIGZAG = [[0, 1, 2, 3], [7, 6, 5, 4], [8, 9, 10, 11]]


def read(folder, line, *, xrdct):
    parser = Parser("aureole")
    (add_xrdct_scan if xrdct else add_map_scan)(parser)
    args = parser.parse_args([word.replace("DIR", str(folder)) for word in line.split()])
    frames = open_frames(folder / "frames")
    return (read_xrdct_scan if xrdct else read_map_scan)(args, frames)


def xrdct(folder, line):
    return read(folder, line, xrdct=True)


def chart(folder, line):
    return read(folder, line, xrdct=False)


def test_shape_alone(folder):
    scan = xrdct(folder, "--shape 3,4")
    assert scan.describe() == "3 rotations x 4 translations"
    assert [(axis.name, axis.unit) for axis in scan.axes] == [("rotation", "deg"), ("translation", "steps")]
    assert scan.axes[0].values.tolist() == [0, 60, 120]
    assert scan.index.tolist() == np.arange(12).reshape(3, 4).tolist()


def test_orders(folder):
    assert xrdct(folder, "--shape 3,4 --zigzag").index.tolist() == ZIGZAG
    scan = xrdct(folder, "--shape 3,4 --order rotation-first")
    assert scan.index.tolist() == np.arange(12).reshape(4, 3).T.tolist()
    assert xrdct(folder, "--shape 3,4 --interlaced 2").index[:, 0].tolist() == [0, 8, 4]
    assert xrdct(folder, "--shape 4,4 --partial").describe() == "4 rotations x 4 translations, 4 missing"


def test_layers(folder):
    scan = xrdct(folder, "--shape 2,3,2 --order rotation-first --step 1,50um")
    assert [axis.name for axis in scan.axes] == ["z", "rotation", "translation"]
    assert scan.index[1].tolist() == [[6, 9], [7, 10], [8, 11]]
    assert scan.axes[0].values.tolist() == [0, 1]
    assert scan.axes[2].values.tolist() == [0, 50]
    assert scan.axes[2].unit == "um"


@pytest.mark.parametrize(
    ("text", "angles"),
    [("0,180", [0, 90, 180]), ("-90,90", [-90, 0, 90]), ("DIR/angles.txt", [0, 30, 90])],
)
def test_angles(folder, text, angles):
    assert xrdct(folder, f"--shape 3,4 --angles {text}").axes[0].values.tolist() == angles


@pytest.mark.parametrize(
    "line",
    [
        "--rotation Start_angle --translation Translation",
        "--rotation DIR/scan.csv:rotation --translation DIR/scan.csv:3 --shape 3,4",
    ],
)
def test_positions(folder, line):
    scan = xrdct(folder, line)
    assert scan.index.tolist() == ZIGZAG
    assert scan.axes[0].values.tolist() == [0, 60, 120]
    assert scan.axes[1].values == pytest.approx([0, 0.05, 0.1, 0.15])
    assert scan.notes == ()


def test_positions_by_name_and_path(folder):
    line = "--y DIR/scan.h5:rot --x DIR/scan.h5::/1.1/measurement/samy"
    scan = chart(folder, line)
    assert scan.index.tolist() == np.arange(12).reshape(3, 4).tolist()
    points = chart(folder, f"{line} --scattered")
    assert points.describe() == "12 points"
    assert points.points[5].tolist() == [60.0, 1.0]


def test_maps(folder):
    scan = chart(folder, "--shape 3,4 --step 0.05 --fast y")
    assert [(axis.name, axis.unit) for axis in scan.axes] == [("y", "mm"), ("x", "mm")]
    assert scan.index.tolist() == np.arange(12).reshape(4, 3).T.tolist()
    assert scan.axes[1].values == pytest.approx([0, 0.05, 0.1, 0.15])
    assert chart(folder, "--shape 12").describe() == "12 columns"
    assert chart(folder, "--shape 3,4 --zigzag").index.tolist() == ZIGZAG


def test_a_missing_frame_leaves_its_place_empty(folder, tmp_path):
    frames = open_frames(
        [folder / "frames/s_00.cbf", tmp_path / "gone.cbf"]
        + [folder / f"frames/s_{number:02d}.cbf" for number in range(2, 12)]
    )
    parser = Parser("aureole")
    add_xrdct_scan(parser)
    args = parser.parse_args(["--rotation", "Start_angle", "--translation", "Translation"])
    scan = read_xrdct_scan(args, frames)
    assert scan.index[0].tolist() == [0, -1, 2, 3]
    assert scan.index[1:].tolist() == ZIGZAG[1:]
    assert scan.notes == (
        "1 frame without position: 1",
        "1 place without a frame: rotation 0, translation 0.05",
    )


def test_files_that_are_read(folder):
    parser = Parser("aureole")
    add_xrdct_scan(parser)
    text = f"--rotation {folder}/scan.csv:rotation --translation Translation --angles {folder}/angles.txt"
    args = parser.parse_args(text.split())
    assert scan_files(args) == [f"{folder}/scan.csv", f"{folder}/angles.txt"]
    assert scan_files(parser.parse_args(["--angles", "0,180"])) == []
    parser = Parser("aureole")
    add_map_scan(parser)
    args = parser.parse_args(["--x", f"{folder}/scan.h5:samy", "--y", f"{folder}/scan.h5::/y"])
    assert set(scan_files(args)) == {f"{folder}/scan.h5"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "give --shape ANGLES,TRANSLATIONS, or --rotation and --translation"),
        ("--shape 12", "--shape 12: wanted is ANGLES,TRANSLATIONS or LAYERS"),
        ("--shape 3x4", "--shape 3x4: wanted is"),
        ("--shape 0,4", "--shape 0,4: wanted is"),
        ("--shape 99999999,99999999", "places are more than 100,000,000"),
        ("--shape 3,5", r"12 frames for 3 x 5 = 15 places: .*--partial"),
        ("--shape 2,5", r"12 frames for 2 x 5 = 10 places: which are too many"),
        ("--shape 3,4 --interlaced 5", "5 passes through 3 places of rotation"),
        ("--shape 3,4 --angles 7,7", "all angles are 7°"),
        ("--shape 3,4 --angles DIR/same.txt", "all angles are 5°"),
        ("--shape 4,3 --angles DIR/angles.txt", r"angles\.txt: has 3 angles for 4 rotations"),
        ("--shape 3,4 --angles DIR/bad.txt", "place 1 of rotation is at nan"),
        ("--shape 3,4 --angles DIR/scan.csv", "several columns"),
        ("--shape 3,4 --angles nothing", "nothing: cannot be read"),
        ("--shape 3,4 --step 0", "--step 0: wanted is one step"),
        ("--shape 3,4 --step 1e400", "--step 1e400: wanted is one step"),
        ("--shape 3,4 --step 1,2", "--step 1,2: wanted is one step"),
        ("--shape 3,4 --step 5km", "--step 5km: wanted is one step"),
        ("--rotation Start_angle", "--rotation and --translation are needed together"),
        ("--layer DIR/scan.csv:stuck", "--rotation and --translation are needed together"),
        (
            "--rotation Start_angle --translation Translation --zigzag",
            "--zigzag has no use with --rotation and --translation",
        ),
        (
            "--rotation Start_angle --translation Translation --angles 0,90",
            "--angles has no use with --rotation and --translation",
        ),
        ("--rotation Start_angle --translation DIR/scan.csv:stuck", "translation did not move: it is 7"),
        ("--rotation Start_angle --translation Trans", "'Trans' is neither"),
        ("--rotation Start_angle --translation Translation --shape 3,5", "at 4 places, the shape says 5"),
        ("--rotation Start_angle --translation Translation --shape 1,3,4", "wanted is ROTATION,TRANSLATION"),
    ],
)
def test_bad_input_of_xrdct(folder, line, message):
    with pytest.raises(AureoleError, match=message) as caught:
        xrdct(folder, line)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "give --shape ROWS,COLUMNS, or --x and --y"),
        ("--scattered", "--scattered needs --x and --y"),
        ("--scattered --x Translation", "--scattered needs --x and --y"),
        ("--scattered --x Translation --y Start_angle --shape 3,4", "--shape has no use with --scattered"),
        ("--x Translation --y Start_angle --fast x", "--fast has no use with --y and --x"),
        ("--x Translation --y Translation", "not on a grid.*--scattered"),
    ],
)
def test_bad_input_of_maps(folder, line, message):
    with pytest.raises(SpecError, match=message) as caught:
        chart(folder, line)
    assert "\n" not in str(caught.value)


def test_a_real_map_from_the_tags_of_its_files(data):
    parser = Parser("aureole")
    add_map_scan(parser)
    args = parser.parse_args(["--x", "Horizontal", "--y", "Vertical"])
    scan = read_map_scan(args, open_frames(data / "powder/dioptas_map"))
    assert scan.index.tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert scan.axes[0].values == pytest.approx([-0.56, -0.558, -0.556])
    assert scan.axes[1].values == pytest.approx([-0.328, -0.326, -0.324])
