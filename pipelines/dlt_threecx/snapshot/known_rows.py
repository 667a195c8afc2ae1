"""Rows that come again byte for byte need not be parsed again.

Most readings find little that is new. So the last reading leaves a keyed digest of each page and of each row, as they
came, beside the kept file of devices, and where they stand in that file. What has such a digest is what stands there.

    {"@odata.count":500,"value":[{"Id":1,…},{"Id":2,…}],"@odata.nextLink":…}
    └────────── envelope ───────┘└────── rows ────────┘└──── envelope ────┘

The envelope is parsed each time. Without the rows it must hold one empty list, `value`, and no other list or object: so
the rows are the content of that list.

Rows are told apart by what stands between two of them, `},{"Id":`. In n rows that each begin with their Id it stands
n - 1 times, or more often when a row has it inside. So where it makes n parts, each part is a row; else only the page
as a whole is known. A list of valid objects is valid in any order: known rows and new ones that are parsed by
themselves are together what the page would be parsed to.

The key is derived from the API key of the PBX: nobody else can guess a row from its digest, or put one in.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pyarrow as pa

from dlt_threecx.integrity.ledger import key_id
from dlt_threecx.integrity.row_hash import fingerprint_part
from dlt_threecx.settings.config import PbxConfig
from dlt_threecx.snapshot.device_file import device_columns, file_digest, file_format
from dlt_threecx.snapshot.fast_json import fast_json

__all__ = ["DIGEST_BYTES", "NO_DIGEST", "KnownFile", "KnownRows", "PageEnd", "RowDecoder", "RowKey", "RowMemo"]

_LIST = b'"value":['
_FIRST = b'{"Id":'
_BETWEEN = b'},{"Id":'
_END = b"}]"
DIGEST_BYTES = 16
NO_DIGEST = bytes(DIGEST_BYTES)
"""Of a row that could not be told apart from others."""

Witnesses = dict[tuple[str, str], list[int]]
"""(property path, JSON type) → where in the file some of the rows stand that have it."""


class KnownFile(NamedTuple):
    """A file of devices that was kept, its digest, and where the digests of its rows are noted."""

    file: Path
    digest: str
    rows: Path


class PageEnd(dict[str, Any]):
    """The last row of a page, with what is known of all its rows."""

    __slots__ = ("digests", "page_digest", "places")

    def __init__(
        self, row: dict[str, Any], page_digest: str, digests: Sequence[bytes] | None, places: Sequence[int | None]
    ) -> None:
        """`digests` of the rows, if they can be told apart; `places` in the known file, None for rows that are new."""
        super().__init__(row)
        self.page_digest, self.digests, self.places = page_digest, digests, places


@dataclass(frozen=True)
class RowKey:
    """What a PBX's digests are made with, and what they hold for."""

    secret: bytes = field(repr=False)
    made_for: str

    @classmethod
    def of(cls, pbx: PbxConfig, volatile: Sequence[str]) -> RowKey | None:
        """None without an API key: a digest must not be one that anybody could make."""
        secret = pbx.settings.client_secret
        if not secret or pbx.settings.access_token:
            return None
        derived = hmac.digest(secret.encode(), b"dlt-threecx known rows", hashlib.sha256)
        return cls(derived, repr((file_format(), sorted(volatile), key_id(pbx.settings.fingerprint_key))))

    def digests(self, parts: Iterable[bytes]) -> list[bytes]:
        """Of rows or pages, as they came: SHA-256 over the key and each, of which the first bytes count."""
        begin = hashlib.sha256(self.secret)
        digests = []
        for part in parts:
            digest = begin.copy()
            digest.update(part)
            digests.append(digest.digest()[:DIGEST_BYTES])
        return digests

    def seal(self, noted: dict[str, Any]) -> str:
        """Of all that is noted: nothing in it was changed or mixed."""
        return hmac.digest(self.secret, orjson.dumps(noted), hashlib.sha256).hex()


