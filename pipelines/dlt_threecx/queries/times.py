"""Times as people type them, and lengths of time as they read them. A time is UTC unless another zone is given."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo

__all__ = ["ago_text", "duration_text", "is_ahead", "parsed_age", "parsed_time"]

_AGE = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
_NO_DIGITS = re.compile(r":|(Z|[+-].*)$")
_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_DAYS = {"today": timedelta(0), "yesterday": timedelta(days=1)}
_TICK = timedelta(microseconds=1)
_CLOCKS_DIFFER = timedelta(minutes=5)
"""A time may lie this far in the future, as the clocks of two machines are never quite the same."""


def parsed_age(text: str) -> timedelta:
    """`7d`, `24h`, `30m`, `2w` or `90s`. Raises ValueError."""
    found = _AGE.fullmatch(text.strip().lower())
    if found is None:
        raise ValueError(f"'{text}' is no length of time such as 7d, 26h or 30m")
    try:
        return float(found[1]) * _UNITS[found[2]]
    except OverflowError:
        raise ValueError(f"'{text}' is too long") from None


def parsed_time(text: str, now: datetime, *, end: bool = False, zone: tzinfo = UTC) -> datetime:
    """A point in time, in UTC: ISO 8601, a day, `yesterday`, `today`, `now`, or an age such as `7d` (ago).

    A time that names no zone is in `zone`. With `end` a day, minute or second means its last moment: until
    `2026-11-01` includes that day, and a time that is shown to the minute finds what happened in that minute.
    Raises ValueError.
    """
    text = text.strip()
    word = text.lower()
    try:
        if word == "now":
            return now
        if _AGE.fullmatch(word):
            return now - parsed_age(word)
        if word in _DAYS:
            text = f"{now.astimezone(zone) - _DAYS[word]:%Y-%m-%d}"
        time = datetime.fromisoformat(text.upper())
        if end:
            time += _span(text) - _TICK
        return (time.replace(tzinfo=zone) if time.tzinfo is None else time).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"'{text}' is no time such as 2026-11-01, 2026-11-01T07:30, yesterday or 7d (ago)") from None


def _span(text: str) -> timedelta:
    """How long the written time lasts: a day, hour, minute, second or microsecond."""
    _, separator, clock = text.upper().replace(" ", "T").partition("T")
    if not separator:
        return timedelta(days=1)
    digits = _NO_DIGITS.sub("", clock)
    return {2: _UNITS["h"], 4: _UNITS["m"], 6: _UNITS["s"]}.get(len(digits), _TICK)


def is_ahead(at: datetime, now: datetime) -> bool:
    """Whether a time of the past lies in the future: then a clock was wrong, and its age is not known."""
    return at - now > _CLOCKS_DIFFER


def ago_text(at: datetime, now: datetime) -> str:
    """`3 h 20 min ago`; `in 12 d` for a time of the future."""
    return f"in {duration_text(at - now)}" if is_ahead(at, now) else f"{duration_text(now - at)} ago"


def duration_text(length: timedelta) -> str:
    """The two largest units: `12 d 4 h`, `3 h 20 min`, `45 s`."""
    seconds = max(0, round(length.total_seconds()))
    for unit, size, below, part in (("d", 86_400, "h", 3_600), ("h", 3_600, "min", 60), ("min", 60, "s", 1)):
        if seconds >= size:
            count, rest = divmod(seconds, size)
            return f"{count} {unit}" + (f" {rest // part} {below}" if rest >= part else "")
    return f"{seconds} s"
