"""A table of text that fits a width: a row is a line, columns without room are left out, long cells are cut."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from functools import partial
from typing import Any, NamedTuple

import click

from dlt_threecx.cli.cells import column_texts, is_number, padded, shown, text_width, widest

__all__ = ["LABELS", "Column", "Table", "coloured", "cut", "laid_out"]

LABELS = {
    "dn_number": "extension",
    "dn_name": "name",
    "firmware_version": "firmware",
    "ip_address": "address",
    "online": "on line",
    "last_changed_at": "changed",
    "device_id": "id",
}
"""Column → its heading in a table for people. --columns and --sort take either."""

STYLES = {
    **dict.fromkeys(("high", "failed", "refused", "disagrees", "never read"), "bold red"),
    **dict.fromkeys(("medium", "stale"), "yellow"),
    "low": "cyan",
}
"""Values that have a colour, in these columns: severity, state, status, result, verdict."""

_WORDS = {True: "yes", False: "no"}
_STYLED = ("severity", "state", "status", "last_status", "result", "verdict")
_GAP = 2
_LEAST = 10
"""A column of text is cut to this width before another one is left out."""

_WHOLE = re.compile(r"[0-9A-Fa-f.:]{1,39}")
"""Addresses and versions: a part of one would be another one."""

_BLANK_END = re.compile(r" +((?:\x1b\[0m)?)$")
_PART = re.compile(r"\S+$")


class Column(NamedTuple):
    """A column that fits."""

    heading: str
    cells: Sequence[str]
    width: int
    is_right: bool
    """Numbers go to the right side."""
    styled: bool

    def padded(self) -> Iterator[str]:
        """The heading and the cells, all as wide as the column."""
        return padded([self.heading, *self.cells], self.width, is_right=self.is_right)


@dataclass(frozen=True)
class Table:
    """The columns that fit."""

    columns: Sequence[Column]
    left_out: list[str]
    """Columns without room."""

    def lines(self) -> Iterator[str]:
        """The heading, then a line per row."""
        for row in zip(*(column.padded() for column in self.columns), strict=True):
            yield "  ".join(row).rstrip()

    def coloured(self, width: int) -> str:
        """The same for a terminal, with colours unless NO_COLOR is set."""
        from io import StringIO

        from rich.console import Console
        from rich.table import Table as RichTable
        from rich.text import Text

        table = RichTable(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold underline")
        for column in self.columns:
            justify = "right" if column.is_right else "left"
            table.add_column(
                Text(column.heading),
                justify=justify,  # type: ignore[arg-type]
                width=column.width,
                no_wrap=True,
                overflow="ellipsis",
            )
        for row in zip(*(column.cells for column in self.columns), strict=True):
            cells = zip(row, self.columns, strict=True)
            table.add_row(*(Text(text, style=STYLES.get(text, "") if column.styled else "") for text, column in cells))
        out = StringIO()
        Console(file=out, width=width + _GAP, force_terminal=True, highlight=False).print(table)
        return "".join(_BLANK_END.sub(r"\1", line) + "\n" for line in out.getvalue().splitlines())


def laid_out(
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    width: int | None,
    *,
    zone: tzinfo = UTC,
    important: Collection[str] = (),
    labels: bool = False,
) -> Table:
    """The table in a width, None is without end. Columns that are not `important` go first, from the right."""
    headings = [shown(LABELS.get(name, name) if labels else name) for name in columns]
    text = partial(_word if labels else shown, zone=zone)
    values = [[row[i] for row in rows] for i in range(len(columns))]
    cells = [column_texts(text, column) for column in values]
    natural = [widest([name, *texts]) for name, texts in zip(headings, cells, strict=True)]
    chosen, widths = list(range(len(columns))), natural
    if width is not None:
        least = [
            min(size, max(text_width(headings[i]), _LEAST, _longest_whole(values[i], cells[i])))
            for i, size in enumerate(natural)
        ]
        ranks = {name: rank for rank, name in enumerate(important)}
        ranking = sorted(chosen, key=lambda i: ranks.get(columns[i], len(ranks) + i))
        while len(ranking) > 1 and _total(least, ranking) > width:
            ranking.pop()
        chosen = sorted(ranking)
        widths = _widened(least, natural, [i for i in ranking if i in chosen], width)
    return Table(
        [
            Column(
                heading=_cut_to(headings[i], widths[i]),
                cells=cells[i] if natural[i] <= widths[i] else [_cut_to(cell, widths[i]) for cell in cells[i]],
                width=widths[i],
                is_right=_are_numbers({type(value): value for value in values[i]}.values()),
                styled=columns[i] in _STYLED,
            )
            for i in chosen
        ],
        left_out=[headings[i] for i in range(len(columns)) if i not in chosen],
    )


def _are_numbers(values: Collection[Any]) -> bool:
    return any(map(is_number, values)) and all(is_number(value, null=True) for value in values)


def _word(value: Any, zone: tzinfo) -> str:
    return _WORDS[value] if isinstance(value, bool) else shown(value, zone)


def _longest_whole(values: Sequence[Any], cells: Sequence[str]) -> int:
    """Width of the longest value that must not be cut: a number, a time, an address or a version."""
    return max(
        (
            text_width(cell)
            for value, cell in zip(values, cells, strict=True)
            if not isinstance(value, str | dict | list) or _WHOLE.fullmatch(cell)
        ),
        default=0,
    )


def _total(widths: Sequence[int], chosen: Sequence[int]) -> int:
    return sum(widths[i] for i in chosen) + _GAP * (len(chosen) - 1)


def _widened(least: Sequence[int], natural: Sequence[int], chosen: Sequence[int], width: int) -> list[int]:
    """The room that is left: half of it, or all that it needs, to each column in turn; `chosen` is by importance."""
    widths = list(least)
    if len(chosen) == 1:
        widths[chosen[0]] = min(natural[chosen[0]], width)
        return widths
    room = width - _total(least, chosen)
    for share in (0.7, 1):
        for i in chosen:
            more = min(natural[i] - widths[i], int(room * share + 0.5))
            widths[i] += more
            room -= more
    return widths


def cut(text: str, width: int | None, before: str = "") -> str:
    """The text, cut so that it fits a line after `before`."""
    return text if width is None else _cut_to(text, width - text_width(before))


def coloured(word: str) -> str:
    """A severity or a state in its colour, on a terminal that shows colours."""
    style = STYLES.get(word)
    if not style or os.environ.get("NO_COLOR") or not sys.stdout.isatty():
        return word
    return click.style(word, fg=style.split()[-1], bold=style.startswith("bold"))


def _cut_to(text: str, width: int) -> str:
    """Cut with `…`; an address is never cut in the middle."""
    if text_width(text) <= width:
        return text
    kept = text[: width - 1]
    while text_width(kept) > width - 1:
        kept = kept[:-1]
    part = _PART.search(kept)
    if part and _WHOLE.fullmatch(part[0]) and not text[len(kept)].isspace():
        kept = kept[: part.start()]
    return kept.rstrip() + "…"
