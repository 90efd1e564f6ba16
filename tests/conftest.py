import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from hypothesis import settings

import aureole
from aureole.errors import DeviceError
from aureole.kernels import opencl_device, reference, registry
from aureole.kernels.opencl_device import Device

settings.register_profile("aureole", deadline=None, derandomize="CI" in os.environ, print_blob=True)
settings.load_profile("aureole")

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder of real detector data beside the project; what needs it is skipped where it is absent."""
    if not DATA.is_dir():
        pytest.skip(f"no real detector data at {DATA}")
    return DATA


@pytest.fixture(scope="session")
def map_geometry() -> aureole.Geometry:
    """Geometry of the nine-point map, as the headers of its patterns say; images are stored upside down."""
    return aureole.Geometry.from_fit2d(
        aureole.detector(pixel1=172e-6, pixel2=172e-6, shape=(1043, 981), orientation=2),
        direct_mm=284.635,
        center_x=485.389,
        center_y=508.119,
        tilt=0.037,
        tilt_plane_rotation=67.409,
        wavelength=3.344e-11,
    )


@pytest.fixture
def card(monkeypatch) -> SimpleNamespace:
    """A graphics card, as far as anything but its kernels is concerned: the reference does its sums.

    `before` is called with each batch of frames; `memory` is how many entries of a table it takes, and `room`
    whether it takes frames besides.
    """
    state = SimpleNamespace(before=lambda frames: None, memory=10**9, room=True)

    class Table:
        lanes = 2

        def __init__(self, entries, threads=None, device=None):
            if entries.bins.size > state.memory:
                raise DeviceError("OpenCL device Card has too little memory")
            self.entries = entries

        def check_room(self):
            if not state.room:
                raise DeviceError("OpenCL device Card has too little memory for a frame")

    def integrate(table, frames, **options):
        state.before(frames)
        return reference.integrate(table.entries, frames, **options)

    def deviations(table, frames, **options):
        return reference.deviations(table.entries, frames, **options)

    module = ModuleType("card_of_the_tests")
    module.Table, module.integrate, module.deviations = Table, integrate, deviations
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for operation, name in (("table", "Table"), ("integrate", "integrate"), ("deviations", "deviations")):
        monkeypatch.setitem(registry._ROWS, (operation, "opencl"), f"{module.__name__}:{name}")
    one = Device(0, "Card", "Tests", "gpu", 1 << 30, True, None)
    monkeypatch.setattr(opencl_device, "devices", lambda: [one])
    return state
