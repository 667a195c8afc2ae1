"""The simulator: one or many PBXs behind one port of this machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from email.utils import formatdate
from threading import Event, Thread
from time import time
from typing import TYPE_CHECKING, Literal

from dlt_threecx.simulator.fleet.fleet import Fleet
from dlt_threecx.simulator.messages import ELSEWHERE, Call, Request, Response
from dlt_threecx.simulator.pbx import Pbx, Terms

if TYPE_CHECKING:
    from dlt_threecx.simulator.connection import Listener

__all__ = ["CLIENT_SECRET", "Simulator"]

CLIENT_SECRET = "pw-secret-client-3f9c2a7d51e8b604"
"""Made up, as every secret here."""

LIVE_ROLES = ("App", "Reports", "system_owners", "CallFlowApp", "MyPhone")
"""What the token of a live API client of a System Owner names."""

_POLL_SECONDS = 0.02
"""How often the listening thread looks whether to stop."""


class Simulator:
    """A 3CX on loopback; in a `with` block, or between `start()` and `stop()`, it answers.

    With one fleet the PBX is at `base_url`; with several, by name, each is at `base_urls[name]`.
    What is set or called here applies to all PBXs; a single one is in `pbxs`.
    """

    def __init__(
        self,
        fleet: Fleet | Mapping[str, Fleet],
        port: int = 0,
        client_id: str = "threecx-demo",
        client_secret: str = CLIENT_SECRET,
        expires_in: Literal["seconds", "minutes"] = "seconds",
        token_life_seconds: int = 3600,
        page_cap: int = 100,
        delay_seconds: float = 0.0,
        clock_ahead_seconds: float = 0.0,
        changes_per_request: float = 0.0,
        roles: tuple[str, ...] = LIVE_ROLES,
        version_header: bool = True,
        fault: str | None = None,
        log: Callable[[str], None] | None = None,
    ) -> None:
        """`changes_per_request`: how many changes a fleet sees on average before each page.

        `version_header`: whether every answer has `X-3CX-Version`, not only that of `/Defs`.
        `clock_ahead_seconds`: how far its `Date` header is ahead of this machine's clock. `log` is called with a line
        for each request; port 0 takes any that is free.
        """
        self.client_id, self.client_secret = client_id, client_secret
        terms = Terms(
            *(client_id, client_secret, expires_in, token_life_seconds),
            *(page_cap, changes_per_request, tuple(roles), version_header),
        )
        fleets = {"": fleet} if isinstance(fleet, Fleet) else dict(fleet)
        self.pbxs = {name: Pbx(name, one, terms, self._note) for name, one in fleets.items()}
        self.requests: list[Request] = []
        """Everything asked so far, oldest first."""
        self.base_url = ""
        """Once started: `http://127.0.0.1:PORT`"""
        self._port = port
        self._delay_seconds = delay_seconds
        self.clock_ahead_seconds = clock_ahead_seconds
        self._log = log
        self._stopped = Event()
        self._listener: Listener | None = None
        self.fault = fault

    # life

    def start(self) -> Simulator:
        """Listens, in a thread of its own."""
        # here, as not everybody who makes a fleet serves it
        from dlt_threecx.simulator.connection import Listener

        self._stopped.clear()
        self._listener = Listener(self._port, self._answer, self._stopped)
        self.base_url = f"http://127.0.0.1:{self._listener.port}"
        for name, url in self.base_urls.items():
            self.pbxs[name].base_url = url
        Thread(target=self._listener.serve_forever, args=(_POLL_SECONDS,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Ends every connection, also those that a fault keeps waiting."""
        if self._listener is not None:
            self._listener.end()
            self._listener = None

    def wait(self) -> None:
        """Returns when the simulator is stopped, or with KeyboardInterrupt."""
        self._stopped.wait()

    def __enter__(self) -> Simulator:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # look

    @property
    def base_urls(self) -> dict[str, str]:
        """Where each PBX is, by name."""
        return {name: f"{self.base_url}/{name}" if name else self.base_url for name in self.pbxs}

    @property
    def token_requests(self) -> list[Request]:
        """Those for a token."""
        return [request for request in self.requests if request.path.endswith("/connect/token")]

    @property
    def page_requests(self) -> list[Request]:
        """Those for SIP devices."""
        return [request for request in self.requests if request.path.endswith("/xapi/v1/SipDevices")]

    @property
    def stray_requests(self) -> list[Request]:
        """Those that followed a redirect or a next link to another host. There should be none."""
        return [request for request in self.requests if request.path.startswith(ELSEWHERE)]

    # interfere

    @property
    def fault(self) -> str | None:
        """The named fault that is on; None for none. Set it to change it."""
        return next(iter(self.pbxs.values())).faults.name

    @fault.setter
    def fault(self, name: str | None) -> None:
        self.set_fault(name)

    def set_fault(
        self, name: str | None, after: int | None = None, times: int | Literal["default"] | None = "default"
    ) -> None:
        """Lets `after` requests pass, then applies to `times` of the next ones; `times=None`: for ever.

        Only requests of the fault's kind count: pages, or tokens for those whose name begins with `token_`
        (but not `token_stolen`, which applies to pages).
        """
        for pbx in self.pbxs.values():
            pbx.faults.set(name, after, times)

    def revoke_tokens(self) -> None:
        """What a restart does, or another client that fetches a token."""
        for pbx in self.pbxs.values():
            pbx.tokens.revoke()

    def restart(self, requests: int = 3) -> None:
        """Kills all tokens; this many requests to each PBX then get 503 with HTML, as from a proxy."""
        for pbx in self.pbxs.values():
            pbx.restart(requests)

    # answer

    def _answer(self, call: Call) -> Response:
        if self._delay_seconds:
            self._stopped.wait(self._delay_seconds)
        response = self._routed(call)
        date = formatdate(time() + self.clock_ahead_seconds, usegmt=True)
        return response._replace(headers={"Date": date, **response.headers})

    def _routed(self, call: Call) -> Response:
        if "" in self.pbxs:
            return self.pbxs[""].answer(call, call.path)
        name, slash, rest = call.path.removeprefix("/").partition("/")
        if name in self.pbxs:
            return self.pbxs[name].answer(call, slash + rest)
        self._note(call.record(404, ""))
        return Response(404)

    def _note(self, request: Request) -> None:
        self.requests.append(request)
        if self._log is not None:
            self._log(f"{request.method} {request.target} {request.status}")
