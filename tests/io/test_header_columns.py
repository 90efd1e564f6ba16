"""What headers say comes back from a stack as it was."""

import h5py
import pytest

from aureole.io.header_columns import HeaderColumns, StoredColumns


@pytest.mark.parametrize(
    "texts",
    [
        ["1", "2.5"],
        ["0012", "0013"],
        ["1e400", "2"],
        ["1 s", "2 s"],
        ["1 s", "2 m"],
        ["12345678901234567890", "2"],
        ["one", "zwei"],
    ],
)
def test_each_text_comes_back(tmp_path, texts):
    columns = HeaderColumns(2)
    for index, text in enumerate(texts):
        columns.add(index, {"key": text})
    with h5py.File(tmp_path / "a.h5", "w") as file:
        columns.write(file.create_group("header"))
        stored = StoredColumns(file["header"], 2)
        assert [stored.header(index)["key"] for index in range(2)] == texts


def test_no_key_hides_another(tmp_path):
    columns = HeaderColumns(2)
    for index in range(2):
        columns.add(index, {"a/b": f"x{index}", "a_b": f"y{index}"})
    with h5py.File(tmp_path / "a.h5", "w") as file:
        columns.write(file.create_group("header"))
        assert StoredColumns(file["header"], 2).header(1) == {"a_b": "x1", "a_b_": "y1"}
