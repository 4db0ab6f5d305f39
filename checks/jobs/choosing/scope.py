"""What a scan is asked for, and which clusters that means."""

from __future__ import annotations

import msgspec

from checks.collect.arm.inventory import Inventory
from checks.facts import Cluster, Seen, same_id
from checks.rules.patterns import fits, is_pattern

MAX_NAMED = 100  # of each kind
MAX_LENGTH = 512  # an ARM id with the longest names has less


class ScanScope(msgspec.Struct, frozen=True):
    """What to check. Empty: everything.

    ``subscriptions`` are ids or display names, ``clusters`` names, ARM ids or patterns of names, ``registries`` login
    servers, names or patterns of either. ``canaries``: pods may be made that ask nodes to pull.
    """

    subscriptions: tuple[str, ...] = ()
    clusters: tuple[str, ...] = ()
    registries: tuple[str, ...] = ()
    canaries: bool = False

    def wants(self, candidate: Cluster) -> bool:
        """Whether a cluster is in scope. One that opted out is only where it is named itself, not by a pattern."""
        if any(names_exactly(name, candidate) for name in self.clusters):
            return True
        return not opted_out(candidate) and (not self.clusters or any(names(name, candidate) for name in self.clusters))

    def excess(self) -> str:
        """What is more than one scan takes, as a sentence; "" where nothing is."""
        kinds = {"subscriptions": self.subscriptions, "clusters": self.clusters, "registries": self.registries}
        for kind, named in kinds.items():
            if len(named) > MAX_NAMED:
                return f"{len(named)} {kind} are named, more than {MAX_NAMED}; a pattern names many at once"
            if any(len(name) > MAX_LENGTH for name in named):
                return f"{kind} are named by at most {MAX_LENGTH} characters each"
        return ""


def names_exactly(name: str, candidate: Cluster) -> bool:
    """Whether a name or ARM id is the cluster's own."""
    return candidate.name.lower() == name.lower() or same_id(candidate.id, name)


def names(name: str, candidate: Cluster) -> bool:
    """Whether a name, an ARM id or a pattern of names means a cluster."""
    return names_exactly(name, candidate) or (is_pattern(name) and fits(name, candidate.name))


def opted_out(candidate: Cluster) -> bool:
    """Whether a cluster asks by the tag ``pullwatch: off`` not to be checked."""
    return candidate.tag("pullwatch").lower() == "off"


def clusters_of(listing: Inventory, subscription: str) -> tuple[Cluster, ...]:
    """The clusters of one subscription of an inventory, or none where they could not be listed."""
    clusters = listing.subscriptions[subscription].clusters
    return clusters.value if isinstance(clusters, Seen) else ()


def opted_out_of(listing: Inventory, subscription: str) -> tuple[Cluster, ...]:
    """The clusters of one subscription that ask not to be checked."""
    return tuple(cluster for cluster in clusters_of(listing, subscription) if opted_out(cluster))
