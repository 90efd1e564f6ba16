# ruff: noqa: PT012  (that a block fails is what is tested)
import errno
import hashlib
import json
import os

import h5py
import hdf5plugin
import numpy as np
import pytest
import silx.io.nxdata

from aureole.errors import FrameCorrupt, FrameMissing, OutputError, SpecError
from aureole.frames import EncodedFrame, Encoding
from aureole.io import (
    AxisData,
    FrameStatus,
    PatternLayout,
    PatternWriter,
    Provenance,
    Site,
    Source,
    StackWriter,
    open_frames,
    parse_cbf,
    publication,
    write_text,
)
from aureole.io.cbf_write import format_cbf
from aureole.io.names import shown
from aureole.io.publish import Publication

Q = AxisData("q_nm^-1", np.linspace(0.05, 9.95, 100), np.linspace(0, 10, 101))
TTH = AxisData("2th_deg", np.linspace(0.05, 9.95, 100), np.linspace(0, 10, 101))
D = AxisData("d_A", np.linspace(1, 2, 100))
CHI = AxisData("chi_deg", np.linspace(-175, 175, 36), np.linspace(-180, 180, 37))
SITE = Site(instrument="ID11", source="ESRF", wavelength=1e-10)


def text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def written(path, frames=4, **layout):
    made = PatternLayout(**({"radial": Q, "site": SITE} | layout))
    rng = np.random.default_rng(0)
    rows = rng.random((frames, *made.row_shape)).astype(np.float32)
    with PatternWriter(path, frames, made) as writer:
        writer.write(2, rows[2:], rows[2:] / 10)
        writer.write(0, rows[:2], rows[:2] / 10)
    return rows


def test_publication_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "out.txt"
    with publication(target) as temporary:
        temporary.write_text("done")
        assert not target.exists()
        assert temporary.parent == tmp_path
        assert str(os.getpid()) in temporary.name
    assert target.read_text() == "done"
    with pytest.raises(ZeroDivisionError), publication(target, overwrite=True) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert target.read_text() == "done"
    assert [path.name for path in tmp_path.iterdir()] == ["out.txt"]


def test_publication_never_replaces_what_came_into_being_meanwhile(tmp_path):
    target = tmp_path / "out.txt"
    with pytest.raises(OutputError, match="came into being meanwhile"), publication(target) as temporary:
        temporary.write_text("mine")
        target.write_text("theirs")
    assert target.read_text() == "theirs"
    assert [path.name for path in tmp_path.iterdir()] == ["out.txt"]


@pytest.mark.parametrize("exists", [False, True])
def test_publication_without_hard_links(tmp_path, monkeypatch, exists):
    def refuse(*_):
        raise OSError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(os, "link", refuse)
    target = tmp_path / "out.txt"
    if exists:
        with pytest.raises(OutputError, match="meanwhile"), publication(target) as temporary:
            temporary.write_text("mine")
            target.write_text("theirs")
        assert target.read_text() == "theirs"
    else:
        with publication(target) as temporary:
            temporary.write_text("mine")
        assert target.read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["out.txt"]


