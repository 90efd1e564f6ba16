import struct

import h5py
import numpy as np
import pytest

from aureole.errors import InputError, SpecError
from aureole.io import find_positioners, open_frames, read_numbers, read_positions, write_cbf
from aureole.io.tiff_tags import attributes_of_tiff

X = np.array([0.0, 0.1, 0.2, 0.3])


def group(file: h5py.Group, path: str, kind: str, **attributes) -> h5py.Group:
    made = file.create_group(path)
    made.attrs["NX_class"] = kind
    made.attrs.update(attributes)
    return made


@pytest.fixture
def bliss(tmp_path):
    """Two scans as BLISS writes them: arrays where a motor moved, numbers where it did not."""
    with h5py.File(tmp_path / "bliss.h5", "w") as file:
        for scan, motor in (("1.1", "samy"), ("2.1", "samz")):
            group(file, scan, "NXentry")
            positioners = group(file, f"{scan}/instrument/positioners", "NXcollection")
            positioners[motor], positioners["omega"], positioners["samx"] = X, 90.0, 2 * X
            measurement = group(file, f"{scan}/measurement", "NXcollection")
            measurement[motor] = h5py.SoftLink(f"/{scan}/instrument/positioners/{motor}")
            measurement["eiger"] = np.zeros((4, 5, 5), np.uint16)
            measurement["title"] = "scan"
    return str(tmp_path / "bliss.h5")


def test_bliss(bliss):
    assert find_positioners(bliss) == {
        "samy": "/1.1/measurement/samy",
        "samz": "/2.1/measurement/samz",
        "1.1/samx": "/1.1/instrument/positioners/samx",
        "2.1/samx": "/2.1/instrument/positioners/samx",
    }
    frames = open_frames(f"{bliss}::/1.1/measurement/eiger")
    for source in ("samy", ":/1.1/measurement/samy"):
        assert np.array_equal(read_positions(f"{bliss}:{source}", frames), X)
    assert np.array_equal(read_positions(f"{bliss}:2.1/samx", frames), 2 * X)
    with pytest.raises(SpecError, match=r"no positions 'samx'; there are 1\.1/samx, 2\.1/samx$"):
        read_positions(f"{bliss}:samx", frames)
    with pytest.raises(SpecError, match="no positions 'sammy'; there are samy"):
        read_positions(f"{bliss}:sammy", frames)
    with pytest.raises(SpecError, match=r"1\.1/measurement/samy: has 4 values for 3 frames"):
        read_positions(f"{bliss}:samy", frames[:3])


def test_a_master_that_links_to_its_scans(bliss, tmp_path):
    with h5py.File(tmp_path / "master.h5", "w") as file:
        file["7.1"] = h5py.ExternalLink("bliss.h5", "/2.1")
        file["8.1"] = h5py.ExternalLink("gone.h5", "/1.1")
    path = str(tmp_path / "master.h5")
    assert find_positioners(path)["samz"] == "/7.1/measurement/samz"
    frames = open_frames(f"{bliss}::/2.1/measurement/eiger")
    assert np.array_equal(read_positions(f"{path}:samz", frames), X)


def test_axes_of_a_grid_are_spread_over_its_frames(tmp_path):
    path = str(tmp_path / "grid.nxs")
    with h5py.File(path, "w") as file:
        group(file, "entry", "NXentry")
        data = group(
            file, "entry/data", "NXdata", signal="data", axes=["y", "x", ".", "."], x_set_indices=[0, 1]
        )
        data["data"] = np.zeros((2, 4, 5, 5), np.uint16)
        data["y"], data["x"] = [5.0, 6.0], X
        data["x_set"] = np.arange(8.0).reshape(2, 4)
        data["other"] = X
    frames = open_frames(f"{path}::/entry/data/data")
    assert read_positions(f"{path}:y", frames).tolist() == [5.0] * 4 + [6.0] * 4
    assert read_positions(f"{path}:x", frames).tolist() == [*X, *X]
    assert read_positions(f"{path}:x_set", frames).tolist() == list(range(8))
    assert set(find_positioners(path)) == {"x", "y", "x_set"}
    with pytest.raises(SpecError, match="has 4 values for 6 frames"):
        read_positions(f"{path}:x", frames[:6])


def test_axes_in_one_text_and_fields_along_two_axes(tmp_path):
    path = str(tmp_path / "old.nxs")
    with h5py.File(path, "w") as file:
        data = group(file, "entry/data", "NXdata", row_indices=[1, 0])
        data["data"] = np.zeros((2, 3, 5, 5), np.uint16)
        data["data"].attrs["axes"] = "y:x"
        data["y"], data["x"] = [5.0, 6.0], [1.0, 2.0, 3.0]
        data["row"] = np.array([[0.0, 1.0]])
    frames = open_frames(f"{path}::/entry/data/data")
    assert read_positions(f"{path}:x", frames).tolist() == [1, 2, 3, 1, 2, 3]
    assert read_positions(f"{path}:row", frames).tolist() == [0, 0, 0, 1, 1, 1]


def test_bluesky_and_area_detector(tmp_path):
    path = str(tmp_path / "bluesky.hdf")
    with h5py.File(path, "w") as file:
        group(file, "entry", "NXentry")
        stream = group(file, "entry/instrument/bluesky/streams/primary", "NXnote")
        for name in ("m1", "m2"):
            group(stream, name, "NXdata")["value"] = X
            stream[name]["EPOCH"] = X + 1e9
        stream["m2"]["value"][:] = 3 * X
        data = group(file, "entry/data", "NXdata", signal="m1", axes=["m1"])
        data["m1"] = h5py.SoftLink("/entry/instrument/bluesky/streams/primary/m1/value")
        group(file, "entry/instrument/NDAttributes", "NXcollection")["Omega"] = X
        group(file, "entry/instrument/stage", "NXpositioner")["value"] = X
    assert find_positioners(path) == {
        "m1": "/entry/data/m1",
        "m2": "/entry/instrument/bluesky/streams/primary/m2/value",
        "stage": "/entry/instrument/stage/value",
        "Omega": "/entry/instrument/NDAttributes/Omega",
    }


