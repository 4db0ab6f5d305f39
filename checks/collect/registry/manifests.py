"""Whether images in use still exist: their manifests, asked of the registry with Pullwatch's own identity (PW302).

Only Azure registries that ARM returned are asked, one after another request each, at most PACE of them a second. One
refresh token a registry and one access token a repository serve the whole run; an image is asked for once a run,
however many clusters use it. The flow is that of registry.py; the attributes (``/acr/v1/…/_manifests/…``) are the ACR
data plane's own: they tell the platform of a single image, quarantine and whether reading is switched off.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import quote

import msgspec
from azure.core.exceptions import AzureError

from checks.collect.arm import bodies
from checks.collect.arm.client import Azure
from checks.collect.arm.inventory import Inventory
from checks.collect.arm.reads import evidence
from checks.collect.registry import client
from checks.collect.wire import connections
from checks.facts import NotSeen, NotSeenReason, RegistryUse, Seen
from checks.facts.pulls import Manifest
from checks.facts.registry_details import Outcome
from checks.rules import images
from checks.rules.fair_share import fair_share
from checks.rules.pull.observed_pulls import WAITING_FOR_IMAGE
from checks.text import one_line

MAX_PER_CLUSTER = 100
MAX_PER_RUN = 1_000
MAX_PLATFORMS = 50
REGISTRIES_AT_ONCE = 4
PACE = 50.0  # requests a second at one registry: 3,000 of the 5,000 a minute that ACR gives one identity
HOST_SECONDS = 60.0
RESERVE = 1.0  # seconds kept back, so that throttling that does not end is told as that
INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
ACCEPT = ", ".join(
    (
        *INDEXES,
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
    )
)

Manifests = dict[str, Seen[Manifest] | NotSeen]


async def of_cluster(
    azure: Azure, inventory: Inventory, uses: tuple[RegistryUse, ...], missed: Iterable[str] = ()
) -> Manifests:
    """The manifests of a cluster's images by ``images.canonical``; nothing where PULLWATCH_CHECK_IMAGES is off.

    ``missed`` are images that registries did not have when nodes asked: whether they are there now.
    """
    if not azure.settings.check_images:
        return {}
    read = {use.login_server for use in uses if isinstance(use.registry, Seen)}
    by_log = [("", one) for text in missed if (one := images.parse(text)) is not None and one.host in read]
    wanted = [*_wanted(uses), *by_log]
    chosen = fair_share(wanted, MAX_PER_CLUSTER)
    by_host: dict[str, list[images.ImageReference]] = {}
    for reference in chosen:
        by_host.setdefault(reference.host, []).append(reference)
    limit = asyncio.Semaphore(REGISTRIES_AT_ONCE)

    async def bounded(host: str) -> Manifests:
        async with limit:
            return await _host(azure, inventory, host, by_host[host])

    manifests = await asyncio.gather(*(bounded(host) for host in by_host))
    too_many = NotSeen(NotSeenReason.LIMIT, f"only {MAX_PER_CLUSTER} images of a cluster are asked for")
    capped: Manifests = {images.canonical(one): too_many for _, one in wanted if one not in frozenset(chosen)}
    return capped | {key: value for part in manifests for key, value in part.items()}


def _wanted(uses: tuple[RegistryUse, ...]) -> list[tuple[str, images.ImageReference]]:
    """The references at registries that ARM returned, by namespace: those that pods wait for first, then by use."""
    used = [image for use in uses if isinstance(use.registry, Seen) for image in use.images]
    counts = Counter((image.namespace, image.image) for image in used)
    waiting = {image.image for image in used if image.waiting_reason in WAITING_FOR_IMAGE}
    ordered = sorted(counts.items(), key=lambda pair: (pair[0][1] not in waiting, -pair[1], pair[0]))
    parsed = ((namespace, images.parse(text)) for (namespace, text), _ in ordered)
    return [(namespace, reference) for namespace, reference in parsed if reference is not None]


async def _host(azure: Azure, inventory: Inventory, host: str, references: list[images.ImageReference]) -> Manifests:
    """All references of one registry over one connection; what is not reached in time is a gap, and so is the rest.

    The connection is made for the first image that nobody asked for yet: most of a cluster's are another's too.
    """
    manifests: Manifests = {}
    gap = _not_to_be_asked(azure, host)
    if gap is None:
        try:
            async with asyncio.timeout(HOST_SECONDS), AsyncExitStack() as opened:
                gap = await _all(_Asker(azure, inventory, host, opened), references, manifests)
        except TimeoutError:
            gap = NotSeen(NotSeenReason.UNREACHABLE, f"{host} did not answer for all images within {HOST_SECONDS:g} s")
        except client.RegistryError as error:
            gap = _gap(host, error)
    rest = gap or NotSeen(NotSeenReason.ERROR, f"{host} was not asked")
    return {key: manifests.get(key, rest) for key in map(images.canonical, references)}


def _not_to_be_asked(azure: Azure, host: str) -> NotSeen | None:
    if not host.endswith(f".{azure.settings.cloud.acr_suffix}"):
        return NotSeen(NotSeenReason.OFF, f"{host} is not under the cloud's own suffix, so no token is sent there")
    if connections.behind_proxy(azure.settings.connect_to, host):
        return NotSeen(NotSeenReason.OFF, "connections from here go through a proxy")
    return None


async def _all(asker: _Asker, references: list[images.ImageReference], manifests: Manifests) -> NotSeen | None:
    """Asks for one after another; a trouble that concerns the whole registry ends it and is returned."""
    for reference in references:
        key = images.canonical(reference)
        if not asker.may_ask(key):
            manifests[key] = NotSeen(NotSeenReason.LIMIT, f"only {MAX_PER_RUN} images are asked for in one run")
            continue
        try:
            manifests[key] = await asker.manifest(reference)
        except client.RegistryError as error:
            if error.outcome is not Outcome.ACCESS_TOKEN:
                return _gap(reference.host, error)
            manifests[key] = _gap(reference.host, error, reference.repository)
    return None


def _gap(host: str, error: client.RegistryError, repository: str = "") -> NotSeen:
    why = _WHY.get(error.outcome, NotSeenReason.UNREACHABLE)
    role = "AcrPull (or Container Registry Repository Reader) for Pullwatch's identity"
    where = f"{host}/{repository}" if repository else host
    return NotSeen(why, f"{where}: {error}", role if why is NotSeenReason.NOT_ALLOWED else None)


_WHY = {
    Outcome.REFRESH_TOKEN: NotSeenReason.NOT_ALLOWED,
    Outcome.ACCESS_TOKEN: NotSeenReason.NOT_ALLOWED,
    Outcome.IDENTITY: NotSeenReason.NOT_ALLOWED,
    Outcome.TOO_MANY_REQUESTS: NotSeenReason.THROTTLED,
}


class _Asker:
    """One registry's connection with the run's tokens; ``opened`` closes it."""

    def __init__(self, azure: Azure, inventory: Inventory, host: str, opened: AsyncExitStack) -> None:
        self._azure = azure
        self._inventory = inventory
        self._host = host
        self._opened = opened
        self._until = asyncio.get_running_loop().time() + HOST_SECONDS - RESERVE
        self._connected: client.RegistryClient | None = None
        self._challenge: client.Challenge | None = None

    def may_ask(self, key: str) -> bool:
        """Whether the run has room for one more image; one that was asked for already takes none."""
        if key not in self._inventory.images_asked and len(self._inventory.images_asked) >= MAX_PER_RUN:
            return False
        self._inventory.images_asked.add(key)
        return True

    async def manifest(self, reference: images.ImageReference) -> Seen[Manifest]:
        """What the registry has under a reference. Raises RegistryError."""

        async def reading() -> Seen[Manifest]:
            manifest = await self._read(reference)
            return Seen(manifest, evidence(f"manifest of {images.canonical(reference)}", "the registry"))

        return await self._inventory.manifests.get(images.canonical(reference), reading)

    async def _read(self, reference: images.ImageReference) -> Manifest:
        token = await self._token(reference.repository)
        if client.may_pull(token, reference.repository) is False:
            raise client.RegistryError(Outcome.ACCESS_TOKEN, "Pullwatch's own identity may not pull from it")
        wanted = quote(reference.digest or reference.tag or "latest", safe=":")
        path = f"/v2/{reference.repository}/manifests/{wanted}"
        head = await self._send("HEAD", path, token)
        if head.status == 404:
            return Manifest(present=False, code=code_of((await self._send("GET", path, token)).body))
        media = head.headers.get("content-type", "").partition(";")[0].strip().lower()
        digest = head.headers.get("docker-content-digest")
        if media in INDEXES:
            index = await self._send("GET", path, token)
            return Manifest(present=True, digest=digest, platforms=platforms_of(index.body))
        manifest = Manifest(present=True, digest=digest)
        attributes = f"/acr/v1/{reference.repository}/_manifests/{quote(digest, safe=':')}" if digest else ""
        answer = await self._send("GET", attributes, token, optional=True) if attributes else None
        return with_attributes(manifest, answer.body) if answer and answer.status == 200 else manifest

    async def _token(self, repository: str) -> str:
        host, tokens = self._host, self._inventory.registry_tokens

        async def refreshing() -> str:
            try:
                entra = await self._azure.token(client.ACR_SCOPE)
            except AzureError as error:
                config = f"no Entra token for container registries: {type(error).__name__}"
                raise client.RegistryError(Outcome.IDENTITY, config) from None
            return await (await self._connection()).refresh_token(await self._asked(), entra)

        async def granting() -> str:
            refresh = await tokens.get(host, refreshing)
            connection, challenge = await self._connection(), await self._asked()
            return await connection.access_token(challenge, repository, refresh, "pull,metadata_read")

        return await tokens.get(f"{host}/{repository}", granting)

    async def _asked(self) -> client.Challenge:
        if self._challenge is None:
            self._challenge = await (await self._connection()).challenge()
        return self._challenge

    async def _connection(self) -> client.RegistryClient:
        if self._connected is None:
            target = client.Target(host=self._host, known=True, tokens=True)
            opening = client.connect(
                self._azure.settings, target, trust=self._azure.trust(), keep_alive=True, wait_until=self._until
            )
            self._connected = await self._opened.enter_async_context(opening)
        return self._connected

    async def _send(self, method: str, path: str, token: str, *, optional: bool = False) -> client.HttpResponse:
        """One request, not faster than the pace. Raises RegistryError for an answer that is neither 200 nor 404."""
        await asyncio.sleep(1 / PACE)
        headers = {"Authorization": f"Bearer {token}", "Accept": ACCEPT}
        answer = await (await self._connection()).send(method, path, headers=headers)
        if answer.status == 429:
            raise client.RegistryError(Outcome.TOO_MANY_REQUESTS, f"{method} {path}: HTTP 429", answer)
        if answer.status in (401, 403) and not optional:
            raise client.RegistryError(Outcome.ACCESS_TOKEN, f"{method} {path}: HTTP {answer.status}", answer)
        if answer.status not in (200, 404) and not optional:
            raise client.RegistryError(Outcome.CHALLENGE, f"{method} {path}: HTTP {answer.status}", answer)
        return answer


def code_of(body: bytes) -> str:
    """The code of the first error in a registry's answer ("MANIFEST_UNKNOWN", "NAME_UNKNOWN"), or ""."""
    first = next(iter(bodies.objects(_decoded(body), "errors")), {})
    return one_line(bodies.text(first, "code") or "")[:60]


def platforms_of(body: bytes) -> tuple[str, ...]:
    """The platforms of an index, less the entries that are no image (attestations: unknown/unknown)."""
    items = []
    for entry in bodies.objects(_decoded(body), "manifests")[:MAX_PLATFORMS]:
        system = bodies.text(entry, "platform", "os")
        architecture = bodies.text(entry, "platform", "architecture")
        if system and architecture and "unknown" not in (system, architecture):
            items.append(f"{system}/{architecture}"[:60].lower())
    return tuple(sorted(set(items)))


def with_attributes(manifest: Manifest, body: bytes) -> Manifest:
    """The manifest with what ACR's own attributes tell of it."""
    config = bodies.get(_decoded(body), "manifest")
    system, architecture = bodies.text(config, "os"), bodies.text(config, "architecture")
    return msgspec.structs.replace(
        manifest,
        platforms=(f"{system}/{architecture}"[:60].lower(),) if system and architecture else (),
        quarantine=bodies.text(config, "changeableAttributes", "quarantineState"),
        read_enabled=bodies.boolean(config, "changeableAttributes", "readEnabled"),
    )


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
