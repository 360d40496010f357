"""`make links`: try every link to another site, on the pages and in the guides. Needs a network.

Sphinx looks at the pages of the English edition, citations included; the Chinese edition has the same
addresses, which a gate checks. A redirected address is named, a dead one fails.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from examples import cli
from tools import ROOT

GUIDES = ("README.md", "CONTRIBUTING.md", "TRANSLATING.md")
PLAIN = ("-C", "-D", "extensions=myst_parser")  # not the book's settings
WRAPPED = """\
---
orphan: true
---
# Guides

{}
"""


def guides_page() -> str:
    """The addresses that the guides name, as a page that Sphinx can check."""
    found = set()
    for name in GUIDES:
        text = (ROOT / name).read_text("utf-8")
        found |= set(re.findall(r"https?://[^\s)>\"'`]+", text))
    return WRAPPED.format("\n\n".join(f"<{address}>" for address in sorted(found)))


def check(source: Path, out: Path, *settings: str) -> list[dict]:
    """What Sphinx's linkcheck finds: one record for each link."""
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "linkcheck", *settings]
    done = subprocess.run([*command, str(source), str(out)], cwd=ROOT)
    report = out / "output.json"
    if not report.is_file():
        raise cli.CommandError(f"the links were not checked (exit {done.returncode})")
    return [json.loads(line) for line in report.read_text("utf-8").splitlines()]


def dead(records: list[dict]) -> list[dict]:
    """The links that lead nowhere."""
    return [one for one in records if one["status"] in ("broken", "timeout")]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        out, guides = Path(folder, "pages"), Path(folder, "guides")
        guides.mkdir()
        (guides / "index.md").write_text(guides_page(), "utf-8")
        records = check(ROOT, out)
        records += check(guides, Path(folder, "out"), *PLAIN)
    bad = dead(records)
    for one in records:
        if one in bad or one["status"] == "redirected":
            print(f"{one['status']:<10} {one['filename']}: {one['uri']} {one['info']}")
    tried = sum(one["status"] not in ("unchecked", "ignored") for one in records)
    print(f"{tried} links tried, {len(bad)} dead")
    if bad:
        sys.exit(1)


if __name__ == "__main__":
    cli.run(lambda _: main())
