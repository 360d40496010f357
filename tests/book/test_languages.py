"""The editions: names and places from one table, words with English behind them, links between twins."""

from __future__ import annotations

import gettext
from types import SimpleNamespace

import pytest

from tools import LANGUAGES

import languages  # isort: skip


@pytest.fixture
def page(monkeypatch, tmp_path):
    """What the templates of a page get to know; `catalog` is its list of translations."""

    def page(name: str, language: str, base: str = "", catalog=("译文",)):
        monkeypatch.setenv("BOOK_BASEURL", base)
        path = tmp_path / f"locale/{language}/LC_MESSAGES/{name}.po"
        path.parent.mkdir(parents=True, exist_ok=True)
        messages = (
            f'msgid "message {number}"\nmsgstr "{text}"\n\n'
            for number, text in enumerate(catalog)
        )
        path.write_text("".join(messages), encoding="utf-8")
        config = SimpleNamespace(language=language, locale_dirs=["locale/"])
        app = SimpleNamespace(config=config, srcdir=tmp_path)
        context = {"body": "<p>text</p>"}
        languages.on_page(app, name, "page.html", context, None)
        return context

    return page


def test_folders_and_names_are_unique():
    assert len({one.folder for one in LANGUAGES.values()}) == len(LANGUAGES)
    assert len({one.pdf for one in LANGUAGES.values()}) == len(LANGUAGES)


@pytest.mark.parametrize(
    ("name", "language", "twin", "pdf"),
    [
        ("index", "en", "zh/index.html", "pdf/llm-inference.pdf"),
        ("index", "zh_CN", "../index.html", "../pdf/llm-inference-zh.pdf"),
        (
            "chapters/a/b",
            "en",
            "../../zh/chapters/a/b.html",
            "../../pdf/llm-inference.pdf",
        ),
        (
            "chapters/a/b",
            "zh_CN",
            "../../../chapters/a/b.html",
            "../../../pdf/llm-inference-zh.pdf",
        ),
    ],
)
def test_links_to_twin_and_pdf_are_relative(page, name, language, twin, pdf):
    context = page(name, language)
    assert [one["href"] for one in context["book_twins"] if not one["here"]] == [twin]
    assert context["book_pdf"] == pdf


def test_addresses_for_search_engines_need_a_base(page):
    assert not any(one["url"] for one in page("index", "en")["book_twins"])
    urls = [
        one["url"]
        for one in page("chapters/a", "en", "https://book.example/x/")["book_twins"]
    ]
    assert urls == [
        "https://book.example/x/chapters/a.html",
        "https://book.example/x/zh/chapters/a.html",
    ]


def test_an_incomplete_translation_says_so(page):
    part = ["一", "", "三", "", "五"]
    assert "translation-notice" not in page("chapters/a", "zh_CN")["body"]
    assert "translation-notice" not in page("chapters/a", "en", catalog=part)["body"]
    notice = page("chapters/a", "zh_CN", catalog=part)["body"]
    assert "5 段中已译 3 段" in notice
    assert 'href="../../chapters/a.html"' in notice


def test_words_fall_back_to_the_theme_s_and_to_english():
    class Theme(gettext.NullTranslations):
        def gettext(self, message):
            return {"Search": "theirs", "Go": "theirs too"}.get(message, message)

    words = languages.Interface(LANGUAGES["zh_CN"], Theme())
    assert words.gettext("Search") == "搜索"
    assert words.gettext("Go") == "theirs too"
    assert words.gettext("Nowhere known") == "Nowhere known"


def test_a_third_language_is_one_line(page, monkeypatch):
    line = languages.Language(
        "Deutsch", "de", "de", "LLM-Inferenz", "llm-inference-de.pdf"
    )
    monkeypatch.setitem(languages.LANGUAGES, "de", line)
    context = page("chapters/a", "de")
    assert [one["href"] for one in context["book_twins"]] == [
        "../../chapters/a.html",
        "../../zh/chapters/a.html",
        "../../de/chapters/a.html",
    ]
    assert context["say"]("Start reading") == "Start reading"
