"""PW203: the private endpoint is approved and in reach of the nodes."""

from __future__ import annotations

from checks.catalog.check import Check, Decides
from checks.catalog.paths import ClusterPaths, path_findings
from checks.findings import Finding, Severity
from checks.rules.path.evaluate import PathQuestion

CHECK = Check(
    code="PW203",
    title="Private endpoint in reach",
    severity=Severity.ERROR,
    why=(
        "A private endpoint lets nodes in only when it is approved and lies in their network or in one peered with "
        "it both ways."
    ),
    how=(
        "The endpoint that the login server's name leads to: its connection is Approved, and its network is the "
        "nodes' own or peered with it, Connected on both sides with virtual network access. Peering is not "
        "transitive: through a hub, an appliance or a gateway it is Unknown, without one it is out of reach. An "
        "endpoint in a subscription that cannot be read is Unknown. Skipped where the nodes' names lead to the "
        "public endpoint."
    ),
    permissions=(
        "Reader on the subscriptions of the registry, of its private endpoints and of their virtual networks",
    ),
    fix="Approve the connection, or peer the networks both ways.",
    article=("VNet access",),
    links=(
        "https://learn.microsoft.com/azure/container-registry/container-registry-private-endpoints",
        "https://learn.microsoft.com/azure/virtual-network/virtual-network-peering-overview",
    ),
    decides=Decides.PATH,
)


def judge_path(paths: ClusterPaths) -> tuple[Finding, ...]:
    """Findings about each Azure registry that the cluster uses, per node pool where pools differ."""
    return path_findings(CHECK, PathQuestion.ENDPOINT, paths)
