"""The eight OData options of a request, read and checked."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from dlt_threecx.simulator.schema import Properties

__all__ = ["ODataError", "Query", "parsed", "property_type", "split"]

OPTIONS = ("$top", "$skip", "$search", "$filter", "$count", "$orderby", "$select", "$expand")
_INT64 = (1 << 63) - 1


class ODataError(Exception):
    """Something in a request that 3CX answers with 400 and these words."""


class Query(NamedTuple):
    """What one request asks for; None where it does not say."""

    top: int | None = None
    skip: int = 0
    with_count: bool = False
    search: str | None = None
    filter: str | None = None
    orderby: str | None = None
    select: str | None = None
    expand: str | None = None


def parsed(pairs: Sequence[tuple[str, str]], cap: int) -> Query:
    """The query of these decoded parameters. Parameters without `$` are nobody's business.

    Raises ODataError for an unknown or repeated option, an empty or impossible value, a `$top` over the cap.
    """
    options: dict[str, str] = {}
    for name, value in pairs:
        if not name.startswith("$"):
            continue
        if name not in OPTIONS:
            raise ODataError(f"The query parameter '{name}' is not supported.")
        if name in options:
            raise ODataError(
                f"Query option '{name}' was specified more than once, but it must be specified at most once."
            )
        if not value.strip():
            raise ODataError(f"The value for OData query '{name}' cannot be empty.")
        options[name] = value
    top = _number(options, "$top")
    if top is not None and top > cap:
        raise ODataError(
            f"The limit of '{cap}' for Top query has been exceeded. The value from the incoming request is '{top}'."
        )
    return Query(
        top=top,
        skip=_number(options, "$skip") or 0,
        with_count=_count(options.get("$count", "false")),
        search=options.get("$search"),
        filter=options.get("$filter"),
        orderby=options.get("$orderby"),
        select=options.get("$select"),
        expand=options.get("$expand"),
    )


def split(text: str, separator: str = ",") -> Iterator[str]:
    """The parts between separators that stand neither in parentheses nor in quotes, without blanks around."""
    depth, quoted, start = 0, False, 0
    for at, character in enumerate(text):
        if character == "'":
            quoted = not quoted
        elif quoted:
            continue
        elif character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
        elif character == separator and depth == 0:
            yield text[start:at].strip()
            start = at + 1
    yield text[start:].strip()


def _number(options: dict[str, str], name: str) -> int | None:
    value = options.get(name)
    if value is None:
        return None
    if not (value.isascii() and value.isdigit()) or len(value) > 19 or int(value) > _INT64:
        raise ODataError(
            f"Invalid value '{value}' for {name} query option found. "
            f"The {name} query option requires a non-negative integer value."
        )
    return int(value)


def _count(value: str) -> bool:
    if value not in ("true", "false"):
        raise ODataError(f"Invalid value '{value}' for $count query option found. Valid values are 'true' or 'false'.")
    return value == "true"


def property_type(types: Mapping[str, Properties], owner: str, name: str) -> str:
    """The type of a property. ODataError if the owner has none of this name."""
    found = types.get(owner, {}).get(name)
    if found is None:
        raise ODataError(f"Could not find a property named '{name}' on type '{owner}'.")
    return found
