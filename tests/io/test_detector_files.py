"""NeXus files that describe detectors: written here and read by the peer, and the other way round."""

import json
import logging
import pickle
import warnings
from dataclasses import replace

import h5py
import numpy as np
import pytest
from pyFAI.detectors import NexusDetector, detector_factory
from pyFAI.integrator.azimuthal import AzimuthalIntegrator
from pyFAI.io.ponifile import PoniFile

import aureole
from aureole.arrays import NamedArray
from aureole.axis import Axis
from aureole.azimuthal import IntegrationSpec
from aureole.errors import FormatError, GeometryError, OutputError, SpecError
from aureole.geometry import Detector, Geometry, Sensor, detector, format_poni, parse_poni
from aureole.geometry.recorded import Recorded
from aureole.io import load_detector, save_detector

POSE = {"dist": 0.1, "poni1": 0.008, "poni2": 0.011, "rot1": 0.02, "rot2": -0.03, "rot3": 0.4}
SHAPE = (50, 60)


@pytest.fixture(autouse=True)
def quiet():
    logging.getLogger("pyFAI").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def peer(name, **config):
    return detector_factory(name, config or None)


def crooked(dtype=np.float32, shape=SHAPE):
    """Corners of pixels that are all a little out of place, on no plane."""
    grid = detector(pixel1=1e-4, pixel2=2e-4, shape=shape).corners()
    rng = np.random.default_rng(8)
    corners = grid + rng.uniform(-1e-5, 1e-5, grid.shape)
    corners[..., 2] += 0.3 * grid[..., 0]
    return corners.astype(dtype)


@pytest.fixture
def full():
    """A detector that has all that a file can hold."""
    rng = np.random.default_rng(4)
    mask = rng.random(SHAPE) < 0.1
    arrays = {
        "corners": crooked(),
        "mask": mask,
        "flat": rng.uniform(0.8, 1.2, SHAPE).astype(np.float32),
        "dark": rng.uniform(0.0, 2.0, SHAPE).astype(np.float32),
    }
    recorded = Recorded("mine.h5", **{name: NamedArray(name, array) for name, array in arrays.items()})
    return Detector("my own", 1e-4, 2e-4, SHAPE, 2, Sensor("Si", 320e-6), invalid=(-1, -2), recorded=recorded)


@pytest.mark.parametrize(
    "name", ["Pixirad1", "Pilatus100k", "Xpad_flat", "ImXPadS10", "Jungfrau", "Eiger500k"]
)
def test_files_of_the_peer_are_read(name, tmp_path):
    path = tmp_path / "theirs.h5"
    theirs = peer(name)
    theirs.save(str(path))
    ours, named = load_detector(path), detector(name)
    assert ours.shape == named.shape
    assert (ours.pixel1, ours.pixel2) == pytest.approx((named.pixel1, named.pixel2))
    np.testing.assert_array_equal(ours.mask, named.mask)
    np.testing.assert_allclose(ours.corners(), named.corners(), rtol=0, atol=1e-7)
    assert set(named.invalid) <= set(ours.invalid)
    assert ours.recorded.file == str(path)


@pytest.mark.parametrize("name", ["Pixirad1", "Pilatus100k", "Xpad_flat", "ImXPadS10", "Rapid"])
def test_files_of_ours_are_read_by_the_peer(name, tmp_path):
    path = tmp_path / "ours.h5"
    named = detector(name, shape=(40, 4700)) if name == "Rapid" else detector(name)
    save_detector(named, path)
    theirs = NexusDetector(str(path))
    assert tuple(theirs.shape) == named.shape
    assert (theirs.pixel1, theirs.pixel2) == (named.pixel1, named.pixel2)
    assert named.is_flat == theirs.IS_FLAT
    np.testing.assert_array_equal(0 if theirs.mask is None else theirs.mask != 0, named.mask)
    np.testing.assert_allclose(theirs.get_pixel_corners()[..., [1, 2, 0]], named.corners(), rtol=0, atol=1e-7)
    again = load_detector(path)
    assert again.orientation == 3
    assert again.invalid == named.invalid
    np.testing.assert_allclose(again.corners(), named.corners(), rtol=0, atol=1e-7)


