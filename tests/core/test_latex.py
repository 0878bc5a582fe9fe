"""Tables as LaTeX: every special letter is escaped, and rows fit their columns."""

from __future__ import annotations

import re

import pytest
from made_runs import made_group

from mlzoo.report.latex import escaped, to_latex
from mlzoo.report.table import Table


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("50 %", r"50 \%"),
        ("a_b & c#d", r"a\_b \& c\#d"),
        ("{x}$", r"\{x\}\$"),
        ("\\input{/etc/passwd}", r"\textbackslash{}input\{/etc/passwd\}"),
        ("~^", r"\textasciitilde{}\textasciicircum{}"),
        ("1 ± 2", r"1 $\pm$ 2"),
        ("a\n\nb\x00c", "a  b c"),
        ("<3 ≤ 4>", r"\textless{}3 $\leq$ 4\textgreater{}"),
    ],
)
def test_special_letters_are_escaped(text, shown) -> None:
    assert escaped(text) == shown


def test_a_table_is_whole_and_its_rows_fit() -> None:
    table = Table("a & b", ["model", "h %"], [["x_1 *", "50.0 ± 1.0"], ["y", "-"]], ["100 %"])
    text = to_latex(table)
    assert text == (
        "\\begin{table}\n  \\centering\n  \\caption{a \\& b}\n  \\begin{tabular}{lr}\n    \\toprule\n"
        "    model & h \\% \\\\\n    \\midrule\n    x\\_1 * & 50.0 $\\pm$ 1.0 \\\\\n    y & - \\\\\n"
        "    \\bottomrule\n  \\end{tabular}\n  \\par\\footnotesize 100 \\%\n\\end{table}\n"
    )
    assert "{lll}" in to_latex(Table("t", ["a", "b", "c"], []), text_columns=(0, 1, 2))


def test_the_command_line_writes_tables_that_close_what_they_open(toy, cli, tmp_path) -> None:
    made_group(tmp_path / "made", [1.0, 2.0], rate=0.1)
    made_group(tmp_path / "made", [1.0, 2.0], rate=0.2)
    for layout in ("metrics", "runs"):
        text = cli("report", tmp_path / "made", "--format", "latex", "--layout", layout).out
        opened, closed = (re.findall(rf"\\{word}{{(\w+)}}", text) for word in ("begin", "end"))
        assert sorted(opened) == sorted(closed)
        (columns,) = re.findall(r"\\begin{tabular}{(\w+)}", text)
        rows = [line for line in text.splitlines() if line.endswith(r"\\")]
        assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {len(columns) - 1}
        assert not re.search(r"(?<!\\)[%#]", text)
