"""Facts for the tests of the checks on images and pull secrets, based on those for access."""

from __future__ import annotations

from typing import Any

import msgspec

from checks.facts import ClusterFacts, ContainerImage, NotSeen, NotSeenReason, PodEvent, RegistryUse, Seen, Workloads
from checks.facts.pulls import DOCKER_CONFIG_JSON, CredentialTest, PullSecret, SecretEntry, UserKind
from checks.rules import images
from checks.rules.pull import pull_times
from tests.support import access_facts as base

ACR = "acrone.azurecr.io"
WEB = f"{ACR}/team/web:1"


def container(image: str = WEB, *secrets: str, **over: Any) -> ContainerImage:
    given: dict[str, Any] = {
        "namespace": "default",
        "pod": "web-1",
        "workload": "default/Deployment/web",
        "container": "main",
        "kind": "main",
        "image": image,
        "pull_secrets": secrets,
        "node": "aks-system-12345678-vmss000000",
    }
    return ContainerImage(**(given | over))


def event(reason: str, message: str, **over: Any) -> PodEvent:
    given: dict[str, Any] = {"namespace": "default", "pod": "web-1", "last_seen": "2026-11-24T11:59:00Z"}
    return PodEvent(reason=reason, message=message, **(given | over))


def pulled(image: str = WEB, seconds: str = "1.2s", size: int = 104_857_600, **over: Any) -> PodEvent:
    text = f'Successfully pulled image "{image}" in {seconds} ({seconds} including waiting). Image size: {size} bytes.'
    return event("Pulled", text, **over)


def workloads(*containers: ContainerImage, events: Any = ()) -> Seen[Workloads]:
    event_facts = events if isinstance(events, NotSeen) else base.seen(tuple(events))
    return base.seen(Workloads(containers=containers, events=event_facts, pods=len(containers)))


def facts(*containers: ContainerImage, events: Any = (), **over: Any) -> ClusterFacts:
    """A cluster with these containers. ARM has ``acrone``; AcrPull is assigned unless authorization is given."""
    hosts: dict[str, list[ContainerImage]] = {}
    for used in containers:
        host = images.host_of(used.image)
        if host is not None:
            hosts.setdefault(host, []).append(used)
    given: dict[str, Any] = {
        "workloads": workloads(*containers, events=events),
        "uses": tuple(use_of(host, used) for host, used in hosts.items()),
    }
    built = base.facts(**(given | over))
    if isinstance(built.workloads, NotSeen):
        return built
    return msgspec.structs.replace(
        built, pull_times=pull_times.measure_pull_times(built.workloads.value, built.cluster.pools)
    )


def use_of(host: str, used: list[ContainerImage], registry: Any = None) -> RegistryUse:
    acr = host.endswith(".azurecr.io")
    elsewhere = NotSeen(NotSeenReason.NOT_APPLICABLE, f"{host} is not a registry of this cloud")
    known = base.seen(base.registry(login_server=host)) if acr else elsewhere
    return RegistryUse(login_server=host, sources=("images",), registry=registry or known, acr=acr, images=tuple(used))


NO_ROLE = {base.SUBSCRIPTION: base.authorization()}
REFUSED_ROLES = {base.SUBSCRIPTION: base.authorization(assignments=base.REFUSED)}


def entry(key: str = ACR, accepted: bool | None = True, **over: Any) -> SecretEntry:
    host = "docker.io" if key == "index.docker.io" else key.partition("/")[0].replace("*", "acrone")
    given: dict[str, Any] = {
        "key": key,
        "user": UserKind.NAMED,
        "has_password": True,
        "asked": (CredentialTest(registry=host, accepted=accepted, detail="its token endpoint answered"),),
    }
    return SecretEntry(**(given | over))


def secret(*entries: SecretEntry, name: str = "default/regcred", **over: Any) -> dict[str, Any]:
    """One pull secret as ``ClusterFacts.pull_secrets`` holds it."""
    given: dict[str, Any] = {"name": name, "type": DOCKER_CONFIG_JSON, "entries": entries}
    return {name: base.seen(PullSecret(**(given | over)))}
