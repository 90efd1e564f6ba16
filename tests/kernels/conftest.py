"""`encoders` lies beside the tests: make it importable. And the OpenCL device that the tests use."""

import sys
from pathlib import Path

import pytest

from aureole.errors import DeviceError
from aureole.kernels.opencl_device import Device, choose

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def opencl() -> Device:
    """Return the device that would be taken without a wish; without any, the test is skipped."""
    try:
        return choose(None)[0]
    except DeviceError as error:
        pytest.skip(str(error))
