"""What looks at the PDFs bites: a small file that is right, damaged one way at a time."""

from __future__ import annotations

from io import BytesIO

import pytest
from pypdf import PdfReader, PdfWriter
from pypdf.generic import (
    ArrayObject,
    DecodedStreamObject,
    DictionaryObject,
    FloatObject,
    NameObject,
    TextStringObject,
)

from tests.book import pdf_look

Name, Text, Dict = NameObject, TextStringObject, DictionaryObject
TITLE, CODE = "A book", "en"
WANTED = [(0, "Preface"), (0, "Part I One"), (1, "1 First"), (1, "2 Next"), (0, "End")]


def font(writer: PdfWriter, name: str, embedded: bool = True) -> Dict:
    descriptor = Dict({Name("/Type"): Name("/FontDescriptor")})
    if embedded:
        descriptor[Name("/FontFile2")] = writer._add_object(DecodedStreamObject())
    kind = {"/Type": "/Font", "/Subtype": "/TrueType", "/BaseFont": f"/ABCDEF+{name}"}
    made = Dict({Name(key): Name(value) for key, value in kind.items()})
    made[Name("/FontDescriptor")] = descriptor
    return made


def link(**of_action: str) -> Dict:
    """A link by its action: `S` says of what kind."""
    action = Dict({Name("/S"): Name(of_action.pop("S"))})
    action.update({Name(f"/{k}"): Text(v) for k, v in of_action.items()})
    area = ArrayObject([FloatObject(side) for side in (0, 0, 9, 9)])
    return Dict(
        {
            Name("/Type"): Name("/Annot"),
            Name("/Subtype"): Name("/Link"),
            Name("/Rect"): area,
            Name("/A"): action,
        }
    )


def made(**changed) -> PdfReader:
    """A file of two pages, right but for what is changed."""
    parts = {
        "title": TITLE,
        "author": f"The authors of {TITLE}",
        "lang": CODE,
        "marks": [(0, "Contents"), *WANTED[:3], (2, "1.1 x"), *WANTED[3:], (1, "y")],
        "fonts": [("Serif", True), ("SansMono", True)],
        "links": [link(S="/GoTo", D="here"), link(S="/URI", URI="https://example.org")],
        "text": "Words {",
    } | changed
    writer = PdfWriter()
    page = writer.add_blank_page(595, 842)
    writer.add_blank_page(595, 842)
    writer.add_metadata({"/Title": parts["title"], "/Author": parts["author"]})
    if parts["lang"]:
        writer.root_object[Name("/Lang")] = Text(parts["lang"])
    above: list = []
    for level, title in parts["marks"]:
        del above[level:]
        parent = above[-1] if above else None
        above.append(writer.add_outline_item(title=title, page_number=0, parent=parent))
    writer.add_named_destination("here", 1)
    page[Name("/Annots")] = ArrayObject(map(writer._add_object, parts["links"]))
    fonts = {Name(f"/F{n}"): font(writer, *one) for n, one in enumerate(parts["fonts"])}
    page[Name("/Resources")] = Dict({Name("/Font"): Dict(fonts)})
    stream = DecodedStreamObject()
    drawn = f"BT /F0 9 Tf 9 700 Td <{parts['text'].encode().hex()}> Tj /F1 9 Tf 0 -20 Td (a ** b) Tj ET"
    stream.set_data(drawn.encode())
    page[Name("/Contents")] = writer._add_object(stream)
    file = BytesIO()
    writer.write(file)
    return PdfReader(file)


def look(reader: PdfReader) -> list[str]:
    return [
        *pdf_look.information(reader, TITLE, CODE),
        *pdf_look.bookmarks(reader, WANTED),
        *pdf_look.fonts(reader, ["serif"]),
        *pdf_look.links(reader, least=1),
        *pdf_look.markup(reader),
    ]


def test_a_file_that_is_right_passes():
    assert look(made()) == []


def without(what: str) -> list[tuple[int, str]]:
    marks = [(0, "Contents"), *WANTED]
    return [mark for mark in marks if mark[1] != what]


SWAPPED = [(0, "Contents"), *WANTED[:2], WANTED[3], WANTED[2], WANTED[4]]


