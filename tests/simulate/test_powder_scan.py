from dataclasses import replace

import fabio
import h5py
import hdf5plugin  # noqa: F401 (registers the filter)
import numpy as np
import pytest

from aureole.calibration import calibrant
from aureole.errors import GeometryError, OutputError, SpecError
from aureole.geometry import parse_poni
from aureole.simulate import Exposure, Powder, hard_link_series, write_eiger_scan, write_scan

SMALL = "Pilatus 300k"


@pytest.fixture(scope="module")
def exposure():
    return Exposure(Powder())


def radial_mean(exposure, image, bins=4000):
    """2θ in degrees and the mean over pixels about it, corrected for solid angle and polarization."""
    good = ~exposure.invalid
    two_theta = exposure.geometry.center_array("2th_deg")[good]
    share = (exposure.geometry.solid_angle() * exposure.geometry.polarization(0.99))[good]
    place = (two_theta / two_theta.max() * (bins - 1)).astype(int)
    sums = np.bincount(place, image[good], bins)
    norm = np.bincount(place, share, bins)
    return np.bincount(place, two_theta, bins) / np.maximum(np.bincount(place), 1), sums / np.maximum(norm, 1)


@pytest.mark.parametrize(("heat", "growth"), [(0.0, 1.0), (1.0, 1.0084)])
def test_the_rings_of_ceria_stand_where_its_lattice_puts_them(exposure, heat, growth):
    x, mean = radial_mean(exposure, exposure.frame(0, heat))
    ceria = calibrant("CeO2")
    a = ceria.lattice[0] * growth
    rings = replace(ceria, lattice=(a, a, a, *ceria.lattice[3:])).two_theta(exposure.geometry.wavelength)
    pixel = np.degrees(exposure.geometry.detector.pixel1 / exposure.geometry.dist)
    for ring in np.degrees(rings[:6]):
        near = np.abs(x - ring) < 4 * pixel
        background = np.median(mean[np.abs(x - ring) < 25 * pixel])
        weight = np.clip(mean[near] - 1.2 * background, 0, None)
        assert abs(np.sum(weight * x[near]) / np.sum(weight) - ring) < 0.15 * pixel


def test_nickel_crystallises_on_heating(exposure):
    ring = np.degrees(calibrant("Ni").two_theta(exposure.geometry.wavelength)[1])
    strength = []
    for heat in (0.0, 0.2, 0.9):
        x, mean = radial_mean(exposure, exposure.expectation(heat))
        peak = mean[np.abs(x - ring / (1 + 0.0098 * heat)) < 0.03].max()
        strength.append(peak / mean[(x > ring + 0.15) & (x < ring + 0.25)].mean())
    assert strength[0] < 1.05
    assert strength[1] < 1.3
    assert strength[2] > 3


def test_counts_are_those_of_poisson():
    exposure = Exposure(Powder(detector=SMALL, counts=20.0, seed=7))
    frames = np.array([exposure.frame(i, 0.3) for i in range(40)], np.float64)
    normal = ~exposure.invalid
    normal.reshape(-1)[exposure.hot] = False
    expected = exposure.expectation(0.3)[normal]
    chi2 = (frames[:, normal] - expected) ** 2 / expected
    assert chi2.mean() == pytest.approx(1.0, abs=3e-3)
    ratio = frames[:, normal].var(axis=0, ddof=1).sum() / frames[:, normal].mean(axis=0).sum()
    assert ratio == pytest.approx(1.0, abs=5e-3)
    # frames are independent of each other
    first, second = ((frames[i][normal] - expected) / np.sqrt(expected) for i in (0, 1))
    assert abs(np.mean(first * second)) < 5 / np.sqrt(expected.size)


def test_the_average_is_what_was_asked_for(exposure):
    assert exposure.expectation(0.0)[~exposure.invalid].mean() == pytest.approx(1000.0, rel=1e-5)


def test_gaps_dead_and_hot_pixels(exposure):
    image = exposure.frame(0, 0.0)
    assert image.dtype == np.int32
    gaps = exposure.geometry.detector.mask
    assert (image[gaps] == -1).all()
    assert (image[exposure.invalid & ~gaps] == -2).all()
    assert 500 < np.count_nonzero(image == -2) < 2000
    assert (image[~exposure.invalid] >= 0).all()
    assert 3 <= exposure.hot.size <= 20
    ordinary = exposure.expectation(0.0).reshape(-1)[exposure.hot]
    assert (image.reshape(-1)[exposure.hot] > 20 * ordinary).all()


def test_a_scan_is_read_by_others_and_set_by_its_seed(tmp_path):
    scans = [
        write_scan(tmp_path / name, 4, detector=SMALL, seed=seed, threads=threads)
        for name, seed, threads in (("a", 3, 1), ("b", 3, 3), ("c", 4, None))
    ]
    series = [sorted(scan.frames.glob("*.cbf")) for scan in scans]
    assert [path.name for path in series[0]] == [f"frame_{i:05d}.cbf" for i in range(4)]
    texts = [[path.read_bytes() for path in paths] for paths in series]
    assert texts[0] == texts[1]
    assert texts[0] != texts[2]
    exposure = Exposure(Powder(detector=SMALL, seed=3))
    with fabio.open(series[0][0]) as file:
        np.testing.assert_array_equal(file.data, exposure.frame(0, 0.0, 1.01))
        assert "Flux 1.01" in file.header["_array_data.header_contents"]
    assert parse_poni(scans[0].poni.read_text()) == exposure.geometry


def test_a_long_scan_on_few_files(tmp_path):
    scan = write_scan(tmp_path, 7, detector=SMALL, distinct=3)
    paths = sorted(scan.frames.iterdir())
    assert len(paths) == 7
    assert len({path.stat().st_ino for path in paths}) == 3
    assert paths[5].samefile(paths[2])
    longer = hard_link_series(paths[:3], tmp_path / "more", 10)
    assert [path.name for path in longer] == [f"frame_{i:05d}.cbf" for i in range(10)]
    assert longer[9].samefile(paths[0])


def test_an_eiger_scan(tmp_path):
    scan = write_eiger_scan(tmp_path, 5, detector="Eiger 500k", counts=5.0, distinct=2)
    exposure = Exposure(Powder(detector="Eiger 500k", energy_kev=35.0, counts=5.0))
    with h5py.File(scan.frames) as master:
        data = master["entry/data/data_000001"]
        assert data.shape == (5, 514, 1030)
        assert data.dtype == np.uint32
        assert data.chunks == (1, 514, 1030)
        assert "32008" in data._filters
        image = data[0]
        np.testing.assert_array_equal(data[4], image)
        assert (data[1] != image).any()
    assert (image[exposure.invalid] == 2**32 - 1).all()
    np.testing.assert_array_equal(
        image[~exposure.invalid], exposure.frame(0, 0.0, 1.01)[~exposure.invalid].astype(np.uint32)
    )


def test_what_cannot_be_is_refused(tmp_path):
    scan = write_scan(tmp_path, 1, detector=SMALL)
    with pytest.raises(OutputError, match="holds files already"):
        write_scan(tmp_path, 1, detector=SMALL)
    with pytest.raises(OutputError, match="cannot be linked into"):
        hard_link_series([scan.frames / "frame_00000.cbf"], scan.frames, 1)
    with pytest.raises(SpecError, match="at least one frame"):
        write_scan(tmp_path / "none", 0)
    with pytest.raises(SpecError, match="counts"):
        Exposure(Powder(detector=SMALL, counts=0.0))
    with pytest.raises(GeometryError, match="unknown detector"):
        write_scan(tmp_path / "none", 1, detector="Pilatos")
