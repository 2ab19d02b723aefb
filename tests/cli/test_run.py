"""The command line: help at once, mistakes in one line with exit code 2."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Done

Call = Callable[..., Done]


def program(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    code = "from interp.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=cwd, check=False
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",), ("run", "--help"), ("locate", "--help"), ("matrix", "--help"), ("ablate", "--help"), ("bench", "--help"),
        ("organism", "train", "--help"), ("doctor", "--help"), ("generate", "--help"), ("chat", "--help"), ("score", "--help"),
    ],
)  # fmt: skip
def test_help_shows_examples(arguments: tuple[str, ...], call: Call) -> None:
    done = call(*arguments)
    assert done.code == 0
    assert "Examples:" in done.out


def test_help_stands_in_sections_and_shows_an_example_a_line() -> None:
    lines = program("run", "--help").stdout.splitlines()
    headings = [line for line in lines if line and not line.startswith(" ") and line.endswith(":")]
    assert headings == [
        "Model:", "Data:", "Methods and training:", "Design and search:", "Scoring:", "Machine:", "Output:", "Other:",
        "Examples:",
    ]  # fmt: skip
    told = [line.strip() for line in lines[lines.index("Examples:") + 1 :]]
    assert len(told) >= 5
    assert all(line.startswith("interp run") and "|" not in line for line in told)
    options = lines[lines.index("Model:") : lines.index("Examples:")]
    assert max(map(len, options)) <= 80
    everything = program("--help").stdout
    assert "..." not in everything.split("Commands:")[1]
    other = program("run", "--help").stdout.split("Other:")[1].split("Examples:")[0]
    assert other.split() == ["--help", "Show", "this", "message", "and", "exit."]


def test_help_and_usage_errors_take_less_than_a_second_of_work() -> None:
    def spent() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    for arguments in (("--help",), ("run", "--bogus"), ("run", "--limit", "3")):
        begun = spent()
        program(*arguments)
        assert spent() - begun < 1.0, arguments


MISTAKES = {
    ("run", "--model", "no/such/folder/here"): "does not exist",
    ("run", "--universal", "mmlu"): "universal dataset 'mmlu' is unknown; allowed: atlas",
    ("run", "--cultural", "blendd"): "cultural dataset 'blendd' is unknown",
    ("run", "--languages", "xx"): "language 'xx' is unknown; allowed: es, zh, ko, id, el, fa",
    ("run", "--languages", "en"): "language 'en' has no culture of its own",
    ("run", "--languages", "es,es"): "languages lists 'es' twice; to do: name each once",
    ("run", "--limit", "5"): "limit 5 is not allowed; allowed: whole numbers from 20",
    ("run", "--dtype", "int8"): "dtype 'int8' is unknown; allowed: auto, float32",
    ("run", "--device", "tpu"): "device 'tpu' is unknown",
    ("run", "--config", "absent.yaml"): "config file absent.yaml can't be read",
    ("run", "--memory", "lots"): "memory 'lots' is not allowed; allowed: a size such as 8GiB",
    ("run", "--engine", "fast"): "engine 'fast' is unknown; allowed: replay, reference",
    ("run", "--batch-size", "0"): "batch_size 0 is not allowed",
    ("run", "--quantization", "3bit"): "quantization '3bit' is unknown; allowed: 4bit, 8bit",
    ("run", "--n-devices", "0"): "n_devices 0 is not allowed",
    ("run", "--revision", "main"): "revision 'main' can't be applied to the folder",
    ("run", "--adapter", "no/such/folder/here"): "adapter 'no/such/folder/here' does not exist",
    ("run", "--adapter", "nope", "--dry-run"): "adapter 'nope' does not exist; allowed: a folder, or a Hub id",
    ("run", "--data-dir", "nope", "--dry-run"): "--data-dir nope does not exist; allowed: a folder",
    ("run", "--layers", "1-3,3"): "layers '1-3,3' list 3 twice",
    ("run", "--strengths", "1,1.0"): "strengths lists 1.0 twice",
    ("run", "--cultures", ""): "cultures '' has an empty part; to do: leave cultures out",
    ("run", "--limit", "few"): "limit 'few' is not allowed; allowed: whole numbers from 20",
    ("run", "--max-loss", "much"): "max_loss 'much' is not allowed; allowed: a number",
    ("run", "--seed", str(2**70)): "allowed: whole numbers from 0 to 4294967295",
    ("run", "--max-erasure", ".1"): "max_erasure 0.1 has no effect with goal 'balanced'; allowed: with goal 'transfer'",
    ("run", "--batch-size", "4", "--memory", "2GiB"): "batch_size 4 has no effect with memory '2GiB'",
    ("run", "--training", "steps=5"): "training 'steps=5' has no effect: no method is trained",
    ("run", "--config", "gone.yaml"): "config file gone.yaml can't be read: no such file or directory; to do",
    ("study", "run", "x.yaml", "--slurm-gres", "gpu:1"): "slurm_gres 'gpu:1' has no effect with executor 'local'",
    ("data", "nope"): "interp data' is unknown; allowed: list, check, show, fetch, export",
    ("rum",): "interp' is unknown; allowed: run, ablate,",
    ("locate", "--model", "no/such/folder/here"): "does not exist",
    ("locate", "--attribution-items", "-1"): "attribution_items -1 is not allowed",
    ("matrix", "--steered", "GRR"): "culture 'GRR' can't be steered towards in dataset 'atlas'; allowed: GB, ES, MX",
    ("matrix", "--languages", "xx"): "language 'xx' is unknown",
    ("organism", "train", "--steps", "0"): "steps 0 is not allowed",
}


def test_a_mistake_is_one_line_in_a_program_of_its_own(tmp_path: Path) -> None:
    done = program("run", "--limit", "5", "--quiet", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: {MISTAKES['run', '--limit', '5']}\n"


@pytest.mark.parametrize("arguments", MISTAKES)
def test_a_mistake_is_one_line(arguments: tuple[str, ...], call: Call, tmp_path: Path) -> None:
    done = call(*arguments, "--quiet", cwd=tmp_path)
    assert done.code == 2
    assert MISTAKES[arguments] in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert done.out == ""
    assert not list(tmp_path.rglob("*.csv"))
    assert not list(tmp_path.rglob("manifest.json"))


def test_cuda_without_one(call: Call, tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    done = call("run", "--device", "cuda", "--quiet", cwd=tmp_path)
    assert done.code == 2
    assert "device 'cuda' is not available here; allowed: cpu" in done.err


def test_unknown_config_key_names_the_nearest(call: Call, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("langauges: [es]\n")
    done = call("run", "--config", "c.yaml", cwd=tmp_path)
    assert done.code == 2
    assert "config key 'langauges' is unknown" in done.err
    assert "did you mean 'languages'?" in done.err


NO_WEIGHTS = "\x02" + 7 * "\x00" + "{}"
"""A safetensors file without tensors."""


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "has no config.json"),
        ({"config.json": "{}"}, "does not hold a *.safetensors file"),
        ({"config.json": json.dumps({"model_type": "llama"}), "model.safetensors": "x"}, "is not a safetensors file"),
        ({"config.json": "{}", "model.safetensors": NO_WEIGHTS}, "could not be loaded"),
        ({"config.json": json.dumps({"model_type": "nonsense"}), "model.safetensors": NO_WEIGHTS}, "could not be loaded"),
        pytest.param(
            {"config.json": json.dumps({"model_type": "t5", "architectures": ["T5Model"]}), "model.safetensors": NO_WEIGHTS},
            "could not be loaded", marks=pytest.mark.slow,
        ),
    ],
)  # fmt: skip
def test_a_folder_that_is_no_model(files: dict[str, str], message: str, call: Call, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    done = call("run", "--model", str(folder), "--quiet", cwd=tmp_path)
    assert done.code == 2
    assert message in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_out_that_is_something_else_is_kept(call: Call, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    done = call("run", "--out", "out", "--quiet", cwd=tmp_path)
    assert done.code == 2
    assert "is not a run's folder" in done.err
    assert (tmp_path / "out" / "thesis.txt").read_text() == "mine"


def test_out_below_a_file_can_not_be_written(call: Call, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = call("run", "--out", "file/run", "--quiet", cwd=tmp_path)
    assert done.code == 2
    assert "can't be written" in done.err
