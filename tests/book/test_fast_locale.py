"""The fast way of translating gives the same pages, file by file, as Sphinx's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import polib

ROOT = Path(__file__).parents[2]

PAGE = """\
(toy)=
# A toy of a page

A paragraph with *emphasis*, **strong**, `code`, $x^2$, {term}`cache`, {ref}`toy`, a
[link](https://example.org/a) and a footnote.[^one]

[^one]: What the footnote says.

- an item with {numref}`tab-toy`
- another one

| a | b |
| --- | --- |
| one cell | two cells |

:::{table} A caption
:name: tab-toy

| c | d |
| --- | --- |
| three | four |
:::

:::{admonition} A box
:class: takeaway

Inside the box, **bold** and {eq}`eq-toy`.

:::{note}
A nested note.
:::
:::

$$
y = 2
$$ (eq-toy)

## A section

1. first
2. second

```{glossary}
cache
  What is kept.
```

> A quotation, with `more code`.

```python
print("never translated")
```
"""

CONF = """\
import sys
sys.path[:0] = [{ext!r}]
extensions = ["myst_parser", "fast_locale"]
myst_enable_extensions = ["dollarmath", "colon_fence"]
fast_locale = {fast}
language = "zh_CN"
locale_dirs = ["locale/"]
numfig = True
gettext_compact = False
html_last_updated_fmt = None
"""


def build(folder: Path, builder: str, out: str, fast: bool) -> str:
    conf = CONF.format(ext=str(ROOT / "_ext"), fast=fast)
    (folder / "conf.py").write_text(conf, encoding="utf-8")
    command = [sys.executable, "-m", "sphinx", "-q", "-E", "-b", builder]
    done = subprocess.run(
        [*command, str(folder), str(folder / out)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def translated(text: str) -> str:
    """Chinese enough for the test: the inline markup kept, something added."""
    return f"译：{text}" if not text.startswith(("$", "y =")) else text


def make_catalog(folder: Path) -> None:
    build(folder, "gettext", "pot", fast=True)
    catalog = polib.pofile(str(folder / "pot" / "index.pot"))
    for entry in catalog:
        entry.msgstr = translated(entry.msgid).replace(
            "{term}`cache`", "{term}`缓存 <cache>`"
        )
    target = folder / "locale" / "zh_CN" / "LC_MESSAGES" / "index.po"
    target.parent.mkdir(parents=True)
    catalog.metadata["Content-Type"] = "text/plain; charset=utf-8"
    catalog.save(str(target))


def test_pages_are_identical_with_and_without(tmp_path):
    (tmp_path / "index.md").write_text(PAGE, encoding="utf-8")
    make_catalog(tmp_path)
    for fast in (True, False):
        for builder in ("html", "pseudoxml", "latex"):
            build(tmp_path, builder, f"{builder}-{fast}", fast)
    compared = 0
    for builder in ("html", "pseudoxml", "latex"):
        stock, quick = tmp_path / f"{builder}-False", tmp_path / f"{builder}-True"
        for path in sorted(stock.rglob("*")):
            if path.suffix in (".html", ".pseudoxml", ".tex", ".js"):
                twin = quick / path.relative_to(stock)
                assert path.read_bytes() == twin.read_bytes(), path.name
                compared += 1
    assert compared >= 4
    page = (tmp_path / "html-True" / "index.html").read_text(encoding="utf-8")
    assert page.count("译：") >= 15 and "缓存" in page


def run(code: str) -> str:
    """What a Python that can import the extension prints."""
    lines = ["import sys", f"sys.path[:0] = [{str(ROOT / '_ext')!r}]", code]
    command = [sys.executable, "-c", "\n".join(lines)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_it_is_in_use_with_the_locked_versions():
    found = run("import fast_locale; print(fast_locale.USABLE, fast_locale.FOUND)")
    assert found.startswith("True"), f"look at fast_locale.py again: {found}"


SWITCHED = """
import types
import sphinx, sphinx.transforms.i18n as i18n
{before}
import fast_locale
fast_locale.logger = types.SimpleNamespace(info=lambda *words: print("told", words[1]))
stock = getattr(i18n, "_publish_msgstr", None)
fast_locale.on_config(None, types.SimpleNamespace(fast_locale={fast}))
print("stock" if getattr(i18n, "_publish_msgstr", None) is stock else "fast")
"""


def test_another_version_is_left_as_it_is_and_said_so():
    other = "sphinx.__version__ = '99.0'; del i18n._publish_msgstr"
    told = run(SWITCHED.format(before=other, fast=True)).splitlines()
    assert len(told) == 2 and "99.0" in told[0] and told[1] == "stock"
    assert run(SWITCHED.format(before="", fast=True)) == "fast\n"
    assert run(SWITCHED.format(before="", fast=False)) == "stock\n"


def test_the_pickled_page_does_not_drag_its_messages_along(tmp_path):
    (tmp_path / "index.md").write_text(PAGE, encoding="utf-8")
    make_catalog(tmp_path)
    sizes = {}
    for fast in (True, False):
        build(tmp_path, "html", f"html-{fast}", fast)
        sizes[fast] = (
            (tmp_path / f"html-{fast}" / ".doctrees" / "index.doctree").stat().st_size
        )
    assert sizes[True] < sizes[False]
