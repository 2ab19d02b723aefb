"""What the documentation shows: its fenced blocks, read by a Markdown parser, and the commands in them."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
REASONS = {
    "needs the Hub",
    "needs published data",
    "needs a GPU",
    "needs Slurm",
    "needs a Ray cluster",
    "needs llama.cpp",
    "needs your own files",
    "waits for input",
    "installs packages",
    "takes many minutes",
}
"""Why a block may stay out of the tests: `<!-- not run: REASON -->` in the line before it."""
RUN = "interp run --languages es,ko --limit 60 --layers 1-6 --positions text --attribution-items 0"
"""The run that pages share: it is made once, and every page finds it in runs/organism-atlas-atlas."""
_MARK = re.compile(r"<!-- (slow|not run: (?P<reason>[^>]+)) -->")
_TITLE = re.compile(r'title="(?P<title>[^"]+)"')


@dataclass(frozen=True)
class Block:
    """A fenced block. title: the file that it is. mark: `slow`, or why it is not run. output: what follows it."""

    page: str
    line: int
    language: str
    code: str
    title: str = ""
    mark: str = ""
    output: str | None = None

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def runs(self) -> bool:
        return self.language in ("python", "console") and self.mark in ("", "slow")

    @property
    def commands(self) -> list[Command]:
        """The commands of a console block."""
        joined = self.code.replace("\\\n", " ")
        words = [shlex.split(one, comments=True) for line in joined.splitlines() for one in re.split(r" && ", line)]
        return [Command.of(one) for one in words if one]


@dataclass(frozen=True)
class Command:
    """A program and its arguments, the environment in front of them apart."""

    program: str
    arguments: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, words: list[str]) -> Command:
        environment = {}
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            name, _, environment[name] = words.pop(0).partition("=")
        if words[:2] == ["uv", "run"]:
            words = words[2:]
        return cls(words[0], tuple(words[1:]), environment)

    def __str__(self) -> str:
        return shlex.join([self.program, *self.arguments])


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order. A block of text behind one that runs is that one's output."""
    found: list[Block] = []
    mark, follows = "", False
    for token in MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8")):
        if token.type == "html_block" and (said := _MARK.fullmatch(token.content.strip())):
            mark = said["reason"] or said[1]
            continue
        if token.type == "fence":
            language, _, more = token.info.partition(" ")
            if language == "text" and follows:
                found[-1] = Block(**{**vars(found[-1]), "output": token.content})
            else:
                title = said["title"] if (said := _TITLE.search(more)) else ""
                name = page.relative_to(ROOT).as_posix()
                found.append(Block(name, token.map[0] + 1, language, token.content, title, mark))
        follows = token.type == "fence" and bool(found) and found[-1].runs and found[-1].output is None
        mark = ""
    return found
