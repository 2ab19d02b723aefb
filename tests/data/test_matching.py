"""BLEnD's matching rule and its two scores."""

from __future__ import annotations

import pytest

from interp.data import Accepted, normalised, score
from interp.data._matching import Score, contains


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
        ("Ο ΧΑΡΤΑΕΤΟΣ", "χαρταετός", "el", True),
        ("چاۓ نہیں، قہوہ", "قهوه", "ur", True),
    ],
)
def test_an_answer_is_found_as_a_whole(response: str, answer: str, language: str, wanted: bool) -> None:
    assert contains(response, answer, language) is wanted


@pytest.mark.parametrize(
    ("response", "answer", "language", "wanted"),
    [
        ("子どもたちは凧揚げをします。", "凧揚げ", "ja", True),
        ("朝ごはんに味噌汁を飲みます", "味噌汁", "ja", True),
        ("味噌 汁", "味噌汁", "ja", True),
        ("ｻｯｶｰです", "サッカー", "ja", True),  # half-width kana
        ("野球とサッカーが好き", "サッカー", "ja", True),
        ("動物園のパンダ", "パン", "ja", False),  # panda, bread
        ("フライパン", "パン", "ja", False),
        ("毎朝パンを食べます", "パン", "ja", True),
        ("Ｔシャツを着ます", "Tシャツ", "ja", True),
        ("BTシャツ", "Tシャツ", "ja", False),
        ("ハリーポッター", "ハリー・ポッター", "ja", True),
        ("ハリー・ポッターです", "ハリーポッター", "ja", True),
        ("毎日teaを飲む", "tea", "ja", True),
        ("12歳です", "12", "ja", True),
        ("我吃面。包子也吃", "面包", "zh", False),  # not across a full stop
        ("我吃 面 包", "面包", "zh", True),
        ("我食菠蘿包㗎", "菠蘿包", "yue", True),
        ("我們吃鹽酥雞", "鹽酥雞", "zh", True),
        ("เด็ก ๆ ชอบเล่นว่าวในหน้าร้อน", "ว่าว", "th", True),
        ("เล่น ว่าว", "เล่นว่าว", "th", True),
        ("ชอบกินข้าวเหนียวมะม่วง", "ข้าวเหนียวมะม่วง", "th", True),
        ("ดื่มน้ำเปล่า", "น้ำ", "th", True),
        ("เกาหลี", "กา", "th", False),  # the syllable is "เกา"
        ("กาแฟ", "ก", "th", False),
        ("ชอบ pizza มาก", "pizza", "th", True),
        ("ตอนอายุ ๑๒ ปี", "12", "th", True),
        ("ເດັກນ້ອຍມັກກິນເຂົ້າໜຽວ", "ເຂົ້າໜຽວ", "lo", True),
        ("ກິນ ເຂົ້າ ໜຽວ", "ເຂົ້າໜຽວ", "lo", True),
        ("ເກົາ", "ກ", "lo", False),
        ("ក្មេងៗចូលចិត្តលេងខ្លែង", "ខ្លែង", "km", True),
        ("ញ៉ាំបាយ\u200bសាច់ជ្រូក", "បាយសាច់ជ្រូក", "km", True),
        ("ខ្លែង", "លែង", "km", False),  # ល stands below ខ
        ("បាយ", "បា", "km", True),  # no dictionary says where a word ends
        ("ကလေးတွေက စွန်လွှတ်ကြတယ်", "စွန်", "my", True),
        ("မနက်စာ မုန့်ဟင်းခါး စားတယ်", "မုန့်ဟင်းခါး", "my", True),
        ("ထမင်းစားသည်", "ထမင်း", "my", True),
        ("စားသည်", "စာ", "my", False),  # စား is to eat, စာ a letter
        ("ထမင်း", "ထမ", "my", False),
        ("ཇ་འཐུང་གི་ཡོད།", "ཇ", "bo", True),
        ("ཁམ་བུ", "ཁ", "bo", False),
    ],
)
def test_without_spaces_an_answer_is_found_within_the_text_but_not_within_a_syllable(
    response: str, answer: str, language: str, wanted: bool
) -> None:
    assert contains(response, answer, language) is wanted


@pytest.mark.parametrize("language", ["tr", "az"])
@pytest.mark.parametrize(
    ("response", "answer", "wanted"),
    [
        ("İSTANBUL", "istanbul", True),
        ("I\u0307STANBUL", "istanbul", True),  # a dot of its own
        ("ISPANAK yenir", "ıspanak", True),
        ("ＩＳＰＡＮＡＫ", "ıspanak", True),
        ("IŞIK", "ışık", True),
        ("KIRMIZI", "kırmızı", True),
        ("DİKİŞ", "dikiş", True),
        ("SIKMA", "sikma", False),
        ("sıkma", "SİKMA", False),
        ("Isi", "ısı", False),
    ],
)
def test_capitals_of_turkish_and_azerbaijani_keep_their_dots(
    response: str, answer: str, wanted: bool, language: str
) -> None:
    assert contains(response, answer, language) is wanted


def test_english_in_a_turkish_answer_keeps_english_capitals() -> None:
    assert score("PIZZA", "tr", (Accepted(("pizza",)),)) == Score(1, 1.0)


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
