"""The report's page in a real browser, made of runs of three models on two tasks.

``python3 dev.py web`` brings what is needed; elsewhere these tests are skipped, with the reason.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("selenium", reason="needs selenium: python3 dev.py web")

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

import mlzoo
from mlzoo.progress import Progress

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
DRIVER = shutil.which("chromedriver")
if not (CHROMIUM and DRIVER):
    pytest.skip(
        "needs chromium and chromedriver on PATH, for example of the Debian packages chromium and "
        "chromium-driver",
        allow_module_level=True,
    )

PHONE = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
DESK = {"width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": False}
MODELS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("mdn", {"network": "baseline", "epochs": 2}),
    ("mdn", {"network": "conv", "epochs": 2}),
    ("position-prior", {}),
    ("random-choice", {}),
)
HOSTILE = "<img src=x onerror='window.harmed = true'><script>window.harmed = true</script>"


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of three models with three seeds each, one run that is not done and one damaged folder."""
    folder = tmp_path_factory.mktemp("page")
    settings = {"preset": "smoke", "out": folder / "runs", "progress": Progress(quiet=True)}
    for model, options in MODELS:
        for seed in range(3):
            mlzoo.run(model, seed=seed, figures=False, **settings, **options)
    first, *_, last = sorted((folder / "runs").rglob("run.json"))
    last.write_text(json.dumps({**json.loads(last.read_text()), "host": HOSTILE}))
    unfinished = folder / "runs" / "mdn-synthetic" / "begun"
    unfinished.mkdir()
    (unfinished / "run.json").write_text('{"status": "running"}')
    shutil.copy(first.parent / "config.json", unfinished)
    damaged = folder / "runs" / "damaged"
    damaged.mkdir()
    (damaged / "run.json").write_text("{")
    words = ("report", folder / "runs", "--format", "html", "--out", folder / "report.html")
    subprocess.run([sys.executable, "-m", "mlzoo", *map(str, words)], check=True, timeout=300)
    return (folder / "report.html").as_uri()


@pytest.fixture(scope="session")
def chromium() -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))
    yield driver
    driver.quit()


@pytest.fixture
def browser(chromium: webdriver.Chrome, address: str) -> webdriver.Chrome:
    """The page, opened anew in a window of a desk's size, in light colours."""
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", DESK)
    prefer(chromium, "light")
    chromium.get(address)
    chromium.execute_script("localStorage.clear()")
    chromium.refresh()
    chromium.get_log("browser")
    return chromium


def prefer(browser: webdriver.Chrome, scheme: str) -> None:
    """Of a person who prefers these colours, and pages that do not glide."""
    features = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
    told = [{"name": name, "value": value} for name, value in features.items()]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": told})


def board(browser: webdriver.Chrome, dataset: str) -> WebElement:
    return browser.find_element(
        By.XPATH, f"//section[contains(@class, 'board')][.//h2='{dataset}']"
    )


def heading(section: WebElement, name: str) -> WebElement:
    found = section.find_elements(By.CSS_SELECTOR, "table.leaderboard thead th")
    return next(each for each in found if each.text.split("\n")[0] == name)


def column(section: WebElement, name: str) -> list[float]:
    """The numbers of a column, from the first row of the first part to its last."""
    headings = section.find_elements(By.CSS_SELECTOR, "table.leaderboard thead th")
    place = [each.text.split("\n")[0] for each in headings].index(name)
    rows = section.find_elements(By.CSS_SELECTOR, "table.leaderboard tbody:first-of-type tr.row")
    cells = [row.find_elements(By.XPATH, "./*")[place] for row in rows]
    return [float(cell.get_attribute("data-value") or "nan") for cell in cells]


def shown_rows(section: WebElement) -> list[str]:
    rows = section.find_elements(By.CSS_SELECTOR, "table.leaderboard tr.row")
    return [row.find_element(By.TAG_NAME, "th").text for row in rows if row.is_displayed()]


def test_the_page_opens_without_errors_and_loads_nothing(
    browser: webdriver.Chrome, address: str
) -> None:
    browser.get(address)
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    loaded = browser.execute_script(
        "return performance.getEntriesByType('resource').map(e => e.name)"
    )
    assert [name for name in loaded if not name.startswith("data:")] == []
    assert browser.title == "Runs of 3 models on 2 datasets"
    assert len(browser.find_elements(By.CSS_SELECTOR, "section.board")) == 2


def test_text_of_a_run_does_nothing(browser: webdriver.Chrome) -> None:
    assert browser.execute_script("return window.harmed === undefined")
    assert "window.harmed" in browser.execute_script("return document.body.textContent")


def test_runs_that_are_left_out_are_there_to_be_read(browser: webdriver.Chrome) -> None:
    listed = browser.find_element(By.ID, "left-out").text
    assert "mdn-synthetic/begun is not done (running)" in listed
    assert "runs/damaged" in listed


