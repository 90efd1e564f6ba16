"""The front door: which names it has, and what going through it costs."""

import subprocess
import sys

import pytest

import aureole

NAMES = {
    "Axis",
    "Cake",
    "Detector",
    "EncodedFrame",
    "Geometry",
    "IntegrationSpec",
    "Pattern",
    "__version__",
    "decode",
    "detector",
    "integrate1d",
    "integrate2d",
    "load",
    "open_frames",
    "subtract",
}
HEAVY = ("numpy", "h5py", "hdf5plugin", "scipy", "rich", "matplotlib", "fabio", "aureole._core")


def test_public_names_are_these() -> None:
    assert set(aureole.__all__) == NAMES
    assert set(dir(aureole)) >= NAMES


@pytest.mark.parametrize("name", sorted(NAMES - {"__version__"}))
def test_public_name_is_there_and_explained(name: str) -> None:
    assert (getattr(aureole, name).__doc__ or "").strip()


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'integrate3d'"):
        _ = aureole.integrate3d


@pytest.mark.parametrize(
    "code",
    [
        "import aureole",
        "import aureole.cli as c; c.main(['--help'])",
        "import aureole.cli as c; c.main(['integrate', '--help'])",
        "import aureole.cli as c; c.main(['--version'])",
    ],
)
def test_front_door_loads_nothing_heavy(code: str) -> None:
    report = f"{code}; import sys; print('loaded:', *[m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].split() == ["loaded:"]
