"""Questions about the settings of a PBX, asked on a terminal."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable

import click

from dlt_threecx.cli import stderr
from dlt_threecx.settings.certificate import Certificate
from dlt_threecx.settings.keys import variable
from dlt_threecx.source.errors import SettingsError, ThreecxError
from dlt_threecx.source.settings import Settings

__all__ = ["Questions"]


class Questions:
    """Asks on a terminal. Without one a missing value is an error that says how to give it."""

    def __init__(self, known: Callable[[str], str | None], pbx: str | None, *, overwrite: bool) -> None:
        """`known` returns the value that a setting has already."""
        self._known, self._pbx, self._overwrite = known, pbx, overwrite
        self.can_ask = sys.stdin.isatty()

    def address(self, given: str | None) -> str:
        """The address of the PBX; asks again for one that cannot be used."""
        while True:
            url = _with_scheme(self.value("base_url", given, "Address of the PBX, as in a browser"))
            try:
                return Settings(base_url=url or "", access_token="not needed yet").base_url  # noqa: S106
            except SettingsError as error:
                if given or not self.can_ask:
                    raise
                stderr.error(str(error))

    def value(self, key: str, given: str | None, question: str, *, hide: bool = False) -> str:
        """One value: that of an option or of the environment, else that of the files, else what is typed."""
        there = self._known(key)
        given = given or os.environ.get(variable(key, self._pbx)) or os.environ.get(variable(key))
        if given:
            if there and there != given and not self._overwrite:
                self._replace(key, None if hide else there)
            return given
        if not self.can_ask:
            if there:
                return there
            option = f"--{key.replace('_', '-')}" + ("-file" if hide else "")
            raise SettingsError(
                f"setting {key}",
                "it is missing, and there is no terminal to ask",
                f"Give {option}, or set {variable(key, self._pbx)}",
            )
        if there and hide:
            if click.confirm(f"{question}: there is one already. Keep it?", default=True, err=True):
                return there
            there = None
        answer: str = click.prompt(question, default=there, hide_input=hide, err=True)
        return answer.strip()

    def fingerprint_key(self, wanted: bool) -> str | None:
        """A new key, if one is wanted."""
        if not wanted and self.can_ask:
            wanted = click.confirm(
                "Make a key for fingerprints of the phones' passwords? They show which phones share one; "
                "the passwords themselves are never kept",
                default=True,
                err=True,
            )
        return secrets.token_hex(32) if wanted else None

    def trusts(self, certificate: Certificate, trusted: str | None) -> bool:
        """Whether this certificate is the one of the PBX."""
        shown = certificate.fingerprint
        if trusted is not None:
            if _digits(trusted) == _digits(shown):
                return True
            raise SettingsError("--trust", f"the PBX shows another certificate: SHA-256 {shown}", "Compare it again")
        stderr.note(f"The certificate of this PBX is self-signed. Its SHA-256 fingerprint is {shown}")
        stderr.note("Compare it with what the PBX itself, or a browser next to it, shows.")
        return self.can_ask and click.confirm("Is it the same? Then it is kept and trusted", default=False, err=True)

    def go_on_after(self, error: ThreecxError) -> None:
        """Raises the error, unless settings that do not work yet shall be written."""
        if not self.can_ask:
            raise error
        stderr.error(str(error))
        click.confirm("Write the settings all the same?", default=False, abort=True, err=True)

    def _replace(self, key: str, there: str | None) -> None:
        what = f"{key} is already set" + (f" to {there}" if there else "")
        if not self.can_ask:
            raise SettingsError(f"setting {key}", f"{what}", "Give --overwrite to replace it")
        click.confirm(f"{what}. Replace it?", abort=True, err=True)


def _with_scheme(address: str) -> str:
    """`pbx.example.com` as `https://pbx.example.com`."""
    return address if "://" in address else f"https://{address}"


def _digits(fingerprint: str) -> str:
    """The digits of a fingerprint, however it is written."""
    return "".join(c for c in fingerprint.upper() if c in "0123456789ABCDEF")
