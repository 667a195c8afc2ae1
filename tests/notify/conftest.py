"""A receiver of news and pings."""

from collections.abc import Iterator

import pytest

from tests.notify.hook import Hook, hooked


@pytest.fixture
def hook() -> Iterator[Hook]:
    with hooked() as hook:
        yield hook
