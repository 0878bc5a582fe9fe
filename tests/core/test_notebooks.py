"""The committed notebooks are executed, clean and small, and a changed output would be noticed."""

from __future__ import annotations

import importlib.util
import json
from copy import deepcopy
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


@pytest.fixture(scope="module")
def execute() -> ModuleType:
    """``execute.py`` as a module; it imports the kernel's client only to run one."""
    spec = importlib.util.spec_from_file_location("execute", FOLDER / "execute.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request: pytest.FixtureRequest) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(request.param.read_text(encoding="utf-8"))
    return content


def code(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def cell(text: str, **metadata: float) -> dict[str, Any]:
    output = {"output_type": "stream", "name": "stdout", "text": text}
    return {"cells": [{"id": "scores", "metadata": metadata, "outputs": [output]}]}


def test_notebook_was_executed_once_from_top_to_bottom(notebook: dict[str, Any]) -> None:
    counts = [each["execution_count"] for each in code(notebook)]
    assert counts == list(range(1, len(counts) + 1))


def test_notebook_shows_no_error_and_no_noise(
    notebook: dict[str, Any], execute: ModuleType
) -> None:
    texts = [text for each in code(notebook) for text in execute.shown(each)]
    assert texts.count("<image/png>") >= 3
    assert not [text for text in texts if text.startswith(("stderr: ", "error: "))]
    assert not [text for text in texts if " at 0x" in text]


def test_notebook_is_small_and_carries_nothing_of_a_machine(
    notebook: dict[str, Any], execute: ModuleType
) -> None:
    assert len(json.dumps(notebook)) < 1_000_000
    assert execute.cleaned(deepcopy(notebook)) == notebook


def test_changed_word_is_a_difference_whatever_the_tolerance(execute: ModuleType) -> None:
    assert execute.differences(cell("accuracy 83.3", tolerance=5), cell("recall 83.3"))
    assert not execute.differences(cell("accuracy 83.3"), cell("accuracy 83.3"))


def test_number_may_differ_by_the_tolerance_and_no_more(execute: ModuleType) -> None:
    committed = cell("accuracy   83.3 -0.10", tolerance=0.5)
    assert not execute.differences(committed, cell("accuracy   83.7  0.10"))
    assert execute.differences(committed, cell("accuracy   83.9 -0.10"))
    assert execute.differences(committed, cell("accuracy   83.3 -0.70"))
    assert execute.differences(committed, cell("accuracy   83.3"))
    assert execute.differences(cell("83.3"), cell("83.4")), "without a tolerance, none"


def test_nan_and_noise_are_differences(execute: ModuleType) -> None:
    assert execute.differences(cell("accuracy 83.3", tolerance=5), cell("accuracy nan"))
    noisy = cell("accuracy 83.3")
    noisy["cells"][0]["outputs"].append(
        {"output_type": "stream", "name": "stderr", "text": "warning"}
    )
    assert execute.differences(noisy, noisy)
