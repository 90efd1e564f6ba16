"""aureole map: options, and what is refused in one line."""

import h5py
import numpy as np
import pytest

NPT = ("--npt", 40, "--error-model", "poisson")


def options(scan, *more):
    return ("map", scan.folder, "--poni", scan.poni, *NPT, *more)


def test_a_map(run, scan):
    done = run(
        *options(scan, "--shape", "2,3", "--step", "0.05", "--roi", "ring=10,14", "--monitor", "Flux"),
        "--peak",
        "peak=8,16",
        "-o",
        scan.out / "m.h5",
    )
    assert (done.code, done.err) == (0, "")
    assert "6 of 6 frames done" in done.out
    with h5py.File(scan.out / "m.h5") as file:
        assert file["entry/data/I"].shape == (2, 3, 40)
        assert file["entry/data/x"][()].tolist() == pytest.approx([0, 0.05, 0.1])
        np.testing.assert_allclose(file["entry/monitor/data"][()], np.arange(1, 7) + 0.5)
        assert file["entry/ring/total"].shape == (2, 3)
        assert np.isfinite(file["entry/peak/position"][()]).all()


def test_the_same_command_is_done_at_once_and_another_is_refused(run, scan, refused):
    command = options(scan, "--shape", "2,3", "-o", scan.out / "m.h5")
    assert run(*command).code == 0
    before = (scan.out / "m.h5").read_bytes()
    again = run(*command)
    assert again.code == 0
    assert "is complete already" in again.err + again.out
    said = refused(*options(scan, "--shape", "3,2", "-o", scan.out / "m.h5"), leaves=["m.h5"])
    assert "exists already, and was made in another way" in said
    assert (scan.out / "m.h5").read_bytes() == before
    assert run(*options(scan, "--shape", "3,2", "--overwrite", "-o", scan.out / "m.h5")).code == 0


def test_a_missing_frame_is_reported(run, scan):
    scan.files[4].write_bytes(b"")
    done = run(*options(scan, "--shape", "2,3", "-o", scan.out / "m.h5"))
    assert done.code == 1
    assert "5 of 6 frames done" in done.out + done.err
    assert "scan_0004.cbf" in done.err


def test_a_phase_from_a_frame(run, scan):
    pure = scan.root / "pure.xy"
    assert run("integrate", scan.files[0], "--poni", scan.poni, *NPT, "-o", pure).code == 0
    done = run(*options(scan, "--shape", "2,3", "--phase", f"pure={pure}", "-o", scan.out / "m.h5"))
    assert done.code == 0, done.err
    with h5py.File(scan.out / "m.h5") as file:
        weight = file["entry/phases/pure_weight"][()]
        np.testing.assert_allclose(weight, 1.0, atol=0.05)
        assert weight[0, 0] == pytest.approx(1.0, abs=1e-4)
        np.testing.assert_allclose(file["entry/phases/pure_fraction"][()], 1.0)


def test_what_makes_no_map(scan, refused):
    table = scan.root / "t.csv"
    table.write_text(
        "x,y,same,gap\n" + "\n".join(f"{i % 3},{i // 3},7,{i if i != 2 else 'nan'}" for i in range(6))
    )
    pure = scan.root / "pure.xy"
    np.savetxt(pure, np.stack([np.linspace(0.1, 25, 50), np.ones(50)], axis=1))
    words = scan.root / "words.xy"
    words.write_text("these are words\n")
    other = scan.root / "angle.xy"
    other.write_text("# 2th_deg I\n1 2\n2 3\n")
    for more, said in (
        ((), "give --shape ROWS,COLUMNS, or --x and --y"),
        (("--shape", "3,3"), "6 frames"),
        (("--shape", "2,2"), "6 frames"),
        (("--shape", "two"), "--shape two: wanted is ROWS,COLUMNS"),
        (("--x", f"{table}:same", "--y", f"{table}:y"), "x"),
        (("--x", f"{table}:gap", "--y", f"{table}:y"), "frame 2"),
        (("--x", f"{table}:z", "--y", f"{table}:y"), "has no column 'z'"),
        (("--x", "Nothing", "--y", "Flux"), "'Nothing'"),
        (("--shape", "2,3", "--roi", "a=90,91"), "a: the window 90 to 91 reaches beyond the patterns"),
        (("--shape", "2,3", "--roi", "a=10"), "--roi a=10: wanted is NAME=LOW,HIGH"),
        (("--shape", "2,3", "--roi", "a=9,12", "--peak", "a=9,14"), "two images of the name a"),
        (("--shape", "2,3", "--roi", "a=9,12", "--roi", "a=9,14"), "there is one of that name already"),
        (("--shape", "2,3", "--roi", "data=9,12"), "'data' is the name of something else"),
        (("--shape", "2,3", "--phase", f"a/b={pure}"), "'a/b' is no name for a phase"),
        (("--shape", "2,3", "--phase", str(pure)), "wanted is NAME=FILE"),
        (("--shape", "2,3", "--phase", f"A={words}"), "words.xy: there are no columns of numbers"),
        (("--shape", "2,3", "--phase", f"A={other}"), "angle.xy: is against 2th_deg"),
        (("--shape", "2,3", "--phase", f"A={scan.files[0]}"), "scan_0000.cbf: is not a pattern as text"),
        (("--shape", "2,3", "--phase", f"A={scan.root / 'no.xy'}"), "no.xy: cannot be read"),
        (("--shape", "2,3", "--phase", f"A={pure}", "--phase-range", 0.2, 90), "phases: "),
        (("--shape", "2,3", "--phase-range", 0.2, 90), "--phase-range is where phases are fitted: give"),
        (("--shape", "2,3", "--unit", "chi_deg"), "patterns against a radial axis"),
    ):
        line = refused(*options(scan, *more, "-o", scan.out / "m.h5"))
        assert said in line, (more, line)


@pytest.mark.parametrize("name", ["m.xy", "m.edf", "m"])
def test_endings(scan, refused, name):
    assert "ending" in refused(*options(scan, "--shape", "2,3", "-o", scan.out / name))


def test_outputs_that_are_inputs(run, scan, refused):
    pure = scan.root / "pure.h5"
    pure.write_text("1 2\n2 3\n")
    table = scan.root / "t.h5"
    with h5py.File(table, "w") as file:
        file["x"] = np.arange(6.0)
    for more, output in (
        (("--shape", "2,3", "--phase", f"A={pure}"), pure),
        (("--x", f"{table}::/x"), table),
    ):
        before = output.read_bytes()
        line = refused(*options(scan, *more, "--overwrite", "-o", output))
        assert "is one of the inputs" in line
        assert output.read_bytes() == before
