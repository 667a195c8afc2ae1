"""`threecx archive`: puts an old part of the history into a file of its own."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from dlt_threecx.cli import stderr
from dlt_threecx.cli.options import Time, talking, with_location
from dlt_threecx.destinations.location import HistoryLocation

__all__ = ["archive"]


@click.command(
    epilog="\b\nExamples:\n"
    "  threecx archive --before 2026-01-01 --output 2025.duckdb\n"
    "  threecx archive --before 365d --output old.duckdb\n"
    "  threecx verify --db 2025.duckdb    an archive is a history of its own\n"
    "  threecx changes --since 400d --archive 2025.duckdb    both together"
)
@click.option("--before", required=True, type=Time(), metavar="TIME", help="Everything before then; a day: its begin.")
@click.option(
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The DuckDB file to write. It must not be there yet.",
)
@with_location
@talking
def archive(before: datetime, output: Path, location: HistoryLocation) -> None:
    """Put an old part of the history into a file of its own.

    Attempts and versions before TIME move into FILE, which is a history that every command can ask with --db FILE. What
    the devices of today need stays: sync, devices and verify go on as before. The chain of what stays begins with the
    heads of the archive: verify names them, and with --archive FILE proves that both belong together.

    First the file is written and verified, then the rows are removed. Killed in between, the same command finishes.
    """
    from dlt_threecx.archive.archive import archive_history
    from dlt_threecx.settings.config import RunConfig

    done = archive_history(location, output, before, RunConfig().busy_timeout_seconds)
    attempts = sum(attempts for attempts, _ in done.counts.values())
    versions = sum(versions for _, versions in done.counts.values())
    what = "was there already, complete" if done.was_there else "written and verified"
    click.echo(f"{done.file}: {what}. {attempts} attempts and {versions} versions of {len(done.counts)} PBXs")
    for name, head in sorted(done.heads.items()):
        stderr.note(f"PBX '{name}' is archived up to {done.ends_at[name]:%Y-%m-%d %H:%M:%S} UTC, head {head[:12]}")
