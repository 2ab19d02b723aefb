"""What steering does to the model's language: likelihood of parallel sentences that no vector was fitted on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
from jaxtyping import Float

from figures import number
from interp.data import Prompt, unit
from interp.errors import ModelError
from interp.model.read import Tokens
from interp.names import BASE, MACRO
from interp.plane import Effect
from interp.progress import Advance
from interp.steering import Plan
from interp.study.ask import Study, score_prompts
from interp.study.score._report import interval_columns
from interp.study.score._testing import Plans
from probes import Interval, cluster_weights, ratio_draws

COLUMNS = ("method", "language", "sentence", "logp", "tokens", "bytes")
UNITS = ("token", "byte")


def sentence_prompts(study: Study, code: str, tokens: Tokens | None = None) -> dict[int, Prompt]:
    """Number in the parallel set -> a test sentence as the continuation of an empty prompt, without any template.

    At most `damage_sentences`, the same in every language, drawn by hash. tokens: with them, sentences that the model
    can't be scored on are left out: longer ones than its context, and all where no token can stand in front of them.
    Empty where the set has no test sentence in the language.
    """
    parallel = study.parallel
    test = [number for number, split in enumerate(parallel.splits) if split == "test"]
    drawn = sorted(test, key=lambda number: unit("damage", parallel.name, str(number)))[: study.design.damage_sentences]
    return {
        number: Prompt(f"sentence {number + 1}", code, "", (parallel.sentences[number][code],))
        for number in sorted(drawn)
        if code in parallel.sentences[number] and (tokens is None or _fits(parallel.sentences[number][code], tokens))
    }


def _fits(sentence: str, tokens: Tokens) -> bool:
    try:
        tokens.split("", (sentence,))
    except ModelError:
        return False
    return True


def score_sentences(study: Study, plans: Plans, advance: Advance) -> pd.DataFrame:
    """`score_sentences_in` of all languages, below each other."""
    parts = [score_sentences_in(study, plans, code, advance) for code in study.languages]
    return pd.concat(parts, ignore_index=True)


def score_sentences_in(study: Study, plans: Plans, code: str, advance: Advance) -> pd.DataFrame:
    """One row per method, base first, and sentence: log-likelihood in nats, length in tokens and in UTF-8 bytes.

    The first token is predicted from BOS, or from EOS where the tokenizer has no BOS. Columns: COLUMNS; no rows where
    there is no sentence.
    """

    def make() -> pd.DataFrame:
        prompts = sentence_prompts(study, code, study.tokens)
        if not prompts:
            return pd.DataFrame(columns=list(COLUMNS))
        own = [Plan(), *(by_language[code] for by_language in plans.values())]
        scores = score_prompts(study, list(prompts.values()), own, partial(advance, f"sentences {code}"))
        lengths = {"sentence": list(prompts), "tokens": scores.tokens, "bytes": scores.bytes}
        tables = [
            pd.DataFrame({"method": method, "language": code, "logp": logp, **lengths})
            for method, logp in zip((BASE, *plans), scores.logp, strict=True)
        ]
        return pd.concat(tables, ignore_index=True)[list(COLUMNS)]

    return study.parts.frame(f"sentences/{code}", make)


class Surprise:
    """Negative log-likelihood per token and per byte; languages and methods share the draws of sentences."""

    def __init__(self, scores: pd.DataFrame, means: Mapping[str, Sequence[str]], n_draws: int, seed: int) -> None:
        self._means = means
        self.methods = [*dict.fromkeys(scores["method"]), *means]
        self.languages = list(dict.fromkeys(scores["language"]))
        numbers = sorted(scores["sentence"].unique())
        self._weights = cluster_weights(len(numbers), n_draws, seed)
        self._sums: dict[tuple[str, str], dict[str, np.ndarray]] = {}
        for (method, code), rows in scores.groupby(["method", "language"], sort=False):
            sums = rows.set_index("sentence")[["logp", "tokens", "bytes"]].reindex(numbers, fill_value=0)
            self._sums[str(method), str(code)] = {str(name): sums[name].to_numpy(dtype=float) for name in sums}

    def _codes(self, language: str) -> list[str]:
        return self.languages if language == MACRO else [language]

    def count(self, language: str) -> int:
        """Sentences of a language, of all of them for `macro`."""
        return sum(int((self._sums[BASE, code]["tokens"] > 0).sum()) for code in self._codes(language))

    def interval(self, method: str, language: str, per: str, minus: str | None = None) -> Interval:
        """Mean over languages for `macro`; optionally minus that of another method, by the same draws."""
        value, draws = self._mean(method, language, per)
        if minus is not None:
            other, other_draws = self._mean(minus, language, per)
            value, draws = value - other, draws - other_draws
        used = np.any([self._sums[BASE, code]["tokens"] > 0 for code in self._codes(language)], axis=0)
        return Effect(value, draws, used[used]).interval

    def _mean(self, method: str, language: str, per: str) -> tuple[float, Float[np.ndarray, "draw"]]:
        cells = [(member, code) for member in self._means.get(method, (method,)) for code in self._codes(language)]
        sums = [(-self._sums[cell]["logp"], self._sums[cell][f"{per}s"]) for cell in cells]
        values = [surprise.sum() / length.sum() for surprise, length in sums]
        draws = [ratio_draws(surprise, length, self._weights) for surprise, length in sums]
        return float(np.mean(values)), np.asarray(np.mean(draws, axis=0))


def damage_table(surprise: Surprise) -> pd.DataFrame:
    """The rows of `damage.csv`: per method and language, and `macro`, with 95% intervals over sentences.

    nll_token, nll_byte: negative log-likelihood in nats, sum over sentences divided by their length in all. perplexity:
    exp of nll_token (for `macro` of the languages' mean). d_: minus base's, paired.
    """
    rows = []
    for method in surprise.methods:
        for language in (*surprise.languages, MACRO):
            row: dict[str, object] = {"method": method, "language": language}
            nats = surprise.interval(method, language, "token")
            perplexity = Interval(*map(float, np.exp((nats.estimate, nats.lo, nats.hi))))
            row |= interval_columns("perplexity", perplexity)
            for per in UNITS:
                row |= interval_columns(f"nll_{per}", surprise.interval(method, language, per))
                row |= interval_columns(f"d_nll_{per}", surprise.interval(method, language, per, minus=BASE))
            rows.append(row | {"n": surprise.count(language)})
    return pd.DataFrame(rows)


def damage_lines(table: pd.DataFrame | None, parallel: str, methods: Sequence[str]) -> list[str]:
    """Perplexity of base on parallel sentences, and what each of `methods` adds; or why neither was measured."""
    if table is None:
        return [
            f"Damage to the language was not measured: {parallel!r} has no test sentence in any scored language that "
            "this model can be scored on."
        ]
    rows = {row["method"]: row for row in table[table["language"] == MACRO].to_dict("records")}
    base = rows[BASE]
    changes = [
        f"{method} {number(row, 'd_nll_token', signed=True)}"
        for method, row in rows.items()
        if method in methods and method != BASE
    ]
    return [
        f"The unsteered model has a perplexity of {number(base, 'perplexity', digits=1)} per token on the test "
        f"sentences of {parallel} ({base['n']} (sentence, language) pairs). Damage, as the increase in nats per token: "
        f"{', '.join(changes)} (damage.csv)."
    ]
