"""Chapters are numbered through the whole book, not afresh in each part.

Each part's `index.md` has its own numbered toctree, which Sphinx starts at 1. After Sphinx has
numbered them, the chapters are counted again in the order of the book, before figures get theirs.

On the web the parts have numbers, too, as print gives them: in the contents, in the links to the next page,
above a part's title and, as the way back, above a chapter's.
"""

from docutils import nodes
from languages import LANGUAGES
from sphinx.environment.collectors.toctree import TocTreeCollector

ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX")


def parts_in_order(env) -> list[str]:
    """Names of the documents with a numbered toctree, in the order of the root document."""
    ordered = env.toctree_includes.get(env.config.root_doc, [])
    return [name for name in ordered if name in env.numbered_toctrees]


def part_label(number: int, language: str) -> str:
    """`Part II`, in the language of the edition."""
    chinese = language.startswith("zh")
    digits = "一二三四五六七八九"[number - 1] if chinese else ROMAN[number - 1]
    return LANGUAGES[language].say("Part {n}").format(n=digits)


def has_number(title: nodes.Element) -> bool:
    """Whether a part's title has been given its number and the dot behind it."""
    return "part-number" in getattr(title[0], "attributes", {}).get("classes", ())


def bare(title: nodes.Element) -> str:
    """What a page is called, without its part's number."""
    return "".join(one.astext() for one in title[2 if has_number(title) else 0 :])


def name_parts(env) -> None:
    """Set each part's number before its title, wherever the title is shown."""
    for number, name in enumerate(parts_in_order(env), start=1):
        label = part_label(number, env.config.language)
        entry = next(iter(env.tocs[name].findall(nodes.reference)))
        for title in (env.titles[name], entry):
            if has_number(title):
                del title[:2]  # of an earlier build
            title.insert(0, nodes.inline("", label, classes=["part-number"]))
            title.insert(1, nodes.Text(" · "))


def part_of(env, pagename: str) -> str:
    """The part that a chapter belongs to; "" for other pages."""
    for part in parts_in_order(env):
        if pagename in env.toctree_includes.get(part, []):
            return part
    return ""


def on_page(app, pagename, templatename, context, doctree) -> None:
    """Above the title: of a chapter the way to its part, of a part its number."""
    env, context["book_part"] = app.env, None
    if part := part_of(env, pagename):
        context["book_part"] = {
            "href": app.builder.get_relative_uri(pagename, part),
            "title": env.titles[part].astext(),
        }
    elif pagename in (parts := parts_in_order(env)):
        label = part_label(parts.index(pagename) + 1, app.config.language)
        number = f'<span class="part-number">{label}</span> · '
        context["body"] = context["body"].replace("<h1>", f"<h1>{number}", 1)


def renumber(env, docname: str, number: int) -> None:
    """Put `number` in the first place of every section number of a chapter."""
    secnumbers = env.toc_secnumbers[docname]
    for anchor, old in secnumbers.items():
        secnumbers[anchor] = (number, *old[1:]) if old else old
    for reference in env.tocs[docname].findall(nodes.reference):
        if old := reference.get("secnumber"):
            reference["secnumber"] = [number, *old[1:]]
    if env.titles[docname].get("secnumber"):
        env.titles[docname]["secnumber"] = [number]


class BookNumbers(TocTreeCollector):
    """Sphinx's collector with one more step between section and figure numbers."""

    def assign_section_numbers(self, env) -> list[str]:
        before = {name: dict(numbers) for name, numbers in env.toc_secnumbers.items()}
        super().assign_section_numbers(env)
        chapters = [
            c
            for part in parts_in_order(env)
            for c in env.toctree_includes.get(part, [])
        ]
        for number, docname in enumerate(chapters, start=1):
            renumber(env, docname, number)
        if env.app.builder.format == "html":
            name_parts(env)
        return [
            name for name, now in env.toc_secnumbers.items() if before.get(name) != now
        ]


def setup(app):
    # Sphinx's own collector has connected its handlers already: take its place, do not run twice.
    for listeners in app.events.listeners.values():
        listeners[:] = [
            entry
            for entry in listeners
            if type(getattr(entry.handler, "__self__", None)) is not TocTreeCollector
        ]
    app.add_env_collector(BookNumbers)
    app.connect("html-page-context", on_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
