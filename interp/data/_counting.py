"""Which cultural items count for a language and culture, and why the others don't."""

from __future__ import annotations

from interp.data._items import CulturalItem, CulturalSet, LeftOut


def counted(dataset: CulturalSet, code: str, culture: str) -> tuple[tuple[CulturalItem, ...], tuple[LeftOut, ...]]:
    """The items that can be scored in language `code` for `culture`, and the others, each with the reason."""
    scored, left_out = [], []
    for item in dataset.items:
        reason = _why_not(dataset, item, code, culture)
        if reason:
            left_out.append(LeftOut(item.key, f"{code} {culture}", reason))
        else:
            scored.append(item)
    return tuple(scored), tuple(left_out)


def _why_not(dataset: CulturalSet, item: CulturalItem, code: str, culture: str) -> str:
    if code not in item.questions:
        return "not asked in this language"
    if item.options(culture, dataset.reference, code, dataset.option_count) is not None:
        return ""
    local, other = item.answers.get(culture, ()), item.answers.get(dataset.reference, ())
    if not local:
        return f"no answer for {culture}"
    if set(local) & set(other):
        return f"{culture} and {dataset.reference} share an answer"
    fixed = (local[0], *other[:1])
    if not any(all(written in item.names[key] for key in fixed) for written in (code, "en")):
        return "an answer has no text in this language, and some answer has none in English either"
    if culture in item.given:
        return "the given options are not all different, lack a text, or lack the reference culture's answer"
    return f"fewer than {dataset.option_count} answers that differ in every language"
