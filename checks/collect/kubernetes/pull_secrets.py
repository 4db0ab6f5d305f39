"""Pull secrets by reference: those that pods and their service accounts name, read one by one, and tried.

Nothing here runs unless PULLWATCH_READ_PULL_SECRETS is on. A secret's values stay in memory here: they leave it
only as the Authorization header of the registry's own token endpoint, at login servers that ARM returned (and, with
PULLWATCH_PROBE_OTHERS, at the public host that the pods' images name). What is handed on are facts without values.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime
from functools import partial
from urllib.parse import urlencode, urlsplit

import msgspec

from checks.collect.arm import reads
from checks.collect.arm.client import Azure
from checks.collect.arm.inventory import Inventory
from checks.collect.kubernetes import bodies
from checks.collect.kubernetes.calls import SERVICE_ACCOUNTS, ApiRefusal, KubernetesApi, in_namespace
from checks.collect.kubernetes.connection import open_api
from checks.collect.kubernetes.kubeconfig import of_cluster as kubeconfig_of
from checks.collect.kubernetes.lists import RESERVE, Reader, deadline
from checks.collect.kubernetes.objects import ServiceAccount
from checks.collect.kubernetes.refusals import error_of
from checks.collect.kubernetes.secret_bodies import MAX_BYTES, Credential, Decoded, decode
from checks.collect.kubernetes.service_accounts import named_identity
from checks.collect.registry import client as registry
from checks.collect.wire import connections
from checks.collect.wire.errors import CollectError, Temporary, translate_errors
from checks.collect.wire.throttling import wait_out
from checks.facts import Cluster, ContainerImage, NotSeen, NotSeenReason, Seen, Workloads
from checks.facts.pulls import CredentialTest, PullSecret
from checks.facts.registry_details import Outcome
from checks.rules import images
from checks.rules.access.pull_secrets import DOCKER_HUB_KEY, key_matches, match_target, names_of
from checks.rules.fair_share import fair_share
from checks.rules.fixes import az_roles

MAX_SECRETS = 200
MAX_TRIED = 50
MAX_REPOSITORIES = 20
AT_ONCE = 8
TRIES_AT_ONCE = 4
TRY_SECONDS = 15.0
SECRETS_READ = "Microsoft.ContainerService/managedClusters/secrets/read"

Secrets = dict[str, Seen[PullSecret] | NotSeen]
Found = Seen[Workloads] | NotSeen


async def read(azure: Azure, inventory: Inventory, cluster: Cluster, workloads: Found) -> tuple[Found, Secrets]:
    """The workloads with their service accounts' pull secrets filled in, and every named secret's facts.

    Kubernetes itself fills them in when a pod is made; a pod that names none is given its account's here.
    """
    if not azure.settings.read_pull_secrets or isinstance(workloads, NotSeen):
        return workloads, {}
    if (
        workloads.value.read_through
    ):  # Run Command would carry the values through Azure Resource Manager, which keeps its output
        gap = NotSeen(
            NotSeenReason.UNREACHABLE, "the API server is out of reach, and secrets are not read by Run Command"
        )
        return workloads, dict.fromkeys(named(workloads.value), gap)
    try:
        async with asyncio.timeout(azure.settings.cluster_seconds):
            return await _read(azure, inventory, cluster, workloads)
    except TimeoutError:
        gap = NotSeen(NotSeenReason.UNREACHABLE, f"pull secrets not read within {azure.settings.cluster_seconds} s")
    except CollectError as error:
        gap = error.as_gap()
    return workloads, dict.fromkeys(named(workloads.value), gap)


async def _read(
    azure: Azure, inventory: Inventory, cluster: Cluster, workloads: Seen[Workloads]
) -> tuple[Found, Secrets]:
    until = deadline(azure)
    kubeconfig = await kubeconfig_of(azure, cluster)
    async with open_api(azure, cluster, kubeconfig) as api:
        workloads = await _with_accounts(Reader(azure, cluster, api, bytearray(), until), workloads)
        names = named(workloads.value)
        chosen = fair_share(((name.partition("/")[0], name) for name in names), MAX_SECRETS)
        limit = asyncio.Semaphore(AT_ONCE)

        async def bounded(name: str) -> Decoded | NotSeen:
            async with limit:
                return await _read_secret(azure, cluster, api, name, until - RESERVE)

        decoded_by_name = dict(zip(chosen, await asyncio.gather(*(bounded(name) for name in chosen)), strict=True))
    tried = await _tried(azure, inventory, workloads.value, decoded_by_name)
    too_many = NotSeen(NotSeenReason.LIMIT, f"only {MAX_SECRETS} pull secrets of a cluster are read")
    secrets: Secrets = {name: tried.get(name, too_many) for name in names}
    return workloads, secrets


def named(workloads: Workloads) -> tuple[str, ...]:
    """The secrets ("namespace/name") that pods name, the most used first."""
    counted = Counter(name for container in workloads.containers for name in names_of(container))
    return tuple(sorted(counted, key=lambda name: (-counted[name], name)))


async def _with_accounts(reader: Reader, workloads: Seen[Workloads]) -> Seen[Workloads]:
    """Accounts that may not be listed change nothing: pods show their secrets themselves in all but odd cases."""
    if all(container.pull_secrets for container in workloads.value.containers):
        return workloads
    try:
        listed = await reader.whole(SERVICE_ACCOUNTS, ServiceAccount, _account)
    except CollectError:
        return workloads
    accounts = {account: secrets for account, secrets, _ in listed.items if secrets}
    client_ids = dict(pair for _, _, named in listed.items for pair in named)
    if not accounts and not client_ids:
        return workloads
    containers = tuple(_given(container, accounts) for container in workloads.value.containers)
    value = msgspec.structs.replace(workloads.value, containers=containers, client_ids=client_ids)
    return msgspec.structs.replace(workloads, value=value)


def _account(account: ServiceAccount) -> list[tuple[str, tuple[str, ...], list[tuple[str, str]]]]:
    secrets = tuple(s.name for s in account.image_pull_secrets or [] if s.name)
    return [(f"{account.metadata.namespace}/{account.metadata.name}", secrets, named_identity(account))]


def _given(container: ContainerImage, accounts: dict[str, tuple[str, ...]]) -> ContainerImage:
    account = f"{container.namespace}/{container.service_account or 'default'}"
    if container.pull_secrets or account not in accounts:
        return container
    return msgspec.structs.replace(container, pull_secrets=accounts[account])


async def _read_secret(
    azure: Azure, cluster: Cluster, api: KubernetesApi, name: str, until: float
) -> Decoded | NotSeen:
    namespace, _, secret = name.partition("/")
    try:
        raw = await wait_out(partial(_get, azure, cluster, api, namespace, secret), until)
        return Decoded(PullSecret(name=name, exists=False)) if raw is None else decode(raw, name)
    except CollectError as error:
        return error.as_gap()
    except _Forbidden as error:
        return NotSeen(
            NotSeenReason.NOT_ALLOWED, str(error), SECRETS_READ, az_roles.grant_secret_reader(cluster, namespace)
        )


class _Forbidden(Exception):
    """403: the text says what is missing."""


async def _get(azure: Azure, cluster: Cluster, api: KubernetesApi, namespace: str, name: str) -> bytes | None:
    """The secret's bytes, or None where it does not exist. Raises CollectError or _Forbidden."""
    seconds = float(azure.settings.call_seconds)
    try:
        path = in_namespace(namespace, "secrets", name)
    except ValueError:
        return None
    try:
        async with translate_errors(f"read the secret {namespace}/{name}", SECRETS_READ, cluster.id, seconds):
            response = await api.get(path, seconds)
            async with response:
                raw = await bodies.whole(response, MAX_BYTES, "for one secret")
                status, headers = response.status, dict(response.headers)
    except ApiRefusal as error:
        status, headers, raw = error.status, dict(error.headers), b""
    if status == 404:
        return None
    if status in (401, 429):
        raise error_of(status, headers, raw, cluster, SECRETS_READ, datetime.now(UTC))
    if status == 403:
        raise _Forbidden(f"reading the secret {namespace}/{name} is not allowed: get on secrets is missing")
    if status != 200:
        raise Temporary(f"the Kubernetes API answered {status} for the secret {namespace}/{name}")
    return raw


