"""A small Llama whose weights are written by hand: block a adds the universal direction, block b the culture direction.

It reads Atlas' prompts with the organism's tokenizer, in which every name and most words are one token. Its residual
stream is cut into orthogonal spaces, turned by a random rotation so that no coordinate stands for anything:

  constant   16 in every token: it dominates the norm, so that RMSNorm divides all streams by nearly the same number
  flags      what heads look for: subject, question, language, cue, start
  words      a random vector per token; head 0 of block 0 adds three times its mean over the prompt
  meaning    random codes, the same in all languages, of a subject's answers and of the question (or relation) asked
  english    +1 for English, -1 for other languages
  culture    one axis per culture
  said, home what the unembedding reads: a meaning, and a meaning turned by a matrix that each culture has for itself

What is written where, at the last token by attention and nothing else:

  block a, heads 1-3     meaning of the subject, meaning of the question, english of the language's words
  block a + 1, MLP       said += meaning, in full where english is +1, to a third where it is -1
  block b, head 4        culture: of the cue's words (1), or else of words that only questions about customs have (0.4: the
                         language's own, English: the US); questions about facts hold none
  max(a, b) + 1, MLP     home += sum over cultures of the culture's strength times the meaning turned by its matrix

A head attends to the tokens that carry its flag, or to the start token, which holds nothing; heads 5-7 are empty. A
token's logit is what it answers: in `said` the codes of its answers and of their questions, in `home` the turned codes of
the questions that it answers for a culture; and a prior of 0.6 for half of the universal answers and for half of the US
answers, by hash. So a third of a meaning loses against a prior, and so does an uncued culture: the model is wrong in
other languages about what it says in English, and takes the US for granted about half the time, unless it is steered.

What a locating method should find, for a < b:
- Answers (trained in English, tested in x) and the alignment of universal prompts start at a, cued cultures (trained on
  explicit, tested on implicit prompts) at b; nothing of either is there before. Separation b - a.
- EN-steering mends transfer at a and nowhere else: before, EN holds words that nobody reads; after, `said` is written.
  LOC-steering mends localization at b and nowhere else, for the same reasons. EN-steering at b takes localization away:
  it subtracts the own culture and adds the US.
- The English residual mends x from a on. The cue is carried by head 4 of block b. The MLP of block a + 1 makes the
  difference of right and wrong, that of block b + 1 the difference of local and US; the embedding holds the priors.
For a >= b the same, but that LOC-steering works on a plateau from b to a. Questions align cultural prompts from a on,
too, and EN fitted on sentences without facts mends as much: what is planted is English. The nine countries that cues
name are no subjects: their words carry a culture and no facts. (In Chinese the cue of the UK shares its character with
the word for hero, so that three questions are taken for British.)
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float

from interp.data import Text, continuation, language, unit
from interp.data.atlas import _atlas as atlas
from interp.model.load import organism_folder

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

SIZES = {
    "constant": 1, "flags": 5, "words": 40, "meaning": 88, "english": 1, "culture": 9, "said": 88, "home": 88,
}  # fmt: skip
WIDTH, HEAD_WIDTH, HEADS = sum(SIZES.values()), 96, 8
FLAGS = ("subject", "question", "language", "cue", "start")
WORDS_HEAD, SUBJECT_HEAD, QUESTION_HEAD, LANGUAGE_HEAD, CULTURE_HEAD = range(5)
CONSTANT, PRIOR, IMPLICIT, LOGIT = 16.0, 0.6, 0.4, 40.0

Key = tuple[str, ...]
"""What a code stands for: an answer (its texts, in the order of `atlas.LANGUAGES`), or ("question", its key)."""


@dataclass(frozen=True, eq=False)
class Planted:
    """The folder that `build` wrote, orthonormal rows of every space of the stream, and the code of every meaning."""

    folder: Path
    a: int
    b: int
    spaces: Mapping[str, Float[torch.Tensor, "size d_model"]]
    codes: Mapping[Key, Float[torch.Tensor, "meaning"]]


def answer_key(text: Text) -> Key:
    """The key of an answer's code."""
    return tuple(text[code] for code in atlas.LANGUAGES)


