"""BLEnD's matching rule and its two scores."""

from __future__ import annotations

import pytest

from interp.data.blend.matching import Score, contains, normalised, score
from interp.data.items import Accepted


@pytest.mark.parametrize(
    ("response", "answer", "language", "wanted"),
    [
        ("I think it's Fried  Chicken.", "fried chicken", "en", True),
        ("The answer: a kite", "The Kite", "en", True),
        ("kites", "kite", "en", False),  # no lemmas
        ("chickens", "hen", "en", False),
        ("They eat fish & chips!", "fish and chips", "en", False),
        ("answer", "?!", "en", False),
        ("", "kite", "en", False),
        ("El más común es el cometa", "cometa", "es", True),
        ("Ο ΧΑΡΤΑΕΤΌΣ", "χαρταετός", "el", True),
        ("我喜欢放风筝。", "风筝", "zh", True),
        ("我喝tea吗", "tea", "zh", True),
        ("我在team里", "tea", "zh", False),
        ("보통 연을 날립니다", "연", "ko", True),
        ("김치입니다.", "김치", "ko", True),
        ("연구를 합니다", "연", "ko", False),
        ("방패연", "연", "ko", False),
        ("شاي بالنعناع", "الشاي", "ar", True),
        ("يحبون السَّمَك", "سمك", "ar", True),
        ("می‌خوانند", "میخوانند", "fa", True),
        ("كتاب", "کتاب", "fa", True),
        ("İSTAKAN", "istakan", "az", True),
        ("IŞIQ", "ışıq", "az", True),
        ("ሻይ፣ ቡና።", "ቡና", "am", True),
        ("Ina shan shayi.", "shayi", "ha", True),
        ("12살입니다", "12", "ko", True),
        ("At 12:30", "12", "en", False),
        ("At 12:30.", "12:30", "en", True),
        ("about 120", "12", "en", False),
        ("١٢ سنة", "12", "ar", True),
        ("１２岁", "12", "zh", True),
    ],
)
def test_an_answer_is_found_as_a_whole(response: str, answer: str, language: str, wanted: bool) -> None:
    assert contains(response, answer, language) is wanted


def test_normalised_text_keeps_words_and_drops_the_rest() -> None:
    assert normalised("  The “Hot-Dogs”, 1,5 l ", "en") == "hot dogs 1,5 l"
    assert normalised("the", "en") == "the"  # an article alone is not nothing


def test_scores_are_the_published_ones() -> None:
    accepted = (Accepted(("연", "kite"), 4), Accepted(("팽이", "top", "spinning top"), 2), Accepted(("공", "ball"), 1))
    assert score("연을 날려요", "ko", accepted) == Score(1, 1.0)
    assert score("A spinning top.", "ko", accepted) == Score(1, 0.5)
    assert score("공 아니면 팽이", "ko", accepted) == Score(1, 0.5)
    assert score("모릅니다", "ko", accepted) == Score(0, 0.0)
    assert score("kite", "ko", ()) == Score(0, 0.0)