class _Try(msgspec.Struct, frozen=True):
    """One credential to be tried at one registry for these repositories."""

    secret: str
    entry: int
    host: str
    repositories: tuple[str, ...]


async def _tried(
    azure: Azure, inventory: Inventory, workloads: Workloads, secrets: dict[str, Decoded | NotSeen]
) -> Secrets:
    """The secrets' facts with what registries said to them; the same credential is tried once at each registry."""
    wanted = _wanted(workloads, secrets)
    limit = asyncio.Semaphore(TRIES_AT_ONCE)
    groups: list[tuple[Credential, str, list[_Try]]] = []
    for attempt in wanted:
        decoded = secrets[attempt.secret]
        assert isinstance(decoded, Decoded)
        credential = decoded.credentials[attempt.entry]
        same = next((g for g in groups if g[1] == attempt.host and g[0].same_as(credential)), None)
        if same is None:
            groups.append((credential, attempt.host, [attempt]))
        else:
            same[2].append(attempt)

    owned = ((attempt.secret.partition("/")[0], n) for n, (_, _, made) in enumerate(groups) for attempt in made)
    tried = frozenset(fair_share(owned, MAX_TRIED))

    async def ask(index: int) -> CredentialTest:
        credential, host, attempts = groups[index]
        repositories = tuple(sorted({r for attempt in attempts for r in attempt.repositories}))[:MAX_REPOSITORIES]
        if index not in tried:
            return CredentialTest(registry=host, detail=f"only {MAX_TRIED} credentials of a cluster are tried")
        async with limit:
            return await _ask(azure, inventory, host, credential, repositories)

    answers = await asyncio.gather(*(ask(index) for index in range(len(groups))))
    tests: dict[tuple[str, int], list[CredentialTest]] = {}
    for (_, _, attempts), answer in zip(groups, answers, strict=True):
        for attempt in attempts:
            tests.setdefault((attempt.secret, attempt.entry), []).append(answer)
    return {name: _facts(name, one, tests) for name, one in secrets.items()}


