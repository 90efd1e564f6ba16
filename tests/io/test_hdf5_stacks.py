import os
import shutil
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aureole.errors import FormatError, FrameCorrupt, FrameError, FrameMissing, InputError
from aureole.frames import Encoding
from aureole.io import open_frames
from aureole.io.images import to_array
from aureole.kernels.cpu import decode

BSLZ4 = hdf5plugin.Bitshuffle(cname="lz4")


def write_stack(path, stack, name="data", **options):
    with h5py.File(path, "a") as file:
        file.create_dataset(name, data=stack, **options)
    return f"{path}::/{name}"


def by_frame(stack, **options):
    return {"chunks": (1,) * (stack.ndim - 2) + stack.shape[-2:], **options}


def assert_frames(frames, stack, pixels):
    assert len(frames) == len(stack)
    for frame, image in zip(frames, stack, strict=True):
        found = pixels(frame)
        assert found.dtype == image.dtype.newbyteorder("=")
        assert np.array_equal(found, image)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "f4"])
def test_bitshuffle_lz4_stays_encoded(tmp_path, images, pixels, dtype):
    stack = images.astype(dtype)
    frames = open_frames(write_stack(tmp_path / "a.h5", stack, **by_frame(stack, **BSLZ4)))
    assert {frame.encoding for frame in frames} == {Encoding.BITSHUFFLE_LZ4}
    assert frames.notes == []
    assert_frames(frames, stack, pixels)


@pytest.mark.parametrize(
    "options",
    [{}, {"chunks": (1, 37, 53)}, {"chunks": (1, 37, 53), "fillvalue": 7}],
    ids=["contiguous", "chunks", "fill"],
)
@pytest.mark.parametrize("dtype", ["<u2", ">u2", "<i4", ">f8", "u1"])
@pytest.mark.parametrize("userblock", [0, 512])
def test_uncompressed_is_read_as_it_lies_in_the_file(tmp_path, images, pixels, options, dtype, userblock):
    stack = images.astype(dtype)
    with h5py.File(tmp_path / "a.h5", "w", userblock_size=userblock) as file:
        file.create_dataset("x/data", data=stack, **options)
    frames = open_frames(tmp_path / "a.h5")
    assert frames.notes == []
    assert_frames(frames, stack, pixels)
    assert frames.dtype == np.dtype(dtype).newbyteorder("=")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"compression": "gzip", "chunks": (1, 37, 53)}, "compressed by gzip"),
        ({"compression": "gzip", "shuffle": True, "chunks": (1, 37, 53)}, "compressed by shuffle, gzip"),
        ({"chunks": (2, 37, 53)}, "its chunks of (2, 37, 53) are not single frames"),
        ({"chunks": (1, 20, 20), **BSLZ4}, "its chunks of (1, 20, 20) are not single frames"),
        ({"chunks": (1, 37, 53), **hdf5plugin.Bitshuffle(cname="none")}, "bitshuffle without LZ4"),
        ({"chunks": (1, 37, 53), **hdf5plugin.LZ4()}, "compressed by"),
        ({"chunks": (1, 37, 53), "fletcher32": True, **BSLZ4}, "bitshuffle, fletcher32"),
    ],
)
def test_everything_else_is_decoded_by_the_library_and_says_so(tmp_path, images, pixels, options, reason):
    frames = open_frames(write_stack(tmp_path / "a.h5", images, **options))
    assert len(frames.notes) == 1
    assert reason in frames.notes[0]
    assert frames[0].encoding is Encoding.RAW
    assert_frames(frames, images, pixels)


@pytest.mark.parametrize("dtype", ["u8", "i8", "f8"])
def test_damaged_chunks_of_wide_pixels_fail_alone(tmp_path, images, pixels, dtype):
    stack = images.astype(dtype)
    source = write_stack(tmp_path / "a.h5", stack, **by_frame(stack, **BSLZ4))
    with h5py.File(tmp_path / "a.h5", "a") as file:
        data = file["data"].id
        chunk = bytearray(data.read_direct_chunk((1, 0, 0))[1])
        chunk[16:40] = b"\xff" * 24  # lengths far beyond the block
        data.write_direct_chunk((1, 0, 0), bytes(chunk))
    frames = open_frames(source)
    assert frames.notes == []
    with pytest.raises(FrameCorrupt, match="LZ4 block"):
        decode(frames[1])
    assert np.array_equal(pixels(frames[2]), stack[2])


@pytest.mark.parametrize("dtype", [">u2", ">f8"])
def test_bitshuffled_pixels_that_our_kernels_do_not_know(tmp_path, images, pixels, dtype):
    stack = images.astype(dtype)
    frames = open_frames(write_stack(tmp_path / "a.h5", stack, **by_frame(stack, **BSLZ4)))
    assert "bitshuffle-LZ4 of pixels of type" in frames.notes[0]
    assert_frames(frames, stack, pixels)


def test_a_chunk_whose_filter_was_skipped_is_raw(tmp_path, images, pixels):
    source = write_stack(tmp_path / "a.h5", images, **by_frame(images, **BSLZ4))
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file["data"].id.write_direct_chunk((2, 0, 0), images[2].tobytes(), 1)
    frames = open_frames(source)
    assert [int(frame.encoding) for frame in frames] == [2, 2, 0, 2, 2]
    assert_frames(frames, images, pixels)


