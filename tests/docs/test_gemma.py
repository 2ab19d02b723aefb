"""The numbers on the page about Gemma are those of the tables stored beside it."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from figures import estimate, number

DOCS = Path(__file__).parent.parent.parent / "docs"
PAGE = (DOCS / "gemma3-270m.md").read_text("utf-8")
MEASURES = ("transfer_english", "transfer", "explicit_localization")


def choices() -> pd.DataFrame:
    """Macro rows of the unsteered model on dev, with the mean that the choice goes by."""
    tables = [pd.read_csv(DOCS / "gemma3-270m" / f"dev-{shots}.csv").assign(shots=shots) for shots in (0, 4)]
    rows = pd.concat(tables)
    return rows[rows["language"] == "macro"].assign(mean=lambda table: table[list(MEASURES)].mean(axis=1))


@pytest.mark.parametrize("row", choices().to_dict("records"), ids=lambda row: f"{row['shots']}-{row['normalisation']}")
def test_choices_before_effects(row: dict) -> None:
    numbers = [number(row, name) for name in MEASURES]
    assert f"| {row['shots']} | {row['normalisation']} | {' | '.join(numbers)} | {row['mean']:.3f} |" in PAGE


def test_what_was_chosen_follows_from_the_rule() -> None:
    table = choices().set_index(["shots", "normalisation"])["mean"]
    best = table.idxmax()
    chosen = best if table[best] - table[0, "bytes"] > 0.01 else (0, "bytes")
    assert f"So the runs below have {chosen[0]} worked examples and go by `{chosen[1]}`." in PAGE


ATLAS, FORMER, PUBLISHED = (
    {path.stem: pd.read_csv(path) for path in sorted((DOCS / "gemma3-270m" / name).glob("*.csv"))}
    for name in ("atlas", "former", "published")
)


def onset(row: dict, name: str) -> str:
    return "none" if pd.isna(row[name]) else f"{row[name]:.0f} [{row[f'{name}_lo']:.0f}, {row[f'{name}_hi']:.0f}]"


@pytest.mark.parametrize("row", ATLAS["headroom"].to_dict("records"), ids=lambda row: row["language"])
def test_headroom(row: dict) -> None:
    names = ("transfer_english", "transfer", "headroom_transfer", "localization", "headroom_localization", "us_bias")
    numbers = [number(row, name, signed=name.startswith("headroom")) for name in names]
    assert f"| {row['language']} | {' | '.join(numbers)} |" in PAGE


@pytest.mark.parametrize("row", ATLAS["onsets"].to_dict("records"), ids=lambda row: row["language"])
def test_onsets(row: dict) -> None:
    numbers = [onset(row, name) for name in ("universal", "cultural", "separation")]
    assert f"| {row['language']} | {' | '.join(numbers)} |" in PAGE


def test_lens() -> None:
    rows = macro(ATLAS["lens"]).set_index(["layer", "cue"])
    for layer in (4, 8, 12, 15, 17):
        leads = [number(rows.loc[(layer, cue)].to_dict(), "lead", signed=True) for cue in ("none", "explicit")]
        assert f"| {layer} | {' | '.join(leads)} |" in PAGE
    for cue, first in (("none", 13), ("explicit", 12)):
        clear = [layer for layer in range(18) if rows.loc[(layer, cue), "lead_lo"] > 0]
        assert set(range(first, 18)) <= set(clear)
        assert first - 1 not in clear


def macro(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["language"] == "macro"]


def plain(table: pd.DataFrame) -> list[str]:
    """The methods of a plane but for single draws of a control."""
    return [name for name in macro(table)["method"] if not name[-1].isdigit()]


@pytest.mark.parametrize(
    ("run", "method"),
    [
        (name, method)
        for name, run in (("atlas", ATLAS), ("former", FORMER), ("published", PUBLISHED))
        for method in plain(run["plane"])
    ],
)
def test_planes(run: str, method: str) -> None:
    tables = {"atlas": ATLAS, "former": FORMER, "published": PUBLISHED}[run]
    row = macro(tables["plane"]).set_index("method").loc[method].to_dict()
    damage = macro(tables["damage"]).set_index("method")
    cells = [f"{row['transfer']:.3f}", f"{row['localization']:.3f}"]
    cells += ["" if method == "base" else number(row, name, signed=True) for name in ("d_transfer", "d_localization")]
    there = method in damage.index and method != "base"
    cells.append(number(damage.loc[method].to_dict(), "d_nll_token", signed=True) if there else "")
    assert f"| `{method}` | {' | '.join(cells)} |" in PAGE


LAYERED = macro(ATLAS["layers"]).dropna(subset="d_transfer_en")


@pytest.mark.parametrize("row", LAYERED.to_dict("records"), ids=lambda row: str(row["layer"]))
def test_effects_by_layer(row: dict) -> None:
    names = [f"d_{axis}_{vector}" for vector in ("en", "loc") for axis in ("transfer", "localization")]
    assert f"| {row['layer']} | {' | '.join(number(row, name, signed=True) for name in names)} |" in PAGE


CLAIMS = PAGE[PAGE.index("## The paper's claims") : PAGE.index("## Published data")]
OTHERS = PAGE[PAGE.index("## Published data") : PAGE.index("## A run before it")]


@pytest.mark.parametrize(
    ("metric", "method", "against"),
    [
        ("transfer", "en", "base"), ("localization", "en", "base"), ("transfer", "surgical", "base"),
        ("localization", "surgical", "base"), ("localization", "surgical", "en"), ("transfer", "surgical", "loc"),
        ("localization", "loc", "base"), ("localization", "loc", "wrong_culture"), ("localization", "loc", "placebo_cue"),
    ],
)  # fmt: skip
def test_claims_quote_the_contrasts(metric: str, method: str, against: str) -> None:
    rows = macro(ATLAS["contrasts"]).set_index(["metric", "method", "against"])
    assert number(rows.loc[(metric, method, against)].to_dict(), "estimate", signed=True) in CLAIMS


def test_what_the_claims_say_in_words_is_in_the_tables() -> None:
    contrasts, verdicts = ATLAS["contrasts"], ATLAS["verdicts"]
    assert set(verdicts["called"]) <= {"no clear gain", "loss"}  # "no verdict calls an effect transfer or localization"
    for method in ("en", "loc", "surgical"):
        own = contrasts[(contrasts["method"] == method) & (contrasts["against"] == "base")]
        sides = own[own["metric"].isin(["transfer", "localization"]) & (own["language"] != "macro")]
        assert ((sides["lo"] <= 0) & (sides["hi"] >= 0)).all()
    gain = contrasts[(contrasts["method"] == "en") & (contrasts["metric"] == "transfer")]
    assert macro(gain[gain["against"] == "base"])["hi"].round(3).tolist() == [0.008]
    harmful = LAYERED.set_index("layer")["d_localization_en_hi"] < 0
    assert harmful[harmful].index.tolist() == [8, 10, 12, 14, 16]
    last = ATLAS["layers"].query("layer == 16 and language != 'macro'").set_index("language")
    assert (last["d_localization_en"] < 0).all()
    assert last.index[last["d_localization_en_hi"] < 0].tolist() == ["es", "id"]
    chosen = macro(ATLAS["layers_chosen"])
    assert chosen[(chosen["method"] == "loc") & (chosen["share"] > 0.5)]["layer"].tolist() == [14]
    rows = macro(ATLAS["robustness"]).query("metric == 'transfer' and against == 'base'").set_index("method")
    for name in ("bytes", "mean", "sum"):
        assert number(rows.loc["surgical_language"].to_dict(), name, signed=True) in CLAIMS
    cosine = macro(ATLAS["layers"]).set_index("layer")
    for layer in (6, 12):
        told = estimate(
            *(float(cosine.loc[layer, f"cos_en_loc{end}"]) for end in ("", "_lo", "_hi")), signed=True, digits=2
        )
        assert f"{told} at block {layer}" in CLAIMS
    assert cosine["cos_en_loc"][10:].abs().max() < 0.065
    signs = ATLAS["robustness"]["sign"].value_counts()
    assert f"Of {signs.sum()} effects {signs['changes']} change their sign" in CLAIMS
    assert "reverses" not in signs


@pytest.mark.parametrize("row", PUBLISHED["headroom"].to_dict("records"), ids=lambda row: row["language"])
def test_headroom_of_published_data(row: dict) -> None:
    names = ("transfer_english", "transfer", "headroom_transfer", "localization", "headroom_localization", "us_bias")
    numbers = [number(row, name, signed=name.startswith("headroom")) for name in names]
    assert f"| {row['language']} | {' | '.join(numbers)} | {row['n_universal']} | {row['n_cultural']} |" in OTHERS


def test_what_is_said_of_published_data_is_in_the_tables() -> None:
    rows = macro(PUBLISHED["contrasts"]).set_index(["metric", "method", "against"])
    for key in (
        ("transfer", "en", "base"), ("transfer", "surgical_language", "base"), ("localization", "loc", "base"),
        ("transfer_specific", "surgical_language", "base"), ("localization", "loc", "placebo_cue"),
        ("transfer_specific", "en", "base"),
    ):  # fmt: skip
        assert number(rows.loc[key].to_dict(), "estimate", signed=True) in OTHERS, key
    holm = [rows.loc[(metric, "surgical_language", "base"), "p_holm"] for metric in ("transfer", "transfer_specific")]
    assert f"(Holm's p = {holm[0]:.2f} and {holm[1]:.2f})" in OTHERS
    assert set(PUBLISHED["verdicts"]["called"]) <= {"no clear gain", "loss"}
    onsets = macro(PUBLISHED["onsets"]).iloc[0].to_dict()
    told = [onset(onsets, name) for name in ("universal", "cultural", "separation")]
    assert "universal {}, cultural {}, separation {}:".format(*told) in OTHERS
    layers = macro(PUBLISHED["layers"]).set_index("layer")
    for layer, name in ((12, "d_transfer_en"), (14, "d_transfer_en"), (16, "d_localization_en")):
        assert number(layers.loc[layer].to_dict(), name, signed=True) in OTHERS
    harmful = layers["d_transfer_en_hi"].dropna() < 0
    assert harmful[harmful].index.tolist() == [12, 14, 16]


TRAINING = (DOCS / "gemma3-270m-training.md").read_text("utf-8")
TRAINED = {path.stem: pd.read_csv(path) for path in sorted((DOCS / "gemma3-270m" / "trained").glob("*.csv"))}
METHODS = ("instruct", "midalign", "clo", "midalign_keep")
ON_TOP = ("", "+en", "+loc", "+wrong_culture", "+surgical")


@pytest.mark.parametrize(
    "method", ["base", "en", "loc", "surgical", *(f"{name}{top}" for name in METHODS for top in ON_TOP)]
)
def test_the_plane_of_trained_models(method: str) -> None:
    row = macro(TRAINED["plane"]).set_index("method").loc[method].to_dict()
    damage = macro(TRAINED["damage"]).set_index("method").loc[method].to_dict()
    changes = [number(row, name, signed=True) for name in ("d_transfer", "d_localization")]
    cells = ["", "", ""] if method == "base" else [*changes, number(damage, "d_nll_token", signed=True)]
    assert f"| `{method}` | {row['transfer']:.3f} | {row['localization']:.3f} | {' | '.join(cells)} |" in TRAINING


@pytest.mark.parametrize("row", macro(TRAINED["erasure"]).to_dict("records"), ids=lambda row: row["method"])
def test_what_training_erased(row: dict) -> None:
    told = [number(row, name, signed=True) for name in ("erasure", "knowledge_lost", "recoverable")]
    told += [f"{row['returned']:.2f}", f"{row['returned_cue']:.2f}", f"{row['n_lost']:.0f}"]
    assert f"| `{row['method']}` | {' | '.join(told)} |" in TRAINING


@pytest.mark.parametrize("row", TRAINED["training"].to_dict("records"), ids=lambda row: row["method"])
def test_how_it_was_trained(row: dict) -> None:
    aligned = "" if pd.isna(row["info_nce_first"]) else f"{row['info_nce_first']:.2f} to {row['info_nce_last']:.2f}"
    cells = [
        f"{row['steps']} x {row['batch']}", f"{row['seconds'] / 60:.1f} min",
        f"{row['loss_first']:.2f} to {row['loss_last']:.2f}", aligned,
        f"{row['dev_before']:.2f} to {row['dev_after']:.2f}",
    ]  # fmt: skip
    assert f"| `{row['method']}` | {' | '.join(cells)} |" in TRAINING


def test_what_is_said_of_training_is_in_the_tables() -> None:
    rows = macro(TRAINED["contrasts"]).set_index(["metric", "method", "against"])
    for key in (
        ("transfer", "instruct", "base"), ("transfer", "midalign", "base"), ("transfer", "midalign_keep", "base"),
        ("localization", "clo", "base"), ("localization", "midalign_keep", "base"), ("localization", "clo+loc", "clo"),
        ("localization", "clo+en", "clo"), ("localization", "midalign_keep", "midalign"),
    ):  # fmt: skip
        assert number(rows.loc[key].to_dict(), "estimate", signed=True) in TRAINING, key
    quoted = [("transfer", name) for name in METHODS[:3]] + [("localization", name) for name in METHODS]
    quoted += [("explicit_localization", name) for name in ("midalign", "clo")]
    for metric, method in quoted:
        assert number(rows.loc[(metric, method, "base")].to_dict(), "estimate", signed=True) in CLAIMS, method
    assert f"{rows.loc[('transfer', 'instruct', 'base'), 'p_holm']:.3f}" == "0.017"
    assert all(rows.loc[("localization", name, "base"), "p_holm"] > 0.05 for name in METHODS)
    plane = TRAINED["plane"].set_index(["method", "language"])
    assert all(plane.loc[(name, "es"), "d_localization"] < 0 for name in METHODS)
    rising = [name for name in METHODS if plane.loc[(name, "ko"), "d_localization"] > 0]
    assert rising == ["instruct"]
    assert number(plane.loc[("instruct", "ko")].to_dict(), "d_localization", signed=True) in TRAINING
    erased = macro(TRAINED["erasure"])
    assert (erased["returned_cue"] * erased["n_lost"]).round().between(0, 3).all()
    moved = macro(TRAINED["mechanism"]).set_index(["method", "layer"])
    for name in METHODS:
        assert (moved.loc[[(name, layer) for layer in range(10, 14)], "en_above_random"] == 1).all()
        assert 0.28 <= round(moved.loc[(name, 10), "share_en"], 2) <= 0.33
        assert (moved.loc[[(name, layer) for layer in range(10, 18)], "loc_above_random"] < 0.95).all()
    assert f"{moved.loc[('clo', 10), 'restored']:+.3f}" == "+0.139"
    assert f"{moved.loc[('clo', 10), 'restored_en']:+.3f}" == "+0.042"


def test_the_readme_quotes_the_page() -> None:
    readme = (DOCS.parent / "README.md").read_text("utf-8")
    told = readme[readme.index("## A real model") : readme.index("## In Python")]
    numbers = re.findall(r"[-+]\d\.\d{3} \[[-+]\d\.\d{3}, [-+]\d\.\d{3}\]", told)
    assert len(numbers) == 8
    assert all(number in PAGE for number in numbers), numbers
