"""What is said of clusters that were asked for and are not there, or are and opted out.

A list that could not be read, or only in part, may hold what is missed: then nobody says that it does not exist.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from checks.arm_ids import name_of, subscription_of
from checks.causes import ScanCause
from checks.collect.arm.inventory import Inventory
from checks.facts import Cluster, NotSeen
from checks.findings import ClusterReport, ScanError
from checks.jobs.choosing.scope import ScanScope, clusters_of, names, names_exactly, opted_out
from checks.jobs.choosing.subscriptions import Choice
from checks.jobs.choosing.wording import did_you_mean, first_few, quoted, shown
from checks.rules import visibility
from checks.rules.patterns import is_pattern
from checks.text import counted


def errors(scope: ScanScope, choice: Choice, listing: Inventory) -> Iterator[ScanError]:
    """What was asked for and is not there, and what a pattern matches and is left out."""
    here = [cluster for guid in choice.ids for cluster in clusters_of(listing, guid)]
    for name in scope.clusters:
        found = [cluster for cluster in here if names(name, cluster)]
        if not found:
            yield _absent(name, here, choice, listing)
        out = [c for c in found if opted_out(c) and not any(names_exactly(one, c) for one in scope.clusters)]
        if out:
            summary = (
                f"{counted(len(out), 'cluster')} that {quoted(name)} matches opted out by the tag pullwatch=off and "
                f"{'was' if len(out) == 1 else 'were'} not checked: {first_few(c.name for c in out)}. "
                "Name a cluster itself to check it all the same."
            )
            yield ScanError(ScanCause.OPTED_OUT, summary)


def nothing_found(choice: Choice, listing: Inventory, reports: Sequence[ClusterReport]) -> tuple[ScanError, ...]:
    """That there is no cluster to check, where nothing else says why: clusters that could not be listed do."""
    if any(isinstance(listing.subscriptions[guid].clusters, NotSeen) for guid in choice.ids):
        return ()
    where = counted(len(choice.ids), "subscription")
    found = ScanError(ScanCause.NOTHING_FOUND, f"There is no cluster to check in {where}.")
    return () if reports else (found,)


def _absent(name: str, here: list[Cluster], choice: Choice, listing: Inventory) -> ScanError:
    what = f"{quoted(name)} {'matches none of' if is_pattern(name) else 'is not among'}"
    where = f"the {counted(len(here), 'cluster')} in {counted(len(choice.ids), 'subscription')}"
    elsewhere = _elsewhere(name, choice, listing)
    subscription = subscription_of(name)
    fix: tuple[str, ...] = ()
    if elsewhere:
        hint = f" {elsewhere}"
    elif subscription and subscription not in listing.subscriptions:
        hint = f" Its subscription {shown(subscription)} cannot be seen."
        fix = visibility.grant(listing.visibility, subscription)
    else:
        hint = did_you_mean(name_of(name), (cluster.name for cluster in here))
    return ScanError(ScanCause.NO_SUCH_CLUSTER, f"{what} {where}.{_gaps(choice, listing)}{hint}", fix)


def _elsewhere(name: str, choice: Choice, listing: Inventory) -> str:
    """Where a cluster of that name is that is not in scope."""
    for subscription in choice.visible:
        if subscription.id in choice.ids:
            continue
        if any(names(name, cluster) for cluster in clusters_of(listing, subscription.id)):
            return f"Subscription {shown(subscription.name or subscription.id)} has it, which is not in scope."
    return ""


def _gaps(choice: Choice, listing: Inventory) -> str:
    """What of the subscriptions in scope was not seen, in which it may be."""
    refused = [g for g in choice.ids if isinstance(listing.subscriptions[g].clusters, NotSeen)]
    partial = [g for g in choice.ids if g not in refused and _is_partial(listing, g)]
    gaps = [
        f"{counted(len(refused), 'subscription')} could not be read" if refused else "",
        f"of {counted(len(partial), 'subscription')} perhaps not all clusters can be seen" if partial else "",
        f"{len(choice.unseen)} that {'was' if len(choice.unseen) == 1 else 'were'} asked for cannot be seen"
        if choice.unseen
        else "",
        f"{counted(choice.excluded, 'subscription')} left out by PULLWATCH_EXCLUDE_SUBSCRIPTIONS"
        if choice.excluded
        else "",
    ]
    said = "; ".join(gap for gap in gaps if gap)
    return f" It may be where nobody looked: {said}." if said else ""


def _is_partial(listing: Inventory, guid: str) -> bool:
    clusters = listing.subscriptions[guid].clusters
    in_part = not isinstance(clusters, NotSeen) and bool(clusters.partial)
    return in_part or visibility.hidden_in(listing.visibility, guid, visibility.CLUSTERS) is not None
