"""What a run states about itself in its manifest."""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from interp.data.items import CulturalSet, ParallelText, UniversalSet, fingerprint
from interp.study.prepare import Study


def described_data(dataset: UniversalSet | CulturalSet) -> dict[str, Any]:
    """What was read of a dataset: revision, languages, items, what was left out, and a hash of the items."""
    return {
        "name": dataset.name,
        "revision": dataset.revision,
        "languages": list(dataset.languages),
        "items": len(dataset.items),
        "left_out": sum(left.count for left in dataset.left_out),
        "fingerprint": fingerprint(dataset.items),
    }


def described_text(parallel: ParallelText) -> dict[str, Any]:
    """What was read of parallel sentences: revision, how many, and a hash of them with their splits."""
    rows = [[split, dict(sentence)] for split, sentence in zip(parallel.splits, parallel.sentences, strict=True)]
    digest = hashlib.sha256(json.dumps(rows, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:16]
    return {
        "name": parallel.name, "revision": parallel.revision, "sentences": len(parallel.sentences),
        "fingerprint": digest,
    }  # fmt: skip


def described(study: Study) -> dict[str, Any]:
    """Settings, model, data and versions of a finished run."""
    packages = ("translocal", "torch", "transformers", "transformer-lens", "scikit-learn", "numpy", "pandas", "babel")
    return {
        "status": "finished",
        "config": study.config.described(),
        "model": study.loaded.described(),
        **study.template.described(),
        "vocabulary": {"indistinct_items": len(study.indistinct_items), "unknown_tokens": study.unknown_shares},
        "data": {
            "universal": described_data(study.universal),
            "cultural": described_data(study.cultural),
            "parallel": described_text(study.parallel),
            "scored": "items the model's corpus did not show" if study.loaded.exposure else "all items",
        },
        "languages": {code: study.culture(code) for code in study.languages},
        "versions": {package: version(package) for package in packages} | {"python": platform.python_version()},
        "host": {"system": platform.system(), "machine": platform.machine()},
    }


def described_design(study: Study) -> dict[str, Any]:
    """How much a run looked at: the design's sizes, and its grid."""
    design = asdict(study.design)
    return design | {"rounds": [asdict(each) for each in study.design.rounds]}


def made_of(study: Study) -> dict[str, Any]:
    """What a run's parts depend on besides its settings and data: the model and the packages that compute."""
    told = described(study)
    return {key: told[key] for key in ("model", "template", "template_told", "versions") if key in told}