def test_leading_axes_are_frames_in_c_order(tmp_path, images, pixels):
    stack = np.stack([images, images + 1, images + 2])
    for name, options in {"a": {}, "b": by_frame(stack, **BSLZ4), "c": {"chunks": (1, 2, 37, 53)}}.items():
        with open_frames(write_stack(tmp_path / "x.h5", stack, name, **options)) as frames:
            assert_frames(frames, stack.reshape(15, 37, 53), pixels)
    assert frames.name(7).endswith("x.h5::/c[7]")


@pytest.mark.parametrize("options", [{}, {"chunks": (37, 53), **BSLZ4}, {"chunks": (10, 10)}])
def test_one_image_is_one_frame(tmp_path, images, pixels, options):
    frames = open_frames(write_stack(tmp_path / "a.h5", images[0], **options))
    assert_frames(frames, images[:1], pixels)


def test_truth_values_are_bytes(tmp_path, images, pixels):
    frames = open_frames(write_stack(tmp_path / "a.h5", images > 3))
    assert np.array_equal(pixels(frames[1]), (images[1] > 3).astype(np.uint8))


@pytest.mark.parametrize("options", [{"chunks": (1, 37, 53)}, {"chunks": (1, 37, 53), **BSLZ4}])
def test_frames_that_were_never_written(tmp_path, images, pixels, options):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("data", images.shape, images.dtype, **options)
        data[1] = images[1]
    frames = open_frames(f"{tmp_path}/a.h5::/data")
    assert np.array_equal(pixels(frames[1]), images[1])
    for index in (0, 2, 3, 4):
        with pytest.raises(FrameMissing, match=rf"a\.h5::/data\[{index}\]: this frame was never written"):
            frames[index]


def test_never_written_through_the_library(tmp_path, images, pixels):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("data", images.shape, images.dtype, chunks=(2, 20, 53), compression="gzip")
        data[0:2] = images[0:2]
        data[2, :20] = images[2, :20]
    frames = open_frames(f"{tmp_path}/a.h5::/data")
    assert np.array_equal(pixels(frames[1]), images[1])
    with pytest.raises(FrameCorrupt, match="1 of its 2 chunks were never written"):
        frames[3]
    with pytest.raises(FrameMissing, match="never written"):
        frames[4]


def test_external_raw_files_are_whole_or_said_not_to_be(tmp_path, images, pixels, monkeypatch):
    monkeypatch.chdir(tmp_path)
    length = images[0].nbytes
    parts = [("one.raw", 0, 2 * length), ("two.raw", 0, h5py.h5f.UNLIMITED)]
    with h5py.File("a.h5", "w") as file:
        file.create_dataset("x", images.shape, images.dtype, external=parts)[...] = images
    assert_frames(open_frames("a.h5::/x"), images, pixels)
    os.truncate("two.raw", length + 5)
    frames = open_frames("a.h5::/x")
    assert_frames(frames[:3], images[:3], pixels)
    for index in (3, 4):
        with pytest.raises(FrameCorrupt, match=r"truncated: its raw file two\.raw has only"):
            frames[index]
    Path("one.raw").unlink()
    with pytest.raises(FrameMissing, match=r"its raw file one\.raw is missing"):
        frames[1]


