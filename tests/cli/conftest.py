"""A tiny scan of a powder on a small detector, and commands run within the process."""

from types import SimpleNamespace

import numpy as np
import pytest

import aureole
from aureole.cli import main
from aureole.geometry import format_poni
from aureole.io import write_cbf

SHAPE = (40, 50)


def tiny_geometry(**options):
    pixels = aureole.detector(pixel1=1e-3, pixel2=1e-3, shape=SHAPE, **options)
    return aureole.Geometry(pixels, 0.1, 0.016, 0.027, 0.02, -0.03, 0.0, wavelength=1e-10)


@pytest.fixture
def geometry():
    return tiny_geometry()


@pytest.fixture
def scan(tmp_path, geometry):
    """Six CBF frames with rings in ``frames/``, their PONI file, and a place for outputs."""
    folder, out = tmp_path / "frames", tmp_path / "out"
    folder.mkdir()
    out.mkdir()
    q = geometry.center_array("q_nm^-1")
    mean = 40.0 + 400.0 * np.exp(-0.5 * ((q - 12.0) / 0.6) ** 2)
    rng = np.random.default_rng(3)
    images = rng.poisson(mean, (6, *SHAPE)).astype(np.int32)
    files = []
    for index, image in enumerate(images):
        path = folder / f"scan_{index:04d}.cbf"
        write_cbf(path, image, f"# Flux {index + 1}.5 counts\r\n# Exposure_time 0.1 s\r\n")
        files.append(path)
    poni = tmp_path / "tiny.poni"
    poni.write_text(format_poni(geometry), encoding="utf-8")
    return SimpleNamespace(root=tmp_path, folder=folder, out=out, images=images, files=files, poni=poni)


@pytest.fixture
def run(capsys):
    """Run a command; return its exit code and what it printed."""

    def command(*argv):
        capsys.readouterr()
        code = main([str(argument) for argument in argv])
        captured = capsys.readouterr()
        return SimpleNamespace(code=code, out=captured.out, err=captured.err)

    return command


@pytest.fixture
def refused(run, scan):
    """Run a command that must fail with 2 and one line, and must leave nothing behind."""

    def command(*argv, leaves=()):
        result = run(*argv)
        assert result.code == 2, result
        lines = result.err.splitlines()
        assert len(lines) == 1, result.err
        assert lines[0].startswith(f"aureole {argv[0]}: error: ")
        assert result.out == ""
        left = sorted(path.name for path in scan.out.iterdir())
        assert left == sorted(leaves)
        assert not list(scan.root.rglob("*.tmp"))
        return lines[0]

    return command
