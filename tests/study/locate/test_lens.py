"""What is said of the lens: only a lead whose interval lies above 0 counts, and languages that go the other way are named."""

from __future__ import annotations

import pandas as pd

from interp.study.locate._findings import _lens


def rows(cue: str, language: str, leads: list[tuple[float, float, float]]) -> list[dict[str, object]]:
    return [
        {"layer": layer - 1, "language": language, "cue": cue, "lead": lead, "lead_lo": low, "lead_hi": high}
        for layer, (lead, low, high) in enumerate(leads)
    ]


def test_a_lead_counts_from_the_layer_where_it_is_clear_for_good() -> None:
    clear, unclear = (0.3, 0.1, 0.5), (0.2, -0.1, 0.4)
    table = pd.DataFrame(
        [
            *rows("none", "macro", [clear, clear, unclear, clear]),
            *rows("none", "zh", [clear, clear, clear, (-0.2, -0.3, -0.1)]),
            *rows("explicit", "macro", [unclear] * 4),
        ]
    )
    without, with_cue = _lens(table)
    assert "without a cue, the local answer leads the US answer from layer 2 on" in without
    assert "+0.300 [+0.100, +0.500]" in without
    assert "the other way in Chinese -0.200" in without
    assert "with the cue, the local answer does not clearly lead the US answer at the last layer" in with_cue
