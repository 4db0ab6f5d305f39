"""The classifier on texts nobody wrote for it: a real containerd pulls, as a kubelet asks it to, and fails.

Registries are Debian's docker-registry; where a case needs an ACR, a proxy or a resolver, a stand-in plays it and the
words are containerd's all the same. Every case names the cause it sets up and a piece of the text it must have got, so
that a case cannot pass for another reason than its own.
"""

from __future__ import annotations

import json
import os
import re
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from checks.rules.pull.errors import PullErrorCause
from tests.support.fake_peers import StandIns, stand_ins
from tests.support.real_node import PASSWORD, USER, Identity, Node, Registry, node, registry, what_is_missing

ROOT = Path(__file__).resolve().parents[2]
MISSING = what_is_missing()
pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)

REGISTRY, OTHER, ACR = "registry.contoso.example", "other.contoso.example", "contoso.azurecr.io"
STORAGE = "contosodata.blob.core.windows.net"
HOSTS = (REGISTRY, OTHER, ACR, STORAGE)


@dataclass(frozen=True)
class Case:
    """One pull. ``image`` with {ports} to be filled in; ``message``: a pattern of what the text must hold."""

    name: str
    image: str
    cause: PullErrorCause
    message: str
    user: str = USER
    password: str = PASSWORD
    # Some versions say more: what they then say, and the cause it names.
    more: tuple[str, PullErrorCause] | None = None

    def cause_of(self, text: str) -> PullErrorCause:
        return self.more[1] if self.more and self.more[0] in text else self.cause


