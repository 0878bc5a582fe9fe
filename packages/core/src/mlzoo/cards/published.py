"""Published numbers: each by itself, and what must hold among those of one row."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias, get_args

from mlzoo.contracts import Finding
from mlzoo.errors import did_you_mean
from mlzoo.identities import Range, applies, decimals_of, disagreement, rounded
from mlzoo.specs import IMPORTED, Identity, Metric, Published, Selection

SUBJECT, IDENTITIES = "published", "identities"

SPLITS = ("val", "test")
SELECTIONS = (*get_args(Selection), IMPORTED, "unknown")
RANGES = {"%": (0.0, 100.0)}
"""What a metric of some unit can be."""

Claim: TypeAlias = tuple[Published, Identity]


def check_numbers(
    published: Iterable[Published], metrics: Mapping[str, Metric], datasets: Iterable[str]
) -> Iterator[Finding]:
    """What is wrong with each number alone, and which stand there twice.

    Args:
        published: of one model.
        metrics: of its task.
        datasets: names of those of its task.
    """
    published, datasets = list(published), set(datasets)
    for number in published:
        if number.dataset not in datasets:
            hint = did_you_mean(number.dataset, datasets)
            yield _error(number, f"its task has no dataset {number.dataset!r}", hint)
        if number.metric not in metrics:
            hint = did_you_mean(number.metric, metrics)
            yield _error(number, f"its task has no metric {number.metric!r}", hint)
        yield from _check_number(number, metrics.get(number.metric))
    times = Counter((*_place(number), number.metric, number.source) for number in published)
    for number in {(*_place(n), n.metric, n.source): n for n in published}.values():
        if (count := times[*_place(number), number.metric, number.source]) > 1:
            yield _error(number, f"it stands there {count} times, of one source and one protocol")


def _check_number(number: Published, metric: Metric | None) -> Iterator[Finding]:
    if not number.source.strip():
        yield _error(number, "it names no source")
    if number.selection not in SELECTIONS:
        hint = did_you_mean(number.selection, SELECTIONS)
        yield _error(number, f"there is no selection rule {number.selection!r}", hint)
    split, at, view = number.split.partition("@")
    if not split or (at and not view):
        yield _error(number, f"{number.split!r} is no split, and no split@view")
    elif split not in SPLITS:
        text = f"its split {split!r} is scored only where a dataset has more than val and test"
        yield Finding("warning", SUBJECT, f"{label(number)}: {text}")
    if not math.isfinite(number.value):
        yield _error(number, f"its value is {number.value}")
    elif metric is not None and metric.unit in RANGES:
        low, high = RANGES[metric.unit]
        if not low <= number.value <= high:
            what = f"its value {number.value:g} is outside {low:g} to {high:g} {metric.unit}"
            yield _error(number, what)
    if not (number.tolerance > 0 and math.isfinite(number.tolerance)):
        yield _error(number, f"its tolerance is {number.tolerance}, not above 0")


def claims(published: Iterable[Published], identities: Iterable[Identity]) -> list[Claim]:
    """The numbers of which an identity says something."""
    published = [number for number in published if math.isfinite(number.value)]
    return [
        (number, identity)
        for number in published
        for identity in identities
        if identity.metric == number.metric
        and applies(identity, _row(number, published), _where(number))
    ]


def check_claims(published: Iterable[Published], found: Iterable[Claim]) -> Iterator[Finding]:
    """Numbers that do not obey an identity: an error, or a warning where the card says why."""
    published = [number for number in published if math.isfinite(number.value)]
    wrong = set()
    for number, identity in found:
        said = disagreement(identity, _row(number, published), _where(number))
        if not said:
            continue
        wrong.add(id(number))
        text = f"{label(number)}: it is printed as {number.value:g}, but {said}"
        if number.inconsistent:
            yield Finding("warning", IDENTITIES, f"{text} ({number.inconsistent})")
        else:
            fix = "Mend the number, or say in Published.inconsistent why it is printed so."
            yield Finding("error", IDENTITIES, text, fix)
    for number in published:
        if number.inconsistent and id(number) not in wrong:
            text = f"{label(number)}: it is called inconsistent, but no identity says so"
            yield Finding("error", IDENTITIES, text)


def label(number: Published) -> str:
    """What a number is of, as a person would name it."""
    options = [f"{name}={value}" for name, value in number.options.items()]
    split = "" if number.split == "test" else f"on {number.split}"
    source = f"({number.source})" if number.source else ""
    return " ".join(filter(None, (number.dataset, *options, number.metric, split, source)))


def _row(number: Published, published: Iterable[Published]) -> dict[str, Range]:
    """Ranges of all that was printed of the same evaluation, by name: by the same source, or else by the
    only other source that prints it of the same protocol."""
    found: dict[str, dict[str, Published]] = {}
    for other in published:
        if _place(other) == _place(number):
            found.setdefault(other.metric, {})[other.source] = other
    row = {}
    for metric, by_source in found.items():
        if number.source in by_source or len(by_source) == 1:
            one = by_source.get(number.source) or next(iter(by_source.values()))
            row[metric] = rounded(one.value, _decimals(one.source, published))
    own = _decimals(number.source, published)
    beside = {n: rounded(v, own) for n, v in number.beside.items() if math.isfinite(v)}
    return {**row, **beside, number.metric: rounded(number.value, own)}


def _decimals(source: str, published: Iterable[Published]) -> int:
    """With how many a source prints: those of its longest number, as 60.0 may have been 60.00."""
    values = (
        value
        for number in published
        if number.source == source
        for value in (number.value, *number.beside.values())
        if math.isfinite(value)
    )
    return max(map(decimals_of, values))


def _place(number: Published) -> tuple[str, ...]:
    """All but source and metric: the protocol."""
    options = (f"{name}={value!r}" for name, value in sorted(number.options.items()))
    return (number.dataset, number.split, number.selection, *options)


def _where(number: Published) -> str:
    return f"{number.dataset}/{number.split}"


def _error(number: Published, text: str, fix: str = "") -> Finding:
    return Finding("error", SUBJECT, f"{label(number)}: {text}", fix)
