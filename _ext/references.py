"""How references are set, in their list and in sentences: titles as published, further authors as the language says.

pybtex's `unsrt` sets a title in lower case but for its first letter, which spoils names (`Llama.cpp`), and
prints `and others`; sphinxcontrib-bibtex knows no language but English.
"""

from __future__ import annotations

import re

from languages import LANGUAGES
from pybtex.database import Entry
from pybtex.plugin import register_plugin
from pybtex.richtext import Tag, Text
from pybtex.style.formatting import unsrt
from pybtex.style.template import (
    FieldIsMissing,
    field,
    first_of,
    href,
    join,
    node,
    optional,
    sentence,
)
from sphinxcontrib.bibtex import plugin
from sphinxcontrib.bibtex.style.referencing import PersonStyle
from sphinxcontrib.bibtex.style.referencing.label import LabelReferenceStyle

DAY = re.compile(r"(, )?\b(Opened|[Rr]ead) (?=\d{4}-\d\d-\d\d)")


def named_and_more(persons: list) -> tuple[list, bool]:
    """The authors that an entry names, and whether it says `and others`."""
    more = str(persons[-1]) == "others"
    return (persons[:-1] if more else persons), more


@node
def people(children, context, role: str, say):
    """The authors of an entry: `A, B, and C`, or `A et al.`."""
    assert not children
    style, entry = context["style"], context["entry"]
    if role not in entry.persons:
        raise FieldIsMissing(role, entry)
    known, more = named_and_more(entry.persons[role])
    names = [style.format_name(one, style.abbreviate_names) for one in known]
    if more:
        return Text(join(sep=", ")[names].format_data(context), " ", say("et al."))
    return join(sep=", ", sep2=" and ", last_sep=", and ")[names].format_data(context)


class Style(unsrt.Style):
    """`unsrt` in the language of the edition."""

    say = staticmethod(str)

    def format_names(self, role, as_sentence=True):
        found = people(role, self.say)
        return sentence[found] if as_sentence else found

    def format_title(self, e, which_field, as_sentence=True):
        title = field(which_field)
        return sentence[title] if as_sentence else title

    def format_url(self, e):
        url = field("url", raw=True)
        return join[self.say("URL: "), href(url)[url]]

    def format_entry(self, label, entry, bib_data=None):
        """With the note's `Read 2026-11-26` in the edition's words; the entry is the whole book's and stays."""
        if note := entry.fields.get("note"):
            key = entry.key
            entry = Entry(entry.type, entry.fields, entry.persons)
            entry.key, entry.fields["note"] = key, DAY.sub(self.day, note)
        return super().format_entry(label, entry, bib_data)

    def day(self, found: re.Match) -> str:
        """`Read ` or `, read ` as the edition says it."""
        comma, word = found[1] or "", f"{found[2].capitalize()} "
        said = self.say(word)
        return found[0] if said == word else (comma and self.say(comma)) + said


@node
def cited(children, data, person, say):
    """The authors in a sentence, by last names: `A`, `A and B`, `A et al.`."""
    assert not children
    entry = data["entry"]
    if "author" not in entry.persons:
        raise FieldIsMissing("author", entry)
    known, more = named_and_more(entry.persons["author"])
    names = [person.style_plugin.format(one).format_data(data) for one in known]
    if more or len(names) > 2:
        words = say("*et al.*")
        return Text(
            names[0], " ", Tag("em", words.strip("*")) if "*" in words else words
        )
    return Text(say(" and ")).join(names)


def in_sentences(say) -> type[LabelReferenceStyle]:
    """The style of {cite:t} in a language."""

    class Person(PersonStyle):
        def author_or_editor_or_title(self, full: bool):
            known = super().author_or_editor_or_title(full)
            return known if full else first_of[optional[cited(self, say)], known]

    class Here(LabelReferenceStyle):
        def __init__(self):
            super().__init__(person=Person())

    return Here


def on_config(app, config) -> None:
    say = LANGUAGES[config.language].say
    here = type("Here", (Style,), {"say": staticmethod(say)})
    register_plugin("pybtex.style.formatting", "book", here, force=True)
    plugin.register_plugin(
        "sphinxcontrib.bibtex.style.referencing", "book", in_sentences(say), force=True
    )
    config.bibtex_default_style = config.bibtex_reference_style = "book"


def setup(app):
    app.connect("config-inited", on_config)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
