"""aureole xrdct: options, and what is refused in one line."""

import shutil

import fabio
import h5py
import numpy as np
import pytest
from pyFAI.io.diffmap_config import DataSet, DiffmapConfig, ListDataSet, MotorRange
from pyFAI.io.integration_config import WorkerConfig
from pyFAI.io.ponifile import PoniFile
from pyFAI.worker import Worker

from aureole.simulate import Beamline, Experiment, XrdctScan, release, render, sample

ANGLES, TRANSLATIONS = 10, 11


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulated")
    scan = XrdctScan(translations=TRANSLATIONS, angles=ANGLES)
    experiment = Experiment(sample(("CeO2", "Al2O3")), scan, Beamline(detector="Pilatus 100k", counts=20.0))
    release(render(experiment, folder))
    return folder


@pytest.fixture
def command(made):
    def words(*more):
        return (
            *("xrdct", made / "frames", "--poni", made / "scan.poni", "--npt", 40),
            *("--shape", f"{ANGLES},{TRANSLATIONS}", *more),
        )

    return words


def test_a_tomogram_with_everything(run, scan, made, command):
    for phase in ("CeO2", "Al2O3"):
        words = ("integrate", made / "references" / f"{phase}.cbf", "--poni", made / "scan.poni", "--npt", 40)
        assert run(*words, "-o", scan.root / f"{phase}.xy").code == 0
    done = run(
        *command("--step", "50um", "--monitor", "Flux", "--transmission", f"{made}/scan.csv:transmission"),
        *("--air", 1, "--jitter", "--window", "hann", "--angles", "0,162", "--without-angles", "3"),
        *("--roi", "all=60,120", "--phase", f"CeO2={scan.root}/CeO2.xy"),
        *("--phase", f"Al2O3={scan.root}/Al2O3.xy", "-o", scan.out / "t.h5"),
    )
    assert done.code == 0, done.err
    assert f"{ANGLES * TRANSLATIONS} of {ANGLES * TRANSLATIONS} frames done" in done.out
    with h5py.File(scan.out / "t.h5") as file, h5py.File(made / "truth.h5") as truth:
        assert file["entry/data/I"].shape == (1, TRANSLATIONS, TRANSLATIONS, 40)
        assert file["entry/data/x"].attrs["units"] == "um"
        assert file["entry/reconstruction/parameters/angles_used"][0].tolist() == [
            i != 3 for i in range(ANGLES)
        ]
        weight = file["entry/phases/CeO2_weight"][0]
        good = np.isfinite(weight)
        assert np.corrcoef(weight[good], truth["entry/data/fraction"][0, 0][good])[0, 1] > 0.9
        assert file["CeO2" if "CeO2" in file else "phases"].attrs["NX_class"] == "NXentry"


def test_positions_from_headers_and_methods(run, scan, made):
    words = ("xrdct", made / "frames", "--poni", made / "scan.poni", "--npt", 40, "-o", scan.out / "t.h5")
    done = run(
        *words,
        "--rotation",
        "Start_angle",
        "--translation",
        "Translation",
        "--transmission",
        "Transmission",
        *("--method", "sirt", "--iterations", 5, "--nonnegative", "--center", 5.2),
    )
    assert done.code == 0, done.err
    with h5py.File(scan.out / "t.h5") as file:
        assert np.nanmin(file["entry/data/I"][()]) >= 0
        assert file["entry/reconstruction/parameters/rotation_center"][()].tolist() == [5.2]
        np.testing.assert_allclose(np.diff(file["entry/data/x"][()]), 0.05)


