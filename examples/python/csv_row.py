"""A Hookwright plugin in Python: turns an entry of the CMS into a row of CSV, for a table or a spreadsheet.

The columns are JSON pointers into the payload. Events that do not have what `only` asks for are not delivered.
"""

# Imported here, not when they are needed: what is imported now is part of the plugin, and later there are no files.
import csv
import io
import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports.types import (
    Changes,
    Delivery,
    Dropped,
    Failure,
    FailureKind_Permanent,
    Field,
    Manifest,
    Verdict,
    Verdict_Deliver,
    Verdict_Drop,
)

POINTER = {"type": "string", "pattern": "^(/.*)?$"}
# The config of a webhook; the host checks it against this before anything runs.
CONFIG_SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "columns": {
            "description": "The columns in their order: a name, and where the value is",
            "type": "object",
            "additionalProperties": POINTER,
            "minProperties": 1,
        },
        "required": {
            "description": "Columns that must not be empty",
            "type": "array",
            "items": {"type": "string"},
        },
        "only": {
            "description": "Pointers, and the values to deliver",
            "type": "object",
            "additionalProperties": {"type": "array"},
        },
        "heading": {"description": "Send the names of the columns too", "type": "boolean", "default": False},
    },
    "required": ["columns"],
    "additionalProperties": False,
}


class Transformer(exports.Transformer):
    """What the host calls."""

    def describe(self) -> Manifest:
        return Manifest("csv-row", "1.0.0", "Turns entries into rows of CSV", json.dumps(CONFIG_SCHEMA), [])

    def transform(self, delivery: Delivery) -> Verdict:
        config = json.loads(delivery.config)
        event = parse(delivery.data)
        for pointer, wanted in config.get("only", {}).items():
            value = at(event, pointer)
            if value not in wanted:
                return Verdict_Drop(Dropped(f"{pointer} is {json.dumps(value, ensure_ascii=False)}", None, []))

        columns = config["columns"]
        row = {name: cell(at(event, pointer)) for name, pointer in columns.items()}
        for name in config.get("required", []):
            if not row.get(name):
                raise failure("missing-value", f"column {name} is empty: nothing at {columns.get(name)}")
        empty = [name for name, value in row.items() if not value]
        if empty:
            print(f"empty columns: {', '.join(empty)}")

        return Verdict_Deliver(
            Changes(
                data=written(row, config.get("heading", False)),
                content_type="text/csv; charset=utf-8",
                set_headers=[Field("x-csv-columns", str(len(row)))],
                remove_headers=[],
                annotations=[],
                options=[],
            )
        )


def parse(data: bytes):
    try:
        return json.loads(data)
    except ValueError as error:
        raise failure("not-json", f"the payload is not JSON: {error}")


def at(value, pointer: str):
    """What a JSON pointer leads to; None if there is nothing."""
    for step in pointer.split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def cell(value) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def written(row: dict[str, str], heading: bool) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, row)
    if heading:
        writer.writeheader()
    writer.writerow(row)
    return text.getvalue().encode()


def failure(code: str, message: str) -> Err:
    """To be raised: the delivery cannot be decided, and why."""
    return Err(Failure(FailureKind_Permanent(), message, code, []))
