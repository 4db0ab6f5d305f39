"""PW101: the identity that nodes pull with."""

from __future__ import annotations

import msgspec

from checks.catalog.check import Check, Decides, Step
from checks.causes import Cause
from checks.facts import (
    Cluster,
    ClusterFacts,
    NodeMachines,
    NotSeen,
    NotSeenReason,
    Registry,
    Seen,
    subscription_of,
)
from checks.facts.node_identity import FormerIdentityNode
from checks.findings import Evidence, Fail, Finding, Pass, Severity, Subject, Unknown
from checks.rules import visibility
from checks.rules.access import identity_access, identity_repair
from checks.rules.access.identity_resource import (
    UNSETTLED,
    IdentityState,
    changes,
    identity_state,
    pools_without_identity,
    provisioned_without_identity,
    running_pools,
)
from checks.rules.access.pullers import needs_kubelet_identity
from checks.rules.access.tenants import identity_crosses, tenants_of
from checks.rules.azure.node_pools import pool_of
from checks.rules.fixes import az_aks
from checks.rules.pull import former_identity
from checks.text import listed


class IdentityCause(Cause):
    """Causes of PW101."""

    KUBELET_IDENTITY = "kubelet-identity", "The kubelet identity is present and attached to the node machines."
    SERVICE_PRINCIPAL = "service-principal", "The cluster pulls with a service principal, which Microsoft Entra ID has."
    IDENTITY_ABSENT = "identity-absent", "The cluster shows no kubelet identity and no service principal."
    IDENTITY_DELETED = "identity-deleted", "The managed identity that nodes pull with was deleted."
    IDENTITY_REPLACED = (
        "identity-replaced",
        "A managed identity of the same name exists, but it is another one: it was deleted and created again.",
    )
    IDENTITY_NOT_ATTACHED = "identity-not-attached", "The node machines do not carry the kubelet identity."
    NODES_ON_FORMER_IDENTITY = (
        "nodes-on-former-identity",
        "Nodes whose pulls are refused were made with an earlier kubelet identity and still ask for its tokens.",
    )
    IDENTITY_NOT_YET_KNOWN = (
        "identity-not-yet-known",
        "The cluster is still being created and shows no kubelet identity yet.",
    )
    OBJECT_ID_ABSENT = (
        "object-id-absent",
        "The kubelet identity has no object id, without which no role assignment can be matched.",
    )
    SERVICE_PRINCIPAL_ABSENT = (
        "service-principal-absent",
        "Microsoft Entra ID has no service principal with the cluster's client id.",
    )
    NOT_THE_PULLER = (
        "not-the-puller",
        "Pods pull with the identities of their service accounts, so nothing depends on the kubelet identity.",
    )
    CLUSTER_DELETING = "cluster-deleting", "The cluster is being deleted."


CHECK = Check(
    code="PW101",
    title="Kubelet identity",
    severity=Severity.ERROR,
    why="Nodes pull with one identity per cluster. Where it is absent or unsettled, no role assignment can help.",
    how=(
        "On a managed-identity cluster it is identityProfile.kubeletidentity (its object id, not the control plane's "
        "or an add-on's identity); on a service-principal cluster Graph turns servicePrincipalProfile.clientId "
        "into an object id. A cluster that is still being created does not show it yet: Unknown. The identity's "
        "resource is looked up in its own subscription (deleted, or made anew with another object id), and the scale "
        "sets and machines of running pools must carry it; where these cannot be read, the finding says so and passes. "
        "So must the machines of node auto-provisioning (by Karpenter's tag): where they may be hidden, Unknown. "
        "Where a registry refuses pulls on nodes, and nodes may be read, it names those that by their label were "
        "made with an earlier identity."
    ),
    permissions=(
        "Reader on the cluster, its node resource group and the identity's subscription",
        "Application.Read.All in Microsoft Graph (service-principal clusters only)",
        "Microsoft.ContainerService/managedClusters/nodes/read in the cluster (optional: which identity nodes have)",
    ),
    fix="Reconcile the cluster with `az aks update`, or give it a new identity; then grant roles, and renew nodes.",
    article=("role assignments",),
    links=(
        "https://learn.microsoft.com/azure/aks/use-managed-identity",
        "https://learn.microsoft.com/azure/aks/pre-created-kubelet-managed-identity",
    ),
    decides=Decides.ACCESS,
    step=Step.IDENTITY,
    causes=(IdentityCause,),
)


