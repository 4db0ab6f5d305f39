"""Where connections may go: hosts and addresses that pods name are hostile, and so is what answers there."""

import asyncio
import base64
import ipaddress
import json
import socket
import ssl
import time
from pathlib import Path
from typing import Any

import aiohappyeyeballs
import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.collect.registry import client as registry
from checks.collect.registry.client import Target
from checks.collect.wire import connections
from checks.collect.wire.connections import Answers, ResolvedHost, refusal_of_address, refusal_of_name
from checks.facts.registry_details import Outcome, Probe
from checks.settings import ConnectTo
from tests.support.hostile_server import HOST, Say, client, raw, server

PUBLIC = "20.62.128.1"
METADATA = "169.254.169.254"
KNOWN = Target(host=HOST, known=True, tokens=True)
OWN = f'Bearer realm="https://{HOST}/oauth2/token",service="{HOST}"'
DENIED = {"errors": [{"code": "DENIED", "message": "client with IP '203.0.113.10' is not allowed access."}]}


@pytest.mark.parametrize(
    ("address", "unknown", "known"),
    [
        ("20.62.128.1", True, True),
        ("2603:1030:408::1", True, True),
        ("10.0.0.4", False, True),
        ("172.16.0.1", False, True),
        ("172.31.255.255", False, True),
        ("172.32.0.1", True, True),
        ("192.168.1.1", False, True),
        ("100.64.0.1", False, True),
        ("fd00::4", False, True),
        ("fd00:ec2::254", False, True),
        ("::ffff:10.0.0.4", False, True),
        ("64:ff9b::10.0.0.4", False, True),
        ("64:ff9b::20.62.128.1", True, True),
        ("127.0.0.1", False, False),
        ("127.8.8.8", False, False),
        ("::1", False, False),
        ("::ffff:127.0.0.1", False, False),
        ("::127.0.0.1", False, False),
        ("2002:7f00:1::", False, False),
        ("2002:a9fe:a9fe::", False, False),
        ("64:ff9b::169.254.169.254", False, False),
        ("169.254.169.254", False, False),
        ("169.254.0.1", False, False),
        ("::ffff:169.254.169.254", False, False),
        ("fe80::1", False, False),
        ("fe80::1%eth0", False, False),
        ("168.63.129.16", False, False),
        ("::ffff:168.63.129.16", False, False),
        ("0.0.0.0", False, False),
        ("0.1.2.3", False, False),
        ("::", False, False),
        ("224.0.0.1", False, False),
        ("239.255.255.250", False, False),
        ("ff02::1", False, False),
        ("240.0.0.1", False, False),
        ("255.255.255.255", False, False),
        ("192.0.2.1", False, False),
        ("192.88.99.1", False, False),
        ("2002:c058:6301::1", False, False),
        ("::ffff:192.88.99.1", False, False),
        ("192.31.196.1", False, False),
        ("192.52.193.1", False, False),
        ("192.175.48.1", False, False),
        ("2620:4f:8000::1", False, False),
        ("3fff::1", False, False),
        ("198.18.0.1", False, False),
        ("203.0.113.1", False, False),
        ("2001:db8::1", False, False),
        ("fec0::1", False, False),
        ("4000::1", False, False),
        ("not an address", False, False),
        ("", False, False),
    ],
)
def test_an_address_may_be_connected_to_or_not(address: str, unknown: bool, known: bool) -> None:
    assert (refusal_of_address(address, known=False) is None) is unknown
    assert (refusal_of_address(address, known=True) is None) is known


