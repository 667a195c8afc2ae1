"""All rules as one view.

The log is read once for all conditions together, however many rules there are, and only of those phones that a rule may
name: a condition has lasted since the first version after the last one of which it was not true.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from dlt_threecx.findings.rule import SEVERITIES, Rule, rules

__all__ = ["filled"]

_WHILE = re.compile(r"\{while [^{}]+\}")
_OF_VERSION = re.compile(r"\bv\.")
_OF_PHONE = re.compile(r"\bp\.(\w+)")

_LASTING = "(select p.* from lasting p where p.rule = {number})"
_ROWS = """
    select '{id}' as rule, r.pbx, r.device_id, min(r.detail) as detail, min(r.since) as since
    from (
{query}
    ) r
    group by r.pbx, r.device_id
"""


def filled(text: str, chosen: Sequence[Rule] | None = None) -> str:
    """The text of the view with its rules filled in; one of them at least has to have a condition."""
    chosen = rules() if chosen is None else chosen
    lasting = [(number, rule) for number, rule in enumerate(chosen) if rule.condition]
    conditions = " ".join(f"when {number} then {rule.condition}" for number, rule in lasting)
    of_phone = sorted(set(_OF_PHONE.findall(conditions)))
    of_presence = [f" or p.rule = {number}" for number, rule in lasting if "v.online" in (rule.condition or "")]
    return (
        text.replace("{asked}", "\n        union all\n        ".join(_asked(*one, of_phone) for one in lasting))
        .replace("{of_phone}", "".join(f", min(p.{column}) as {column}" for column in of_phone))
        .replace("{of_presence}", "".join(of_presence))
        .replace("{conditions}", conditions)
        .replace("{words}", ",\n        ".join(map(_words, chosen)))
        .replace("{rules}", "    union all".join(_found(*one) for one in enumerate(chosen)))
    )


def _asked(number: int, rule: Rule, of_phone: Sequence[str]) -> str:
    """The phones of which the condition holds now: the latest version is `p` and `v` at once."""
    columns = ", ".join(f"p.{column}" for column in ("pbx", "device_id", "observed_at", *of_phone))
    holds = _OF_VERSION.sub("p.", rule.condition or "")
    return f"select {number} as rule, {columns} from phones p where ({rule.phones}) and ({holds})"  # noqa: S608  constants


def _words(rule: Rule) -> str:
    rank = len(SEVERITIES) - SEVERITIES.index(rule.severity)
    texts = (rule.id, rule.title, rule.severity, rule.reason, rule.action)
    id_, title, severity, reason, action = ("'" + text.replace("'", "''") + "'" for text in texts)
    return f"({id_}, {title}, {severity}, {rank}, {reason}, {action})"


def _found(number: int, rule: Rule) -> str:
    """The rule's rows: a device at most once."""
    query = _WHILE.sub(_LASTING.format(number=number), rule.query)
    return _ROWS.replace("{query}", query).replace("{id}", rule.id)
