"""What a run states about itself in its manifest."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Any

from interp.data.items import CulturalSet, UniversalSet, fingerprint
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
            "parallel": {"name": study.parallel.name, "revision": study.parallel.revision},
            "scored": "items the model's corpus did not show" if study.loaded.exposure else "all items",
        },
        "languages": {code: study.culture(code) for code in study.languages},
        "versions": {package: version(package) for package in packages} | {"python": platform.python_version()},
        "host": {"system": platform.system(), "machine": platform.machine()},
    }


def made_of(study: Study) -> dict[str, Any]:
    """What a run's parts depend on besides its settings and data: the model and the packages that compute."""
    told = described(study)
    return {key: told[key] for key in ("model", "template", "template_told", "versions") if key in told}
