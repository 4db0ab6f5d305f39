"""Registry endpoints over the wire: one client. PW201 probes with it; manifests and pull secrets can be asked for too.

    async with connect(azure.settings, Target(host="x.azurecr.io", known=True, tokens=True)) as connection:
        challenge = await connection.challenge()
        refresh = await connection.refresh_token(challenge, await azure.token(ACR_SCOPE))
        token = await connection.access_token(challenge, "team/web", refresh)
        answer = await connection.send("HEAD", "/v2/team/web/manifests/1", headers={"Authorization": f"Bearer {token}"})

Every step raises ``RegistryError`` with the outcome it came to. A client leads to the one address that was vetted and
connected to (wire/connections.py); redirects are answers like any other; what a registry sends is read to 64 KiB. An
Entra token leaves only through a client whose target says ``tokens``: a login server that ARM returned under the
cloud's own suffix. The token flow is that of acr_dataplane: ``/v2/`` challenge, ``/oauth2/exchange``,
``/oauth2/token``.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import ipaddress
import math
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from urllib.parse import urlsplit

import aiohttp
import msgspec
from azure.core.exceptions import AzureError

from checks.collect.arm.client import USER_AGENT, Azure
from checks.collect.wire import connections
from checks.collect.wire.errors import Temporary
from checks.collect.wire.throttling import wait_out
from checks.facts.registry_details import DataEndpoint, Outcome, Probe
from checks.retry_after import asked_seconds
from checks.settings import Settings
from checks.text import one_line, without_bytes

ACR_SCOPE = "https://containerregistry.azure.net/.default"
PROBE_SECONDS = 20.0
DATA_SECONDS = 10.0
MAX_BYTES = 64 * 1024
MAX_DATA_ENDPOINTS = 20
# The names behind which well-known registries really answer.
ENDPOINTS: Mapping[str, str] = {"docker.io": "registry-1.docker.io"}
_CLIENT = re.compile(r"client with IP '([0-9a-fA-F.:]{2,45})'")
_PARAMETER = re.compile(r'([a-z_]{1,20})="([^"]{0,2048})"', re.IGNORECASE)
_EXPIRED = 10  # X509_V_ERR_CERT_HAS_EXPIRED
_ABSENT = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A registry to look at.

    ``known``: ARM returned it, so it may have a private endpoint; ``tokens``: it may be given an Entra token too.
    ``repository`` is one to ask a pull token for, ``data_endpoints`` are ARM's ``dataEndpointHostNames``.
    """

    host: str
    known: bool = False
    tokens: bool = False
    repository: str | None = None
    data_endpoints: tuple[str, ...] = ()


class HttpResponse(msgspec.Struct, frozen=True):
    """An answer over HTTP: ``headers`` by lower-case name, ``body`` cut at MAX_BYTES."""

    status: int
    headers: dict[str, str]
    body: bytes

    def __repr__(self) -> str:
        """Without headers and body: a token endpoint's answer is a token."""
        return f"HttpResponse({self.status}, {len(self.body)} bytes)"


class Challenge(msgspec.Struct, frozen=True):
    """What ``GET /v2/`` asked for. ``realm`` has been found to be on the registry's own host."""

    realm: str
    service: str


class RegistryError(Exception):
    """A step that did not succeed: the outcome, one bounded line for people, and what the answer told."""

    def __init__(self, outcome: Outcome, detail: str, answer: HttpResponse | None = None) -> None:
        super().__init__(one_line(detail))
        self.outcome = outcome
        self.answer = answer


class _Throttled(Temporary):
    """HTTP 429, with the answer."""

    def __init__(self, answer: HttpResponse) -> None:
        super().__init__("HTTP 429 Too Many Requests", float(retry_after(answer) or 0))
        self.answer = answer


