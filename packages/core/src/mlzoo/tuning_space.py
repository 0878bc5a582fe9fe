"""Which options a search may change, and between which values.

::

    learning_rate=1e-5..1e-2:log    numbers between two bounds, here evenly by order of magnitude
    layers=1,2,4                    one of these
    widths=64,128|256               one of these lists
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from typing import TYPE_CHECKING, Any, TypeAlias, get_origin

from pydantic import create_model

from mlzoo.config import Config, Layer, Option, OptionSet, unwrap
from mlzoo.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from mlzoo.planning import Plan

SOURCE = "--search"
FACTOR = 10.0
"""Learning rates and decays are searched from a tenth of their value to ten times it, if nothing is said."""
MOST_DROPOUT = 0.5
MOST_CORNERS = 256


@dataclass(frozen=True)
class Range:
    """Numbers between two bounds, both of them included; whole ones if the bounds are."""

    low: float
    high: float
    log: bool = False

    @property
    def text(self) -> str:
        """As it is written after ``NAME=``."""
        return f"{self.low!r}..{self.high!r}{':log' if self.log else ''}"


@dataclass(frozen=True)
class Choices:
    """One of several values: numbers, truth values, None, or text as on the command line."""

    values: tuple[Any, ...]

    @property
    def text(self) -> str:
        """As it is written after ``NAME=``."""
        words = [_word(value) for value in self.values]
        return ("|" if any("," in word for word in words) else ",").join(words)


Domain: TypeAlias = Range | Choices
Space: TypeAlias = dict[str, Domain]


def _word(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return str(value)


def parse_search(texts: Iterable[str]) -> dict[str, str]:
    """``NAME=VALUES`` several times, by name.

    Raises:
        UsageError: one is not like that, or a name twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        key = name.strip().removeprefix("--").replace("-", "_")
        if not (key and equals and values.strip()):
            raise UsageError(
                f"{SOURCE} {text!r} does not say NAME=VALUES.",
                "Say it like 'learning_rate=1e-5..1e-2:log' or 'layers=1,2,4'.",
            )
        if key in found:
            raise UsageError(f"{SOURCE} names {key!r} twice.")
        found[key] = values.strip()
    return found


def make_space(
    plan: Plan, options: OptionSet, search: Mapping[str, str | Sequence[Any]], fixed: Iterable[str]
) -> Space:
    """The search's options with their values, each held against the model's config class.

    Args:
        search: by option, text as after ``NAME=``, or the choices themselves; a default space if empty.
        fixed: options that were given a value, which cannot be searched.

    Raises:
        UsageError: an option that is unknown, no option of the model or fixed, or values that it cannot
            have.
    """
    taken = {*fixed}
    space = {key: _domain(_searchable(key, options), given) for key, given in search.items()}
    for key in space:
        if key in taken:
            raise UsageError(f"{key} is given a value and searched, too.", "Leave one of them out.")
    if not space:
        return _default_space(plan, options, taken)
    _require_possible(plan, options, space)
    return space


def _searchable(key: str, options: OptionSet) -> Option:
    known = {name: option for name, option in options.options.items() if option.owner == "model"}
    if key in known:
        return known[key]
    if key in options.options:
        owner = options.options[key].owner
        raise UsageError(
            f"{SOURCE} {key}: it is an option of the {owner}, and only the model's are searched.",
            f"Give it one value: {options.options[key].flag}",
        )
    raise UsageError(f"{SOURCE}: unknown option {key!r}.", did_you_mean(key, known))


def _domain(option: Option, given: str | Sequence[Any]) -> Domain:
    if isinstance(given, str) and ".." in given:
        return _range(option, given)
    return _choices(option, given)


