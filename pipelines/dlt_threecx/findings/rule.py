"""A rule: what its file says about it, and its query."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

__all__ = ["SEVERITIES", "Rule", "parsed_rule", "rules"]

SEVERITIES = ("info", "low", "medium", "high")
"""From good to know to fix today."""

_FOLDER = Path(__file__).parent / "rules"
_FIELD = re.compile(r"-- (title|severity|reason|action): (.+)")
_WHILE = re.compile(r"\{while ([^{}]+?)(?:\s+where ([^{}]+?))?\s*\}")


class Rule(NamedTuple):
    """One rule; its query returns `pbx`, `device_id`, `detail` and `since`."""

    id: str
    title: str
    severity: str
    reason: str
    action: str
    """What to do about it."""
    query: str
    condition: str | None
    """What `{while …}` in the query holds: true of a version `v` of the phone that is now `p`."""
    phones: str
    """What stands after `where` in it: true of the phones `p` that are looked at."""


def parsed_rule(id_: str, text: str) -> Rule:
    """The rule in the text of a file: comments `-- title: …` and so on, then a query.

    A line that begins with `--` and names nothing goes on with the one above. Raises ValueError.
    """
    fields: dict[str, str] = {}
    lines = text.strip().splitlines()
    while lines and lines[0].startswith("--"):
        line = lines.pop(0)
        if found := _FIELD.fullmatch(line):
            fields[found[1]] = found[2]
        elif fields:
            fields[next(reversed(fields))] += " " + line.removeprefix("--").strip()
    missing = {"title", "severity", "reason", "action"} - fields.keys()
    if missing:
        raise ValueError(f"rule {id_} has no {', '.join(sorted(missing))}")
    if fields["severity"] not in SEVERITIES:
        raise ValueError(f"rule {id_}: severity is one of {', '.join(SEVERITIES)}")
    query = "\n".join(lines)
    conditions = _WHILE.findall(query)
    if len(conditions) > 1:
        raise ValueError(f"rule {id_} has more than one {{while …}}")
    [(condition, phones)] = conditions or [(None, "")]
    return Rule(id=id_, **fields, query=query, condition=condition, phones=phones or "true")


@cache
def rules() -> tuple[Rule, ...]:
    """All rules, the severest first."""
    found = [parsed_rule(file.stem, file.read_text(encoding="utf-8")) for file in sorted(_FOLDER.glob("*.sql"))]
    return tuple(sorted(found, key=lambda rule: -SEVERITIES.index(rule.severity)))
