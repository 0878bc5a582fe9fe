"""What a search for options may change: the syntax, and what the config class admits."""

from __future__ import annotations

import pytest

from mlzoo.errors import UsageError
from mlzoo.planning import make_plan, option_set
from mlzoo.tuning_space import Choices, Range, make_space, parse_search

EXTENDED = """class ToyConfig(Config):
    learning_rate: float = Field(0.01, gt=0, description="of the optimizer")
    min_learning_rate: float = Field(0.001, gt=0, description="at the end")
    second_learning_rate: float = Field(0.0006, gt=0, description="of the head")
    high_learning_rate: float = Field(0.5, gt=0, lt=1, description="would leave its bounds")
    weight_decay: float = Field(0.0, ge=0, description="none, so nothing to search around")
    head_weight_decay: float = Field(0.2, ge=0, description="of the head")
    dropout: float = Field(0.1, ge=0, lt=1, description="share")
    layers: int = Field(2, ge=1, le=8, description="of the network")
    widths: tuple[int, ...] = Field((64, 64), description="of the layers")
    kind: Literal["adam", "sgd"] = Field("adam", description="of optimizer")
    warm: bool = Field(False, description="start")
    most: int | None = Field(None, gt=0, description="labels")
"""


@pytest.fixture
def space(toy):
    source = toy.folder / "mlzoo_toy.py"
    text = source.read_text().replace("class ToyConfig(Config):\n", EXTENDED)
    text = text.replace(
        "from pydantic import Field", "from typing import Literal\nfrom pydantic import Field"
    )
    source.write_text(text)

    def make(*texts, fixed=()):
        plan = make_plan("toy")
        known = option_set(plan.model_entry, plan.dataset_entry)
        return make_space(plan, known, parse_search(texts), fixed)

    return make


def test_ranges_have_the_type_of_the_field(space):
    found = space("learning-rate=1e-5..1e-2:log", "layers=1..4", "dropout=0..0.5", "most=1..9:log")
    assert found == {
        "learning_rate": Range(1e-5, 1e-2, log=True),
        "layers": Range(1, 4),
        "dropout": Range(0.0, 0.5),
        "most": Range(1, 9, log=True),
    }
    assert type(found["layers"].low) is int
    assert type(found["dropout"].low) is float


def test_choices_have_the_type_of_the_field(space):
    found = space(
        "layers=1,2,4", "kind=sgd,adam", "warm=true,no", "most=none,5", "widths=64,128|256"
    )
    assert {key: domain.values for key, domain in found.items()} == {
        "layers": (1, 2, 4),
        "kind": ("sgd", "adam"),
        "warm": (True, False),
        "most": (None, 5),
        "widths": ("64,128", "256"),
    }


def test_values_from_python_are_held_against_the_field_too(space):
    plan = make_plan("toy")
    known = option_set(plan.model_entry, plan.dataset_entry)
    found = make_space(plan, known, {"layers": [1, 2], "widths": [(64, 128), [8]]}, ())
    assert found == {"layers": Choices((1, 2)), "widths": Choices(("64,128", "8"))}
    with pytest.raises(UsageError, match="less than or equal to 8"):
        make_space(plan, known, {"layers": [1, 9]}, ())


def test_a_space_is_read_back_from_its_text(space):
    texts = [
        "learning_rate=1e-05..0.01:log", "layers=1..4", "kind=sgd,adam", "warm=true,false",
        "most=none,5", "widths=64,128|256",
    ]  # fmt: skip
    found = space(*texts)
    assert [f"{key}={domain.text}" for key, domain in found.items()] == texts
    assert space(*(f"{key}={domain.text}" for key, domain in found.items())) == found


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("learning_rat=0.1..1", r"unknown option 'learning_rat'[\s\S]*'learning_rate'"),
        ("seed=1,2", "an option of the run, and only the model's are searched"),
        ("samples=8,16", "an option of the dataset, and only the model's are searched"),
        (
            "learning_rate=0..1",
            "learning_rate in --search: Input should be greater than 0, got '0'",
        ),
        ("layers=1..9", "less than or equal to 8"),
        ("layers=1.5..3", "valid integer"),
        ("layers=one,two", "valid integer"),
        ("kind=adam,adagrad", "Input should be 'adam' or 'sgd'"),
        ("kind=adam..sgd", "it is no number"),
        ("warm=0..1", "it is no number"),
        ("layers=4..1", "the first bound must be the smaller one"),
        ("layers=2..2", "the first bound must be the smaller one"),
        ("dropout=0..0.5:log", "with log the bounds must be above 0"),
        ("dropout=0..0.5:linear", "after ':' only log is known"),
        ("layers=2", "a search needs different values, got 2"),
        ("layers=2,2", "a search needs different values"),
        ("widths=64,128", "Put . between the lists"),
        ("layers", "does not say NAME=VALUES"),
        ("=1,2", "does not say NAME=VALUES"),
        ("layers=", "does not say NAME=VALUES"),
        ("dropout=nan..1", "finite"),
        ("learning_rate=1e-3..inf", "finite"),
    ],
)
def test_what_an_option_cannot_be_is_refused(space, text, told):
    with pytest.raises(UsageError, match=told):
        space(text)


def test_an_option_is_searched_once_and_not_fixed_as_well(space):
    with pytest.raises(UsageError, match="names 'layers' twice"):
        space("layers=1,2", "layers=3,4")
    with pytest.raises(UsageError, match="given a value and searched"):
        space("layers=1,2", fixed=("layers",))


def test_the_default_space_is_around_the_values_in_force(space):
    assert space() == {
        "learning_rate": Range(0.001, 0.1, log=True),
        "second_learning_rate": Range(6e-5, 6e-3, log=True),
        "head_weight_decay": Range(0.02, 2.0, log=True),
        "dropout": Range(0.0, 0.5),
    }
    assert space(fixed=("learning_rate",)).keys() == {
        "second_learning_rate",
        "head_weight_decay",
        "dropout",
    }
