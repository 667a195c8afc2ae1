"""Findings: what a telephony admin would want to look at, one rule an SQL file, all together the view `findings`."""

from pipelines.threecx.findings.rule import SEVERITIES, Rule, parsed_rule, rules
from pipelines.threecx.findings.view import filled

__all__ = ["SEVERITIES", "Rule", "filled", "parsed_rule", "rules"]