@given(st.integers(0, 2**32 - 1), st.booleans())
def test_an_address_inside_another_is_judged_as_itself(number: int, known: bool) -> None:
    address = ipaddress.IPv4Address(number)
    plain = refusal_of_address(str(address), known=known) is None
    for wrapped in (f"::ffff:{address}", f"64:ff9b::{address}"):
        assert (refusal_of_address(wrapped, known=known) is None) is plain
    if plain and not known:
        assert address.is_global


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_a_known_registry_may_be_where_an_unknown_may_and_more(address: Any) -> None:
    if refusal_of_address(str(address), known=False) is None:
        assert refusal_of_address(str(address), known=True) is None


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("acrone.azurecr.io", True),
        ("acrone.azurecr.io:443", True),
        ("ACRONE.azurecr.io", True),
        ("registry.example.com:5000", False),
        ("registry.example.com:80", False),
        ("localhost", False),
        ("localhost:443", False),
        ("registry", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("169.254.169.254:443", False),
        ("2130706433", False),
        ("0x7f.0x1", False),
        ("127.1", False),
        ("[::1]", False),
        ("user@example.com", False),
        ("example.com/path", False),
        ("example..com", False),
        ("-x.example.com", False),
        ("a" * 64 + ".example.com", False),
        (".".join(["a"] * 140), False),
        ("", False),
    ],
)
def test_only_dotted_names_at_port_443_are_contacted(host: str, allowed: bool) -> None:
    assert (refusal_of_name(host) is None) is allowed


class Names:
    """A resolver that gives its answers one after the other, the last one again and again."""

    def __init__(self, *answers: tuple[str, ...]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str, port: int) -> Answers:
        self.asked += 1
        return Answers(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0], "edge.example.net.")


async def test_one_address_inward_refuses_the_name_as_a_whole() -> None:
    for known in (False, True):
        with pytest.raises(connections.Refused, match=METADATA):
            await connections.resolve((), HOST, known=known, lookup=Names((PUBLIC, METADATA)))
    with pytest.raises(connections.Refused, match=r"10\.0\.0\.4"):
        await connections.resolve((), HOST, lookup=Names(("10.0.0.4",)))
    host = await connections.resolve((), HOST, known=True, lookup=Names(("10.0.0.4",)))
    assert host == ResolvedHost(HOST, 443, ("10.0.0.4",), "edge.example.net")


async def test_what_a_developer_says_is_not_vetted_and_told() -> None:
    entries = (ConnectTo("*.azurecr.io", 443, "127.0.0.1", 8443),)
    host = await connections.resolve(entries, HOST, lookup=Names(("127.0.0.1",)))
    assert host == ResolvedHost(HOST, 8443, ("127.0.0.1",), elsewhere=True)


async def test_a_session_reaches_its_host_at_the_vetted_addresses_and_nothing_else() -> None:
    resolver = connections._Pinned(ResolvedHost(HOST, 443, (PUBLIC, "2603:1030:408::1")))
    probe = await resolver.resolve(HOST, 443)
    assert [(r["host"], r["family"]) for r in probe] == [
        (PUBLIC, socket.AF_INET),
        ("2603:1030:408::1", socket.AF_INET6),
    ]
    for other, port in (("evil.example.com", 443), (HOST, 80)):
        with pytest.raises(OSError, match="refused"):
            await resolver.resolve(other, port)


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose ca.pem is what TLS trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    return tmp_path