def test_what_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("x")
    cases = {
        tmp_path / "none" / "out.h5": "there is no folder",
        tmp_path / "file" / "out.h5": "is not a folder",
        tmp_path: "is a folder; give the name of a file",
        tmp_path / "file": "exists already",
        tmp_path / ("x" * 300): "cannot be written",
    }
    for path, reason in cases.items():
        for make in (
            lambda path: PatternWriter(path, 1, PatternLayout(radial=Q)),
            lambda path: StackWriter(path, 1, (2, 2), dtype=np.dtype("u2")),
        ):
            with pytest.raises(OutputError, match=reason) as caught:
                make(path)
            assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_patterns_follow_nxazint1d(tmp_path):
    norm = np.arange(100.0)
    spec = json.dumps({"radial": "q"})
    provenance = Provenance(
        spec=spec,
        sources=[Source("/a/b.cbf", 10, 11), Source("/a/c.cbf", None, None)],
        parameters={"poni": "Distance: 1", "error_model": "poisson"},
        arrays={"mask": np.eye(4, dtype=bool), "flat": np.eye(5), "absorption": np.eye(5)},
    )
    rows = written(
        tmp_path / "o.h5", norm=norm, polarization=True, provenance=provenance, monitor=np.arange(4.0)
    )
    with h5py.File(tmp_path / "o.h5") as file:
        entry = file["entry"]
        assert text(entry["definition"][()]) == "NXazint1d"
        assert bool(entry["solid_angle_applied"][()]) is True
        assert bool(entry["polarization_applied"][()]) is True
        assert bool(entry["normalization_applied"][()]) is True
        assert bool(entry["monitor_applied"][()]) is True
        assert entry["monitor/data"].shape == (4,)
        assert text(entry["instrument/name"][()]) == "ID11"
        source = {key: text(value[()]) for key, value in entry["instrument/source"].items()}
        assert source == {"name": "ESRF", "probe": "x-ray", "type": "Synchrotron X-ray Source"}
        assert entry["instrument/monochromator/wavelength"][()] == pytest.approx(1.0)
        assert entry["instrument/monochromator/energy"][()] == pytest.approx(12.398419843320026)
        process = entry["reduction"]
        assert process.attrs["NX_class"] == "NXprocess"
        assert {"program", "version", "date", "reference"} <= set(process)
        assert process["input"].attrs["NX_class"] == "NXparameters"
        assert text(process["input/spec"][()]) == spec
        arrays = process["input/arrays"]
        assert arrays.attrs["NX_class"] == "NXparameters"
        assert np.array_equal(arrays["mask"][()], np.eye(4))
        assert arrays["mask"].dtype == bool
        assert arrays["mask"].attrs["sha256"] == hashlib.sha256(np.eye(4, dtype=bool).tobytes()).hexdigest()
        assert arrays["flat"] == arrays["absorption"]
        assert [text(name) for name in process["sources"]] == ["/a/b.cbf", "/a/c.cbf"]
        data = entry["data"]
        assert list(data.attrs["axes"]) == [".", "radial_axis"]
        assert data.attrs["signal"] == "I"
        assert data.attrs["interpretation"] == data["I"].attrs["interpretation"] == "spectrum"
        assert np.array_equal(data["I"][()], rows)
        assert data["I"].dtype == data["I_errors"].dtype == np.float32
        assert np.array_equal(data["I_errors"][()], rows / 10)
        assert np.array_equal(data["norm"][()], norm)
        assert np.array_equal(data["radial_axis"][()], Q.centres)
        assert np.array_equal(data["radial_axis_edges"][()], Q.edges)
        assert data["radial_axis"].attrs["long_name"] == "q"
        assert data["radial_axis"].attrs["units"] == "1/nm"
        assert entry["frame_status"][()].tolist() == [0, 0, 0, 0]
        assert [text(message) for message in entry["frame_message"]] == [""] * 4


def test_nobody_is_at_a_synchrotron_who_does_not_say_so(tmp_path):
    written(tmp_path / "o.h5", site=Site(wavelength=1e-10))
    with h5py.File(tmp_path / "o.h5") as file:
        assert text(file["entry/definition"][()]) == "NXazint1d"
        assert "type" not in file["entry/instrument/source"]


def test_silx_opens_the_patterns(tmp_path):
    rows = written(tmp_path / "o.h5")
    with h5py.File(tmp_path / "o.h5") as file:
        plot = silx.io.nxdata.get_default(file)
        assert plot.group.name == "/entry/data"
        assert plot.is_curve
        assert plot.interpretation == "spectrum"
        assert np.array_equal(plot.signal[()], rows)
        assert plot.axes[0] is None
        assert np.array_equal(plot.axes[1][()], Q.centres)
        assert np.array_equal(plot.errors[()], rows / 10)
        assert plot.title == "Intensity against q (1/nm)"


