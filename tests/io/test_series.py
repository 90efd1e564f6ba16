import os
import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aureole.errors import FormatError, FrameCorrupt, FrameError, FrameMissing, InputError
from aureole.frames import EncodedFrame
from aureole.io import names, natural_sorted, open_frames, read_list, write_cbf
from aureole.io.names import natural_key


@pytest.fixture
def scan(tmp_path, images):
    """Twelve CBF files; the first pixel of each is its number."""
    folder = tmp_path / "scan"
    folder.mkdir()
    for number in range(1, 13):
        image = images[number % 5].copy()
        image[0, 0] = number
        write_cbf(folder / f"s_{number}.cbf", image, f"# Number {number}")
    return folder


def numbers(frames, pixels):
    return [int(pixels(frame)[0, 0]) for frame in frames]


@pytest.mark.parametrize("form", ["", "*", "s_*.cbf", "s_%d.cbf", "s_#.cbf", "s_%05d.cbf"])
def test_numeric_order_whatever_the_source(scan, pixels, form):
    if form == "s_%05d.cbf":
        for path in list(scan.iterdir()):
            path.rename(scan / f"s_{int(path.stem[2:]):05d}.cbf")
    frames = open_frames(str(scan / form))
    assert len(frames) == 12
    assert numbers(frames, pixels) == list(range(1, 13))
    assert frames.shape == (37, 53)
    assert frames.dtype == np.int32
    assert frames.name(9).endswith("10.cbf")


def test_slices_and_indices_are_those_of_a_list(scan, pixels):
    frames = open_frames(scan)
    whole = list(range(1, 13))
    assert numbers(frames[3:9:2], pixels) == whole[3:9:2]
    assert numbers(frames[::-1][1:4], pixels) == whole[::-1][1:4]
    assert numbers([frames[-1], frames[-12]], pixels) == [12, 1]
    assert len(frames[20:]) == 0
    assert isinstance(frames[0], EncodedFrame)
    with pytest.raises(IndexError):
        frames[12]
    with pytest.raises(InputError, match="no frames"):
        _ = frames[20:].shape


def test_a_list_keeps_its_order_and_may_mix(scan, tmp_path, pixels):
    other = tmp_path / "x.cbf"
    write_cbf(other, np.full((37, 53), 99, np.int32))
    frames = open_frames([other, str(scan / "s_1*.cbf"), scan / "s_3.cbf", other])
    assert numbers(frames, pixels) == [99, 1, 10, 11, 12, 3, 99]
    assert len(frames.sources) == 6
    assert len(frames[1:3].sources) == 2


def test_no_file_is_opened_before_its_frame_is_read(scan):
    frames = open_frames(scan)
    shutil.rmtree(scan)
    with pytest.raises(FrameMissing, match="no such file"):
        frames[0]


def test_missing_and_corrupt_frames_leave_the_others_alone(scan, pixels):
    names = [scan / f"s_{number}.cbf" for number in range(1, 6)]
    names[1].unlink()
    names[2].write_bytes(b"")
    names[3].write_bytes(names[3].read_bytes()[:700])
    frames = open_frames(names)
    assert numbers([frames[0], frames[4]], pixels) == [1, 5]
    with pytest.raises(FrameMissing, match=r"s_2\.cbf: no such file"):
        frames[1]
    with pytest.raises(FrameCorrupt, match=r"s_3\.cbf: empty file"):
        frames[2]
    with pytest.raises(FrameCorrupt, match=r"s_4\.cbf: "):
        frames[3]
    assert frames[1:].shape == (37, 53)
    with pytest.raises(InputError, match="none of 3 frames can be read"):
        _ = frames[1:4].dtype


def test_a_broken_file_of_another_kind_is_one_frame_of_the_series(scan, tmp_path, pixels):
    for name in ("bad.h5", "bad.tif"):
        (tmp_path / name).write_bytes(b"junk" * 100)
    frames = open_frames([scan / "s_1.cbf", tmp_path / "bad.h5", tmp_path / "bad.tif", scan / "s_2.cbf"])
    assert numbers([frames[0], frames[3]], pixels) == [1, 2]
    for index in (1, 2):
        with pytest.raises(FrameCorrupt):
            frames[index]


def test_a_gap_in_a_template_is_a_missing_frame(scan):
    (scan / "s_7.cbf").unlink()
    frames = open_frames(f"{scan}/s_%d.cbf")
    assert len(frames) == 12
    with pytest.raises(FrameMissing, match=r"s_7\.cbf"):
        frames[6]
    assert len(open_frames(f"{scan}/s_*.cbf")) == 11


