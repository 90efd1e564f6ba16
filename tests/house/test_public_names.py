"""The front door: which names it has, and what going through it costs."""

import subprocess
import sys
from typing import get_args

import pytest

import aureole
from aureole.azimuthal.spec import ErrorModel, Split
from aureole.cli import make_parser
from aureole.geometry import Discontinuity

NAMES = {
    "Axis",
    "Cake",
    "Clip",
    "Detector",
    "EncodedFrame",
    "Geometry",
    "IntegrationSpec",
    "Pattern",
    "Sample",
    "Trim",
    "__version__",
    "decode",
    "detector",
    "integrate1d",
    "integrate2d",
    "load",
    "open_frames",
    "subtract",
}
HEAVY = ("numpy", "h5py", "hdf5plugin", "scipy", "rich", "matplotlib", "fabio", "pyopencl", "aureole._core")


def test_public_names_are_these() -> None:
    assert set(aureole.__all__) == NAMES
    assert set(dir(aureole)) >= NAMES


@pytest.mark.parametrize("name", sorted(NAMES - {"__version__"}))
def test_public_name_is_there_and_explained(name: str) -> None:
    assert (getattr(aureole, name).__doc__ or "").strip()


def test_options_offer_what_a_spec_takes() -> None:
    """The parser has its own lists, since help must not import what defines the spec."""
    verbs = next(action for action in make_parser()._actions if isinstance(action.choices, dict))
    offered = {action.dest: action.choices for action in verbs.choices["integrate"]._actions}
    assert set(offered["split"]) == set(get_args(Split))
    assert set(offered["error_model"]) == {"none", *get_args(ErrorModel)}
    assert set(offered["chi_discontinuity"]) == set(get_args(Discontinuity))


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