def test_a_heading_sorts_by_its_number_and_back(browser: webdriver.Chrome) -> None:
    section = board(browser, "synthetic")
    values = column(section, "recall_gap %")
    assert len(set(values)) == len(values) == 2
    button = heading(section, "recall_gap %").find_element(By.TAG_NAME, "button")
    button.click()  # lower is better: the best first
    assert column(section, "recall_gap %") == sorted(values)
    assert heading(section, "recall_gap %").get_attribute("aria-sort") == "ascending"
    button.click()
    assert column(section, "recall_gap %") == sorted(values, reverse=True)
    assert heading(section, "recall_gap %").get_attribute("aria-sort") == "descending"
    heading(section, "#").find_element(By.TAG_NAME, "button").click()
    assert column(section, "#") == [1, 2]
    assert heading(section, "recall_gap %").get_attribute("aria-sort") is None
    assert browser.find_element(By.CSS_SELECTOR, "[role=status]").get_attribute("textContent") == (
        "Sorted by #, ascending"
    )


def test_numbers_sort_as_numbers_and_what_is_not_there_comes_last(
    browser: webdriver.Chrome,
) -> None:
    section = board(browser, "synthetic")
    browser.execute_script(
        """
        const body = arguments[0].querySelector("table.leaderboard tbody");
        const [row] = body.querySelectorAll("tr.row");
        for (const value of ["9.5", "", "100.25", "-3"]) {
          const copy = row.cloneNode(true);
          copy.cells[3].dataset.value = value;
          body.append(copy);
        }
        body.querySelectorAll("tr.row").forEach((each, n) => n < 2 && each.remove());
        """,
        section,
    )
    button = heading(section, "accuracy %").find_element(By.TAG_NAME, "button")
    for expected in ([100.25, 9.5, -3], [-3, 9.5, 100.25]):
        button.click()
        values = column(section, "accuracy %")
        assert values[:3] == expected
        assert values[3] != values[3], "an empty cell is last in both orders"


def test_sorting_works_by_keyboard(browser: webdriver.Chrome) -> None:
    section = board(browser, "synthetic")
    values = column(section, "recall_gap %")
    button = heading(section, "recall_gap %").find_element(By.TAG_NAME, "button")
    assert button.tag_name == "button"
    heading(section, "recall_1 %").find_element(By.TAG_NAME, "button").send_keys(Keys.TAB)
    focused = browser.switch_to.active_element
    assert focused == button
    assert browser.execute_script(
        "return getComputedStyle(arguments[0]).outlineStyle !== 'none'", focused
    ), "one sees where one is"
    focused.send_keys(Keys.ENTER)
    assert column(section, "recall_gap %") == sorted(values)
    focused.send_keys(Keys.SPACE)
    assert column(section, "recall_gap %") == sorted(values, reverse=True)


def test_the_filter_keeps_rows_with_all_its_words(browser: webdriver.Chrome) -> None:
    section = board(browser, "digit-strips")
    every = shown_rows(section)
    assert len(every) == 2
    entry = section.find_element(By.CSS_SELECTOR, "input[type=search]")
    entry.send_keys("PRIOR best epoch")
    assert [row.split()[0] for row in shown_rows(section)] == ["position-prior"]
    assert section.find_element(By.TAG_NAME, "output").text == "1 of 2 rows"
    entry.send_keys(" nothing like it")
    assert shown_rows(section) == []
    entry.send_keys(Keys.CONTROL, "a", Keys.NULL, Keys.BACKSPACE)
    assert shown_rows(section) == every
    assert len(shown_rows(board(browser, "synthetic"))) > 1, "other boards are as they were"


def test_intervals_and_more_metrics_are_shown_when_asked_for(browser: webdriver.Chrome) -> None:
    section = board(browser, "synthetic")
    interval = section.find_element(By.CSS_SELECTOR, "small.interval")
    extra = section.find_element(By.CSS_SELECTOR, "th.extra")
    assert not interval.is_displayed()
    assert not extra.is_displayed()
    section.find_element(By.CSS_SELECTOR, ".show-intervals").send_keys(Keys.SPACE)
    section.find_element(By.CSS_SELECTOR, ".show-extra").click()
    assert interval.is_displayed()
    assert " to " in interval.text
    assert extra.is_displayed()


def test_pictures_are_there_and_can_be_enlarged(browser: webdriver.Chrome) -> None:
    images = browser.find_elements(By.CSS_SELECTOR, ".picture img")
    assert len(images) >= 4
    for image in images:
        assert browser.execute_script(
            "return arguments[0].complete && arguments[0].naturalWidth > 0", image
        )
        assert image.get_attribute("alt")
    viewer = browser.find_element(By.CSS_SELECTOR, "dialog.viewer")
    images[0].find_element(By.XPATH, "..").send_keys(Keys.ENTER)
    assert viewer.is_displayed()
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not viewer.is_displayed()


def test_curves_have_lines_and_names(browser: webdriver.Chrome) -> None:
    drawings = board(browser, "synthetic").find_elements(By.CSS_SELECTOR, ".chart svg")
    assert [each.accessible_name.split(" by epoch")[0] for each in drawings] == [
        "accuracy on validation data, %",
        "loss",
    ]
    for each in drawings:
        lines = each.find_elements(By.TAG_NAME, "polyline")
        assert len(lines) == 2 * 4, "two groups of three runs, and their means"
        assert all(line.size["width"] > 50 for line in lines)


