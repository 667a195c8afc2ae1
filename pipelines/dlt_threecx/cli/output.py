"""Rows as a table, a list of records, JSON, CSV, one JSON object a line, an Excel workbook or a Parquet file."""

from __future__ import annotations

import csv
import os
import shutil
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TextIO

import click

from dlt_threecx.cli import stderr
from dlt_threecx.cli.cells import csv_text, json_text, row_texts, shown, text_width
from dlt_threecx.cli.table import LABELS, laid_out
from dlt_threecx.errors import suggestion
from dlt_threecx.queries.json_value import plain
from dlt_threecx.source.errors import SettingsError

__all__ = ["FORMATS", "SUFFIXES", "Format", "Output", "without", "write_rows"]

Format = Literal["table", "list", "json", "csv", "ndjson", "prometheus", "nagios"]
FORMATS: tuple[Format, ...] = ("table", "list", "json", "csv", "ndjson")
SUFFIXES = (".csv", ".json", ".ndjson", ".xlsx", ".parquet")

COLOURED_ROWS = 5_000
"""A longer table has no colours: laying it out would take too long."""

_NAMED = 6
"""Of columns without room, up to this many are named."""

Row = Sequence[Any]


@dataclass
class Output:
    """How and where a command prints its rows: what `--format`, `--output`, `--columns`, `--sort` and so on say."""

    form: Format = "table"
    path: Path | None = None
    columns: tuple[str, ...] = ()
    sort: tuple[str, ...] = ()
    """Columns, each with a `-` in front for descending."""
    limit: int | None = None
    bom: bool = False
    zone: tzinfo = UTC
    _pages: list[str] = field(default_factory=list)
    _left_out: list[str] = field(default_factory=list)

    @property
    def is_table(self) -> bool:
        """It is printed for people."""
        return self.form == "table" and self.path is None

    @property
    def is_shaped(self) -> bool:
        """The user said which columns, or in which order."""
        return bool(self.columns or self.sort)

    @property
    def is_whole(self) -> bool:
        """All rows with all columns go to stdout."""
        return self.path is None and not self.is_shaped and self.limit is None

    @property
    def width(self) -> int | None:
        """How wide a line may be; a pipe or a file has no end, unless COLUMNS is set."""
        return shutil.get_terminal_size().columns if sys.stdout.isatty() or os.environ.get("COLUMNS") else None

    def needed(self, every: Sequence[str], brief: Sequence[str] = ()) -> tuple[str, ...]:
        """The columns to ask for: those that are printed, and those to sort by. UsageError for an unknown one."""
        printed = [_column(name, every) for name in self.columns] or (brief if brief and self.is_table else every)
        sorting = [_column(name.removeprefix("-"), every) for name in self.sort]
        return tuple(dict.fromkeys((*printed, *sorting)))

    def write(
        self,
        columns: Sequence[str],
        rows: Iterable[Row],
        *,
        important: Collection[str] = (),
        labels: bool = False,
    ) -> None:
        """Prints rows, or writes them to the file. A table on a terminal waits for `show`.

        When a table has no room for all columns, the `important` ones stay; `labels` gives them headings for people.
        """
        columns, rows = self._shaped(columns, rows)
        if self.path is not None:
            self._write_file(columns, rows, self.path)
        elif self.form == "table":
            self._lay_out(columns, rows, important, labels)
        else:
            if self.form == "csv" and self.bom:
                sys.stdout.write("\ufeff")
            write_rows(columns, rows, self.form, sys.stdout, self.zone)

    def text(self, lines: Iterable[str]) -> None:
        """Prints lines of text; on a terminal they wait for `show`."""
        if sys.stdout.isatty():
            self._pages.extend(lines)
        else:
            sys.stdout.writelines(lines)

    def show(self) -> None:
        """Shows what waits, through a pager if it is longer than the terminal. The history is closed by then."""
        text = "".join(self._pages)
        self._pages.clear()
        if text.count("\n") > shutil.get_terminal_size().lines - 2:
            click.echo_via_pager(text.rstrip("\n"), color=True)
        else:
            sys.stdout.write(text)
        sys.stdout.flush()
        if self._left_out:
            names = ", ".join(self._left_out[:_NAMED])
            more = f" and {len(self._left_out) - _NAMED} more" if len(self._left_out) > _NAMED else ""
            self._left_out.clear()
            stderr.note(f"No room for {names}{more}. Choose with --columns, or see all with --format list.")

    def time(self, at: datetime) -> str:
        """A time in a sentence: `24 Nov 06:30 UTC`, in the zone of the user."""
        local = at.astimezone(self.zone)
        year = "" if local.year == datetime.now(self.zone).year else " %Y"
        return f"{local:%d %b{year} %H:%M} {local.tzname() or 'UTC'}"

    def _shaped(self, columns: Sequence[str], rows: Iterable[Row]) -> tuple[Sequence[str], Iterable[Row]]:
        if self.sort:
            ordered = list(rows)
            for name in reversed(self.sort):
                index = columns.index(_column(name.removeprefix("-"), columns))
                known = [row for row in ordered if row[index] is not None]
                known.sort(key=lambda row: _rank(row[index]), reverse=name.startswith("-"))
                ordered = known + [row for row in ordered if row[index] is None]
            rows = ordered
        if self.limit is not None:
            rows = islice(rows, self.limit)
        if self.columns:
            chosen = [columns.index(_column(name, columns)) for name in self.columns]
            rows = ([row[index] for index in chosen] for row in rows)
            columns = [columns[index] for index in chosen]
        return columns, rows

    def _lay_out(self, columns: Sequence[str], rows: Iterable[Row], important: Collection[str], labels: bool) -> None:
        given = list(rows)
        width = self.width
        table = laid_out(columns, given, width, zone=self.zone, important=important, labels=labels)
        self._left_out += table.left_out
        if sys.stdout.isatty() and len(given) <= COLOURED_ROWS and width:
            self._pages.append(table.coloured(width))
        else:
            self.text(line + "\n" for line in table.lines())

    def _write_file(self, columns: Sequence[str], rows: Iterable[Row], path: Path) -> None:
        from dlt_threecx.cli.files import write_parquet, write_workbook

        with _replaced(path) as new:
            if path.suffix == ".xlsx":
                count = write_workbook(columns, rows, new, self.zone)
            elif path.suffix == ".parquet":
                count = write_parquet(columns, rows, new)
            else:
                form: Format = path.suffix.removeprefix(".")  # type: ignore[assignment]
                encoding = "utf-8-sig" if self.bom and form == "csv" else "utf-8"
                with new.open("w", encoding=encoding, errors="backslashreplace", newline="") as out:
                    count = write_rows(columns, rows, form, out, self.zone)
        stderr.note(f"{count} {'row' if count == 1 else 'rows'} written to {path}")


