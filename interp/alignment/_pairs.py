"""Training data: the same said in several languages, from the fit split alone and, unless asked, without culture."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from interp.alignment._instructions import read_instructions
from interp.data import (
    CULTURAL,
    PARALLEL,
    UNIVERSAL,
    CulturalSet,
    ParallelText,
    Split,
    UniversalItem,
    UniversalSet,
    continuation,
    entry_of,
    language,
    languages,
    load_cultural,
    load_parallel,
    load_universal,
    question_text,
)
from interp.errors import DataError

Kind = Literal["question", "sentence", "cultural", "instruction"]


@dataclass(frozen=True)
class Unit:
    """One training example in several languages.

    `texts` are the parallel texts that alignment brings together. `prompts` are the questions, in one or more wordings,
    and `responses` the answers, without the separator that follows the prompt. The prompts of a `sentence` ask for its
    translation.
    """

    key: str
    kind: Kind
    texts: Mapping[str, tuple[str, ...]]
    prompts: Mapping[str, tuple[str, ...]]
    responses: Mapping[str, str]

    def answered(self, code: str, response: str | None = None) -> str:
        """The response in a language (or in that of `response`) as it follows a prompt in `code`."""
        return continuation(self.responses[response or code], code)


@dataclass(frozen=True)
class TrainingData:
    """Units to train on and units of the dev split to watch, in English and `languages`.

    `sources` are the datasets' names with the revision that was read.
    """

    sources: Mapping[str, str]
    languages: tuple[str, ...]
    units: tuple[Unit, ...]
    dev: tuple[Unit, ...] = ()

    @property
    def fingerprint(self) -> str:
        """SHA-256 (16 hex digits) over all units, in their order."""
        digest = hashlib.sha256()
        for unit in (*self.units, *self.dev):
            parts = (unit.key, unit.kind, dict(unit.texts), dict(unit.prompts), dict(unit.responses))
            digest.update(json.dumps(parts, sort_keys=True, ensure_ascii=False).encode())
        return digest.hexdigest()[:16]

    def counts(self) -> dict[str, int]:
        """Units per kind."""
        return {kind: sum(u.kind == kind for u in self.units) for kind in dict.fromkeys(u.kind for u in self.units)}


def load_training(
    names: Sequence[str],
    asked: Sequence[str] = (),
    *,
    data_dir: Path | None = None,
    cultural: str = "",
) -> TrainingData:
    """Load training units from datasets (`atlas`, `global_mmlu`, `ntrex`, ...) and JSONL files, in English and `asked`.

    Without `asked`, all available languages that prompts can be written in are loaded. Only the fit split of a dataset
    is used (for Global-MMLU, its dev rows), without items marked as culturally sensitive. `cultural` names a cultural
    dataset whose fit items are added: each language with its own culture's answer, English with the reference
    culture's. Raises DataError for an unknown name, and for a language that no source has besides English.
    """
    if not names:
        raise DataError("no training data was given", allowed=_known(), remedy="name one of these")
    if len(set(names)) < len(names):
        raise DataError(f"the training data list a source twice: {', '.join(names)}", remedy="name each once")
    codes = tuple(dict.fromkeys(("en", *asked))) if asked else ()
    for code in codes:
        language(code)
    sources: dict[str, str] = {}
    units: list[Unit] = []
    dev: list[Unit] = []
    for name in names:
        found, held, revision = _source(name, codes, data_dir)
        units += found
        dev += held
        sources[name] = revision
    if cultural:
        entry_of(CULTURAL, cultural, "cultural")
        customs = load_cultural(cultural, languages=codes, data_dir=data_dir)
        units += cultural_units(customs, "fit", codes)
        sources[f"cultural {cultural}"] = customs.revision
    return _whole(sources, units, dev, [code for code in codes if code != "en"])


def _known() -> str:
    return f"{', '.join(dict.fromkeys((*UNIVERSAL, *PARALLEL)))}, or a .jsonl file of parallel instructions"


def _source(name: str, codes: tuple[str, ...], data_dir: Path | None) -> tuple[list[Unit], list[Unit], str]:
    """Units to train on, units of the dev split, and the revision."""
    if name.endswith(".jsonl"):
        return instruction_units(Path(name).expanduser(), codes), [], ""
    if name in UNIVERSAL:
        facts = load_universal(name, languages=codes, data_dir=data_dir)
        return universal_units(facts, "fit", codes), universal_units(facts, "dev", codes), facts.revision
    if name in PARALLEL:
        text = load_parallel(name, languages=codes, data_dir=data_dir)
        return sentence_units(text, "fit", codes), sentence_units(text, "dev", codes), text.revision
    raise DataError(f"training data {name!r} is unknown", allowed=_known(), remedy="name one of these")


def _whole(sources: dict[str, str], units: list[Unit], dev: list[Unit], asked: list[str]) -> TrainingData:
    """The data, once every language is known to have something beside English."""
    available = dict.fromkeys(
        code for unit in units if "en" in unit.responses for code in unit.responses if code != "en"
    )
    for code in asked:
        if code not in available:
            raise DataError(
                f"{', '.join(sources)}: no parallel data for language {code!r}",
                allowed=f"languages with texts besides English: {', '.join(available) or 'none'}",
                remedy="leave it out, or add data for it",
            )
    if not available:
        raise DataError(
            f"{', '.join(sources)}: no text is available both in English and in another language",
            allowed="parallel data",
            remedy="check the files and --languages",
        )
    return TrainingData(sources, tuple(asked or available), tuple(units), tuple(dev))


def _chosen(there: Sequence[str], codes: tuple[str, ...]) -> list[str]:
    """The languages to take of those that are there: asked for, or all that prompts can be written in."""
    return [code for code in there if (code in codes if codes else code in languages())]


def universal_units(dataset: UniversalSet, split: Split, codes: tuple[str, ...] = ()) -> list[Unit]:
    """Questions with their right answers; the fit split comes with the worked examples. No sensitive item enters."""
    items = [item for item in dataset.items if item.split == split and not item.sensitive]
    further = dataset.examples if split == "fit" else ()
    chosen = _chosen(dataset.languages, codes)
    return [_question(dataset.name, item, chosen) for item in (*items, *further)]


def _question(name: str, item: UniversalItem, codes: Sequence[str]) -> Unit:
    prompts = {code: tuple(question_text(question, code) for question in item.questions[code]) for code in codes}
    right = item.options[item.answer]
    return Unit(f"{name}/{item.key}", "question", prompts, prompts, {code: right[code] for code in codes})


def cultural_units(dataset: CulturalSet, split: Split, codes: tuple[str, ...] = ()) -> list[Unit]:
    """Uncued cultural questions with the most typical answer of each language's culture, in English the reference's.

    Languages without question, culture or answer are left out; so are items that then have fewer than two.
    """
    units = []
    for item in dataset.items:
        prompts, responses = {}, {}
        for code in _chosen(dataset.languages, codes):
            culture = dataset.own_culture.get(code, dataset.reference if code == "en" else "")
            keys = item.answers.get(culture, ())
            if code in item.questions and keys and code in item.names[keys[0]]:
                prompts[code] = (question_text(item.questions[code], code),)
                responses[code] = item.names[keys[0]][code]
        if item.split == split and len(prompts) > 1:
            units.append(Unit(f"{dataset.name}/{item.key}", "cultural", prompts, prompts, responses))
    return units


def sentence_units(dataset: ParallelText, split: Split, codes: tuple[str, ...] = ()) -> list[Unit]:
    """Aligned sentences; the prompts ask for a translation, from English and, in every language, into English."""
    units = []
    chosen = _chosen(dataset.languages, codes)
    others = [code for code in chosen if code != "en"]
    for number, (sentence, part) in enumerate(zip(dataset.sentences, dataset.splits, strict=True)):
        if part != split:
            continue
        prompts: dict[str, tuple[str, ...]] = {code: (_translation(sentence, "en", code),) for code in others}
        prompts["en"] = tuple(_translation(sentence, code, "en") for code in others)
        texts = {code: (sentence[code],) for code in chosen}
        responses = {code: sentence[code] for code in chosen}
        units.append(Unit(f"{dataset.name}/{number}", "sentence", texts, prompts, responses))
    return units


def _translation(sentence: Mapping[str, str], source: str, target: str) -> str:
    return f"{language(source).name}: {sentence[source]}\n{language(target).name}:"


def instruction_units(path: Path, codes: tuple[str, ...] = ()) -> list[Unit]:
    """Units of the user's own file of parallel instructions (see `instructions`)."""
    units = []
    for key, rows in read_instructions(path).items():
        chosen = _chosen(tuple(rows), codes)
        prompts = {code: (question_text(rows[code].instruction, code),) for code in chosen}
        responses = {code: rows[code].response for code in chosen}
        units.append(Unit(f"{path.name}/{key}", "instruction", prompts, prompts, responses))
    return [unit for unit in units if unit.responses]
