"""`interp data`: what it prints and writes, and its mistakes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import yaml

from interp.data import CULTURAL, PARALLEL, UNIVERSAL, atlas, cultural_tasks, everything, load_cultural, universal_tasks
from tests.cli.conftest import Done
from tests.data.own.test_own import broken, cultural_rows, universal_rows, write
from tests.data.published.test_localization_gap import rows as gap_rows
from tests.data.published.test_localization_gap import write as write_gap


@pytest.fixture
def interp(call: Callable[..., Done]) -> Callable[..., Done]:
    """Runs `interp data ...` in this process."""
    return partial(call, "data")


@pytest.mark.parametrize("command", ["list", "check", "show", "fetch", "export"])
def test_help_shows_examples(interp: Callable[..., Done], command: str) -> None:
    done = interp(command, "--help")
    assert done.code == 0
    assert "Examples:" in done.out


def test_list_of_a_folder_has_the_datasets_whose_files_are_there(interp: Callable[..., Done], tmp_path: Path) -> None:
    assert "holds no folder of a dataset" in interp("list", "--data-dir", tmp_path).out
    (tmp_path / "mkqa").mkdir()
    (tmp_path / "other").mkdir()
    rows = json.loads(interp("list", "--data-dir", tmp_path, "--json").out)
    assert [row["name"] for row in rows] == ["mkqa"]
    assert "absent does not exist" in interp("list", "--data-dir", "absent").err


def test_list_has_every_dataset(interp: Callable[..., Done]) -> None:
    rows = json.loads(interp("list", "--json").out)
    assert [(row["axis"], row["name"]) for row in rows] == [
        (entry.axis, entry.name) for known in (UNIVERSAL, CULTURAL, PARALLEL) for entry in known.values()
    ]
    gap = next(row for row in rows if row["name"] == "localization_gap")
    assert gap["licence"] == "MIT"
    assert gap["languages"] == ["en", "fr", "ru", "tr", "bn"]
    assert gap["gated"] is False
    table = interp("list", "--axis", "cultural").out
    assert "localization_gap" in table
    assert "120 sentences" not in table


def test_show_prints_the_prompt_that_is_scored(interp: Callable[..., Done]) -> None:
    dataset = atlas.cultural()
    task = cultural_tasks(dataset, "el", "KR", "fit", everything, "explicit")[0]
    shown = interp(
        "show", "atlas", "--axis", "cultural", "--language", "el", "--culture", "KR", "--cue", "explicit", "-n", "1"
    )
    assert shown.code == 0, shown.err
    assert task.prompt.text in shown.out.split("\n")
    assert shown.out.startswith(f"cultural  item {task.prompt.item}  split fit  language el  culture KR  cue explicit")
    for mark, ending in zip(task.marks, task.prompt.continuations, strict=True):
        role = {"local": "local", "reference": "US"}.get(mark.role, "")
        assert f"  {role:<6} {json.dumps(ending, ensure_ascii=False)}" in shown.out.split("\n")


def test_show_has_every_axis_and_a_language_by_default(interp: Callable[..., Done]) -> None:
    lines = interp("show", "atlas", "-n", "2").out.split("\n")
    assert sum(line.startswith("universal  ") and "language en" in line for line in lines) == 2
    assert sum(line.startswith("cultural  ") and "language es" in line for line in lines) == 2
    assert sum(line.startswith("parallel  ") for line in lines) == 2


def test_show_what_is_left_out(interp: Callable[..., Done], tmp_path: Path) -> None:
    folder = str(write_gap(tmp_path, gap_rows()))
    done = interp("show", "localization_gap", "--language", "tr", "--data-dir", folder, "--left-out")
    assert done.out.strip().split("\n") == [
        f"names/{i}  en  the source asks for a city, but its options are names of persons" for i in (0, 1)
    ]


def test_text_is_never_markup(interp: Callable[..., Done], tmp_path: Path) -> None:
    rows = [{**row, "question": f"[bold]{row['question']}[/bold] [/] :smile:"} for row in universal_rows()]
    done = interp("show", str(write(tmp_path, rows)), "--language", "ko", "-n", "1")
    assert done.code == 0, done.err
    assert "[/bold] [/] :smile: 답변:" in done.out


def test_check_says_what_a_run_makes_of_a_file(interp: Callable[..., Done], tmp_path: Path) -> None:
    done = interp("check", str(write(tmp_path, cultural_rows())))
    assert done.code == 0, done.err
    assert "axis       cultural" in done.out
    assert "items      8 in 8 topics: fit 2, dev 2, test 4" in done.out
    assert "own        ko=KR" in done.out
    assert "counted    ko KR: 7 items" in done.out
    assert done.out.count("cue none") == 2
    done = interp("check", str(write(tmp_path, universal_rows(), "u.jsonl")), "-n", "1")
    assert "axis       universal" in done.out
    assert "sensitive  1 items" in done.out
    assert done.out.count("  right ") == 1


def test_check_names_languages_without_a_culture(interp: Callable[..., Done], tmp_path: Path) -> None:
    rows = [{k: v for k, v in row.items() if k != "own_culture"} for row in cultural_rows()]
    path = str(write(tmp_path, rows))
    done = interp("check", path)
    assert done.code == 0
    assert "note       ko has no culture of its own: name one with --cultures ko=CULTURE" in done.out
    assert "own        ko=GR" in interp("check", path, "--cultures", "ko=GR").out


def test_export_holds_prompts_and_options(interp: Callable[..., Done], tmp_path: Path) -> None:
    done = interp("export", "atlas", "--language", "ko", "--out", str(tmp_path / "out"), "--limit", "50")
    assert done.code == 0, done.err
    written = [Path(line) for line in done.out.split()]
    assert [path.name for path in written] == [
        "translocal_atlas_universal_ko_test.jsonl", "translocal_atlas_universal_ko_test.yaml",
        "translocal_atlas_cultural_ko_KR_test.jsonl", "translocal_atlas_cultural_ko_KR_test.yaml",
    ]  # fmt: skip
    tasks = {
        "universal": universal_tasks(atlas.universal(), "ko", "test", everything),
        "cultural": cultural_tasks(atlas.cultural(), "ko", "KR", "test", everything),
    }
    for lines, task_file in zip(written[::2], written[1::2], strict=True):
        rows = [json.loads(line) for line in lines.read_text(encoding="utf-8").split("\n") if line]
        expected = tasks[rows[0]["axis"]][:50]
        assert [(row["prompt"], tuple(row["separator"] + choice for choice in row["choices"])) for row in rows] == [
            (t.prompt.text, t.prompt.continuations) for t in expected
        ]
        assert [row["choices"] for row in rows] == [[mark.text for mark in t.marks] for t in expected]
        assert all(row["roles"][row["gold"]] in ("right", "local") for row in rows)
        settings = yaml.safe_load(task_file.read_text(encoding="utf-8"))
        assert settings["task"] == task_file.stem
        assert settings["dataset_kwargs"]["data_files"]["test"] == str(lines.resolve())
        assert (settings["doc_to_text"], settings["target_delimiter"]) == ("{{prompt}}{{separator}}", "")
    again = interp("export", "atlas", "--language", "ko", "--out", str(tmp_path / "out"))
    assert again.code == 2
    assert "exists" in again.err


MISTAKES = {
    ("list", "--axis", "both"): "axis 'both' is unknown; allowed: universal, cultural, parallel",
    ("show", "atla"): "dataset 'atla' is unknown; allowed: atlas, ",
    ("show", "atlas", "--language", "xx"): "dataset 'atlas' has no language 'xx'; allowed: en, es, zh, ko, id, el, fa",
    ("show", "atlas", "--axis", "moral"): "axis 'moral' is unknown",
    ("show", "localization_gap", "--axis", "universal"): "dataset 'localization_gap' has no axis 'universal'; allowed: cultural",
    ("show", "atlas", "--cue", "loud"): "cue 'loud' is unknown; allowed: none, explicit, placebo",
    ("show", "atlas", "--axis", "cultural", "--language", "en"): "language 'en' has no culture of its own in dataset 'atlas'; allowed: US, GB",
    ("show", "atlas", "--axis", "cultural", "--language", "ko", "--culture", "JP"): "dataset 'atlas' has no culture 'JP'",
    ("show", "localization_gap", "--data-dir", "absent"): "--data-dir absent does not exist",
    ("fetch", "mine.csv"): "'mine.csv' is a file",
    ("check", "absent.csv"): "absent.csv does not exist",
    ("check", "absent"): "absent does not exist",
    ("export", "atlas", "--language", "ko", "--out", "x", "--format", "helm"): "format 'helm' is unknown; allowed: lm-eval",
    ("export", "atlas", "--language", "ko", "--out", "x", "--split", "train"): "split 'train' is unknown; allowed: fit, dev, test",
    ("export", "atlas", "--language", "ko", "--out", "x", "--axis", "sensitive"): "no items for translocal_atlas_sensitive_ko_test",
}  # fmt: skip


@pytest.mark.parametrize("arguments", MISTAKES)
def test_a_mistake_is_one_line(
    interp: Callable[..., Done], arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = interp(*arguments)
    assert done.code == 2
    assert MISTAKES[arguments] in done.err
    assert len(done.err.strip().split("\n")) == 1
    assert done.out == ""
    assert not list(tmp_path.rglob("*"))


def test_a_mistake_in_a_file_is_one_line_with_its_row(interp: Callable[..., Done], tmp_path: Path) -> None:
    path = write(tmp_path, broken(universal_rows(), 4, answer="9"))
    done = interp("check", str(path))
    assert done.code == 2
    assert done.err.startswith(f"error: {path}, row 4: answer '9' is not among the options")
    assert len(done.err.strip().split("\n")) == 1
    assert done.out == ""


def test_without_a_network_fetch_names_the_file(
    interp: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("TRANSLOCAL_CACHE", str(tmp_path))
    done = interp("fetch", "localization_gap")
    assert done.code == 2
    assert f"{tmp_path}/localization_gap/" in done.err
    assert "5choice_dataset_input_ready.csv is missing" in done.err
    assert "interp data fetch localization_gap" in done.err


def test_ctrl_c_is_answered(interp: Callable[..., Done], monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*arguments: object, **named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("interp.cli.setup._selecting.load", stop)
    done = interp("fetch", "atlas")
    assert done.code == 130
    assert done.err == "stopped: tables that were downloaded completely stay in the cache\n"


def test_the_commands_need_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['interp', 'data', 'show', 'atlas', '-n', '1']\n"
        "from interp.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print({'torch', 'transformer_lens', 'transformers', 'datasets', 'sklearn', 'pandas'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().split("\n")[-1] == "set()"


def test_the_real_gap_is_shown(interp: Callable[..., Done], shared_data: Path) -> None:
    done = interp(
        "show", "localization_gap", "--language", "bn", "--data-dir", str(shared_data), "--cue", "explicit", "-n", "24"
    )
    assert done.code == 0, done.err
    found = load_cultural("localization_gap", data_dir=shared_data)
    assert done.out.count(found.cues["BD"]["bn"]) == 24
