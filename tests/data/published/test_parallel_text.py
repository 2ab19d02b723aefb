"""NTREX and FLORES: sentences that line up, split by document."""

from __future__ import annotations

from pathlib import Path

import pytest

from interp.data import PARALLEL, load_parallel
from interp.errors import DataError

NTREX = {"en": "src.eng", "ko": "ref.kor", "es": "ref.spa", "es-MX": "ref.spa-MX", "zh": "ref.zho-CN"}
FLORES = {"en": "eng_Latn", "ko": "kor_Hang", "zh": "zho_Hans"}
N = 24


def write_lines(path: Path, lines: list[str], end: str = "\r\n") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(line + end for line in lines).encode())


@pytest.fixture
def ntrex(tmp_path: Path) -> Path:
    for code, name in NTREX.items():
        write_lines(tmp_path / f"ntrex/NTREX-128/newstest2019-{name}.txt", [f"{code} {i}" for i in range(N)])
    write_lines(tmp_path / "ntrex/DOCUMENT_IDS.tsv", [f"paper.{i // 4}" for i in range(N)], "\n")
    return tmp_path


def test_ntrex_lines_up_and_documents_stay_whole(ntrex: Path) -> None:
    text = load_parallel("ntrex", data_dir=ntrex)
    assert set(text.languages) == set(NTREX)
    assert [s["ko"] for s in text.sentences] == [f"ko {i}" for i in range(N)]
    assert all(sentence == {code: f"{code} {i}" for code in NTREX} for i, sentence in enumerate(text.sentences))
    assert len(text.splits) == N
    assert all(len(set(text.splits[i : i + 4])) == 1 for i in range(0, N, 4))
    assert set(text.splits) == {"fit", "dev", "test"}


def test_ntrex_reads_the_languages_asked_for_and_english(ntrex: Path) -> None:
    some = load_parallel("ntrex", languages=("es-MX", "ko"), data_dir=ntrex)
    assert some == load_parallel("ntrex", languages=("ko", "es-MX", "am"), data_dir=ntrex)
    assert some.languages == ("en", "es-MX", "ko")
    assert some.sentences[3]["es-MX"] == "es-MX 3"
    assert some.splits == load_parallel("ntrex", data_dir=ntrex).splits


def test_ntrex_control_characters_and_empty_lines(ntrex: Path) -> None:
    lines = [f"ko {i}" for i in range(N)]
    lines[2], lines[5] = "ko\x1c 2\u2028x", " \x1c"
    write_lines(ntrex / "ntrex/NTREX-128/newstest2019-ref.kor.txt", lines)
    text = load_parallel("ntrex", data_dir=ntrex)
    assert text.sentences[2]["ko"] == "ko 2\u2028x"
    (left,) = text.left_out
    assert (left.item, left.reason) == ("sentence 6", "empty in 'ko'")
    assert left.where == "NTREX-128/newstest2019-ref.kor.txt, row 6"
    assert len(text.sentences) == len(text.splits) == N - 1


def test_ntrex_lengths_that_differ_are_told(ntrex: Path) -> None:
    write_lines(ntrex / "ntrex/NTREX-128/newstest2019-ref.kor.txt", ["x"] * (N + 1))
    with pytest.raises(
        DataError, match=r"newstest2019-ref.kor.txt, row 25: the languages don't line up: 'ko' has 25 rows"
    ):
        load_parallel("ntrex", data_dir=ntrex)
    write_lines(ntrex / "ntrex/NTREX-128/newstest2019-ref.kor.txt", ["x"] * N)
    write_lines(ntrex / "ntrex/DOCUMENT_IDS.tsv", ["x"] * (N - 1))
    with pytest.raises(DataError, match=r"'DOCUMENT_IDS.tsv' has 23 rows, English 24"):
        load_parallel("ntrex", data_dir=ntrex)


def test_ntrex_missing_files_are_named(ntrex: Path) -> None:
    (ntrex / "ntrex/NTREX-128/newstest2019-src.eng.txt").unlink()
    with pytest.raises(DataError, match=r"dataset 'ntrex': .*newstest2019-src.eng.txt is missing"):
        load_parallel("ntrex", data_dir=ntrex)


@pytest.fixture
def flores(tmp_path: Path) -> Path:
    for code, name in FLORES.items():
        for split in ("dev", "devtest"):
            lines = [f"{code} {split} {i}" for i in range(N)]
            write_lines(tmp_path / f"lined/flores200_dataset/{split}/{name}.{split}", lines, "\n")
    for split in ("dev", "devtest"):
        table = ["URL\tdomain\ttopic", *(f"https://example.org/{split}{i // 3}\tnews\tx" for i in range(N))]
        write_lines(tmp_path / f"lined/flores200_dataset/metadata_{split}.tsv", table, "\n")
    return tmp_path


