"""`threecx verify`: checks that nobody edited the history."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import click

from dlt_threecx.archive.proof import meeting_problems
from dlt_threecx.cli import stderr
from dlt_threecx.cli.freshness import chosen_pbxs
from dlt_threecx.cli.options import Time, talking, with_history, with_output, with_pbx
from dlt_threecx.cli.output import Output
from dlt_threecx.destinations.base import History
from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.destinations.open import open_history
from dlt_threecx.errors import suggestion
from dlt_threecx.integrity.strays import stray_snapshots
from dlt_threecx.integrity.verdict import Verdict
from dlt_threecx.integrity.verify import verify as verify_history
from dlt_threecx.loading.work_folder import WorkFolder
from dlt_threecx.source.errors import ExitCode, QueryError

__all__ = ["check_asked", "verdicts_of", "verify"]

Progress = Callable[[str, int], None]

_COLUMNS = ("pbx", "verdict", "attempts", "snapshots", "versions", "devices", "first_at", "last_at", "head")
_BEGIN = ("archive", "archive_head")
_WRONG = ("snapshot_id", "device_id", "field", "what")


@click.command(
    epilog="\b\nExamples:\n"
    "  threecx verify\n"
    "  threecx verify --at 2026-11-03\n"
    "  threecx verify --head 5f0c7c1b9d2e    the beginning of a chain head that sync printed"
)
@click.option("--at", type=Time(end=True), metavar="TIME", help="The history up to then; a day means its end.")
@click.option("--head", metavar="HASH", help="A chain head that was noted elsewhere: 12 digits of it or more.")
@with_pbx
@with_history
@with_output
@talking
def verify(
    at: datetime | None, head: str | None, pbx: tuple[str, ...], location: HistoryLocation, output: Output
) -> int:
    """Check that nobody edited the history.

    Replays the log of versions against the ledger: each device against its hash, each snapshot against its
    fingerprint, each row of the ledger against the chain. It names the first snapshot, device and field that
    disagree, and exits with 5. A person who can rewrite the whole history, hashes included, is found out only with
    --head: note the head that sync prints somewhere else.

    A history whose past was put away begins with the heads of that archive, and verify names it. With --archive both
    are verified, and that they belong together.
    """
    if head is not None and not _is_head(head):
        raise click.BadParameter("a head is 12 to 64 digits from 0 to 9 and a to f.", param_hint="--head")
    try:
        with _progress() as progress:
            # with archives the history is one by itself nevertheless
            alone = _found(replace(location, archives=()), pbx, None, progress) if location.archives else None
            found = _found(location, pbx, at, progress)
    except _OtherTables as error:
        stderr.error(f"the tables are not those of a history: {error}. Compare with a backup")
        return ExitCode.NOT_PROVEN
    verdicts = found.verdicts
    if output.is_table and not output.is_shaped:
        output.write(("pbx", "verdict", "head"), [_told(verdict, output) for verdict in verdicts])
    else:
        output.write((*_COLUMNS, *_BEGIN, *_WRONG), [_row(verdict) for verdict in verdicts])
    output.show()
    for part in filter(None, (alone, found)):
        for warning in part.warnings:
            stderr.warning(warning)
    problems = [*_problems(verdicts, head), *found.problems]
    if alone is not None:
        problems += alone.problems or ([] if problems else _problems(alone.verdicts, None))
    for problem in problems:
        stderr.error(problem)
    return ExitCode.NOT_PROVEN if problems else ExitCode.DONE


class _OtherTables(Exception):
    """The queries are ours, so it is the tables that are not."""


@dataclass(frozen=True)
class _Found:
    """What was found in one history."""

    verdicts: list[Verdict]
    problems: list[str]
    """What is not that of any PBX."""
    warnings: list[str]


def _found(location: HistoryLocation, pbx: Sequence[str], at: datetime | None, progress: Progress | None) -> _Found:
    with open_history(location) as kept, kept.original() as history:
        pbx = chosen_pbxs(history, location, pbx)
        check_asked(history, pbx, at)
        try:
            return _Found(
                verdicts_of(location, history, pbx, at, progress),
                [*meeting_problems(history), *map(_of_view, history.differing_views())],
                list(_stray_warnings(history, location)),
            )
        except QueryError as error:
            raise _OtherTables(error.got) from error


def _stray_warnings(history: History, location: HistoryLocation) -> Iterator[str]:
    unfinished = (WorkFolder(location).announcement.read() or ({}, []))[1]
    for stray in stray_snapshots(history):
        if stray.disagreement is None and stray.snapshot_id not in unfinished:
            yield (
                f"PBX '{stray.pbx}', snapshot {stray.snapshot_id}: the log has versions of it and the ledger has no "
                "such snapshot. No view shows them. A sync that was killed may have left them"
            )


def verdicts_of(
    location: HistoryLocation,
    history: History,
    pbxs: Sequence[str],
    until: datetime | None,
    progress: Progress | None = None,
) -> list[Verdict]:
    """The verdict on each PBX; what the work folder of the syncs remembers counts too."""
    work = WorkFolder(location)
    _, unfinished = work.announcement.read() or ({}, [])
    found = verify_history(
        history, pbxs, until=until, progress=progress, remembered=work.last_head, unfinished=unfinished
    )
    return list(found)


def check_asked(history: History, pbxs: Sequence[str], at: datetime | None) -> None:
    """Raises QueryError when no PBX has that name, or nothing was recorded up to that time."""
    sql = "select s.pbx, min(coalesce(s.taken_at, s.started_at)) as begins_at from snapshots s"
    sql += " where s.status in ('complete', 'refused', 'failed') group by s.pbx"
    begins: dict[str, datetime] = dict(history.rows(sql)[1])
    for name in pbxs:
        if name not in begins:
            raise QueryError(f"PBX '{name}'", "the history has none of that name", suggestion(name, sorted(begins)))
    first = min((begins_at for name, begins_at in begins.items() if not pbxs or name in pbxs), default=None)
    if at is not None and first is not None and at < first:
        raise QueryError("--at", f"the history begins on {first:%Y-%m-%d %H:%M:%S} UTC", "Name a later time")


def _is_head(text: str) -> bool:
    return 12 <= len(text) <= 64 and all(c in "0123456789abcdef" for c in text)


def _row(verdict: Verdict) -> list[Any]:
    wrong = verdict.disagreement
    given = [getattr(verdict, name) for name in _COLUMNS if name not in ("pbx", "verdict")]
    details = [getattr(wrong, name) if wrong else None for name in _WRONG]
    begin = [verdict.begins.archived.archive, verdict.begins.head] if verdict.begins else [None, None]
    return [verdict.pbx, "disagrees" if wrong else "agrees", *given, *begin, *details]


def _told(verdict: Verdict, output: Output) -> list[Any]:
    """PBX, verdict and head for people: `nothing was edited: 14 attempts, 745 versions, 11–24 Nov`."""
    head = verdict.head[:12] if verdict.head else None
    if verdict.disagreement:
        return [verdict.pbx, "disagrees", head]
    counts = f"{_counted(verdict.attempts, 'attempt')}, {_counted(verdict.versions, 'version')}"
    days = f", {_days(verdict.first_at, verdict.last_at, output)}" if verdict.first_at and verdict.last_at else ""
    return [verdict.pbx, f"nothing was edited: {counts}{days}{_joined(verdict)}", head]


def _joined(verdict: Verdict) -> str:
    """Which archives were found to go before, and which one goes before the begin."""
    met = [join.archived.archive for join in verdict.joins]
    begin = verdict.begins
    return (f"; joined to {', '.join(met)}" if met else "") + (
        f"; begins with head {begin.head[:12]} of archive {begin.archived.archive}" if begin else ""
    )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _days(first: datetime, last: datetime, output: Output) -> str:
    """`24 Nov`, `11–24 Nov`, `30 Oct – 24 Nov`, or with the years."""
    first, last = first.astimezone(output.zone), last.astimezone(output.zone)
    if first.date() == last.date():
        return f"{last:%d %b}"
    if first.year != last.year:
        return f"{first:%d %b %Y} – {last:%d %b %Y}"
    return f"{first:%d}–{last:%d %b}" if first.month == last.month else f"{first:%d %b} – {last:%d %b}"


def _problems(verdicts: list[Verdict], head: str | None) -> Iterator[str]:
    for verdict in verdicts:
        if wrong := verdict.disagreement:
            where = [f"PBX '{verdict.pbx}'"]
            where += [f"snapshot {wrong.snapshot_id}"] if wrong.snapshot_id is not None else []
            where += [f"device {wrong.device_id}"] if wrong.device_id is not None else []
            where += [wrong.field] if wrong.field else []
            yield f"{', '.join(where)}: {wrong.what}. {wrong.do}"
    if head is not None and not any(known.startswith(head) for verdict in verdicts for known in verdict.heads):
        yield f"head {head}: no row of the ledger has it. The history was rewritten, or the head is of another one"


def _of_view(name: str) -> str:
    return f"{name}: it is not that of this release, so it may answer wrongly. threecx sync makes it again"


@contextmanager
def _progress() -> Iterator[Callable[[str, int], None] | None]:
    """A line that counts, on a terminal only."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console

    with Console(stderr=True).status("verifying") as status:
        yield lambda pbx, versions: status.update(f"verifying {pbx}: {versions} versions")
