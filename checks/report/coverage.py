"""What was read for a cluster, what was not, and why. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

from checks.facts import ClusterFacts, NotSeen, Seen
from checks.facts.network import Networks
from checks.facts.resources import NOTIFY_TAG, REGISTRIES_TAG
from checks.facts.visibility import Visibility
from checks.findings import Coverage
from checks.rules import mail_addresses, registry_names, visibility
from checks.rules.path import node_network
from checks.rules.pull.observed_pulls import PullProof
from checks.text import counted, listed

# The types whose absence something may rest on.
TYPES = (
    visibility.REGISTRIES,
    visibility.ROLE_ASSIGNMENTS,
    visibility.DENY_ASSIGNMENTS,
    visibility.IDENTITIES,
    visibility.SCALE_SETS,
    visibility.VIRTUAL_NETWORKS,
    visibility.SECURITY_GROUPS,
    visibility.PRIVATE_ZONES,
    visibility.RULESETS,
    visibility.NETWORK_MANAGERS,
)
REGISTRIES_CUT = "other registries"
REGISTRIES_UNUSABLE = f"tag {REGISTRIES_TAG}"  # it names what can be no registry
MAX_STEPS = 20  # of a fix
MAX_NAMED = 5  # subscriptions that a line of the coverage names


def coverage_of(facts: ClusterFacts, proven: dict[str, PullProof]) -> tuple[Coverage, ...]:
    """What was looked at for a cluster, what was not, and why."""
    lines = [Coverage("Azure Resource Manager", True), _line("kubelet identity", facts.principal)]
    lines.append(_line("pods", facts.workloads))
    if isinstance(facts.workloads, Seen):
        workloads = facts.workloads.value
        if workloads.read_through:
            lines[-1] = Coverage("pods", True, workloads.read_through)
        if facts.workloads.partial:
            lines.append(Coverage("pods", False, facts.workloads.partial))
        lines.append(_line("events", workloads.events))
        if workloads.unreadable:
            lines.append(Coverage("pods", False, f"{counted(workloads.unreadable, 'object')} could not be read"))
        if workloads.texts_cut:
            cut = counted(workloads.texts_cut, "text of pods and events is", "texts of pods and events are")
            lines.append(Coverage("texts of pods", False, f"{cut} too long, or too many, to be read whole"))
        pulled = any(proof.layers for proof in proven.values())
        lines.append(Coverage("successful pulls", pulled, "" if pulled else "no recent event reports one"))
    for subscription, authorization in sorted(facts.authorization.items()):
        lines.append(_line(f"role assignments of {subscription}", authorization.assignments, subscription))
        lines.append(_line(f"role definitions of {subscription}", authorization.definitions, subscription))
        lines.append(_line(f"deny assignments of {subscription}", authorization.denies, subscription))
    for subscription, groups in sorted(facts.through_groups.items()):
        lines.append(_line(f"assignments through groups in {subscription}", groups, subscription))
    for subscription, denies in sorted(facts.denies_through_groups.items()):
        lines.append(_line(f"deny assignments through groups in {subscription}", denies, subscription))
    wrong = registry_names.listed_registries(facts.cluster.tag(REGISTRIES_TAG))[1]
    if wrong:
        words = listed([repr(word[:80]) for word in wrong], MAX_NAMED)
        why = f"{words} name no registry: name login servers or registries, separated by spaces"
        lines.append(Coverage(REGISTRIES_UNUSABLE, False, why))
    lines.extend(_notify_tag(facts.cluster.tag(NOTIFY_TAG)))
    if facts.registries_cut:
        cut = counted(facts.registries_cut, "more registry is", "more registries are")
        many = f"{cut} named than the {len(facts.uses)} that one scan judges"
        lines.append(Coverage(REGISTRIES_CUT, False, many))
    lines.extend(_networks(facts.networks))
    lines.extend(_hidden(facts.visibility))
    lines.extend(_own_network(facts))
    own: tuple[tuple[str, Seen[Any] | NotSeen | None], ...] = (
        ("the identity's resource", facts.kubelet_resource),
        ("the nodes' machines", facts.machines),
        ("the service principal's secrets", facts.client_secrets),
        ("labels of nodes", facts.former_identity_nodes),
        *_accounts(facts),
    )
    lines += [_line(what, part) for what, part in own if part is not None]
    lines += _canaries(facts) + _counted("pull secrets", facts.pull_secrets.values())
    lines += _counted("images", facts.manifests.values())
    return tuple(lines)


def _accounts(facts: ClusterFacts) -> tuple[tuple[str, Seen[Any] | NotSeen | None], ...]:
    """What shows which identities pull, only where service accounts' do or may do so."""
    pulls = facts.image_pull
    if pulls is None or not pulls.possible:
        return ()
    if isinstance(pulls.profile, NotSeen):
        return (("pulls by service accounts", pulls.profile),)
    return (("identity bindings", pulls.bindings), ("service accounts", pulls.client_ids))