def build(folder: Path, a: int = 2, b: int = 5, n_layers: int = 8, seed: int = 0) -> Planted:
    """Write config, weights and tokenizer into `folder`; ValueError unless a and b have a block behind them."""
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    if not (0 <= a <= n_layers - 2 and 0 <= b <= n_layers - 2):
        raise ValueError(f"a and b must lie between 0 and {n_layers - 2}, got {a} and {b}")
    tokenizer = AutoTokenizer.from_pretrained(organism_folder())
    words = _words()
    draws = torch.Generator().manual_seed(seed)
    rotation = _orthogonal(WIDTH, draws)
    spaces = dict(zip(SIZES, rotation.split(list(SIZES.values())), strict=True))
    codes = dict(zip(words.keys, _unit_rows(len(words.keys), SIZES["meaning"], draws), strict=True))
    turns = {culture: _orthogonal(SIZES["meaning"], draws) for culture in atlas.CULTURES}
    hidden = SIZES["meaning"] * (1 + len(turns))
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer), hidden_size=WIDTH, intermediate_size=hidden, num_hidden_layers=n_layers,
            num_attention_heads=HEADS, num_key_value_heads=HEADS, head_dim=HEAD_WIDTH, rope_theta=1e6,
            max_position_embeddings=512, tie_word_embeddings=False, pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        )
    )  # fmt: skip
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.fill_(1.0 if "norm" in name else 0.0)
        noise = _unit_rows(len(tokenizer), SIZES["words"], draws)
        model.model.embed_tokens.weight.copy_(_embedding(words, codes, noise, tokenizer.bos_token_id) @ rotation)
        model.lm_head.weight.copy_(_unembedding(words, codes, turns, len(tokenizer)) @ rotation)
        blocks = model.model.layers
        _write_head(blocks[0], WORDS_HEAD, spaces, "words", {}, gain=3.0)
        _write_head(blocks[a], SUBJECT_HEAD, spaces, "meaning", {"subject": 2, "start": 1})
        _write_head(blocks[a], QUESTION_HEAD, spaces, "meaning", {"question": 3, "start": 1})
        _write_head(blocks[a], LANGUAGE_HEAD, spaces, "english", {"language": 2, "start": 1})
        _write_head(blocks[b], CULTURE_HEAD, spaces, "culture", {"cue": 3, "language": 2, "start": 1})
        constant, meaning = spaces["constant"][0] / CONSTANT, spaces["meaning"]
        _write_mlp(blocks[a + 1], 0, 1.25 * spaces["english"][0] + 2.75 * constant, 4.0, meaning, spaces["said"])
        for place, (axis, turn) in enumerate(zip(spaces["culture"], turns.values(), strict=True), start=1):
            _write_mlp(blocks[max(a, b) + 1], place, 6.0 * axis, 6.0, turn @ meaning, spaces["home"])
    model.eval().save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(organism_folder() / name, folder / name)
    return Planted(folder, a, b, spaces, codes)


def _orthogonal(size: int, draws: torch.Generator) -> torch.Tensor:
    return torch.linalg.qr(torch.randn(size, size, generator=draws, dtype=torch.float64))[0].float()


def _unit_rows(n: int, size: int, draws: torch.Generator) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(n, size, generator=draws), dim=1)


def _write_head(
    block: torch.nn.Module, head: int, spaces: Mapping[str, torch.Tensor], space: str, looks_for: Mapping[str, int],
    gain: float = 1.0,
) -> None:  # fmt: skip
    """A head that adds `gain` times what the tokens with the strongest flag hold in `space`; without flags, the mean."""
    attention, rows = block.self_attn, slice(head * HEAD_WIDTH, head * HEAD_WIDTH + SIZES[space])
    attention.v_proj.weight[rows] = spaces[space]
    attention.o_proj.weight[:, rows] = gain * spaces[space].T
    # The slowest pair of the rotary embedding: over a prompt it turns by less than a thousandth.
    slot = head * HEAD_WIDTH + HEAD_WIDTH // 2 - 1
    attention.q_proj.weight[slot] = 20.0 * HEAD_WIDTH**0.5 / CONSTANT * spaces["constant"][0]
    for flag, strength in looks_for.items():
        attention.k_proj.weight[slot] += strength * spaces["flags"][FLAGS.index(flag)]


def _write_mlp(
    block: torch.nn.Module, place: int, gate: torch.Tensor, full: float, source: torch.Tensor, target: torch.Tensor
) -> None:
    """`target` += `source` times silu(gate) over its value where the gate is `full`."""
    rows = slice(place * len(source), (place + 1) * len(source))
    block.mlp.gate_proj.weight[rows] = gate
    block.mlp.up_proj.weight[rows] = source
    block.mlp.down_proj.weight[:, rows] = target.T / torch.nn.functional.silu(torch.tensor(full))


