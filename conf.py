"""Sphinx settings of the book, one file for every language and for HTML and PDF.

`-D language=zh_CN` builds the Chinese edition; what differs by language stands in
`_ext/languages.py`. `-n -W --keep-going` is how every build runs (see the Makefile), so a warning
that is silenced here is named exactly, with its reason.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).parent
sys.path[:0] = [str(ROOT), str(ROOT / "_ext")]

project = "LLM Inference from Principles to Production"
author = "The authors of LLM Inference from Principles to Production"
copyright = "2026, the authors. Text: CC BY 4.0. Code: Apache-2.0"
version = release = "0.1"
language = "en"

extensions = [
    "myst_parser",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinxcontrib.bibtex",
    "sphinxcontrib.rsvgconverter",  # SVG figures become vector PDF for print
    # the book's own, one file a feature, in _ext/
    "languages",
    "fast_locale",
    "chapter_numbers",
    "values",
    "inline_figures",
    "references",
    "tables",
    "listings",
    "boxes",
    "exercises",
    "chinese",
    "tips",
    "term_places",
    "checked",
    "temml_math",
    "page_meta",
    "page_links",
    "markdown_pages",
    "typesetting",
    "cards",
    "sitemap",
    "not_found",
    "site_assets",
    "redirects",
    "accessible",
    "site_script",
    "style_sheet",
    "latex_book",
]

# An allow-list: a file that is not named here is no page.
include_patterns = ["index.md", "chapters/**"]
exclude_patterns = ["**/.*"]
templates_path = ["_templates"]
root_doc = "index"
nitpicky = True
today_fmt = "%Y-%m-%d"

# Text ---------------------------------------------------------------------------------------
myst_enable_extensions = [
    "amsmath",
    "attrs_inline",
    "colon_fence",
    "deflist",
    "dollarmath",
]
myst_heading_anchors = 3
myst_dmath_double_inline = False
myst_links_external_new_tab = False
numfig = True
numfig_secnum_depth = 1
math_numfig = True
math_eqref_format = "({number})"
highlight_language = "text"
pygments_style = "a11y-high-contrast-light"
smartquotes_excludes = {"languages": ["zh_CN"], "builders": ["man", "text"]}

bibtex_bibfiles = ["chapters/appendix/references.bib"]

# Translation: one catalog a page, no line numbers, code never translated -------------------
locale_dirs = ["locale/"]
gettext_compact = False
gettext_location = False
gettext_uuid = False
gettext_additional_targets = []
gettext_last_translator = "The authors"
gettext_language_team = "Simplified Chinese"

# Site ---------------------------------------------------------------------------------------
html_theme = "sphinx_book_theme"
html_title = project
html_static_path = ["_static/web"]
html_css_files = ["book.css", "extras.css"]
html_copy_source = False
html_use_index = False
html_math_renderer = "temml"
html_show_sourcelink = False
html_show_sphinx = False
html_permalinks_icon = "#"
html_last_updated_fmt = None
html_baseurl = ""  # from the setting baseurl (_ext/settings.py)
html_theme_options = {
    "home_page_in_toc": False,
    "show_navbar_depth": 2,
    "show_toc_level": 2,
    "use_download_button": False,
    "use_fullscreen_button": False,
    "primary_sidebar_end": [],
    "footer_content_items": ["copyright.html"],
    "article_header_end": [
        "article-header-buttons.html",
        "pdf-link.html",
        "language-switch.html",
    ],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
copybutton_prompt_text = r"\$ |>>> "
copybutton_prompt_is_regexp = True

# Print --------------------------------------------------------------------------------------
latex_engine = "xelatex"
