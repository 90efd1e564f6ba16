"""The rotation axis of real scans, where others have found it."""

from __future__ import annotations

from pathlib import Path

import fabio
import h5py
import numpy as np
import pytest

from aureole.tomo import FilteredBackprojection, ParallelBeam
from aureole.tomo.absorption import attenuation, line_integrals
from aureole.tomo.centre import find_center

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "tomography"


def placed(name):
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{path} is not here")
    return path


def savu(row):
    folder = placed("savu_24737")
    flat, dark = (
        fabio.open(folder / f"{name}_00001.tiff").data[row].astype(float) for name in ("flat", "dark")
    )
    raw = np.stack([fabio.open(path).data[row] for path in sorted((folder / "tiffs").iterdir())])
    angles = np.unique(np.round(np.loadtxt(folder / "angles.txt"), 1))  # darks and flats repeat the ends
    return np.clip((raw - dark) / (flat - dark), None, 1.2), np.radians(angles)


@pytest.mark.parametrize(("row", "center"), [(67, 86.0), (75, 86.0), (100, 86.0)])
def test_savu_24737(row, center):
    """The sample is wider than the rays at some angles: the centre of mass is off, and the median holds."""
    transmission, angles = savu(row)
    assert transmission.shape == (91, 160)
    assert find_center(line_integrals(transmission).sinograms, angles).value == pytest.approx(center, abs=1)


def test_savu_24737_from_projections_to_attenuation():
    transmission, angles = savu(67)
    beam = ParallelBeam(angles, 160, rotation_center=86.0)
    wrong = ParallelBeam(angles, 160, rotation_center=83.0)
    found, wanted = attenuation(beam, transmission).sinograms, attenuation(wrong, transmission).sinograms
    assert np.abs(np.minimum(found, 0)).sum() < np.abs(np.minimum(wanted, 0)).sum()


@pytest.mark.parametrize("row", [0, 1])
def test_tooth(row):
    with h5py.File(placed("tooth.h5")) as file:
        given = file["exchange"]
        raw, angles = given["data"][:, row].astype(float), np.radians(given["theta"][:])
        dark, white = (given[name][:, row].mean(axis=0) for name in ("data_dark", "data_white"))
    integrals = line_integrals(np.clip((raw - dark) / (white - dark), 1e-3, 1.2)).sinograms
    found = find_center(integrals, angles)
    assert found.value == pytest.approx(296, abs=0.5)
    assert found.spread < 1
    beam = ParallelBeam(angles, 640, rotation_center=found.value)
    slice_ = FilteredBackprojection(beam).reconstruct(integrals)
    assert slice_[beam.seen].sum() == pytest.approx(integrals.sum(axis=1).mean(), rel=0.02)


def test_neutron_sinogram_of_a_full_turn():
    """algotom finds 244.6 by the overlap, and 245.5 from half a turn."""
    raw = fabio.open(placed("sinogram_360_neutron_image.tif")).data.astype(float)
    angles = np.linspace(0, 2 * np.pi, len(raw))
    integrals = -np.log(np.clip(raw / np.percentile(raw, 99), 1e-3, 1.0))
    assert find_center(integrals, angles).value == pytest.approx(245, abs=1)
    assert find_center(integrals, angles, half_acquisition=True).value == pytest.approx(245, abs=0.5)
