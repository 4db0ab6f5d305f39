"""Incidents: what one mail says, as data. Pure.

Changes of one root go into one mail (a registry that shuts 200 clusters out is one incident), and so do all changes of
one cluster, because a failure and its recovery must be reported together. A mail holds all of its lines: how many of
them are shown in full is for the composer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from checks.arm_ids import subscription_of
from checks.changes import Notice, NoticeKind, Reason
from checks.notify.items import Item, ItemKind, item_of_line
from checks.notify.items import items_of as items_of
from checks.notify.roots import Root, root_of
from checks.notify.roots import group as group

DEFAULT_ROUTE = ""
MAX_INCIDENTS = 10  # threads that one mail belongs to


class MailContext(msgspec.Struct, frozen=True, kw_only=True):
    """What is known beside the changes when a mail is made; each may be empty.

    ``subscriptions``: display names by id. ``used_by``: how many clusters use a registry. ``waiting``: by cluster (in
    lower case) and registry, the workloads that wait, such as "shop/web (3 pods)". ``registry_ids``: ARM ids by login
    server. ``refused``: recipients that were refused lately. ``portal``: the Azure portal's address in this cloud.
    ``dashboard``: "" where there is none. ``docs``: where the documentation can be read, "" where that is not known.
    ``why`` the readers get this mail, such as "PULLWATCH_MAIL_TO names you".
    """

    subscriptions: Mapping[str, str] = {}
    used_by: Mapping[str, int] = {}
    waiting: Mapping[tuple[str, str], tuple[str, ...]] = {}
    registry_ids: Mapping[str, str] = {}
    refused: tuple[str, ...] = ()
    portal: str = ""
    dashboard: str = ""
    docs: str = ""
    why: str = ""


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of news about one registry and cause. ``used_by`` (0: not known) counts the clusters that use it."""

    kind: ItemKind
    registry: str
    cause: str
    items: tuple[Item, ...]
    used_by: int = 0
    registry_id: str = ""

    @property
    def clusters(self) -> int:
        """How many clusters it is about."""
        return clusters_in(self.items)


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """What one mail says: incidents, or a run's own notice with what fails already.

    ``sections`` hold every line: the worst first, then what most clusters share; a notice's are in its own order.
    ``counts`` has the lines of each kind. ``incidents`` are the ids of the threads that it belongs to, its own first.
    ``held_back`` counts mails that were not sent because of the limit for each hour, and are in this one;
    ``unread`` changes that belong to it and cannot be read. The others
    are of ``MailContext``.
    """

    id: str
    route: str = DEFAULT_ROUTE
    sections: tuple[Section, ...] = ()
    counts: dict[str, int] = {}
    clusters: int = 0
    notice: Notice | None = None
    incidents: tuple[str, ...] = ()
    held_back: int = 0
    unread: int = 0
    refused: tuple[str, ...] = ()
    portal: str = ""
    dashboard: str = ""
    docs: str = ""
    why: str = ""

    @property
    def items(self) -> tuple[Item, ...]:
        """Every line."""
        return tuple(item for section in self.sections for item in section.items)


_NOTHING_KNOWN = MailContext()


def mail_of(
    items: Sequence[Item],
    mail_id: str,
    route: str = DEFAULT_ROUTE,
    *,
    known: MailContext = _NOTHING_KNOWN,
    held_back: int = 0,
) -> Mail:
    """What one mail says of its lines. Its sections may be empty: then nothing is left to report."""
    counts = {kind.value: sum(item.kind is kind for item in items) for kind in ItemKind}
    order = list(ItemKind)
    sections = sorted(_sections(items, known), key=lambda one: (order.index(one.kind), -one.clusters))
    return Mail(
        id=mail_id,
        route=route,
        sections=tuple(sections),
        counts={kind: count for kind, count in counts.items() if count},
        clusters=clusters_in(items),
        incidents=_incidents(sections, route),
        held_back=held_back,
        refused=known.refused,
        portal=known.portal,
        dashboard=known.dashboard,
        docs=known.docs,
        why=known.why,
    )


def notice_mail(
    notice: Notice, mail_id: str, route: str = DEFAULT_ROUTE, *, known: MailContext = _NOTHING_KNOWN
) -> Mail:
    """A run's own notice as a mail of its own, its lines as sections. It belongs to no incident's thread."""
    reason = Reason.BASELINE if notice.kind is NoticeKind.BASELINE else Reason.STILL_FAILING
    items = [item_of_line(line, reason) for line in notice.lines]
    mail = mail_of(items, mail_id, route, known=known)
    return msgspec.structs.replace(mail, notice=notice, sections=_sections(items, known), incidents=())


def _sections(items: Sequence[Item], known: MailContext) -> tuple[Section, ...]:
    """The lines by kind, registry and cause, in the order of the first of each."""
    together: dict[tuple[ItemKind, str, str], list[Item]] = {}
    for item in items:
        together.setdefault((item.kind, item.registry, item.cause), []).append(_with_context(item, known))
    return tuple(
        Section(
            kind=kind,
            registry=registry,
            cause=cause,
            items=tuple(members),
            used_by=known.used_by.get(registry, 0),
            registry_id=known.registry_ids.get(registry, ""),
        )
        for (kind, registry, cause), members in together.items()
    )


def _with_context(item: Item, known: MailContext) -> Item:
    subscription = known.subscriptions.get(subscription_of(item.cluster), "")
    waiting = known.waiting.get((item.cluster.lower(), item.registry), ())
    return msgspec.structs.replace(item, subscription=subscription, waiting=waiting)


def _incidents(sections: Sequence[Section], route: str) -> tuple[str, ...]:
    """The threads of a mail, that of its first section first; where a cause changed, the old one's, too."""
    roots = [item.root for section in sections for item in section.items]
    for section in sections:
        roots += [
            root_of(item.cluster, item.registry, item.before_cause) for item in section.items if item.before_cause
        ]
    return tuple(dict.fromkeys(incident_id(route, root) for root in dict.fromkeys(roots)))[:MAX_INCIDENTS]


def clusters_in(items: Iterable[Item]) -> int:
    """How many clusters lines are about."""
    return len({item.cluster.lower() for item in items})


def mail_id(keys: Iterable[str], sequence: int) -> str:
    """The id of a mail: the same members always give the same one. Starts with the run, so ids sort by age."""
    hashed = hashlib.sha256("\n".join(sorted(keys)).encode("utf-8", "surrogatepass")).hexdigest()
    return f"{sequence:019d}-{hashed[:24]}"


def incident_id(route: str, root: Root) -> str:
    """The id of an incident's thread: of what is broken, whatever the cause is by now."""
    return hashlib.sha256(f"{route}\n{root.kind}\n{root.name}".encode("utf-8", "surrogatepass")).hexdigest()[:24]
