"""Listings from files: highlighted by the file's name, and a caption that is a path set as code."""

from __future__ import annotations

import re
from pathlib import PurePath

from docutils import nodes
from sphinx.transforms import SphinxTransform
from sphinx.transforms.post_transforms import SphinxPostTransform

PATH = re.compile(r"[\w.-]+(/[\w.-]+)+\.\w+")
LANGUAGES = {".py": "python", ".json": "json", ".yaml": "yaml", ".sh": "bash"}


class ListingLanguage(SphinxTransform):
    """Give a literal block with a source file and no language the language of the file's name."""

    default_priority = 400  # before Sphinx settles on the default language

    def apply(self, **kwargs) -> None:
        for node in self.document.findall(nodes.literal_block):
            suffix = PurePath(node.get("source", "")).suffix
            if suffix in LANGUAGES and "language" not in node:
                node["language"] = LANGUAGES[suffix]


class PathCaption(SphinxPostTransform):
    """A caption that is the path of a file, in the type of code."""

    default_priority = 500
    formats = ("html",)

    def run(self, **kwargs) -> None:
        for caption in self.document.findall(nodes.caption):
            if PATH.fullmatch(text := caption.astext()):
                caption.children = []
                caption += nodes.literal(text, text)


def setup(app):
    app.add_transform(ListingLanguage)
    app.add_post_transform(PathCaption)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
