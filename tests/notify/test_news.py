"""What is news, decided from literal rows."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dlt_threecx.notify.cursor import PbxCursor
from dlt_threecx.notify.facts import Finding, PbxFacts
from dlt_threecx.notify.news import PbxNews, Rules, baseline, pbx_news
from dlt_threecx.queries.change_groups import FieldChange

NOW = datetime(2026, 11, 24, 3, tzinfo=UTC)
HOUR = timedelta(hours=1)
RULES = Rules(attempts=3, max_age=26 * HOUR)
WELL = PbxFacts("hq", "complete", last_complete_at=NOW, devices=20)
REFUSED = PbxFacts("hq", "refused", "shrink", "40 devices would go", NOW - HOUR, 130, 0, NOW)
KNOWN = PbxCursor(begun_at=NOW - 99 * HOUR, changes_until=NOW - HOUR, digest_at=NOW - 30 * HOUR)
FINDING = Finding("weak_password", "high", "hq", 7, "101", "Ann", None, "too short")


def failed(times: int, reason: str = "unreachable", complete_at: datetime = NOW - HOUR) -> PbxFacts:
    return PbxFacts("hq", "failed", reason, "no answer", complete_at, 130, times, NOW)


def change(at: datetime, device: int = 7, **values: Any) -> FieldChange:
    row = FieldChange(
        at, "hq", device, "101", "Ann", None, "Yealink", "T46U", "changed", "network", "ip_address", "a", "b"
    )
    return row._replace(**values)


def told(facts: PbxFacts, cursor: PbxCursor | None = KNOWN, now: datetime = NOW, *changes: FieldChange) -> PbxNews:
    return pbx_news(facts, changes, cursor, now, RULES)


def test_a_last_snapshot_of_the_future_is_a_problem() -> None:
    problem = told(WELL, KNOWN, NOW - HOUR).problem
    assert problem
    assert (problem.kind, problem.since, "future" in str(problem.detail)) == ("stale", NOW, True)


def test_ten_refused_runs_are_news_once() -> None:
    cursor, times = KNOWN, []
    for run in range(10):
        news = told(REFUSED, cursor, NOW + run * HOUR)
        times.append(news.problem is not None)
        cursor = news.after
    assert times == [True] + 9 * [False]


def test_a_problem_is_reminded_of_once_after_a_day() -> None:
    cursor = told(REFUSED).after
    reminders = []
    for hours in (23, 24, 25, 60):
        news = told(REFUSED, cursor, NOW + hours * HOUR)
        reminders.append(news.is_reminder)
        cursor = news.after
    assert reminders == [False, True, False, False]


def test_another_guard_is_news_and_the_first_one_again_is_not() -> None:
    cursor = told(REFUSED).after
    other = told(replace(REFUSED, last_reason="empty"), cursor)
    assert other.problem is not None
    assert told(REFUSED, other.after).is_empty


def test_a_recovery_is_news_once_and_only_of_a_problem_that_was_told() -> None:
    recovered = told(WELL, told(REFUSED).after)
    assert recovered.recovered_at == NOW
    assert told(WELL, recovered.after).is_empty
    assert told(WELL).is_empty


def test_after_a_recovery_the_same_problem_is_news_again() -> None:
    assert told(REFUSED, told(WELL, told(REFUSED).after).after).problem is not None


def test_a_failure_is_news_after_three_attempts() -> None:
    assert [told(failed(times)).problem is not None for times in (1, 2, 3)] == [False, False, True]


def test_a_failed_attempt_is_no_recovery_from_a_refusal() -> None:
    news = told(failed(1), told(REFUSED).after)
    assert news.is_empty
    assert news.after.told == ("refused shrink",)


def test_a_failure_is_news_at_once_when_the_last_snapshot_is_old() -> None:
    problem = told(failed(1, complete_at=NOW - 27 * HOUR)).problem
    assert problem is not None
    assert (problem.kind, problem.reason) == ("failing", "unreachable")


def test_a_pbx_that_nothing_reads_any_more_becomes_stale() -> None:
    idle = replace(WELL, last_complete_at=NOW - 25 * HOUR)
    assert told(idle).is_empty
    problem = told(idle, now=NOW + 2 * HOUR).problem
    assert problem is not None
    assert (problem.kind, problem.since) == ("stale", NOW - 25 * HOUR)


def test_a_pbx_that_was_never_read_becomes_stale_only_after_its_time() -> None:
    never = PbxFacts("new")
    first = told(never, None)
    assert first.is_empty
    assert told(never, first.after, NOW + 27 * HOUR).problem is not None


def test_a_new_receiver_hears_of_problems_and_of_nothing_that_was_there_before() -> None:
    there = replace(WELL, findings=(FINDING,))
    assert told(there, baseline(there, NOW)).is_empty
    assert told(REFUSED, baseline(REFUSED, NOW)).problem is not None


def test_the_first_reading_of_a_new_pbx_is_one_line() -> None:
    news = told(replace(WELL, findings=(FINDING,)), None, NOW, change(NOW, change="added", field=None))
    assert (news.first_devices, news.findings, news.changes) == (20, (), ())


def test_a_finding_is_news_once_and_again_when_it_comes_back() -> None:
    having = replace(WELL, findings=(FINDING,))
    first = told(having)
    assert first.findings == (FINDING,)
    assert told(replace(WELL, findings=(FINDING._replace(detail="other words"),)), first.after).is_empty
    gone = told(WELL, first.after)
    assert told(having, gone.after).findings == (FINDING,)


def test_changes_are_told_by_cause_and_once() -> None:
    news = told(WELL, KNOWN, NOW, change(NOW, 7), change(NOW, 8))
    assert [(group.devices, group.change) for group in news.changes] == [(2, "changed")]
    assert news.after.changes_until == NOW


@pytest.mark.parametrize("facts", [REFUSED, replace(WELL, findings=(FINDING,))])
def test_changes_wait_for_the_next_day_or_for_other_news(facts: PbxFacts) -> None:
    recent = replace(KNOWN, digest_at=NOW - HOUR)
    waiting = told(WELL, recent, NOW, change(NOW))
    assert waiting.is_empty
    assert waiting.after.changes_until == KNOWN.changes_until
    assert told(facts, waiting.after, NOW, change(NOW)).changes
    assert told(WELL, waiting.after, NOW + 19 * HOUR, change(NOW)).changes


def test_what_was_not_delivered_is_still_news() -> None:
    undelivered = told(REFUSED)
    assert told(REFUSED, KNOWN, NOW + HOUR).problem == undelivered.problem
