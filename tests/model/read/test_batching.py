"""Batches name every position."""

from __future__ import annotations

import pytest
import torch

from interp.errors import ModelError, Notice
from interp.model import LoadedModel
from interp.model.read import Batch, Budget, Tokens, batches, within_memory


def test_rows_come_back_once_the_longest_first_and_padded_right() -> None:
    sequences = [[1] * n for n in (5, 2, 9, 2, 7)]
    found = list(batches(sequences, [1] * 5, 2))
    assert [b.rows for b in found] == [(2, 4), (0, 1), (3,)]
    assert found[0].real.tolist() == [[True] * 9, [True] * 7 + [False] * 2]


def test_rows_may_follow_from_the_length() -> None:
    sequences = [[1] * n for n in (8, 2, 2, 2, 4)]
    assert [b.rows for b in batches(sequences, [1] * 5, lambda length: 8 // length)] == [(0,), (4, 1), (2, 3)]


def test_a_batch_that_takes_too_much_memory_is_halved(organism: LoadedModel) -> None:
    budget = Budget(organism.model, "1GiB")
    whole = batches([[1] * 4] * 5, [1] * 5, 8)

    def run(batch: Batch) -> int:
        if len(batch.rows) > 2:
            raise torch.OutOfMemoryError
        return len(batch.rows)

    with pytest.warns(Notice, match="continuing with") as notices:
        found = list(within_memory(whole, run, budget))
    assert sorted(row for batch, _ in found for row in batch.rows) == [0, 1, 2, 3, 4]
    assert all(batch.tokens.shape == (size, 4) for batch, size in found)
    assert len(notices) == 2
    assert budget.bytes == 2**28


def test_a_row_that_does_not_fit_alone_is_an_error(organism: LoadedModel) -> None:
    def run(batch: Batch) -> None:
        raise torch.OutOfMemoryError

    with pytest.warns(Notice), pytest.raises(ModelError, match="a single prompt at a time"):
        list(within_memory(batches([[1]], [1], 8), run, Budget(organism.model)))


def test_other_errors_are_not_taken_for_memory(organism: LoadedModel) -> None:
    def run(batch: Batch) -> None:
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        list(within_memory(batches([[1]], [1], 8), run, Budget(organism.model)))


def test_last_is_the_prompts_last_token_not_the_rows() -> None:
    (batch,) = batches([[1, 2, 3, 4], [1, 2]], [3, 2], 2)
    assert dict(zip(batch.rows, batch.last.tolist(), strict=True)) == {0: 2, 1: 1}
    assert batch.from_last().tolist() == [[False, False, True, True], [False, True, False, False]]


@pytest.mark.parametrize(("sequences", "lengths"), [([[]], [0]), ([[1, 2]], [3]), ([[1]], [0])])
def test_prompts_must_lie_within_their_sequence(sequences, lengths) -> None:
    with pytest.raises(ValueError, match="sequence 0 has"):
        list(batches(sequences, lengths, 4))


def test_batch_size_must_be_positive() -> None:
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        list(batches([[1]], [1], 0))


def test_a_continuations_tokens_are_what_it_adds(organism: LoadedModel) -> None:
    tokens = Tokens(organism.model)
    context, (ending,) = tokens.split("What is the capital of France? Answer:", [" Paris"])
    assert (*context, *ending) == tokens("What is the capital of France? Answer: Paris")
    assert organism.model.tokenizer.decode(list(ending)) == " Paris"


def test_exactly_one_bos(organism: LoadedModel) -> None:
    ids = Tokens(organism.model)("What is the capital of France?")
    assert ids.count(organism.model.tokenizer.bos_token_id) == 1
    assert ids[0] == organism.model.tokenizer.bos_token_id