def _range(option: Option, text: str) -> Range:
    bounds, _, scale = text.partition(":")
    low, _, high = bounds.partition("..")
    if unwrap(option.field.annotation) not in (int, float):
        raise UsageError(
            f"{SOURCE} {option.key}={text}: it is no number.",
            f"Name its values one by one: {option.key}=ONE,OTHER",
        )
    if scale not in ("", "log"):
        raise UsageError(f"{SOURCE} {option.key}={text}: after ':' only log is known.")
    found = Range(_value(option, low.strip()), _value(option, high.strip()), bool(scale))
    if not found.low < found.high:
        raise UsageError(f"{SOURCE} {option.key}={text}: the first bound must be the smaller one.")
    if found.log and found.low <= 0:
        raise UsageError(f"{SOURCE} {option.key}={text}: with log the bounds must be above 0.")
    return found


def _choices(option: Option, given: str | Sequence[Any]) -> Choices:
    listed = get_origin(unwrap(option.field.annotation)) in (list, tuple)
    if isinstance(given, str):
        if listed and "|" not in given:
            raise UsageError(
                f"{SOURCE} {option.key}={given}: each value is a list.",
                f"Put | between the lists: {option.key}=64,128|256",
            )
        given = [word.strip() for word in given.split("|" if "|" in given else ",")]
    values = [_value(option, each) for each in given]
    if listed:
        values = [",".join(map(str, value)) for value in values]
    if len(values) < 2 or len(set(values)) < len(values):
        raise UsageError(
            f"{SOURCE} {option.key}: a search needs different values, got {', '.join(map(str, given))}."
        )
    return Choices(tuple(values))


def _value(option: Option, given: Any) -> Any:
    """The value as the config class keeps it. The field is asked alone: what it must not be together
    with others is only known in a trial."""
    annotation = option.field.annotation
    if given == "none" and unwrap(annotation) is not annotation:
        given = None
    alone = create_model(option.name, __base__=Config, **{option.key: (annotation, option.field)})  # type: ignore[call-overload]
    resolved = OptionSet(alone, None, run=False).resolve([Layer(SOURCE, {option.key: given})])
    return resolved.values[option.key]


def _default_space(plan: Plan, options: OptionSet, taken: set[str]) -> Space:
    """Learning rates, weight decays and dropout around the values in force, as far as the model admits.

    Raises:
        UsageError: the model has none of them.
    """
    space: Space = {}
    known = [option for option in options.options.values() if option.owner == "model"]
    for option in known:
        value = plan.options.values[option.key]
        if option.key in taken or unwrap(option.field.annotation) is not float or value is None:
            continue
        found: Range | None = None
        if option.key.endswith("dropout"):
            found = Range(0.0, MOST_DROPOUT)
        elif option.key.endswith(("learning_rate", "weight_decay")) and value > 0:
            low, high = (float(f"{bound:.3g}") for bound in (value / FACTOR, value * FACTOR))
            found = Range(low, high, log=True)
        if found and not option.key.startswith("min_") and _admitted(plan, options, option, found):
            space[option.key] = found
    if not space:
        numbers = [o.key for o in known if unwrap(o.field.annotation) in (int, float)]
        raise UsageError(
            f"{plan.model.name} has no learning rate, decay or dropout: say what is to be searched.",
            f"{SOURCE} NAME=LOW..HIGH, where NAME is one of {', '.join(numbers)}."
            if numbers
            else f"{SOURCE} NAME=ONE,OTHER",
        )
    return space


def _admitted(plan: Plan, options: OptionSet, option: Option, domain: Range) -> bool:
    """Whether the option can have any of these values while all others keep theirs. One that belongs
    to a method that is not chosen cannot."""
    try:
        _value(option, domain.low), _value(option, domain.high)
        _require_possible(plan, options, {option.key: domain})
    except UsageError:
        return False
    return True


def _require_possible(plan: Plan, options: OptionSet, space: Space) -> None:
    """Some values at the ends of the space go together. Those that do not make a trial that fails.

    Raises:
        UsageError: none do.
    """
    ends = [d.values if isinstance(d, Choices) else (d.low, d.high) for d in space.values()]
    refused: UsageError | None = None
    for corner in islice(product(*ends), MOST_CORNERS):
        layer = Layer(SOURCE, dict(zip(space, corner, strict=True)))
        try:
            options.resolve([Layer("before", plan.options.values), layer])
        except UsageError as error:
            refused = error
        else:
            return
    assert refused is not None
    raise refused
