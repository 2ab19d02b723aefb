"""Every published dataset, by axis."""

from __future__ import annotations

from interp.data._entries import Entry
from interp.data._items import CulturalSet, ParallelText, UniversalSet
from interp.data.published import (
    _arab_culture,
    _bmlama,
    _culturalbench,
    _flores,
    _global_mmlu,
    _global_piqa,
    _include,
    _localization_gap,
    _mkqa,
    _mmlu_prox,
    _mmmlu,
    _multiloko,
    _ntrex,
    blend,
)

UNIVERSAL: tuple[Entry[UniversalSet], ...] = (
    _global_mmlu.ENTRY, _global_mmlu.LITE, _mmmlu.ENTRY, _bmlama.ENTRY, _mkqa.ENTRY,
    _global_piqa.ENTRY, _mmlu_prox.ENTRY,
)  # fmt: skip
CULTURAL: tuple[Entry[CulturalSet], ...] = (
    blend.ENTRY, blend.CHOICE, _localization_gap.ENTRY, _include.ENTRY, _culturalbench.ENTRY, _multiloko.ENTRY,
    _global_piqa.LOCAL, _arab_culture.ENTRY,
)  # fmt: skip
PARALLEL: tuple[Entry[ParallelText], ...] = (_ntrex.ENTRY, _flores.ENTRY)
