"""Every gate holds on the book, and every gate bites: a toy book is damaged one way at a time."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.book import toy
from tools import ROOT, gates, po
from tools.gates import catalogs, inline, orphans, quantities, terms, typography
from tools.gates.book import SYNTAX, Book, inline_tokens, passages

PAGE, ZH = f"{toy.PAGE}.md", f"locale/zh_CN/LC_MESSAGES/{toy.PAGE}.po"
MAIN, FACT = "The {term}`KV cache` takes", "A fact with 32 layers"
GOOD, GOOD_FACT = toy.CHINESE[MAIN], toy.CHINESE[FACT]
DATA = "examples/data/kv-cache--times.json"


@pytest.mark.parametrize("gate", gates.GATES)
def test_the_book_keeps_its_promise(gate):
    faults = list(gates.GATES[gate](Book(ROOT)))
    assert not faults, "\n".join(faults)


def test_the_pages_are_read_with_the_syntax_they_are_built_with():
    text = (ROOT / "conf.py").read_text("utf-8")
    listed = text.partition("myst_enable_extensions = [")[2].partition("]")[0]
    assert set(listed.replace('"', "").replace(",", " ").split()) == SYNTAX
    # A translated code block breaks in silence, so none may become a message.
    assert "gettext_additional_targets = []" in text


# What catches: a gate by the beginning of its name, or one of the slower ones --------------------


def fresh(book: Path) -> list[str]:
    return po.refresh_all("zh_CN", book)


def builds(builder: str, language: str) -> Callable[[Path], list[str]]:
    """The strict build of an edition: what it warns of."""

    def build(book: Path) -> list[str]:
        command = [sys.executable, "-m", "sphinx", "-q", "-n", "-W", "--keep-going"]
        command += ["-E", "-b", builder, "-c", str(ROOT), "-D", f"language={language}"]
        out = book / "_build" / f"{builder}-{language}"
        done = subprocess.run(
            [*command, "-d", f"{out}-doctrees", str(book), str(out)],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.stderr.splitlines() if done.returncode else []

    return build


SLOW = {
    "fresh": fresh,
    "html en": builds("html", "en"),
    "html zh": builds("html", "zh_CN"),
    "latex en": builds("latex", "en"),
    "latex zh": builds("latex", "zh_CN"),
}


def look(book: Path, catcher: str) -> list[str]:
    if catcher in SLOW:
        return SLOW[catcher](book)
    (gate,) = (gate for name, gate in gates.GATES.items() if name.startswith(catcher))
    return list(gate(Book(book)))


@dataclass(frozen=True)
class Mutation:
    """One way to damage the book, and what must notice."""

    name: str
    catcher: str
    act: Callable[[Path], object]


def edit(path: str, old: str, new: str) -> Callable[[Path], object]:
    def act(book: Path) -> None:
        text = (book / path).read_text("utf-8")
        assert old in text, f"{old!r} is not in {path}"
        (book / path).write_text(text.replace(old, new, 1), "utf-8")

    return act


def add(path: str, text: str) -> Callable[[Path], object]:
    def act(book: Path) -> None:
        (book / path).parent.mkdir(parents=True, exist_ok=True)
        (book / path).write_text(text, "utf-8")

    return act


def before_shell(text: str) -> Callable[[Path], object]:
    """Something typed into the page before its last block of code."""
    return edit(PAGE, "```sh\n", f"{text}\n\n```sh\n")


def move(old: str, new: str) -> Callable[[Path], object]:
    return lambda book: (book / old).rename(book / new)


def drop(path: str) -> Callable[[Path], object]:
    return lambda book: (book / path).unlink()


def zh(old: str, new: str, start: str = MAIN, good: str = GOOD):
    """Another translation of one message."""
    assert old in good
    return lambda book: toy.translate(book, start, good.replace(old, new, 1))


def fact(old: str, new: str):
    return zh(old, new, FACT, GOOD_FACT)


def data(**changes) -> Callable[[Path], object]:
    """The data file with fields changed; None takes one away."""

    def act(book: Path) -> None:
        record = toy.RECORD | changes
        kept = {key: value for key, value in record.items() if value is not None}
        (book / DATA).write_text(json.dumps(kept), "utf-8")

    return act


def header(old: str, new: str) -> Callable[[Path], object]:
    return edit(ZH, old, new)


def twice(book: Path) -> None:
    path = book / ZH
    path.write_text(path.read_text("utf-8") + '\nmsgid "small"\nmsgstr "小号"\n')


def fuzzy(book: Path) -> None:
    edit(ZH, 'msgid "small"', '#, fuzzy\nmsgid "small"')(book)


def html_dropped(book: Path) -> None:
    """The English has `<br>`, the translation none."""
    edit(ZH, 'msgid "it fits"', 'msgid "it<br>fits"')(book)


def page_link_dropped(book: Path) -> None:
    edit(ZH, 'msgid "it fits"', 'msgid "{doc}`it fits <index>`"')(book)


def page_lost(book: Path) -> None:
    """A history in which a page was there once."""

    def git(*words: str) -> None:
        who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
        subprocess.run(["git", *who, *words], cwd=book, check=True, capture_output=True)

    git("init", "-q")
    add("chapters/bottlenecks/lost.md", "(lost)=\n# Lost\n")(book)
    git("add", "-A")
    git("commit", "-qm", "A page")
    assert look(book, "redirects") == []
    drop("chapters/bottlenecks/lost.md")(book)
    git("commit", "-qam", "No page")


LINK = "[第二节](#second-section)"
POINT = toy.RECORD["points"][0]
MUTATIONS = [
    # What research found the strict build to miss, and what it catches
    Mutation("a role dropped", "inline", zh("{ref}`bottlenecks`", "瓶颈")),
    Mutation("a role dropped, seen by the build", "html zh", zh("{ref}`bottlenecks`", "瓶颈")),
    Mutation("a term's role dropped", "inline", zh("{term}`KV 缓存 <KV cache>`", "KV 缓存")),
    Mutation("an equation's number dropped", "inline", zh("式 {eq}`eq-kv-cache--sum`", "上式")),
    Mutation("a footnote dropped", "inline", fact("[^note]", "")),
    Mutation("a role's target mistyped", "inline", zh("{ref}`bottlenecks`", "{ref}`bottleneck`")),
    Mutation("an unknown role", "html zh", zh("{ref}`bottlenecks`", "{reff}`bottlenecks`")),
    Mutation("a space inside a role", "inline", zh("{ref}`bottlenecks`", "{ref} `bottlenecks`")),
    Mutation("a link inside the page dropped", "inline", zh(LINK, "第二节")),
    Mutation("another address of a link", "inline", zh("example.org/a", "example.org/b")),
    Mutation("math dropped", "inline", zh("$V$", "它")),
    Mutation("another formula", "inline", zh("$V$", "$W$")),
    Mutation("another displayed formula", "inline", lambda b: toy.translate(b, "c = a", "c = a")),
    Mutation("code dropped", "inline", zh("`max_len`", "最大长度")),
    Mutation("code translated", "inline", zh("`max_len`", "`最大长度`")),
    Mutation("bold dropped", "inline", zh("**别无**", "别无")),
    Mutation("HTML added", "inline", zh("**别无**", "<b>别无</b>")),
    Mutation("bold that does not close", "inline", zh("**别无**他物", "**别无：**他物")),
    Mutation("bold that closes too late", "inline", zh("**别无**他物", "**甲（A）**和**乙（B）**")),
    Mutation("the English edited, the catalog not", "fresh", edit(PAGE, "comes first", "comes early")),
    Mutation("a quote not escaped", "catalogs", header('msgstr "小"', 'msgstr "小"字"')),
    Mutation("one message twice", "catalogs", twice),
    Mutation("a page renamed without its catalog", "catalogs", move(PAGE, "chapters/bottlenecks/new.md")),
    # Ours: catalogs and Chinese
    Mutation("a message not translated", "catalogs", header('msgstr "小"', 'msgstr ""')),
    Mutation("a fuzzy message", "catalogs", fuzzy),
    Mutation("a catalog without a page", "catalogs", move("locale/zh_CN/LC_MESSAGES/index.po", "locale/zh_CN/LC_MESSAGES/orphan.po")),
    Mutation("an obsolete message kept", "catalogs", header('msgid "small"\nmsgstr "小"', '#~ msgid "small"\n#~ msgstr "小"')),
    Mutation("a header not filled in", "catalogs", header("2026-01-01 00:00+0000", "YEAR-MO-DA HO:MI+ZONE")),
    Mutation("a number changed", "inline", fact("32 层", "36 层")),
    Mutation("a quantity added", "inline", fact("在先", "在先，快 31 ms")),
    Mutation("a quantity added, in Chinese", "inline", fact("在先", "在先，快 31 毫秒")),
    Mutation("another unit", "inline", fact("3.35 TB/s", "3.35 GB/s")),
    Mutation("another displayed formula, by one letter", "inline", lambda b: toy.translate(b, "c = a", toy.CHINESE["c = a + "].replace("a +", "b +"))),
    Mutation("inline HTML dropped", "inline", html_dropped),
    Mutation("a numbered reference dropped", "inline", zh("{numref}`fig-kv-cache--dot`", "图")),
    Mutation("a link to a page dropped", "inline", page_link_dropped),
    Mutation("a value dropped", "inline", zh("{val}`kv-cache--token-llama-3.1-8b`", "许多")),
    Mutation("a value in an alternative text dropped", "inline", lambda b: toy.translate(b, "A dot", "一个点。")),
    Mutation("a citation dropped", "inline", fact(" {cite}`vaswani2017`", "")),
    Mutation("emphasis with underscores", "inline", zh("*每*一层", "_每_一层")),
    Mutation("a line broken by hand", "inline", zh("。*每*", "。\n*每*")),
    Mutation("a forbidden rendering", "terms", fact("预填充在先", "预先填充在先")),
    Mutation("a term shown by another name", "terms", zh("KV 缓存 <KV cache>", "缓存区 <KV cache>")),
    Mutation("a glossary entry against the base", "terms", lambda b: toy.translate(b, "prefill", "前填", "chapters/appendix/glossary")),
    Mutation("a term not rendered", "terms", lambda b: toy.translate(b, "The cache", "高速缓存") or edit(PAGE, "# The cache", "# The KV cache")(b) or edit(ZH, 'msgid "The cache"', 'msgid "The KV cache"')(b)),
    Mutation("a term base with a cell missing", "terms", edit("locale/zh_CN/terms.csv", "causal mask,因果掩码,no,", "causal mask,因果掩码,maybe,")),
    Mutation("no space between Han and Latin", "typography", zh("80 GB 的", "80 GB的")),
    Mutation("a half-width comma", "typography", fact("之后，预", "之后,预")),
    Mutation("half-width brackets", "typography", fact("在先", "在先(它)")),
    Mutation("a polite you", "typography", fact("在先", "您先")),
    Mutation("a range with a hyphen", "typography", fact("32 层", "30-32 层")),
    Mutation("a space between two characters", "typography", fact("在先", "在 先")),
    # Ours: pages and their names
    Mutation("a chapter without the date of its facts", "layout: names", edit(PAGE, "```{checked} 2026-11-23\n```\n", "")),
    Mutation("facts checked on a day to come", "layout: names", edit(PAGE, "{checked} 2026-11-23", "{checked} 2999-01-01")),
    Mutation("a part without the date of its facts", "layout: names", edit("chapters/bottlenecks/index.md", "```{checked}\n```\n", "")),
    Mutation("a cover without the date of its facts", "layout: names", edit("index.md", "```{checked}\n```\n", "")),
    Mutation("a glossary that leaves its date to others", "layout: names", edit("chapters/appendix/glossary.md", "{checked} 2026-11-23", "{checked}")),
    Mutation("a date given twice", "layout: names", edit(PAGE, "```{checked} 2026-11-23\n```\n", "```{checked} 2026-11-23\n```\n" * 2)),
    Mutation("facts checked on no day", "layout: names", edit(PAGE, "{checked} 2026-11-23", "{checked} November")),
    Mutation("a label of another page", "layout: names", edit(PAGE, "tab-kv-cache--sizes\n", "tab-other--sizes\n")),
    Mutation("a label without its kind", "layout: names", edit(PAGE, ":name: fig-kv-cache--dot", ":name: kv-cache--dot")),
    Mutation("a page without its label", "layout: names", edit(PAGE, "(kv-cache)=\n", "(cache)=\n")),
    Mutation("a page in no toctree", "layout: names", edit("chapters/bottlenecks/index.md", "kv-cache\n", "\n")),
    Mutation("an empty page", "layout: names", add("chapters/appendix/references.md", "(references)=\n# References\n\n```{checked}\n```\n\nSoon.\n")),
    Mutation("a slug used twice", "layout: names", add("chapters/appendix/kv-cache.md", "(kv-cache)=\n# Again\n\nAnd again, the same.\n")),
    Mutation("a chapter without its test", "layout: names", drop("tests/chapters/test_kv_cache.py")),
    Mutation("a chapter without its example", "layout: names", drop("examples/kv_cache.py")),
    Mutation("a figure that no page shows", "layout: names", add("_static/figures/kv-cache--left.svg", "<svg/>")),
    Mutation("a figure named for no page", "layout: names", move("_static/figures/kv-cache--dot.svg", "_static/figures/dot.svg")),
    Mutation("data that nothing uses", "layout: names", move(DATA, "examples/data/kv-cache--old.json")),
    Mutation("an output that no page shows", "layout: names", move("examples/outputs/kv-cache--sum.txt", "examples/outputs/kv-cache--gone.txt")),
    Mutation("an example of no page", "orphans", add("examples/orphan.py", "print(1)")),
    Mutation("a package of no page", "orphans", add("examples/orphan/core.py", "print(1)")),
    Mutation("a GPU example of no page", "orphans", add("examples/gpu/orphan.py", "print(1)")),
    Mutation("a test of no page", "orphans", add("tests/chapters/test_orphan.py", "print(1)")),
    Mutation("figures of no page", "orphans", add("examples/figures/orphan.py", "print(1)")),
    Mutation("a figure that is no drawing", "orphans", add("_static/figures/kv-cache--dot.png", "")),
    Mutation("data as a table", "orphans", add("examples/data/kv-cache--times.csv", "")),
    Mutation("data in a folder of its own", "orphans", add("examples/data/sub/kv-cache--times.json", "{}")),
    Mutation("an output of another kind", "orphans", add("examples/outputs/kv-cache--sum.log", "")),
    Mutation("work left to do", "layout: nothing", edit(PAGE, "A note", "TODO. A note")),
    Mutation("work left to do in a catalog", "layout: nothing", header('msgstr "小"', 'msgstr "待补"')),
    Mutation("a redirect to nowhere", "redirects", edit("redirects.toml", 'cache"\n', 'gone"\n')),
    Mutation("a page that was there once and leads nowhere", "redirects", page_lost),
    Mutation("a redirect over a page", "redirects", edit("redirects.toml", "chapters/old/name", "chapters/appendix/glossary")),
    Mutation("a broken table of redirects", "redirects", add("redirects.toml", "[moved\n")),
    Mutation("a blank at the end of a line", "source", edit(PAGE, "## Second section", "## Second section ")),
    Mutation("a tab", "source", edit(PAGE, "How long do", "How\tlong do")),
    Mutation("a carriage return", "source", edit(PAGE, "## Second section\n", "## Second section\r\n")),
    Mutation("no newline at the end", "source", lambda b: (b / PAGE).write_text((b / PAGE).read_text("utf-8").rstrip(), "utf-8")),
    Mutation("a blank at the end of a translation's line", "source", edit(ZH, 'msgstr "小"\n', 'msgstr "小" \n')),
    Mutation("an exercise without its link", "source", edit(PAGE, "See {ref}`bottlenecks`", "See exercise 1, {ref}`bottlenecks`")),
    Mutation("an exercise over two lines without its link", "source", edit(PAGE, "See {ref}`bottlenecks`", "See\nexercises\n2 and 3, {ref}`bottlenecks`")),
    Mutation("a role of reStructuredText", "source", edit(PAGE, "{ref}`bottlenecks`", ":ref:`bottlenecks`")),
    Mutation("a directive of reStructuredText", "source", edit(PAGE, "## Second section", ".. note:: Hot.\n\n## Second section")),
    Mutation("a link of reStructuredText", "source", edit("README.md", "Then", "See `here <x>`_. Then")),
    # Ours: code
    Mutation("Python typed into prose", "listings", before_shell("```python\nprint(1)\n```")),
    Mutation("Python with a capital", "listings", before_shell("```Python\nprint(1)\n```")),
    Mutation("Python typed into a directive", "listings", before_shell(":::{code-block} python\nprint(1)\n:::")),
    Mutation("code in a bare fence", "listings", before_shell("```\nprint(1)\n```")),
    Mutation("code between tildes", "listings", before_shell("~~~yaml\na: 1\n~~~")),
    Mutation("an indented block", "listings", before_shell("    print(1)")),
    Mutation("code in a quotation", "listings", before_shell("> ```python\n> print(1)\n> ```")),
    Mutation("code in a list", "listings", before_shell("- one\n\n  ```json\n  {}\n  ```")),
    Mutation("code in a box", "listings", edit(PAGE, "How long do", "```cpp\nint i;\n```\n\nHow long do")),
    Mutation("a literal block with markup", "listings", before_shell("```{parsed-literal}\nprint(1)\n```")),
    Mutation("code in HTML", "listings", before_shell("<pre>\nprint(1)\n</pre>")),
    Mutation("a listing cut by line numbers", "listings", edit(PAGE, ":pyobject: add\n", ":lines: 6-8\n")),
    Mutation("a whole module as a listing", "listings", edit(PAGE, ":pyobject: add\n", "")),
    Mutation("a listing of what is not there", "listings", edit(PAGE, ":pyobject: add", ":pyobject: subtract")),
    Mutation("a marker that does not end", "listings", edit("examples/kv_cache.py", "# end: show", "")),
    Mutation("a marker that no page shows", "listings", edit("examples/kv_cache.py", "def add", "# begin: unseen\n# end: unseen\ndef add")),
    Mutation("a caption that names another file", "listings", edit(PAGE, ":caption: examples/kv_cache.py", ":caption: examples/cache.py")),
    Mutation("a listing too long", "listings", edit("examples/kv_cache.py", "    return a + b", "    a += 1\n" * 40 + "    return a + b")),
    Mutation("a module that no page shows", "listings", add("examples/gpu/kv_cache.py", "print(1)\n")),
    Mutation("a shell line between tildes", "shell", before_shell("~~~bash\nmake books\n~~~")),
    Mutation("a line for another shell", "shell", edit("README.md", "```sh", "```zsh\nmake books\n```\n\n```sh")),
    Mutation("a shell line in a list", "shell", edit("README.md", "Then", "- a\n\n  ```sh\n  make books\n  ```\n\nThen")),
    Mutation("a module in a sentence that is not there", "shell", edit("README.md", "`make serve`", "`.venv/bin/python -m examples.kv`")),
    Mutation("a shell line wider than a page", "shell", edit(PAGE, "make book\n", f"make book # {'x' * 88}\n")),
    Mutation("a wide line in a directive of shell", "shell", edit(PAGE, "```sh\nmake book\n", f"```{{code-block}} sh\nmake book # {'x' * 88}\n")),
    Mutation("a shell line that does not parse", "shell", edit(PAGE, "make book\n", "make book && (\n")),
    Mutation("a target that is not there", "shell", edit(PAGE, "make book\n", "make books\n")),
    Mutation("a module that is not there", "shell", edit(PAGE, "-m examples.kv_cache\n", "-m examples.kv\n")),
    Mutation("a command in a sentence that is not there", "shell", edit("README.md", "`make serve`", "`make served`")),
    # Ours: numbers and data
    Mutation("a computed quantity typed", "quantities", edit(PAGE, "{val}`kv-cache--token-llama-3.1-8b`", "128 KiB")),
    Mutation("a computed quantity typed beside a citation", "quantities", edit(PAGE, "3.35 TB/s", "128 KiB")),
    Mutation("a quantity without a source", "quantities", edit(PAGE, " {cite}`vaswani2017`", "")),
    Mutation("a time typed", "quantities", edit(PAGE, "which comes first", "which takes 31 ms")),
    Mutation("a quantity in bold", "quantities", edit(PAGE, "which comes first", "which takes **31** ms")),
    Mutation("a quantity in a formula", "quantities", edit(PAGE, "which comes first", "which takes $31$ ms")),
    Mutation("a quantity as a formula", "quantities", edit(PAGE, "which comes first", r"which takes $31\,\text{ms}$")),
    Mutation("a quantity in a text alternative", "quantities", edit(PAGE, ":alt: A dot", ":alt: A dot of 31 ms")),
    Mutation("a quantity in a caption", "quantities", edit(PAGE, ":caption: What it prints", ":caption: What it prints in 31 ms")),
    Mutation("a quantity in a quotation", "quantities", before_shell("```{epigraph}\nIt takes 31 ms.\n```")),
    Mutation("a quantity in a reference", "quantities", before_shell(":::{seealso}\nIt takes 31 ms.\n:::")),
    Mutation("data without a device", "data", data(device=None)),
    Mutation("data of a card without its driver", "data", data(device="NVIDIA H200, 139.8 GiB")),
    Mutation("data without a command", "data", data(command=None)),
    Mutation("data by a command that is not there", "data", data(command="python -m examples.gone")),
    Mutation("data without versions", "data", data(versions={"python": "3.11.7"})),
    Mutation("data without a date", "data", data(date="yesterday")),
    Mutation("data from the future", "data", data(date="2999-01-01")),
    Mutation("data with one sample", "data", data(points=[POINT | {"samples": [2.0]}])),
    Mutation("data without a prediction", "data", data(prediction=None)),
    Mutation("a point without its prediction", "data", data(points=[{"samples": POINT["samples"]}])),
    Mutation("facts without a source", "data", lambda b: (b / DATA).write_text('{"rows": [{"a": 1, "as_of": "2026-01-01"}]}')),
    # What only a build can see
    Mutation("a reference to nowhere", "html en", edit(PAGE, "{ref}`bottlenecks`", "{ref}`bottle`")),
    Mutation("a link to no section", "html en", edit(PAGE, "(#second-section)", "(#third-section)")),
    Mutation("a value that nothing computes", "html en", edit(PAGE, "{val}`kv-cache--token-llama-3.1-8b`", "{val}`kv-cache--nothing`")),
    Mutation("a term that the glossary lacks", "html en", edit(PAGE, "{term}`KV cache`", "{term}`KV store`")),
    Mutation("a figure that is not there", "html en", edit(PAGE, "--dot.svg", "--spot.svg")),
    Mutation("a citation that is not there", "latex en", edit(PAGE, "{cite}`vaswani2017`", "{cite}`vaswani1917`")),
    Mutation("a footnote that is not there", "latex zh", edit(PAGE, "[^note]:", "[^other]:")),
]  # fmt: skip


@pytest.fixture
def book(tmp_path) -> Path:
    return toy.book(tmp_path / "book")


@pytest.mark.parametrize("catcher", [*gates.GATES, *SLOW])
def test_the_toy_book_is_whole(book, catcher):
    """Else a mutation would be caught for another reason."""
    assert look(book, catcher) == []


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: one.name)
def test_a_gate_bites(book, mutation, record_property):
    record_property("mutation", "tried")
    mutation.act(book)
    assert look(book, mutation.catcher), f"{mutation.catcher} let it pass"
    record_property("mutation", "caught")


def test_every_gate_has_something_to_catch():
    for name in gates.GATES:
        assert any(name.startswith(mutation.catcher) for mutation in MUTATIONS), name
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS)


# Gates must not bite what is right --------------------------------------------------------------


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("Note: it **fits** in `a`.", "注意：它在 `a` 中**放得下**。"),
        ("8 billion parameters", "80 亿参数"),
        ("671 and 37 billion", "6710 亿和 370 亿"),
        ("8 billion parameters of 2 bytes", "8B 的参数，每个 2 字节"),
        ("a million tokens", "100 万个 token"),
        ("60 percent, beyond 80", "60%，80% 以后"),
        ("It reads at 2 TB/s.", "它每秒读 2 TB。"),
        ("two bytes a number", "每个数占 2 字节"),
        ("24 tokens per second for 3 hours", "3 小时里每秒 24 个 token"),
        ("By {ref}`Section two <two>`, $x$ grows.", "由{ref}`第二节 <two>`可知，$x$ 增长。"),
        (r"c = \text{bytes of weights}", r"c = \text{权重的字节数}"),
        ("A star* and 2 * 3", "星号*和 2 * 3"),
    ],
)  # fmt: skip
def test_a_free_translation_keeps_its_structure(english, chinese):
    assert list(inline.of_message(english, chinese)) == []


@pytest.mark.parametrize(
    "typed",
    "2 GHz|10 Gbit/s|10 Gbps|100 Gb/s|3 PB|8 PiB|60 GFLOPS|3 GFLOPs|9 TOPS|24 tok/s|24 tokens per second"
    "|24 tokens a second|3 minutes|5 hours|2 days|80 °C|5 kWh|31\u00a0ms|31-ms|1,000 requests per second".split("|"),
)  # fmt: skip
def test_what_is_a_quantity(typed):
    assert quantities.QUANTITY.fullmatch(typed)


@pytest.mark.parametrize(
    "typed", ["32 layers", "8-bit", "Part 2", "$2^{31}$ ms", "`31` ms"]
)
def test_what_is_none(typed):
    (passage,) = passages(typed)
    assert not quantities.QUANTITY.search("".join(quantities.sentences(passage)))


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("8 billion parameters", "8 亿参数"),
        ("671 and 37 billion", "6710 亿和 37 亿"),
        ("a million tokens in 31 ms", "100 万个 token"),
        ("It waits.", "它等 31 ms。"),
        ("It waits 31 ms.", "它等 31 秒。"),
        ("It takes 60 percent.", "它占 60%，比 45% 多。"),
    ],
)
def test_another_number_is_found(english, chinese):
    assert list(inline.of_message(english, chinese))


def pairs() -> list[tuple[str, str, str]]:
    """English, wrong and right translation of each row of the table in TRANSLATING.md."""
    text = (ROOT / "TRANSLATING.md").read_text("utf-8")
    table = text.partition("| --- | --- | --- | --- |\n")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in row.split("|")[1:4]] for row in table.split("\n")]
    return [
        tuple(inline_tokens(cell)[0].content.strip() for cell in row) for row in rows
    ]


@pytest.mark.parametrize(("english", "wrong", "right"), pairs())
def test_the_pairs_for_translators_are_wrong_and_right(english, wrong, right):
    book = Book(ROOT)
    called, base = terms.glossary(book), terms.base(ROOT / terms.BASE)

    def faults(chinese: str) -> list[str]:
        found = [*inline.of_message(english, chinese), *typography.of_message(chinese)]
        return [*found, *terms.of_message(english, chinese, called, base)]

    assert faults(wrong)
    assert faults(right) == []


def test_a_premise_is_a_quantity_with_a_reason():
    for rows in tomllib.loads(quantities.GIVEN.read_text("utf-8")).values():
        for row in rows:
            assert quantities.QUANTITY.fullmatch(row["quantity"]), row
            assert len(row["reason"]) > 15, row


def test_the_term_base_reads_and_forbids_no_rendering_that_it_wants():
    base = terms.base(ROOT / terms.BASE)
    assert len(base) > 150
    wanted = {term.chinese for term in base}
    for term in base:
        for bad in term.forbidden:
            assert bad not in wanted - {term.chinese}, bad


def test_without_gettext_one_line_says_what_to_install(book, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    (fault,) = look(book, "catalogs")
    assert "install gettext" in fault
    edit(ZH, 'msgstr "小"', 'msgstr "小"字"')(book)
    assert any("is no catalog" in fault for fault in look(book, "catalogs"))


def test_few_pages_may_wait_for_their_translation(book, monkeypatch):
    edit(ZH, 'msgstr "小"', 'msgstr ""')(book)
    assert look(book, "catalogs")
    monkeypatch.setattr(catalogs, "UNTRANSLATED", (toy.PAGE,))
    assert look(book, "catalogs") == []
    monkeypatch.setattr(catalogs, "UNTRANSLATED", (toy.PAGE, "a", "b", "c"))
    (fault,) = look(book, "catalogs")
    assert "4 pages; at most 3" in fault


def test_a_card_is_told_with_its_driver(book):
    data(device="NVIDIA H200, 139.8 GiB, driver 580.159.04")(book)
    assert look(book, "data") == []


def test_what_is_listed_as_shared_is_there():
    for folder, words in orphans.SHARED.items():
        for name in words.split():
            path = ROOT / folder / name
            assert path.with_suffix(".py").is_file() or path.is_dir(), path


def test_faults_make_the_command_fail(book):
    def run() -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "tools.gates", "--source", str(book)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    assert run().returncode == 0
    edit(PAGE, "which comes first", "which takes 31 ms")(book)
    done = run()
    assert done.returncode == 1 and f"{PAGE}:13: 31 ms" in done.stdout
