"""The Chinese edition without the cost of parsing every message from scratch.

Sphinx translates by parsing each message as a document of its own, with a new MyST parser; MyST in turn
asks docutils for a new set of default settings each time. On the synthetic book of `make bench-build`, with
3,200 messages, that is nearly half of the build: 19 s of processor time without this extension, 11 s with it.
Here the settings and, while a message is parsed, the Markdown parser are made once. The nodes that come out
are the same (tests/book/test_fast_locale.py); they are also told which document they belong to, or each would
drag its own message's document into the pickled page.

This reaches into Sphinx and MyST, so it applies only to the versions it was written for.
"""

from __future__ import annotations

import copy
from contextlib import contextmanager

import docutils
import myst_parser
import myst_parser.mdit_to_docutils.base as renderer
import myst_parser.parsers.sphinx_ as parser
import sphinx
import sphinx.transforms.i18n as i18n
from sphinx.util import logging

logger = logging.getLogger(__name__)
WRITTEN_FOR = {"sphinx": "9.0.4", "myst_parser": "5.2.0", "docutils": "0.22.4"}
FOUND = {
    module.__name__: module.__version__ for module in (sphinx, myst_parser, docutils)
}

USABLE = FOUND == WRITTEN_FOR

if USABLE:  # another version may not have these names
    default_settings = renderer.get_default_settings
    new_md_parser = parser.create_md_parser
    publish = i18n._publish_msgstr
    update_leaves = i18n._NodeUpdater.update_leaves

_settings: dict = {}
_parsers: dict = {}


def settings_made_once(*components):
    """Default settings as docutils gives them, computed once; each caller gets a copy."""
    if components not in _settings:
        _settings[components] = default_settings(*components)
    return copy.copy(_settings[components])


def md_parser_made_once(config, renderer_class):
    """One Markdown parser for each configuration; it starts afresh with every message."""
    key = (id(config), renderer_class)
    if key not in _parsers:
        # The configuration is kept too, so that its id is not given to another one.
        _parsers[key] = (config, new_md_parser(config, renderer_class))
    return _parsers[key][1]


@contextmanager
def parsing_a_message():
    parser.create_md_parser = md_parser_made_once
    try:
        yield
    finally:
        parser.create_md_parser = new_md_parser


def publish_fast(*args, **kwargs):
    with parsing_a_message():
        return publish(*args, **kwargs)


def update_leaves_of_one_document(self) -> None:
    update_leaves(self)
    for node in self.node.findall():
        if node is not self.document:
            node._document = self.document


def switch(on: bool) -> None:
    """Put the fast functions in place, or Sphinx's and MyST's own back."""
    renderer.get_default_settings = settings_made_once if on else default_settings
    i18n._publish_msgstr = publish_fast if on else publish
    i18n._NodeUpdater.update_leaves = (
        update_leaves_of_one_document if on else update_leaves
    )


def setup(app):
    app.add_config_value("fast_locale", True, "", bool)
    app.connect("config-inited", on_config)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def on_config(app, config) -> None:
    if USABLE:
        switch(config.fast_locale)
    else:
        logger.info("fast_locale: not used with %s; the build is slower", FOUND)
