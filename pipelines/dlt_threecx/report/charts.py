"""Charts as SVG, drawn by Vega-Lite. Their colours are variables of the page's style, for light and dark."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

import vl_convert

from dlt_threecx.report.facts import DayCount, Kind

__all__ = ["Chart", "Legend", "bars_by_day", "bars_by_model"]

WIDE, NARROW = 940, 330
"""Pixels across: for a desktop and for paper, and for a phone."""

MOST_MODELS, MOST_KINDS = 12, 7
"""What goes beyond is one bar, or one colour, named `other`."""

LABEL_WIDTH = 60
"""Pixels that the label of a day needs."""

CARRIED_OPACITY = 0.45
"""Of days without a complete reading."""

_OTHER = "other"
_NAMESPACES = re.compile(r' xmlns(?::\w+)?="[^"]*"')
"""SVG inside HTML needs none; without them the page holds no address at all."""


class Legend(NamedTuple):
    """A name and the style class of its colour."""

    name: str
    colour: str


class Chart(NamedTuple):
    """One chart in two widths."""

    wide: str
    narrow: str
    legend: list[Legend]


def bars_by_model(kinds: Sequence[Kind]) -> Chart:
    """Devices per vendor and model, the most first."""
    counts: Counter[str] = Counter()
    for kind in kinds:
        counts[" ".join(part for part in (kind.vendor, kind.model) if part) or "unknown"] += kind.devices
    bars = counts.most_common(MOST_MODELS)
    if left := counts.total() - sum(count for _, count in bars):
        bars.append((f"{len(counts) - len(bars)} {_OTHER} models", left))
    values = [{"model": name, "devices": count, "order": order} for order, (name, count) in enumerate(bars)]
    y = {"field": "model", "type": "nominal", "sort": {"field": "order"}, "title": None}
    x = {"field": "devices", "type": "quantitative", "axis": None}

    def spec(width: int) -> dict[str, Any]:
        return {
            "data": {"values": values},
            "width": width,
            "height": {"step": 24},
            "encoding": {"y": y | {"axis": {"labelLimit": width // 2, "domain": False}}, "x": x},
            "layer": [
                {"mark": {"type": "bar", "color": "var(--c1)"}},
                {
                    "mark": {"type": "text", "align": "left", "dx": 4, "color": "currentColor"},
                    "encoding": {"text": {"field": "devices"}},
                },
            ],
        }

    return Chart(_drawn(spec, WIDE), _drawn(spec, NARROW), [])


def bars_by_day(counts: Sequence[DayCount]) -> Chart:
    """A bar for each day, with a part for each kind."""
    totals: Counter[str] = Counter()
    for one in counts:
        totals[one.kind] += one.devices
    names = [name for name, _ in totals.most_common(MOST_KINDS)]
    kinds = [*names, _OTHER] if len(totals) > len(names) else names
    classes = [f"c{number}" for number in range(1, len(names) + 1)] + ["other"] * (len(kinds) - len(names))
    by_day: Counter[tuple[str, str, bool]] = Counter()
    for one in counts:
        by_day[one.day.isoformat(), one.kind if one.kind in names else _OTHER, one.is_carried] += one.devices
    values = [
        {"day": day, "kind": kind, "devices": devices, "order": kinds.index(kind), "is_carried": is_carried}
        for (day, kind, is_carried), devices in by_day.items()
    ]
    days = _days_between(min(counts).day, max(counts).day) if counts else []

    def spec(width: int) -> dict[str, Any]:
        every = -(-len(days) * LABEL_WIDTH // width)
        return {
            "data": {"values": values},
            "width": width,
            "height": 200,
            "mark": {"type": "bar"},
            "encoding": {
                "x": {
                    "field": "day",
                    "type": "ordinal",
                    "scale": {"domain": days, "paddingInner": 0.1 if len(days) * 8 < width else 0},
                    "title": None,
                    "axis": {
                        "values": days[:: max(every, 1)],
                        "labelExpr": "utcFormat(toDate(datum.value), '%-d %b')",
                        "labelAngle": 0,
                    },
                },
                "y": {"field": "devices", "type": "quantitative", "title": None, "axis": {"tickMinStep": 1}},
                "color": {
                    "field": "kind",
                    "scale": {"domain": kinds, "range": [f"var(--{name})" for name in classes]},
                    "legend": None,
                },
                "opacity": {"condition": {"test": "datum.is_carried", "value": CARRIED_OPACITY}, "value": 1},
                "order": {"field": "order"},
            },
        }

    legend = [Legend(name, colour) for name, colour in zip(kinds, classes, strict=True)]
    return Chart(_drawn(spec, WIDE), _drawn(spec, NARROW), legend)


def _days_between(first: date, last: date) -> list[str]:
    """All of them, also those without a bar: a gap has to be seen."""
    return [(first + timedelta(days=number)).isoformat() for number in range((last - first).days + 1)]


def _drawn(spec: Callable[[int], dict[str, Any]], width: int) -> str:
    config = {
        "font": "Arial, Helvetica, sans-serif",
        "background": None,
        "view": {"stroke": None},
        "axis": {
            "labelColor": "currentColor",
            "labelFontSize": 12,
            "domainColor": "var(--line)",
            "gridColor": "var(--line)",
            "tickColor": "var(--line)",
        },
        "text": {"fontSize": 12},
    }
    sized = spec(width) | {"autosize": {"type": "fit", "contains": "padding"}, "config": config}
    if isinstance(sized["height"], dict):
        sized["autosize"]["type"] = "fit-x"
    return _NAMESPACES.sub("", vl_convert.vegalite_to_svg(sized), count=2)
