"""PW106: when the secret of a service-principal cluster ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from checks.catalog.check import Check, Step
from checks.causes import Cause
from checks.facts import ClientSecret, Cluster, ClusterFacts, NotSeen, NotSeenReason, Seen
from checks.findings import Finding, Severity, Subject
from checks.rules.fixes import az_aks


class SecretExpiryCause(Cause):
    """Causes of PW106."""

    SECRET_VALID = "secret-valid", "The service principal's secret is valid for a while."
    SECRET_ENDS_SOON = "secret-ends-soon", "The service principal's secret expires soon."
    SECRET_EXPIRED = "secret-expired", "All secrets of the service principal have expired."
    SECRET_ONE_EXPIRED = (
        "secret-one-expired",
        "One secret has expired, another is valid; which one the cluster uses is not known.",
    )
    SECRET_NOT_SHOWN = "secret-not-shown", "The application shows no end date of its secrets."
    NO_SECRET = "no-secret", "The application has no secret."
    APPLICATION_ELSEWHERE = (
        "application-elsewhere",
        "The application belongs to another tenant, where its secrets cannot be read.",
    )


CHECK = Check(
    code="PW106",
    title="Service principal secret",
    severity=Severity.ERROR,
    why="Nodes of a service-principal cluster sign in with a secret; when it ends, every pull is refused.",
    how=(
        "Microsoft Graph shows when the secrets of the application and its service principal end (never their "
        "values). All of "
        "them over: Fail. The last of them within 30 days: a warning. Some over and some not: which one the nodes hold "
        "is not readable, Unknown. Clusters with managed identities have none: Skipped."
    ),
    permissions=("Application.Read.All in Microsoft Graph (service-principal clusters only)",),
    fix="Reset the service principal's credentials, or move the cluster to managed identities.",
    article=("credentials not expired",),
    links=("https://learn.microsoft.com/azure/aks/update-credentials",),
    step=Step.IDENTITY,
    causes=(SecretExpiryCause,),
)

SOON = timedelta(days=30)


def judge(facts: ClusterFacts) -> tuple[Finding, ...]:
    """One finding about the cluster."""
    cluster, client_secrets = facts.cluster, facts.client_secrets
    subject = Subject(cluster.id)
    if client_secrets is None:
        return (CHECK.skipped(subject, SecretExpiryCause.NO_SECRET, "the cluster's nodes sign in without a secret"),)
    client_id = cluster.service_principal_client_id or ""
    what = f"When the secret of the application {client_id} ends"
    if isinstance(client_secrets, NotSeen):
        if client_secrets.why is not NotSeenReason.NOT_FOUND:
            return (CHECK.not_seen(subject, client_secrets, what),)
        summary = f"{what} is not known: {client_secrets.detail}."
        return (
            CHECK.unknown(
                subject, SecretExpiryCause.APPLICATION_ELSEWHERE, summary, missing="the application's own directory"
            ),
        )
    return (_ends(cluster, client_id, client_secrets, subject),)


def _ends(
    cluster: Cluster, client_id: str, client_secrets: Seen[tuple[ClientSecret, ...]], subject: Subject
) -> Finding:
    now, evidence = _time(client_secrets.evidence.read_at), (client_secrets.evidence,)
    ends = [_time(secret.ends) for secret in client_secrets.value]
    known = [end for end in ends if end is not None]
    if now is None or not ends or len(known) < len(ends):
        what = "the end of each secret" if ends else "a secret of the application"
        summary = f"Graph does not show {what} ({client_id})."
        return CHECK.unknown(subject, SecretExpiryCause.SECRET_NOT_SHOWN, summary, evidence, missing=what)
    last = max(known)
    fix = (az_aks.reset_service_principal_secret(cluster, client_id), az_aks.enable_managed_identity(cluster))
    day = f"{last:%Y-%m-%d}"
    if last <= now:
        summary = f"Every secret of the application {client_id} is over, the last since {day}: nodes cannot sign in."
        return CHECK.fails(subject, SecretExpiryCause.SECRET_EXPIRED, summary, evidence, fix=fix)
    if last <= now + SOON:
        summary = f"The last secret of the application {client_id} ends on {day}."
        return CHECK.fails(
            subject, SecretExpiryCause.SECRET_ENDS_SOON, summary, evidence, fix=fix, severity=Severity.WARNING
        )
    if min(known) <= now:
        what = "which of the application's secrets the nodes hold"
        summary = f"One secret of the application {client_id} is over, another lasts until {day}. Not settled: {what}."
        return CHECK.unknown(subject, SecretExpiryCause.SECRET_ONE_EXPIRED, summary, evidence, missing=what)
    return CHECK.passes(subject, SecretExpiryCause.SECRET_VALID, f"Secrets of {client_id} last until {day}.", evidence)


def _time(text: str | None) -> datetime | None:
    """A moment of Graph or of a reading; one without an offset is UTC."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
