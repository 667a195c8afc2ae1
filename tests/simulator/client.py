"""A client that hides nothing: status, headers and bytes as they came."""

import json
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from dlt_threecx.simulator import Simulator

FORM = "application/x-www-form-urlencoded"


class Client:
    """Talks to one PBX over one connection at a time."""

    def __init__(self, simulator: Simulator, name: str = "") -> None:
        self.base = urlsplit(simulator.base_urls[name])
        self.credentials = {"client_id": simulator.client_id, "client_secret": simulator.client_secret}
        self.token: str | None = None

    def connect(self) -> HTTPConnection:
        return HTTPConnection(self.base.hostname or "", self.base.port, timeout=10)

    def raw(
        self, method: str, path: str, body: str | None = None, headers: dict[str, str] | None = None
    ) -> tuple[HTTPResponse, bytes]:
        """Response and body of one request on a connection of its own."""
        connection = self.connect()
        sent = dict(headers or {})
        if self.token is not None:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        try:
            connection.request(method, self.base.path + path, body, sent)
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()

    def fetch_token(self, **form: str) -> tuple[int, Any]:
        """Status and JSON of the token endpoint; the form's fields can be replaced."""
        fields = {"grant_type": "client_credentials"} | self.credentials | form
        response, body = self.raw("POST", "/connect/token", urlencode(fields), {"Content-Type": FORM})
        return response.status, json.loads(body)

    def authorize(self) -> "Client":
        status, answer = self.fetch_token()
        assert status == 200
        self.token = answer["access_token"]
        return self

    def devices(self, **options: object) -> tuple[int, Any]:
        """Status and JSON of a page; `top=5` is sent as `$top=5`."""
        response, body = self.raw("GET", devices_path(**options))
        return response.status, json.loads(body) if body else None

    def devices_status(self) -> int:
        """Status of a page, whatever its body."""
        return self.raw("GET", devices_path(top=1))[0].status

    def rows(self, **options: object) -> list[dict[str, Any]]:
        status, page = self.devices(**options)
        assert status == 200, page
        rows: list[dict[str, Any]] = page["value"]
        return rows

    def ids(self, **options: object) -> list[int]:
        return [row["Id"] for row in self.rows(select="Id", **options)]

    def refusal(self, **options: object) -> str:
        """The words of a 400."""
        status, answer = self.devices(**options)
        assert (status, answer["error"]["code"], answer["error"]["details"]) == (400, "", [])
        message: str = answer["error"]["message"]
        return message


def devices_path(**options: object) -> str:
    query = "&".join(f"${name}={quote(str(value), safe='')}" for name, value in options.items())
    return f"/xapi/v1/SipDevices?{query}"
