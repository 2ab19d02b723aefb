"""Models and prompts that the benchmark times: the organism, and random weights in the shapes of known models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from interp.data import atlas
from interp.errors import ConfigError
from interp.model.load import ORGANISM


@dataclass(frozen=True)
class Setting:
    """A model and prompts to time. layers: how many of the model's layers are steered, spread evenly (0: all).

    config: of random weights; by default those of `model` are read, and it is given Atlas questions in `language`.
    prompts: how many (0: all). length, option: tokens of a random prompt and of its four options, fewest and most.
    """

    name: str
    config: str
    sizes: dict[str, Any]
    layers: int = 6
    shots: int = 0
    prompts: int = 32
    needs_gpu: bool = False
    length: tuple[int, int] = (44, 52)
    option: tuple[int, int] = (1, 1)
    model: str = ORGANISM
    language: str = "es"


GEMMA = {"sliding_window": 512, "vocab_size": 262144, "rms_norm_eps": 1e-6, "head_dim": 256}
GEMMA_270M = {
    **GEMMA, "hidden_size": 640, "intermediate_size": 2048, "num_hidden_layers": 18,
    "num_attention_heads": 4, "num_key_value_heads": 1,
}  # fmt: skip
QWEN_06B = {
    "vocab_size": 151936, "hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28,
    "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128, "tie_word_embeddings": True,
}  # fmt: skip
LLAMA_1B = {
    "vocab_size": 128256, "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16,
    "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 64, "tie_word_embeddings": True,
}  # fmt: skip
GEMMA_4B = {
    **GEMMA, "hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 34,
    "num_attention_heads": 8, "num_key_value_heads": 4, "sliding_window": 1024,
}  # fmt: skip
GEMMA_12B = {
    **GEMMA, "hidden_size": 3840, "intermediate_size": 15360, "num_hidden_layers": 48,
    "num_attention_heads": 16, "num_key_value_heads": 8, "sliding_window": 1024,
}  # fmt: skip

SETTINGS = {
    setting.name: setting
    for setting in (
        Setting("organism", "", {}, layers=0, prompts=0),
        Setting("gemma3-270m", "Gemma3TextConfig", GEMMA_270M),
        Setting("gemma3-270m-options", "Gemma3TextConfig", GEMMA_270M, length=(16, 28), option=(3, 5)),
        Setting("gemma3-270m-5shot", "Gemma3TextConfig", GEMMA_270M, shots=5),
        Setting("qwen3-0.6b", "Qwen3Config", QWEN_06B),
        Setting("llama3.2-1b", "LlamaConfig", LLAMA_1B),
        Setting("gemma3-4b", "Gemma3TextConfig", GEMMA_4B, needs_gpu=True),
        Setting("gemma3-12b", "Gemma3TextConfig", GEMMA_12B, needs_gpu=True),
    )
}


def own_weights(model: str, languages: Sequence[str]) -> list[Setting]:
    """A model's own weights with Atlas questions, a setting per language; raises ConfigError for an unknown one."""
    allowed = [code for code in atlas.universal().languages if code != "en"]
    for code in languages:
        if code not in allowed:
            raise ConfigError(f"language {code!r} is unknown", allowed=", ".join(allowed))
    return [Setting(f"own weights, {code}", "", {}, model=model, language=code) for code in languages]


def settings(names: Sequence[str], device: str) -> list[Setting]:
    """Settings by name; all that the device can hold where none is named. Raises ConfigError for an unknown one."""
    for name in names:
        if name not in SETTINGS:
            raise ConfigError(f"setting {name!r} is unknown", allowed=", ".join(SETTINGS), remedy="pass one of these")
        if SETTINGS[name].needs_gpu and device == "cpu":
            raise ConfigError(f"setting {name!r} needs a GPU", allowed="--device cuda, on a machine with a GPU")
    return [SETTINGS[name] for name in names] or [s for s in SETTINGS.values() if device != "cpu" or not s.needs_gpu]
