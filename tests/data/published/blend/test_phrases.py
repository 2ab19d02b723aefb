"""Country phrases are taken out cleanly: on invented sentences of every language, and on the real files."""

from __future__ import annotations

import csv
import difflib
import re
from pathlib import Path

import pytest

from interp.data.published.blend._countries import countries
from interp.data.published.blend._phrases import Implicit, NotImplicit, _mention, implicit
from interp.data.published.blend._text import tidy

CLEAN = [
    ("en", "GR", "What do people in Greece sing?", "What do people sing?"),
    ("en", "US", "In the US, who sings first?", "Who sings first?"),
    ("en", "US", "How long is the US's winter break?", "How long is winter break?"),
    ("en", "KR", "Which song do people from South Korea like?", "Which song do people like?"),
    ("en", "US", "What do us and them sing in your country?", "What do us and them sing?"),
    ("es", "ES", "¿Qué canta la gente en España?", "¿Qué canta la gente?"),
    ("es", "MX", "¿En México, quién canta primero?", "¿Quién canta primero?"),
    ("es", "MX", "En México, ¿quién canta primero?", "¿Quién canta primero?"),
    ("es", "ES", "¿Qué se canta en la sociedad española?", "¿Qué se canta en la sociedad?"),
    ("zh", "CN", "在中国，人们唱什么歌？", "人们唱什么歌？"),
    ("zh", "CN", "在中国的街上，人们唱什么歌？", "在街上，人们唱什么歌？"),
    ("zh", "CN", "中国人唱什么歌？", "人们唱什么歌？"),
    ("zh", "CN", "谁是中国最有名的歌手？", "谁是最有名的歌手？"),
    ("ko", "KR", "대한민국에서는 어떤 노래를 부르나요?", "어떤 노래를 부르나요?"),
    ("ko", "KR", "노래로 유명한 한국의 도시는 어디인가요?", "노래로 유명한 도시는 어디인가요?"),
    ("ko", "KP", "북한\x08사람들은 어떤 노래를 부르나요?", "사람들은 어떤 노래를 부르나요?"),
    ("ko", "KR", "한국에서 몇 번\x1c부르나요?", "몇 번 부르나요?"),
    ("id", "ID", "Lagu apa yang dinyanyikan di Indonesia?", "Lagu apa yang dinyanyikan?"),
    ("id", "ID", "Di Indonesia, lagu apa yang populer?", "Lagu apa yang populer?"),
    ("id", "ID", "Lagu apa yang disukai masyarakat Indonesia?", "Lagu apa yang disukai masyarakat?"),
    ("el", "GR", "Τι τραγουδούν οι άνθρωποι στην Ελλάδα;", "Τι τραγουδούν οι άνθρωποι;"),
    ("el", "GR", "Στην Ελλάδα, ποιος τραγουδά;", "Ποιος τραγουδά;"),
    ("el", "GR", "Τι τραγουδά η νύφη στην ελληνική κοινωνία;", "Τι τραγουδά η νύφη στην κοινωνία;"),
    ("fa", "IR", "درایران چه آهنگی می‌خوانند؟", "چه آهنگی می‌خوانند؟"),
    ("fa", "IR", "مردم در ایران، چه می‌خوانند؟", "مردم چه می‌خوانند؟"),
    ("fa", "IR", "در کشور شما چه آهنگی می‌خوانند؟", "چه آهنگی می‌خوانند؟"),
    ("fa", "IR", "یک آهنگ در شهرهای ایران چیست؟", "یک آهنگ در شهرها چیست؟"),
    ("ar", "DZ", "ماذا يغني الناس في الجزائر؟", "ماذا يغني الناس؟"),
    ("ar", "DZ", "ماذا يغني الطلاب الجزائريون؟", "ماذا يغني الطلاب؟"),
    ("ar", "DZ", "ماذا يغني الجزائريون؟", "ماذا يغني الناس؟"),
    ("ar", "DZ", "من هو أول مغن للجزائرفي المهرجان ؟", "من هو أول مغن في المهرجان؟"),
    ("az", "AZ", "Azərbaycanda insanlar nə oxuyurlar?", "İnsanlar nə oxuyurlar?"),
    ("az", "AZ", "Azərbaycanın hansı küçəsi məşhurdur?", "Hansı küçə məşhurdur?"),
    ("az", "AZ", "Azərbaycanlılar nə oxuyurlar?", "İnsanlar nə oxuyurlar?"),
    ("am", "ET", "በኢትዮጵያ ውስጥ ሰዎች ምን ይዘፍናሉ?", "ሰዎች ምን ይዘፍናሉ?"),
    ("am", "ET", "በኢትዮጵያ፣ ማን ይዘፍናል?", "ማን ይዘፍናል?"),
    ("am", "ET", "ኢትዮጵያውያን ምን ይዘፍናሉ?", "ሰዎች ምን ይዘፍናሉ?"),
    ("ha", "NG", "Wace waka ake rerawa a Arewacin Najeriya?", "Wace waka ake rerawa?"),
    ("ha", "NG", "A Arewacin Najeriya, wa ke waka?", "Wa ke waka?"),
    ("ha", "NG", "Wace waka mutanen Arewacin Najeriya ke so?", "Wace waka mutane ke so?"),
    ("as", "IN-AS", "অসমত মানুহে কি গায়?", "মানুহে কি গায়?"),
    ("su", "ID-JB", "Lagu naon anu dinyanyikeun di Jawa Barat?", "Lagu naon anu dinyanyikeun?"),
]

