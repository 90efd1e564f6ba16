import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("aureole", deadline=None, derandomize="CI" in os.environ, print_blob=True)
settings.load_profile("aureole")

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder of real detector data beside the project; what needs it is skipped where it is absent."""
    if not DATA.is_dir():
        pytest.skip(f"no real detector data at {DATA}")
    return DATA
