"""Connections to a cluster's API server: whom they trust, what they call themselves, and that they go nowhere else."""

from __future__ import annotations

import asyncio
import datetime
import gzip
import ipaddress
import json
import ssl
import zlib
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from checks.collect.arm.client import USER_AGENT
from checks.collect.kubernetes import lists
from checks.collect.kubernetes.api import pods_and_events
from checks.collect.kubernetes.kubeconfig import Kubeconfig
from checks.collect.wire.errors import BrokenOff, CollectError, Temporary, Unreachable
from checks.facts import Seen, Workloads
from checks.version import VERSION
from tests.support import access_facts as base
from tests.support.hostile_server import Say, client, raw, server
from tests.support.secret_texts import CANARIES

LOOPBACK = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
EMPTY = json.dumps({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": []})
PODS, EVENTS = "GET /api/v1/pods?limit=1000", "GET /api/v1/events"


class Authority:
    """An authority that writes no key identifiers, as some that companies run do not."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "the cluster's authority")])
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        certificate = _builder(self._name, self._name, self._key).add_extension(constraints, critical=True)
        self._certificate = certificate.sign(self._key, hashes.SHA256())

    @property
    def pem(self) -> str:
        """Its certificate."""
        return self._certificate.public_bytes(serialization.Encoding.PEM).decode()

    def server(self, folder: Path, name: x509.GeneralName = LOOPBACK, *, days: int = 1) -> ssl.SSLContext:
        """A server with a certificate for that name, which ended where ``days`` is negative."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "apiserver")])
        names = x509.SubjectAlternativeName([name])
        built = _builder(subject, self._name, key, days).add_extension(names, critical=False)
        certificate = built.sign(self._key, hashes.SHA256())
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        pem = folder / "server.pem"
        pem.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(pem)
        return context


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int = 1
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=9))
        .not_valid_after(now + datetime.timedelta(days=days))
    )


async def read(
    folder: Path, identity: ssl.SSLContext, trusted: str, answer: Say | None = None
) -> tuple[Seen[Workloads], bytes]:
    """What was read of a server, which received that. Raises CollectError."""
    pods = answer or raw("200 OK", EMPTY, Content_Type="application/json")
    answers = {PODS: pods, PODS.replace("1000", "1"): pods}
    async with server(folder, answers, identity=identity) as served, client(None) as (azure, _):
        kubeconfig = Kubeconfig(f"https://127.0.0.1:{served.port}", trusted, exec_plugin=False, token="of-the-cluster")
        try:
            return await pods_and_events(azure, base.cluster(), kubeconfig), served.received
        finally:
            assert len(served.requests) <= 2 and not any("elsewhere" in request for request in served.requests)


async def test_an_authority_without_key_identifiers_is_trusted_by_the_kubeconfig_that_names_it(tmp_path: Path) -> None:
    authority = Authority()
    workloads, _ = await read(tmp_path, authority.server(tmp_path), authority.pem)
    assert workloads.value.pods == 0


@pytest.mark.parametrize("wrong", ["another authority of the same name", "another host's", "expired"])
async def test_a_chain_that_does_not_hold_is_refused_all_the_same(tmp_path: Path, wrong: str) -> None:
    authority, trusted = Authority(), Authority()
    identity = {
        "another authority of the same name": lambda: authority.server(tmp_path),
        "another host's": lambda: trusted.server(tmp_path, x509.DNSName("apiserver.contoso.example")),
        "expired": lambda: trusted.server(tmp_path, days=-1),
    }[wrong]()
    with pytest.raises(Unreachable, match="certificate verify failed"):
        await read(tmp_path, identity, trusted.pem)


async def test_without_an_authority_of_the_clusters_own_nothing_is_relaxed(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="certificate verify failed"):
        await read(tmp_path, Authority().server(tmp_path), "")


@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "307 Temporary Redirect"])
async def test_a_redirect_is_not_followed(tmp_path: Path, status: str) -> None:
    authority = Authority()
    elsewhere = raw(status, "", Location="/elsewhere?token=1")
    with pytest.raises(Temporary, match=f"answered {status[:3]}: a redirect to /elsewhere is not followed"):
        await read(tmp_path, authority.server(tmp_path), authority.pem, elsewhere)


async def test_where_a_redirect_would_lead_is_told_without_secrets_however_long_it_is(tmp_path: Path) -> None:
    authority = Authority()
    elsewhere = raw("302 Found", "", Location=f"https://web:{'s3cret' * 60}@elsewhere.example/")
    with pytest.raises(Temporary, match="a redirect to https://") as raised:
        await read(tmp_path, authority.server(tmp_path), authority.pem, elsewhere)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("line", ["X-Api-Key {}", "Bad Header: {}", "X 'quoted' \"twice\" {}"])
