"""The README's Python runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path


def test_the_example_runs() -> None:
    text = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict = {}
    exec(code, names)
    scores, plans, tasks = names["scores"], names["plans"], names["tasks"]
    assert scores.logp.shape == (len(plans), sum(len(task.marks) for task in tasks))
    assert (scores.logp < 0).all()
