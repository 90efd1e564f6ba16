import bz2
import gzip
import logging
import re
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import fabio
import numpy as np
import pytest
from fabio.edfimage import EdfImage
from fabio.tifimage import TifImage

from aureole.errors import FormatError, FrameCorrupt, FrameMissing, GeometryError, InputError
from aureole.frames import Encoding
from aureole.geometry import Geometry
from aureole.io import load, open_frames, read_image, write_cbf

# fabio leaves files open when it fails.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def edf(path, *images, **header):
    image = EdfImage(data=images[0], header=header)
    for more in images[1:]:
        image.append_frame(data=more)
    image.write(str(path))
    return path


@pytest.mark.parametrize("ending", ["edf", "tif"])
@pytest.mark.parametrize("dtype", ["u2", "i4", "f4"])
def test_series_of_single_frames(tmp_path, images, pixels, ending, dtype):
    writer = {"edf": EdfImage, "tif": TifImage}[ending]
    for number, image in enumerate(images):
        writer(data=image.astype(dtype)).write(str(tmp_path / f"f{number + 8}.{ending}"))
    frames = open_frames(tmp_path)
    assert len(frames) == 5
    assert frames.dtype == np.dtype(dtype)
    for frame, image in zip(frames, images, strict=True):
        assert frame.encoding is Encoding.RAW
        assert np.array_equal(pixels(frame), image.astype(dtype))


def test_several_frames_in_one_file(tmp_path, images, pixels):
    edf(tmp_path / "a.edf", *images[:3])
    edf(tmp_path / "b.edf", *images[3:])
    frames = open_frames(tmp_path / "*.edf")
    assert len(frames) == 5
    assert frames.name(4).endswith("b.edf[1]")
    for frame, image in zip(frames, images, strict=True):
        assert np.array_equal(pixels(frame), image)
    frames.close()
    assert np.array_equal(pixels(frames[4]), images[4])


def test_more_frames_than_the_first_file_has(tmp_path, images):
    edf(tmp_path / "a.edf", images[0])
    edf(tmp_path / "b.edf", *images[:2])
    frames = open_frames(tmp_path)
    with pytest.raises(FrameCorrupt, match="holds 2 frames where 1 were expected"):
        frames[1]


def test_header(tmp_path, images):
    assert open_frames(edf(tmp_path / "a.edf", images[0], count_time="0.1"))[0].header["count_time"] == "0.1"


@pytest.mark.parametrize(
    ("ending", "length"), [("edf", 900), ("edf", 100), ("tif", 900), ("tif", 4), ("tif", 150)]
)
def test_truncated_files_are_not_filled_up_with_zeros(tmp_path, images, ending, length, caplog):
    {"edf": EdfImage, "tif": TifImage}[ending](data=images[0]).write(str(tmp_path / f"a.{ending}"))
    {"edf": EdfImage, "tif": TifImage}[ending](data=images[0]).write(str(tmp_path / f"b.{ending}"))
    path = tmp_path / f"b.{ending}"
    path.write_bytes(path.read_bytes()[:length])
    with caplog.at_level(logging.INFO):
        frames = open_frames(tmp_path)
        _ = frames[0]
        with pytest.raises(FrameCorrupt, match=rf"b\.{ending}: (fabio|37 x 53 pixels)") as caught:
            frames[1]
    assert "\n" not in str(caught.value)
    assert not caplog.records


def promising(path, rows, columns, compression=b""):
    """An EDF file of 30 x 40 pixels whose header says something else."""
    edf(path, np.ones((30, 40), np.uint16))
    content = path.read_bytes()
    content = content.replace(b"Dim_1 = 40", b"Dim_1 = %d" % columns).replace(
        b"Dim_2 = 30", b"Dim_2 = %d" % rows
    )
    content = content.replace(b"{\n", b"{\n" + compression, 1)
    path.write_bytes(re.sub(rb"\nSize = \d+ ;", b"", content))
    return path