class RegistryClient:
    """An open connection to one registry. Made by ``connect``; not to be used after it closes."""

    def __init__(
        self,
        target: Target,
        host: connections.ResolvedHost,
        certificate: connections.Certificate,
        session: aiohttp.ClientSession,
        wait_until: float | None = None,
    ) -> None:
        self.target = target
        self.resolved = host
        self.certificate = certificate
        self._session = session
        self._wait_until = wait_until

    async def send(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
    ) -> HttpResponse:
        """One request to a path of this host. Raises RegistryError where no answer came that makes sense as HTTP.

        The caller bounds the time (``asyncio.timeout``). Throttling is an answer like any other, unless the connection
        waits it out; then it is one that did not end in time.
        """
        attempt = partial(self._send, method, path, headers or {}, form)
        if self._wait_until is None:
            return await attempt()
        try:
            return await wait_out(partial(_unless_throttled, attempt), self._wait_until)
        except _Throttled as error:
            return error.answer

    async def _send(
        self, method: str, path: str, headers: Mapping[str, str], form: Mapping[str, str] | None
    ) -> HttpResponse:
        url = f"https://{self.resolved.host}{path}"
        sent = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **headers}
        try:
            async with self._session.request(method, url, headers=sent, data=form, allow_redirects=False) as response:
                body = await _bounded(response.content)
                lowered = {name.lower(): value[:4096] for name, value in response.headers.items()}
                return HttpResponse(response.status, lowered, body)
        except (aiohttp.ClientError, ValueError, OSError) as error:
            detail = f"{method} {path.partition('?')[0]}: {without_bytes(str(error))}"
            raise RegistryError(Outcome.CHALLENGE, detail) from None

    async def challenge(self) -> Challenge:
        """``GET /v2/``: how the registry asks to be signed in to. Raises RegistryError."""
        answer = await self.send("GET", "/v2/")
        _raise_if_refused(answer, "GET /v2/")
        if answer.status != 401:
            raise RegistryError(Outcome.CHALLENGE, f"GET /v2/ was answered with HTTP {answer.status}, not 401", answer)
        header = answer.headers.get("www-authenticate", "")
        scheme = header.partition(" ")[0].lower()
        if scheme != "bearer":
            raise RegistryError(Outcome.WWW_AUTHENTICATE, "GET /v2/ did not ask for a bearer token", answer)
        parameters = {name.lower(): value for name, value in _PARAMETER.findall(header)}
        realm, service = parameters.get("realm", ""), parameters.get("service", "")
        if not realm or not service:
            raise RegistryError(Outcome.AAD_LOGIN, "GET /v2/ named no realm and service to sign in to", answer)
        if not self._is_own(realm):
            raise RegistryError(
                Outcome.AAD_LOGIN, f"the realm {one_line(realm)[:200]} is on another host; nothing is sent there"
            )
        return Challenge(realm, service)

    def _is_own(self, realm: str) -> bool:
        try:
            parts = urlsplit(realm)
            port = parts.port
        except ValueError:
            return False
        own = (parts.hostname or "").lower() == self.resolved.host and port in (None, connections.HTTPS)
        return parts.scheme == "https" and own and parts.username is None

    async def refresh_token(self, challenge: Challenge, entra_token: str) -> str:
        """``POST /oauth2/exchange``: an Entra token for the registry's refresh token. Raises RegistryError."""
        if not self.target.tokens:
            raise RegistryError(Outcome.IDENTITY, "an Entra token goes only to login servers that ARM returned")
        form = {"grant_type": "access_token", "service": challenge.service, "access_token": entra_token}
        return await self._token("/oauth2/exchange", form, "refresh_token", Outcome.REFRESH_TOKEN)

    async def access_token(
        self, challenge: Challenge, repository: str, refresh_token: str, actions: str = "pull"
    ) -> str:
        """``POST`` to the realm: a token to pull from one repository. Raises RegistryError; see ``may_pull``."""
        form = {
            "grant_type": "refresh_token",
            "service": challenge.service,
            "scope": f"repository:{repository}:{actions}",
            "refresh_token": refresh_token,
        }
        return await self._token(urlsplit(challenge.realm).path, form, "access_token", Outcome.ACCESS_TOKEN)

    async def _token(self, path: str, form: Mapping[str, str], field: str, outcome: Outcome) -> str:
        answer = await self.send("POST", path, form=form)
        if answer.status == 429:
            _raise_if_refused(answer, f"POST {path}")
        if answer.status != 200:
            raise RegistryError(
                outcome, f"POST {path} was answered with HTTP {answer.status}: {message_of(answer)}", answer
            )
        token = _decoded(answer.body).get(field)
        if not isinstance(token, str) or not token:
            raise RegistryError(outcome, f"POST {path} was answered without a token", answer)
        return token