NOT_CLEAN = [
    ("en", "GR", "", "empty"),
    ("en", "GR", "  \x1c ", "empty"),
    ("en", "GR", "What do people sing?", "no phrase"),
    ("en", "GR", "Besides songs from Greece, what do people in Greece sing?", "2 times"),
    ("en", "GR", "In Greece, what do Greeks sing?", "2 times"),
    ("en", "GR", "What has Greece sung best?", "subject"),
    ("en", "GR", "Which song originated in Greece and is sung abroad?", "verb"),
    ("es", "MX", "¿Qué ha cantado México mejor?", "subject"),
    ("zh", "CN", "哪首歌起源于中国？", "verb"),
    ("ko", "KR", "대한민국이 가장 잘하는 노래는 무엇인가요?", "subject"),
    ("ko", "KR", "대힌민국의 노래는 무엇인가요?", "misspelt: 대힌민국"),
    ("ko", "KR", "한국식 노래는 무엇인가요?", "part of a word"),
    ("ar", "DZ", "ماذا غنت الجزائر؟", "subject"),
    ("az", "AZ", "Azərbaycan nə oxuyub?", "subject"),
    ("am", "ET", "ኢትዮጵያ ምን ዘፈነች?", "subject"),
    ("ha", "NG", "Wace waka ce Arewacin Najeriya ta rera?", "subject"),
]


@pytest.mark.parametrize(("language", "culture", "question", "wanted"), CLEAN)
def test_the_phrase_goes_and_nothing_else(language: str, culture: str, question: str, wanted: str) -> None:
    found = implicit(question, language, culture)
    assert isinstance(found, Implicit), found
    assert found.text == wanted
    assert found.removed


@pytest.mark.parametrize(("language", "culture", "question", "why"), NOT_CLEAN)
def test_what_does_not_go_cleanly_has_a_reason(language: str, culture: str, question: str, why: str) -> None:
    found = implicit(question, language, culture)
    assert isinstance(found, NotImplicit), found
    assert why in found.reason


def test_your_country_stays_where_the_sentence_needs_it() -> None:
    question = "Which song originated from your country and is sung abroad?"
    assert implicit(question, "en", "US") == Implicit(question, "")


def test_every_country_has_its_names_and_rows_in_its_language_and_in_english() -> None:
    for known in countries():
        assert isinstance(implicit("?", "en", known.culture), NotImplicit)


STEMS = {
    "DZ": ["جزائر"],
    "AZ": ["azərbaycan"],
    "CN": ["中国", "中國"],
    "ET": ["ኢትዮጵያ"],
    "GR": ["ελλάδα", "ελλην", "έλλην"],
    "ID": ["indonesia"],
    "IR": ["ایران", "کشور شما"],
    "MX": ["méxico", "mexico", "mexican"],
    "KP": ["북한", "조선"],
    "NG": ["najeriya", "arewaci"],
    "KR": ["한국", "대한", "대힌"],
    "ES": ["españ"],
    "GB": [" uk", "britain", "british"],
    "US": [" us ", " us?", " us'", "america", " u.s"],
}
"""What may not be left, said apart from the package's own table."""

DANGLING = {
    "en": "in of from for the a", "es": "en de para la los", "id": "di dari untuk", "el": "στην της από για την στη",
    "fa": "در از برای", "ar": "في من لل", "ha": "a daga na ga", "am": "በ ከ ለ የ", "az": "da də", "ko": "의 에서 에는 는",
    "zh": "在 的",
}  # fmt: skip
"""Words that need another behind them (before it, in Korean)."""


