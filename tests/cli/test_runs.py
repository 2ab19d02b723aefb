"""`interp runs`: what is on disk is listed as it is, shown, checked and compared."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from interp.cli import app
from interp.errors import ConfigError, OutputError, TranslocalError
from interp.studies import compare, find_runs

MEASURES = ("transfer", "localization", "explicit_localization", "us_bias", "d_transfer", "d_localization")


def command(*words: object) -> tuple[int, str]:
    try:
        done = CliRunner().invoke(app, ["runs", *map(str, words)], catch_exceptions=False)
    except TranslocalError as error:
        return 2, str(error)
    return done.exit_code, done.output


def test_a_place_without_runs_says_how_to_start_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert command() == (0, "no runs yet in runs; `interp run` starts one\n")
    assert command("--json") == (0, "[]\n")
    (tmp_path / "mine").mkdir()
    assert command("--dir", "mine") == (0, "no runs yet in mine; `interp run` starts one\n")
    assert command("--dir", "absent")[0] == 2


def plane_row(method: str, transfer: float, localization: float, language: str = "macro") -> dict:
    row: dict = {"model": "m", "universal": "atlas", "cultural": "atlas", "method": method, "language": language}
    for name in MEASURES:
        value = {"transfer": transfer, "localization": localization}.get(name, 0.0)
        row |= {name: value, f"{name}_lo": value - 0.1, f"{name}_hi": value + 0.1}
    return row | {"n_universal": 30, "n_cultural": 29, "chance": 0.25}


def finished(folder: Path, rows: list[dict], seed: int = 0, fingerprint: str = "aa", **more: object) -> Path:
    """A finished run's folder."""
    folder.mkdir(parents=True)
    pd.DataFrame(rows).to_csv(folder / "plane.csv", index=False)
    manifest = {
        "status": "finished",
        "config": {"model": "org/m", "universal": "atlas", "cultural": "atlas", "seed": seed, "normalisation": "bytes"},
        "model": {"name": "m", "fingerprint": "ff"},
        "data": {axis: {"name": "atlas", "fingerprint": fingerprint} for axis in ("universal", "cultural")},
        "languages": {"es": "ES", "ko": "KR"},
        "versions": {"translocal": "0.1.0"},
        "seconds": {"load": 2.5, "fit": 60.0},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest | more))
    return folder


def working(folder: Path, seconds: list[float], **identity: object) -> Path:
    """The working folder of a run that isn't finished, with records of whole units."""
    units = folder / "parts" / "units"
    units.mkdir(parents=True)
    config = {"model": "m", "universal": "atlas", "cultural": "blend", "languages": ["es", "ko", "el"]}
    (folder / "identity.json").write_text(json.dumps({"config": config} | identity))
    for number, took in enumerate(seconds):
        name = f"language.l{number}"
        record = {"part": f"units/{name}", "value": {"seconds": took, "host": "here"}}
        (units / f"{name}.{'0' * 32}.json").write_text(json.dumps(record))
    return folder


BASE = [plane_row("base", 0.5, 0.4)]


def test_all_runs_are_found_and_nothing_else(tmp_path: Path) -> None:
    finished(tmp_path / "one", BASE)
    finished(tmp_path / "study" / "two", BASE)
    finished(tmp_path / "a" / "b" / "three", BASE)
    finished(tmp_path / "a" / "b" / "c" / "too-deep", BASE)
    finished(tmp_path / "one" / "trained" / "inside-a-run", BASE)
    finished(tmp_path / ".hidden" / "x", BASE)
    working(tmp_path / "study" / ".four.partial", [10, 20])
    folder = working(tmp_path / ".five.partial", [], languages=["es"])
    (folder / "parts" / "test").mkdir()
    (folder / "parts" / "test" / f"es.{'0' * 32}.parquet").write_text("")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "manifest.json").write_text('{"settings": {}}')
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "manifest.json").write_text('{"config": ')
    (tmp_path / "file").write_text("")
    found = {one.name: one for one in find_runs(tmp_path)}
    assert list(found) == ["a/b/three", "broken", "five", "one", "study/four", "study/two"]
    assert found["one"].status == "finished"
    assert (found["one"].model, found["one"].universal, found["one"].seconds) == ("m", "atlas", 62.5)
    four, five = found["study/four"], found["five"]
    assert (four.status, four.done, four.units, four.left, four.cultural) == ("stopped", 2, 4, 30.0, "blend")
    assert (five.status, five.parts, five.done, five.units, five.left) == ("stopped", 1, 0, 2, None)
    assert found["broken"].status == "broken"
    code, output = command("--dir", tmp_path)
    assert code == 0
    assert "2 of 4 units" in output
    listed = json.loads(command("--dir", tmp_path, "--json")[1])
    assert [one["name"] for one in listed] == list(found)