def test_never_written_contiguous(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w", userblock_size=512) as file:
        file.create_dataset("data", (3, 4, 5), "u2")
    with pytest.raises(FrameMissing, match="never written"):
        open_frames(f"{tmp_path}/a.h5::/data")[1]


def master(folder, images, counts=(2, 2, 1), nimages=None):
    """An Eiger master with its data files, as DCU firmware writes them."""
    start = 0
    with h5py.File(folder / "run_master.h5", "w") as file:
        file.create_group("entry").attrs["NX_class"] = "NXentry"
        data = file.create_group("entry/data")
        for number, count in enumerate(counts, 1):
            name = f"run_data_{number:06d}.h5"
            stack = images[start : start + count]
            write_stack(folder / name, stack, "entry/data/data", **by_frame(stack, **BSLZ4))
            data[f"data_{number:06d}"] = h5py.ExternalLink(name, "/entry/data/data")
            start += count
        file["entry/instrument/detector/count_time"] = 0.004
        file["entry/instrument/detector/count_time"].attrs["units"] = "s"
        file["entry/instrument/detector/detectorSpecific/nimages"] = nimages or start
        file["entry/instrument/detector/detectorSpecific/ntrigger"] = 1
        file["entry/instrument/detector"].attrs["NX_class"] = "NXdetector"
    return folder / "run_master.h5"


def test_eiger_master(tmp_path, images, pixels):
    path = master(tmp_path, images)
    for source in (path, f"{path}::/entry/data", tmp_path, tmp_path / "run_*.h5"):
        frames = open_frames(source)
        assert_frames(frames, images, pixels)
        assert frames.notes == []
    assert frames.name(3).endswith("run_data_000002.h5::/entry/data/data[1]")
    assert frames.header(0)["count_time"] == "0.004 s"
    assert frames[4].header["nimages"] == "5"
    assert [source.rpartition("/")[2] for source in frames.sources] == [
        "run_master.h5",
        *(f"run_data_{number:06d}.h5" for number in (1, 2, 3)),
    ]


@pytest.mark.parametrize(("gone", "bad"), [(1, [0, 1]), (2, [2, 3]), (3, [4])])
def test_a_missing_data_file_takes_only_its_frames(tmp_path, images, pixels, gone, bad):
    path = master(tmp_path, images)
    (tmp_path / f"run_data_{gone:06d}.h5").unlink()
    frames = open_frames(path)
    assert len(frames) == 5
    for index in range(5):
        if index in bad:
            with pytest.raises(FrameMissing, match=rf"its file .*run_data_{gone:06d}\.h5 is missing"):
                frames[index]
        else:
            assert np.array_equal(pixels(frames[index]), images[index])


def test_a_broken_data_file_takes_only_its_frames(tmp_path, images, pixels):
    path = master(tmp_path, images)
    (tmp_path / "run_data_000002.h5").write_bytes(b"not HDF5")
    frames = open_frames(path)
    assert len(frames) == 5
    with pytest.raises(FrameCorrupt, match=r"run_data_000002\.h5 cannot be used"):
        frames[2]
    assert np.array_equal(pixels(frames[4]), images[4])


def test_a_master_without_any_data(tmp_path, images):
    path = master(tmp_path, images)
    for number in (1, 2, 3):
        (tmp_path / f"run_data_{number:06d}.h5").unlink()
    with pytest.raises(FormatError, match=r"none of its 3 data files can be read: its file .* is missing"):
        open_frames(path)
    frames = open_frames([path, write_stack(tmp_path / "other.h5", images)])
    with pytest.raises(FrameMissing, match="is missing"):
        frames[0]


def test_more_than_999999_data_files_come_in_order(tmp_path, images, pixels):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        for number, image in zip((9, 10, 99, 100), images, strict=False):
            file[f"entry/data/data_{number}"] = image[None]
    assert_frames(open_frames(tmp_path / "m.h5"), images[:4], pixels)


def virtual(folder, stack, layout):
    with h5py.File(folder / "v.h5", "w") as file:
        file.create_virtual_dataset("v", layout)
    return f"{folder}/v.h5::/v"


def interleaved(tmp_path, images):
    """Frames 0, 2, 4 in one file and 1, 3 in another."""
    layout = h5py.VirtualLayout((5, 37, 53), images.dtype)
    for first, name in enumerate(("even.h5", "odd.h5")):
        stack = images[first::2]
        write_stack(tmp_path / name, stack, "entry/data/data", **by_frame(stack, **BSLZ4))
        layout[first::2] = h5py.VirtualSource(name, "entry/data/data", shape=stack.shape)
    return virtual(tmp_path, images, layout)


def test_virtual_data_sets_lead_to_the_encoded_frames(tmp_path, images, pixels):
    frames = open_frames(interleaved(tmp_path, images))
    assert {frame.encoding for frame in frames} == {Encoding.BITSHUFFLE_LZ4}
    assert frames.notes == []
    assert_frames(frames, images, pixels)
    assert frames.address(3).path.endswith("odd.h5")
    assert frames.address(3).frame == 1


def test_a_missing_source_is_said_not_filled(tmp_path, images, pixels):
    source = interleaved(tmp_path, images)
    (tmp_path / "odd.h5").unlink()
    frames = open_frames(source)
    with pytest.raises(FrameMissing, match=r"v\.h5::/v\[3\]: its source .*odd\.h5 is missing"):
        frames[3]
    assert np.array_equal(pixels(frames[4]), images[4])


def test_a_source_that_is_too_short_and_frames_that_nothing_is_mapped_to(tmp_path, images, pixels):
    write_stack(tmp_path / "s.h5", images[:2])
    layout = h5py.VirtualLayout((5, 37, 53), images.dtype)
    layout[0:4] = h5py.VirtualSource("s.h5", "data", shape=(4, 37, 53))
    frames = open_frames(virtual(tmp_path, images, layout))
    assert np.array_equal(pixels(frames[1]), images[1])
    with pytest.raises(FrameMissing, match=r"its source .*s\.h5 holds only 2 frames"):
        frames[3]
    with pytest.raises(FrameMissing, match="no source is mapped"):
        frames[4]


def test_virtual_of_virtual_and_slices_and_the_same_file(tmp_path, images, pixels):
    write_stack(tmp_path / "v.h5", images, "stored", **by_frame(images))
    inner = h5py.VirtualLayout((3, 37, 53), images.dtype)
    inner[:] = h5py.VirtualSource(".", "stored", shape=images.shape)[1:4]
    outer = h5py.VirtualLayout((2, 2, 37, 53), images.dtype)
    source = h5py.VirtualSource(".", "inner", shape=(3, 37, 53))
    outer[0, 0], outer[0, 1], outer[1, 0] = source[2], source[0], source[1]
    with h5py.File(tmp_path / "v.h5", "a") as file:
        file.create_virtual_dataset("inner", inner)
        file.create_virtual_dataset("outer", outer)
    frames = open_frames(f"{tmp_path}/v.h5::/outer")
    assert_frames(frames[:3], images[[3, 1, 2]], pixels)
    with pytest.raises(FrameMissing, match="no source is mapped"):
        frames[3]


def test_virtual_data_sets_that_name_themselves_end(tmp_path):
    layout = h5py.VirtualLayout((3, 4, 5), "u2")
    layout[:] = h5py.VirtualSource(".", "v", shape=(3, 4, 5))
    source = virtual(tmp_path, None, layout)
    with pytest.raises(FrameError):
        open_frames(source)[0]


MODULES = {"left": np.s_[:, :, :20], "right": np.s_[:, :, 23:]}


def modular(folder, images, write=write_stack):
    """A virtual data set of two modules with a gap between them, and what its frames are."""
    layout = h5py.VirtualLayout(images.shape, images.dtype)
    whole = np.full_like(images, -7)
    for name, part in MODULES.items():
        write(folder / f"{name}.h5", images[part])
        layout[part] = h5py.VirtualSource(f"{name}.h5", "data", shape=images[part].shape)
        whole[part] = images[part]
    with h5py.File(folder / "v.h5", "w") as file:
        file.create_virtual_dataset("v", layout, fillvalue=-7)
    return f"{folder}/v.h5::/v", whole


@pytest.mark.parametrize("encoded", [True, False])
def test_modules_are_put_together(tmp_path, images, pixels, encoded):
    source, whole = modular(
        tmp_path,
        images,
        lambda path, stack: write_stack(path, stack, **(by_frame(stack, **BSLZ4) if encoded else {})),
    )
    frames = open_frames(source)
    assert "does not map whole frames" in frames.notes[0]
    assert_frames(frames, whole, pixels)
    assert [path.rpartition("/")[2] for path in frames.sources] == ["v.h5", "left.h5", "right.h5"]
    with h5py.File(tmp_path / "v.h5") as file:
        assert np.array_equal(file["v"][()], whole)


@pytest.mark.parametrize(
    ("harm", "kind", "reason"),
    [
        (lambda path: path.unlink(), FrameMissing, r"its source .*right\.h5 is missing"),
        (lambda path: path.write_bytes(b""), FrameCorrupt, r"its source .*right\.h5: empty file"),
        (lambda path: path.write_bytes(b"x" * 900), FrameCorrupt, r"right\.h5: not a complete HDF5 file"),
        (
            lambda path: path.write_bytes(path.read_bytes()[:1500]),
            FrameCorrupt,
            r"right\.h5: not a complete HDF5 file",
        ),
    ],
    ids=["missing", "empty", "text", "truncated"],
)
def test_a_module_that_is_lost_takes_its_frames(tmp_path, images, harm, kind, reason):
    source, _ = modular(tmp_path, images)
    harm(tmp_path / "right.h5")
    frames = open_frames(source)
    assert len(frames) == 5
    for index in (0, 4):
        with pytest.raises(kind, match=rf"v\.h5::/v\[{index}\]: {reason}|{reason}") as caught:
            frames[index]
        assert type(caught.value) is kind
        assert caught.value.name.endswith(f"v.h5::/v[{index}]")


@pytest.mark.parametrize("chunks", [(1, 37, 20), (1, 10, 10)])
def test_a_module_that_was_not_written_takes_its_frame(tmp_path, images, pixels, chunks):
    def write(path, stack):
        with h5py.File(path, "w") as file:
            chosen = (*chunks[:2], min(chunks[2], stack.shape[2]))
            data = file.create_dataset("data", stack.shape, stack.dtype, chunks=chosen)
            data[:2] = stack[:2]
            if path.stem == "left":
                data[2] = stack[2]

    source, whole = modular(tmp_path, images, write)
    frames = open_frames(source)
    assert_frames(frames[:2], whole[:2], pixels)
    with pytest.raises(
        FrameMissing, match=r"v\[2\]: a part of it, .*right\.h5::/data\[2\]: this frame was never"
    ):
        frames[2]


def test_a_module_that_is_too_short_or_too_small(tmp_path, images, pixels):
    source, whole = modular(tmp_path, images)
    (tmp_path / "right.h5").unlink()
    write_stack(tmp_path / "right.h5", images[MODULES["right"]][:3])
    frames = open_frames(source)
    assert_frames(frames[:3], whole[:3], pixels)
    with pytest.raises(FrameMissing, match=r"right\.h5 holds only 3 frames"):
        frames[3]
    (tmp_path / "right.h5").unlink()
    write_stack(tmp_path / "right.h5", images[:, :, :9])
    with pytest.raises(FrameCorrupt, match=r"right\.h5 has 37 x 9 of 37 x 30 pixels"):
        open_frames(source)[3]


def test_a_module_of_other_pixels_is_not_bent_into_shape(tmp_path, images):
    source, _ = modular(tmp_path, images, lambda path, stack: write_stack(path, stack.astype(float)))
    with pytest.raises(FrameCorrupt, match="pixels of float64, which int32 is not"):
        open_frames(source)[0]


def test_modules_of_which_some_frames_have_none(tmp_path, images, pixels):
    write_stack(tmp_path / "left.h5", images[:, :, :20])
    layout = h5py.VirtualLayout(images.shape, images.dtype)
    layout[0:4:2, :, :20] = h5py.VirtualSource("left.h5", "data", shape=(5, 37, 20))[1:3]
    frames = open_frames(virtual(tmp_path, images, layout))
    expected = np.zeros_like(images[0])
    expected[:, :20] = images[2, :, :20]
    assert np.array_equal(pixels(frames[2]), expected)
    with pytest.raises(FrameMissing, match="no source is mapped"):
        frames[3]


def test_frames_chosen_one_by_one(tmp_path, images, pixels):
    write_stack(tmp_path / "s.h5", images[:3], **by_frame(images, **BSLZ4))
    layout = h5py.VirtualLayout(images.shape, images.dtype)
    layout[[0, 1, 4]] = h5py.VirtualSource("s.h5", "data", shape=(3, 37, 53))
    frames = open_frames(virtual(tmp_path, images, layout))
    assert frames[4].encoding is Encoding.BITSHUFFLE_LZ4
    assert_frames(frames[::4], images[[0, 2]], pixels)
    with pytest.raises(FrameMissing, match="no source is mapped"):
        frames[2]


def test_mappings_that_cannot_be_checked_are_refused(tmp_path, images):
    write_stack(tmp_path / "t.h5", images.transpose(0, 2, 1))
    layout = h5py.VirtualLayout(images.shape, images.dtype)
    layout[:] = h5py.VirtualSource("t.h5", "data", shape=(5, 53, 37))
    with pytest.raises(FormatError, match=r"maps t\.h5 in a way that cannot be checked"):
        open_frames(virtual(tmp_path, images, layout))


@pytest.mark.parametrize("content", [b"", b"not HDF5 " * 99, None], ids=["empty", "text", "truncated"])
def test_a_damaged_source_is_corrupt_not_missing(tmp_path, images, pixels, content):
    source = interleaved(tmp_path, images)
    odd = tmp_path / "odd.h5"
    odd.write_bytes(odd.read_bytes()[:1000] if content is None else content)
    frames = open_frames(source)
    with pytest.raises(FrameCorrupt, match=r"v\.h5::/v\[3\]: its source .*odd\.h5"):
        frames[3]
    assert np.array_equal(pixels(frames[4]), images[4])


def test_a_source_without_its_data_set_is_corrupt(tmp_path, images):
    source = interleaved(tmp_path, images)
    with h5py.File(tmp_path / "odd.h5", "a") as file:
        del file["entry/data/data"]
        file["missing"] = 1
    with pytest.raises(FrameCorrupt, match="there is no 'data' in /entry/data"):
        open_frames(source)[3]


def test_damage_is_told_from_absence_whatever_the_files_are_called(tmp_path, images):
    folder = tmp_path / "missing"
    folder.mkdir()
    path = master(folder, images)
    (folder / "run_data_000002.h5").write_bytes(b"not HDF5")
    (folder / "run_data_000003.h5").unlink()
    frames = open_frames(path)
    with pytest.raises(FrameCorrupt, match="cannot be used"):
        frames[2]
    with pytest.raises(FrameMissing, match="is missing"):
        frames[4]


@pytest.mark.parametrize("locking", [None, True, False])
def test_data_files_that_this_process_has_open(tmp_path, images, pixels, locking):
    path = master(tmp_path, images)
    with h5py.File(tmp_path / "run_data_000002.h5", locking=locking) as other:
        assert_frames(open_frames(path), images, pixels)
        assert other["entry/data/data"].shape == (2, 37, 53)


def test_a_lock_that_stays_says_what_would_help(tmp_path, images, monkeypatch):
    source = write_stack(tmp_path / "a.h5", images)

    def refuse(*_, **__):
        raise OSError("Unable to synchronously open file (file locking flag values don't match)")

    monkeypatch.setattr(h5py, "File", refuse)
    with pytest.raises(
        FormatError, match=r"flag values don't match\); close it .*HDF5_USE_FILE_LOCKING=FALSE"
    ):
        open_frames(source)


def test_sources_that_this_process_has_open(tmp_path, images, pixels):
    whole_frames = interleaved(tmp_path, images)
    (tmp_path / "modules").mkdir()
    modules, whole = modular(tmp_path / "modules", images)
    with h5py.File(tmp_path / "odd.h5"), h5py.File(tmp_path / "modules/right.h5"):
        assert_frames(open_frames(whole_frames), images, pixels)
        assert_frames(open_frames(modules), whole, pixels)


def test_groups_behind_links_into_files_that_are_open(tmp_path, images, pixels):
    nexus(tmp_path / "raw.h5", images)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["entry"] = h5py.ExternalLink("raw.h5", "/scan")
    with h5py.File(tmp_path / "raw.h5"):
        assert_frames(open_frames(f"{tmp_path}/a.h5::/entry/measured"), images, pixels)
        assert_frames(open_frames(f"{tmp_path}/a.h5::/entry/measured/other"), images, pixels)


def test_a_master_behind_a_link_of_the_file_system(tmp_path, images, pixels):
    (tmp_path / "raw").mkdir()
    (tmp_path / "link_master.h5").symlink_to(master(tmp_path / "raw", images))
    assert_frames(open_frames(tmp_path / "link_master.h5"), images, pixels)


def test_links_in_a_row(tmp_path, images, pixels):
    write_stack(tmp_path / "end.h5", images, "deep/data")
    with h5py.File(tmp_path / "middle.h5", "w") as file:
        file["soft"] = h5py.SoftLink("/hard")
        file["hard"] = h5py.ExternalLink("end.h5", "/deep")
    with h5py.File(tmp_path / "start.h5", "w") as file:
        file["link"] = h5py.ExternalLink("middle.h5", "/soft/data")
    frames = open_frames(f"{tmp_path}/start.h5::/link")
    assert_frames(frames, images, pixels)
    assert frames.address(0).path == str((tmp_path / "end.h5").resolve())
    (tmp_path / "end.h5").unlink()
    frames.close()
    with pytest.raises(FormatError, match="link"):
        open_frames(f"{tmp_path}/start.h5::/link")


def nexus(path, images):
    with h5py.File(path, "w") as file:
        file.attrs["default"] = "scan"
        entry = file.create_group("scan")
        entry.attrs["NX_class"] = "NXentry"
        entry.attrs["default"] = "measured"
        data = entry.create_group("measured")
        data.attrs["NX_class"] = "NXdata"
        data.attrs["signal"] = "counts"
        data["counts"] = images
        data["other"] = images
    return path


def test_nexus_default(tmp_path, images, pixels):
    path = nexus(tmp_path / "a.nxs", images)
    assert_frames(open_frames(path), images, pixels)
    assert_frames(open_frames(f"{path}::/scan/measured"), images, pixels)


def test_several_candidates_are_listed(tmp_path, images):
    path = nexus(tmp_path / "a.nxs", images)
    with h5py.File(path, "a") as file:
        del file.attrs["default"]
        file["again"] = file["scan/measured/counts"]
    with pytest.raises(InputError, match=r"say which with a\.nxs::PATH \(/again, /scan/measured/other\)"):
        open_frames(path)


def test_the_only_stack_is_found_whatever_lies_around_it(tmp_path, images, pixels):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["mask"] = images[0]
        file["x/y/z/frames"] = images
        file["x/loop"] = h5py.SoftLink("/x")
        file["broken"] = h5py.ExternalLink("nowhere.h5", "/")
        file["text"] = "hello"
        file["table"] = np.zeros(3, [("a", "i4")])
    assert_frames(open_frames(tmp_path / "a.h5"), images, pixels)


def test_a_file_without_images_names_what_is_missing(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["entry/data"] = h5py.ExternalLink("raw/run_7.h5", "/data")
    with pytest.raises(
        InputError, match=r"no series of images; 1 files .* such as .*raw/run_7\.h5 \(no such"
    ):
        open_frames(tmp_path / "a.h5")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/entry/nothing", "there is no 'nothing' in /entry; there are"),
        ("/entri/data", "there is no 'entri' in /; there are entry"),
        ("/entry/line", "is no series of images"),
        ("/entry/text", "is no series of images"),
        ("/entry/empty", "no data set with values"),
    ],
)
def test_paths_that_lead_nowhere(tmp_path, path, reason):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["entry/line"] = np.arange(5)
        file["entry/text"] = [["a", "b"], ["c", "d"]]
        file["entry/empty"] = h5py.Empty("f4")
    with pytest.raises(FormatError, match=reason) as caught:
        open_frames(f"{tmp_path}/a.h5::{path}")
    assert "\n" not in str(caught.value)


