"""Maps as files: patterns on a grid, along a line, at scattered points, and images of them."""

import h5py
import numpy as np
import pytest

from aureole.errors import OutputError, SpecError
from aureole.io import open_frames, read_image, read_positions
from aureole.mapping.images import ImageRequest
from aureole.mapping.positions import scattered
from aureole.mapping.scan import ScanAxis, raster
from aureole.mapping.xrdmap import map_series
from aureole.runs import RunOptions
from aureole.simulate import MapScan

ROWS, COLUMNS = 7, 9


def grid(count, rows=ROWS, columns=COLUMNS, **options):
    axes = [ScanAxis("y", np.arange(float(rows)), "mm"), ScanAxis("x", np.arange(float(columns)), "mm")]
    return raster(axes, count, **options)


def references(written):
    """Return the patterns of the pure phases, binned as the data are."""
    plan = written.plan()
    found = {}
    for name in ("CeO2", "Ni"):
        result = plan.integrate(read_image(written.root / f"{name}.cbf")[None])
        found[name] = (result.radial, result.intensity[0])
    return found


def reduce(written, output, scan=None, *, images=None, **options):
    with open_frames(written.files) as frames:
        return map_series(
            written.plan(),
            frames,
            scan or grid(len(frames)),
            output,
            images=images or ImageRequest(),
            options=RunOptions(**options),
        )


@pytest.fixture
def one(write):
    return write(MapScan(rows=ROWS, columns=COLUMNS), scale=20)


def test_patterns_at_their_places(one, tmp_path):
    report = reduce(one, tmp_path / "m.h5")
    assert (report.done, report.issues) == (63, [])
    with h5py.File(tmp_path / "m.h5") as file:
        entry = file["entry"]
        assert list(entry["data"].attrs["axes"]) == ["y", "x", "q"]
        images = np.array([read_image(path) for path in one.files])
        result = one.plan().integrate(images)
        for name, values in (("I", result.intensity), ("I_errors", result.sigma)):
            np.testing.assert_array_equal(
                entry[f"data/{name}"][()], values.astype(np.float32).reshape(ROWS, COLUMNS, -1)
            )
        assert (entry["frame_status"][()] == 0).all()


def test_phase_maps(one, tmp_path):
    reduce(one, tmp_path / "m.h5", images=ImageRequest(phases=references(one), regions={"ring": (2.5, 7.5)}))
    truth = one.truth[:, 0]
    with h5py.File(tmp_path / "m.h5") as file:
        for phase, name in enumerate(("CeO2", "Ni")):
            weight = 1000 * file[f"entry/phases/{name}_weight"][()]
            error = 1000 * file[f"entry/phases/{name}_weight_errors"][()]
            np.testing.assert_allclose(weight, truth[phase], atol=0.02)
            assert np.mean(np.abs(weight - truth[phase]) < 3 * error + 1e-9) > 0.95
        assert np.corrcoef(file["entry/ring/total"][()].reshape(-1), truth[0].reshape(-1))[0, 1] > 0.99


def test_zigzag(write, one, tmp_path):
    other = write(MapScan(rows=ROWS, columns=COLUMNS, zigzag=True), name="other")
    reduce(other, tmp_path / "m.h5", grid(63, zigzag=True), images=ImageRequest(regions={"r": (2.5, 7.5)}))
    with h5py.File(tmp_path / "m.h5") as file:
        image = file["entry/r/total"][()]
    assert np.corrcoef(image.reshape(-1), other.truth[0, 0].reshape(-1))[0, 1] > 0.95


def test_a_line(one, tmp_path):
    scan = raster([ScanAxis("x", np.arange(63.0), "mm")], 63)
    reduce(one, tmp_path / "m.h5", scan, images=ImageRequest(regions={"r": (2.5, 7.5)}))
    with h5py.File(tmp_path / "m.h5") as file:
        assert file["entry/data/I"].shape == (63, 30)
        assert list(file["entry/data"].attrs["axes"]) == ["x", "q"]
        assert file["entry/r/total"].shape == (63,)