def test_a_tomogram_from_a_file_of_diff_map(run, scan, made):
    """As pyFAI writes it: the slow motor is the rotation, and frames and settings are in the file."""
    translations, angles = (
        {"start": -0.25, "stop": 0.25, "points": TRANSLATIONS, "name": "samy"},
        (0.0, 162.0),
    )
    ai = WorkerConfig(
        poni=PoniFile(str(made / "scan.poni")),
        nbpt_rad=40,
        unit="q_nm^-1",
        error_model="poisson",
        method=("no", "csr", "cython"),
        correct_solid_angle=True,
        polarization_description=[0.9, 0.0],
    )
    files = sorted((made / "frames").iterdir())
    content = DiffmapConfig(
        ai=ai,
        slow_motor=MotorRange(*angles, ANGLES, "rot"),
        fast_motor=MotorRange(**translations),
        input_data=ListDataSet(DataSet(str(file)) for file in files),
    )
    config = scan.root / "diffmap.json"
    content.save(str(config))
    done = run("xrdct", "--pyfai-config", config, "-o", scan.out / "theirs.h5")
    assert done.code == 0, done.err
    said = (
        *("xrdct", made / "frames", "--poni", made / "scan.poni", "--shape", f"{ANGLES},{TRANSLATIONS}"),
        *("--angles", "0,162", "--step", "0.05mm", "--npt", 40, "--unit", "q_nm^-1", "--split", "no"),
        *("--error-model", "poisson_floor", "--polarization-factor", 0.9, "--no-efficiency"),
    )
    assert run(*said, "-o", scan.out / "ours.h5").code == 0
    with h5py.File(scan.out / "theirs.h5") as theirs, h5py.File(scan.out / "ours.h5") as ours:
        for name in (
            "sinogram/I",
            "sinogram/I_errors",
            "sinogram/rotation",
            "data/I",
            "data/I_errors",
            "data/x",
        ):
            np.testing.assert_array_equal(theirs[f"entry/{name}"], ours[f"entry/{name}"], err_msg=name)
        row = theirs["entry/sinogram/I"][0, 3, 2]
    worker = Worker()
    worker.set_config(ai)
    worker.output = "raw"
    expected = worker.process(fabio.open(str(files[2 * TRANSLATIONS + 3])).data)
    full = expected.count > 20
    np.testing.assert_allclose(row[full][1:-1], expected.intensity[full][1:-1], rtol=3e-3)
    other = run("xrdct", "--pyfai-config", config, "--angles", "0,150", "-o", scan.out / "other.h5")
    assert other.code == 0, other.err
    with h5py.File(scan.out / "other.h5") as file:
        assert file["entry/sinogram/rotation"][-1] == 150.0


def test_the_same_command_is_done_at_once_and_another_is_refused(run, scan, command, refused):
    assert run(*command("-o", scan.out / "t.h5")).code == 0
    before = (scan.out / "t.h5").read_bytes()
    again = run(*command("-o", scan.out / "t.h5"))
    assert again.code == 0
    assert "is complete already" in again.err + again.out
    for more in (("--center", 5.0), ("--zigzag",), ("--equal-totals",), ("--npt", 41), ("--window", "hann")):
        line = refused(*command(*more, "-o", scan.out / "t.h5"), leaves=["t.h5"])
        assert "exists already" in line
    assert (scan.out / "t.h5").read_bytes() == before


