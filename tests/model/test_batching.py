"""Batches name every position."""

from __future__ import annotations

import pytest

from interp.model.batching import Tokens, batches
from interp.model.loading import LoadedModel


def test_rows_come_back_once_sorted_by_length_and_padded_right() -> None:
    sequences = [[1] * n for n in (5, 2, 9, 2, 7)]
    found = list(batches(sequences, [1] * 5, 2))
    assert [b.rows for b in found] == [(1, 3), (0, 4), (2,)]
    assert found[1].real.tolist() == [[True] * 5 + [False] * 2, [True] * 7]


def test_last_is_the_prompts_last_token_not_the_rows() -> None:
    (batch,) = batches([[1, 2, 3, 4], [1, 2]], [3, 2], 2)
    assert dict(zip(batch.rows, batch.last.tolist(), strict=True)) == {0: 2, 1: 1}
    assert batch.from_last().tolist() == [[False, True, False, False], [False, False, True, True]]


@pytest.mark.parametrize(("sequences", "lengths"), [([[]], [0]), ([[1, 2]], [3]), ([[1]], [0])])
def test_prompts_must_lie_within_their_sequence(sequences, lengths) -> None:
    with pytest.raises(ValueError, match="sequence 0 has"):
        list(batches(sequences, lengths, 4))


def test_batch_size_must_be_positive() -> None:
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        list(batches([[1]], [1], 0))


def test_a_continuations_tokens_are_what_it_adds(organism: LoadedModel) -> None:
    tokens = Tokens(organism.model)
    context, ending = tokens.split("What is the capital of France? Answer:", " Paris")
    assert (*context, *ending) == tokens("What is the capital of France? Answer: Paris")
    assert organism.model.tokenizer.decode(list(ending)) == " Paris"


def test_exactly_one_bos(organism: LoadedModel) -> None:
    ids = Tokens(organism.model)("What is the capital of France?")
    assert ids.count(organism.model.tokenizer.bos_token_id) == 1
    assert ids[0] == organism.model.tokenizer.bos_token_id
