"""`threecx demo`: two weeks of a simulated 3CX, read over HTTP into a DuckDB file, and the first answers."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dlt_threecx.cli import stderr
from dlt_threecx.cli.commands.history import history as history_command
from dlt_threecx.cli.commands.report import write_report
from dlt_threecx.cli.options import talking
from dlt_threecx.cli.output import write_rows
from dlt_threecx.destinations.base import History
from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.destinations.open import open_history
from dlt_threecx.settings.config import load_config
from dlt_threecx.settings.duckdb_path import DEFAULT_DB
from dlt_threecx.settings.keys import variable
from dlt_threecx.simulator import Fleet, Simulator
from dlt_threecx.source.errors import SettingsError
from dlt_threecx.tables import CHANGES

if TYPE_CHECKING:
    from collections.abc import Callable

    from dlt_threecx.compare.decide import SyncResult

__all__ = ["demo"]

DAYS = 14
EMPTY_DAY, UPGRADE_DAY = 6, 11
DATASET = "threecx"
_MARK = "This folder was made by threecx demo; the next demo replaces it.\n"
"""The whole README.txt of a folder that a demo may replace."""

_INVENTORY = """
    select vendor, model, firmware_version, count(*) as devices from devices
    group by vendor, model, firmware_version order by devices desc, vendor, model, firmware_version limit 10
"""
_LAST_CHANGES = """
    select changed_at, dn_number, dn_name, change, field, old_value, new_value from device_changes
    where category is distinct from 'presence' order by changed_at desc, dn_number, field limit 10
"""
_MOST_STORIED = """
    select device_id from device_changes where category is distinct from 'presence'
    group by device_id order by count(distinct changed_at) desc, device_id limit 1
"""
_QUERIES = (
    "select day, sum(devices) as devices from daily_inventory group by day order by day",
    "select dn_number, dn_name, old_value, new_value, changed_at from device_changes where field = 'ip_address'",
    "select taken_at, status, reason, devices, added, changed, removed, returned from snapshots order by snapshot_id",
)


@click.command(epilog="\b\nExamples:\n  threecx demo\n  threecx demo --devices 3000 --folder big-demo")
@click.option("--devices", type=click.IntRange(1, 100_000), default=250, help="Phones of the PBX. Default: 250.")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default="demo",
    metavar="DIR",
    help="Where to put it; an earlier demo there is replaced. Default: demo.",
)
@talking
def demo(devices: int, folder: Path) -> None:
    """Two weeks of a simulated 3CX, in a minute.

    Starts a 3CX on this machine, lets 14 days pass in it, syncs on each of them over HTTP, and shows what the history
    then answers: the inventory, the last changes, the story of one phone. On one day the PBX shows no devices at all,
    on another it is upgraded. Nothing leaves this machine.
    """
    _make_room(folder)
    db = folder / DEFAULT_DB
    fleet = Fleet(devices=devices, seed=3)
    with Simulator(fleet) as pbx, _steps() as told:
        environ = {
            variable("base_url"): pbx.base_url,
            variable("client_id"): pbx.client_id,
            variable("client_secret"): pbx.client_secret,
            variable("fingerprint_key"): "the key of the demo is no secret",
        }
        config = load_config(folder, environ)

        from dlt_threecx.run import sync_pbxs

        for day in range(DAYS):
            if day:
                fleet.next_day()
            if day == UPGRADE_DAY:
                fleet.shape = "later"
            hidden = fleet.ids() if day == EMPTY_DAY else ()
            for device_id in hidden:
                fleet.remove(device_id)
            [result] = sync_pbxs(config, db=db, dataset=DATASET, clock_offset=timedelta(days=day + 1 - DAYS))
            for device_id in hidden:
                fleet.restore(device_id)
            told(_line(day, result))
    _answer(db)


def _make_room(folder: Path) -> None:
    """An empty folder with our mark in it; only a folder with that mark is replaced."""
    mark = folder / "README.txt"
    if folder.is_symlink() or (folder.exists() and any(folder.iterdir()) and not _is_marked(mark)):
        raise SettingsError(
            f"folder {folder}", "threecx demo did not make it, so it stays as it is", "Choose another one with --folder"
        )
    try:
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        mark.write_text(_MARK, encoding="utf-8")
    except OSError as error:
        raise SettingsError(
            f"folder {folder}", f"it cannot be made ({error.strerror})", "Choose another one with --folder"
        ) from error


def _is_marked(mark: Path) -> bool:
    try:
        return not mark.is_symlink() and mark.read_bytes() == _MARK.encode()
    except OSError:
        return False


def _line(day: int, result: SyncResult) -> str:
    row = result.row
    at = f"day {day + 1:>2}  {row.started_at:%a %d %b}"
    if result.error:
        return f"{at}  {row.status}: {row.detail}"
    counts = [f"{count} {kind}" for kind in CHANGES if (count := getattr(row, kind))]
    moved = f"; the API's shape changed in {len(result.shape_changes)} places" if result.shape_changes else ""
    return f"{at}  {row.devices} devices: {', '.join(counts) or 'nothing new'}{moved}"


@contextmanager
def _steps() -> Iterator[Callable[[str], None]]:
    """A line a day on stderr; on a terminal with a bar below."""
    if not sys.stderr.isatty():
        yield stderr.note
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("days", total=DAYS)

        def told(line: str) -> None:
            bar.console.print(escape(line), highlight=False)
            bar.advance(task)

        yield told


def _program() -> str:
    """What to type for this program in the same shell."""
    if shutil.which("threecx"):
        return "threecx"
    path = Path(sys.argv[0]).absolute()
    here = Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))


def _answer(db: Path) -> None:
    place = f"--project {shlex.quote(str(db.parent))}"
    with open_history(HistoryLocation(db)) as past:
        _show(past, "Which phones are there, with which firmware?", _INVENTORY)
        _show(past, "What changed last?", _LAST_CHANGES)
        found = list(past.rows(_MOST_STORIED)[1])
    for (device_id,) in found:
        asked = f"id:{device_id}"
        click.echo(f"\nWhat happened to the phone with Id {device_id}?  {_program()} history {asked} {place}\n")
        history_command.main([asked, "--project", str(db.parent)], standalone_mode=False)
    click.echo(f"\nThe history is in {db}, a DuckDB file. Questions to try:\n")
    for question in ("devices --model 'T4*' --sort -firmware", "changes --since 3d", "findings", "status"):
        click.echo(f"  {_program()} {question} {place}")
    for query in _QUERIES:
        click.echo(f'  {_program()} sql {place} "{query}"')
    _write_page(db, db.with_name("report.html"))


def _write_page(db: Path, page: Path) -> None:
    try:
        write_report(HistoryLocation(db, project=db.parent), page)
    except SettingsError as error:
        stderr.note(str(error))  # the charts are an extra
    else:
        click.echo(f"\nThe same as a page, to open in a browser: {page}")


def _show(past: History, title: str, query: str) -> None:
    click.echo(f"\n{title}\n")
    columns, rows = past.rows(query)
    write_rows(columns, rows, "table", sys.stdout)
