"""What was located, in plain words: what was found, how sure it is, and what does not beat its control."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from figures import difference, direction, estimate, named_p, number, other_way, p_equals
from interp.names import BASE, MACRO
from interp.study.locate._locate import Located
from probes import Onset, Separation, resample

_PROBES = {
    "universal": "whether a question is universal or cultural (relations held out)",
    "language": "the language of the question",
    "culture": "the language's own culture from an uncued question (trained on cued questions in other languages)",
    "answer": "the answer (trained in English, tested in another language)",
}

_CUES = {"none": "without a cue", "explicit": "with the cue"}


def findings(located: Located) -> list[str]:
    """Sentences about all languages together."""
    trained = set(located.probes["probe"])
    lines = [_probe(located.probes, name, label) for name, label in _PROBES.items() if name in trained]
    if MACRO in located.separations:
        separation = located.separations[MACRO]
        lines += _separation(separation)
        row = located.onsets.set_index("language").loc[MACRO]
        loc = "no layer (the culture probe exceeds its control at no layer)"
        if not pd.isna(row["layer_loc"]):
            loc = f"layer {row['layer_loc']:.0f}"
            loc += (
                ""
                if separation.cultural.layer is not None
                else " (unreliable, because that probe does no better than chance)"
            )
        lines.append(
            "Judged by the probes alone, before any search, EN would be steered at layer "
            f"{row['layer_en']:.0f} and LOC at {loc}; "
            f"the intersection rule (arXiv 2605.23036) says {row['dfki_layer']:.0f} for both."
        )
    else:
        lines.append(
            "Onsets are not reported: too few items share an answer to train the answer probe (raise --limit)."
        )
    return [*lines, *_directions(located.directions), *_attribution(located.attribution), *_lens(located.lens)]


def _lens(lens: pd.DataFrame) -> list[str]:
    """From which layer on the local option leads the US one, without a cue and with it, over all languages."""
    return (
        [_leads(rows, label) for cue, label in _CUES.items() if len(rows := lens[lens["cue"] == cue])]
        if len(lens)
        else []
    )


def _leads(lens: pd.DataFrame, label: str) -> str:
    rows = lens[lens["language"] == MACRO].sort_values("layer", ascending=False)
    clear = (rows["lead_lo"] > 0).cummin()
    last = rows.to_dict("records")[0]
    at_last = lens[lens["layer"] == last["layer"]].to_dict("records")
    leads = "does not clearly lead the US answer at the last layer"
    if clear.any():
        leads = f"leads the US answer from {_layer(int(rows['layer'][clear].min()))} on"
    size = number(last, "lead", signed=True) + other_way(last["lead"], at_last, "lead")
    return (
        f"Read by the logit lens (first tokens of the options) {label}, the local answer {leads}; "
        f"after the last layer it leads in {size} more of the prompts."
    )


def trained_lines(contrasts: pd.DataFrame, trained: Sequence[str]) -> list[str]:
    """What each trained method does to transfer and to localization, over all languages."""
    against_base = contrasts[contrasts["against"] == BASE]
    lines = []
    for name in trained:
        effects = []
        for metric in ("transfer", "localization"):
            rows = against_base[(against_base["method"] == name) & (against_base["metric"] == metric)]
            row = rows[rows["language"] == MACRO].to_dict("records")[0]
            verb = {1: "raises", -1: "lowers", 0: "does not clearly change"}[direction(row)]
            against = other_way(row["estimate"], rows.to_dict("records"), "estimate")
            effects.append(f"{verb} {metric} ({difference(row)}, {named_p(row)}{against})")
        lines.append(f"On average over the languages, {name} {' and '.join(effects)}.")
    return lines


def _probe(probes: pd.DataFrame, name: str, label: str) -> str:
    rows = probes[(probes["probe"] == name) & (probes["layer"] >= 0)].dropna(subset="accuracy")
    if rows.empty:
        return f"It was not measured how well a linear probe reads {label}."
    columns = ["accuracy", "accuracy_lo", "accuracy_hi", "shuffled", "baseline", "selectivity"]
    means = rows.groupby("layer")[columns].mean()
    based = means["baseline"].notna().any()
    row = means.reset_index().sort_values("selectivity" if based else "accuracy", kind="stable").iloc[-1]
    baseline = "on universal questions" if based else "shuffled labels"
    control = f"{baseline} {estimate(row['baseline' if based else 'shuffled'], digits=2)}"
    beaten = rows.groupby("layer")["beats_control"].mean() > 0.5
    text = (
        f"A linear probe reads {label} best at layer {row['layer']:.0f}: accuracy "
        f"{estimate(row['accuracy'], row['accuracy_lo'], row['accuracy_hi'], digits=2)}, {control}. "
    )
    if not beaten.any():
        return text + "In most languages the probe does no better than its control, so it gives no evidence."
    where = "every layer" if beaten.all() else f"{beaten.sum()} of {len(beaten)} layers"
    return text + f"It beats its controls at {where} in most languages."


def _separation(separation: Separation) -> list[str]:
    d, universal, cultural = separation.difference, _onset(separation.universal), _onset(separation.cultural)
    verdicts = {
        "separate": f"They separate: the cultural onset comes {abs(d.estimate):.0f} layers "
        f"{'later' if d.estimate > 0 else 'earlier'} [{d.lo:.0f}, {d.hi:.0f}].",
        "no separation": f"No separation was found: the cultural onset minus the universal onset is {d.estimate:.0f} "
        f"[{d.lo:.0f}, {d.hi:.0f}] layers, an interval that includes 0.",
        "no onset": "No separation can be measured: at least one signal exceeds its control at no layer.",
    }
    return [
        f"Universal onset: {universal} (the first layer from which answers are readable across languages and "
        "parallel questions are aligned).",
        f"Cultural onset: {cultural} (the first layer from which a probe trained on cued questions reads the culture "
        "from uncued ones).",
        verdicts[separation.verdict],
    ]


def _onset(onset: Onset) -> str:
    if onset.layer is None:
        return f"not found, {p_equals(onset.p)}"
    firm = "at no layer" if onset.firm is None else f"from {_layer(onset.firm)} on"
    return f"{_layer(onset.layer)} [{onset.lo}, {onset.hi}], {p_equals(onset.p)}, bands above the control {firm}"


def _layer(number: int) -> str:
    return "the embeddings" if number < 0 else f"layer {number}"


def _directions(directions: pd.DataFrame) -> list[str]:
    rows = directions[directions["language"] != MACRO].dropna(subset="cosine")
    if rows.empty:
        return []
    means = rows.groupby("layer")[["cosine", "cosine_lo", "cosine_hi", "cosine_null_lo", "cosine_null_hi"]].mean()
    middle = means.index[len(means) // 2]
    at = means.loc[middle]
    against = other_way(at["cosine"], rows[rows["layer"] == middle].to_dict("records"), "cosine", digits=2)
    inside = ((means["cosine"] >= means["cosine_null_lo"]) & (means["cosine"] <= means["cosine_null_hi"])).sum()
    lines = [
        f"cos(EN, LOC) at layer {middle}: {number(at, 'cosine', signed=True, digits=2)}{against}; random directions of "
        f"the same covariance lie within [{at['cosine_null_lo']:+.2f}, {at['cosine_null_hi']:+.2f}]. "
        f"At {inside} of {len(means)} layers the cosine lies within the range of random directions."
    ]
    angles = directions[(directions["language"] == MACRO)].set_index("layer")
    if "angle_1" in angles and middle in angles.index and not pd.isna(angles.loc[middle, "angle_1"]):
        row = angles.loc[middle]
        lines.append(
            "There, the smallest angle between the spans of all EN and of all LOC vectors is "
            f"{row['angle_1']:.0f} degrees "
            f"[{row['angle_1_lo']:.0f}, {row['angle_1_hi']:.0f}]; for random spans it is {row['angle_1_null_lo']:.0f} "
            f"to {row['angle_1_null_hi']:.0f}."
        )
    return lines


def _attribution(attribution: pd.DataFrame) -> list[str]:
    lines: list[str] = []
    if attribution.empty:
        return lines
    blocks = ("attention", "mlp")
    for kind, contrast, components, verb in (
        ("direct", "right - wrong", blocks, "contributes most to the right answer's lead"),
        ("direct", "local - reference", blocks, "contributes most to the local answer's lead over the US"),
        ("cue", "local - reference", ("head",), "carries most of the cue's effect"),
    ):
        asked = (attribution["kind"] == kind) & (attribution["contrast"] == contrast)
        rows = attribution[asked & attribution["component"].isin(components)].dropna(subset="estimate")
        if rows.empty:
            continue
        places = rows.groupby(["layer", "component", "head"], dropna=False, as_index=False)
        means = places[["estimate", "lo", "hi", "control"]].mean()
        row = means.sort_values("estimate", kind="stable").to_dict("records")[-1]
        layer, component, head = row["layer"], row["component"], row["head"]
        part = f"Head {int(float(head))}" if component == "head" else "The MLP" if component == "mlp" else "Attention"
        weak = " (not above its control)" if row["lo"] <= max(0.0, row["control"]) else ""
        same = rows[(rows["layer"] == layer) & (rows["component"] == component)]
        same = same[same["head"] == head] if component == "head" else same
        against = other_way(row["estimate"], same.to_dict("records"), "estimate", digits=2)
        lines.append(
            f"{part} of block {layer} {verb}: {number(row, 'estimate', signed=True, digits=2)} logits, control "
            f"{estimate(row['control'], signed=True, digits=2)}{weak}{against}."
        )
    return lines


COLUMNS = (
    "model", "language", "signal", "layer", "base", "trained", "difference", "difference_lo", "difference_hi",
)  # fmt: skip


def signal_table(base: Located, trained: Mapping[str, Located], n_draws: int, seed: int) -> pd.DataFrame:
    """Mean excess over its control of each onset signal, per model, language (and `macro`) and layer; -1: embeddings.

    Signals: `answer` (probe trained in English, asked in the language), `alignment` (cosine margin of parallel
    universal prompts), `culture` (cued-culture probe, against universal prompts).
    difference: trained minus base on the same test prompts, with a band that holds all layers at once (max-t).
    """
    tables = []
    for name, located in trained.items():
        for language, signals in base.signals.items():
            for signal, before in signals.items():
                after = located.signals[language][signal]
                moved = [now.minus(was) for now, was in zip(after, before, strict=True)]
                band = resample({signal: moved}, n_draws, seed)[signal].band(0.95)
                base_excess, excess = (np.mean([each.excess for each in own], axis=0) for own in (before, after))
                columns = {
                    "layer": np.arange(len(excess)) - 1, "base": base_excess, "trained": excess,
                    "difference": band.estimate, "difference_lo": band.lo, "difference_hi": band.hi,
                }  # fmt: skip
                tables.append(pd.DataFrame(columns).assign(model=name, language=language, signal=signal))
    return (pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()).reindex(columns=list(COLUMNS))


def onset_comparison(models: Mapping[str, Located]) -> pd.DataFrame:
    """The rows of each model's `onsets.csv`, the model's name in front."""
    tables = {name: located.onsets for name, located in models.items()}
    return pd.concat(tables, names=["model"]).reset_index("model").reset_index(drop=True)


def comparison_lines(table: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """One sentence per model: where its signals, over all languages, differ from base's most."""
    lines = []
    for name in names:
        own = table[table["model"] == name].dropna(subset="difference")
        changes = []
        for signal, rows in own[own["language"] == MACRO].groupby("signal", sort=False):
            most = rows.to_dict("records")[int(rows["difference"].abs().to_numpy().argmax())]
            sure = (rows["difference_lo"] > 0) | (rows["difference_hi"] < 0)
            same = own[(own["signal"] == signal) & (own["layer"] == most["layer"])]
            against = other_way(most["difference"], same.to_dict("records"), "difference", digits=2)
            change = number(most, "difference", signed=True, digits=2)
            changes.append(
                f"{signal} {change} at layer {most['layer']:.0f} "
                f"(differs at {sure.sum()} of {len(rows)} layers{against})"
            )
        if changes:
            lines.append(f"Excess of each signal in {name} minus base, where they differ most: {'; '.join(changes)}.")
    return lines
