"""How notices are shown on the command line."""

from __future__ import annotations

import pytest

import interp.cli
from interp.errors import Notice


def test_a_notice_is_one_line_and_shown_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interp.cli, "_shown", set())
    for text in ("left out:\n  a head", "left out: a head", "left out: another"):
        interp.cli._show(Notice(text), Notice, "file.py", 1)
    assert capsys.readouterr().err == "note: left out: a head\nnote: left out: another\n"


def test_other_warnings_are_shown_as_python_shows_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []
    monkeypatch.setattr(interp.cli, "_usual", lambda *given, **more: seen.append(given))
    for _ in range(2):
        interp.cli._show(DeprecationWarning("old"), DeprecationWarning, "file.py", 1)
    assert len(seen) == 2
    assert capsys.readouterr().err == ""