def test_files_that_are_no_hdf5(tmp_path, images):
    (tmp_path / "empty.h5").touch()
    (tmp_path / "text.h5").write_text("hello " * 1000)
    for name, reason in (("empty.h5", "empty file"), ("text.h5", "not a complete HDF5 file")):
        with pytest.raises(FormatError, match=reason) as caught:
            open_frames(tmp_path / name)
        assert "\n" not in str(caught.value)
    good = write_stack(tmp_path / "good.h5", images)
    frames = open_frames([tmp_path / "empty.h5", tmp_path / "gone.h5", good, tmp_path / "text.h5"])
    assert len(frames) == 8
    with pytest.raises(FrameCorrupt, match=r"empty\.h5: empty file"):
        frames[0]
    with pytest.raises(FrameMissing, match=r"gone\.h5: no such file"):
        frames[1]
    with pytest.raises(FrameCorrupt, match="not a complete"):
        frames[7]
    assert frames[2].shape == (37, 53)


def test_a_file_cut_off_while_it_is_read(tmp_path, images):
    source = write_stack(tmp_path / "a.h5", images, **by_frame(images, **BSLZ4))
    frames = open_frames(source)
    _ = frames[0]
    frames.close()
    with (tmp_path / "a.h5").open("r+b") as file:
        file.truncate(3000)
    with pytest.raises(FrameCorrupt, match="truncated"):
        frames[4]


