"""An authority of the test's own, the API server's certificate and the administrator's."""

from __future__ import annotations

import base64
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme


@dataclass(frozen=True)
class Identity:
    """A certificate and its key, as files."""

    certificate: Path
    key: Path


class Authority:
    """Issues what one server needs, into files of ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ca = trustme.CA(organization_name="Pullwatch tests", organization_unit_name="not for anything else")
        self.file = folder / "ca.pem"
        self._ca.cert_pem.write_to_path(self.file)

    @property
    def pem(self) -> bytes:
        """The authority's certificate."""
        return self._ca.cert_pem.bytes()

    def server(self) -> Identity:
        """The API server's, for loopback."""
        names = ("127.0.0.1", "localhost", "kubernetes.default.svc")
        return self._write("server", self._ca.issue_cert(*names))

    def user(self, name: str, group: str) -> Identity:
        """A client's: Kubernetes takes the common name for the user and the organization for the group."""
        leaf = self._ca.issue_cert(f"{name}.client.invalid", common_name=name, organization_name=group)
        return self._write(name, leaf)

    def trusting(self, identity: Identity) -> ssl.SSLContext:
        """A client's context that trusts this authority only and shows that certificate."""
        context = ssl.create_default_context(cafile=str(self.file))
        context.load_cert_chain(identity.certificate, identity.key)
        return context

    def _write(self, file: str, leaf: trustme.LeafCert) -> Identity:
        identity = Identity(self._folder / f"{file}.pem", self._folder / f"{file}.key")
        identity.certificate.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
        leaf.private_key_pem.write_to_path(identity.key)
        identity.key.chmod(0o600)
        return identity


def kubeconfig(server: str, authority: bytes, user: dict[str, Any]) -> dict[str, Any]:
    """A kubeconfig of one cluster and one user."""
    cluster = {"server": server, "certificate-authority-data": encoded(authority)}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "cluster", "cluster": cluster}],
        "contexts": [{"name": "context", "context": {"cluster": "cluster", "user": "user"}}],
        "current-context": "context",
        "users": [{"name": "user", "user": user}],
    }


def certificate_user(identity: Identity) -> dict[str, str]:
    """The user entry of a kubeconfig that signs in with a certificate, as a local account of AKS does."""
    return {
        "client-certificate-data": encoded(identity.certificate.read_bytes()),
        "client-key-data": encoded(identity.key.read_bytes()),
    }


def encoded(data: bytes) -> str:
    """Base64, as kubeconfigs hold bytes."""
    return base64.b64encode(data).decode()
