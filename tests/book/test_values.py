"""A number in the text is the number that the code computes, in prose, in math and in alt text."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from examples import values

ROOT = __import__("pathlib").Path(__file__).parents[2]


def the_role():
    """_ext/values.py, which shares its name with examples/values.py."""
    path = ROOT / "_ext" / "values.py"
    spec = importlib.util.spec_from_file_location("values_role", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PAGE = """\
# Toy

In text {val}`toy--bytes`, in a table and in math:

| a | b |
| --- | --- |
| one | {val}`toy--bytes` |

$$
c = \\val{toy--count}\\ \\text{and}\\ \\val{toy--bytes}
$$

:::{figure} dot.svg
:alt: A dot of %{toy--count} points

A caption with {val}`toy--count`.
:::
"""

CONF = """\
import sys, types
sys.path[:0] = [{root!r}, {ext!r}]
module = types.ModuleType("examples.toy")
module.__file__ = {conf!r}
module.__spec__ = __import__("importlib.machinery").machinery.ModuleSpec("examples.toy", None)
module.values = lambda: {{"toy--bytes": "128\\u00a0KiB", "toy--count": "131,072",
                          "toy--share": "59\\u00a0%"}}
sys.modules["examples.toy"] = module
extensions = ["myst_parser", "values"]
myst_enable_extensions = ["dollarmath", "colon_fence"]
"""


def build(folder, builder, page=PAGE, language="en"):
    (folder / "index.md").write_text(page, encoding="utf-8")
    (folder / "dot.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg"/>', encoding="utf-8"
    )
    conf = CONF.format(
        root=str(ROOT), ext=str(ROOT / "_ext"), conf=str(folder / "conf.py")
    )
    (folder / "conf.py").write_text(conf, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-q",
        "-W",
        "--keep-going",
        "-b",
        builder,
        "-D",
        f"language={language}",
    ]
    done = subprocess.run(
        [*command, str(folder), str(folder / builder)], capture_output=True, text=True
    )
    return done.returncode, done.stderr


def test_a_value_reaches_text_table_math_and_alternative_text(tmp_path):
    code, errors = build(tmp_path, "html")
    assert code == 0, errors
    page = (tmp_path / "html" / "index.html").read_text(encoding="utf-8")
    assert page.count("128\N{NO-BREAK SPACE}KiB</span>") == 2
    assert r"131{,}072\ \text{and}\ 128~\mathrm{KiB}" in page
    assert 'alt="A dot of 131,072 points"' in page
    assert "toy--" not in page


@pytest.mark.parametrize(
    ("language", "gap"), [("en", "\N{NO-BREAK SPACE}"), ("zh_CN", "")]
)
def test_a_percent_sign_stands_as_the_language_sets_it(tmp_path, language, gap):
    page = "# Toy\n\n{val}`toy--share` ![%{toy--share}](dot.svg) $\\val{toy--share}$\n"
    code, errors = build(tmp_path, "html", page, language)
    assert code == 0, errors
    page = (tmp_path / "html" / "index.html").read_text(encoding="utf-8")
    assert f">59{gap}%</span>" in page and f'alt="59{gap}%"' in page
    assert r"59~\mathrm{\%}" in page


def test_latex_gets_the_same_numbers(tmp_path):
    code, errors = build(
        tmp_path, "latex", PAGE.replace("dot.svg", "dot.*").split(":::")[0]
    )
    assert code == 0, errors
    (tex,) = (tmp_path / "latex").glob("*.tex")
    text = tex.read_text(encoding="utf-8")
    assert r"131{,}072" in text and "toy--" not in text


def test_catalogs_hold_names_and_no_numbers(tmp_path):
    code, errors = build(tmp_path, "gettext")
    assert code == 0, errors
    template = (tmp_path / "gettext" / "index.pot").read_text(encoding="utf-8")
    assert "{val}`toy--bytes`" in template and "131,072" not in template


@pytest.mark.parametrize("broken", ["toy--unknown", "toy-unknown", "nochapter--x"])
@pytest.mark.parametrize(
    "written", ["{{val}}`{}`", "$x = \\val{{{}}}$", "![%{{{}}}](dot.svg)"]
)
def test_a_name_that_is_not_there_fails_the_strict_build(tmp_path, broken, written):
    code, errors = build(tmp_path, "html", "# Toy\n\n" + written.format(broken) + "\n")
    assert code != 0 and broken in errors


def test_formats():
    assert values.binary(131072, "KiB") == "128\N{NO-BREAK SPACE}KiB"
    assert values.decimal_bytes(15.01e9, "GB", 2) == "15.01\N{NO-BREAK SPACE}GB"
    assert values.count(8030261248) == "8,030,261,248"
    assert values.count(2**53 + 1) == "9,007,199,254,740,993"
    assert values.decimal(7.86, 1) == "7.9"
    assert values.decimal(-0.04, 1) == "0.0"
    assert values.decimal(-1234.5, 1) == "\N{MINUS SIGN}1,234.5"
    assert values.quantity(-4, "%") == "\N{MINUS SIGN}4\N{NO-BREAK SPACE}%"
    for text, number in (("1,234.5\N{NO-BREAK SPACE}ms", 1234.5), ("\N{MINUS SIGN}4\N{NO-BREAK SPACE}%", -4)):  # fmt: skip
        assert values.number(text) == number


def test_numbers_in_formulas_have_their_thousands():
    set_in_type = {
        r"2 \cdot 4096 \cdot 131072": r"2 \cdot 4{,}096 \cdot 131{,}072",
        r"1{,}536 + 3.14159 + x_{100}": r"1{,}536 + 3.14159 + x_{100}",
        r"b = 100000": r"b = 100{,}000",
        r"n = 4096.": r"n = 4{,}096.",
        r"\text{read in 2026} \hspace{1000pt} \tag{2024}": r"\text{read in 2026} \hspace{1000pt} \tag{2024}",
        r"0001": r"0001",
    }
    role = the_role()
    for source, tex in set_in_type.items():
        assert role.separated(source) == tex
    assert role.as_tex("\N{MINUS SIGN}4\N{NO-BREAK SPACE}%") == r"-4~\mathrm{\%}"


def test_a_module_without_values_and_a_bad_table_say_so(monkeypatch):
    import examples.kv_cache as chapter

    with pytest.raises(KeyError, match=r"examples\.request has no values"):
        values.lookup("request--anything")
    values.of_chapter.cache_clear()
    monkeypatch.setattr(chapter, "values", lambda: {"other--name": "1"})
    with pytest.raises(ValueError, match="bad entry 'other--name'"):
        values.of_chapter("kv-cache")
    values.of_chapter.cache_clear()
