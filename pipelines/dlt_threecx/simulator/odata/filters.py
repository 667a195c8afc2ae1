"""`$filter`, `$orderby` and `$search` over plain rows: each becomes a function of a row."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from dlt_threecx.simulator.fleet.new_device import Row
from dlt_threecx.simulator.odata.options import ODataError, split
from dlt_threecx.simulator.schema import TYPES

__all__ = ["Sorter", "predicate", "search_predicate", "sorters"]

Sorter = tuple[Callable[[Row], Any], bool]
"""A sort key, and whether it goes down."""

_PREPARED = re.compile(
    r"""
      (?P<enum>Pbx\.\w+)(?='(?:[^']|'')*')              # Pbx.PeerType'Fax' is the same as 'Fax'
    | (?P<text>'(?:[^']|'')*')                          # a literal stays as it is
    | (?P<one>\s+in\s+\(\s*(?:'(?:[^']|'')*'|[^'(),\s]+)\s*)\)   # in ('a'): the parser wants in ('a',)
    """,
    re.VERBOSE,
)


def _prepared(match: re.Match[str]) -> str:
    if match["one"]:
        return f"{match['one']},)"
    return match["text"] or ""


@lru_cache(maxsize=256)
def predicate(text: str, shape: str) -> Callable[[Row], bool]:
    """Whether a served row matches this `$filter`. Raises ODataError for what 3CX would not understand."""
    from dlt_threecx.simulator.odata.expressions import Compiler

    kind, value = Compiler(TYPES[shape]).compiled(_PREPARED.sub(_prepared, text), text)
    if kind not in ("Edm.Boolean", "null"):
        raise ODataError("The $filter expression must evaluate to a single boolean value.")
    return lambda row: value({"$it": row}) is True


@lru_cache(maxsize=256)
def sorters(text: str, shape: str) -> tuple[Sorter, ...]:
    """The keys of this `$orderby`, first one first. Null comes before everything else."""
    from dlt_threecx.simulator.odata.expressions import Compiler

    out: list[Sorter] = []
    for part in split(text):
        words = part.rsplit(None, 1)
        down = len(words) == 2 and words[1] == "desc"
        expression = words[0] if len(words) == 2 and words[1] in ("asc", "desc") else part
        kind, value = Compiler(TYPES[shape]).compiled(expression, text)
        if not kind.startswith("Edm.") and kind != "Pbx.PeerType":
            raise ODataError("The $orderby expression must evaluate to a single value of primitive type.")
        out.append((_sort_key(value), down))
    return tuple(out)


def search_predicate(text: str) -> Callable[[Row], bool]:
    """Whether a served row, with its `DN`, shows this text anywhere an administrator sees it."""
    wanted = text.strip().strip('"').casefold()

    def is_shown(row: Row) -> bool:
        registrar, dn = row.get("Registrar") or {}, row.get("DN") or {}
        shown = [registrar.get(name) for name in ("MAC", "Vendor", "Model", "IpAddress")]
        shown += [dn.get("Number"), dn.get("Name")]
        return any(wanted in str(value).casefold() for value in shown if value is not None)

    return is_shown


def _sort_key(value: Callable[[dict[str, Any]], Any]) -> Callable[[Row], Any]:
    def key(row: Row) -> tuple[bool, Any]:
        found = value({"$it": row})
        return (False, 0) if found is None else (True, found)

    return key