async def test_a_header_that_is_none_is_not_quoted(tmp_path: Path, line: str) -> None:
    authority, canary = Authority(), CANARIES["basic header"]

    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\n{line.format(canary)}\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()

    with pytest.raises(Unreachable, match="read the Kubernetes API: 400") as raised:
        await read(tmp_path, authority.server(tmp_path), authority.pem, say)
    assert canary not in str(raised.value)


async def test_an_answer_that_breaks_off_is_no_network_path_that_is_missing(tmp_path: Path) -> None:
    authority = Authority()

    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"items":')
        await writer.drain()

    with pytest.raises(BrokenOff, match="read the Kubernetes API: the answer broke off"):
        await read(tmp_path, authority.server(tmp_path), authority.pem, say)


async def test_requests_say_who_asks_and_take_packed_answers(tmp_path: Path) -> None:
    authority = Authority()
    _, received = await read(tmp_path, authority.server(tmp_path), authority.pem)
    assert f"User-Agent: {USER_AGENT}\r\n".encode() in received
    assert b"Accept-Encoding: gzip\r\n" in received


POD = {"metadata": {"name": "web", "namespace": "shop"}, "spec": {"containers": [{"name": "a", "image": "b"}]}}
LIST = json.dumps({"kind": "PodList", "metadata": {}, "items": [POD] * 5000}).encode()
PACKED = gzip.compress(LIST)


def packed(body: bytes, encoding: str = "gzip") -> Say:
    """An answer with a body that is said to be packed."""
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n".encode()

    async def say(writer: asyncio.StreamWriter) -> None:
        for start in range(0, max(len(body), 1), 5000):
            writer.write(head + body[:5000] if start == 0 else body[start : start + 5000])
            await writer.drain()

    return say


@pytest.mark.parametrize(("body", "encoding"), [(PACKED, "gzip"), (PACKED, "GZIP"), (LIST, "identity"), (LIST, "")])
async def test_packed_answers_are_read(tmp_path: Path, body: bytes, encoding: str) -> None:
    authority = Authority()
    workloads, _ = await read(tmp_path, authority.server(tmp_path), authority.pem, packed(body, encoding))
    assert workloads.value.pods == 5000


@pytest.mark.parametrize(
    ("body", "encoding", "says"),
    [
        (PACKED[:-8], "gzip", "packed answer was cut off"),
        (PACKED[: len(PACKED) // 2], "gzip", "packed answer was cut off"),
        (b"", "gzip", "packed answer was cut off"),
        (PACKED[:-8] + b"01234567", "gzip", "cannot be unpacked"),
        (LIST, "gzip", "cannot be unpacked"),
        (PACKED + PACKED, "gzip", "more after the end of a packed answer"),
        # Longer than what is unpacked in one piece: there the tail's bytes were unpacked for ever.
        (gzip.compress(LIST + b" " * (4 << 20)) + b"more", "gzip", "more after the end of a packed answer"),
        (zlib.compress(LIST), "deflate", "packed its answer with deflate, which was not asked for"),
        (PACKED, "br\x1b[31m" + "x" * 99, "packed its answer with br"),
    ],
)
async def test_an_answer_that_cannot_be_unpacked_is_no_list_of_nothing(
    tmp_path: Path, body: bytes, encoding: str, says: str
) -> None:
    authority = Authority()
    with pytest.raises(CollectError, match=says) as caught:
        await read(tmp_path, authority.server(tmp_path), authority.pem, packed(body, encoding))
    assert "\x1b" not in str(caught.value)


async def test_an_answer_is_bounded_as_what_it_becomes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority()
    monkeypatch.setattr(lists, "PAGE", 1)  # no shorter page can be asked for
    monkeypatch.setattr(lists, "MAX_PAGE_BYTES", 100_000)
    assert len(PACKED) < 100_000 < len(LIST)
    with pytest.raises(CollectError, match="more than 100000 bytes"):
        await read(tmp_path, authority.server(tmp_path), authority.pem, packed(PACKED))
    zeros = gzip.compress(bytes(1 << 30), 1)  # a gibibyte in five mebibytes: read to its end it would take the memory
    with pytest.raises(CollectError, match="more than 100000 bytes"):
        await read(tmp_path, authority.server(tmp_path), authority.pem, packed(zeros))


def test_pullwatch_calls_itself_by_its_version() -> None:
    assert f"pullwatch/{VERSION}" == USER_AGENT
