"""A drawing of matplotlib with a third of its elements: the same picture, quicker to lay out.

Matplotlib wraps every mark in groups of its own and repeats a marker by a `<use>` for each point, which a
browser expands into a tree of its own. Here groups that say nothing go, a run of equal marks becomes one
path, and what all words share (their fonts) is said once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from xml.etree import ElementTree as ET

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
ET.register_namespace("", SVG)
ET.register_namespace("xlink", XLINK)
HREF, USE, GROUP, PATH = (
    f"{{{XLINK}}}href",
    f"{{{SVG}}}use",
    f"{{{SVG}}}g",
    f"{{{SVG}}}path",
)
FEW = 3  # a run of fewer equal marks stays as it is
FAMILY = re.compile(r"font-family: ([^;]+);? ?")
COMMAND = re.compile(r"([A-Za-z])([^A-Za-z]*)")


def number(value: float) -> str:
    """Two decimals of a CSS pixel, without the zeros that say nothing."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def declarations(style: str) -> dict[str, str]:
    """`fill: red; stroke: none` as a mapping."""
    pairs = (part.partition(":") for part in style.split(";") if part.strip())
    return {name.strip(): value.strip() for name, _, value in pairs}


def outline(path: str) -> list[tuple[str, list[float]]]:
    """The commands of a path with absolute coordinates, as matplotlib writes them (M L C Q z)."""
    return [
        (command, [float(word) for word in numbers.replace(",", " ").split()])
        for command, numbers in COMMAND.findall(path)
    ]


def moved(commands: list[tuple[str, list[float]]], x: float, y: float) -> str:
    """The path at another place."""
    return "".join(
        command + " ".join(number(v + (y if i % 2 else x)) for i, v in enumerate(found))
        for command, found in commands
    )


def radius(commands: list[tuple[str, list[float]]]) -> float:
    """The radius of matplotlib's round marker, eight curves around the origin; 0 for another shape."""
    if "".join(command for command, _ in commands) != "MCCCCCCCCz":
        return 0.0
    ends = [found[-2:] for _, found in commands if found]
    lengths = [(x * x + y * y) ** 0.5 for x, y in ends]
    return lengths[0] if max(lengths) - min(lengths) < 0.02 * lengths[0] else 0.0


def dots(marker: float, style: dict[str, str], places: list[tuple[float, float]]):
    """Filled circles as one path of lines without length and with round ends; None where they have a rim."""
    rim = style.get("stroke", "none")
    if style.get("fill", "none") == "none" or rim not in ("none", style["fill"]):
        return None
    width = 2 * marker + (float(style.get("stroke-width", 1)) if rim != "none" else 0.0)
    drawn = {
        "fill": "none",
        "stroke": style["fill"],
        "stroke-width": number(width),
        "stroke-linecap": "round",
    }
    if "fill-opacity" in style:
        drawn["stroke-opacity"] = style["fill-opacity"]
    return "".join(f"M{number(x)} {number(y)}h0" for x, y in places), drawn


def one_path(marker: ET.Element, marks: list[ET.Element]) -> ET.Element:
    """A run of equal marks as a single path; where they lie over each other, they count once."""
    commands = outline(marker.get("d", ""))
    # A marker's own style is stronger than what it inherits from its use.
    style = declarations(marks[0].get("style", "") + ";" + marker.get("style", ""))
    places = [(float(mark.get("x", 0)), float(mark.get("y", 0))) for mark in marks]
    around = radius(commands)
    found = dots(around, style, places) if around else None
    data, drawn = found or ("".join(moved(commands, *at) for at in places), style)
    text = "; ".join(f"{name}: {value}" for name, value in drawn.items())
    attributes = {k: v for k, v in marks[0].attrib.items() if k == "clip-path"}
    return ET.Element(PATH, {"d": data, "style": text} | attributes)


def unwrapped(element: ET.Element) -> Iterator[ET.Element]:
    """The element, or in place of a group without attributes what it holds."""
    children = [one for child in element for one in unwrapped(child)]
    if element.tag == GROUP and not element.attrib:
        yield from children
        return
    element[:] = children
    yield element


def merged(parent: ET.Element, markers: dict[str, ET.Element]) -> None:
    """Put each run of equal marks among the children into one path."""

    def kind(child: ET.Element) -> tuple[str, ...]:
        if child.tag != USE or child.get(HREF, "") not in markers:
            return (str(id(child)),)
        return tuple(child.get(name, "") for name in (HREF, "style", "clip-path"))

    children: list[ET.Element] = []
    for _, run in groupby(list(parent), key=kind):
        marks = list(run)
        if len(marks) >= FEW:
            children.append(one_path(markers[marks[0].get(HREF, "")], marks))
        else:
            children += marks
    parent[:] = children
    for child in parent:
        merged(child, markers)


def lean(svg: str) -> str:
    """The drawing with fewer elements; ids that nothing points to must have gone before."""
    root = ET.fromstring(svg)
    root[:] = [one for child in root for one in unwrapped(child)]
    markers = {f"#{path.get('id')}": path for path in root.iter(PATH) if path.get("id")}
    for path in root.iter(PATH):
        path.set("d", moved(outline(path.get("d", "")), 0, 0))
    merged(root, markers)
    used = {use.get(HREF) for use in root.iter(USE)}
    for parent in list(root.iter()):
        for path in [
            p for p in parent if p.tag == PATH and f"#{p.get('id')}" in markers
        ]:
            if f"#{path.get('id')}" not in used:
                parent.remove(path)
    families = {m[1] for m in FAMILY.finditer(svg)}
    if len(families) == 1:
        for element in root.iter():
            if "style" in element.attrib:
                element.set("style", FAMILY.sub("", element.get("style", "")))
        root.set("font-family", families.pop())
    return ET.tostring(root, encoding="unicode")
