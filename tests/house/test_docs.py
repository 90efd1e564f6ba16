"""The documentation runs: commands and snippets of each page, in order, among files as they name them."""

import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from fabio.edfimage import EdfImage

import aureole
from aureole.cli import main, make_parser
from aureole.simulate import write_eiger_scan, write_scan

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
RUN = [page for page in PAGES if re.search(r"^```(console|python)", page.read_text("utf-8"), re.MULTILINE)]

sys.path.insert(0, str(DOCS))
import make_reference  # noqa: E402


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that the pages name, on small detectors."""
    folder = tmp_path_factory.mktemp("docs")
    scan = write_scan(folder / "made", 13, detector="Pilatus 100k")
    eiger = write_eiger_scan(folder / "eiger_made", 3, detector="Eiger 500k")
    (folder / "frames").mkdir()
    (folder / "broken").mkdir()
    for index, path in enumerate(sorted(scan.frames.iterdir())):
        data = path.read_bytes()
        (folder / f"scan_{index:05d}.cbf").write_bytes(data)
        (folder / "frames" / f"scan_{index:05d}.cbf").write_bytes(data)
        if index != 5:
            (folder / "broken" / f"scan_{index:05d}.cbf").write_bytes(data[:50000] if index == 3 else data)
    shutil.copy(folder / "scan_00000.cbf", folder / "CeO2.cbf")
    shutil.copy(scan.poni, folder / "detector.poni")
    shutil.copy(eiger.poni, folder / "eiger.poni")
    shutil.copy(eiger.frames, folder / "run_master.h5")
    shutil.copy(eiger.frames.with_name("scan_data_000001.h5"), folder / "scan_data_000001.h5")
    shape = aureole.load(folder / "detector.poni").shape
    mask = np.zeros(shape, np.uint8)
    mask[:5] = 1
    for name, image in (
        ("mask", mask),
        ("dark", np.ones(shape, np.float32)),
        ("flat", np.ones(shape, np.float32)),
    ):
        EdfImage(data=image).write(str(folder / f"{name}.edf"))
    for name in ("a", "b"):
        shutil.copy(folder / "flat.edf", folder / f"{name}.edf")
    (folder / "darks").mkdir()
    (folder / "variances").mkdir()
    for index in range(2):
        shutil.copy(folder / "scan_00000.cbf", folder / "darks" / f"dark_{index}.cbf")
    for index in range(13):
        shutil.copy(folder / "dark.edf", folder / "variances" / f"var_{index}.edf")
    (folder / "I0.csv").write_text("frame,I0\n" + "".join(f"{i},{1000 + i}\n" for i in range(13)))
    (folder / "list.txt").write_text("".join(f"scan_{i:05d}.cbf\n" for i in (3, 1, 2)))
    with h5py.File(folder / "counters.h5", "w") as file:
        file["entry/I0"] = np.arange(1.0, 14.0)
    shutil.rmtree(folder / "made")
    shutil.rmtree(folder / "eiger_made")
    return folder


@pytest.fixture
def place(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of it, as the working directory."""
    folder = tmp_path / "here"
    shutil.copytree(prepared, folder)
    monkeypatch.chdir(folder)
    yield folder
    shutil.rmtree(folder)


def alike(line: str) -> str:
    """Return a line of output without its numbers, which need not be those of the page."""
    return re.sub(r"\d[\d.,]*(e[+-]?\d+)?", "#", " ".join(line.split()))


def run_console(text: str, page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Run the lines with a prompt; the output on the page must come, numbers aside.

    A line ``$ echo $?`` tells the exit code, which otherwise is 0.
    """
    commands = [part.splitlines() for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]]
    for place, (command, *shown) in enumerate(commands):
        if command == "echo $?":
            continue
        words = shlex.split(command)
        assert words[0] == "aureole", f"{name_of(page)}: only aureole can be run here: {command}"
        code = main(words[1:])
        after = commands[place + 1] if place + 1 < len(commands) else [""]
        expected = int(after[1]) if after[0] == "echo $?" else 0
        assert code == expected, f"{name_of(page)}: {command} ended with {code}"
        printed = capsys.readouterr()
        lines = {alike(line) for line in (printed.out + printed.err).splitlines()}
        missing = [line for line in shown if line.strip() and alike(line) not in lines]
        assert missing == [], f"{name_of(page)}: {command} does not print that"


@pytest.mark.parametrize("page", RUN, ids=name_of)
@pytest.mark.usefixtures("place")
def test_page_runs(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {"__name__": "docs"}
    for language, text in BLOCK.findall(page.read_text(encoding="utf-8")):
        if language == "console":
            run_console(text, page, capsys)
        elif language == "python":
            exec(compile(text, name_of(page), "exec"), names)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    targets = [*re.findall(r"\]\(([^)\s]+)\)", text), *re.findall(r'src="([^"]+)"', text)]
    for target in targets:
        if re.match(r"https?:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.is_file(), f"{name_of(page)}: {target} is not there"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
            assert anchor in slugs, f"{name_of(page)}: {target} has no such heading"


def test_options_in_docs_exist() -> None:
    known = {
        name for verb in make_reference._verbs(make_parser()).values() for name in verb._option_string_actions
    }
    known |= {"--help", "--version"}
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        named = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", text))
        assert named <= known, f"{name_of(page)}: {sorted(named - known)}"


@pytest.mark.parametrize("name", make_reference.PAGES)
def test_reference_pages_are_up_to_date(name: str) -> None:
    written = (DOCS / "reference" / name).read_text(encoding="utf-8")
    assert written == make_reference.PAGES[name](), "run docs/make_reference.py"


def test_every_page_can_be_reached_from_the_index() -> None:
    seen, ahead = set(), [DOCS / "index.md"]
    while ahead:
        page = ahead.pop()
        if page in seen or not page.is_file():
            continue
        seen.add(page)
        for target in re.findall(r"\]\(([^)\s#]+\.md)", page.read_text(encoding="utf-8")):
            ahead.append((page.parent / target).resolve())
    assert set(DOCS.rglob("*.md")) <= seen


def test_pictures_are_small() -> None:
    for picture in (DOCS / "images").iterdir():
        assert picture.stat().st_size < 300_000, picture.name