MAX_NAMED = 5
_ACCOUNTS_PULL = "pods pull with the identities of their service accounts (serviceAccountImagePullProfile)"


def judge(facts: ClusterFacts) -> tuple[Finding, ...]:
    """One finding about the cluster; and one per registry that refuses nodes with an earlier identity."""
    cluster = facts.cluster
    subject = Subject(cluster.id)
    evidence = (cluster.evidence,) if cluster.evidence else ()
    if (cluster.provisioning_state or "").lower() == "deleting":
        return (CHECK.skipped(subject, IdentityCause.CLUSTER_DELETING, "the cluster is being deleted"),)
    if cluster.kubelet is not None:
        finding = _managed(facts, subject, evidence)
        if not needs_kubelet_identity(facts):
            return (_beside_the_pulls(finding),)
        return (finding, *_on_former_identity(facts)) if isinstance(finding.verdict, Pass) else (finding,)
    if identity_access.is_service_principal(cluster):
        return (_service_principal(facts, subject, evidence),)
    return (_absent(cluster, subject, evidence),)


def _on_former_identity(facts: ClusterFacts) -> tuple[Finding, ...]:
    """One finding per registry that refuses nodes which were made with an earlier identity."""
    seen = facts.former_identity_nodes
    if not isinstance(seen, Seen) or changes(facts.cluster):
        return ()
    refused = former_identity.refused_by_registry(seen.value, facts.workloads)
    return tuple(_former(facts, registry, nodes, seen.evidence) for registry, nodes in refused.items())


def _former(facts: ClusterFacts, registry: str, nodes: tuple[FormerIdentityNode, ...], evidence: Evidence) -> Finding:
    cluster, subject = facts.cluster, Subject(facts.cluster.id, registry=registry)
    now = cluster.kubelet.client_id if cluster.kubelet else None
    settled = tuple(node for node in nodes if not node.provisioned)
    names = listed([node.name for node in settled or nodes], MAX_NAMED)
    clients = listed(sorted({node.client_id for node in settled or nodes}), MAX_NAMED)
    summary = (
        f"{registry} refuses pulls on {names}, which were made with an earlier kubelet identity (client id {clients}; "
        f"the cluster's now has {now}) and keep it until they are imaged anew."
    )
    cause = IdentityCause.NODES_ON_FORMER_IDENTITY
    if not settled:
        lag = f"{summary} Labels of nodes from node auto-provisioning may lag behind."
        return CHECK.unknown(subject, cause, lag, (evidence,), missing="which identity these nodes have")
    pools = dict.fromkeys(p.name for node in settled if (p := pool_of(node.name, cluster.pools)) is not None)
    all_pools = (pool.name for pool in running_pools(cluster))
    return CHECK.fails(
        subject, cause, summary, (evidence,), fix=identity_repair.image_again(cluster, pools or all_pools)
    )


def _beside_the_pulls(finding: Finding) -> Finding:
    """What is found about an identity that no node pulls with: no reason for a pull to fail."""
    if isinstance(finding.verdict, Fail):
        summary = f"{finding.summary} It fails no pull: {_ACCOUNTS_PULL}."
        return msgspec.structs.replace(finding, severity=Severity.WARNING, summary=summary)
    if isinstance(finding.verdict, Unknown):
        return CHECK.skipped(finding.subject, IdentityCause.NOT_THE_PULLER, _ACCOUNTS_PULL)
    return finding