def series(folder, *, missing: int, text: str = "# Translation {} mm\n# Start_angle {} deg.\n"):
    for number in range(5):
        header = text.format(number / 4, number)
        write_cbf(folder / f"s_{number}.cbf", np.zeros((3, 3), np.int32), header)
    frames = open_frames(folder / "s_%d.cbf")
    (folder / f"s_{missing}.cbf").unlink()
    return frames


def test_headers_and_frames_that_are_missing(tmp_path):
    frames = series(tmp_path, missing=2)
    values = read_positions("Translation", frames)
    assert np.array_equal(values, [0.0, 0.25, np.nan, 0.75, 1.0], equal_nan=True)
    assert np.array_equal(read_positions("Start_angle", frames), [0, 1, np.nan, 3, 4], equal_nan=True)
    write_cbf(tmp_path / "s_3.cbf", np.zeros((3, 3), np.int32), "# Other 1\n", overwrite=True)
    with pytest.raises(SpecError, match=r"s_3\.cbf: its header has no 'Translation'; each frame needs"):
        read_positions("Translation", frames)


def test_only_missing_frames_may_lack_a_position(tmp_path):
    frames = series(tmp_path, missing=2)
    table = tmp_path / "scan.csv"
    table.write_text("frame,x\n0,1\n1,2\n2,\n3,4\n4,5\n")
    values = read_positions(f"{table}:x", frames)
    assert np.array_equal(values, [1, 2, np.nan, 4, 5], equal_nan=True)
    table.write_text("frame,x\n0,1\n1,nan\n2,\n3,4\n4,5\n")
    with pytest.raises(SpecError, match=r"the position of frame 1, .*s_1\.cbf, is not a number"):
        read_positions(f"{table}:x", frames)


def test_files_that_cannot_be_used(tmp_path):
    frames = series(tmp_path, missing=2)
    with pytest.raises(InputError, match=r"none\.h5: no such file"):
        read_positions(f"{tmp_path}/none.h5:x", frames)
    (tmp_path / "empty.h5").write_bytes(b"")
    with pytest.raises(InputError, match=r"empty\.h5: empty file"):
        read_positions(f"{tmp_path}/empty.h5:x", frames)
    with h5py.File(tmp_path / "none.h5", "w") as file:
        file["x"] = X
    with pytest.raises(SpecError, match="there are none that could be found"):
        read_positions(f"{tmp_path}/none.h5:x", frames)


def test_lists_of_numbers(tmp_path):
    path = tmp_path / "angles.txt"
    for text in ("1\n2\n4\n", "# degrees\n1\n2\n4\n", "angle\n1\n2\n4\n"):
        path.write_text(text)
        assert read_numbers(str(path)).tolist() == [1, 2, 4]
    path.write_text("angle,i0\n1,5\n2,6\n")
    assert read_numbers(f"{path}:angle").tolist() == [1, 2]
    with pytest.raises(SpecError, match=r"several columns; say which: .*angles\.txt:COLUMN"):
        read_numbers(str(path))
    with pytest.raises(InputError, match="cannot be read"):
        read_numbers(str(tmp_path / "none.txt"))


def tiff(order: str, *images: list[str]) -> bytes:
    """Return a TIFF file without pixels, with private tags of these texts."""
    data = {"<": b"II*\0", ">": b"MM\0*"}[order]
    for texts in images:
        at = len(data) + 4
        place = at + 2 + 12 * len(texts)
        entries, tail = b"", b""
        for number, text in enumerate(texts):
            raw = text.encode() + b"\0"
            long = struct.pack(order + "I", place + len(tail))
            entries += struct.pack(order + "HHI", 65010 + number, 2, len(raw))
            entries += long if len(raw) > 4 else raw.ljust(4, b"\0")
            tail += raw if len(raw) > 4 else b""
        data += struct.pack(order + "IH", at, len(texts)) + entries
        # behind the entries the reader looks for the next image: long texts fit behind the last one only
        data += tail if texts is images[-1] else b""
    return data


@pytest.mark.parametrize("order", ["<", ">"])
def test_tiff_tags(tmp_path, order):
    path = tmp_path / "a.tif"
    path.write_bytes(tiff(order, ["Horizontal:-0.328", "a=1", "File path:/a:b", "no text", ":1"]))
    found = {"Horizontal": "-0.328", "a": "1", "File path": "/a:b"}
    assert attributes_of_tiff(str(path), 0) == found
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert attributes_of_tiff(str(path), 0).keys() <= found.keys()
    path.write_bytes(tiff(order, ["b:2"], ["c:3"]))
    assert attributes_of_tiff(str(path), 1) == {"c": "3"}


def test_motors_of_a_real_map(data):
    frames = open_frames(data / "powder/dioptas_map")
    horizontal, vertical = (read_positions(key, frames) for key in ("Horizontal", "Vertical"))
    assert horizontal == pytest.approx(np.tile([-0.328, -0.326, -0.324], 3))
    assert vertical == pytest.approx(np.repeat([-0.56, -0.558, -0.556], 3))
