"""Cue sentences that name a culture ("My country: Greece."), and placebos of the same form that name none.

A culture is an ISO 3166 code of a country (`GR`), or of a region that a dataset treats as a culture of its own
(`IN-AS` Assam, `ID-JB` West Java). Regions are named with their country, so that their cue differs from the country's
and is still true. Northern Nigeria has no code and shares its country with no other culture of the datasets: it goes
by `NG`. Countries' names are CLDR's, through Babel; `places.csv` has those of the regions, and of countries where CLDR
has none (Sundanese) or a wrong one (Yoruba swaps the two Koreas). To add a name, add a row there.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from babel import Locale
from babel.core import get_global

from interp.data._items import Text
from interp.data._languages import PLACEBOS, language
from interp.data.files import read_table
from interp.errors import DataError

NOWHERE = "ZZ"
"""CLDR's code of the unknown region."""


@lru_cache(maxsize=1)
def _places() -> dict[tuple[str, str], str]:
    """Names by culture and language that are ours, not CLDR's."""
    rows = read_table(Path(__file__).with_name("places.csv"), ("culture", "language", "name"))
    return {(row["culture"], row["language"]): row["name"] for row in rows}


def place_name(culture: str, code: str) -> str:
    """The name of a culture's country or region in language `code`; raises DataError if it is unknown."""
    regions = list(dict.fromkeys(place for place, _ in _places() if "-" in place))
    if culture not in regions and (culture not in get_global("territory_languages") or culture == NOWHERE):
        raise DataError(
            f"culture {culture!r} is unknown",
            allowed=f"ISO 3166 codes of countries, such as GR, and {', '.join(regions)}",
            remedy="correct the code, or add the region's names to interp/data/places.csv",
        )
    locale = Locale.parse(language(code).code)
    name = _places().get((culture, code)) or locale.territories.get(culture)
    if not name:
        raise DataError(
            f"culture {culture!r} has no name in language {code!r}: neither CLDR nor places.csv has one",
            remedy=f"add {culture},{code} and the name to interp/data/places.csv",
        )
    return str(name)


def cue(culture: str, code: str) -> str:
    """The sentence "My country: X." in language `code`; raises DataError if the culture has no name in it."""
    return language(code).cue.replace("{country}", place_name(culture, code))


def cues(cultures: Iterable[str], codes: Iterable[str]) -> dict[str, Text]:
    """The cue of each culture in each language, by culture; errors as `cue`."""
    written = tuple(codes)
    return {culture: {code: cue(culture, code) for code in written} for culture in cultures}


def placebos(codes: Iterable[str]) -> tuple[Text, ...]:
    """Sentences of the cue's form that name no place, each in every language of `codes`."""
    rows = [language(code) for code in codes]
    return tuple({row.code: row.placebos[index] for row in rows} for index in range(len(PLACEBOS)))
