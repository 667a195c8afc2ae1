"""Settings of one PBX: what they accept, and what they keep to themselves."""

from typing import Any

import pytest

from dlt_threecx.source.errors import SettingsError
from dlt_threecx.source.settings import PLACEHOLDERS, Settings

KEY: dict[str, Any] = {"client_id": "me", "client_secret": "pw-secret-settings"}


def refusal(base_url: Any = "https://pbx.example.com", **settings: Any) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        Settings(base_url, **{**KEY, **settings})
    error = caught.value
    assert error.exit_code == 2
    assert all((error.asked, error.got, error.do))
    return error


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://pbx.example.com", "https://pbx.example.com"),
        ("https://pbx.example.com/", "https://pbx.example.com"),
        (" https://pbx.example.com:5001 ", "https://pbx.example.com:5001"),
        ("https://pbx.example.com/xapi/v1", "https://pbx.example.com"),
        ("https://pbx.example.com:5001/xapi/v1/", "https://pbx.example.com:5001"),
        ("https://pbx.example.com/#/login", "https://pbx.example.com"),
        ("https://pbx.example.com:5001/#/login?returnUrl=%2Foffice", "https://pbx.example.com:5001"),
        ("https://pbx.example.com/webclient/#/people", "https://pbx.example.com"),
        ("https://pbx.example.com/webclient", "https://pbx.example.com"),
        ("https://pbx.example.com/management/", "https://pbx.example.com"),
        ("https://pbx.example.com/connect/token", "https://pbx.example.com"),
        ("https://pbx.example.com/xapi/v1/SipDevices", "https://pbx.example.com"),
        ("https://pbx.example.com/#", "https://pbx.example.com"),
        ("https://example.com/pbx/one", "https://example.com/pbx/one"),
        ("https://example.com/pbx/one/xapi/v1", "https://example.com/pbx/one"),
        ("https://[2001:db8::1]:5001", "https://[2001:db8::1]:5001"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_an_address_is_taken_in_every_usual_form(given: str, kept: str) -> None:
    assert Settings(given, **KEY).base_url == kept


def test_one_address_in_two_spellings_is_one_origin() -> None:
    one, other = Settings("https://PBX.example.com/", **KEY), Settings("https://pbx.example.com:443", **KEY)
    assert one.origin == other.origin
    assert one.origin != Settings("https://pbx.example.com:5001", **KEY).origin


@pytest.mark.parametrize(
    "given",
    [
        "",
        None,
        5,
        "pbx.example.com",
        "ftp://pbx.example.com",
        "https://",
        "https://pbx:99999",
        "https://[::1",
        "https:pbx",
        "https://pbx example.com",
        "https://pbx\n.example.com",
        *PLACEHOLDERS,
    ],
)
def test_what_is_no_address_is_refused(given: Any) -> None:
    assert refusal(given).asked == "setting base_url"


@pytest.mark.parametrize(
    "given",
    [
        "https://admin:pw-secret-url@pbx.example.com",
        "https://pw-secret-url@pbx",
        "https://pbx/?token=pw-secret-url",
        "https://pbx/#pw-secret-url",
        "https://pbx?pw-secret-url",
    ],
)
def test_an_address_with_a_secret_in_it_is_refused_without_repeating_it(given: str) -> None:
    assert "pw-secret" not in str(refusal(given))


@pytest.mark.parametrize("given", ["http://pbx.example.com", "http://10.0.0.1", "http://127.0.0.1.example.com"])
def test_plain_http_goes_to_this_machine_only_unless_allowed(given: str) -> None:
    assert "allow_http" in refusal(given).do
    assert Settings(given, **KEY, allow_http=True).base_url == given


@pytest.mark.parametrize("key", ["client_id", "client_secret"])
@pytest.mark.parametrize("value", [None, "", *PLACEHOLDERS])
def test_missing_credentials_are_named(key: str, value: str | None) -> None:
    error = refusal(**{key: value})
    assert error.asked == f"setting {key}"
    assert "access_token" in error.do


def test_an_access_token_is_enough() -> None:
    assert Settings("https://pbx", access_token="pw-secret-token").client_id is None


def test_a_placeholder_is_no_access_token() -> None:
    assert Settings("https://pbx", **KEY, access_token=PLACEHOLDERS[0]).access_token is None
    assert refusal(client_id=None, access_token=PLACEHOLDERS[0]).asked == "setting client_id"


@pytest.mark.parametrize("token", ["two\nlines", "line\r\nX-Other: 1", "tökn"])
def test_an_access_token_that_fits_no_header_is_refused_unrepeated(token: str) -> None:
    assert token not in str(refusal(access_token=token))


@pytest.mark.parametrize(
    "settings",
    [
        {"page_size": 1},
        {"page_size": 101},
        {"page_size": 50.5},
        {"page_size": "50"},
        {"page_size": True},
        {"pages_in_flight": 0},
        {"pages_in_flight": 17},
        {"max_walks": 0},
        {"max_walks": 2.5},
        {"attempts": 0},
        {"timeout_seconds": 0},
        {"timeout_seconds": float("nan")},
        {"timeout_seconds": "5"},
        {"backoff_seconds": -1},
        {"backoff_seconds": float("inf")},
        {"consistency": "thrice"},
        {"consistency": "twice", "max_walks": 1},
        {"verify_tls": "false"},
        {"allow_http": "false"},
        {"allow_http": 1},
    ],
)
def test_values_without_sense_are_refused_by_name(settings: dict[str, Any]) -> None:
    key = "max_walks" if len(settings) > 1 else next(iter(settings))
    assert refusal(**settings).asked == f"setting {key}"


@pytest.mark.parametrize("page_size", [2, 100])
def test_the_limits_themselves_are_allowed(page_size: int) -> None:
    assert Settings("https://pbx", **KEY, page_size=page_size).page_size == page_size


def test_no_secret_is_in_the_repr() -> None:
    settings = Settings("https://pbx", **KEY, access_token="pw-secret-token", fingerprint_key="pw-secret-key")
    assert "pw-secret" not in repr(settings)
    assert len(settings.secrets) == 3
