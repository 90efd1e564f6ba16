"""Maps and tomograms read back: each value from its place, and one line where a file is damaged."""

import json
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

import aureole
from aureole.azimuthal import IntegrationSpec
from aureole.errors import FormatError
from aureole.io import Provenance, Source, read_scan_result
from aureole.io.grids import (
    GridAxis,
    GridEntry,
    new_data,
    write_entry,
    write_images,
    write_parameters,
    write_scan,
)
from aureole.io.nexus import write_status
from aureole.io.results import is_result, read_result
from aureole.io.scan_results import is_scan_result

BINS = 7
CORRECTIONS = {"corrections": {"air": 2}, "reconstruction": {"method": "fbp"}, "transmission": None}


def spec_json():
    detector = aureole.detector(pixel1=1e-3, pixel2=1e-3, shape=(20, 30))
    geometry = aureole.Geometry(detector, 0.1, 0.01, 0.015, wavelength=1e-10)
    return IntegrationSpec(geometry, radial=aureole.Axis("q_nm^-1", BINS), error_model="poisson").to_json()


def grid_axes(names, shape):
    return [GridAxis(name, 0.1 * np.arange(size), "mm") for name, size in zip(names, shape, strict=True)]


def fill(entry, name, axes, rng):
    """Write random patterns, one place of which has no values, and return them."""
    radial = GridAxis("q", np.linspace(1.0, 4.0, BINS), "1/nm")
    data = new_data(entry, name, (*axes, radial), sigma=True)
    shape = data["I"].shape
    values = rng.normal(10.0, 1.0, shape).astype(np.float32)
    values.reshape(-1, BINS)[-1] = np.nan
    values[..., 0] = np.nan
    sigma = np.where(np.isfinite(values), rng.uniform(0.1, 0.5, shape), np.nan).astype(np.float32)
    data["I"][...], data["I_errors"][...] = values, sigma
    return values, sigma


def write_file(path, index, names, shape, notes=()):
    """Write the file of a map, or of a tomogram where there is "z"; return what is in it."""
    rng = np.random.default_rng(5)
    frames = int(index.max()) + 1
    provenance = Provenance(spec=spec_json(), sources=[Source("a.cbf", 3, 4)])
    with h5py.File(path, "w") as file:
        entry = write_entry(file, GridEntry(title="t", monitor=False, provenance=provenance), frames)
        write_status(entry, np.zeros(frames, np.uint8), {})
        write_scan(entry, index, notes)
        if names[0] == "z":
            layers, rotations, translations = index.shape
            axes = grid_axes(("z", "translation", "rotation"), (layers, translations, rotations))
            sinogram, _ = fill(entry, "sinogram", axes, rng)
            process = write_parameters(
                entry,
                "reconstruction",
                {
                    "rotation_center": np.full(layers, 1.5),
                    "rotation_center_spread": np.zeros(layers),
                    "shifts": np.zeros((layers, rotations)),
                    "angles_used": np.ones((layers, rotations), bool),
                },
            )
            for key, value in CORRECTIONS.items():
                process[f"parameters/{key}"] = json.dumps(value)
        else:
            sinogram = None
        axes = grid_axes(names, shape)
        values, sigma = fill(entry, "data", axes, rng)
        image = rng.normal(size=shape)
        write_images(entry, "Ni", axes, {"total": (image, np.abs(image))})
        if names == ("point",):
            for axis in ("y", "x"):
                entry[f"scan/{axis}"] = rng.normal(size=shape)
    return SimpleNamespace(path=path, I=values, sigma=sigma, sinogram=sinogram, image=image, index=index)


@pytest.fixture
def tomogram(tmp_path):
    index = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    index[1, 2, 0] = -1
    return write_file(tmp_path / "t.h5", index, ("z", "y", "x"), (2, 5, 6), notes=["odd"])


@pytest.fixture
def grid(tmp_path):
    return write_file(tmp_path / "m.h5", np.arange(12).reshape(3, 4)[:, ::-1], ("y", "x"), (3, 4))


def test_every_value_comes_from_its_place(tomogram):
    with read_scan_result(tomogram.path) as scan:
        assert scan.kind == "tomogram"
        assert (scan.patterns.shape, scan.sinogram.shape) == ((2, 5, 6), (2, 4, 3))
        assert [axis.units for axis in scan.patterns.axes] == ["mm"] * 3
        assert scan.wavelength == 1e-10
        assert scan.notes == ["odd"]
        assert scan.reconstruction.corrections == {"air": 2}
        for place in np.ndindex(2, 5, 6):
            rows = scan.patterns.read(place)
            np.testing.assert_array_equal(rows.intensity, tomogram.I[place])
            np.testing.assert_array_equal(rows.sigma, tomogram.sigma[place])
        for layer in range(2):
            np.testing.assert_array_equal(
                scan.images["Ni"].read("total", layer)[0], tomogram.image[layer].astype(np.float32)
            )


def test_frames_of_a_tomogram_are_found_in_its_sinogram(tomogram):
    with read_scan_result(tomogram.path) as scan:
        for layer, rotation, translation in np.ndindex(2, 3, 4):
            frame = tomogram.index[layer, rotation, translation]
            if frame >= 0:
                row = scan.read_frame(frame).intensity
                np.testing.assert_array_equal(row, tomogram.sinogram[layer, translation, rotation])
        assert scan.read_frame(20) is None  # it was to be where there is none


