"""A toy book that keeps every promise, for tests that damage it one way at a time.

Its chapter bears a slug of the real book, so that `{val}` finds numbers that the real examples compute.
"""

from __future__ import annotations

import atexit
import functools
import json
import shutil
import tempfile
from pathlib import Path

import polib

from tools import ROOT, po

PAGE = "chapters/bottlenecks/kv-cache"
FILES = {
    "Makefile": "book: ## build\n\ttrue\nserve:\n\ttrue\n",
    "README.md": "# Toy\n\n```sh\nmake book # builds\n```\n\nThen `make serve`.\n",
    "redirects.toml": '[moved]\n"chapters/old/name" = "chapters/bottlenecks/kv-cache"\n',
    "index.md": "# Toy\n\n```{checked}\n```\n\nOne sentence.\n\n```{toctree}\n:hidden:\n\nchapters/bottlenecks/index\nchapters/appendix/index\n```\n",
    "chapters/bottlenecks/index.md": "(bottlenecks)=\n# Bottlenecks\n\n```{checked}\n```\n\nWhat runs out first.\n\n```{toctree}\n:numbered: 2\n\nkv-cache\n```\n",
    "chapters/appendix/index.md": "(appendix)=\n# Back matter\n\n```{checked}\n```\n\nWhat to look up.\n\n```{toctree}\nglossary\nreferences\n```\n",
    "chapters/appendix/references.md": "(references)=\n# References\n\n```{checked}\n```\n\nWhat the book cites.\n\n```{bibliography}\n```\n",
    "chapters/appendix/glossary.md": """\
(glossary)=
# Glossary

```{checked} 2026-11-23
```

The words of the book.

```{glossary}
KV cache
  What is kept.

prefill
  The first pass.
```
""",
    f"{PAGE}.md": """\
(kv-cache)=
# The cache

```{checked} 2026-11-23
```

The {term}`KV cache` takes {val}`kv-cache--token-llama-3.1-8b` a token on a card of 80 GB, and **nothing** else
is $V$ or `max_len` in *every* layer. See {ref}`bottlenecks`, [the second section](#second-section), <https://example.org/a>,
{numref}`fig-kv-cache--dot`, {eq}`eq-kv-cache--sum`, {numref}`lst-kv-cache--add` and {numref}`tab-kv-cache--sizes`.

## Second section

A fact with 32 layers and 3.35 TB/s {cite}`vaswani2017`. A note[^note] follows {term}`Prefill <prefill>`, which comes first.

[^note]: What the note says.

$$
c = a + \\val{kv-cache--token-bytes-llama-3.1-8b}
$$ (eq-kv-cache--sum)

:::{figure} /_static/figures/kv-cache--dot.svg
:name: fig-kv-cache--dot
:alt: A dot that weighs %{kv-cache--token-llama-3.1-8b}.

A caption for the dot.
:::

:::{literalinclude} ../../examples/kv_cache.py
:pyobject: add
:name: lst-kv-cache--add
:caption: examples/kv_cache.py
:::

:::{literalinclude} ../../examples/kv_cache.py
:start-after: "begin: show"
:end-before: "end: show"
:name: lst-kv-cache--show
:caption: examples/kv_cache.py
:::

:::{literalinclude} ../../examples/outputs/kv-cache--sum.txt
:language: text
:name: lst-kv-cache--sum
:caption: What it prints
:::

:::{list-table} Sizes of toys
:name: tab-kv-cache--sizes
:header-rows: 1

* - name
  - note
* - small
  - it fits
:::

```sh
make book
python -m examples.kv_cache
```

(ex-kv-cache--one)=
:::{admonition} Exercise 1
:class: exercise

How long do 12 GB take at 3 TB/s?
:::
""",
    "examples/__init__.py": "",
    "examples/kv_cache.py": '''"""A toy."""

DATA = "kv-cache--times"


def add(a: int, b: int) -> int:
    """The sum."""
    return a + b


# begin: show
print(add(1, 2))
# end: show
''',
    "examples/outputs/kv-cache--sum.txt": "$ python -m examples.kv_cache\n3\n",
    "tests/chapters/test_kv_cache.py": "def test_sum():\n    assert 1 + 2 == 3\n",
    "_static/figures/kv-cache--dot.svg": '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><circle r="4"/></svg>',
}
RECORD = {
    "command": "python -m examples.kv_cache record",
    "device": "a toy of one core",
    "versions": {"python": "3.11.7", "numpy": "2.4.6"},
    "date": "2026-11-23",
    "unit": "ms",
    "prediction": "bytes over bandwidth",
    "points": [{"size": 1, "predicted_ms": 2.0, "samples": [2.1, 2.0, 2.2, 2.1, 2.0]}],
}
CHINESE = {
    "Toy": "玩具",
    "One sentence.": "一句话。",
    "Bottlenecks": "瓶颈",
    "What runs out first.": "什么先用完。",
    "Back matter": "附录",
    "What to look up.": "备查的内容。",
    "References": "参考文献",
    "What the book cites.": "本书引用的文献。",
    "Glossary": "术语表",
    "The words of the book.": "本书的用语。",
    "KV cache": "KV 缓存",
    "What is kept.": "留下来的内容。",
    "prefill": "预填充",
    "The first pass.": "第一遍。",
    "The cache": "缓存",
    "The {term}`KV cache` takes": (
        "在 80 GB 的卡上，{term}`KV 缓存 <KV cache>`每个 token 占 {val}`kv-cache--token-llama-3.1-8b`，**别无**他物。"
        "*每*一层是 $V$ 或 `max_len`。见{ref}`bottlenecks`、[第二节](#second-section)、<https://example.org/a>、"
        "{numref}`fig-kv-cache--dot`、式 {eq}`eq-kv-cache--sum`、{numref}`lst-kv-cache--add` 和{numref}`tab-kv-cache--sizes`。"
    ),
    "Second section": "第二节",
    "A fact with 32 layers": (
        "一件事：32 层，3.35 TB/s {cite}`vaswani2017`。注[^note]在{term}`预填充 <prefill>`之后，预填充在先。"
    ),
    "What the note says.": "注的内容。",
    "c = a + ": "c = a + \\val{kv-cache--token-bytes-llama-3.1-8b}",
    "A dot that weighs": "一个点，重 %{kv-cache--token-llama-3.1-8b}。",
    "A caption for the dot.": "点的题注。",
    "examples/kv_cache.py": "examples/kv_cache.py",
    "What it prints": "打印的内容",
    "Sizes of toys": "玩具的大小",
    "name": "名称",
    "note": "备注",
    "small": "小",
    "it fits": "放得下",
    "Exercise 1": "习题 1",
    "How long do 12 GB take at 3 TB/s?": "以 3 TB/s 读 12 GB 要多久？",
}


