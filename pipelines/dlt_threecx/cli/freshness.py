"""Which PBXs a question is about, and how fresh the history of them is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime

from dlt_threecx.cli import stderr
from dlt_threecx.cli.output import Output
from dlt_threecx.destinations.base import History
from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.queries.past_archive import past_archive
from dlt_threecx.queries.sql_query import SqlQuery
from dlt_threecx.queries.times import ago_text
from dlt_threecx.settings.config import load_pbx_names, matching_names
from dlt_threecx.source.errors import QueryError

__all__ = ["chosen_pbxs", "history_begin", "is_fleet", "require_begun", "tell_archive", "tell_freshness"]

_NAMED = 5
"""Of PBXs whose last attempt failed, up to this many are named."""


def chosen_pbxs(history: History, location: HistoryLocation, patterns: Sequence[str]) -> list[str]:
    """The PBXs of the history or the settings that are meant, none without a pattern.

    Raises SettingsError for an unknown one.
    """
    if not patterns:
        return []
    known = [name for (name,) in history.rows("select distinct pbx from snapshots order by pbx")[1]]
    return matching_names(patterns, sorted({*known, *load_pbx_names(location.project, os.environ)}))


def is_fleet(history: History, pbx: Sequence[str]) -> bool:
    """An answer may be about several PBXs, so that each row has to name its own."""
    if pbx:
        return len(pbx) > 1
    [[count]] = history.rows("select count(distinct pbx) from snapshots")[1]
    return bool(count > 1)


def history_begin(history: History, pbx: Sequence[str]) -> datetime | None:
    """The first complete snapshot."""
    query = SqlQuery(("min(taken_at)",), "complete_snapshots").where("not is_archived").among("pbx", pbx)
    [[begin]] = history.rows(query.sql, query.params)[1]
    return begin if isinstance(begin, datetime) else None


def require_begun(history: History, pbx: Sequence[str], at: datetime, output: Output) -> None:
    """Raises QueryError for a time before the first complete snapshot: what was there then is not known."""
    begin = history_begin(history, pbx)
    if begin is None:
        raise QueryError(
            "the query", "the history has no complete snapshot yet", "Run threecx sync; see threecx status"
        )
    if at < begin:
        raise QueryError(
            "the query",
            f"the history begins on {output.time(begin)}; what was there on {output.time(at)} is not known",
            f"Ask for a later time, or add --archive {past.name}"
            if (past := past_archive(history, pbx))
            else ("Ask for a later time"),
        )


def tell_archive(history: History, pbx: Sequence[str], since: datetime | None, output: Output) -> None:
    """Says where an answer begins, when what was before it is in an archive that was not named."""
    past = past_archive(history, pbx)
    if past is not None and (since is None or since < past.ends_at):
        stderr.note(f"What was up to {output.time(past.ends_at)} is in the archive {past.name}: add --archive FILE.")


def tell_freshness(history: History, pbx: Sequence[str], output: Output) -> None:
    """Says as of when an answer holds, and which PBXs could not be read since."""
    columns = ("pbx", "last_complete_at", "last_attempt_at", "last_status", "last_reason")
    query = SqlQuery(columns, "pbx_status").among("pbx", pbx).ordered("pbx")
    rows = list(history.rows(query.sql, query.params)[1])
    now = datetime.now(UTC)
    failed = [
        f"PBX '{name}': the last attempt {'' if status == 'failed' else 'was '}{status} {ago_text(at, now)} ({reason})"
        for name, _, at, status, reason in rows
        if status != "complete"
    ]
    times = sorted(at for _, at, *_ in rows if at is not None)
    if times and output.is_table:
        oldest = f", the oldest of {len(times)} PBXs" if len(times) > 1 else ""
        stderr.note(f"As of {output.time(times[0])}{oldest}.")
    for text in failed[:_NAMED]:
        stderr.warning(text)
    if len(failed) > _NAMED:
        stderr.warning(f"{len(failed) - _NAMED} more PBXs could not be read; see threecx status")