@pytest.mark.parametrize(
    ("part", "value", "told"),
    [
        ("title", "Another", "the title is 'Another'"),
        ("author", "Nobody", "the author is 'Nobody'"),
        ("lang", "zh-CN", "the language is 'zh-CN'"),
        ("lang", "", "the language is None"),
        ("marks", without("2 Next"), "no bookmark '2 Next' at depth 1"),
        ("marks", without("Preface"), "no bookmark 'Preface' at depth 0"),
        ("marks", [*without(""), (0, "Index")], "'Index' at depth 0 is no page"),
        (
            "marks",
            [*without("End"), (1, "End")],
            "'End' at depth 1 is no page of the book",
        ),
        ("marks", SWAPPED, "not in the book's order"),
        (
            "fonts",
            [("Serif", False), ("SansMono", True)],
            "the font /ABCDEF+Serif is not embedded",
        ),
        ("fonts", [("Roman", True), ("SansMono", True)], "there is no font serif"),
        (
            "links",
            [link(S="/GoTo", D="gone")],
            "page 1: a link leads to gone, which is nowhere",
        ),
        (
            "links",
            [link(S="/GoTo", D="here"), link(S="/URI", URI="../x.html")],
            "../x.html is no address",
        ),
        ("links", [], "0 links inside"),
        *(
            ("text", f"Words {mark}", "page 1: ")
            for mark in ("{{", "}}", "%{x", "**", "](", ":::", "[^", "{eq}", "{cite:t}")
        ),
    ],
)
def test_a_fault_is_named(part, value, told):
    faults = look(made(**{part: value}))
    assert any(told in fault for fault in faults), faults


def row(text: str, face: str, size: float = 10.9, place: float = 0.0) -> pdf_look.Row:
    made = pdf_look.Row(place)
    made.text, made.faces, made.size = text, {face}, size
    return made


def listing(lines: int) -> list[pdf_look.Row]:
    return [row("x", "SansMono", 8.9, -12.0 * n) for n in range(lines)]


TEXT, HEAD = row("Words", "Serif"), row("Head", "Heros-Bold", 14.3)


def test_lines_are_told_apart_by_place_and_face():
    lines = pdf_look.rows(made().pages[0])
    assert [line.text.strip() for line in lines] == ["a ** b"]  # the first is the head
    assert lines[0].is_code() and not lines[0].is_heading()


@pytest.mark.parametrize(
    ("page", "faulty"),
    [
        ([TEXT, TEXT, HEAD], True),
        ([TEXT, HEAD, TEXT], True),
        ([HEAD, TEXT, TEXT], False),
        ([HEAD, TEXT], False),  # a part's own page
    ],
)
def test_a_stranded_heading_is_found(page, faulty):
    assert bool(list(pdf_look.stranded([page]))) is faulty


@pytest.mark.parametrize(
    ("before", "after", "faulty"),
    [(4, 3, False), (3, 9, True), (9, 2, True), (9, 0, False), (0, 1, False)],
)
def test_a_torn_listing_is_found(before, after, faulty):
    pages = [[TEXT, *listing(before)], [*listing(after), TEXT]]
    assert bool(list(pdf_look.torn_code(pages, begin=4, end=3))) is faulty


@pytest.mark.parametrize(
    ("text", "face", "faulty"),
    [
        ("本。", "NotoSerifCJK", True),
        ("本", "NotoSerifCJK", True),
        ("本", "NotoSansCJK", False),
        ("本本。", "NotoSerifCJK", False),
    ],
)
def test_a_lone_character_is_found(text, face, faulty):
    assert bool(list(pdf_look.lone_characters([[row(text, face)]]))) is faulty


def test_a_page_that_no_link_leads_to_is_found():
    reader = made(text="see page 2, page 7,")
    told = r"page (\d+),"
    assert list(pdf_look.untold_pages(reader, told)) == [
        "page 1: no link leads to page 7"
    ]


def test_contrast_is_that_of_black_on_white():
    assert round(pdf_look.contrast("000000", "ffffff"), 2) == 21
    assert pdf_look.contrast("777777", "777777") == 1