@dataclass
class RowMemo:
    """What one reading leaves for the next, to be kept beside its file of devices."""

    key: RowKey = field(repr=False)
    pages: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Digest of a page → where its rows begin in the file, and how many they are."""
    digests: bytearray = field(default_factory=bytearray, repr=False)
    """Of all rows, in the order of the file."""
    witnesses: Witnesses = field(default_factory=dict)
    fingerprint: str = ""

    def written(self, file_digest: str) -> bytes:
        """What to keep beside the file of that digest."""
        noted = {
            "file": file_digest,
            "made_for": self.key.made_for,
            "pages": self.pages,
            "digests": base64.b64encode(self.digests).decode(),
            "witnesses": [[*pair, places] for pair, places in self.witnesses.items()],
            "fingerprint": self.fingerprint,
        }
        return orjson.dumps({"noted": noted, "seal": self.key.seal(noted)})


@dataclass(frozen=True)
class KnownRows:
    """The rows of the last reading, as they stand in `file`."""

    file: Path
    device_ids: list[int]
    pages: dict[str, tuple[int, int]]
    digests: bytes
    witnesses: Witnesses
    fingerprint: str

    @classmethod
    def read(cls, known: KnownFile, key: RowKey) -> KnownRows | None:
        """None when anything is not as it was written."""
        try:
            kept = orjson.loads(known.rows.read_bytes())
            noted, seal = kept["noted"], kept["seal"]
            if not hmac.compare_digest(seal, key.seal(noted)):
                return None
            if (noted["file"], noted["made_for"]) != (known.digest, key.made_for):
                return None
            if file_digest(known.file) != known.digest:
                return None
            return cls(
                known.file,
                device_columns(known.file, "device_id")["device_id"].to_pylist(),
                {digest: (place, rows) for digest, (place, rows) in noted["pages"].items()},
                base64.b64decode(noted["digests"]),
                {(path, kind): places for path, kind, places in noted["witnesses"]},
                noted["fingerprint"],
            )
        except (OSError, ValueError, KeyError, TypeError, pa.ArrowException):
            return None

    def sum_without(self, places: Sequence[int]) -> int:
        """What the devices add to a fingerprint, without those at some places."""
        total = int(self.fingerprint, 16)
        if places:
            gone = device_columns(self.file, "device_id", "row_version").take(pa.array(places, pa.int64()))
            total -= sum(map(fingerprint_part, *(gone[name].to_pylist() for name in gone.column_names)))
        return total

    @cached_property
    def places(self) -> dict[bytes, int]:
        """Digest of a row → where it stands."""
        starts = range(0, len(self.digests), DIGEST_BYTES)
        places = {self.digests[start : start + DIGEST_BYTES]: place for place, start in enumerate(starts)}
        places.pop(NO_DIGEST, None)
        return places


class RowDecoder:
    """Parses answers as fast_json does; the last row of a page becomes a PageEnd.

    Of a row that is known it has the Id only. Without a key nothing is known, and nothing noted.
    """

    def __init__(self, key: RowKey | None = None, known: KnownRows | None = None) -> None:
        self.key, self.known = key, known

    @classmethod
    def of(cls, pbx: PbxConfig, volatile: Sequence[str], known: KnownFile | None) -> RowDecoder:
        """The decoder for one PBX; `known` is what was kept of its last reading."""
        key = RowKey.of(pbx, volatile)
        return cls(key, KnownRows.read(known, key) if known and key else None)

    def __call__(self, body: bytes) -> Any:
        """The value of an answer; None when only the slow way can say."""
        begin, end = body.find(_LIST + _FIRST) + len(_LIST), body.rfind(_END) + 1
        if self.key is None or begin < len(_LIST) or end <= begin:
            return fast_json(body)
        envelope = fast_json(body[:begin] + body[end:])
        if not _is_envelope(envelope):
            return fast_json(body)
        rows = body[begin:end]
        digest = self.key.digests([rows])[0].hex()
        known = self.known
        if known and (page := known.pages.get(digest)):
            places = range(page[0], sum(page))
            items = [{"Id": id_} for id_ in known.device_ids[places.start : places.stop]]
            items[-1] = PageEnd(items[-1], digest, None, places)
            return {**envelope, "value": items}
        parts = rows[len(_FIRST) : -1].split(_BETWEEN)
        digests = self.key.digests(parts)
        found = self._partly_known(parts, digests) if known else None
        if found is not None:
            items, seen = found
            items[-1] = PageEnd(items[-1], digest, digests, seen)
            return {**envelope, "value": items}
        value = fast_json(body)
        if value is not None:
            items = value["value"]
            items[-1] = PageEnd(
                items[-1], digest, digests if _are_rows(items, len(parts)) else None, [None] * len(items)
            )
        return value

    def _partly_known(
        self, parts: list[bytes], digests: list[bytes]
    ) -> tuple[list[dict[str, Any]], list[int | None]] | None:
        """The rows of a page and the places of those that are known; None when none is, or when it is unclear."""
        known = self.known
        if known is None:
            return None
        places = [known.places.get(digest) for digest in digests]
        news = [part for part, place in zip(parts, places, strict=True) if place is None]
        if len(news) == len(parts):
            return None
        parsed = fast_json(b"[" + _FIRST + _BETWEEN.join(news) + _END) if news else []
        if not _are_rows(parsed, len(news)):
            return None
        new = iter(parsed)
        return [next(new) if place is None else {"Id": known.device_ids[place]} for place in places], places


def _are_rows(items: Any, number: int) -> bool:
    """Whether it is a list of so many objects that all begin with their Id."""
    return (
        isinstance(items, list)
        and len(items) == number
        and all(isinstance(item, dict) and next(iter(item), None) == "Id" for item in items)
    )


def _is_envelope(envelope: Any) -> bool:
    """Whether it is an object with an empty list `value` and no other list or object."""
    return (
        isinstance(envelope, dict)
        and envelope.get("value") == []
        and not any(isinstance(value, list | dict) for name, value in envelope.items() if name != "value")
    )
