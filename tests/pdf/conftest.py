"""Real data, and what other programs made of them."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

LAB6 = "LaB6_0p4mm_011_av10_monitor"
CAPILLARY = "0p4mm_capillary_018_av17_monitor.xye"
WAVELENGTH = 0.270793e-10


class Reference(NamedTuple):
    """A run of PDFgetX3: where its results are, and its settings."""

    folder: Path
    settings: dict[str, float]

    def read(self, ending):
        return columns(self.folder / f"{LAB6}.{ending}")


def columns(path):
    """Read the columns of a file of PDFgetX3 or Gudrun, whatever stands above them."""
    rows = []
    for line in path.read_text(errors="replace").splitlines():
        try:
            numbers = [float(word) for word in line.split()]
        except ValueError:
            continue
        if len(numbers) > 1:
            rows.append(numbers)
    return np.array(rows).T


@pytest.fixture(scope="session")
def lab6(data):
    folder = data / "pdf" / "lab6_pdfgetx3"
    if not folder.is_dir():
        pytest.skip(f"no PDF data at {folder}")
    return folder


@pytest.fixture(scope="session")
def patterns(lab6):
    """Two-theta in degrees; LaB6 and its errors; the capillary and its errors."""
    sample, capillary = columns(lab6 / f"{LAB6}.xye"), columns(lab6 / CAPILLARY)
    return sample[0], sample[1], sample[2], capillary[1], capillary[2]


@pytest.fixture(params=["2.2.1", "2.1.1"])
def reference(lab6, request):
    """Both runs of PDFgetX3, by its version; settings as their headers say."""
    if request.param == "2.2.1":
        return Reference(
            lab6, {"qmin": 0.8, "qmax": 23, "qmaxinst": 23, "rpoly": 1.3, "rmin": 0.01, "rmax": 100}
        )
    return Reference(
        lab6 / "pdfgetxotuput",
        {"qmin": 1, "qmax": 23, "qmaxinst": 23.4501, "rpoly": 1.5, "rmin": 0.5, "rmax": 50},
    )
