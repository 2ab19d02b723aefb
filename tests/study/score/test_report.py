"""`report.html` of a small run: its numbers are the tables', its texts stay texts, and a browser shows it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from html import unescape
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from figures import RunTables
from figures._theme import KNOWN
from figures._theme import is_control as drawn_as_control
from figures._theme import of_seed as is_drawn_of_seed
from figures.report import _data as report_data
from figures.report._page import report_html
from interp.cli import app
from interp.names import BASE, CONTROLS, STEERED
from interp.plane import macro_sentences, verdict_table
from interp.settings import read_settings
from interp.study.config import RunConfig
from interp.study.methods import member, of_seed, on_top
from interp.study.score import is_control
from tests.study.conftest import CountedRun

EVIL = '</script><script>document.title = "taken"</script><img src=x onerror="document.title=1">'
PERSIAN = "پایتخت ایران کجاست؟"
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)


@pytest.fixture(scope="module")
def folder(counted_run: CountedRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(counted_run.folder, tmp_path_factory.mktemp("report") / "run"))


@pytest.fixture(scope="module")
def spoiled(folder: Path) -> Path:
    """The run with texts that would be obeyed if they were not escaped, and a question in Persian."""
    items = pd.read_parquet(folder / "items.parquet")
    first = items["item"] == items["item"].iloc[0]
    items.loc[first, ["question", "chosen", "right", "english"]] = EVIL
    second = items["item"] == items.loc[~first, "item"].iloc[0]
    items.loc[second, ["question", "language"]] = [PERSIAN, "fa"]
    other = Path(shutil.copytree(folder, folder.parent / "spoiled"))
    items.to_parquet(other / "items.parquet", index=False)
    for method in items["method"].unique():
        path = other / "scores" / f"{method}.parquet"
        scores = pd.read_parquet(path)
        scores.loc[(scores["item"] == items["item"].iloc[0]) & (scores["option"] == 0), "text"] = EVIL
        scores.to_parquet(path, index=False)
    attributed().to_csv(other / "attribution.csv", index=False)
    for name in ("plane", "contrasts", "sweep", "layers", "lens", "controls", "directions"):
        table = pd.read_csv(other / f"{name}.csv")
        second = table[table["language"] == "el"].assign(language="es")  # so that there are languages to choose from
        pd.concat([table, second]).to_csv(other / f"{name}.csv", index=False)
    plane = pd.read_csv(other / "plane.csv").assign(model=EVIL)
    plane.to_csv(other / "plane.csv", index=False)
    manifest = json.loads((other / "manifest.json").read_text())
    manifest["findings"].append(EVIL)
    manifest["config"]["model"] = EVIL
    (other / "manifest.json").write_text(json.dumps(manifest))
    (other / "report.html").write_text(report_html(RunTables.of(other), manifest))
    return other


def attributed() -> pd.DataFrame:
    """A small `attribution.csv`, which the run does without."""
    rows = [
        {"kind": kind, "layer": layer, "component": component, "head": head, "contrast": contrast, "language": "el",
         "estimate": 0.1 * layer - 0.05, "estimate_lo": -0.2, "estimate_hi": 0.3, "control": 0.01}
        for layer in range(4)
        for kind, component, head, contrast in (
            ("direct", "attention", None, "right - wrong"), ("direct", "mlp", None, "right - wrong"),
            ("direct", "attention", None, "local - reference"), ("direct", "mlp", None, "local - reference"),
            ("cue", "head", 0, "local - reference"), ("cue", "head", 1, "local - reference"),
        )
    ]  # fmt: skip
    return pd.DataFrame(rows).rename(columns={"estimate_lo": "lo", "estimate_hi": "hi"})


def embedded(page: str) -> dict[str, Any]:
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.S)
    assert found
    loaded: dict[str, Any] = json.loads(found[1])
    return loaded


def test_the_run_writes_it_and_the_command_repeats_its_bytes(folder: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["report", str(folder), "--out", str(tmp_path / "again.html")])
    assert done.exit_code == 0, done.output
    page = (folder / "report.html").read_bytes()
    assert (tmp_path / "again.html").read_bytes() == page
    assert len(page) < 8_000_000
    manifest = json.loads((folder / "manifest.json").read_text())
    assert "report.html" in manifest["files"]
    assert manifest["host"]["name"].encode() not in page if "name" in manifest["host"] else True


def test_nothing_is_fetched_and_plotly_is_there_once(folder: Path) -> None:
    page = (folder / "report.html").read_text(encoding="utf-8")
    own = re.sub(r"<script>/\*\*\n\* plotly.js.*?</script>", "", page, flags=re.S)
    assert len(own) < len(page) - 3_000_000
    assert not re.search(r'(?:src|href)="(?!#|data:)', own)
    assert "http" not in own.replace("http-equiv", "")
    assert page.count("* plotly.js v") == 1


def test_numbers_drawn_and_told_are_the_tables(folder: Path) -> None:
    page = (folder / "report.html").read_text(encoding="utf-8")
    data = embedded(page)
    plane = pd.read_csv(folder / "plane.csv")
    assert len(data["plane"]) == len(plane)
    for drawn, row in zip(data["plane"], plane.to_dict("records"), strict=True):
        for name in ("method", "language", "transfer", "localization_hi", "n_cultural"):
            assert drawn[name] == row[name]
    sweep = pd.read_csv(folder / "sweep.csv")
    assert [row["d_localization"] for row in data["sweep"]] == sweep["d_localization"].tolist()
    layers = pd.read_csv(folder / "layers.csv")
    drawn = [row["probe_universal"] for row in data["layers"]["rows"]]
    assert pd.Series(drawn, dtype=float).equals(layers["probe_universal"])
    items = pd.read_parquet(folder / "items.parquet")
    assert data["items"]["total"] == len(items[items["method"] == "base"])
    before = sum(row[6][0][1] for row in data["items"]["rows"])
    assert before == items.loc[items["method"] == "base", "hit"].sum()
    base = plane.query("method == 'base' and language == 'macro'").iloc[0]
    assert f"answers {base['transfer']:.3f} [{base['transfer_lo']:.3f}, {base['transfer_hi']:.3f}]" in page
    plans = json.loads((folder / "plan.json").read_text())["methods"]
    steer = plans["surgical"]["el"]["steers"][0]
    assert data["chosen"]["surgical"]["el"][0][1:] == [steer["layer"], steer["strength"]]


def test_the_settings_of_the_page_make_the_run(folder: Path, tmp_path: Path, counted_run: CountedRun) -> None:
    page = (folder / "report.html").read_text(encoding="utf-8")
    found = re.search(r'<pre tabindex="0" aria-label="Settings">(.*?)</pre>', page, re.S)
    assert found
    (tmp_path / "run.yaml").write_text(unescape(found[1]))
    assert yaml.safe_load((tmp_path / "run.yaml").read_text())["languages"] == ["el"]
    again = read_settings(tmp_path / "run.yaml", {}, RunConfig)
    assert again.described() == counted_run.config.described()


def test_verdicts_are_those_of_the_contrasts_in_table_manifest_and_page(folder: Path) -> None:
    contrasts = pd.read_csv(folder / "contrasts.csv")
    table, expected = pd.read_csv(folder / "verdicts.csv"), verdict_table(contrasts)
    assert table["called"].tolist() == expected["called"].tolist()
    assert table["language"].tolist() == ["macro", "el"] * 3
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["verdicts"] == macro_sentences(table)
    assert len(manifest["verdicts"]) == 3
    page = unescape((folder / "report.html").read_text(encoding="utf-8"))
    for sentence in manifest["verdicts"]:
        assert sentence in page


def test_every_method_and_control_of_a_run_has_a_look_and_a_symbol_of_its_own() -> None:
    assert {*STEERED, *CONTROLS} <= set(KNOWN)
    assert [name for name in KNOWN if drawn_as_control(name)] == list(CONTROLS)
    symbols = [report_data.SYMBOLS[str(KNOWN[name].marker)] for name in (*STEERED, *CONTROLS)]
    assert len(set(symbols)) == len(symbols)


def test_the_page_shows_ties_as_shares(folder: Path, tmp_path: Path) -> None:
    items = pd.read_parquet(folder / "items.parquet")
    items.loc[0, ["chosen", "hit"]] = ["one | other", 0.5]
    other = Path(shutil.copytree(folder, tmp_path / "tied"))
    items.to_parquet(other / "items.parquet", index=False)
    rows = report_data.items(RunTables.of(other))["rows"]
    assert rows[0][6][0] == ["one | other", 0.5]


def test_large_sets_are_cut_and_changes_come_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunTables.of(folder)
    whole = report_data.items(run)
    monkeypatch.setattr(report_data, "MOST_ITEMS_BYTES", 4000)
    cut = report_data.items(run)
    assert 0 < len(cut["rows"]) < len(whole["rows"]) == cut["total"]
    changed = sum(map(report_data.changed, whole["rows"]))
    assert sum(map(report_data.changed, cut["rows"])) == min(changed, len(cut["rows"]))
    assert [row for row in whole["rows"] if row in cut["rows"]] == cut["rows"]
    page = report_html(run, run.manifest)
    assert f"{len(cut['rows'])} of {cut['total']} questions are here" in page


def test_texts_are_escaped(spoiled: Path) -> None:
    page = (spoiled / "report.html").read_text(encoding="utf-8")
    assert EVIL not in page
    assert 'document.title = "taken"' not in page
    assert "&lt;/script&gt;&lt;script&gt;" in page
    assert any(row[3] == EVIL for row in embedded(page)["items"]["rows"])


COLOURS = re.compile(r"--(\w+): (#[0-9a-f]{6})")


def test_contrast_is_enough_in_light_and_dark() -> None:
    css = (Path(report_data.__file__).parent / "report.css").read_text()
    light, dark = dict(COLOURS.findall(css.split("@media")[0])), dict(COLOURS.findall(css.split('"dark"]')[1]))
    for theme in (light, dark):
        for name in ("text", "muted", "link", "good", "bad"):
            for ground in ("ground", "raised"):
                assert ratio(theme[name], theme[ground]) >= 4.5, (name, ground)
        assert ratio(theme["focus"], theme["ground"]) >= 3


def ratio(first: str, second: str) -> float:
    """WCAG 2 contrast ratio."""

    def luminance(color: str) -> float:
        channels = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("needs the system's Chromium")
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def shown(browser: Any, spoiled: Path) -> Iterator[Any]:
    """The spoiled report in a page whose console and requests are watched."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: problems.append(request.url) if request.url.startswith("http") else None)
    page.goto(f"file://{spoiled / 'report.html'}")
    yield page
    page.close()
    assert problems == []


