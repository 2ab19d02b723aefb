"""Likelihood of parallel sentences: against Transformers' own loss, steered by hooks of torch, and by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from tokenizers import Tokenizer, models
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from interp.data import ParallelText
from interp.model import LoadedModel
from interp.model.load import organism_folder
from interp.model.read import Tokens
from interp.progress import unsaid
from interp.steering import Plan, Steer
from interp.study.ask import Study, open_study, resolve_data
from interp.study.config import RunConfig
from interp.study.score import score_sentences, sentence_prompts
from interp.study.score._damage import Surprise, damage_lines, damage_table
from tests.study.conftest import CountedRun


@pytest.fixture(scope="module")
def study(organism: LoadedModel) -> Study:
    config = RunConfig(languages=("es", "ko"), limit=60, damage_sentences=12)
    return open_study(config, organism, resolve_data(config))


def transformers_loss(texts: Sequence[str], steer: tuple[int, torch.Tensor] | None = None) -> list[tuple[float, int]]:
    """Mean loss per predicted token, as Transformers computes it, and how many tokens are predicted."""
    model = AutoModelForCausalLM.from_pretrained(organism_folder(), dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(organism_folder())
    handle = None
    if steer is not None:
        layer, vector = steer

        def add(module: object, inputs: object, output: object) -> object:
            if isinstance(output, tuple):
                return (output[0] + vector, *output[1:])
            return output + vector

        handle = model.model.layers[layer].register_forward_hook(add)
    found = []
    for text in texts:
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        assert ids[0, 0] == tokenizer.bos_token_id
        with torch.inference_mode():
            found.append((float(model(input_ids=ids, labels=ids).loss), ids.shape[1] - 1))
    if handle is not None:
        handle.remove()
    return found


@pytest.mark.parametrize("engine", ["replay", "reference"])
def test_perplexity_is_transformers_own_loss(study: Study, engine: str) -> None:
    own = replace(study, config=replace(study.config, engine=engine))
    scores = score_sentences(own, {}, unsaid)
    for code in ("es", "ko"):
        rows = scores[scores["language"] == code]
        texts = [study.parallel.sentences[number][code] for number in rows["sentence"]]
        want = transformers_loss(texts)
        assert (-rows["logp"] / rows["tokens"]).to_numpy() == pytest.approx([loss for loss, _ in want], abs=1e-4)
        assert rows["tokens"].tolist() == [count for _, count in want]
        assert rows["bytes"].tolist() == [len(text.encode()) for text in texts]
        table = damage_table(Surprise(scores, {}, 200, 0)).set_index(["method", "language"])
        whole = sum(loss * count for loss, count in want) / sum(count for _, count in want)
        assert table.loc[("base", code), "perplexity"] == pytest.approx(np.exp(whole), rel=1e-4)


def test_under_a_plan_it_is_the_loss_of_a_model_with_that_hook(study: Study) -> None:
    vector = torch.randn(study.loaded.model.cfg.d_model, generator=torch.Generator().manual_seed(0)) * 5.0
    plan = Plan((Steer(2, vector, 1.0, positions="all"),))
    scores = score_sentences(study, {"en": {"es": plan, "ko": plan}}, unsaid)
    rows = scores[(scores["method"] == "en") & (scores["language"] == "es")]
    want = transformers_loss([study.parallel.sentences[n]["es"] for n in rows["sentence"]], (2, vector))
    assert (-rows["logp"] / rows["tokens"]).to_numpy() == pytest.approx([loss for loss, _ in want], abs=1e-4)
    base = scores[(scores["method"] == "base") & (scores["language"] == "es")]
    assert abs(rows["logp"].to_numpy() - base["logp"].to_numpy()).max() > 1.0


def test_neither_the_batch_nor_other_sentences_matter(study: Study) -> None:
    whole = score_sentences(study, {}, unsaid)
    one = score_sentences(replace(study, config=replace(study.config, batch_size=1)), {}, unsaid)
    few = score_sentences(replace(study, config=replace(study.config, damage_sentences=3)), {}, unsaid)
    assert whole["logp"].to_numpy() == pytest.approx(one["logp"].to_numpy(), abs=1e-4)
    both = few.merge(whole, on=["method", "language", "sentence"], suffixes=("", "_all"))
    assert len(both) == len(few) == 6
    assert both["logp"].to_numpy() == pytest.approx(both["logp_all"].to_numpy(), abs=1e-4)


def test_sentences_are_of_test_the_same_in_every_language_and_at_most_as_many_as_asked(study: Study) -> None:
    numbers = [list(sentence_prompts(study, code)) for code in ("es", "ko")]
    assert numbers[0] == numbers[1] == sorted(numbers[0])
    assert len(numbers[0]) == 12
    assert {study.parallel.splits[number] for number in numbers[0]} == {"test"}
    none = replace(study, config=replace(study.config, damage_sentences=0))
    assert sentence_prompts(none, "es") == {}
    every = replace(study, config=replace(study.config, damage_sentences=10_000))
    assert len(sentence_prompts(every, "es")) == study.parallel.splits.count("test")


def test_a_sentence_longer_than_the_context_is_left_out_alone(study: Study) -> None:
    sentences = ({"es": "hola " * 5000, "ko": "안녕"}, {"es": "Hace frío.", "ko": "춥다."})
    own = replace(study, parallel=ParallelText("mine", ("es", "ko"), sentences, ("test", "test")))
    scores = score_sentences(own, {}, unsaid)
    assert scores.groupby("language")["sentence"].agg(list).to_dict() == {"es": [1], "ko": [0, 1]}
    table = damage_table(Surprise(scores, {}, 200, 0)).set_index("language")
    assert table["n"].to_dict() == {"es": 1, "ko": 2, "macro": 3}


def test_without_a_token_to_begin_with_no_sentence_is_scored(study: Study) -> None:
    words = Tokenizer(models.WordLevel({"?": 0, "a": 1}, unk_token="?"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="?")
    speaker: Any = SimpleNamespace(tokenizer=tokenizer, cfg=SimpleNamespace(n_ctx=64, d_vocab=2))
    assert sentence_prompts(study, "es", Tokens(speaker)) == {}


def test_languages_without_sentences_have_no_rows(study: Study) -> None:
    own = replace(
        study, parallel=ParallelText("mine", ("es",), ({"es": "Hace frío."}, {"es": "Hola."}), ("test", "test"))
    )
    scores = score_sentences(own, {}, unsaid)
    assert set(scores["language"]) == {"es"}
    nothing = replace(study, parallel=ParallelText("mine", ("es",), ({"es": "Hace frío."},), ("fit",)))
    assert score_sentences(nothing, {}, unsaid).empty
    (line,) = damage_lines(None, "mine", ["base", "en"])
    assert "not measured" in line


def sentence(method: str, language: str, number: int, logp: float, tokens: float, size: float) -> dict:
    return {"method": method, "language": language, "sentence": number, "logp": logp, "tokens": tokens, "bytes": size}


KNOWN = pd.DataFrame(
    [
        sentence("base", "es", 0, -4.0, 2, 10), sentence("base", "es", 1, -14.0, 4, 10),
        sentence("base", "ko", 0, -3.0, 3, 6), sentence("base", "ko", 1, -3.0, 3, 6),
        sentence("en", "es", 0, -6.0, 2, 10), sentence("en", "es", 1, -18.0, 4, 10),
        sentence("en", "ko", 0, -3.0, 3, 6), sentence("en", "ko", 1, -3.0, 3, 6),
    ]
)  # fmt: skip


def test_the_table_by_hand() -> None:
    table = damage_table(Surprise(KNOWN, {}, 300, 0)).set_index(["method", "language"])
    assert table.loc[("base", "es"), "nll_token"] == pytest.approx(18 / 6)
    assert table.loc[("base", "es"), "nll_byte"] == pytest.approx(18 / 20)
    assert table.loc[("base", "es"), "perplexity"] == pytest.approx(np.exp(3))
    assert table.loc[("en", "es"), "d_nll_token"] == pytest.approx(1.0)
    assert table.loc[("en", "es"), "d_nll_byte"] == pytest.approx(6 / 20)
    assert table.loc[("en", "ko"), "d_nll_token"] == 0
    assert table.loc[("base", "macro"), "nll_token"] == pytest.approx((3 + 1) / 2)
    assert table.loc[("base", "macro"), "perplexity"] == pytest.approx(np.exp(2))
    assert table.loc[("en", "macro"), "d_nll_token"] == pytest.approx(0.5)
    # EN costs a nat per token in every draw of sentences: paired, so without width
    for end in ("lo", "hi"):
        assert table.loc[("en", "es"), f"d_nll_token_{end}"] == pytest.approx(1.0)
    assert table.loc[("base", "es"), "nll_byte_lo"] < 0.9 < table.loc[("base", "es"), "nll_byte_hi"]


def test_the_mean_over_seeds_is_the_mean_of_their_models() -> None:
    more = [
        KNOWN[KNOWN["method"] == "en"].assign(method="midalign@0"),
        KNOWN[KNOWN["method"] == "base"].assign(method="midalign@1"),
    ]
    surprise = Surprise(pd.concat([KNOWN, *more]), {"midalign": ["midalign@0", "midalign@1"]}, 200, 0)
    table = damage_table(surprise).set_index(["method", "language"])
    assert table.loc[("midalign", "es"), "d_nll_token"] == pytest.approx(0.5)


def test_bounds_hold_the_truth_as_often_as_they_say() -> None:
    """Sentences of a known mean and spread: 95% intervals of 25 sentences hold the mean in 92 to 98% of 300 sets."""
    rng = np.random.default_rng(0)
    held = 0
    for number in range(300):
        tokens = np.full(25, 10.0)
        logp = -(20 + 5 * rng.normal(size=25))
        rows = [sentence("base", "es", i, float(v), 10, 30) for i, v in enumerate(logp)]
        found = Surprise(pd.DataFrame(rows), {}, 300, number).interval("base", "es", "token")
        held += found.lo <= 2.0 <= found.hi
        assert found.estimate == pytest.approx(-logp.sum() / tokens.sum())
    assert 0.92 <= held / 300 <= 0.98


def test_a_run_writes_it_and_says_it(counted_run: CountedRun) -> None:
    folder = counted_run.folder
    scores = pd.read_parquet(folder / "scores" / "sentences.parquet")
    table = pd.read_csv(folder / "damage.csv").set_index(["method", "language"])
    methods = list(dict.fromkeys(scores["method"]))
    assert methods[0] == "base"
    assert {"en", "loc", "surgical", "wrong_culture"} < set(methods)
    for method in methods:
        rows = scores[scores["method"] == method]
        nll = -rows["logp"].sum() / rows["tokens"].sum()
        assert table.loc[(method, "el"), "nll_token"] == pytest.approx(nll, rel=1e-5)
        assert table.loc[(method, "macro"), "perplexity"] == pytest.approx(np.exp(nll), rel=1e-5)
        assert table.loc[(method, "el"), "n"] == len(rows) == 56
    texts = transformers_loss([_text(number) for number in scores.loc[scores["method"] == "base", "sentence"]])
    whole = sum(loss * count for loss, count in texts) / sum(count for _, count in texts)
    assert table.loc[("base", "el"), "nll_token"] == pytest.approx(whole, abs=1e-4)
    (told,) = json.loads((folder / "manifest.json").read_text())["checks"]["damage"]
    assert f"loc {table.loc[('loc', 'macro'), 'd_nll_token']:+.3f}" in told
    assert "wrong_culture" not in told


def _text(number: int) -> str:
    from interp.data.atlas import chatter

    return chatter().sentences[number]["el"]
