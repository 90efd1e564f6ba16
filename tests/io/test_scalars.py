import h5py
import numpy as np
import pytest

from aureole.errors import FrameCorrupt, InputError, SpecError
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
    values = read_scalars(f"{tmp_path}/m.csv:{column}", range(3))
    assert values.dtype == np.float64
    assert np.array_equal(values, [10.5, 11.0, np.nan], equal_nan=True)


def test_tables_without_names(tmp_path):
    (tmp_path / "m.dat").write_text("1 5\n2 6\n")
    assert read_scalars(f"{tmp_path}/m.dat:2", range(2)).tolist() == [5.0, 6.0]


def test_tables_that_do_not_fit(tmp_path):
    (tmp_path / "m.csv").write_text("image,i0\n1,10\n")
    with pytest.raises(SpecError, match="has 1 values for 3 frames"):
        read_scalars(f"{tmp_path}/m.csv:i0", range(3))
    with pytest.raises(SpecError, match="no column 'i1'; there are image, i0"):
        read_scalars(f"{tmp_path}/m.csv:i1", range(1))
    with pytest.raises(InputError, match=r"none\.csv: cannot be read"):
        read_scalars(f"{tmp_path}/none.csv:i1", range(1))


def test_hdf5(tmp_path):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["entry/i0"] = np.arange(6, dtype=np.uint16).reshape(2, 3)
        file["entry/name"] = "x"
    assert read_scalars(f"{tmp_path}/m.h5::/entry/i0", range(6)).tolist() == [0, 1, 2, 3, 4, 5]
    for path in ("/entry/name", "/entry", "/entry/none"):
        with pytest.raises(InputError, match="no data set of numbers"):
            read_scalars(f"{tmp_path}/m.h5::{path}", range(6))
    with pytest.raises(InputError, match="no such file"):
        read_scalars(f"{tmp_path}/n.h5::/entry/i0", range(6))


def test_headers(tmp_path):
    for number in (1, 2, 4):
        write_cbf(tmp_path / f"s_{number}.cbf", np.zeros((3, 3), np.int32), f"# I0 {number}.5e3 counts\n")
    write_cbf(tmp_path / "s_5.cbf", np.zeros((3, 3), np.int32), "# Other 3")
    write_cbf(tmp_path / "s_6.cbf", np.zeros((3, 3), np.int32), "# I0 low")
    frames = open_frames(tmp_path / "s_%d.cbf")
    find = read_scalars("I0", frames)
    assert [find(frames[index]) for index in (0, 1, 3)] == [1500.0, 2500.0, 4500.0]
    with pytest.raises(FrameCorrupt, match=r"s_5\.cbf: its header has no 'I0'"):
        find(frames[4])
    with pytest.raises(FrameCorrupt, match=r"s_6\.cbf: its header has 'low' for I0, which is no number"):
        find(frames[5])


def test_a_key_that_is_a_slip_is_refused_at_once(tmp_path):
    for number in range(4):
        write_cbf(tmp_path / f"s_{number}.cbf", np.zeros((3, 3), np.int32), "# I0 1.0\n")
    frames = open_frames(tmp_path / "s_*.cbf")
    (tmp_path / "s_1.cbf").write_bytes(b"")
    with pytest.raises(SpecError, match=r"'I1' is neither .* there are .*I0"):
        read_scalars("I1", frames)
    assert callable(read_scalars("I0", frames))
    # Nothing can be said of a series whose frames cannot be had: the run tells why of each.
    for path in tmp_path.iterdir():
        path.unlink()
    assert callable(read_scalars("I0", frames))


def test_numbers_in_headers():
    header = {
        "a": "0.61995 A",
        "b": "12.5",
        "c": "-3e2",
        "d": "none",
        "e": "",
        "f": " 7 counts/s ",
        "g": "0.1s",
    }
    assert [header_number(header, key) for key in "abcfg"] == [0.61995, 12.5, -300.0, 7.0, 0.1]
    assert all(np.isnan(header_number(header, key)) for key in "dex")


@pytest.mark.parametrize(
    "text",
    ["1,234.5", "1.2.3.4", "12:30", "1_000", "2024-05-01T12:30:00", "1 000", "(12.5, 3)", "٣", "512x512"],
)
def test_what_begins_like_a_number_is_none(text):
    assert np.isnan(header_number({"I0": text}, "I0"))


@pytest.mark.parametrize(
    "text",
    ["i;I0\n0;1,5\n", "i\tI0\n0\t1,5\n", "# i I0\n0 1,5\n", "# i;I0\n0;1,5\n", "i I0\n0 1,5\n", "0;1,5\n"],
)
def test_decimal_commas_are_no_numbers(tmp_path, text):
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(InputError, match=r"m\.csv: '1,5' is no number"):
        read_scalars(f"{tmp_path}/m.csv:2", range(1))


def test_commas_do_not_move_columns(tmp_path):
    (tmp_path / "m.csv").write_text("i,I0\n0,1,5\n")
    with pytest.raises(InputError, match="3 entries in 2 columns"):
        read_scalars(f"{tmp_path}/m.csv:I0", range(1))
    (tmp_path / "m.csv").write_text("# i, I0\n0 1.5\n1 2.5,\n")
    with pytest.raises(InputError, match=r"'2\.5,' is no number"):
        read_scalars(f"{tmp_path}/m.csv:I0", range(2))


@pytest.mark.parametrize("column", ["²", "0", "-1", "9" * 5000])
def test_columns_that_cannot_be(tmp_path, column):
    (tmp_path / "m.csv").write_text("i,I0\n0,1\n")
    with pytest.raises(SpecError, match="no column"):
        read_scalars(f"{tmp_path}/m.csv:{column}", range(1))


def test_sources_that_are_odd(tmp_path):
    (tmp_path / "m.csv").write_text("i,I0\n0," + "x" * 200_000 + "\n")
    with pytest.raises(InputError, match=r"m\.csv: cannot be read as a table"):
        read_scalars(f"{tmp_path}/m.csv:I0", range(1))
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["empty"] = h5py.Empty("f8")
    with pytest.raises(InputError, match="no data set of numbers"):
        read_scalars(f"{tmp_path}/m.h5::/empty", range(1))


def test_tables_without_names_have_points_in_their_numbers(tmp_path):
    (tmp_path / "m.csv").write_text("1,5 2,5\n3,5 4,5\n")
    with pytest.raises(InputError, match="the decimal mark is a point"):
        read_scalars(f"{tmp_path}/m.csv:1", range(2))


def test_a_comment_behind_the_rows_names_nothing(tmp_path):
    (tmp_path / "m.dat").write_text("# t mon\n0 1.5\n1 2.5\n# end of the scan\n")
    assert read_scalars(f"{tmp_path}/m.dat:mon", range(2)).tolist() == [1.5, 2.5]