async def test_a_name_that_changes_its_mind_leads_nowhere(trusted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: public when it is vetted, the metadata address from then on. Both connections go where the first
    answer said; here they are caught and led to a server on loopback."""
    went: list[str] = []
    names = Names((PUBLIC,), (METADATA,))
    async with server(trusted, {"GET /v2/": raw("401 Unauthorized", WWW_Authenticate=OWN)}) as hostile:
        open_connection, start = asyncio.open_connection, aiohappyeyeballs.start_connection

        async def opened(host: str, port: int) -> Any:
            went.append(host)
            return await open_connection("127.0.0.1", hostile.port)

        async def started(*, addr_infos: Any, **options: Any) -> Any:
            went.extend(info[4][0] for info in addr_infos)
            own_entry = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", hostile.port))
            return await start(addr_infos=[own_entry], **options)

        monkeypatch.setattr(asyncio, "open_connection", opened)
        monkeypatch.setattr(aiohappyeyeballs, "start_connection", started)
        async with client(None) as (azure, credential):
            probe = await registry.probe(azure, Target(host=HOST), lookup=names)
    assert (probe.outcome, probe.canonical, credential.scopes) == (Outcome.REACHED, "edge.example.net", [])
    assert names.asked == 1
    assert went == [PUBLIC, PUBLIC]


async def ask(
    folder: Path, answers: dict[str, Say], target: Target = KNOWN, *, seconds: int = 5, **options: Any
) -> tuple[Probe, list[str], bytes, list[str]]:
    """A probe of a server; what was asked of it, all it received, and which tokens were fetched."""
    async with (
        server(folder, answers, **options) as hostile,
        client(hostile.port, host=target.host, seconds=seconds) as (azure, credential),
    ):
        probe = await registry.probe(azure, target)
    return probe, hostile.requests, hostile.received, credential.scopes


@pytest.mark.parametrize("tokens", [True, False])
@pytest.mark.parametrize("where", [f"https://{METADATA}/metadata/identity", "https://evil.example.com/v2/", "/v2/"])
async def test_a_redirect_is_an_answer_and_followed_nowhere(trusted: Path, where: str, tokens: bool) -> None:
    target = Target(host=HOST, known=True, tokens=tokens)
    probe, requests, _, scopes = await ask(trusted, {"GET /v2/": raw("302 Found", Location=where)}, target)
    assert (probe.outcome, probe.status) == (Outcome.CHALLENGE, 302)
    assert requests == ["GET /v2/"]
    assert scopes == []


@pytest.mark.parametrize(
    "realm",
    [
        "https://evil.example.com/oauth2/token",
        f"https://{HOST}.evil.example.com/oauth2/token",
        f"https://{HOST}@evil.example.com/oauth2/token",
        f"https://user@{HOST}/oauth2/token",
        f"https://{HOST}:8443/oauth2/token",
        f"http://{HOST}/oauth2/token",
        "https://[/oauth2/token",
        f"https://{METADATA}/",
    ],
)
async def test_a_realm_on_another_host_gets_no_token(trusted: Path, realm: str) -> None:
    challenge = f'Bearer realm="{realm}",service="{HOST}"'
    probe, requests, received, scopes = await ask(
        trusted, {"GET /v2/": raw("401 Unauthorized", WWW_Authenticate=challenge)}
    )
    assert probe.outcome is Outcome.AAD_LOGIN
    assert requests == ["GET /v2/"]
    assert scopes == []
    assert b"entra-secret" not in received


async def test_an_entra_token_goes_to_a_login_server_that_may_have_it_and_never_into_what_is_told(
    trusted: Path,
) -> None:
    answers = {
        "GET /v2/": raw("401 Unauthorized", WWW_Authenticate=OWN),
        "POST /oauth2/exchange": raw("200 OK", json.dumps({"refresh_token": "refresh-secret"})),
        "POST /oauth2/token": raw("200 OK", json.dumps({"access_token": "access-secret"})),
    }
    target = Target(host=HOST, known=True, tokens=True, repository="team/web")
    probe, requests, received, scopes = await ask(trusted, answers, target)
    assert (probe.outcome, probe.signed_in, probe.repository) == (Outcome.REACHED, True, "team/web")
    assert requests == ["GET /v2/", "POST /oauth2/exchange", "POST /oauth2/token"]
    assert scopes == [registry.ACR_SCOPE]
    assert b"scope=repository%3Ateam%2Fweb%3Apull" in received
    assert "secret" not in repr(probe)


async def test_a_host_that_only_pods_name_is_asked_without_credentials(trusted: Path) -> None:
    answers = {"GET /v2/": raw("401 Unauthorized", WWW_Authenticate='Bearer realm="https://auth.example.com/token"')}
    probe, requests, received, scopes = await ask(trusted, answers, Target(host=HOST))
    assert probe.outcome is Outcome.REACHED
    assert requests == ["GET /v2/"]
    assert scopes == []
    assert b"authorization" not in received.lower()


async def test_docker_hub_is_asked_where_it_answers(trusted: Path) -> None:
    names = Names((METADATA,))
    async with client(None) as (azure, _):
        probe = await registry.probe(azure, Target(host="docker.io"), lookup=names)
    assert probe.outcome is Outcome.ADDRESS_REFUSED
    assert "registry-1.docker.io" in probe.detail


async def endless(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 401 Unauthorized\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        await writer.drain()


async def slow(writer: asyncio.StreamWriter) -> None:
    for byte in b"HTTP/1.1 401 Unauthorized\r\n" + b"X: y\r\n" * 1000:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.1)


async def silent(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(30)


async def long_headers(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 401 Unauthorized\r\nX: " + b"y" * 1_000_000 + b"\r\n\r\n")
    await writer.drain()


async def test_an_endless_body_is_read_to_a_bound(trusted: Path) -> None:
    async with (
        server(trusted, {"GET /v2/": endless}) as hostile,
        client(hostile.port) as (azure, _),
        asyncio.timeout(4),
        registry.connect(azure.settings, KNOWN) as connection,
    ):
        answer = await connection.send("GET", "/v2/")
    assert len(answer.body) == registry.MAX_BYTES


@pytest.mark.parametrize("say", [slow, silent])
async def test_what_drips_or_hangs_ends_at_the_deadline(trusted: Path, say: Say) -> None:
    begun = time.monotonic()
    probe, *_ = await ask(trusted, {"GET /v2/": say}, seconds=1)
    assert time.monotonic() - begun < 3
    assert probe.outcome is Outcome.CHALLENGE
    assert "no answer in time" in probe.detail


@pytest.mark.parametrize(
    ("say", "outcome"),
    [
        (long_headers, Outcome.CHALLENGE),
        (raw("200 OK", "{}"), Outcome.CHALLENGE),
        (raw("500 Internal Server Error", "\x00" * 10), Outcome.CHALLENGE),
        (raw("401 Unauthorized"), Outcome.WWW_AUTHENTICATE),
        (raw("401 Unauthorized", WWW_Authenticate='Basic realm="x"'), Outcome.WWW_AUTHENTICATE),
        (raw("401 Unauthorized", WWW_Authenticate='Bearer realm=""'), Outcome.AAD_LOGIN),
        (raw("403 Forbidden", "[" * 50_000), Outcome.FORBIDDEN),
    ],
)
async def test_what_makes_no_sense_has_its_own_outcome(trusted: Path, say: Say, outcome: Outcome) -> None:
    probe, *_ = await ask(trusted, {"GET /v2/": say})
    assert probe.outcome is outcome
    assert probe.outcome is not Outcome.REACHED


@pytest.mark.parametrize(
    ("message", "address"),
    [
        (DENIED["errors"][0]["message"], "203.0.113.10"),
        ("client with IP '2603:1030::7' is not allowed access", "2603:1030::7"),
        ("client with IP '999.1.1.1' is not allowed access", None),
        ("client with IP '\x1b[31mred' is not allowed access", None),
        ("no", None),
    ],
)
async def test_a_firewall_names_the_address_it_saw_where_it_is_one(
    trusted: Path, message: str, address: str | None
) -> None:
    body = json.dumps({"errors": [{"code": "DENIED", "message": message}]})
    probe, *_ = await ask(trusted, {"GET /v2/": raw("403 Forbidden", body)})
    assert (probe.outcome, probe.client_address) == (Outcome.FORBIDDEN, address)
    assert "\x1b" not in probe.detail


async def test_throttling_tells_how_long_to_wait(trusted: Path) -> None:
    probe, *_ = await ask(trusted, {"GET /v2/": raw("429 Too Many Requests", Retry_After="7")})
    assert (probe.outcome, probe.retry_after) == (Outcome.TOO_MANY_REQUESTS, 7)


@pytest.mark.parametrize(
    ("options", "outcome"),
    [
        ({"expired": True}, Outcome.CERTIFICATE_EXPIRED),
        ({"names": ("other.azurecr.io",)}, Outcome.SSL_ERROR),
        ({"tls": False}, Outcome.SSL_ERROR),
    ],
)
async def test_tls_that_does_not_hold_sends_nothing(
    trusted: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], outcome: Outcome
) -> None:
    monkeypatch.setattr(connections, "HANDSHAKE_SECONDS", 0.5)
    probe, requests, _, scopes = await ask(trusted, {}, **options)
    assert probe.outcome is outcome
    assert requests == []
    assert scopes == []


async def test_a_certificate_s_end_is_told(trusted: Path) -> None:
    probe, *_ = await ask(trusted, {"GET /v2/": raw("200 OK")}, Target(host=HOST))
    assert probe.certificate_until is not None
    assert probe.certificate_until.endswith("+00:00")


async def test_a_port_where_nobody_listens_is_refused() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        async with client(bound.getsockname()[1]) as (azure, _):
            probe = await registry.probe(azure, KNOWN)
    assert probe.outcome is Outcome.CONNECT_REFUSED


@pytest.mark.parametrize(
    ("number", "outcome"),
    [
        (socket.EAI_NONAME, Outcome.DNS_ERROR),
        (socket.EAI_AGAIN, Outcome.DNS_UNANSWERED),
        (socket.EAI_FAIL, Outcome.DNS_UNANSWERED),
    ],
)
async def test_a_name_that_does_not_exist_is_not_one_that_nobody_answers_for(number: int, outcome: Outcome) -> None:
    async def failing(host: str, port: int) -> Answers:
        raise socket.gaierror(number, "no")

    async with client(None) as (azure, _):
        probe = await registry.probe(azure, KNOWN, lookup=failing)
    assert probe.outcome is outcome


async def test_data_endpoints_are_contacted_under_the_cloud_s_suffix_only(trusted: Path) -> None:
    target = Target(host=HOST, known=True, data_endpoints=("evil.example.com", HOST))
    probe, *_ = await ask(trusted, {"GET /v2/": raw("200 OK")}, target)
    assert [(data.host, data.outcome) for data in probe.data] == [(HOST, Outcome.REACHED)]


def test_a_proxy_is_noticed_but_where_a_developer_leads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com:3128")
    monkeypatch.setenv("NO_PROXY", "quay.io")
    assert connections.behind_proxy((), HOST)
    assert not connections.behind_proxy((), "quay.io")
    assert not connections.behind_proxy((ConnectTo("*.azurecr.io", 443, "127.0.0.1", 1),), HOST)


async def test_a_pinned_session_takes_no_proxy_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    async with connections.pinned_session(
        ResolvedHost(HOST, 1, ("127.0.0.1",)), ssl.create_default_context()
    ) as session:
        with pytest.raises(aiohttp.ClientConnectorError) as caught:
            await session.get(f"https://{HOST}/v2/")
    assert ":443" in str(caught.value)


@pytest.mark.parametrize(
    ("claims", "may"),
    [
        ({"access": [{"Type": "repository", "Name": "team/web", "Actions": ["pull"]}]}, True),
        ({"access": [{"type": "repository", "name": "team/web", "actions": ["*"]}]}, True),
        ({"access": [{"Type": "repository", "Name": "team/web", "Actions": []}]}, False),
        ({"access": [{"Type": "repository", "Name": "other", "Actions": ["pull"]}]}, False),
        ({"access": []}, False),
        ({"access": "x"}, None),
        ({}, None),
    ],
)
def test_an_access_token_tells_whether_it_may_pull(claims: dict[str, Any], may: bool | None) -> None:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    assert registry.may_pull(f"h.{body}.s", "team/web") is may


@given(st.text(max_size=60))
def test_any_text_is_a_token_that_does_not_tell(text: str) -> None:
    assert registry.may_pull(text, "team/web") is None
