"""What the site has and the Markdown has not: notebooks, pages of files that it links to, the commands' reference."""

from __future__ import annotations

import base64
import re
import sys
from pathlib import Path
from posixpath import normpath, relpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page
from nbconvert import MarkdownExporter

sys.path.insert(0, str(Path(__file__).parent))

from commands import reference

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"(?<=\]\()(?P<path>\.\./[^)#\s]+)")
"""A link of a page in docs/ that goes up, and perhaps out of docs/."""
COMMANDS = "<!-- commands -->"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds a page for every notebook, and for every file outside docs/ that a page links to."""
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=_notebook(path)))
    for page in list(files.documentation_pages()):
        for link in LINK.finditer(page.content_string):
            path = _outside(link["path"], page.src_uri)
            if path and files.get_file_from_path(_page_of(path)) is None:
                content = f"# `{path}`\n\n{_fenced(path)}\n"
                files.append(
                    File.generated(config, _page_of(path), content=content, inclusion=InclusionLevel.NOT_IN_NAV)
                )
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links to such files become links to their pages; the commands are listed where a page asks for them."""
    here = page.file.src_uri

    def moved(link: re.Match[str]) -> str:
        path = _outside(link["path"], here)
        return relpath(_page_of(path), str(Path(here).parent)) if path else link["path"]

    return LINK.sub(moved, markdown).replace(COMMANDS, reference())


def _notebook(path: Path) -> str:
    """A notebook with its stored outputs as Markdown, pictures in the page."""
    body, resources = MarkdownExporter().from_filename(str(path))
    for name, picture in resources["outputs"].items():
        body = body.replace(f"({name})", f"(data:image/png;base64,{base64.b64encode(picture).decode()})")
    return str(body)


def _outside(link: str, page: str) -> str:
    """The linked file's path in the repository; nothing where it lies in docs/ or is not there."""
    path = normpath(f"docs/{Path(page).parent.as_posix()}/{link}")
    return path if not path.startswith("docs/") and (ROOT / path).is_file() else ""


def _page_of(path: str) -> str:
    return f"{path.removesuffix('.ipynb')}.md" if path.endswith(".ipynb") else f"source/{path}.md"


def _fenced(path: str) -> str:
    """The file's text; more backticks than any line of it has."""
    text = (ROOT / path).read_text(encoding="utf-8")
    fence = "`" * (2 + max([1, *(len(run) for run in re.findall("`+", text))]))
    return f"{fence}{Path(path).suffix[1:] or 'text'}\n{text}\n{fence}"
