"""One mail of every kind, as people get them: for previews, and for tests of how they look."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from checks.changes import Change, Notice, NoticeKind, NoticeLine, Reason, RowVerdicts, Status, Transition
from checks.notify.incidents import Mail, MailContext, items_of, mail_of, notice_mail

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
SHOP, LEDGER = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
ACR, OTHER = "acrshop.azurecr.io", "acrledger.azurecr.io"
ACR_ID = f"/subscriptions/{SHOP}/resourceGroups/rg-registries/providers/Microsoft.ContainerRegistry/registries/acrshop"
IDENTITY = "85db9556-da7d-53ec-9c3c-5f8085ba3d98"
NO_ROLE = (
    f"The kubelet identity {IDENTITY} has no role that allows pulls from acrshop. A new role assignment can take up to "
    "10 minutes to take effect."
)


def cluster(name: str, subscription: str = SHOP) -> str:
    """The ARM id of a cluster."""
    group = f"/subscriptions/{subscription}/resourceGroups/rg-{name}"
    return f"{group}/providers/Microsoft.ContainerService/managedClusters/{name}"


def role_fix(name: str, identity: str = IDENTITY) -> tuple[str, ...]:
    """What grants the kubelet identity a pull."""
    return (
        f"az role assignment create --assignee-object-id {identity} --assignee-principal-type ServicePrincipal "
        f"--role AcrPull --scope {ACR_ID}",
        "# or, with the same effect:",
        f"az aks update --subscription {SHOP} --resource-group rg-{name} --name {name} --attach-acr {ACR_ID}",
    )


WEB = cluster("aks-shop-web")
KNOWN = MailContext(
    subscriptions={SHOP: "Shop Production", LEDGER: "Ledger Production"},
    used_by={ACR: 27, OTHER: 3},
    waiting={(WEB.lower(), ACR): ("shop/Deployment/web (3 pods)", "shop/CronJob/report (1 pod)")},
    registry_ids={ACR: ACR_ID},
    portal="https://portal.azure.com",
    dashboard="https://pullwatch.contoso.example/dashboard",
    docs="https://git.contoso.example/pullwatch/blob/main",
    why="PULLWATCH_MAIL_TO names you",
)


def moved(
    reason: Reason,
    facet: str = "pull",
    registry: str = ACR,
    hours: float = 2,
    cause: str = "role-missing",
    **more: object,
) -> Transition:
    """A step of one subject that people are notified of; by its reason it fails, holds again or left."""
    since = NOW - timedelta(hours=hours)
    over = reason in (Reason.RECOVERED, Reason.SETTLED)
    made = Transition(
        registry=registry,
        facet=facet,
        before=Status.FAILING if over or reason in (Reason.GONE, Reason.CAUSE_CHANGED) else Status.PASSING,
        after=Status.PASSING if over else None if reason is Reason.GONE else Status.FAILING,
        reason=reason,
        since=since,
        bad_since=since - timedelta(hours=3, minutes=12) if over else None,
        cause=cause,
        summary=NO_ROLE,
        fix=() if over or reason is Reason.GONE else role_fix("aks-shop-web"),
        alert=True,
    )
    return msgspec.structs.replace(made, **more)


def change(*transitions: Transition, of: str = WEB, sequence: int = 7, word: str = "fail") -> Change:
    """What changed for a cluster; ``word``: the answer of its rows by now."""
    rows = tuple(
        RowVerdicts(registry, word, "pass", word, "pass", ("nodes", "azure"))
        for registry in dict.fromkeys(one.registry for one in transitions)
    )
    return Change(
        cluster=of, run=f"202611-{sequence:012d}", sequence=sequence, at=NOW, transitions=transitions, rows=rows
    )


def access_and_pull(reason: Reason, **more: object) -> tuple[Transition, Transition]:
    """A step of both facets that a missing role concerns."""
    return (moved(reason, "access", **more), moved(reason, "pull", **more))  # type: ignore[arg-type]


def fleet(count: int, cause: str = "role-missing", registry: str = ACR) -> list[Change]:
    """Clusters that a registry shuts out, each with an identity of its own."""
    made = []
    for number in range(count):
        name = f"aks-shop-{number:04d}"
        identity = f"{number:08x}-da7d-53ec-9c3c-5f8085ba3d98"
        own = {"fix": role_fix(name, identity), "summary": NO_ROLE.replace(IDENTITY, identity), "cause": cause}
        steps = access_and_pull(Reason.REGRESSED, registry=registry, hours=2 + number / 60, **own)
        made.append(change(*steps, of=cluster(name, SHOP if number % 3 else LEDGER)))
    return made


def mailed(changes: Sequence[Change], held_back: int = 0, known: MailContext = KNOWN) -> Mail:
    """The mail of changes."""
    return mail_of(items_of(changes), "0000000000000000007-ebe07f9fd1566c1527aeb77b", known=known, held_back=held_back)


def noticed(kind: NoticeKind, title: str, *facts: str, lines: int = 0, more: int = 0) -> Mail:
    """The mail of a run's own notice."""
    listed = tuple(
        NoticeLine(
            cluster=cluster(f"aks-shop-{number:04d}"),
            registry=ACR if number % 2 else OTHER,
            facets=("access", "pull"),
            cause="role-missing",
            since=NOW - timedelta(days=3 - number / 10),
            summary=NO_ROLE,
            fix=role_fix(f"aks-shop-{number:04d}"),
            basis=("azure",),
        )
        for number in range(lines)
    )
    notice = Notice(
        kind=kind, run="202611-000000000007", sequence=7, at=NOW, title=title, facts=facts, lines=listed, more=more
    )
    return notice_mail(notice, "0000000000000000007-b7494d4eef566b16fd31e180", known=KNOWN)


