"""Listing and help import nothing heavy, in a process of their own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mlzoo.testing import HEAVY

CODE = """
import sys
from mlzoo.cli.main import guarded
code = guarded({words!r})
heavy = [name for name in {heavy!r} if name in sys.modules]
print("heavy:", *heavy, file=sys.stderr)
sys.exit(code)
"""


def imported_by(words: list[str], heavy: tuple[str, ...]) -> list[str]:
    code = CODE.format(words=words, heavy=heavy)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout
    return done.stderr.split("heavy:")[1].split()


@pytest.mark.parametrize(
    "words", [["--help"], ["list"], ["list", "--json"], ["info", "mdn"], ["--version"]]
)
def test_listing_and_help_import_nothing_heavy(words):
    assert imported_by(words, (*HEAVY, "rich")) == []


def test_help_of_a_model_imports_pydantic_and_no_more():
    heavy = tuple(name for name in HEAVY if name != "pydantic")
    assert imported_by(["run", "mdn", "--help"], heavy) == []
    assert imported_by(["tune", "mdn", "--help"], (*heavy, "optuna")) == []
