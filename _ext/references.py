"""How the references are set: titles as published, further authors as the language says it.

pybtex's `unsrt` sets a title in lower case but for its first letter, which spoils names (`Llama.cpp`), and
prints `and others`.
"""

from __future__ import annotations

import re

from languages import LANGUAGES
from pybtex.plugin import register_plugin
from pybtex.richtext import Text
from pybtex.style.formatting import unsrt
from pybtex.style.template import FieldIsMissing, field, join, node, sentence

DAY = re.compile(r"(, )?\b(Opened|[Rr]ead) (?=\d{4}-\d\d-\d\d)")


@node
def people(children, context, role: str, say):
    """The authors of an entry: `A, B, and C`, or `A et al.`."""
    assert not children
    style, entry = context["style"], context["entry"]
    if role not in entry.persons:
        raise FieldIsMissing(role, entry)
    named = entry.persons[role]
    more = str(named[-1]) == "others"
    known = named[:-1] if more else named
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

    def format_entry(self, label, entry, bib_data=None):
        """With the note's `Read 2026-11-26` in the edition's words."""
        if note := entry.fields.get("note"):
            entry.fields["note"] = DAY.sub(
                lambda found: self.say(f"{found[1] or ''}{found[2]} "), note
            )
        return super().format_entry(label, entry, bib_data)


def on_config(app, config) -> None:
    say = LANGUAGES[config.language].say

    class Here(Style):
        pass

    Here.say = staticmethod(say)
    register_plugin("pybtex.style.formatting", "book", Here, force=True)
    config.bibtex_default_style = "book"


def setup(app):
    app.connect("config-inited", on_config)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