def test_all_that_a_file_holds(full, tmp_path):
    path = tmp_path / "full.h5"
    save_detector(full, path)
    again = load_detector(path)
    assert again.name == full.name
    for name, named in full.recorded.arrays.items():
        np.testing.assert_array_equal(again.recorded.arrays[name].array, named.array)
        assert again.recorded.arrays[name].array.dtype == named.array.dtype
    assert replace(again, recorded=None) == replace(full, recorded=None)
    theirs = NexusDetector(str(path))
    assert (theirs.dummy, theirs.delta_dummy) == (-2, 1.5)
    assert theirs.orientation == 2
    assert theirs.sensor.thickness == 320e-6
    np.testing.assert_array_equal(theirs.flatfield, full.recorded.flat.array)
    np.testing.assert_array_equal(theirs.darkcurrent, full.recorded.dark.array)
    np.testing.assert_array_equal(theirs.mask != 0, full.mask)
    for found, expected in zip(again.positions(), theirs.calc_cartesian_positions(), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-8)
    # once more through the peer
    theirs.save(str(tmp_path / "theirs.h5"))
    third = load_detector(tmp_path / "theirs.h5")
    np.testing.assert_array_equal(third.recorded.corners.array, full.recorded.corners.array)
    np.testing.assert_array_equal(third.mask, full.mask)
    assert third.orientation == 2


def test_float64_corners_stay(tmp_path):
    corners = crooked(np.float64)
    known = Detector("mine", 1e-4, 2e-4, recorded=Recorded("", NamedArray("corners", corners)))
    save_detector(known, tmp_path / "a.h5")
    np.testing.assert_array_equal(load_detector(tmp_path / "a.h5").corners(), corners)


def test_a_binned_detector_of_the_peer(tmp_path):
    theirs = peer("Jungfrau")
    theirs.get_pixel_corners()
    theirs.binning = (2, 2)
    theirs.mask = None
    theirs.save(str(tmp_path / "binned.h5"))
    ours = load_detector(tmp_path / "binned.h5")
    assert ours.shape == (256, 512)
    np.testing.assert_array_equal(
        ours.corners()[..., [2, 0, 1]], theirs.get_pixel_corners(correct_binning=True)
    )


