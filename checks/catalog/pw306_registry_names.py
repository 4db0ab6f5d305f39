"""PW306: registry names in images: login servers, domain name labels, upper case, data and regional hosts."""

from __future__ import annotations

import msgspec

from checks.catalog.capped import capped
from checks.catalog.check import Check, Step
from checks.causes import Cause
from checks.facts import AgentPool, ClusterFacts, ContainerImage, NotSeen, Seen
from checks.findings import Finding, Severity, Subject
from checks.rules import images
from checks.rules.azure import node_images
from checks.rules.azure.node_pools import has_nodes
from checks.rules.fixes import az_aks, kubectl
from checks.rules.pull import image_volumes
from checks.rules.pull.observed_pulls import WAITING_FOR_IMAGE
from checks.rules.registry_names import Oddity, OddName, find_oddity, login_server_of


class NameCause(Cause):
    """Causes of PW306."""

    NAMES_RIGHT = "names-right", "All image names use a login server that nodes can pull from."
    OTHER_LOGIN_SERVER = (
        "other-login-server",
        "The image names a registry of another login server than the one Azure shows.",
    )
    REGIONAL_HOST = "regional-host", "The image names a regional host of the registry."
    REGIONAL_NOT_SERVED = "regional-not-served", "The registry has no regional endpoints."
    DATA_ENDPOINT = "data-endpoint", "The image names a data endpoint, which is no login server."
    PRIVATE_LINK_ALIAS = (
        "privatelink-alias",
        "The image names the alias of a private endpoint, which no certificate covers.",
    )
    HOST_LEFT_OUT = "host-left-out", "The image has no host, so it names Docker Hub."
    UPPER_CASE_HOST = "upper-case-host", "The image's host has upper-case letters."
    UPPER_CASE_REPOSITORY = "upper-case-repository", "The image's repository has upper-case letters."
    NODE_IMAGE_UNCLEAR = "node-image-unclear", "The age of a node image, on which the answer depends, is not shown."
    NO_IMAGE = "no-image", "No image is in use."
    PODS_NOT_READ = "pods-not-read", "The pods were not read, so images in use are not known."
    CAPPED = "capped", "More names are wrong than one scan reports."


CHECK = Check(
    code="PW306",
    title="Registry names",
    severity=Severity.ERROR,
    why="Nodes send their credentials only to host names that they recognize as a registry; other pulls are anonymous.",
    how=(
        "From the images that pods name: a data endpoint's host is no registry, nor is NAME.privatelink.azurecr.io, "
        "the alias that private DNS leads through; a regional host needs a Premium registry and node images of "
        "29 July 2026 or later on every pool (older ones match *.azurecr.io only, one label); repositories are lower "
        "case; where Azure Resource Manager knows the registry under another login server (a domain name label adds "
        "-<hash>) the right one is named; and an image that Docker Hub is asked for although its first part is the "
        "name of a registry of ours lacks its host. The last two and an upper-case host warn unless every pod waits."
    ),
    permissions=("Azure Kubernetes Service RBAC Reader on the cluster", "Reader on the registries"),
    fix="Name the login server that Azure Resource Manager shows (properties.loginServer), in lower case.",
    article=("registry name",),
    links=("https://learn.microsoft.com/azure/container-registry/container-registry-get-started-azure-cli",),
    speaks_of_all_pods=True,
    step=Step.REGISTRY,
    causes=(NameCause,),
)

FIRST_WITH_REGIONAL = (2026, 7, 29)
MAX_FINDINGS = 30
_WORDS = {
    Oddity.DATA_HOST: "names a data endpoint, which serves layers and no manifests",
    Oddity.PRIVATE_LINK_ALIAS: (
        "names the alias of the registry's private endpoint, which no certificate covers and to which nodes send no "
        "credentials"
    ),
    Oddity.UPPER_CASE_REPOSITORY: "has upper-case letters where only lower-case ones are valid",
    Oddity.UPPER_CASE_HOST: "spells its registry with upper-case letters, which nodes may not match",
    Oddity.OTHER_LOGIN_SERVER: "names a host that is not the login server of the registry of that name",
    Oddity.HOST_LEFT_OUT: "is asked of Docker Hub, though its first part is the name of one of our registries",
}
_CERTAIN = (Oddity.DATA_HOST, Oddity.PRIVATE_LINK_ALIAS, Oddity.UPPER_CASE_REPOSITORY)


class _Odd(msgspec.Struct, frozen=True):
    """One odd image with the containers that name it."""

    image: str
    named: OddName
    containers: tuple[ContainerImage, ...]