def test_a_template_with_many_gaps_asks_for_a_pattern(scan):
    (scan / "s_1.cbf").rename(scan / "s_90000.cbf")
    with pytest.raises(InputError, match=r"only 12 of the numbers 2 to 90000 exist.*s_\*\.cbf"):
        open_frames(f"{scan}/s_%d.cbf")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nothing.cbf", "no such file"),
        ("*.tif", "matches no file"),
        ("z_%04d.cbf", "matches no file"),
        ("s_%d_%d.cbf", "one counter"),
        ("nowhere/s_%d.cbf", "cannot be read"),
        ("s_%9999d.cbf", "9999 digits"),
    ],
)
def test_a_source_that_is_nothing(scan, name, reason):
    with pytest.raises(InputError, match=reason) as caught:
        open_frames(str(scan / name))
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError):
        open_frames([str(scan / name)])


def test_an_empty_list():
    with pytest.raises(InputError, match="empty"):
        open_frames([])


def test_a_folder_without_frames_or_with_several_kinds(tmp_path, images):
    (tmp_path / "notes.log").write_text("x")
    with pytest.raises(InputError, match="no detector frames"):
        open_frames(tmp_path)
    write_cbf(tmp_path / "a.cbf", images[0])
    assert len(open_frames(tmp_path)) == 1
    (tmp_path / "mask.edf").write_text("x")
    with pytest.raises(InputError, match=r"several kinds \(.cbf, .edf\)"):
        open_frames(tmp_path)


def test_names_with_pattern_characters_are_taken_literally_if_they_exist(tmp_path, images):
    for name in ("a[1].cbf", "b*.cbf", "c#1.cbf", "d%d.cbf"):
        write_cbf(tmp_path / name, images[0])
        assert open_frames(tmp_path / name).names == [str(tmp_path / name)]


def test_a_name_with_marks_of_both_is_a_pattern(tmp_path, images, pixels):
    for number in range(1, 4):
        write_cbf(tmp_path / f"a#1_{number}.cbf", images[number])
        write_cbf(tmp_path / f"b%d_{number}.cbf", images[number])
    for form in ("a#1_*.cbf", "a#?_[1-3].cbf", "b%d_?.cbf"):
        frames = open_frames(f"{tmp_path}/{form}")
        assert len(frames) == 3
        assert np.array_equal(pixels(frames[2]), images[3])
    with pytest.raises(InputError, match=r"c#_\*\.cbf: matches no file"):
        open_frames(f"{tmp_path}/c#_*.cbf")
    write_cbf(tmp_path / "a#1_*.cbf", images[0])
    assert open_frames(f"{tmp_path}/a#1_*.cbf").names == [f"{tmp_path}/a#1_*.cbf"]


def test_a_template_in_a_folder_whose_name_looks_like_a_pattern(tmp_path, images):
    (tmp_path / "run[1]").mkdir()
    for number in range(1, 4):
        write_cbf(tmp_path / f"run[1]/s_{number}.cbf", images[number])
    assert len(open_frames(f"{tmp_path}/run[1]/s_%d.cbf")) == 3


def test_the_content_tells_where_the_name_does_not(tmp_path, images, pixels):
    write_cbf(tmp_path / "frame.0001", images[0])
    assert np.array_equal(pixels(open_frames(tmp_path / "frame.0001")[0]), images[0])


def test_lists_in_files(scan, pixels):
    listing = scan / "list.txt"
    listing.write_text(f"# my frames\ns_3.cbf\n\n{scan / 's_1.cbf'}\n  s_2.cbf  \n")
    assert numbers(open_frames(read_list(listing)), pixels) == [3, 1, 2]
    listing.write_text("# nothing\n")
    with pytest.raises(InputError, match="names no frames"):
        read_list(listing)
    with pytest.raises(InputError, match="cannot be read"):
        read_list(scan / "none.txt")


def test_md5(scan):
    path = scan / "s_2.cbf"
    content = bytearray(path.read_bytes())
    content[content.index(b"\x0c\x1a\x04\xd5") + 9] ^= 3
    path.write_bytes(content)
    frames = open_frames(scan, check_md5=True)
    _ = frames[0]
    with pytest.raises(FrameCorrupt, match="MD5"):
        frames[1]
    np.save(scan.parent / "x.npy", np.zeros((2, 2)))
    with pytest.raises(InputError, match="only CBF files carry an MD5"):
        open_frames(scan.parent / "x.npy", check_md5=True)


def test_threads_read_at_once(scan, pixels):
    frames = open_frames(scan)
    order = np.random.default_rng(0).integers(0, 12, 200)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda index: int(pixels(frames[int(index)])[0, 0]), order))
    assert found == [int(index) + 1 for index in order]


def test_series_travel_to_other_processes(scan, pixels):
    frames = open_frames(scan)[2:5]
    assert numbers(pickle.loads(pickle.dumps(frames)), pixels) == [3, 4, 5]