async def _unless_throttled(attempt: Callable[[], Awaitable[HttpResponse]]) -> HttpResponse:
    answer = await attempt()
    if answer.status == 429:
        raise _Throttled(answer)
    return answer


@asynccontextmanager
async def connect(
    settings: Settings,
    target: Target,
    *,
    lookup: connections.Lookup = connections.system_lookup,
    trust: ssl.SSLContext | None = None,
    keep_alive: bool = False,
    wait_until: float | None = None,
) -> AsyncIterator[RegistryClient]:
    """Resolves, vets, connects and shakes hands; the client leads to the address that did. Raises RegistryError.

    The caller bounds the time. Only names are connected to, at port 443, whoever named them. ``trust``: the usual
    authorities, where they are loaded already. ``keep_alive`` is for a known registry that is asked many things. Up to
    the event loop's time ``wait_until`` throttling is waited out.
    """
    context = trust or ssl.create_default_context()
    host, certificate = await _handshake(await _resolved(settings, target, lookup), context)
    async with connections.pinned_session(host, context, keep_alive=keep_alive) as session:
        yield RegistryClient(target, host, certificate, session, wait_until)


async def _resolved(settings: Settings, target: Target, lookup: connections.Lookup) -> connections.ResolvedHost:
    host = ENDPOINTS.get(target.host, target.host)
    try:
        return await connections.resolve(settings.connect_to, host, known=target.known, lookup=lookup)
    except connections.Refused as refused:
        outcome = Outcome.NOT_CONTACTED if connections.refusal_of_name(host) else Outcome.ADDRESS_REFUSED
        raise RegistryError(outcome, str(refused)) from None
    except socket.gaierror as error:
        absent = error.errno in _ABSENT
        detail = f"the name {host} does not exist" if absent else f"no name server answered for {host}"
        raise RegistryError(
            Outcome.DNS_ERROR if absent else Outcome.DNS_UNANSWERED, f"{detail}: {error.strerror}"
        ) from None
    except (OSError, UnicodeError) as error:
        raise RegistryError(Outcome.DNS_UNANSWERED, f"{host} could not be resolved: {error}") from None


async def _handshake(
    host: connections.ResolvedHost, context: ssl.SSLContext
) -> tuple[connections.ResolvedHost, connections.Certificate]:
    at = f"{host.host} ({', '.join(host.addresses[:3])}) port {host.port}"
    try:
        return await connections.tls_handshake(host, context)
    except ssl.SSLCertVerificationError as error:
        outcome = Outcome.CERTIFICATE_EXPIRED if error.verify_code == _EXPIRED else Outcome.SSL_ERROR
        raise RegistryError(outcome, f"the certificate of {at} does not hold: {error.verify_message}") from None
    except (ssl.SSLError, ConnectionResetError, asyncio.IncompleteReadError) as error:
        raise RegistryError(Outcome.SSL_ERROR, f"no TLS with {at}: {error}") from None
    except TimeoutError:
        raise RegistryError(Outcome.CONNECT_TIMEOUT, f"{at} did not take a connection in time") from None
    except ConnectionRefusedError:
        raise RegistryError(Outcome.CONNECT_REFUSED, f"{at} refused the connection") from None
    except OSError as error:
        raise RegistryError(Outcome.CONNECT_ERROR, f"no connection to {at}: {error}") from None


