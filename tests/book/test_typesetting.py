"""The last hand on a page: ends of lines, gaps between scripts, names that may break, edges that line up."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
from docutils import nodes
from docutils.utils import new_document

from tests.book.conftest import PAGES, SITE
from tests.book.test_navigation import FOLDERS

import boxes  # isort: skip
import chinese  # isort: skip
import listings  # isort: skip
import typesetting  # isort: skip

CHAPTER = "chapters/principles/attention.html"
browser = pytest.mark.browser


# ---- what the extension does --------------------------------------------------------------------
X, LONG = "<math><mi>x</mi></math>", '<span class="math-long"><math>y</math></span>'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"{X}, so {X} is", f'<span class="whole">{X},</span> so {X} is'),
        (f"{X} and {X}）。", f'{X} and <span class="whole">{X}）。</span>'),
        (f"{LONG})", f'<span class="whole">{LONG})</span>'),
        (f"{X}</p>", f"{X}</p>"),
        (f"{X}(b", f"{X}(b"),
    ],
)
def test_closing_marks_stay_with_a_formula(before, after):
    assert typesetting.whole(before) == after


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("--max-model-len", True),
        ("a &lt; b", True),
        ("x" * 25, True),
        ("x" * 26, False),
    ],
)
def test_a_short_name_stays_in_one_piece(name, short):
    code = (
        '<code class="docutils literal notranslate"><span class="pre">%s</span></code>,'
    )
    made = typesetting.whole(code % name)
    assert ('class="pre whole"' in made) == short
    assert (
        typesetting.whole('<span class="pre">a</span>') == '<span class="pre">a</span>'
    )


def test_a_long_name_may_break_where_its_parts_meet():
    caption = (
        '<a href="x/y_z"><code class="docutils literal notranslate">'
        '<span class="pre">examples/prefill_and_decode/arrival.py</span></code></a>'
    )
    made = typesetting.whole(caption)
    assert "examples/<wbr>prefill_<wbr>and_<wbr>decode/<wbr>arrival.py" in made
    assert 'href="x/y_z"' in made and "whole" not in made


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            '<a class="reference internal" href="x"><span>编号到 logits</span></a>一章',
            '<a class="reference internal" href="x"><span>编号到 logits</span></a> 一章',
        ),
        (
            '见<a class="reference internal" href="x"><span>KV 缓存</span></a>一章',
            '见 <a class="reference internal" href="x"><span>KV 缓存</span></a>一章',
        ),
        (
            '<a class="reference internal" href="x">KV 缓存</a>，GQA',
            '<a class="reference internal" href="x">KV 缓存</a>，GQA',
        ),
    ],
)
def test_a_gap_stands_between_chinese_and_a_latin_title(before, after):
    assert typesetting.apart(before) == after


@pytest.mark.built
def test_no_link_touches_a_letter_of_the_other_script():
    seen = 0
    for path in (SITE / "zh").glob("chapters/**/*.html"):
        html = path.read_text("utf-8")
        article = html[html.index("<article") : html.index("</article>")]
        touching = re.findall(r"[A-Za-z0-9](?:</span>)?</a>[\u4e00-\u9fff]", article)
        touching += re.findall(
            r"[\u4e00-\u9fff]<a class=\"reference internal[^>]*>(?:<span[^>]*>)?[A-Za-z0-9]",
            article,
        )
        assert not touching, path
        seen += len(re.findall(r"[A-Za-z0-9](?:</span>)?</a> [\u4e00-\u9fff]", article))
    assert seen > 10


@pytest.mark.built
@pytest.mark.parametrize("folder", FOLDERS)
def test_markdown_and_index_have_none_of_it_and_keep_a_chip_s_space(folder):
    page = SITE / folder / CHAPTER
    assert 'class="whole"' in page.read_text("utf-8")
    text = page.with_suffix(".md").read_text("utf-8")
    assert "<span" not in text and "wbr" not in text
    assert "` Paris`" in text


# ---- what a line must not part -------------------------------------------------------------------
NBSP = "\N{NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("on 2026-11-26.", ["2026-11-26"]),
        ("Llama-3.1-8B, UTF-8 and DeepSeek-V3.", ["Llama-3.1-8B", "UTF-8", "DeepSeek-V3"]),
        ("by top-p of pre-norm, 30-32", ["top-p"]),
        ("用GPT-3模型很大", ["GPT-3"]),
    ],
)  # fmt: skip
def test_dates_and_names_with_numbers_stay_in_one_piece(text, kept):
    document = new_document("page")
    document += nodes.paragraph("", text)
    document += nodes.paragraph("", "", nodes.literal("", text))
    typesetting.Together(document).run()
    found = [one.astext() for one in document.findall(nodes.inline)]
    assert found == kept and document.astext() == f"{text}\n\n{text}"


@pytest.mark.parametrize(
    ("text", "together"),
    [
        ("141 GB and 4.8 TB/s", f"141{NBSP}GB and 4.8{NBSP}TB/s"),
        ("5\ns, 12 seconds", f"5{NBSP}s, 12 seconds"),
        ("[37 × 576], 2\n× 3", f"[37{NBSP}×{NBSP}576], 2{NBSP}×{NBSP}3"),
        (" × ", f"{NBSP}×{NBSP}"),  # between two named values
        ("Vaswani et al. say", f"Vaswani et{NBSP}al. say"),
    ],
)
def test_numbers_stay_with_their_units(text, together):
    document = new_document("page")
    document += nodes.paragraph("", text)
    typesetting.Together(document).run()
    assert document.astext() == together


def test_short_code_of_several_words_and_the_space_of_a_token_stay_together():
    code = '<code class="docutils literal notranslate">%s</code>'
    piece = '<span class="pre">%s</span>'
    short = typesetting.whole(code % (piece % "make" + " " + piece % "figures"))
    assert '<span class="whole"><span class="pre whole">make</span> ' in short
    token = typesetting.whole(code % (" " + piece % "Paris"))
    assert '<span class="whole"> <span' in token
    long = typesetting.whole(code % " ".join(piece % "python" for _ in range(6)))
    assert '<span class="whole"><' not in long


def test_addresses_and_paths_of_references_may_break_at_their_marks():
    link = '<a class="reference external" href="https://a.example/b_c">https://a.example/b_c</a>'
    assert "https://a.example/<wbr>b_<wbr>c</a>" in typesetting.whole(link)
    asked = link.replace("b_c</a>", "q?a=1&amp;b=2</a>")
    assert "q?<wbr>a=<wbr>1&amp;<wbr>b=<wbr>2</a>" in typesetting.whole(asked)
    entry = f'<div class="citation" id="x"><p>File vllm/v1/core_x.py. {link}</p></div>'
    made = typesetting.whole(entry)
    assert "vllm/<wbr>v1/<wbr>core_<wbr>x.py" in made and 'href="https://a.example/b_c"' in made  # fmt: skip


@pytest.mark.built
@pytest.mark.parametrize("folder", FOLDERS)
def test_a_citation_stays_with_the_word_before_it_and_a_figure_with_its_number(folder):
    seen = 0
    for path in (SITE / folder / "chapters").glob("*/*.html"):
        html = path.read_text("utf-8")
        assert not re.search(r' <span class="bibtex-citation"[^>]*>\[', html), path
        assert not re.search(r'<span class="std std-numref">[^<\s]+ \d[\d.]*</span>', html), path  # fmt: skip
        seen += html.count(f'{NBSP}<span class="bibtex-citation"')
    assert seen > 80


@pytest.mark.built
@pytest.mark.parametrize("folder", FOLDERS)
def test_a_link_to_an_exercise_has_the_number_of_its_box(folder):
    seen = 0
    for path in (SITE / folder / "chapters").glob("*/*.html"):
        html = path.read_text("utf-8")
        for words in re.findall(r'<a class="reference internal" href="[^"]*#ex-[^"]*">(.*?)</a>', html):  # fmt: skip
            assert re.search(r"\d+\.\d+$", re.sub(r"<[^>]*>", "", words)), (path, words)  # fmt: skip
            seen += 1
    assert seen >= 5


# ---- Chinese -------------------------------------------------------------------------------------
def test_terms_are_sorted_by_their_sound():
    terms = ["预填充", "TTFT", "注意力", "带宽", "KV 缓存", "解码"]
    assert sorted(terms, key=chinese.sound) == ["KV 缓存", "TTFT", "带宽", "解码", "预填充", "注意力"]  # fmt: skip


def link_to(text: str, *classes: str, internal: bool = True) -> nodes.reference:
    inner = nodes.inline("", text, classes=list(classes))
    return nodes.reference("", "", inner, refuri="x", internal=internal)


@pytest.mark.parametrize(
    ("before", "link", "said"),
    [
        ("见", link_to("记号"), "见《记号》。"),
        ("见", link_to("原理"), "见《原理》。"),
        ("见", link_to("注意力"), "见注意力。"),
        ("见《", link_to("记号》"), "见《记号》。"),
        (
            "见《",
            link_to("记号"),
            "见《记号。",
        ),  # the other mark is the translator's, too
        ("一种", link_to("记号", "std-term"), "一种记号。"),
        ("", link_to("记号", internal=False), "记号。"),
    ],
)
def test_marks_stand_round_a_title_once_and_round_no_other_link(before, link, said):
    part = nodes.title("", "", nodes.inline("", "第一部分", classes=["part-number"]))
    part += [nodes.Text(" · "), nodes.Text("原理")]
    titles = {"notation": nodes.title("", "记号"), "principles": part}
    document = new_document("page")
    document.settings.env = SimpleNamespace(
        titles=titles, config=SimpleNamespace(language="zh_CN")
    )
    document += nodes.paragraph("", "", nodes.Text(before), link, nodes.Text("。"))
    chinese.Chinese(document).run()
    assert document.astext() == said


@pytest.mark.built
def test_names_of_chapters_stand_in_marks_and_emphasis_has_dots():
    """In sentences only: not in lists of pages, in cards or at a heading."""
    titles = {
        re.sub(r"^[\d.]+\s*|^第.部分 · |#$", "", re.sub(r"<[^>]+>", "", found)).strip()
        for path in (SITE / "zh/chapters").glob("**/*.html")
        for found in re.findall(r"<h1>(.*?)</h1>", path.read_text("utf-8"))
    }
    seen = 0
    for path in (SITE / "zh").glob("**/*.html"):
        html = path.read_text("utf-8")
        if "<article" not in html:
            continue
        article = html[html.index("<article") : html.index("</article>")]
        for before, words, after in re.findall(
            r'(.)<a class="reference internal" href="[^"]*">(?:<span[^>]*>)?([^<]*)(?:</span>)?</a>(.)', article
        ):  # fmt: skip
            if words in titles and "<" not in before + after:
                assert (before, after) == ("《", "》"), (path, words)
                seen += 1
        words = re.sub(r"<[^>]+>|\s", "", article)
        assert not re.search("《》|《《|》》", words), path
        for one in re.findall(r"<em>([^<]*)</em>", article):
            assert not re.search("[\u4e00-\u9fff]", one), (path, one)
    assert seen > 40


@browser
@pytest.mark.parametrize("folder", FOLDERS)
def test_icons_have_their_font(site, tab, folder):
    """A rule for emphasis must not reach them: an `<i>` is an icon here."""
    page = tab()
    page.goto(f"{site}/{folder}{CHAPTER}")
    fonts = page.locator("i[class*='fa-']").evaluate_all(
        "all => all.map((one) => getComputedStyle(one, '::before').fontFamily || getComputedStyle(one).fontFamily)"
    )
    assert fonts and all("Font Awesome" in font for font in fonts), set(fonts)


@browser
def test_a_number_of_three_digits_stands_in_one_line(site, tab):
    page = tab(390)
    page.goto(f"{site}/chapters/appendix/references.html")
    lines = page.locator("div.citation .label").evaluate_all(
        """all => all.map((one) => {
            const range = document.createRange();
            range.selectNodeContents(one);
            return new Set([...range.getClientRects()].map((box) => Math.round(box.top))).size;
        })"""
    )
    assert len(lines) > 100 and set(lines) == {1}


@pytest.mark.parametrize(
    ("heading", "between", "named"),
    [
        ("In production", [], True),
        ("In production", [nodes.paragraph("", "First.")], False),
        ("In production", [nodes.target("", "", ids=["x"])], True),
        ("Pitfalls", [], False),
    ],
)
def test_a_box_is_named_by_a_heading_that_says_the_same(heading, between, named):
    box = nodes.admonition("", nodes.title("", "In production"))
    document = new_document("page")
    document += nodes.section("", nodes.title("", heading), *between, box)
    boxes.NamedAbove(document).run()
    assert ("named-above" in box["classes"]) == named


@browser
@pytest.mark.parametrize("folder", FOLDERS)
def test_a_section_of_one_box_names_itself_once(site, tab, folder):
    page = tab()
    page.goto(f"{site}/{folder}{CHAPTER}")
    titles = page.locator("h2 + div.in-production > .admonition-title")
    assert titles.count() and not any(titles.nth(i).is_visible() for i in range(titles.count()))  # fmt: skip


@browser
def test_on_a_phone_the_ways_on_stand_below_each_other(site, tab):
    page = tab(390)
    page.goto(f"{site}/{CHAPTER}")
    tops = page.locator(".prev-next-area a").evaluate_all(
        "all => all.map((one) => one.getBoundingClientRect()).map((box) => [box.top, box.bottom, box.width])"
    )
    assert len(tops) == 2 and tops[0][1] <= tops[1][0] and min(one[2] for one in tops) > 200  # fmt: skip


# ---- listings -----------------------------------------------------------------------------------
def test_a_method_begins_at_the_margin():
    document = new_document("page")
    code = "    def a(self):\n        return 1"
    document += nodes.literal_block(code, code, source="/x/engine.py")
    document += nodes.literal_block(code, code, source="/x/output.txt")
    listings.Dedented(document).apply()
    assert document[0].astext() == document[0].rawsource == "def a(self):\n    return 1"
    assert document[1].astext() == code


@pytest.mark.built
@pytest.mark.parametrize("folder", FOLDERS)
def test_no_listing_of_the_book_begins_with_room(folder):
    seen = 0
    for path in (SITE / folder / "chapters").glob("*/*.html"):
        boxes = re.findall(
            r'highlight-python[^>]*><div class="highlight"><pre>(.*?)</pre>',
            path.read_text("utf-8"),
            re.DOTALL,
        )
        for box in boxes:
            lines = re.sub(r"<[^>]*>", "", box).splitlines()
            least = min(len(one) - len(one.lstrip()) for one in lines if one.strip())
            assert least == 0, (path, lines[0])
            seen += 1
    assert seen > 20


# ---- as it is seen ------------------------------------------------------------------------------
# A closing mark behind a formula or code that stands in a line of its own: below what it closes.
LEFT_ALONE = """() => {
    const found = [], range = document.createRange();
    for (const one of document.querySelectorAll("article :is(math, code)")) {
        if (one.closest(".math-scroll, pre, .book-tips")) continue;
        let last = one;
        while (last && !last.nextSibling) last = last.parentElement?.matches("span, a, em, strong") ? last.parentElement : null;
        const next = last?.nextSibling;
        if (next?.nodeType !== 3) continue;
        const at = 0;
        if (!/[.,;:!?)\\]}%，。、；：！？）】》”’]/u.test(next.data[at])) continue;
        range.setStart(next, at); range.setEnd(next, at + 1);
        const mark = range.getClientRects()[0], before = [...one.getClientRects()].at(-1);
        if (mark && before && mark.top > before.bottom - 2) found.push(one.outerHTML.slice(0, 60) + next.data.slice(0, 5));
    }
    return found;
}"""


@browser
@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("width", [390, 360])
def test_no_line_begins_with_a_closing_mark(site, tab, folder, width):
    page, trouble = tab(width), {}
    for name in PAGES:
        if name.startswith(f"{folder}chapters"):
            page.goto(f"{site}/{name}")
            if found := page.evaluate(LEFT_ALONE):
                trouble[name] = found
    assert not trouble


@browser
def test_the_look_for_lines_bites(site, tab):
    page = tab(390)
    page.goto(f"{site}/{CHAPTER}")
    page.evaluate(
        "document.querySelector('article p').innerHTML = '<math><mi>a</mi></math>, '.repeat(200)"
    )
    width = "(one, width) => one.style.width = `${width}px`"
    text = page.locator("article p").first
    assert any(
        text.evaluate(width, wide) and page.evaluate(LEFT_ALONE)
        for wide in range(300, 320)
    ), "at some width a comma does not fit"


@browser
@pytest.mark.parametrize("folder", FOLDERS)
def test_the_space_before_a_word_in_code_is_seen(site, tab, folder):
    for width in (1280, 390):
        page = tab(width)
        page.goto(f"{site}/{folder}{CHAPTER}")
        chip = page.locator("article p code", has_text=re.compile("^ Paris$")).first
        gap = """one => {
            const word = one.querySelector(".pre").getBoundingClientRect();
            return (word.left - one.getBoundingClientRect().left) / parseFloat(getComputedStyle(one).fontSize);
        }"""
        assert chip.evaluate(gap) > 0.6, "the padding and a letter's width"


@browser
def test_nothing_empty_stands_behind_a_root(site, tab):
    page = tab()
    page.goto(f"{site}/{CHAPTER}")
    page.wait_for_function(
        "document.querySelector('article p msqrt').style.marginInlineEnd"
    )
    rooms = page.locator("article p msqrt").evaluate_all(
        """all => all.filter((one) => !one.nextElementSibling).map((one) =>
            one.closest("math").getBoundingClientRect().right - one.lastElementChild.getBoundingClientRect().right)"""
    )
    assert rooms and max(map(abs, rooms)) < 2


@browser
@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("width", [1280, 1000, 700, 390])
def test_what_is_below_the_text_lines_up_with_it(site, tab, folder, width):
    page = tab(width)
    page.goto(f"{site}/{folder}{CHAPTER}")
    left = "one => one.getBoundingClientRect().left"
    text = page.locator("article h1").evaluate(left)
    for other in (".page-links > :first-child", ".bd-footer-content p"):
        assert abs(page.locator(other).first.evaluate(left) - text) < 1.5, other


@browser
@pytest.mark.parametrize("folder", FOLDERS)
def test_nothing_slides_past_the_header_of_a_phone(site, tab, folder):
    page = tab(390)
    page.goto(f"{site}/{folder}{CHAPTER}")
    box = page.locator(".bd-header-article").bounding_box()
    assert box["x"] == 0 and box["width"] == 390


@browser
def test_code_that_goes_on_fades_at_its_edge(site, tab):
    """As tables do: a cover that scrolls with the code, a fade that does not."""
    page = tab(390)
    page.goto(f"{site}/{CHAPTER}")
    style = page.locator("article .highlight pre").first.evaluate(
        "one => [getComputedStyle(one).backgroundAttachment, getComputedStyle(one).backgroundImage]"
    )
    assert style[0] == "local, local, scroll, scroll"
    assert style[1].count("linear-gradient") == 4


@browser
def test_a_line_of_chinese_does_not_begin_with_room(site, tab):
    page = tab(390)
    page.goto(f"{site}/zh/chapters/appendix/glossary.html")
    trim = "one => getComputedStyle(one).textSpacingTrim"
    assert page.locator("article dd").first.evaluate(trim) == "trim-start"


@browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_cards_of_the_cover_have_the_page_s_own_ground(site, tab, scheme):
    page = tab(color_scheme=scheme)
    page.goto(f"{site}/index.html")
    looks = page.locator(".cover-parts .sd-card").evaluate_all(
        """all => all.flatMap((one) => [one, one.querySelector(".sd-card-body")].map((part) => {
            const style = getComputedStyle(part);
            return [style.backgroundColor, style.boxShadow].join();
        }))"""
    )
    assert set(looks) == {"rgba(0, 0, 0, 0),none"}
    boxes = page.locator(".cover-parts .sd-card").evaluate_all(
        "all => all.map((one) => one.getBoundingClientRect().right)"
    )
    assert len({round(right) for right in boxes[1::2]} | {round(boxes[-1])}) == 1, (
        "the last card of an odd number takes the line"
    )
