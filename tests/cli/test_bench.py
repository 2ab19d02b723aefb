"""The benchmark's command: what it prints and writes, and its mistakes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Done

MISTAKES = {
    ("--setting", "llama"): "setting 'llama' is unknown; allowed: organism, gemma3-270m",
    ("--setting", "gemma3-12b", "--device", "cpu"): "setting 'gemma3-12b' needs a GPU",
    ("--positions", "first"): "positions 'first' is unknown; allowed: text, last, all, both",
    ("--plans", "1"): "plans 1 is not allowed",
    ("--memory", "lots"): "memory 'lots' is not allowed",
    ("--model", "organism", "--languages", "xx"): "language 'xx' is unknown; allowed: es",
    ("--json", "no/such/rows.json"): "does not exist",
}


@pytest.mark.parametrize("arguments", MISTAKES)
def test_a_mistake_is_one_line(call: Callable[..., Done], arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = call("bench", *arguments, cwd=tmp_path)
    assert done.code == 2
    assert MISTAKES[arguments] in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert done.out == ""


@pytest.mark.slow
def test_rows_are_printed_and_written(call: Callable[..., Done], tmp_path: Path) -> None:
    done = call(
        "bench", "--setting", "organism", "--positions", "last", "--plans", "4", "--json", "r.json", cwd=tmp_path
    )
    assert done.code == 0, done.err
    assert "organism" in done.out
    assert "FLOP share" in done.out
    (row,) = json.loads((tmp_path / "r.json").read_text())
    promised = {
        "setting", "positions", "plain_s", "reference_s", "replay_s", "ratio", "max_abs_diff", "peak_mb", "flop_share",
        "generation_s", "generation_ratio",
    }  # fmt: skip
    assert promised <= set(row)
    assert row["plans"] == 4
    assert row["same_tokens"] is True
    assert row["max_abs_diff"] <= 1e-4
    assert row["ratio"] == pytest.approx(row["plain_s"] / row["replay_s"], rel=1e-3)
