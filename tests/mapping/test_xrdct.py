"""Tomograms of patterns as files: from frames in any order, with gaps, in one go or several."""

from dataclasses import replace
from threading import Timer

import h5py
import numpy as np
import pytest

from aureole.errors import OutputError, SpecError
from aureole.io import open_frames, read_image, read_positions
from aureole.mapping.images import ImageRequest
from aureole.mapping.positions import from_positions
from aureole.mapping.scan import ScanAxis, raster
from aureole.mapping.tomography import Corrections, Reconstruction, TomographyRequest
from aureole.mapping.xrdct import xrdct_series
from aureole.runs import RunOptions
from aureole.runs.run import directory_of
from aureole.simulate import XrdctScan

ANGLES, TRANSLATIONS = 16, 13
IMAGES = ImageRequest(regions={"CeO2": (2.5, 7.5)}, peaks={"Ni": (8.0, 14.0)})


def request(corrections=None, reconstruction=None, **options):
    options.setdefault("images", IMAGES)
    return TomographyRequest(
        corrections=corrections or Corrections(),
        reconstruction=reconstruction or Reconstruction(),
        **options,
    )


def scan_of(count, layers=None, translations=TRANSLATIONS, angles=ANGLES, **options):
    axes = [
        ScanAxis("rotation", np.arange(float(angles)) * 180 / angles, "deg"),
        ScanAxis("translation", np.arange(float(translations)) * 0.05, "mm"),
    ]
    if layers is not None:
        axes.insert(0, ScanAxis("z", np.arange(float(layers)), "mm"))
    return raster(axes, count, **options)


def reduce(written, output, scan=None, *, plan=None, wanted=None, **options):
    with open_frames(written.files) as frames:
        return xrdct_series(
            plan or written.plan(),
            frames,
            scan or scan_of(len(frames)),
            output,
            request=wanted or request(),
            options=RunOptions(**options),
        )


def contents(path):
    """Return the bytes of all data sets of a file but for the dates."""
    found = {}

    def keep(name, item):
        if isinstance(item, h5py.Dataset) and not name.endswith("/date"):
            values = np.asarray(item[()])
            found[name] = repr(values.tolist()).encode() if values.dtype.hasobject else values.tobytes()

    with h5py.File(path) as file:
        file.visititems(keep)
    return found


@pytest.fixture
def one(write):
    return write(XrdctScan(translations=TRANSLATIONS, angles=ANGLES))


def test_a_tomogram_of_one_layer(one, tmp_path):
    told = []
    report = reduce(one, tmp_path / "t.h5", progress=lambda done, total: told.append((done, total)))
    assert (report.frames, report.done, report.issues) == (208, 208, [])
    assert told[0] == (0, 208)
    assert told[-1] == (208, 208)
    assert not directory_of(tmp_path / "t.h5").exists()
    with h5py.File(tmp_path / "t.h5") as file:
        entry = file["entry"]
        data, sinogram = entry["data"], entry["sinogram"]
        assert data["I"].shape == data["I_errors"].shape == (1, TRANSLATIONS, TRANSLATIONS, 30)
        assert list(data.attrs["axes"]) == ["z", "y", "x", "q"]
        assert list(sinogram.attrs["axes"]) == ["z", "translation", "rotation", "q"]
        np.testing.assert_allclose(data["x"][()], (np.arange(13) - 6) * 0.05)
        np.testing.assert_allclose(sinogram["rotation"][()], np.arange(16) * 11.25)
        assert data["x"].attrs["units"] == "mm"
        images = np.array([read_image(path) for path in one.files])
        measured = one.plan().integrate(images).intensity.reshape(ANGLES, TRANSLATIONS, 30)
        np.testing.assert_array_equal(sinogram["I"][0], measured.swapaxes(0, 1).astype(np.float32))
        # what was measured, is in the slice
        total = np.nansum(data["I"][0], axis=(0, 1))
        np.testing.assert_allclose(total.sum(), measured.sum(axis=1).mean(axis=0).sum(), rtol=0.02)
        account = entry["reconstruction/parameters"]
        assert account["rotation_center"][0] == pytest.approx(one.scan.rotation_center, abs=0.25)
        assert account["angles_used"][()].all()
        assert (entry["frame_status"][()] == 0).all()
        np.testing.assert_array_equal(entry["scan/frame"][0], np.arange(208).reshape(16, 13))
        for phase, (name, quantity) in enumerate((("CeO2", "total"), ("Ni", "area"))):
            image = entry[f"{name}/{quantity}"][0]
            good = np.isfinite(image)
            assert np.corrcoef(image[good], one.truth[phase, 0][good])[0, 1] > 0.95