@pytest.mark.parametrize("options", [{}, by_frame(np.zeros((1, 37, 53))), {"compression": "gzip"}])
@pytest.mark.parametrize("how", ["in place", "replaced", "replaced after close", "replaced before reading"])
def test_a_file_that_is_rewritten_while_it_is_read(tmp_path, images, options, how):
    source = write_stack(tmp_path / "a.h5", images, **options)
    frames = open_frames(source)
    if how != "replaced before reading":
        _ = frames[0]
    with h5py.File(tmp_path / "new.h5", "w") as file:
        # The bytes where the frames lay are still pixels, of other frames.
        file["first"] = np.zeros((9, 9))
        file.create_dataset("data", data=np.concatenate([images[::-1], images]), **options)
    if how == "in place":
        (tmp_path / "a.h5").write_bytes((tmp_path / "new.h5").read_bytes())
    else:
        (tmp_path / "new.h5").replace(tmp_path / "a.h5")
    if how == "replaced after close":
        frames.close()
    if "compression" in options and how in ("replaced", "in place"):
        # The library has the old file open still.
        return
    for index in (0, 3):
        with pytest.raises(FrameCorrupt, match="the file changed while it was read"):
            frames[index]


def test_a_file_that_comes_and_goes_is_the_same_file_or_corrupt(tmp_path, images, pixels):
    for number in range(20):
        write_stack(tmp_path / f"f{number:02}.h5", images[:2] + number, **by_frame(images))
    frames = open_frames(tmp_path)
    for index in range(0, 40, 2):
        _ = frames[index]
    write_stack(tmp_path / "new.h5", images[:2], **by_frame(images))
    (tmp_path / "new.h5").replace(tmp_path / "f03.h5")
    with pytest.raises(FrameCorrupt, match=r"f03\.h5::/data\[1\]: the file changed while it was read"):
        frames[7]
    assert np.array_equal(pixels(frames[9]), images[1] + 4)