def judge(facts: ClusterFacts) -> tuple[Finding, ...]:
    """One finding per odd image; one for the cluster where none is."""
    subject = Subject(facts.cluster.id)
    if isinstance(facts.workloads, NotSeen):
        return (
            CHECK.skipped(subject, NameCause.PODS_NOT_READ, "the cluster's pods were not read, which name the images"),
        )
    by_image: dict[str, list[ContainerImage]] = {}
    for container in facts.workloads.value.containers:
        by_image.setdefault(container.image, []).append(container)
    if not by_image:
        return (CHECK.skipped(subject, NameCause.NO_IMAGE, "no pod names an image"),)
    odds = [
        _Odd(image, named, tuple(containers))
        for image, containers in sorted(by_image.items())
        if (named := find_oddity(image, facts.arm_registries)) is not None
    ]
    findings = [finding for one in odds if (finding := _finding(facts, one)) is not None]
    if findings:
        return capped(CHECK, findings, MAX_FINDINGS, subject, NameCause.CAPPED, "images have odd registry names")
    summary = f"All {len(by_image)} image references name their registry as nodes expect it."
    return (CHECK.passes(subject, NameCause.NAMES_RIGHT, summary, (facts.workloads.evidence,)),)


def _finding(facts: ClusterFacts, one: _Odd) -> Finding | None:
    subject = Subject(
        facts.cluster.id,
        registry=login_server_of(images.host_of(one.image) or ""),
        image=one.image,
        workload=one.containers[0].workload,
    )
    if one.named.oddity is Oddity.REGIONAL_HOST:
        return _regional(facts, one, subject)
    waiting = all(container.waiting_reason in WAITING_FOR_IMAGE for container in one.containers)
    right = f" It is {one.named.right}." if one.named.right else ""
    return CHECK.fails(
        subject,
        one.named.oddity.value,
        f"{one.image} {_WORDS[one.named.oddity]}.{right}",
        fix=_fix(one),
        severity=Severity.ERROR if one.named.oddity in _CERTAIN or waiting else Severity.WARNING,
    )


def _regional(facts: ClusterFacts, one: _Odd, subject: Subject) -> Finding | None:
    """A regional host: the registry has to have it, and node images to be new where their identity is to be offered."""
    gone = _not_served(facts, subject)
    if gone:
        right = f" It is {one.named.right}." if one.named.right else ""
        return CHECK.fails(
            subject,
            NameCause.REGIONAL_NOT_SERVED,
            f"{one.image} names a regional host, but {gone}.{right}",
            fix=_fix(one),
        )
    if all(container.pull_secrets for container in one.containers):
        return None
    running = [pool for pool in facts.cluster.pools if has_nodes(pool)]
    dates = {pool.name: node_images.date_of(pool.node_image_version) for pool in running}
    old = [pool for pool in running if (date := dates[pool.name]) is not None and date < FIRST_WITH_REGIONAL]
    if old:
        return CHECK.fails(
            subject,
            Oddity.REGIONAL_HOST.value,
            f"{one.image} names a regional host, to which the nodes of {_pools(old)} do not offer their identity: "
            "their images are older than 202607.29.",
            fix=tuple(az_aks.upgrade_node_image(facts.cluster, pool.name) for pool in old[:10]),
        )
    unclear = [pool for pool in running if dates[pool.name] is None]
    if unclear or not running:
        missing = f"the node image versions of {_pools(unclear)}" if unclear else "a pool with nodes"
        summary = (
            f"{one.image} names a regional host, which needs node images of 202607.29 or later. The age of the node "
            "images is not shown."
        )
        return CHECK.unknown(subject, NameCause.NODE_IMAGE_UNCLEAR, summary, missing=missing)
    return None


def _not_served(facts: ClusterFacts, subject: Subject) -> str:
    """Why a registry has no regional endpoints, as far as Azure Resource Manager shows it; "" where it may."""
    used = (use.registry for use in facts.uses if use.login_server == subject.registry)
    registry = next((part.value for part in used if isinstance(part, Seen)), None)
    if registry is None:
        return ""
    if (registry.sku or "premium").lower() != "premium":
        return f"{registry.name} is a {registry.sku} registry, and only Premium ones have regional endpoints"
    off = (registry.regional_endpoints or "enabled").lower() == "disabled"
    return f"{registry.name} has regional endpoints disabled" if off else ""


def _pools(pools: list[AgentPool]) -> str:
    return ", ".join(f"{pool.name} ({pool.node_image_version or 'not shown'})" for pool in pools[:5])


def _fix(one: _Odd) -> tuple[str, ...]:
    first, right = one.containers[0], one.named.right
    # There is no such command for the image of a volume.
    settable = right and first.kind != image_volumes.KIND
    set_image = kubectl.set_image(first.workload, first.container, right) if right and settable else None
    return (set_image or kubectl.describe_pod(first.namespace, first.pod),)
