"""A generated fleet: who is where and pulls from whom. Everything that is written of it follows from it."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from simulator.registry import manifests

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
REGIONS = ("westeurope", "northeurope", "germanywestcentral", "eastus2")
TEAMS = ("shop", "billing", "search", "media", "ledger", "fleet", "portal", "data")
APPS = ("api", "web", "worker", "gateway", "cron", "events")
SYSTEM_REPOSITORIES = ("oss/kubernetes/coredns", "oss/kubernetes/kube-proxy", "oss/kubernetes-csi/livenessprobe")
SYSTEM_REGISTRY = "mcr.microsoft.com"
RULES_LIMIT = 150  # a registry takes 200 rules; one with more clusters than this stays open


class Refused(Exception):
    """The folder holds something this would overwrite."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """`subscriptions`, `clusters` and `registries` in all; `pods` and `namespaces` per cluster, system pods apart.

    `workspaces` is how many Log Analytics workspaces there are, to which the registries send what they see by turns.
    `now` is the time pods and events are told relative to; events older than an hour are history to a reader.
    """

    subscriptions: int = 2
    clusters: int = 6
    registries: int = 3
    pods: int = 20
    namespaces: int = 3
    seed: int = 1
    now: datetime = NOW
    workspaces: int = 0


@dataclass(frozen=True, slots=True)
class Registry:
    index: int
    name: str
    subscription: str
    group: str
    region: str
    sku: str
    by_repository: bool
    restricted: bool  # its firewall lets in only the egress of its clusters, and the app
    repositories: dict[str, dict[str, dict[str, Any]]]

    @property
    def login_server(self) -> str:
        return f"{self.name}.azurecr.io"

    @property
    def id(self) -> str:
        return f"{self.group_id}/providers/Microsoft.ContainerRegistry/registries/{self.name}"

    @property
    def group_id(self) -> str:
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"


@dataclass(frozen=True, slots=True)
class Cluster:
    index: int
    name: str
    subscription: str
    group: str
    region: str
    registries: tuple[Registry, ...]
    principal: str
    client: str
    address: str
    nat: bool
    pools: tuple[tuple[str, int], ...]  # name and node count

    @property
    def node_group(self) -> str:
        return f"MC_{self.group}_{self.name}_{self.region}"


@dataclass(frozen=True, slots=True)
class Fleet:
    wanted: Wanted
    subscriptions: tuple[str, ...]
    registries: tuple[Registry, ...]
    clusters: tuple[Cluster, ...] = field(default=())

    def guid(self, *what: object) -> str:
        return guid(self.wanted.seed, *what)

    def workspace_id(self, number: int) -> str:
        """The id of a workspace; all stand in one group of the first subscription, as platform teams have them."""
        group = f"/subscriptions/{self.subscriptions[0]}/resourceGroups/rg-monitoring"
        return f"{group}/providers/Microsoft.OperationalInsights/workspaces/log-{number:03}"


def guid(seed: int, *what: object) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, "/".join(["pullwatch", str(seed), *map(str, what)])))


def plan(wanted: Wanted) -> Fleet:
    """Who is where and pulls from whom; everything else follows from it."""
    if (
        wanted.subscriptions < 1
        or min(wanted.clusters, wanted.registries, wanted.pods, wanted.namespaces, wanted.workspaces) < 0
    ):
        raise Refused("a fleet needs a subscription, and numbers that are not negative")
    subscriptions = tuple(guid(wanted.seed, "subscription", i) for i in range(wanted.subscriptions))
    users = max(1, wanted.clusters * 2 // max(wanted.registries, 1))
    registries = tuple(_registry(wanted, i, subscriptions, users) for i in range(wanted.registries))
    clusters = tuple(_cluster(wanted, i, subscriptions, registries) for i in range(wanted.clusters))
    return Fleet(wanted, subscriptions, registries, clusters)


def _registry(wanted: Wanted, index: int, subscriptions: tuple[str, ...], users: int) -> Registry:
    draw = random.Random(f"{wanted.seed}/registry/{index}")
    team = TEAMS[index % len(TEAMS)]
    repositories = [f"{team}/{app}" for app in draw.sample(APPS, 4)]
    sku = "Standard" if index % 4 == 3 else "Premium"
    return Registry(
        index=index,
        name=f"acr{team}{index:03}{guid(wanted.seed, 'registry', index)[:4]}",
        subscription=subscriptions[index % len(subscriptions)],
        group=f"rg-registries-{index:03}",
        region=REGIONS[index % len(REGIONS)],
        sku=sku,
        by_repository=index % 6 == 4,
        restricted=sku == "Premium" and index % 4 == 1 and users <= RULES_LIMIT,
        repositories=made_repositories(repositories, tuple(f"1.{draw.randrange(40)}.{n}" for n in range(3))),
    )


def made_repositories(names: Iterable[str], tags: tuple[str, ...]) -> dict[str, dict[str, dict[str, Any]]]:
    """The content of a registry: every repository with these tags, each for two platforms."""
    platforms = ["linux/amd64", "linux/arm64"]
    return {
        name: {tag: {"digest": manifests.made_digest(name, tag, platforms), "platforms": platforms} for tag in tags}
        for name in names
    }


def _cluster(wanted: Wanted, index: int, subscriptions: tuple[str, ...], registries: tuple[Registry, ...]) -> Cluster:
    draw = random.Random(f"{wanted.seed}/cluster/{index}")
    team = TEAMS[index % len(TEAMS)]
    home = index % len(registries) if registries else 0
    used = [registries[home]] if registries else []
    if len(registries) > 1 and draw.random() < 0.5:
        used.append(registries[(home + 1) % len(registries)])
    return Cluster(
        index=index,
        name=f"aks-{team}-{index:04}",
        subscription=subscriptions[index % len(subscriptions)],
        group=f"rg-{team}-{index:04}",
        region=REGIONS[index % len(REGIONS)],
        registries=tuple(used),
        principal=guid(wanted.seed, "kubelet principal", index),
        client=guid(wanted.seed, "kubelet client", index),
        address=f"20.{160 + index // 65_536}.{index // 256 % 256}.{index % 256}",
        nat=index % 5 == 4,
        pools=(("system", 3), ("apps", 2 + draw.randrange(4))),
    )
