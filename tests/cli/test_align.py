"""`interp align`: trains, says what happened, and its mistakes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Done

MISTAKES = {
    ("sft", "--out", "x"): "method 'sft' is unknown; allowed: instruct, midalign, clo",
    ("clo", "--out", "x", "--data", "atlsa"): "training data 'atlsa' is unknown",
    ("clo", "--out", "x", "--languages", "fr"): "no parallel data for language 'fr'",
    ("clo", "--out", "x", "--data", "none.jsonl"): "none.jsonl does not exist",
    ("clo", "--out", "x", "--model", "./none"): "folder './none' does not exist",
    ("clo", "--out", "x", "--lr", "-1"): "lr -1.0 is not allowed; allowed: numbers above 0",
    ("clo", "--out", "x", "--targets", "q,z"): "target 'z' is unknown",
    (
        "clo",
        "--out",
        "x",
        "--keep-layers",
        "five",
    ): "keep_layers 'five' is not allowed; allowed: a list of whole numbers",
    ("clo", "--out", "x", "--with-cultural", "--cultural", "blnd"): "cultural dataset 'blnd' is unknown",
}


@pytest.mark.parametrize("arguments", MISTAKES)
def test_a_mistake_is_one_line(call: Callable[..., Done], arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = call("align", *arguments, cwd=tmp_path)
    assert done.code == 2
    assert MISTAKES[arguments] in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert done.out == ""
    assert not (tmp_path / "x").exists()


def test_training_on_the_users_own_file(call: Callable[..., Done], tmp_path: Path) -> None:
    pytest.importorskip("peft")
    rows = [
        {"id": str(number), "language": code, "instruction": f"{text} {number}?", "response": f"{text} {number + 1}"}
        for number in range(4)
        for code, text in (("en", "After"), ("es", "Después"))
    ]
    (tmp_path / "mine.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    arguments = ("align", "clo", "--data", "mine.jsonl", "--out", "out", "--steps", "2", "--device", "cpu")
    done = call(*arguments, cwd=tmp_path)
    assert done.code == 0, done.err
    assert "sft" in done.out
    assert "dpo" in done.out
    assert (tmp_path / "out" / "merged" / "exposure.csv").is_file()
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["data"]["units"] == {"instruction": 4}
    again = call(*arguments, "--quiet", cwd=tmp_path)
    assert again.out.strip() == "out"
    assert again.err == ""