@pytest.mark.parametrize(
    ("made", "read"),
    [
        ({"order": "rotation-first"}, {"fast": "rotation"}),
        ({"zigzag": True}, {"zigzag": True}),
        ({"interlaced": 3}, {"interlaced": 3}),
        ({"zigzag": True, "interlaced": 2}, {"zigzag": True, "interlaced": 2}),
    ],
)
def test_orders(write, one, tmp_path, made, read):
    """Noise aside, which belongs to the frame, any order gives the same sinogram."""
    other = write(XrdctScan(translations=TRANSLATIONS, angles=ANGLES, **made), name="other")
    how = {"wanted": request(reconstruction=Reconstruction(center=6.2)), "plan": one.plan(split="no")}
    reduce(one, tmp_path / "a.h5", **how)
    reduce(other, tmp_path / "b.h5", scan_of(208, **read), **how)
    with h5py.File(tmp_path / "a.h5") as a, h5py.File(tmp_path / "b.h5") as b:
        pair = [file["entry/sinogram/I"][()] for file in (a, b)]
        errors = np.hypot(*(file["entry/sinogram/I_errors"][()] for file in (a, b)))
        bright = (pair[0] + pair[1]) > 50.0
        assert np.count_nonzero(bright) > 500
        assert np.mean(((pair[0] - pair[1]) / errors)[bright] ** 2) == pytest.approx(1.0, abs=0.15)


def test_backlash_of_a_zigzag_scan(write, tmp_path):
    moved = write(
        XrdctScan(translations=21, angles=ANGLES, zigzag=True, backlash=1.0, interlaced=2), scale=20
    )
    scan = scan_of(len(moved.files), translations=21, zigzag=True, interlaced=2)
    wanted = request(Corrections(backlash=True), images=ImageRequest())
    reduce(moved, tmp_path / "t.h5", scan, wanted=wanted)
    with h5py.File(tmp_path / "t.h5") as file:
        shifts = file["entry/reconstruction/parameters/shifts"][0]
    assert np.ptp(shifts) == pytest.approx(1.0, abs=0.2)
    backward = scan.index[:, 0] > scan.index[:, -1]
    np.testing.assert_array_equal(shifts < 0, backward)


def test_positions_from_a_table(one, tmp_path):
    with open_frames(one.files) as frames:
        columns = [
            ScanAxis(name, read_positions(f"{one.root / 'scan.csv'}:{name}", frames), unit)
            for name, unit in (("rotation", "deg"), ("translation", "mm"))
        ]
    reduce(one, tmp_path / "a.h5", from_positions(columns))
    reduce(one, tmp_path / "b.h5")
    with h5py.File(tmp_path / "a.h5") as a, h5py.File(tmp_path / "b.h5") as b:
        for name in ("sinogram/I", "data/I", "data/I_errors", "CeO2/total"):
            np.testing.assert_array_equal(a[f"entry/{name}"][()], b[f"entry/{name}"][()], strict=True)
        np.testing.assert_allclose(a["entry/data/x"][()], b["entry/data/x"][()], atol=1e-12)