def background(browser: webdriver.Chrome) -> str:
    return str(browser.execute_script("return getComputedStyle(document.body).backgroundColor"))


def test_dark_colours_by_button_and_by_preference(browser: webdriver.Chrome) -> None:
    light = background(browser)
    button = browser.find_element(By.CSS_SELECTOR, ".theme")
    assert button.get_attribute("aria-pressed") == "false"
    button.send_keys(Keys.ENTER)
    dark = background(browser)
    assert dark != light
    assert button.get_attribute("aria-pressed") == "true"
    browser.refresh()
    assert background(browser) == dark, "it is remembered"
    browser.find_element(By.CSS_SELECTOR, ".theme").click()
    assert background(browser) == light
    browser.execute_script("localStorage.clear()")
    prefer(browser, "dark")
    browser.refresh()
    assert background(browser) == dark


CONTRASTS = """
const parse = (text) => text.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => {
  const part = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
};
const behind = (element) => {
  for (let each = element; each; each = each.parentElement) {
    const colour = parse(getComputedStyle(each).backgroundColor);
    if (colour.length < 4 || colour[3] > 0) return colour;
  }
  return [255, 255, 255];
};
const found = [];
for (const element of document.querySelectorAll("body *:not(svg *)")) {
  const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
  if (!own || !element.checkVisibility()) continue;
  const [one, other] = [parse(getComputedStyle(element).color), behind(element)].map(light);
  const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
  if (ratio < 4.5) found.push([element.tagName, element.className, ratio]);
}
return found;
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_enough_contrast(browser: webdriver.Chrome, scheme: str) -> None:
    prefer(browser, scheme)
    browser.execute_script("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert browser.execute_script(CONTRASTS) == []


def test_a_phone_shows_the_page_without_scrolling_sideways(browser: webdriver.Chrome) -> None:
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    browser.refresh()
    widths = "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    assert browser.execute_script(widths) == [360, 360]
    browser.execute_script("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    for box in browser.find_elements(By.CSS_SELECTOR, ".show-extra, .show-intervals"):
        browser.execute_script("arguments[0].click()", box)
    assert browser.execute_script(widths) == [360, 360]
    wide = board(browser, "synthetic").find_element(By.CSS_SELECTOR, ".scroll")
    assert browser.execute_script(
        "return arguments[0].scrollWidth > arguments[0].clientWidth", wide
    )


def test_what_unfolds_opens_by_keyboard(browser: webdriver.Chrome) -> None:
    group = browser.find_element(By.CSS_SELECTOR, "#pedigree details")
    options = group.find_element(By.CSS_SELECTOR, "table.options")
    assert not options.is_displayed()
    group.find_element(By.TAG_NAME, "summary").send_keys(Keys.ENTER)
    assert options.is_displayed()
    rows = [row.text for row in options.find_elements(By.TAG_NAME, "tr")]
    assert "epochs 2 option" in rows


def test_the_first_key_leads_past_the_navigation(browser: webdriver.Chrome) -> None:
    browser.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    skip = browser.switch_to.active_element
    assert skip.text == "Skip to the leaderboards"
    skip.send_keys(Keys.ENTER)
    assert browser.switch_to.active_element.tag_name == "main"


def test_the_citation_can_be_copied(browser: webdriver.Chrome) -> None:
    grant = {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    browser.execute_cdp_cmd("Browser.grantPermissions", grant)
    details = browser.find_element(By.CSS_SELECTOR, "details.bibtex")
    details.find_element(By.TAG_NAME, "summary").click()
    details.find_element(By.CSS_SELECTOR, ".copy").click()
    copied = browser.execute_async_script(
        "const done = arguments[0]; navigator.clipboard.readText().then(done, (e) => done(String(e)))"
    )
    assert copied == details.find_element(By.TAG_NAME, "pre").get_attribute("textContent")


def test_every_control_has_a_name(browser: webdriver.Chrome) -> None:
    browser.execute_script("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    controls = browser.find_elements(By.CSS_SELECTOR, "button, input, summary, [tabindex='0']")
    shown = [each for each in controls if each.is_displayed() and each.tag_name != "pre"]
    assert len(shown) > 20
    assert [each.get_attribute("outerHTML") for each in shown if not each.accessible_name] == []


def test_without_script_the_page_reads_and_has_no_dead_controls(
    browser: webdriver.Chrome, address: str
) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(address)
        for css in (".filter", ".theme", ".copy", ".zoom", "th button"):
            assert not [e for e in browser.find_elements(By.CSS_SELECTOR, css) if e.is_displayed()]
        section = board(browser, "synthetic")
        assert len(shown_rows(section)) > 1
        section.find_element(By.CSS_SELECTOR, ".show-intervals").click()
        assert section.find_element(By.CSS_SELECTOR, "small.interval").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
