"""Chains for tests of pictures and pages, and the one that docs/ shows."""

from __future__ import annotations

import msgspec

from checks.facts import ContainerImage, PodEvent, Seen
from checks.findings import ClusterReport
from checks.report.chain.build import chain_of
from checks.report.chain.model import Chain
from checks.report.cluster_report import build_report
from tests.support.access_facts import ACR_PULL, SUBSCRIPTION, authorization, held
from tests.support.image_facts import ACR, NO_ROLE, container, facts, pulled, workloads
from tests.support.network_world import HOST, NODES, RECORDS, World

NASTY = "\x1b[31m\x07\u202eevil\u2066<script>alert(1)</script>{{7*7}}\r\nBcc: x@y.z\x00'\"]]>&amp;<!--"


def unlinked_zone() -> World:
    """A registry that is closed to the public, and a private DNS zone that the nodes' network does not see."""
    world = World().private()
    home = world.vnet("vnet-endpoints", "10.20.0.0/16", endpoints={})
    world.peer(world.vnet_id(NODES), home)
    world.endpoint()
    world.zone(RECORDS)
    return world


def judged(world: World, *used: ContainerImage, events: tuple[PodEvent, ...] = ()) -> ClusterReport:
    """The report of a cluster in a network, whose pods run or wait for images and whose identity has AcrPull."""
    network = world.facts()
    (use,) = network.uses
    assert isinstance(network.principal, Seen) and isinstance(use.registry, Seen)
    granted = held(ACR_PULL, use.registry.value.id, principal_id=network.principal.value.object_id)
    return build_report(
        msgspec.structs.replace(
            network,
            uses=(msgspec.structs.replace(use, images=used),),
            workloads=workloads(*used, events=events),
            authorization={SUBSCRIPTION: authorization(granted)},
        )
    )


def unlinked_report() -> ClusterReport:
    """The report of a cluster whose pods wait because its network does not see the zone."""
    text = f"failed to resolve reference: dial tcp: lookup {HOST}: no such host"
    image, workload = f"{HOST}/shop/web:1.4", "shop/Deployment/web"
    waiting = container(image, waiting_reason="ErrImagePull", waiting_message=text, workload=workload)
    return judged(unlinked_zone(), waiting)


def sample() -> Chain:
    """The chain that docs/images/path-picture.svg shows: it breaks at DNS."""
    return chain_of(unlinked_report(), HOST)


def hostile(chain: Chain) -> Chain:
    """The chain with hostile names and sentences wherever a text is."""
    links = tuple(
        msgspec.structs.replace(
            link,
            sentence=f"{NASTY} {link.sentence}",
            cause=NASTY,
            codes=(NASTY, *link.codes),
            findings=tuple(
                msgspec.structs.replace(one, note=f"fails, but {NASTY}" if one.note else "") for one in link.findings
            ),
        )
        for link in chain.links
    )
    return msgspec.structs.replace(
        chain,
        cluster=f"{chain.cluster}{NASTY}",
        registry=NASTY,
        headline=f"{NASTY} cannot pull from {'W' * 400}",
        links=links,
        answer=msgspec.structs.replace(chain.answer, cause=NASTY * 9),
    )


def without_role() -> Chain:
    """A chain that breaks at the role."""
    return chain_of(build_report(facts(container(), authorization=NO_ROLE)), ACR)


def whole() -> Chain:
    """A chain that holds, of a cluster that has pulled."""
    return chain_of(build_report(facts(container(), events=[pulled()])), ACR)