def test_a_file_that_grows_is_read_on(tmp_path, images, pixels):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("data", (5, 37, 53), "i4", maxshape=(None, 37, 53), chunks=(1, 37, 53))
        data[:3] = images[:3]
        file.flush()
        frames = open_frames(f"{tmp_path}/a.h5::/data")
        assert np.array_equal(pixels(frames[1]), images[1])
        with pytest.raises(FrameMissing):
            frames[3]
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file["data"].resize(7, 0)
        file["data"][3:] = images[:4]
    assert np.array_equal(pixels(frames[2]), images[2])
    assert np.array_equal(pixels(frames[3]), images[0])


@pytest.mark.parametrize("element", [0, 8])
def test_a_filter_for_pixels_of_another_size_is_damage(tmp_path, images, element):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", data=images[:1].astype("u4"), chunks=(1, 37, 53), **BSLZ4)
        options = file["x"].id.get_create_plist().get_filter(0)[2]
    content = (tmp_path / "a.h5").read_bytes()
    stored = np.array(options, "<u4").tobytes()
    assert content.count(stored) == 1
    damaged = np.array([*options[:2], element, *options[3:]], "<u4").tobytes()
    (tmp_path / "a.h5").write_bytes(content.replace(stored, damaged))
    with pytest.raises(
        FormatError, match=rf"bitshuffle filter is for pixels of {element} bytes, these have 4"
    ):
        open_frames(f"{tmp_path}/a.h5::/x")


