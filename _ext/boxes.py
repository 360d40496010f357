"""A box right below a heading that says the same, as *In production* below `## In production`, is not named twice."""

from __future__ import annotations

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform


class NamedAbove(SphinxPostTransform):
    """Mark such a box, for the style sheet to leave its title out."""

    default_priority = 500
    formats = ("html",)

    def run(self, **kwargs) -> None:
        for section in self.document.findall(nodes.section):
            title, *below = [
                one for one in section if not isinstance(one, nodes.Invisible)
            ]
            box = below[0] if below else None
            if isinstance(box, nodes.admonition) and box[0].astext() == title.astext():
                box["classes"].append("named-above")


def setup(app):
    app.add_post_transform(NamedAbove)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
