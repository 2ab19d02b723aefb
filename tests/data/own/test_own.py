"""The user's own files: what they become, and what a mistake is told."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from interp.data import SPLITS, counted, cultural_tasks, everything, load_cultural, load_universal, own, universal_tasks
from interp.errors import DataError

U = ("item", "language", "question", "options", "answer", "relation", "cluster", "sensitive")
C = ("item", "language", "topic", "question", "culture", "answer")


def universal_rows(items: int = 8) -> list[dict[str, str]]:
    rows = []
    for i in range(items):
        answer, shared = str(1 + i % 3), {"relation": "sum", "cluster": f"c{i}", "sensitive": "yes" if i == 1 else ""}
        rows.append(
            {
                "item": f"i{i}",
                "language": "English",
                "question": f"Q{i}?",
                "options": f"a{i}|b{i}|c{i}",
                "answer": answer,
                **shared,
            }
        )
        text = f"{'xyz'[i % 3]}{i}"
        rows.append(
            {
                "item": f"i{i}",
                "language": "kor",
                "question": f"질문{i}?",
                "options": json.dumps([f"x{i}", f"y{i}", f"z{i}"]),
                "answer": text,
                **shared,
            }
        )
    return rows


def cultural_rows(items: int = 8) -> list[dict[str, str]]:
    """Four cultures in English and Korean; the third item's answers of KR and US are the same."""
    rows = []
    for i in range(items):
        for culture in ("KR", "US", "GR", "MX"):
            for code, letter in (("en", "e"), ("ko", "k")):
                named = "US" if culture == "KR" and i == 2 else culture
                rows.append(
                    {
                        "item": f"i{i}",
                        "language": code,
                        "topic": f"t{i}",
                        "question": f"{code}{i}?",
                        "culture": culture,
                        "answer": f"{letter} {named} {i}|{letter} {named} {i} too",
                    }
                )
                if code == "ko":
                    rows[-1]["own_culture"] = "KR"
    return [{"own_culture": "", **row} for row in rows]


def write(folder: Path, rows: list[dict[str, str]], name: str = "mine.csv") -> Path:
    path, table = folder / name, pd.DataFrame(rows)
    if name.endswith((".csv", ".tsv")):
        table.to_csv(path, index=False, sep="\t" if name.endswith(".tsv") else ",")
    elif name.endswith(".jsonl"):
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    else:
        table.to_parquet(path)
    return path


@pytest.mark.parametrize("name", ["mine.csv", "mine.tsv", "mine.jsonl", "mine.parquet"])
def test_universal_items_are_the_same_from_every_format(tmp_path: Path, name: str) -> None:
    found = load_universal(str(write(tmp_path, universal_rows(), name)))
    assert found.languages == ("en", "ko")
    assert found.name == name
    assert found.revision.startswith("sha256:")
    assert [item.answer for item in found.items] == [i % 3 for i in range(8)]
    item = found.items[4]
    assert (item.key, item.relation, item.cluster) == ("i4", "sum", "c4")
    assert item.questions == {"en": ("Q4?",), "ko": ("질문4?",)}
    assert item.options[item.answer] == {"en": "b4", "ko": "y4"}
    assert [item.sensitive for item in found.items] == [i == 1 for i in range(8)]
    assert {split: any(item.split == split for item in found.items) for split in SPLITS} == dict.fromkeys(SPLITS, True)
    # a relation's other right answers are candidates too
    assert {text["en"] for text in item.candidates} == {"a4", "c4", *(f"{'abc'[i % 3]}{i}" for i in range(8))}
    split = found.items[0].split
    task = universal_tasks(found, "ko", split, everything)[0]
    assert task.prompt.text.startswith("질문")
    assert task.prompt.continuations == tuple(f" {letter}{task.prompt.item[1:]}" for letter in "xyz")


def test_splits_depend_on_clusters_alone(tmp_path: Path) -> None:
    rows = universal_rows(12)
    one = load_universal(str(write(tmp_path, rows, "a.csv")))
    two = load_universal(str(write(tmp_path, rows[::-1], "b.jsonl")), languages=("ko",))
    assert {i.key: i.split for i in one.items} == {i.key: i.split for i in two.items}