def test_pixels_without_a_place_are_masked(tmp_path):
    save_detector(detector("Pixirad1", shape=(6, 7)), tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["entry/instrument/Pixirad1/pixel_corners"][2, 1, 1, 1] = np.nan
    ours = load_detector(tmp_path / "a.h5")
    assert np.argwhere(ours.mask).tolist() == [[2, 1]]
    turned = replace(ours, orientation=4)
    assert np.argwhere(turned.mask).tolist() == [[2, 5]]
    assert np.argwhere(np.isnan(turned.positions()[0])).tolist() == [[2, 5]]
    spec = IntegrationSpec(Geometry(ours, 0.1, wavelength=1e-10), radial=Axis("q_nm^-1", 5))
    pattern = spec.plan().integrate(np.ones((1, 6, 7)))
    np.testing.assert_allclose(pattern.sum_signal.sum(), 6 * 7 - 1, rtol=1e-6)


def test_of_several_descriptions_the_newest_counts(tmp_path):
    path = tmp_path / "two.h5"
    for name, date in (("Pilatus100k", "2026-05-02"), ("Eiger500k", "2026-05-01")):
        save_detector(detector(name), path.with_name(name))
        with h5py.File(path.with_name(name)) as source, h5py.File(path, "a") as target:
            entry = f"entry_{len(target):04d}"
            source.copy("entry", target, entry)
            del target[entry]["start_time"]
            target[entry]["start_time"] = f"{date}T12:00:00+00:00"
    assert load_detector(path).name == "Pilatus100k"
    assert tuple(NexusDetector(str(path)).shape) == (195, 487)


# PONI files


def test_a_poni_file_of_the_peer(full, tmp_path):
    save_detector(full, tmp_path / "det.h5")
    ai = AzimuthalIntegrator(**POSE, wavelength=1e-10, detector=NexusDetector(str(tmp_path / "det.h5")))
    ai.save(str(tmp_path / "theirs.poni"))
    ours = aureole.load(tmp_path / "theirs.poni")
    assert ours.detector == load_detector(str(tmp_path / "det.h5"))
    assert ours.poni1 == POSE["poni1"]


def test_a_poni_file_for_the_peer(full, tmp_path):
    save_detector(full, tmp_path / "det.h5")
    ours = Geometry(load_detector(str(tmp_path / "det.h5")), **POSE, wavelength=1e-10)
    path = tmp_path / "ours.poni"
    path.write_text(format_poni(ours))
    assert aureole.load(path) == ours
    theirs = PoniFile(str(path)).detector
    assert isinstance(theirs, NexusDetector)
    np.testing.assert_array_equal(theirs.get_pixel_corners()[..., [1, 2, 0]], full.recorded.corners.array)
    with pytest.raises(GeometryError, match="version 1 knows no detectors in files"):
        format_poni(ours, version=1)


def test_a_detector_file_beside_the_poni_file(tmp_path):
    save_detector(detector("Pixirad1"), tmp_path / "det.h5")
    config = json.dumps({"filename": "det.h5", "orientation": 4, "pixel1": 1e-4})
    pose = "\n".join(f"{key}: {value}" for key, value in POSE.items())
    path = tmp_path / "a.poni"
    path.write_text(f"poni_version: 2.1\nDetector: NexusDetector\nDetector_config: {config}\n{pose}\n")
    ours = aureole.load(path).detector
    assert (ours.name, ours.orientation, ours.pixel2) == ("Pixirad1", 4, 60e-6)
    path.write_text(f"Detector: det.h5\n{pose}\n")
    assert aureole.load(path).detector.orientation == 3
    with pytest.raises(
        GeometryError, match=r"line 1: the detector is described in the file 'det.h5'.*aureole.load"
    ):
        parse_poni(path.read_text())
    path.write_text(f"Detector: gone.h5\n{pose}\n")
    with pytest.raises(FormatError, match=r"a.poni: gone.h5: no such file"):
        aureole.load(path)
    path.write_text(f"poni_version: 2.1\nDetector: NexusDetector\nDetector_config: {{}}\n{pose}\n")
    with pytest.raises(GeometryError, match=r"line 2: Detector in a file needs its 'filename'"):
        aureole.load(path)


def test_the_radius_of_a_bent_plate_goes_there_and_back(tmp_path):
    ours = Geometry(detector("Rapid", radius=0.13), **POSE)
    path = tmp_path / "a.poni"
    path.write_text(format_poni(ours))
    assert aureole.load(path) == ours
    assert PoniFile(str(path)).detector.radius == 0.13
    theirs = AzimuthalIntegrator(**POSE, detector=peer("Rapid", radius=0.14))
    theirs.save(str(tmp_path / "theirs.poni"))
    assert aureole.load(tmp_path / "theirs.poni").detector == detector("Rapid", radius=0.14)


# integration


@pytest.mark.parametrize("mode", ["no", "bbox", "full"])
def test_patterns_agree_with_the_peer(full, mode, tmp_path):
    """With the mask, flat and dark of the file; for "no" without pixels on the edge of a bin."""
    path = tmp_path / "det.h5"
    shape = (300, 310)
    corners = crooked(shape=shape)
    rng = np.random.default_rng(5)
    recorded = Recorded(
        "",
        NamedArray("corners", corners),
        NamedArray("mask", rng.random(shape) < 0.1),
        NamedArray("flat", rng.uniform(0.8, 1.2, shape).astype(np.float32)),
        NamedArray("dark", rng.uniform(0.0, 2.0, shape).astype(np.float32)),
    )
    save_detector(Detector("mine", 1e-4, 2e-4, recorded=recorded), path)
    theirs = NexusDetector(str(path))
    ours = Geometry(load_detector(path), **{**POSE, "poni1": -0.004}, wavelength=1e-10)
    ai = AzimuthalIntegrator(**{**POSE, "poni1": -0.004}, wavelength=1e-10, detector=theirs)
    image = rng.poisson(100.0, shape).astype(np.float32)
    angle = ours.center_array("2th_deg")
    edges = np.linspace(10.0, 22.0, 61)
    at = (angle - 10.0) / 0.2
    doubt = np.abs(at - np.round(at)) < 1e-3 if mode == "no" else np.zeros(shape, bool)
    reference = ai.integrate1d_ng(
        image,
        60,
        unit="2th_deg",
        mask=ours.detector.mask | doubt,
        radial_range=(edges[0], edges[-1]),
        method=(mode, "csr", "cython"),
        correctSolidAngle=False,
    )
    assert ours.detector.is_flat == ai.detector.IS_FLAT
    pattern = aureole.integrate1d(
        image,
        ours,
        60,
        unit="2th_deg",
        radial_range=(edges[0], edges[-1]),
        mask=doubt,
        split=mode,
        solid_angle=False,
    )
    crowded = pattern.count > 20
    crowded[[0, -1]] = False  # where the peer does not cut pixels
    assert crowded.sum() > 40
    for name in ("sum_signal", "sum_normalization"):
        error = np.abs(getattr(pattern, name) / getattr(reference, name) - 1.0)[crowded]
        assert np.median(error) < 2e-6
        assert error.max() < (2e-6 if mode == "no" else 5e-5)


def test_a_result_can_be_planned_again(full, tmp_path):
    geometry = Geometry(full, **POSE, wavelength=1e-10)
    spec = IntegrationSpec(geometry, radial=Axis("q_nm^-1", 20))
    assert spec.flat is full.recorded.flat
    assert spec.dark is full.recorded.dark
    arrays = {named.sha256: named.array for named in spec.embedded.values()}
    again = IntegrationSpec.from_json(spec.to_json(), arrays)
    assert again == spec
    assert again.geometry == geometry
    assert again.plan().digest == spec.plan().digest
    assert pickle.loads(pickle.dumps(spec)) == spec
    arrays.pop(full.recorded.corners.sha256)
    with pytest.raises(SpecError, match="the array corners"):
        IntegrationSpec.from_json(spec.to_json(), arrays)
    other = np.ones(SHAPE)
    assert (
        IntegrationSpec(geometry, radial=Axis("q_nm^-1", 20), flat=other).flat.array
        is not full.recorded.flat.array
    )


def test_what_a_run_writes_is_enough(full, tmp_path):
    from aureole.cli import main
    from aureole.io.results import read_result

    save_detector(full, tmp_path / "det.h5")
    geometry = Geometry(load_detector(str(tmp_path / "det.h5")), **POSE, wavelength=1e-10)
    (tmp_path / "a.poni").write_text(format_poni(geometry))
    np.save(tmp_path / "frame.npy", np.ones(SHAPE, np.int32))
    with h5py.File(tmp_path / "frames.h5", "w") as file:
        file["data"] = np.ones((2, *SHAPE), np.int32)
    out = tmp_path / "out.h5"
    arguments = [
        "integrate",
        f"{tmp_path / 'frames.h5'}::/data",
        "--poni",
        str(tmp_path / "a.poni"),
        "-o",
        str(out),
    ]
    assert main(arguments) == 0
    (tmp_path / "det.h5").unlink()
    with read_result(out) as result:
        spec = IntegrationSpec.from_json(result.spec_json, result.read_arrays())
    assert spec.geometry == geometry


# what is wrong with a file


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda group: group.pop("pixel_size"), "holds no description of a detector"),
        (
            lambda group: group["shape"].write_direct(np.array([7, 8], np.int32)),
            "do not fit a detector of 7 x 8",
        ),
        (
            lambda group: group["orientation"].write_direct(np.array(9, np.int32)),
            "orientation must be 1, 2, 3 or 4",
        ),
        (lambda group: group["pixel_size"].write_direct(np.array([1.0, -1.0])), "must be a positive length"),
        (
            lambda group: (group.pop("mask"), group.create_dataset("mask", data=np.ones((4, 5)))),
            "do not agree in shape",
        ),
        (lambda group: (group.pop("mask"), group.create_dataset("mask", data=np.ones(4))), "with 2 axes"),
        (lambda group: group["shape"].write_direct(np.array([0, 8], np.int32)), r"shape is \(0, 8\)"),
        (lambda group: _put(group, "pixel_size", np.ones(3)), "pixel_size is no pair of numbers"),
        (lambda group: _put(group, "shape", "four"), "shape is no pair of numbers"),
        (lambda group: _put(group, "invalid_values", np.arange(100)), "invalid_values are no whole numbers"),
        (lambda group: _put(group, "pixel_corners", np.zeros((2, 2, 100, 3))), "pixel_corners has shape"),
        (lambda group: _put(group, "pixel_corners", np.full((*SHAPE, 4, 3), 1e30)), "metres are needed"),
    ],
)
def test_descriptions_that_cannot_be(change, words, full, tmp_path):
    path = tmp_path / "bad.h5"
    save_detector(full, path)
    with h5py.File(path, "r+") as file:
        change(file["entry/instrument/my_own"])
    with pytest.raises(FormatError, match=words) as caught:
        load_detector(path)
    assert str(caught.value).count(str(path)) == 1
    assert "\n" not in str(caught.value)


