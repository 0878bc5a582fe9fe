"""The benchmarks run, and their README says what was recorded."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SPEED = (
    "biam_loss",
    "biam_metrics",
    "biam_step",
    "biam_store",
    "imagecode_cross",
    "imagecode_head",
    "imagecode_images",
    "imagecode_regions",
    "imagecode_text",
    "imagecode_training",
    "mdn_data",
    "mdn_layer",
    "multisk_plans",
    "multisk_ranks",
    "multisk_shards",
    "multisk_step",
    "safe_files",
    "start_up",
    "tfvaegan_classifier",
    "tfvaegan_step",
)


@pytest.fixture
def table() -> ModuleType:
    """``_table.py`` as a module; it needs the standard library only."""
    spec = importlib.util.spec_from_file_location("_table", BENCHMARKS / "_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def row(what: str, *, accelerated: bool, gflop: float | None = None) -> dict[str, object]:
    ms = {"mlzoo": {"best": 2.0, "median": 9.0}, "plain": {"best": 5.0, "median": 9.0}}
    work = {"gflop": gflop, "gigabytes": None}
    return {
        "what": what,
        "ours": "mlzoo",
        "against": ["plain"],
        "accelerated": accelerated,
        "ms": ms,
    } | work


def result(*rows: dict[str, object], gpu: str | None = None) -> dict[str, object]:
    rates = {"gemm_gflop_s": 100.0, "copy_gb_s": 10.0}
    where = {
        "cpu": "a processor",
        "gpu": gpu,
        "cores": 4,
        "threads": 1,
        "load": 0.1,
        "date": "2026-01-31",
    }
    return {"machine": {**where, **rates, "torch": "2", "numpy": "2", "python": "3"}, "rows": rows}


def lines(text: str, start: str) -> list[list[str]]:
    found = [line for line in text.splitlines() if line.startswith(f"| {start} |")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in found]


def test_readme_is_what_the_recorded_results_make(table: ModuleType) -> None:
    text = table.README.read_text(encoding="utf-8")
    assert table.load(), "no result is recorded"
    assert text == table.updated(text, table.load()), "run: python benchmarks/_table.py"


def test_no_recorded_result_is_of_a_quick_run_or_names_a_host(table: ModuleType) -> None:
    for name, recorded in table.load().items():
        assert recorded["machine"]["quick"] is False, name
        assert "host" not in json.dumps(recorded), name


def test_ratio_is_theirs_by_ours_and_work_is_judged_by_the_machines_rate(table: ModuleType) -> None:
    text = table.tables({"one": result(row("step", accelerated=True, gflop=0.1))})
    (line,) = lines(text, "step")
    assert line[:7] == ["step", "plain", "2.50", "5.00", "2.00", "50 % GEMM", "A"]


def test_missing_device_is_not_measured_or_not_possible(table: ModuleType) -> None:
    rows = (row("step", accelerated=True), row("file", accelerated=False))
    text = table.tables({"one": result(*rows)})
    assert [lines(text, what)[0][7] for what in ("step", "file")] == ["not measured", "CPU only"]


def test_result_of_a_gpu_stands_beside_that_of_the_cpu(table: ModuleType) -> None:
    step = row("step", accelerated=True)
    text = table.tables({"one": result(step), "one-cuda": result(step, gpu="a graphics card")})
    (line,) = lines(text, "step")
    assert [line[6], line[11]] == ["A", "B"]
    assert lines(text, "B")[0][2] == "a graphics card"


@pytest.mark.parametrize("script", SPEED)
def test_script_runs_and_writes_rows_of_the_tables_form(
    script: str, table: ModuleType, tmp_path: Path
) -> None:
    written = tmp_path / "result.json"
    command = [sys.executable, str(BENCHMARKS / f"{script}.py"), "--quick", "--json", str(written)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    recorded = json.loads(written.read_text(encoding="utf-8"))
    assert recorded["machine"]["quick"] is True
    assert all({row["ours"], *row["against"]} <= set(row["ms"]) for row in recorded["rows"])
    assert recorded["rows"][0]["what"] in table.tables({script: recorded})


def test_unknown_benchmark_is_named_and_the_known_ones_are_listed() -> None:
    command = [sys.executable, str(BENCHMARKS / "_all.py"), "mdn_layr"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "mdn_layr" in done.stderr
    assert "mdn_layer" in done.stderr
