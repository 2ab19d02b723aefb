"""llama.cpp reads the same file and is asked the same questions: an implementation that shares no code with ours.

It computes with the quantised weights as they are and rounds activations to 8 bits; Transformers dequantises first. So
log-likelihoods differ by some hundredths, and near ties may flip.
"""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from interp.model.batching import Tokens
from interp.model.loading import LoadedModel
from interp.model.tokenizer import Ids
from interp.steering.engine import score
from interp.steering.layout import tokenise
from tests.real.conftest import LANGUAGES, atlas_tasks

pytestmark = pytest.mark.real

PER_LANGUAGE = int(os.environ.get("TRANSLOCAL_JUDGED", "10"))
"""Items per language; 50 for the whole comparison, which takes minutes."""

SURE = 1e6
"""Added to a token's logit, so that it is drawn: its log-probability is told without this."""


@pytest.fixture(scope="module")
def judge(gguf_file: Path) -> Iterator[Any]:
    xllamacpp = pytest.importorskip("xllamacpp", reason="needs the package xllamacpp: uv run --group real")
    settings = xllamacpp.CommonParams()
    settings.model.path = str(gguf_file)
    settings.n_ctx, settings.n_parallel, settings.swa_full, settings.warmup = 512, 1, True, False
    settings.cpuparams.n_threads = len(os.sched_getaffinity(0))
    settings.verbosity = -1
    yield xllamacpp.Server(settings)


def judged_tokens(judge: Any, text: str) -> Ids:
    asked = urllib.request.Request(
        f"{judge.listening_address}/tokenize",
        data=json.dumps({"content": text, "add_special": True}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(asked) as answer:
        return tuple(json.load(answer)["tokens"])


def judged_logp(judge: Any, context: Ids, ending: Ids) -> float:
    """log p of an ending's tokens behind a context, token by token, of llama.cpp's whole vocabulary."""
    total = 0.0
    for number, token in enumerate(ending):
        answer = judge.handle_completions(
            {
                "prompt": [*context, *ending[:number]], "max_tokens": 1, "logprobs": 1, "temperature": 0.0,
                "logit_bias": [[token, SURE]], "cache_prompt": True,
            }
        )  # fmt: skip
        drawn = answer["choices"][0]["logprobs"]["content"][0]
        assert drawn["id"] == token
        total += drawn["logprob"]
    return total


def test_llama_cpp_encodes_texts_in_the_same_way(judge: Any, gemma: LoadedModel) -> None:
    encode = Tokens(gemma.model)
    for code in LANGUAGES:
        for task in atlas_tasks(code, 50):
            for ending in task.prompt.continuations:
                text = task.prompt.text + ending
                assert encode(text) == judged_tokens(judge, text)


def test_llama_cpp_chooses_the_same_options(
    judge: Any, gemma: LoadedModel, record_property: pytest.RecordProperty, capsys: pytest.CaptureFixture[str]
) -> None:
    """At least 98% of the choices per byte; the differences in summed log-likelihood are printed and recorded."""
    tasks = [task for code in LANGUAGES for task in atlas_tasks(code, PER_LANGUAGE)]
    prompts = [task.prompt for task in tasks]
    ours = score(gemma.model, prompts)
    layout = tokenise(prompts, Tokens(gemma.model))
    judged = np.empty_like(ours.logp[0])
    for stem in layout.stems:
        for option, ending in stem.endings:
            judged[option] = judged_logp(judge, stem.context, ending)
    apart = judged - ours.logp[0]
    same, gaps = [], []
    for first, end in zip(ours.starts[:-1], ours.starts[1:], strict=True):
        mine, its = ours.logp[0, first:end] / ours.bytes[first:end], judged[first:end] / ours.bytes[first:end]
        same.append(mine.argmax() == its.argmax())
        gaps.append(np.diff(np.sort(mine)[-2:])[0])
    flipped = [f"{gap:.4f}" for gap, agrees in zip(gaps, same, strict=True) if not agrees]
    by_language = {code: np.mean(same[i * PER_LANGUAGE :][:PER_LANGUAGE]) for i, code in enumerate(LANGUAGES)}
    told = {
        "items": len(tasks), "options": len(apart), "same choice": f"{np.mean(same):.3f}",
        **{f"same choice, {code}": f"{share:.2f}" for code, share in by_language.items()},
        "mean difference (nats)": f"{apart.mean():+.4f}", "standard deviation": f"{apart.std():.4f}",
        "median absolute": f"{np.median(np.abs(apart)):.4f}", "95% of absolute": f"{np.quantile(np.abs(apart), 0.95):.4f}",
        "largest": f"{np.abs(apart).max():.4f}", "lead per byte where choices differ": ", ".join(flipped) or "none",
    }  # fmt: skip
    for name, value in told.items():
        record_property(name, value)
    with capsys.disabled():
        print("\nllama.cpp against translocal: " + "; ".join(f"{name} {value}" for name, value in told.items()))
    assert np.mean(same) >= 0.98
    assert np.median(np.abs(apart)) <= 0.5
