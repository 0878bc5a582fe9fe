"""The text of a model card, section by section."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata
from typing import Any

from mlzoo.export.markdown import bullets, code, fenced, link, plain, table
from mlzoo.export.provenance import FinishedRun, compact
from mlzoo.files import json_text
from mlzoo.planning import option_set
from mlzoo.report.numbers import format_metric, reference_text
from mlzoo.specs import IMPORTED


def sections(run: FinishedRun, licence: str | None) -> Iterator[str]:
    """Headings and text in their order."""
    yield from _what(run)
    yield from _citation(run)
    yield from _how_to_run(run)
    yield from _options(run)
    yield from _results(run)
    yield from _published(run)
    yield from _data(run)
    yield from _environment(run)
    yield from _licences(run, licence)
    yield "## Limits"
    yield bullets(_limits(run))


def _what(run: FinishedRun) -> Iterator[str]:
    results, spec = run.results, run.plan.model
    yield f"# {plain(spec.name)} on {plain(results['dataset'])}"
    yield f"{plain(spec.summary)}."
    yield (
        f"One run of the model {code(spec.name)} on the dataset {code(results['dataset'])}, task "
        f"{code(results['task'])}, seed {results['seed']}, made and scored with mlzoo."
    )


def _citation(run: FinishedRun) -> Iterator[str]:
    paper = run.plan.model.paper
    yield "## Paper"
    yield (
        f"{plain(paper.authors)}. *{plain(paper.title)}*. {plain(paper.venue)} {paper.year}. "
        f"{link(paper.url)}"
    )
    if paper.official_code:
        yield f"The authors' own code: {link(paper.official_code)}"
    yield fenced(paper.bibtex, "bibtex")


def _how_to_run(run: FinishedRun) -> Iterator[str]:
    config, results = run.record.config, run.results
    sources = config.get("sources", {})
    chosen = {
        name: value
        for name, value in config.items()
        if name == "seed" or sources.get(name, "").partition(" ")[0] in ("option", "file")
    }
    named = {key: config[key] for key in ("model", "dataset", "preset") if config.get(key)}
    needs = " and ".join(f"{plain(name)} {plain(v)}" for name, v in results["plugins"].items())
    yield "## How to run it"
    yield f"It needs {needs}. With these options in {code('options.json')}"
    yield fenced(json_text({**named, **chosen}), "json")
    weights = results.get("weights")
    if weights:
        yield f"and the published weights {code(weights['file'])} (sha256 {code(weights['sha256'])}):"
        command = f"mlzoo weights import {results['model']} FILE --config options.json"
    else:
        yield "it is trained and scored again by"
        command = f"mlzoo run {results['model']} --config options.json"
    yield fenced(command, "sh")


def _options(run: FinishedRun) -> Iterator[str]:
    config, plan = run.record.config, run.plan
    options = option_set(plan.model_entry, plan.dataset_entry).resolve([])
    defaults = options.to_json(plan.model.name, plan.dataset.name, None)
    sources = config.get("sources", {})
    rows = [
        [code(key), code(_json(config[key])), code(_json(default)), plain(sources.get(key, ""))]
        for key, default in defaults.items()
        if key in sources and key in config and config[key] != default
    ]
    yield "## Options that differ from their defaults"
    if rows:
        yield table(["option", "value", "default", "from"], rows)
    else:
        yield "None."


def _json(value: Any) -> str:
    return compact(value) if value is not None else "none"


def _results(run: FinishedRun) -> Iterator[str]:
    results, metrics = run.results, run.plan.metrics
    by_split, references = results["metrics"], results["references"]
    there = {n for values in by_split.values() for n, v in values.items() if v is not None}
    rows = [
        [
            f"{code(name)} {metric.unit}".strip(),
            *(format_metric(values.get(name), metric.unit) for values in by_split.values()),
            plain(reference_text(references.get(name, {}), metric.unit)) or "-",
            plain(metric.summary),
            "higher" if metric.higher_is_better else "lower",
        ]
        for name, metric in metrics.items()
        if name in there and not metric.detail
    ]
    details = sum(name in there and metric.detail for name, metric in metrics.items())
    selection = results["selection"]
    yield "## Results"
    yield (
        f"Weights selected by the rule {code(selection['rule'])}: {plain(selection['label'])}, epoch "
        f"{selection['epoch']}. A reference is what chance or another known level gives."
    )
    splits = [plain(split) for split in by_split]
    yield table(["metric", *splits, "reference", "meaning", "better"], rows)
    if details:
        yield f"{details} more metrics are details, in the run's {code('results.json')}."
    if "honest" in results:
        yield from _inflation(run)


def _inflation(run: FinishedRun) -> Iterator[str]:
    """The published protocol beside the honest one."""
    honest, metrics = run.results["honest"], run.plan.metrics
    own, fair = run.results["metrics"].get("test", {}), honest["metrics"].get("test", {})
    rows = [
        [
            code(name),
            *(format_metric(v, metrics[name].unit) for v in (own.get(name), fair.get(name), gap)),
        ]
        for name, gap in honest["selection_inflation"].items()
        if gap is not None and name in metrics and not metrics[name].detail
    ]
    yield "Selected on test data, and beside it with the epoch that validation data chose:"
    heads = ["test metric", "selected on test data", "selected on val", "selection inflation"]
    yield table(heads, rows)


def _published(run: FinishedRun) -> Iterator[str]:
    numbers = run.results.get("published", [])
    yield "## Published numbers"
    if not numbers:
        yield "The model's card has no published number for this dataset."
        return
    rows = [
        [
            f"{code(number.get('metric', ''))} {plain(number.get('split', ''))}",
            plain(_number(number.get("published"))),
            plain(_number(number.get("ours"))),
            plain(number.get("verdict", "")),
            plain(number.get("reason", "")),
            "verified" if number.get("verified") is True else "unverified",
            plain(number.get("source", "")),
        ]
        for number in numbers
    ]
    yield (
        "As judged when the run ended, from one seed. *Verified* says that somebody saw the number in its "
        "source."
    )
    heads = ["metric", "published", "this run", "verdict", "reason", "seen", "source"]
    yield table(heads, rows)


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else "-"


def _data(run: FinishedRun) -> Iterator[str]:
    spec, data = run.plan.dataset, run.results["data"]
    items = [
        f"{code(spec.name)}: {plain(spec.summary)}",
        f"fingerprint {code(data['fingerprint'])}",
    ]
    items += [f"{plain(name)} {number}" for name, number in data.get("repeat", {}).items()]
    if spec.paper:
        paper = spec.paper
        items.append(
            f"{plain(paper.authors)}. *{plain(paper.title)}*. {plain(paper.venue)} {paper.year}. "
            f"{link(paper.url)}"
        )
    if spec.homepage:
        items.append(link(spec.homepage))
    yield "## Data"
    yield bullets(items)
    described = {k: v for k, v in run.record.info.get("data", {}).items() if k != "fingerprint"}
    if described:
        yield fenced("\n".join(f"{name}: {_json(value)}" for name, value in described.items()))


def _environment(run: FinishedRun) -> Iterator[str]:
    info, results = run.record.info, run.results
    versions = {**(info.get("versions") or {}), "python": info.get("python")}
    items = [f"{plain(name)} {plain(value)}" for name, value in versions.items() if value]
    commits = {state["commit"] for state in _git(run) if state.get("commit")}
    items += [f"commit {code(commit)}" for commit in sorted(commits)]
    scored = ", ".join(f"{code(name)} {plain(v)}" for name, v in results["evaluators"].items())
    facts = [", ".join(items), f"evaluators by version: {scored}"]
    if info.get("device"):
        facts.append(f"device {plain(info['device'])}, {info.get('processes', 1)} process(es)")
    if info.get("seconds") is not None:
        facts.append(f"{plain(info['seconds'])} s, finished {plain(info.get('finished'))}")
    yield "## Environment"
    yield bullets(facts)


def _git(run: FinishedRun) -> list[dict[str, Any]]:
    found = run.record.info.get("git") or {}
    return [state for state in found.values() if isinstance(state, dict)]


def _licences(run: FinishedRun, licence: str | None) -> Iterator[str]:
    data = run.plan.dataset.licence
    items = [
        f"weights: {plain(licence)}, as stated at the export"
        if licence
        else "weights: not stated; say `--licence` at the export before you share them",
        f"data: {plain(data)}" if data else "data: the dataset's card states none",
    ]
    for name in run.results["plugins"]:
        if stated := _licence_of(name):
            items.append(f"code of {plain(name)}: {plain(stated)}")
    yield "## Licences"
    yield bullets(items)


def _licence_of(distribution: str) -> str:
    try:
        said = metadata(distribution)
    except PackageNotFoundError:
        return ""
    found = (said[name] for name in ("License-Expression", "License") if name in said)
    return next(found, "")


def _limits(run: FinishedRun) -> Iterator[str]:
    results, config = run.results, run.record.config
    data, rule = results["data"], results["selection"]["rule"]
    if rule == IMPORTED:
        yield "The weights were imported, not trained here."
    elif run.plan.model.deterministic:
        yield "Nothing in the model is drawn at random: other seeds give the same numbers."
    else:
        yield "One seed: these numbers have no spread. Several tell whether a published one is reached."
    if data["limited"]:
        yield f"Made on limited data ({code('limit')} {plain(config.get('limit'))}): a try, not a result."
    if data.get("incomparable"):
        yield f"Published numbers do not speak of these data: {plain(data['incomparable'])}."
    if data.get("hidden"):
        hidden = ", ".join(map(plain, data["hidden"]))
        yield f"The labels of {hidden} are hidden: it is predicted, and has no numbers."
    if rule == "test":
        yield "The epoch was selected on test data, which makes its numbers too good."
    if config.get("precision", "32") != "32":
        yield f"Trained in {plain(config['precision'])}, scored in 32 bits."
    if any(state.get("dirty") for state in _git(run)):
        yield "The code had changes that no commit holds."
    yield "Nothing is known of uses beyond this dataset: all of this card is from the run and the specs."
