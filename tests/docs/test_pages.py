"""What every page keeps to: blocks that can be run or say why not, commands that parse, Python that imports what is there."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer
from markdown import Markdown
from markdown_it import MarkdownIt

from interp.cli import app
from tests.docs.pages import PAGES, REASONS, ROOT, Block, Command, blocks

LANGUAGES = {"bibtex", "console", "csv", "json", "latex", "python", "text", "yaml"}
BLOCKS = [block for page in PAGES for block in blocks(page)]
LONGEST = 300
"""Lines of a page; who needs more needs a second page."""
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def parse(command: Command) -> None:
    """Parses a command line of `interp` as the command does, and calls nothing; raises what the parser raises."""
    quiet(top := typer.main.get_command(app))
    top.main([*command.arguments], prog_name="interp", standalone_mode=False)


def quiet(command: Any) -> None:
    """Takes the bodies off a tree of commands."""
    command.callback = lambda **options: None
    for child in getattr(command, "commands", {}).values():
        quiet(child)


def site_module(name: str) -> ModuleType:
    """A module of the site's own code, which is no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / ".site" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@each_page
def test_code_stands_in_fences_of_known_languages(page: Path) -> None:
    tokens = MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8"))
    assert not [token.map for token in tokens if token.type == "code_block"], "indented code"
    assert {block.language for block in blocks(page)} <= LANGUAGES


@each_page
def test_a_page_is_short_and_names_no_machine(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.count("\n") <= LONGEST
    assert not re.search(r"(?<![\w.~$}/-])/(work|root|home|tmp|mnt|opt)/", text)
    assert "\N{EM DASH}" not in text


@each_page
def test_a_page_reads_the_same_in_both_dialects(page: Path) -> None:
    """Python-Markdown makes the site, CommonMark is what repositories show: both find the same lists and tables."""
    text = page.read_text(encoding="utf-8")
    site = Markdown(extensions=["tables", "sane_lists", "pymdownx.superfences", "attr_list"]).convert(text)
    plain = MarkdownIt("commonmark").enable("table").render(text)
    for tag in ("<li>", "<tr>", "<ul>", "<ol>", "<h2", "<h3", "<pre>"):
        assert site.count(tag) == plain.count(tag), tag


def test_what_is_not_run_says_why() -> None:
    for block in BLOCKS:
        assert block.mark in REASONS | {"", "slow"}, f"{block}: {block.mark}"
    unread = [
        f"{page.name}: {line}"
        for page in PAGES
        for line in page.read_text(encoding="utf-8").splitlines()
        if line.startswith("<!-- ") and line.removeprefix("<!-- ").startswith(("not run", "slow"))
        and not re.fullmatch(r"<!-- (slow|not run: [^>]+) -->", line)
    ]  # fmt: skip
    assert unread == []


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "console"], ids=str)
def test_every_command_parses(block: Block) -> None:
    for command in block.commands:
        if command.program == "interp":
            parse(command)


def test_examples_of_help_parse() -> None:
    reference = site_module("commands")
    shown = [line for _, command, _ in reference.commands() for line in reference.examples(command)]
    assert len(shown) > 40
    for line in shown:
        block = Block("help", 0, "console", line)
        for command in block.commands:
            assert command.program == "interp", line
            parse(command)


@pytest.mark.parametrize("line", ["interp run --limits 3", "interp runs diff a", "interp data lst", "interp run extra"])
def test_a_wrong_command_does_not_parse(line: str) -> None:
    with pytest.raises(Exception, match=r"No such|Missing|unexpected|is unknown"):
        parse(Block("", 0, "console", line).commands[0])


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "python"], ids=str)
def test_python_imports_what_is_there(block: Block) -> None:
    for node in ast.walk(ast.parse(block.code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("interp", "probes", "figures"):
            module = importlib.import_module(str(node.module))
            assert all(hasattr(module, alias.name) for alias in node.names), ast.unparse(node)


def test_ci_runs_the_test_command_of_the_readme() -> None:
    commands = [line.split("#")[0].strip() for block in blocks(PAGES[0]) for line in block.code.splitlines()]
    assert "uv run --group dev pytest" in commands
    assert "uv run --group dev pytest" in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
