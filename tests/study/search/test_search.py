"""The search against planted gains: what goes on from round to round, what is chosen, and by which design."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from interp.data import Axis
from interp.errors import ConfigError, Notice
from interp.progress import unsaid
from interp.studies.executors._waiting import Waiting
from interp.study.ask import resolve
from interp.study.config import RunConfig
from interp.study.cost import _budget as budget
from interp.study.folder import manifest_settings
from interp.study.search import (
    DESIGNS,
    PAIRS,
    Design,
    Sought,
    bounds,
    choose,
    choose_one,
    design_of,
    fronts,
    in_turn,
    read_seconds,
    spread,
    window_table,
)
from interp.study.search._choose import finalists, plans_tried
from interp.study.search._chosen import Pair
from interp.study.search._design import Round, chosen_layers
from interp.study.search._rounds import NONE, cautious, halve, standing
from interp.study.units import Unit, units_of

LANGUAGES = ("es", "ko")


@dataclass(frozen=True)
class Vectors:
    """Stand for a search's vectors: a plan is its search, language, layer and strength."""

    name: str
    code: str

    def plan(self, layer: int, strength: Any, positions: str) -> Any:
        return (self.name, self.code, layer, strength)


class Planted:
    """Dev prompts whose gain under a plan is known: `value(plan, prompt)`; counts the plans x prompts asked."""

    def __init__(self, design: Design, value: Any, prompts: int = 40) -> None:
        rule = SimpleNamespace(rank=lambda t, loc, bounded=None: np.minimum(t, loc))
        config = SimpleNamespace(positions="last", rule=rule)
        self.study: Any = SimpleNamespace(design=design, languages=LANGUAGES, config=config)
        self.value, self.prompts, self.asked = value, prompts, 0

    def tasks(self, axis: Axis, code: str) -> list[int]:
        return list(range(self.prompts))

    def gains(self, axis: Axis, code: str, plans: Any, tasks: Any, advance: Any) -> Any:
        self.asked += len(plans) * len(tasks)
        found = np.array([[self.value(plan, task) for task in tasks] for plan in plans])
        return found, np.sign(found)


def design(*rounds: Round, layers: tuple[int, ...] = (0, 1, 2, 3), refined: bool = False) -> Design:
    return replace(DESIGNS["medium"], rounds=rounds, layers=layers, strengths=("0.1r", "0.4r"), refined=refined)


def vectors(*names: str) -> dict[str, dict[str, Any]]:
    return {name: {code: Vectors(name, code) for code in LANGUAGES} for name in names}


def by_layer(plan: Any, prompt: int) -> float:
    """Best at layer 2 and strength 0.4r; every prompt says the same."""
    _, _, layer, strength = plan
    return -abs(layer - 2) + (0.5 if strength == "0.4r" else 0.0)


def swept(own: list[float], other: list[float], method: str = "en") -> pd.DataFrame:
    """A layer's row of the sweep per strength, with intervals of +-.02 around the changes."""
    axes = ("d_transfer", "d_localization") if method == "en" else ("d_localization", "d_transfer")
    rows = []
    for strength, *values in zip(("0.1r", "0.2r", "0.4r", "0.8r"), own, other, strict=True):
        row: dict[str, Any] = {"method": method, "layer": 3, "language": "es", "strength": strength, "chosen": 0}
        for axis, value in zip(axes, values, strict=True):
            row |= {axis: value, f"{axis}_lo": value - 0.02, f"{axis}_hi": value + 0.02}
        rows.append(row)
    return pd.DataFrame(rows[::-1])


@pytest.mark.parametrize("method", ["en", "loc", "loc_language"])
@pytest.mark.parametrize(
    ("own", "other", "window"),
    [
        ([0.0, 0.05, 0.06, -0.3], [0.0, 0.0, -0.01, 0.0], ("0.2r", "0.4r", "0.8r", 2)),
        ([0.03, 0.05, 0.06, 0.07], [0.0, 0.0, -0.05, 0.0], ("0.1r", "0.2r", "0.4r", 2)),
        ([0.03, 0.05, 0.06, 0.07], [0.0, 0.0, 0.0, 0.0], ("0.1r", "0.8r", None, 4)),
        ([0.0, 0.01, -0.1, -0.2], [0.0, 0.0, 0.0, 0.0], (None, None, "0.4r", 0)),
        ([0.05, 0.05, 0.05, 0.05], [-0.05, -0.05, -0.05, -0.05], (None, None, "0.1r", 0)),
    ],
)
def test_the_window_of_strengths_goes_from_the_first_gain_to_the_first_damage(
    method: str, own: list[float], other: list[float], window: tuple[Any, ...]
) -> None:
    (row,) = window_table(swept(own, other, method)).to_dict("records")
    assert tuple(row[name] for name in ("first_gain", "last_usable", "first_damage", "usable")) == window
    assert (row["method"], row["layer"], row["language"]) == (method, 3, "es")


