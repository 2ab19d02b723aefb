"""Small checkpoints whose tokenizers differ in what they put around a text and in how they cut it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

PAD, BOS, EOS, UNK = "<pad>", "<s>", "</s>", "<unk>"
SPECIAL = [PAD, BOS, EOS, UNK]
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
SIZE = 1500


def corpus() -> list[str]:
    """Questions of Atlas with each of their options behind them, in three scripts."""
    from interp.data import atlas, continuation, question_text

    return [
        question_text(item.question(code), code) + continuation(option[code], code)
        for item in atlas.universal().items[::60]
        for code in ("en", "el", "zh")
        for option in item.options
    ]


def _around(tokenizer: Tokenizer, single: str) -> None:
    ids = [(token, tokenizer.token_to_id(token)) for token in (BOS, EOS) if token in single.split()]
    tokenizer.post_processor = processors.TemplateProcessing(single=single, special_tokens=ids)


def _bpe(single: str = "", *, prefix: bool = False, splits: bool = True) -> Tokenizer:
    """As SentencePiece's BPE: spaces are letters, unknown characters bytes; `splits`: no token spans a space."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token=UNK, fuse_unk=True))
    steps: list[normalizers.Normalizer] = [normalizers.Prepend("▁")] if prefix else []
    tokenizer.normalizer = normalizers.Sequence([*steps, normalizers.Replace(" ", "▁")])
    if splits:
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("▁|:|："), "merged_with_next")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.train_from_iterator(
        corpus(), trainers.BpeTrainer(vocab_size=SIZE, special_tokens=[*SPECIAL, *BYTES], show_progress=False)
    )
    if single:
        _around(tokenizer, single)
    return tokenizer


def _byte_level() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        corpus(),
        trainers.BpeTrainer(vocab_size=SIZE, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False),
    )
    return tokenizer


def _unigram(single: str) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.train_from_iterator(
        corpus(), trainers.UnigramTrainer(vocab_size=SIZE, special_tokens=SPECIAL, unk_token=UNK, show_progress=False)
    )
    _around(tokenizer, single)
    return tokenizer


def _lower_casing() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token=UNK))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    latin = [text for text in corpus() if text.isascii()]
    tokenizer.train_from_iterator(
        latin, trainers.WordPieceTrainer(vocab_size=SIZE, special_tokens=SPECIAL, show_progress=False)
    )
    return tokenizer


KINDS: dict[str, tuple[Callable[[], Tokenizer], dict[str, str | None]]] = {
    "adds_bos": (lambda: _bpe(f"{BOS} $A"), {}),
    "bos_never_added": (lambda: _bpe(), {}),
    "begins_with_eos": (lambda: _unigram(f"{EOS} $A"), {}),
    "appends_eos": (lambda: _bpe(f"$A {EOS}"), {}),
    "bos_and_eos": (lambda: _bpe(f"{BOS} $A {EOS}"), {}),
    "byte_level": (_byte_level, {"bos_token": None, "unk_token": None}),
    "prefix_space": (lambda: _bpe(f"{BOS} $A", prefix=True), {}),
    "lower_casing": (_lower_casing, {}),
    "joining": (lambda: _bpe(f"{BOS} $A", splits=False), {}),
}
"""Name -> the tokenizer, and the roles of tokens that differ from the usual."""


def write_checkpoint(kind: str, folder: Path, architecture: str = "llama") -> Path:
    """A random model with a tokenizer of a kind, as published ones lie in a folder."""
    import torch
    from transformers import AutoModelForCausalLM

    from tests.conftest import tiny_config

    make, roles = KINDS[kind]
    tokenizer = make()
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(tiny_config(architecture, tokenizer.get_vocab_size()))
    model.float().save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    usual = {"bos_token": BOS, "eos_token": EOS, "pad_token": PAD, "unk_token": UNK}
    told = {"tokenizer_class": "PreTrainedTokenizerFast", **usual, **roles}
    (folder / "tokenizer_config.json").write_text(json.dumps(told))
    return folder
