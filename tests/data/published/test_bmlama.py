"""BMLAMA: sentences with a blank, their candidates, and what is right elsewhere."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from interp.data import BLANK, load_universal
from interp.errors import DataError

CAPITALS = {"Aland": "Apolis", "Bland": "Bpolis", "Cland": "Cpolis", "Dland": "Dpolis", "Eland": "Epolis"}
TONGUES = {("Aland", "Ish"), ("Aland", "Ash"), ("Bland", "Ish"), ("Cland", "Osh"), ("Dland", "Ish")}
SENTENCES = {
    "en": ("The capital of {} is <mask>.", "The language of {} is <mask>."),
    "ko": ("{}의 수도는 <mask>입니다.", "{}의 언어는 <mask>입니다."),
    "es": ("La capital de {} es <mask>.", "El idioma de {} es <mask>."),
}


def rows(code: str) -> list[list[str]]:
    """Capitals, then languages; every name has the language's code behind it, but for English."""

    def named(*names: str) -> list[str]:
        return [name if code == "en" else f"{name}-{code}" for name in names]

    capital, tongue = SENTENCES[code]
    found = []
    for number, (country, city) in enumerate(CAPITALS.items()):
        cities = [*list(CAPITALS.values())[number:], *list(CAPITALS.values())[:number]]
        subject, answer = named(country, city)
        found.append([capital.format(subject), answer, ", ".join(named(*cities)), subject])
    for country, language in sorted(TONGUES):
        subject, answer = named(country, language)
        found.append([tongue.format(subject), answer, ", ".join(named("Ash", "Ish", "Osh", "Ush", "Esh")), subject])
    return found


def write(folder: Path, code: str, known: list[list[str]], header: str = "Prompt\tAns\tCandidate Ans\tSubject") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{code}.tsv").write_bytes("".join("\t".join(r) + "\r\n" for r in [[header], *known]).encode())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for code in SENTENCES:
        write(tmp_path / "bmlama", code, rows(code))
    return tmp_path


def test_rows_become_items_with_drawn_options(folder: Path, check_items) -> None:
    dataset = load_universal("bmlama", data_dir=folder)
    check_items(dataset)
    assert dataset.languages == ("en", "es", "ko")
    assert len(dataset.items) == 10
    item = dataset.items[0]
    assert item.relation == "The capital of [X] is [Y]."
    assert item.questions["ko"] == ("Aland-ko의 수도는 ___입니다.",)
    assert item.sentences["en"] == f"The capital of Aland is {BLANK}."
    assert item.options[item.answer] == {"en": "Apolis", "es": "Apolis-es", "ko": "Apolis-ko"}
    assert len(item.options) == 4
    assert [c["en"] for c in item.candidates] == list(CAPITALS.values())
    for known in dataset.items:
        assert all(option["ko"] == f"{option['en']}-ko" for option in known.options)


def test_an_answer_of_another_row_is_no_wrong_option(folder: Path) -> None:
    items = {item.key: item for item in load_universal("bmlama", data_dir=folder).items}
    ish = items["The language of Aland is [Y]. [Y] = Ish"]
    assert {option["en"] for option in ish.options} == {"Ish", "Osh", "Ush", "Esh"}
    assert "Ash" in {candidate["en"] for candidate in ish.candidates}


def test_facts_of_one_entity_share_a_cluster(tmp_path: Path) -> None:
    """A capital that is a subject elsewhere joins its country; a language of two countries joins none."""
    known = rows("en")
    known.append(["Apolis lies in <mask>.", "Aland", "Aland, Bland", "Apolis"])
    write(tmp_path / "bmlama", "en", known)
    dataset = load_universal("bmlama", data_dir=tmp_path)
    clusters = {item.key: item.cluster for item in dataset.items}
    capital, lies = clusters["The capital of Aland is [Y]. [Y] = Apolis"], clusters["Apolis lies in [Y]. [Y] = Aland"]
    assert capital == lies == clusters["The language of Aland is [Y]. [Y] = Ish"]
    assert len(set(clusters.values())) == len(CAPITALS)


def test_draws_depend_on_no_order(folder: Path) -> None:
    whole = {item.key: item for item in load_universal("bmlama", data_dir=folder).items}
    some = load_universal("bmlama", languages=("ko",), data_dir=folder)
    assert some.languages == ("en", "ko")
    for code in SENTENCES:
        write(folder / "turned/bmlama53", code, rows(code)[::-1])
    turned = load_universal("bmlama", languages=("ko", "es"), data_dir=folder / "turned")
    for item in (*some.items, *turned.items):
        known = whole[item.key]
        assert [o["en"] for o in item.options] == [o["en"] for o in known.options]
        assert (item.answer, item.split, item.cluster) == (known.answer, known.split, known.cluster)


def test_a_name_with_a_comma_stays_whole_where_that_alone_lines_up(folder: Path) -> None:
    english = rows("en")
    for known in english[:5]:
        known[1] = known[1].replace("Bpolis", "Bpolis, B.C.")
        known[2] = known[2].replace("Bpolis", "Bpolis, B.C.")
    write(folder / "bmlama", "en", english)
    dataset = load_universal("bmlama", data_dir=folder)
    assert len(dataset.items) == 10
    assert [c["en"] for c in dataset.items[0].candidates] == ["Apolis", "Bpolis, B.C.", "Cpolis", "Dpolis", "Epolis"]
    assert [c["ko"] for c in dataset.items[0].candidates][1] == "Bpolis-ko"


