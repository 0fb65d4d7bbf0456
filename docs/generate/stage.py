"""Gathers what the site is made of into one folder: docs/, and the guides beside the README.

The site generator keeps its cache beside its configuration, and links must not lead out of its
pages; both are settled by building from a copy.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

GUIDES = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "STYLE.md")
"""Pages of the site that lie in the repository's root."""
_into_docs = re.compile(r"\]\(docs/")
_out_of_docs = re.compile(r"\]\((\.\./)+(?=[A-Z]+\.md)")


def stage(root: Path, folder: Path) -> Path:
    """Copy pages and configuration to a folder and return it."""
    shutil.rmtree(folder, ignore_errors=True)
    pages = folder / "docs"
    shutil.copytree(root / "docs", pages, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    shutil.copy(root / "mkdocs.yml", folder)
    for name in GUIDES:
        text = (root / name).read_text(encoding="utf-8")
        (pages / name).write_text(_into_docs.sub("](", text), encoding="utf-8")
    for path in pages.rglob("*.md"):
        depth = len(path.relative_to(pages).parts) - 1
        text = path.read_text(encoding="utf-8")
        path.write_text(_out_of_docs.sub("](" + "../" * depth, text), encoding="utf-8")
    return folder
