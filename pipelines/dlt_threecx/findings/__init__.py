"""Findings: what a telephony admin would want to look at, one rule an SQL file, all together the view `findings`."""

from dlt_threecx.findings.findings_sql import filled
from dlt_threecx.findings.rule import SEVERITIES, Rule, parsed_rule, rules

__all__ = ["SEVERITIES", "Rule", "filled", "parsed_rule", "rules"]
