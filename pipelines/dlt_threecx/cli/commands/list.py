"""`threecx list`: rows of the API as they are, with its own eight query options."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from dlt_threecx.cli import stderr
from dlt_threecx.cli.cells import json_text
from dlt_threecx.cli.options import connecting, talking, with_output
from dlt_threecx.cli.output import Output
from dlt_threecx.settings.config import load_config
from dlt_threecx.source.canonical import shown_name
from dlt_threecx.source.client import Client
from dlt_threecx.source.errors import SettingsError
from dlt_threecx.source.page import Item
from dlt_threecx.source.query import Query
from dlt_threecx.source.redaction import is_secret
from dlt_threecx.source.walk import walk

__all__ = ["list_devices"]

MASK = "***"


class _Items:
    """Collects the rows of one walk."""

    def __init__(self) -> None:
        self.content: list[Item] = []

    def add(self, items: list[Item], /) -> None:
        self.content.extend(items)


@click.command(
    "list",
    epilog="\b\nExamples:\n"
    "  threecx list --top 5 --expand DN\n"
    "  threecx list --filter \"Registrar/Vendor eq 'Yealink'\" --select Id,Registrar --format csv\n"
    "  threecx list --search 101 --orderby 'Id desc' --count --format json",
)
@click.option("--top", type=int, metavar="N", help="Only the first N rows; above 100 it pages on.")
@click.option("--skip", type=int, metavar="N", help="Leave the first N rows out.")
@click.option("--search", metavar="TEXT", help="Rows that hold this text, as the PBX understands it.")
@click.option("--filter", metavar="ODATA", help="Rows for which this OData expression is true.")
@click.option("--count", is_flag=True, help="Say on stderr how many rows match.")
@click.option("--orderby", metavar="NAMES", help="Order of the rows, such as 'Id desc'.")
@click.option("--select", metavar="NAMES", help="Only these properties, separated by commas.")
@click.option("--expand", metavar="NAMES", help="Related objects to add: DN.")
@click.option("--reveal-secrets", is_flag=True, help=f"Show passwords and links, otherwise {MASK}.")
@click.option("--pbx", metavar="NAME", help="The PBX to ask, when the settings name several.")
@connecting
@with_output
@talking
def list_devices(
    pbx: str | None, project: Path, output: Output, count: bool, reveal_secrets: bool, **options: Any
) -> None:
    """List SIP devices straight from one PBX.

    Names and values are the API's own; table and csv write nested ones as Registrar.Vendor. The rows are read
    completely or not at all, and nothing is stored. `filter` and `search` of the settings do not apply.
    """
    query = Query(count=True, **options)
    config = load_config(project, os.environ, only=(pbx,) if pbx else ())
    if len(config.pbxs) > 1:
        raise SettingsError("list", f"the settings name {len(config.pbxs)} PBXs", f"Add --pbx {min(config.pbxs)}")
    for text in config.warnings:
        stderr.warning(text)
    (one,) = config.pbxs.values()
    with closing(Client(one.settings)) as client:
        walked = walk(client, query, _Items)
    items = walked.rows.content
    if not reveal_secrets:
        items = [masked(item) for item in items]
    _write(items, query, output)
    output.show()
    if count:
        stderr.note(f"count: {walked.count}")


def masked(value: Any) -> Any:
    """The value with every secret in it, at any depth, covered."""
    if isinstance(value, dict):
        return {name: MASK if inner is not None and is_secret(name) else masked(inner) for name, inner in value.items()}
    return [masked(inner) for inner in value] if isinstance(value, list) else value


def _write(items: list[Item], query: Query, output: Output) -> None:
    if output.is_whole and output.form in ("json", "ndjson"):
        # Each row has its own properties, as nulls are left out.
        lines = (json_text(item) for item in items)
        if output.form == "ndjson":
            sys.stdout.writelines(line + "\n" for line in lines)
        else:
            sys.stdout.write("[" + ",".join("\n  " + line for line in lines) + ("\n]\n" if items else "]\n"))
        return
    flat = [dict(_flattened(item)) for item in items]
    columns = list(dict.fromkeys(name for item in flat for name in item)) or list(query.select or ("Id",))
    output.write(columns, ([item.get(name) for name in columns] for item in flat))


def _flattened(item: Item, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in item.items():
        if isinstance(value, dict):
            yield from _flattened(value, f"{prefix}{shown_name(name)}.")
        else:
            yield prefix + shown_name(name), value