NO_CREDENTIALS = ("no basic auth credentials", PullErrorCause.CREDENTIALS_MISSING)
REAL = (
    Case(
        "wrong credentials",
        f"{REGISTRY}:{{tls}}/team/web:1",
        PullErrorCause.UNAUTHORIZED,
        "401 Unauthorized",
        password="wrong",
    ),
    Case(
        "no credentials",
        f"{REGISTRY}:{{tls}}/team/web:1",
        PullErrorCause.UNAUTHORIZED,
        "401 Unauthorized|no basic auth credentials",
        user="",
        password="",
        more=NO_CREDENTIALS,
    ),
    Case("an absent tag", f"{REGISTRY}:{{tls}}/team/web:2", PullErrorCause.IMAGE_NOT_FOUND, "not found"),
    Case("an absent repository", f"{REGISTRY}:{{tls}}/team/none:1", PullErrorCause.IMAGE_NOT_FOUND, "not found"),
    Case(
        "an absent digest",
        f"{REGISTRY}:{{tls}}/team/web@sha256:{'0' * 64}",
        PullErrorCause.IMAGE_NOT_FOUND,
        "not found",
    ),
    Case("plain HTTP", f"{REGISTRY}:{{plain}}/team/web:1", PullErrorCause.TLS, "HTTP response to HTTPS client"),
    Case("a wrong CA", f"{REGISTRY}:{{unknown}}/team/web:1", PullErrorCause.TLS, "unknown authority"),
    Case("another host's certificate", f"{OTHER}:{{tls}}/team/web:1", PullErrorCause.TLS, "certificate is valid for"),
    Case("an expired certificate", f"{REGISTRY}:{{expired}}/team/web:1", PullErrorCause.TLS, "has expired"),
    Case("a refused port", f"{REGISTRY}:{{refused}}/team/web:1", PullErrorCause.CONNECT_REFUSED, "connection refused"),
    Case("another platform", f"{REGISTRY}:{{tls}}/team/windows:1", PullErrorCause.PLATFORM_MISMATCH, "platform"),
    Case(
        "a manifest that does not add up",
        f"{REGISTRY}:{{tls}}/team/two:1",
        PullErrorCause.UNSUPPORTED_MANIFEST,
        "diffIDs",
    ),
    Case("an altered layer", f"{REGISTRY}:{{tls}}/team/altered:1", PullErrorCause.CORRUPT_OR_INTERRUPTED, "digest"),
    Case("a lost layer", f"{REGISTRY}:{{tls}}/team/lost:1", PullErrorCause.IMAGE_NOT_FOUND, "not found"),
    Case("upper case", f"{REGISTRY}:{{tls}}/team/Web:1", PullErrorCause.INVALID_REFERENCE, "lowercase"),
)
PLAYED = (
    Case("a name that does not exist", "absent.contoso.invalid/web:1", PullErrorCause.DNS, "no such host"),
    Case("a resolver that fails", "broken.contoso.invalid/web:1", PullErrorCause.DNS, "server misbehaving"),
    Case("a resolver that is silent", "unheard.contoso.invalid/web:1", PullErrorCause.DNS, "i/o timeout"),
    Case("a connection that nobody takes", f"{OTHER}:{{full}}/web:1", PullErrorCause.CONNECT_TIMEOUT, "i/o timeout"),
    Case(
        "a handshake without an answer",
        f"{OTHER}:{{silent}}/web:1",
        PullErrorCause.CONNECT_TIMEOUT,
        "handshake timeout",
    ),
    Case("a reset", f"{OTHER}:{{resets}}/web:1", PullErrorCause.CONNECT_REFUSED, "reset by peer"),
    Case("a port that is none", f"{OTHER}:99999/web:1", PullErrorCause.INVALID_REFERENCE, "invalid port"),
    Case("a hang-up", f"{OTHER}:{{hangs_up}}/web:1", PullErrorCause.CORRUPT_OR_INTERRUPTED, "EOF"),
    Case("something that is not TLS", f"{OTHER}:{{speaks_ssh}}/web:1", PullErrorCause.TLS, "TLS handshake"),
    Case("a proxy that forbids", "p403.fabrikam.example/web:1", PullErrorCause.PROXY, "Forbidden"),
    Case("a proxy that wants credentials", "p407.fabrikam.example/web:1", PullErrorCause.PROXY, "Proxy Auth"),
    Case("a proxy that is out of order", "p503.fabrikam.example/web:1", PullErrorCause.PROXY, "Service Unavailable"),
    Case("ACR: no role", f"{ACR}:{{acr}}/token-401:1", PullErrorCause.UNAUTHORIZED, "401 Unauthorized"),
    Case(
        "ACR: anonymous",
        f"{ACR}:{{acr}}/token-401:1",
        PullErrorCause.UNAUTHORIZED,
        "anonymous token",
        user="",
        password="",
    ),
    Case(
        "ACR: its firewall",
        f"{ACR}:{{acr}}/token-403:1",
        PullErrorCause.FIREWALL_DENIED,
        "403 (Forbidden|This request)",
    ),
    Case(
        "ACR: its firewall, later",
        f"{ACR}:{{acr}}/manifest-403:1",
        PullErrorCause.FIREWALL_DENIED,
        "403 (Forbidden|This request)",
    ),
    Case(
        "ACR: too many requests", f"{ACR}:{{acr}}/manifest-429:1", PullErrorCause.RATE_LIMITED, "429 Too Many Requests"
    ),
    Case("ACR: too many tokens", f"{ACR}:{{acr}}/token-429:1", PullErrorCause.RATE_LIMITED, "429 Too Many Requests"),
    Case("ACR: no sign-in", f"{ACR}:{{acr}}/token-404:1", PullErrorCause.REGISTRY_ERROR, "404 Not Found"),
    Case("ACR: an answer unheard of", f"{ACR}:{{acr}}/manifest-423:1", PullErrorCause.REGISTRY_ERROR, "423 Locked"),
    Case("ACR: redirects without end", f"{ACR}:{{acr}}/manifest-301:1", PullErrorCause.REGISTRY_ERROR, "10 redirects"),
    Case(
        "ACR: out of order", f"{ACR}:{{acr}}/manifest-503:1", PullErrorCause.REGISTRY_ERROR, "503 Service Unavailable"
    ),
    Case(
        "ACR: sign-in out of order",
        f"{ACR}:{{acr}}/token-503:1",
        PullErrorCause.REGISTRY_ERROR,
        "503 Service Unavailable",
    ),
    Case(
        "ACR: its storage's firewall",
        f"{ACR}:{{acr}}/layers-403:1",
        PullErrorCause.FIREWALL_DENIED,
        "403 (Forbidden|This request)",
    ),
    Case("ACR: its storage does not resolve", f"{ACR}:{{acr}}/layers-lost:1", PullErrorCause.DNS, "no such host"),
)
SMALL_NODE = (
    Case("a full disk", f"{REGISTRY}:{{tls}}/team/large:1", PullErrorCause.NODE_DISK, "no space left"),
    Case("a proxy that is away", "p.fabrikam.example/web:1", PullErrorCause.PROXY, "proxyconnect"),
)
CASES = (*REAL, *PLAYED, *SMALL_NODE)


@dataclass(frozen=True)
class World:
    """The servers of this module, and what is filled into an image's name."""

    registry: Registry
    played: StandIns
    ports: Mapping[str, int]
    trusted: Mapping[str, Path]


def identity(authority: trustme.CA, folder: Path, *hosts: str, expired: bool = False) -> Identity:
    """A server certificate, written down."""
    now, day = datetime.now(UTC), timedelta(days=1)
    leaf = authority.issue_cert(*hosts, not_before=now - 9 * day, not_after=now - day if expired else now + day)
    folder.mkdir()
    leaf.private_key_pem.write_to_path(folder / "key.pem")
    leaf.cert_chain_pems[0].write_to_path(folder / "certificate.pem")
    return Identity(folder / "certificate.pem", folder / "key.pem")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    authority, stranger = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(ACR, STORAGE).configure_cert(context)
    good = identity(authority, folder / "good", REGISTRY, "127.0.0.1")
    old = identity(authority, folder / "old", REGISTRY, expired=True)
    strange = identity(stranger, folder / "strange", REGISTRY)
    trusting = ssl.create_default_context(cafile=folder / "ca.pem")
    with (
        registry(folder / "tls", identity=good, context=trusting) as tls,
        registry(folder / "expired", identity=old) as expired,
        registry(folder / "unknown", identity=strange) as unknown,
        registry(folder / "plain", identity=None) as plain,
        stand_ins(context, STORAGE, "lost.blob.invalid") as played,
    ):
        fill(tls)
        ports = {"tls": tls.port, "expired": expired.port, "unknown": unknown.port, "plain": plain.port, "refused": 1}
        ports |= {name: port for name, port in vars(played).items() if isinstance(port, int)}
        # A node trusts what it was told to trust: all but the stranger.
        named = (f"{REGISTRY}:{tls.port}", f"{OTHER}:{tls.port}", f"{REGISTRY}:{expired.port}", f"{ACR}:{played.acr}")
        yield World(tls, played, ports, dict.fromkeys(named, folder / "ca.pem"))