def problems(question: str, text: str, language: str, culture: str) -> list[str]:
    """What is wrong with an implicit question, judged by rules of the test's own."""
    found = [f"left: {stem}" for stem in STEMS[culture] if stem in f" {text.lower()} "]
    last, before = (re.split(r"[?？؟;(（]", whole)[0].split() for whole in (text, tidy(question)))
    found += [f"dangling: {word}" for word in last[-1:] if word in DANGLING[language].split() and word != before[-1]]
    if language == "ko" and last[0] in DANGLING["ko"].split():
        found.append(f"particle: {last[0]}")
    if language == "zh" and text[0] in "的，在" and text.startswith(("的", "，", "在的", "在，")):
        found.append("starts with a particle")
    if "  " in text or text != text.strip() or re.match(r"[,،，、፣.;?]", text) or re.search(r" [?؟;,،]", text):
        found.append("spaces or punctuation")
    if re.search(r"[\x00-\x1f]", text):
        found.append("control character")
    if text[-1] != question.strip()[-1]:
        found.append("the end is lost")
    first = next(letter for letter in tidy(question) if letter.isalpha())
    if first.isupper() and not next(letter for letter in text if letter.isalpha()).isupper():
        found.append("no capital")
    blocks = difflib.SequenceMatcher(None, tidy(question).lower(), text.lower(), autojunk=False).get_matching_blocks()
    if len(text) - sum(block.size for block in blocks) > len("insanlar") + 1:
        found.append("text that was not there")
    if not 1 <= len(tidy(question)) - len(text) <= 30 and text[-1] == question.strip()[-1]:
        found.append(f"{len(tidy(question)) - len(text)} letters shorter")
    return found


def real_questions(shared_data: Path, file: str) -> dict[str, str]:
    path = shared_data / "blend" / "data" / "questions" / f"{file}_questions.csv"
    with path.open(encoding="utf-8", newline="") as lines:
        return {row["ID"]: row["Question"] for row in csv.DictReader(lines)}


REAL = [known for known in countries() if known.culture in STEMS]


@pytest.mark.parametrize("known", REAL, ids=[known.file for known in REAL])
def test_at_least_95_percent_of_real_questions_lose_it_cleanly(known, shared_data: Path) -> None:
    questions = real_questions(shared_data, known.file)
    assert len(questions) == 112
    clean = 0
    for key, question in questions.items():
        found = implicit(question, known.language, known.culture)
        if isinstance(found, Implicit):
            assert problems(question, found.text, known.language, known.culture) == [], (key, found)
            assert problems(question, tidy(question), known.language, known.culture), (key, "the check sees nothing")
            clean += 1
    assert clean / len(questions) >= 0.95


def test_what_fails_in_real_files_is_what_their_notes_say(shared_data: Path) -> None:
    """Questions that name their country twice, misspell it or are empty; the other reasons stand in the sentences."""
    reasons = {}
    for known in REAL:
        for key, question in real_questions(shared_data, known.file).items():
            found = implicit(question, known.language, known.culture)
            if isinstance(found, NotImplicit):
                reasons[known.culture, key] = found.reason
    assert "misspelt" in reasons["KR", "New-ch-64"]
    assert "2 times" in reasons["KR", "Gu-ch-33"]
    assert "2 times" in reasons["US", "Ki-pe-36"]
    assert "empty" in reasons["CN", "New-en-04"]
    assert not any(key in ("Al-en-21", "An-ar-43", "Na-ko-40", "Ji-ko-26", "Ji-ko-29") for _, key in reasons)
    assert {key for _, key in reasons} == {
        "Al-en-16", "Gu-ch-33", "Ki-pe-36", "Na-ko-22", "New-ch-64", "New-en-04", "New-ha-07", "Th-en-12"
    }  # fmt: skip


@pytest.mark.parametrize("known", REAL, ids=[known.file for known in REAL])
def test_english_translations_of_real_questions_lose_it_too(known, shared_data: Path) -> None:
    path = shared_data / "blend" / "data" / "questions" / f"{known.file}_questions.csv"
    with path.open(encoding="utf-8", newline="") as lines:
        questions = [row["Translation"] for row in csv.DictReader(lines)]
    clean = [found for question in questions if isinstance(found := implicit(question, "en", known.culture), Implicit)]
    assert len(clean) / len(questions) >= 0.95
    assert not any(_mention("en", known.culture).search(found.text) for found in clean)
