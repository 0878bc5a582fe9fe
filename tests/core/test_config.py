"""Options: layers, provenance, and messages that name the culprit and its source."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field, ValidationError

from mlzoo.config import Config, Layer, OptionSet, read_config_file
from mlzoo.errors import UsageError


class Model(Config):
    epochs: int = Field(10, gt=0, description="passes")
    rate: float = Field(0.1, gt=0, description="step size")
    mode: Literal["fast", "exact"] = Field("exact", description="how")
    columns: tuple[int, ...] = Field((), description="which")
    cap: int | None = Field(None, description="optional")


class Data(Config):
    size: int = Field(5, gt=0, description="samples")
    mode: str = Field("raw", description="clashes with the model's")


OPTIONS = OptionSet(Model, Data)
PRESET = Layer("preset toys", {"epochs": 20, "rate": 0.2, "size": 7})
FILE = Layer("file my.toml", {"epochs": 30, "rate": 0.3})
OPTION = Layer("option", {"epochs": "40"})


def test_later_layers_win_and_every_value_knows_its_source():
    got = OPTIONS.resolve([PRESET, FILE, OPTION])
    assert (got.model.epochs, got.model.rate, got.dataset.size) == (40, 0.3, 7)
    assert got.sources["epochs"] == "option"
    assert got.sources["rate"] == "file my.toml"
    assert got.sources["size"] == "preset toys"
    assert got.sources["cap"] == got.sources["seed"] == "default"


def test_dataset_option_with_a_taken_name_gets_a_prefix():
    got = OPTIONS.resolve([Layer("option", {"data_mode": "x", "mode": "fast"})])
    assert (got.dataset.mode, got.model.mode) == ("x", "fast")


def test_text_from_the_command_line_is_converted():
    got = OPTIONS.resolve([Layer("option", {"columns": "0, 2", "rate": "1e-3", "seed": "3"})])
    assert (got.model.columns, got.model.rate, got.run.seed) == ((0, 2), 1e-3, 3)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Layer("file my.toml", {"epoch": 3}), r"file my.toml: unknown option 'epoch'"),
        (Layer("option", {"epochs": "0"}), r"--epochs: .*greater than 0, got '0'"),
        (Layer("preset toys", {"epochs": "many"}), r"epochs in preset toys: .*valid integer"),
        (Layer("option", {"mode": "slow"}), r"--mode: .*'fast' or 'exact'"),
        (Layer("option", {"data_mode": 3}), r"--data-mode: "),
        (Layer("file x.json", {"epochs": True}), r"epochs in file x.json: a number is needed"),
        (Layer("option", {"rate": "inf"}), r"--rate: .*finite"),
        (Layer("option", {"mode": "exakt"}), r"Did you mean 'exact'"),
    ],
)
def test_wrong_value_names_the_option_and_its_source(layer, message):
    with pytest.raises(UsageError, match=message):
        OPTIONS.resolve([layer])


def test_unknown_key_offers_the_closest():
    with pytest.raises(UsageError, match="Did you mean 'epochs'?"):
        OPTIONS.resolve([Layer("file x.json", {"epocks": 1})])


def test_options_never_change_afterwards():
    with pytest.raises(ValidationError):
        OPTIONS.resolve([]).model.epochs = 3


def test_written_config_is_a_valid_config_file(tmp_path):
    got = OPTIONS.resolve([PRESET, OPTION])
    path = tmp_path / "config.json"
    path.write_text(json.dumps(got.to_json("m", "toys", None)))
    values = read_config_file(path)
    for reserved in ("model", "dataset", "preset", "sources"):
        values.pop(reserved)
    assert OPTIONS.resolve([Layer("file config.json", values)]).model == got.model


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.json", '{"epochs": 3}'), ("a.toml", "epochs = 3"), ("a.yaml", "epochs: 3\n")],
)
def test_json_toml_and_yaml_say_the_same(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert read_config_file(tmp_path / name) == {"epochs": 3}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "{", "not valid json"),
        ("a.toml", "= 3", "not valid toml"),
        ("a.yaml", "a: [", "not valid yaml"),
        ("a.yaml", "!!python/object/apply:os.system ['true']", "not valid yaml"),
        ("a.json", "[1]", "must be a mapping"),
        ("a.json", '{"model": "m", "a": {"b": 1}}', "must be flat"),
        ("a.ini", "x", "not '.ini'"),
    ],
)
def test_unusable_file_is_named_with_the_reason(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=message):
        read_config_file(tmp_path / name)


def test_missing_file_is_named():
    with pytest.raises(UsageError, match="no-such-file.toml"):
        read_config_file(Path("no-such-file.toml"))