def write_rows(columns: Sequence[str], rows: Iterable[Row], form: Format, out: TextIO, zone: tzinfo = UTC) -> int:
    """Writes all rows as text; zero rows give an empty JSON array, or a heading. The number of rows."""
    counted = _Counted(rows)
    if form == "json":
        _write_json(columns, counted, out)
    elif form == "ndjson":
        out.writelines(text + "\n" for text in _objects(columns, counted))
    elif form == "csv":
        # csv quotes a carriage return only when it is part of its line ends.
        writer = csv.writer(_UnixLines(out), lineterminator="\r\n")
        writer.writerow(map(csv_text, columns))
        writer.writerows(row_texts([csv_text] * len(columns), counted))
    elif form == "list":
        _write_records(columns, counted, out, zone)
    else:
        out.writelines(line + "\n" for line in laid_out(columns, list(counted), None, zone=zone).lines())
    return counted.count


def without(name: str, columns: Sequence[str], rows: Iterable[Row]) -> tuple[list[str], Iterator[Row]]:
    """The same rows without one column."""
    index = list(columns).index(name)
    kept = [other for other in columns if other != name]
    return kept, ([*row[:index], *row[index + 1 :]] for row in rows)


class _Counted:
    """Rows, and how many went by."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows, self.count = rows, 0

    def __iter__(self) -> Iterator[Row]:
        for row in self._rows:
            self.count += 1
            yield row


class _UnixLines:
    """Lines that csv ends with \\r\\n, ended with \\n."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def write(self, line: str) -> int:
        """One row."""
        return self._out.write(line.removesuffix("\r\n") + "\n")


@contextmanager
def _replaced(path: Path) -> Iterator[Path]:
    """A new file beside, which takes the place of the old one when it is complete."""
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        yield new
        new.replace(path)
    except OSError as error:
        raise SettingsError(
            f"--output {path}", f"it cannot be written ({error.strerror})", "Choose another file"
        ) from error
    finally:
        new.unlink(missing_ok=True)


def _objects(columns: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    """Each row as a JSON object."""
    members = [partial(_member, f"{json_text(name)}: ") for name in columns]
    for texts in row_texts(members, rows):
        yield f"{{{', '.join(texts)}}}"


def _member(name: str, value: Any) -> str:
    return name + json_text(plain(value))


def _write_json(columns: Sequence[str], rows: Iterable[Row], out: TextIO) -> None:
    separator = "[\n"
    for text in _objects(columns, rows):
        out.write(f"{separator}  {text}")
        separator = ",\n"
    out.write("[]\n" if separator == "[\n" else "\n]\n")


def _write_records(columns: Sequence[str], rows: Iterable[Row], out: TextIO, zone: tzinfo) -> None:
    """Each row as a block of lines; what is empty is left out."""
    names = [shown(name) for name in columns]
    width = max(map(text_width, names), default=0)
    for row in rows:
        for name, value in zip(names, row, strict=True):
            if cell := shown(value, zone):
                out.write(f"{name}{' ' * (width - text_width(name))}  {cell}\n")
        out.write("\n")


def _column(name: str, every: Sequence[str]) -> str:
    """The column of this name or heading."""
    if name in every:
        return name
    for column, label in LABELS.items():
        if column in every and name.lower() == label:
            return column
    raise click.UsageError(f"There is no column '{shown(name)}'. {suggestion(name, every)}")


def _rank(value: Any) -> tuple[int, Any]:
    """Sorts values of any type; texts of digits as numbers, others without regard to case."""
    if isinstance(value, str):
        return (0, int(value)) if value.isascii() and value.isdigit() and len(value) < 20 else (1, value.casefold())
    if isinstance(value, int | float):
        return 0, value
    return 2, value if isinstance(value, datetime) else str(value)
