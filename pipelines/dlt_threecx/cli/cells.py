"""A value as the text of a cell. The same value is the same text in a table, CSV and JSON, but for times in a table."""

from __future__ import annotations

import json
import re
import unicodedata
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Any

from dlt_threecx.queries.json_value import plain

__all__ = ["cell_text", "csv_text", "is_number", "json_text", "shown", "text_width"]

_STEERING = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]")
"""Characters that JSON may hold as they are, but that could steer a terminal."""

_CONTROL = re.compile("\r(?!\n)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]")
"""Control characters but for tab and the ends of lines."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001  what spreadsheets take for a formula


def shown(value: Any, zone: tzinfo = UTC) -> str:
    """The value in a table: one line, nothing that could steer a terminal, times to the minute in a zone."""
    if isinstance(value, datetime):
        return f"{value.astimezone(zone) if value.tzinfo else value:%Y-%m-%d %H:%M}"
    text = cell_text(value).replace("\n", "\\n")
    return text if text.isprintable() else "".join(c if c.isprintable() else _escaped(c) for c in text)


def cell_text(value: Any) -> str:
    """The value as text; nothing for null."""
    value = plain(value)
    if value is None:
        return ""
    return value if isinstance(value, str) else json_text(value)


def csv_text(value: Any) -> str:
    """The value in a CSV file: no control characters, and no text that a spreadsheet takes for a formula.

    Such a text gets a quote in front, as OWASP says. Numbers stay as they are.
    """
    text = _CONTROL.sub(lambda found: _escaped(found[0]), cell_text(value))
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA) else text


def json_text(value: Any) -> str:
    """The value as JSON on one line, without characters that could steer a terminal."""
    text = json.dumps(value, ensure_ascii=False, separators=(", ", ": "))
    return text if text.isascii() else _STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def text_width(text: str) -> int:
    """Columns on a screen: an East Asian sign takes two, an accent that joins its letter none."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def is_number(value: Any, *, null: bool = False) -> bool:
    """Such values go to the right side of their column."""
    if value is None:
        return null
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
