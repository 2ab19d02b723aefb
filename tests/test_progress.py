"""How far the whole of a run is told to be."""

from __future__ import annotations

import pytest

from interp.progress import Bars, Whole, clock


@pytest.mark.parametrize(("seconds", "shown"), [(0, "0:00"), (9.4, "0:09"), (61, "1:01"), (3723, "1:02:03")])
def test_a_time_is_written_as_a_clock_shows_it(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown


def test_time_left_follows_the_pace_of_what_was_done() -> None:
    whole = Whole({"fit": 10.0, "search": 30.0, "test": 60.0})
    assert whole.at("fit", 10.0, 0.5) == (pytest.approx(0.05), clock(190))  # twice as slow as expected
    whole.end("fit", 20.0)
    assert whole.at("search", 0.0, 0.0) == (pytest.approx(0.1), clock(180))
    whole.end("search", 15.0)  # then twice as fast: 35 s for what should have taken 40
    assert whole.at("test", 0.0, 0.0) == (pytest.approx(0.4), clock(60 * 35 / 40))


def test_what_was_read_back_says_nothing_of_the_pace() -> None:
    whole = Whole({"fit": 100.0, "search": 100.0})
    whole.end("fit", 0.5)
    assert whole.at("search", 0.0, 0.0) == (pytest.approx(0.5), clock(100))


def test_stages_that_nobody_expected_move_nothing() -> None:
    whole = Whole({"fit": 1.0, "test": 1.0})
    whole.end("odd", 1000.0)
    assert whole.at("fit", 1.0, 1.0) == (pytest.approx(0.5), clock(1))
    assert not Whole().known


def test_quiet_bars_ask_for_nothing_and_print_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    def asked() -> dict[str, float]:
        raise AssertionError("quiet bars show no whole")

    bars = Bars(quiet=True)
    bars.expect(asked)
    with bars.stage("fit", 2) as advance:
        advance("one")
    assert capsys.readouterr() == ("", "")


def test_the_bar_of_the_whole_stands_below_the_stages(capsys: pytest.CaptureFixture[str]) -> None:
    bars = Bars()
    bars.expect(lambda: {"fit": 1.0, "test": 3.0})
    for name in ("fit", "test"):
        with bars.stage(name, 1) as advance:
            advance("only step")
    shown = capsys.readouterr().err
    assert "fit" in shown
    assert "1/1" in shown
