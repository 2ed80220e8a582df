"""Sphinx: `sphinx-build -W -b html docs build/docs`, with the extra `docs`."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "wavetank"
author = "the authors of wavetank"
project_copyright = author
release = version = metadata.version("wavetank")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = f"wavetank {release}"
html_copy_source = False

# A page's anchors are those that hosting services make of its headings.
myst_heading_anchors = 4

autodoc_member_order = "bysource"
# Docstrings put names between single backticks, as Markdown does.
default_role = "code"
napoleon_use_ivar = True

ROOT: Final = Path(__file__).parents[1]
PAPERS: Final = {
    name.lower(): f"{name}.md" for name in ("ARCHITECTURE", "CONTRIBUTING", "CHANGELOG", "SECURITY")
}
"""Pages whose text stands at the top of the tree, where readers of the source look for it."""


def setup(app: Sphinx) -> None:
    """Have those pages read from there."""
    app.connect("source-read", _read_paper)


def _read_paper(_: Sphinx, page: str, source: list[str]) -> None:
    if page in PAPERS:
        text = (ROOT / PAPERS[page]).read_text(encoding="utf-8")
        source[0] = re.sub(r"\[([^]]+)\]\(([^)]+)\)", _link, text)


def _link(found: re.Match[str]) -> str:
    """Return a link of such a page as it leads from the folder of this file."""
    text, target = found.groups()
    name = target.removesuffix(".md").lower()
    if name in PAPERS:
        return f"[{text}]({name}.md)"
    if target.startswith(("docs/", "https://", "#")):
        return f"[{text}]({target.removeprefix('docs/')})"
    return f"`{target}`"
