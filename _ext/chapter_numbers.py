"""Chapters are numbered through the whole book, not afresh in each part.

Each part's `index.md` has its own numbered toctree, which Sphinx starts at 1. After Sphinx has
numbered them, the chapters are counted again in the order of the book, before figures get theirs.
"""

from docutils import nodes
from sphinx.environment.collectors.toctree import TocTreeCollector


def parts_in_order(env) -> list[str]:
    """Names of the documents with a numbered toctree, in the order of the root document."""
    ordered = env.toctree_includes.get(env.config.root_doc, [])
    return [name for name in ordered if name in env.numbered_toctrees]


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
    return {"parallel_read_safe": True, "parallel_write_safe": True}