def test_addresses_and_headers(scan):
    with open_frames(os.path.relpath(scan)) as frames:
        assert frames.address(0).path == str((scan / "s_1.cbf").resolve())
        assert frames.sources == tuple(str((scan / f"s_{n}.cbf").resolve()) for n in range(1, 13))
        assert frames.header(3)["Number"] == "4"
        assert frames[3].header["Number"] == "4"
        assert frames.notes == []
        assert "12" in repr(frames)


def test_sources_are_looked_up_once(scan, monkeypatch):
    frames = open_frames(scan)
    first = frames.sources
    assert len(first) == 12
    monkeypatch.setattr(os.path, "realpath", None)
    assert frames.sources is first


@given(st.lists(st.integers(0, 10**6), unique=True, min_size=1), st.integers(0, 8))
def test_natural_order_is_numeric_order(values, width):
    names = [f"run7_{value:0{width}d}.cbf" for value in values]
    assert natural_sorted(names) == [f"run7_{value:0{width}d}.cbf" for value in sorted(values)]


@given(st.lists(st.text(max_size=12)))
def test_any_names_can_be_sorted(names):
    assert sorted(natural_sorted(names)) == sorted(names)
    assert all(natural_key(name) == natural_key(name) for name in names)


def test_an_empty_stack_is_no_series(tmp_path):
    import h5py

    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", shape=(0, 5, 5), dtype="u2")
    with pytest.raises(FormatError, match="no frames"):
        open_frames(f"{tmp_path}/a.h5::/data")


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "x" * 300 + ".h5", "y" * 300 + ".tif", "a\0b.h5::/x"])
def test_names_that_no_file_can_have(tmp_path, name):
    with pytest.raises(InputError, match="no such file"):
        open_frames(f"{tmp_path}/{name}")


def test_a_link_to_itself_is_one_bad_frame(scan):
    (scan / "s_0.cbf").symlink_to("s_0.cbf")
    for source in (scan, f"{scan}/*.cbf", [scan / "s_0.cbf", scan / "s_1.cbf"]):
        frames = open_frames(source)
        assert frames[1].shape == (37, 53)
        assert len(frames.sources) == len(frames)
        assert frames.address(0).path.endswith("s_0.cbf")
        with pytest.raises(FrameError, match="s_0"):
            frames[0]


def test_lists_of_any_origin(scan, pixels):
    listing = scan / "list.txt"
    listing.write_bytes(b"\xef\xbb\xbfs_3.cbf\r\ns_1\0.cbf\r\n")
    frames = open_frames(read_list(listing))
    assert numbers(frames[:1], pixels) == [3]
    assert len(frames.sources) == 2
    with pytest.raises(FrameError):
        frames[1]
    listing.write_text("s_3.cbf\n", encoding="utf-16")
    with pytest.raises(InputError, match="no such file"):
        open_frames(read_list(listing))


def test_lists_that_never_end_or_begin(scan, monkeypatch):
    with pytest.raises(InputError, match="the list is not a file"):
        read_list("/dev/zero")
    os.mkfifo(scan / "pipe")
    with pytest.raises(InputError, match="names no frames"):
        read_list(scan / "pipe")
    monkeypatch.setattr(names, "_LONGEST_LIST", 5)
    (scan / "list.txt").write_text("s_3.cbf")
    with pytest.raises(InputError, match="too many for a list"):
        read_list(scan / "list.txt")


def test_a_file_with_the_mark_of_a_data_set_in_its_name(scan):
    (scan / "s_3.cbf").rename(scan / "x::y.cbf")
    assert open_frames(scan / "x::y.cbf").names == [f"{scan}/x::y.cbf"]


@pytest.mark.parametrize("source", ["", ["", "a.cbf"]])
def test_a_name_that_is_empty(source):
    with pytest.raises(InputError, match="a name of frames is empty"):
        open_frames(source)


def test_two_files_with_one_number(scan):
    shutil.copy(scan / "s_1.cbf", scan / "s_01.cbf")
    with pytest.raises(InputError, match=r"s_0?1.cbf and s_0?1.cbf have the same number"):
        open_frames(scan / "s_%d.cbf")


def test_files_without_images_are_bad_frames_among_others(tmp_path, images):
    import h5py

    contents = {
        "a": ("data", images),
        "b": ("data", images.astype(complex)),
        "c": ("line", np.zeros(5)),
        "d": ("data", np.zeros((0, 37, 53))),
        "e": ("text", "nothing"),
    }
    for letter, (name, value) in contents.items():
        with h5py.File(tmp_path / f"{letter}.h5", "w") as file:
            file[name] = value
    frames = open_frames(tmp_path)
    assert len(frames) == 5 + 4
    for index in range(5, 9):
        with pytest.raises(FrameCorrupt, match=r"\.h5.*: holds no"):
            frames[index]