async def _bounded(stream: aiohttp.StreamReader) -> bytes:
    """At most MAX_BYTES; the rest is left unread, and the connection goes with it."""
    parts, left = [], MAX_BYTES
    while left > 0:
        part = await stream.read(left)
        if not part:
            break
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _raise_if_refused(answer: HttpResponse, what: str) -> None:
    if answer.status == 429:
        raise RegistryError(Outcome.TOO_MANY_REQUESTS, f"{what}: HTTP 429 Too Many Requests", answer)
    if answer.status == 403:
        raise RegistryError(Outcome.FORBIDDEN, f"{what}: HTTP 403: {message_of(answer)}", answer)


def message_of(answer: HttpResponse) -> str:
    """The first error's message in a registry's JSON body (``{"errors":[{"code","message"}]}``), bounded, or ""."""
    errors = _decoded(answer.body).get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    message = first.get("message") if isinstance(first, dict) else None
    return one_line(message) if isinstance(message, str) else ""


def client_address(answer: HttpResponse) -> str | None:
    """The address that a registry's firewall says it saw ("client with IP '…'"), where it is one."""
    match = _CLIENT.search(message_of(answer))
    try:
        return str(ipaddress.ip_address(match[1])) if match else None
    except ValueError:
        return None


def retry_after(answer: HttpResponse) -> int | None:
    """The seconds that a Retry-After header asks for."""
    asked = asked_seconds(answer.headers.get("retry-after", ""), datetime.now(UTC))
    return None if asked is None else math.ceil(asked)


def token_of(answer: HttpResponse) -> str:
    """The access token in a token endpoint's answer ("access_token", or "token" of other registries), or ""."""
    body = _decoded(answer.body)
    token = body.get("access_token") or body.get("token")
    return token if isinstance(token, str) else ""


def may_pull(token: str, repository: str) -> bool | None:
    """Whether an access token's claims let it pull from a repository; None where the token does not tell.

    The signature is the registry's business: the token came from it, and nothing is decided by it but what is told.
    """
    parts = token.split(".")
    try:
        claims = _decoded(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))) if len(parts) == 3 else {}
    except (binascii.Error, ValueError):
        return None
    access = claims.get("access")
    if not isinstance(access, list):
        return None
    lowered = [{str(k).lower(): v for k, v in entry.items()} for entry in access if isinstance(entry, dict)]
    own_answers = [entry.get("actions") for entry in lowered if entry.get("name") == repository]
    return any(isinstance(actions, list) and ("pull" in actions or "*" in actions) for actions in own_answers)


def _decoded(body: bytes) -> dict[str, object]:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


class _Record:
    """What a probe has seen so far: it is shown as far as it came, however it ends."""

    def __init__(self, target: Target) -> None:
        self.probe = Probe(host=target.host, outcome=Outcome.CONNECT_TIMEOUT, detail="nothing was reached")

    def note(self, step: str, **seen: object) -> None:
        self.probe = msgspec.structs.replace(self.probe, steps=(*self.probe.steps, one_line(step)), **seen)


async def probe(azure: Azure, target: Target, *, lookup: connections.Lookup = connections.system_lookup) -> Probe:
    """Looks at one registry as far as its target allows; whatever happens on the way is the outcome, never an error.

    A registry that ARM did not return is asked for ``/v2/`` without credentials. The whole takes at most PROBE_SECONDS,
    or a call's deadline where that is shorter; its data endpoints DATA_SECONDS more.
    """
    record = _Record(target)
    try:
        async with asyncio.timeout(min(PROBE_SECONDS, azure.settings.call_seconds)):
            await _walk(azure, target, record, lookup)
    except TimeoutError:
        detail = f"no answer in time after: {record.probe.steps[-1] if record.probe.steps else 'asking for the name'}"
        reached = bool(record.probe.certificate_until)
        outcome = Outcome.CHALLENGE if reached else Outcome.CONNECT_TIMEOUT
        record.note("no answer in time", outcome=outcome, detail=one_line(detail))
    except RegistryError as error:
        refusal = error.answer
        record.note(
            str(error),
            outcome=error.outcome,
            detail=str(error),
            status=refusal.status if refusal else None,
            client_address=client_address(refusal) if refusal and error.outcome is Outcome.FORBIDDEN else None,
            retry_after=retry_after(refusal) if refusal else None,
        )
    if target.known and record.probe.certificate_until:
        record.note("data endpoints", data=await _data_endpoints(azure, target, lookup))
    return record.probe


