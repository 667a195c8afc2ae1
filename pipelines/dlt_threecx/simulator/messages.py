"""A call that came in, the response that goes out, and the record that is kept."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from threading import Event
from types import MappingProxyType
from typing import Literal, NamedTuple
from urllib.parse import parse_qsl

from dlt_threecx.simulator.json_text import compact

__all__ = ["ELSEWHERE", "Call", "Request", "Response", "Stream", "error", "html_page", "json_response", "unauthorized"]


ELSEWHERE = "/elsewhere"
"""The path of another host, to which faulty redirects and next links point."""


class Call(NamedTuple):
    """One request as it came in."""

    method: str
    target: str
    """Path and query string as they stood in the request line."""
    host: str = ""
    authorization: str = ""
    content_type: str = ""
    body: bytes = b""

    @property
    def path(self) -> str:
        """Without the query string."""
        return self.target.partition("?")[0]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The decoded query parameters in their order; `+` is a blank."""
        return parse_qsl(self.target.partition("?")[2], keep_blank_values=True)

    def record(self, status: int, pbx: str) -> "Request":
        """What stays of the call once it is answered."""
        return Request(
            method=self.method,
            path=self.path,
            query=dict(self.pairs),
            status=status,
            at=datetime.now(UTC),
            target=self.target,
            host=self.host,
            with_token=self.authorization.lower().startswith("bearer"),
            pbx=pbx,
        )


class Request(NamedTuple):
    """One request that the simulator was asked, and how it answered."""

    method: str
    path: str
    query: dict[str, str]
    """Decoded, without percent signs."""
    status: int
    at: datetime
    target: str
    """Path and query string as they were sent."""
    host: str
    """Whom the client thought it was talking to: `127.0.0.1:8080`."""
    with_token: bool
    """Whether a bearer token came with it, alive or dead."""
    pbx: str
    """The PBX's name; empty where there is only one."""


Stream = Callable[[Event], Iterator[bytes]]
"""Pieces of a body; the event is set when the simulator stops."""


_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Response(NamedTuple):
    """What is sent. `stream`, where given, goes out instead of `body`."""

    status: int
    body: bytes = b""
    content_type: str = ""
    headers: Mapping[str, str] = _NO_HEADERS
    stream: Stream | None = None
    declared_length: int | None = None
    """Content-Length where it is not that of the body; a stream without it goes in chunks."""
    ending: Literal["keep", "close", "reset"] = "keep"
    """What happens to the connection afterwards."""


def json_response(body: bytes, status: int = 200) -> Response:
    """A body as ASP.NET's OData sends it."""
    kind = "application/json; odata.metadata=minimal; odata.streaming=true; charset=utf-8"
    return Response(status, body, kind, {"OData-Version": "4.0"})


def error(status: int, message: str, code: str = "") -> Response:
    """3CX's shape of an error: `{"error": {"code": "", "message": "…", "details": []}}`."""
    return json_response(compact({"error": {"code": code, "message": message, "details": []}}), status=status)


def html_page(status: int, title: str) -> Response:
    """What the proxy in front of the PBX says when the PBX does not."""
    body = f"<html><head><title>{title}</title></head><body><center><h1>{title}</h1></center></body></html>"
    return Response(status, body.encode(), "text/html")


def unauthorized() -> Response:
    """What a request without a live token gets."""
    return Response(401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
