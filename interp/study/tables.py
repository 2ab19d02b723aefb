"""The tables of a run: the plane and everything that is read from the scores of its stages."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from interp.names import BASE
from interp.plane import (
    Cells,
    compared_sets,
    front_table,
    localization_chance,
    macro_sentences,
    verdict_table,
    with_neither,
)
from interp.study.ask import estimated_line
from interp.study.folder import (
    Outcomes,
    draw_figures,
    questions_of,
    save_left_out,
    save_plans,
    save_vectors,
    write_csv,
)
from interp.study.locate import Located, findings
from interp.study.score import (
    compared_methods,
    contrast_table,
    control_table,
    generated_table,
    plane_table,
    with_effects,
)
from interp.study.search import (
    METHODS,
    Chosen,
    fronts,
    headroom_notes,
    recovered_table,
    smallest_effects,
    sweep_cells,
    sweep_table,
    window_table,
    with_headroom,
    write_candidates,
)
from interp.study.stages import Base
from interp.study.trained import TrainedModels, groups, means


class Tables:
    """The scores of every stage, and the tables that are made of them; trained models' are added to `outcomes`."""

    def __init__(
        self, base: Base, scores: Mapping[str, pd.DataFrame], located: Located, beside: TrainedModels, folder: Path
    ) -> None:
        self.base, self.scores, self.located, self.beside, self.folder = base, scores, located, beside, folder
        self.generated = [scores["generated"]] if "generated" in scores else []
        self.outcomes = Outcomes(base.study, folder, questions_of(base.prompts.full))
        self._draws = {name: list(dict.fromkeys(scores[name]["method"])) for name in base.controls}
        beside.checks.add_sentences(scores["sentences"])
        self._add(BASE, scores["base"])
        for method in base.chosen:
            self._add(method, scores["test"][scores["test"]["method"] == method].reset_index(drop=True))
        self._effects = [self.outcomes.parts[0]]
        if "layers" in scores:
            self._effects.append(self.outcomes.of("layers", scores["layers"]))
        for name in base.controls:
            self._add(name, scores[name])

    def _add(self, name: str, table: pd.DataFrame) -> None:
        self.outcomes.add(name, table)
        self.beside.checks.add(table)

    def write(self) -> dict[str, Any]:
        """Write every table, plan and figure; gives what the manifest says of them."""
        base, folder, config = self.base, self.folder, self.base.study.config
        save_vectors(folder, base.vectors)
        save_left_out(folder, base.study)
        self.located.write(folder)
        save_plans(folder, base.study, base.vectors, dict(base.chosen) | self._write_searched())
        if "sweep" in self.scores:
            grid, resampling = sweep_cells(base.study.design, base.chosen), base.study.resampling_of("dev")
            swept = sweep_table(self.scores["sweep"], grid, base.chosen, resampling)
            write_csv(folder / "sweep.csv", swept)
            write_csv(folder / "windows.csv", window_table(swept))
        estimated = self.scores.get("normaliser", pd.DataFrame())
        if len(estimated):
            write_csv(folder / "normaliser.csv", estimated)
        verdicts, trained_lines = self._plane()
        checks = self.beside.checks.write(folder, self._draws, means(config), list(groups(config)))
        draw_figures(folder)
        return {
            "smallest_effects": smallest_effects(base.study, base.search(METHODS), base.chosen) if base.chosen else {},
            "findings": [*findings(self.located), *trained_lines],
            "verdicts": macro_sentences(verdicts),
            "checks": checks | ({"estimated": [estimated_line(estimated)]} if len(estimated) else {}),
        }

    def _write_searched(self) -> dict[str, dict[str, Chosen]]:
        """Write every candidate; the plans on the front, where the goal is the front."""
        base = self.base
        if not base.chosen:
            return {}
        rows = base.search(METHODS)
        write_candidates(self.folder, base.study, base.methods, rows, base.chosen)
        if base.study.config.goal != "pareto" or "surgical" not in base.methods.pairs:
            return {}
        return fronts(base.study, base.methods, rows)

    def _plane(self) -> tuple[pd.DataFrame, list[str]]:
        """Write the plane and what is read from it; gives the verdicts, and what trained models say in words."""
        study, folder, draws = self.base.study, self.folder, self._draws
        config, trained = study.config, list(groups(study.config))
        scored = with_neither(pd.concat(self.outcomes.parts))
        cells = Cells(
            with_headroom(scored, self.scores["english"], config.normalisation), study.resampling, means(config)
        )
        names = {"model": study.loaded.name, "universal": study.universal.name, "cultural": study.cultural.name}
        chance = study.universal.chance, localization_chance(self.scores["base"])
        plane = plane_table(cells, draws, names, study.cultural.own_culture, chance)
        contrasts = contrast_table(cells, trained, config.seed)
        shares = recovered_table(cells, [m for m in compared_methods(self.base.chosen) if m in set(plane["method"])])
        controls = control_table(cells, draws) if draws else None
        verdicts = verdict_table(contrasts, controls, headroom_notes(shares))
        real = compared_methods(plane["method"].unique())
        written = {
            "plane": plane, "contrasts": contrasts, "recovered": shares,
            "verdicts": verdicts if len(verdicts) else None, "controls": controls,
            "fronts": front_table(cells, *compared_sets(real, trained, list(draws))),
            "layers": with_effects(self.located.layers, Cells(pd.concat(self._effects), study.resampling)),
        }  # fmt: skip
        if self.generated:
            answers = pd.concat(self.generated, ignore_index=True)
            answers.to_parquet(folder / "scores" / "generated.parquet", index=False)
            written["generated"] = generated_table(answers, pd.concat(self.outcomes.parts), study.resampling)
        for name, table in written.items():
            if table is not None:
                write_csv(folder / f"{name}.csv", table)
        self.outcomes.write_items()
        return verdicts, self.beside.write(folder, cells, contrasts) if trained else []