def test_halving_chooses_what_the_whole_grid_chooses_where_prompts_agree() -> None:
    halved = design(Round(4, 4), Round(8, 2), Round(None, 1))
    whole = design(Round(None, 3))
    for name in ("en", "loc"):
        chosen = []
        for one in (halved, whole):
            dev = Planted(one, by_layer)
            rows = halve(dev, "universal", vectors(name), unsaid)  # type: ignore[arg-type]
            chosen.append(choose_one(dev.study.design, rows, name, "universal", "es").steers)
        assert chosen[0] == chosen[1] == ((name, 2, "0.4r"),)


def test_a_round_adds_prompts_and_leaves_the_worst_cells_behind() -> None:
    dev = Planted(design(Round(4, 3), Round(12, 2), Round(None, 1)), by_layer)
    rows = halve(dev, "cultural", vectors("loc"), unsaid)  # type: ignore[arg-type]
    per_round = rows.groupby("round").agg(cells=("loc", "nunique"), first=("prompt", "min"), last=("prompt", "max"))
    assert per_round["cells"].tolist() == [8, 3, 2]
    assert per_round["first"].tolist() == [0, 2, 6]
    assert per_round["last"].tolist() == [1, 5, 39]
    assert (rows["en"] == NONE).all()
    assert dev.asked == 2 * (8 * 2 + 3 * 4 + 2 * 34)
    assert bounds(dev, 2) == (6, None)  # type: ignore[arg-type]


def test_a_cell_that_only_few_prompts_prefer_is_overtaken() -> None:
    def misleading(plan: Any, prompt: int) -> float:
        return 5.0 if plan[2] == 0 and prompt < 2 else by_layer(plan, prompt)

    dev = Planted(design(Round(4, 6), Round(None, 1)), misleading)
    rows = halve(dev, "universal", vectors("en"), unsaid)  # type: ignore[arg-type]
    first = rows[rows["round"] == 0]
    assert dev.study.design.cells[standing(first, "en", "universal")[0]][0] == 0
    assert choose_one(dev.study.design, rows, "en", "universal", "es").steers == (("en", 2, "0.4r"),)


def test_of_two_cells_the_surer_one_is_taken() -> None:
    """Layer 2 has the higher mean, but on prompts that disagree; a mean less one standard error tells them apart."""

    def uncertain(plan: Any, prompt: int) -> float:
        layer = plan[2]
        return {1: 0.02, 2: 0.03 + (0.4 if prompt % 2 else -0.4)}.get(layer, -1.0)

    dev = Planted(design(Round(8, 6), Round(None, 1)), uncertain)
    rows = halve(dev, "universal", vectors("en"), unsaid)  # type: ignore[arg-type]
    assert choose_one(dev.study.design, rows, "en", "universal", "es").steers[0][1] == 1


def test_the_cautious_gain_by_hand() -> None:
    gains = {"es": [0.1, 0.3, 0.2], "ko": [0.0, 0.4]}
    rows = pd.DataFrame([{"en": 0, "language": code, "gain": one} for code, some in gains.items() for one in some])
    every = np.concatenate(list(gains.values()))
    expected = np.mean([np.mean(some) for some in gains.values()]) - every.std(ddof=1) / np.sqrt(len(every))
    assert cautious(rows, ["en"])[0] == pytest.approx(expected)
    assert cautious(rows[:1], ["en"])[0] == pytest.approx(0.1)


def test_controls_are_given_the_search_that_a_method_is_given() -> None:
    one, many = (Planted(design(Round(4, 3), Round(12, 2)), by_layer) for _ in range(2))
    halve(one, "universal", vectors("en"), unsaid)  # type: ignore[arg-type]
    draws = vectors(*(f"random_{i:02d}" for i in range(20)))
    halve(many, "universal", draws, unsaid)  # type: ignore[arg-type]
    assert many.asked == 20 * one.asked
    assert plans_tried(one.study.design, len(LANGUAGES), 20) == 20 * 2 * (8 + 3)