@dataclass(frozen=True)
class _Words:
    """What the tokens of the tokenizer stand for in Atlas, and all meanings."""

    cue: Mapping[int, str]
    subject: Mapping[int, frozenset[Key]]
    question: Mapping[int, frozenset[Key]]
    language: Mapping[int, str]
    custom: frozenset[int]
    """Tokens of questions about customs, and of nothing else: they hint at the language's own culture."""
    said: Mapping[int, frozenset[Key]]
    """Token -> the universal answers that it writes and their relations, and the questions that it answers."""
    home: Mapping[int, frozenset[tuple[str, str]]]
    """Token -> (question, culture) pairs that it is the right answer for."""
    prior: frozenset[int]
    keys: tuple[Key, ...]


@cache
def _words() -> _Words:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(organism_folder())
    cultural = atlas.cultural()
    asides = [*cultural.cues.values(), *cultural.placebos]
    in_asides = {token for text in asides for code in text for token in _ids(tokenizer, text[code])}
    cue: dict[int, str] = {}
    language_of: dict[int, set[str]] = defaultdict(set)
    question: dict[int, frozenset[Key]] = {}
    custom: set[int] = set()
    elsewhere = set(in_asides)
    for code in atlas.LANGUAGES:
        asked = {("question", relation): list(texts[code]) for relation, texts in atlas.templates().items()}
        asked |= {("question", item.key): [item.questions[code]] for item in cultural.items}
        keys_of = _having(tokenizer, asked)
        customs = {("question", item.key) for item in cultural.items}
        custom |= {token for token, keys in keys_of.items() if keys <= customs}
        elsewhere |= {token for token, keys in keys_of.items() if not keys <= customs}
        question |= {token: keys for token, keys in keys_of.items() if len(keys) <= 4 and token not in in_asides}
        named = _having(tokenizer, {culture: [text[code]] for culture, text in cultural.cues.items()})
        others = [text[code] for text in (*cultural.placebos, *atlas.chatter().sentences)]
        elsewhere |= {token for text in others for token in _ids(tokenizer, text)}
        common = {*keys_of, *(token for text in others for token in _ids(tokenizer, text))}
        for culture in cultural.cultures:
            own = {token for token, cultures in named.items() if cultures == {culture}}
            cue |= dict.fromkeys(own - common or own, culture)
        for token in {*common, *named}:
            language_of[token].add(code)
    asked_of = {item.key.partition("/")[2] for item in atlas.universal().items}
    texts = [text for subject in asked_of for text in atlas.names()[subject].values()]
    names = {form for text in texts for form in (text, " " + text)}
    elsewhere |= {token for name in names for token in _ids(tokenizer, name)}
    subject = _subjects(tokenizer)
    said, home, prior = _answers(tokenizer)
    labels = {token for code in atlas.LANGUAGES for token in _ids(tokenizer, continuation(language(code).answer, code))}
    taken = {*cue, *subject}
    return _Words(
        cue=cue,
        subject={token: keys for token, keys in subject.items() if token not in in_asides},
        question={token: keys for token, keys in question.items() if token not in taken},
        language={t: min(c) for t, c in language_of.items() if len(c) == 1 and t not in taken and t not in labels},
        custom=frozenset(custom - elsewhere - labels),
        said=said,
        home=home,
        prior=prior,
        keys=tuple(sorted({key for keys in (*said.values(), *question.values()) for key in keys})),
    )


