"""Listings from files: highlighted by the file's name, without indentation that is not theirs; a caption that is a path is code, and leads to the file."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path, PurePath

from docutils import nodes
from settings import setting
from sphinx.transforms import SphinxTransform
from sphinx.transforms.post_transforms import SphinxPostTransform

PATH = re.compile(r"[\w.-]+(/[\w.-]+)+\.\w+")
ROOT = Path(__file__).parent.parent
LANGUAGES = {".py": "python", ".json": "json", ".yaml": "yaml", ".sh": "bash"}


class ListingLanguage(SphinxTransform):
    """Give a literal block with a source file and no language the language of the file's name."""

    default_priority = 400  # before Sphinx settles on the default language

    def apply(self, **kwargs) -> None:
        for node in self.document.findall(nodes.literal_block):
            suffix = PurePath(node.get("source", "")).suffix
            if suffix in LANGUAGES and "language" not in node:
                node["language"] = LANGUAGES[suffix]


class Dedented(SphinxTransform):
    """What is shown out of a class or a function begins at the margin."""

    default_priority = 400

    def apply(self, **kwargs) -> None:
        for node in self.document.findall(nodes.literal_block):
            if node.get("source", "").endswith(".py"):
                text = textwrap.dedent(node.astext())
                node.rawsource = text
                node.children = []
                node += nodes.Text(text)


class PathCaption(SphinxPostTransform):
    """A caption that is the path of a file, in the type of code; a link when a repository is configured."""

    default_priority = 500
    formats = ("html",)

    def run(self, **kwargs) -> None:
        for caption in self.document.findall(nodes.caption):
            if PATH.fullmatch(text := caption.astext()):
                name = nodes.literal(text, text)
                caption.children = []
                base = self.config.listing_repository
                if base and (ROOT / text).is_file():
                    name = nodes.reference(
                        "", "", name, refuri=f"{base}/blob/HEAD/{text}"
                    )
                caption += name


def setup(app):
    app.add_config_value("listing_repository", setting("repository"), "html", str)
    app.add_transform(ListingLanguage)
    app.add_transform(Dedented)
    app.add_post_transform(PathCaption)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
