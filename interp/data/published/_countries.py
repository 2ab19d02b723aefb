"""ISO 3166 codes of countries by the English names that datasets use."""

from __future__ import annotations

import re
from functools import lru_cache

from babel import Locale

_OTHER_NAMES = {
    "bosnia and herzegovina": "BA",
    "burma": "MM",
    "czech republic": "CZ",
    "democratic republic of the congo": "CD",
    "great britain": "GB",
    "hong kong": "HK",
    "ivory coast": "CI",
    "korea": "KR",
    "macao": "MO",
    "macau": "MO",
    "macedonia": "MK",
    "myanmar": "MM",
    "palestine": "PS",
    "republic of north macedonia": "MK",
    "russian federation": "RU",
    "trinidad and tobago": "TT",
    "turkey": "TR",
    "uk": "GB",
    "united states of america": "US",
    "us": "US",
    "usa": "US",
    "viet nam": "VN",
}
"""Names that are not CLDR's."""


def country_code(name: str) -> str | None:
    """The code of a country, by its English name in any case; None for a name that is unknown."""
    return _codes().get(_key(name))


def _key(name: str) -> str:
    words = re.findall(r"[^\W_]+", name.casefold())
    return " ".join(words[1:] if words[:1] == ["the"] else words)


@lru_cache(maxsize=1)
def _codes() -> dict[str, str]:
    cldr = Locale("en").territories
    return {_key(name): code for code, name in cldr.items() if len(code) == 2 and code != "ZZ"} | _OTHER_NAMES
