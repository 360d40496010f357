"""`make bench-build`: time the build on a synthetic book as large as the finished one.

Thirty chapters of text, terms, references, formulas, tables, boxes, listings and figures, with a complete Chinese
catalog, built by the same functions that build the book. Prints seconds beside the budgets, and the processor's
seconds beside them (a busy machine changes these little); exits 1 when a budget is exceeded.
"""

from __future__ import annotations

import random
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import polib

from examples import cli
from tools import ROOT, pdf, po, site

CHAPTERS = 30
PARTS = (
    "principles",
    "bottlenecks",
    "single-node",
    "distributed",
    "orchestration",
    "frontier",
)
COLD, UNCHANGED = "both web editions, cold", "both web editions, nothing changed"
PDFS = "both PDFs"
BUDGETS = {COLD: 60, UNCHANGED: 15, PDFS: 180}  # seconds
TERMS = {
    "KV cache": "KV 缓存",
    "prefill": "预填充",
    "decode": "解码",
    "throughput": "吞吐量",
}
ENGLISH = """
    memory bandwidth request token step layer weight batch server card latency prompt model
    reads writes holds grows falls waits moves costs limits the a of in with for under before
    each every one two small large longer first next same other
""".split()
CHINESE = "显存带宽请求步层权重批服务延迟提示词模型读取写入增长下降等待移动代价限制每个一次较长首先之后"
FIGURE = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 300 120" width="300pt" height="120pt">'
    '<path d="M10 110 L290 10" stroke="currentColor" fill="none"/>'
    '<text x="20" y="20" fill="currentColor">latency (ms)</text></svg>'
)


class Writer:
    """Makes sentences in both languages, the same inline markup in each; seeded."""

    def __init__(self, seed: int = 1):
        self.random = random.Random(seed)
        self.chinese: dict[str, str] = {}
        self.words = 0

    def sentence(self, slugs: list[str]) -> tuple[str, str]:
        r = self.random
        count = r.randint(9, 22)
        self.words += count
        words = [r.choice(ENGLISH) for _ in range(count)]
        characters = ["".join(r.choice(CHINESE) for _ in range(count))]
        extra = r.random()
        if extra < 0.12:
            term = r.choice(list(TERMS))
            words.append(f"{{term}}`{term}`")
            characters.append(f"{{term}}`{TERMS[term]} <{term}>`")
        elif extra < 0.2:
            words.append(f"see {{ref}}`{(slug := r.choice(slugs))}`")
            characters.append(f"见{{ref}}`{slug}`")
        elif extra < 0.3:
            formula = f"$c_{r.randint(1, 9)} = 2 L H_\\text{{kv}} d_h p$"
            words.append(formula)
            characters.append(f" {formula} ")
        elif extra < 0.36:
            words.append(f"`option_{r.randint(1, 99)}`")
            characters.append(f" {words[-1]} ")
        elif extra < 0.42:
            words.append("**bold words**")
            characters.append("**加粗**")
        text = " ".join(words)
        return text[0].upper() + text[1:] + ".", "".join(characters) + "。"

    def paragraph(self, slugs: list[str]) -> str:
        pairs = [self.sentence(slugs) for _ in range(self.random.randint(3, 6))]
        english = " ".join(pair[0] for pair in pairs)
        self.chinese[english] = "".join(pair[1] for pair in pairs)
        return english

    def heading(self, level: str) -> str:
        words = [self.random.choice(ENGLISH) for _ in range(4)]
        title = " ".join(words).capitalize() + f" {self.random.randint(100, 9999)}"
        self.chinese[title] = "".join(self.random.choice(CHINESE) for _ in range(6))
        return f"{level} {title}"

    def chapter(self, slug: str, slugs: list[str], words: int) -> str:
        """A page of about `words` words with one of everything every few paragraphs."""
        page = [f"({slug})=", self.heading("#"), ""]
        start, count = self.words, 0
        while self.words - start < words:
            count += 1
            if count % 7 == 1:
                page += [self.heading("##"), ""]
            page += [self.paragraph(slugs), ""]
            page += self.extra(slug, slugs, count)
        return "\n".join(page)

    def extra(self, slug: str, slugs: list[str], count: int) -> list[str]:
        name = f"{slug}--{count}"
        match count % 9:
            case 2:
                formula = r"t \ge \frac{W + B\,T\,c}{\beta} = \sum_{i=1}^{n} \sqrt{x_i}"
                return ["$$", formula, f"$$ (eq-{name})", ""]
            case 4:
                rows = ["| model | bytes |", "| --- | ---: |"]
                rows += [f"| m{i} | {self.random.randint(1, 999)} |" for i in range(5)]
                return [*rows, ""]
            case 6:
                body = self.paragraph(slugs)
                return [
                    ":::{admonition} Takeaway",
                    ":class: takeaway",
                    "",
                    body,
                    ":::",
                    "",
                ]
            case 7:
                lines = [f"step_{i} = model.forward(tokens[{i}:])" for i in range(12)]
                return ["```python", *lines, "```", ""]
            case 8:
                head = [":::{figure} /_static/figures/toy.svg", f":name: fig-{name}"]
                return [
                    *head,
                    ":alt: A rising line",
                    "",
                    self.paragraph(slugs),
                    ":::",
                    "",
                ]
        return []