def _facts(
    name: str, decoded: Decoded | NotSeen, tests: dict[tuple[str, int], list[CredentialTest]]
) -> Seen[PullSecret] | NotSeen:
    if isinstance(decoded, NotSeen):
        return decoded
    entries = tuple(
        msgspec.structs.replace(entry, asked=tuple(tests.get((name, index), ())))
        for index, entry in enumerate(decoded.facts.entries)
    )
    facts = msgspec.structs.replace(decoded.facts, entries=entries)
    return Seen(facts, reads.evidence(f"secret {name}, without its values", "Kubernetes API", "v1"))


def _wanted(workloads: Workloads, secrets: dict[str, Decoded | NotSeen]) -> list[_Try]:
    """What is to be tried: entries with a user and a password, for hosts that images of the secret's pods come from."""
    repositories: dict[tuple[str, int, str], set[str]] = {}
    for secret, image in _pairs(workloads):
        decoded, target, parsed = secrets.get(secret), match_target(image), images.parse(image)
        if not isinstance(decoded, Decoded) or target is None or parsed is None:
            continue
        for index, entry in enumerate(decoded.facts.entries):
            hub = parsed.host == images.DOCKER_HUB and entry.key == DOCKER_HUB_KEY
            if entry.has_password and (hub or key_matches(entry.key, target)):
                repositories.setdefault((secret, index, parsed.host), set()).add(parsed.repository)
    return [_Try(*key, tuple(sorted(names))) for key, names in sorted(repositories.items())]


def _pairs(workloads: Workloads) -> set[tuple[str, str]]:
    return {(name, container.image) for container in workloads.containers for name in names_of(container)}


async def _ask(
    azure: Azure, inventory: Inventory, host: str, credential: Credential, repositories: tuple[str, ...]
) -> CredentialTest:
    target = _target(azure, inventory, host)
    if target is None:
        why = f"{host} is no registry that Azure Resource Manager returned, and PULLWATCH_PROBE_OTHERS is off"
        return CredentialTest(registry=host, detail=why)
    if connections.behind_proxy(azure.settings.connect_to, host):
        return CredentialTest(registry=host, detail="connections from here go through a proxy")
    try:
        seconds = min(TRY_SECONDS, float(azure.settings.call_seconds))
        until = asyncio.get_running_loop().time() + seconds - RESERVE
        async with asyncio.timeout(seconds):
            async with registry.connect(azure.settings, target, trust=azure.trust(), wait_until=until) as connection:
                return await _try_credential(connection, host, credential, repositories)
    except TimeoutError:
        return CredentialTest(registry=host, detail=f"{host} gave no answer in time")
    except registry.RegistryError as error:
        return CredentialTest(registry=host, detail=str(error))


def _target(azure: Azure, inventory: Inventory, host: str) -> registry.Target | None:
    """Where a password may go: a login server that ARM returned under the cloud's suffix, or what a setting allows."""
    if isinstance(inventory.registry(host), Seen):
        ours = host.endswith(f".{azure.settings.cloud.acr_suffix}")
        return registry.Target(host=host, known=True) if ours else None
    return registry.Target(host=host) if azure.settings.probe_others else None


async def _try_credential(
    connection: registry.RegistryClient, host: str, credential: Credential, repositories: tuple[str, ...]
) -> CredentialTest:
    """``GET realm?service&scope…`` with the credential, as docker and containerd do. Raises RegistryError."""
    challenge = await connection.challenge()
    scopes = [("scope", f"repository:{repository}:pull") for repository in repositories]
    query = urlencode([("service", challenge.service), *scopes])
    answer = await connection.send(
        "GET", f"{urlsplit(challenge.realm).path}?{query}", headers={"Authorization": credential.basic()}
    )
    if answer.status == 401:
        return CredentialTest(registry=host, accepted=False, detail="its token endpoint answered HTTP 401")
    if answer.status != 200:
        raise registry.RegistryError(Outcome.ACCESS_TOKEN, f"its token endpoint answered HTTP {answer.status}")
    token = registry.token_of(answer)
    may = {repository: registry.may_pull(token, repository) for repository in repositories if token}
    return CredentialTest(
        registry=host,
        accepted=True,
        detail="its token endpoint answered HTTP 200",
        pulls=tuple(repository for repository, tests in may.items() if tests),
        refused=tuple(repository for repository, tests in may.items() if tests is False),
    )