def test_frames_of_a_map_are_found_at_their_places(grid):
    with read_scan_result(grid.path) as scan:
        assert (scan.kind, scan.sinogram, scan.reconstruction) == ("map", None, None)
        np.testing.assert_array_equal(scan.read_frame(3).intensity, grid.I[0, 0])


@pytest.mark.parametrize("rows_at_once", [1, 10**9])
def test_a_survey_is_the_mean_of_all_values_there_are(tomogram, monkeypatch, rows_at_once):
    monkeypatch.setattr("aureole.io.scan_results._BLOCK_BYTES", rows_at_once)
    bins = np.arange(BINS) > 3
    with read_scan_result(tomogram.path) as scan:
        whole, layer = scan.patterns.survey(), scan.patterns.survey(0, bins)
    flat = tomogram.I.astype(np.float64).reshape(-1, BINS)
    np.testing.assert_allclose(whole.mean[1:], np.nanmean(flat[:, 1:], axis=0), rtol=1e-13)
    assert np.isnan(whole.mean[0])
    assert np.isnan(whole.image[-1, -1, -1])
    assert np.isfinite(whole.image).sum() == whole.image.size - 1
    np.testing.assert_allclose(layer.image, tomogram.I[0][..., bins].mean(-1), rtol=1e-6)


@pytest.mark.parametrize("rows_at_once", [1, 10**9])
def test_the_mean_of_a_region_and_what_its_sigma_is(tomogram, monkeypatch, rows_at_once):
    monkeypatch.setattr("aureole.io.scan_results._BLOCK_BYTES", rows_at_once)
    inside = np.zeros((2, 5, 6), bool)
    inside[0, 1:3, 2:4] = inside[1, 4, 4:] = True
    values, sigma = (array[inside][:5, 1:].astype(np.float64) for array in (tomogram.I, tomogram.sigma))
    with read_scan_result(tomogram.path) as scan:
        bound = scan.patterns.mean(inside, independent=False)
        error = scan.patterns.mean(inside, independent=True)
    assert bound.places == error.places == 5  # the sixth has no values
    np.testing.assert_allclose(bound.intensity[1:], values.mean(0), rtol=1e-13)
    np.testing.assert_allclose(bound.sigma[1:], sigma.mean(0), rtol=1e-13)
    np.testing.assert_allclose(error.sigma[1:], np.sqrt(np.square(sigma).sum(0)) / 5, rtol=1e-13)
    assert np.all(error.sigma[1:] < bound.sigma[1:])


def test_scattered_points_and_lines(tmp_path):
    points = write_file(tmp_path / "p.h5", np.arange(9), ("point",), (9,))
    line = write_file(tmp_path / "l.h5", np.arange(9), ("x",), (9,))
    with read_scan_result(points.path) as scan:
        assert scan.points.shape == (9, 2)
        np.testing.assert_array_equal(scan.read_frame(4).intensity, points.I[4])
    with read_scan_result(line.path) as scan:
        assert scan.points is None
        assert scan.patterns.survey().image.shape == (9,)


def test_what_is_which(grid, tmp_path):
    assert is_scan_result(grid.path)
    assert not is_result(grid.path)
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["x"] = 1
    assert not is_scan_result(other)
    for read, path in ((read_result, grid.path), (read_scan_result, other), (read_scan_result, "nowhere.h5")):
        with pytest.raises(FormatError, match=r"is no|no such file"):
            read(path)


DAMAGES = {
    "gone": None,
    "number": 7,
    "text": "x",
    "nothing": h5py.Empty("f4"),
    "shape": np.zeros((3, 2)),
    "NaN": np.full(6, np.nan),
    "group": {},
}


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize(
    "part",
    [
        "data", "data/I", "data/I_errors", "data/q", "data/x", "sinogram", "sinogram/I",
        "sinogram/rotation", "scan", "scan/frame", "scan/notes", "frame_status", "frame_message",
        "reconstruction", "reconstruction/parameters", "reconstruction/parameters/rotation_center",
        "reconstruction/parameters/angles_used", "reconstruction/parameters/corrections",
        "reconstruction/parameters/transmission", "Ni/total", "Ni/total_errors", "reduction/input/spec",
    ],
)  # fmt: skip
def test_damaged_files_are_told_in_one_line(tomogram, part, how):
    with h5py.File(tomogram.path, "r+") as file:
        del file[f"entry/{part}"]
        if how == "group":
            file["entry"].create_group(part)
        elif how != "gone":
            file[f"entry/{part}"] = DAMAGES[how]
    if (how, part) in {
        ("gone", "data/I_errors"),
        ("gone", "scan/notes"),
        ("gone", "Ni/total_errors"),
        ("text", "scan/notes"),
    }:
        with read_scan_result(tomogram.path) as scan:
            scan.patterns.survey()
        return
    with pytest.raises(FormatError) as caught:
        read_scan_result(tomogram.path)
    assert str(tomogram.path) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("attribute", "value"),
    [("axes", ["z", "x", "y", "q"]), ("axes", ["q"]), ("axes", 3), ("axes", ["a"] * 4)],
)
def test_axes_that_are_not_those_of_the_data(tomogram, attribute, value):
    with h5py.File(tomogram.path, "r+") as file:
        file["entry/data"].attrs[attribute] = value
    with pytest.raises(FormatError, match="is no map or tomogram"):
        read_scan_result(tomogram.path)


def test_frames_that_do_not_exist(grid):
    with h5py.File(grid.path, "r+") as file:
        file["entry/scan/frame"][0, 0] = 99
    with pytest.raises(FormatError, match="frames that do not exist"):
        read_scan_result(grid.path)
