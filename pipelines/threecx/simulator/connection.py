"""HTTP/1.1 over a socket: reads calls, sends responses, keeps connections open."""

import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event
from typing import Any

from .exchange import Call, Response

__all__ = ["Listener"]

_LARGEST_FORM = 1 << 20
"""Bytes; a longer request body is not read."""


class Listener(ThreadingHTTPServer):
    """Listens on loopback and answers every call with `answer`, each connection in a thread of its own."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, port: int, answer: Callable[[Call], Response], stopped: Event) -> None:
        """`stopped`: set when the simulator ends; responses that never end look at it."""
        self.answer = answer
        self.stopped = stopped
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def server_bind(self) -> None:
        """Binds without asking a name server for the name of this host."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.server_address[:2]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remembers the connection, so that it can be ended."""
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forgets a connection that ended."""
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""

    def end(self) -> None:
        """Ends every connection and stops listening."""
        self.stopped.set()
        self.shutdown()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Listener
    connection: socket.socket

    def _answer(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > _LARGEST_FORM:
            self.close_connection = True
            return
        call = Call(
            method=self.command,
            target=self.path,
            host=self.headers.get("Host", ""),
            authorization=self.headers.get("Authorization", ""),
            content_type=self.headers.get("Content-Type", ""),
            body=self.rfile.read(int(length)),
        )
        try:
            self._send(self.server.answer(call))
        except OSError:
            self.close_connection = True

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = _answer  # noqa: N815

    def _send(self, response: Response) -> None:
        head = self._head(response)
        if self.command == "HEAD":
            self.connection.sendall(head)
        elif response.stream is None:
            # in one piece: a second small one would wait for the first one's acknowledgement
            self.connection.sendall(head + response.body)
        else:
            self._send_stream(head, response)
        if response.ending != "keep":
            self.close_connection = True
        if response.ending == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def _send_stream(self, head: bytes, response: Response) -> None:
        assert response.stream is not None
        self.connection.sendall(head)
        chunked = response.declared_length is None
        for part in response.stream(self.server.stopped):
            self.connection.sendall(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
        if chunked:
            self.connection.sendall(b"0\r\n\r\n")

    def _head(self, response: Response) -> bytes:
        length = len(response.body) if response.declared_length is None else response.declared_length
        lines = [f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}"]
        if response.stream is not None and response.declared_length is None:
            lines.append("Transfer-Encoding: chunked")
        else:
            lines.append(f"Content-Length: {length}")
        if response.content_type:
            lines.append(f"Content-Type: {response.content_type}")
        lines += [f"{name}: {value}" for name, value in response.headers.items()]
        return "\r\n".join((*lines, "", "")).encode("latin-1")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Quiet: who wants to know reads `Simulator.requests`."""
