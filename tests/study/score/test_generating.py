"""Generated answers: BLEnD's rule on invented items, kappa, and a small run whose table follows from its parquet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from interp.data import Accepted, CulturalItem
from interp.settings import read_settings
from interp.steering import Generated
from interp.study.config import RunConfig
from interp.study.score._generated import _measured, accepted, diversity, judged, kappa
from tests.study.conftest import CountedRun


def item(**more: object) -> CulturalItem:
    names = {
        "olive": {"en": "olive", "el": "ελιά"},
        "maple": {"en": "maple", "el": "σφεντάμι"},
        "oak": {"en": "oak"},
    }
    answers = {"GR": ("olive", "oak"), "US": ("maple",)}
    return CulturalItem("tree", "trees", "test", {"el": "Ποιο δέντρο;"}, answers, tuple(names), names, **more)  # type: ignore[arg-type]


def said(text: str, ended: bool = True) -> Generated:
    return Generated((1,), text, ended)


@pytest.mark.parametrize(
    ("text", "local", "us"),
    [
        ("Η ελιά.", True, False),
        (" ΕΛΙΆ\n", True, False),
        ("an oak", True, False),
        ("Olive tree", True, False),
        ("olives", False, False),  # whole words, as the rule has it
        ("σφεντάμι", False, True),
        ("maple, not olive", True, True),
        ("πεύκο", False, False),
        ("", False, False),
    ],
)
def test_a_response_is_local_where_it_names_a_right_answer(text: str, local: bool, us: bool) -> None:
    found = judged(item(), "el", "GR", "US", said(text))
    assert (found["local"], found["us"]) == (local, us)
    assert found["text"] == " ".join(text.split())


def test_the_sources_own_list_comes_first_and_weighs_votes() -> None:
    listed = item(accepted={"GR": (Accepted(("πεύκο", "pine"), 4), Accepted(("ελιά",), 1))})
    assert accepted(listed, "GR", "el") == listed.accepted["GR"]
    assert accepted(listed, "US", "el") == (Accepted(("σφεντάμι", "maple")),)
    assert accepted(item(), "GR", "el") == (Accepted(("ελιά", "olive")), Accepted(("oak",)))
    assert accepted(item(), "FR", "el") == ()
    assert judged(listed, "el", "GR", "US", said("πεύκο"))["weighted"] == 1.0
    assert judged(listed, "el", "GR", "US", said("ελιά"))["weighted"] == 0.25
    assert judged(listed, "el", "GR", "US", said("oak")) == {
        "text": "oak", "ended": True, "local": False, "weighted": 0.0, "us": False,
    }  # fmt: skip


def test_a_letter_that_was_cut_in_half_is_dropped() -> None:
    assert judged(item(), "el", "GR", "US", said("ελιά", ended=False))["local"]


def test_kappa_of_known_tables() -> None:
    # 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no: Cohen's textbook case of 0.4
    found = kappa(np.array([35 / 50]), np.array([25 / 50]), np.array([30 / 50]))
    assert found == pytest.approx([0.4])
    assert kappa(np.array([1.0]), np.array([0.3]), np.array([0.3])) == pytest.approx([1.0])
    assert kappa(np.array([1.0]), np.array([1.0]), np.array([1.0])).tolist() == [0.0]
    assert np.isnan(kappa(np.array([np.nan]), np.array([np.nan]), np.array([0.3]))).all()


def test_an_item_whose_options_tie_agrees_by_a_share() -> None:
    keys = {"method": "base", "axis": "cultural", "cue": "none", "language": "el"}
    answers = pd.DataFrame(
        [
            keys
            | {
                "item": str(i),
                "cluster": str(i),
                "local": local,
                "weighted": 0.0,
                "us": False,
                "ended": True,
                "text": "x",
            }
            for i, local in enumerate((True, False, True))
        ]
    )
    chosen = pd.DataFrame([keys | {"item": str(i), "localization": share} for i, share in enumerate((0.25, 0.25, 1.0))])
    assert _measured(answers, chosen)["agreement"].tolist() == [0.25, 0.75, 1.0]


def test_diversity_is_the_share_of_pairs_that_differ_with_the_spread_of_pairs() -> None:
    texts = ["Pine.", "pine", "oak", "fir", "PINE", "oak"]
    answers = pd.DataFrame({"method": "base", "language": "es", "text": texts})
    other = pd.DataFrame({"method": "loc", "language": "es", "text": ["pine"]})
    values = diversity(pd.concat([answers, other], ignore_index=True))
    plain = ["pine", "pine", "oak", "fir", "pine", "oak"]
    pairs = [a != b for i, a in enumerate(plain) for b in plain[i + 1 :]]
    assert values[:6].mean() == pytest.approx(np.mean(pairs))
    assert np.isnan(values[6])

    rng = np.random.default_rng(0)
    many = pd.DataFrame(
        {"method": "base", "language": "es", "text": rng.choice(["a1", "b1", "c1"], 400, p=[0.8, 0.15, 0.05])}
    )
    told = diversity(many).to_numpy()
    draws = []
    for _ in range(300):
        _, counts = np.unique(rng.choice(["a1", "b1", "c1"], 400, p=[0.8, 0.15, 0.05]), return_counts=True)
        draws.append(1 - (counts * (counts - 1)).sum() / (400 * 399))
    assert told.std() / np.sqrt(len(told)) == pytest.approx(np.std(draws), rel=0.15)


def test_the_table_follows_from_the_answers_and_the_scored_options(counted_run: CountedRun) -> None:
    folder = counted_run.folder
    answers = pd.read_parquet(folder / "scores" / "generated.parquet")
    table = pd.read_csv(folder / "generated.csv").set_index(["method", "language"])
    plane = pd.read_csv(folder / "plane.csv").set_index(["method", "language"])
    methods = ["base", "en", "third_language", "nonfactual_en", "loc", "loc_contrast", "loc_language", "wrong_culture", "placebo_cue", "wrong_language", "surgical", "surgical_language"]  # fmt: skip
    assert list(dict.fromkeys(answers["method"])) == methods
    assert [method for method, language in table.index if language == "macro"] == methods
    for method in ("base", "loc", "surgical"):
        rows = answers[(answers["method"] == method) & (answers["cue"] == "none")].set_index("item")
        cued = answers[(answers["method"] == method) & (answers["cue"] == "explicit")]
        row = table.loc[(method, "el")]
        assert row["n"] == len(rows) == plane.loc[(method, "el"), "n_cultural"]
        assert row["localization_generated"] == pytest.approx(rows["local"].mean(), abs=1e-5)
        assert row["us_generated"] == pytest.approx(rows["us"].mean(), abs=1e-5)
        assert row["explicit_localization_generated"] == pytest.approx(cued["local"].mean(), abs=1e-5)
        scores = pd.read_parquet(folder / "scores" / f"{method}.parquet")
        asked = scores.query("axis == 'cultural' and cue == 'none' and own")
        best = asked.assign(score=asked["logp"] / asked["bytes"]).sort_values("score").groupby("item").tail(1)
        chosen = best.set_index("item")["role"].eq("local")
        agreement = (rows["local"] == chosen.reindex(rows.index)).mean()
        assert row["agreement"] == pytest.approx(agreement, abs=1e-5)
        p, q = rows["local"].mean(), chosen.mean()
        chance = p * q + (1 - p) * (1 - q)
        assert row["kappa"] == pytest.approx((agreement - chance) / (1 - chance) if chance < 1 else 0.0, abs=1e-5)
        for metric in ("localization_generated", "agreement", "kappa", "d_localization_generated"):
            assert row[f"{metric}_lo"] <= row[metric] + 1e-9 <= row[f"{metric}_hi"] + 2e-9
    assert table.loc[("base", "el"), "d_localization_generated"] == 0


def test_the_organism_says_something_and_comes_to_an_end(counted_run: CountedRun) -> None:
    folder = counted_run.folder
    answers = pd.read_parquet(folder / "scores" / "generated.parquet").query("method == 'base'")
    assert answers["text"].str.len().gt(0).all()
    assert answers["ended"].mean() > 0.9
    assert answers["local"].any()


def test_without_the_flag_there_is_no_such_file_and_yaml_may_set_it(tmp_path: Path) -> None:
    assert not RunConfig().generate
    (tmp_path / "c.yaml").write_text("generate: true\nmax_new_tokens: 8\n")
    config = read_settings(tmp_path / "c.yaml", {}, RunConfig)
    assert (config.generate, config.max_new_tokens) == (True, 8)
