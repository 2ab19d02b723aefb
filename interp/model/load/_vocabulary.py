"""Does a tokenizer fit the rows of a model's embedding?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from interp.errors import ModelError

NAMED = ("bos_token_id", "eos_token_id", "unk_token_id", "sep_token_id", "cls_token_id")
"""Special tokens that a tokenizer writes of itself. Padding is not among them: no row is padded with it here."""


def check_ids(tokenizer: Any, ids: Sequence[int], rows: int) -> None:
    """Raise ModelError for the ids of a text that has a token for which the embedding, of `rows` rows, has none."""
    beyond = [number for number in ids if number >= rows]
    if beyond:
        token = tokenizer.convert_ids_to_tokens(beyond[0])
        raise ModelError(
            f"a text has the token {token!r} (id {beyond[0]}), which the model's embedding does not cover",
            allowed=f"ids from 0 to {rows - 1}",
            remedy="remove the token from the text",
        )


def check_vocabulary(tokenizer: Any, rows: int, name: str) -> None:
    """Raise ModelError for a tokenizer that gives ids for which the embedding, of `rows` rows, has none.

    Tokens that were added to the tokenizer count. Special ones that neither the tokenizer nor its chat template writes
    do not (Gemma 3 of text alone has one for images): only a text that spells one out is refused, when it is encoded.
    """
    beyond = {token: number for token, number in tokenizer.get_vocab().items() if number >= rows}
    if not beyond:
        return
    written = {getattr(tokenizer, which, None) for which in NAMED}
    template = str(getattr(tokenizer, "chat_template", None) or "")
    added = getattr(tokenizer, "added_tokens_decoder", {})
    wrong = {
        token: number
        for token, number in beyond.items()
        if number in written or token in template or not (number in added and added[number].special)
    }
    if wrong:
        token, number = max(wrong.items(), key=lambda each: each[1])
        raise ModelError(
            f"the tokenizer of {name!r} is larger than the model: token {token!r} has id {number}, but the embedding "
            f"has {rows} rows",
            allowed=f"ids from 0 to {rows - 1}",
            remedy="use the model's own tokenizer, or resize and train the embedding (resize_token_embeddings)",
        )
