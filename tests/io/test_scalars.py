import h5py
import numpy as np
import pytest

from aureole.errors import InputError, SpecError
from aureole.io import header_number, open_frames, read_scalars, write_cbf


@pytest.mark.parametrize(
    "text",
    [
        "image,i0\n1,10.5\n2,11\n3,x\n",
        "image;i0\n1;10.5\n2;11\n3;\n",
        "# a table\n# image i0\n1 10.5\n2 11\n3\n",
        "image\ti0\n\n1\t10.5\n2\t11\n3\tnone\n",
    ],
)
@pytest.mark.parametrize("column", ["i0", "2"])
def test_tables(tmp_path, text, column):
    (tmp_path / "m.csv").write_text(text)
    values = read_scalars(f"{tmp_path}/m.csv:{column}", 3)
    assert values.dtype == np.float64
    assert np.array_equal(values, [10.5, 11.0, np.nan], equal_nan=True)


def test_tables_without_names(tmp_path):
    (tmp_path / "m.dat").write_text("1 5\n2 6\n")
    assert read_scalars(f"{tmp_path}/m.dat:2", 2).tolist() == [5.0, 6.0]


def test_tables_that_do_not_fit(tmp_path):
    (tmp_path / "m.csv").write_text("image,i0\n1,10\n")
    with pytest.raises(SpecError, match="has 1 values for 3 frames"):
        read_scalars(f"{tmp_path}/m.csv:i0", 3)
    with pytest.raises(SpecError, match="no column 'i1'; there are image, i0"):
        read_scalars(f"{tmp_path}/m.csv:i1", 1)
    with pytest.raises(InputError, match=r"none\.csv: cannot be read"):
        read_scalars(f"{tmp_path}/none.csv:i1", 1)


def test_hdf5(tmp_path):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["entry/i0"] = np.arange(6, dtype=np.uint16).reshape(2, 3)
        file["entry/name"] = "x"
    assert read_scalars(f"{tmp_path}/m.h5::/entry/i0", 6).tolist() == [0, 1, 2, 3, 4, 5]
    for path in ("/entry/name", "/entry", "/entry/none"):
        with pytest.raises(InputError, match="no data set of numbers"):
            read_scalars(f"{tmp_path}/m.h5::{path}", 6)
    with pytest.raises(InputError, match="no such file"):
        read_scalars(f"{tmp_path}/n.h5::/entry/i0", 6)


def test_headers(tmp_path):
    for number in (1, 2, 4):
        write_cbf(tmp_path / f"s_{number}.cbf", np.zeros((3, 3), np.int32), f"# I0 {number}.5e3 counts\n")
    write_cbf(tmp_path / "s_5.cbf", np.zeros((3, 3), np.int32), "# Other 3")
    frames = open_frames(tmp_path / "s_%d.cbf")
    values = read_scalars("I0", len(frames), frames)
    assert np.array_equal(values, [1500.0, 2500.0, np.nan, 4500.0, np.nan], equal_nan=True)
    with pytest.raises(SpecError, match=r"no frame has 'I1' in its header; there are .*I0"):
        read_scalars("I1", len(frames), frames)
    with pytest.raises(SpecError, match="neither"):
        read_scalars("I0", 5)


def test_numbers_in_headers():
    header = {"a": "0.61995 A", "b": "(12.5, 3) pixels", "c": "-3e2", "d": "none", "e": ""}
    assert [header_number(header, key) for key in "abc"] == [0.61995, 12.5, -300.0]
    assert all(np.isnan(header_number(header, key)) for key in "dex")
