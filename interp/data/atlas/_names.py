"""Names of concepts in every language: the tables' own, and CLDR's through Babel."""

from __future__ import annotations

from babel import Locale
from babel.units import get_unit_name

from interp.data import Text
from interp.errors import DataError

_LOCALES = {"zh": "zh_Hans"}


def cldr_name(key: str, language: str) -> str:
    """CLDR's name for a key: `territory:FR`, `language:el`, `currency:EUR`, `month:1`, `weekday:0`, `unit:mass-gram`.

    Raises KeyError where CLDR has none.
    """
    kind, _, code = key.partition(":")
    locale = Locale.parse(_LOCALES.get(language, language))
    if kind == "territory":
        return str(locale.territories[code])
    if kind == "language":
        return str(locale.languages[code])
    if kind == "currency":
        return str(locale.currencies[code])
    if kind == "month":
        return str(locale.months["stand-alone"]["wide"][int(code)])
    if kind == "weekday":
        return str(locale.days["stand-alone"]["wide"][int(code)])
    if kind == "unit":
        for length in ("long", "short"):
            if name := get_unit_name(code, length=length, locale=locale):
                return name
    raise KeyError(key)


class Names:
    """Text of a key in every language; a key that starts with `=` is a literal, the same everywhere."""

    def __init__(self, table: dict[str, Text], languages: tuple[str, ...]) -> None:
        self._table = table
        self._languages = languages

    def __getitem__(self, key: str) -> Text:
        if key in self._table:
            return self._table[key]
        if key.startswith("="):
            return dict.fromkeys(self._languages, key[1:])
        try:
            self._table[key] = {language: cldr_name(key, language) for language in self._languages}
        except (KeyError, ValueError):
            raise DataError(
                f"name {key!r} is unknown",
                allowed="keys of names.csv, CLDR keys such as territory:FR, or =text",
                remedy="add it to names.csv",
            ) from None
        return self._table[key]
