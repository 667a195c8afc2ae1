"""The eight OData query options of a list request, checked and encoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote

from .errors import QueryError

__all__ = ["Query", "text_literal"]

_SAFE = "$,()/:'*@"
"""Characters that OData values may hold unencoded; a space becomes %20 and a plus %2B."""


def text_literal(text: str) -> str:
    """A text for use in a filter, its quotes doubled: `O'Brien` becomes `'O''Brien'`."""
    return "'" + text.replace("'", "''") + "'"


@dataclass(frozen=True)
class Query:
    """What to ask for. `top` and `skip` are rows of the whole answer, whatever the page size.

    `orderby`, `select` and `expand` take a comma-separated text or a list of texts.
    Raises QueryError for what no OData server can accept.
    """

    top: int | None = None
    skip: int | None = None
    search: str | None = None
    filter: str | None = None
    count: bool | None = None
    orderby: str | Sequence[str] | None = None
    select: str | Sequence[str] | None = None
    expand: str | Sequence[str] | None = None

    def __post_init__(self) -> None:
        for name in ("top", "skip"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
                raise QueryError(f"option ${name}", f"{value!r} is no whole number from 0 up", "Correct the option")
        if self.count is not None and not isinstance(self.count, bool):
            raise QueryError("option $count", f"{self.count!r} is not true or false", "Correct the option")
        for name in ("search", "filter"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, str) or not value.strip()):
                raise QueryError(f"option ${name}", "it is empty", "Leave it out, or give a text")
        if self.filter is not None and self.filter.count("'") % 2:
            raise QueryError(
                "option $filter",
                f"a quote is not closed in {self.filter!r}",
                "Write a quote inside a text twice: 'O''Brien'",
            )
        for name in ("orderby", "select", "expand"):
            object.__setattr__(self, name, _names(name, getattr(self, name)))
        try:
            self.encoded()
        except UnicodeEncodeError as error:
            raise QueryError(
                "the query options", "one holds characters that are no text", "Correct the option"
            ) from error

    @property
    def has_key(self) -> bool:
        """Whether the rows of the answer carry their `Id`."""
        return self.select is None or any(name.lower() in ("id", "*") for name in self.select)

    @property
    def is_by_id(self) -> bool:
        """Whether the rows come in ascending order of `Id`."""
        return self.has_key and self.orderby in (("Id",), ("Id asc",))

    @property
    def total_order(self) -> tuple[str, ...]:
        """The order asked for with `Id` last, so that no two rows can change places between pages."""
        names = tuple(self.orderby or ())
        return names if any(name.split()[0] == "Id" for name in names) else (*names, "Id")

    def page(self, *, skip: int, top: int) -> Query:
        """The same question for some of its rows."""
        return replace(self, skip=skip, top=top)

    def encoded(self) -> str:
        """The query string, without the question mark; options that are not set are left out."""
        options: dict[str, str] = {}
        for name in ("top", "skip", "search", "filter", "count", "orderby", "select", "expand"):
            value = getattr(self, name)
            if value is None or (name == "skip" and value == 0):
                continue
            if isinstance(value, bool):
                options[name] = "true" if value else "false"
            elif isinstance(value, tuple):
                options[name] = ",".join(value)
            else:
                options[name] = str(value)
        return "&".join(f"${name}={quote(value, safe=_SAFE)}" for name, value in options.items())


def _names(option: str, value: str | Sequence[str] | None) -> tuple[str, ...] | None:
    """Parts of a list option; commas in parentheses or quotes belong to their part: `DN($select=Id,Name)`."""
    if value is None:
        return None
    parts: list[str] = []
    for text in [value] if isinstance(value, str) else value:
        start = depth = 0
        is_quoted = False
        for position, char in enumerate(text):
            is_quoted ^= char == "'"
            if is_quoted:
                continue
            depth += (char == "(") - (char == ")")
            if char == "," and depth == 0:
                parts.append(text[start:position].strip())
                start = position + 1
        parts.append(text[start:].strip())
    if not all(parts):
        raise QueryError(f"option ${option}", "a name is empty", "Separate names by single commas")
    if len(set(parts)) < len(parts):
        raise QueryError(f"option ${option}", "a name is there twice", "Name each property once")
    return tuple(parts) or None
