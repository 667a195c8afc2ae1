"""Faults in which somebody else answers, or the client is sent to somebody else."""

import json

from dlt_threecx.simulator.faults.fault import Visit, fault
from dlt_threecx.simulator.json_text import compact
from dlt_threecx.simulator.messages import ELSEWHERE, Response, html_page, json_response

__all__: list[str] = []


@fault()
def html(visit: Visit) -> Response:
    """200 with an HTML page, as a captive portal sends."""
    return html_page(200, "Welcome to the guest network")


@fault()
def redirect(visit: Visit) -> Response:
    """302 to another host."""
    return Response(302, headers={"Location": _elsewhere(visit, "/xapi/v1/SipDevices")})


@fault()
def next_link(visit: Visit) -> Response:
    """A normal page with an `@odata.nextLink` to another host."""
    honest = visit.honest()
    if honest.status != 200:
        return honest
    link = _elsewhere(visit, "/xapi/v1/SipDevices?$skip=100")
    return json_response(compact(json.loads(honest.body) | {"@odata.nextLink": link}))


@fault("token")
def token_html(visit: Visit) -> Response:
    """The token endpoint answers 200 with an HTML page."""
    return html_page(200, "Welcome to the guest network")


@fault("token")
def token_redirect(visit: Visit) -> Response:
    """The token endpoint answers 307 to another host: the client would send it the secret."""
    return Response(307, headers={"Location": _elsewhere(visit, "/connect/token")})


def _elsewhere(visit: Visit, path: str) -> str:
    """An address on another host, which is this machine all the same: whoever goes there is seen."""
    port = visit.pbx.base_url.split(":")[2].partition("/")[0]
    return f"http://localhost:{port}{ELSEWHERE}{path}"