def fill(target: Registry) -> None:
    """The images of the cases; of two the registry's own files are spoilt afterwards."""
    target.push("team/web")
    target.push("team/windows", platform="windows/arm64")
    target.push("team/two", layers=2)
    target.push("team/large", size=8 << 20)
    altered = target.blob(target.push("team/altered", size=4096))
    altered.write_bytes(altered.read_bytes().replace(b"\0", b"\1"))
    target.blob(target.push("team/lost", size=64)).unlink()


@pytest.fixture(scope="module")
def large_node(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    environment = proxied(world.played.proxy)
    with node(
        tmp_path_factory.mktemp("nodes") / "large",
        names=dict.fromkeys(HOSTS, "127.0.0.1"),
        resolver=world.played.resolver,
        trusted=world.trusted,
        environment=environment,
    ) as running:
        yield running


@pytest.fixture(scope="module")
def small_node(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node with a disk of 4 MB and a proxy that is away."""
    with node(
        tmp_path_factory.mktemp("nodes") / "small",
        names=dict.fromkeys(HOSTS, "127.0.0.1"),
        resolver=world.played.resolver,
        trusted=world.trusted,
        environment=proxied(1),
        disk="4m",
    ) as running:
        yield running


def proxied(port: int) -> dict[str, str]:
    """Only *.fabrikam.example goes by the proxy."""
    return {
        "HTTPS_PROXY": f"http://127.0.0.1:{port}",
        "NO_PROXY": ".contoso.example,.contoso.invalid,.azurecr.io,.core.windows.net,.blob.invalid",
    }


@pytest.fixture(scope="module")
def texts(world: World, large_node: Node, small_node: Node) -> Mapping[str, tuple[Case, str]]:
    """Every pull's text, all pulls at once: two of them are over only when containerd's own time limits are."""
    asked = [replace(case, image=case.image.format(**world.ports)) for case in CASES]
    nodes = [small_node if case in SMALL_NODE else large_node for case in CASES]
    with ThreadPoolExecutor(len(CASES)) as pool:
        shown = pool.map(lambda where, case: where.pull(case.image, case.user, case.password), nodes, asked)
        return {case.name: (case, text) for case, text in zip(asked, shown, strict=True)}


@pytest.fixture(scope="module")
def answers(texts: Mapping[str, tuple[Case, str]]) -> Mapping[str, Sequence[str]]:
    """The causes by case, from one run of the command line over every form of every text."""
    lines = {name: list(forms(case.image, text)) for name, (case, text) in texts.items()}
    shown = iter(classified([line for each in lines.values() for line in each]))
    return {name: [next(shown)["cause"] for _ in each] for name, each in lines.items()}


def forms(image: str, text: str) -> Iterator[dict[str, str]]:
    """One error of the runtime as a pod's status, its events and a kubelet's log show it, the image told or not."""
    for message, reason in (
        (text, "ErrImagePull"),
        (f'Back-off pulling image "{image}": ErrImagePull: {text}', "ImagePullBackOff"),
        (f'Failed to pull image "{image}": {text}', "Failed"),
        (f'failed to "StartContainer" for "web" with ErrImagePull: {json.dumps(text)}', "FailedSync"),
        # Newer kubelets leave gRPC's own prefix out.
        (f'Failed to pull image "{image}": {text.partition(" desc = ")[2]}', "Failed"),
    ):
        yield {"message": message, "reason": reason}
        yield {"message": message, "reason": reason, "image": image}


def classified(lines: list[dict[str, str]]) -> list[dict[str, str]]:
    """What the command line makes of them."""
    done = subprocess.run(
        [sys.executable, "-m", "checks", "classify"],
        input="".join(json.dumps(line) + "\n" for line in lines),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=dict(os.environ),
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_with_the_right_credentials_the_same_image_is_pulled(world: World, large_node: Node) -> None:
    assert large_node.pull(f"{REGISTRY}:{world.registry.port}/team/web:1", USER, PASSWORD) == ""


@pytest.mark.parametrize("name", [case.name for case in CASES])
def test_what_containerd_really_says_is_classified(
    texts: Mapping[str, tuple[Case, str]], answers: Mapping[str, Sequence[str]], name: str
) -> None:
    case, text = texts[name]
    assert text.startswith("rpc error: code = "), "the pull went through"
    assert re.search(case.message, text), text
    assert len(answers[name]) == 10
    assert set(answers[name]) == {case.cause_of(text)}, text
