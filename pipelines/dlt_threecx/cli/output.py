"""Rows as a table, JSON, CSV or one JSON object a line. The same value is the same text in each of them."""

from __future__ import annotations

import csv
import json
import shutil
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, TextIO

from dlt_threecx.queries.json_value import plain

__all__ = ["FORMATS", "Format", "shown", "write_rows"]

Format = Literal["table", "json", "csv", "ndjson"]
FORMATS: tuple[Format, ...] = ("table", "json", "csv", "ndjson")

PRETTY_ROWS = 2_000
"""A terminal gets a table that fits its width up to this many rows; laying it out takes time."""

CROWDED = 1.6
"""A table this many times as wide as the terminal is printed row by row instead."""

Row = Sequence[Any]


def write_rows(columns: Sequence[str], rows: Iterable[Row], form: Format, out: TextIO) -> None:
    """Writes all rows; zero rows give an empty JSON array, or a header."""
    if form == "json":
        _write_json(columns, rows, out)
    elif form == "ndjson":
        for row in rows:
            out.write(_json(_object(columns, row)) + "\n")
    elif form == "csv":
        # csv quotes a carriage return only when it is part of its line ends.
        writer = csv.writer(_UnixLines(out), lineterminator="\r\n")
        writer.writerow(columns)
        writer.writerows([_cell(value) for value in row] for row in rows)
    else:
        _write_table(columns, rows, out)


class _UnixLines:
    """Lines that csv ends with \\r\\n, ended with \\n."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def write(self, line: str) -> int:
        """One row."""
        return self._out.write(line.removesuffix("\r\n") + "\n")


def shown(value: Any) -> str:
    """The value in a table: one line, nothing that could steer a terminal, times to the second."""
    if isinstance(value, datetime):
        value = value.replace(microsecond=0)
    text = _cell(value).replace("\n", "\\n")
    return text if text.isprintable() else "".join(c if c.isprintable() else _escaped(c) for c in text)


def _cell(value: Any) -> str:
    """The value as text; nothing for null."""
    value = plain(value)
    if value is None:
        return ""
    return value if isinstance(value, str) else _json(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "))


def _object(columns: Sequence[str], row: Row) -> dict[str, Any]:
    return {name: plain(value) for name, value in zip(columns, row, strict=True)}


def _write_json(columns: Sequence[str], rows: Iterable[Row], out: TextIO) -> None:
    separator = "[\n"
    for row in rows:
        out.write(separator + "  " + _json(_object(columns, row)))
        separator = ",\n"
    out.write("[]\n" if separator == "[\n" else "\n]\n")


def _write_table(columns: Sequence[str], rows: Iterable[Row], out: TextIO) -> None:
    rows = list(rows)
    numeric = [
        any(_is_number(row[index]) for row in rows) and all(_is_number(row[index], null=True) for row in rows)
        for index in range(len(columns))
    ]
    cells = [[shown(value) for value in row] for row in rows]
    widths = [max([_width(name), *(_width(row[i]) for row in cells)]) for i, name in enumerate(columns)]
    if out.isatty() and len(rows) <= PRETTY_ROWS:
        if sum(widths) > CROWDED * shutil.get_terminal_size().columns:
            _write_records(columns, cells, out)
        else:
            _write_pretty(columns, cells, numeric, out)
        return
    for line in ([*columns], ["-" * width for width in widths], *cells):
        out.write("  ".join(_padded(line, widths, numeric)).rstrip() + "\n")


def _write_pretty(columns: Sequence[str], cells: Sequence[Sequence[str]], numeric: Sequence[bool], out: TextIO) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name, is_number in zip(columns, numeric, strict=True):
        table.add_column(Text(name), justify="right" if is_number else "left", overflow="fold")
    for row in cells:
        table.add_row(*(Text(cell) for cell in row))
    Console(file=out, width=shutil.get_terminal_size().columns, highlight=False).print(table)


def _write_records(columns: Sequence[str], cells: Sequence[Sequence[str]], out: TextIO) -> None:
    """Each row as a block of lines; what is empty is left out."""
    width = max(map(_width, columns), default=0)
    for row in cells:
        for name, cell in zip(columns, row, strict=True):
            if cell:
                out.write(f"{name}{' ' * (width - _width(name))}  {cell}\n")
        out.write("\n")


def _padded(line: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> Iterator[str]:
    for text, width, is_number in zip(line, widths, numeric, strict=True):
        blank = " " * (width - _width(text))
        yield blank + text if is_number else text + blank


def _width(text: str) -> int:
    """Columns on a screen: an East Asian sign takes two, an accent that joins its letter none."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _is_number(value: Any, *, null: bool = False) -> bool:
    if value is None:
        return null
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
