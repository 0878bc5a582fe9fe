"""``mlzoo info NAME``: the card of a model, dataset or evaluator."""

from __future__ import annotations

import dataclasses
from typing import Any

import click

from mlzoo.cli import completion
from mlzoo.cli.output import installed, json_option, print_json, print_table
from mlzoo.data.manifest import human_size
from mlzoo.errors import UsageError, did_you_mean
from mlzoo.plugins import Registered
from mlzoo.registry import Registry
from mlzoo.specs import DatasetSpec, EvaluatorSpec, ModelSpec, Published


@click.command()
@click.argument("name", shell_complete=completion.anything)
@click.option("--bibtex", is_flag=True, help="Only the citation.")
@json_option
def info(name: str, bibtex: bool, as_json: bool) -> None:
    """Show all about the model, dataset or evaluator NAME (task/name where it is ambiguous)."""
    entry = find_entry(installed(), name)
    spec = entry.spec
    if bibtex:
        if getattr(spec, "paper", None) is None:
            raise UsageError(f"{name!r} names no paper to cite.")
        click.echo(spec.paper.bibtex)
    elif as_json:
        print_json(_card(entry))
    elif isinstance(spec, ModelSpec):
        _show_model(spec, entry)
    elif isinstance(spec, DatasetSpec):
        show_dataset(entry)
    else:
        _show_evaluator(spec, entry)


def find_entry(reg: Registry, name: str) -> Registered:
    """The model, dataset or evaluator of that name, ``task/name`` where it is ambiguous.

    Raises:
        UsageError: there is none, or more than one.
    """
    bare = name.rpartition("/")[2]
    look_up = (
        (reg.models, reg.model),
        (reg.datasets, reg.dataset),
        (reg.evaluators, reg.evaluator),
    )
    for entries, find in look_up:
        if any(r.spec.name == bare for r in entries) and (find != reg.model or bare == name):
            return find(name)
    known = {r.spec.name for entries, _ in look_up for r in entries}
    raise UsageError(f"nothing is named {name!r}.", did_you_mean(name, known))


def _card(entry: Registered) -> dict[str, Any]:
    kind = type(entry.spec).__name__
    return {**_plain(entry.spec), "kind": kind, "from": str(entry.plugin)}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if hasattr(value, "items"):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def _head(entry: Registered) -> None:
    spec = entry.spec
    click.echo(f"{spec.name}: {spec.summary}")
    click.echo(f"task      {spec.task}\nfrom      {entry.plugin}")


def _show_model(spec: ModelSpec, entry: Registered) -> None:
    paper = spec.paper
    _head(entry)
    click.echo(f"paper     {paper.title}. {paper.authors}. {paper.venue} {paper.year}.")
    click.echo(f"          {paper.url}")
    if paper.official_code:
        click.echo(f"original  {paper.official_code}")
    if spec.budget:
        click.echo(f"budget    {spec.budget}")
    click.echo(f"default   mlzoo run {spec.name}   (on {spec.default_dataset})")
    for name, values in spec.presets.items():
        click.echo(f"preset    {name}: " + ", ".join(f"{k}={v}" for k, v in values.items()))
    if spec.published:
        rows = [
            [
                reached_with(spec, n),
                n.metric,
                f"{n.value:g}",
                n.selection,
                "yes" if n.verified else "no",
                n.source,
            ]
            for n in spec.published
        ]
        click.echo()
        print_table(["dataset", "metric", "published", "selection", "verified", "source"], rows)
    else:
        click.echo("published no number")
    if spec.weights:
        click.echo(f"weights   mlzoo weights import {spec.name} FILE")
    click.echo(f"options   mlzoo run {spec.name} --help")


def reached_with(spec: ModelSpec, number: Published) -> str:
    """The dataset of a published number, and how it was reached: by the name of the preset that has
    most of its options, and those that remain."""

    def shared(key: str) -> int:
        values = spec.presets[key]
        fits = values.items() <= number.options.items()
        return len(values) if fits else 0

    variants = spec.variants(number.dataset).values()
    best = max(variants, key=shared, default="")
    known = dict(spec.presets[best]) if best and shared(best) else {}
    rest = [f"{name}={value}" for name, value in number.options.items() if name not in known]
    return " ".join([best if known else number.dataset, *rest])


def show_dataset(entry: Registered, as_json: bool = False) -> None:
    """The card of a dataset."""
    if as_json:
        print_json(_card(entry))
        return
    spec: DatasetSpec = entry.spec
    _head(entry)
    if spec.versions:
        click.echo(f"versions  {', '.join(spec.versions)}")
    if spec.paper:
        click.echo(
            f"paper     {spec.paper.title}. {spec.paper.authors}. {spec.paper.venue} {spec.paper.year}."
        )
    if spec.homepage:
        click.echo(f"homepage  {spec.homepage}")
    if spec.licence:
        click.echo(f"licence   {spec.licence}")
    if spec.embedded:
        click.echo("files     none: the data is made by the package")
    elif spec.files:
        click.echo()
        rows = [[f.path, human_size(f.size), f.licence, f.how_to_get] for f in spec.files]
        print_table(["file", "size", "licence", "how to get it"], rows)
        layouts = dict.fromkeys(f.layout for f in spec.files if f.layout)
        if layouts:
            each = (" and ".join(f.path for f in spec.files if f.layout == x) for x in layouts)
            click.echo(f"needed    {' or '.join(each)}")
    if spec.stats:
        click.echo(f"counts    mlzoo data info {spec.name} --stats")
    if spec.demo:
        click.echo(f"demo      mlzoo data demo {spec.name} DIR")


def _show_evaluator(spec: EvaluatorSpec, entry: Registered) -> None:
    _head(entry)
    click.echo(f"version   {spec.version}\n")
    rows = [
        [name, m.unit, "higher" if m.higher_is_better else "lower", m.summary]
        for name, m in spec.metrics.items()
    ]
    print_table(["metric", "unit", "better", "meaning"], rows)
    if spec.tables or spec.paired:
        click.echo()
    if spec.tables:
        click.echo(f"tables    {', '.join(spec.tables)}  (mlzoo report RUN --table NAME)")
    if spec.paired:
        click.echo("paired    a test of two runs  (mlzoo compare RUN RUN)")
