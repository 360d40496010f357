"""A data file says how it came about: a measurement its command, device, versions, date, samples and
prediction; a table of facts the source and the date of each row."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from pathlib import Path

from jsonschema import Draft202012Validator

from tools.gates.book import Book

DATE = {"type": "string", "pattern": r"^20\d\d-[01]\d-[0-3]\d$"}
TEXT = {"type": "string", "minLength": 3}
# An NVIDIA card is told with its driver: "NVIDIA H200, 139.8 GiB, driver 580.159.04".
DEVICE = TEXT | {
    "if": {"pattern": "NVIDIA"},
    "then": {"pattern": r"\bdriver \d"},
}
NUMBERS = {"type": "array", "items": {"type": "number"}, "minItems": 5}
POINT = {
    "type": "object",
    # What was seen: all samples, or their middle and spread; a count that cannot vary says so.
    "anyOf": [
        {"required": ["samples"], "properties": {"samples": NUMBERS}},
        {
            "required": ["median", "spread", "runs"],
            "properties": {
                "median": {"type": "number"},
                "spread": {"type": "number", "minimum": 0},
                "runs": {"type": "integer", "minimum": 5},
            },
        },
        {"required": ["exact"], "properties": {"exact": TEXT}},
    ],
}
MEASUREMENT = {
    "type": "object",
    "required": ["command", "device", "versions", "date", "unit", "points"],
    "properties": {
        "command": {"type": "string", "pattern": r"^python -m examples\.[\w.]+( .*)?$"},
        "device": DEVICE,
        "versions": {
            "type": "object",
            "required": ["python"],
            "minProperties": 2,
            "additionalProperties": {"type": "string", "pattern": r"\d"},
        },
        "date": DATE,
        "unit": {"type": "string", "minLength": 1},
        "prediction": TEXT,
        "no_prediction": {**TEXT, "minLength": 20},  # the reason
        "points": {"type": "array", "minItems": 1, "items": POINT},
    },
    "oneOf": [{"required": ["prediction"]}, {"required": ["no_prediction"]}],
}
ROW = {
    "type": "object",
    "required": ["source", "as_of"],
    "properties": {"source": {**TEXT, "minLength": 8}, "as_of": DATE},
}
FACTS = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": {"type": "array", "minItems": 1, "items": ROW},
}


def of_schema(record: object) -> Iterator[str]:
    """What the schema of its kind finds in a data file."""
    kind = MEASUREMENT if isinstance(record, dict) and "points" in record else FACTS
    for error in Draft202012Validator(kind).iter_errors(record):
        yield f"{error.json_path}: {error.message[:160]}"


def of_measurement(book: Book, record: dict) -> Iterator[str]:
    """What a schema cannot say: the command exists, the date is past, every point has its prediction."""
    words = record["command"].split()
    module = book.root / words[2].replace(".", "/")
    if not (module.with_suffix(".py").is_file() or module.is_dir()):
        yield f"$.command: there is no module {words[2]}"
    try:
        if datetime.date.fromisoformat(record["date"]) > datetime.date.today():
            yield f"$.date: {record['date']} has not come yet"
    except ValueError:
        yield f"$.date: {record['date']} is no date"
    for number, point in enumerate(record["points"]):
        predicted = [key for key in point if key.startswith("predicted")]
        if "prediction" in record and not predicted:
            yield f"$.points[{number}]: no predicted value, but the file has a prediction"
        if any(not isinstance(point[key], int | float) for key in predicted):
            yield f"$.points[{number}]: a prediction is a number"


def of_file(book: Book, path: Path) -> Iterator[str]:
    try:
        record = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        yield f"is no JSON: {error}"
        return
    faults = list(of_schema(record))
    yield from faults
    if not faults and "points" in record:
        yield from of_measurement(book, record)


def faults(book: Book) -> Iterator[str]:
    for path in sorted((book.root / "examples" / "data").glob("*.json")):
        for fault in of_file(book, path):
            yield f"{book.name(path)}: {fault}"
