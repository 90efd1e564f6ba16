"""What the build promises: its version, the compilers it needs, and where what it compiles may run."""

import re
from importlib import metadata
from pathlib import Path

import aureole

ROOT = Path(__file__).resolve().parents[2]
CMAKE = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
DISPATCH = (ROOT / "cpp/bind/dispatch.cpp").read_text(encoding="utf-8")
DECISION = (ROOT / "docs/decisions/0003-avx512-needs-vbmi2.md").read_text(encoding="utf-8")


def extensions() -> set[str]:
    flags = " ".join(re.findall(r"set\(ISA_\w+([^)]*)\)", CMAKE))
    return set(re.findall(r"-m(\w+)(?![\w-]*=)", flags)) - {"prefer"}


def test_the_version_is_that_of_the_build() -> None:
    assert metadata.version("aureole") == aureole.__version__


def test_every_extension_is_asked_for_at_run_time() -> None:
    assert {"avx2", "avx512vbmi2", "gfni"} <= extensions()
    assert extensions() == set(re.findall(r'__builtin_cpu_supports\("(\w+)"\)', DISPATCH))


def test_the_decision_names_every_extension() -> None:
    words = set(re.findall(r"\w+", DECISION.lower()))
    assert {name.removeprefix("avx512") for name in extensions()} <= words


def test_the_needed_compilers_are_told_everywhere() -> None:
    oldest = dict(re.findall(r"set\(OLDEST_(\w+) (\d+)\)", CMAKE))
    told = f"GCC >= {oldest['GNU']}, Clang >= {oldest['Clang']} or Apple clang >= {oldest['AppleClang']}"
    for name in ("README.md", "Makefile", "docs/tutorials/first-patterns.md"):
        assert told in (ROOT / name).read_text(encoding="utf-8"), name
