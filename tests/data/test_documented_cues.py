"""The documentation names each dataset's own cue."""

from __future__ import annotations

from pathlib import Path

from interp.data import atlas, placebos
from interp.data._cues import cue

DOCS = Path(__file__).parents[2] / "docs"


def test_docs_quote_the_cues_of_atlas_and_of_the_other_datasets() -> None:
    ours = atlas.cultural()
    for page in ("method.md", "concepts.md"):
        text = (DOCS / page).read_text(encoding="utf-8")
        assert ours.cues["GR"]["en"] in text, page
        assert cue("GR", "en") in text, page
    concepts = (DOCS / "concepts.md").read_text(encoding="utf-8")
    assert ours.placebos[0]["en"] in concepts
    assert placebos(["en"])[0]["en"] in concepts