CHARTS = ("plane", "forest", "controls", "sweep", "layers", "lens", "geometry", "attribution", "heads")


def draw(page: Any, name: str) -> None:
    """Scroll to a chart, which is drawn only then."""
    page.locator(f"#chart-{name}").scroll_into_view_if_needed()
    page.wait_for_selector(f"#chart-{name} .main-svg")


def test_a_browser_draws_every_chart_without_an_error(shown: Any) -> None:
    for name in CHARTS:
        draw(shown, name)
    shown.wait_for_timeout(300)
    plane = pd.DataFrame(shown.evaluate("JSON.parse(document.getElementById('data').textContent).plane"))
    macro = plane[plane["language"] == "macro"]
    assert shown.locator("#chart-plane .scatterlayer .points path").count() == len(macro) - 1  # base is the origin
    shown.check("#plane-levels")
    assert shown.locator("#chart-plane .scatterlayer .points path").count() == len(macro)
    assert shown.locator("#chart-forest .scatterlayer .points path").count() == 2 * 3  # both axes: el, es and the mean
    assert shown.locator("#chart-sweep .hm image").count() == 2
    assert shown.locator("#chart-layers .scatterlayer .js-line").count() > 8
    assert shown.locator("#chart-attribution .barlayer .point path").count() > 8
    heights = shown.evaluate(
        "[...document.querySelectorAll('.chart')].map((one) => [one.clientHeight, one.querySelector('svg').clientHeight])"
    )
    assert all(drawn <= room + 2 for room, drawn in heights), heights  # nothing of a chart is cut
    assert shown.title().startswith("</script><script>document.title")


