"""What is wrong with a request is answered with 400, 404 or 405, in 3CX's shape."""

import json
from urllib.parse import quote

import pytest

from dlt_threecx.simulator import Fleet
from tests.simulator.client import Client

REFUSED = {
    "$top=500": "The limit of '100' for Top query has been exceeded. The value from the incoming request is '500'.",
    "$top=-1": "Invalid value '-1' for $top query option found. "
    "The $top query option requires a non-negative integer value.",
    "$top=ten": "Invalid value 'ten' for $top",
    "$top=1.5": "Invalid value '1.5' for $top",
    "$top=٣": "Invalid value '٣' for $top",
    "$top=99999999999999999999": "Invalid value '99999999999999999999' for $top",
    "$skip=-1": "Invalid value '-1' for $skip",
    "$skip=x": "Invalid value 'x' for $skip",
    "$skip=9223372036854775808": "Invalid value '9223372036854775808' for $skip",
    "$count=yes": "Invalid value 'yes' for $count query option found. Valid values are 'true' or 'false'.",
    "$count=True": "Invalid value 'True' for $count",
    "$foo=1": "The query parameter '$foo' is not supported.",
    "$Top=1": "The query parameter '$Top' is not supported.",
    "$skiptoken=1": "The query parameter '$skiptoken' is not supported.",
    "$top=1&$top=2": "Query option '$top' was specified more than once",
    "$filter=": "The value for OData query '$filter' cannot be empty.",
    "$select=Foo": "Could not find a property named 'Foo' on type 'Pbx.SipDevice'.",
    "$select=Id,Registrar/Foo": "Could not find a property named 'Foo' on type 'Pbx.PhoneRegistrar'.",
    "$select=id": "Could not find a property named 'id' on type 'Pbx.SipDevice'.",
    "$orderby=Foo": "Could not find a property named 'Foo' on type 'Pbx.SipDevice'.",
    "$orderby=DN/Foo desc": "Could not find a property named 'Foo' on type 'Pbx.Peer'.",
    "$orderby=Registrar": "The $orderby expression must evaluate to a single value of primitive type.",
    "$orderby=Id upwards": "Syntax error at position",
    "$expand=Foo": "Could not find a property named 'Foo' on type 'Pbx.SipDevice'.",
    "$expand=Registrar": "Property 'Registrar' on type 'Pbx.SipDevice' is not a navigation property",
    "$expand=DN(": "Syntax error",
    "$expand=DN($select=Foo)": "Could not find a property named 'Foo' on type 'Pbx.Peer'.",
    "$expand=DN($top=1)": "The query option '$top' is not supported in $expand.",
    "$filter=Foo eq 1": "Could not find a property named 'Foo' on type 'Pbx.SipDevice'.",
    "$filter=Registrar/Foo eq 1": "Could not find a property named 'Foo' on type 'Pbx.PhoneRegistrar'.",
    "$filter=Online eq true": "Could not find a property named 'Online' on type 'Pbx.SipDevice'.",
    "$filter=Id eqq 1": "Syntax error at position 2 in 'Id eqq 1'.",
    "$filter=Id eq": "Syntax error at position 2 in 'Id eq'.",
    "$filter=Id eq 'x": "Syntax error at position 6",
    "$filter=(Id eq 1": "Syntax error",
    "$filter=Id eq 'x'": "A binary operator with incompatible types was detected. "
    "Found operand types 'Edm.Int32' and 'Edm.String' for operator kind 'Equal'.",
    "$filter=DN/Number gt 5": "Found operand types 'Edm.String' and 'Edm.Int32' for operator kind 'GreaterThan'.",
    "$filter=Id in ('x','y')": "A binary operator with incompatible types was detected.",
    "$filter=DN/Number add 1 eq 2": "for operator kind 'Add'.",
    "$filter=Id": "The $filter expression must evaluate to a single boolean value.",
    "$filter=not Id": "A boolean expression was expected",
    "$filter=contains(Id,'1')": "No function signature for the function with name 'contains'",
    "$filter=contains(DN/Name)": "No function signature for the function with name 'contains'",
    "$filter=frobnicate(DN/Name)": "No function signature for the function with name 'frobnicate'",
    "$filter=DN/Type eq 'Phone'": "The string 'Phone' is not a valid enumeration type constant.",
    "$filter=DN/Name/any(x: x eq 'a')": "The parent value for Any/All is not a collection of values.",
}


@pytest.mark.parametrize("query", REFUSED)
def test_a_wrong_option_is_refused_in_so_many_words(client: Client, query: str) -> None:
    response, body = client.raw("GET", f"/xapi/v1/SipDevices?{quote(query, safe='$=&')}")
    answer = json.loads(body)
    assert response.status == 400
    assert set(answer) == {"error"}
    assert set(answer["error"]) == {"code", "message", "details"}
    assert REFUSED[query] in answer["error"]["message"]
    assert response.headers["X-3CX-Version"]


def test_a_page_may_ask_for_the_whole_cap(client: Client) -> None:
    assert client.devices(top=100)[0] == 200


def test_parameters_without_a_dollar_are_nobodys_business(client: Client) -> None:
    assert client.raw("GET", "/xapi/v1/SipDevices?top=5000&x=y")[0].status == 200


def test_what_is_unknown_depends_on_the_shape(fleet: Fleet, client: Client) -> None:
    fleet.shape = "later"
    assert client.devices(filter="Online eq true")[0] == 200
    assert client.devices(filter="Registrar/FirmwareAvailable eq true")[0] == 200
    fleet.shape = "early"
    assert "'ProvLink' on type 'Pbx.SipDevice'" in client.refusal(select="ProvLink")
    assert client.devices(select="Registrar/ProvLink")[0] == 200


@pytest.mark.parametrize("path", ["/", "/xapi/v1/Users", "/xapi/v1/SipDevices(12)", "/xapi/v1/sipdevices", "/xapi"])
def test_everything_else_is_not_found(client: Client, path: str) -> None:
    assert client.raw("GET", path)[0].status == 404


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE", "HEAD"])
def test_devices_are_for_reading_only(client: Client, method: str) -> None:
    response, _ = client.raw(method, "/xapi/v1/SipDevices")
    assert (response.status, response.headers["Allow"]) == (405, "GET")


def test_tokens_are_for_posting_only(client: Client) -> None:
    response, _ = client.raw("GET", "/connect/token")
    assert (response.status, response.headers["Allow"]) == (405, "POST")


def test_defs_know_no_other_option(client: Client) -> None:
    response, body = client.raw("GET", "/xapi/v1/Defs?$top=1")
    assert response.status == 400
    assert "'$top' is not supported" in json.loads(body)["error"]["message"]
