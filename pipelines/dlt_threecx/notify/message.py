"""News as a short, plain text."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Literal

from dlt_threecx.notify.facts import Finding
from dlt_threecx.notify.news import PbxNews, Problem
from dlt_threecx.queries.change_groups import ChangeGroup
from dlt_threecx.queries.device_lookup import device_text
from dlt_threecx.source.errors import quoted

__all__ = ["Message", "message"]

LINES = 25
"""A message has at most this many lines of each kind."""

CHARACTERS = 1_900
"""A message is at most this long: the narrowest of the usual chats takes 2,000."""

ALIKE = 4
"""From this many PBXs on, those with the same problem share a line."""

_GUARD = re.compile(r"--accept (\w+)")


@dataclass(frozen=True)
class Message:
    """A text for people."""

    title: str
    body: str
    kind: Literal["warning", "success", "info"]


def message(news: Sequence[PbxNews], project: Path) -> Message:
    """One message for the news about these PBXs, at least one. Times are UTC."""
    sections = (
        list(_problems(news, project)),
        [f"{one.pbx}: recovered, read completely at {_time(one.recovered_at)}" for one in news if one.recovered_at],
        [f"{one.pbx}: first reading, {one.first_devices} devices" for one in news if one.first_devices is not None],
        _cut([_finding(one) for every in news for one in every.findings], "threecx findings"),
        _cut([_change(one) for every in news for one in every.changes], "threecx changes"),
    )
    titles = ("", "", "", "New findings:", "Changes:")
    blocks = ["\n".join(filter(None, [title, *lines])) for title, lines in zip(titles, sections, strict=True) if lines]
    body = "\n\n".join(blocks)
    if len(body) > CHARACTERS:
        body = body[:CHARACTERS].rpartition("\n")[0] + "\n… The rest: threecx status, threecx findings, threecx changes"
    is_bad = any(one.problem or one.findings for one in news)
    is_good = any(one.recovered_at for one in news)
    return Message(f"threecx: {_title(news)}", body, "warning" if is_bad else "success" if is_good else "info")


def _title(news: Sequence[PbxNews]) -> str:
    """`hq refused, lab recovered`, or of many `12 failing, 1 recovered, 3 findings`."""
    states = [
        (one.problem.kind if one.problem else "recovered", one.pbx) for one in news if one.problem or one.recovered_at
    ]
    if len(states) < ALIKE:
        parts = [f"{pbx} {state}" for state, pbx in states]
    else:
        parts = [f"{len(list(alike))} {state}" for state, alike in groupby(sorted(states), key=lambda one: one[0])]
    new = sum(one.first_devices is not None for one in news)
    findings = sum(len(one.findings) for one in news)
    devices = sum(group.devices for one in news for group in one.changes)
    counts = ((new, "new PBX"), (findings, "new finding"), (devices, "device change"))
    parts += [f"{count} {word}{'s' if count > 1 else ''}" for count, word in counts if count]
    pbxs = {one.pbx for one in news}
    return ", ".join(parts) + (f" ({pbxs.pop()})" if len(pbxs) == 1 and not states else "")


def _problems(news: Sequence[PbxNews], project: Path) -> Iterator[str]:
    """A block for each problem, and one for many PBXs that have the same."""
    having = sorted(
        ((one.problem, one) for one in news if one.problem), key=lambda pair: (pair[0].key, pair[1].is_reminder)
    )
    for _, alike in groupby(having, key=lambda pair: (pair[0].key, pair[1].is_reminder)):
        pairs = list(alike)
        if len(pairs) < ALIKE:
            for problem, one in pairs:
                yield from _problem(one.pbx, problem, one.is_reminder, project)
        else:
            names = _names([one.pbx for _, one in pairs])
            yield f"{len(pairs)} PBXs {_state(pairs[0][0], pairs[0][1].is_reminder)}: {names}"
            yield f"  {_why(pairs[0][0])}"


def _problem(pbx: str, problem: Problem, is_reminder: bool, project: Path) -> Iterator[str]:
    since = f" since {_time(problem.since)}" if problem.since else ""
    yield f"{pbx}: {_state(problem, is_reminder)}{since}"
    yield f"  {_why(problem)}"
    if problem.kind == "refused":
        guards = _GUARD.findall(problem.detail or "") or [problem.reason]
        accept = " ".join(f"--accept {guard}" for guard in guards)
        folder = shlex.quote(str(project.resolve()))
        yield "  If it is right, run:"
        yield f'  threecx sync --project {folder} --pbx {pbx} {accept} --because "why it is right"'


def _state(problem: Problem, is_reminder: bool) -> str:
    reason = f" ({problem.reason})" if problem.reason else ""
    return f"{'still ' if is_reminder else ''}{problem.kind}{reason}"


def _why(problem: Problem) -> str:
    if problem.kind == "stale" and problem.detail is None:
        return (
            "No sync has run since. Check the scheduler." if problem.since else "It was never read. Run threecx sync."
        )
    return quoted((problem.detail or "").partition(". Nothing was ")[0])


def _names(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def _finding(one: Finding) -> str:
    who = device_text(one.dn_number, one.dn_name, one.mac, one.device_id)
    return " · ".join(quoted(part) for part in (one.severity, one.rule, one.pbx, who, one.detail) if part)


def _change(one: ChangeGroup) -> str:
    """`hq · 13 × Yealink T46U: 102, 143, 149 … · firmware_version: 108.86.0.45 → 108.86.0.90`."""
    who = ", ".join(one.examples)
    if one.devices > 1:
        model = " ".join(part for part in (one.vendor, one.model) if part) or "device"
        who = f"{one.devices} × {model}: {who}" + (" …" if one.devices > len(one.examples) else "")
    what = one.change
    if one.category == "secret":
        what = "; ".join(f"{change.field.removesuffix('_fp')}: changed" for change in one.changes)
    elif one.changes:
        what = "; ".join(
            f"{change.field}: {change.old_value or '–'} → {change.new_value or '–'}" for change in one.changes
        )
    return " · ".join(quoted(part) for part in (one.pbx, who, what))


def _cut(lines: Sequence[str], command: str) -> list[str]:
    rest = len(lines) - LINES
    return [*lines[:LINES], *([f"… and {rest} more: {command}"] if rest > 0 else [])]


def _time(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else "an unknown time"
