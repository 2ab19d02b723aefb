"""The page in Chromium with the real server behind it: every control, two tabs, a server that is killed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("uvicorn")
api = pytest.importorskip("playwright.sync_api")
CHROMIUM = next(
    (place for name in ("chromium", "chromium-browser", "google-chrome") if (place := shutil.which(name))), None
)
ROOT = Path(__file__).parents[2]
WAIT = 60_000


@contextmanager
def server(*arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`interp open` in a process of its own: its address, and the process."""
    code = "from interp.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "open", *arguments, "--no-browser"], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{32}", address)
        yield address, process
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("needs the system's Chromium")
    with api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def live(opened_run: Path) -> Iterator[str]:
    with server(str(opened_run)) as (address, _):
        yield address


@contextmanager
def page_of(browser: Any, address: str, **settings: Any) -> Iterator[Any]:
    """A page whose model is ready, watched: an error, or a request to elsewhere, fails the test."""
    page = browser.new_page(**{"viewport": {"width": 1200, "height": 1000}, **settings})
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda one: problems.append(one.url) if not one.url.startswith(address.split("?")[0]) else None)
    page.goto(address)
    api.expect(page.locator("#ask-go")).to_be_enabled(timeout=WAIT)
    yield page
    page.close()
    assert problems == []


def answered(page: Any) -> None:
    api.expect(page.locator("#ask-state")).to_have_text("answered", timeout=WAIT)


def ask(page: Any, code: str = "el", question: str = "Πού είναι ο Νείλος;", options: str = "Αίγυπτος\nΙταλία") -> None:
    page.select_option("#ask-language", code)
    page.fill("#ask-question", question)
    page.fill("#ask-options", options)
    page.click("#ask-go")
    answered(page)


def cells(page: Any) -> list[list[str]]:
    return [row.locator("th, td").all_inner_texts() for row in page.locator("#ask-answers tbody tr").all()]


def test_a_question_by_mouse_and_by_keyboard(browser: Any, live: str) -> None:
    with page_of(browser, live) as page:
        ask(page)
        by_mouse = cells(page)
        assert [row[0] for row in by_mouse] == ["Αίγυπτος", "Ιταλία"]
        assert all(re.search(r"0\.\d{3} \(-\d", text) for row in by_mouse for text in row[2:])
        for name in ("ask-lens", "ask-places"):
            api.expect(page.locator(f"#chart-{name} .main-svg").first).to_be_visible(timeout=WAIT)
        assert "leads from layer" in page.locator("#chart-ask-lens").get_attribute("aria-label")
        page.reload()
        api.expect(page.locator("#ask-go")).to_be_enabled(timeout=WAIT)
        page.focus("#ask-language")
        page.keyboard.type("Greek")
        for text in ("", "", "Πού είναι ο Νείλος;", "Αίγυπτος\nΙταλία"):  # cue and answer stay
            page.keyboard.press("Tab")
            page.keyboard.insert_text(text) if text else None
        page.focus("#ask-go")
        page.keyboard.press("Enter")
        answered(page)
        assert cells(page) == by_mouse


def test_moving_a_slider_shows_the_last_answer_alone(browser: Any, live: str) -> None:
    with page_of(browser, live) as page:
        ask(page)
        page.locator("#ask-slider-0").evaluate(
            "(slider) => { for (let n = 0; n < 20; n += 1) { slider.value = n / 20; "
            "slider.dispatchEvent(new Event('input', { bubbles: true })); } }"
        )
        api.expect(page.locator("#ask-size-0")).to_have_value(re.compile("0.9"))
        page.wait_for_timeout(150)
        answered(page)
        shown = cells(page)
        assert page.locator("#ask-preset").input_value() == "hand"
        page.click("#ask-go")
        page.wait_for_timeout(100)
        answered(page)
        assert cells(page) == shown
        page.locator("#ask-slider-0").focus()
        page.keyboard.press("ArrowLeft")
        page.wait_for_timeout(150)
        answered(page)
        assert cells(page) != shown


