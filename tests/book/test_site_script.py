"""The one script: every part in it, each in its own scope, nothing else in the way of the page."""

from __future__ import annotations

import re

import pytest

from tests.book.conftest import SITE
from tools import LANGUAGES

import site_script  # isort: skip

EDITIONS = [SITE / one.folder for one in LANGUAGES.values()]
SCRIPT = re.compile(r"<script\b([^>]*)>(.*?)</script>", re.DOTALL)


def test_parts_do_not_see_each_other_s_names(tmp_path):
    for number, name in enumerate(site_script.SCRIPTS):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"const same = {number};\n//# sourceMappingURL=x.map")
    script = site_script.joined(tmp_path)
    assert script.startswith(site_script.BEGINNING) and "sourceMappingURL" not in script
    scopes = re.findall(r"\(function \(\) \{\nconst same = (\d);\n\}\)", script)
    assert scopes == [str(n) for n in range(len(site_script.SCRIPTS))]


def test_comments_stay_with_the_source_and_strings_are_kept(tmp_path):
    for name in site_script.SCRIPTS:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            '// why\n/**\n * What it does.\n */\nconst at = "http://x"; // here\n\n  // and there\n'
        )
    script = site_script.joined(tmp_path)
    assert script.count('const at = "http://x"; // here') == len(site_script.SCRIPTS)
    others = len(site_script.SCRIPTS) - len(site_script.OWN)
    assert script.count("What it does") == script.count("and there") == others


@pytest.mark.built
@pytest.mark.parametrize("edition", EDITIONS, ids=lambda path: path.name)
def test_pages_load_one_script_after_themselves(edition):
    """Beside it only the line that sets light or dark before the first paint, and tabs where there are any."""
    for page in [edition / "index.html", *edition.glob("chapters/**/*.html")]:
        html = page.read_text("utf-8")
        if 'http-equiv="refresh"' in html:
            continue  # a redirect
        found = SCRIPT.findall(html)
        files = [attributes for attributes, _ in found if "src=" in attributes]
        tabs = [one for one in files if "design-tabs.js" in one]
        (site,) = [one for one in files if one not in tabs]
        assert " defer" in site and re.search(r"_static/site\.js\?v=[0-9a-f]{8}", site)
        assert bool(tabs) == ("sd-tab-set" in html)
        inline = [text for attributes, text in found if "src=" not in attributes]
        assert len(inline) == 1 and "dataset.theme" in inline[0], page
    for name in site_script.GONE:
        assert not (edition / name).exists()
    assert (edition / site_script.BUNDLE).stat().st_size < 60_000