def test_silx_opens_the_cakes(tmp_path):
    rows = written(tmp_path / "o.h5", radial=TTH, azimuthal=CHI, norm=np.ones((36, 100)))
    with h5py.File(tmp_path / "o.h5") as file:
        assert text(file["entry/definition"][()]) == "NXazint2d"
        plot = silx.io.nxdata.get_default(file)
        assert plot.is_image
        assert plot.interpretation == "image"
        assert plot.axes_dataset_names == [None, "azimuthal_axis", "radial_axis"]
        assert plot.signal.shape == (4, 36, 100)
        assert np.array_equal(plot.signal[()], rows)
        assert file["entry/data/azimuthal_axis"].attrs["units"] == "degree"
        assert file["entry/data/radial_axis"].attrs["long_name"] == "2theta"


@pytest.mark.parametrize(
    ("layout", "axes", "label"),
    [
        ({"radial": D}, [".", "radial_axis"], "d (angstrom)"),
        ({"radial": None, "azimuthal": CHI}, [".", "azimuthal_axis"], "chi (degree)"),
        ({"radial": TTH, "site": Site()}, [".", "radial_axis"], "2theta (degree)"),
        ({"radial": AxisData("log10(q.m)_None", D.centres)}, [".", "radial_axis"], "log10(q.m)"),
    ],
)
def test_what_the_definitions_have_no_place_for_is_plain_nxdata(tmp_path, layout, axes, label):
    written(tmp_path / "o.h5", **layout)
    with h5py.File(tmp_path / "o.h5") as file:
        assert "definition" not in file["entry"]
        assert "type" not in file["entry/instrument/source"]
        plot = silx.io.nxdata.get_default(file)
        assert list(plot.group.attrs["axes"]) == axes
        assert plot.axes_names[1] == label
        assert plot.is_curve


def test_frames_that_were_not_done(tmp_path):
    with PatternWriter(tmp_path / "o.h5", 5, PatternLayout(radial=Q)) as writer:
        writer.mark(1, FrameStatus.BAD, "b.cbf: truncated")
        writer.write(0, np.ones((4, 100)), np.ones((4, 100)))
        writer.mark(2, FrameStatus.MISSING, "c.cbf: no such file")
    with h5py.File(tmp_path / "o.h5") as file:
        assert file["entry/frame_status"].dtype == np.uint8
        assert file["entry/frame_status"][()].tolist() == [0, 1, 2, 0, 3]
        messages = [text(message) for message in file["entry/frame_message"]]
        assert messages == ["", "b.cbf: truncated", "c.cbf: no such file", "", ""]
        for name in ("I", "I_errors"):
            finite = np.isfinite(file[f"entry/data/{name}"][()]).all(axis=1)
            assert finite.tolist() == [True, False, False, True, False]


def test_a_failed_run_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), PatternWriter(tmp_path / "o.h5", 2, PatternLayout(radial=Q)) as writer:
        writer.write(0, np.ones((1, 100)), np.ones((1, 100)))
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_existing_results_are_safe_until_the_new_one_is_complete(tmp_path):
    path = tmp_path / "o.h5"
    path.write_text("old")
    with pytest.raises(OutputError, match="exists already"):
        PatternWriter(path, 2, PatternLayout(radial=Q))
    with pytest.raises(RuntimeError), PatternWriter(path, 2, PatternLayout(radial=Q), overwrite=True):
        raise RuntimeError
    assert path.read_text() == "old"
    with PatternWriter(path, 1, PatternLayout(radial=Q), overwrite=True) as writer:
        writer.write(0, np.ones((1, 100)), np.ones((1, 100)))
    assert h5py.is_hdf5(path)