def test_absurd_shapes_allocate_nothing(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        wide = file.create_dataset(
            "wide", (2, 10**6, 10**6), "u4", chunks=(1, 1000, 1000), compression="gzip"
        )
        wide[0, 0, 0] = 1
        tall = file.create_dataset("tall", (1, 3 * 10**4, 10**4), "u4", chunks=(1, 3 * 10**4, 10**4), **BSLZ4)
        tall.id.write_direct_chunk((0, 0, 0), bytes(64), 0)
    with pytest.raises(FrameCorrupt, match="too large for one frame"):
        open_frames(f"{tmp_path}/a.h5::/wide")[0]
    with pytest.raises(FrameCorrupt, match="64 bytes cannot hold 30000 x 10000 pixels"):
        open_frames(f"{tmp_path}/a.h5::/tall")[0]


def test_absurd_numbers_of_frames_allocate_nothing(tmp_path, images):
    def refused(source):
        with pytest.raises(FormatError, match=r"more than 100,000,000") as caught:
            open_frames(source)
        assert "\n" not in str(caught.value)

    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("many", (10**12, 4, 5), "u2", chunks=(1, 4, 5))
        file.create_dataset("more", (10**9, 10**9, 10**9, 4, 5), "u2", chunks=(1, 1, 1, 4, 5))
        layout = h5py.VirtualLayout((10**9, 4, 5), "u2")
        layout[:] = h5py.VirtualSource(".", "many", shape=(10**9, 4, 5))
        file.create_virtual_dataset("virtual", layout)
    for name in ("many", "more", "virtual"):
        refused(f"{tmp_path}/a.h5::/{name}")
    path = master(tmp_path, images, nimages=10**12)
    (tmp_path / "run_data_000003.h5").unlink()
    refused(path)


def test_virtual_data_sets_that_name_each_other_many_times_end(tmp_path):
    with h5py.File(tmp_path / "v.h5", "w") as file:
        for name, other in (("v", "w"), ("w", "v")):
            layout = h5py.VirtualLayout((40, 4, 5), "u2")
            for index in range(40):
                layout[index] = h5py.VirtualSource(".", other, shape=(40, 4, 5))[index]
            file.create_virtual_dataset(name, layout)
    with pytest.raises(FrameCorrupt, match="is its own source"):
        open_frames(f"{tmp_path}/v.h5::/v")[7]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(draw=st.data())
def test_mangled_files_never_do_harm(tmp_path, draw):
    path = tmp_path / "whole.h5"
    if not path.exists():
        stack = np.arange(3 * 8 * 9, dtype=np.uint16).reshape(3, 8, 9)
        write_stack(path, stack, "entry/data/data", **by_frame(stack, **BSLZ4))
    content = bytearray(path.read_bytes())
    for _ in range(draw.draw(st.integers(0, 4))):
        at = draw.draw(st.integers(0, len(content) - 1))
        content[at] = draw.draw(st.integers(0, 255))
    length = draw.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))
    (tmp_path / "bad.h5").write_bytes(content[:length])
    try:
        frames = open_frames(f"{tmp_path}/bad.h5::/entry/data/data")
    except InputError:
        return
    for index in range(min(len(frames), 3)):
        try:
            frame = frames[index]
        except FrameError:
            continue
        assert len(memoryview(frame.payload)) < 10**6
    frames.close()


def test_threads_read_at_once(tmp_path, images, pixels):
    stack = np.concatenate([images + step for step in range(8)]).astype(np.int32)
    encoded = open_frames(write_stack(tmp_path / "a.h5", stack, "a", **by_frame(stack, **BSLZ4)))
    library = open_frames(write_stack(tmp_path / "b.h5", stack, "b", chunks=(4, 37, 53), compression="gzip"))
    order = np.random.default_rng(0).integers(0, len(stack), 160)
    with ThreadPoolExecutor(8) as pool:
        for frames in (encoded, library):
            payloads = list(pool.map(lambda index, frames=frames: frames[int(index)], order))
            for index, frame in zip(order[:30], payloads[:30], strict=True):
                assert np.array_equal(pixels(frame), stack[index])


def test_many_files_stay_within_the_limit_of_open_ones(tmp_path, images, pixels):
    for number in range(40):
        write_stack(tmp_path / f"f{number}.h5", images[:1] + number, **by_frame(images[:1]))
    frames = open_frames(tmp_path)
    assert [int(pixels(frames[index])[0, 0] - images[0, 0, 0]) for index in range(40)] == list(range(40))
    shutil.rmtree(tmp_path)
    frames.close()
    with pytest.raises(FrameMissing, match="no such file"):
        frames[0]


