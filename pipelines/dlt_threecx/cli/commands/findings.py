"""`threecx findings`: what somebody should look at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from itertools import groupby
from pathlib import Path
from textwrap import wrap
from typing import Any, NamedTuple

import click

from dlt_threecx.cli import stderr
from dlt_threecx.cli.cells import shown
from dlt_threecx.cli.freshness import chosen_pbxs, tell_freshness
from dlt_threecx.cli.options import Time, talking, with_history, with_output, with_pbx
from dlt_threecx.cli.output import Output
from dlt_threecx.cli.table import coloured, cut
from dlt_threecx.destinations.base import History
from dlt_threecx.destinations.location import HistoryLocation
from dlt_threecx.destinations.open import open_history
from dlt_threecx.errors import suggestion
from dlt_threecx.findings import SEVERITIES, rules
from dlt_threecx.findings.waivers import FILE, Waiver, load_waivers
from dlt_threecx.queries.device_lookup import device_text
from dlt_threecx.queries.sql_query import SqlQuery
from dlt_threecx.queries.times import duration_text
from dlt_threecx.settings.toml_files import shown_path
from dlt_threecx.source.errors import ExitCode

__all__ = ["findings"]

EXAMPLES_SHOWN = 10
"""A table shows this many devices of a rule, unless the rule was asked for."""

_COLUMNS = ("rule", "severity", "pbx", "device_id", "dn_number", "dn_name", "mac", "detail", "since")
_RULES = {rule.id: rule for rule in rules()}


class _Finding(NamedTuple):
    """A row of the view, what its rule says, and the reason and last day of its waiver."""

    rule: str
    severity: str
    pbx: str
    device_id: int | None
    dn_number: str | None
    dn_name: str | None
    mac: str | None
    detail: str
    since: datetime
    title: str
    reason: str
    action: str
    waived: str | None
    waived_until: date | None


def _checked_rules(_: click.Context, __: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name not in _RULES:
            raise click.BadParameter(f"there is no rule '{name}'. {suggestion(name, _RULES)}")
    return names


@click.command(
    epilog="\b\nExamples:\n"
    "  threecx findings\n"
    "  threecx findings --severity medium --since 24h\n"
    "  threecx findings --rule firmware_behind --format csv > behind.csv\n"
    "  threecx findings --fail-on high || echo 'somebody should look at this'\n\n"
    "\b\nRules:\n" + "\n".join(f"  {name:<24}{rule.severity:<8}{rule.title}" for name, rule in _RULES.items())
)
@click.option(
    "--rule",
    multiple=True,
    metavar="NAME",
    callback=_checked_rules,
    shell_complete=lambda _, __, begun: [name for name in _RULES if name.startswith(begun)],
    help="Only this rule; they are listed below.",
)
@click.option("--severity", type=click.Choice(SEVERITIES), help="Only what is as severe as this, or more.")
@click.option("--since", type=Time(), metavar="TIME", help="Only what began then or later: 24h (ago), 2026-11-01.")
@click.option("--waived", is_flag=True, help="Also what a waiver in .dlt/waivers.toml accepts.")
@click.option("--fail-on", type=click.Choice(SEVERITIES), help="Exit code 6 for anything as severe as this, or more.")
@with_pbx
@with_history
@with_output
@talking
def findings(
    rule: tuple[str, ...],
    severity: str | None,
    since: datetime | None,
    waived: bool,
    fail_on: str | None,
    pbx: tuple[str, ...],
    location: HistoryLocation,
    output: Output,
) -> int:
    """What somebody should look at.

    The severest first, each with the time since which it is so. A table shows ten devices of a rule, all of them with
    --rule; the other formats have everything. What was looked at and is meant so goes into .dlt/waivers.toml:
    [[waiver]] with rule, reason and, if you like, pbx, device (Id or MAC) and expires (its last day). A waived finding
    is not shown and does not fail. Times are UTC.
    """
    query = SqlQuery(_COLUMNS, "findings").among("rule", rule)
    if severity is not None:
        query.among("severity", _from(severity))
    if since is not None:
        query.where("since >= ?", since)
    now = datetime.now(UTC)
    waivers = _good_waivers(location.project, now.date())
    with open_history(location) as history:
        names = chosen_pbxs(history, location, pbx)
        query.among("pbx", names)
        tell_freshness(history, names, output)
        _, rows = history.rows(query.sql, query.params)
        found = sorted((_finding(row, waivers) for row in rows), key=_location)
        unknown = _without_presence(history, names) if "offline" in rule and not found else None
    listed = [one for one in found if waived or one.waived is None]
    if output.is_table and not output.is_shaped:
        lines = _told(listed[: output.limit], now, None if rule else EXAMPLES_SHOWN, output.width)
        output.text(lines)
    else:
        output.write(_Finding._fields, listed)
    output.show()
    if len(listed) < len(found):
        stderr.note(f"{len(found) - len(listed)} waived and not shown; --waived shows them.")
    elif unknown is not None:
        stderr.note(f"Unknown: this 3CX release does not say whether phones are on line{unknown}.")
    elif not found:
        stderr.note(_nothing(rule))
    failing = sum(one.waived is None and one.severity in _from(fail_on) for one in found) if fail_on else 0
    if failing:
        stderr.error(f"--fail-on {fail_on}: {failing} of what was found. Fix it, or waive it in .dlt/{FILE}")
    return ExitCode.REFUSED if failing else ExitCode.DONE


def _without_presence(history: History, pbx: Sequence[str]) -> str | None:
    """None when all PBXs say whether phones are on line, else the names of those that do not, to add to a sentence."""
    query = SqlQuery(("pbx", "count(online)"), "devices").among("pbx", pbx)
    _, rows = history.rows(query.sql + " group by pbx order by pbx", query.params)
    says = {name: count > 0 for name, count in rows}
    silent = [name for name, does in says.items() if not does]
    if not silent:
        return None
    return "" if len(silent) == len(says) == 1 else f" ({', '.join(silent)})"


def _nothing(rule: Sequence[str]) -> str:
    if len(rule) == 1:
        return f"No device has this finding: {_RULES[rule[0]].title}."
    return "No device has any of these findings." if rule else "No device has a finding."


def _good_waivers(project: Path, today: date) -> list[Waiver]:
    """Those that have not ended; a warning for each that has."""
    given = load_waivers(project)
    for one in given:
        if one.has_ended(today):
            stderr.warning(f"{shown_path(project, FILE)}: waiver {one.number} of {one.rule} ended on {one.expires}")
    return [one for one in given if not one.has_ended(today)]


def _finding(row: Sequence[Any], waivers: Sequence[Waiver]) -> _Finding:
    name, _, pbx, device_id, _, _, mac, _, _ = row
    rule = _RULES[name]
    waiver = next((one for one in waivers if one.covers(name, pbx, device_id, mac)), None)
    accepted = (waiver.reason, waiver.expires) if waiver else (None, None)
    return _Finding._make((*row, rule.title, rule.reason, rule.action, *accepted))


def _location(one: _Finding) -> tuple[Any, ...]:
    return -SEVERITIES.index(one.severity), one.rule, one.pbx, one.since, one.device_id or 0


def _from(severity: str) -> tuple[str, ...]:
    return SEVERITIES[SEVERITIES.index(severity) :]


def _told(found: Sequence[_Finding], now: datetime, at_most: int | None, width: int | None) -> Iterator[str]:
    """A block per rule: what it is, why, what to do, and the devices."""
    for number, (name, group) in enumerate(groupby(found, key=lambda one: one.rule)):
        rule, ones = _RULES[name], list(group)
        yield "\n" if number else ""
        count = (
            "unknown" if all(one.device_id is None and one.detail.startswith("unknown") for one in ones) else len(ones)
        )
        yield coloured(rule.severity) + cut(f"  {name}  {rule.title}: {count}", width, rule.severity) + "\n"
        for text in (f"Why: {rule.reason}", f"To do: {rule.action}"):
            lines = wrap(text, width - 2, subsequent_indent="  ") if width else [text]
            yield from (f"  {line}\n" for line in lines)
        yield from (cut(f"  - {_line(one, now)}", width) + "\n" for one in ones[:at_most])
        if at_most is not None and len(ones) > at_most:
            yield f"  … and {len(ones) - at_most} more: threecx findings --rule {name}\n"


def _line(one: _Finding, now: datetime) -> str:
    """`hq · 101 Chloé Horvát (805E0C0EA605) · 96.86.0.45 runs, there is 96.86.0.100 · for 12 d 4 h`."""
    who = device_text(one.dn_number, one.dn_name, one.mac, one.device_id)
    waiver = f"waived: {one.waived}" if one.waived else None
    return " · ".join(
        shown(part) for part in (one.pbx, who, one.detail, f"for {duration_text(now - one.since)}", waiver) if part
    )
