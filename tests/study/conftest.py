"""A small run in one language that also generates, and what it scored and read on the way."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from interp.progress import Bars
from interp.study.ask import _score as evaluate
from interp.study.ask import _study as prepare
from interp.study.config import RunConfig
from interp.study.run import run

SMALL = {
    "limit": 60,
    "strengths": (1.0,),
    "design": "exhaustive",
    "draws": 4,
    "bootstrap_draws": 200,
    "attribution_items": 0,
}


@dataclass(frozen=True)
class CountedRun:
    """Its settings and folder. scored: prompts x plans; read: texts whose residuals were read."""

    config: RunConfig
    folder: Path
    scored: int
    read: int


@pytest.fixture(scope="session")
def counted_run(tmp_path_factory: pytest.TempPathFactory) -> CountedRun:
    counts: Counter[str] = Counter()
    score, read = evaluate.score, prepare.read_residuals

    def counted_score(model: Any, prompts: Any, plans: Any, **more: Any) -> Any:
        counts["scored"] += len(prompts) * len(plans)
        return score(model, prompts, plans, **more)

    def counted_read(model: Any, texts: Any, **more: Any) -> Any:
        counts["read"] += len(texts)
        return read(model, texts, **more)

    config = RunConfig(
        languages=("el",), generate=True, max_new_tokens=8, out=str(tmp_path_factory.mktemp("runs") / "el"), **SMALL
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate, "score", counted_score)
        patch.setattr(prepare, "read_residuals", counted_read)
        folder = run(config, Bars(quiet=True)).folder
    return CountedRun(config, folder, counts["scored"], counts["read"])
