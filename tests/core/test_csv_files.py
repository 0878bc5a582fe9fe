from __future__ import annotations

import pytest

from mlzoo.data.csv_files import read_csv
from mlzoo.errors import DataError


def test_cells_are_stripped_and_blank_lines_left_out_with_their_numbers(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('\ufeffa, b\n\n 1 ,"x, y"\n,\n2,z\n', encoding="utf-8")
    assert read_csv(path) == (["a", "b"], [(3, ["1", "x, y"]), (5, ["2", "z"])])
    tabs = tmp_path / "a.TSV"
    tabs.write_text("a\tb\n1, 2\tx\n")
    assert read_csv(tabs) == (["a", "b"], [(2, ["1, 2", "x"])])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("a,b\n", "names nothing"),
        ("a,b\n1,2,3\n", "line 2: 3 cells, the first line has 2. Quote it"),
        ('a,b\n1,"x\n', "is no whole table"),
        (b"a,b\n\xff,1\n", "UTF-8"),
    ],
)
def test_what_is_no_table_is_named_with_its_line(tmp_path, text, said):
    path = tmp_path / "a.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError) as error:
        read_csv(path, without_lines="names nothing", hint="Quote it")
    assert said in f"{error.value.message} {error.value.fix}"
    assert "a.csv" in error.value.message


def test_other_files_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"ends in .csv or .tsv"):
        read_csv(tmp_path / "a.xlsx")
    with pytest.raises(DataError, match=r"none.csv"):
        read_csv(tmp_path / "none.csv")
