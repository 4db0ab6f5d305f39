"""What is said of registries that were asked for and that nobody knows, or that exist and no cluster uses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from checks.arm_ids import subscription_of
from checks.causes import ScanCause
from checks.collect.arm.inventory import Inventory
from checks.facts import NotSeen, Registry
from checks.findings import ClusterReport, RegistryRow, ScanError
from checks.jobs.choosing.scope import ScanScope
from checks.jobs.choosing.wording import did_you_mean, first_few, quoted, shown
from checks.report.outcome import pods_read
from checks.rules import visibility
from checks.rules.patterns import fits, is_pattern
from checks.text import counted


def errors(scope: ScanScope, listing: Inventory, reports: Sequence[ClusterReport]) -> Iterator[ScanError]:
    """What was asked for and has no row that a cluster's use made. ``reports`` are of all clusters in scope."""
    used = [row for report in reports for row in report.registries if not row.only_asked_for]
    for name in scope.registries:
        if any(_is_meant(name, row, listing) for row in used):
            continue
        known = [registry for registry in listing.registries() if _fits(name, registry, listing)]
        if known and not scope.clusters:
            yield ScanError(ScanCause.REGISTRY_NOT_USED, f"{_exist(name, known, listing)}; {_no_cluster(reports)}.")
        elif not known and not _is_foreign(name, listing):
            yield _absent(name, listing, reports)
        elif not known and not scope.clusters:
            yield ScanError(ScanCause.REGISTRY_NOT_USED, f"{_sentence(_no_cluster(reports, quoted(name)))}.")


def _is_meant(name: str, row: RegistryRow, listing: Inventory) -> bool:
    if is_pattern(name):
        seen = listing.registry(row.registry)
        return fits(name, row.registry, *row.names, *(() if isinstance(seen, NotSeen) else (seen.value.name,)))
    return row.registry == listing.login_server_of(name)


def _fits(name: str, registry: Registry, listing: Inventory) -> bool:
    if is_pattern(name):
        return fits(name, registry.name, registry.login_server)
    return registry.login_server == listing.login_server_of(name)


def _is_foreign(name: str, listing: Inventory) -> bool:
    """Whether a host is named that is no Azure registry: no list shows those."""
    return not is_pattern(name) and not listing.is_acr(listing.login_server_of(name))


def _exist(name: str, known: Sequence[Registry], listing: Inventory) -> str:
    places = [f"{shown(registry.name)} in subscription {_subscription(registry, listing)}" for registry in known]
    if is_pattern(name):
        return f"{quoted(name)} matches {first_few(places)}"
    return f"{shown(known[0].name)} exists in subscription {_subscription(known[0], listing)}"


def _subscription(registry: Registry, listing: Inventory) -> str:
    guid = subscription_of(registry.id)
    facts = listing.subscriptions.get(guid)
    return shown(facts.subscription.name if facts and facts.subscription.name else guid)


def _no_cluster(reports: Sequence[ClusterReport], what: str = "it") -> str:
    """That nobody uses it, as far as the pods of the clusters could be read."""
    unread = sum(not pods_read(report) for report in reports)
    if unread:
        return (
            f"no cluster in scope is known to use {what}, but the pods of {unread} of "
            f"{counted(len(reports), 'cluster')} could not be read"
        )
    return f"no cluster in scope uses {what}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def _absent(name: str, listing: Inventory, reports: Sequence[ClusterReport]) -> ScanError:
    known = list(listing.registries())
    what = f"{quoted(name)} {'matches none of' if is_pattern(name) else 'is not among'}"
    where = (
        f"the {counted(len(known), 'registry', 'registries')} in {counted(len(listing.subscriptions), 'subscription')}"
    )
    seen = [part for registry in known for part in (registry.name, registry.login_server)]
    summary = f"{what} {where}, and {_no_cluster(reports)}.{_gaps(listing)}{did_you_mean(name, seen)}"
    return ScanError(ScanCause.NO_SUCH_REGISTRY, summary)


def _gaps(listing: Inventory) -> str:
    """What of the lists of registries was not seen, in which it may be."""
    refused = {guid for guid, facts in listing.subscriptions.items() if isinstance(facts.registries, NotSeen)}
    partial = set(visibility.hidden_types(listing.visibility, (visibility.REGISTRIES,))) - refused
    gaps = [
        f"{counted(len(refused), 'subscription')} could not be read" if refused else "",
        f"of {counted(len(partial), 'subscription')} perhaps not all registries can be seen" if partial else "",
    ]
    said = "; ".join(gap for gap in gaps if gap)
    return f" It may be where nobody looked: {said}." if said else ""
