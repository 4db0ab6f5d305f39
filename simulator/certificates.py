"""The simulator's certificate authority. It is made at start and gone at the end; its key stays in this process."""

from __future__ import annotations

import base64
import hashlib
import ssl
from pathlib import Path

import trustme


class Authority:
    """Issues server certificates for any host name asked for (by SNI) and client certificates for clusters."""

    def __init__(self) -> None:
        self._ca = trustme.CA(organization_name="Pullwatch simulator", organization_unit_name="not for anything else")
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._clients: dict[str, tuple[str, str]] = {}

    def write(self, path: Path) -> None:
        """Writes the CA certificate (not its key) as PEM."""
        path.write_bytes(self.pem)

    @property
    def pem(self) -> bytes:
        return self._ca.cert_pem.bytes()

    @property
    def pem_base64(self) -> str:
        return base64.b64encode(self.pem).decode()

    def server_context(self, *, by_name: bool = False, client_certificates: bool = False) -> ssl.SSLContext:
        """A context for 127.0.0.1 and localhost; `by_name`: for every other name a client asks for as well."""
        context = self._context("127.0.0.1", "localhost")
        if client_certificates:
            context.verify_mode = ssl.CERT_OPTIONAL
            self._ca.configure_trust(context)
        if by_name:
            context.sni_callback = self._choose
        return context

    def client_certificate(self, name: str) -> tuple[str, str]:
        """(certificate, key) as base64 of PEM, the way a kubeconfig embeds them; always the same for a name."""
        if name not in self._clients:
            leaf = self._ca.issue_cert(f"{mark(name)}.client.invalid", common_name=mark(name))
            chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
            key = leaf.private_key_pem.bytes()
            self._clients[name] = (base64.b64encode(chain).decode(), base64.b64encode(key).decode())
        return self._clients[name]

    def _context(self, *names: str) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._ca.issue_cert(*names).configure_cert(context)
        context.set_alpn_protocols(["http/1.1"])
        return context

    def _choose(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        if not name or name == "localhost":
            return
        host = name.lower()
        if host not in self._contexts:
            self._contexts[host] = self._context(host)
        connection.context = self._contexts[host]


def mark(name: str) -> str:
    """A short name for a cluster: common names in certificates end at 64 characters, ids do not."""
    return hashlib.sha256(name.lower().encode()).hexdigest()[:32]


def is_client(certificate: object, name: str) -> bool:
    """Whether a verified peer certificate (shape of ssl's getpeercert) was issued for that name."""
    if not isinstance(certificate, dict):
        return False
    subject = [pair for part in certificate.get("subject", ()) for pair in part]
    return ("commonName", mark(name)) in subject
