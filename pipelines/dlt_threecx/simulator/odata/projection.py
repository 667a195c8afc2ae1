"""`$select` and `$expand`: which part of a row is served."""

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from dlt_threecx.simulator.fleet.new_device import Row
from dlt_threecx.simulator.odata.options import ODataError, property_type, split
from dlt_threecx.simulator.schema import TYPES, Properties

__all__ = ["Projection", "projection"]

_NAVIGATION = {"Pbx.SipDevice": {"DN": "Pbx.Peer"}, "Pbx.Peer": {"MemberOf": "Pbx.PeerGroup"}}
"""Type to the properties that only `$expand` brings, and what they lead to."""

Paths = dict[str, "Paths | None"]
"""Selected names; those inside where only a part of a complex property is selected."""


class Projection(NamedTuple):
    """What to keep of one object, and of those that are expanded inside it."""

    select: Paths | None
    """None: everything."""
    expand: "Mapping[str, Projection]"

    @property
    def is_plain(self) -> bool:
        """Whether whole rows are asked for, with the whole `DN` or without it."""
        return self.select is None and all(
            name == "DN" and inner.select is None and not inner.expand for name, inner in self.expand.items()
        )

    def of(self, row: Row) -> Row:
        """The part of a row (with all that could be expanded in it) that was asked for."""
        out = _selected(row, self.select)
        for name in ("DN", "MemberOf"):
            out.pop(name, None)
            inner = self.expand.get(name)
            value = row.get(name)
            if inner is not None and value is not None:
                out[name] = [inner.of(item) for item in value] if isinstance(value, list) else inner.of(value)
        return out

    @property
    def context(self) -> str:
        """As `@odata.context` shows it: `(Id,Registrar/MAC,DN())`; nothing for whole rows."""
        parts = [] if self.select is None else _spelled(self.select)
        parts += [f"{name}{inner.context or '()'}" for name, inner in self.expand.items()]
        return f"({','.join(parts)})" if parts else ""


@lru_cache(maxsize=256)
def projection(select: str | None, expand: str | None, shape: str, owner: str = "Pbx.SipDevice") -> Projection:
    """What these two options ask for. ODataError for names that the shape does not have."""
    types = TYPES[shape]
    return Projection(
        None if select is None else _paths(select, types, owner),
        {} if expand is None else dict(_expanded(part, shape, owner) for part in _names(expand, owner)),
    )


def _names(expand: str, owner: str) -> list[str]:
    parts = list(split(expand))
    return list(_NAVIGATION.get(owner, {})) if parts == ["*"] else parts


def _expanded(part: str, shape: str, owner: str) -> tuple[str, Projection]:
    """`DN`, or `DN($select=Number;$expand=MemberOf)`."""
    name, parenthesis, inside = part.partition("(")
    name = name.strip()
    property_type(TYPES[shape], owner, name)
    target = _NAVIGATION.get(owner, {}).get(name)
    if target is None:
        raise ODataError(
            f"Property '{name}' on type '{owner}' is not a navigation property or complex property. "
            "Only navigation properties can be expanded."
        )
    options: dict[str, str] = {}
    if parenthesis:
        if not inside.endswith(")"):
            raise ODataError(f"Syntax error at position {len(part)} in '{part}'.")
        for option in split(inside[:-1], ";"):
            key, _, value = option.partition("=")
            options[key] = value
    unknown = options.keys() - {"$select", "$expand"}
    if unknown:
        raise ODataError(f"The query option '{min(unknown)}' is not supported in $expand.")
    return name, projection(options.get("$select"), options.get("$expand"), shape, target)


def _paths(select: str, types: Mapping[str, Properties], owner: str) -> Paths | None:
    """`Id,Registrar/MAC` becomes `{"Id": None, "Registrar": {"MAC": None}}`."""
    out: Paths = {}
    for path in split(select):
        if path == "*":
            return None
        names = path.split("/")
        kind, here = owner, out
        for name in names[:-1]:
            kind = property_type(types, kind, name)
            inside = here.setdefault(name, {})
            if inside is None:
                break
            here = inside
        else:
            property_type(types, kind, names[-1])
            here[names[-1]] = None
    return out


def _selected(row: Row, select: Paths | None) -> Row:
    if select is None:
        return dict(row)
    return {
        name: _selected(row[name], inside) if inside is not None else row[name]
        for name, inside in select.items()
        if name in row
    }


def _spelled(paths: Paths) -> list[str]:
    return [
        spelled
        for name, inside in paths.items()
        for spelled in ([name] if inside is None else [f"{name}/{inner}" for inner in _spelled(inside)])
    ]
