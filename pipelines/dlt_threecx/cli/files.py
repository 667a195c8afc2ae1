"""Rows as an Excel workbook or a Parquet file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, tzinfo
from pathlib import Path
from typing import Any

import click

from dlt_threecx.cli.cells import cell_text, is_number
from dlt_threecx.queries.json_value import plain

__all__ = ["write_parquet", "write_workbook"]

_MOST_ROWS = 1_048_575
"""A sheet of Excel has one row more, for the headings."""
_MOST_CHARS = 32_767
_WIDEST_PIXELS = 400


def write_workbook(columns: Sequence[str], rows: Iterable[Sequence[Any]], path: Path, zone: tzinfo) -> int:
    """One sheet; text stays text, so MAC addresses and extensions keep their zeros. The number of rows."""
    import xlsxwriter

    count = 0
    with xlsxwriter.Workbook(str(path), {"strings_to_formulas": False, "strings_to_urls": False}) as book:
        sheet = book.add_worksheet("threecx")
        bold, time, day = (
            book.add_format(style)
            for style in ({"bold": True}, {"num_format": "yyyy-mm-dd hh:mm:ss"}, {"num_format": "yyyy-mm-dd"})
        )
        for number, name in enumerate(columns):
            sheet.write_string(0, number, name, bold)
        for count, row in enumerate(rows, start=1):
            if count > _MOST_ROWS:
                raise click.UsageError(f"A sheet of Excel takes {_MOST_ROWS} rows. Write .csv or .parquet instead.")
            for number, value in enumerate(row):
                if isinstance(value, datetime):
                    at = value.astimezone(zone) if value.tzinfo else value
                    sheet.write_datetime(count, number, at.replace(tzinfo=None), time)
                elif isinstance(value, date):
                    sheet.write_datetime(count, number, datetime(value.year, value.month, value.day), day)  # noqa: DTZ001
                elif isinstance(value, bool):
                    sheet.write_boolean(count, number, value)
                elif is_number(value) and abs(value) < 2**53:
                    sheet.write_number(count, number, value)
                elif text := cell_text(value)[:_MOST_CHARS]:
                    sheet.write_string(count, number, text)
        sheet.freeze_panes(1, 0)
        sheet.autofilter(0, 0, count, max(len(columns) - 1, 0))
        sheet.autofit(_WIDEST_PIXELS)
    return count


def write_parquet(columns: Sequence[str], rows: Iterable[Sequence[Any]], path: Path) -> int:
    """Numbers, times and texts keep their types. The number of rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    given = list(rows)

    def column(number: int) -> Any:
        values = [row[number] for row in given]
        if any(isinstance(value, datetime) for value in values):
            return pa.array([v.astimezone(UTC) if v and v.tzinfo else v for v in values])
        try:
            found = pa.array(values)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
            return pa.array([None if value is None else cell_text(plain(value)) for value in values], pa.string())
        return found.cast(pa.string()) if pa.types.is_null(found.type) else found

    pq.write_table(pa.table({name: column(number) for number, name in enumerate(columns)}), path, compression="zstd")
    return len(given)