@functools.cache
def _whole() -> Path:
    """The undamaged book, written once a session with its catalogs."""
    folder = Path(tempfile.mkdtemp(prefix="toy-book-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    data = folder / "examples/data/kv-cache--times.json"
    data.parent.mkdir()
    data.write_text(json.dumps(RECORD), "utf-8")
    po.refresh_all("zh_CN", folder)
    messages = folder / "locale/zh_CN/LC_MESSAGES"
    for path in messages.rglob("*.po"):
        catalog = polib.pofile(str(path))
        for entry in catalog:
            (entry.msgstr,) = (
                text
                for start, text in CHINESE.items()
                if entry.msgid == start or (len(start) > 7 and entry.msgid.startswith(start))
            )  # fmt: skip
        path.write_text(
            po.text_of(list(catalog), "zh_CN", "2026-01-01 00:00+0000"), "utf-8"
        )
    shutil.copy(ROOT / "locale/zh_CN/terms.csv", folder / "locale/zh_CN/terms.csv")
    return folder


def book(folder: Path) -> Path:
    """A fresh copy of the toy book in `folder`."""
    shutil.copytree(_whole(), folder)
    return folder


def translate(folder: Path, start: str, text: str, page: str = PAGE) -> None:
    """Put another translation of the message that begins with `start`, as it stands, unescaped."""
    path = folder / f"locale/zh_CN/LC_MESSAGES/{page}.po"
    catalog = polib.pofile(str(path))
    (entry,) = (e for e in catalog if e.msgid.startswith(start))
    entry.msgstr = text
    path.write_text(
        po.text_of(list(catalog), "zh_CN", "2026-01-01 00:00+0000"), "utf-8"
    )