def test_layers(write, tmp_path):
    several = write(XrdctScan(translations=TRANSLATIONS, angles=ANGLES, layers=3))
    report = reduce(several, tmp_path / "t.h5", scan_of(624, layers=3), part_frames=50)
    assert report.done == 624
    with h5py.File(tmp_path / "t.h5") as file:
        assert file["entry/data/I"].shape == (3, 13, 13, 30)
        assert file["entry/sinogram/I"].shape == (3, 13, 16, 30)
        assert file["entry/CeO2/total"].shape == (3, 13, 13)
        assert file["entry/reconstruction/parameters/rotation_center"].shape == (3,)
        image = file["entry/CeO2/total"][()]
    good = np.isfinite(image)
    assert np.corrcoef(image[good], several.truth[0][good])[0, 1] > 0.95
    # each layer is what it is alone
    middle = replace(several, files=several.files[208:416])
    reduce(middle, tmp_path / "middle.h5")
    with h5py.File(tmp_path / "t.h5") as file, h5py.File(tmp_path / "middle.h5") as alone:
        np.testing.assert_array_equal(file["entry/data/I"][1], alone["entry/data/I"][0])
        np.testing.assert_array_equal(file["entry/CeO2/total"][1], alone["entry/CeO2/total"][0])


@pytest.mark.parametrize("half", [False, True])
def test_threads_and_parts_do_not_change_a_bit(write, tmp_path, half):
    several = write(XrdctScan(translations=TRANSLATIONS, angles=ANGLES, layers=2, half_acquisition=half))
    for index in (40, 300):
        several.files[index].unlink()
    found = []
    for place, (threads, part_frames) in enumerate(((1, None), (2, 7), (3, 100), (2, 1000))):
        output = tmp_path / f"{place}.h5"
        axes = scan_of(416, layers=2)
        turned = ScanAxis("rotation", np.arange(16.0) * (22.5 if half else 11.25), "deg")
        scan = raster((axes.axes[0], turned, axes.axes[2]), 416)
        wanted = request(reconstruction=Reconstruction(half_acquisition=half))
        reduce(several, output, scan, wanted=wanted, threads=threads, part_frames=part_frames)
        found.append(contents(output))
    assert len(found[0]) > 20
    for other in found[1:]:
        assert other.keys() == found[0].keys()
        assert [name for name in other if other[name] != found[0][name]] == []


