"""`threecx sql`: any question, in SQL."""

from __future__ import annotations

import sys

import click

from dlt_threecx.cli.options import talking, with_history, with_output
from dlt_threecx.cli.output import Output
from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.destinations.open import open_history
from dlt_threecx.views.views import VIEWS, view_purpose

__all__ = ["sql"]


_VIEWS = "\n".join(f"  {name:<20}{view_purpose(name).removeprefix('one row per ')}" for name in VIEWS)


@click.command(
    epilog="\b\nExamples:\n"  # noqa: S608  a help text
    '  threecx sql "select vendor, model, count(*) from devices group by all order by 3 desc"\n'
    "  threecx sql \"select * from device_changes where field = 'ip_address'\" --format csv\n"
    "  threecx sql - < question.sql\n\n"
    "\b\nViews, one row per …\n" + _VIEWS + "\n\n"
    "\b\nTables:\n"
    "  snapshots           the ledger: attempt and PBX\n"
    "  device_versions     the log: device and snapshot in which it changed"
)
@click.argument("query")
@with_history
@with_output
@talking
def sql(query: str, location: HistoryLocation, output: Output) -> None:
    """Ask the history in SQL; nothing can be written.

    QUERY is DuckDB's SQL, or - to read it from stdin. The views and tables are listed below. Times are UTC.
    """
    if query == "-":
        query = sys.stdin.read()
    with open_history(location) as history:
        columns, rows = history.query(query)
        output.write(columns, rows)
    output.show()
