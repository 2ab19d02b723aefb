"""llama.cpp reads the same file and is asked the same questions: an implementation that shares no code with ours.

With the quantised weights llama.cpp rounds activations to 8 bits, which Transformers does not: it dequantises first. So
log-likelihoods differ by .15 nats in the median, and near ties flip: of 200 items 194 choices are the same by default,
196 without repacked weights, 197 with a float32 cache and no flash attention. llama.cpp's own settings move as many.
Given the same weights in float32 it differs by .001 in the median, and 199 of 200 choices are the same.
"""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from interp.model import LoadedModel
from interp.model.read import Ids, Tokens
from interp.steering.engine import Layout, Scores, score, tokenise
from tests.real.conftest import LANGUAGES, atlas_tasks

pytestmark = pytest.mark.real

PER_LANGUAGE = int(os.environ.get("TRANSLOCAL_JUDGED", "10"))
"""Items per language; 50 for the whole comparison, which takes minutes."""

SURE = 1e6
"""Added to a token's logit, so that it is drawn: its log-probability is told without this."""


def server(path: Path, *, exact: bool = False) -> Any:
    """llama.cpp with a model. exact: its cache in float32, its attention in the plain way."""
    llama = pytest.importorskip("xllamacpp", reason="needs the package xllamacpp: uv run --group real")
    settings = llama.CommonParams()
    settings.model.path = str(path)
    settings.n_ctx, settings.n_parallel, settings.swa_full, settings.warmup = 512, 1, True, False
    settings.cpuparams.n_threads = len(os.sched_getaffinity(0))
    settings.verbosity = -1
    if exact:
        settings.cache_type_k = settings.cache_type_v = llama.ggml_type.GGML_TYPE_F32
        settings.flash_attn_type = llama.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    return llama.Server(settings)


@pytest.fixture(scope="module")
def judge(gguf_file: Path) -> Any:
    return server(gguf_file)


@pytest.fixture(scope="module")
def ours(gemma: LoadedModel) -> tuple[Scores, Layout]:
    """The same for both judges: log-likelihoods and tokens of all options."""
    prompts = [task.prompt for code in LANGUAGES for task in atlas_tasks(code, PER_LANGUAGE)]
    return score(gemma.model, prompts), tokenise(prompts, Tokens(gemma.model))


def in_floats(path: Path, target: Path) -> Path:
    """The GGUF file with its weights in float32, as the package gguf dequantises them."""
    import gguf

    reader, writer = gguf.GGUFReader(path), gguf.GGUFWriter(target, "gemma3")
    for key, field in reader.fields.items():
        if not key.startswith("GGUF.") and key != "general.architecture":
            kind = field.types[0]
            inside = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
            value = 0 if key == "general.file_type" else field.contents()
            writer.add_key_value(key, value, kind, inside)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target


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


def compared(judge: Any, ours: tuple[Scores, Layout]) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """By item whether the choices per byte agree, by option how far the sums lie apart (nats), and both in words."""
    scores, layout = ours
    judged = np.empty_like(scores.logp[0])
    for stem in layout.stems:
        for option, ending in stem.endings:
            judged[option] = judged_logp(judge, stem.context, ending)
    apart, same, leads = judged - scores.logp[0], [], []
    for first, end in zip(scores.starts[:-1], scores.starts[1:], strict=True):
        mine, its = (logp[first:end] / scores.bytes[first:end] for logp in (scores.logp[0], judged))
        same.append(mine.argmax() == its.argmax())
        leads.append(np.diff(np.sort(mine)[-2:])[0])
    flipped = [f"{lead:.4f}" for lead, agrees in zip(leads, same, strict=True) if not agrees]
    shares = {code: np.mean(same[i * PER_LANGUAGE :][:PER_LANGUAGE]) for i, code in enumerate(LANGUAGES)}
    far = np.abs(apart)
    told = {
        "items": len(same), "options": len(apart), "same choice": f"{np.mean(same):.3f}",
        **{f"same choice, {code}": f"{share:.2f}" for code, share in shares.items()},
        "mean difference (nats)": f"{apart.mean():+.4f}", "standard deviation": f"{apart.std():.4f}",
        "median absolute": f"{np.median(far):.4f}", "95% of absolute": f"{np.quantile(far, 0.95):.4f}",
        "largest": f"{far.max():.4f}", "our lead per byte where choices differ": ", ".join(flipped) or "none",
    }  # fmt: skip
    return np.array(same), apart, told


@pytest.fixture
def tell(record_property: Callable[[str, object], None], capsys: pytest.CaptureFixture[str]) -> Callable[..., None]:
    """Print and record a comparison."""

    def print_it(title: str, told: dict[str, Any]) -> None:
        for name, value in told.items():
            record_property(name, value)
        with capsys.disabled():
            print(f"\n{title}: " + "; ".join(f"{name} {value}" for name, value in told.items()))

    return print_it


def test_llama_cpp_in_floats_chooses_the_same_options(
    gguf_file: Path, ours: tuple[Scores, Layout], tmp_path: Path, tell: Callable[..., None]
) -> None:
    """The file's weights are read and computed with as llama.cpp would without its quantised kernels."""
    same, apart, told = compared(server(in_floats(gguf_file, tmp_path / "f32.gguf"), exact=True), ours)
    tell("llama.cpp in float32 against translocal", told)
    assert np.mean(same) >= 0.98
    assert np.abs(apart).max() <= 0.05


def test_llama_cpp_with_quantised_kernels(judge: Any, ours: tuple[Scores, Layout], tell: Callable[..., None]) -> None:
    """What its kernels change is told; a file that is read wrongly would share few choices."""
    same, apart, told = compared(judge, ours)
    tell("llama.cpp with quantised kernels against translocal", told)
    assert np.mean(same) >= 0.9
    assert np.median(np.abs(apart)) <= 0.5
