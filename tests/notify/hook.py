"""A web server on this machine that keeps what is posted to it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

__all__ = ["Hook", "Post", "hooked"]


class Post(NamedTuple):
    """A request: path with query, and body."""

    path: str
    body: str


class Hook:
    """A web hook; with `is_dead` it answers 500 and keeps nothing."""

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.is_dead = False
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                if not hook.is_dead:
                    hook.posts.append(Post(self.path, body))
                self.send_response(500 if hook.is_dead else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server.server_port}"


@contextmanager
def hooked() -> Iterator[Hook]:
    """A hook that listens."""
    hook = Hook()
    thread = threading.Thread(target=hook.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hook
    finally:
        hook.server.shutdown()
        thread.join()
        hook.server.server_close()
