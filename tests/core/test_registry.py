"""Look-up by name and task."""

from __future__ import annotations

import pytest

from mlzoo.errors import PluginError, UsageError
from mlzoo.plugins import Discovery, Plugin, Registered
from mlzoo.registry import Registry, resolve
from mlzoo.specs import DatasetSpec, EvaluatorSpec, Metric

PLUGIN = Plugin("toy", "toy", "mlzoo-core", "1.0")


def dataset(name: str, task: str) -> Registered:
    return Registered(DatasetSpec(name=name, summary="s", task=task, load="a:b"), PLUGIN)


def evaluator(name: str, *, main: bool) -> Registered:
    metric = Metric(higher_is_better=True, summary="s", main=main)
    spec = EvaluatorSpec(name=name, summary="s", task="toy", score="a:b", metrics={name: metric})
    return Registered(spec, PLUGIN)


def make(*entries: Registered) -> Registry:
    return Registry(Discovery(plugins=[PLUGIN], registered=list(entries)))


def test_unknown_name_offers_the_closest():
    with pytest.raises(UsageError, match="Did you mean 'synthetic'?"):
        make(dataset("synthetic", "toy"), dataset("cub", "toy")).dataset("sinthetic")


def test_same_name_in_two_tasks_is_told_apart_by_the_task():
    reg = make(dataset("custom", "one"), dataset("custom", "two"))
    assert reg.dataset("custom", "two").spec.task == "two"
    assert reg.dataset("one/custom").spec.task == "one"
    with pytest.raises(UsageError, match="one/custom or two/custom"):
        reg.dataset("custom")


def test_dataset_of_another_task_is_not_found():
    with pytest.raises(UsageError, match="for the task two"):
        make(dataset("cub", "one")).dataset("cub", "two")


@pytest.mark.parametrize("mains", [(False, False), (True, True)])
def test_task_needs_exactly_one_main_metric(mains):
    reg = make(*(evaluator(f"e{i}", main=main) for i, main in enumerate(mains)))
    with pytest.raises(PluginError, match="exactly one main metric"):
        reg.evaluators_for("toy")


def test_missing_module_suggests_no_distribution_of_that_name():
    with pytest.raises(PluginError, match="needs the module 'no_such_module_here'") as caught:
        resolve("no_such_module_here:thing", PLUGIN)
    assert "pip install" not in str(caught.value), "a module's name is not its distribution's"


def test_typo_in_the_plugins_own_ref_is_called_that():
    plugin = Plugin("mdn", "mlzoo_mdn.plugin", "mlzoo-mdn", "1.0")
    with pytest.raises(PluginError, match=r"has no module 'mlzoo_mdn\.modle'") as caught:
        resolve("mlzoo_mdn.modle:MDN", plugin)
    assert "pip" not in str(caught.value)


def test_extra_is_found_in_the_declared_requirements(monkeypatch):
    declared = ['torch>=2.6; extra == "torch"', "click>=8.2", 'no-such-module; extra == "video"']
    monkeypatch.setattr("mlzoo.registry.requires", lambda name: declared)
    with pytest.raises(PluginError, match=r"pip install 'mlzoo-core\[video\]'"):
        resolve("no_such_module.part:thing", PLUGIN)


def test_missing_attribute_names_the_ref():
    with pytest.raises(PluginError, match="mlzoo.errors:NoSuchError"):
        resolve("mlzoo.errors:NoSuchError", PLUGIN)


def test_a_published_number_is_shown_with_the_preset_that_reached_it():
    from dataclasses import replace

    from mlzoo.cli.info import reached_with
    from mlzoo.specs import ModelSpec, Paper, Published

    paper = Paper(title="t", authors="a", venue="v", year=2020, url="u", bibtex="b")
    spec = ModelSpec(
        name="m",
        summary="s",
        task="t",
        paper=paper,
        config="a.b:C",
        factory="a.b:D",
        default_dataset="d",
        presets={"d": {"x": 1}, "d/one": {"x": 2}, "d/two": {"x": 2, "y": 3}},
    )
    number = Published(
        dataset="d", metric="m", value=1, source="s", selection="val", verified=True, tolerance=1
    )
    shown = {
        "d": {},
        "d z=9": {"z": 9},
        "d/one": {"x": 2},
        "d/two": {"x": 2, "y": 3},
        "d/two z=9": {"x": 2, "y": 3, "z": 9},
    }
    for text, options in shown.items():
        assert reached_with(spec, replace(number, options=options)) == text
