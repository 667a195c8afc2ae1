"""Which devices a filter means."""

from typing import Any

import pytest

from dlt_threecx.queries.device_filter import DeviceFilter

ROW: dict[str, Any] = {
    "dn_number": "101",
    "dn_name": "Zoë Müller",
    "mac": "805EC0A1B2C3",
    "vendor": "Yealink",
    "model": "T46U",
    "firmware_version": "108.86.0.45",
    "firmware_available": "108.86.0.90",
    "firmware_outdated": None,
    "ip_address": "10.1.2.3",
    "online": None,
    "sbc_name": None,
    "dn_tags": None,
}


@pytest.mark.parametrize(
    ("conditions", "changes", "expected"),
    [
        ({}, {}, True),
        ({"search": "zoe m"}, {}, True),
        ({"search": "MÜLLER"}, {}, True),
        ({"search": "80:5e:c0:a1:b2:c3"}, {}, True),
        ({"search": "C0-A1"}, {}, True),
        ({"search": "101"}, {}, True),
        ({"search": "nobody"}, {}, False),
        ({"vendor": "yealink"}, {}, True),
        ({"vendor": "yea"}, {}, False),
        ({"model": "t4*", "firmware": "108.86.*"}, {}, True),
        ({"vendor": "*"}, {"vendor": None}, True),
        ({"vendor": "snom"}, {"vendor": None}, False),
        ({"online": False}, {}, False),
        ({"online": False}, {"online": False}, True),
        ({"online": True}, {"online": False}, False),
        ({"outdated": True}, {}, True),
        ({"outdated": True}, {"firmware_outdated": False}, False),
        ({"outdated": True}, {"firmware_available": "true"}, True),
        ({"outdated": True}, {"firmware_available": "false"}, False),
        ({"outdated": True}, {"firmware_available": "108.86.0.45"}, False),
        ({"outdated": True}, {"firmware_available": None}, False),
    ],
)
def test_a_device_is_meant_when_every_condition_holds(
    conditions: dict[str, Any], changes: dict[str, Any], expected: bool
) -> None:
    chosen = DeviceFilter(**conditions)
    row = {**ROW, **changes}
    assert chosen.test()({name: row[name] for name in chosen.columns}) is expected
