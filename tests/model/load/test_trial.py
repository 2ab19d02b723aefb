"""The forward at load: hooks that do nothing, read something else or leak the future are refused in one line."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformer_lens.model_bridge import TransformerBridge

from interp.errors import ModelError
from interp.model import LoadedModel, resid_post, resid_pre
from interp.model.load import load_model
from interp.model.load._trial import check_hooks_work
from tests.conftest import vocabulary, write_model, write_tiny


@pytest.fixture
def gpt2(tmp_path: Path) -> LoadedModel:
    return load_model(str(write_tiny("gpt2", tmp_path)), device="cpu")


def test_a_hook_that_is_never_called(tmp_path: Path) -> None:
    """TransformerLens gives OpenAI's first GPT all hook points and calls none of its blocks'."""
    import transformers

    config = transformers.OpenAIGPTConfig(vocab_size=vocabulary(), n_embd=32, n_layer=3, n_head=4, n_positions=64)
    folder = write_model(config, tmp_path)
    with pytest.raises(
        ModelError, match=r"its hook blocks\.0\.hook_resid_\w+ is called 0 times in a forward"
    ) as refused:
        load_model(str(folder), device="cpu")
    assert "\n" not in str(refused.value)


def test_every_tiny_model_passes(tiny: LoadedModel) -> None:
    check_hooks_work(tiny.model)


def test_one_forward_of_few_tokens_however_deep(organism: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.Size] = []
    run = organism.model.run_with_hooks

    def counted(tokens: torch.Tensor, **more: Any) -> Any:
        seen.append(tokens.shape)
        return run(tokens, **more)

    monkeypatch.setattr(organism.model, "run_with_hooks", counted)
    begun = time.perf_counter()
    check_hooks_work(organism.model)
    assert [tokens.numel() for tokens in seen] == [30]
    assert time.perf_counter() - begun < 2


class Deaf:
    """A model whose hooks are run on a copy, or on something else, of what they should be run on."""

    def __init__(self, model: Any, hook: str, change: Callable[[Any, Any], Any]) -> None:
        self._model, self._hook, self._change = model, hook, change

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def run_with_hooks(self, tokens: torch.Tensor, *, fwd_hooks: Any, **more: Any) -> Any:
        def changed(inner: Callable[..., Any]) -> Callable[..., Any]:
            return lambda stream, hook: self._change(inner, stream)

        hooks = [(name, changed(hook) if name == self._hook else hook) for name, hook in fwd_hooks]
        return self._model.run_with_hooks(tokens, fwd_hooks=hooks, **more)


def called_for_nothing(inner: Callable[..., Any], stream: torch.Tensor) -> None:
    inner(stream, hook=None)


def called_twice(inner: Callable[..., Any], stream: torch.Tensor) -> Any:
    inner(stream, hook=None)
    return inner(stream, hook=None)


def called_with_a_half(inner: Callable[..., Any], stream: torch.Tensor) -> None:
    inner(stream[..., : stream.shape[-1] // 2], hook=None)


def called_with_another_stream(inner: Callable[..., Any], stream: torch.Tensor) -> Any:
    return inner(stream * 1.5, hook=None) - 0.5 * stream


@pytest.mark.parametrize(
    ("hook", "change", "message"),
    [
        (resid_post(0), called_for_nothing, "after block 0 does not change the logits"),
        (resid_post(1), called_for_nothing, "after block 1 does not change the logits"),
        (resid_post(2), called_for_nothing, "after block 2 does not change the logits"),
        (resid_post(1), called_twice, r"blocks\.1\.hook_resid_post is called 2 times in a forward, not once"),
        (resid_pre(0), called_with_a_half, r"blocks\.0\.hook_resid_pre reads \[5, 6, 16\], not \[5, 6, 32\]"),
        (resid_post(1), called_with_another_stream, "after block 1 differs from the hidden state of Transformers"),
    ],
)
def test_hooks_that_do_something_else(
    gpt2: LoadedModel, hook: str, change: Callable[[Any, Any], Any], message: str
) -> None:
    model: Any = Deaf(gpt2.model, hook, change)
    with pytest.raises(ModelError, match=message):
        check_hooks_work(model)


def test_a_model_that_reads_later_tokens(gpt2: LoadedModel) -> None:
    for block in gpt2.model.blocks:  # type: ignore[attr-defined]

        def leak(module: Any, args: Any, output: Any) -> Any:
            return output + 0.1 * output.mean(dim=1, keepdim=True)

        block.attn.o.original_component.register_forward_hook(leak)
    with pytest.raises(ModelError, match="the logits of a token depend on later tokens"):
        check_hooks_work(gpt2.model)


def test_logits_that_are_not_numbers(gpt2: LoadedModel) -> None:
    with torch.no_grad():
        gpt2.model.original_model.transformer.h[1].ln_1.weight.fill_(torch.inf)  # type: ignore[attr-defined]
    with pytest.raises(ModelError, match="its logits are not finite"):
        check_hooks_work(gpt2.model)


def test_an_object_is_tried_too(organism: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr("interp.model.load._loading.check_hooks_work", asked.append)
    load_model(organism.model)
    assert asked == [organism.model]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_passes(tiny_folder: Path, dtype: str) -> None:
    assert isinstance(load_model(str(tiny_folder), device="cpu", dtype=dtype).model, TransformerBridge)


def test_something_between_two_blocks_is_no_reason_to_refuse(gpt2: LoadedModel) -> None:
    """Where a block scales what it gets before the hook reads it, the steer is tried on its own."""
    model: Any = Deaf(gpt2.model, resid_pre(2), lambda inner, stream: inner(2 * stream, hook=None))
    check_hooks_work(model)
