"""`threecx sync`: reads every PBX and adds what is new to the history."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from dlt_threecx.cli import stderr
from dlt_threecx.cli.options import Part, talking, with_location, with_output, with_pbx
from dlt_threecx.cli.output import Output
from dlt_threecx.compare.guards import GUARDS
from dlt_threecx.destinations.location import DUCKDB, HistoryLocation
from dlt_threecx.destinations.open import open_history
from dlt_threecx.queries.json_value import plain
from dlt_threecx.settings.config import Shard, load_config
from dlt_threecx.source.errors import ThreecxError
from dlt_threecx.tables import CHANGES

if TYPE_CHECKING:
    from dlt_threecx.compare.decide import SyncResult
    from dlt_threecx.snapshot.reading import Progress

__all__ = ["sync"]

_BARS = 8
"""Of more PBXs than this not each has a bar."""
_NAMED = 5
"""Of PBXs that are new, up to this many are named."""


@click.command(
    epilog="\b\nExamples:\n"
    "  threecx sync\n"
    "  threecx sync --pbx hq --format json\n"
    "  threecx sync --shard 2/5\n"
    '  threecx sync --accept shrink --because "the Leeds office was closed"'
)
@click.option(
    "--accept",
    type=click.Choice(list(GUARDS)),
    multiple=True,
    help="Let this guard pass in this run; needs --because. Can be given several times.",
)
@click.option("--because", metavar="TEXT", help="Why it is accepted; the ledger keeps it.")
@click.option(
    "--shard",
    type=Part(),
    metavar="K/N",
    help="Only the PBXs of part K of N, for several workers. The name of a PBX decides which part is its own.",
)
@click.option(
    "--ping",
    metavar="URL",
    help="Tell a dead man's switch, such as healthchecks.io, about this run. Better as ping_url in secrets.toml.",
)
@with_pbx
@with_location
@with_output
@talking
def sync(
    accept: tuple[str, ...],
    because: str | None,
    shard: Shard | None,
    ping: str | None,
    pbx: tuple[str, ...],
    location: HistoryLocation,
    output: Output,
) -> int:
    """Read every PBX and add what is new to the history.

    Each PBX is read completely or not at all, and only differences are written. A guard refuses what looks wrong:
    no devices at all (empty), too many gone (shrink), another filter (scope), another address (identity),
    a wrong clock (clock), a history whose end was cut off (restored).
    JSON has one object per PBX, each on a line.
    """
    if bool(accept) != bool(because and because.strip()):
        raise click.UsageError("--accept and --because need each other.")
    config = replace(load_config(location.project, os.environ, only=pbx, shard=shard), destination=location.destination)
    if ping is not None:
        config = replace(config, run=replace(config.run, ping_url=ping))
    for text in config.warnings:
        stderr.warning(text)
    if not config.pbxs:
        stderr.note(f"Shard {shard} has no PBX: there is nothing to do.")
        return 0

    from dlt_threecx.snapshot.reader_process import reader

    with reader(len(config.pbxs)) as read, _progress(len(config.pbxs)) as progress:
        from dlt_threecx.compare.decide import Accepted
        from dlt_threecx.run import sync_pbxs

        results = sync_pbxs(
            config,
            db=location.db,
            dataset=location.dataset,
            accepted=Accepted(accept, because),
            progress=progress,
            read=read,
        )
    _write(results, output)
    output.show()
    _tell_of_new(location, results)
    if not pbx and shard is None:
        _tell_of_removed(location, config.pbxs)
    for result in results:
        if result.error:
            stderr.error(f"PBX '{result.row.pbx}': {result.error}", plain(result.report()))
        else:
            stderr.event(f"PBX '{result.row.pbx}' was read", plain(result.report()))
    if config.run.publish:
        _tell_of_publication(location)
    failed = [result for result in results if result.error]
    if failed and len(results) > 1:
        names = ", ".join(f"{result.row.pbx} ({result.row.reason})" for result in failed)
        stderr.error(f"{len(failed)} of {len(results)} PBXs failed: {names}")
    return max((result.exit_code for result in results), default=0)


def _write(results: Sequence[SyncResult], output: Output) -> None:
    reports = [result.report() for result in results]
    if output.is_table and not output.is_shaped:
        told = (result for result in results if result.error or not stderr.is_quiet())
        sys.stdout.writelines(_line(result) + "\n" for result in told)
        return
    if output.form == "json" and output.path is None:
        output.form = "ndjson"
    from dlt_threecx.compare.decide import RESULT_FIELDS

    output.write(RESULT_FIELDS, [list(report.values()) for report in reports])


def _line(result: SyncResult) -> str:
    """`hq: 500 devices, 3 added, 1 changed (5 pages, 0.8 s) · head 1a2b3c4d5e6f`."""
    row = result.row
    if row.status != "complete":
        return f"{row.pbx}: {row.status} ({row.reason}), nothing was written to the history"
    counts = [f"{count} {name}" for name in CHANGES if (count := getattr(row, name))]
    moved = [f"the API moved: {', '.join(result.shape_changes)}"] if result.shape_changes else []
    what = ", ".join([f"{row.devices} devices", *(counts or ["nothing new"]), *moved])
    walks = f", {row.walks} walks" if row.walks and row.walks > 1 else ""
    pages = "1 page" if row.pages == 1 else f"{row.pages} pages"
    return f"{row.pbx}: {what} ({pages}{walks}, {row.duration_seconds or 0:.1f} s) · head {row.chain[:12]}"


def _tell_of_new(location: HistoryLocation, results: Sequence[SyncResult]) -> None:
    new = [result.row.pbx for result in results if result.is_new]
    if len(new) == len(results):
        where = location.db.resolve() if location.destination == DUCKDB else f"{location}, dataset {location.dataset}"
        stderr.note(f"A new history begins: {where}")
    elif new:
        more = f" and {len(new) - _NAMED} more" if len(new) > _NAMED else ""
        stderr.note(f"New in this history: {', '.join(new[:_NAMED])}{more}")


def _tell_of_removed(location: HistoryLocation, names: Container[str]) -> None:
    """A line for each PBX that the history knows and the settings do not."""
    try:
        with open_history(location, wait_seconds=0) as history:
            # Few rows have a shape, but of each PBX that ever had devices one has: the others need not be read.
            known = history.rows("select distinct pbx from snapshots where shape is not null order by pbx")[1]
            gone = [name for (name,) in known if name not in names]
    except ThreecxError:
        # Everything is loaded; somebody else has the history open already. `status` tells it as well.
        return
    for name in gone:
        stderr.note(
            f"PBX '{name}' is in the history, but not in the settings: it was not read; its devices stay as last seen."
        )


def _tell_of_publication(location: HistoryLocation) -> None:
    from dlt_threecx.loading.work_folder import WorkFolder
    from dlt_threecx.publish.outcome import read_outcome

    last = read_outcome(WorkFolder(location).path)
    if last and last.error:
        stderr.warning(f"the history is complete, the copy in {last.folder} is as it was: {last.error}")


@contextmanager
def _progress(pbxs: int) -> Iterator[Progress | None]:
    """A bar per PBX, on a terminal only; of many PBXs one for all, and some for those that are being read."""
    if stderr.is_quiet() or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        is_many = pbxs > _BARS
        tasks = {"": bars.add_task("PBXs", total=pbxs)} if is_many else {}
        done: set[str] = set()
        lock = threading.Lock()

        def heard(pbx: str, rows: int, total: int, /) -> None:
            with lock:
                if is_many and rows >= total:
                    done.add(pbx)
                    bars.update(tasks[""], completed=len(done))
                    if pbx in tasks:
                        bars.remove_task(tasks.pop(pbx))
                    return
                if pbx not in tasks:
                    if len(tasks) > _BARS:
                        return
                    tasks[pbx] = bars.add_task(escape(pbx), total=total)
                bars.update(tasks[pbx], completed=rows, total=total)
                if not total:
                    # Failed, or empty: a full bar would say that it was read.
                    bars.update(tasks[pbx], description=f"{escape(pbx)}: nothing read", total=1, completed=0)

        yield heard
