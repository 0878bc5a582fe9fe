"""The report as one page: what stands on it, what it never does, and what bad runs do to it."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import sys
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import mlzoo
from mlzoo.errors import MlzooError
from mlzoo.progress import Progress
from mlzoo.registry import registry
from mlzoo.report.groups import group_runs
from mlzoo.report.page import pictures
from mlzoo.report.page.axis import axis_of
from mlzoo.report.page.build import page
from mlzoo.report.page.curves import MOST_POINTS, Series, _line
from mlzoo.report.page.tables import MOST_ROWS, tables_of
from mlzoo.report.reading import read_runs

WHEN = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
VOID = {"meta", "input", "img", "line", "circle", "polyline", "br", "link"}
PUBLISHED = """
    published=(
        Published(dataset="toys", metric="error", value=0.0, source="Table 2", selection="val",
                  verified=True, tolerance=100.0),
        Published(dataset="toys", metric="bias", value=50.0, source="Table 3", selection="val",
                  verified=False, tolerance=0.5),
    ),
"""


class Page(HTMLParser):
    """The elements of a page, with their attributes and the text right in them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str], list[str]]] = []
        self._open: list[int] = []
        self.feed(text)
        self.close()
        assert not self._open, "every element is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}, []))
        if tag not in VOID:
            self._open.append(len(self.elements) - 1)

    handle_startendtag = handle_starttag

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.elements[self._open.pop()][0] == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        if self._open:
            self.elements[self._open[-1]][2].append(data)

    def all(self, tag: str, **wanted: str) -> list[tuple[dict[str, str], str]]:
        """Attributes and text of the elements of a name with these attributes."""
        found = (
            (attrs, "".join(data).strip()) for name, attrs, data in self.elements if name == tag
        )
        return [each for each in found if wanted.items() <= each[0].items()]

    def classed(self, name: str) -> list[str]:
        """The text of the elements of a class."""
        found = ((attrs.get("class", "").split(), data) for _, attrs, data in self.elements)
        return ["".join(data).strip() for names, data in found if name in names]

    @property
    def text(self) -> str:
        """All of it, without style and script."""
        parts = ("".join(d) for name, _, d in self.elements if name not in ("style", "script"))
        return " ".join(" ".join(parts).split())


@pytest.fixture
def published(toy):
    """The made-up plugin whose paper has two numbers."""
    module = toy.folder / "mlzoo_toy.py"
    source = module.read_text(encoding="utf-8")
    source = source.replace("Paper, hookimpl", "Paper, Published, hookimpl")
    module.write_text(source.replace('name="toy", ', f'name="toy", {PUBLISHED} '), encoding="utf-8")
    registry.cache_clear()


def trained(seed: int, **options: object) -> Path:
    quiet = Progress(quiet=True)
    options = {"preset": "smoke", "select": "val", **options}
    return mlzoo.run("toy", seed=seed, progress=quiet, figures=False, **options).directory


def made(*, split: str = "test", details: bool = False) -> str:
    return page(read_runs([Path("runs")]), split, details=details, when=WHEN)