@pytest.mark.parametrize(
    ("layout", "frames", "reason"),
    [
        ({}, 1, "needs a radial or an azimuthal axis"),
        ({"radial": Q}, 0, "0 patterns"),
        ({"radial": Q, "norm": np.ones(3)}, 1, r"norm of shape \(3,\)"),
        ({"radial": Q, "monitor": np.ones(3)}, 2, "3 monitor values for 2 frames"),
        ({"radial": AxisData("q_nm^-1", np.ones(3), np.ones(3))}, 1, "3 edges for 3 bins"),
    ],
)
def test_layouts_that_contradict_themselves(tmp_path, layout, frames, reason):
    with pytest.raises(SpecError, match=reason):
        PatternWriter(tmp_path / "o.h5", frames, PatternLayout(**layout))
    assert list(tmp_path.iterdir()) == []


def test_rows_that_do_not_fit(tmp_path):
    rows = np.ones((2, 100))
    with PatternWriter(tmp_path / "o.h5", 3, PatternLayout(radial=Q)) as writer:
        for arguments, reason in (
            ((0, rows), "rows of I where the layout has I, I_errors"),
            ((0, rows[:, :5], rows), "do not fit"),
            ((0, rows, rows[:1]), "do not fit"),
            ((2, rows, rows), "frames 2 to 3 of 3"),
            ((-1, rows, rows), "frames -1"),
        ):
            with pytest.raises(SpecError, match=reason):
                writer.write(*arguments)


ODD = "scan\udcff\ud800\0/é.cbf"
SHOWN = r"scan\udcff\ud800\x00/é.cbf"


def test_names_that_are_no_text_are_shown():
    assert shown("scan\udcff_é.cbf") == r"scan\xff_é.cbf"
    assert shown(ODD) == SHOWN


@pytest.mark.parametrize(
    "make",
    [
        lambda path, **said: PatternWriter(path, 2, PatternLayout(radial=Q, **said)),
        lambda path, **said: StackWriter(path, 2, (2, 2), dtype=np.dtype("u2"), **said),
    ],
    ids=["patterns", "stack"],
)
def test_names_that_are_no_text_are_written(tmp_path, make):
    said = {
        "site": Site(instrument=ODD, source=ODD),
        "provenance": Provenance(sources=[Source(ODD, 1, 2)], parameters={"poni": ODD}, note=ODD),
    }
    path = tmp_path / os.fsdecode(b"o\xff.h5")
    with make(path, **said) as writer:
        writer.mark(1, FrameStatus.BAD, f"{ODD}: truncated")
    with h5py.File(path) as file:
        entry = file["entry"]
        assert text(entry["frame_message"][1]) == f"{SHOWN}: truncated"
        assert text(entry["instrument/name"][()]) == text(entry["instrument/source/name"][()]) == SHOWN
        (process,) = (group for group in entry.values() if group.attrs.get("NX_class") == "NXprocess")
        assert {text(process["sources"][0]), text(process["note"][()]), text(process["input/poni"][()])} == {
            SHOWN
        }
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, UnicodeError, RuntimeError, OSError])
@pytest.mark.parametrize("place", ["status", "sync"])
@pytest.mark.parametrize("kind", ["patterns", "stack"])
def test_nothing_is_left_whatever_goes_wrong_at_the_end(tmp_path, monkeypatch, error, place, kind):
    def fail(*_):
        raise error

    if kind == "patterns":
        writer = PatternWriter(tmp_path / "o.h5", 2, PatternLayout(radial=Q))
    else:
        writer = StackWriter(tmp_path / "o.h5", 2, (2, 2), dtype=np.dtype("u2"))
    if place == "status":
        monkeypatch.setattr("aureole.io.pending_hdf5.write_status", fail)
    else:
        monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises((error, OutputError)):
        writer.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", ["xy", "dat", "chi"])
