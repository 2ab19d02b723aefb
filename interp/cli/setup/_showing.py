"""How the commands of `interp data` print datasets: plain text, nothing in it is markup."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from interp.cli.printing import wide_console
from interp.cli.setup._selecting import Dataset, SplitPrompt
from interp.data import SPLITS, CulturalSet, Entry, LeftOut, ParallelText, UniversalSet, counted

if TYPE_CHECKING:
    from rich.console import Console

ROLES = {"reference": "US", "local": "local", "right": "right"}
MOST = 20
"""Most languages or cultures that the table names; --json names all."""
REASONS = 5
"""Most reasons for leaving out that a summary prints."""


def console() -> Console:
    """A console that shows text as it is."""
    from rich.console import Console

    return Console(markup=False, highlight=False, emoji=False, soft_wrap=True)


def described(entry: Entry[Any]) -> dict[str, Any]:
    """What is known of a dataset before it is read, as plain values."""
    origin = entry.origin
    return {
        "name": entry.name,
        "axis": entry.axis,
        "title": entry.title,
        "languages": list(entry.languages),
        "cultures": list(entry.cultures),
        "items": entry.size,
        "licence": entry.licence,
        "citation": entry.citation,
        "source": origin.page if origin else "embedded",
        "revision": origin.revision if origin else "embedded",
        "gated": bool(origin and origin.gated),
    }


def listing(entries: Iterable[Entry[Any]]) -> None:
    """A table of datasets."""
    from rich.table import Table

    table = Table()
    for column in ("name", "axis", "title", "languages", "cultures", "items", "licence", "gated"):
        table.add_column(column, overflow="fold")
    for entry in entries:
        languages, cultures = (_short(codes) for codes in (entry.languages, entry.cultures))
        gated = "yes" if entry.origin and entry.origin.gated else ""
        table.add_row(entry.name, entry.axis, entry.title, languages, cultures, entry.size, entry.licence, gated)
    wide_console().print(table)


def _short(codes: Sequence[str]) -> str:
    return " ".join(codes) if len(codes) <= MOST else f"{len(codes)}: {' '.join(codes[:MOST])} …"


def summary(dataset: Dataset) -> list[str]:
    """What a dataset holds, line by line."""
    lines = [f"axis       {_axis(dataset)}", f"revision   {dataset.revision or 'embedded'}"]
    if isinstance(dataset, ParallelText):
        lines.append(f"sentences  {len(dataset.sentences)}: {_shares(dataset.splits)}")
    elif isinstance(dataset, UniversalSet):
        groups = len({item.cluster for item in dataset.items})
        lines.append(f"items      {len(dataset.items)} in {groups} clusters: {_shares(i.split for i in dataset.items)}")
    else:
        groups = len({item.topic for item in dataset.items})
        lines.append(f"items      {len(dataset.items)} in {groups} topics: {_shares(i.split for i in dataset.items)}")
    lines.append(f"languages  {' '.join(dataset.languages)}")
    if isinstance(dataset, UniversalSet):
        sensitive = sum(item.sensitive for item in dataset.items)
        lines += [f"sensitive  {sensitive} items, reported apart"] if sensitive else []
        lines += [f"examples   {len(dataset.examples)} for --shots"] if dataset.examples else []
    if isinstance(dataset, CulturalSet):
        own = " ".join(f"{code}={culture}" for code, culture in dataset.own_culture.items())
        lines += [f"cultures   {' '.join(dataset.cultures)}", f"own        {own or 'none'}"]
        for code, culture in dataset.own_culture.items():
            lines.append(f"counted    {code} {culture}: {len(counted(dataset, code, culture)[0])} items")
    if dataset.left_out:
        reasons: Counter[str] = Counter()
        for left in dataset.left_out:
            reasons[left.reason] += left.count
        lines.append(f"left out   {reasons.total()}")
        lines += [f"           {count} x {reason}" for reason, count in reasons.most_common(REASONS)]
    return lines


def _axis(dataset: Dataset) -> str:
    if isinstance(dataset, UniversalSet):
        return "universal"
    return "cultural" if isinstance(dataset, CulturalSet) else "parallel"


def _shares(splits: Iterable[str]) -> str:
    counts = Counter(splits)
    return ", ".join(f"{split} {counts[split]}" for split in SPLITS)


def parallel_lines(text: ParallelText, code: str, n: int) -> list[str]:
    """Parallel sentences in one language."""
    pairs = zip(text.sentences[:n], text.splits, strict=False)
    return [f"parallel  split {split}  language {code}  {sentence[code]}" for sentence, split in pairs]


def prompt_lines(prompt: SplitPrompt) -> list[str]:
    """A prompt as the model reads it, and its options with what they are."""
    task = prompt.task
    head = f"{task.axis}  item {task.prompt.item}  split {prompt.split}  language {task.prompt.language}"
    if prompt.culture:
        head += f"  culture {prompt.culture}  cue {task.cue}"
    lines = [head, "", task.prompt.text, ""]
    pairs = zip(task.marks, task.prompt.continuations, strict=True)
    lines += [f"  {ROLES.get(mark.role, ''):<6} {json.dumps(ending, ensure_ascii=False)}" for mark, ending in pairs]
    return lines


def left_out_lines(left_out: Iterable[LeftOut]) -> list[str]:
    """One line for each: item (and how many it stands for), where, reason."""
    return [
        f"{left.item}{f' and {left.count - 1} more' if left.count > 1 else ''}  {left.where}  {left.reason}"
        for left in left_out
    ]
