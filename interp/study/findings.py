"""What was located, in plain words: what was found, how sure it is, and what does not beat its control."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from interp.rows import BASE, MACRO
from interp.study.locate import Located
from probes.onsets import Onset
from probes.separation import Separation

_PROBES = {
    "universal": "whether a question is universal or cultural (relations held out)",
    "language": "which language is asked in",
    "culture": "the own culture of an uncued question (trained on cues in other languages)",
    "answer": "the answer, trained in English and asked in another language",
}


def findings(located: Located) -> list[str]:
    """Sentences about all languages together."""
    known = set(located.probes["probe"])
    lines = [_probe(located.probes, name, told) for name, told in _PROBES.items() if name in known]
    if MACRO in located.separations:
        lines += _separation(located.separations[MACRO])
        row = located.onsets.set_index("language").loc[MACRO]
        loc = "no layer (the culture probe exceeds its control nowhere)"
        if not pd.isna(row["layer_loc"]):
            sure = located.separations[MACRO].cultural.layer is not None
            loc = f"layer {row['layer_loc']:.0f}" + (
                "" if sure else " (a guess: that probe does no better than chance)"
            )
        lines.append(
            f"Before any search one would steer EN at layer {row['layer_en']:.0f} and LOC at {loc}; "
            f"the intersection rule (arXiv 2605.23036) says {row['dfki_layer']:.0f} for both."
        )
    else:
        lines.append("Onsets are left out: too few items share an answer for the answer probe (raise --limit).")
    lines += _directions(located.directions)
    lines += _attribution(located.attribution)
    return lines


def trained_lines(contrasts: pd.DataFrame, trained: Sequence[str]) -> list[str]:
    """What each trained method does to transfer and to localization, over all languages."""
    rows = contrasts[(contrasts["language"] == MACRO) & (contrasts["against"] == BASE)]
    lines = []
    for name in trained:
        told = []
        for metric in ("transfer", "localization"):
            row = rows[(rows["method"] == name) & (rows["metric"] == metric)]
            value, lo, hi = row[["estimate", "lo", "hi"]].to_numpy(dtype=float)[0]
            verdict = "raises" if lo > 0 else "lowers" if hi < 0 else "does not move"
            adjusted = _p(float(row["p_holm"].iloc[0]))
            told.append(f"{verdict} {metric} ({value:+.3f} [{lo:+.3f}, {hi:+.3f}], adjusted {adjusted})")
        lines.append(f"{name} {' and '.join(told)}.")
    return lines


def _probe(probes: pd.DataFrame, name: str, told: str) -> str:
    rows = probes[(probes["probe"] == name) & (probes["layer"] >= 0)]
    columns = ["accuracy", "accuracy_lo", "accuracy_hi", "shuffled", "baseline", "selectivity"]
    means = rows.groupby("layer")[columns].mean()
    based = means["baseline"].notna().any()
    row = means.reset_index().sort_values("selectivity" if based else "accuracy", kind="stable").iloc[-1]
    control = f"on universal questions {row['baseline']:.2f}" if based else f"shuffled labels {row['shuffled']:.2f}"
    beaten = rows.groupby("layer")["beats_control"].mean()
    sure = int((beaten > 0.5).sum())
    text = (
        f"A linear probe reads {told} best at layer {row['layer']:.0f}: accuracy {row['accuracy']:.2f} "
        f"[{row['accuracy_lo']:.2f}, {row['accuracy_hi']:.2f}], {control}. "
    )
    if not sure:
        return text + "The probe does no better than its control in most languages, so it is not evidence of anything."
    where = "every layer" if sure == len(beaten) else f"{sure} of {len(beaten)} layers"
    return text + f"It beats its controls at {where} in most languages."


def _separation(found: Separation) -> list[str]:
    lines = [
        f"Universal onset: {_onset(found.universal)} (answers read across languages, and parallel questions aligned).",
        f"Cultural onset: {_onset(found.cultural)} (cued cultures read from uncued questions).",
    ]
    d = found.difference
    lines.append(
        {
            "separate": f"They separate: culture sets in {abs(d.estimate):.0f} layers "
            f"{'later' if d.estimate > 0 else 'earlier'} [{d.lo:.0f}, {d.hi:.0f}].",
            "no separation": f"No separation is found: cultural minus universal onset is {d.estimate:.0f} "
            f"[{d.lo:.0f}, {d.hi:.0f}] layers, and that holds 0.",
            "no onset": "No separation can be told: a signal does not exceed its control anywhere.",
        }[found.verdict]
    )
    return lines


def _onset(onset: Onset) -> str:
    if onset.layer is None:
        return f"not found, {_p(onset.p)}"
    firm = "at no layer" if onset.firm is None else f"from {_layer(onset.firm)} on"
    return f"{_layer(onset.layer)} [{onset.lo}, {onset.hi}], {_p(onset.p)}, bands above the control {firm}"


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p {p:.3f}"


def _layer(number: int) -> str:
    return "the embeddings" if number < 0 else f"layer {number}"


def _directions(directions: pd.DataFrame) -> list[str]:
    rows = directions[directions["language"] != MACRO].dropna(subset="cosine")
    if rows.empty:
        return []
    means = rows.groupby("layer")[["cosine", "cosine_lo", "cosine_hi", "cosine_null_lo", "cosine_null_hi"]].mean()
    middle = means.index[len(means) // 2]
    at = means.loc[middle]
    inside = ((means["cosine"] >= means["cosine_null_lo"]) & (means["cosine"] <= means["cosine_null_hi"])).sum()
    lines = [
        f"cos(EN, LOC) at layer {middle}: {at['cosine']:+.2f} [{at['cosine_lo']:+.2f}, {at['cosine_hi']:+.2f}]; random "
        f"directions of the same covariance lie within [{at['cosine_null_lo']:+.2f}, {at['cosine_null_hi']:+.2f}]. "
        f"At {inside} of {len(means)} layers EN and LOC are as orthogonal as chance."
    ]
    angles = directions[(directions["language"] == MACRO)].set_index("layer")
    if "angle_1" in angles and middle in angles.index and not pd.isna(angles.loc[middle, "angle_1"]):
        row = angles.loc[middle]
        lines.append(
            f"The spans of all EN and of all LOC vectors come as close as {row['angle_1']:.0f} degrees "
            f"[{row['angle_1_lo']:.0f}, {row['angle_1_hi']:.0f}] there; random spans {row['angle_1_null_lo']:.0f} "
            f"to {row['angle_1_null_hi']:.0f}."
        )
    return lines


def _attribution(attribution: pd.DataFrame) -> list[str]:
    lines: list[str] = []
    if attribution.empty:
        return lines
    for kind, contrast, components, told in (
        ("direct", "right - wrong", ("attention", "mlp"), "The difference of right and default is written most by"),
        ("direct", "local - reference", ("attention", "mlp"), "The difference of local and US is written most by"),
        ("cue", "local - reference", ("head",), "The cue is carried most by"),
    ):
        rows = attribution[
            (attribution["kind"] == kind)
            & (attribution["contrast"] == contrast)
            & attribution["component"].isin(components)
        ]
        if rows.empty:
            continue
        means = rows.groupby(["layer", "component", "head"], dropna=False, as_index=False)[
            ["estimate", "lo", "hi", "control"]
        ].mean()
        row = means.sort_values("estimate", kind="stable").iloc[-1]
        layer, component, head = row["layer"], row["component"], row["head"]
        part = f"head {head} of block {layer}" if component == "head" else f"the {component} of block {layer}"
        own = " (not above its control)" if row["lo"] <= max(0.0, row["control"]) else ""
        lines.append(
            f"{told} {part}: {row['estimate']:+.2f} [{row['lo']:+.2f}, {row['hi']:+.2f}] logits, control "
            f"{row['control']:+.2f}{own}."
        )
    return lines