def changed(code: str, number: int, **cells: str) -> list[list[str]]:
    known = rows(code)
    for name, value in cells.items():
        known[number][("sentence", "answer", "cell", "subject").index(name)] = value
    return known


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"cell": "Apolis-ko, Bpolis-ko, Cpolis-ko"}, "the candidates don't line up over the languages"),
        ({"answer": "Xpolis-ko"}, "the candidates don't line up over the languages"),
        ({"answer": "Bpolis-ko"}, "the candidates don't line up over the languages"),
        ({"cell": "Apolis-ko, , Cpolis-ko, Dpolis-ko, Epolis-ko"}, "the candidates don't line up over the languages"),
        ({"sentence": "수도는?"}, "0 blanks in 'ko'"),
        ({"sentence": "<mask> <mask>"}, "2 blanks in 'ko'"),
        (
            {"cell": ", ".join(["Apolis-ko"] * 5)},
            "no wrong candidate that differs from the right one in every language",
        ),
    ],
)
def test_rows_that_do_not_line_up_are_left_out(folder: Path, cells: dict[str, str], reason: str) -> None:
    write(folder / "bmlama", "ko", changed("ko", 0, **cells))
    dataset = load_universal("bmlama", data_dir=folder)
    assert [known.reason for known in dataset.left_out] == [reason]
    assert len(dataset.items) == 9
    assert len(load_universal("bmlama", languages=("es",), data_dir=folder).items) == 10


def test_candidates_of_one_name_are_not_options_together(folder: Path, check_items) -> None:
    write(folder / "bmlama", "ko", changed("ko", 0, cell="Apolis-ko, X, X, X, x"))
    dataset = load_universal("bmlama", data_dir=folder)
    check_items(dataset)
    assert len(dataset.items[0].options) == 2
    write(folder / "bmlama", "ko", changed("ko", 0, cell="Apolis-ko, apolis-KO, apolis-KO, apolis-KO, apolis-KO"))
    (left,) = load_universal("bmlama", data_dir=folder).left_out
    assert left.reason == "no wrong candidate that differs from the right one in every language"


def test_a_cell_that_can_be_read_in_two_ways_is_left_out(folder: Path) -> None:
    """A name with a comma in every language, behind the answer; and an answer that is listed twice in all of them."""
    for code in SENTENCES:
        known = rows(code)
        known[1][1] = "B, C"
        known[0][2] = f"{known[0][1]}, B, C, D"
        known[2][2] = f"{known[2][1]}, E, {known[2][1]}"
        write(folder / "bmlama", code, known)
    dataset = load_universal("bmlama", data_dir=folder)
    left = {known.where.partition(", ")[2] for known in dataset.left_out}
    assert left == {"row 2", "row 3", "row 4"}
    assert {known.reason for known in dataset.left_out} == {"the candidates don't line up over the languages"}


def test_a_quote_is_a_letter_in_the_published_tables(folder: Path) -> None:
    """The files have no quoting: a cell that begins with a quote ends at its tab, not at the next quote."""
    for code in SENTENCES:
        known = rows(code)
        known[0][0] = f'"{known[0][0]}'
        write(folder / "bmlama", code, known)
    dataset = load_universal("bmlama", data_dir=folder)
    assert len(dataset.items) == 10
    assert dataset.items[0].questions["en"][0].startswith('"The capital of Aland')


def test_a_row_that_is_there_twice_counts_once(folder: Path) -> None:
    for code in SENTENCES:
        write(folder / "bmlama", code, [*rows(code), rows(code)[0]])
    dataset = load_universal("bmlama", data_dir=folder)
    assert len(dataset.items) == 10
    assert [k.reason for k in dataset.left_out] == ["the same sentence and answer as an earlier row"]


@pytest.mark.parametrize(
    ("known", "told"),
    [
        (rows("ko")[:-1], "en.tsv, row 11: the languages don't line up: 'ko' has 9 rows, English 10"),
        (changed("ko", 3, sentence=" "), "ko.tsv, row 5: 'Prompt' is empty"),
        (changed("ko", 3, subject="\x08"), "ko.tsv, row 5: 'Subject' is empty"),
        ([*rows("ko")[:4], rows("ko")[4][:3], *rows("ko")[5:]], "ko.tsv, row 6: 3 cells; allowed: 4"),
    ],
)
def test_broken_files_are_told_with_the_row(folder: Path, known: list[list[str]], told: str) -> None:
    write(folder / "bmlama", "ko", known)
    with pytest.raises(DataError) as caught:
        load_universal("bmlama", data_dir=folder)
    assert told in str(caught.value)


def test_a_missing_column_is_told(folder: Path) -> None:
    write(folder / "bmlama", "ko", rows("ko"), header="Prompt\tAnswer\tCandidate Ans\tSubject")
    with pytest.raises(DataError, match=r"ko.tsv, row 2: column 'Ans' is missing"):
        load_universal("bmlama", data_dir=folder)


def test_real_files(shared_data: Path, check_items) -> None:
    dataset = load_universal("bmlama", data_dir=shared_data)
    check_items(dataset)
    assert set(dataset.languages) == {"en", "es", "zh", "ko", "id", "el", "fa", "ar", "az", "tr", "ru", "fr", "bn"}
    assert len(dataset.items) + sum(known.count for known in dataset.left_out) == 427
    assert len(dataset.items) == 427
    assert Counter(len(item.options) for item in dataset.items) == {4: 423, 2: 4}
    assert set(dataset.items[0].sentences) == set(dataset.languages)
    some = load_universal("bmlama", languages=("ko",), data_dir=shared_data)
    for item, known in zip(some.items, dataset.items, strict=True):
        assert (item.key, item.answer, item.split) == (known.key, known.answer, known.split)
        assert [o["en"] for o in item.options] == [o["en"] for o in known.options]
