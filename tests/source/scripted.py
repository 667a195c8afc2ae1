"""A server that sends what a test says, byte for byte, for what no PBX and no simulator would send."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Callable, Iterable
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Event, Lock, Thread
from typing import Any, NamedTuple

from dlt_threecx.source.settings import Settings
from tests.source.reading import QUICK

SECRET = "pw-secret-scripted"
TOKEN = "pw-secret-token"
_TLS_HELLO = 0x16


class Asked(NamedTuple):
    """A request as it came in; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: str


Reply = bytes | Iterable[bytes]
"""What is sent, at once or piece by piece; then the connection is closed."""


def reply(status: int, body: bytes | str = b"", **headers: str) -> bytes:
    """An HTTP response; `Retry_After="1"` becomes `Retry-After: 1`."""
    content = body.encode() if isinstance(body, str) else body
    named = {"Content-Length": str(len(content)), "Connection": "close", **headers}
    lines = [f"HTTP/1.1 {status} Scripted", *(f"{name.replace('_', '-')}: {value}" for name, value in named.items())]
    return "\r\n".join((*lines, "", "")).encode() + content


def json_reply(value: Any, status: int = 200, **headers: str) -> bytes:
    return reply(status, json.dumps(value), **{"Content_Type": "application/json", **headers})


def token_reply(value: str = TOKEN, **fields: Any) -> bytes:
    return json_reply({"token_type": "Bearer", "access_token": value, **fields})


class Scripted:
    """Answers every request with what `answer` says; `requests` holds what was asked so far."""

    def __init__(self, answer: Callable[[Asked], Reply], certificate: Path | None = None) -> None:
        self.requests: list[Asked] = []
        self.ended = Event()
        lock, requests = Lock(), self.requests
        tls = None
        if certificate is not None:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(certificate)

        class Handler(BaseRequestHandler):
            def handle(self) -> None:
                try:
                    self.answer(tls.wrap_socket(self.request, server_side=True) if tls else self.request)
                except OSError:
                    return

            def answer(self, connection: socket.socket) -> None:
                asked = _read(connection)
                if asked is None:
                    return
                with lock:
                    requests.append(asked)
                said = answer(asked)
                for piece in (said,) if isinstance(said, bytes) else said:
                    connection.sendall(piece)
                if tls is not None:
                    connection.shutdown(socket.SHUT_RDWR)

        class Server(ThreadingTCPServer):
            daemon_threads = True
            block_on_close = False
            allow_reuse_address = True

        self._server = Server(("127.0.0.1", 0), Handler)
        scheme = "https" if tls else "http"
        self.base_url = f"{scheme}://127.0.0.1:{self._server.server_address[1]}"

    def settings(self, **settings: Any) -> Settings:
        return Settings(self.base_url, **{**QUICK, "client_id": "scripted", "client_secret": SECRET, **settings})

    @property
    def tokens_asked(self) -> int:
        return sum(asked.target == "/connect/token" for asked in self.requests)

    def __enter__(self) -> Scripted:
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()


def with_token(pages: Callable[[Asked], Reply]) -> Callable[[Asked], Reply]:
    """Gives a token to whoever asks for one, and `pages` to everything else."""

    def answer(asked: Asked) -> Reply:
        return token_reply() if asked.target.endswith("/connect/token") else pages(asked)

    return answer


def _read(connection: socket.socket) -> Asked | None:
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(65536)
        if not piece:
            return None
        received += piece
        if received[0] == _TLS_HELLO:
            return Asked("", "", {}, "")
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(65536)
    method, target, _ = first.split(" ", 2)
    return Asked(method, target, headers, body.decode())
