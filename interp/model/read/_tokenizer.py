"""A checkpoint's own tokenizer: as Transformers reads it, given to a hooked model, described, and copied."""

from __future__ import annotations

import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from interp.errors import Notice
from interp.model import HookedModel
from interp.model.load import gguf_tokenizer, is_gguf

Ids = tuple[int, ...]

OWN = "the checkpoint's own"
GIVEN = "the model object's"

FILES = (
    "tokenizer*.json", "tokenizer*.model", "special_tokens_map.json", "added_tokens.json", "vocab.*", "merges.txt",
    "spiece.model", "sentencepiece*.model", "spm.model", "*.tiktoken", "tekken.json", "chat_template.*",
    "additional_chat_templates/*.jinja",
)  # fmt: skip
"""Files that a checkpoint's tokenizer and chat template are read from."""

_PROBE = "a"
_KEPT = "_translocal_tokenizer"


@dataclass(frozen=True)
class Around:
    """The special tokens that a tokenizer puts in front of a text and after it."""

    front: Ids
    behind: Ids

    @classmethod
    def of(cls, tokenizer: Any) -> Around:
        """Read off a short text, encoded with and without special tokens."""
        whole = tuple(tokenizer(_PROBE)["input_ids"])
        bare = tuple(tokenizer(_PROBE, add_special_tokens=False)["input_ids"])
        ends = range(len(whole) - len(bare) + 1)
        start = next((place for place in ends if whole[place : place + len(bare)] == bare), len(whole))
        return cls(whole[:start], whole[start + len(bare) :])


def own_tokenizer(place: str | Path) -> Any:
    """The tokenizer of a checkpoint's folder or GGUF file as Transformers reads it: it adds what files say alone."""
    if is_gguf(Path(place)):
        tokenizer = gguf_tokenizer(Path(place))
    else:
        tokenizer = AutoTokenizer.from_pretrained(str(place), trust_remote_code=False)
    vars(tokenizer)[_KEPT] = OWN
    return tokenizer


def stand_in() -> Any:
    """A tokenizer of one word, for TransformerLens to change in place of the model's (see `give_tokenizer`)."""
    words = Tokenizer(models.WordLevel({_PROBE: 0}, unk_token=_PROBE))
    return PreTrainedTokenizerFast(tokenizer_object=words, unk_token=_PROBE, eos_token=_PROBE)


def give_tokenizer(model: HookedModel, tokenizer: Any) -> None:
    """Make a tokenizer the model's as it is, and `model.to_tokens` encode as it does.

    TransformerLens reloads every tokenizer that it is given, with a BOS in front and other tokens in special roles.
    A missing padding token becomes EOS or BOS, which changes no text's tokens.
    """
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.bos_token
    around = Around.of(tokenizer)
    plain: Any = model
    begins = tokenizer.bos_token_id is not None and around.front[:1] == (tokenizer.bos_token_id,)
    if hasattr(plain, "_tokenizer"):
        plain._tokenizer = tokenizer  # the property would reload it
    else:
        plain.tokenizer = tokenizer
    plain.cfg.default_prepend_bos = plain.cfg.tokenizer_prepends_bos = begins
    plain.cfg.tokenizer_appends_eos = around.behind[-1:] == (tokenizer.eos_token_id,)


def described_tokenizer(tokenizer: Any) -> dict[str, str]:
    """What a manifest states: whose tokenizer it is, and the special tokens in front of a text and after it."""
    around = Around.of(tokenizer)
    return {
        "tokenizer": vars(tokenizer).get(_KEPT, GIVEN),
        "in_front": " ".join(map(str, tokenizer.convert_ids_to_tokens(list(around.front)))),
        "behind": " ".join(map(str, tokenizer.convert_ids_to_tokens(list(around.behind)))),
    }


def notice_changed(tokenizer: Any) -> None:
    """Say where the tokenizer of a model object puts other tokens around a text than the checkpoint's own does.

    Nothing is said where the checkpoint's files aren't at hand.
    """
    if vars(tokenizer).get(_KEPT) == OWN:
        return
    try:
        place = str(tokenizer.name_or_path)
        original = AutoTokenizer.from_pretrained(place, local_files_only=True, trust_remote_code=False)
    except Exception:  # there are no such files, or they can't be read here
        return
    given, expected = described_tokenizer(tokenizer), described_tokenizer(original)
    differing = [
        f"{given[key] or 'nothing'} {where} a text, the checkpoint's own {expected[key] or 'nothing'}"
        for key, where in (("in_front", "in front of"), ("behind", "behind"))
        if given[key] != expected[key]
    ]
    if differing:
        warnings.warn(
            f"the model object's tokenizer puts {'; and '.join(differing)}; texts are encoded like that. To encode as "
            f"the checkpoint does, pass {place!r} instead of the object, or call "
            "interp.model.read.give_tokenizer(model, own_tokenizer(folder)) first",
            Notice,
            stacklevel=4,
        )


def copy_tokenizer(source: Path, target: Path) -> None:
    """Copy the files of a checkpoint's tokenizer and chat template, byte by byte; of a GGUF file they are written."""
    if is_gguf(source):
        own_tokenizer(source).save_pretrained(target)
        return
    for pattern in FILES:
        for path in sorted(source.glob(pattern)):
            copied = target / path.relative_to(source)
            copied.parent.mkdir(exist_ok=True)
            shutil.copyfile(path, copied)