def test_real_eiger_frames(data, pixels):
    path = data / "powder/eiger2_9m/vac_007_data_000001.h5"
    with open_frames(path) as frames, h5py.File(path) as file:
        assert len(frames) == 2
        assert frames.shape == (3262, 3108)
        assert frames.dtype == np.uint32
        assert frames[1].encoding is Encoding.BITSHUFFLE_LZ4
        assert len(frames[1].payload) == 1194593
        assert np.array_equal(pixels(frames[1]), file["entry/data/data"][1])


@pytest.mark.parametrize("chunks", [None, (1, 4, 5), (100, 4, 5)])
def test_promises_that_the_file_cannot_keep_are_refused(tmp_path, chunks):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("x", (10**8, 4, 5), "u2", chunks=chunks)
        if chunks:
            data[0] = 1
    with pytest.raises(FormatError, match="100,000,000 frames are promised, and not more than") as caught:
        open_frames(tmp_path / "a.h5")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("mapped", "source"), [(2, "."), (10**8, "."), (10**8, "gone.h5")])
def test_virtual_data_sets_that_promise_more_than_they_map(tmp_path, mapped, source):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["y"] = np.zeros((2, 4, 5), "u2")
        layout = h5py.VirtualLayout((10**8, 4, 5), "u2")
        layout[:mapped] = h5py.VirtualSource(source, "y", shape=(mapped, 4, 5))
        file.create_virtual_dataset("x", layout)
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match="frames are promised"):
            open_frames(f"{tmp_path}/a.h5::/x")
        assert tracemalloc.get_traced_memory()[1] < 10**7
    finally:
        tracemalloc.stop()


def test_a_run_that_was_stopped_early_keeps_its_gaps(tmp_path, pixels):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", (10**6, 4, 5), "u2", chunks=(1, 4, 5))[3] = 7
    frames = open_frames(tmp_path / "a.h5")
    assert np.all(pixels(frames[3]) == 7)
    with pytest.raises(FrameMissing):
        frames[999_999]


def test_a_file_that_is_still_being_written_is_read_as_far_as_it_goes(tmp_path, images, pixels):
    write = (
        "import sys, h5py, numpy as np\n"
        "file = h5py.File(sys.argv[1], 'w', libver='latest')\n"
        "data = file.create_dataset('x', data=np.load(sys.argv[2]), maxshape=(None, 37, 53), "
        "chunks=(1, 37, 53))\n"
        "file.swmr_mode = True\n"
        "data.flush()\n"
        "print('written', flush=True)\n"
        "sys.stdin.read()\n"
    )
    np.save(tmp_path / "images.npy", images)
    arguments = [sys.executable, "-c", write, tmp_path / "a.h5", tmp_path / "images.npy"]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        try:
            assert writer.stdout.readline() == "written\n"
            assert_frames(open_frames(f"{tmp_path}/a.h5::/x"), images, pixels)
        finally:
            writer.stdin.close()


@pytest.mark.parametrize("options", [{}, {"chunks": (1, 37, 53), **BSLZ4}, {"compression": "gzip"}])
def test_half_precision_is_read_as_single(tmp_path, images, pixels, options):
    stack = np.minimum(images, 1000).astype(np.float16)
    frames = open_frames(write_stack(tmp_path / "a.h5", stack, **options))
    assert frames.dtype == np.float32
    assert_frames(frames, stack.astype(np.float32), pixels)


def test_a_member_of_a_master_with_pixels_that_cannot_be_used(tmp_path, images, pixels):
    path = master(tmp_path, images)
    with h5py.File(tmp_path / "run_data_000002.h5", "a") as file:
        del file["entry/data/data"]
        file["entry/data/data"] = images[2:4].astype(np.longdouble)
    frames = open_frames(path)
    assert np.array_equal(pixels(frames[4]), images[4])
    with pytest.raises(FrameCorrupt, match="float128 of shape"):
        frames[2]


@pytest.mark.parametrize("options", [{}, {"compression": "gzip"}])
def test_too_many_open_files_is_no_verdict_on_a_frame(tmp_path, images, no_more_files, options):
    frames = open_frames(write_stack(tmp_path / "a.h5", images, **options))
    with no_more_files(), pytest.raises(InputError, match="too many open files"):
        frames[0]
    with no_more_files(), pytest.raises(InputError, match="too many open files"):
        open_frames([tmp_path / "a.h5", tmp_path / "a.h5"])
    assert frames[0].shape == (37, 53)


def test_a_virtual_data_set_that_grows_without_limit(tmp_path):
    stack = np.arange(5 * 4 * 6, dtype="u2").reshape(5, 4, 6)
    write_stack(tmp_path / "source.h5", stack, maxshape=(None, 4, 6), chunks=(1, 4, 6))
    layout = h5py.VirtualLayout(stack.shape, "u2", maxshape=(None, 4, 6))
    source = h5py.VirtualSource("source.h5", "data", stack.shape, maxshape=(None, 4, 6))
    layout[: h5py.h5s.UNLIMITED] = source[: h5py.h5s.UNLIMITED]
    with h5py.File(tmp_path / "virtual.h5", "w", libver="latest") as file:
        file.create_virtual_dataset("data", layout)
    found = open_frames(f"{tmp_path}/virtual.h5::/data")
    assert np.array_equal([to_array(frame) for frame in found], stack)
