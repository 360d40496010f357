"""Behind each entry of the glossary the chapters that use the term: `Chapters 1, 6`, a link to its first place in each."""

from __future__ import annotations

from docutils import nodes
from languages import LANGUAGES
from sphinx import addnodes
from sphinx.transforms.post_transforms import SphinxPostTransform
from tips import glossaries

CLASS = "term-places"
NUMBER = "{n}"
Places = dict[
    str, str
]  # by term in lower case: the section in which a page first uses it


def places(env) -> dict[str, Places]:
    """What was collected, by page."""
    if not hasattr(env, "book_term_places"):
        env.book_term_places = {}
    return env.book_term_places


def section_of(node: nodes.Node) -> str:
    """The id of the section in which a node stands."""
    while node is not None and not isinstance(node, nodes.section):
        node = node.parent
    return node["ids"][0] if node is not None else ""


def on_read(app, doctree) -> None:
    found: Places = {}
    for one in doctree.findall(addnodes.pending_xref):
        if one.get("reftype") == "term":
            found.setdefault(one["reftarget"].lower(), section_of(one))
    places(app.env)[app.env.docname] = found


def on_purge(app, env, docname) -> None:
    places(env).pop(docname, None)


def on_merge(app, env, docnames, other) -> None:
    places(env).update({name: places(other).get(name, {}) for name in docnames})


def on_updated(app, env) -> list[str]:
    """The glossary names other pages, so it is written anew each time."""
    return glossaries(env)


def numbered(env) -> list[tuple[str, str]]:
    """Number and name of each chapter, in order."""
    tops = {page: numbers.get("", ()) for page, numbers in env.toc_secnumbers.items()}
    order = sorted((number, page) for page, number in tops.items() if number)
    return [(".".join(map(str, number)), page) for number, page in order]


def anchors_of_terms(env) -> dict[str, str]:
    """The id of each term's entry, by the term in lower case; a translated term has its English name, too."""
    objects = env.get_domain("std").objects.items()
    return {name.lower(): at for (kind, name), (_, at) in objects if kind == "term"}


class TermPlaces(SphinxPostTransform):
    default_priority = 26  # references are resolved, Chinese is sorted, lines are not yet kept together
    formats = ("html", "latex")

    def run(self, **kwargs) -> None:
        anchors = anchors_of_terms(self.env)
        for glossary in self.document.findall(addnodes.glossary):
            for item in glossary.findall(nodes.definition_list_item):
                terms = {one for term in item[:-1] for one in term["ids"]}
                links = []
                for number, page in numbered(self.env):
                    used = places(self.env).get(page, {}).items()
                    # Of a term with two names the first that stands there: a page is linked once.
                    first = [at for name, at in used if anchors.get(name) in terms][:1]
                    links += [self.link(number, page, section) for section in first]
                if links:
                    item[-1][-1] += [nodes.Text(" "), self.line(links)]

    def link(self, number: str, page: str, section: str) -> nodes.reference:
        # A relative address is the HTML builder's; LaTeX has one for the whole book.
        address = self.env.app.builder.get_relative_uri(self.env.docname, page)
        title = f"{number}. {self.env.titles[page].astext()}"
        return nodes.reference(
            "",
            number,
            internal=True,
            refuri=f"{address}#{section}" if section else address,
            reftitle=title,
        )

    def line(self, links: list[nodes.reference]) -> nodes.inline:
        """`Chapters 1, 6` in the edition's words."""
        say = LANGUAGES[self.config.language].say
        words = say("Chapters\u00a0{n}" if len(links) > 1 else "Chapter\u00a0{n}")
        before, after = words.split(NUMBER)
        between = say("{n}, {n}").split(NUMBER)[1]
        line = nodes.inline("", "", nodes.Text(before), classes=[CLASS])
        for at, link in enumerate(links):
            line += [nodes.Text(between), link] if at else [link]
        line += nodes.Text(after)
        return line


def setup(app):
    app.add_post_transform(TermPlaces)
    app.connect("doctree-read", on_read)
    app.connect("env-purge-doc", on_purge)
    app.connect("env-merge-info", on_merge)
    app.connect("env-get-updated", on_updated)
    return {"env_version": 1, "parallel_read_safe": True, "parallel_write_safe": True}
