"""What is news about a PBX, and what was told already. Everything here is a pure function of its arguments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from dlt_threecx.notify.cursor import PbxCursor
from dlt_threecx.notify.facts import Finding, PbxFacts
from dlt_threecx.queries.change_groups import ChangeGroup, FieldChange, change_groups
from dlt_threecx.queries.times import is_ahead

__all__ = ["PbxNews", "Problem", "Rules", "baseline", "pbx_news"]

DIGEST_EVERY = timedelta(hours=20)
"""Changes alone are told at most this often: once a day, even when the run comes some hours early."""

REMIND_AFTER = timedelta(hours=24)
"""A problem that goes on is told a second time after this, and then no more."""

_AHEAD = "This time is in the future, so its age is unknown. Check the clock of the machine that syncs."


@dataclass(frozen=True)
class Rules:
    """When a PBX has a problem."""

    attempts: int = 3
    """From this number of failed attempts in a row on, it is a problem."""
    max_age: timedelta = timedelta(hours=26)
    """Without a complete snapshot for longer than this, a PBX has a problem."""


@dataclass(frozen=True)
class Problem:
    """Why there is no fresh snapshot of a PBX."""

    kind: Literal["refused", "failing", "stale"]
    reason: str | None = None
    """The word of the ledger: the guard that refused, or why the attempt failed."""
    detail: str | None = None
    """The sentence of the ledger."""
    since: datetime | None = None
    """The first refused or failed attempt; for a stale PBX its last complete snapshot."""

    @property
    def key(self) -> str:
        """The same for the same problem."""
        return f"{self.kind} {self.reason}" if self.reason else self.kind


@dataclass(frozen=True)
class PbxNews:
    """What a receiver does not know yet about one PBX, and its cursor once that is delivered."""

    pbx: str
    after: PbxCursor
    problem: Problem | None = None
    is_reminder: bool = False
    recovered_at: datetime | None = None
    first_devices: int | None = None
    """Devices of the first complete snapshot, when that is the news."""
    findings: tuple[Finding, ...] = ()
    changes: tuple[ChangeGroup, ...] = ()

    @property
    def is_urgent(self) -> bool:
        """Whether it is more than changes, which can wait for the daily digest."""
        return bool(self.problem or self.recovered_at or self.findings) or self.first_devices is not None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to tell."""
        return not self.is_urgent and not self.changes


def baseline(facts: PbxFacts, now: datetime) -> PbxCursor:
    """The cursor with which a new receiver starts: it hears of problems, but gets no list of what was there before."""
    return PbxCursor(now, facts.last_complete_at, findings=frozenset(one.key for one in facts.findings))


def pbx_news(
    facts: PbxFacts, changes: Sequence[FieldChange], cursor: PbxCursor | None, now: datetime, rules: Rules
) -> PbxNews:
    """The news about a PBX since its cursor, None for a PBX that is new. `changes` are those after the cursor."""
    known = PbxCursor(begun_at=now) if cursor is None else cursor
    news = PbxNews(facts.pbx, known)
    news = _with_problem(news, _problem(facts, known, now, rules), facts, now)
    if facts.last_complete_at is None:
        return news
    if known.changes_until is None:
        news = replace(news, first_devices=facts.devices)
    else:
        news = replace(news, findings=tuple(one for one in facts.findings if one.key not in known.findings))
    news = replace(news, after=replace(news.after, findings=frozenset(one.key for one in facts.findings)))
    if known.changes_until is None or not changes:
        return replace(news, after=replace(news.after, changes_until=facts.last_complete_at))
    if news.is_urgent or known.digest_at is None or now - known.digest_at >= DIGEST_EVERY:
        until = max(facts.last_complete_at, changes[-1].changed_at)
        return replace(news, changes=tuple(change_groups(changes)), after=replace(news.after, changes_until=until))
    return news


def _problem(facts: PbxFacts, known: PbxCursor, now: datetime, rules: Rules) -> Problem | None:
    """The problem of a PBX; one that failed less often than the rules say has none yet."""
    last_at = facts.last_complete_at or known.begun_at
    detail = _AHEAD if is_ahead(last_at, now) else None
    is_old = now - last_at > rules.max_age or detail is not None
    if facts.last_status == "refused":
        return Problem("refused", facts.last_reason, facts.last_detail, facts.first_failure_at)
    if facts.last_status == "failed":
        if is_old or facts.failures >= rules.attempts:
            return Problem("failing", facts.last_reason, facts.last_detail, facts.first_failure_at)
        return None
    return Problem("stale", detail=detail, since=facts.last_complete_at) if is_old else None


def _with_problem(news: PbxNews, problem: Problem | None, facts: PbxFacts, now: datetime) -> PbxNews:
    known = news.after
    if problem is None:
        if known.told and facts.last_status == "complete":
            well = replace(known, told=(), told_at=None, is_reminded=False)
            return replace(news, recovered_at=facts.last_complete_at, after=well)
        return news
    if problem.key not in known.told:
        told = replace(known, told=(*known.told, problem.key), told_at=now)
        return replace(news, problem=problem, after=told)
    if not known.is_reminded and known.told_at is not None and now - known.told_at >= REMIND_AFTER:
        return replace(news, problem=problem, is_reminder=True, after=replace(known, told_at=now, is_reminded=True))
    return news
