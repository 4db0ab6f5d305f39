"""PW101: the identity that nodes pull with."""

from __future__ import annotations

from checks.catalog.base import Check
from checks.facts import Cluster, ClusterFacts, NotSeen, Why, same_id, subscription_of
from checks.rules import commands
from checks.verdicts import Evidence, Finding, Severity, Subject

CHECK = Check(
    code="PW101",
    title="Kubelet identity",
    severity=Severity.ERROR,
    why="Nodes pull with one identity per cluster. Where it is absent or unsettled, no role assignment can help.",
    how=(
        "On a managed-identity cluster it is identityProfile.kubeletidentity (its object id, not the control plane's "
        "or an add-on's identity); on a service-principal cluster Graph turns servicePrincipalProfile.clientId "
        "into an object id. A cluster that is still being created does not show it yet: Unknown."
    ),
    permissions=(
        "Reader on the cluster",
        "Application.Read.All in Microsoft Graph (service-principal clusters only)",
    ),
    fix="Reconcile the cluster with `az aks update`, or give it a new identity or service principal.",
    article=("role assignments",),
    links=("https://learn.microsoft.com/azure/aks/use-managed-identity",),
)

# States in which ARM may not show the kubelet identity yet; a missing one says nothing then.
_UNSETTLED = frozenset({"creating", "updating", "upgrading", "canceled", "failed", "starting", "migrating"})


def judge(facts: ClusterFacts) -> tuple[Finding, ...]:
    """One finding about the cluster."""
    cluster = facts.cluster
    subject = Subject(cluster.id)
    evidence = (cluster.evidence,) if cluster.evidence else ()
    if (cluster.provisioning_state or "").lower() == "deleting":
        return (CHECK.skipped(subject, "cluster-deleting", "the cluster is being deleted"),)
    if cluster.kubelet is not None:
        return (_managed(cluster, subject, evidence),)
    if cluster.service_principal_client_id and not cluster.has_identity:
        return (_service_principal(facts, subject, evidence),)
    return (_absent(cluster, subject, evidence),)


def _managed(cluster: Cluster, subject: Subject, evidence: tuple[Evidence, ...]) -> Finding:
    kubelet = cluster.kubelet
    if kubelet is None or not kubelet.object_id:
        return CHECK.unknown(
            subject,
            "object-id-absent",
            "ARM shows a kubelet identity without its object id, by which roles are assigned.",
            evidence,
            missing="identityProfile.kubeletidentity.objectId",
        )
    own = not kubelet.resource_id or same_id(
        f"/subscriptions/{subscription_of(kubelet.resource_id)}", f"/subscriptions/{subscription_of(cluster.id)}"
    )
    where = "" if own else f" It lives in another subscription ({subscription_of(kubelet.resource_id or '')})."
    return CHECK.passes(
        subject, "kubelet-identity", f"Nodes pull as the managed identity {kubelet.object_id}.{where}", evidence
    )


def _service_principal(facts: ClusterFacts, subject: Subject, evidence: tuple[Evidence, ...]) -> Finding:
    client_id = facts.cluster.service_principal_client_id or ""
    gap = facts.principal
    if not isinstance(gap, NotSeen):
        return CHECK.passes(
            subject,
            "service-principal",
            f"Nodes pull as the service principal {gap.value.object_id} (application {client_id}).",
            (*evidence, gap.evidence),
        )
    if gap.why is Why.NOT_FOUND:
        return CHECK.fails(
            subject,
            "service-principal-absent",
            f"The cluster's service principal (application {client_id}) does not exist in the directory.",
            evidence,
            fix=(commands.enable_managed_identity(facts.cluster),),
        )
    return CHECK.not_seen(subject, gap, f"The service principal {client_id}")


def _absent(cluster: Cluster, subject: Subject, evidence: tuple[Evidence, ...]) -> Finding:
    state = cluster.provisioning_state
    if state is None or state.lower() in _UNSETTLED:
        return CHECK.unknown(
            subject,
            "identity-not-yet-known",
            f"ARM does not show the kubelet identity while the cluster is {state or 'in a state ARM does not tell'}.",
            evidence,
            missing="a settled cluster",
        )
    return CHECK.unknown(
        subject,
        "identity-absent",
        f"The cluster is {state} but ARM shows neither a kubelet identity nor a service principal.",
        evidence,
        missing="identityProfile.kubeletidentity",
        fix=(commands.show_cluster(cluster), commands.update_cluster(cluster)),
    )
