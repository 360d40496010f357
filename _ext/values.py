"""Computed and measured numbers in prose: one table, three ways to write a name.

In text the role {val}`kv-cache--bytes-8b`, in math `\\val{kv-cache--bytes-8b}`, in alternative text
`%{kv-cache--bytes-8b}` (there a role would vanish in silence). All three read `examples.values`. The
gettext builder sees names only, so a re-measured number changes no catalog.
"""

from __future__ import annotations

import importlib
import re

from docutils import nodes
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxRole

from examples import record, values

logger = logging.getLogger(__name__)
IN_MATH = re.compile(r"\\val\{([^}]*)\}")
IN_ALT = re.compile(r"%\{([^}]*)\}")
# Long numbers, and what is no quantity: words and years in them, tags, lengths.
LONG = re.compile(
    r"(?P<kept>\\(?:text|mathrm|operatorname|tag|label|hspace)\*?\{[^{}]*\})"
    r"|(?<![\d.,}])[1-9]\d{3,}(?!\d|\.\d)"
)
NUMBER_AND_UNIT = re.compile(r"^([\d.,\-−]+)(?:\s*(\D.*))?$")


def depend(env, key: str) -> None:
    """Read the page again when the chapter's module or one of its data files changes."""
    slug = key.split("--")[0]
    module = importlib.import_module(values.module_of(slug))
    env.note_dependency(module.__file__)
    for data in sorted(record.FOLDER.glob(f"{slug}--*.json")):
        env.note_dependency(str(data))


def resolve(env, key: str, location) -> str:
    try:
        text = values.lookup(key)
    except (KeyError, ValueError) as error:
        logger.warning(
            "value: %s", error.args[0], location=location, type="book", subtype="value"
        )
        return "?"
    depend(env, key)
    return text


def as_tex(text: str) -> str:
    """`131,072` and `128 KiB` as TeX: no gap after the comma, the unit upright."""
    match = NUMBER_AND_UNIT.match(text)
    if not match:
        return rf"\text{{{text}}}"
    number, unit = match[1].replace(",", "{,}").replace("−", "-"), match[2]
    return rf"{number}~\mathrm{{{unit}}}".replace("%", r"\%") if unit else number


def separated(tex: str) -> str:
    """Thousands in a formula as in the text: `4096` is set as 4,096."""

    def one(found: re.Match) -> str:
        return found["kept"] or f"{int(found[0]):,}".replace(",", "{,}")

    return LONG.sub(one, tex)


def written(text: str, language: str) -> str:
    """The text as the language sets it: Chinese has no gap before a percent sign."""
    chinese = language.startswith("zh")
    return text.replace("\N{NO-BREAK SPACE}%", "%") if chinese else text


class ValueRole(SphinxRole):
    """`` {val}`key` `` becomes the text of the key."""

    def run(self):
        if self.env.app.builder.name == "gettext":
            return [nodes.literal(self.rawtext, self.text)], []
        text = resolve(self.env, self.text, self.get_location())
        text = written(text, self.env.config.language)
        return [nodes.inline(self.rawtext, text, classes=["value"])], []


class ValuesInMathAndAlt(SphinxTransform):
    """After translation: names inside formulas and alternative texts become numbers."""

    default_priority = 60  # Locale runs at 20

    def apply(self, **kwargs) -> None:
        if self.app.builder.name == "gettext":
            return
        for node in self.document.findall(nodes.math_block):
            self._math(node)
        for node in self.document.findall(nodes.math):
            self._math(node)
        for node in self.document.findall(nodes.image):
            if "alt" in node:
                node["alt"] = IN_ALT.sub(
                    lambda match, node=node: written(
                        resolve(self.env, match[1], node), self.config.language
                    ),
                    node["alt"],
                )

    def _math(self, node) -> None:
        source = node.astext()
        tex = IN_MATH.sub(
            lambda match: as_tex(resolve(self.env, match[1], node)), source
        )
        tex = separated(tex)
        if tex != source:
            node.clear()
            node += nodes.Text(tex)
            node.rawsource = tex


def setup(app):
    app.add_role("val", ValueRole())
    app.add_transform(ValuesInMathAndAlt)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
