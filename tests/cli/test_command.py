"""The command as a program: help, what it imports, how it ends."""

import io
import os
import shlex
import signal
import subprocess
import sys
import textwrap
import time

import h5py
import numpy as np
import pytest

import aureole
from aureole.cli import main
from aureole.cli.terminal import guarded, progress_bar
from aureole.io import write_cbf

VERBS = ("integrate", "info", "plot", "convert", "demo")
HEAVY = ("numpy", "h5py", "hdf5plugin", "fabio", "scipy", "matplotlib", "rich", "pyopencl", "aureole._core")


def python(code, *argv):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *argv], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("argv", [["--help"], ["--version"], *([verb, "--help"] for verb in VERBS)])
def test_help_imports_nothing_heavy(argv):
    done = python(
        f"""
        import sys
        from aureole.cli import main
        code = main(sys.argv[1:])
        heavy = [name for name in {HEAVY!r} if name in sys.modules]
        assert not heavy, heavy
        sys.exit(code)
        """,
        *argv,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    if argv[0] in VERBS:
        assert "example" in done.stdout
        assert f"aureole {argv[0]}" in done.stdout


def test_importing_the_package_imports_nothing_heavy():
    done = python(f"import sys, aureole; print([name for name in {HEAVY!r} if name in sys.modules])")
    assert done.stdout == "[]\n", done.stderr


def test_integrating_cbf_imports_no_plotting(scan):
    done = python(
        """
        import sys
        from aureole.cli import main
        assert main(sys.argv[1:]) == 0
        assert not {"matplotlib", "rich", "fabio", "scipy"} & set(sys.modules)
        """,
        *("integrate", scan.folder, "--poni", scan.poni, "-o", scan.out / "out.h5"),
    )
    assert done.returncode == 0, done.stderr


def test_version_and_verbs(run):
    assert run("--version").out.startswith(f"aureole {aureole.__version__} ")
    text = run("--help").out
    assert all(f"\n    {verb} " in text for verb in VERBS)


def test_no_verb_and_a_wrong_one(run):
    nothing = run()
    assert nothing.code == 2
    assert "integrate" in nothing.err
    wrong = run("integrat")
    assert wrong.code == 2
    assert len(wrong.err.splitlines()) == 1


def test_the_module_is_the_command(scan):
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "aureole",
            "integrate",
            scan.folder,
            "--poni",
            scan.poni,
            "-o",
            scan.out / "o.h5",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "6 of 6 frames done" in done.stdout
    # No progress bar where nobody looks.
    assert "\x1b" not in done.stdout + done.stderr


# Background jobs of scripts ignore SIGINT, and so does what they start: also the tests, if run as one.
LISTENING = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
from aureole.cli import main
sys.exit(main())
"""


def slow_scan(scan):
    """Make the scan last: many frames, and a backend that takes its time."""
    for index in range(6, 3000):
        os.link(scan.files[index % 6], scan.folder / f"scan_{index:04d}.cbf")
    return [
        sys.executable, "-c", LISTENING, "integrate", str(scan.folder), "--poni", str(scan.poni),
        "-o", str(scan.out / "out.h5"), "--backend", "reference", "--npt", "1000", "--split", "full",
    ]  # fmt: skip


def started(scan):
    """Start a run that lasts, and return when it is at work."""
    process = subprocess.Popen(slow_scan(scan), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(scan.out.glob(".out.h5*")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    time.sleep(0.2)
    return process


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, "terminated"),
        (signal.SIGHUP, 129, "hung up"),
    ],
)
def test_stopping_it_leaves_nothing(scan, number, code, word):
    process = started(scan)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, (out, err)
    assert err == f"aureole integrate: {word}; the same command goes on with what was done\n"
    assert list(scan.out.iterdir()) == []


def test_a_killed_run_does_not_disturb_the_next(scan, run):
    """Another run into the same file is refused, unless it is to be replaced."""
    process = started(scan)
    process.kill()
    process.communicate(timeout=60)
    assert "out.h5.run" in {path.name for path in scan.out.iterdir()}
    for index in range(6, 3000):
        (scan.folder / f"scan_{index:04d}.cbf").unlink()
    command = ("integrate", scan.folder, "--poni", scan.poni, "-o")
    refused = run(*command, scan.out / "out.h5")
    assert refused.code == 2
    assert "another geometry" in refused.err
    assert "aureole resume" in refused.err
    assert run(*command, scan.out / "other.h5").code == 0
    assert run(*command, scan.out / "out.h5", "--overwrite").code == 0
    assert {path.name for path in scan.out.iterdir()} == {"other.h5", "out.h5"}


def test_a_signal_within_a_destructor_is_not_lost(capsys):
    """Python drops what a destructor raises."""

    class Careless:
        def __del__(self):
            signal.raise_signal(signal.SIGTERM)

    def work():
        Careless()
        time.sleep(30)
        return 0

    assert guarded("aureole work", work) == 143
    assert capsys.readouterr().err == "aureole work: terminated; nothing was written\n"


def test_what_is_ignored_stays_ignored():
    """``nohup aureole ...`` goes on when the terminal is closed."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert guarded("aureole work", lambda: signal.raise_signal(signal.SIGHUP) or 0) == 0
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_interrupted_before_a_verb_is_known(monkeypatch, capsys):
    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr("aureole.cli.make_parser", interrupt)
    assert main([]) == 130
    assert capsys.readouterr().err == "aureole: interrupted; nothing was written\n"


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams(scan, closed):
    """The result is written all the same, and nothing but the result into it."""
    command = [sys.executable, "-m", "aureole", "integrate", scan.folder, "--poni", scan.poni]
    line = shlex.join(map(str, [*command, "-o", scan.out / "out.h5"]))
    done = subprocess.run(f"{line} {closed}", shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert [path.name for path in scan.out.iterdir()] == ["out.h5"]
    with h5py.File(scan.out / "out.h5") as file:
        assert np.isfinite(file["entry/data/I"]).all()


def test_a_reader_that_goes_away(scan):
    """``aureole info ... | true`` is no reason for a traceback."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as pipe:
        done = subprocess.run(
            [sys.executable, "-m", "aureole", "info", scan.poni],
            stdout=pipe,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 141
    assert done.stderr == ""


def test_the_progress_bar_is_drawn_on_a_terminal(scan):
    """On a pseudo-terminal for stderr the bar says how fast it goes; stdout keeps the summary alone."""
    pty = pytest.importorskip("pty")
    main_end, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"}
    process = subprocess.Popen(
        [sys.executable, "-m", "aureole", "integrate", scan.folder, "--poni", scan.poni,
         "-o", scan.out / "out.h5", "--error-model", "none"],
        stdout=subprocess.PIPE, stderr=terminal, text=True, env=environment,
    )  # fmt: skip
    os.close(terminal)
    drawn = b""
    while True:
        try:
            part = os.read(main_end, 65536)
        except OSError:
            break
        if not part:
            break
        drawn += part
    os.close(main_end)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"frames/s" in drawn
    assert b"6/6" in drawn
    assert out.count("\n") == 1


def test_the_rate_counts_from_the_first_frame(monkeypatch):
    """Making the table takes its time, in which no frame could be done."""

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    now, terminal = [100.0], Terminal()
    monkeypatch.setattr("rich.console.monotonic", lambda: now[0])
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("COLUMNS", "100")
    with progress_bar("making the table", "integrating") as progress:
        now[0] += 50.0
        progress(0, 600)
        now[0] += 2.0
        progress(300, 600)
    assert "making the table" in terminal.getvalue()
    assert "150 frames/s" in terminal.getvalue()


def test_a_defect_is_named_as_one(run, scan, monkeypatch):
    def broken(*args, **options):
        raise RuntimeError("two\nlines")

    monkeypatch.setattr("aureole.azimuthal.plan.build_entries", broken)
    done = run("integrate", scan.folder, "--poni", scan.poni, "-o", scan.out / "out.h5")
    assert done.code == 2
    assert "Traceback" in done.err
    assert done.err.splitlines()[-1].endswith("please report it: RuntimeError: two lines")
    assert list(scan.out.iterdir()) == []


NOT_MAPPED = "libscipy_openblas.so: failed to map segment from shared object"


@pytest.mark.parametrize(("text", "cause"), [(NOT_MAPPED, None), ("", MemoryError()), ("", NOT_MAPPED)])
def test_a_library_without_memory_is_no_defect(run, scan, monkeypatch, text, cause):
    def starved(*args, **options):
        raise ImportError(text) from (ImportError(cause) if isinstance(cause, str) else cause)

    monkeypatch.setattr("aureole.azimuthal.plan.build_entries", starved)
    done = run("integrate", scan.folder, "--poni", scan.poni, "-o", scan.out / "out.h5")
    assert done.code == 2
    assert done.err == f"aureole integrate: error: not enough memory to load a library ({text})\n"


def test_a_full_disk_is_one_line(run, scan, monkeypatch):
    def full(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("aureole.io.patterns.PatternWriter.write", full)
    done = run("integrate", scan.folder, "--poni", scan.poni, "-o", scan.out / "out.h5")
    assert done.code == 2
    assert done.err == "aureole integrate: error: No space left on device\n"
    assert [path.name for path in scan.out.iterdir()] == ["out.h5.run"]
    monkeypatch.undo()
    done = run("integrate", scan.folder, "--poni", scan.poni, "-o", scan.out / "out.h5")
    assert done.code == 0
    assert "went on from 1 of 1 parts, 6 of 6 frames" in done.err
    assert [path.name for path in scan.out.iterdir()] == ["out.h5"]


def test_the_main_job_of_an_eiger_like_stack(run, scan):
    """A converted stack gives the same patterns as the files it was made of."""
    write_cbf(scan.root / "one.cbf", np.ones((40, 50), np.int32))
    assert run("convert", scan.folder, "-o", scan.root / "stack.h5").code == 0
    for name, frames in (("a", scan.folder), ("b", scan.root / "stack.h5")):
        done = run("integrate", frames, "--poni", scan.poni, "-o", scan.out / f"{name}.xy", "--npt", 20)
        assert done.code == 2  # six frames are no text
        assert (
            run("integrate", frames, "--poni", scan.poni, "-o", scan.out / f"{name}.h5", "--npt", 20).code
            == 0
        )
    from aureole.io.results import read_result

    with read_result(scan.out / "a.h5") as one, read_result(scan.out / "b.h5") as two:
        np.testing.assert_array_equal(one.overview().rows, two.overview().rows)


FULL_DISK = """
import resource, sys
from aureole.cli import main
for room in (0, 900, 2_000, 4_000, 6_000, 9_000, 12_000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    assert main(sys.argv[1:]) == 2, room
"""


@pytest.mark.parametrize("verb", ["convert", "integrate"])
def test_a_full_disk_is_one_line_and_leaves_nothing(scan, verb):
    """However early the disk is full, and the process of a Python user goes on."""
    options = (
        ["--poni", scan.poni, "--npt-azim", "90", "--error-model", "none"] if verb == "integrate" else []
    )
    done = python(FULL_DISK, verb, scan.folder, "-o", scan.out / "out.h5", *options)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 7
    for line in lines:
        assert line.startswith(f"aureole {verb}: error: {scan.out / 'out.h5'}")
        assert line.endswith(": cannot be written (File too large)")
    assert list(scan.out.iterdir()) == []