def _put(group, name, value):
    group.pop(name, None)
    group[name] = value


def test_pixels_without_an_area_are_masked_and_spoil_no_bin(tmp_path):
    corners = crooked(np.float64)
    corners[3, 4] = corners[3, 4, 0]
    corners[5, 6, 1:] = corners[5, 6, 0] + 1e-4 * np.arange(1, 4)[:, None]
    named = Recorded("", NamedArray("corners", corners))
    detector = Detector("crushed", 1e-4, 1e-4, recorded=named)
    assert np.argwhere(detector.mask).tolist() == [[3, 4], [5, 6]]
    save_detector(detector, tmp_path / "crushed.h5")
    np.testing.assert_array_equal(load_detector(tmp_path / "crushed.h5").mask, detector.mask)
    geometry = Geometry(detector, 0.1, 0.0, 0.0)
    found = aureole.integrate1d(np.ones(detector.known_shape), geometry, 5, unit="2th_deg")
    assert np.isfinite(found.intensity).all()


def test_files_that_are_none(tmp_path):
    with pytest.raises(FormatError, match="no such file"):
        load_detector(tmp_path / "gone.h5")
    (tmp_path / "a.h5").write_text("no")
    with pytest.raises(FormatError, match="not a complete HDF5 file"):
        load_detector(tmp_path / "a.h5")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["data"] = 1
    with pytest.raises(FormatError, match="holds no description of a detector"):
        load_detector(tmp_path / "b.h5")


def test_what_is_not_written(tmp_path):
    with pytest.raises(GeometryError, match="has no shape"):
        save_detector(detector(pixel1=1e-4, pixel2=1e-4), tmp_path / "a.h5")
    save_detector(detector("Pilatus100k"), tmp_path / "a.h5")
    with pytest.raises(OutputError, match="exists already"):
        save_detector(detector("Pilatus100k"), tmp_path / "a.h5")
    save_detector(detector("Eiger500k"), tmp_path / "a.h5", overwrite=True)
    assert load_detector(tmp_path / "a.h5").name == "Eiger500k"
