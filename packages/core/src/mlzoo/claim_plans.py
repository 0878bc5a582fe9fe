"""Which runs a model's published numbers need: the rule of selection, the seeds, the folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from mlzoo.errors import UsageError
from mlzoo.planning import Plan, make_plan
from mlzoo.specs import IMPORTED, Published, Selection


@dataclass(frozen=True)
class Wanted:
    """The runs that are wanted.

    Attributes:
        plans: that differ in their seed and their data's repetition alone.
        selection: the rule, and why it is that one.
        notes: what the person should know, too.
    """

    plans: Sequence[Plan]
    selection: str
    notes: Sequence[str] = ()

    @property
    def first(self) -> Plan:
        """Any plan stands for what they have in common."""
        return self.plans[0]

    @property
    def default_out(self) -> Path:
        """``runs/reproduce/<model>-<dataset>[-<preset>]``."""
        plan = self.first
        names = (plan.model.name, plan.dataset.name, *([plan.preset] if plan.preset else []))
        return Path("runs", "reproduce", "-".join(names))


def wanted_runs(
    model: str,
    dataset: str | None,
    *,
    preset: str | None,
    config_file: Path | None,
    options: Mapping[str, Any],
    data_dir: Path | None,
    seeds: Sequence[int],
    repeats: Sequence[int] = (),
) -> Wanted:
    """A preset over seeds, and over repetitions of the data if some are named.

    Raises:
        UsageError: a wrong name or value.
    """
    plan, selection = plan_of_claims(
        model,
        dataset,
        preset=preset,
        config_file=config_file,
        options=options,
        data_dir=data_dir,
    )
    if not seeds:
        raise UsageError("--seeds must name one seed at least.")
    notes = []
    if plan.model.deterministic and len(seeds) > 1:
        notes.append(f"{plan.model.name} draws nothing at random: one seed says it all")
        seeds = seeds[:1]
    return Wanted(_over(plan, seeds, repeats), selection, notes)


def plan_of_claims(
    model: str,
    dataset: str | None,
    *,
    preset: str | None,
    config_file: Path | None,
    options: Mapping[str, Any],
    data_dir: Path | None,
) -> tuple[Plan, str]:
    """The plan under the rule that the published numbers need, and why it is that one.

    A number published under ``test`` needs runs under ``test``, which keep the honest choice, too. Numbers
    that agree on another rule need that; else the preset's stands.
    """

    def made(**more: Any) -> Plan:
        return make_plan(
            model,
            dataset,
            preset=preset,
            config_file=config_file,
            options={**options, **more},
            data_dir=data_dir,
        )

    plan = made()
    rule, source = plan.options.run.select, plan.options.sources["select"]
    if source == "option" or source.startswith("file"):
        return plan, f"{rule}, as asked for ({source})"
    numbers = numbers_of(plan)
    rules = {number.selection for number in numbers} - {"unknown", IMPORTED}
    wanted: Selection = "test" if "test" in rules else _only(rules) or rule
    if not rules:
        return plan, f"{rule}, the {'default' if source == 'default' else 'preset'}'s"
    if wanted == rule and wanted not in rules:
        return plan, f"{rule}; the published numbers have several rules: {', '.join(sorted(rules))}"
    count = sum(number.selection == wanted for number in numbers)
    why = f"{wanted}, the rule of {count} of {len(numbers)} published numbers"
    if wanted == "test":
        why += "; the honest choice stands beside it"
    return made(select=wanted), why


def _only(rules: set[str]) -> Selection | None:
    """The rule that all agree on."""
    known: dict[str, Selection] = {"val": "val", "last": "last"}
    return known.get(next(iter(rules))) if len(rules) == 1 else None


def numbers_of(plan: Plan) -> list[Published]:
    """The published numbers that speak of a plan's dataset and options."""
    values = plan.options.values
    return [
        number
        for number in plan.model.published
        if number.dataset == plan.dataset.name
        and all(values.get(key) == value for key, value in number.options.items())
    ]


def _over(plan: Plan, seeds: Sequence[int], repeats: Sequence[int]) -> list[Plan]:
    """The same plan for every repetition of the data and every seed.

    Raises:
        UsageError: a value that does not fit, or the data have no repetitions.
    """
    varied: dict[str, Sequence[int]] = {"seed": seeds}
    if repeats:
        if not plan.repeat:
            raise UsageError(f"the dataset {plan.dataset.name!r} has no repetitions.")
        varied = {next(iter(plan.repeat)): repeats, **varied}
    request = {**plan.request, "preset": plan.preset}
    return [
        make_plan(
            **{
                **request,
                "options": {**request["options"], **dict(zip(varied, values, strict=True))},
            }
        )
        for values in product(*varied.values())
    ]