@pytest.mark.parametrize(("rows", "columns"), [(40, 40), (60000, 60000), (10**9, 10**9), (10**400, 1)])
@pytest.mark.parametrize("form", ["", ".gz", ".bz2", "deflated"])
def test_headers_that_promise_more_than_the_file_holds_allocate_nothing(tmp_path, rows, columns, form):
    path = promising(
        tmp_path / "a.edf", rows, columns, b"Compression = ZLIB ;\n" if form == "deflated" else b""
    )
    if form in (".gz", ".bz2"):
        packed = {".gz": gzip, ".bz2": bz2}[form].compress(path.read_bytes())
        path = path.with_name(f"a.edf{form}")
        path.write_bytes(packed)
    tracemalloc.start()
    try:
        with pytest.raises((FrameCorrupt, FormatError)) as caught:
            _ = open_frames(path)[0]
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize("form", [".gz", ".bz2"])
def test_compressed_files_are_whole_or_corrupt(tmp_path, images, pixels, form):
    compress = {".gz": gzip, ".bz2": bz2}[form].compress
    noise = np.random.default_rng(0).integers(0, 60000, (300, 200)).astype(np.uint16)
    for image in (noise, np.zeros((300, 200), np.uint16)):
        path = tmp_path / f"a.edf{form}"
        content = compress(edf(tmp_path / "a.edf", image).read_bytes())
        path.write_bytes(content)
        assert np.array_equal(pixels(open_frames(path)[0]), image)
        path.write_bytes(content[: len(content) * 2 // 3])
        with pytest.raises((FrameCorrupt, FormatError), match=r"a\.edf"):
            open_frames(path)[0]


def test_what_is_no_image(tmp_path, images):
    (tmp_path / "junk.tif").write_bytes(bytes(range(256)) * 10)
    with pytest.raises(InputError, match="junk") as caught:
        _ = open_frames(tmp_path / "junk.tif").shape
    assert "\n" not in str(caught.value)
    (tmp_path / "empty.tif").touch()
    with pytest.raises(FormatError, match="empty file"):
        open_frames(tmp_path / "empty.tif")
    edf(tmp_path / "good.edf", images[0])
    frames = open_frames([tmp_path / "empty.edf", tmp_path / "good.edf"])
    with pytest.raises(FrameMissing):
        frames[0]
    assert frames.shape == (37, 53)


def test_threads(tmp_path, images, pixels):
    frames = open_frames(edf(tmp_path / "a.edf", *images))
    with ThreadPoolExecutor(4) as pool:
        for index, frame in enumerate(pool.map(lambda index: frames[index % 5], range(40))):
            assert np.array_equal(pixels(frame), images[index % 5])


def test_real_tiff_map_in_numeric_order(data, pixels):
    with open_frames(data / "powder/dioptas_map/*.tif") as frames:
        numbers = [int(name.rpartition("map_")[2].partition("_")[0]) for name in frames.names]
        assert numbers == [1, 2, 3, 6, 7, 8, 11, 12, 13]
        assert frames.shape == (1043, 981)
        assert np.array_equal(pixels(frames[8]), fabio.open(frames.name(8)).data)


def test_images_of_all_kinds(tmp_path, images, oracle_kernels):
    import h5py

    image = images[0]
    edf(tmp_path / "a.edf", image)
    TifImage(data=image).write(str(tmp_path / "a.tif"))
    write_cbf(tmp_path / "a.cbf", image)
    np.save(tmp_path / "a.npy", image)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x/image"] = image
        file["x/stack"] = image[None]
        file["x/many"] = images
    for name in ("a.edf", "a.tif", "a.cbf", "a.npy", "a.h5::/x/image", "a.h5::/x/stack"):
        found = read_image(tmp_path / name)
        assert np.array_equal(found, image)
        assert found.dtype == image.dtype
    with pytest.raises(InputError, match="holds 5 images where one is needed"):
        read_image(tmp_path / "a.h5::/x/many")
    with pytest.raises(InputError, match="no such file"):
        read_image(tmp_path / "b.edf")


def test_arrays_that_are_no_image(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(5))
    np.save(tmp_path / "b.npy", np.array([["x"]], object), allow_pickle=True)
    np.save(tmp_path / "c.npy", np.zeros((50, 50)))
    (tmp_path / "c.npy").write_bytes((tmp_path / "c.npy").read_bytes()[:500])
    (tmp_path / "d.npy").touch()
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (100000, 1000000), }"
    (tmp_path / "e.npy").write_bytes(b"\x93NUMPY\x01\x00" + bytes([118, 0]) + header.ljust(117) + b"\n")
    for name in "abcdef":
        with pytest.raises(FormatError, match=rf"{name}\.npy: ") as caught:
            read_image(tmp_path / f"{name}.npy")
        assert "\n" not in str(caught.value)


def test_real_mask(data):
    mask = read_image(data / "powder/ceo2_pilatus2m/mask.edf")
    assert mask.shape == (1679, 1475)
    assert round(100 * np.count_nonzero(mask) / mask.size, 1) == 10.5


def test_real_geometries(data):
    for path in sorted((data / "powder").rglob("*.poni")):
        assert isinstance(load(path), Geometry)


def test_geometries_that_cannot_be_read(tmp_path):
    with pytest.raises(FormatError, match=r"none\.poni: cannot be read"):
        load(tmp_path / "none.poni")
    with pytest.raises(FormatError, match="cannot be the name of a file"):
        load("\0")
    (tmp_path / "binary.poni").write_bytes(bytes(range(128, 256)))
    with pytest.raises(FormatError, match="not text"):
        load(tmp_path / "binary.poni")
    (tmp_path / "nonsense.poni").write_text("poni_version: 2\nDistance: far away\n")
    with pytest.raises((FormatError, GeometryError), match=r"nonsense\.poni"):
        load(tmp_path / "nonsense.poni")


def test_arrays_that_promise_more_than_there_is(tmp_path, images):
    np.save(tmp_path / "good.npy", images[0])
    content = (tmp_path / "good.npy").read_bytes()
    promising = content.replace(b"(37, 53), }" + b" " * 6, b"(99999, 99999), }")
    assert promising != content
    (tmp_path / "p.npy").write_bytes(promising)
    (tmp_path / "p.npy.gz").write_bytes(gzip.compress(promising))
    for name in ("p.npy", "p.npy.gz"):
        frames = open_frames([tmp_path / "good.npy", tmp_path / name])
        assert frames[0].shape == (37, 53)
        with pytest.raises(FrameCorrupt, match="cannot be in this file"):
            frames[1]


def test_pixels_of_unusual_types(tmp_path, images, pixels):
    half = np.minimum(images[0], 1000).astype(np.float16)
    np.save(tmp_path / "half.npy", half)
    np.save(tmp_path / "long.npy", images[0].astype(np.longdouble))
    frames = open_frames([tmp_path / "half.npy", tmp_path / "long.npy"])
    assert np.array_equal(pixels(frames[0]), half.astype(np.float32))
    with pytest.raises(FrameCorrupt, match="float128 cannot be used"):
        frames[1]


@pytest.mark.parametrize("ending", ["tif", "edf", "npy"])
def test_too_many_open_files_is_no_verdict_on_a_frame(tmp_path, images, no_more_files, ending):
    path = tmp_path / f"a.{ending}"
    if ending == "npy":
        np.save(path, images[0])
    else:
        {"edf": EdfImage, "tif": TifImage}[ending](data=images[0]).write(str(path))
    frames = open_frames(path)
    with no_more_files(), pytest.raises(InputError, match="too many open files"):
        frames[0]
    assert frames[0].shape == (37, 53)
