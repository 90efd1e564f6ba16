"""``aureole map`` on nine points of a real map, against the patterns that Dioptas left beside the frames."""

import h5py
import numpy as np
import pytest

from aureole.cli import main
from aureole.geometry import format_poni
from aureole.io import read_text


@pytest.fixture(scope="module")
def nine(data, map_geometry, tmp_path_factory):
    """The map file, and their patterns by the number of the frame."""
    folder, root = data / "powder" / "dioptas_map", tmp_path_factory.mktemp("map")
    (root / "map.poni").write_text(format_poni(map_geometry), encoding="utf-8")
    names = sorted(folder.glob("*.tif"), key=lambda path: int(path.stem.split("_")[3]))
    theirs = np.array([read_text(folder / "xy" / f"{path.stem}.xy").intensity for path in names])
    options = (
        *("--poni", str(root / "map.poni"), "--x", "Horizontal", "--y", "Vertical"),
        *("--unit", "2th_deg", "--npt", str(theirs.shape[1]), "--polarization-factor", "0.99"),
        *("--error-model", "poisson", "--roi", "ring=5.75,6.4", "--peak", "peak=5.75,6.4"),
        *("--phase", f"here={folder / 'xy' / names[0].stem}.xy"),
        *("--phase", f"there={folder / 'xy' / names[3].stem}.xy", "--phase-range", "2", "23"),
    )
    assert main(["map", str(folder / "*.tif"), *options, "-o", str(root / "map.h5")]) == 0
    with h5py.File(root / "map.h5") as file:
        yield file["entry"], theirs


def test_places(nine):
    entry, _ = nine
    assert list(entry["data"].attrs["axes"]) == ["y", "x", "2theta"]
    np.testing.assert_allclose(entry["data/x"], [-0.328, -0.326, -0.324])
    np.testing.assert_allclose(entry["data/y"], [-0.56, -0.558, -0.556])
    np.testing.assert_array_equal(entry["scan/frame"], np.arange(9).reshape(3, 3))
    assert entry["data/2theta"].attrs["units"] == "degree"


def test_patterns(nine):
    entry, theirs = nine
    ours = entry["data/I"][()].reshape(9, -1)
    for mine, other in zip(ours, theirs, strict=True):
        apart = np.abs(mine / other - 1.0)
        assert np.median(apart) < 4e-4
        assert np.quantile(apart, 0.9) < 2e-3


def test_images(nine):
    entry, theirs = nine
    x = entry["data/2theta"][()]
    inside = (x >= 5.75) & (x <= 6.4)
    total, peak = entry["ring/total"][()], entry["peak/area"][()]
    assert total.shape == peak.shape == (3, 3)
    # the sum above the line between the ends, by hand
    ends = theirs[:, inside][:, [0, -1]].mean(axis=1)
    by_hand = (theirs[:, inside] - ends[:, None]).sum(axis=1)
    assert np.corrcoef(total.reshape(-1), by_hand)[0, 1] > 0.98
    assert np.corrcoef(total.reshape(-1), peak.reshape(-1))[0, 1] > 0.99
    assert (entry["peak/position"][()] > 5.75).all()
    assert (entry["peak/position"][()] < 6.4).all()


def test_phases(nine):
    entry, _ = nine
    here, there = (entry[f"phases/{name}_weight"][()].reshape(-1) for name in ("here", "there"))
    np.testing.assert_allclose([here[0], there[0]], [1, 0], atol=0.04)
    np.testing.assert_allclose([here[3], there[3]], [0, 1], atol=0.04)
    fractions = entry["phases/here_fraction"][()] + entry["phases/there_fraction"][()]
    np.testing.assert_allclose(fractions, 1.0, atol=1e-6)
