"""Options that several commands share."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from dlt_threecx.cli import stderr
from dlt_threecx.destinations.location import DUCKDB, HistoryLocation
from dlt_threecx.queries.times import parsed_age, parsed_time
from dlt_threecx.settings.duckdb_path import duckdb_path

__all__ = ["Age", "Part", "Time", "connecting", "talking", "with_format", "with_location", "with_pbx"]

_FORMATS = ("table", "json", "csv", "ndjson")

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
            return parsed_time(value, datetime.now(UTC), end=self._end)
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
    """`-v`, `--debug` and `--log-format`."""

    @click.option("-v", "--verbose", is_flag=True, help="Say more on stderr, such as each request to a PBX.")
    @click.option("--debug", is_flag=True, help="Show everything, and a traceback when something fails.")
    @click.option(
        "--log-format",
        type=click.Choice(stderr.LOG_FORMATS),
        default="text",
        help="How stderr is written: text, or json for machines.",
    )
    @functools.wraps(command)
    def told(*args: Any, verbose: bool, debug: bool, log_format: stderr.LogFormat, **kwargs: Any) -> Any:
        stderr.listen(2 if debug else 1 if verbose else 0, log_format)
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
    return click.option("--pbx", multiple=True, metavar="NAME", help="Only this PBX. Can be given several times.")(
        command
    )


def with_format(command: Command) -> Command:
    """`--format`, as the argument `form`."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(_FORMATS),
        default="table",
        help="How to print. Default: table.",
    )(command)


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