def test_steering_by_hand(browser: Any, live: str) -> None:
    with page_of(browser, live) as page:
        ask(page)
        page.select_option("#ask-preset", "off")
        page.wait_for_timeout(150)
        answered(page)
        assert [len(row) for row in cells(page)] == [3, 3]
        page.click("#ask-add")
        page.click("#ask-add")
        vectors = [page.locator(f"#ask-vectors-{n}").input_value() for n in range(2)]
        assert vectors == ["en.el", "loc.el"]
        page.select_option("#ask-unit-0", "r")
        assert "times the vector" in page.locator(".steer .note").first.inner_text()
        page.select_option("#ask-layer-0", "1")
        page.wait_for_timeout(150)
        answered(page)
        page.click("#ask-plan")
        code = page.locator("#ask-code")
        api.expect(code).to_contain_text('"by_hand"')
        page.click("#ask-python")
        api.expect(code).to_contain_text("interp.score(model")
        page.click("#ask-link")
        link = code.inner_text()
        before = cells(page)
        page.locator(".steer button").first.click()
        assert page.locator(".steer").count() == 1
        with page_of(browser, live) as other:
            other.goto("about:blank")
            other.goto(link)
            api.expect(other.locator("#ask-go")).to_be_enabled(timeout=WAIT)
            answered(other)
            assert cells(other) == before


def test_an_item_of_the_run_and_a_click_into_the_sweep(browser: Any, live: str) -> None:
    with page_of(browser, live) as page:
        page.locator("#items-table button.open").first.click()
        page.get_by_role("button", name="Ask the model").click()
        answered(page)
        assert page.locator("#ask-item").is_visible()
        assert page.locator("#ask-question").get_attribute("readonly") is not None
        assert page.locator("#ask-answers tbody tr").count() >= 2
        page.locator("#chart-layers").scroll_into_view_if_needed()
        page.wait_for_selector("#chart-layers .main-svg")
        page.evaluate("document.getElementById('chart-layers').emit('plotly_click', {points: [{x: 3, y: 0}]})")
        assert page.locator("#ask-layer-0").input_value() == "3"
        page.click("#ask-clear")
        assert page.locator("#ask-question").get_attribute("readonly") is None


def test_free_answers_notes_and_stop(browser: Any, live: str, opened_run: Path) -> None:
    with page_of(browser, live) as page:
        page.select_option("#ask-answer", "free")
        page.fill("#ask-tokens", "5")
        page.fill("#ask-question", "Πού είναι ο Νείλος; <img src=x onerror=alert(1)>")
        page.click("#ask-go")
        answered(page)
        assert page.locator("#ask-answers dt").all_inner_texts() == ["unsteered", "steered"]
        page.click("#ask-note")
        api.expect(page.locator("#ask-noted summary")).to_have_text("Notes (1)")
        assert page.locator("#ask-noted img").count() == 0
        page.locator("#ask-noted summary").click()
        page.get_by_role("button", name="Ask again").click()
        answered(page)
        page.fill("#ask-question", "")
        page.click("#ask-go")
        api.expect(page.locator("#ask-state")).to_have_text(re.compile("there is no question"))
        assert page.locator("#ask-state").get_attribute("class") == "problem"
    (opened_run / "notes.jsonl").unlink()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 400)])
def test_right_to_left_in_every_width_and_theme(browser: Any, live: str, scheme: str, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    settings = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
    with page_of(browser, live, **settings) as page:
        ask(page, "fa", "پایتخت ایران کجاست؟", "تهران\nشیراز")
        assert page.locator("#ask-question").get_attribute("dir") == "rtl"
        assert page.locator("#ask-answers tbody span[lang=fa]").first.get_attribute("dir") == "rtl"
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        found = axe.Axe().run(page, context="#ask").response
        assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found["violations"]] == []


@pytest.mark.slow
def test_two_tabs_and_a_server_that_is_killed_and_started_again(browser: Any, opened_run: Path) -> None:
    with server(str(opened_run)) as (address, process), page_of(browser, address) as one:
        with page_of(browser, address) as other:
            for page in (one, other):
                page.fill("#ask-question", "Πού είναι ο Νείλος;")
                page.fill("#ask-options", "Αίγυπτος\nΙταλία")
            for page in (one, other):
                page.click("#ask-go")
            for page in (one, other):
                answered(page)
            assert cells(one) == cells(other)
        process.kill()
        process.wait()
        one.click("#ask-go")
        api.expect(one.locator("#ask-state")).to_have_text(re.compile("The server does not answer"))
        port = address.split(":")[2].split("/")[0]
        with server(str(opened_run), "--port", port) as (again, _):
            one.click("#ask-go")
            api.expect(one.locator("#ask-state")).to_have_text(
                re.compile("open the address that `interp open` printed")
            )
            with page_of(browser, again) as page:
                ask(page)


@pytest.mark.slow
def test_a_model_without_a_run(browser: Any) -> None:
    with server("--model", "organism", "--languages", "el") as (address, _), page_of(browser, address) as page:
        ask(page)
        assert page.locator("#ask-plan").is_hidden()
        page.click("#ask-add")
        page.wait_for_timeout(150)
        answered(page)
        assert [len(row) for row in cells(page)] == [4, 4]
