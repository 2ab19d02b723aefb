"""How well a linear probe reads the local answer from a model, on topics it was not fitted on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from interp.data import SPLITS, Split, Task, question_text
from interp.errors import DataError
from interp.model.read import read_residuals
from interp.names import BASE, MACRO
from interp.plane import Cells, Resampling
from interp.progress import Advance
from interp.steering import layer_grid
from interp.study.ask import Study
from probes import OptionReading, Options, read_options

SHUFFLES = 20
"""Refits on labels shuffled within items, each with its own choice of layer on dev."""

HELD_OUT: tuple[Split, ...] = ("dev", "test")

OF_TRAINED = ("probe_selectivity", "probe_embedding", "probe_gain", "probe_unasked", "probe_question_gain")
"""Metrics that are reported of the trained model alone."""


@dataclass(frozen=True)
class LocalAnswers:
    """What the probe reads of one model.

    items: one row per language and test item, with `cluster`; `probe`: 1 where the local option comes first at the
    chosen layer; `probe_control`: the share of the shuffled refits, each at its layer, where it does;
    `probe_embedding`: `probe` at the embedding output, what an option's own last token tells; `probe_unasked`: `probe`
    where no question stands before the options, at its own layer; `probe_chance`: one over the number of options.
    layers: accuracy on dev and on test per layer (-1 is the embedding output) and language, and `macro`, with the
    shuffled refits' mean on test, and that without a question. layer: the chosen block. control_layers: those of the
    refits.
    """

    items: pd.DataFrame
    layers: pd.DataFrame
    layer: int
    control_layers: tuple[int, ...]


def local_answer_steps(study: Study) -> int:
    """How many steps `read_local_answers` takes."""
    return len(SPLITS) * len(study.languages) + 1


def read_local_answers(study: Study, advance: Advance) -> LocalAnswers:
    """Fit the probe on fit, choose its layer on dev, and read the local answers of test (our definition).

    The residual is that of the last token of prompt and option, for every option that a choice is made from, centred
    over them. One probe serves all languages: a probe for one language could read the country of a name, which gives
    the answer away whatever the model makes of the question; over all languages a name is local in one and not in
    the others. The last block is left out of the choice, and so is the embedding output. Splits hold topics apart.
    Raises DataError if the fit split has no items.
    """
    plain = replace(study, config=replace(study.config, normalisation="bytes"))  # examples without letters
    tasks: dict[Split, list[Task]] = {split: [] for split in SPLITS}
    parts: dict[Split, list[np.ndarray]] = {split: [] for split in SPLITS}
    bare: dict[Split, list[np.ndarray]] = {split: [] for split in SPLITS}
    for split in SPLITS:
        for code in study.languages:
            asked = plain.cultural_tasks(code, split)
            tasks[split] += asked
            if asked:
                parts[split].append(_residuals(plain, asked))
                bare[split].append(_residuals(plain, _unasked(plain, asked)))
            advance(f"options {split} {code}")
    if not tasks["fit"]:
        raise DataError(
            f"cultural dataset {study.cultural.name!r} has no items of the fit split to read local answers from",
            remedy="raise --limit, or choose another dataset",
        )
    read = _read(tasks, parts, SHUFFLES, study.config.seed)
    unasked = _read(tasks, bare, 0, study.config.seed)
    accuracy: dict[str, np.ndarray] = {}
    for split in HELD_OUT:  # [refit, layer, language]: the probe, the one without a question, then the shuffled ones
        refits = (read[split].correct, unasked[split].correct, *read[split].shuffled)
        accuracy[split] = np.stack([_by_language(tasks[split], correct) for correct in refits])
    grid = layer_grid(study.n_layers)
    layers = [grid[int(np.argmax(dev.mean(axis=1)[[layer + 1 for layer in grid]]))] for dev in accuracy["dev"]]
    chosen, chosen_unasked, *others = layers
    shuffled = np.stack([correct[layer + 1] for correct, layer in zip(read["test"].shuffled, others, strict=True)])
    items = pd.DataFrame(
        {
            "language": [task.prompt.language for task in tasks["test"]],
            "item": [task.prompt.item for task in tasks["test"]],
            "cluster": [task.cluster for task in tasks["test"]],
            "probe": read["test"].correct[chosen + 1].astype(float),
            "probe_control": shuffled.mean(axis=0),
            "probe_embedding": read["test"].correct[0].astype(float),
            "probe_unasked": unasked["test"].correct[chosen_unasked + 1].astype(float),
            "probe_chance": [1 / len(task.marks) for task in tasks["test"]],
        }
    )
    advance("probing options")
    return LocalAnswers(items, _curve(study, accuracy), chosen, tuple(others))


def with_probe(
    table: pd.DataFrame,
    base: LocalAnswers,
    trained: Mapping[str, LocalAnswers],
    resampling: Resampling,
    members: Mapping[str, Sequence[str]],
) -> pd.DataFrame:
    """The rows of `erasure_table` with what the probe reads of base and of every model in `members`, the table's too.

    Each with _lo and _hi: probe_base, probe_trained (share of items whose local option it puts first, at each model's
    own layer), probe_lost = base - trained; of the trained model probe_control (shuffled labels), probe_selectivity =
    probe_trained - probe_control, probe_embedding and probe_gain = probe_trained - probe_embedding, probe_unasked and
    probe_question_gain = probe_trained - probe_unasked. Also probe_control_base, probe_chance, probe_layer_base and
    probe_layer_trained (the members' mean).

    Where localization falls and the probe does not, the answer is there and not reached; where both fall, it is gone,
    or no longer linear. But a probe that gains nothing on the options' own tokens, or on options without a question,
    reads what names look like, and shows neither. Raises ValueError for models read on different items.
    """
    read = {BASE: base, **trained}
    columns = ["language", "item", "cluster"]
    asked = base.items[columns].reset_index(drop=True)
    for name, answers in trained.items():
        if not asked.equals(answers.items[columns].reset_index(drop=True)):
            raise ValueError(f"{name!r} was probed on other items than {BASE!r}; pass the same datasets and languages")
    items = pd.concat([r.items.assign(method=m, axis="cultural") for m, r in read.items()], ignore_index=True)
    for name, control in (("selectivity", "control"), ("gain", "embedding"), ("question_gain", "unasked")):
        items[f"probe_{name}"] = items["probe"] - items[f"probe_{control}"]
    cells = Cells(items, resampling)
    rows = []
    for method, language in zip(table["method"], table["language"], strict=True):
        several = members[method]
        mean = {member: 1 / len(several) for member in several}
        lost = {BASE: 1.0} | {member: -share for member, share in mean.items()}
        row: dict[str, float] = {}
        for name, weights, metric in (
            ("probe_base", {BASE: 1.0}, "probe"),
            ("probe_trained", mean, "probe"),
            ("probe_lost", lost, "probe"),
            ("probe_control", mean, "probe_control"),
            ("probe_control_base", {BASE: 1.0}, "probe_control"),
            *((name, mean, name) for name in OF_TRAINED),
        ):
            interval = cells.effect(weights, language, metric).interval
            row |= {name: interval.estimate, f"{name}_lo": interval.lo, f"{name}_hi": interval.hi}
        row["probe_chance"] = cells.estimate(BASE, language, "probe_chance")
        row["probe_layer_base"] = base.layer
        row["probe_layer_trained"] = float(np.mean([read[member].layer for member in several]))
        rows.append(row)
    return pd.concat([table, pd.DataFrame(rows, index=table.index)], axis=1)


def _unasked(study: Study, tasks: Sequence[Task]) -> list[Task]:
    """The same options after a prompt without a question."""
    code = tasks[0].prompt.language
    neutral = study.template.text(question_text("", code, examples=study.examples(code)))
    return [replace(task, prompt=replace(task.prompt, text=neutral)) for task in tasks]


def _read(
    tasks: Mapping[Split, Sequence[Task]], parts: Mapping[Split, Sequence[np.ndarray]], n_shuffles: int, seed: int
) -> dict[str, OptionReading]:
    """The probe of fit on HELD_OUT, items in the order of `tasks`."""
    options = {split: _options(tasks[split], np.concatenate(parts[split], axis=1)) for split in SPLITS}
    return read_options(options["fit"], {split: options[split] for split in HELD_OUT}, n_shuffles=n_shuffles, seed=seed)


def option_texts(tasks: Sequence[Task]) -> list[str]:
    """Prompt and option, one text per option: the tokens are those that scoring reads."""
    return [task.prompt.text + ending for task in tasks for ending in task.prompt.continuations]


def _residuals(study: Study, tasks: Sequence[Task]) -> np.ndarray:
    return read_residuals(study.loaded.model, option_texts(tasks), **study.passes).numpy()


def _options(tasks: Sequence[Task], stack: np.ndarray) -> Options:
    items = np.repeat(np.arange(len(tasks)), [len(task.marks) for task in tasks])
    return Options(stack, items, np.array([mark.role == "local" for task in tasks for mark in task.marks]))


def _by_language(tasks: Sequence[Task], correct: np.ndarray) -> np.ndarray:
    """Accuracy [layer, language], languages in the order of `tasks`."""
    asked = np.array([task.prompt.language for task in tasks])
    return np.stack([correct[:, asked == code].mean(axis=1) for code in dict.fromkeys(asked.tolist())], axis=1)


def _curve(study: Study, accuracy: Mapping[str, np.ndarray]) -> pd.DataFrame:
    curves = {
        "dev": accuracy["dev"][0],
        "test": accuracy["test"][0],
        "test_unasked": accuracy["test"][1],
        "test_shuffled": accuracy["test"][2:].mean(axis=0),
    }
    with_macro = {name: np.column_stack([curve, curve.mean(axis=1)]) for name, curve in curves.items()}
    places = [(row - 1, code) for row in range(study.n_layers + 1) for code in (*study.languages, MACRO)]
    return pd.DataFrame(places, columns=["layer", "language"]).assign(
        **{name: curve.ravel() for name, curve in with_macro.items()}
    )