def test_languages_that_are_asked_for_come_with_english(tmp_path: Path) -> None:
    rows = universal_rows()
    more = [{**row, "language": "el"} for row in rows if row["language"] == "kor"]
    path = write(tmp_path, rows + more)
    found = load_universal(str(path), languages=("el",))
    assert found.languages == ("en", "el")
    assert set(found.items[0].options[0]) == {"en", "el"}


@pytest.mark.parametrize(("answer", "place"), [("2", 1), ("#2", 1), ("b0", 1), (2, 1), ("#3", 2)])
def test_an_answer_is_a_place_or_a_text(tmp_path: Path, answer: object, place: int) -> None:
    rows = universal_rows()
    rows[0]["answer"], rows[1]["answer"] = answer, f"#{place + 1}"
    assert load_universal(str(write(tmp_path, rows))).items[0].answer == place


def broken(rows: list[dict[str, str]], number: int, **cells: object) -> list[dict[str, str]]:
    """`rows` with other cells in the row that stands at line `number` of a CSV."""
    rows[number - 2] = {**rows[number - 2], **cells}
    return rows


UNIVERSAL_MISTAKES = {
    "no column": (lambda r: [{k: v for k, v in row.items() if k != "answer"} for row in r], "row 2: column 'answer' is missing; allowed: item, language, question"),
    "typo": (lambda r: [{("relatoin" if k == "relation" else k): v for k, v in row.items()} for row in r], "row 2: column 'relatoin' is unknown; allowed: item, language, question, options, answer, relation, cluster, sensitive; to do: did you mean 'relation'?"),
    "empty question": (lambda r: broken(r, 4, question=" "), "row 4: 'question' is empty"),
    "empty item": (lambda r: broken(r, 4, item=""), "row 4: 'item' is empty"),
    "language": (lambda r: broken(r, 4, language="klingon"), "row 4: language 'klingon' is unknown"),
    "script": (lambda r: broken(r, 4, language="zh-TW"), "row 4: language 'zh-TW' is written in Hant"),
    "option twice": (lambda r: broken(r, 4, options="a|b|a"), "row 4: 'options' lists 'a' twice"),
    "empty option": (lambda r: broken(r, 4, options="a||b"), "row 4: 'options' has an empty entry"),
    "one option": (lambda r: broken(r, 4, options="a", answer="a"), "row 4: 'options' has one text; allowed: two or more"),
    "no list": (lambda r: broken(r, 4, options="['a', 'b']"), "row 4: 'options' is not a JSON list"),
    "answer": (lambda r: broken(r, 4, answer="4"), "row 4: answer '4' is not among the options; allowed: a1 | b1 | c1, or 1 to 3"),
    "answer 0": (lambda r: broken(r, 4, answer="0"), "row 4: answer '0' is not among the options"),
    "ambiguous": (lambda r: broken(r, 4, options="3|1|2", answer="1"), "row 4: answer '1' is the text of option 2 and the place of option 1; allowed: #1 to #3"),
    "twice": (lambda r: [*r, r[3]], "row 18: item 'i1' in language 'ko' appears twice; allowed: once; first at"),
    "same language": (lambda r: broken(r, 5, language="en-GB"), "row 5: item 'i1' in language 'en' appears twice"),
    "no language": (lambda r: r[:3] + r[4:], "row 4: item 'i1' has no row in language 'ko'; allowed: one row in each of en, ko"),
    "options differ": (lambda r: broken(r, 5, options="x1|y1"), "row 5: 'options' has 2 texts; allowed: 3, as at"),
    "right differs": (lambda r: broken(r, 5, answer="x1"), "row 5: option 1 is right; allowed: option 2, as at"),
    "clusters": (lambda r: [{**row, "cluster": "one"} for row in r], "with 1 different values of 'cluster' the splits fit, test are empty"),
    "cluster differs": (lambda r: broken(r, 5, cluster="c7"), "row 5: 'cluster' is 'c7'; allowed: 'c1', as at"),
    "control": (lambda r: broken(r, 4, question="a\x1cb"), "row 4: 'question' holds U+001C, a control character"),
    "control in option": (lambda r: broken(r, 4, options="a1\x08|b1|c1"), "row 4: 'options' holds U+0008, a control character"),
    "lost letter": (lambda r: broken(r, 4, question="a\ufffdb"), "row 4: 'question' holds U+FFFD, which marks a letter lost in a change of encoding"),
    "sensitive": (lambda r: broken(broken(r, 4, sensitive="perhaps"), 5, sensitive="perhaps"), "'sensitive' is 'perhaps'; allowed: yes, no"),
    "no rows": (lambda r: r[:0], "has no rows"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNIVERSAL_MISTAKES)
def test_a_mistake_in_universal_items_is_told_with_its_row(tmp_path: Path, name: str) -> None:
    spoil, told = UNIVERSAL_MISTAKES[name]
    rows = spoil(universal_rows())
    path = write(tmp_path, rows) if rows else tmp_path / "mine.csv"
    if not rows:
        path.write_text(",".join(U) + "\n")
    with pytest.raises(DataError) as caught:
        load_universal(str(path))
    assert told in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_mixed_encodings_are_told_with_the_row(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(b"item,language,question,options,answer\n1,en,\xc3\xa9?,a|b,1\n2,en,\xe9?,a|b,1\n")
    with pytest.raises(DataError, match="row 3: byte 0xe9 is not UTF-8"):
        load_universal(str(path))


def test_surrogates_that_are_no_letters_are_told(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text('{"item": "1", "language": "en", "question": "\\ud800", "options": ["a", "b"], "answer": 1}\n')
    with pytest.raises(DataError, match="row 1: 'question' holds U\\+D800"):
        load_universal(str(path))


def test_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, universal_rows())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    names = ("mine.csv", "./mine.csv", "~/mine.csv", str(tmp_path / "mine.csv"))
    assert {len(load_universal(name).items) for name in names} == {8}
    for name in ("absent.csv", "no/such/file", str(tmp_path) + "/"):
        with pytest.raises(DataError, match=r"does not exist|is a folder, not a file"):
            load_universal(name)
    assert own.is_file("data.parquet")
    assert own.is_file("data.jsonl.gz")
    assert not own.is_file("global_mmlu")


def test_cultural_items(tmp_path: Path) -> None:
    found = load_cultural(str(write(tmp_path, cultural_rows())))
    assert found.languages == ("en", "ko")
    assert found.cultures == ("KR", "US", "GR", "MX")
    assert found.own_culture == {"ko": "KR"}
    assert found.cues["GR"]["ko"] == "나의 나라: 그리스."
    kept, left_out = counted(found, "ko", "KR")
    assert len(kept) == 7
    assert [(one.item, one.reason) for one in left_out] == [("i2", "KR and US share an answer")]
    for split in SPLITS:
        for task in cultural_tasks(found, "ko", "KR", split, everything, "explicit"):
            number = task.prompt.item[1:]
            assert task.prompt.text == f"나의 나라: 대한민국. ko{number}? 답변:"
            by_role = {mark.role: mark.text for mark in task.marks}
            assert by_role["local"] == f"k KR {number}"
            assert by_role["reference"] == f"k US {number}"
            assert len(task.marks) == 4
    assert found.items[0].answers["KR"] == ("KR/0", "KR/1")


def test_options_that_are_given_are_kept(tmp_path: Path) -> None:
    rows = []
    for row in cultural_rows():
        if row["culture"] in ("KR", "US"):
            letter, number = row["answer"][0], row["item"][1:]
            us = f"{letter} US {number}"
            options = f"{row['answer'].split('|')[0]}|{us}|{letter}1|{letter}2|{letter}3"
            rows.append({**row, "options": options if row["culture"] == "KR" and number != "2" else ""})
    found = load_cultural(str(write(tmp_path, rows)))
    assert found.option_count == 5
    (item,) = [item for item in found.items if item.key == "i5"]
    chosen = item.options("KR", "US", "ko", 5)
    assert chosen is not None
    assert {item.names[key]["ko"] for key in chosen.keys} == {"k KR 5", "k US 5", "k1", "k2", "k3"}
    assert chosen.keys[chosen.local] == "KR/0"
    assert chosen.keys[chosen.reference] == "US/0"
    assert (
        len(
            {
                load_cultural(str(write(tmp_path, rows))).items[i].given["KR"].index("KR/0")
                for i in (0, 1, 3, 4, 5, 6, 7)
            }
        )
        > 1
    )


def test_own_cultures(tmp_path: Path) -> None:
    rows = [{k: v for k, v in row.items() if k != "own_culture"} for row in cultural_rows()]
    assert load_cultural(str(write(tmp_path, rows))).own_culture == {}  # three cultures in Korean: not guessed
    assert load_cultural(str(write(tmp_path, rows)), cultures={"ko": "GR"}).own_culture == {"ko": "GR"}
    two = [row for row in rows if row["language"] == "en" or row["culture"] in ("KR", "US")]
    assert load_cultural(str(write(tmp_path, two))).own_culture == {"ko": "KR"}
    with pytest.raises(DataError, match=r"--cultures ko=JP: dataset '.*mine.csv' does not have both"):
        load_cultural(str(write(tmp_path, rows)), cultures={"ko": "JP"})


def test_cues_of_ones_own(tmp_path: Path) -> None:
    rows = [{**row, "cue": f"{row['language']}: {row['culture']}!"} for row in cultural_rows()]
    assert load_cultural(str(write(tmp_path, rows))).cues["GR"] == {"en": "en: GR!", "ko": "ko: GR!"}
    less = [{**row, "cue": ""} if (row["culture"], row["language"]) == ("GR", "ko") else row for row in rows]
    with pytest.raises(DataError, match="no 'cue' for culture 'GR' in language 'ko'; allowed: a cue for each"):
        load_cultural(str(write(tmp_path, less)))


CULTURAL_MISTAKES = {
    "twice": (lambda r: [*r, r[3]], "row 66: item 'i0' in language 'ko' for 'US' appears twice"),
    "no topic": (lambda r: broken(r, 5, topic=""), "row 5: 'topic' is empty"),
    "topics": (lambda r: broken(r, 5, topic="t7"), "row 5: 'topic' is 't7'; allowed: 't0', as at"),
    "questions": (lambda r: broken(r, 5, question="other?"), "row 5: 'question' is 'other?'; allowed: 'ko0?', as at"),
    "no answer": (lambda r: broken(r, 5, answer=""), "row 5: 'answer' has an empty entry"),
    "answers": (lambda r: broken(r, 5, answer="one"), "row 5: 'answer' has 1 texts; allowed: 2, as at"),
    "no culture": (lambda r: broken(r, 5, culture=""), "row 5: 'culture' is empty"),
    "culture": (lambda r: [{**row, "culture": "XX" if row["culture"] == "GR" else row["culture"]} for row in r], "culture 'XX' is unknown"),
    "english": (lambda r: broken(r, 2, own_culture="US"), "English has an own culture 'US'; allowed: none"),
    "own": (lambda r: [{**row, "own_culture": "JP"} if row["language"] == "ko" else row for row in r], "own culture 'JP' has no rows in language 'ko'; allowed: KR, US, GR, MX"),
    "no option is right": (lambda r: broken(broken([{**row, "options": ""} for row in r], 2, options="e US 0|e1"), 3, options="k US 0|k1"), "row 2: 0 of the options are answers of culture 'KR'"),
    "two are right": (lambda r: broken(broken([{**row, "options": ""} for row in r], 2, options="e KR 0|e KR 0 too"), 3, options="k KR 0|k KR 0 too"), "row 2: 2 of the options are answers of culture 'KR'"),
    "options in one language": (lambda r: broken([{**row, "options": ""} for row in r], 2, options="e KR 0|e1"), "row 3: 'options' has an empty entry"),
    "too few": (lambda r: [row for row in r if row["culture"] in ("KR", "US")], "no item can be scored in language 'ko' for culture 'KR': 'i0': fewer than 4 answers"),
}  # fmt: skip


@pytest.mark.parametrize("name", CULTURAL_MISTAKES)
def test_a_mistake_in_cultural_items_is_told(tmp_path: Path, name: str) -> None:
    spoil, told = CULTURAL_MISTAKES[name]
    path = write(tmp_path, spoil(cultural_rows()))
    with pytest.raises(DataError) as caught:
        load_cultural(str(path))
    assert told in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["universal", "cultural"])
def test_the_examples_of_the_docs_load(name: str) -> None:
    path = str(Path(__file__).parents[3] / "docs" / "examples" / f"{name}.csv")
    assert own.axis_of(path) == name
    if name == "universal":
        facts = load_universal(path)
        assert [item.options[item.answer]["ko"] for item in facts.items] == ["파리", "도쿄", "8", "100"]
    else:
        customs = load_cultural(path)
        assert customs.own_culture == {"ko": "KR"}
        assert len(counted(customs, "ko", "KR")[0]) == len(customs.items) == 3
