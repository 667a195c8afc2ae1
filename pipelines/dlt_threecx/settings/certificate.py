"""The certificate that a PBX shows, for somebody who wants to compare it and trust it."""

from __future__ import annotations

import hashlib
import socket
import ssl
from typing import NamedTuple
from urllib.parse import urlsplit

__all__ = ["Certificate", "fetch_certificate", "is_self_signed"]

_HTTPS_PORT = 443
_SELF_SIGNED = 18
"""OpenSSL: X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT."""


class Certificate(NamedTuple):
    """A certificate as text in PEM format, and its SHA-256 fingerprint as browsers show it: `3F:A0:…`."""

    pem: str
    fingerprint: str


def fetch_certificate(base_url: str, timeout_seconds: float) -> Certificate:
    """The certificate that the PBX shows. It is not verified: nothing is sent. Raises OSError."""
    parts = urlsplit(base_url)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection((parts.hostname or "", parts.port or _HTTPS_PORT), timeout_seconds) as plain,
        context.wrap_socket(plain, server_hostname=parts.hostname) as connection,
    ):
        der = connection.getpeercert(binary_form=True)
    if not der:
        raise ssl.SSLError("the PBX shows no certificate")
    digest = hashlib.sha256(der).hexdigest().upper()
    fingerprint = ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))
    return Certificate(ssl.DER_cert_to_PEM_cert(der), fingerprint)


def is_self_signed(error: BaseException | None) -> bool:
    """Whether the only reason for an error is a certificate that nobody but the PBX itself has signed."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_code == _SELF_SIGNED
        error = error.__cause__ or error.__context__
    return False