def test_scattered_points(one, tmp_path):
    with open_frames(one.files) as frames:
        y, x = (
            ScanAxis(name, read_positions(f"{one.root / 'scan.csv'}:{name}", frames), "mm") for name in "yx"
        )
    reduce(one, tmp_path / "m.h5", scattered(y, x), images=ImageRequest(regions={"r": (2.5, 7.5)}))
    reduce(one, tmp_path / "grid.h5", images=ImageRequest(regions={"r": (2.5, 7.5)}))
    with h5py.File(tmp_path / "m.h5") as file, h5py.File(tmp_path / "grid.h5") as other:
        assert list(file["entry/data"].attrs["axes"]) == ["point", "q"]
        np.testing.assert_array_equal(file["entry/scan/x"][()], x.values)
        np.testing.assert_array_equal(file["entry/scan/y"][()], y.values)
        np.testing.assert_array_equal(file["entry/r/total"][()], other["entry/r/total"][()].reshape(-1))


@pytest.mark.parametrize("again", [True, False])
def test_gaps_and_what_came_back(one, tmp_path, again):
    data = one.files[10].read_bytes()
    one.files[10].unlink()
    one.files[30].write_bytes(b"")
    images = ImageRequest(regions={"r": (2.5, 7.5)}, phases=references(one))
    report = reduce(one, tmp_path / "m.h5", images=images)
    assert (report.done, report.missing, report.bad) == (61, 1, 1)
    with h5py.File(tmp_path / "m.h5") as file:
        gaps = np.isnan(file["entry/r/total"][()])
        assert np.flatnonzero(gaps).tolist() == [10, 30]
        np.testing.assert_array_equal(np.isnan(file["entry/data/I"][()]).all(axis=-1), gaps)
        np.testing.assert_array_equal(np.isnan(file["entry/phases/Ni_weight"][()]), gaps)
    if again:
        one.files[10].write_bytes(data)
        report = reduce(one, tmp_path / "m.h5", images=images)
        assert (report.done, report.missing, report.bad, report.reused) == (62, 0, 1, 61)
        with h5py.File(tmp_path / "m.h5") as file:
            assert np.flatnonzero(np.isnan(file["entry/r/total"][()])).tolist() == [30]


def test_threads_and_parts_do_not_change_a_bit(one, tmp_path):
    images = ImageRequest(regions={"r": (2.5, 7.5)}, peaks={"p": (8.0, 14.0)}, phases=references(one))
    found = []
    for place, (threads, part_frames) in enumerate(((1, None), (2, 5), (3, 40))):
        output = tmp_path / f"{place}.h5"
        reduce(one, output, images=images, threads=threads, part_frames=part_frames)
        with h5py.File(output) as file:
            groups = [file[f"entry/{name}"] for name in ("data", "r", "p", "phases")]
            found.append({f"{g.name}/{key}": g[key][()].tobytes() for g in groups for key in g})
    assert found[0] == found[1] == found[2]


def test_another_request_overwrites_nothing(one, tmp_path):
    reduce(one, tmp_path / "m.h5")
    before = (tmp_path / "m.h5").read_bytes()
    assert reduce(one, tmp_path / "m.h5").reused == 63
    with pytest.raises(OutputError, match="was made in another way"):
        reduce(one, tmp_path / "m.h5", images=ImageRequest(regions={"r": (2.5, 7.5)}))
    with pytest.raises(OutputError, match="was made in another way"):
        reduce(one, tmp_path / "m.h5", grid(63, zigzag=True))
    assert (tmp_path / "m.h5").read_bytes() == before


def test_what_viewers_show(one, tmp_path):
    nxdata = pytest.importorskip("silx.io.nxdata")
    reduce(one, tmp_path / "m.h5", images=ImageRequest(regions={"r": (2.5, 7.5)}, phases=references(one)))
    with h5py.File(tmp_path / "m.h5") as file:
        plot = nxdata.get_default(file)
        assert (plot.signal.name, plot.interpretation) == ("/entry/data/I", "spectrum")
        assert plot.is_valid
        assert plot.axes_dataset_names == ["y", "x", "q"]
        for name, first in (("r", "total"), ("phases", "CeO2_weight")):
            image = nxdata.NXdata(file[f"entry/{name}"])
            assert image.is_valid
            assert (image.signal.name, image.interpretation) == (f"/entry/{name}/{first}", "image")
            assert image.axes_dataset_names == ["y", "x"]
            assert image.errors is not None


def test_what_cannot_be(one, tmp_path):
    with pytest.raises(SpecError, match="the ending says"):
        reduce(one, tmp_path / "m.xy")
    with pytest.raises(SpecError, match="far: the window"):
        reduce(one, tmp_path / "m.h5", images=ImageRequest(regions={"far": (90.0, 91.0)}))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scan"]