async def _walk(azure: Azure, target: Target, record: _Record, lookup: connections.Lookup) -> None:
    async with connect(azure.settings, target, lookup=lookup, trust=azure.trust()) as connection:
        host, until = connection.resolved, connection.certificate.valid_until
        if host.elsewhere:
            record.note(f"name not resolved: PULLWATCH_CONNECT_TO says where {host.host} is", elsewhere=True)
        else:
            through = f" through {host.canonical}" if host.canonical else ""
            record.note(f"{host.host} resolves to {host.addresses[0]}{through}", canonical=host.canonical)
        record.note(
            f"TLS with a certificate valid until {until}",
            addresses=host.addresses,
            certificate_from=connection.certificate.valid_from,
            certificate_until=until,
        )
        if not target.tokens:
            await _anonymous_request(connection, record)
            return
        challenge = await connection.challenge()
        record.note(f"GET /v2/ asks for a token of {challenge.realm}", status=401)
        await _sign_in(azure, connection, challenge, record)


async def _anonymous_request(connection: RegistryClient, record: _Record) -> None:
    """``/v2/`` without credentials: 200 or a challenge of any kind is a registry that answers."""
    answer = await connection.send("GET", "/v2/")
    _raise_if_refused(answer, "GET /v2/")
    if answer.status not in (200, 401) or (answer.status == 401 and "www-authenticate" not in answer.headers):
        raise RegistryError(
            Outcome.CHALLENGE, f"GET /v2/ was answered with HTTP {answer.status}, as no registry does", answer
        )
    step = "GET /v2/ answers, without credentials"
    record.note(step, outcome=Outcome.REACHED, detail=step, status=answer.status)


async def _sign_in(azure: Azure, connection: RegistryClient, challenge: Challenge, record: _Record) -> None:
    try:
        entra = await azure.token(ACR_SCOPE)
    except AzureError as error:
        raise RegistryError(
            Outcome.IDENTITY, f"no Entra token for container registries: {type(error).__name__}"
        ) from None
    refresh = await connection.refresh_token(challenge, entra)
    step = "POST /oauth2/exchange signs Pullwatch's identity in"
    record.note(step, outcome=Outcome.REACHED, detail=step, signed_in=True)
    repository = connection.target.repository
    if repository is None:
        return
    token = await connection.access_token(challenge, repository, refresh)
    if may_pull(token, repository) is False:
        raise RegistryError(Outcome.ACCESS_TOKEN, f"the access token holds no right to pull {repository}")
    record.note(f"the access token may pull {repository}", repository=repository)


async def _data_endpoints(azure: Azure, target: Target, lookup: connections.Lookup) -> tuple[DataEndpoint, ...]:
    suffix = f".{azure.settings.cloud.acr_suffix}"
    hosts = [host.lower() for host in target.data_endpoints[:MAX_DATA_ENDPOINTS] if host.lower().endswith(suffix)]
    return tuple(await asyncio.gather(*(_data_endpoint(azure, host, lookup) for host in hosts)))


async def _data_endpoint(azure: Azure, host: str, lookup: connections.Lookup) -> DataEndpoint:
    target = Target(host=host, known=True)
    try:
        async with asyncio.timeout(min(DATA_SECONDS, azure.settings.call_seconds)):
            async with connect(azure.settings, target, lookup=lookup, trust=azure.trust()) as connection:
                return DataEndpoint(host, Outcome.REACHED, f"TLS until {connection.certificate.valid_until}")
    except TimeoutError:
        return DataEndpoint(host, Outcome.CONNECT_TIMEOUT, f"no answer of {host} in time")
    except RegistryError as error:
        return DataEndpoint(host, error.outcome, str(error))
