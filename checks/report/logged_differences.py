"""What a registry logged against what Azure shows and nodes report: sentences that name the difference.

Where the log agrees it says nothing here: it stands in the row's basis.
"""

from __future__ import annotations

from collections.abc import Iterable

from checks.catalog import (
    pw102_pull_permission,
    pw108_customer_managed_key,
    pw202_egress_and_ip_rules,
    pw308_pulls_logged,
)
from checks.catalog.pw308_pulls_logged import LogCause
from checks.facts import ClusterFacts, RegistryUse, Seen
from checks.findings import Finding, Pass, Unknown
from checks.rules.pull.errors import CREDENTIALS, PullErrorCause
from checks.rules.pull.observed_pulls import FailedPull
from checks.rules.registry_log.standing import BEHIND_MINUTES

LOG = pw308_pulls_logged.CHECK.code
ROLE = pw102_pull_permission.CHECK.code
KEY = pw108_customer_managed_key.CHECK.code
ADDRESSES = pw202_egress_and_ip_rules.CHECK.code
# What nodes report of a pull that never got an answer from the registry.
_NEVER_ARRIVED = frozenset(
    {
        PullErrorCause.DNS,
        PullErrorCause.CONNECT_TIMEOUT,
        PullErrorCause.CONNECT_REFUSED,
        PullErrorCause.PROXY,
        PullErrorCause.TLS,
    }
)


def logged_differences(
    facts: ClusterFacts, use: RegistryUse, failing: Iterable[FailedPull], findings: Iterable[Finding]
) -> tuple[str, ...]:
    """The sentences about one registry; none where its log was not read, or says nothing else."""
    log = facts.registry_logs.get(use.login_server)
    if not isinstance(log, Seen):
        return ()
    own = [f for f in findings if f.subject.registry == use.login_server]
    logged = [f for f in own if f.code == LOG]
    passing = {f.code for f in own if isinstance(f.verdict, Pass)} - {f.code for f in own if f.failed}
    waiting = {pull.classified.cause for pull in failing if not pull.foreign_mirror and not _about_layers(pull)}
    read_whole = log.value.heard and not log.value.cut
    of_key = [f for f in own if f.code == KEY]
    sentences = (
        *_against_azure({f.cause for f in logged if f.failed}, passing, of_key),
        *_against_nodes(logged, waiting, read_whole=read_whole),
    )
    return tuple(dict.fromkeys(sentences))


def _against_azure(causes: set[str], passing: set[str], of_key: list[Finding]) -> Iterable[str]:
    if PullErrorCause.FIREWALL_DENIED in causes and ADDRESSES in passing:
        yield (
            f"The registry's log shows its firewall refusing the cluster although {ADDRESSES} finds the nodes' "
            "addresses let in: the rules changed within the last minutes, or nodes leave by another address."
        )
    if causes & CREDENTIALS and ROLE in passing:
        why = _why_refused(of_key)
        yield f"The registry's log shows it refusing the nodes' identity although {ROLE} finds its role: {why}"


def _why_refused(of_key: list[Finding]) -> str:
    """The likely explanations: the registry's key is one only where it may be out of use."""
    role, condition = "the role was given within the last minutes", "a condition keeps it from this repository"
    broken = next((f for f in of_key if f.failed), None)
    if broken is not None:
        return f"{KEY} explains a 403: {broken.summary} If it is none, {role}, or {condition}."
    doubt = next((f for f in of_key if isinstance(f.verdict, Unknown)), None)
    if doubt is not None:
        return f"{role}, {condition}, or the registry cannot use its key, of which {KEY} says: {doubt.summary}"
    return f"{role}, or {condition}."


def _about_layers(pull: FailedPull) -> bool:
    """Whether another host than the login server failed: that registry's log does not know of it."""
    return ".data." in pull.text or ".blob." in pull.text


def _against_nodes(logged: list[Finding], waiting: set[PullErrorCause], *, read_whole: bool) -> Iterable[str]:
    causes = {f.cause for f in logged}
    if read_whole and waiting and waiting <= _NEVER_ARRIVED and causes == {LogCause.NOTHING_LOGGED}:
        yield (
            "The registry logged no call of this cluster: what nodes ask does not get there, so the fault lies on the "
            f"way (DNS, a route, an appliance), not at the registry. Its log is up to {BEHIND_MINUTES} minutes behind."
        )
    if waiting & CREDENTIALS and causes == {LogCause.PULLED}:
        yield (
            "Nodes report that the registry refuses them, but it logged a pull of theirs that worked: the refusal is "
            "about another repository, or the failing pods use a pull secret of their own."
        )
