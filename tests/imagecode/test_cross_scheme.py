"""The sublayer scheme: the published builds, config files, and what contradicts itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from small_cross import small_values

from mlzoo.errors import DataError, UsageError
from mlzoo_imagecode.cross.building import network_for, scheme_for
from mlzoo_imagecode.cross.config import CrossConfig, UniterConfig, VilbertConfig
from mlzoo_imagecode.cross.network import CrossNetwork
from mlzoo_imagecode.cross.presets import cross_presets
from mlzoo_imagecode.cross.scheme import (
    Attention,
    FeedForward,
    Scheme,
    uniter,
    uniter_values,
    vilbert,
    vilbert_values,
)
from mlzoo_imagecode.cross.scheme_reading import open_scheme, scheme_of

RUN_OPTIONS = {"select", "limit"}
"""Of presets, not of the model."""

OF = "sublayer2"
NOTHING_OF_CROSSING: dict[str, Any] = {f"{OF}attn_hidden_size": {}, f"{OF}num_attention_heads": {}}
NOTHING_SHARED: dict[str, Any] = {"shared_sublayers": [], "single_ln_sublayers": []}


def changed(name: str = "vilbert", **values: Any) -> Scheme:
    return scheme_of(small_values(name, **values), "config.json")


def ways(scheme: Scheme, way: str) -> list[int]:
    return [
        number
        for number, made in enumerate(scheme.sublayers)
        if isinstance(made, Attention) and getattr(made, way)
    ]


def feeds(scheme: Scheme, stream: str) -> list[int]:
    return [
        number
        for number, made in enumerate(scheme.sublayers)
        if isinstance(made, FeedForward) and getattr(made, stream)
    ]


def test_published_uniter_is_one_transformer_of_shared_sublayers() -> None:
    scheme = uniter()
    assert [ways(scheme, way) for way in ("tt", "tv", "vt", "vv")] == [list(range(0, 24, 2))] * 4
    assert feeds(scheme, "text") == feeds(scheme, "vision") == list(range(1, 24, 2))
    assert all(made.shared and made.one_norm for made in scheme.sublayers)
    assert (scheme.text, scheme.pooled, scheme.alone) == (scheme.vision, 1024, 0)
    assert {m.text_heads for m in scheme.sublayers if isinstance(m, Attention)} == {12}
    assert {m.text_width for m in scheme.sublayers if isinstance(m, FeedForward)} == {3072}


def test_published_vilbert_has_two_streams_that_meet_six_times() -> None:
    scheme = vilbert()
    across, itself = [12, 16, 20, 24, 28, 32], [14, 18, 22, 26, 30, 34]
    assert ways(scheme, "tt") == [0, 2, 4, 6, 8, 10, *itself]
    assert ways(scheme, "tv") == ways(scheme, "vt") == across
    assert ways(scheme, "vv") == itself
    assert feeds(scheme, "text") == list(range(1, 36, 2))
    assert feeds(scheme, "vision") == list(range(13, 36, 2))
    assert (scheme.text.width, scheme.vision.width, scheme.alone) == (768, 1024, 12)
    assert not any(made.shared or made.one_norm for made in scheme.sublayers)
    for number, made in enumerate(scheme.sublayers):
        if isinstance(made, Attention):
            assert (made.vision_width, made.vision_heads) == (1024, 8)
            expected = (1024, 8) if number in across else (768, 12)
            assert (made.text_width, made.text_heads) == expected
        else:
            assert (made.text_width, made.vision_width) == (3072, 1024)


@pytest.mark.parametrize(("scheme", "millions"), [(uniter(), 89.4), (vilbert(), 213.0)])
def test_published_sizes_at_a_thousand_words(scheme: Scheme, millions: float) -> None:
    with torch.device("meta"):
        network = CrossNetwork(
            scheme.fitted(vocabulary=1000, positions=512, region_width=2048), "contra"
        )
    assert round(sum(p.numel() for p in network.parameters()) / 1e6, 1) == millions


def test_config_json_is_read_as_the_built_in_scheme_is(tmp_path: Path) -> None:
    for name, values, built_in in (
        ("uniter", uniter_values(), uniter()),
        ("vilbert", vilbert_values(), vilbert()),
    ):
        path = tmp_path / f"{name}.json"
        published = {
            "clf_hidden_size": 1536,
            "visual_target_weights": {"0": 1.0},
            "bert_layer2attn_sublayer": {"0": 0, "1": 2},
            "bert_layer2ff_sublayer": {"0": 1, "1": 3},
        }
        path.write_text(json.dumps({**values, **published}), encoding="utf-8")
        assert open_scheme(str(path)) == built_in == open_scheme(name)


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no scheme 'vilbet'") as caught:
        open_scheme("vilbet")
    assert "vilbert" in caught.value.fix
    path = tmp_path / "config.json"
    for text in ("{", "[]", '{"hidden_size": NaN}'):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(UsageError, match=str(path)):
            open_scheme(str(path))
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(UsageError, match="there are no sublayers"):
        open_scheme(str(path))


CONTRADICTIONS: dict[str, tuple[str, dict[str, Any], str]] = {
    "both kinds": ("vilbert", {"t_ff_sublayers": [0, 1]}, "sublayer 0 is both attention and"),
    "a gap": ("uniter", {"t_ff_sublayers": [3], "v_ff_sublayers": [3]}, "no sublayer 1, but one 3"),
    "twice": ("uniter", {"t_ff_sublayers": [1, 3, 3]}, "t_ff_sublayers has a number twice"),
    "negative": ("uniter", {"t_ff_sublayers": [-1]}, "t_ff_sublayers must be a list"),
    "no list": ("uniter", {"t_ff_sublayers": 3}, "t_ff_sublayers must be a list"),
    "a slip": ("uniter", {"tt_attn_sublayer": []}, "unknown key 'tt_attn_sublayer'"),
    "widths that meet": ("vilbert", {**NOTHING_OF_CROSSING}, "sublayer 4: streams that meet"),
    "heads that meet": ("vilbert", {f"{OF}num_attention_heads": {"4": 6}}, "sublayer 4: streams"),
    "heads": ("uniter", {"num_attention_heads": 3}, "sublayer 0: 3 heads do not divide"),
    "shared widths": ("vilbert", {"shared_sublayers": [6]}, "but hidden_size is 16 for text"),
    "shared hidden widths": ("uniter", {"v_intermediate_size": 20}, "24 for text and 20 for"),
    "shared with nobody": (
        "vilbert",
        {"shared_sublayers": [0]},
        "shared_sublayers has 0, but that",
    ),
    "one norm, two widths": ("vilbert", {"single_ln_sublayers": [5]}, "single_ln_sublayers has 5"),
    "shared but not there": ("uniter", {"shared_sublayers": [40]}, "shared_sublayers has 40"),
    "size of another kind": (
        "uniter",
        {f"{OF}attn_hidden_size": {"1": 8}},
        "no attention sublayer",
    ),
    "size of none": ("uniter", {f"{OF}intermediate_size": {"40": 8}}, "no feed-forward sublayer"),
    "size of no number": ("uniter", {f"{OF}intermediate_size": {"x": 8}}, "must map numbers of"),
    "types": ("uniter", {"v_hidden_size": 32, **NOTHING_SHARED}, "v_hidden_size 32 differ"),
    "poolers": ("vilbert", {"v_pooler_size": 8}, "v_pooler_size 8 differ"),
    "fusion": ("vilbert", {"fusion_method": "vl-bert_vqa"}, "fusion_method is 'vl-bert_vqa'"),
    "embeddings": ("vilbert", {"image_embeddings": "lxmert"}, "image_embeddings is 'lxmert'"),
    "activation": ("vilbert", {"hidden_act": "swish"}, "hidden_act is 'swish'"),
    "global feature": ("vilbert", {"add_global_imgfeat": "last"}, "add_global_imgfeat is 'last'"),
    "no global feature": ("uniter", {"add_global_imgfeat": None}, "add_global_imgfeat is None"),
    "another padding": ("uniter", {"pad_token_id": 1}, "pad_token_id is 1, which is not built"),
    "epsilon": ("uniter", {"layer_norm_eps": 1e-5}, "layer_norm_eps is 1e-05"),
    "another transformer": ("uniter", {"model": "roberta"}, "model is 'roberta'"),
    "shared dropout": (
        "uniter",
        {"v_hidden_dropout_prob": 0.2},
        "hidden_dropout_prob is 0.1 for text and 0.2 for vision",
    ),
    "shared activation": (
        "uniter",
        {"v_hidden_act": "relu"},
        "hidden_act is gelu for text and relu",
    ),
    "size": ("vilbert", {"hidden_size": 0}, "hidden_size must be a whole number"),
    "size true": ("vilbert", {"hidden_size": True}, "hidden_size must be a whole number"),
    "size huge": ("vilbert", {"vocab_size": 10**12}, "vocab_size must be a whole number"),
    "dropout": ("vilbert", {"hidden_dropout_prob": 1.5}, "hidden_dropout_prob must be a number"),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_contradiction_is_one_error_that_names_file_and_culprit(case: str) -> None:
    name, values, message = CONTRADICTIONS[case]
    with pytest.raises(UsageError) as caught:
        changed(name, **values)
    assert caught.value.message.startswith("config.json: ")
    assert message in caught.value.message


def test_missing_sizes_are_named() -> None:
    values = small_values("vilbert")
    del values["v_hidden_size"]
    with pytest.raises(UsageError, match="'v_hidden_size' is missing"):
        scheme_of(values, "config.json")


def test_published_settings_stand_in_presets_that_make_valid_options() -> None:
    table = {
        ("vilbert", "nocontra"): (5e-6, 10),
        ("vilbert", "contra"): (4e-5, 25),
        ("vilbert", "temporal"): (2e-5, 25),
        ("uniter", "nocontra"): (8e-6, 10),
        ("uniter", "contra"): (7e-6, 25),
        ("uniter", "contextual"): (6e-6, 25),
    }
    classes: dict[str, type[CrossConfig]] = {"uniter": UniterConfig, "vilbert": VilbertConfig}
    for model, options in classes.items():
        presets = cross_presets(model)
        for key, values in presets.items():
            given = {name: value for name, value in values.items() if name not in RUN_OPTIONS}
            config = options(**given)
            assert config.scheme == model
            variant = key.partition("/")[2]
            if key.startswith("*/") and (model, variant) in table:
                assert (config.learning_rate, config.epochs) == table[model, variant]
        temporal = options(**presets["imagecode"])
        assert (temporal.temporal, temporal.positions, temporal.add_input) == (True, "all", True)
        assert temporal.head_layers == {"uniter": 5, "vilbert": 4}[model]
    assert len(CrossConfig.model_fields) < 40
    assert all(field.description for field in CrossConfig.model_fields.values())


@pytest.mark.parametrize(
    "values",
    [
        {"variant": "zero-shot"},
        {"heads": 3},
        {"v_heads": 3},
        {"accumulation": 2},
        {"small": True, "scheme": "mine.json"},
        {"evaluate_last": False, "epochs": 1},
    ],
)
def test_options_that_do_not_go_together_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CrossConfig(**values)


def test_small_networks_take_their_tables_from_the_data() -> None:
    for config in (UniterConfig(small=True), VilbertConfig(small=True, v_width=32)):
        scheme = scheme_for(config, words=50, region_width=20)
        assert (scheme.vocabulary, scheme.region_width) == (50, 20)
        network = network_for(config, words=50, region_width=20, places=10)
        assert network.bert.embeddings.word_embeddings.weight.shape == (50, 64)


def test_data_that_do_not_fit_the_published_sizes_are_refused(tmp_path: Path) -> None:
    config = UniterConfig()
    with pytest.raises(DataError, match="region features are 20 wide, uniter takes 2048"):
        scheme_for(config, words=50, region_width=20)
    with pytest.raises(UsageError, match="the vocabulary has 30523 words"):
        scheme_for(config, words=30523, region_width=2048)
    with pytest.raises(UsageError, match="max_tokens 600"):
        scheme_for(UniterConfig(max_tokens=600), words=50, region_width=2048)
    (path := tmp_path / "config.json").write_text(json.dumps({**uniter_values(), "num_locs": 7}))
    with pytest.raises(UsageError, match=r"by 7 numbers \(num_locs\), not by 5"):
        scheme_for(UniterConfig(scheme=str(path)), words=50, region_width=2048)
    with pytest.raises(UsageError, match="pairs are 20 wide"):
        scheme_for(UniterConfig(small=True, pooled=20), words=50, region_width=20)


def test_options_and_schemes_need_no_torch() -> None:
    program = (
        "import sys\n"
        "import mlzoo_imagecode.cross.presets, mlzoo_imagecode.cross.scheme\n"
        "assert not {'torch', 'numpy', 'pydantic'} & set(sys.modules)\n"
        "import mlzoo_imagecode.cross.config, mlzoo_imagecode.cross.building\n"
        "mlzoo_imagecode.cross.scheme.uniter()\n"
        "assert not {'torch', 'numpy'} & set(sys.modules), sorted(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
