"""Continuations as they come: the tokens of `generate`, and text that is never taken back."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from interp.errors import ModelError
from interp.model import LoadedModel
from interp.model.load import load_model, organism_folder
from interp.steering import Generated, Piece, Plan, Positions, Steer, generate, stream
from interp.steering._generation import Finish
from tests.conftest import write_tiny

NEW = 10


def joined(pieces: list[Piece], sides: int) -> list[str]:
    return ["".join(piece.text for piece in pieces if piece.side == side) for side in range(sides)]


def plans(model, positions: Positions) -> list[Plan]:
    vector = torch.randn(model.cfg.d_model, generator=torch.Generator().manual_seed(1))
    return [Plan(), Plan((Steer(1, vector, 1.0, positions=positions),))]


@pytest.mark.parametrize("stop", ["\n", None, "a"])
@pytest.mark.parametrize("positions", ["text", "last", "all"])
def test_tokens_and_text_are_those_of_generate(
    organism: LoadedModel, texts: list[str], positions: Positions, stop: str | None
) -> None:
    model, both = organism.model, plans(organism.model, positions)
    together = generate(model, texts[:6], both, max_new_tokens=NEW, stop=stop)
    for text, *expected in zip(texts[:6], *together, strict=True):
        pieces = list(stream(model, [text, text], both, max_new_tokens=NEW, stop=stop))
        wholes = {piece.side: piece.whole for piece in pieces if piece.whole}
        assert [wholes[side] for side in range(2)] == expected
        assert joined(pieces, 2) == [one.text for one in expected]


@pytest.mark.parametrize("architecture", ["qwen2", "gemma2"])
def test_byte_level_and_windowed_models_too(architecture: str, tmp_path: Path, texts: list[str]) -> None:
    model = load_model(str(write_tiny(architecture, tmp_path)), device="cpu").model
    for text in texts[:3]:
        pieces = list(stream(model, [text], [Plan()], max_new_tokens=20, stop=None))
        [[expected]] = generate(model, [text], [Plan()], max_new_tokens=20, stop=None)
        assert pieces[-1].whole == expected
        assert joined(pieces, 1) == [expected.text]


def test_sides_have_their_own_texts_and_take_turns(organism: LoadedModel, texts: list[str]) -> None:
    pieces = list(stream(organism.model, texts[:2], [Plan(), Plan()], max_new_tokens=NEW, stop=None))
    [expected] = generate(organism.model, texts[:2], max_new_tokens=NEW, stop=None)
    assert {piece.side: piece.whole for piece in pieces if piece.whole} == dict(enumerate(expected))
    sides = [piece.side for piece in pieces]
    assert sides != sorted(sides)


def byte_level_tokenizer(folder: Path):
    return AutoTokenizer.from_pretrained(write_tiny("qwen2", folder))


@pytest.mark.parametrize("kind", ["byte fallback", "byte level"])
@pytest.mark.parametrize("stop", [None, "\n\n"])
def test_no_text_is_taken_back(kind: str, stop: str | None, tmp_path: Path) -> None:
    tokenizer = (
        AutoTokenizer.from_pretrained(organism_folder()) if kind == "byte fallback" else byte_level_tokenizer(tmp_path)
    )
    finish = Finish(SimpleNamespace(tokenizer=tokenizer), stop)
    random = np.random.default_rng(0)
    words = "서울은 안녕\n\n하세요 é 🙂 ‌می‌خواهم 你好, a\n b"
    whole = tokenizer(words, add_special_tokens=False)["input_ids"]
    singles = [i for i in range(len(tokenizer)) if "�" in tokenizer.decode([i])][:256]
    assert singles
    rows = [whole, *(random.choice(len(tokenizer), 30).tolist() for _ in range(50))]
    rows += [random.choice(singles, 30).tolist() for _ in range(50)]
    rows += [random.choice([*singles, *whole], 30).tolist() for _ in range(50)]
    for row in rows:
        told = ""
        for size in range(1, len(row) + 1):
            text = finish.settled(row[:size])
            assert text.startswith(told)
            assert stop or not text.endswith("�")
            told = text
        assert finish.generated(row).text.startswith(told)


def test_a_character_of_several_tokens_comes_whole_and_at_once(tmp_path: Path) -> None:
    tokenizer = byte_level_tokenizer(tmp_path)
    finish = Finish(SimpleNamespace(tokenizer=tokenizer), None)
    row = tokenizer("a🙂", add_special_tokens=False)["input_ids"]
    assert len(row) > 2
    assert [finish.settled(row[:size]) for size in range(1, len(row) + 1)] == ["a"] * (len(row) - 1) + ["a🙂"]


@pytest.mark.parametrize("kind", ["byte fallback", "byte level"])
@pytest.mark.parametrize("words", ["あ🙂", "서울은 👩‍🌾", "é🙂"])
def test_a_continuation_that_is_cut_off_ends_with_its_last_whole_character(
    kind: str, words: str, tmp_path: Path
) -> None:
    """Cut after every token, the text is the longest beginning of the words that the tokens' bytes hold."""
    tokenizer = (
        AutoTokenizer.from_pretrained(organism_folder()) if kind == "byte fallback" else byte_level_tokenizer(tmp_path)
    )
    finish = Finish(SimpleNamespace(tokenizer=tokenizer), None)
    row = tokenizer(words, add_special_tokens=False)["input_ids"]
    texts = [finish.generated(row[:size]).text for size in range(1, len(row) + 1)]
    assert not any("\ufffd" in text for text in texts)
    assert all(words.startswith(text.strip()) for text in texts)
    assert texts[-1].strip() == words
    assert texts == sorted(texts, key=len)
    assert len(set(texts)) >= 2
    if kind == "byte fallback":
        names = tokenizer.convert_ids_to_tokens(row)
        held = [
            bytes([int(n[3:5], 16)]) if len(n) == 6 and n[:3] == "<0x" else n.replace("▁", " ").encode() for n in names
        ]
        assert [text.strip() for text in texts] == [
            b"".join(held[:size]).decode(errors="ignore").strip() for size in range(1, len(row) + 1)
        ]
        ended = [finish.generated([*row[:size], tokenizer.eos_token_id]).text for size in range(1, len(row) + 1)]
        assert ended == texts


def test_what_may_begin_the_stop_waits(organism: LoadedModel) -> None:
    tokenizer = organism.model.tokenizer
    finish = Finish(SimpleNamespace(tokenizer=tokenizer), "end")
    spelled = [tokenizer(c, add_special_tokens=False)["input_ids"] for c in "an en end"]
    row = [token for ids in spelled for token in ids]
    texts = [finish.settled(row[:size]) for size in range(1, len(row) + 1)]
    assert texts == ["a", "an", "an ", "an ", "an ", "an en ", "an en ", "an en ", "an en "]


def test_what_is_not_allowed_is_told_at_once(organism: LoadedModel) -> None:
    model = organism.model
    with pytest.raises(ValueError, match="1 texts and 2 plans"):
        stream(model, ["a"], [Plan(), Plan()])
    with pytest.raises(ValueError, match="at least 1"):
        stream(model, ["a"], [Plan()], max_new_tokens=0)
    with pytest.raises(ValueError, match="out of range"):
        stream(model, ["a"], [Plan((Steer(99, torch.zeros(model.cfg.d_model)),))])
    with pytest.raises(ModelError, match="is longer than the model's context"):
        stream(model, ["a " * 3000], [Plan()])
    assert list(stream(model, [], [])) == []
    [*_, last] = stream(model, ["a"], [Plan()], max_new_tokens=1, stop=None)
    assert isinstance(last.whole, Generated)
