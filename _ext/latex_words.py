"""What the print edition says by itself, and the LaTeX that it says it in: the templates of `latex/`, filled.

Chapter and part heads, the title page, the colophon with the edition's day, its licenses and its addresses.
"""

from __future__ import annotations

import datetime
import functools
import os
import re
import subprocess
from pathlib import Path

from languages import LANGUAGES
from settings import setting

ROOT = Path(__file__).parent.parent
TEMPLATES = Path(__file__).parent / "latex"
TEXT_LICENSE = "https://creativecommons.org/licenses/by/4.0/"
CODE_LICENSE = "https://www.apache.org/licenses/LICENSE-2.0"

WORDS = {
    "en": {
        "chapter": r"Chapter \thechapter",
        "part": r"Part \Roman{part}",
        "contents": "Contents",
        "script": "latin",  # the template of what only this script needs
        "leading": "1.04",  # how far the lines stand apart
        "page": ", page~{page}",  # where a link leads, on paper
        "page in brackets": " (page~{page})",
        "cover": r"LLM Inference\\from Principles to Production",
        "edition": "Edition of {date}",
        "license": "Text, figures and translations: Creative Commons Attribution 4.0 International (CC BY 4.0), "
        rf"\url{{{TEXT_LICENSE}}}. Code: Apache License 2.0, \url{{{CODE_LICENSE}}}.",
        "site": r"The book on the web: \url{{{address}}}.",
        "repository": r"Its source, and the place to report an error: \url{{{address}}}.",
        "cite": r"To cite it: {author}. \textit{{{title}}}. {edition}.",
    },
    "zh_CN": {
        "chapter": r"第 \thechapter\ 章",
        "part": r"第\ifcase\value{part}\or 一\or 二\or 三\or 四\or 五\or 六\or 七\or 八\fi 部分",
        "contents": "目录",
        "script": "chinese",
        "leading": "1.18",
        "page": "，第~{page}~页",
        "page in brackets": "（第~{page}~页）",
        "cover": "LLM 从原理到生产级推理",
        "edition": "{date} 版",
        "license": r"正文、插图与译文：知识共享署名 4.0 国际（CC BY 4.0），"
        rf"\url{{{TEXT_LICENSE}}}。代码：Apache License 2.0，\url{{{CODE_LICENSE}}}。",
        "site": r"网页版：\url{{{address}}}。",
        "repository": r"源文件与勘误：\url{{{address}}}。",
        "cite": "引用格式：{author}，《{title}》，{edition}。",
    },
}


def words_of(language: str) -> dict[str, str]:
    """The words of an edition; a third language has the English ones."""
    return WORDS.get(language, WORDS["en"] | {"cover": LANGUAGES[language].title})


def edition_date() -> str:
    """The day of SOURCE_DATE_EPOCH, else of the last commit, else today: YYYY-MM-DD."""
    moment = datetime.datetime.fromtimestamp(edition_second(), datetime.UTC)
    return moment.date().isoformat()


def edition_second() -> int:
    """The same moment in seconds since 1970, for the dates inside the PDF."""
    seconds = os.environ.get("SOURCE_DATE_EPOCH", "")
    return int(seconds) if seconds.isdigit() else second_of_commit()


@functools.cache
def second_of_commit() -> int:
    """When the last commit was made; now, where there is no git or no history."""
    command = ["git", "log", "-1", "--format=%ct"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        return int(done.stdout)
    except (FileNotFoundError, ValueError):
        return int(datetime.datetime.now(datetime.UTC).timestamp())


def colophon(language: str, author: str) -> str:
    """What the page behind the title says, a paragraph a line."""
    words, title = words_of(language), LANGUAGES[language].title
    edition = words["edition"].format(date=edition_date())
    lines = [rf"\textbf{{{title}}}", edition, words["license"]]
    for name, key in (("site", "baseurl"), ("repository", "repository")):
        if address := setting(key):
            lines.append(words[name].format(address=address))
    lines.append(words["cite"].format(author=author, title=title, edition=edition))
    return "\n\n".join(lines)


def filled(template: str, language: str, author: str) -> str:
    """The named file of `latex/` with its @NAMES@ replaced."""
    words = words_of(language)
    other = "zh_CN" if language == "en" else "en"
    table = {name.upper(): text for name, text in words.items()}
    table |= {
        "SCRIPT": (TEMPLATES / f"{words['script']}.tex").read_text("utf-8"),
        "EDITION": words["edition"].format(date=edition_date()),
        "COLOPHON": colophon(language, author),
        "TITLE": LANGUAGES[language].title,
        "OTHER": LANGUAGES[other].title,
        "AUTHOR": author,
        "LANG": LANGUAGES[language].code,
    }
    text = (TEMPLATES / f"{template}.tex").read_text("utf-8")
    return re.sub(r"@([A-Z]+)@", lambda name: table[name[1]], text)
