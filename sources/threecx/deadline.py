"""HTTP connections with one time limit for a whole answer, from the request to the last byte."""

from __future__ import annotations

import http.client
import io
import socket
import time
from typing import Any

import requests
import urllib3

__all__ = ["Adapter"]


class _UntilDeadline(io.RawIOBase):
    """The bytes of one answer, headers included, until the socket's time-out has passed in total.

    A socket's own time-out starts again with every byte, so a server that drips could hold a run for ever.
    """

    def __init__(self, sock: socket.socket, raw: io.RawIOBase) -> None:
        self._sock, self._raw = sock, raw
        self._ends_at = time.monotonic() + (sock.gettimeout() or 0.0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer took too long")
        self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_UntilDeadline(sock, self.fp.detach()))

    def begin(self) -> None:
        super().begin()
        # urllib3 logs headers that it cannot read as they came. The token may be among them.
        self.msg.defects.clear()
        self.msg.set_payload("")


class _HttpConnection(urllib3.connection.HTTPConnection):
    response_class = _Response


class _HttpsConnection(urllib3.connection.HTTPSConnection):
    response_class = _Response


class _HttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection

    def _validate_conn(self, conn: Any) -> None:
        """Connects. Unlike urllib3 it prints no warning for verify_tls = false: that is said once, with the setting."""
        if conn.is_closed:
            conn.connect()


_POOLS = {"http": _HttpPool, "https": _HttpsPool}


class Adapter(requests.adapters.HTTPAdapter):
    """The connections of requests, with that time limit."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        if proxy.lower().startswith("http"):
            manager.pool_classes_by_scheme = _POOLS
        return manager