@pytest.mark.parametrize("errors", [False, True])
def test_text(tmp_path, ending, errors):
    path = tmp_path / f"a.{ending}"
    intensity = np.linspace(0, 1e6, 100)
    sigma = np.sqrt(intensity) if errors else None
    write_text(path, Q.centres, intensity, sigma, unit="q_nm^-1", header=["CeO2", f"run 7 {ODD}"])
    lines = path.read_text().splitlines()
    table = np.loadtxt(path, skiprows=4)
    assert table.shape == ((100, 3) if errors else (100, 2))
    assert np.allclose(table[:, 0], Q.centres, rtol=1e-8)
    assert np.allclose(table[:, 1], intensity, rtol=1e-8)
    if errors:
        assert np.allclose(table[:, 2], sigma, rtol=1e-8)
    if ending == "chi":
        assert lines[:3] == ["CeO2", "q_nm^-1", "Intensity"]
        assert int(lines[3]) == 100
    else:
        assert [line[0] for line in lines[:4]] == ["#"] * 4
        assert np.array_equal(np.loadtxt(path), table)
    with pytest.raises(OutputError, match="exists already"):
        write_text(path, Q.centres, intensity, unit="q_nm^-1")


def test_text_of_another_kind(tmp_path):
    with pytest.raises(SpecError, match=r"endings \.xy, \.xye, \.dat, \.chi"):
        write_text(tmp_path / "a.csv", [1], [1], unit="q_nm^-1")
    with pytest.raises(SpecError, match="columns of shapes"):
        write_text(tmp_path / "a.xy", [1], [1, 2], unit="q_nm^-1")


def test_stacks_hold_every_pixel(tmp_path, images, pixels, oracle_kernels):
    frames = [parse_cbf(format_cbf(image), f"f{index}.cbf") for index, image in enumerate(images)]
    provenance = Provenance(sources=[Source("/a/f0.cbf", 1, 2)])
    with StackWriter(tmp_path / "s.h5", 6, (37, 53), dtype=np.dtype("i4"), provenance=provenance) as writer:
        for index, frame in enumerate(frames):
            writer.write(index, frame)
        writer.mark(5, FrameStatus.MISSING, "f5.cbf: no such file")
    stack = open_frames(tmp_path / "s.h5")
    assert len(stack) == 6
    assert stack.notes == []
    for frame, image in zip(stack[:5], images, strict=True):
        assert frame.encoding is Encoding.BITSHUFFLE_LZ4
        assert np.array_equal(pixels(frame), image)
    for look in (stack.__getitem__, stack.header):
        with pytest.raises(FrameMissing, match=r"data\[5\]: .*f5\.cbf: no such file"):
            look(5)
    with h5py.File(tmp_path / "s.h5") as file:
        plot = silx.io.nxdata.get_default(file)
        assert plot.is_image or plot.is_stack
        assert plot.signal.shape == (6, 37, 53)
        assert file["entry/instrument/detector/data"].id == file["entry/data/data"].id
        assert file["entry/frame_status"][()].tolist() == [0, 0, 0, 0, 0, 2]
        assert text(file["entry/conversion/sources"][0]) == "/a/f0.cbf"


