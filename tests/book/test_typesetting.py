"""The last hand on a page: ends of lines, gaps between scripts, names that may break, edges that line up."""

from __future__ import annotations

import re

import pytest
from docutils import nodes
from docutils.utils import new_document

from tests.book.conftest import PAGES, SITE
from tests.book.test_navigation import FOLDERS

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