def samples() -> dict[str, Mail]:
    """One mail of every kind, by a name for its files."""
    blind = moved(
        Reason.BLIND,
        gap="look-not-allowed",
        unknown_since=NOW - timedelta(hours=6, minutes=30),
        after=Status.PASSING,
        cause="",
        summary="Azure Resource Manager refused to list the cluster's node pools: Reader is missing.",
        fix=(f"az role assignment create --assignee {IDENTITY} --role Reader --scope /subscriptions/{SHOP}",),
    )
    closed = moved(
        Reason.CAUSE_CHANGED,
        "path",
        cause="ip-not-allowed",
        before_cause="endpoint-out-of-reach",
        summary="The registry's IP rules allow none of the addresses that the nodes use for egress: 203.0.113.7.",
        fix=(
            "# Either allow the address:",
            f"az acr network-rule add --name acrshop --subscription {SHOP} --ip-address 203.0.113.7",
            "# or create a private endpoint in the node network:",
            f"az network private-endpoint create --name pe-acrshop --resource-group rg-net --connection-name acrshop "
            f"--private-connection-resource-id {ACR_ID} --group-id registry --vnet-name vnet-shop --subnet endpoints",
        ),
    )
    mixed = [
        *fleet(3),
        change(*access_and_pull(Reason.RECOVERED, hours=0.5), of=cluster("aks-shop-api"), word="pass"),
        change(
            *access_and_pull(Reason.RECOVERED, hours=1, registry=OTHER),
            blind,
            of=cluster("aks-ledger-eu", LEDGER),
            word="pass",
        ),
    ]
    failing = change(*access_and_pull(Reason.REGRESSED))
    back = change(*access_and_pull(Reason.RECOVERED, hours=0.25), word="pass")
    again = moved(Reason.SEEN_AGAIN, after=Status.PASSING)
    flap = moved(Reason.FLAPPING, "path", cause="dns", summary="no such host: the nodes' DNS server gave no answer.")
    return {
        "fail": mailed([failing]),
        "fail-14-clusters": mailed(fleet(14)),
        "fail-2000-clusters": mailed(fleet(2000), known=msgspec.structs.replace(KNOWN, used_by={ACR: 2400})),
        "recovered": mailed([back]),
        "was-bad": mailed([failing, msgspec.structs.replace(back, sequence=8)]),
        "cause-changed": mailed([change(closed)]),
        "more-fail": mailed(
            [
                change(
                    *access_and_pull(
                        Reason.MORE_FAILING,
                        registry="other-registries",
                        cause="more-registries",
                        before=Status.FAILING,
                        summary="4 more registries fail: acrone.azurecr.io, acrtwo.azurecr.io and 2 more.",
                    )
                )
            ]
        ),
        "flapping": mailed([change(flap)]),
        "blind": mailed([change(blind, of=cluster(f"aks-shop-{n}")) for n in range(3)]),
        "seen-again": mailed([change(again, word="pass")]),
        "removed": mailed([change(*access_and_pull(Reason.GONE, hours=52))]),
        "mixed": mailed(mixed),
        "held-back": mailed(
            [one for n in range(150) for one in _one_of_many(n)],
            held_back=34,
        ),
        "refused-recipients": mailed(
            [failing], known=msgspec.structs.replace(KNOWN, refused=("gone@contoso.example",))
        ),
        "baseline": noticed(
            NoticeKind.BASELINE,
            "27 clusters watched, 5 failing",
            "27 clusters in 2 subscription(s) are watched from now on.",
            "From here on you get mail when access or path or pull of a registry fails, and when it holds again.",
            lines=5,
        ),
        "reminder": noticed(
            NoticeKind.REMINDER,
            "60 clusters still fail",
            "People were notified of all of these before. The next reminder comes in 24 hours.",
            lines=50,
            more=10,
        ),
        "degraded": noticed(
            NoticeKind.DEGRADED,
            "Pullwatch cannot read many clusters",
            "9 of 27 clusters could not be read in this run. What is not known raises no alert.",
        ),
        "checker-error": noticed(
            NoticeKind.DEGRADED,
            "checker error: A silence, which silences nothing until it can be read (3f1c09aa) cannot be handled",
            "A silence, which silences nothing until it can be read (3f1c09aa): row 'silence|3f1c09aa' has "
            "schema version 2; known is 1",
            "Nothing is known of these until they are repaired: no alert is raised of them and none is resolved. "
            "Everything else goes on.",
        ),
        "degraded-over": noticed(NoticeKind.DEGRADED_OVER, "Pullwatch can read enough clusters again"),
        "silence-ended": noticed(
            NoticeKind.SILENCE_ENDED,
            "2 clusters still fail after a silence ended",
            "kim@contoso.example silenced cause role-missing from 2026-11-24 04:00 UTC to 2026-11-24 08:00 UTC, for "
            "this reason: node image upgrade, CHG-4711",
            "Meanwhile none of this was sent.",
            lines=2,
        ),
        "visible-again": noticed(
            NoticeKind.VISIBLE_AGAIN, "1 subscription can be seen again", f"Subscription {LEDGER}"
        ),
        "vanished": noticed(
            NoticeKind.VANISHED,
            "1 subscription cannot be seen any more",
            f"The subscription {LEDGER} is not listed for Pullwatch's identity any more. If it is to be watched: "
            f"az role assignment create --assignee {IDENTITY} --role Reader --scope /subscriptions/{LEDGER}",
            f"If it is not: add {LEDGER} to PULLWATCH_EXCLUDE_SUBSCRIPTIONS.",
        ),
    }


def _one_of_many(number: int) -> list[Change]:
    """A cluster that a registry of its own shuts out."""
    made = fleet(1, registry=f"acrteam{number:03d}.azurecr.io")
    return [msgspec.structs.replace(one, cluster=cluster(f"aks-team-{number:03d}")) for one in made]
