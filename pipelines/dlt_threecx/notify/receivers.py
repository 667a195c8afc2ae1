"""Who gets the news: addresses of Apprise, such as `mailto://…`, `slack://…` or `json://…`. They are secrets."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from dlt_threecx.notify.message import Message
from dlt_threecx.source.errors import SettingsError

__all__ = ["AppriseReceiver", "Receiver", "apprise_receivers"]

SEND_SECONDS = 30
"""How long sending one message may take."""

_SCHEME = re.compile(r"([a-z][a-z0-9]*)://", re.IGNORECASE)


class Receiver(Protocol):
    """Somebody who gets messages."""

    @property
    def key(self) -> str:
        """Names its cursor; holds no secret."""

    @property
    def name(self) -> str:
        """For messages; holds no secret."""

    def deliver(self, message: Message) -> bool:
        """Sends a message; says whether it arrived."""


class AppriseReceiver:
    """One address."""

    def __init__(self, number: int, address: str) -> None:
        """`number` is its place in the setting, from 1. Raises SettingsError, which does not quote the address."""
        import apprise

        scheme = _SCHEME.match(address)
        self.name = f"address {number}" + (f" ({scheme[1].lower()})" if scheme else "")
        self.key = f"{scheme[1].lower() if scheme else ''}-{hashlib.sha256(address.encode()).hexdigest()[:16]}"
        self._apprise = apprise.Apprise()
        with _silent_apprise():
            is_known = scheme is not None and self._apprise.add(address)
        if not is_known:
            raise SettingsError(
                f"setting notify, {self.name}",
                "Apprise does not know such an address",
                "Write one such as mailto://user:password@example.com; a password in it is percent-encoded",
            )

    def deliver(self, message: Message) -> bool:
        """Sends a message; says whether it arrived."""
        with _silent_apprise():
            return bool(
                self._apprise.notify(
                    message.body,
                    title=message.title,
                    notify_type=message.kind,
                    body_format="text",
                    timeout=SEND_SECONDS,
                )
            )


def apprise_receivers(addresses: Sequence[str]) -> list[Receiver]:
    """The receivers of the setting `notify`. Raises SettingsError, also when Apprise is not installed."""
    try:
        return [AppriseReceiver(number, address) for number, address in enumerate(addresses, start=1)]
    except ImportError as error:
        raise SettingsError(
            "setting notify", "it needs Apprise, which is not installed", "Run: pip install 'dlt-threecx[notify]'"
        ) from error


@contextmanager
def _silent_apprise() -> Iterator[None]:
    """Apprise logs addresses, and they are secrets."""
    logger = logging.getLogger("apprise")
    before = logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = before