def edited(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_the_page_has_landmarks_names_and_unique_ids(published) -> None:
    for seed in range(2):
        trained(seed)
        trained(seed, rate=0.01)
    found = Page(made())
    assert found.all("html", lang="en")
    assert [text for _, text in found.all("h1")] == ["Runs of 1 model on 1 dataset"]
    for tag in ("main", "nav", "header", "footer"):
        assert found.all(tag)
    ids = [attrs["id"] for _, attrs, _ in found.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    named = [attrs.get("aria-labelledby", "") for _, attrs, _ in found.elements]
    assert set(" ".join(named).split()) <= set(ids)
    links = [attrs["href"] for attrs, _ in found.all("a") if attrs["href"].startswith("#")]
    assert {link[1:] for link in links} <= set(ids)
    drawings = found.all("svg", role="img")
    assert len(found.all("title")) == len(drawings) + 1
    assert len(found.all("desc")) == len(drawings) > 0
    assert all(attrs["alt"] for attrs, _ in found.all("img") if "src" in attrs)


def test_a_board_says_mean_spread_interval_verdict_and_what_is_verified(published) -> None:
    values = []
    for seed in range(3):
        results = json.loads((trained(seed, preset=None) / "results.json").read_text())
        values.append(results["metrics"]["test"]["error"])
    found = Page(made())
    mean, sd = np.mean(values), np.std(values, ddof=1)
    assert f"{mean:.4f} ± {sd:.4f}" in found.text
    margin = 4.302653 * sd / np.sqrt(3)  # Student's t with two degrees of freedom
    assert f"{mean - margin:.4f} to {mean + margin:.4f}" in found.text
    assert set(found.classed("good")) == {"matches"}
    assert set(found.classed("low")) == {"below"}
    assert set(found.classed("seen")) == {"verified"}
    assert set(found.classed("unseen")) == {"unverified"}
    assert "ceiling" in found.text
    assert "2, of which 1 verified in their source" in found.text


def test_selection_on_test_stands_beside_the_honest_choice_with_the_inflation(toy) -> None:
    runs = [trained(seed, select="test", epochs=6, rate=0.5) for seed in range(2)]
    gains = [
        json.loads((run / "results.json").read_text())["honest"]["selection_inflation"]["error"]
        for run in runs
    ]
    found = Page(made())
    assert f"{np.mean(gains):+.4f} ± {np.std(gains, ddof=1):.4f}" in found.text
    assert "Selected on test data beside the honest choice" in found.text
    parts = [text for _, text in found.all("span") if text.startswith("selected")]
    assert parts[0] == "selected honestly"
    assert parts[1].startswith("selected on test data: no estimate")
    assert "rows selected on test data are no estimate of what new data would give" in found.text


def test_significance_marks_have_a_legend(toy) -> None:
    for seed in range(3):
        trained(seed)
        trained(seed, noise=1e-6)
    found = Page(made())
    assert sorted(found.classed("mark")) == ["best", "best", "≈", "≈"], "for both views"
    assert "Welch's t-test, Holm over all rows, 5 %" in found.text


def test_nothing_is_loaded_from_elsewhere(published) -> None:
    trained(0)
    text = made()
    found = Page(text)
    for tag, attrs, _ in found.elements:
        assert attrs.get("src", "data:").startswith("data:image/png;base64,") or "src" not in attrs
        assert "style" not in attrs
        assert not [name for name in attrs if name.startswith("on")]
        if "href" in attrs:
            assert tag == "a"
    assert not found.all("link")
    (_, style), (_, script) = found.all("style")[0], found.all("script")[0]
    assert "url(" not in style
    assert "@import" not in style
    assert "http" not in script
    assert "fetch(" not in script


def test_the_browser_may_run_no_script_or_style_but_the_pages_own(toy) -> None:
    trained(0)
    text = made()
    (policy,) = (attrs["content"] for attrs, _ in Page(text).all("meta") if "http-equiv" in attrs)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    for tag in ("style", "script"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, flags=re.S)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules[f"{tag}-src"] == f"'sha256-{digest}'"


HOSTILE = "<script>alert('x')</script><img src=x onerror=alert(1)>\"'>&amp;"


def test_text_of_runs_stays_text(toy) -> None:
    runs = [trained(seed) for seed in range(2)]
    for run in runs:
        edited(run / "config.json", preset=HOSTILE, rate=HOSTILE, sources={"rate": HOSTILE})
        facts = {"host": HOSTILE, "device": HOSTILE, "argv": ["mlzoo", HOSTILE]}
        facts |= {"versions": {HOSTILE: HOSTILE}, "git": {HOSTILE: {"commit": HOSTILE}}}
        edited(run / "run.json", **facts, data={HOSTILE: HOSTILE, "list": [HOSTILE]})
        results = json.loads((run / "results.json").read_text())
        results["references"]["error"] = {HOSTILE: 0.1}
        results["selection"]["label"] = HOSTILE
        results["data"] |= {"incomparable": HOSTILE, "fingerprint": HOSTILE}
        (run / "results.json").write_text(json.dumps(results))
        (run / "environment.txt").write_text(HOSTILE)
        with (run / "metrics.jsonl").open("a") as log:
            log.write(json.dumps({"epoch": 1, HOSTILE: 1.0, "loss": HOSTILE}) + "\n")
        (run / "tables").mkdir(exist_ok=True)
        quoted = HOSTILE.replace('"', '""')
        (run / "tables" / "test-rows.csv").write_text(f'"{quoted}"\n"{quoted}"\n')
    (Path("runs") / HOSTILE.replace("/", "")).mkdir()
    (Path("runs") / HOSTILE.replace("/", "") / "run.json").write_text("[]")
    text = made()
    found = Page(text)
    assert len(found.all("script")) == 1
    assert "<script>alert" not in text
    assert all("onerror" not in attrs for _, attrs, _ in found.elements)
    assert all(attrs["src"].startswith("data:") for attrs, _ in found.all("img") if "src" in attrs)
    assert found.text.count("<script>alert('x')</script>") > 15


def test_runs_that_are_left_out_are_named_with_the_reason(toy) -> None:
    trained(0)
    unfinished = trained(1)
    (unfinished / "results.json").unlink()
    edited(unfinished / "run.json", status="failed")
    damaged, foreign = trained(2), trained(3)
    (damaged / "results.json").write_text("{")
    results = json.loads((foreign / "results.json").read_text())
    (foreign / "results.json").write_text(json.dumps({**results, "task": "weather"}))
    found = Page(made())
    listed = [text for _, text in found.all("li") if text.startswith("toy-toys/")]
    assert len(listed) == 3
    assert [text for text in listed if f"{unfinished.name} is not done (failed)." in text]
    assert [text for text in listed if f"{damaged.name}/results.json cannot be read" in text]
    assert [text for text in listed if f"{foreign.name}: no dataset named 'toys'" in text]
    assert "1 run, 1 task, split" in found.text


def test_what_cannot_be_read_or_drawn_is_told_and_the_rest_is_there(toy) -> None:
    run = trained(0)
    (run / "metrics.jsonl").write_text("{}\n")
    (run / "tables").mkdir(exist_ok=True)
    (run / "tables" / "test-rows.csv").write_text("a,b\n1\n")
    found = Page(made())
    problems = [text for _, text in found.all("li") if "damaged" in text or "failed" in text]
    assert len([text for text in problems if "metrics.jsonl is damaged" in text]) == 1
    assert len([text for text in problems if "test-rows.csv is damaged" in text]) == 1
    assert len([text for text in problems if "'broken' of mlzoo-toy 1.0 failed" in text]) == 1
    assert [attrs["alt"] for attrs, _ in found.all("img") if "src" in attrs] == ["plot (toy, toys)"]


def test_the_same_runs_and_time_give_the_same_page(published) -> None:
    for seed in range(2):
        trained(seed)
    assert made() == made()
    assert "1 March 2026, 12:30 UTC" in made()


def test_options_have_their_sources_and_what_differs_between_seeds_is_told(toy) -> None:
    first, second = trained(0), trained(1)
    for run, host in ((first, "anna"), (second, "bert")):
        edited(run / "run.json", host=host)
    found = Page(made())
    assert "epochs 2 preset toys/smoke" in found.text
    assert "These runs differ in: host." in found.text
    assert {"anna", "bert"} <= {text for _, text in found.all("td")}


def grouped(*texts: str) -> object:
    """A group of runs with these contents of one table."""
    for seed, text in enumerate(texts):
        folder = trained(seed) / "tables"
        folder.mkdir(exist_ok=True)
        (folder / "test-rows.csv").write_text(text)
    (group,) = group_runs(read_runs([Path("runs")]).records)
    (table,), problems = tables_of(group, "test")
    assert problems == []
    return table


def test_tables_of_several_runs_become_means_and_ranges(toy) -> None:
    table = grouped(
        "class,name,count,accuracy,often\n0,a,7,10.0,b\n1,b,5,,a\n",
        "class,name,count,accuracy,often\n0,a,7,20.5,b\n1,b,9,50.0,c\n",
    )
    cells = {column.name: [cell.text for cell in column.cells] for column in table.columns}
    assert cells == {
        "class": ["0", "1"],
        "name": ["a", "b"],
        "count": ["7", "5–9"],
        "accuracy": ["15.2", "50.0"],
    }
    assert table.notes == [
        "mean of 2 runs",
        "whole numbers that differ as lowest–highest",
        "left out, as it differs between runs: often",
    ]


def test_a_table_whose_rows_differ_is_the_first_runs_and_a_long_one_is_cut(toy) -> None:
    rows = range(MOST_ROWS + 5)
    table = grouped(
        "place,score\n" + "".join(f"{n},0.5\n" for n in rows),
        "place,score\n" + "".join(f"{n + 1},0.25\n" for n in rows),
    )
    assert table.notes[0] == "of seed 0: the rows of other runs differ"
    assert f"the first {MOST_ROWS} of {MOST_ROWS + 5} rows" in table.notes
    assert [len(column.cells) for column in table.columns] == [MOST_ROWS] * 2
    assert {cell.text for cell in table.columns[1].cells} == {"0.500"}


@pytest.mark.parametrize(
    "values",
    [[], [5.0], [0.0, 0.0], [1e-7, 2e-7], [-3.0, 1e12], [1.0, float("nan")], [-1e300, 1e300]],
)
def test_an_axis_places_every_number_within_and_has_ticks_in_order(values: list[float]) -> None:
    axis = axis_of(values, 10.0, 100.0)
    assert all(10 <= axis.place(value) <= 100 for value in values if value == value)
    ticks = axis.ticks(4)
    assert 1 <= len(ticks) <= 12
    assert [tick.place for tick in ticks] == sorted(tick.place for tick in ticks)
    assert len({tick.label for tick in ticks}) == len(ticks)


def test_whole_ticks_are_whole_and_labels_are_where_they_say() -> None:
    axis = axis_of([1, 2], 0.0, 100.0, margin=0.0)
    assert [(tick.place, tick.label) for tick in axis.ticks(5, whole=True)] == [
        (0, "1"),
        (100, "2"),
    ]
    halves = [(tick.place, tick.label) for tick in axis.ticks(2)]
    assert halves == [(0, "1.0"), (50, "1.5"), (100, "2.0")]


def test_long_curves_are_thinned_but_keep_both_ends(toy) -> None:
    trained(0)
    (group,) = group_runs(read_runs([Path("runs")]).records)
    values = {epoch: float(epoch) for epoch in range(1, 1001)}
    axis = axis_of(values, 0.0, 1000.0, margin=0.0)
    points = _line(Series("toy", "c0", group), values, axis, axis).points.split()
    assert len(points) <= MOST_POINTS + 1
    assert (points[0], points[-1]) == ("0,0", "1000,1000")


def test_a_large_picture_is_reduced(toy, monkeypatch) -> None:
    from PIL import Image

    noise = np.random.RandomState(0).randint(0, 256, (300, 400, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).save(out, format="png")
    monkeypatch.setattr(pictures, "LARGEST", 60_000)
    picture = pictures._picture(registry().model("toy"), "plot", out.getvalue())
    small = base64.b64decode(picture.url.partition(",")[2])
    assert len(small) < len(out.getvalue()) / 2
    assert (picture.width, picture.height) == (220, 165)
    assert Image.open(io.BytesIO(small)).size[0] < 400


def test_the_command_writes_one_file_and_says_where_and_how_large(toy, cli) -> None:
    trained(0)
    called = cli("report", "runs", "--format", "html")
    assert called.code == 0
    assert called.out == ""
    assert "written to report.html" in called.err
    assert re.search(r"size  \d+\.\d kB", called.err)
    assert Path("report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    cli("report", "runs", "--format", "html", "--all", "--out", "there/all.html")
    boxes = Page(Path("there/all.html").read_text(encoding="utf-8")).all("input")
    assert not [attrs for attrs, _ in boxes if "checked" in attrs], "there are no more metrics"


def test_the_command_refuses_a_page_of_nothing(toy, cli) -> None:
    (trained(0) / "results.json").unlink()
    called = cli("report", "runs", "--format", "html")
    assert called.code == 1
    assert "is done and has no results.json" in called.err
    assert not Path("report.html").exists()


def test_without_jinja_one_line_says_what_to_install(toy, monkeypatch) -> None:
    trained(0)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MlzooError, match=r"a page needs Jinja") as caught:
        made()
    assert caught.value.fix == "pip install 'mlzoo-core[report]'"
