"""One simulated PBX: its token endpoint, its device list, and its present fault."""

from collections.abc import Callable
from math import exp
from random import Random
from threading import RLock
from typing import NamedTuple
from urllib.parse import parse_qs

from dlt_threecx.simulator.faults.fault import Visit, Where
from dlt_threecx.simulator.faults.plan import FaultPlan
from dlt_threecx.simulator.fleet.days import change_something
from dlt_threecx.simulator.fleet.fleet import Fleet
from dlt_threecx.simulator.json_text import compact
from dlt_threecx.simulator.messages import Call, Request, Response, error, html_page, json_response, unauthorized
from dlt_threecx.simulator.odata.options import ODataError, parsed
from dlt_threecx.simulator.odata.pages import Pages
from dlt_threecx.simulator.schema import VERSIONS
from dlt_threecx.simulator.tokens import Tokens

__all__ = ["Pbx", "Terms"]


class Terms(NamedTuple):
    """Credentials, limits and habits of a PBX."""

    client_id: str
    client_secret: str
    expires_in: str
    token_life_seconds: int
    page_cap: int
    changes_per_request: float
    roles: tuple[str, ...]
    version_header: bool


class Pbx:
    """Answers calls, one after the other."""

    def __init__(self, name: str, fleet: Fleet, terms: Terms, note: Callable[[Request], None]) -> None:
        """`note` is called with every request when it is answered; `base_url` is set when the simulator listens."""
        self.name = name
        self.fleet = fleet
        self.base_url = ""
        self.fqdn: str | None = f"{name or 'pbx'}-{fleet.seed}.3cx.example"
        """Its own name, which stays when it moves to another address; None: it does not say."""
        self.terms = terms
        self.tokens = Tokens(terms.client_id, terms.roles, terms.token_life_seconds, terms.expires_in, fleet.seed)
        self.faults = FaultPlan()
        self._note = note
        self._pages = Pages(fleet, terms.page_cap)
        self._lock = RLock()
        self._down_for = 0
        self._rng = Random(f"{fleet.seed}/meanwhile")

    @property
    def page_cap(self) -> int:
        """The largest `$top` that it takes."""
        return self.terms.page_cap

    def restart(self, requests: int = 3) -> None:
        """Kills all tokens, and answers this many requests, of any kind, with 503 and HTML."""
        self.tokens.revoke()
        self._down_for = requests

    def answer(self, call: Call, path: str) -> Response:
        """The response to a call whose path, below this PBX's base URL, is `path`."""
        with self._lock, self.fleet.lock:
            if self._down_for:
                self._down_for -= 1
                response = html_page(503, "503 Service Temporarily Unavailable")
            else:
                response = self._routed(call, path)
            self._note(call.record(response.status, self.name))
            return response

    def _routed(self, call: Call, path: str) -> Response:
        allowed, handle = {
            "/connect/token": ("POST", self._token),
            "/xapi/v1/SipDevices": ("GET", self._devices),
            "/xapi/v1/Defs": ("GET", self._defs),
            "/xapi/v1/Defs/Pbx.GetSystemParameters()": ("GET", self._system),
        }.get(path, ("", None))
        if handle is None:
            response = Response(404)
        elif call.method != allowed:
            response = Response(405, headers={"Allow": allowed})
        elif allowed == "GET" and not self.tokens.admits(call.authorization):
            response = unauthorized()
        else:
            response = handle(call)
        if path == "/xapi/v1/Defs" or (self.terms.version_header and path.startswith("/xapi/")):
            version = {"X-3CX-Version": VERSIONS[self.fleet.shape]}
            response = response._replace(headers=version | dict(response.headers))
        return response

    # token

    def _token(self, call: Call) -> Response:
        return self._struck("token", call, lambda: self._issued(call))

    def _issued(self, call: Call) -> Response:
        form = {name: values[-1] for name, values in parse_qs(call.body.decode("latin-1")).items()}
        if not call.content_type.startswith("application/x-www-form-urlencoded"):
            return _refused(400, "invalid_request", "The form is not urlencoded.")
        if form.get("grant_type") != "client_credentials":
            return _refused(400, "unsupported_grant_type", "The grant type is not supported.")
        credentials = (form.get("client_id"), form.get("client_secret"))
        if credentials != (self.terms.client_id, self.terms.client_secret):
            return _refused(401, "invalid_client", "The client id or the client secret is wrong.")
        return Response(200, compact(self.tokens.issue()), "application/json; charset=utf-8")

    # xapi

    def _defs(self, call: Call) -> Response:
        context = f"{self.base_url}/xapi/v1/$metadata#Defs"
        unknown = [name for name, value in call.pairs if (name, value) != ("$select", "Id")]
        if unknown:
            return error(400, f"The query parameter '{unknown[0]}' is not supported.")
        return json_response(compact({"@odata.context": f"{context}(Id)" if call.pairs else context, "Id": 0}))

    def _system(self, call: Call) -> Response:
        system = {
            "@odata.context": f"{self.base_url}/xapi/v1/$metadata#Pbx.SystemParameters",
            "Version": VERSIONS[self.fleet.shape],
            **({"FQDN": self.fqdn} if self.fqdn else {}),
            "IsMulticompanyMode": False,
            "IsHosted3CX": False,
        }
        return json_response(compact(system))

    def _devices(self, call: Call) -> Response:
        self.tokens.uses += 1
        for _ in range(_poisson(self._rng, self.terms.changes_per_request)):
            change_something(self.fleet, self._rng)
        if not {"SystemOwner", "system_owners"} & {*self.terms.roles}:
            return Response(403)
        return self._struck("page", call, lambda: self.page(call))

    def page(self, call: Call) -> Response:
        """The page that was asked for, or 400 and why not."""
        try:
            return json_response(self._pages.body(parsed(call.pairs, self.terms.page_cap), self.base_url))
        except ODataError as refusal:
            return error(400, str(refusal))

    def _struck(self, where: Where, call: Call, honest: Callable[[], Response]) -> Response:
        """The normal response, or that of the present fault."""
        fault, number = self.faults.next(where)
        return honest() if fault is None else fault.act(Visit(self, call, number, honest))


def _refused(status: int, code: str, description: str) -> Response:
    body = compact({"error": code, "error_description": description})
    return Response(status, body, "application/json; charset=utf-8")


def _poisson(rng: Random, rate: float) -> int:
    """A random number of events, `rate` on average."""
    limit, product, happened = exp(-rate), rng.random(), 0
    while product > limit:
        product *= rng.random()
        happened += 1
    return happened
