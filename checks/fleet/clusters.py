"""The clusters of the fleet as lists choose and show them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from checks.arm_ids import name_of, resource_group_of, subscription_of
from checks.fleet import strips
from checks.fleet.model import Fleet
from checks.history.overview import ClusterEntry, RowEntry
from checks.report.outcome import Outcome
from checks.rules.registry_names import label_of

_RANK = {Outcome.FAIL: "0", Outcome.UNKNOWN: "1", Outcome.PASS: "2"}


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which clusters: all that are given must fit, in any case of letters. ``registry``: a login server or a name.

    ``subscriptions`` are ids in lower case, none for all.
    """

    verdict: Outcome | None = None
    registry: str = ""
    cause: str = ""
    subscriptions: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """What is wanted, the same for what means the same."""
        given = (self.verdict.value if self.verdict else "", self.registry.strip(), self.cause, *self.subscriptions)
        return tuple(word.lower() for word in given)

    def fits(self, entry: ClusterEntry) -> bool:
        """Whether a cluster is wanted."""
        if self.verdict is not None and entry.outcome is not self.verdict:
            return False
        if self.subscriptions and subscription_of(entry.cluster) not in self.subscriptions:
            return False
        if self.cause and not any(facet.cause == self.cause.lower() for row in entry.rows for facet in row.open):
            return False
        return not self.registry or any(is_called(row.registry, self.registry) for row in entry.rows)


def subscriptions_called(fleet: Fleet, name: str) -> tuple[str, ...]:
    """The subscriptions that somebody means by an id or a display name, in any case of letters; none where none is."""
    wanted = name.strip().casefold()
    if wanted in fleet.names or any(overview.subscription == wanted for overview in fleet.overviews):
        return (wanted,)
    return tuple(sorted(guid for guid, called in fleet.names.items() if called.casefold() == wanted))


def is_called(login_server: str, name: str) -> bool:
    """Whether somebody means a registry by its login server or by its name."""
    wanted = name.strip().lower()
    return login_server.lower() == wanted or label_of(login_server) == wanted


def chosen(fleet: Fleet, wanted: Wanted) -> tuple[ClusterEntry, ...]:
    """The clusters that are wanted: what fails first, then what is unknown, each by name."""
    return tuple(sorted((entry for entry in fleet.clusters() if wanted.fits(entry)), key=order_of))


def order_of(entry: ClusterEntry) -> tuple[str, ...]:
    """The place of a cluster in lists; of texts, so that a page can name it."""
    return (_RANK[entry.outcome], name_of(entry.cluster), entry.cluster.lower())


def find(fleet: Fleet, subscription: str, resource_group: str, name: str) -> ClusterEntry | None:
    """One cluster by the three parts of its id, in any case of letters; also one that is gone."""
    parts = (subscription.lower(), resource_group.lower(), name.lower())
    for entry in fleet.entries():
        here = (
            subscription_of(entry.cluster),
            resource_group_of(entry.cluster).lower(),
            name_of(entry.cluster).lower(),
        )
        if here == parts:
            return entry
    return None


def failing_since(entry: ClusterEntry) -> datetime | None:
    """Since when anything of a cluster fails; None where nothing does."""
    return min((facet.since for row in entry.rows for facet in row.failing), default=None)


def strip_of(entry: ClusterEntry, rows: Iterable[RowEntry], now: datetime) -> tuple[str, ...]:
    """The last 24 hours of some rows of a cluster, as words: what failed, whether its pull was known, who looked."""
    listed = tuple(rows)
    names = {row.registry for row in listed}
    over = [(ended.since, ended.until) for ended in entry.ended if ended.registry in names]
    failing = [(facet.since, None) for row in listed for facet in row.failing]
    unconfirmed = [(facet.failed_since, None) for row in listed for facet in row.open if facet.failed_since is not None]
    pulls = [facet for row in listed for facet in row.open if facet.facet == "pull"]
    unknown = [(pull.unknown_since, None) for pull in pulls if pull.unknown_since is not None]
    unknown += [(entry.unknown_since, None)] if entry.unknown_since is not None else []
    besides = [beside for row in listed or [None] if (beside := entry.beside_of(row)) is not None]
    unknown += [(beside.since, None) for beside in besides if beside.verdict == "unknown"]
    failing += [(beside.since, None) for beside in besides if beside.verdict == "fail" and beside.registry in names]
    return strips.words([*over, *failing, *unconfirmed], unknown, now, entry.watched)
