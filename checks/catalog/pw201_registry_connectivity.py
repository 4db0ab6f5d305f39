"""PW201: registry endpoints as they show themselves from where Pullwatch runs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from checks.catalog.check import Check, Step, Vantage
from checks.causes import Cause
from checks.facts import ClusterFacts, NotSeen, NotSeenReason, Registry, RegistryUse, Seen, subscription_of
from checks.facts.registry_details import DataEndpoint, Outcome, Probe
from checks.findings import Evidence, Finding, Severity, Subject
from checks.rules.access import rbac
from checks.rules.fixes import az_acr, az_roles, shell
from checks.rules.path.registry_firewall import PublicAccess, public_access


class ConnectivityCause(Cause):
    """Causes of PW201: what a probe came to, of the login server and of data endpoints."""

    REACHED = "reached", "The registry answers as it should."
    NOT_CONTACTED = (
        "not-contacted",
        "The host is nothing that Pullwatch contacts: an address, a bare word or a port other than 443.",
    )
    ADDRESS_REFUSED = (
        "address-refused",
        "The name resolves to a loopback, link-local or private address, which Pullwatch does not connect to.",
    )
    DNS_ERROR = "dns-error", "The name does not exist. `az acr check-health` calls it CONNECTIVITY_DNS_ERROR."
    DNS_UNANSWERED = "dns-unanswered", "DNS gave no answer. `az acr check-health` calls it CONNECTIVITY_DNS_ERROR."
    CONNECT_REFUSED = (
        "connect-refused",
        "The connection was refused. `az acr check-health` calls it CONNECTIVITY_CHALLENGE_ERROR.",
    )
    CONNECT_TIMEOUT = (
        "connect-timeout",
        "The connection timed out. `az acr check-health` calls it CONNECTIVITY_CHALLENGE_ERROR.",
    )
    CONNECT_ERROR = (
        "connect-error",
        "The connection failed. `az acr check-health` calls it CONNECTIVITY_CHALLENGE_ERROR.",
    )
    SSL_ERROR = "ssl-error", "TLS failed. `az acr check-health` calls it CONNECTIVITY_SSL_ERROR."
    CERTIFICATE_EXPIRED = (
        "certificate-expired",
        "The certificate has expired. `az acr check-health` calls it CONNECTIVITY_SSL_ERROR.",
    )
    FORBIDDEN_ERROR = (
        "forbidden-error",
        "The registry's firewall refused Pullwatch. `az acr check-health` calls it CONNECTIVITY_FORBIDDEN_ERROR.",
    )
    CHALLENGE_ERROR = (
        "challenge-error",
        "The registry gave no challenge for its token service. "
        "`az acr check-health` calls it CONNECTIVITY_CHALLENGE_ERROR.",
    )
    WWW_AUTHENTICATE_ERROR = (
        "www-authenticate-error",
        "The registry's challenge could not be understood. "
        "`az acr check-health` calls it CONNECTIVITY_WWW_AUTHENTICATE_ERROR.",
    )
    AAD_LOGIN_ERROR = (
        "aad-login-error",
        "The registry does not offer sign-in with Microsoft Entra ID. "
        "`az acr check-health` calls it CONNECTIVITY_AAD_LOGIN_ERROR.",
    )
    IDENTITY_ERROR = "identity-error", "Pullwatch's identity gets no Microsoft Entra token for container registries."
    REFRESH_TOKEN_ERROR = (
        "refresh-token-error",
        "The registry gave no refresh token. `az acr check-health` calls it CONNECTIVITY_REFRESH_TOKEN_ERROR.",
    )
    ACCESS_TOKEN_ERROR = (
        "access-token-error",
        "The registry gave no access token for the repository. "
        "`az acr check-health` calls it CONNECTIVITY_ACCESS_TOKEN_ERROR.",
    )
    TOO_MANY_REQUESTS_ERROR = (
        "too-many-requests-error",
        "The registry limits the rate of requests. `az acr check-health` calls it CONNECTIVITY_TOOMANYREQUESTS_ERROR.",
    )
    CERTIFICATE_EXPIRES_SOON = "certificate-expires-soon", "The certificate expires soon."
    NOT_PROBED = "not-probed", "The registry was not probed."
    PROBE_OFF = "probe-off", "A setting turns the probe off."
    DATA_ENDPOINT_ADDRESS_REFUSED = (
        "data-endpoint-address-refused",
        "At a data endpoint: the name resolves to a loopback, link-local or private address, "
        "which Pullwatch does not connect to.",
    )
    DATA_ENDPOINT_NOT_CONTACTED = (
        "data-endpoint-not-contacted",
        "At a data endpoint: its name is not one to connect to.",
    )
    DATA_ENDPOINT_DNS_ERROR = "data-endpoint-dns-error", "At a data endpoint: the name does not exist."
    DATA_ENDPOINT_DNS_UNANSWERED = "data-endpoint-dns-unanswered", "At a data endpoint: DNS gave no answer."
    DATA_ENDPOINT_CONNECT_REFUSED = "data-endpoint-connect-refused", "At a data endpoint: the connection was refused."
    DATA_ENDPOINT_CONNECT_TIMEOUT = "data-endpoint-connect-timeout", "At a data endpoint: the connection timed out."
    DATA_ENDPOINT_CONNECT_ERROR = "data-endpoint-connect-error", "At a data endpoint: the connection failed."
    DATA_ENDPOINT_SSL_ERROR = "data-endpoint-ssl-error", "At a data endpoint: TLS failed."
    DATA_ENDPOINT_CERTIFICATE_EXPIRED = (
        "data-endpoint-certificate-expired",
        "At a data endpoint: the certificate has expired.",
    )


CHECK = Check(
    code="PW201",
    title="Registry connectivity from Pullwatch",
    severity=Severity.WARNING,
    why=(
        "A name that does not exist, an expired certificate or a registry that throttles hits every client. Pullwatch"
        " looks from its own network with its own identity, so this never decides a row: results from the nodes can "
        "differ."
    ),
    how=(
        "Each registry in use is asked once per run: its name (with the end of its CNAME chain), TCP, TLS (verified, "
        "with the certificate's end), GET /v2/ and its challenge, and, for login servers that Azure Resource Manager "
        "returned, the token exchange with Pullwatch's own identity, a pull token for one repository in use, and the "
        "data endpoints as far as TLS. A name that does not exist although Azure Resource Manager shows the registry, "
        "and an expired certificate, is a Fail that only warns; a firewall that keeps Pullwatch out, a network path "
        "it lacks or a role that only it lacks is Unknown. Hosts that only pods name are asked for /v2/ without "
        "credentials, at public addresses and port 443, and hosts that are no Azure registry only where "
        "PULLWATCH_PROBE_OTHERS is true. The evidence names the code that `az acr check-health` has for the outcome."
    ),
    permissions=(
        "A network path from Pullwatch to the registry, port 443",
        "AcrPull, or Container Registry Repository Reader in ABAC mode, for Pullwatch's own identity (optional)",
    ),
    fix="Depends on the cause; the finding names it.",
    article=("network", "access"),
    links=(
        "https://learn.microsoft.com/azure/container-registry/container-registry-check-health",
        "https://learn.microsoft.com/azure/container-registry/container-registry-health-error-reference",
    ),
    vantage=Vantage.PULLWATCH,
    step=Step.REGISTRY,
    causes=(ConnectivityCause,),
)

# What `az acr check-health` says of the same outcome (azure-cli, command_modules/acr/_errors.py).
HEALTH_CODES: Mapping[Outcome, str] = {
    Outcome.DNS_ERROR: "CONNECTIVITY_DNS_ERROR",
    Outcome.DNS_UNANSWERED: "CONNECTIVITY_DNS_ERROR",
    Outcome.CONNECT_REFUSED: "CONNECTIVITY_CHALLENGE_ERROR",
    Outcome.CONNECT_TIMEOUT: "CONNECTIVITY_CHALLENGE_ERROR",
    Outcome.CONNECT_ERROR: "CONNECTIVITY_CHALLENGE_ERROR",
    Outcome.SSL_ERROR: "CONNECTIVITY_SSL_ERROR",
    Outcome.CERTIFICATE_EXPIRED: "CONNECTIVITY_SSL_ERROR",
    Outcome.FORBIDDEN: "CONNECTIVITY_FORBIDDEN_ERROR",
    Outcome.CHALLENGE: "CONNECTIVITY_CHALLENGE_ERROR",
    Outcome.WWW_AUTHENTICATE: "CONNECTIVITY_WWW_AUTHENTICATE_ERROR",
    Outcome.AAD_LOGIN: "CONNECTIVITY_AAD_LOGIN_ERROR",
    Outcome.REFRESH_TOKEN: "CONNECTIVITY_REFRESH_TOKEN_ERROR",
    Outcome.ACCESS_TOKEN: "CONNECTIVITY_ACCESS_TOKEN_ERROR",
    Outcome.TOO_MANY_REQUESTS: "CONNECTIVITY_TOOMANYREQUESTS_ERROR",
}
_CERTAIN = frozenset({Outcome.DNS_ERROR, Outcome.CERTIFICATE_EXPIRED})
_OWN_RIGHTS = frozenset({Outcome.IDENTITY, Outcome.REFRESH_TOKEN, Outcome.ACCESS_TOKEN})
_UNREACHED = frozenset(
    {
        Outcome.DNS_UNANSWERED,
        Outcome.CONNECT_REFUSED,
        Outcome.CONNECT_TIMEOUT,
        Outcome.CONNECT_ERROR,
        Outcome.SSL_ERROR,
    }
)
EXPIRES_WITHIN = timedelta(days=7)
SHORT_LIVED = timedelta(days=30)


def judge(facts: ClusterFacts) -> tuple[Finding, ...]:
    """One finding per registry that was to be probed."""
    return tuple(_judge_registry(facts, use) for use in facts.uses if use.acr or use.login_server in facts.probes)


def _judge_registry(facts: ClusterFacts, use: RegistryUse) -> Finding:
    subject = Subject(facts.cluster.id, registry=use.login_server)
    seen = facts.probes.get(use.login_server)
    if seen is None:
        return CHECK.skipped(subject, ConnectivityCause.NOT_PROBED, f"{use.login_server} was not probed")
    if isinstance(seen, NotSeen):
        if seen.why in (NotSeenReason.OFF, NotSeenReason.NOT_APPLICABLE):
            return CHECK.skipped(subject, ConnectivityCause.PROBE_OFF, seen.detail)
        return CHECK.not_seen(subject, seen, f"{use.login_server} from here")
    registry = use.registry.value if isinstance(use.registry, Seen) else None
    probe, evidence = seen.value, _evidence(seen)
    if registry is not None and probe.outcome in _CERTAIN:
        return _fails(subject, registry, probe, evidence)
    for data in probe.data:
        if registry is not None and data.outcome in _CERTAIN:
            return _data_fails(subject, registry, data, evidence)
    if registry is not None and _expires_soon(probe, seen.evidence.read_at):
        return _expires(subject, registry, probe, evidence)
    if probe.outcome is not Outcome.REACHED:
        finding = _unknown(subject, registry, probe, evidence)
        # Azure Lighthouse delegates no data actions: no role lets Pullwatch itself pull there.
        across = registry is not None and subscription_of(registry.id) in facts.visibility.delegated
        return msgspec.structs.replace(finding, fix=()) if across else finding
    for data in probe.data:
        if data.outcome is not Outcome.REACHED:
            summary = f"From here {use.login_server} answers, but not its data endpoint: {data.detail}."
            missing = f"a network path from Pullwatch to {data.host}"
            return CHECK.unknown(subject, f"data-endpoint-{data.outcome.value}", summary, evidence, missing=missing)
    return CHECK.passes(subject, ConnectivityCause.REACHED, _reached(probe), evidence)


def _evidence(seen: Seen[Probe]) -> tuple[Evidence, ...]:
    at = seen.evidence
    probed = Evidence("; ".join(seen.value.steps) or seen.value.detail, at.source, at.read_at)
    code = HEALTH_CODES.get(seen.value.outcome)
    return (probed, Evidence(code, "what `az acr check-health` calls this")) if code else (probed,)


def _fails(subject: Subject, registry: Registry, probe: Probe, evidence: tuple[Evidence, ...]) -> Finding:
    if probe.outcome is Outcome.CERTIFICATE_EXPIRED:
        summary = f"From here {probe.host} shows an expired certificate: {probe.detail}."
    else:
        summary = (
            f"From here the name {probe.host} does not exist, although Azure Resource Manager shows the registry: a "
            "private DNS zone without its record, or a resolver that does not know it."
        )
    fix = (shell.look_up_host(probe.host), az_acr.check_health(registry))
    return CHECK.fails(subject, probe.outcome.value, summary, evidence, fix=fix)


def _data_fails(subject: Subject, registry: Registry, data: DataEndpoint, evidence: tuple[Evidence, ...]) -> Finding:
    summary = f"From here the data endpoint {data.host}, which serves the layers, fails: {data.detail}."
    fix = (shell.look_up_host(data.host), az_acr.check_health(registry))
    return CHECK.fails(subject, f"data-endpoint-{data.outcome.value}", summary, evidence, fix=fix)


def _expires_soon(probe: Probe, read_at: str | None) -> bool:
    """A certificate near its end; one that is made for less than a month is renewed late by design."""
    if not probe.certificate_until or not probe.certificate_from or not read_at:
        return False
    begin, end = datetime.fromisoformat(probe.certificate_from), datetime.fromisoformat(probe.certificate_until)
    return end - datetime.fromisoformat(read_at) < EXPIRES_WITHIN and end - begin > SHORT_LIVED


def _expires(subject: Subject, registry: Registry, probe: Probe, evidence: tuple[Evidence, ...]) -> Finding:
    summary = f"The certificate that {probe.host} shows here ends at {probe.certificate_until}."
    fix = (az_acr.check_health(registry),)
    return CHECK.fails(subject, ConnectivityCause.CERTIFICATE_EXPIRES_SOON, summary, evidence, fix=fix)


def _unknown(subject: Subject, registry: Registry | None, probe: Probe, evidence: tuple[Evidence, ...]) -> Finding:
    if probe.outcome in _OWN_RIGHTS and registry is not None:
        return _own_rights(subject, registry, probe, evidence)
    cause = probe.outcome.value
    if probe.outcome is Outcome.FORBIDDEN:
        seen_as = f" (it sees Pullwatch as {probe.client_address})" if probe.client_address else ""
        summary = f"{probe.host} refuses connections from Pullwatch{seen_as}; nodes may differ."
        missing = f"a rule that lets Pullwatch's address {probe.client_address or ''} in".replace("  ", " ")
        return CHECK.unknown(subject, cause, summary, evidence, missing=missing)
    if probe.outcome is Outcome.TOO_MANY_REQUESTS:
        wait = f" and asks to wait {probe.retry_after} s" if probe.retry_after is not None else ""
        summary = f"{probe.host} throttles requests from here{wait} (HTTP 429)."
        return CHECK.unknown(subject, cause, summary, evidence, missing="an answer that is not throttled")
    unreached = probe.outcome in _UNREACHED
    return CHECK.unknown(
        subject,
        cause,
        f"From here {probe.host} could not be settled, and nodes may differ: {probe.detail}.",
        evidence,
        missing=f"a network path from Pullwatch to {probe.host}" if unreached else probe.detail,
        look_failed=unreached and registry is not None and _open(registry),
    )


def _open(registry: Registry) -> bool:
    """Whether everybody is let in: then it is Pullwatch's own path that is broken. Settings not understood: no."""
    return public_access(registry) is PublicAccess.ALL


def _own_rights(subject: Subject, registry: Registry, probe: Probe, evidence: tuple[Evidence, ...]) -> Finding:
    abac = rbac.is_abac(registry.role_assignment_mode)
    role = "Container Registry Repository Reader" if abac else "AcrPull"
    summary = (
        f"{probe.host} answers from here, but gives Pullwatch's own identity no token ({probe.detail}); "
        "this says nothing about the kubelet identity."
    )
    return CHECK.unknown(
        subject,
        probe.outcome.value,
        summary,
        evidence,
        missing=f"{role} for Pullwatch's own identity (optional)",
        fix=(az_roles.assign_role(az_roles.OWN_IDENTITY, role, registry.id),),
    )


def _reached(probe: Probe) -> str:
    how = "signs Pullwatch's own identity in" if probe.signed_in else "answers"
    token = f" and lets it pull {probe.repository}" if probe.repository else ""
    data = f"; its {len(probe.data)} data endpoints answer" if probe.data else ""
    until = f"; its certificate ends at {probe.certificate_until}" if probe.certificate_until else ""
    return f"From where Pullwatch runs, {probe.host} {how}{token}{data}{until}."