def test_searches_side_by_side_do_not_change_each_other() -> None:
    def own(plan: Any, prompt: int) -> float:
        return by_layer(plan, prompt) * (-1 if plan[0] == "odd" else 1) + 0.01 * ((prompt * 7) % 5)

    rounds = design(Round(6, 3), Round(None, 1))
    together = halve(Planted(rounds, own), "universal", vectors("odd", "even"), unsaid)  # type: ignore[arg-type]
    for name in ("odd", "even"):
        alone = halve(Planted(rounds, own), "universal", vectors(name), unsaid)  # type: ignore[arg-type]
        mine = together[together["search"] == name].reset_index(drop=True)
        pd.testing.assert_frame_equal(mine, alone)


def test_a_language_chooses_for_itself_only_where_the_design_refines() -> None:
    def differing(plan: Any, prompt: int) -> float:
        return -abs(plan[2] - (1 if plan[1] == "es" else 3)) + (0.6 if plan[2] == 1 else 0.0)

    for refined, layers in ((True, {"es": 1, "ko": 3}), (False, {"es": 1, "ko": 1})):
        dev = Planted(design(Round(None, 3), refined=refined), differing)
        rows = halve(dev, "universal", vectors("en"), unsaid)  # type: ignore[arg-type]
        found = {code: choose_one(dev.study.design, rows, "en", "universal", code).steers[0][1] for code in LANGUAGES}
        assert found == layers


def test_a_round_without_new_prompts_changes_nothing() -> None:
    dev = Planted(design(Round(80, 3), Round(160, 1)), by_layer, prompts=10)
    rows = halve(dev, "universal", vectors("en"), unsaid)  # type: ignore[arg-type]
    assert rows["en"].dtype == int
    assert choose_one(dev.study.design, rows, "en", "universal", "ko").steers == (("en", 2, "0.4r"),)


def row(search: str, axis: str, en: int, loc: int, gain: float, code: str = "es") -> dict[str, object]:
    return {
        "search": search, "axis": axis, "language": code, "round": 0, "en": en, "loc": loc, "prompt": 0, "gain": gain,
        "hit": gain,
    }  # fmt: skip


def test_the_target_languages_vector_is_tried_deeper_than_en_alone() -> None:
    grid = design(Round(None, 3))
    rows = pd.DataFrame(
        [row("en", "universal", cell, NONE, -abs(cell - 5)) for cell in range(8)]
        + [row("loc_language", "cultural", NONE, cell, -cell) for cell in range(8)]
    )
    pair = PAIRS["surgical_language"]
    tried = finalists(grid, pair, rows, None)
    depth = [layer for layer, _ in grid.cells]
    assert tried
    assert all(depth[loc] > depth[en] for en, loc in tried)
    assert tried[0] == (5, 6)
    plain = finalists(grid, Pair("en", "loc_language"), rows, None)
    assert len(plain) == 9
    assert plain[0] == (5, 0)


def test_the_pair_is_chosen_by_the_goal_and_the_front_has_no_pair_that_another_beats() -> None:
    dev = Planted(design(Round(None, 3)), by_layer)
    gains = {(0, 2): (0.4, 0.0), (1, 2): (0.2, 0.2), (1, 3): (0.1, 0.1), (2, 3): (0.0, 0.4)}
    rows = pd.DataFrame(
        [
            row("surgical", axis, en, loc, pair[number], code)
            for (en, loc), pair in gains.items()
            for number, axis in enumerate(("universal", "cultural"))
            for code in LANGUAGES
        ]
    )
    methods = Sought((), (), {"surgical": PAIRS["surgical"]})
    cells = dev.study.design.cells
    found = choose(dev.study, methods, rows)["surgical"]["ko"]
    assert found.steers == (("en", *cells[1]), ("loc", *cells[2]))
    assert found.gains == {"universal": 0.2, "cultural": 0.2}
    front = fronts(dev.study, methods, rows)
    assert [front[name]["es"].gains["universal"] for name in sorted(front)] == [0.0, 0.2, 0.4]


def test_few_items_have_as_many_clusters_as_they_can() -> None:
    clusters = ["a"] * 6 + ["b"] * 3 + ["c"]
    ranks = [0.9, 0.1, 0.5, 0.4, 0.3, 0.2, 0.8, 0.7, 0.6, 0.95]
    order = in_turn(clusters, ranks)
    assert sorted(order) == list(range(10))
    assert {clusters[place] for place in order[:3]} == {"a", "b", "c"}
    assert order[:3] == [1, 8, 9]
    assert [clusters[place] for place in order[3:5]] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "layers"), [("2-4", (2, 3, 4)), ("0,4,2", (0, 2, 4)), ("1-2,3-4", (1, 2, 3, 4)), ("6", (6,))]
)
def test_layers_are_read(text: str, layers: tuple[int, ...]) -> None:
    assert chosen_layers(text, 8) == layers


