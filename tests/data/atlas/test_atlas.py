"""Atlas is whole, in the right scripts, and its options give nothing away."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest

from interp.data import SHARES, cultural_tasks, everything, shuffled, universal_tasks
from interp.data.atlas import _atlas as atlas

LANGUAGES = atlas.LANGUAGES
TABLES = {
    "names": "key", "templates": "relation", "lexicon": "key", "questions": "key", "chatter": "key", "cues": "kind",
}  # fmt: skip
SCRIPTS = {"zh": r"[一-鿿]", "ko": r"[가-힣]", "el": r"[Ͱ-Ͽἀ-῿]", "fa": r"[؀-ۿ]"}
PLACES = {
    "en": ("america", "united states", "brit", "england", "spain", "spanish", "mexic", "china", "chinese", "korea", "indonesia", "greece", "greek", "iran", "persia"),
    "es": ("españ", "estados unidos", "méxic", "mexic", "china", "chino", "corea", "indonesia", "grecia", "griego", "irán", "iraní", "británic"),
    "zh": ("美国", "英国", "西班牙", "墨西哥", "中国", "韩国", "印尼", "印度尼西亚", "希腊", "伊朗"),
    "ko": ("미국", "영국", "스페인", "멕시코", "중국", "한국", "인도네시아", "그리스", "이란"),
    "id": ("amerika", "inggris", "spanyol", "meksiko", "tiongkok", "cina", "korea", "indonesia", "yunani", "iran"),
    "el": ("ηπα", "αμερικ", "βρεταν", "ισπαν", "μεξικ", "κίνα", "κινεζ", "κορέα", "κορεατ", "ινδονησ", "ελλάδ", "ελλην", "ιράν", "περσ"),
    "fa": ("آمریکا", "بریتانیا", "انگلیس", "اسپانیا", "مکزیک", "چین ", "کره‌", "اندونزی", "یونان", "ایران"),
}  # fmt: skip


def test_size() -> None:
    universal, cultural = atlas.universal(), atlas.cultural()
    assert len(universal.items) >= 400
    assert len({item.relation for item in universal.items}) >= 10
    assert len(cultural.items) >= 200
    assert len({item.topic for item in cultural.items}) >= 24


def test_a_third_to_a_half_of_the_answers_look_the_same_everywhere() -> None:
    items = atlas.universal().items
    same = np.mean([len(set(item.options[item.answer].values())) == 1 for item in items])
    assert 1 / 3 <= same <= 1 / 2


@pytest.mark.parametrize("name", TABLES)
def test_no_cell_is_empty_or_untidy(name: str) -> None:
    for row in atlas.table(name, TABLES[name], *LANGUAGES):
        for code in LANGUAGES:
            assert row[code] == row[code].strip() != "", (name, row)
            assert "  " not in row[code], (name, row)


@pytest.mark.parametrize("name", ["names", "templates", "lexicon", "questions", "chatter", "cues"])
def test_every_cell_is_in_its_languages_script(name: str) -> None:
    for row in atlas.table(name, TABLES[name], *LANGUAGES):
        if len({row[code] for code in LANGUAGES}) == 1:
            continue
        for code in LANGUAGES:
            letters = re.sub(r"\{subject\}|[\d\W_]", "", row[code])
            if not letters or re.fullmatch(r"[\d\W]*[A-Za-z]?[\d\W]*", row[code]):
                continue
            if code in SCRIPTS:
                assert re.search(SCRIPTS[code], row[code]), (name, code, row)
            else:
                assert not re.search("[Ͱ-Ͽ؀-ۿ一-鿿가-힣]", row[code]), (name, code, row)


@pytest.mark.parametrize("code", LANGUAGES)
def test_questions_name_no_place(code: str) -> None:
    for item in atlas.cultural().items:
        found = [place for place in PLACES[code] if place in item.questions[code].lower()]
        assert not found, (item.key, item.questions[code])


def test_templates_are_at_least_two_and_hold_the_subject_once() -> None:
    for relation, asked in atlas.templates().items():
        for code in LANGUAGES:
            assert len(set(asked[code])) >= 2, (relation, code)
            assert all(template.count("{subject}") == 1 for template in asked[code]), (relation, code)


def test_keys_are_unique() -> None:
    for name, columns in {"names": ("key",), "facts": ("relation", "subject"), "lexicon": ("key",), "questions": ("key",), "answers": ("key",)}.items():  # fmt: skip
        keys = Counter(tuple(row[c] for c in columns) for row in atlas.table(name, *columns))
        assert max(keys.values()) == 1, (name, keys.most_common(1))


def test_each_culture_has_answers_and_a_cue_in_every_language() -> None:
    cultural = atlas.cultural()
    assert set(cultural.cues) == set(atlas.CULTURES)
    for item in cultural.items:
        assert set(item.answers) == set(atlas.CULTURES)
        assert all(keys for keys in item.answers.values())


@pytest.mark.parametrize("code", atlas.OWN_CULTURE)
def test_local_and_us_answers_differ_nearly_always(code: str) -> None:
    items = atlas.cultural().items
    options = [item.options(atlas.OWN_CULTURE[code], "US", code) for item in items]
    assert sum(o is not None for o in options) >= 0.8 * len(items)


@pytest.mark.parametrize("code", atlas.OWN_CULTURE)
def test_cultural_options_are_four_distinct_with_one_right_for_each_side(code: str) -> None:
    culture = atlas.OWN_CULTURE[code]
    for item in atlas.cultural().items:
        options = item.options(culture, "US", code)
        if options is None:
            continue
        right = {*item.answers[culture], *item.answers["US"]}
        assert [k for k in options.keys if k in right] == [
            options.keys[i] for i in sorted((options.local, options.reference))
        ]
        for written in LANGUAGES:
            assert len({item.names[key][written] for key in options.keys}) == 4, (item.key, written)


def test_universal_options_are_four_distinct_with_the_right_one_in_place() -> None:
    facts = {
        f"{f['relation']}/{f['subject']}": f["answer"] for f in atlas.table("facts", "relation", "subject", "answer")
    }
    for item in atlas.universal().items:
        assert item.options[item.answer] == atlas.names()[facts[item.key]]
        for code in LANGUAGES:
            assert len({option[code] for option in item.options}) == 4, (item.key, code)


def test_positions_of_right_answers_are_balanced() -> None:
    for positions in (
        [item.answer for item in atlas.universal().items],
        [o.local for code in atlas.OWN_CULTURE for i in atlas.cultural().items if (o := i.options(atlas.OWN_CULTURE[code], "US", code))],
    ):  # fmt: skip
        shares = np.bincount(positions, minlength=4) / len(positions)
        assert shares.min() > 0.2
        assert shares.max() < 0.3


def test_splits_keep_entities_and_topics_whole_and_test_large() -> None:
    universal, cultural = atlas.universal(), atlas.cultural()
    for items, cluster in ((universal.items, "cluster"), (cultural.items, "topic")):
        split_of: dict[str, set[str]] = {}
        for item in items:
            split_of.setdefault(getattr(item, cluster), set()).add(item.split)
        assert all(len(splits) == 1 for splits in split_of.values())
        shares = {split: np.mean([item.split == split for item in items]) for split in SHARES}
        assert shares["test"] >= 0.45
        assert min(shares.values()) > 0.15


def test_an_answer_that_is_another_items_subject_shares_its_split() -> None:
    cluster = {item.key.partition("/")[2]: item.cluster for item in atlas.universal().items}
    one_to_one = {r["relation"] for r in atlas.table("relations", "relation", "one_to_one") if r["one_to_one"] == "yes"}
    for fact in atlas.table("facts", "relation", "subject", "answer"):
        if fact["relation"] in one_to_one and fact["answer"] in cluster:
            assert cluster[fact["answer"]] == cluster[fact["subject"]]


def blind_features(texts: list[str]) -> np.ndarray:
    """What can be seen of options without the question: length, words, digits, script, position, rank of length."""
    lengths = [len(t) for t in texts]
    order = np.argsort(np.argsort(lengths))
    return np.array(
        [
            [len(t), len(t.encode()), t.count(" "), sum(c.isdigit() for c in t), any(c.isascii() and c.isalpha() for c in t),
             t[:1].isupper(), order[i], *(i == k for k in range(4))]
            for i, t in enumerate(texts)
        ],
        dtype=float,
    )  # fmt: skip


@pytest.mark.parametrize("axis", ["universal", "cultural"])
def test_a_question_blind_reader_is_near_chance(axis: str) -> None:
    """Logistic regression on the options' looks, fitted on fit and dev, picks the right one of four on test."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    hits = []
    for code in atlas.OWN_CULTURE:

        def tasks(split: str, code: str = code):
            if axis == "universal":
                return universal_tasks(atlas.universal(), code, split, everything)
            return cultural_tasks(atlas.cultural(), code, atlas.OWN_CULTURE[code], split, everything)

        wanted = "right" if axis == "universal" else "local"
        train = [t for split in ("fit", "dev") for t in tasks(split)]
        x = np.concatenate([blind_features([m.text for m in t.marks]) for t in train])
        y = np.array([m.role == wanted for t in train for m in t.marks])
        scaler = StandardScaler().fit(x)
        model = LogisticRegression(max_iter=1000).fit(scaler.transform(x), y)
        for task in tasks("test"):
            values = model.decision_function(scaler.transform(blind_features([m.text for m in task.marks])))
            hits.append(task.marks[int(values.argmax())].role == wanted)
    assert np.mean(hits) < 0.33, np.mean(hits)


def test_shuffling_by_hash_ignores_the_order_given() -> None:
    values = [str(i) for i in range(20)]
    assert shuffled(values, "a") == shuffled(values[::-1], "a")
    assert shuffled(values, "a") != shuffled(values, "b")
    assert sorted(shuffled(values, "a")) == sorted(values)
