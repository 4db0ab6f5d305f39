"""PW106: when the secret of a service-principal cluster ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from checks.catalog.check import Check
from checks.facts import ClientSecret, Cluster, ClusterFacts, NotSeen, Seen, Why
from checks.findings import Finding, Severity, Subject
from checks.rules.fixes import az_aks

CHECK = Check(
    code="PW106",
    title="Service principal secret",
    severity=Severity.ERROR,
    why="Nodes of a service-principal cluster sign in with a secret; when it ends, every pull is refused.",
    how=(
        "Graph tells when the secrets of the application and its service principal end (never their values). All of "
        "them over: Fail. The last of them within 30 days: a warning. Some over and some not: which one the nodes hold "
        "is not readable, Unknown. Clusters with managed identities have none: Skipped."
    ),
    permissions=("Application.Read.All in Microsoft Graph (service-principal clusters only)",),
    fix="Reset the service principal's credentials, or move the cluster to managed identities.",
    article=("credentials not expired",),
    links=("https://learn.microsoft.com/azure/aks/update-credentials",),
)

SOON = timedelta(days=30)


def judge(facts: ClusterFacts) -> tuple[Finding, ...]:
    """One finding about the cluster."""
    cluster, look = facts.cluster, facts.client_secrets
    subject = Subject(cluster.id)
    if look is None:
        return (CHECK.skipped(subject, "no-secret", "the cluster's nodes sign in without a secret"),)
    client_id = cluster.service_principal_client_id or ""
    what = f"When the secret of the application {client_id} ends"
    if isinstance(look, NotSeen):
        if look.why is not Why.NOT_FOUND:
            return (CHECK.not_seen(subject, look, what),)
        summary = f"{what} is not known: {look.detail}."
        return (CHECK.unknown(subject, "application-elsewhere", summary, missing="the application's own directory"),)
    return (_ends(cluster, client_id, look, subject),)


def _ends(cluster: Cluster, client_id: str, look: Seen[tuple[ClientSecret, ...]], subject: Subject) -> Finding:
    now, evidence = _time(look.evidence.read_at), (look.evidence,)
    ends = [_time(secret.ends) for secret in look.value]
    known = [end for end in ends if end is not None]
    if now is None or not ends or len(known) < len(ends):
        what = "the end of each secret" if ends else "a secret of the application"
        summary = f"Graph does not show {what} ({client_id})."
        return CHECK.unknown(subject, "secret-not-shown", summary, evidence, missing=what)
    last = max(known)
    fix = (az_aks.reset_service_principal_secret(cluster, client_id), az_aks.enable_managed_identity(cluster))
    day = f"{last:%Y-%m-%d}"
    if last <= now:
        summary = f"Every secret of the application {client_id} is over, the last since {day}: nodes cannot sign in."
        return CHECK.fails(subject, "secret-expired", summary, evidence, fix=fix)
    if last <= now + SOON:
        summary = f"The last secret of the application {client_id} ends on {day}."
        return CHECK.fails(subject, "secret-ends-soon", summary, evidence, fix=fix, severity=Severity.WARNING)
    if min(known) <= now:
        what = "which of the application's secrets the nodes hold"
        summary = f"One secret of the application {client_id} is over, another lasts until {day}. Not settled: {what}."
        return CHECK.unknown(subject, "secret-one-expired", summary, evidence, missing=what)
    return CHECK.passes(subject, "secret-valid", f"Secrets of {client_id} last until {day}.", evidence)


def _time(text: str | None) -> datetime | None:
    """A moment of Graph or of a reading; one without an offset is UTC."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
