# SPDX-License-Identifier: MIT
"""MkDocs hook: what lies elsewhere in the repository: README.md, CONTRIBUTING.md, models' cards, boards' pages.

Links between pages are turned to where the pages are in the site. Links to source files, which the site does not hold,
lead to the repository when `repo_url` is set in mkdocs.yml, else they become plain text.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s#]+)(#[^)]*)?\)")


def outside_pages():
    """{path in the site: path in the repository}"""
    patterns = ("CONTRIBUTING.md", "models/*.md", "boards/*/deploy.md", "boards/*/wiring.svg")
    paths = [path.relative_to(ROOT).as_posix() for pattern in patterns for path in sorted(ROOT.glob(pattern))]
    return {"index.md": "README.md"} | {path: path for path in paths}


def on_files(files, config):
    for uri, path in outside_pages().items():
        files.append(File.generated(config, uri, content=(ROOT / path).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown, page, config, files):
    uri = page.file.src_uri
    source = outside_pages().get(uri, f"docs/{uri}")  # where the page lies in the repository
    sites = {path: site for site, path in outside_pages().items()}

    def turn(link):
        image, text, target, anchor = link[1], link[2], link[3], link[4] or ""
        if "://" in target or target.startswith("mailto:"):
            return link[0]
        there = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        site = sites.get(there, there.removeprefix("docs/") if there.startswith("docs/") else None)
        if site is not None:
            return f"{image}[{text}]({posixpath.relpath(site, posixpath.dirname(uri) or '.')}{anchor})"
        if not (ROOT / there).exists():
            return link[0]  # mkdocs warns of it
        return f"[{text}]({config.repo_url.rstrip('/')}/blob/main/{there})" if config.repo_url else text

    return LINK.sub(turn, markdown)
