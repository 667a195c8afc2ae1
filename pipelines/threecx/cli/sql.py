"""`threecx sql`: any question, in SQL."""

from __future__ import annotations

import sys

import click

from pipelines.threecx.ask import open_history
from pipelines.threecx.cli.options import place_of, talking, with_format
from pipelines.threecx.place import Place
from pipelines.threecx.render import Format, write_rows

__all__ = ["sql"]


@click.command(
    epilog="\b\nExamples:\n"
    '  threecx sql "select vendor, model, count(*) from devices group by all order by 3 desc"\n'
    "  threecx sql \"select * from device_changes where field = 'ip_address'\" --format csv\n"
    "  threecx sql - < question.sql"
)
@click.argument("query")
@place_of
@with_format
@talking
def sql(query: str, place: Place, form: Format) -> None:
    """Ask the history in SQL; nothing can be written.

    QUERY is DuckDB's SQL, or - to read it from stdin. Views: devices, device_history, device_changes,
    device_snapshots, daily_inventory, pbx_status. Tables: snapshots, device_versions. Times are UTC.
    """
    if query == "-":
        query = sys.stdin.read()
    with open_history(place) as history:
        columns, rows = history.asked(query)
        write_rows(columns, rows, form, sys.stdout)
