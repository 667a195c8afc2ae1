"""The status of the PBXs as monitoring programs read it: Prometheus, and Nagios with all that use its plugins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import click

from dlt_threecx.queries.times import is_ahead

__all__ = ["MONITORS", "NAGIOS_CRITICAL", "nagios_line", "prometheus_text", "write_text"]

MONITORS = ("prometheus", "nagios")

NAGIOS_CRITICAL = 2

State = Mapping[str, Any]
"""A row of the view `pbx_status`."""

_METRICS: tuple[tuple[str, str, str], ...] = (
    ("last_complete_timestamp_seconds", "last_complete_at", "When the last complete snapshot was taken."),
    ("last_attempt_timestamp_seconds", "last_attempt_at", "When the last attempt began."),
    ("devices", "devices", "Devices in the last complete snapshot."),
    ("changed_devices_24h", "changes_24h", "Devices that changed in 24 hours."),
)
"""Name after `threecx_`, column, meaning."""


def prometheus_text(states: Mapping[str, State | None], now: datetime) -> str:
    """Metrics of all PBXs, None for one that was never read. A value that is not known is left out.

    A time of the future is 0, so that a limit on its age fires: it comes from a wrong clock.
    """
    lines: list[str] = []
    for name, column, meaning in _METRICS:
        values = {pbx: state[column] for pbx, state in states.items() if state and state[column] is not None}
        lines += _metric(
            name, meaning, ((f'pbx="{_escaped(pbx)}"', _number(value, now)) for pbx, value in values.items())
        )
    up = ((f'pbx="{_escaped(pbx)}"', int(_succeeded(state))) for pbx, state in states.items())
    lines += _metric("last_attempt_succeeded", "1 when the last attempt was complete, 0 when it was not.", up)
    reasons = (
        (f'pbx="{_escaped(pbx)}",status="{state["last_status"]}",reason="{_escaped(state["last_reason"] or "")}"', 1)
        for pbx, state in states.items()
        if state
    )
    lines += _metric("last_attempt_info", "Status and reason of the last attempt.", reasons)
    return "".join(line + "\n" for line in lines)


def nagios_line(states: Mapping[str, State | None], problems: Sequence[str]) -> str:
    """One line with performance data: `OK: 2 of 2 PBXs are fresh | fresh=2 pbxs=2 devices=500`."""
    devices = sum(state["devices"] or 0 for state in states.values() if state)
    fresh = len(states) - len(problems)
    word: Literal["OK", "CRITICAL"] = "CRITICAL" if problems else "OK"
    text = "; ".join([f"{fresh} of {len(states)} PBXs are fresh", *problems]).replace("|", "/")
    return f"{word}: {' '.join(text.split())} | fresh={fresh} pbxs={len(states)} devices={devices}\n"


def write_text(text: str, path: Path | None) -> None:
    """Prints the text, or writes a file that is there as a whole at any time. Raises click's FileError."""
    if path is None:
        click.echo(text, nl=False)
        return
    new = path.with_name(f".{path.name}.new")
    try:
        new.write_text(text, encoding="utf-8")
        new.replace(path)
    except OSError as error:
        raise click.FileError(str(path), error.strerror or str(error)) from error


def _metric(name: str, meaning: str, samples: Iterator[tuple[str, float]]) -> Iterator[str]:
    yield f"# HELP threecx_{name} {meaning}"
    yield f"# TYPE threecx_{name} gauge"
    for labels, value in samples:
        yield f"threecx_{name}{{{labels}}} {value}"


def _succeeded(state: State | None) -> bool:
    return state is not None and state["last_status"] == "complete"


def _number(value: Any, now: datetime) -> float:
    if isinstance(value, datetime):
        return 0 if is_ahead(value, now) else value.timestamp()
    number: float = value
    return number


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
