"""`threecx sql`: any question, in SQL."""

from __future__ import annotations

import sys

import click

from dlt_threecx.cli.options import talking, with_format, with_location
from dlt_threecx.cli.output import Format, write_rows
from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.destinations.open import open_history

__all__ = ["sql"]


@click.command(
    epilog="\b\nExamples:\n"
    '  threecx sql "select vendor, model, count(*) from devices group by all order by 3 desc"\n'
    "  threecx sql \"select * from device_changes where field = 'ip_address'\" --format csv\n"
    "  threecx sql - < question.sql"
)
@click.argument("query")
@with_location
@with_format
@talking
def sql(query: str, location: HistoryLocation, form: Format) -> None:
    """Ask the history in SQL; nothing can be written.

    QUERY is DuckDB's SQL, or - to read it from stdin. Views: devices, device_history, device_changes,
    device_snapshots, daily_inventory, pbx_status. Tables: snapshots, device_versions. Times are UTC.
    """
    if query == "-":
        query = sys.stdin.read()
    with open_history(location) as history:
        columns, rows = history.query(query)
        write_rows(columns, rows, form, sys.stdout)
