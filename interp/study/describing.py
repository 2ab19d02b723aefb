"""What a run states about itself in its manifest."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Any

from interp.data.items import CulturalSet, UniversalSet, fingerprint
from interp.study.prepare import Study


def _data(dataset: UniversalSet | CulturalSet) -> dict[str, Any]:
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
        "template": study.template.name,
        "data": {
            "universal": _data(study.universal),
            "cultural": _data(study.cultural),
            "parallel": {"name": study.parallel.name, "revision": study.parallel.revision},
            "scored": "items the model's corpus did not show" if study.loaded.exposure else "all items",
        },
        "languages": {code: study.culture(code) for code in study.languages},
        "versions": {package: version(package) for package in packages} | {"python": platform.python_version()},
        "host": {"system": platform.system(), "machine": platform.machine()},
    }
