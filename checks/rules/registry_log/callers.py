"""Which cluster made a call that a registry logged, and when that cannot be told.

A call is a cluster's where nobody else can have made it. The kubelet identity that AKS makes belongs to one cluster,
unless it came from where Azure shows none of its nodes; one that somebody brought may serve several, and other machines
besides, so the address has to be the cluster's alone. Without an identity only a refusal by the registry's firewall
counts, and only from an address that is the cluster's alone: of a shared NAT address anybody behind it may be meant. A
node tries once without credentials after each failure, which says nothing either. Whoever is let in from the cluster's
own address, as a token or as nobody, shows that such a refusal is over, and no more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping
from ipaddress import IPv4Address

from msgspec import structs

from checks.arm_ids import name_of, resource_group_of, subscription_of
from checks.facts import Cluster
from checks.facts.network import Networks
from checks.facts.registry_log import LogEntry, LoggedCall
from checks.rules.path.node_network import node_group_of
from checks.rules.registry_log.exits import Exits, Having, address_of, exits_of, is_of_no_node, subnets_of
from checks.rules.registry_log.outcomes import is_firewall, passed_firewall

NOBODY = frozenset({"", "00000000-0000-0000-0000-000000000000"})
BY_IDENTITY = "its kubelet identity"
BY_BOTH = "its kubelet identity and the address"
BY_ADDRESS = "the address, by which only its nodes leave"
BY_SHARED_ADDRESS = "the address"


class Callers:
    """All clusters that can be seen, by what a registry knows of who calls. ``whole``: no list lacks any of them."""

    def __init__(self, clusters: Iterable[Cluster], networks: Networks, *, whole: bool) -> None:
        self._clusters: dict[str, Cluster] = {cluster.id.lower(): cluster for cluster in clusters}
        self._networks = networks
        self._whole = whole
        self._exits: dict[str, Exits] = {}
        self._in_subnet = Counter(one for cluster in self._clusters.values() for one in subnets_of(cluster))
        self._having: Having | None = None
        self._by_identity: dict[str, list[str]] = {}
        for key, cluster in self._clusters.items():
            for name in _names_of(cluster):
                self._by_identity.setdefault(name, []).append(key)

    def calls_by_cluster(self, entries: Iterable[LogEntry]) -> Mapping[str, tuple[LoggedCall, ...]]:
        """The calls that each cluster made or may have made, by the cluster's id in lower case."""
        listed = tuple(entries)
        refused = {address_of(entry.address) for entry in listed if is_firewall(entry)}
        calls: dict[str, list[LoggedCall]] = {}
        for entry in listed:
            for key, call in self._calls(entry, refused):
                calls.setdefault(key, []).append(call)
        return {key: tuple(own) for key, own in calls.items()}

    def _calls(self, entry: LogEntry, refused: Container[IPv4Address | None]) -> list[tuple[str, LoggedCall]]:
        address = address_of(entry.address)
        identity = entry.identity.lower()
        calls = self._by_its_identity(entry, identity, address) if identity in self._by_identity else []
        if address is None or address not in refused:
            return calls
        if is_firewall(entry):
            return self._by_its_address(entry, address) if identity in NOBODY else calls
        return [*calls, *self._let_in(entry, address, [key for key, _ in calls])]

    def _by_its_identity(
        self, entry: LogEntry, identity: str, address: IPv4Address | None
    ) -> list[tuple[str, LoggedCall]]:
        holders = self._by_identity[identity]
        if len(holders) == 1 and _made_for(self._clusters[holders[0]]):
            exits = self._exits_of(holders[0])
            if is_of_no_node(entry.address) or (address is not None and not exits.may_come_from(address)):
                return _shared(entry, BY_IDENTITY, holders, self._clusters)
            return [(holders[0], LoggedCall(entry, BY_IDENTITY))]
        if address is None:
            return _shared(entry, BY_IDENTITY, holders, self._clusters)
        possible = [key for key in holders if self._exits_of(key).may_come_from(address)]
        if len(possible) == 1 and self._whole and self._is_its(possible[0], address):
            return [(possible[0], LoggedCall(entry, BY_BOTH))]
        return _shared(entry, BY_IDENTITY, possible, self._clusters)

    def _by_its_address(self, entry: LogEntry, address: IPv4Address) -> list[tuple[str, LoggedCall]]:
        holders = self._that_have(address)
        if len(holders) == 1 and self._whole and self._exits_of(holders[0]).alone_has(address):
            return [(holders[0], LoggedCall(entry, BY_ADDRESS))]
        return _shared(entry, BY_SHARED_ADDRESS, holders, self._clusters)

    def _let_in(self, entry: LogEntry, address: IPv4Address, known: Container[str]) -> list[tuple[str, LoggedCall]]:
        """Whoever is let in from an address that is a cluster's alone: the firewall does not keep out its nodes.

        ``known``: clusters whose call it is anyway.
        """
        calls = self._by_its_address(entry, address) if passed_firewall(entry) else []
        let_in = [(key, call) for key, call in calls if call.told_apart and key not in known]
        return [(key, structs.replace(call, as_another=True)) for key, call in let_in]

    def _is_its(self, key: str, address: IPv4Address) -> bool:
        exits = self._exits_of(key)
        return exits.alone_has(address) or exits.in_subnets(address)

    def _that_have(self, address: IPv4Address) -> tuple[str, ...]:
        if self._having is None:
            self._having = Having((key, self._exits_of(key)) for key in self._clusters)
        return self._having.of(address)

    def _exits_of(self, key: str) -> Exits:
        if key not in self._exits:
            cluster = self._clusters[key]
            alone = [one for one in subnets_of(cluster) if self._in_subnet[one] == 1]
            self._exits[key] = exits_of(self._networks, cluster, alone)
        return self._exits[key]


def _names_of(cluster: Cluster) -> set[str]:
    """What a registry may call the one who pulls for a cluster's nodes."""
    kubelet = cluster.kubelet
    ids = (kubelet.object_id, kubelet.client_id) if kubelet is not None else (cluster.service_principal_client_id,)
    return {one.lower() for one in ids if one} - NOBODY


def _made_for(cluster: Cluster) -> bool:
    """Whether its kubelet identity is the one that AKS made for it, by its name, in the group of its nodes."""
    resource = cluster.kubelet.resource_id if cluster.kubelet is not None else None
    if not resource or name_of(resource).lower() != f"{cluster.name}-agentpool".lower():
        return False
    same_subscription = subscription_of(resource) == subscription_of(cluster.id)
    return same_subscription and resource_group_of(resource).lower() == node_group_of(cluster)


def _shared(
    entry: LogEntry, by: str, keys: Iterable[str], clusters: Mapping[str, Cluster]
) -> list[tuple[str, LoggedCall]]:
    """A call that several may have made, those that cannot be seen among them. Namesakes are told with their group."""
    plain = {key: clusters[key].name for key in keys}
    twice = {name for name, count in Counter(plain.values()).items() if count > 1}
    names = {
        key: f"{name} in {resource_group_of(key)} of {subscription_of(key)}" if name in twice else name
        for key, name in plain.items()
    }
    return [
        (key, LoggedCall(entry, by, told_apart=False, others=tuple(sorted(n for k, n in names.items() if k != key))))
        for key in names
    ]
