"""Erased or inaccessible: the localization that a trained model lost against its base, and what restores it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from interp.names import BASE, MACRO
from interp.plane import Cells, Effect
from probes import cluster_interval, holm, joint_intervals, ratio_draws

LOC, WRONG = "loc", "wrong_culture"
SHARES = ("returned", "returned_wrong", "returned_over_wrong", "returned_cue", "gained")
"""Columns about single (item, language) pairs."""


def erasure_table(cells: Cells, trained: Mapping[str, Sequence[str]], seed: int) -> pd.DataFrame:
    """One row per trained method and language (and `macro`). Columns except counts and p-values have _lo and _hi (95%).

    `cells` holds outcomes of `base` and of every member m of `trained` (a method's name -> one model, or its seeds);
    also of `loc`, `wrong_culture`, m+loc and m+wrong_culture: columns of what is lacking, or not scored in a language,
    are NaN there. L is localization; values are means over members, paired with base by cluster; `macro` is the mean
    over languages, but over all pairs in what goes pair by pair.

    - localization_base, localization_trained: L(base), L(m).
    - erasure = L(base) - L(m), with sign-flip erasure_p, and erasure_p_holm over the methods in a language.
    - knowledge_lost, preference_lost: base - m of explicit localization, and of the log-odds of local over reference
      answer. Erasure without a loss of knowledge: the answer is there when the cue asks for it.
    - recovered = L(m+loc) - L(m), recovered_base = L(base+loc) - L(base), and recoverable = recovered -
      recovered_base, with recoverable_p: what LOC gives back beyond what it gives a model that lost nothing.
      erasure_joint_lo, ..., recoverable_joint_hi: intervals that hold both numbers at once.
    - recovered_wrong, recovered_base_wrong, recoverable_wrong: the same of another culture's LOC;
      recoverable_over_wrong = recoverable - recoverable_wrong: what only the own culture's LOC gives back.
    - Of the (item, language) pairs that base got right and m wrong (n_lost of them, over all members): returned, the
      share that m+loc gets right; returned_wrong, that m+wrong_culture does (any push returns some of the pairs near
      the border), and returned_over_wrong, the first minus the second; returned_cue, that m gets right with the
      explicit cue: these were not forgotten. gained: of the pairs that both got wrong (n_never), the share that m+loc
      gets right: how often LOC turns an answer that was never there. NaN if there are no such pairs, and bounds are
      NaN if they lie in one cluster. Where options tie, a pair is right by a share; ties are then broken by one coin
      per pair, the same for every model, so that models with the same answers never differ, and counts are fractions.

    Raises ValueError for a model that `cells` lacks, or a method scored on other items of a language than base.
    """
    _check(cells, trained)
    pairs = _pairs(cells, [member for members in trained.values() for member in members])
    rows = []
    for method, members in trained.items():
        for language in (*cells.languages, MACRO):
            row: dict[str, object] = {"method": method, "language": language, "n_members": len(members)}
            row |= _losses(cells, members, language, seed)
            row |= _recoveries(cells, members, language, seed)
            row |= _returns(pairs, members, language)
            rows.append(row)
    table = pd.DataFrame(rows)
    for _, group in table[table["erasure_p"].notna()].groupby("language", sort=False):
        table.loc[group.index, "erasure_p_holm"] = holm(group["erasure_p"].to_numpy(dtype=float))
    return table


def _check(cells: Cells, trained: Mapping[str, Sequence[str]]) -> None:
    empty = [name for name, members in trained.items() if not members]
    if not trained or empty:
        raise ValueError(f"trained must map each method to one or more members, got {dict(trained)}")
    members = [member for several in trained.values() for member in several]
    lacking = [name for name in (BASE, *members) if name not in cells.methods]
    if lacking:
        raise ValueError(f"the outcomes lack the methods {lacking}; they have {cells.methods}")
    measured = cells.by_item("localization").notna()
    plans = [f"{model}{plan}" for model in ("", *(f"{member}+" for member in members)) for plan in (LOC, WRONG)]
    for _, items in measured.groupby(level="language"):
        for name in (*members, *(plan for plan in plans if plan in measured and items[plan].any())):
            if not items[name].equals(items[BASE]):
                raise ValueError(f"{name!r} was scored on other cultural items than {BASE!r}, so they can't be paired")


def _mean(members: Sequence[str], sign: float = 1.0, plus: str = "") -> dict[str, float]:
    """Weights of the mean over members, each under a plan."""
    return {member + plus: sign / len(members) for member in members}


def _gain(members: Sequence[str], plan: str) -> dict[str, float]:
    return _mean(members, plus=f"+{plan}") | _mean(members, -1.0)


def _losses(cells: Cells, members: Sequence[str], language: str, seed: int) -> dict[str, object]:
    lost = {BASE: 1.0} | _mean(members, -1.0)
    erasure = cells.effect(lost, language, "localization")
    return (
        _bounded("localization_base", cells.effect({BASE: 1.0}, language, "localization"))
        | _bounded("localization_trained", cells.effect(_mean(members), language, "localization"))
        | _bounded("erasure", erasure)
        | {"erasure_p": erasure.p_value(seed), "erasure_p_holm": np.nan}
        | _bounded("knowledge_lost", cells.effect(lost, language, "explicit_localization"))
        | _bounded("preference_lost", cells.effect(lost, language, "preference"))
    )


def _recoveries(cells: Cells, members: Sequence[str], language: str, seed: int) -> dict[str, object]:
    row: dict[str, object] = {}
    beyond: dict[str, dict[str, float]] = {}
    for plan, suffix in ((LOC, ""), (WRONG, "_wrong")):
        gain, of_base = _gain(members, plan), {plan: 1.0, BASE: -1.0}
        beyond[plan] = gain | {name: -weight for name, weight in of_base.items()}
        row |= _bounded(f"recovered{suffix}", cells.effect(gain, language, "localization"))
        row |= _bounded(f"recovered_base{suffix}", cells.effect(of_base, language, "localization"))
        row |= _bounded(f"recoverable{suffix}", cells.effect(beyond[plan], language, "localization"))
    erasure = cells.effect({BASE: 1.0} | _mean(members, -1.0), language, "localization")
    recoverable = cells.effect(beyond[LOC], language, "localization")
    over_wrong = {
        name: beyond[LOC].get(name, 0.0) - beyond[WRONG].get(name, 0.0)
        for name in dict.fromkeys((*beyond[LOC], *beyond[WRONG]))
    }
    joint = _joint(erasure, recoverable)
    return row | {
        "recoverable_p": recoverable.p_value(seed),
        **joint,
        **_bounded("recoverable_over_wrong", cells.effect(over_wrong, language, "localization")),
    }


def _joint(erasure: Effect, recoverable: Effect) -> dict[str, object]:
    names = ("erasure_joint_lo", "erasure_joint_hi", "recoverable_joint_lo", "recoverable_joint_hi")
    estimate = np.array([erasure.estimate, recoverable.estimate])
    if np.isnan(estimate).any():
        return dict.fromkeys(names, np.nan)
    draws = np.stack([erasure.draws, recoverable.draws], axis=1)
    # A draw without any item of a language says nothing about it.
    n_clusters = np.array([len(erasure.contributions), len(recoverable.contributions)])
    band = joint_intervals(estimate, np.where(np.isnan(draws), estimate, draws), n_clusters)
    return dict(zip(names, np.stack([band.lo, band.hi], axis=1).ravel().tolist(), strict=True))


def _pairs(cells: Cells, members: Sequence[str]) -> Cells:
    """Per member and (item, language) pair: `lost` and `never`, the parts of a pair that are so (0 or 1 without ties).

    Each of SHARES is the part of them that is right, and `of_` it the part that it is a share of, both NaN if that
    was not scored. A pair is right where its coin, uniform between 0 and 1, lies below its share of right choices.
    """
    implicit = cells.by_item("localization")
    explicit = cells.by_item("explicit_localization").reindex(implicit.index)
    missing = pd.Series(np.nan, index=implicit.index)
    parts = []
    for member in members:
        before, after = implicit[BASE], implicit[member]
        either = np.maximum(before, after)
        lost, never = either - after, 1.0 - either
        steered, wrong = (implicit.get(f"{member}+{plan}", missing) for plan in (LOC, WRONG))
        returned, returned_wrong, returned_cue = (
            np.minimum(np.maximum(right, after), either) - after for right in (steered, wrong, explicit[member])
        )
        values = {
            "returned": (returned, lost),
            "returned_wrong": (returned_wrong, lost),
            "returned_over_wrong": (returned - returned_wrong, lost),
            "returned_cue": (returned_cue, lost),
            "gained": (np.maximum(steered, either) - either, never),
        }
        columns = {"method": member, "lost": lost, "never": never}
        for share, (part, whole) in values.items():
            columns |= {share: part, f"of_{share}": whole.where(part.notna())}
        parts.append(pd.DataFrame(columns).reset_index())
    return Cells(pd.concat(parts, ignore_index=True), cells.resampling)


def _returns(pairs: Cells, members: Sequence[str], language: str) -> dict[str, object]:
    row: dict[str, object] = {}
    codes = pairs.languages if language == MACRO else [language]
    for share in SHARES:
        sums, counts = (
            np.array([sum(pairs.sums(member, code, column)[0] for code in codes) for member in members])
            for column in (share, f"of_{share}")
        )
        total = counts.sum(axis=1)
        values = np.divide(sums.sum(axis=1), total, out=np.full(len(members), np.nan), where=total > 0)
        draws = ratio_draws(sums.T, counts.T, pairs.resampling.weights)
        filled = int((counts.sum(axis=0) > 0).sum())
        lo, hi = cluster_interval(_mean_of_known(draws), filled)
        row |= {share: float(_mean_of_known(values)), f"{share}_lo": float(lo), f"{share}_hi": float(hi)}
    for count, column in (("n_lost", "lost"), ("n_never", "never")):
        row[count] = float(sum(pairs.sums(member, code, column)[0].sum() for member in members for code in codes))
    return row


def _mean_of_known(values: Float[np.ndarray, "*draws member"]) -> Float[np.ndarray, "*draws"]:
    """Mean over the members that have a value; NaN if none has."""
    known = ~np.isnan(values)
    total = np.where(known, values, 0.0).sum(axis=-1)
    return np.asarray(np.divide(total, known.sum(axis=-1), out=np.full(total.shape, np.nan), where=known.any(axis=-1)))


def _bounded(name: str, effect: Effect) -> dict[str, object]:
    found = effect.interval
    return {name: found.estimate, f"{name}_lo": found.lo, f"{name}_hi": found.hi}