def rows(code: str, split: str) -> list[dict[str, object]]:
    return [
        {"id": i, "text": f"{code} {split} {i}", "url": f"https://example.org/{split}{i // 3}", "iso_639_3": code}
        for i in range(N)
    ]


def test_flores_in_lines_and_in_tables_is_the_same(flores: Path, write_jsonl) -> None:
    lined = load_parallel("flores", data_dir=flores / "lined")
    assert lined.languages == ("en", "ko", "zh")
    assert len(lined.sentences) == 2 * N
    assert lined.sentences[N + 2] == {"en": "en devtest 2", "ko": "ko devtest 2", "zh": "zh devtest 2"}
    assert all(len(set(lined.splits[i : i + 3])) == 1 for i in range(0, 2 * N, 3))
    assert set(lined.splits) == {"fit", "dev", "test"}
    for code, name in (("en", "eng_Latn"), ("ko", "kor_Hang"), ("zh", "cmn_Hans")):
        for split in ("dev", "devtest"):
            order = -1 if code == "ko" else 1
            write_jsonl(flores / f"flores_plus/{split}/{name}.jsonl", rows(code, split)[::order])
    assert load_parallel("flores", data_dir=flores) == lined


def test_flores_without_articles_draws_sentences_by_themselves(flores: Path) -> None:
    folder = flores / "lined/flores200_dataset"
    for name in ("metadata_dev.tsv", "metadata_devtest.tsv"):
        (folder / name).unlink()
    for path in folder.glob("devtest/*"):
        path.unlink()
    text = load_parallel("flores", languages=("ko",), data_dir=flores / "lined")
    assert (len(text.sentences), text.languages) == (N, ("en", "ko"))
    assert any(len(set(text.splits[i : i + 3])) > 1 for i in range(0, N, 3))


def test_flores_that_does_not_line_up_is_told(flores: Path, write_jsonl) -> None:
    write_lines(flores / "lined/flores200_dataset/dev/kor_Hang.dev", ["x"] * (N - 1), "\n")
    with pytest.raises(DataError, match=r"dev/eng_Latn.dev, row 24: the languages don't line up: 'ko' has 23 rows"):
        load_parallel("flores", data_dir=flores / "lined")
    folder = flores / "tables/flores"
    write_jsonl(folder / "dev/eng_Latn.jsonl", rows("en", "dev"))
    for known, told in (
        (
            rows("ko", "dev")[:-1],
            r"eng_Latn.jsonl, row 24: the languages don't line up: only English has the id 23",
        ),
        ([*rows("ko", "dev"), {"id": 99, "text": "x"}], r"kor_Hang.jsonl, row 25: .*only 'ko' has the id 99"),
        ([*rows("ko", "dev"), rows("ko", "dev")[0]], r"kor_Hang.jsonl, row 25: id '0' appears twice"),
        ([{"id": 0}], r"kor_Hang.jsonl, row 1: column 'text' is missing"),
    ):
        write_jsonl(folder / "dev/eng_Latn.jsonl", rows("en", "dev")[: 1 if known == [{"id": 0}] else N])
        write_jsonl(folder / "dev/kor_Hang.jsonl", known)
        with pytest.raises(DataError, match=told):
            load_parallel("flores", data_dir=flores / "tables")


def test_published_tables_name_each_file_once() -> None:
    from interp.data import languages
    from interp.data.published import _flores as flores
    from interp.data.published import _ntrex as ntrex

    assert len(set(ntrex.FILES.values())) == len(ntrex.FILES) == 130
    assert {*languages()} - {*ntrex.FILES} == {"as", "su", "tl"}
    assert len({new for _, new in flores.CODES.values()}) == len(flores.CODES)
    assert {*languages()} - {*flores.CODES} == {"tl"}
    assert PARALLEL["flores"].origin.gated


def test_real_ntrex(shared_data: Path) -> None:
    text = load_parallel("ntrex", data_dir=shared_data)
    assert set(text.languages) == {"en", "es", "es-MX", "zh", "ko", "id", "el", "fa", "ar", "az", "am", "ha", "tr", "ru", "fr", "bn"}  # fmt: skip
    assert len(text.sentences) == 198
    assert text.left_out == ()
    assert all(set(sentence) == set(text.languages) for sentence in text.sentences)
    documents = (shared_data / "ntrex128/DOCUMENT_IDS.tsv").read_text(encoding="utf-8").split("\n")[:-1]
    assert len(set(documents)) == 13
    assert len(set(zip(documents, text.splits, strict=True))) == 13
    assert sum(sentence["es"] != sentence["es-MX"] for sentence in text.sentences) > 150
