"""Names that many readers take for nothing: a run in Norwegian (`no`) for Namibia (`NA`), from files to tables."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from figures import RunTables, latex, read_table
from figures._tables import TEXT
from interp.data import atlas
from interp.progress import Bars
from interp.studies import StudyFile, compare
from interp.studies._file import StudyRun
from interp.studies._studies import write_plane
from interp.study.config import RunConfig
from interp.study.folder import RunResult
from interp.study.run import run

pytestmark = pytest.mark.slow

NAMED = {"en": "en", "es": "no"}
"""Atlas's Spanish as the Norwegian of a file of one's own."""
CULTURES = {"ES": "NA", "US": "US", "KR": "KR", "GR": "GR", "CN": "CN"}
ODD_ITEMS = ("NA", "null", "nan", "None", "007", "1e5", "true", "no")


def write_files(folder: Path) -> tuple[Path, Path]:
    facts, customs = [], []
    for number, item in enumerate(atlas.universal().items[::9]):
        key = ODD_ITEMS[number] if number < len(ODD_ITEMS) else item.key
        for code, name in NAMED.items():
            facts.append(
                {"item": key, "language": name, "relation": item.relation, "cluster": item.cluster,
                 "question": item.question(code), "options": json.dumps([option[code] for option in item.options]),
                 "answer": f"#{item.answer + 1}"}
            )  # fmt: skip
    for item in atlas.cultural().items[::3]:
        for culture, named in CULTURES.items():
            for code, name in NAMED.items():
                answers = [item.names[key][code] for key in item.answers[culture]]
                customs.append(
                    {"item": item.key, "language": name, "topic": item.topic, "question": item.questions[code],
                     "culture": named, "answer": json.dumps(answers), "own_culture": "NA" if name == "no" else ""}
                )  # fmt: skip
    paths = folder / "facts.tsv", folder / "customs.csv"
    pd.DataFrame(facts).to_csv(paths[0], sep="\t", index=False)
    pd.DataFrame(customs).to_csv(paths[1], index=False)
    return paths


@pytest.fixture(scope="module")
def namibia(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    folder = tmp_path_factory.mktemp("odd")
    facts, customs = write_files(folder)
    config = RunConfig(
        universal=str(facts), cultural=str(customs), out=str(folder / "runs" / "1e5"), strengths=(1.0,),
        design="exhaustive", draws=4, bootstrap_draws=200, attribution_items=4, generate=True, max_new_tokens=4,
    )  # fmt: skip
    with pytest.warns(match="left out"):
        return run(config, Bars(quiet=True))


def config_of(result: RunResult) -> RunConfig:
    given = json.loads((result.folder / "manifest.json").read_text())["config"]
    kept = ("universal", "cultural", "bootstrap_draws", "attribution_items", "generate", "max_new_tokens")
    return RunConfig(
        **{name: given[name] for name in kept}, strengths=(1.0,), design="exhaustive", draws=4, out=str(result.folder)
    )


def test_namibia_and_norwegian_are_in_the_plane_of_a_run_that_is_read_back(namibia: RunResult) -> None:
    for result in (namibia, run(config_of(namibia), Bars(quiet=True))):
        own = result.plane[result.plane["language"] == "no"]
        assert set(own["culture"]) == {"NA"}
        assert set(result.plane.loc[result.plane["language"] == "macro", "culture"]) == {""}
        assert own["transfer"].dtype == float
        assert own["localization"].notna().all()
        assert set(result.contrasts["language"]) == {"no", "macro"}
        assert result.generated is not None
        assert set(result.generated["language"]) == {"no", "macro"}


def test_items_are_called_as_their_file_calls_them(namibia: RunResult) -> None:
    items = read_table(namibia.folder / "items.parquet")
    asked = set(items.loc[items["axis"] == "universal", "item"])
    assert len(asked & set(ODD_ITEMS)) >= 3
    assert items["item"].map(type).eq(str).all()


def test_report_figures_and_latex_name_them(namibia: RunResult) -> None:
    page = (namibia.folder / "report.html").read_text(encoding="utf-8")
    assert '"language":"no"' in page
    assert '"nan"' in page or '"NA"' in page
    assert (namibia.folder / "figures" / "plane_by_language.svg").stat().st_size > 0
    written = dict(latex(RunTables.of(namibia.folder)))
    assert not any(word in text.split() for text in written.values() for word in ("nan", "NaN", "+nan"))


def test_every_text_of_a_run_is_in_a_column_that_is_read_as_text(namibia: RunResult) -> None:
    names_of_ours = {"control", "front"}  # also numbers in other tables; ours alone, and none looks like a number
    for path in namibia.folder.glob("*.csv"):
        table = read_table(path)
        if table.empty:
            continue
        texts = {name for name in table if not pd.api.types.is_numeric_dtype(table[name])}
        assert texts <= TEXT | names_of_ours, path.name
        for name in texts & TEXT:
            assert table[name].map(type).eq(str).all(), (path.name, name)


def test_two_such_runs_are_compared_and_gathered_digit_for_digit(namibia: RunResult, tmp_path: Path) -> None:
    difference = compare(namibia.folder, namibia.folder)
    assert not difference.unpaired
    assert (difference.results["difference"] == 0).all()
    config = config_of(namibia)
    runs = tuple(StudyRun(name, "007", config) for name in ("NA", "1e5"))
    gathered = write_plane(StudyFile("null", tmp_path, runs), runs)
    assert gathered is not None
    table = read_table(gathered)
    assert set(table.loc[table["language"] == "no", "culture"]) == {"NA"}
    assert (set(table["model"]), set(table["run"])) == ({"007"}, {"NA", "1e5"})
    one, both = (read_table(path, text=True) for path in (namibia.folder / "plane.csv", gathered))
    shared = [name for name in one if name != "model"]
    pd.testing.assert_frame_equal(both.loc[: len(one) - 1, shared], one[shared])
