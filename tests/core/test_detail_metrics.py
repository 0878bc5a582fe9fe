"""Metrics that are details stand in results.json and not in tables, unless asked for."""

from __future__ import annotations

import json

import pytest

from mlzoo.cli import output
from mlzoo.registry import registry


@pytest.fixture
def detailed(toy):
    """The made-up plugin whose second metric is a detail."""
    module = toy.folder / "mlzoo_toy.py"
    source = module.read_text(encoding="utf-8")
    marked = source.replace('summary="mean error")', 'summary="mean error", detail=True)')
    assert marked != source
    module.write_text(marked, encoding="utf-8")
    registry.cache_clear()
    output.installed.cache_clear()


def test_details_are_counted_after_a_run_and_shown_by_the_report_when_asked(detailed, cli):
    called = cli("run", "toy", "--preset", "smoke", "--out", "runs", "--no-figures")
    assert called.code == 0
    assert "bias" not in called.out
    assert "1 more metrics in detail: mlzoo report RUN --all" in called.out
    short, whole = cli("report", "runs").out, cli("report", "runs", "--all").out
    assert "bias" not in short
    assert "1 more metrics in detail: --all" in short
    assert "bias" in whole
    assert "in detail" not in whole
    assert "bias" in cli("report", "runs", "--format", "csv").out
    (found,) = json.loads(cli("report", "runs", "--json").out)
    assert "bias" in found["runs"][0]["metrics"]["test"]


def test_without_details_nothing_is_said(toy, cli):
    called = cli("run", "toy", "--preset", "smoke", "--out", "runs", "--no-figures")
    assert "bias" in called.out
    assert "in detail" not in called.out
