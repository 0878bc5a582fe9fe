"""``mlzoo card check``: every kind of mistake on a card is found, and a right card has none."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from mlzoo import DataFile, Identity, Metric, Published
from mlzoo.cards import check_cards, check_entry
from mlzoo.cards.bibtex import bibtex_fields, plain_title
from mlzoo.registry import registry
from mlzoo.testing import check_card, check_published

NUMBER = {
    "dataset": "toys",
    "metric": "error",
    "value": 58.1,
    "source": "table 1",
    "selection": "val",
    "verified": True,
    "tolerance": 1.0,
}


@pytest.fixture
def reg(toy):
    """The made-up plugin, whose evaluator also reports percentages that an identity ties together."""
    reg = registry()
    (entry,) = reg.evaluators
    metrics = {n: Metric(higher_is_better=True, unit="%", summary=n) for n in ("u", "s", "h", "f1")}
    identities = (
        Identity(metric="h", kind="harmonic-mean", of=("u", "s")),
        Identity(metric="f1", kind="harmonic-mean", of=("precision", "recall")),
    )
    spec = replace(entry.spec, metrics={**entry.spec.metrics, **metrics}, identities=identities)
    reg.evaluators = [replace(entry, spec=spec)]
    return reg


def model_card(reg, **changes):
    entry = reg.model("toy")
    return check_entry(replace(entry, spec=replace(entry.spec, **changes)), reg)


def numbers_card(reg, *numbers):
    return model_card(reg, published=tuple(Published(**{**NUMBER, **each}) for each in numbers))


def row(u, s, h, **changes):
    return [{"metric": m, "value": v, **changes} for m, v in (("u", u), ("s", s), ("h", h))]


def only(card, level="error"):
    (finding,) = card.findings
    assert finding.level == level
    return finding


def test_right_cards_have_no_finding(toy) -> None:
    cards = list(check_cards(registry()))
    assert [(card.kind, card.name, card.findings) for card in cards] == [
        ("model", "toy", ()),
        *(("dataset", name, ()) for name in ("no-val", "searched", "toy-files", "toys")),
        ("evaluator", "toy-error", ()),
    ]
    assert cards[0].counts == {"published numbers": 0, "identities": 0, "presets": 5}


# ---- citations


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"title": ""}, "names no title"),
        ({"authors": " "}, "names no authors"),
        ({"venue": ""}, "names no venue"),
        ({"url": "arxiv.org"}, "its url is 'arxiv.org', no link"),
        ({"official_code": "git@host"}, "its official_code is 'git@host', no link"),
        ({"year": 2021}, "its bibtex is of the year 2020, not of 2021"),
        ({"title": "Circles"}, "its bibtex is of 'Lines', not of 'Circles'"),
        ({"bibtex": ""}, "no entry: it does not begin as @kind{key"),
        ({"bibtex": "@misc{l}"}, "its bibtex has no title"),
        ({"bibtex": "@misc{l, title={Lines}}"}, "of the year none, not of 2020"),
        ({"bibtex": "@misc{l, title={Lines, year=2020"}, "the value of title does not end"),
        ({"bibtex": "@misc{l, title={Lines, year=2020}"}, "its last brace is missing"),
        ({"bibtex": "@misc{l, title={Lines} year=2020}"}, "no comma behind title"),
        ({"bibtex": "@misc{l, title=, year=2020}"}, "title has no value"),
        ({"bibtex": "@misc{l, title={Lines}, year=2020"}, "its last brace is missing"),
        ({"bibtex": "@misc{l, title={Lines}, year=2020} more"}, "it ends with '} more'"),
    ],
)
def test_a_wrong_citation_is_found(reg, changes, said) -> None:
    card = model_card(reg, paper=replace(reg.model("toy").spec.paper, **changes))
    assert said in "; ".join(f.text for f in card.of_level("error", "paper"))
    assert len(card.findings) == len(card.of_level("error", "paper"))


def test_bibtex_may_be_written_in_many_ways() -> None:
    text = """
    @InProceedings{key:2020/x,
      Title = "A {BIG} {\\"o}ther" # { one},
      author = {M{\\"u}ller, A. and B},
      year = 2020, month = jan,
    }
    """
    fields = bibtex_fields(text)
    assert fields["year"] == "2020"
    assert fields["month"] == "jan"
    assert plain_title(fields["title"]) == plain_title("A big Öther one")
    assert bibtex_fields("@misc{l}") == {}


# ---- published numbers


@pytest.mark.parametrize(
    ("changes", "said", "fix"),
    [
        ({"dataset": "toy"}, "no dataset 'toy'", "Did you mean 'toys'"),
        ({"metric": "eror"}, "no metric 'eror'", "Did you mean 'error'"),
        ({"source": " "}, "names no source", ""),
        ({"selection": "vall"}, "no selection rule 'vall'", "Did you mean 'val'"),
        ({"split": ""}, "'' is no split", ""),
        ({"split": "test@"}, "'test@' is no split", ""),
        ({"value": float("nan")}, "its value is nan", ""),
        ({"metric": "u", "value": 100.1}, "100.1 is outside 0 to 100 %", ""),
        ({"metric": "u", "value": -1.0}, "-1 is outside 0 to 100 %", ""),
        ({"tolerance": 0.0}, "its tolerance is 0.0, not above 0", ""),
        ({"tolerance": float("inf")}, "its tolerance is inf", ""),
        ({"options": {"rates": 0.1}}, "unknown option 'rates'", "Did you mean 'rate'"),
        ({"options": {"rate": -1}}, "rate in published number", ""),
    ],
)
def test_a_wrong_number_is_found(reg, changes, said, fix) -> None:
    finding = only(numbers_card(reg, changes))
    assert finding.subject == "published"
    assert said in finding.text
    assert fix in finding.fix


def test_a_right_number_has_no_finding_whatever_its_unit(reg) -> None:
    more = {"metric": "bias", "value": -300.0, "options": {"rate": 0.2, "samples": 8}}
    assert numbers_card(reg, {}, more, {"split": "val@shifted"}).findings == ()


def test_a_split_of_another_name_is_a_warning(reg) -> None:
    assert "'tset'" in only(numbers_card(reg, {"split": "tset"}), "warning").text


def test_numbers_that_stand_there_twice_are_found(reg) -> None:
    assert "stands there 2 times" in only(numbers_card(reg, {}, {"value": 60.0})).text
    apart = ({"source": "table 2"}, {"selection": "last"}, {"split": "val"})
    assert numbers_card(reg, {}, *apart, {"options": {"rate": 0.2}}).findings == ()


def test_options_that_another_preset_makes_possible_are_no_error(reg) -> None:
    entry = reg.model("toy")
    spec = replace(entry.spec, presets={"toys": {"rate": -1}, "toys/slow": {"rate": 0.1}})
    number = Published(**{**NUMBER, "options": {"epochs": 9}})
    card = check_entry(replace(entry, spec=replace(spec, published=(number,))), reg)
    assert card.of_level("error", "published") == []


# ---- identities


def test_numbers_that_follow_from_others_are_checked(reg) -> None:
    card = numbers_card(reg, *row(52.8, 64.7, 58.1))
    assert card.counts["identities"] == 1
    assert card.findings == ()
    finding = only(numbers_card(reg, *row(52.8, 64.7, 58.3, options={"rate": 0.2})))
    assert finding.subject == "identities"
    assert finding.text == (
        "toys rate=0.2 h (table 1): it is printed as 58.3, "
        "but the harmonic mean of u 52.8 and s 64.7 is 58.0969 to 58.1979"
    )


def test_rows_of_other_sources_options_and_splits_are_not_mixed(reg) -> None:
    for changes in ({"options": {"rate": 0.2}}, {"split": "val"}, {"selection": "last"}):
        other = {"metric": "h", "value": 90.0, **changes}
        assert numbers_card(reg, *row(52.8, 64.7, 58.1), other).findings == ()
    two = [*row(52.8, 64.7, 58.1), *row(10.0, 30.0, 15.0, source="table 2")]
    assert numbers_card(reg, *two).findings == ()
    lone = {"metric": "h", "value": 90.0, "source": "figure"}  # of which of the two rows?
    assert numbers_card(reg, *two, lone).findings == ()


def test_a_part_that_only_another_source_prints_counts(reg) -> None:
    parts, h = row(52.8, 64.7, 58.3)[:2], {"metric": "h", "value": 58.3, "source": "figure"}
    assert "harmonic mean" in only(numbers_card(reg, *parts, h)).text


def test_a_source_has_as_many_decimals_as_its_longest_number(reg) -> None:
    assert numbers_card(reg, *row(52.8, 64.7, 58.2)).findings == ()
    longer = {"metric": "error", "value": 1.25}
    assert "harmonic mean" in only(numbers_card(reg, *row(52.8, 64.7, 58.2), longer)).text


def test_numbers_printed_beside_are_checked_with_it(reg) -> None:
    beside = {"precision": 21.6, "recall": 15.9}
    assert (
        numbers_card(reg, {"metric": "f1", "value": 18.3, "beside": beside}).counts["identities"]
        == 1
    )
    assert numbers_card(reg, {"metric": "f1", "value": 18.3, "beside": beside}).findings == ()
    wrong = {"metric": "f1", "value": 18.2, "beside": beside}
    assert "precision 21.6 and recall 15.9" in only(numbers_card(reg, wrong)).text
    known = only(numbers_card(reg, {**wrong, "inconsistent": "so it is printed"}), "warning")
    assert known.text.endswith("18.2656 to 18.368 (so it is printed)")


def test_what_is_called_inconsistent_and_fits_is_found(reg) -> None:
    numbers = row(52.8, 64.7, 58.1)
    numbers[2]["inconsistent"] = "so it is printed"
    assert "no identity says so" in only(numbers_card(reg, *numbers)).text


def test_identities_of_what_nobody_reports_are_found(reg) -> None:
    (entry,) = reg.evaluators
    card = check_entry(entry, reg)
    assert [f.text.split("'")[1] for f in card.findings] == ["precision", "recall"]
    known = Identity(metric="h", kind="weighted-mean", of=("u", "s"), weights={"toy/test": (1, 2)})
    spec = replace(entry.spec, identities=(known,))
    finding = only(check_entry(replace(entry, spec=spec), reg))
    assert "weights of 'toy'" in finding.text
    assert "Did you mean 'toys'" in finding.fix


def test_a_task_without_a_main_metric_is_found(reg) -> None:
    (entry,) = reg.evaluators
    metrics = {"error": Metric(higher_is_better=False, summary="s")}
    reg.evaluators = [replace(entry, spec=replace(entry.spec, metrics=metrics, identities=()))]
    for card in (check_entry(reg.evaluators[0], reg), model_card(reg)):
        assert "needs exactly one main metric" in only(card).text


# ---- presets, defaults, files


@pytest.mark.parametrize(
    ("presets", "said"),
    [
        ({"toyz": {}}, "some of 'toyz', which is no dataset"),
        ({"toys": {"rates": 1}}, "toys: unknown option 'rates'"),
        ({"toys": {"rate": -1}}, "rate in preset toys"),
        ({"*/smoke": {"samples": 1}}, "samples in preset \\*/smoke"),
    ],
)
def test_presets_that_cannot_be_used_are_found(reg, presets, said) -> None:
    import re

    card = model_card(reg, presets=presets)
    assert card.findings
    assert len(card.of_level("error", "presets")) == len(card.findings)
    assert re.search(said, card.findings[0].text)


def test_a_default_dataset_must_be_there_and_embedded(reg) -> None:
    missing = only(model_card(reg, default_dataset="toyz"))
    assert (missing.subject, missing.fix) == ("default dataset", "Did you mean 'toys'?")
    assert "needs files" in only(model_card(reg, default_dataset="toy-files")).text


def test_mistakes_of_a_dataset_are_found(reg) -> None:
    def found(name, **changes):
        entry = reg.dataset(name)
        return only(check_entry(replace(entry, spec=replace(entry.spec, **changes)), reg)).text

    paper = replace(reg.model("toy").spec.paper, year=1999)
    assert "of the year 2020" in found("toys", paper=paper)
    assert "no link" in found("toys", homepage="example.org")
    assert "repeats over 'word'" in found("toys", repeats="word")
    assert "has no attribute" in found("toys", config="mlzoo_toy:NoOptions")
    file = DataFile(path="x.mat", how_to_get="ask")
    assert "embedded, and yet needs" in found("toys", files=(file,))
    assert "where to get x.mat" in found("toy-files", files=(DataFile(path="x.mat"),))
    templated = DataFile(path="x.mat", template="{features}.mat", how_to_get="ask")
    assert "features" in found("toy-files", files=(templated,))


# ---- the command and the suite


def test_the_command_says_what_it_looked_at(toy, cli) -> None:
    called = cli("card", "check")
    assert called.code == 0
    lines = called.out.splitlines()
    assert lines[0] == "ok       model toy: published numbers 0, identities 0, presets 5"
    assert lines[-1] == "cards 6, errors 0, warnings 0"
    assert cli("card", "check", "toys").out.splitlines()[-1] == "cards 1, errors 0, warnings 0"
    unknown = cli("card", "check", "toyz")
    assert unknown.code == 2
    assert "Did you mean" in unknown.err


def test_an_error_is_a_line_and_the_exit_status(toy, cli) -> None:
    module = toy.folder / "mlzoo_toy.py"
    source = module.read_text(encoding="utf-8")
    module.write_text(source.replace("year=2020, url", "year=2021, url"), encoding="utf-8")
    registry.cache_clear()
    called = cli("card", "check", "toy", "toy")
    assert called.code == 1
    assert called.out.splitlines() == [
        "error    model toy: paper: its bibtex is of the year 2020, not of 2021",
        "cards 1, errors 1, warnings 0",
    ]
    shown = json.loads(cli("card", "check", "--json").out)
    assert (shown["ok"], shown["errors"], len(shown["cards"])) == (False, 1, 6)
    (finding,) = shown["cards"][0]["findings"]
    assert finding["level"] == "error"
    with pytest.raises(AssertionError, match="toy: paper: its bibtex"):
        check_card(registry().model("toy"))
    check_published(registry().model("toy"))


def test_plugins_that_cannot_be_read_are_errors_of_all_cards(toy, cli) -> None:
    module = toy.folder / "mlzoo_toy.py"
    module.write_text("raise ValueError('half written')", encoding="utf-8")
    registry.cache_clear()
    called = cli("card", "check")
    assert called.code == 1
    assert "half written" in called.out
    assert called.out.splitlines()[-1] == "cards 0, errors 1, warnings 0"
