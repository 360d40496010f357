"""Formulas: MathML when the book is built, a warning with its place when one is wrong, a font that fits."""

from __future__ import annotations

import io
import re
import shutil

import pytest
from fontTools.ttLib import TTFont
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

from tools import ROOT  # noqa: F401  (puts the book's extensions on the path)

import temml_math  # isort: skip

CONF = """
extensions = ["myst_parser", "temml_math"]
myst_enable_extensions = ["amsmath", "dollarmath"]
myst_dmath_double_inline = False
html_math_renderer = "temml"
"""


@pytest.fixture
def build(tmp_path):
    """Build one page in plain HTML: the page and the warnings."""

    def build(text: str) -> tuple[str, str]:
        source, out = tmp_path / "source", tmp_path / "out"
        shutil.rmtree(source, ignore_errors=True)
        source.mkdir()
        (source / "conf.py").write_text(CONF)
        (source / "index.md").write_text(text, encoding="utf-8")
        warnings = io.StringIO()
        with patch_docutils(), docutils_namespace():
            app = Sphinx(
                source, source, out, tmp_path / "tree", "html", None, None, warnings
            )
            app.build(force_all=True)
        return (out / "index.html").read_text(encoding="utf-8"), warnings.getvalue()

    return build


def test_inline_and_display_formulas(build):
    html, warnings = build(
        "# A\n\nInline $x_i = \\frac{1}{2}$.\n\n$$\ny = \\sqrt{x}\n$$ (eq-a)\n\nSee {eq}`eq-a`.\n"
    )
    assert not warnings
    assert html.count("<math") == 2
    assert "<mfrac>" in html and "<msqrt>" in html
    assert re.search(r'<span class="eqno">\(1\)', html)
    assert 'href="#equation-eq-a"' in html
    assert "\\frac" not in html and "$" not in html.split("<body")[1]


@pytest.mark.parametrize("wrong", [r"\frac{1}", r"\nosuchmacro", r"\left( x", "x_1_2"])
def test_a_wrong_formula_is_a_warning_with_its_place(build, wrong):
    _, warnings = build(f"# A\n\nRight.\n\n$${wrong}$$\n")
    assert re.search(r"index\.md:5: WARNING: formula: ", warnings)


def test_the_process_goes_on_after_a_wrong_formula(build):
    html, warnings = build("# A\n\n$\\frac{1}$ and $a^2$\n")
    assert warnings.count("WARNING") == 1
    assert "<msup>" in html


def test_lines_outside_an_environment_become_lines(build):
    html, warnings = build("# A\n\n$$\na &= b \\\\\nc &= d\n$$\n")
    assert not warnings
    assert html.count("<mtr") == 2


def test_environments_keep_their_own_lines():
    matrix = r"W = \begin{bmatrix} a & b \\ c & d \end{bmatrix}"
    assert temml_math.as_lines(matrix) == matrix
    nested = (
        r"\begin{aligned} a &= \begin{cases} 1 \\ 2 \end{cases} \\ b &= 3 \end{aligned}"
    )
    assert temml_math.as_lines(nested) == nested
    assert (
        temml_math.as_lines(matrix + r" \\ V")
        == rf"\begin{{split}}{matrix} \\ V\end{{split}}"
    )


def test_the_font_has_what_is_used_and_little_else(build, tmp_path):
    build("# A\n\n$\\alpha + \\sum_i x_i \\in \\mathbb{R}$\n")
    path = tmp_path / "out/_static/fonts/math.woff2"
    font = TTFont(path)
    cmap = font.getBestCmap()
    assert {ord(sign) for sign in "α∑∈ℝ√𝑥𝛼"} <= set(cmap)
    assert ord("∮") not in cmap
    assert "MATH" in font, "or nothing stretches"
    roots = font["MATH"].table.MathVariants.VertGlyphCoverage.glyphs
    assert cmap[ord("√")] in roots and cmap[ord("(")] in roots
    assert path.stat().st_size < 60_000


def test_a_new_sign_gets_into_the_font(build, tmp_path):
    build("# A\n\n$a$\n")
    build("# A\n\n$a \\oint b$\n")
    assert ord("∮") in TTFont(tmp_path / "out/_static/fonts/math.woff2").getBestCmap()


def test_only_a_page_with_a_formula_asks_for_the_style(build):
    assert "math.css" in build("# A\n\n$x$\n")[0]
    assert "math.css" not in build("# A\n\nNo formula.\n")[0]