def test_languages_and_methods_are_chosen(shown: Any) -> None:
    draw(shown, "plane")
    draw(shown, "sweep")
    shown.check("#plane-levels")
    shown.select_option("#choice-language", "el")
    x = shown.evaluate("document.getElementById('chart-plane').data.find((one) => one.customdata[0] === 'base').x[0]")
    rows = shown.evaluate("JSON.parse(document.getElementById('data').textContent).plane")
    assert x == next(row["transfer"] for row in rows if row["method"] == "base" and row["language"] == "el")
    shown.uncheck("#plane-controls")
    drawn = shown.evaluate("document.getElementById('chart-plane').data.map((one) => one.customdata[0])")
    assert "surgical" in drawn
    assert "random" not in drawn
    click = "document.getElementById('chart-plane').emit('plotly_click', {points: [{customdata: '%s'}]})"
    shown.evaluate(click % "loc")
    assert shown.locator("#choice-method").input_value() == shown.locator("#sweep-method").input_value() == "loc"
    assert shown.locator("#chosen tbody tr").count() == 1
    shown.evaluate(click % "surgical")
    assert shown.locator("#chosen tbody tr").count() == 2
    assert shown.locator("#choice-method").input_value() == "surgical"


def test_one_choice_drives_captions_numbers_and_items_and_stands_in_the_address(shown: Any) -> None:
    for name in CHARTS:
        draw(shown, name)
    assert "mean over languages" in shown.locator("#chart-sweep").get_attribute("aria-label")
    shown.select_option("#choice-language", "el")
    shown.select_option("#choice-method", "loc")
    for name in ("plane", "sweep", "layers", "lens", "controls", "attribution"):
        assert "Greek" in shown.locator(f"#chart-{name}").get_attribute("aria-label"), name
    assert "LOC-steering" in shown.locator("#chart-forest").get_attribute("aria-label")
    assert "Greek" in shown.locator("#numbers-plane caption").text_content()
    numbers = shown.evaluate("JSON.parse(document.getElementById('data').textContent).numbers.plane.el")
    cells = shown.locator("#numbers-plane tbody tr").first.locator("th, td").all_text_contents()
    assert cells == numbers[0]
    assert "Greek (el), under LOC-steering" in shown.locator("#items-count").inner_text()
    assert shown.evaluate("location.hash") == "#lang=el&method=loc"
    address = shown.url
    shown.goto("about:blank")
    shown.goto(address)
    assert shown.locator("#choice-language").input_value() == "el"
    assert shown.locator("#choice-method").input_value() == "loc"


