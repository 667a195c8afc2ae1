"""Options that several commands share."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any

import click

from dlt_threecx.cli import stderr
from dlt_threecx.cli.output import FORMATS, SUFFIXES, Format, Output
from dlt_threecx.destinations.location import DUCKDB, HistoryLocation
from dlt_threecx.queries.times import parsed_age, parsed_time
from dlt_threecx.settings.duckdb_path import duckdb_path

__all__ = ["Age", "Part", "Time", "connecting", "talking", "with_history", "with_location", "with_output", "with_pbx"]

_ZONE = "threecx.zone"
"""Where click keeps the time zone of a command."""

Command = Callable[..., Any]


class Time(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.5
    """A point in time; with `end` a day means its end."""

    name = "time"

    def __init__(self, *, end: bool = False) -> None:
        self._end = end

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A datetime in UTC."""
        if isinstance(value, datetime):
            return value
        try:
            zone = ctx.meta.get(_ZONE, UTC) if ctx else UTC
            return parsed_time(value, datetime.now(UTC), end=self._end, zone=zone)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Age(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.5
    """A length of time."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A timedelta."""
        try:
            return parsed_age(value) if isinstance(value, str) else value
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Part(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.5
    """`2/5`: the second of five shards."""

    name = "part"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A Shard."""
        from dlt_threecx.settings.config import Shard

        if isinstance(value, Shard):
            return value
        found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", str(value))
        if not found or not 1 <= int(found[1]) <= int(found[2]):
            self.fail(f"'{value}' is no shard such as 2/5: the second of five parts.", param, ctx)
        return Shard(int(found[1]), int(found[2]))


def talking(command: Command) -> Command:
    """`-v`, `--debug`, `--quiet` and `--log-format`."""

    @click.option("-v", "--verbose", is_flag=True, help="Say more on stderr, such as each request to a PBX.")
    @click.option("--debug", is_flag=True, help="Show everything, and a traceback when something fails.")
    @click.option("-q", "--quiet", is_flag=True, help="Say nothing on stderr but warnings and errors.")
    @click.option(
        "--log-format",
        type=click.Choice(stderr.LOG_FORMATS),
        default="text",
        help="How stderr is written: text, or json for machines.",
    )
    @functools.wraps(command)
    def told(*args: Any, verbose: bool, debug: bool, quiet: bool, log_format: stderr.LogFormat, **kwargs: Any) -> Any:
        stderr.listen(2 if debug else 1 if verbose else 0, log_format, quiet=quiet)
        return command(*args, **kwargs)

    return told


def connecting(command: Command) -> Command:
    """`--project`: where `.dlt` is."""
    return click.option(
        "--project",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        default=".",
        metavar="DIR",
        help="Folder that holds .dlt with the settings. Default: this folder.",
    )(command)


def with_pbx(command: Command) -> Command:
    """`--pbx`, any number of times."""
    return click.option(
        "--pbx",
        multiple=True,
        metavar="NAME",
        help="Only this PBX, or those like 'leeds*'. Can be given several times.",
        shell_complete=_complete_pbx,
    )(command)


def _complete_pbx(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """The PBXs of the settings, for the completion of a shell."""
    from dlt_threecx.settings.config import load_pbx_names
    from dlt_threecx.source.errors import ThreecxError

    try:
        names = load_pbx_names(Path(ctx.params.get("project") or "."), os.environ)
    except ThreecxError:
        return []
    return [name for name in names if name.startswith(incomplete)]


class Zone(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.5
    """A time zone by name; times that are typed are in it, too."""

    name = "zone"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A tzinfo."""
        if isinstance(value, tzinfo):
            return value
        from zoneinfo import ZoneInfo

        try:
            zone = datetime.now().astimezone().tzinfo if str(value).lower() == "local" else ZoneInfo(str(value))
        except (ValueError, OSError, LookupError):
            self.fail(f"'{value}' is no time zone such as Europe/Vienna, UTC or local.", param, ctx)
        if ctx and zone:
            ctx.meta[_ZONE] = zone
        return zone


def with_output(command: Command, monitors: Collection[str] = ()) -> Command:
    """How and where rows are printed, as the argument `output`: `--format`, `--output`, `--columns` and more.

    `monitors` are formats of this command alone, into a file of any name.
    """

    @click.option("--format", "form", type=click.Choice((*FORMATS, *monitors)), help="How to print. Default: table.")
    @click.option(
        "--output",
        "path",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help=f"Write to this file: {' '.join(SUFFIXES)}.",
    )
    @click.option("--columns", metavar="A,B", help="Only these columns, in this order.")
    @click.option("--sort", metavar="A,-B", help="Sort by these columns; - is from high to low.")
    @click.option("--limit", type=click.IntRange(min=0), metavar="N", help="Only the first N rows.")
    @click.option("--bom", is_flag=True, help="Begin a CSV with the mark by which Excel knows UTF-8.")
    @click.option(
        "--tz",
        "zone",
        type=Zone(),
        is_eager=True,
        metavar="ZONE",
        help="Time zone of tables and of the times you give: Europe/Vienna, local. Default: UTC.",
    )
    @functools.wraps(command)
    def printed(*args: Any, form: Format | None, path: Path | None, columns: str | None, **kwargs: Any) -> Any:
        if path is not None and form not in monitors and path.suffix not in SUFFIXES:
            raise click.BadParameter(f"'{path}' ends with none of {', '.join(SUFFIXES)}.", param_hint="--output")
        if path is not None and form not in (None, *monitors) and path.suffix != f".{form}":
            raise click.UsageError(f"--format {form} and --output {path} contradict each other.")
        sort, zone = kwargs.pop("sort"), kwargs.pop("zone")
        output = Output(
            form or "table", path, _names(columns), _names(sort), kwargs.pop("limit"), kwargs.pop("bom"), zone or UTC
        )
        code = command(*args, output=output, **kwargs)
        output.show()
        return code

    return printed


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


def with_history(command: Command) -> Command:
    """The same as `with_location`, and `--archive` for a past that was put away."""

    @click.option(
        "--archive",
        "archives",
        multiple=True,
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Read this archive together with the history. Can be given several times.",
    )
    @with_location
    @functools.wraps(command)
    def placed(*args: Any, archives: tuple[Path, ...], location: HistoryLocation, **kwargs: Any) -> Any:
        return command(*args, location=replace(location, archives=archives), **kwargs)

    return placed


def with_location(command: Command) -> Command:
    """`--db`, `--destination`, `--dataset` and `--project`, together as the argument `location`."""

    @click.option(
        "--db",
        metavar="FILE",
        help="DuckDB file of the history, in the folder of --project. Default: that of the settings, or phones.duckdb.",
    )
    @click.option(
        "--destination", metavar="NAME", help="A destination of dlt. Default: that of the settings, or duckdb."
    )
    @click.option("--dataset", default="threecx", metavar="NAME", help="Schema of the history. Default: threecx.")
    @connecting
    @functools.wraps(command)
    def placed(*args: Any, db: str | None, destination: str | None, dataset: str, project: Path, **kwargs: Any) -> Any:
        if destination is None:
            from dlt_threecx.settings.config import load_destination

            destination = load_destination(project, os.environ)
        file = duckdb_path(project, os.environ, db) if destination == DUCKDB else project
        return command(*args, location=HistoryLocation(file, dataset, destination, project), **kwargs)

    return placed
