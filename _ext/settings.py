"""What a publisher of the book may set: `[tool.book]` in pyproject.toml, or BOOK_<NAME> in the environment.

| setting | what it is | without it |
| --- | --- | --- |
| `repository` | address of the book's repository | no links to files, no way to edit or report |
| `baseurl` | address of the published site | no sitemap, cards or canonical addresses |
| `branch` | of the repository, for links to edit a page | `main` |
| `comments-repo`, `comments-repo-id`, `comments-category`, `comments-category-id` | what giscus asks for | no comments |
| `comments-host` | where giscus is served from | its own site |

The environment goes before the file. Every setting is a text; "" is none.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent


def setting(name: str) -> str:
    """The setting of that name, without a slash at its end; "" for none."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    configured = project["tool"].get("book", {}).get(name, "")
    key = f"BOOK_{name.upper().replace('-', '_')}"
    return os.environ.get(key, configured).rstrip("/")