def test_missing_and_bad_frames(run, scan, made, command):
    frames = scan.root / "broken"
    shutil.copytree(made / "frames", frames)
    files = sorted(frames.iterdir())
    files[7].unlink()
    files[30].write_bytes(files[30].read_bytes()[:5000])
    named = frames / "scan_%05d.cbf"  # a template means all numbers
    words = [named if word == made / "frames" else word for word in command("-o", scan.out / "t.h5")]
    done = run(*words)
    assert done.code == 1
    assert "108 of 110 frames done" in done.out + done.err
    for name in ("scan_00007.cbf", "scan_00030.cbf"):
        assert name in done.err
    shutil.copy(made / "frames" / "scan_00007.cbf", frames)
    again = run(*words)
    assert again.code == 1
    assert "109 of 110 frames done" in again.out + again.err
    shutil.copy(made / "frames" / "scan_00030.cbf", frames)
    whole = run(*words)
    assert whole.code == 0
    assert "110 of 110 frames done" in whole.out


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--shape", "10,10"), "110 frames"),
        (("--shape", "11,11"), "110 frames"),
        (("--shape", "110"), "ANGLES,TRANSLATIONS"),
        (("--shape", "110,1"), "110 angles and 1 translations make no tomogram"),
        (("--center", "11"), "rotation center 11 is outside the translations, which are 0 to 10 steps"),
        (("--center", "-1"), "rotation center -1 is outside"),
        (("--center", "nan"), "rotation center nan is outside"),
        (("--center", "middle"), "--center middle: wanted is auto, or a number of steps"),
        (("--window", "welch"), "no window 'welch'; there are"),
        (("--angles", "5,5"), "all angles are 5°, the sample was not turned"),
        (("--angles", "0,90"), "angles over 90° do not tell the rotation center: give it"),
        (("--air", "6"), "6 translations of air at both ends, of 11"),
        (("--air", "-1"), "-1 translations of air"),
        (("--without-angles", "10"), "no angle 10 of 10"),
        (("--without-translations", "1;2"), "--without-translations 1;2: wanted are numbers"),
        (("--iterations", "5"), "5 iterations of fbp"),
        (("--strength", "1"), "strength of 1 of fbp"),
        (("--nonnegative",), "nonnegative is of sirt and tv, not of fbp"),
        (("--half-acquisition", "--jitter"), "jitter: needs the whole sample in each projection"),
        (("--roi", "a=900,901"), "a: the window 900 to 901 reaches beyond the patterns"),
        (("--peak", "a=100,101"), "a: the window"),
        (("--dlsr", "a=900,901"), "a: the window 900 to 901 reaches beyond the patterns"),
        (("--dlsr", "a=20,160", "--roi", "a=20,160"), "two images of the name a"),
        (("--dlsr", "sinogram=60,90"), "'sinogram' is the name of something else"),
        (("--transmission", "Nothing"), "'Nothing'"),
        (("--transmission", "CSV:nothing"), "has no column 'nothing'"),
        (("--transmission", "CSV:frame"), "0 of frame 0 is no transmission"),
        (("--rotation", "CSV:rotation"), "--rotation and --translation are needed together"),
        (("--angles", "0,1e300"), "1e+300° is no angle"),
        (("--npt-azim", "5"), "unknown options: --npt-azim"),
    ],
)
def test_what_makes_no_tomogram(scan, made, command, refused, more, said):
    more = [word.replace("CSV", str(made / "scan.csv")) for word in more]
    line = refused(*command(*more, "-o", scan.out / "t.h5"))
    assert said in line


def test_positions_that_are_none(scan, made, refused):
    table = scan.root / "t.csv"
    rows = [
        f"{i // 11 * 18},{i % 11},5,{'nan' if i == 9 else i % 11},{500 if i == 9 else i % 11}"
        for i in range(110)
    ]
    table.write_text("\n".join(["angle,x,same,gap,slip", *rows]))
    for translation, said in (
        ("same", "translation"),
        ("gap", "frame 9"),
        ("slip", "the step from 10 to 500 is not the usual one of 1"),
    ):
        line = refused(
            *("xrdct", made / "frames", "--poni", made / "scan.poni", "--rotation", f"{table}:angle"),
            *("--translation", f"{table}:{translation}", "-o", scan.out / "t.h5"),
        )
        assert said in line


def test_a_transmission_that_is_no_number(scan, command, refused):
    table = scan.root / "t.csv"
    table.write_text("\n".join(["passed", *("nan" if i == 9 else "0.9" for i in range(110))]))
    line = refused(*command("--transmission", f"{table}:passed", "-o", scan.out / "t.h5"))
    assert f"{table}:passed: the transmission of frame 9, " in line
    assert line.endswith("scan_00009.cbf, is not a number")


def test_frames_that_are_all_bad(scan, made, command, refused):
    frames = scan.root / "empty"
    shutil.copytree(made / "frames", frames)
    for path in frames.iterdir():
        path.write_bytes(b"")
    words = [frames if word == made / "frames" else word for word in command("-o", scan.out / "t.h5")]
    line = refused(*words, leaves=["t.h5.run"])
    assert "110 of 110 frames are bad or missing, such as" in line
    assert "scan_00000.cbf: empty file" in line


@pytest.mark.parametrize("name", ["t.xy", "t.cbf", "t"])
def test_endings(scan, command, refused, name):
    assert "ending" in refused(*command("-o", scan.out / name))


def test_an_output_that_is_an_input(scan, made, command, refused):
    table = scan.out / "t.h5"
    with h5py.File(table, "w") as file:
        file["transmission"] = np.ones(110)
    before = table.read_bytes()
    line = refused(
        *command("--transmission", f"{table}::/transmission", "--overwrite", "-o", table), leaves=["t.h5"]
    )
    assert "is one of the inputs" in line
    assert table.read_bytes() == before


def test_all_methods_can_be_chosen():
    """The command names them itself, so that its help comes without NumPy."""
    from aureole.cli.xrdct import _METHODS
    from aureole.mapping.tomography import METHODS

    assert _METHODS == METHODS
