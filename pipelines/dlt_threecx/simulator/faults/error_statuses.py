"""Faults in which the PBX, or the proxy in front of it, refuses: the status says so."""

from dlt_threecx.simulator.faults.fault import Visit, fault
from dlt_threecx.simulator.messages import Response, error, html_page, unauthorized

__all__: list[str] = []

_USES_BEFORE_THEFT = 2
_SMALLER_CAP = 50


@fault(after=1, times=1)
def unauthorized_midwalk(visit: Visit) -> Response:
    """401 after the first page, once: the token died, a new one works."""
    visit.pbx.tokens.revoke()
    return unauthorized()


@fault()
def token_stolen(visit: Visit) -> Response:
    """Every token dies after two pages, as if another client kept fetching one."""
    if visit.pbx.tokens.uses <= _USES_BEFORE_THEFT:
        return visit.honest()
    visit.pbx.tokens.revoke()
    return unauthorized()


@fault(after=1, times=1)
def restart_midwalk(visit: Visit) -> Response:
    """The PBX restarts after the first page: three times 503 with HTML, and all tokens are dead."""
    visit.pbx.restart(requests=2)
    return unavailable(visit)


@fault()
def forbidden_empty(visit: Visit) -> Response:
    """403 with an empty body."""
    return Response(403)


@fault()
def too_many_requests(visit: Visit) -> Response:
    """429 with `Retry-After: 1`."""
    return error(429, "Too many requests.")._replace(headers={"Retry-After": "1"})


@fault()
def too_many_requests_bare(visit: Visit) -> Response:
    """429 without `Retry-After`, with an empty body."""
    return Response(429)


@fault()
def server_error_empty(visit: Visit) -> Response:
    """500 with an empty body."""
    return Response(500)


@fault()
def bad_gateway(visit: Visit) -> Response:
    """502 with the proxy's HTML."""
    return html_page(502, "502 Bad Gateway")


@fault()
def unavailable(visit: Visit) -> Response:
    """503 with the proxy's HTML."""
    return html_page(503, "503 Service Temporarily Unavailable")


@fault()
def gateway_timeout(visit: Visit) -> Response:
    """504 with the proxy's HTML."""
    return html_page(504, "504 Gateway Time-out")


@fault()
def page_cap_400(visit: Visit) -> Response:
    """400 for a `$top` above 50, in the words that name the limit."""
    asked = dict(visit.call.pairs).get("$top", "")
    if not asked.isdigit() or int(asked) <= _SMALLER_CAP:
        return visit.honest()
    return error(
        400,
        f"The limit of '{_SMALLER_CAP}' for Top query has been exceeded. "
        f"The value from the incoming request is '{asked}'.",
    )


@fault("token")
def token_missing(visit: Visit) -> Response:
    """The token endpoint answers 200 with JSON that holds no token."""
    return Response(200, b'{"token_type":"Bearer","expires_in":3600}', "application/json")


@fault("token")
def token_not_json(visit: Visit) -> Response:
    """The token endpoint answers 200 with plain text."""
    return Response(200, b"OK", "text/plain")
