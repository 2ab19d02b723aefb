"""A model before it is loaded: its sizes are those of the loaded one; the Hub is faked."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from interp.errors import ModelError
from interp.model import shape_from_config
from interp.model.load import outline


def test_a_configuration_has_the_shape_of_its_model(tiny_folder: Path) -> None:
    from transformers import AutoModelForCausalLM

    found = outline(str(tiny_folder), "bfloat16")
    model = AutoModelForCausalLM.from_pretrained(tiny_folder)
    sizes = found.shape
    seen = [p for name, p in model.named_parameters() if "vision" not in name and "projector" not in name]
    assert sizes.parameters == sum(p.numel() for p in seen)
    assert (sizes.n_layers, sizes.d_model, sizes.n_heads, sizes.d_head) == (3, 32, 4, 8)
    assert sizes.d_vocab == model.get_input_embeddings().weight.shape[0]
    inside = sum(
        p.numel() for name, p in model.named_parameters() if ".2." in name and "vision" not in name and p.ndim > 1
    )
    assert sizes.matrices == (inside,) * 3
    assert (found.place, found.folder, found.gated, found.download) == ("folder", tiny_folder, None, 0)
    assert found.weights >= 2 * sizes.parameters
    assert found.tokenizer("a")["input_ids"]  # type: ignore[misc]


def test_of_text_and_images_the_language_model_counts() -> None:
    import transformers

    text = {
        "vocab_size": 300, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 6,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
    }  # fmt: skip
    alone = shape_from_config(transformers.Gemma3TextConfig(**text))
    whole = shape_from_config(transformers.Gemma3Config(text_config=text))
    assert whole == alone
    assert (whole.n_layers, whole.d_head, whole.d_mlp, whole.d_vocab) == (6, 16, 48, 300)
    attention = 32 * 16 * (4 + 2 + 2) + 4 * 16 * 32
    assert whole.matrices == (attention + 3 * 32 * 48,) * 6


def test_a_model_that_is_no_decoder() -> None:
    import transformers

    with pytest.raises(ModelError, match=r"can't build a \w+ as a causal language model"):
        shape_from_config(transformers.T5Config(num_layers=1, d_model=8, d_ff=8, num_heads=1))


class FakeHub:
    """A repository with weights twice (once as a pickle), gated or not."""

    gated: Any = False
    access = True

    def model_info(self, name: str, **more: Any) -> Any:
        files = {"model.safetensors": 100, "pytorch_model.bin": 900, "config.json": 5, "original/x.safetensors": 50}
        return SimpleNamespace(
            gated=self.gated, sha="c" * 40, safetensors=SimpleNamespace(total=7),
            siblings=[SimpleNamespace(rfilename=path, size=size) for path, size in files.items()],
        )  # fmt: skip

    def auth_check(self, name: str) -> None:
        if not self.access:
            from huggingface_hub.errors import GatedRepoError

            response = SimpleNamespace(headers={}, status_code=403, url="", request=SimpleNamespace())
            raise GatedRepoError("gated", response=response)  # type: ignore[arg-type]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tiny_config_of: Any) -> FakeHub:
    fake = FakeHub()
    monkeypatch.setattr("huggingface_hub.HfApi", lambda: fake)
    monkeypatch.setattr("interp.model.load._outline.local_place", lambda source, revision: None)
    monkeypatch.setattr("transformers.AutoConfig.from_pretrained", lambda *_, **__: tiny_config_of)
    return fake


@pytest.fixture
def tiny_config_of() -> Any:
    from tests.conftest import tiny_config

    return tiny_config("llama", 300)


@pytest.mark.parametrize("gated", [False, "manual"])
def test_what_is_to_download(hub: FakeHub, gated: Any) -> None:
    hub.gated = gated
    found = outline("org/model", "bfloat16")
    assert (found.place, found.folder, found.tokenizer) == ("to download", None, None)
    assert found.download == 105  # neither the pickle nor the subfolder
    assert found.gated is bool(gated)
    assert found.revision == "c" * 40
    assert found.weights == 2 * found.shape.parameters
    assert outline("org/model", "float32", quantization="4bit").weights < 4 * found.shape.parameters


def test_gated_without_access(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.gated, hub.access = "manual", False
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(ModelError, match="gated and no token is set"):
        outline("org/model", "bfloat16")