def test_the_mean_over_one_language_is_that_language(browser: Any, folder: Path) -> None:
    page = browser.new_page()
    page.goto(f"file://{folder / 'report.html'}")
    assert page.locator("#choice-language option").all_text_contents() == ["Greek (el)"]
    assert "mean over languages" not in page.locator("#chart-plane").get_attribute("aria-label")
    page.close()


def test_an_item_opens_with_its_english_twin_its_options_and_a_link(shown: Any, spoiled: Path) -> None:
    shown.select_option("#choice-method", "loc")
    asked = shown.locator("#items-table button.open").nth(3)
    key = asked.get_attribute("data-item")
    asked.press("Enter")
    opened = shown.locator("#items-table .drawer")
    assert opened.count() == 1
    assert shown.locator("#items-table button.open").nth(3).get_attribute("aria-expanded") == "true"
    axis, language, item = key.split("|")
    items = pd.read_parquet(spoiled / "items.parquet").query("item == @item and language == @language")
    assert f"In English: {items['english'].iloc[0]}" in opened.inner_text()
    for method, column in (("base", 2), ("loc", 3)):
        scores = pd.read_parquet(spoiled / "scores" / f"{method}.parquet")
        own = scores["own"] & (scores["cue"] == "none") & (scores["axis"] == axis) & (scores["item"] == item)
        expected = scores[own & (scores["language"] == language) & (scores["option"] >= 0)]
        told = opened.locator("tbody tr").evaluate_all(f"(rows) => rows.map((row) => row.cells[{column}].textContent)")
        assert [float(text) for text in told] == pytest.approx(expected["logp"].round(2).tolist(), abs=0.011)
    assert "after block" in opened.inner_text()
    address = shown.url
    shown.goto("about:blank")
    shown.goto(address)
    assert shown.locator("#items-table .drawer").count() == 1
    shown.locator("#items-table button.open[aria-expanded=true]").press("Enter")
    assert shown.locator("#items-table .drawer").count() == 0


def test_items_are_sorted_by_any_column(shown: Any) -> None:
    shown.click("#items-table thead button[data-column=after]")
    marks = shown.locator("#items-table tbody td:nth-child(5) span:first-child")
    first = marks.evaluate_all("(spans) => spans.map((span) => span.className)")
    assert first[0] == "wrong"
    shown.click("#items-table thead button[data-column=after]")
    assert marks.first.get_attribute("class") == "right"
    assert shown.locator("#items-table thead th").nth(4).get_attribute("aria-sort") == "descending"


def test_paper_gets_every_chart_whole(shown: Any) -> None:
    shown.emulate_media(media="print")
    shown.evaluate("dispatchEvent(new Event('beforeprint'))")
    shown.wait_for_timeout(500)
    sizes = shown.evaluate(
        "[...document.querySelectorAll('.chart')].map((one) => [one.id, one.querySelector('svg')?.clientWidth ?? 0])"
    )
    assert [name.removeprefix("chart-") for name, _ in sizes] == list(CHARTS)
    assert all(300 < width <= 700 for _, width in sizes), sizes
    shown.evaluate("dispatchEvent(new Event('afterprint'))")
    assert shown.evaluate("document.documentElement.dataset.theme ?? null") is None


