"""`--dry-run`: it says what a run takes, writes nothing, and does not import TransformerLens."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from interp.cli import app
from interp.cli.printing import bytes_text, count_text, seconds_text
from interp.errors import ModelError
from tests.conftest import tiny_config, vocabulary, write_model, write_tiny

SMALL = ("--dry-run", "--limit", "60", "--languages", "el")


def test_it_says_what_a_run_takes_and_writes_nothing(tmp_path: Path) -> None:
    code = (
        "import sys; from interp.cli import app; app(standalone_mode=False); print('transformer_lens' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "run", *SMALL, "--generate"],
        capture_output=True, text=True, cwd=tmp_path, check=True,
    )  # fmt: skip
    lines = done.stdout.split("\n")
    names = [line[:11].strip() for line in lines]
    for name in (
        "universal",
        "cultural",
        "model",
        "el (GR)",
        "design",
        "search",
        "work",
        "time",
        "measured",
        "memory",
        "disk",
        "writes",
    ):
        assert name in names, name
    assert "organism: 5.5 M parameters, 20.9 MiB in float32" in done.stdout
    assert "generated.csv" in done.stdout
    assert "nothing was run or written" in lines
    assert lines[-2] == "False"
    assert not list(tmp_path.iterdir())


def test_locating_has_no_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["locate", *SMALL])
    assert done.exit_code == 0, done.output
    assert "search" not in [line[:11].strip() for line in done.output.split("\n")]
    assert "runs/organism-atlas-atlas-locate" in done.output
    assert "plane.csv" not in done.output
    assert not list(tmp_path.iterdir())


def test_what_does_not_fit_is_exit_code_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("interp.model.machine.free_bytes", lambda device: 2**20)
    done = CliRunner().invoke(app, ["locate", *SMALL])
    assert done.exit_code == 1
    assert "would fail: 20.9 MiB of weights, 1.0 MiB free on cpu" in done.output


def test_a_model_of_text_and_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its sizes are the language model's, and its blocks are timed."""
    monkeypatch.chdir(tmp_path)
    place = write_tiny("gemma3_images", tmp_path / "model")
    done = CliRunner().invoke(app, ["locate", *SMALL, "--model", str(place)])
    assert done.exit_code == 0, done.output
    assert "3 blocks of width 32" in done.output


@pytest.mark.parametrize(
    ("rows", "message"), [(-40, "is larger than the model"), (None, "is an encoder-decoder model")]
)
def test_a_model_that_would_not_do_is_refused(
    rows: int | None, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import transformers

    monkeypatch.chdir(tmp_path)
    if rows is None:
        transformers.WhisperConfig().save_pretrained(tmp_path / "model")
        (tmp_path / "model" / "model.safetensors").write_bytes(b"never read")
    else:
        write_model(tiny_config("llama", vocabulary() + rows), tmp_path / "model")
    done = CliRunner().invoke(app, ["locate", *SMALL, "--model", str(tmp_path / "model")])
    assert done.exit_code != 0
    assert isinstance(done.exception, ModelError)
    assert message in str(done.exception)


def test_numbers_as_people_read_them() -> None:
    assert [bytes_text(n) for n in (None, 2**20, 3 * 2**30)] == ["unknown", "1.0 MiB", "3.0 GiB"]
    assert [count_text(n) for n in (427, 12_345, 5.5e6, 1.2e10)] == ["427", "12.3 k", "5.5 M", "12.0 B"]
    assert [seconds_text(n) for n in (40, 200, 7200, 3e5)] == ["40 s", "3 min", "2.0 h", "3.5 days"]
