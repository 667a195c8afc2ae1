"""Facts as one HTML page that stands on its own: style and charts are in it, it needs no script and no network."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import humanize
import jinja2
from markupsafe import Markup

from dlt_threecx.queries.change_groups import ChangeGroup, Values
from dlt_threecx.report.charts import bars_by_day, bars_by_model
from dlt_threecx.report.facts import CHANGE_DAYS, GONE_DAYS, Facts

__all__ = ["page"]

MOST_FAILING, MOST_KINDS, MOST_FINDINGS, MOST_MOVED = 10, 40, 15, 50
"""This many rows of a table are shown; the page says how many more there are."""

_FOLDER = Path(__file__).parent
_SEVERE = ("high", "medium")


def page(facts: Facts, title: str) -> str:
    """The page. Every text of the history is escaped by the template."""
    states = {line.pbx: line.state(facts.at) for line in facts.pbxs}
    wrong = [verdict for verdict in facts.verdicts.values() if verdict.disagreement]
    return _template().render(
        facts=facts,
        title=title,
        style=Markup((_FOLDER / "page.css").read_text(encoding="utf-8")),  # noqa: S704  a file of ours
        charts={
            "models": _svg(bars_by_model(facts.kinds)),
            "inventory": _svg(bars_by_day(facts.inventory)),
            "changes": _svg(bars_by_day(facts.changes)),
        },
        states=states,
        lines=sorted(facts.pbxs, key=lambda line: ("failing", "old", "fresh").index(states[line.pbx])),
        several=len(facts.pbxs) + len(facts.never_read) > 1,
        wrong=wrong,
        has_reading=any(line.taken_at for line in facts.pbxs),
        attempts=sum(verdict.attempts for verdict in facts.verdicts.values()),
        versions=sum(verdict.versions for verdict in facts.verdicts.values()),
        devices=sum(kind.devices for kind in facts.kinds),
        models=len({(kind.vendor, kind.model) for kind in facts.kinds}),
        updates=sum(one.devices for one in facts.changes),
        severe=sum(len(one.found) for one in facts.findings if one.severity in _SEVERE),
        gone_days=GONE_DAYS,
        age=lambda at: humanize.naturaldelta(facts.at - at),
    )


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True,
        loader=jinja2.FileSystemLoader(_FOLDER),
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(moment=_moment, day=_day, what=_what, who=_who, subject=_subject, bare=_without_scheme)
    environment.globals.update(
        most_failing=MOST_FAILING,
        most_kinds=MOST_KINDS,
        most_findings=MOST_FINDINGS,
        most_moved=MOST_MOVED,
        change_days=CHANGE_DAYS,
    )
    return environment.get_template("page.html.jinja")


def _svg(chart: Any) -> Any:
    """The chart with drawings that the template writes as they are: Vega has escaped their texts."""
    return chart._replace(wide=Markup(chart.wide), narrow=Markup(chart.narrow))  # noqa: S704


def _shown(value: Any) -> Any:
    """What the template writes for a value; a dash for none."""
    return "–" if value is None or (value == "" and not isinstance(value, Markup)) else value


def _moment(at: datetime | None) -> str:
    return "–" if at is None else f"{at:%-d %b %Y %H:%M}"


def _day(at: datetime | None) -> str:
    return "–" if at is None else f"{at:%-d %b %Y}"


def _who(one: Any) -> str:
    """`101 Chloé Horvát`, else the MAC address, else the Id."""
    name = " ".join(part for part in (one.number, one.name) if part)
    return name or one.mac or (f"Id {one.device_id}" if one.device_id is not None else "the whole PBX")


def _subject(group: ChangeGroup) -> str:
    """`101 Chloé Horvát (805E0C0EA605)`, or `13 × Yealink T46U: 102, 143 …`."""
    who = ", ".join(group.examples)
    if group.devices == 1:
        return who
    model = " ".join(part for part in (group.vendor, group.model) if part) or "device"
    return f"{group.devices} × {model}: {who}" + (" …" if group.devices > len(group.examples) else "")


def _what(values: Values) -> str:
    """`firmware_version: 108.86.0.45 → 108.86.0.90`, or `another web password` of a secret."""
    if values.field.endswith("_fp"):
        return f"another {values.field.removesuffix('_fp').replace('_', ' ')}"
    return f"{values.field}: {values.old_value or '–'} → {values.new_value or '–'}"


def _without_scheme(text: str | None) -> str:
    """Addresses in an error as text that nobody can take for a link."""
    return (text or "").replace("https://", "").replace("http://", "")