def _notify_tag(text: str) -> list[Coverage]:
    """What the tag says that names who is to be notified, where not everybody in it is."""
    listing = mail_addresses.listed(text)
    lines = []
    if listing.wrong:
        words = listed([repr(word[:80]) for word in listing.wrong], MAX_NAMED)
        why = f"no mail addresses: {words}; name addresses, separated by spaces or commas"
        lines.append(Coverage(f"tag {NOTIFY_TAG}", False, why))
    if listing.beyond:
        why = f"it names {listing.beyond} more addresses than the {mail_addresses.MAX_NAMED} that are notified"
        lines.append(Coverage(f"tag {NOTIFY_TAG}", False, why))
    return lines


def _canaries(facts: ClusterFacts) -> list[Coverage]:
    """Whether nodes were asked to pull, and how many of the questions got no answer."""
    if isinstance(facts.canaries, NotSeen):
        return [_line("canary pulls", facts.canaries)]
    results = [canary.result for canary in facts.canaries.canaries]
    return _counted("canary pulls", results) or [Coverage("canary pulls", False, "there was nothing to ask")]


def _counted(what: str, parts: Iterable[Seen[Any] | NotSeen]) -> list[Coverage]:
    """Things that were read one by one: looked at where all were, else how many were not, a line for each reason."""
    listed = list(parts)
    gaps: dict[tuple[str, str], list[NotSeen]] = {}
    for part in listed:
        if isinstance(part, NotSeen):
            gaps.setdefault((part.why.value, part.role or ""), []).append(part)
    if not gaps:
        return [Coverage(what, True)] if listed else []
    return [
        Coverage(
            what, False, f"{len(alike)} of {len(listed)} were not read: {alike[0].detail}", _fixes(alike), why, role
        )
        for (why, role), alike in gaps.items()
    ]


def _fixes(gaps: Iterable[NotSeen]) -> tuple[str, ...]:
    """What would show them, each step once, and of many the first ones."""
    return tuple(dict.fromkeys(step for gap in gaps for step in gap.fix))[:MAX_STEPS]


def _networks(networks: Networks | None) -> list[Coverage]:
    """The subscriptions whose networks were seen: what lies in others is taken as not there."""
    if networks is None or not networks.by_subscription:
        return [Coverage("networks", False, "no subscription's networks were read")]
    guids = sorted(networks.by_subscription)
    lines = [Coverage("networks", True, f"of {listed(guids, MAX_NAMED)}; other subscriptions are not seen")]
    for guid in guids:
        gaps = networks.by_subscription[guid].gaps
        if gaps:
            kinds = ", ".join(what for what, _ in gaps)
            lines.append(_line(f"networks of {guid}", gaps[0][1], guid, of=f"{kinds}: "))
    return lines


def _hidden(visible: Visibility) -> list[Coverage]:
    """The subscriptions of which only a part may be read: what their lists lack is not taken for absent."""
    hidden = visibility.hidden_types(visible, TYPES)
    lines = []
    for guid, types in itertools.islice(hidden.items(), MAX_NAMED):
        kinds = "everything" if len(types) == len(TYPES) else ", ".join(types)
        why = f"only a part of {kinds} may be read, so what is not listed counts as not seen"
        first = visibility.hidden_in(visible, guid, types[0])
        assert first is not None, "it is among the hidden ones"
        reason, role = first.why.value, first.role or ""
        lines.append(Coverage(f"all of subscription {guid}", False, why, first.fix, reason, role, guid))
    if len(hidden) > MAX_NAMED:
        more = f"{counted(len(hidden) - MAX_NAMED, 'more subscription')} may be read only in part"
        return [*lines, Coverage("other subscriptions", False, more)]
    return lines


def _own_network(facts: ClusterFacts) -> list[Coverage]:
    """Where a network that AKS made is not listed, its plain form is judged: that has to be said."""
    made_by_aks = any(pool.vnet_subnet_id is None for pool in facts.cluster.pools)
    if facts.networks is None or not made_by_aks or node_network.network_is_listed(facts.networks, facts.cluster):
        return []
    return [Coverage("the nodes' network", False, "ARM lists none in the node resource group; taken as AKS makes it")]


def _line(what: str, part: Seen[Any] | NotSeen, subscription: str = "", of: str = "") -> Coverage:
    """The line of one look. ``subscription``: the one that it is about; ``of``: what of it was not read."""
    if isinstance(part, NotSeen):
        return Coverage(what, False, of + part.detail, part.fix, part.why.value, part.role or "", subscription)
    return Coverage(what, True, part.partial, subscription=subscription)