def _managed(facts: ClusterFacts, subject: Subject, evidence: tuple[Evidence, ...]) -> Finding:
    cluster, kubelet = facts.cluster, facts.cluster.kubelet
    if kubelet is None or not kubelet.object_id:
        return CHECK.unknown(
            subject,
            IdentityCause.OBJECT_ID_ABSENT,
            "ARM shows a kubelet identity without its object id, by which roles are assigned.",
            evidence,
            missing="identityProfile.kubeletidentity.objectId",
        )
    for part in (facts.kubelet_resource, facts.machines):
        evidence += (part.evidence,) if isinstance(part, Seen) else ()
    if not changes(cluster) and kubelet.resource_id:
        finding = _judge_resource(facts, kubelet.resource_id, subject, evidence)
        finding = finding or _not_attached(facts, kubelet.resource_id, subject, evidence)
        if finding is not None:
            return finding
        hidden = _hidden(facts, kubelet.resource_id)
        if hidden is not None:
            return CHECK.not_seen(subject, *hidden)
    own = not kubelet.resource_id or subscription_of(kubelet.resource_id) == subscription_of(cluster.id)
    where = "" if own else f" It lives in another subscription ({subscription_of(kubelet.resource_id or '')})."
    summary = f"Nodes pull as the managed identity {kubelet.object_id}.{where}{_unseen(facts)}"
    return CHECK.passes(subject, IdentityCause.KUBELET_IDENTITY, summary, evidence)


def _hidden(facts: ClusterFacts, resource_id: str) -> tuple[NotSeen, str] | None:
    """What may not be read, and would show that the identity was deleted, replaced or taken off the machines."""
    seen = isinstance(facts.kubelet_resource, Seen) and facts.kubelet_resource.value.resource is not None
    gap = visibility.hidden_in(facts.visibility, subscription_of(resource_id), visibility.IDENTITIES)
    if not seen and gap is not None:
        return gap, f"The kubelet identity {resource_id}, which may have been deleted,"
    if facts.machines is None:
        return None
    if facts.cluster.node_provisioning:
        hidden = _hidden_machines(facts, facts.machines)
        if hidden is not None:
            return hidden, "The machines of node auto-provisioning, which may lack the kubelet identity,"
    gap = visibility.hidden_in(facts.visibility, subscription_of(facts.cluster.id), visibility.SCALE_SETS)
    return (gap, "The node machines, which may lack the kubelet identity,") if gap is not None else None


def _hidden_machines(facts: ClusterFacts, machines: Seen[tuple[NodeMachines, ...]] | NotSeen) -> NotSeen | None:
    """Why machines of node auto-provisioning may be there that were not looked at: nothing else shows them."""
    if isinstance(machines, NotSeen):
        return machines
    if machines.partial:
        return NotSeen(NotSeenReason.ERROR, machines.partial)
    return visibility.hidden_in(facts.visibility, subscription_of(facts.cluster.id), visibility.MACHINES)


def _judge_resource(
    facts: ClusterFacts, resource_id: str, subject: Subject, evidence: tuple[Evidence, ...]
) -> Finding | None:
    """The identity's resource is gone, or another identity was made under its name: nodes get no token for it."""
    kubelet, state = facts.cluster.kubelet, identity_state(facts)
    if kubelet is None or state is IdentityState.STANDS:
        return None
    pools = tuple(pool.name for pool in running_pools(facts.cluster))
    if state is IdentityState.DELETED:
        return CHECK.fails(
            subject,
            IdentityCause.IDENTITY_DELETED,
            f"The kubelet identity {resource_id} does not exist any more: it was deleted while the cluster uses it.",
            evidence,
            fix=identity_repair.repair_deleted(facts.cluster, resource_id, pools, _registries(facts)),
        )
    seen = facts.kubelet_resource
    now = seen.value.resource.principal_id if isinstance(seen, Seen) and seen.value.resource is not None else None
    return CHECK.fails(
        subject,
        IdentityCause.IDENTITY_REPLACED,
        f"The cluster expects the object id {kubelet.object_id} for the kubelet identity {resource_id}, which now "
        f"has {now}: it was deleted and made anew.",
        evidence,
        fix=identity_repair.repair_replaced(facts.cluster, resource_id, pools),
    )


