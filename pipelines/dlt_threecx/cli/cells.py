"""A value as the text of a cell. The same value is the same text in a table, CSV and JSON, but for times in a table."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from functools import lru_cache
from itertools import islice, repeat
from typing import Any

from dlt_threecx.queries.json_value import plain

__all__ = [
    "cell_text",
    "column_texts",
    "csv_text",
    "is_number",
    "json_text",
    "padded",
    "row_texts",
    "shown",
    "text_width",
    "widest",
]

_STEERING = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]")
"""Characters that JSON may hold as they are, but that could steer a terminal."""

_CONTROL = re.compile("\r(?!\n)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]")
"""Control characters but for tab and the ends of lines."""

_ODD_WIDTH = re.compile("[\u0300-\U0010ffff]")
"""Before them in Unicode every character is one column wide."""

_encoded = json.JSONEncoder(ensure_ascii=False, separators=(", ", ": ")).encode

_BATCH = 1_000
_KEPT = 10_000
"""Texts of about this many values of a column are kept."""
_KEEPING = frozenset({str, bool, int, datetime, type(None)})

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001  what spreadsheets take for a formula


def shown(value: Any, zone: tzinfo = UTC) -> str:
    """The value in a table: one line, nothing that could steer a terminal, times to the minute in a zone."""
    if isinstance(value, datetime):
        return f"{value.astimezone(zone) if value.tzinfo else value:%Y-%m-%d %H:%M}"
    if isinstance(value, str) and value.isprintable():
        return value
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
    if isinstance(value, str) and value.isprintable() and not value.startswith(_FORMULA):
        return value
    text = _CONTROL.sub(lambda found: _escaped(found[0]), cell_text(value))
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA) else text


def json_text(value: Any) -> str:
    """The value as JSON on one line, without characters that could steer a terminal."""
    text = _encoded(value)
    return text if text.isascii() else _STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


@lru_cache(_KEPT)
def text_width(text: str) -> int:
    """Columns on a screen: an East Asian sign takes two, an accent that joins its letter none."""
    if text.isascii() or not _ODD_WIDTH.search(text):
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def widest(texts: Collection[str]) -> int:
    """The width of the widest text."""
    return max(map(len if _are_narrow(texts) else text_width, texts))


def padded(texts: Collection[str], width: int, *, is_right: bool) -> Iterator[str]:
    """The texts, filled up with blanks to a width."""
    pad = str.rjust if is_right else str.ljust
    if _are_narrow(texts):
        return map(pad, texts, repeat(width))
    return (pad(text, width + len(text) - text_width(text)) for text in texts)


def column_texts(text: Callable[[Any], str], values: Sequence[Any]) -> list[str]:
    """The values of a column as text, by a function that is called once for a value that comes again and again."""
    return list(_ColumnTexts(text)(values))


def row_texts(texts: Sequence[Callable[[Any], str]], rows: Iterable[Sequence[Any]]) -> Iterator[tuple[str, ...]]:
    """Each row as text, by a function per column, some rows at a time."""
    columns = [_ColumnTexts(text) for text in texts]
    remaining = iter(rows)
    while some := list(islice(remaining, _BATCH)):
        cells = [column(values) for column, values in zip(columns, zip(*some, strict=True), strict=True)]
        yield from zip(*cells, strict=True)


class _ColumnTexts:
    """The values of a column as text."""

    def __init__(self, text: Callable[[Any], str]) -> None:
        self._text = text
        self._kept: dict[type, _Texts] = {}
        """By type, because 1 and true are equal."""

    def __call__(self, values: Sequence[Any]) -> Iterable[str]:
        kinds = set(map(type, values))
        kind = next(iter(kinds - {type(None)}), type(None))
        if len(kinds - {type(None)}) > 1 or kind not in _KEEPING:
            return map(self._text, values)
        kept = self._kept.setdefault(kind, _Texts(self._text))
        if len(kept) > _KEPT:
            kept.clear()
        return map(kept.__getitem__, values)


class _Texts(dict[Any, str]):
    """Value → text."""

    def __init__(self, text: Callable[[Any], str]) -> None:
        super().__init__()
        self._text = text

    def __missing__(self, value: Any) -> str:
        text = self[value] = self._text(value)
        return text


def _are_narrow(texts: Iterable[str]) -> bool:
    """Every character of these texts is one column wide; quicker than to look at each text."""
    together = "".join(texts)
    return together.isascii() or not _ODD_WIDTH.search(together)


def is_number(value: Any, *, null: bool = False) -> bool:
    """Such values go to the right side of their column."""
    if value is None:
        return null
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
