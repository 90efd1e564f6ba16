import os
from pathlib import Path

import pytest
from hypothesis import settings

import aureole

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
