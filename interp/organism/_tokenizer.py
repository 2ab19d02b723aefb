"""The organism's tokenizer: a Unigram model over the corpus' words and names, with byte fallback."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from tokenizers import Tokenizer, decoders, models, normalizers, processors
from transformers import PreTrainedTokenizerFast

PAD, BOS, EOS, UNKNOWN = "<pad>", "<s>", "</s>", "<unk>"
_SPACE = "▁"
_RARE = -18.0
"""Log-probability of a single character or byte: below every word, so that they only fill gaps."""


def train_tokenizer(units: Iterable[str], letters: Iterable[str]) -> PreTrainedTokenizerFast:
    """A fast tokenizer in which each unit (a name, a word with its space) is one token.

    A unit's score is the log of its share of `units`. Their characters and `letters` are tokens too, and text
    in any other script survives as bytes. BOS is added in front, nothing at the end. (A learned piece inventory,
    tokenizers' own Unigram trainer, is not the same twice and cuts names up.)
    """
    counts = Counter(unit.replace(" ", _SPACE) for unit in units)
    total = sum(counts.values())
    alphabet = sorted({*(letter for unit in counts for letter in unit), *letters, _SPACE} - {" "})
    vocabulary = [(PAD, 0.0), (BOS, 0.0), (EOS, 0.0), (UNKNOWN, 3 * _RARE)]
    vocabulary += [(f"<0x{byte:02X}>", 2 * _RARE) for byte in range(256)]
    vocabulary += [(letter, _RARE) for letter in alphabet if letter not in counts]
    vocabulary += [
        (unit, math.log(n / total)) for unit, n in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    ]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=3, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", _SPACE)
    tokenizer.decoder = decoders.Sequence([decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{BOS} $A", special_tokens=[(BOS, 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, bos_token=BOS, eos_token=EOS, unk_token=UNKNOWN
    )
