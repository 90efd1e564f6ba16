"""The documentation names what exists, and all of it."""

import re
from importlib import import_module
from pathlib import Path

import pytest

import aureole
from aureole import errors
from aureole.calibration import calibrant
from aureole.kernels import isas
from aureole.units import UNITS

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
REFERENCE = (ROOT / "docs/reference/python.md").read_text(encoding="utf-8")


def exists(name: str) -> bool:
    """Whether a dotted name leads to a module or to something in one."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: object = import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        return all((found := getattr(found, part, None)) is not None for part in parts[length:])
    return False


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_names_in_docs_exist(page: Path) -> None:
    names = set(re.findall(r"\baureole(?:\.[A-Za-z_]\w*)+", page.read_text(encoding="utf-8")))
    assert [name for name in sorted(names) if not exists(name)] == []


def test_imports_in_docs_work() -> None:
    lines = {
        line
        for page in PAGES
        for line in re.findall(r"from aureole[\w.]* import [\w, ]*\w", page.read_text(encoding="utf-8"))
    }
    assert lines
    for line in sorted(lines):
        exec(line, {})


def test_names_that_the_reference_lists_by_module_exist() -> None:
    listed = re.findall(r"`(aureole\.[\w.]+)`\s+\(([^)]*)\)", REFERENCE)
    names = [f"{module}.{name}" for module, text in listed for name in re.findall(r"`(\w+)`", text)]
    assert {"aureole.azimuthal.Plan", "aureole.io.results.read_result"} <= set(names)
    assert [name for name in names if not exists(name)] == []


def test_reference_lists_all_public_names() -> None:
    assert [name for name in aureole.__all__ if f"`aureole.{name}" not in REFERENCE] == []


def test_reference_lists_all_units() -> None:
    assert [name for name in UNITS if f"`{name}`" not in REFERENCE] == []


def test_reference_lists_all_exceptions() -> None:
    kinds = [name for name, value in vars(errors).items() if isinstance(value, type)]
    assert [name for name in kinds if name not in REFERENCE] == []


def test_reference_lists_all_fields_of_a_spec() -> None:
    names = [name for name in aureole.IntegrationSpec.__dataclass_fields__ if name != "_"]
    assert [name for name in names if f"`{name}`" not in REFERENCE] == []


def test_reference_lists_instruction_sets() -> None:
    assert [name for name in isas() if f"`{name}`" not in REFERENCE] == []


def test_calibrants_in_docs_exist() -> None:
    text = (ROOT / "docs/how-to/check-geometry-and-orientation.md").read_text(encoding="utf-8")
    listed = text.partition("Known calibrants:")[2].partition("\n\n")[0]
    for name in re.findall(r"`(\w+)`", listed):
        assert calibrant(name).d_spacings(1e-10).size


def test_glossary_has_each_word_once_and_in_order() -> None:
    text = (ROOT / "docs/glossary.md").read_text(encoding="utf-8")
    nouns, _, verbs = text.partition("\n## Verbs")
    for part in (nouns, verbs):
        words = [word.casefold() for word in re.findall(r"^\*\*(.+?)\.\*\*", part, re.MULTILINE)]
        assert words == sorted(set(words))