def _ids(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def _having(tokenizer: PreTrainedTokenizerFast, texts: Mapping) -> dict[int, frozenset]:
    """Token -> the keys among `texts` whose texts, cut at the subject, have it."""
    seen = defaultdict(set)
    for key, sentences in texts.items():
        for part in (part for text in sentences for part in text.split("{subject}")):
            for token in _ids(tokenizer, part):
                seen[token].add(key)
    return {token: frozenset(keys) for token, keys in seen.items()}


def _subjects(tokenizer: PreTrainedTokenizerFast) -> dict[int, frozenset[Key]]:
    """Token -> answers of all facts about the subjects that it names, but for the countries of the cues."""
    answers: dict[str, set[Key]] = defaultdict(set)
    for item in atlas.universal().items:
        answers[item.key.partition("/")[2]].add(answer_key(item.options[item.answer]))
    for culture in atlas.CULTURES:
        answers.pop(f"territory:{culture}", None)
    found: dict[int, set[Key]] = defaultdict(set)
    for name, facts in answers.items():
        for form in {form for text in atlas.names()[name].values() for form in (text, " " + text)}:
            if len(ids := _ids(tokenizer, form)) == 1:
                found[ids[0]] |= facts
    return {token: frozenset(facts) for token, facts in found.items()}


def _answers(
    tokenizer: PreTrainedTokenizerFast,
) -> tuple[dict[int, frozenset[Key]], dict[int, frozenset[tuple[str, str]]], frozenset[int]]:
    """`said`, `home` and `prior` of `_Words`; every answer is one token."""
    said, home, prior = defaultdict(set), defaultdict(set), set()

    @cache
    def written(*texts: str) -> tuple[int, ...]:
        return tuple(_ids(tokenizer, continuation(t, c))[0] for t, c in zip(texts, atlas.LANGUAGES, strict=True))

    for relation, answers in {item.relation: item.candidates for item in atlas.universal().items}.items():
        for answer in map(answer_key, answers):
            favoured = unit("planted prior", relation, answer[0]) < 0.5
            for token in written(*answer):
                said[token] |= {answer, ("question", relation)}
                prior |= {token} if favoured else set()
    cultural = atlas.cultural()
    for item in cultural.items:
        favoured = unit("planted prior", item.key) < 0.5
        for culture, keys in item.answers.items():
            for token in (token for key in keys for token in written(*answer_key(item.names[key]))):
                said[token].add(("question", item.key))
                home[token].add((item.key, culture))
                prior |= {token} if favoured and culture == cultural.reference else set()
    return {t: frozenset(k) for t, k in said.items()}, {t: frozenset(k) for t, k in home.items()}, frozenset(prior)


def _space(table: torch.Tensor, name: str) -> torch.Tensor:
    """The columns of a space, before the stream is turned."""
    first = sum(size for other, size in SIZES.items() if list(SIZES).index(other) < list(SIZES).index(name))
    return table[:, first : first + SIZES[name]]


def _sum(codes: Mapping[Key, torch.Tensor], keys: Iterable[Key]) -> torch.Tensor:
    return torch.stack([codes[key] for key in sorted(keys)]).sum(dim=0)


def _embedding(words: _Words, codes: Mapping[Key, torch.Tensor], noise: torch.Tensor, start: int) -> torch.Tensor:
    table = torch.zeros(len(noise), WIDTH)
    _space(table, "constant")[:] = CONSTANT
    _space(table, "words")[:] = noise
    flags, meaning, english, culture = (_space(table, name) for name in ("flags", "meaning", "english", "culture"))
    for token, keys in words.subject.items():
        flags[token, FLAGS.index("subject")] = 1.0
        meaning[token] += _sum(codes, keys)
    for token, keys in words.question.items():
        flags[token, FLAGS.index("question")] = 1.1 - 0.1 * len(keys)
        meaning[token] += _sum(codes, keys)
    cultural = atlas.cultural()
    for token, code in words.language.items():
        english[token] = 1.0 if code == "en" else -1.0
        flags[token, FLAGS.index("language")] = 1.2 if token in words.custom else 1.0
        if token in words.custom:
            culture[token, atlas.CULTURES.index(cultural.own_culture.get(code, cultural.reference))] = IMPLICIT
    for token, named in words.cue.items():
        flags[token, FLAGS.index("cue")] = 1.0
        culture[token, atlas.CULTURES.index(named)] = 1.0
    flags[start, FLAGS.index("start")] = 1.0
    _space(table, "words")[start] = 0.0
    return table


def _unembedding(
    words: _Words, codes: Mapping[Key, torch.Tensor], turns: Mapping[str, torch.Tensor], size: int
) -> torch.Tensor:
    table = torch.zeros(size, WIDTH)
    said, home, constant = (_space(table, name) for name in ("said", "home", "constant"))
    for token, keys in words.said.items():
        said[token] = LOGIT * _sum(codes, keys)
    for token, pairs in words.home.items():
        home[token] = LOGIT * sum(turns[culture] @ codes["question", key] for key, culture in sorted(pairs))
    constant[sorted(words.prior)] = LOGIT * PRIOR / CONSTANT
    return table