@pytest.mark.parametrize("text", ["7", "3-99999999999", "0-7", "4-2", "a", "-1", "1.5", "1,,2", "1-2,2-3", "5,5"])
def test_other_layers_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="layers"):
        chosen_layers(text, 8)


def test_lengths_of_time() -> None:
    assert [read_seconds(text) for text in ("90s", "30m", "1.5h")] == [90, 1800, 5400]
    for wrong in ("30", "m", "-1m", "0s", "nanm", "infh", ""):
        with pytest.raises(ConfigError, match="budget"):
            read_seconds(wrong)


def test_layers_are_spread_with_both_ends() -> None:
    assert spread(17, 6) == (0, 3, 6, 10, 13, 16)
    assert spread(5, None) == spread(5, 9) == (0, 1, 2, 3, 4)


def test_settings_stand_in_the_designs_place() -> None:
    config = RunConfig(design="small", layers="2-3", strengths=(0.5,), draws=3, attribution_items=0)
    found = design_of(config, 8)
    assert (found.cells, found.draws, found.attribution_items) == (((2, 0.5), (3, 0.5)), 3, 0)
    assert found.rounds == DESIGNS["small"].rounds
    assert design_of(RunConfig(), 18).layers == spread(17, DESIGNS["medium"].depth)


def offered(*seconds: float) -> list[Any]:
    return [
        SimpleNamespace(name=name, cost=SimpleNamespace(middle=took))
        for name, took in zip(DESIGNS, seconds, strict=True)
    ]


def test_a_budget_picks_the_largest_design_that_fits() -> None:
    every = offered(60, 240, 1200, 9000)
    inputs: Any = None
    for length, name in (("1m", "small"), ("5m", "medium"), ("30m", "large"), ("3h", "exhaustive")):
        config = RunConfig(model="other", budget=length)
        if name == "exhaustive":
            found = budget.settle(config, inputs, offered=every)
        else:
            with pytest.warns(Notice, match=f"design {name}"):
                found = budget.settle(config, inputs, offered=every)
        assert (found.design, found.budget) == (name, "")
    with pytest.raises(
        ConfigError, match="budget 30s is too small: the smallest design takes about 60 s on this machine"
    ):
        budget.settle(RunConfig(model="other", budget="30s"), inputs, offered=every)
    with pytest.warns(Notice, match="more than 10m, but no design is smaller"):
        assert budget.settle(RunConfig(model="other"), inputs, offered=offered(700, 800, 900, 1000)).design == "small"


def test_the_embedded_model_has_its_design_and_a_run_that_is_begun_keeps_its_own(tmp_path: Path) -> None:
    inputs: Any = None
    assert budget.settle(RunConfig(), inputs).design == "medium"
    config = RunConfig(model="other", out=str(tmp_path / "run"), seed=3)
    begun = tmp_path / ".run.partial"
    begun.mkdir()
    (begun / "identity.json").write_text(json.dumps({"config": manifest_settings(replace(config, design="large"))}))
    assert budget.settle(config, inputs, offered=offered(1, 2, 3, 4)).design == "large"
    with pytest.warns(Notice):
        other = budget.settle(replace(config, seed=4), inputs, offered=offered(1, 2, 3000, 4000))
    assert other.design == "medium"


def test_a_languages_unit_waits_for_its_own_runs_searches() -> None:
    settings = {"out": "runs/a"}, {"out": "runs/b"}
    search, ko = Unit(settings[0], "search:methods"), Unit(settings[0], "language:ko")
    other = Unit(settings[1], "language:es")
    waiting = Waiting([ko, search, other], retries=1)
    assert waiting.take(0) == search
    assert waiting.take(1) == other
    waiting.over(other)
    assert waiting.take(1) is None
    assert waiting.again(0, search)  # its worker died: the search is still to be done
    assert waiting.take(1) == search
    assert waiting.take(0) is None
    waiting.over(search)
    assert waiting.take(0) == ko
    assert waiting.waited["runs/a"] >= 0
    with pytest.warns(Notice, match="runs/a: workers were idle for"):
        waiting.tell()


def test_units_are_those_of_the_design() -> None:
    names = [unit.name for unit in units_of(RunConfig(languages=("el",), design="small"))]
    assert names == ["search:methods", "search:random", "locate", "language:el"]
    config = RunConfig(languages=("el",), design="small", methods=("base", "mine=organism"))
    assert [unit.name for unit in units_of(config, resolve(config))] == ["locate", "language:el"]