def test_the_filter_finds_texts_which_stay_texts(shown: Any, spoiled: Path) -> None:
    total = int(shown.locator("#items-count").inner_text().split()[0])
    shown.fill("#items-text", "<img src=x")
    assert int(shown.locator("#items-count").inner_text().split()[0]) == 1
    assert shown.locator("#items-table tbody th button").first.inner_text() == EVIL
    shown.locator("#items-table tbody th button").first.click()
    assert EVIL in shown.locator("#items-table .drawer").inner_text()
    assert shown.locator("#items-table img").count() == 0
    shown.fill("#items-text", "")
    shown.select_option("#items-change", "changed")
    data = embedded((spoiled / "report.html").read_text(encoding="utf-8"))["items"]
    place = data["methods"].index("surgical")
    changed = sum(row[6][0][0] != row[6][place][0] for row in data["rows"])
    assert int(shown.locator("#items-count").inner_text().split()[0]) == changed < total
    shown.select_option("#items-change", "")
    shown.fill("#items-text", PERSIAN)
    question = shown.locator("#items-table tbody th").first
    assert question.locator("button").inner_text() == PERSIAN
    assert question.evaluate("(cell) => getComputedStyle(cell).direction") == "rtl"
    assert question.locator("button").get_attribute("lang") == "fa"


def test_the_keyboard_reaches_every_control_and_pictures_have_words(shown: Any) -> None:
    draw(shown, "plane")
    shown.fill("#items-text", PERSIAN)
    name = "(one) => one.id || one.dataset.method || one.dataset.column || one.dataset.item"
    wanted = shown.evaluate(f"[...document.querySelectorAll('select, input, button:not(:disabled)')].map({name})")
    reached: set[str] = set()
    for _ in range(120):
        shown.keyboard.press("Tab")
        reached.add(shown.evaluate(f"({name})(document.activeElement)"))
    assert set(wanted) <= reached
    for name in CHARTS:
        draw(shown, name)
    for name in ("plane", "forest", "controls", "sweep", "layers", "lens", "geometry"):
        label = shown.locator(f"#chart-{name}").get_attribute("aria-label")
        assert re.search(r"\d\.\d\d", label)
    assert shown.evaluate("[...document.querySelectorAll('select, input')].every((one) => one.labels.length === 1)")
    levels = shown.evaluate("[...document.querySelectorAll('h1, h2, h3')].map((one) => Number(one.tagName[1]))")
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_no_width_scrolls_sideways_and_the_theme_can_be_turned(
    browser: Any, spoiled: Path, scheme: str, width: int
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto(f"file://{spoiled / 'report.html'}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ground = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(ground)
    assert (before == "rgb(255, 255, 255)") == (scheme == "light")
    page.click("#theme")
    assert page.evaluate(ground) != before
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_against_the_guidelines(browser: Any, spoiled: Path, scheme: str) -> None:
    """Contrast, names, roles and structure by WCAG A and AA, with every chart drawn and everything unfolded."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme=scheme)
    page.goto(f"file://{spoiled / 'report.html'}")
    for name in CHARTS:
        draw(page, name)
    page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    found = axe.Axe().run(page).response
    assert {"color-contrast", "button-name"} <= {rule["id"] for rule in found["passes"]}
    assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found["violations"]] == []
    page.close()


def test_the_table_of_headroom_fits_a_laptops_screen(browser: Any, spoiled: Path) -> None:
    page = browser.new_page(viewport={"width": 1300, "height": 900})
    page.goto(f"file://{spoiled / 'report.html'}")
    width, room = page.evaluate(
        "(({scrollWidth, clientWidth}) => [scrollWidth, clientWidth])(document.querySelector('#headroom .scroll'))"
    )
    assert width <= room
    page.close()


def test_rows_are_read_as_they_are_named() -> None:
    draws = {f"{control}_{number:02d}" for control in ("random", "shuffled") for number in (0, 19)}
    for top in (BASE, *STEERED, *CONTROLS, *draws):
        assert drawn_as_control(top) == (is_control(top) or top in draws)
        for name, seeded in ((member("clo", 1, (0, 1)), True), (member("clo", 1, (1,)), False)):
            row = on_top(name, top)
            assert (drawn_as_control(row), is_drawn_of_seed(row)) == (drawn_as_control(top), seeded)
            assert of_seed(row) == seeded
