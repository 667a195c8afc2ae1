"""HTTP/1.1 over a socket: reads calls, sends responses, keeps connections open.

Not `http.server`: it reads headers as if they were mail, which costs as much as answering a page, and takes long to
import. What a client of the xAPI sends is little: a request line, headers, a body of known length.
"""

import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Event
from typing import Any

from dlt_threecx.simulator.messages import Call, Response, Stream

__all__ = ["Listener"]

_LONGEST_LINE = 1 << 16
_LARGEST_BODY = 1 << 20
"""Bytes; longer ones end the connection."""
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Listener(ThreadingTCPServer):
    """Listens on loopback and answers every call with `answer`, each connection in a thread of its own."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, port: int, answer: Callable[[Call], Response], stopped: Event) -> None:
        """`stopped`: set when the simulator ends; responses that never end look at it."""
        self.answer = answer
        self.stopped = stopped
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Connection)

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self.socket.getsockname()[1]
        return port

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remembers the connection, so that it can be ended."""
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forgets a connection that ended."""
        self._open.discard(request)
        super().shutdown_request(request)

    def end(self) -> None:
        """Ends every connection and stops listening."""
        self.stopped.set()
        self.shutdown()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()


class _Connection(StreamRequestHandler):
    disable_nagle_algorithm = True
    server: Listener
    connection: socket.socket
    _is_last = False
    """Whether the client wants the connection closed after this call."""

    def handle(self) -> None:
        """Answers one call after the other, until one side has enough or goes away."""
        with suppress(OSError):
            while (call := self._call()) is not None and self._send(self.server.answer(call), call):
                pass

    def _call(self) -> Call | None:
        """The next call; None when the client has hung up, or speaks something else."""
        words = self.rfile.readline(_LONGEST_LINE).decode("latin-1").split()
        if len(words) != 3 or words[2] not in ("HTTP/1.1", "HTTP/1.0"):
            return None
        headers: dict[str, str] = {}
        while (line := self.rfile.readline(_LONGEST_LINE).decode("latin-1").strip()) != "":
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > _LARGEST_BODY or "transfer-encoding" in headers:
            return None
        self._is_last = headers.get("connection", "").lower() == "close" or words[2] == "HTTP/1.0"
        return Call(
            method=words[0],
            target=words[1],
            host=headers.get("host", ""),
            authorization=headers.get("authorization", ""),
            content_type=headers.get("content-type", ""),
            body=self.rfile.read(int(length)),
        )

    def _send(self, response: Response, call: Call) -> bool:
        """Sends it; False when the connection ends with it."""
        head = _head(response)
        if response.stream is not None:
            self._send_stream(head, response, response.stream)
        else:
            # in one piece: a second small one would wait for the first one's acknowledgement
            self.connection.sendall(head if call.method == "HEAD" else head + response.body)
        if response.ending == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self.rfile.close()
            self.connection.close()
        return response.ending == "keep" and not self._is_last

    def _send_stream(self, head: bytes, response: Response, stream: Stream) -> None:
        self.connection.sendall(head)
        chunked = response.declared_length is None
        for part in stream(self.server.stopped):
            self.connection.sendall(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
        if chunked:
            self.connection.sendall(b"0\r\n\r\n")


def _head(response: Response) -> bytes:
    lines = [f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}"]
    if response.stream is not None and response.declared_length is None:
        lines.append("Transfer-Encoding: chunked")
    else:
        declared = response.declared_length
        lines.append(f"Content-Length: {len(response.body) if declared is None else declared}")
    if response.content_type:
        lines.append(f"Content-Type: {response.content_type}")
    lines += [f"{name}: {value}" for name, value in response.headers.items()]
    return "\r\n".join((*lines, "", "")).encode("latin-1")