def test_missing_and_bad_frames_are_counted_and_told(one, tmp_path):
    one.files[20].unlink()
    one.files[100].write_bytes(one.files[100].read_bytes()[:700])
    report = reduce(one, tmp_path / "t.h5")
    assert (report.done, report.missing, report.bad) == (206, 1, 1)
    with h5py.File(tmp_path / "t.h5") as file:
        entry = file["entry"]
        status = entry["frame_status"][()]
        assert np.flatnonzero(status).tolist() == [20, 100]
        assert status[[20, 100]].tolist() == [2, 1]
        assert b"scan_0020" in entry["frame_message"][20]
        assert np.isnan(entry["sinogram/I"][0, 20 % 13, 20 // 13]).all()
        assert np.isfinite(entry["data/I"][0, 6, 6]).all()
        assert entry["reconstruction/parameters/angles_used"][()].all()


def test_a_frame_that_came_back_is_taken_up(one, tmp_path):
    data = one.files[20].read_bytes()
    reduce(one, tmp_path / "whole.h5")
    one.files[20].unlink()
    assert reduce(one, tmp_path / "t.h5", part_frames=16).missing == 1
    again = reduce(one, tmp_path / "t.h5", part_frames=16)  # tried again, and still missing
    assert again.missing == 1
    one.files[20].write_bytes(data)
    report = reduce(one, tmp_path / "t.h5", part_frames=16)
    assert (report.done, report.missing, report.reused) == (208, 0, 207)
    keys = [key for key in contents(tmp_path / "whole.h5") if "source_mtime" not in key]
    pair = [contents(tmp_path / name) for name in ("whole.h5", "t.h5")]
    assert [key for key in keys if pair[0][key] != pair[1][key]] == []


def test_files_that_came_on_the_way_are_known(one, tmp_path):
    data = one.files[20].read_bytes()
    one.files[20].unlink()
    with open_frames(one.files) as frames:
        scan, options = scan_of(len(frames)), RunOptions(threads=2)
        Timer(0.2, one.files[20].write_bytes, [data]).start()
        report = xrdct_series(
            one.plan(), frames.patient(10.0), scan, tmp_path / "t.h5", request=request(), options=options
        )
    assert report.done == 208
    assert reduce(one, tmp_path / "t.h5").reused == 208
    one.files[20].write_bytes(one.files[21].read_bytes())
    with pytest.raises(OutputError, match="files changed"):
        reduce(one, tmp_path / "t.h5")


def test_a_complete_output_is_left_as_it_is(one, tmp_path):
    reduce(one, tmp_path / "t.h5")
    before = (tmp_path / "t.h5").read_bytes()
    report = reduce(one, tmp_path / "t.h5")
    assert (report.done, report.reused) == (208, 208)
    assert "is complete already" in report.notes[0]
    assert (tmp_path / "t.h5").read_bytes() == before


@pytest.mark.parametrize(
    "other",
    [
        {"wanted": request(Corrections(equal_totals=True))},
        {"wanted": request(reconstruction=Reconstruction(center=6.0))},
        {"wanted": request(images=ImageRequest(regions={"CeO2": (3.0, 7.5)}))},
        {"wanted": request(transmission=np.ones(208), transmission_name="table.csv:t")},
        {"scan": scan_of(208, zigzag=True)},
    ],
)
def test_another_request_overwrites_nothing(one, tmp_path, other):
    reduce(one, tmp_path / "t.h5")
    before = (tmp_path / "t.h5").read_bytes()
    with pytest.raises(OutputError, match="exists already, and was made in another way"):
        reduce(one, tmp_path / "t.h5", **other)
    assert (tmp_path / "t.h5").read_bytes() == before
    reduce(one, tmp_path / "t.h5", overwrite=True, **other)
    assert (tmp_path / "t.h5").read_bytes() != before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scan", "t.h5"]


class Killed(BaseException):
    pass


@pytest.mark.parametrize("after", [1, 3, 12])
def test_a_run_that_was_stopped_goes_on(one, tmp_path, after):
    reduce(one, tmp_path / "whole.h5", part_frames=16)
    told = []

    def stop(done, total):
        told.append(done)
        if len(told) > after:
            raise Killed

    with pytest.raises(Killed):
        reduce(one, tmp_path / "t.h5", part_frames=16, threads=1, progress=stop)
    assert not (tmp_path / "t.h5").exists()
    report = reduce(one, tmp_path / "t.h5", part_frames=16)
    assert report.done == 208
    pair = [contents(tmp_path / name) for name in ("whole.h5", "t.h5")]
    assert [key for key in pair[0] if pair[0][key] != pair[1].get(key)] == []


def test_a_reconstruction_that_failed_keeps_its_parts(one, tmp_path):
    wrong = request(transmission=np.full(208, 7.0), transmission_name="t")
    with pytest.raises(SpecError, match="is 7, not between 0 and 1"):
        reduce(one, tmp_path / "t.h5", wanted=wrong)
    assert not (tmp_path / "t.h5").exists()
    assert reduce(one, tmp_path / "t.h5").reused == 208


def test_a_layer_without_frames_does_not_stop_the_others(write, tmp_path):
    several = write(XrdctScan(translations=TRANSLATIONS, angles=ANGLES, layers=3))
    for path in several.files[208:416]:
        path.unlink()
    report = reduce(several, tmp_path / "t.h5", scan_of(624, layers=3))
    assert report.missing == 208
    assert "layer 1: not reconstructed, since no bin of any frame has a value" in report.notes
    with h5py.File(tmp_path / "t.h5") as file:
        volume = file["entry/data/I"][()]
        assert np.isnan(volume[1]).all()
        assert np.isnan(file["entry/data/I_errors"][1]).all()
        assert np.isnan(file["entry/CeO2/total"][1]).all()
        assert np.isfinite(volume[[0, 2], 6, 6]).all()
        assert np.isnan(file["entry/reconstruction/parameters/rotation_center"][1])


def test_an_unfinished_scan(write, tmp_path):
    several = write(XrdctScan(translations=TRANSLATIONS, angles=ANGLES, layers=2))
    begun = replace(several, files=several.files[:400])  # the second layer's last angle has begun
    report = reduce(begun, tmp_path / "t.h5", scan_of(400, layers=2, partial=True))
    assert report.done == 400
    assert "layer 1: 1 of 16 angles lack frames and are left out" in report.notes


def test_transmission(one, tmp_path):
    known = np.linspace(0.5, 1.0, 208)
    wanted = request(reconstruction=Reconstruction(center=6.2), transmission=known, transmission_name="t")
    reduce(one, tmp_path / "t.h5", wanted=wanted)
    reduce(one, tmp_path / "plain.h5", wanted=request(reconstruction=Reconstruction(center=6.2)))
    with h5py.File(tmp_path / "t.h5") as file, h5py.File(tmp_path / "plain.h5") as plain:
        np.testing.assert_array_equal(file["entry/sinogram/I"][()], plain["entry/sinogram/I"][()])
        assert np.nansum(file["entry/data/I"][()]) > 1.2 * np.nansum(plain["entry/data/I"][()])
    with pytest.raises(OutputError, match="another way"):  # the same name, and other values
        reduce(one, tmp_path / "t.h5", wanted=replace(wanted, transmission=known[::-1]))


def test_iterative_results_have_no_errors(one, tmp_path):
    how = Reconstruction(method="sirt", iterations=5)
    reduce(one, tmp_path / "t.h5", wanted=request(reconstruction=how))
    with h5py.File(tmp_path / "t.h5") as file:
        assert "I_errors" not in file["entry/data"]
        assert "I_errors" in file["entry/sinogram"]
        assert np.isfinite(file["entry/CeO2/total"][0, 6, 6])


def test_what_viewers_show(one, tmp_path):
    """Silx, whose rules H5Web shares, finds the plots by itself: volume, sinogram and images."""
    nxdata = pytest.importorskip("silx.io.nxdata")
    reduce(one, tmp_path / "t.h5")
    with h5py.File(tmp_path / "t.h5") as file:
        plot = nxdata.get_default(file)
        assert plot.group.name == "/entry/data"
        assert plot.is_valid
        assert plot.signal.name == "/entry/data/I"
        assert plot.axes_dataset_names == ["z", "y", "x", "q"]
        assert plot.interpretation == "spectrum"
        assert plot.errors.shape == plot.signal.shape
        sinogram = nxdata.NXdata(file["entry/sinogram"])
        assert sinogram.is_valid
        assert sinogram.axes_dataset_names == ["z", "translation", "rotation", "q"]
        for name, signal in (("CeO2", "total"), ("Ni", "area")):
            image = nxdata.NXdata(file[f"entry/{name}"])
            assert image.is_valid
            assert (image.signal.name, image.interpretation) == (f"/entry/{name}/{signal}", "image")
            assert image.axes_dataset_names == ["z", "y", "x"]
            scalar = nxdata.get_default(file[name])
            assert scalar.is_valid
            assert scalar.axes_dataset_names == ["z", "y", "x"]
            np.testing.assert_array_equal(scalar.signal[()], image.signal[()])


def test_nxtomoproc_has_what_its_definition_wants(one, tmp_path):
    reduce(one, tmp_path / "t.h5")
    with h5py.File(tmp_path / "t.h5") as file:
        entry = file["CeO2"]
        assert entry.attrs["NX_class"] == "NXentry"
        assert entry["definition"].asstr()[()] == "NXtomoproc"
        for name in (
            *("title", "sample/name", "instrument/source/type", "instrument/source/name"),
            *("reconstruction/program", "reconstruction/version", "reconstruction/date"),
        ):
            assert entry[name].asstr()[()], name
        assert entry["instrument/source/probe"].asstr()[()] == "x-ray"
        assert entry["reconstruction/parameters/raw_file"].asstr()[()] == str(one.files[0])
        classes = {"instrument": "NXinstrument", "sample": "NXsample", "reconstruction": "NXprocess"}
        for name, wanted in classes.items():
            assert entry[name].attrs["NX_class"] == wanted
        assert entry["data/data"].ndim == 3
        assert {"transform", "offset", "scaling", "units"} <= set(entry["data/data"].attrs)
        assert all(entry["data"][axis].dtype.kind == "f" for axis in "xyz")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"wanted": request(reconstruction=Reconstruction(center=13.0))}, "rotation center 13 is outside"),
        ({"wanted": request(Corrections(without_angles=(16,)))}, "no angle 16 of 16"),
        ({"wanted": request(Corrections(backlash=True))}, "no line of translations ran backwards"),
        ({"wanted": request(images=ImageRequest(regions={"far": (90.0, 91.0)}))}, "far: the window 90 to 91"),
        ({"scan": raster([ScanAxis("y", np.arange(16.0)), ScanAxis("x", np.arange(13.0))], 208)}, "not y, x"),
        (
            {
                "scan": raster(
                    [ScanAxis("rotation", np.arange(16.0)), ScanAxis("translation", np.arange(13.0))], 208
                )
            },
            "angles over 15° do not tell the rotation center: give it",
        ),
        ({"scan": scan_of(208, angles=1, translations=208)}, "1 angles and 208 translations"),
    ],
)
def test_what_cannot_be_is_told_before_any_work(one, tmp_path, options, words):
    told = []
    with pytest.raises(SpecError, match=words):
        reduce(one, tmp_path / "t.h5", progress=lambda done, total: told.append(done), **options)
    assert told == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scan"]


