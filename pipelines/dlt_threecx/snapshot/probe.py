"""How one PBX behaves: a dozen requests that only read, and what each shows, without any value of the PBX.

What is printed are names of properties, numbers of rows, status codes and yes or no: fit to paste into an issue.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from dlt_threecx.source.canonical import shown_name
from dlt_threecx.source.client import SYSTEM_PATH, Client
from dlt_threecx.source.page import Item

__all__ = ["Observation", "probed"]

_LIST = "SipDevices"
_LINES = frozenset({
    "None", "Extension", "Queue", "RingGroup", "IVR", "Fax", "Conference", "SpecialMenu", "Parking", "ExternalLine",
    "Group", "RoutePoint",
})  # fmt: skip
_CAP = re.compile(r"limit of '(\d+)'")
_VERSION = re.compile(r"\d+(\.\d+)*")


class Observation(NamedTuple):
    """One question to a PBX, and what its answer shows."""

    question: str
    shows: str


class _Answer(NamedTuple):
    """The status of an answer, and its body when it is a JSON object."""

    status: int
    headers: Any
    body: dict[str, Any]

    @property
    def rows(self) -> list[Item]:
        """The rows of the page, if it has any."""
        rows = self.body.get("value")
        return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []

    @property
    def ids(self) -> list[int]:
        """The Ids of the rows."""
        return [row["Id"] for row in self.rows if isinstance(row.get("Id"), int)]

    @property
    def short(self) -> str:
        """`HTTP 200, 5 rows, count: yes`."""
        if self.status != 200:
            return f"HTTP {self.status}"
        link = ", with a next link" if "@odata.nextLink" in self.body else ""
        return f"HTTP 200, {len(self.rows)} rows, count: {_yes('@odata.count' in self.body)}{link}"


def probed(client: Client) -> Iterator[Observation]:
    """What a dozen requests show. Raises UnreachableError and CredentialsError as every request does."""

    def ask(query: str, path: str = _LIST) -> _Answer:
        answer = client.answer(path, quote(query, safe="$=&,/'"))
        try:
            body = json.loads(answer.body)
        except (ValueError, RecursionError):
            body = None
        return _Answer(answer.status, answer.headers, body if isinstance(body, dict) else {})

    yield from _token(client)
    defs = ask("$select=Id", "Defs")
    version = client.version if client.version and _VERSION.fullmatch(client.version) else "not a plain number"
    named_it = "X-3CX-Version" in defs.headers
    yield Observation("Defs", f"HTTP {defs.status}, X-3CX-Version: {version if named_it else 'no'}")
    system = ask("", SYSTEM_PATH)
    named = [name for name in ("Version", "FQDN", "IsMulticompanyMode", "IsHosted3CX") if name in system.body]
    yield Observation("GetSystemParameters", f"HTTP {system.status}, names: {', '.join(named) or 'none'}")
    one = ask("$top=1&$count=true")
    yield Observation("$top=1 $count=true", one.short)
    yield Observation("headers", _headers(one, client))
    yield Observation("no options", ask("$select=Id").short)
    yield Observation("$top=101", _cap(ask("$top=101&$select=Id")))
    up, down = ask("$top=100&$orderby=Id&$select=Id").ids, ask("$top=100&$orderby=Id desc&$select=Id").ids
    yield Observation("$orderby=Id", f"ascending: {_yes(_ascends(up))}, desc descends: {_yes(_ascends(down[::-1]))}")
    lowest = f"lowest is 0 or less: {_yes(min(up, default=1) < 1)}"
    yield Observation("Ids", f"each once: {_yes(len(set(up)) == len(up))}, {lowest}")
    second = ask("$top=2&$skip=1&$orderby=Id&$select=Id").ids
    yield Observation("$skip=1", f"starts at the second row: {_yes(second == up[1:3])}")
    yield Observation("$skip beyond the end", ask("$top=2&$skip=1000000&$count=true").short)
    names = {name for row in ask("$top=5&$select=Id").rows for name in row if "@" not in name}
    yield Observation("$select=Id", f"only Id comes: {_yes(names <= {'Id'})}")
    yield Observation("$filter=Id lt 0", _filtered(ask("$top=1&$count=true&$filter=Id lt 0")))
    extensions = ask("$top=100&$count=true&$filter=DN/Type eq 'Extension'&$expand=DN")
    yield Observation("$filter=DN/Type eq 'Extension'", _share(extensions, one))
    yield Observation("$search, no such text", _filtered(ask("$top=1&$count=true&$search=zqxjkvwy")))
    yield Observation("unknown property", _refusal(ask("$top=1&$filter=NoSuchProperty eq 1")))
    yield from _rows(ask("$top=100&$expand=DN&$orderby=Id").rows)


def _token(client: Client) -> Iterator[Observation]:
    token = client.token()
    owner = any(role.replace("_", "").lower().startswith("systemowner") for role in token.roles)
    yield Observation("token", f"roles: {len(token.roles)}, System Owner among them: {_yes(owner)}")


def _headers(answer: _Answer, client: Client) -> str:
    skew = client.clock_skew
    clock = "no Date" if skew is None else f"Date differs from this clock by {abs(skew.total_seconds()):.0f} s"
    version = "X-3CX-Version" in answer.headers
    return f"X-3CX-Version: {_yes(version)}, {clock}, compressed: {_yes('Content-Encoding' in answer.headers)}"


def _cap(answer: _Answer) -> str:
    found = _CAP.search(_message(answer))
    return answer.short + (f", the limit is {found[1]}" if found else "")


def _filtered(answer: _Answer) -> str:
    return f"{answer.short}, nothing comes: {_yes(answer.status == 200 and not answer.rows)}"


def _share(extensions: _Answer, everything: _Answer) -> str:
    some, all_ = extensions.body.get("@odata.count"), everything.body.get("@odata.count")
    only = _lines(extensions.rows).keys() <= {"Extension"}
    return f"{extensions.short}, only extensions: {_yes(only)}, all devices match: {_yes(some == all_)}"


def _refusal(answer: _Answer) -> str:
    return f"HTTP {answer.status}, says why: {_yes(bool(_message(answer)))}"


def _message(answer: _Answer) -> str:
    error = answer.body.get("error")
    message = error.get("message") if isinstance(error, dict) else None
    return message if isinstance(message, str) else ""


def _rows(rows: Sequence[Item]) -> Iterator[Observation]:
    """How the first page is filled: how many rows have a property, and with what."""
    yield Observation("rows looked at", str(len(rows)))
    for parent in ("", "Registrar", "DN"):
        objects = rows if not parent else [row[parent] for row in rows if isinstance(row.get(parent), dict)]
        names = dict.fromkeys(name for one in objects for name in one if "@" not in name)
        for name in sorted(names):
            path = f"{parent}.{shown_name(name)}" if parent else shown_name(name)
            yield Observation(path, _filling(one.get(name, _MISSING) for one in objects))
    registrars = [row["Registrar"] for row in rows if isinstance(row.get("Registrar"), dict)]
    behind_sbc = sum("SBC" in str(registrar.get("IpAddress")) for registrar in registrars)
    yield Observation("Registrar.IpAddress, with SBC in it", f"{behind_sbc} rows")
    kinds = ", ".join(f"{kind} {number}" for kind, number in sorted(_lines(rows).items()))
    yield Observation("DN.Type, kinds", kinds or "none")


def _lines(rows: Sequence[Item]) -> Counter[str]:
    """How many rows have a DN of each kind; kinds that are not published count together."""
    kinds = [row["DN"].get("Type") for row in rows if isinstance(row.get("DN"), dict)]
    return Counter(kind if kind in _LINES else "unpublished" for kind in map(str, kinds))


_MISSING = object()


def _filling(values: Iterable[Any]) -> str:
    """`string 94, empty 5, missing 1`."""
    kinds = Counter(map(_kind, values))
    return ", ".join(f"{kind} {number}" for kind, number in kinds.most_common())


def _kind(value: Any) -> str:
    if value is _MISSING:
        return "missing"
    if value is None:
        return "null"
    if value in ("", [], {}):
        return "empty"
    names = {bool: "boolean", str: "string", int: "integer", float: "number", list: "array", dict: "object"}
    return names[type(value)]


def _ascends(ids: Sequence[int]) -> bool:
    return list(ids) == sorted(ids)


def _yes(is_so: bool) -> str:
    return "yes" if is_so else "no"
