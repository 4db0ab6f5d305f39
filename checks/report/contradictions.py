"""What nodes say against what ARM and the registry say: sentences that name the difference and explain it.

A pull error's text alone does not settle some causes: a 401 is a missing role, a token from before the role, a missing
tag or a wrong platform; a 403 is the firewall, a missing private endpoint or a key vault that is cut off. Each sentence
names the check whose evidence stands against the text, or settles it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv4Network, ip_address, ip_network

import msgspec

from checks.catalog import (
    deciding,
    pw102_pull_permission,
    pw108_customer_managed_key,
    pw201_registry_connectivity,
    pw202_egress_and_ip_rules,
    pw203_private_endpoint,
    pw204_private_dns,
    pw206_nsg_routes_proxy,
    pw302_images_exist,
    pw303_pull_secrets,
    pw307_counted_pulls,
)
from checks.catalog.check import Decides
from checks.facts import ClusterFacts, NotSeen, RegistryUse, Seen
from checks.facts.network import Networks
from checks.findings import Fail, Finding, Pass, Skipped, Unknown
from checks.rules import images
from checks.rules.azure.node_pools import has_nodes
from checks.rules.path import node_network, public_path, registry_firewall
from checks.rules.path.context import PathContext
from checks.rules.path.private_endpoints import candidates
from checks.rules.pull import failed_share, mirrors
from checks.rules.pull.errors import CREDENTIALS, PullErrorCause, denied_address
from checks.rules.pull.observed_pulls import FailedPull

MAX_SENTENCES = 10
_DIVERTED = (
    pw206_nsg_routes_proxy.FilterCause.ROUTE_DIVERTS_LOGIN,
    pw206_nsg_routes_proxy.FilterCause.ROUTE_DIVERTS_LAYERS,
    pw206_nsg_routes_proxy.FilterCause.PROXY_DECIDES,
)
TIMED_OUT = (PullErrorCause.CONNECT_TIMEOUT, PullErrorCause.CONNECT_REFUSED)
BROKEN = (*TIMED_OUT, PullErrorCause.TLS, PullErrorCause.PROXY, PullErrorCause.CORRUPT_OR_INTERRUPTED)
KEY = pw108_customer_managed_key.CHECK.code
ROLE = pw102_pull_permission.CHECK.code
CONNECTIVITY = pw201_registry_connectivity.CHECK.code
ADDRESSES = pw202_egress_and_ip_rules.CHECK.code
ENDPOINT = pw203_private_endpoint.CHECK.code
NAMES = pw204_private_dns.CHECK.code
FILTERS = pw206_nsg_routes_proxy.CHECK.code
IMAGES = pw302_images_exist.CHECK.code
SECRETS = pw303_pull_secrets.CHECK.code
COUNTED = pw307_counted_pulls.CHECK.code
REFUSED = (*CREDENTIALS, PullErrorCause.FIREWALL_DENIED)
# Causes of an image that is at fault itself: what a registry may answer with 401 for, because it does not show it.
_IMAGE_ITSELF = frozenset({"repository-absent", "tag-absent", "digest-absent", "quarantined", "read-disabled"})


class RegistryEvidence(msgspec.Struct, frozen=True):
    """One registry of a cluster: its failing pulls, and what the checks found about it."""

    facts: ClusterFacts
    use: RegistryUse
    failing: tuple[FailedPull, ...]
    findings: tuple[Finding, ...]

    def passes(self, *codes: str) -> bool:
        """Whether one of these checks passes and none of them fails."""
        passes = [f for f in self.findings if f.code in codes]
        failed = any(f.failed for f in passes)
        return not failed and any(isinstance(f.verdict, Pass) for f in passes)

    def of(self, *causes: PullErrorCause) -> list[FailedPull]:
        """The failing pulls of these causes that the registry itself, and no mirror of it, caused."""
        return [pull for pull in self.failing if pull.classified.cause in causes and not pull.foreign_mirror]


def contradictions(
    facts: ClusterFacts, use: RegistryUse, failing: Iterable[FailedPull], findings: Iterable[Finding]
) -> tuple[str, ...]:
    """The sentences about one registry; none where nodes and Azure agree."""
    own_failed_pulls = tuple(pull for pull in failing if pull.registry == use.login_server)
    about = tuple(f for f in findings if f.subject.registry in (None, use.login_server))
    evidence = RegistryEvidence(facts, use, own_failed_pulls, about)
    if not own_failed_pulls:
        return tuple(_only_counted(evidence))
    rules: tuple[Callable[[RegistryEvidence], Iterable[str]], ...] = (
        _credentials,
        _firewall,
        _names,
        _timed_out,
        _absent,
        _tls,
        _mirrors,
        _appliance,
        _never_counted,
    )
    return tuple(dict.fromkeys(sentence for rule in rules for sentence in rule(evidence)))[:MAX_SENTENCES]


def own_images(findings: Iterable[Finding]) -> frozenset[str]:
    """The images (canonical) whose own trouble, as the registry tells it, explains a refusal on nodes."""
    return frozenset(
        f.subject.image
        for f in findings
        if f.code == IMAGES and isinstance(f.verdict, Fail) and f.cause in _IMAGE_ITSELF and f.subject.image
    )


def _credentials(evidence: RegistryEvidence) -> Iterable[str]:
    refused = [pull for pull in evidence.of(*CREDENTIALS) if not pull.mirror]
    if not refused:
        return
    word = refused[0].classified.cause.value.replace("_", " ")
    problems = {f.subject.image: f for f in evidence.findings if f.code == IMAGES and isinstance(f.verdict, Fail)}
    open_refusals = []
    for pull in refused:
        key = _canonical(pull.container.image)
        if key in problems:
            summary = f"The text says {word}, but {IMAGES} decides: {problems[key].summary}"
            yield f"{summary} A registry may answer 401 for what it does not show."
        else:
            open_refusals.append(pull)
    if not open_refusals or not evidence.passes(ROLE):
        return
    why = "; or ".join(_refusal_reasons(evidence, open_refusals))
    yield f"Nodes are refused ({word}) although {ROLE} finds the role held: {why}."


def _refusal_reasons(evidence: RegistryEvidence, refused: list[FailedPull]) -> list[str]:
    """The likely explanations, those that something was seen of first."""
    names = {f"{pull.container.namespace}/{name}" for pull in refused for name in pull.container.pull_secrets}
    failing = [
        f for f in evidence.findings if f.code == SECRETS and isinstance(f.verdict, Fail) and f.subject.secret in names
    ]
    why = [
        f"the text may be the pull secret's ({f.subject.secret}, {f.cause}), which is tried first" for f in failing[:2]
    ]
    if evidence.passes(IMAGES):
        why.append(
            f"the image is there ({IMAGES}), so a token from before the role was granted is likely: "
            "it lives up to 3 hours"
        )
    else:
        why.append("a token from before the role was granted lives up to 3 hours")
        why.append(f"the tag or the platform may be missing ({IMAGES} did not see the image)")
    return why


def _firewall(evidence: RegistryEvidence) -> Iterable[str]:
    denied = evidence.of(PullErrorCause.FIREWALL_DENIED)
    registry = evidence.use.registry
    if not denied or not isinstance(registry, Seen):
        return
    addresses = sorted({firewall for pull in denied if (firewall := denied_address(pull.text)) is not None})
    if not addresses:
        yield from _without_address(evidence)
        return
    known, complete = known_egress_networks(evidence.facts, evidence.use)
    for address in addresses[:3]:
        yield from _denied(evidence, registry.value.name, address, known, complete)


def _without_address(evidence: RegistryEvidence) -> Iterable[str]:
    """A 403 in which no address is named: of a firewall, or of a registry that cannot use its customer-managed key."""
    of_key = [f for f in evidence.findings if f.code == KEY and not isinstance(f.verdict, Skipped)]
    broken = next((f for f in of_key if f.failed), None)
    if broken is not None:
        yield (
            f"Nodes are answered 403, as by a firewall, and {KEY} explains it: {broken.summary} A registry that cannot "
            "use its key refuses everybody."
        )
    elif evidence.passes(*deciding(Decides.PATH)):
        doubts = [f for f in of_key if isinstance(f.verdict, Fail | Unknown)]
        key = ", or a registry that cannot use its customer-managed key," if doubts else ""
        doubt = f" {KEY} says of the key: {doubts[0].summary}" if doubts else ""
        yield (
            "Nodes are answered 403 without the firewall's words although the path passes: a private endpoint that "
            f"is missing for the layers{key} answers so too.{doubt}"
        )


def _denied(
    evidence: RegistryEvidence, name: str, address: str, known: tuple[IPv4Network, ...], complete: bool
) -> Iterable[str]:
    assert isinstance(evidence.use.registry, Seen)
    registry, seen = evidence.use.registry.value, ip_address(address)
    opened = registry_firewall.public_access(registry)
    allowed = any(seen in rule for text in registry.network_access.ip_rules if (rule := _network(text)) is not None)
    if opened is registry_firewall.PublicAccess.ALL:
        yield f"{name} refused {address} by its firewall, and is open to all now (ARM): it was changed since."
    elif opened is registry_firewall.PublicAccess.SOME and allowed:
        yield (
            f"{name} refused {address} although its IP rules allow it now (ARM): they were changed since, which takes "
            "some minutes to hold."
        )
    if evidence.passes(ENDPOINT) and evidence.passes(NAMES):
        yield (
            f"{name} saw {address}, a public address, although names resolve to its private endpoint "
            f"({ENDPOINT}, {NAMES}): the nodes resolve the public name."
        )
    elif known and complete and seen.version == 4 and not any(seen in network for network in known):
        shown = ", ".join(str(network).removesuffix("/32") for network in known[:5])
        yield (
            f"{name} saw {address}, which is none of the addresses that ARM shows nodes leave with ({shown}): they "
            "use another egress path."
        )


def _network(text: str) -> IPv4Network | None:
    try:
        prefix = ip_network(text, strict=False)
    except ValueError:
        return None
    return prefix if isinstance(prefix, IPv4Network) else None


def known_egress_networks(facts: ClusterFacts, use: RegistryUse) -> tuple[tuple[IPv4Network, ...], bool]:
    """The public addresses that ARM shows the nodes of all pools leave with, and whether these are all of them."""
    if isinstance(use.registry, NotSeen):
        return (), False
    networks, complete = facts.networks or Networks(), True
    prefixes: list[IPv4Network] = []
    for pool in (pool for pool in facts.cluster.pools if has_nodes(pool)):
        node_subnet = node_network.subnet_of_pool(networks, facts.cluster, pool)
        if isinstance(node_subnet, NotSeen):
            return (), False
        context = PathContext(
            facts=networks,
            cluster=facts.cluster,
            registry=use.registry.value,
            node_subnet=node_subnet,
            endpoints=candidates(networks, node_subnet, use.registry.value),
        )
        egress = public_path.egress_route(context, context.login_target()).egress
        if egress is None or context.proxied(context.login):
            return (), False
        complete = complete and egress.complete and not egress.gaps
        prefixes += egress.networks
    return tuple(dict.fromkeys(prefixes)), complete


def _names(evidence: RegistryEvidence) -> Iterable[str]:
    if evidence.of(PullErrorCause.DNS) and (
        evidence.passes(NAMES) or (evidence.passes(ADDRESSES) and not evidence.of(*TIMED_OUT))
    ):
        code = NAMES if evidence.passes(NAMES) else ADDRESSES
        yield (
            f"Nodes cannot resolve a name although {code} finds the path right: a DNS server of the network's own, or "
            "the nodes' cache, answers otherwise (or a data endpoint's name is the one that is missing)."
        )


def _timed_out(evidence: RegistryEvidence) -> Iterable[str]:
    if evidence.of(*TIMED_OUT) and evidence.passes(*deciding(Decides.PATH)):
        yield (
            f"Nodes get no connection although {ADDRESSES} to {FILTERS} find a path: something that ARM does not show "
            "stands in it (an appliance, a firewall on the nodes), or it is the layers' storage that is closed."
        )


def _absent(evidence: RegistryEvidence) -> Iterable[str]:
    for pull in evidence.of(PullErrorCause.IMAGE_NOT_FOUND):
        key = _canonical(pull.container.image)
        manifest = evidence.facts.manifests.get(key or "")
        if isinstance(manifest, Seen) and manifest.value.present:
            yield (
                f"Nodes say that {key} does not exist, but {IMAGES} finds it now: it was pushed since, has not reached "
                "the nodes' replica yet, or is hidden from their identity (ABAC, quarantine)."
            )


def _tls(evidence: RegistryEvidence) -> Iterable[str]:
    if evidence.of(PullErrorCause.TLS) and evidence.passes(CONNECTIVITY):
        yield (
            f"Nodes do not trust the registry's certificate although it holds from where Pullwatch runs "
            f"({CONNECTIVITY}): something on the nodes' network path intercepts TLS, or their clock is wrong."
        )


def _mirrors(evidence: RegistryEvidence) -> Iterable[str]:
    for host in dict.fromkeys(pull.host for pull in evidence.failing if pull.mirror and not pull.foreign_mirror):
        yield f"Nodes ask it as a mirror of {host}: with the credentials for {host}, never with the kubelet identity."
    for mirror in dict.fromkeys(pull.foreign_mirror for pull in evidence.failing if pull.foreign_mirror):
        where = (
            "on the node itself" if mirrors.is_on_node(mirror) else "which nodes are set up to ask first (hosts.toml)"
        )
        yield (
            f"What failed is the mirror {mirror}, {where}, not {evidence.use.login_server}: what Azure shows of the "
            "registry says nothing of it."
        )


def _appliance(evidence: RegistryEvidence) -> Iterable[str]:
    """Connections that break off, beside a route that sends them through an appliance."""
    diverted = next((f for f in evidence.findings if f.code == FILTERS and f.cause in _DIVERTED), None)
    if diverted is not None and evidence.of(*BROKEN):
        yield (
            f"Nodes' connections break off, and {FILTERS} shows what they pass through: {diverted.summary} Look at its "
            "rules, and at whether it inspects TLS, first."
        )


def _only_counted(evidence: RegistryEvidence) -> Iterable[str]:
    """More failed pulls at the registry than usually, and nothing of it in this cluster."""
    rose = any(f.code == COUNTED and isinstance(f.verdict, Fail) for f in evidence.findings)
    may_pull = evidence.passes(*deciding(Decides.ACCESS)) and evidence.passes(*deciding(Decides.PATH))
    if rose and may_pull and isinstance(evidence.facts.workloads, Seen):
        yield (
            f"The registry counts more failed pulls than usually ({COUNTED}), but no pod on nodes of this cluster "
            "waits for its images, and Azure shows that they may pull: it counts all its callers, so another cluster, "
            "a pipeline or somebody by hand is likely."
        )


def _never_counted(evidence: RegistryEvidence) -> Iterable[str]:
    """Refusals that pods report, of a registry that counts pulls and counted none of them."""
    refused = [pull for pull in evidence.of(*REFUSED) if not pull.mirror]
    counts = evidence.facts.pull_counts.get(evidence.use.login_server)
    if not refused or not isinstance(counts, Seen) or counts.partial:
        return
    compared = failed_share.compare(counts.value)
    if compared.window.pulls or not compared.earlier.pulls:
        return
    word = refused[0].classified.cause.value.replace("_", " ")
    yield (
        f"Pods report that they are refused ({word}), but in the last {failed_share.WINDOW_HOURS} hours the registry "
        "counted no pull at all, by whomever: the requests were turned away before they were counted (at the sign-in, "
        "or by the firewall), or never reached it (a mirror, a proxy, or a name that leads elsewhere). It counts some "
        "minutes late."
    )


def _canonical(image: str) -> str | None:
    parsed = images.parse(image)
    return images.canonical(parsed) if parsed else None