@pytest.mark.parametrize("name", ["t.xy", "t", "t.tif"])
def test_endings(one, tmp_path, name):
    with pytest.raises(SpecError, match="the ending says what is written"):
        reduce(one, tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scan"]


def test_another_axis_takes_the_patterns_that_are_there(one, tmp_path):
    """Of another reconstruction only that is made anew, be the places of the frames others too."""
    first, anew = tmp_path / "first.h5", tmp_path / "anew.h5"
    count = ANGLES * TRANSLATIONS
    assert reduce(one, first).reused == 0
    wanted = request(reconstruction=Reconstruction(center=5.0))
    for scan in (None, scan_of(count, fast="rotation")):
        assert reduce(one, first, scan, wanted=wanted, overwrite=True).reused == count
        assert reduce(one, anew, scan, wanted=wanted, overwrite=True).reused == (0 if scan is None else count)
        for name, values in contents(anew).items():
            np.testing.assert_array_equal(contents(first)[name], values, err_msg=name)
    # the very same request, to be overwritten, is done from the frames
    assert reduce(one, first, scan, wanted=wanted, overwrite=True).reused == 0


@pytest.mark.parametrize("fast", ["translation", "rotation"])
def test_a_virtual_sinogram_is_that_of_the_parts(one, tmp_path, fast):
    scan = scan_of(ANGLES * TRANSLATIONS, fast=fast, zigzag=True)
    for name, virtual in (("whole", False), ("points", True)):
        reduce(one, tmp_path / f"{name}.h5", scan, virtual=virtual, part_frames=13)
    assert (tmp_path / "points.h5.run").is_dir()
    with h5py.File(tmp_path / "points.h5") as points, h5py.File(tmp_path / "whole.h5") as whole:
        assert points["entry/sinogram/I"].is_virtual
        for name in ("sinogram/I", "sinogram/I_errors", "data/I", "data/I_errors"):
            np.testing.assert_array_equal(points[f"entry/{name}"][()], whole[f"entry/{name}"][()])
