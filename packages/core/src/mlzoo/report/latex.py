"""Leaderboards and published numbers as LaTeX, for ``\\\\usepackage{booktabs}``."""

from __future__ import annotations

from collections.abc import Sequence

from mlzoo.report.table import Table

_ESCAPED = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
    "Δ": r"$\Delta$",
    "×": r"$\times$",
    "→": r"$\rightarrow$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "–": "--",
    "—": "---",
    "−": "$-$",
}


def escaped(text: str) -> str:
    """Text as LaTeX shows it, in one line: an empty one would end a cell or a caption."""
    letters = (letter if letter.isprintable() else " " for letter in text)
    return "".join(_ESCAPED.get(letter, letter) for letter in letters)


def to_latex(table: Table, *, text_columns: Sequence[int] = (0,)) -> str:
    """A ``table`` with its title as caption and its notes below.

    Args:
        text_columns: those aligned to the left; numbers stand to the right.
    """
    columns = "".join("l" if i in text_columns else "r" for i in range(len(table.columns)))

    def line(cells: Sequence[str]) -> str:
        return "    " + " & ".join(map(escaped, cells)) + r" \\"

    notes = [rf"  \par\footnotesize {escaped(note)}" for note in table.notes]
    return "\n".join(
        [
            r"\begin{table}",
            r"  \centering",
            rf"  \caption{{{escaped(table.title)}}}",
            rf"  \begin{{tabular}}{{{columns}}}",
            r"    \toprule",
            line(table.columns),
            r"    \midrule",
            *map(line, table.rows),
            r"    \bottomrule",
            r"  \end{tabular}",
            *notes,
            r"\end{table}",
            "",
        ]
    )
