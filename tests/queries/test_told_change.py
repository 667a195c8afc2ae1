"""A change in words."""

import pytest

from dlt_threecx.queries.told_change import told_change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("ip_address", "10.0.0.1", "10.0.0.2"), "ip_address: 10.0.0.1 → 10.0.0.2"),
        (("sbc_name", None, "sbc1"), "sbc_name: – → sbc1"),
        (("phone_web_password_fp", "49135cdcc78656cf", "a63d19f07af6023c"), "another web password"),
        (("phone_web_password_fp", None, "a63d19f07af6023c"), "a first web password"),
        (("prov_link_fp", "a63d19f07af6023c", None), "no more provisioning link"),
    ],
)
def test_a_change_is_told_without_digits_that_say_nothing(change: tuple[str, str, str], expected: str) -> None:
    assert told_change(*change) == expected
