"""A question to the history, put together from fixed SQL; values from a user are bound, never written in."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

__all__ = ["SqlQuery"]


class SqlQuery:
    """`select … from … where … order by …`, whose conditions are added one by one."""

    def __init__(self, columns: Collection[str], view: str, *values: Any) -> None:
        """`view` may be a macro with a `?` per value: `devices_as_of(?)`."""
        self.columns = tuple(columns)
        self._view = view
        self._conditions: list[str] = []
        self._order: tuple[str, ...] = ()
        self.params: list[Any] = list(values)

    def where(self, condition: str, *values: Any) -> SqlQuery:
        """Adds a condition with a `?` per value."""
        self._conditions.append(condition)
        self.params.extend(values)
        return self

    def among(self, column: str, values: Collection[Any]) -> SqlQuery:
        """Only rows whose column is one of these; no values, no condition."""
        if len(values) == 1:
            # DuckDB carries `=` over to the other tables of a join, `in` it does not
            self.where(f"{column} = ?", *values)
        elif values:
            marks = ", ".join("?" for _ in values)
            self.where(" ".join((column, "in (", marks, ")")), *values)
        return self

    def ordered(self, *columns: str) -> SqlQuery:
        """Sorts the answer."""
        self._order = columns
        return self

    @property
    def sql(self) -> str:
        """The query, with a `?` for each of `params`."""
        parts = ["select", ", ".join(self.columns), "from", self._view]
        if self._conditions:
            parts += ["where", " and ".join(f"({condition})" for condition in self._conditions)]
        if self._order:
            parts += ["order by", ", ".join(self._order)]
        return " ".join(parts)