@pytest.mark.parametrize("where", [".", ".."])
def test_a_run_whose_lock_or_whose_studys_is_held_is_running(where: str, tmp_path: Path) -> None:
    folder = working(tmp_path / "study" / ".one.partial", [10])
    (folder / where / ".lock").write_text("")
    assert [one.status for one in find_runs(tmp_path)] == ["stopped"]
    with (folder / where / ".lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert [one.status for one in find_runs(tmp_path)] == ["running"]
    assert [one.status for one in find_runs(tmp_path)] == ["stopped"]


def test_names_of_files_are_no_commands_for_the_terminal(tmp_path: Path) -> None:
    finished(tmp_path / "[bold]x\x1b[2J", BASE, model={"name": "[/nope]"})
    code, output = command("--dir", tmp_path)
    assert code == 0
    assert "\x1b[2J" not in output
    assert "[bold]x" in output
    assert "[/nope]" in output


def test_show(tmp_path: Path) -> None:
    rows = [*BASE, plane_row("[/x]", 0.6, 0.7), plane_row("base", 0.9, 0.9, "es")]
    folder = finished(tmp_path / "one", rows)
    for words in (("show", "one", "--dir", tmp_path), ("--dir", tmp_path, "show", "one"), ("show", folder)):
        code, output = command(*words)
        assert code == 0
    assert "fingerprint: ff" in output
    assert "seed: 0" in output
    assert "0.500" in output
    assert "[/x]" in output
    assert "0.900" not in output
    told = json.loads(command("show", "one", "--dir", tmp_path, "--json")[1])
    assert told["manifest"]["config"]["seed"] == 0
    assert [row["transfer_lo"] for row in told["plane"]] == [0.4, 0.5]
    working(tmp_path / ".two.partial", [30])
    code, output = command("show", "two", "--dir", tmp_path)
    assert (code, output.startswith("two: stopped, 1 of 4 units\ntime left 2 min")) == (0, True)


def test_verify_names_what_changed(tmp_path: Path) -> None:
    folder = finished(tmp_path / "one", BASE)
    (folder / "scores").mkdir()
    for name in ("scores/base.parquet", "other.csv"):
        (folder / name).write_text(name)
    files = {
        p: hashlib.sha256((folder / p).read_bytes()).hexdigest()
        for p in ("plane.csv", "scores/base.parquet", "other.csv")
    }
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"files": files}))
    code, output = command("show", folder, "--verify")
    assert (code, "3 files match their checksums" in output) == (0, True)
    (folder / "scores/base.parquet").write_text("scores/base.parquex")
    (folder / "other.csv").unlink()
    code, output = command("show", folder, "--verify", "--json")
    assert code == 1
    assert json.loads(output)["damaged"] == [
        "scores/base.parquet: changed since it was written", "other.csv: No such file or directory",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../x", "link"])
def test_verify_reads_nothing_outside_the_run(name: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    folder = finished(tmp_path / "one", BASE, files={name: "0"})
    os.symlink(tmp_path / "secret", folder / "link")
    assert command("show", folder, "--verify") == (
        2, f"{folder}/manifest.json names the file {name!r}; allowed: files in the run's folder",
    )  # fmt: skip


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    finished(tmp_path / "sizes", BASE)
    code, message = command("show", "size", "--dir", tmp_path)
    assert (code, "there is no run 'size'" in message, "did you mean 'sizes'?" in message) == (2, True, True)
    assert "does not exist" in command("--dir", tmp_path / "none")[1]
    assert "has no checksums" in command("show", "sizes", "--dir", tmp_path, "--verify")[1]
    (tmp_path / "sizes" / "plane.csv").write_text("a,b\n1,2\n")
    assert "plane.csv can't be read: no column" in command("show", "sizes", "--dir", tmp_path)[1]
    (tmp_path / "sizes" / "manifest.json").write_text("[]")
    with pytest.raises(OutputError, match=r"does not contain any keys|holds no keys"):
        compare(tmp_path / "sizes", tmp_path / "sizes")
    working(tmp_path / ".new.partial", [])
    assert "run new is stopped" in command("diff", "new", "sizes", "--dir", tmp_path)[1]
    with pytest.raises(ConfigError):
        CliRunner().invoke(app, ["runs", "diff", "a", "b", "--dir", str(tmp_path)], catch_exceptions=False)


def scored(method: str, right: dict[str, bool]) -> pd.DataFrame:
    """Scores of items in two languages, two options each: the universal ones right, the cultural ones local, or not."""
    rows = []
    for language in ("es", "ko"):
        for item, good in right.items():
            for axis, roles in (("universal", ("right", "wrong")), ("cultural", ("local", "reference"))):
                for option, role in enumerate(roles):
                    rows.append(
                        {"method": method, "axis": axis, "cue": "none", "language": language, "item": item,
                         "cluster": item, "relation": "r", "option": option, "role": role, "own": True, "languages": language,
                         "text": role, "logp": -1.0 - float((option == 0) != good), "tokens": 1, "bytes": 1}
                    )  # fmt: skip
    return pd.DataFrame(rows)


def with_scores(folder: Path, right: dict[str, dict[str, bool]], **more: object) -> Path:
    tables = {method: scored(method, items) for method, items in right.items()}
    shares = {method: sum(items.values()) / len(items) for method, items in right.items()}
    rows = [plane_row(method, share, share) for method, share in shares.items()]
    finished(folder, [*rows, plane_row("random", 0.2, 0.2)], **more)
    (folder / "scores").mkdir()
    for method, table in tables.items():
        table.to_parquet(folder / "scores" / f"{method}.parquet", index=False)
    pd.concat([scored(f"random.{n}", right["base"]) for n in (0, 1)]).to_parquet(folder / "scores" / "random.parquet")
    return folder


ITEMS = [f"q{n}" for n in range(40)]
HALF = {item: n % 2 == 0 for n, item in enumerate(ITEMS)}
MORE = {item: n % 2 == 0 or n < 20 for n, item in enumerate(ITEMS)}  # 10 of 40 more


def test_runs_on_the_same_items_are_paired(tmp_path: Path) -> None:
    a = with_scores(tmp_path / "a", {"base": HALF, "en": HALF}, seed=0)
    b = with_scores(tmp_path / "b", {"base": HALF, "en": MORE, "loc": HALF}, seed=1, versions={"translocal": "0.2.0"})
    found = compare(a, b)
    assert found.config == {"seed": (0, 1)}
    assert found.versions == {"translocal": ("0.1.0", "0.2.0")}
    assert (found.model, found.data, found.unpaired) == ({}, {}, "")
    assert found.methods == ((), ("loc",))
    rows = found.results.set_index(["method", "metric"])
    assert rows.loc[("base", "transfer"), ["difference", "difference_lo", "difference_hi"]].tolist() == [0.0, 0.0, 0.0]
    for metric in ("transfer", "localization"):
        row = rows.loc["en", metric]
        assert (row["a"], row["b"]) == (0.5, 0.75)
        assert row["difference"] == pytest.approx(0.25)
        # A share of 0.25 of 40 clusters: its normal 95% interval is 0.25 +- 0.134.
        assert row["difference_lo"] == pytest.approx(0.25 - 0.134, abs=0.03)
        assert row["difference_hi"] == pytest.approx(0.25 + 0.134, abs=0.03)
        assert row["paired"]
    assert not rows.loc[("random", "transfer"), "paired"]
    assert np.isnan(rows.loc[("random", "transfer"), "difference_lo"])
    code, output = command("diff", "a", "b", "--dir", tmp_path)
    assert code == 0
    assert "seed: 0 | 1" in output
    assert "+0.250 [+0.1" in output
    told = json.loads(command("diff", "a", "b", "--dir", tmp_path, "--json")[1])
    assert told["config"] == {"seed": [0, 1]}
    assert told["only_b"] == ["loc"]
    assert [row["difference_lo"] for row in told["results"] if row["method"] == "random"] == [None, None]


@pytest.mark.parametrize(
    ("more", "items", "why"),
    [
        ({"fingerprint": "bb"}, HALF, "their universal items are not the same"),
        ({"languages": {"es": "MX", "ko": "KR"}}, HALF, "they score different languages or cultures"),
        ({}, dict(list(HALF.items())[1:]), "they scored different items: 4 prompts"),
    ],
)
def test_other_runs_are_not_paired(more: dict, items: dict, why: str, tmp_path: Path) -> None:
    a = with_scores(tmp_path / "a", {"base": HALF, "en": HALF})
    b = with_scores(tmp_path / "b", {"base": items, "en": dict.fromkeys(items, True)}, **more)
    found = compare(a, b)
    assert why in found.unpaired
    rows = found.results.set_index(["method", "metric"])
    assert rows.loc[("en", "transfer"), "difference"] == pytest.approx(0.5)
    assert rows["difference_lo"].isna().all()
    assert not rows["paired"].any()
    assert "Differences have no intervals" in " ".join(command("diff", a, b)[1].split())


def test_without_scores_nothing_is_paired(tmp_path: Path) -> None:
    a, b = (finished(tmp_path / name, BASE) for name in "ab")
    assert compare(a, b).unpaired.endswith("has no scores")


def test_damaged_scores_are_named(tmp_path: Path) -> None:
    a, b = (with_scores(tmp_path / name, {"base": HALF}) for name in "ab")
    (b / "scores" / "base.parquet").write_bytes(b"PAR1")
    with pytest.raises(OutputError, match=r"b/scores/base.parquet can't be read"):
        compare(a, b)
