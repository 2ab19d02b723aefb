"""How much a smaller search understates random LOC vectors: the same draws, searched on both grids, on test.

    python docs/examples/controls.py --languages es,ko,zh

Prints per language the median over 20 draws of the change of localization from the unsteered model, with the grid of a
run's controls (three layers, strength 1) and with that of its vectors (every block but the last, four strengths).
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np

from interp.steering.plans import Plan
from interp.study.choose import Dev, choose_control, unsaid
from interp.study.config import RunConfig
from interp.study.evaluate import choices, score_tasks
from interp.study.fit import fit_vectors, random_vectors, read_fit
from interp.study.prepare import prepare


def main(languages: tuple[str, ...]) -> None:
    """Search on dev, score on test, print a line per language."""
    small = prepare(RunConfig(languages=languages))
    layers = small.n_layers
    shares = tuple(layer / layers for layer in range(layers - 1))
    whole = replace(small.config, control_layers=shares, control_strengths=small.config.strengths)
    fit = read_fit(small)
    vectors = fit_vectors(small, fit)
    for code in small.languages:
        draws = random_vectors(small, fit, vectors, "loc", small.config.control_draws, code)
        tasks = small.cultural_tasks(code, "test")
        medians = []
        for study in (small, replace(small, config=whole)):
            cells = choose_control(study, Dev(study), draws, "cultural", code, unsaid)
            plans = [
                draw.plan(cell.layer, cell.strength, positions=study.config.positions)
                for draw, cell in zip(draws, cells, strict=True)
            ]
            scores = score_tasks(study, tasks, [Plan(), *plans])
            local = choices(tasks, scores, "local", study.config.normalisation).mean(axis=1)
            medians.append(float(np.median(local[1:] - local[0])))
        print(f"{code}: three layers, strength 1: {medians[0]:+.3f}; every layer, four strengths: {medians[1]:+.3f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--languages", default="es,ko,zh")
    main(tuple(parser.parse_args().languages.split(",")))
