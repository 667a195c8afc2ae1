"""All rules as one view.

The log is read twice for all conditions together, however many rules there are: once for the moment up to which each
condition last was not so, once for the first version after it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from dlt_threecx.findings.rule import SEVERITIES, Rule, rules

__all__ = ["filled"]

_WHILE = re.compile(r"\{while [^{}]+\}")
_OF_VERSION = re.compile(r"\bv\.")

_LASTING = "(select p.*, p.since_{id} as since from lasting p where p.since_{id} is not null)"
_ROWS = """
    select '{id}' as rule, r.pbx, r.device_id, min(r.detail) as detail, min(r.since) as since
    from (
{query}
    ) r
    group by r.pbx, r.device_id
"""


def filled(text: str, chosen: Sequence[Rule] | None = None) -> str:
    """The text of the view with its rules filled in."""
    chosen = rules() if chosen is None else chosen
    lasting = [rule for rule in chosen if rule.condition]
    # of the latest version, which is `p` and `v` at once
    holds = [f"({_OF_VERSION.sub('p.', rule.condition or '')}) is true as holds_{rule.id}" for rule in lasting]
    asked = [f"p.holds_{rule.id}" for rule in lasting] or ["false"]
    last_without = [
        f"max(case when not p.holds_{rule.id} then timestamptz '9999-12-31'"
        f" when v.change = 'removed' or ({rule.condition}) is not true then v.observed_at end) as {rule.id}"
        for rule in lasting
    ]
    began = [
        f"min(case when w.{rule.id} is null or v.observed_at > w.{rule.id} then v.observed_at end) as {rule.id}"
        for rule in lasting
    ]
    since = [f"b.{rule.id} as since_{rule.id}" for rule in lasting]
    return (
        text.replace("{since}", ", ".join(since))
        .replace("{holds}", ",\n        ".join(holds))
        .replace("{asked}", " or ".join(asked))
        .replace("{last_without}", ",\n        ".join(last_without))
        .replace("{began}", ",\n        ".join(began))
        .replace("{words}", ",\n        ".join(map(_words, chosen)))
        .replace("{rules}", "    union all".join(map(_found, chosen)))
    )


def _words(rule: Rule) -> str:
    rank = len(SEVERITIES) - SEVERITIES.index(rule.severity)
    texts = (rule.id, rule.title, rule.severity, rule.reason, rule.action)
    id_, title, severity, reason, action = ("'" + text.replace("'", "''") + "'" for text in texts)
    return f"({id_}, {title}, {severity}, {rank}, {reason}, {action})"


def _found(rule: Rule) -> str:
    """The rule's rows: a device at most once."""
    query = _WHILE.sub(lambda _: _LASTING, rule.query)
    return _ROWS.replace("{query}", query).replace("{id}", rule.id)