def _not_attached(
    facts: ClusterFacts, resource_id: str, subject: Subject, evidence: tuple[Evidence, ...]
) -> Finding | None:
    lacking, provisioned = pools_without_identity(facts), provisioned_without_identity(facts)
    if not lacking and not provisioned:
        return None
    named = [f"the machines of {', '.join(lacking[:10])}"] if lacking else []
    if provisioned:
        named.append(f"machines of node auto-provisioning ({listed(provisioned, MAX_NAMED)})")
    who = " and ".join(named)
    return CHECK.fails(
        subject,
        IdentityCause.IDENTITY_NOT_ATTACHED,
        f"{who[0].upper()}{who[1:]} do not carry the kubelet identity {resource_id}: they get no token.",
        evidence,
        fix=identity_repair.attach_again(facts.cluster, lacking, provisioned),
    )


def _registries(facts: ClusterFacts) -> tuple[Registry, ...]:
    """The Azure registries in use that a new identity needs a role on: those of another tenant take none."""
    used = (use.registry.value for use in facts.uses if use.acr and isinstance(use.registry, Seen))
    return tuple(registry for registry in used if not identity_crosses(facts, registry))


def _unseen(facts: ClusterFacts) -> str:
    """What could not be verified about the identity, as a sentence."""
    kubelet_resource, machines = facts.kubelet_resource, facts.machines
    unverified = []
    if isinstance(kubelet_resource, NotSeen):
        unverified.append(f"whether its resource still exists ({kubelet_resource.detail})")
    elif isinstance(kubelet_resource, Seen) and kubelet_resource.value.resource is None:
        unverified.append("whether its resource still exists (ARM shows nothing of its resource group)")
    if isinstance(machines, NotSeen):
        unverified.append(f"whether the machines carry it ({machines.detail})")
    if isinstance(facts.former_identity_nodes, NotSeen):
        unverified.append(f"whether nodes still have an earlier identity ({facts.former_identity_nodes.detail})")
    return f" Not verified: {'; '.join(unverified)}." if unverified else ""


def _service_principal(facts: ClusterFacts, subject: Subject, evidence: tuple[Evidence, ...]) -> Finding:
    client_id = facts.cluster.service_principal_client_id or ""
    gap = facts.principal
    if not isinstance(gap, NotSeen):
        return CHECK.passes(
            subject,
            IdentityCause.SERVICE_PRINCIPAL,
            f"Nodes pull as the service principal {gap.value.object_id} (application {client_id}).",
            (*evidence, gap.evidence),
        )
    if gap.why is NotSeenReason.NOT_FOUND:
        registries = _registries(facts)
        return CHECK.fails(
            subject,
            IdentityCause.SERVICE_PRINCIPAL_ABSENT,
            f"The cluster's service principal (application {client_id}) does not exist in the directory.",
            evidence,
            fix=identity_repair.leave_service_principal(
                facts.cluster,
                (pool.name for pool in running_pools(facts.cluster)),
                registries,
                crossing=any(not tenants_of(facts, registry).same for registry in registries),
            ),
        )
    return CHECK.not_seen(subject, gap, f"The service principal {client_id}")


def _absent(cluster: Cluster, subject: Subject, evidence: tuple[Evidence, ...]) -> Finding:
    state = cluster.provisioning_state
    if state is None or state.lower() in UNSETTLED:
        return CHECK.unknown(
            subject,
            IdentityCause.IDENTITY_NOT_YET_KNOWN,
            f"ARM does not show the kubelet identity while the cluster is {state or 'in an unknown state'}.",
            evidence,
            missing="a settled cluster",
        )
    return CHECK.unknown(
        subject,
        IdentityCause.IDENTITY_ABSENT,
        f"The cluster is {state} but ARM shows neither a kubelet identity nor a service principal.",
        evidence,
        missing="identityProfile.kubeletidentity",
        fix=(az_aks.show_kubelet_identity(cluster), az_aks.reconcile_cluster(cluster)),
    )
