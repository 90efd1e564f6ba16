"""Small scans on a tiny detector: files of frames, and what the sample is."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import aureole
from aureole.azimuthal import Plan
from aureole.geometry import Geometry, format_poni
from aureole.io import write_cbf
from aureole.simulate import Phantom, Region

SHAPE = (30, 40)
RINGS = {"CeO2": 5.0, "Ni": 11.0}
"""Where the one ring of each phase is, in 1/nm."""
SAMPLE = Phantom(
    ("CeO2", "Ni"),
    (
        Region("CeO2", 0.5, 0.0, 0.0, 0.9, height=1.5),
        Region("Ni", 0.4, 0.2, -0.2, 0.5, 0.7, 0.4, smooth=1, height=1.5),
    ),
)


@dataclass
class Written:
    """A scan as files."""

    root: Path
    files: list[Path]
    geometry: Geometry
    scan: object

    @property
    def frames(self) -> Path:
        return self.root / "frames"

    @property
    def truth(self):
        return self.scan.truth(SAMPLE)

    def plan(self, **options) -> Plan:
        options = {"radial": aureole.Axis("q_nm^-1", 30), "error_model": "poisson"} | options
        return aureole.IntegrationSpec(self.geometry, **options).plan()


def rings(geometry):
    """Return what pixels count of each phase, (phases, n1, n2), for a line integral of 1."""
    q = geometry.center_array("q_nm^-1")
    return np.stack([2.0 + 40.0 * np.exp(-0.5 * ((q - RINGS[name]) / 0.8) ** 2) for name in SAMPLE.phases])


@pytest.fixture
def write(tmp_path):
    """Write a scan, with noise, and its references without; return where it is."""

    def written(scan, name="scan", scale=1.0):
        geometry = Geometry(
            aureole.detector(pixel1=1e-3, pixel2=1e-3, shape=SHAPE), 0.1, 0.012, 0.021, wavelength=1e-10
        )
        root = tmp_path / name
        (root / "frames").mkdir(parents=True)
        patterns, rng = rings(geometry), np.random.default_rng(0)
        lengths = np.mean(list(scan.lengths(SAMPLE)), axis=0)
        files, table = [], [",".join(["frame", *scan.positions])]
        for frame, image in enumerate(np.einsum("pf,pij->fij", lengths, patterns)):
            files.append(root / "frames" / f"scan_{frame:04d}.cbf")
            at = {key: values[frame] for key, values in scan.positions.items()}
            header = "".join(f"# {key.capitalize()} {value:.6f}\r\n" for key, value in at.items())
            write_cbf(files[-1], rng.poisson(scale * image).astype(np.int32), header)
            table.append(",".join([str(frame), *(f"{value:.6f}" for value in at.values())]))
        (root / "scan.csv").write_text("\n".join(table))
        (root / "scan.poni").write_text(format_poni(geometry), encoding="utf-8")
        for phase, pattern in zip(SAMPLE.phases, patterns, strict=True):
            write_cbf(root / f"{phase}.cbf", np.rint(1000 * scale * pattern).astype(np.int32))
        return Written(root, files, geometry, scan)

    return written
