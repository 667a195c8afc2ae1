"""`threecx publish`: a copy of the history for BI tools."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from dlt_threecx.cli.options import talking, with_location
from dlt_threecx.destinations.location import HistoryLocation

__all__ = ["publish"]


class FileMode(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.5
    """The mode of a file in octal, such as 0644; its owner can always read and write it."""

    name = "mode"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The mode as a number."""
        if isinstance(value, int):
            return value
        if not re.fullmatch(r"0?6[0246][0246]", value):
            self.fail(f"'{value}' is no mode such as 0600, 0640 or 0644.", param, ctx)
        return int(value, 8)


@click.command(
    epilog="\b\nExamples:\n"
    "  threecx publish bi\n"
    "  threecx publish /srv/bi --mode 0644 --parquet\n"
    "  threecx publish bi --destination postgres"
)
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--parquet", is_flag=True, help="Parquet files too, one per month, below DIR/parquet.")
@click.option(
    "--mode",
    type=FileMode(),
    metavar="MODE",
    help="Who may read the files, such as 0644. Default: as before, at first 0600.",
)
@with_location
@talking
def publish(folder: Path, parquet: bool, mode: int | None, location: HistoryLocation) -> None:
    """Publish the history as a copy for BI tools.

    DIR/threecx_bi.duckdb has all views as tables, in the schema threecx. It is replaced as a whole: readers keep what
    they have open, and no reader stops a sync. Without news nothing is written. A folder that has Parquet files keeps
    getting them. The setting publish = "DIR" does the same after each sync.
    """
    from dlt_threecx.loading.work_folder import WorkFolder
    from dlt_threecx.publish.after_sync import publish_and_note

    done = publish_and_note(location, folder, WorkFolder(location).path, mode=mode, parquet=parquet)
    at = f"{done.published_at:%Y-%m-%dT%H:%M:%SZ}"
    if not done.has_news:
        click.echo(f"{done.file}: nothing new since {at}")
        return
    files = f", {done.parquet_files} Parquet files written" if done.parquet_files else ""
    click.echo(f"{done.file}: {'written as a whole' if done.is_whole else 'brought up to date'} at {at}{files}")