def test_stacks_hold_the_headers(tmp_path, images):
    """Numbers come back as numbers, text as text, and a key that a frame lacks is not in its header."""
    headers = [
        {
            "Flux": "1e3",
            "Exposure": "0.50 s",
            "File": "a/1.cbf",
            "Serial": "1234567890123456789",
            "x/y": "1",
        },
        {"Flux": "1012", "Exposure": "0.5 s", "File": "a/2.cbf", "Serial": "1234567890123456790"},
        {"Flux": "-7.25", "Exposure": "0.25 s", "Extra": "4", "File": "7", "Gain": "high", "x/y": "2 mm"},
    ]
    with StackWriter(tmp_path / "s.h5", 4, (37, 53), dtype=np.dtype("i4")) as writer:
        for index in (2, 0, 1):
            said = headers[index] | {"Wavelength": "1.5 A", "Detector": ODD}
            writer.write(index, EncodedFrame.from_array(images[index], header=said))
    with open_frames(tmp_path / "s.h5") as frames:
        common = {"Wavelength": "1.5 A", "Detector": SHOWN}
        have = [{key: frame.header[key] for key in frame.header if key[0].isupper()} for frame in frames[:3]]
        assert have[0] == common | {
            "Flux": "1000", "Exposure": "0.5 s", "File": "a/1.cbf", "Serial": "1234567890123456789"
        }  # fmt: skip
        assert have[1]["Flux"] == "1012"
        assert have[2] == common | {
            "Flux": "-7.25", "Exposure": "0.25 s", "Extra": "4", "File": "7", "Gain": "high"
        }  # fmt: skip
        assert [dict(frames.header(index)).get("x_y") for index in range(3)] == ["1", None, "2 mm"]
    with h5py.File(tmp_path / "s.h5") as file:
        group = file["entry/instrument/detector/header"]
        assert group.attrs["NX_class"] == "NXcollection"
        np.testing.assert_array_equal(group["Flux"][()], [1000.0, 1012.0, -7.25, np.nan])
        assert group["Exposure"].attrs["units"] == "s"
        assert group["Wavelength"][()] == 1.5
        assert [text(value) for value in group["File"]] == ["a/1.cbf", "a/2.cbf", "7", ""]


def test_stacks_copy_chunks_that_are_encoded_already(tmp_path, images, pixels, oracle_kernels):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset(
            "x", data=images, chunks=(1, 37, 53), **hdf5plugin.Bitshuffle(cname="lz4", nelems=64)
        )
    source = open_frames(tmp_path / "a.h5::/x")
    with StackWriter(tmp_path / "s.h5", 5, source.shape, dtype=source.dtype) as writer:
        for index, frame in enumerate(source):
            writer.write(index, frame)
    for before, after, image in zip(source, open_frames(tmp_path / "s.h5"), images, strict=True):
        assert bytes(before.encoded()) == bytes(after.encoded())
        assert np.array_equal(pixels(after), image)


def test_a_stack_that_reads_back_differently_is_not_kept(tmp_path, images):
    writer = StackWriter(tmp_path / "s.h5", 5, (37, 53), dtype=np.dtype("i4"))
    for index, image in enumerate(images):
        writer.write(index, EncodedFrame.from_array(image))
    with h5py.File(tmp_path / "other.h5", "w") as file:
        other = file.create_dataset("x", data=images + 1, chunks=(1, 37, 53), **hdf5plugin.Bitshuffle())
        wrong = other.id.read_direct_chunk((3, 0, 0))[1]
    with writer._pending.writing() as file:
        file["entry/data/data"].id.write_direct_chunk((3, 0, 0), wrong, 0)
    with pytest.raises(OutputError, match="frame 3 reads back differently"):
        writer.close()
    assert [path.name for path in tmp_path.iterdir()] == ["other.h5"]


def test_stacks_refuse_frames_of_another_kind(tmp_path, images):
    with StackWriter(tmp_path / "s.h5", 1, (37, 53), dtype=np.dtype("u2")) as writer:
        with pytest.raises(FrameCorrupt, match=r"array: .* of int32 instead of 37 x 53 pixels of uint16"):
            writer.write(0, EncodedFrame.from_array(images[0]))
        with pytest.raises(FrameCorrupt, match="37 x 10 pixels"):
            writer.write(0, EncodedFrame.from_array(images[0, :, :10].astype("u2")))


def test_xye_always_has_errors(tmp_path):
    with pytest.raises(SpecError, match="no errors"):
        write_text(tmp_path / "a.xye", [1.0], [2.0], unit="q_nm^-1")
    write_text(tmp_path / "a.xye", [1.0], [2.0], [0.5], unit="q_nm^-1")
    assert np.loadtxt(tmp_path / "a.xye").tolist() == [1.0, 2.0, 0.5]


def test_a_pipe_or_device_is_never_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="is a device or a pipe"):
            Publication(pipe, overwrite=overwrite)
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]
