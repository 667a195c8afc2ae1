"""Pages that come again byte for byte need not be parsed again.

Most readings find nothing new. So for each page of the last reading a keyed digest of its rows is kept, as they came,
and where these rows stand in the kept file of devices. A page whose rows have that digest is those rows.

    {"@odata.count":500,"value":[{"Id":1,…},{"Id":2,…}],"@odata.nextLink":…}
    └────────── envelope ───────┘└────── rows ────────┘└──── envelope ────┘

The envelope is parsed each time. Without the rows it must hold one empty list, `value`, and no other list or object: so
the rows are the content of that list. They were exactly that when their digest was taken, from a page that was parsed.

The key is derived from the API key of the PBX: nobody else can guess a row from its digest, or put one in.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pyarrow as pa

from dlt_threecx.integrity.ledger import key_id
from dlt_threecx.settings.config import PbxConfig
from dlt_threecx.snapshot.device_file import device_columns, file_digest, file_format
from dlt_threecx.snapshot.fast_json import fast_json

__all__ = ["KnownFile", "KnownPage", "KnownPages", "PageDecoder", "PageEnd", "PageKey", "PageMemo"]

_LIST = b'"value":['
_BEGIN = _LIST + b'{"Id":'
_END = b"}]"


class KnownFile(NamedTuple):
    """A file of devices that was kept, its digest, and where the pages of its reading are noted."""

    file: Path
    digest: str
    pages: Path


class KnownPage(NamedTuple):
    """The rows of a page that counted, in the file of devices."""

    place: int
    rows: int
    overlap: int
    """0 or 1: how many rows before them the page has as well."""
    shape: int
    """Which of the shapes these rows have."""


class PageEnd(dict[str, Any]):
    """The last row of a page, with the digest of all its rows; `known` when they were not parsed."""

    __slots__ = ("digest", "known", "rows")

    def __init__(self, row: dict[str, Any], digest: str, rows: int, known: KnownPage | None) -> None:
        super().__init__(row)
        self.digest, self.rows, self.known = digest, rows, known


@dataclass(frozen=True)
class PageKey:
    """What a PBX's digests are made with, and what they hold for."""

    secret: bytes = field(repr=False)
    made_for: str

    @classmethod
    def of(cls, pbx: PbxConfig, volatile: Sequence[str]) -> PageKey | None:
        """None without an API key: a digest must not be one that anybody could make."""
        secret = pbx.settings.client_secret
        if not secret or pbx.settings.access_token:
            return None
        derived = hmac.digest(secret.encode(), b"dlt-threecx known pages", hashlib.sha256)
        return cls(derived, repr((file_format(), sorted(volatile), key_id(pbx.settings.fingerprint_key))))

    def digest(self, rows: bytes) -> str:
        """Of the rows of a page, as they came."""
        return hashlib.blake2b(rows, digest_size=16, key=self.secret).hexdigest()

    def seal(self, noted: dict[str, Any]) -> str:
        """Of all that is noted: nothing in it was changed or mixed."""
        return hmac.digest(self.secret, orjson.dumps(noted), hashlib.sha256).hex()


@dataclass
class PageMemo:
    """The pages of one reading, to be kept beside its file of devices."""

    key: PageKey = field(repr=False)
    pages: dict[str, KnownPage] = field(default_factory=dict)
    shapes: dict[bytes, int] = field(default_factory=dict)
    """Each shape as JSON, and its number."""
    are_known: bool = True
    """Whether all pages were known before."""

    def add(self, digest: str, place: int, rows: int, overlap: int, shape: dict[str, str]) -> None:
        """Notes a page that was parsed."""
        self.are_known = False
        self.pages[digest] = KnownPage(place, rows, overlap, self._shape(shape))

    def add_known(self, digest: str, page: KnownPage, place: int, shape: dict[str, str]) -> None:
        """Notes a page that was known, where it stands now."""
        self.pages[digest] = page._replace(place=place, shape=self._shape(shape))

    def _shape(self, shape: dict[str, str]) -> int:
        return self.shapes.setdefault(orjson.dumps(shape, option=orjson.OPT_SORT_KEYS), len(self.shapes))

    def written(self, file_digest: str) -> bytes:
        """What to keep beside the file of that digest."""
        noted = {
            "file": file_digest,
            "made_for": self.key.made_for,
            "shapes": [orjson.loads(shape) for shape in self.shapes],
            "pages": {digest: list(page) for digest, page in self.pages.items()},
        }
        return orjson.dumps({"noted": noted, "seal": self.key.seal(noted)})


@dataclass(frozen=True)
class KnownPages:
    """The pages of the last reading; `file` has their rows."""

    file: Path
    device_ids: list[int]
    row_versions: list[str]
    pages: dict[str, KnownPage]
    shapes: list[dict[str, str]]

    @classmethod
    def read(cls, known: KnownFile, key: PageKey) -> KnownPages | None:
        """None when anything is not as it was written."""
        try:
            kept = orjson.loads(known.pages.read_bytes())
            noted, seal = kept["noted"], kept["seal"]
            if not hmac.compare_digest(seal, key.seal(noted)):
                return None
            if (noted["file"], noted["made_for"]) != (known.digest, key.made_for):
                return None
            if file_digest(known.file) != known.digest:
                return None
            table = device_columns(known.file, "device_id", "row_version")
        except (OSError, ValueError, KeyError, TypeError, pa.ArrowException):
            return None
        pages = {digest: KnownPage(*page) for digest, page in noted["pages"].items()}
        ids, versions = table["device_id"].to_pylist(), table["row_version"].to_pylist()
        return cls(known.file, ids, versions, pages, noted["shapes"])


class PageDecoder:
    """Parses answers as fast_json does; the last row of a page becomes a PageEnd.

    Of a page that is known the rows have their Id only. Without a key nothing is known, and nothing noted.
    """

    def __init__(self, key: PageKey | None = None, known: KnownPages | None = None) -> None:
        self.key, self.known = key, known

    @classmethod
    def of(cls, pbx: PbxConfig, volatile: Sequence[str], known: KnownFile | None) -> PageDecoder:
        """The decoder for one PBX; `known` is what was kept of its last reading."""
        key = PageKey.of(pbx, volatile)
        return cls(key, KnownPages.read(known, key) if known and key else None)

    def __call__(self, body: bytes) -> Any:
        """The value of an answer; None when only the slow way can say."""
        begin, end = body.find(_BEGIN) + len(_LIST), body.rfind(_END) + 1
        if self.key is None or begin < len(_LIST) or end <= begin:
            return fast_json(body)
        envelope = fast_json(body[:begin] + body[end:])
        if not _is_envelope(envelope):
            return fast_json(body)
        digest = self.key.digest(body[begin:end])
        known = self.known
        page = known.pages.get(digest) if known else None
        if known and page:
            ids = known.device_ids[page.place - page.overlap : page.place + page.rows]
            body_value: Any = {**envelope, "value": [{"Id": id_} for id_ in ids]}
        else:
            body_value = fast_json(body)
            if body_value is None:
                return None
        rows = body_value["value"]
        rows[-1] = PageEnd(rows[-1], digest, len(rows), page)
        return body_value


def _is_envelope(envelope: Any) -> bool:
    """Whether it is an object with an empty list `value` and no other list or object."""
    return (
        isinstance(envelope, dict)
        and envelope.get("value") == []
        and not any(isinstance(value, list | dict) for name, value in envelope.items() if name != "value")
    )
