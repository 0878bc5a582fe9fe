"""The published numbers as the command line lists them."""

from __future__ import annotations

from click.testing import CliRunner

from mlzoo.cli.main import cli


def test_numbers_of_fine_tuned_features_are_told_from_the_others() -> None:
    shown = CliRunner().invoke(cli, ["info", "tfvaegan"]).output.splitlines()
    (plain,) = [line for line in shown if line.startswith("cub  ") and "58.1" in line]
    (tuned,) = [line for line in shown if "70.7" in line]
    assert plain.split()[:2] == ["cub", "gzsl_h"]
    assert tuned.split()[:3] == ["cub", "features=finetuned", "gzsl_h"]
