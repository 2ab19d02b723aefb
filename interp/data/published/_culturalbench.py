"""CulturalBench (Chiu et al. 2024, arXiv 2410.02677): questions on 45 countries and regions, in English alone.

Every question names its country, and no other language asks it: there is no localization axis, and a run can't use it.
It loads to be looked at, exported, and scored with `--culture`. CulturalBench-Easy has four options a row;
CulturalBench-Hard, read where Easy is not there, has one option a row, true or false.
"""

from __future__ import annotations

from collections.abc import Sequence

from interp.data import CulturalItem, CulturalSet, Entry, LeftOut, assign_splits, cues, placebos, shuffled
from interp.data.files import Origin, Part, Reader, Record
from interp.data.published._countries import country_code
from interp.errors import DataError

LANGUAGE = "en"
EASY, HARD = (
    Part((f"{name}.csv", f"{name}/test/*.parquet"), name, "test")
    for name in ("CulturalBench-Easy", "CulturalBench-Hard")
)
OPTIONS = 4
_TRUTH = {"true": True, "1": True, "false": False, "0": False}

Questions = dict[str, tuple[Record, list[tuple[str, bool]]]]
"""By question: its (first) row, the texts of its options, and whether each is right."""


def load(reader: Reader, languages: tuple[str, ...]) -> CulturalSet:
    """All questions; raises DataError, with the row, for a broken table."""
    easy = reader.has(EASY) or not reader.has(HARD)
    found = _easy(reader.records(EASY)) if easy else _hard(reader.records(HARD))
    splits = assign_splits(found, "culturalbench")
    items, left_out = [], []
    for key, (record, options) in found.items():
        question, country = record.maybe("prompt_question"), record.maybe("country")
        culture = country_code(country)
        texts = [text for text, _ in options]
        right = [str(place) for place, (_, is_right) in enumerate(options) if is_right]
        reason = _why_not(question, texts, right, "" if culture else f"country {country!r} is unknown")
        if reason or culture is None:
            left_out.append(LeftOut(key, record.where, reason))
            continue
        keys = tuple(map(str, range(len(options))))
        items.append(
            CulturalItem(
                key=key,
                topic=key,
                split=splits[key],
                questions={LANGUAGE: question},
                answers={culture: (right[0],)},
                pool=keys,
                names={name: {LANGUAGE: text} for name, text in zip(keys, texts, strict=True)},
                given={culture: tuple(shuffled(keys, "position", key))},
            )
        )
    cultures = tuple(dict.fromkeys(culture for item in items for culture in item.answers))
    return CulturalSet(
        name=ENTRY.name,
        languages=(LANGUAGE,),
        cultures=cultures,
        own_culture={},
        items=tuple(items),
        cues=cues(cultures, (LANGUAGE,)),
        placebos=placebos((LANGUAGE,)),
        option_count=OPTIONS,
        left_out=tuple(left_out),
    )


def _why_not(question: str, texts: Sequence[str], right: Sequence[str], unknown: str) -> str:
    if not question or len(texts) != OPTIONS or not all(texts):
        return "the question or an option is empty or missing"
    if len(set(texts)) < len(texts):
        return "two options are the same"
    return f"{len(right)} options are right" if len(right) != 1 else unknown


def _easy(records: Sequence[Record]) -> Questions:
    found: Questions = {}
    for record in records:
        key, right = record.text("question_idx"), record.letter("answer")
        if key in found:
            raise DataError(
                f"{record.where}: question_idx {key!r} is there twice",
                allowed=f"once; first at {found[key][0].where}",
                remedy="drop one",
            )
        texts = [record.maybe(f"prompt_option_{letter}") for letter in "abcd"]
        found[key] = record, [(text, place == right) for place, text in enumerate(texts)]
    return found


def _hard(records: Sequence[Record]) -> Questions:
    found: Questions = {}
    for record in records:
        word = record.text("answer").casefold()
        if word not in _TRUTH:
            raise DataError(f"{record.where}: answer {word!r}", allowed="True, False", remedy="correct the answer")
        _, options = found.setdefault(record.text("question_idx"), (record, []))
        options.append((record.maybe("prompt_option"), _TRUTH[word]))
    return found


ENTRY: Entry[CulturalSet] = Entry(
    name="culturalbench",
    axis="cultural",
    title="CulturalBench: questions on 45 countries, in English alone (no localization axis)",
    citation="Chiu et al. 2024, CulturalBench, arXiv:2410.02677",
    licence="CC BY 4.0",
    languages=(LANGUAGE,),
    size="1,227 questions",
    load=load,
    origin=Origin("hub", "kellycyy/CulturalBench", folders=("culturalbench", "CulturalBench")),
)