def write_book(folder: Path, words: int) -> int:
    """The synthetic book with its catalogs; how many words it has."""
    writer = Writer()
    slugs = [f"chapter-{n}" for n in range(CHAPTERS)]
    (folder / "_static" / "figures").mkdir(parents=True)
    (folder / "_static" / "figures" / "toy.svg").write_text(FIGURE, encoding="utf-8")
    # The appendix and the preface are the book's own; they hold the glossary.
    shutil.copytree(ROOT / "chapters" / "appendix", folder / "chapters" / "appendix")
    for name in ("solutions.md", "measurements.md"):
        (folder / "chapters" / "appendix" / name).unlink()
    index = folder / "chapters" / "appendix" / "index.md"
    text = (
        index.read_text(encoding="utf-8")
        .replace("solutions\n", "")
        .replace("measurements\n", "")
    )
    index.write_text(text, encoding="utf-8")
    (folder / "chapters" / "preface.md").write_text(
        "(preface)=\n# Preface\n\nShort.\n", "utf-8"
    )
    entries = ["chapters/preface"]
    per_part = CHAPTERS // len(PARTS)
    for number, part in enumerate(PARTS):
        mine = slugs[number * per_part : (number + 1) * per_part]
        place = folder / "chapters" / part
        place.mkdir()
        toctree = "\n".join(["```{toctree}", ":numbered: 2", "", *mine, "```"])
        head = f"({part})=\n{writer.heading('#')}\n\n"
        (place / "index.md").write_text(head + toctree + "\n", encoding="utf-8")
        for slug in mine:
            page = writer.chapter(slug, slugs, words // CHAPTERS)
            (place / f"{slug}.md").write_text(page, encoding="utf-8")
        entries.append(f"chapters/{part}/index")
    toctree = "\n".join(
        ["```{toctree}", ":hidden:", "", *entries, "chapters/appendix/index", "```"]
    )
    (folder / "index.md").write_text(
        f"# Synthetic book\n\nText.\n\n{toctree}\n", encoding="utf-8"
    )
    translate(folder, writer.chinese)
    return writer.words


def translate(folder: Path, chinese: dict[str, str]) -> None:
    """Complete Chinese catalogs: the writer's own sentences, the rest copied through."""
    po.refresh_all("zh_CN", folder)
    ours = ROOT / "locale" / "zh_CN" / "LC_MESSAGES"
    root = folder / "locale" / "zh_CN" / "LC_MESSAGES"
    for path in root.rglob("*.po"):
        catalog = polib.pofile(str(path))
        twin = ours / path.relative_to(root)
        known = (
            {e.msgid: e.msgstr for e in polib.pofile(str(twin))}
            if twin.exists()
            else {}
        )
        for entry in catalog:
            entry.msgstr = (
                chinese.get(entry.msgid) or known.get(entry.msgid) or entry.msgid
            )
        path.write_text(
            po.text_of(list(catalog), "zh_CN", "2026-01-01 00:00+0000"), "utf-8"
        )


def cpu_seconds() -> float:
    """Processor time spent so far by this process and by those it has waited for."""
    used = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    times = [resource.getrusage(who) for who in used]
    return sum(one.ru_utime + one.ru_stime for one in times)


class Clock:
    """Runs steps and keeps how long each took: seconds on the wall, and of a processor."""

    def __init__(self):
        self.spent: dict[str, tuple[float, float]] = {}

    def time(self, name: str, work: Callable[[], object]) -> None:
        wall, cpu = time.perf_counter(), cpu_seconds()
        work()
        self.spent[name] = (time.perf_counter() - wall, cpu_seconds() - cpu)

    def report(self) -> list[str]:
        """Print the table; the steps over their budgets."""
        print(f"\n{'seconds':>8} {'budget':>7} {'cpu s':>7}")
        for name, (wall, cpu) in self.spent.items():
            print(f"{wall:8.1f} {BUDGETS.get(name, ''):>7} {cpu:7.1f}  {name}")
        return [n for n, (wall, _) in self.spent.items() if wall > BUDGETS.get(n, 1e9)]


def edit(path: Path, old: str, new: str) -> None:
    """Change the first place where `old` stands."""
    text = path.read_text("utf-8")
    if old not in text:
        raise ValueError(f"{path.name} has no {old!r} to change")
    path.write_text(text.replace(old, new, 1), "utf-8")


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.Parser(prog="python -m tools.bench_build", description=__doc__)
    parser.add_argument("--words", type=int, default=120_000)
    parser.add_argument("--skip-pdf", action="store_true")
    parser.add_argument("--keep", type=Path, help="write the book here and leave it")
    options = parser.parse_args(argv)
    if options.words < CHAPTERS:
        raise cli.CommandError(f"--words takes {CHAPTERS} or more, not {options.words}")
    if options.keep and options.keep.exists():
        raise cli.CommandError(f"--keep {options.keep}: is there already")
    clock, both = Clock(), ["en", "zh_CN"]
    with tempfile.TemporaryDirectory() as scratch:
        book = options.keep or Path(scratch) / "book"
        book.mkdir(parents=True)
        out = Path(scratch) / "built" / "site"
        words = write_book(book, options.words)
        print(f"a book of {words:,} words, {CHAPTERS} chapters", flush=True)
        clock.time(COLD, lambda: site.build(both, book, out))
        clock.time(UNCHANGED, lambda: site.build(both, book, out))
        page = Path("chapters", PARTS[0], "chapter-1.md")
        edit(book / page, "## ", "## More on ")
        clock.time(
            "English, one heading changed", lambda: site.build(["en"], book, out)
        )
        catalog = book / "locale/zh_CN/LC_MESSAGES" / page.with_suffix(".po")
        edit(catalog, "。", "了。")
        clock.time(
            "Chinese, one sentence changed", lambda: site.build(both[1:], book, out)
        )
        clock.time("catalogs refreshed", lambda: po.refresh_all("zh_CN", book))
        if not options.skip_pdf:
            argv = [*both, "--source", str(book), "--out", str(out.parent / "pdf")]
            clock.time(PDFS, lambda: pdf.main(argv))
    if over := clock.report():
        print(f"over budget: {', '.join(over)}")
        raise SystemExit(1)


if __name__ == "__main__":
    cli.run(main)
